/** Arithmetic by recursive descent: sum, product, minus, power, atom. */
public class Calc {
  private final String text;
  private int at = 0;

  private Calc(String text) {
    this.text = text;
  }

  public static double eval(String text) {
    Calc calc = new Calc(text);
    double value = calc.sum();
    if (calc.peek() != 0) throw calc.wrong();
    return value;
  }

  private double sum() {
    double value = product();
    while (true) {
      if (take('+')) value += product();
      else if (take('-')) value -= product();
      else return value;
    }
  }

  private double product() {
    double value = minus();
    while (true) {
      if (take('*')) value *= minus();
      else if (take('/')) value /= minus();
      else return value;
    }
  }

  private double minus() {
    return take('-') ? -minus() : power();
  }

  private double power() {
    double base = atom();
    return take('^') ? Math.pow(base, minus()) : base;
  }

  private double atom() {
    if (take('(')) {
      double value = sum();
      if (!take(')')) throw wrong();
      return value;
    }
    peek();
    int start = at;
    while (at < text.length() && (Character.isDigit(text.charAt(at)) || text.charAt(at) == '.')) at++;
    try {
      return Double.parseDouble(text.substring(start, at));
    } catch (NumberFormatException error) {
      at = start;
      throw wrong();
    }
  }

  /** The next character that is no space, 0 at the end. */
  private char peek() {
    while (at < text.length() && Character.isWhitespace(text.charAt(at))) at++;
    return at < text.length() ? text.charAt(at) : 0;
  }

  private boolean take(char wanted) {
    if (peek() != wanted) return false;
    at++;
    return true;
  }

  private IllegalArgumentException wrong() {
    return new IllegalArgumentException("cannot be read at " + at);
  }
}
