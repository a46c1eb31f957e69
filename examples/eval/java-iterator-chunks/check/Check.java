import java.util.*;

public class Check {
  public static void main(String[] args) throws Exception {
    List<List<Integer>> seen = new ArrayList<>();
    Iterable<List<Integer>> chunks = Chunks.of(List.of(1, 2, 3, 4, 5), 2);
    for (int i = 0; i < 2; i++) for (List<Integer> one : chunks) seen.add(one);
    same("[[1, 2], [3, 4], [5], [1, 2], [3, 4], [5]]", seen.toString());
    int[] taken = {0};
    Iterable<Integer> endless = () -> new Iterator<Integer>() {
      public boolean hasNext() { return true; }
      public Integer next() { return taken[0]++; }
    };
    Iterator<List<Integer>> lazy = Chunks.of(endless, 3).iterator();
    same(0, taken[0]);
    same(List.of(0, 1, 2), lazy.next());
    same(3, taken[0]);
    fails(IllegalArgumentException.class, () -> Chunks.of(List.of(), 0));
    fails(NoSuchElementException.class, () -> Chunks.of(List.<Integer>of(), 1).iterator().next());
    same(List.of("a, b, c", "d"), Report.lines(List.of("a", "b", "c", "d")));
    same(true, java.nio.file.Files.readString(java.nio.file.Path.of("Report.java")).contains("Chunks.of"));
  }

  static void same(Object wanted, Object found) {
    if (!Objects.equals(wanted, found)) throw new AssertionError("wanted " + wanted + ", found " + found);
  }

  static void fails(Class<?> kind, Runnable work) {
    try {
      work.run();
    } catch (RuntimeException error) {
      same(kind, error.getClass());
      return;
    }
    throw new AssertionError("wanted " + kind);
  }
}
