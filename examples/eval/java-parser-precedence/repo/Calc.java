public class Calc {
  public static double eval(String text) {
    String[] parts = text.trim().split("\\s+");
    double value = Double.parseDouble(parts[0]);
    for (int i = 1; i < parts.length; i += 2) {
      double next = Double.parseDouble(parts[i + 1]);
      switch (parts[i]) {
        case "+": value += next; break;
        case "-": value -= next; break;
        case "*": value *= next; break;
        default: value /= next;
      }
    }
    return value;
  }
}
