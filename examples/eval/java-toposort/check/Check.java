import java.util.*;

public class Check {
  public static void main(String[] args) throws Exception {
    same(List.of("a", "b", "c", "d"), Build.order(Map.of("d", List.of("b", "c"), "b", List.of("a"), "c", List.of("a"))));
    same(List.of("a", "z", "b"), Build.order(Map.of("b", List.of("z"), "a", List.of())));
    same(List.of(), Build.order(Map.of()));
    try {
      Build.order(Map.of("c", List.of("a"), "a", List.of("b"), "b", List.of("c"), "x", List.of("a")));
      throw new AssertionError("a circle");
    } catch (IllegalStateException error) {
      same("a -> b -> c -> a", error.getMessage());
    }
    try {
      Build.order(Map.of("s", List.of("s")));
      throw new AssertionError("a circle");
    } catch (IllegalStateException error) {
      same("s -> s", error.getMessage());
    }
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
