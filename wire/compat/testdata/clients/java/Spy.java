import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import net.spy.memcached.CASResponse;
import net.spy.memcached.CASValue;
import net.spy.memcached.CachedData;
import net.spy.memcached.ConnectionFactoryBuilder;
import net.spy.memcached.MemcachedClient;
import net.spy.memcached.auth.AuthDescriptor;
import net.spy.memcached.auth.PlainCallbackHandler;
import net.spy.memcached.transcoders.SerializingTranscoder;
import net.spy.memcached.transcoders.Transcoder;

/**
 * A client of spymemcached: Spy HOST PORT text|binary [USER PASSWORD].
 *
 * <p>It does what its users do and checks each answer, prints a line for each check, and last how
 * many passed. When it has stored client:ready, the driver (languages_test.go) stores driver:...,
 * driver:ready last; and in the end it looks at client:..., all by the other protocol.
 */
final class Spy {
    private final Checks checks = new Checks();
    private final MemcachedClient c;
    private final boolean binary;

    /** Values with the flags that users of other clients gave them. */
    private static final Transcoder<CachedData> RAW = new Transcoder<>() {
        @Override
        public boolean asyncDecode(CachedData d) {
            return false;
        }

        @Override
        public CachedData encode(CachedData d) {
            return d;
        }

        @Override
        public CachedData decode(CachedData d) {
            return d;
        }

        @Override
        public int getMaxSize() {
            return CachedData.MAX_SIZE;
        }
    };

    private Spy(String[] args) throws Exception {
        binary = args[2].equals("binary");
        SerializingTranscoder plain = new SerializingTranscoder();
        plain.setCompressionThreshold(1 << 30);
        ConnectionFactoryBuilder builder = new ConnectionFactoryBuilder()
            .setProtocol(binary ? ConnectionFactoryBuilder.Protocol.BINARY : ConnectionFactoryBuilder.Protocol.TEXT)
            .setTranscoder(plain)
            .setOpTimeout(10_000)
            .setDaemon(true);
        if (args.length > 3) {
            builder.setAuthDescriptor(new AuthDescriptor(new String[] {"PLAIN"}, new PlainCallbackHandler(args[3], args[4])));
        }
        c = new MemcachedClient(builder.build(), List.of(new InetSocketAddress(args[0], Integer.parseInt(args[1]))));
    }

    private void yes(Future<Boolean> f, String what) throws Exception {
        checks.equal(f.get(), true, what);
    }

    private void no(Future<Boolean> f, String what) throws Exception {
        checks.equal(f.get(), false, what);
    }

    private static CachedData data(String value, int flags) {
        return new CachedData(flags, value.getBytes(StandardCharsets.ISO_8859_1), CachedData.MAX_SIZE);
    }

    private String raw(String key) {
        CachedData d = c.get(key, RAW);
        return d == null ? null : new String(d.getData(), StandardCharsets.ISO_8859_1) + " flags " + d.getFlags();
    }

    private void storing() throws Exception {
        yes(c.set("value", 0, "first"), "set");
        checks.equal(c.get("value"), "first", "get what was set");
        checks.equal(c.get("nobody"), null, "get of what is not there");
        for (Object value : new Object[] {1, 2L, 3.5, true, 'x', new byte[0].length, "\u00e9\u4e16", new ArrayList<>(List.of(1, "a"))}) {
            yes(c.set("typed", 0, value), "set of " + value.getClass());
            checks.equal(c.get("typed"), value, "get of it, by its flags");
        }
        yes(c.set("raw", 0, data("\0\r\n\u00ff", 0x7eadbeef), RAW), "set with flags");
        checks.equal(raw("raw"), "\0\r\n\u00ff flags " + 0x7eadbeef, "get with flags");
        yes(c.add("added", 0, "one"), "add");
        no(c.add("added", 0, "two"), "add again");
        checks.equal(c.get("added"), "one", "the first of the adds stays");
        yes(c.replace("added", 0, "three"), "replace");
        no(c.replace("nobody", 0, "x"), "replace of what is not there");
        yes(c.append("added", " tail"), "append");
        yes(c.prepend("added", "head "), "prepend");
        checks.equal(c.get("added"), "head three tail", "all three hold");
        no(c.append("nobody", "x"), "append to what is not there");

        CASValue<Object> v = c.gets("value");
        checks.equal(v.getValue(), "first", "gets");
        checks.equal(c.cas("value", v.getCas(), "second"), CASResponse.OK, "cas");
        checks.equal(c.cas("value", v.getCas(), "third"), CASResponse.EXISTS, "cas with a stale token");
        checks.equal(c.cas("nobody", v.getCas(), "x"), CASResponse.NOT_FOUND, "cas of what is not there");
        checks.equal(c.get("value"), "second", "the cas that held");

        yes(c.delete("added"), "delete");
        no(c.delete("added"), "delete again");
        checks.equal(c.get("added"), null, "get what was deleted");
    }

    private void counting() throws Exception {
        checks.equal(c.incr("counter", 5, 10), 10L, "incr with an initial value");
        checks.equal(c.incr("counter", 5, 10), 15L, "incr");
        checks.equal(c.incr("counter", 1L << 40), 15L + (1L << 40), "incr by more than 32 bits");
        checks.equal(c.decr("counter", 1L << 40), 15L, "decr");
        checks.equal(c.decr("counter", 100), 0L, "decr below zero");
        checks.equal(c.decr("counter2", 1, 50), 50L, "decr with an initial value");
        checks.equal(c.incr("nobody", 1), -1L, "incr of what is not there");
        checks.equal(raw("counter"), "0" + " ".repeat(12) + " flags 0", "a counter is text, as long as it once was");
        yes(c.set("letters", 0, "abc"), "set of letters");
        if (binary) { // by which the client does not say why
            checks.equal(c.asyncIncr("letters", 1).get(), -1L, "incr of letters is refused");
        } else {
            checks.refused(() -> c.asyncIncr("letters", 1).get(), "non-numeric", "incr of letters is refused");
        }
        checks.equal(c.get("letters"), "abc", "and leaves them");
    }

