import java.util.*;

public class Check {
  public static void main(String[] args) throws Exception {
    same("0.30", Money.of("0.10").plus(Money.of("0.2")).toString());
    same("-0.05", Money.of("-0.05").toString());
    same("-12.30", Money.of("-12.3").toString());
    same(Money.of("3"), Money.of("1.50").times(2));
    same(Money.of("3").hashCode(), Money.of("3.00").hashCode());
    same(List.of(Money.of("0.04"), Money.of("0.03"), Money.of("0.03")), Money.of("0.10").split(3));
    Money sum = Money.of("0");
    for (Money part : Money.of("-1.00").split(7)) sum = sum.plus(part);
    same(Money.of("-1"), sum);
    for (String bad : List.of("", "1.234", "a", "1.", ".5", "+1", "1e3", " 1")) fails(IllegalArgumentException.class, () -> Money.of(bad));
    fails(ArithmeticException.class, () -> Money.of("92233720368547758.07").plus(Money.of("0.01")));
    fails(IllegalArgumentException.class, () -> Money.of("1").split(0));
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
