import java.util.HashMap;
import java.util.Map;

public class Counter {
  private final Map<String, Long> counts = new HashMap<>();

  public void add(String name) {
    counts.put(name, counts.getOrDefault(name, 0L) + 1);
  }

  public Map<String, Long> snapshot() {
    return counts;
  }
}
