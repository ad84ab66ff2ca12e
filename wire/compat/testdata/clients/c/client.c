// A client of libmemcached:
//
//	client HOST PORT text|binary|udp|udp-binary
//
// It does what users of libmemcached do and checks each answer, prints a line
// for each check, and last how many passed. When it has stored client:ready, the
// driver (languages_test.go) stores driver:..., driver:ready last; and in the end it
// looks at client:... and udp:..., all by the other protocol.
#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int passed, failed;

static void check(int holds, const char *what) {
	printf("%sok - %s\n", holds ? "" : "not ", what);
	if (holds) passed++; else failed++;
}

static memcached_st *mc;

static void returns(memcached_return_t got, memcached_return_t want, const char *what) {
	if (got != want) printf("# returned %s, wanted %s\n", memcached_strerror(mc, got), memcached_strerror(mc, want));
	check(got == want, what);
}

static memcached_return_t set(const char *key, const char *value, uint32_t flags, time_t expiry) {
	return memcached_set(mc, key, strlen(key), value, strlen(value), expiry, flags);
}

// holds reports whether a key has a value and flags.
static int holds(const char *key, const char *value, uint32_t flags) {
	size_t length;
	uint32_t found = 0;
	memcached_return_t rc;
	char *got = memcached_get(mc, key, strlen(key), &length, &found, &rc);
	int same = rc == MEMCACHED_SUCCESS && length == strlen(value) && memcmp(got ? got : "", value, length) == 0 && found == flags;
	if (!same) printf("# %s is %.*s with flags %u (%s)\n", key, got ? (int)length : 4, got ? got : "NULL", found, memcached_strerror(mc, rc));
	free(got);
	return same;
}

static int absent(const char *key) {
	size_t length;
	uint32_t flags;
	memcached_return_t rc;
	char *got = memcached_get(mc, key, strlen(key), &length, &flags, &rc);
	free(got);
	return got == NULL && rc == MEMCACHED_NOTFOUND;
}

static uint64_t token(const char *key) {
	size_t length = strlen(key);
	memcached_return_t rc;
	uint64_t cas = 0;
	if (memcached_mget(mc, &key, &length, 1) != MEMCACHED_SUCCESS) return 0;
	memcached_result_st *r = memcached_fetch_result(mc, NULL, &rc);
	if (r != NULL) {
		cas = memcached_result_cas(r);
		memcached_result_free(r);
	}
	while (memcached_fetch_result(mc, NULL, &rc) != NULL) {}
	return cas;
}

static char *pattern(size_t n) {
	char *b = malloc(n + 1);
	for (size_t i = 0; i < n; i++) b[i] = 'a' + i % 23;
	b[n] = 0;
	return b;
}

static void storing(int binary) {
	returns(set("value", "first", 0, 0), MEMCACHED_SUCCESS, "set");
	check(holds("value", "first", 0), "get what was set");
	returns(set("value", "second", 0xdeadbeef, 0), MEMCACHED_SUCCESS, "set over it, with flags");
	check(holds("value", "second", 0xdeadbeef), "get the second, with its flags");
	check(absent("nobody"), "get of what is not there");
	returns(set("empty", "", 7, 0), MEMCACHED_SUCCESS, "set of nothing");
	check(holds("empty", "", 7), "get of nothing");

	returns(memcached_add(mc, "added", 5, "one", 3, 0, 1), MEMCACHED_SUCCESS, "add");
	returns(memcached_add(mc, "added", 5, "two", 3, 0, 1), binary ? MEMCACHED_DATA_EXISTS : MEMCACHED_NOTSTORED, "add again");
	check(holds("added", "one", 1), "the first of the adds stays");
	returns(memcached_replace(mc, "added", 5, "three", 5, 0, 2), MEMCACHED_SUCCESS, "replace");
	check(holds("added", "three", 2), "get what was replaced");
	returns(memcached_replace(mc, "nobody", 6, "x", 1, 0, 0), binary ? MEMCACHED_NOTFOUND : MEMCACHED_NOTSTORED, "replace of what is not there");
	returns(memcached_append(mc, "added", 5, " tail", 5, 0, 9), MEMCACHED_SUCCESS, "append");
	returns(memcached_prepend(mc, "added", 5, "head ", 5, 0, 9), MEMCACHED_SUCCESS, "prepend");
	check(holds("added", "head three tail", 2), "both hold, and the flags stay");
	returns(memcached_append(mc, "nobody", 6, "x", 1, 0, 0), MEMCACHED_NOTSTORED, "append to what is not there");

	uint64_t cas = token("value");
	check(cas != 0, "a token");
	returns(memcached_cas(mc, "value", 5, "third", 5, 0, 3, cas), MEMCACHED_SUCCESS, "cas");
	returns(memcached_cas(mc, "value", 5, "fourth", 6, 0, 3, cas), MEMCACHED_DATA_EXISTS, "cas with a stale token");
	returns(memcached_cas(mc, "nobody", 6, "x", 1, 0, 0, cas), MEMCACHED_NOTFOUND, "cas of what is not there");
	check(holds("value", "third", 3), "the cas that held");

	returns(memcached_delete(mc, "added", 5, 0), MEMCACHED_SUCCESS, "delete");
	returns(memcached_delete(mc, "added", 5, 0), MEMCACHED_NOTFOUND, "delete again");
	check(absent("added"), "get what was deleted");
}

