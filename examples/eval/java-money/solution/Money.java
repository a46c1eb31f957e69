import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;

/** An amount in whole cents. */
public final class Money {
  private final long cents;

  private Money(long cents) {
    this.cents = cents;
  }

  public static Money of(String text) {
    if (!text.matches("-?\\d+(\\.\\d{1,2})?")) throw new IllegalArgumentException("no amount: " + text);
    return new Money(new BigDecimal(text).movePointRight(2).longValueExact());
  }

  public Money plus(Money other) {
    return new Money(Math.addExact(cents, other.cents));
  }

  public Money times(int factor) {
    return new Money(Math.multiplyExact(cents, (long) factor));
  }

  /** Parts that differ by at most one cent, the larger ones first. */
  public List<Money> split(int parts) {
    if (parts < 1) throw new IllegalArgumentException("split into " + parts);
    List<Money> out = new ArrayList<>();
    long each = Math.floorDiv(cents, parts);
    long more = Math.floorMod(cents, parts);
    for (int i = 0; i < parts; i++) out.add(new Money(i < more ? each + 1 : each));
    return out;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Money && ((Money) other).cents == cents;
  }

  @Override
  public int hashCode() {
    return Long.hashCode(cents);
  }

  @Override
  public String toString() {
    return BigDecimal.valueOf(cents, 2).toPlainString();
  }
}
