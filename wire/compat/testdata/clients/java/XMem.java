import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import net.rubyeye.xmemcached.GetsResponse;
import net.rubyeye.xmemcached.MemcachedClient;
import net.rubyeye.xmemcached.XMemcachedClientBuilder;
import net.rubyeye.xmemcached.command.BinaryCommandFactory;
import net.rubyeye.xmemcached.command.TextCommandFactory;
import net.rubyeye.xmemcached.transcoders.BaseSerializingTranscoder;
import net.rubyeye.xmemcached.transcoders.CachedData;
import net.rubyeye.xmemcached.transcoders.CompressionMode;
import net.rubyeye.xmemcached.transcoders.SerializingTranscoder;
import net.rubyeye.xmemcached.transcoders.Transcoder;

/**
 * A client of xmemcached: XMem HOST PORT text|binary.
 *
 * <p>It does what its users do and checks each answer, prints a line for each check, and last how
 * many passed. When it has stored client:ready, the driver (languages_test.go) stores driver:...,
 * driver:ready last; and in the end it looks at client:..., all by the other protocol.
 */
final class XMem {
    private final Checks checks = new Checks();
    private final MemcachedClient c;
    private final boolean binary;

    /** Values with the flags that users of other clients gave them. */
    private static final class Raw extends BaseSerializingTranscoder implements Transcoder<CachedData> {
        @Override
        public CachedData encode(CachedData d) {
            return d;
        }

        @Override
        public CachedData decode(CachedData d) {
            return d;
        }

        @Override
        public void setPrimitiveAsString(boolean on) {}

        @Override
        public void setPackZeros(boolean on) {}

        @Override
        public boolean isPrimitiveAsString() {
            return false;
        }

        @Override
        public boolean isPackZeros() {
            return false;
        }

        @Override
        public void setCompressionMode(CompressionMode mode) {}
    }

    private static final Raw RAW = new Raw();

    private XMem(String[] args) throws Exception {
        binary = args[2].equals("binary");
        InetSocketAddress address = new InetSocketAddress(args[0], Integer.parseInt(args[1]));
        XMemcachedClientBuilder builder = new XMemcachedClientBuilder(List.of(address));
        builder.setCommandFactory(binary ? new BinaryCommandFactory() : new TextCommandFactory());
        SerializingTranscoder plain = new SerializingTranscoder(4 << 20);
        plain.setCompressionThreshold(1 << 30);
        builder.setTranscoder(plain);
        builder.setConnectionPoolSize(1); // of more, one overtakes another
        c = builder.build();
        c.setOpTimeout(10_000);
        c.setEnableHeartBeat(false);
    }

    private static CachedData data(String value, int flags) {
        return new CachedData(flags, value.getBytes(StandardCharsets.ISO_8859_1));
    }

    private String raw(String key) throws Exception {
        CachedData d = c.get(key, RAW);
        return d == null ? null : new String(d.getData(), StandardCharsets.ISO_8859_1) + " flags " + d.getFlag();
    }

    private void storing() throws Exception {
        checks.equal(c.set("value", 0, "first"), true, "set");
        checks.equal(c.get("value"), "first", "get what was set");
        checks.equal(c.get("nobody"), null, "get of what is not there");
        for (Object value : new Object[] {1, 2L, 3.5, true, "\u00e9\u4e16", new ArrayList<>(List.of(1, "a"))}) {
            checks.equal(c.set("typed", 0, value), true, "set of " + value.getClass());
            checks.equal(c.get("typed"), value, "get of it, by its flags");
        }
        checks.equal(c.set("raw", 0, data("\0\r\n\u00ff", 0x7eadbeef), RAW), true, "set with flags");
        checks.equal(raw("raw"), "\0\r\n\u00ff flags " + 0x7eadbeef, "get with flags");
        checks.equal(c.add("added", 0, "one"), true, "add");
        checks.equal(c.add("added", 0, "two"), false, "add again");
        checks.equal(c.get("added"), "one", "the first of the adds stays");
        checks.equal(c.replace("added", 0, "three"), true, "replace");
        checks.equal(c.replace("nobody", 0, "x"), false, "replace of what is not there");
        checks.equal(c.append("added", " tail"), true, "append");
        checks.equal(c.prepend("added", "head "), true, "prepend");
        checks.equal(c.get("added"), "head three tail", "all three hold");
        checks.equal(c.append("nobody", "x"), false, "append to what is not there");

        GetsResponse<String> v = c.gets("value");
        checks.equal(v.getValue(), "first", "gets");
        checks.equal(c.cas("value", 0, "second", v.getCas()), true, "cas");
        checks.equal(c.cas("value", 0, "third", v.getCas()), false, "cas with a stale token");
        checks.equal(c.cas("nobody", 0, "x", v.getCas()), false, "cas of what is not there");
        checks.equal(c.get("value"), "second", "the cas that held");
        if (binary) {
            v = c.gets("value");
            checks.equal(c.delete("value", v.getCas() + 1000, 10_000), false, "delete with another token");
            checks.equal(c.delete("value", v.getCas(), 10_000), true, "delete with the token");
            c.set("value", 0, "again");
        }
        checks.equal(c.delete("added"), true, "delete");
        checks.equal(c.delete("added"), false, "delete again");
        checks.equal(c.get("added"), null, "get what was deleted");

        c.setWithNoReply("quiet", 0, "a");
        c.appendWithNoReply("quiet", "b");
        c.addWithNoReply("quiet", 0, "c");
        c.deleteWithNoReply("nobody");
        checks.becomes("ab", () -> c.get("quiet"), "set, append and add without replies");
    }

