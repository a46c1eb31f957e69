import java.util.List;
import java.util.Map;

public class Build {
  /** `needs` tells for each task which tasks it needs. */
  public static List<String> order(Map<String, List<String>> needs) {
    throw new UnsupportedOperationException();
  }
}