static void counting(int binary) {
	uint64_t n = 0;
	returns(set("counter", "10", 0, 0), MEMCACHED_SUCCESS, "set a number");
	returns(memcached_increment(mc, "counter", 7, 5, &n), MEMCACHED_SUCCESS, "increment");
	check(n == 15, "it is 15");
	returns(memcached_decrement(mc, "counter", 7, 6, &n), MEMCACHED_SUCCESS, "decrement");
	check(n == 9, "it is 9");
	returns(memcached_decrement(mc, "counter", 7, 100, &n), MEMCACHED_SUCCESS, "decrement below zero");
	check(n == 0, "it is 0");
	returns(memcached_increment(mc, "counter", 7, 4294967295u, &n), MEMCACHED_SUCCESS, "increment by 32 bits");
	returns(memcached_increment(mc, "counter", 7, 1, &n), MEMCACHED_SUCCESS, "increment over 32 bits");
	check(n == 4294967296u, "it is 4294967296");
	check(holds("counter", "4294967296", 0), "a counter is text");
	returns(memcached_increment(mc, "nobody", 6, 1, &n), MEMCACHED_NOTFOUND, "increment of what is not there");
	returns(set("letters", "abc", 0, 0), MEMCACHED_SUCCESS, "set letters");
	memcached_return_t rc = memcached_increment(mc, "letters", 7, 1, &n);
	check(rc != MEMCACHED_SUCCESS && rc != MEMCACHED_NOTFOUND, "increment of letters is refused");
	check(holds("letters", "abc", 0), "and leaves them");
	if (!binary) return;
	returns(memcached_increment_with_initial(mc, "fresh", 5, 5, 100, 0, &n), MEMCACHED_SUCCESS, "increment with an initial value");
	check(n == 100, "it is the initial value");
	returns(memcached_increment_with_initial(mc, "fresh", 5, 5, 100, 0, &n), MEMCACHED_SUCCESS, "and again");
	check(n == 105, "it is 105");
	returns(memcached_decrement_with_initial(mc, "fresh2", 6, 5, 50, 0, &n), MEMCACHED_SUCCESS, "decrement with an initial value");
	check(n == 50, "it is 50");
	returns(memcached_increment_with_initial(mc, "none", 4, 5, 100, MEMCACHED_EXPIRATION_NOT_ADD, &n), MEMCACHED_NOTFOUND, "increment that must not create");
}

// many gets a hundred keys at once, of which half are there.
static void many(void) {
	enum { count = 100 };
	static char names[count][32];
	const char *keys[count];
	size_t lengths[count];
	int stored = 0, found = 0, right = 0;
	for (int i = 0; i < count; i++) {
		lengths[i] = (size_t)snprintf(names[i], sizeof names[i], "many-%d", i);
		keys[i] = names[i];
		if (i % 2 == 0) stored += set(names[i], names[i], (uint32_t)i, 0) == MEMCACHED_SUCCESS;
	}
	check(stored == count / 2, "set of fifty");
	returns(memcached_mget(mc, keys, lengths, count), MEMCACHED_SUCCESS, "mget of a hundred");
	memcached_return_t rc;
	memcached_result_st *r;
	while ((r = memcached_fetch_result(mc, NULL, &rc)) != NULL) {
		char want[32];
		int n = snprintf(want, sizeof want, "many-%u", memcached_result_flags(r));
		right += (size_t)n == memcached_result_length(r) && memcmp(want, memcached_result_value(r), (size_t)n) == 0 &&
			(size_t)n == memcached_result_key_length(r) && memcmp(want, memcached_result_key_value(r), (size_t)n) == 0;
		found++;
		memcached_result_free(r);
	}
	check(found == count / 2, "fifty of them come");
	check(right == found, "each with its key, value and flags");
	returns(memcached_exist(mc, "many-0", 6), MEMCACHED_SUCCESS, "exist");
	returns(memcached_exist(mc, "many-1", 6), MEMCACHED_NOTFOUND, "exist of what is not there");
}

