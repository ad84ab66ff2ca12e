"""A client of python-binary-memcached:

    client.py HOST PORT [USER PASSWORD]

It does what its users do and checks each answer, prints a line for each check,
and last how many passed. When it has stored client:ready, the driver
(languages_test.go) stores driver:..., driver:ready last; and in the end it looks at
client:..., all by the other protocol. With a user, where there is no text protocol,
another client reads what it leaves.
"""

import logging
import sys
import time

import bmemcached
from bmemcached.exceptions import MemcachedException

passed = failed = 0


def check(holds, what):
    global passed, failed
    print(("" if holds else "not ") + "ok - " + what)
    if holds:
        passed += 1
    else:
        failed += 1


def equal(got, want, what):
    if got != want:
        print("# got %.100r, wanted %.100r" % (got, want))
    check(got == want, what)


def raises(kind, call, what):
    try:
        got = call()
        print("# returned %.100r" % (got,))
    except kind:
        return check(True, what)
    except Exception as e:  # what else is raised is shown
        print("# raised %r" % e)
    check(False, what)


def pattern(n):
    return ("abcdefghijklmnopqrstuvw" * (n // 23 + 1))[:n]


def storing(c):
    equal(c.set("value", "first"), True, "set")
    equal(c.get("value"), "first", "get what was set")
    equal(c.get("nobody"), None, "get of what is not there")
    equal(c.get("nobody", "otherwise"), "otherwise", "get with a default")
    for value in (b"\x00\xff\r\n", 12345, True, 1 << 70, {"a": [1, 2]}, None, 1.5, "", "\u00e9\u4e16"):
        equal(c.set("typed", value), True, "set of %r" % (value,))
        equal(c.get("typed"), value, "get of it, by its flags")
    equal(c.set("squeezed", pattern(100000), compress_level=6), True, "set of what is compressed")
    equal(c.get("squeezed"), pattern(100000), "get of it")

    equal(c.add("added", "one"), True, "add")
    equal(c.add("added", "two"), False, "add again")
    equal(c.get("added"), "one", "the first of the adds stays")
    equal(c.replace("added", "three"), True, "replace")
    equal(c.get("added"), "three", "get what was replaced")
    equal(c.replace("nobody", "x"), False, "replace of what is not there")

    value, token = c.gets("value")
    equal(value, "first", "gets")
    check(token > 0, "a token")
    equal(c.cas("value", "third", token), True, "cas")
    equal(c.cas("value", "fourth", token), False, "cas with a stale token")
    equal(c.cas("nobody", "x", token), False, "cas of what is not there")
    equal(c.get("value"), "third", "the cas that held")
    token = c.gets("value")[1]
    equal(c.delete("value", cas=token + 1000), False, "delete with another token")
    equal(c.delete("value", cas=token), True, "delete with the token")

    equal(c.delete("added"), True, "delete")
    equal(c.delete("added"), True, "delete again: not there is as good")
    equal(c.get("added"), None, "get what was deleted")


def counting(c):
    equal(c.incr("counter", 5, default=10), 10, "incr with an initial value")
    equal(c.incr("counter", 5, default=10), 15, "incr")
    equal(c.decr("counter", 6), 9, "decr")
    equal(c.decr("counter", 100), 0, "decr below zero")
    equal(c.incr("counter", (1 << 64) - 1), (1 << 64) - 1, "incr to the greatest")
    equal(c.incr("counter", 2), 1, "incr over it")
    equal(c.decr("counter2", 1, default=50), 50, "decr with an initial value")
    c.set("letters", "abc")
    raises(MemcachedException, lambda: c.incr("letters", 1), "incr of letters is refused")
    equal(c.get("letters"), "abc", "and leaves them")


def many(c):
    values = {"many-%d" % i: "value-%d" % i for i in range(100)}
    equal(c.set_multi(values), [], "set_multi")
    keys = list(values) + ["none-%d" % i for i in range(50)]
    equal(c.get_multi(keys), values, "get_multi gets what is there")
    got = c.get_multi(["many-1", "none-1"], get_cas=True)
    check(list(got) == ["many-1"] and got["many-1"][1] > 0, "get_multi with tokens")
    token = got["many-1"][1]
    failures = c.set_multi({("many-1", token): "x", ("many-2", token): "y", "many-3": "z"})
    equal([key for key, _ in failures], ["many-2"], "set_multi with tokens: the stale one fails")
    equal(c.get_multi(["many-1", "many-2", "many-3"]), {"many-1": "x", "many-2": "value-2", "many-3": "z"}, "and only it")
    equal(c.delete_multi(["many-4", "many-5"]), True, "delete_multi")
    equal(c.get_multi(["many-4", "many-5", "many-6"]), {"many-6": "value-6"}, "they are gone")
    mixed = {"typed-%d" % i: value for i, value in enumerate((1, "a", b"b", [2], None))}
    c.set_multi(mixed)
    equal(c.get_multi(list(mixed)), mixed, "get_multi of many types")


def sooner(c, key, want):
    """Waits until a key has a value, for at most ten seconds."""
    end = time.monotonic() + 10
    while c.get(key) != want and time.monotonic() < end:
        time.sleep(0.02)
    return c.get(key)


# An expiry of n seconds comes after n-1 to n of them.
def expiry(c):
    equal(c.set("brief", "x", time=3), True, "set with an expiry")
    equal(c.get("brief"), "x", "get before it")
    equal(c.set("past", "x", time=1000000000), True, "set with an expiry that is past")
    equal(c.get("past"), None, "get of it")
    equal(sooner(c, "brief", None), None, "get after its expiry")


def large(c):
    equal(c.set("large", pattern(1000000), compress_level=0), True, "set of a large value")
    equal(c.get("large"), pattern(1000000), "get of it")
    raises(MemcachedException, lambda: c.set("large", pattern(2000000), compress_level=0), "set of a value too large")
    equal(c.get("large"), None, "a value too large takes the old one with it")
    equal(c.set("k" * 250, "x"), True, "set of the longest key")
    equal(c.get("k" * 250), "x", "get of it")


def operating(c, address):
    stats = c.stats()[address]
    check(int(stats["curr_items"]) > 50, "curr_items")
    check(stats["version"].startswith(b"1.6."), "it is 1.6")
    equal(c.stats("settings")[address]["item_size_max"], b"1048576", "stats settings")
    check(any(name.startswith("items:") for name in c.stats("items")[address]), "stats items")
    check("active_slabs" in c.stats("slabs")[address], "stats slabs")
    equal(c.flush_all(), True, "flush_all")
    equal(c.get_multi(["value", "many-6"]), {}, "nothing is left")


def crossing(c):
    equal(c.set("client:ready", "x"), True, "a sign for the driver")
    equal(sooner(c, "driver:ready", "x"), "x", "a sign from the driver")
    equal(c.get("driver:value"), "driver's own", "the driver's value")
    equal(c.get("driver:large"), pattern(400000), "the driver's large value")
    equal(c.incr("driver:counter", 1), 42, "incr of the driver's counter")
    equal(c.delete("driver:deleted"), True, "delete of the driver's value")
    equal(c.set("client:value", "client's own"), True, "a value for the driver")
    equal(c.incr("client:counter", 1, default=100, time=0), 100, "a counter for the driver")
    equal(c.set("client:typed", 4711), True, "a number for the driver")
    equal(c.set("client:expiring", "x", time=500), True, "a value that expires, for the driver")
    equal(c.set("client:large", pattern(400000), compress_level=0), True, "a large value for the driver")


def authentication(server, user, password):
    raises(MemcachedException, lambda: bmemcached.Client([server], user, password + "x").get("value"), "a wrong password is refused")
    raises(MemcachedException, lambda: bmemcached.Client([server], user + "x", password).get("value"), "an unknown user is refused")
    raises(MemcachedException, lambda: bmemcached.Client([server]).get("value"), "nobody is refused")


def main():
    logging.disable(logging.CRITICAL)
    host, port, *who = sys.argv[1:]
    server = host + ":" + port
    if who:
        authentication(server, *who)
    else:
        # The client goes on without a password where the server asks for none.
        equal(bmemcached.Client([server], "user", "password").set("value", "x"), True, "a password that nobody asks for")
    c = bmemcached.Client([server], *who, socket_timeout=10)
    storing(c)
    counting(c)
    many(c)
    expiry(c)
    large(c)
    operating(c, server)
    if not who:
        crossing(c)
    else:
        equal(c.set("python:value", "python's own"), True, "a value for another client")
    c.disconnect_all()
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(failed != 0)


main()