    private void many() throws Exception {
        Map<String, Object> values = new HashMap<>();
        List<Future<Boolean>> sets = new ArrayList<>();
        List<String> keys = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            keys.add("many-" + i);
            if (i % 2 == 0) {
                values.put("many-" + i, "value of " + i);
                sets.add(c.set("many-" + i, 0, "value of " + i));
            }
        }
        boolean all = true;
        for (Future<Boolean> f : sets) {
            all &= f.get();
        }
        checks.check(all, "a hundred sets at once");
        checks.equal(c.getBulk(keys), values, "getBulk gets what is there");
        List<Future<Object>> gets = new ArrayList<>();
        for (String key : keys) {
            gets.add(c.asyncGet(key));
        }
        for (int i = 0; i < keys.size(); i++) {
            all &= java.util.Objects.equals(gets.get(i).get(), values.get(keys.get(i)));
        }
        checks.check(all, "two hundred gets at once, which it merges");
    }

    // An expiry of n seconds comes after n-1 to n of them.
    private void expiry() throws Exception {
        yes(c.set("brief", 3, "x"), "set with an expiry");
        checks.equal(c.get("brief"), "x", "get before it");
        yes(c.set("touched", 2, "x"), "set to be touched");
        yes(c.touch("touched", 600), "touch");
        no(c.touch("nobody", 600), "touch of what is not there");
        if (binary) {
            yes(c.set("got", 1, "x"), "set to be got and touched");
            checks.equal(c.getAndTouch("got", 600).getValue(), "x", "getAndTouch");
            checks.equal(c.getAndTouch("nobody", 600), null, "getAndTouch of what is not there");
        }
        yes(c.set("past", 1_000_000_000, "x"), "set with an expiry that is past");
        checks.equal(c.get("past"), null, "get of it");
        checks.becomes(null, () -> c.get("brief"), "get after its expiry");
        checks.equal(c.get("touched"), "x", "what was touched is there");
        if (binary) {
            checks.equal(c.get("got"), "x", "what was got and touched is there");
        }
    }

    private void large() throws Exception {
        yes(c.set("large", 0, Checks.pattern(1_000_000)), "set of a large value");
        checks.equal(c.get("large"), Checks.pattern(1_000_000), "get of it");
        checks.refused(() -> {
            Boolean stored = c.set("large", 0, Checks.pattern(2_000_000)).get();
            if (!stored) {
                throw new Exception("too large");
            }
            return stored;
        }, "too large", "set of a value too large");
        checks.equal(c.get("large"), null, "the old one is gone with it");
        yes(c.set("k".repeat(250), 0, "x"), "set of the longest key");
        checks.equal(c.get("k".repeat(250)), "x", "get of it");
    }

    private void operating() throws Exception {
        Map<String, String> stats = c.getStats().values().iterator().next();
        checks.check(Integer.parseInt(stats.get("curr_items")) > 50, "curr_items");
        checks.check(stats.get("version").startsWith("1.6."), "it is 1.6");
        checks.equal(c.getStats("settings").values().iterator().next().get("item_size_max"), "1048576", "stats settings");
        checks.check(c.getStats("slabs").values().iterator().next().containsKey("active_slabs"), "stats slabs");
        checks.check(c.getVersions().values().iterator().next().startsWith("1.6."), "version");
        yes(c.flush(), "flush");
        checks.equal(c.get("value"), null, "nothing is left");
    }

    private void crossing() throws Exception {
        checks.equal(c.set("client:ready", 0, "x").get(), true, "a sign for the driver");
        checks.becomes("x", () -> c.get("driver:ready"), "a sign from the driver");
        checks.equal(raw("driver:value"), "driver's own flags 305419896", "the driver's value and flags");
        checks.equal(raw("driver:large"), Checks.pattern(400_000) + " flags 9", "the driver's large value");
        checks.equal(c.incr("driver:counter", 1), 42L, "incr of the driver's counter");
        yes(c.append("driver:appended", ", and the client's"), "append to the driver's value");
        yes(c.touch("driver:touched", 700), "touch of the driver's value");
        yes(c.delete("driver:deleted"), "delete of the driver's value");
    }

    private void leaving() throws Exception {
        yes(c.set("client:value", 0, data("client's own", 305419896), RAW), "a value for the driver");
        checks.equal(c.incr("client:counter", 1, 100), 100L, "a counter for the driver");
        yes(c.set("client:expiring", 500, "x"), "a value that expires, for the driver");
        yes(c.set("client:large", 0, data(Checks.pattern(400_000), 9), RAW), "a large value for the driver");
    }

    public static void main(String[] args) throws Exception {
        System.setProperty("net.spy.log.LoggerImpl", "net.spy.memcached.compat.log.SLF4JLogger"); // which is told nothing
        Spy s = new Spy(args);
        boolean alone = args.length > 3;
        s.storing();
        s.counting();
        s.many();
        s.expiry();
        s.large();
        s.operating();
        if (!alone) {
            s.crossing();
            s.leaving();
        }
        s.c.shutdown();
        s.checks.end();
    }
}
