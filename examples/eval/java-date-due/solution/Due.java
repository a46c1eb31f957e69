import java.time.DayOfWeek;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;

public class Due {
  public static LocalDate next(LocalDate date) {
    return onWorkday(date.plusMonths(1));
  }

  /** Each counted from the first, so that neither a short month nor a weekend moves those after it. */
  public static List<LocalDate> series(LocalDate first, int n) {
    if (n < 0) throw new IllegalArgumentException("a series of " + n);
    List<LocalDate> out = new ArrayList<>();
    for (int i = 0; i < n; i++) out.add(onWorkday(first.plusMonths(i)));
    return out;
  }

  private static LocalDate onWorkday(LocalDate date) {
    if (date.getDayOfWeek() == DayOfWeek.SATURDAY) return date.plusDays(2);
    return date.getDayOfWeek() == DayOfWeek.SUNDAY ? date.plusDays(1) : date;
  }
}
