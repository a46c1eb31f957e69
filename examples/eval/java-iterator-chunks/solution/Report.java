import java.util.ArrayList;
import java.util.List;

public class Report {
  /** Lines of three names each. */
  public static List<String> lines(List<String> names) {
    List<String> out = new ArrayList<>();
    for (List<String> three : Chunks.of(names, 3)) out.add(String.join(", ", three));
    return out;
  }
}
