import java.util.*;

public class Check {
  public static void main(String[] args) throws Exception {
    same(List.of("2025-01-31", "2025-02-28", "2025-03-31", "2025-04-30", "2025-06-02"), text(Due.series(java.time.LocalDate.parse("2025-01-31"), 5)));
    same(List.of("2024-12-30", "2025-01-30", "2025-02-28", "2025-03-31"), text(Due.series(java.time.LocalDate.parse("2024-12-30"), 4)));
    same(List.of("2025-11-17", "2025-12-15"), text(Due.series(java.time.LocalDate.parse("2025-11-15"), 2)));
    same(List.of(), Due.series(java.time.LocalDate.parse("2025-11-15"), 0));
    same("2024-02-29", Due.next(java.time.LocalDate.parse("2024-01-31")).toString());
    fails(IllegalArgumentException.class, () -> Due.series(java.time.LocalDate.parse("2025-11-15"), -1));
  }

  static void same(Object wanted, Object found) {
    if (!Objects.equals(wanted, found)) throw new AssertionError("wanted " + wanted + ", found " + found);
  }

  static List<String> text(List<java.time.LocalDate> dates) {
    List<String> out = new ArrayList<>();
    for (java.time.LocalDate one : dates) out.add(one.toString());
    return out;
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
