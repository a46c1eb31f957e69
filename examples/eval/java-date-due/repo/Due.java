import java.time.LocalDate;

public class Due {
  public static LocalDate next(LocalDate date) {
    return date.plusDays(30);
  }
}
