import java.util.ArrayList;
import java.util.List;

public class Report {
  /** Lines of three names each. */
  public static List<String> lines(List<String> names) {
    List<String> out = new ArrayList<>();
    for (int i = 0; i < names.size(); i += 3)
      out.add(String.join(", ", names.subList(i, Math.min(i + 3, names.size()))));
    return out;
  }
}