// sooner waits until a key is there, or is not: at most ten seconds.
static int sooner(const char *key, int there) {
	time_t end = time(NULL) + 10;
	while (absent(key) == there && time(NULL) < end) usleep(20 * 1000);
	return absent(key) != there;
}

// An expiry of n seconds comes after n-1 to n of them.
static void expiry(void) {
	returns(set("brief", "x", 0, 3), MEMCACHED_SUCCESS, "set with an expiry");
	check(holds("brief", "x", 0), "get before it");
	returns(set("touched", "x", 0, 2), MEMCACHED_SUCCESS, "set to be touched");
	returns(memcached_touch(mc, "touched", 7, 600), MEMCACHED_SUCCESS, "touch");
	returns(memcached_touch(mc, "nobody", 6, 600), MEMCACHED_NOTFOUND, "touch of what is not there");
	returns(set("past", "x", 0, 1000000000), MEMCACHED_SUCCESS, "set with an expiry that is past");
	check(absent("past"), "get of it");
	check(sooner("brief", 0), "get after its expiry");
	check(holds("touched", "x", 0), "what was touched is there");
}

static void large(void) {
	size_t n = 1000 * 1000;
	char *big = pattern(2 * n);
	returns(memcached_set(mc, "large", 5, big, n, 0, 3), MEMCACHED_SUCCESS, "set of a large value");
	big[n] = 0;
	check(holds("large", big, 3), "get of it");
	big[n] = 'x';
	returns(memcached_set(mc, "large", 5, big, 2 * n, 0, 3), MEMCACHED_E2BIG, "set of a value too large");
	check(absent("large"), "the old one is gone with it");
	free(big);
	big = pattern(300);
	returns(memcached_set(mc, big, 251, "x", 1, 0, 0), MEMCACHED_BAD_KEY_PROVIDED, "set of a key too long");
	returns(memcached_set(mc, big, 250, "x", 1, 0, 0), MEMCACHED_SUCCESS, "set of the longest key");
	big[250] = 0;
	check(holds(big, "x", 0), "get of it");
	free(big);
}

static void operating(int binary) {
	memcached_return_t rc;
	memcached_stat_st *s = memcached_stat(mc, NULL, &rc);
	returns(rc, MEMCACHED_SUCCESS, "stats");
	char *items = s ? memcached_stat_get_value(mc, s, "curr_items", &rc) : NULL;
	check(items != NULL && atoi(items) > 50, "curr_items");
	free(items);
	memcached_stat_free(mc, s);
	returns(memcached_version(mc), MEMCACHED_SUCCESS, "version");
	const memcached_instance_st *server = memcached_server_instance_by_position(mc, 0);
	check(memcached_server_major_version(server) == 1 && memcached_server_minor_version(server) == 6, "it is 1.6");

	// Without replies, then with one: what was sent comes first.
	memcached_behavior_set(mc, MEMCACHED_BEHAVIOR_NOREPLY, 1);
	set("quiet", "a", 0, 0);
	memcached_append(mc, "quiet", 5, "b", 1, 0, 0);
	if (!binary) { // by which these are answered, and it takes the answers for those of what follows
		memcached_add(mc, "quiet", 5, "c", 1, 0, 0);
		memcached_delete(mc, "nobody", 6, 0);
	}
	memcached_behavior_set(mc, MEMCACHED_BEHAVIOR_NOREPLY, 0);
	check(holds("quiet", "ab", 0), "set, append, add without replies");

	// Buffered: nothing is sent before it must.
	memcached_behavior_set(mc, MEMCACHED_BEHAVIOR_BUFFER_REQUESTS, 1);
	returns(set("buffered", "a", 5, 0), MEMCACHED_BUFFERED, "set, buffered");
	returns(set("buffered", "b", 6, 0), MEMCACHED_BUFFERED, "set again, buffered");
	check(holds("buffered", "b", 6), "get flushes what was buffered");
	memcached_behavior_set(mc, MEMCACHED_BEHAVIOR_BUFFER_REQUESTS, 0);
	returns(memcached_flush(mc, 0), MEMCACHED_SUCCESS, "flush");
	check(absent("value") && absent("many-0"), "nothing is left");
}

