import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;

/** An iterable in lists of at most n elements, taken as they are asked for. */
public final class Chunks {
  private Chunks() {}

  public static <T> Iterable<List<T>> of(Iterable<T> source, int n) {
    if (n < 1) throw new IllegalArgumentException("chunks of " + n);
    return () -> {
      Iterator<T> from = source.iterator();
      return new Iterator<List<T>>() {
        @Override
        public boolean hasNext() {
          return from.hasNext();
        }

        @Override
        public List<T> next() {
          if (!from.hasNext()) throw new NoSuchElementException();
          List<T> chunk = new ArrayList<>(n);
          while (chunk.size() < n && from.hasNext()) chunk.add(from.next());
          return chunk;
        }
      };
    };
  }
}
