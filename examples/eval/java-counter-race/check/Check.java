import java.util.*;

public class Check {
  public static void main(String[] args) throws Exception {
    Counter counter = new Counter();
    java.util.concurrent.atomic.AtomicLong taken = new java.util.concurrent.atomic.AtomicLong();
    List<Thread> threads = new ArrayList<>();
    for (int t = 0; t < 8; t++) {
      Thread thread = new Thread(() -> {
        for (int i = 0; i < 50_000; i++) {
          counter.add("n" + i % 3);
          if (i % 1000 == 0) taken.addAndGet(counter.reset("n0"));
        }
      });
      thread.start();
      threads.add(thread);
    }
    for (Thread thread : threads) thread.join();
    Map<String, Long> seen = counter.snapshot();
    long sum = taken.get();
    for (long one : seen.values()) sum += one;
    same(400_000L, sum);
    counter.add("a");
    same(false, seen.containsKey("a"));
    same("a", counter.snapshot().keySet().iterator().next());
    same(1L, counter.reset("a"));
    same(0L, counter.reset("a"));
    same(0L, counter.reset("never"));
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