// crossing reads what the driver wrote, and writes what it will read.
static void crossing(void) {
	char *big = pattern(400000);
	returns(set("client:ready", "x", 0, 0), MEMCACHED_SUCCESS, "a sign for the driver");
	check(sooner("driver:ready", 1), "a sign from the driver");
	check(holds("driver:value", "driver's own", 305419896), "the driver's value and flags");
	check(holds("driver:large", big, 9), "the driver's large value");
	uint64_t n;
	returns(memcached_increment(mc, "driver:counter", 14, 1, &n), MEMCACHED_SUCCESS, "increment of the driver's counter");
	check(n == 42, "it is 42");
	returns(memcached_append(mc, "driver:appended", 15, ", and the client's", 18, 0, 0), MEMCACHED_SUCCESS, "append to the driver's value");
	returns(memcached_touch(mc, "driver:touched", 14, 700), MEMCACHED_SUCCESS, "touch of the driver's value");
	returns(memcached_delete(mc, "driver:deleted", 14, 0), MEMCACHED_SUCCESS, "delete of the driver's value");
	returns(set("client:value", "client's own", 305419896, 0), MEMCACHED_SUCCESS, "a value for the driver");
	returns(set("client:counter", "99", 0, 0), MEMCACHED_SUCCESS, "a counter for the driver");
	returns(memcached_increment(mc, "client:counter", 14, 1, &n), MEMCACHED_SUCCESS, "increment of it");
	returns(set("client:expiring", "x", 0, 500), MEMCACHED_SUCCESS, "a value that expires, for the driver");
	returns(memcached_set(mc, "client:large", 12, big, 400000, 0, 9), MEMCACHED_SUCCESS, "a large value for the driver");
	free(big);
}

// datagrams writes by UDP, by which libmemcached only writes: there is no
// answer to wait for. The driver sees what came.
static void datagrams(void) {
	uint64_t n;
	size_t length;
	uint32_t flags;
	memcached_return_t rc;
	returns(set("udp:value", "by datagram", 77, 0), MEMCACHED_SUCCESS, "set");
	returns(memcached_add(mc, "udp:added", 9, "one", 3, 500, 0), MEMCACHED_SUCCESS, "add");
	returns(memcached_add(mc, "udp:added", 9, "two", 3, 0, 0), MEMCACHED_SUCCESS, "add again");
	returns(memcached_append(mc, "udp:added", 9, " tail", 5, 0, 0), MEMCACHED_SUCCESS, "append");
	returns(memcached_increment(mc, "udp:counter", 11, 2, &n), MEMCACHED_SUCCESS, "increment");
	returns(memcached_delete(mc, "udp:deleted", 11, 0), MEMCACHED_SUCCESS, "delete");
	char *big = pattern(1300);
	returns(memcached_set(mc, "udp:large", 9, big, 1300, 0, 0), MEMCACHED_SUCCESS, "set of what just fits");
	free(big);
	char *got = memcached_get(mc, "udp:value", 9, &length, &flags, &rc);
	check(got == NULL && rc == MEMCACHED_NOT_SUPPORTED, "get is not supported");
	memcached_version(mc);
	returns(set("udp:last", "end", 0, 0), MEMCACHED_SUCCESS, "set, last");
}

int main(int argc, char **argv) {
	if (argc != 4) return 2;
	int binary = strstr(argv[3], "binary") != NULL, udp = strncmp(argv[3], "udp", 3) == 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	mc = memcached_create(NULL);
	if (binary) memcached_behavior_set(mc, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, 1);
	memcached_behavior_set(mc, MEMCACHED_BEHAVIOR_SUPPORT_CAS, 1);
	memcached_behavior_set(mc, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, 10000);
	memcached_behavior_set(mc, MEMCACHED_BEHAVIOR_VERIFY_KEY, 1);
	in_port_t port = (in_port_t)atoi(argv[2]);
	if (udp) {
		memcached_behavior_set(mc, MEMCACHED_BEHAVIOR_USE_UDP, 1);
		returns(memcached_server_add(mc, argv[1], port), MEMCACHED_SUCCESS, "server");
		datagrams();
	} else {
		returns(memcached_server_add(mc, argv[1], port), MEMCACHED_SUCCESS, "server");
		storing(binary);
		counting(binary);
		many();
		expiry();
		large();
		operating(binary);
		crossing();
	}
	memcached_quit(mc);
	memcached_free(mc);
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
