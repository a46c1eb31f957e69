import java.util.*;

public class Check {
  public static void main(String[] args) throws Exception {
    same(7.0, Calc.eval("1 + 2*3"));
    same(512.0, Calc.eval("2^3^2"));
    same(-4.0, Calc.eval("-2^2"));
    same(9.0, Calc.eval("(1+2) * (4 - 1)"));
    same(-1.0, Calc.eval("1 - - -2"));
    same(0.25, Calc.eval("2^-2"));
    same(2.5, Calc.eval("10/2/2"));
    same(1.5, Calc.eval(" 1.5 "));
    same(Double.POSITIVE_INFINITY, Calc.eval("1/0"));
    for (String[] bad : new String[][] {{"1 +", "3"}, {"(1", "2"}, {"1 2", "2"}, {"", "0"}, {"1 + )", "4"}, {"a", "0"}})
      try {
        Calc.eval(bad[0]);
        throw new AssertionError(bad[0]);
      } catch (IllegalArgumentException error) {
        if (!error.getMessage().endsWith("at " + bad[1])) throw new AssertionError(bad[0] + ": " + error.getMessage());
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
