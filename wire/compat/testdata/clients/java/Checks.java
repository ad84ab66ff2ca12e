import java.util.Objects;
import java.util.concurrent.Callable;

/** Counts and prints what a client's tests check. */
final class Checks {
    private int passed;
    private int failed;

    void check(boolean holds, String what) {
        System.out.println((holds ? "" : "not ") + "ok - " + what);
        if (holds) {
            passed++;
        } else {
            failed++;
        }
    }

    void equal(Object got, Object want, String what) {
        if (!Objects.equals(got, want)) {
            System.out.printf("# got %.100s, wanted %.100s%n", got, want);
        }
        check(Objects.equals(got, want), what);
    }

    /** Wants an exception that says, in itself or in a cause, what a part says. */
    void refused(Callable<?> call, String part, String what) {
        try {
            System.out.println("# returned " + call.call());
            check(false, what);
        } catch (Exception e) {
            boolean said = false;
            for (Throwable t = e; t != null; t = t.getCause()) {
                said |= t.toString().contains(part);
            }
            if (!said) {
                System.out.println("# threw " + e);
            }
            check(said, what);
        }
    }

    /** Waits until a call returns what is wanted, for at most ten seconds. */
    void becomes(Object want, Callable<?> call, String what) throws Exception {
        long end = System.nanoTime() + 10_000_000_000L;
        while (!Objects.equals(call.call(), want) && System.nanoTime() < end) {
            Thread.sleep(20);
        }
        equal(call.call(), want, what);
    }

    /** Prints the counts and ends the process. */
    void end() {
        System.out.printf("%d passed, %d failed%n", passed, failed);
        System.exit(failed == 0 ? 0 : 1);
    }

    static String pattern(int n) {
        return "abcdefghijklmnopqrstuvw".repeat(n / 23 + 1).substring(0, n);
    }
}