    private void counting() throws Exception {
        checks.equal(c.incr("counter", 5, 10), 10L, "incr with an initial value");
        checks.equal(c.incr("counter", 5, 10), 15L, "incr");
        checks.equal(c.incr("counter", 1L << 40), 15L + (1L << 40), "incr by more than 32 bits");
        checks.equal(c.decr("counter", 1L << 40), 15L, "decr");
        checks.equal(c.decr("counter", 100), 0L, "decr below zero");
        checks.equal(c.decr("counter2", 1, 50), 50L, "decr with an initial value");
        checks.equal(raw("counter"), "0" + " ".repeat(12) + " flags 0", "a counter is text, as long as it once was");
        checks.equal(c.set("letters", 0, "abc"), true, "set of letters");
        checks.refused(() -> c.incr("letters", 1), "non-numeric", "incr of letters is refused");
        checks.equal(c.get("letters"), "abc", "and leaves them");
    }

    private void many() throws Exception {
        Map<String, String> values = new HashMap<>();
        List<String> keys = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            keys.add("many-" + i);
            if (i % 2 == 0) {
                values.put("many-" + i, "value of " + i);
                c.set("many-" + i, 0, "value of " + i);
            }
        }
        checks.equal(c.get(keys), values, "get of many gets what is there");
        Map<String, GetsResponse<String>> got = c.gets(keys);
        boolean right = got.size() == values.size();
        for (Map.Entry<String, GetsResponse<String>> e : got.entrySet()) {
            right &= e.getValue().getCas() > 0 && values.get(e.getKey()).equals(e.getValue().getValue());
        }
        checks.check(right, "gets of many");
    }

    // An expiry of n seconds comes after n-1 to n of them.
    private void expiry() throws Exception {
        checks.equal(c.set("brief", 3, "x"), true, "set with an expiry");
        checks.equal(c.get("brief"), "x", "get before it");
        checks.equal(c.set("touched", 2, "x"), true, "set to be touched");
        checks.equal(c.touch("touched", 600), true, "touch");
        checks.equal(c.touch("nobody", 600), false, "touch of what is not there");
        if (binary) {
            checks.equal(c.set("got", 1, "x"), true, "set to be got and touched");
            checks.equal(c.getAndTouch("got", 600), "x", "getAndTouch");
            checks.equal(c.getAndTouch("nobody", 600), null, "getAndTouch of what is not there");
        }
        checks.equal(c.set("past", 1_000_000_000, "x"), true, "set with an expiry that is past");
        checks.equal(c.get("past"), null, "get of it");
        checks.becomes(null, () -> c.get("brief"), "get after its expiry");
        checks.equal(c.get("touched"), "x", "what was touched is there");
        if (binary) {
            checks.equal(c.get("got"), "x", "what was got and touched is there");
        }
    }

    private void large() throws Exception {
        checks.equal(c.set("large", 0, Checks.pattern(1_000_000)), true, "set of a large value");
        checks.equal(c.get("large"), Checks.pattern(1_000_000), "get of it");
        checks.refused(() -> {
            if (!c.set("large", 0, Checks.pattern(2_000_000))) {
                throw new Exception("too large");
            }
            return true;
        }, binary ? "too big" : "too large", "set of a value too large");
        checks.equal(c.get("large"), null, "the old one is gone with it");
        checks.equal(c.set("k".repeat(250), 0, "x"), true, "set of the longest key");
        checks.equal(c.get("k".repeat(250)), "x", "get of it");
    }

    private void operating() throws Exception {
        Map<String, String> stats = c.getStats().values().iterator().next();
        checks.check(Integer.parseInt(stats.get("curr_items")) > 50, "curr_items");
        checks.check(stats.get("version").startsWith("1.6."), "it is 1.6");
        checks.check(c.getStatsByItem("slabs").values().iterator().next().containsKey("active_slabs"), "stats slabs");
        checks.check(c.getVersions().values().iterator().next().startsWith("1.6."), "version");
        c.flushAll();
        checks.equal(c.get("value"), null, "nothing is left after flushAll");
    }

    private void crossing() throws Exception {
        checks.equal(c.set("client:ready", 0, "x"), true, "a sign for the driver");
        checks.becomes("x", () -> c.get("driver:ready"), "a sign from the driver");
        checks.equal(raw("driver:value"), "driver's own flags 305419896", "the driver's value and flags");
        checks.equal(raw("driver:large"), Checks.pattern(400_000) + " flags 9", "the driver's large value");
        checks.equal(c.incr("driver:counter", 1), 42L, "incr of the driver's counter");
        checks.equal(c.append("driver:appended", ", and the client's"), true, "append to the driver's value");
        checks.equal(c.touch("driver:touched", 700), true, "touch of the driver's value");
        checks.equal(c.delete("driver:deleted"), true, "delete of the driver's value");
    }

    private void leaving() throws Exception {
        checks.equal(c.set("client:value", 0, data("client's own", 305419896), RAW), true, "a value for the driver");
        checks.equal(c.incr("client:counter", 1, 100), 100L, "a counter for the driver");
        checks.equal(c.set("client:expiring", 500, "x"), true, "a value that expires, for the driver");
        checks.equal(c.set("client:large", 0, data(Checks.pattern(400_000), 9), RAW), true, "a large value for the driver");
    }

    public static void main(String[] args) throws Exception {
        XMem x = new XMem(args);
        x.storing();
        x.counting();
        x.many();
        x.expiry();
        x.large();
        x.operating();
        x.crossing();
        x.leaving();
        x.c.shutdown();
        x.checks.end();
    }
}
