import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

public class Counter {
  // Each name is locked by itself, for as long as its count is changed.
  private final ConcurrentHashMap<String, Long> counts = new ConcurrentHashMap<>();

  public void add(String name) {
    counts.merge(name, 1L, Long::sum);
  }

  /** A sorted copy. */
  public Map<String, Long> snapshot() {
    return new TreeMap<>(counts);
  }

  /** The count so far; what is added from now on counts from 0. */
  public long reset(String name) {
    Long before = counts.remove(name);
    return before == null ? 0 : before;
  }
}
