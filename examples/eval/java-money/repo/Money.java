public class Money {
  private final double amount;

  private Money(double amount) {
    this.amount = amount;
  }

  public static Money of(String text) {
    return new Money(Double.parseDouble(text));
  }

  public Money plus(Money other) {
    return new Money(amount + other.amount);
  }

  public String toString() {
    return String.valueOf(amount);
  }
}
