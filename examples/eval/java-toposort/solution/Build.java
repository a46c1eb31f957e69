import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;

public class Build {
  /** `needs` tells for each task which tasks it needs. */
  public static List<String> order(Map<String, List<String>> needs) {
    Map<String, TreeSet<String>> left = new TreeMap<>();
    needs.forEach((task, own) -> {
      left.computeIfAbsent(task, x -> new TreeSet<>()).addAll(own);
      for (String need : own) left.computeIfAbsent(need, x -> new TreeSet<>());
    });
    List<String> out = new ArrayList<>();
    while (!left.isEmpty()) {
      String next = null;
      for (Map.Entry<String, TreeSet<String>> one : left.entrySet())
        if (one.getValue().isEmpty()) {
          next = one.getKey();
          break;
        }
      if (next == null) throw new IllegalStateException(circle(left));
      out.add(next);
      left.remove(next);
      for (TreeSet<String> own : left.values()) own.remove(next);
    }
    return out;
  }

  /** Everything that is left needs something that is left, so following needs ends in a circle. */
  private static String circle(Map<String, TreeSet<String>> left) {
    List<String> path = new ArrayList<>();
    String at = left.keySet().iterator().next();
    while (!path.contains(at)) {
      path.add(at);
      at = left.get(at).first();
    }
    List<String> round = new ArrayList<>(path.subList(path.indexOf(at), path.size()));
    Collections.rotate(round, -round.indexOf(Collections.min(round)));
    round.add(round.get(0));
    return String.join(" -> ", round);
  }
}
