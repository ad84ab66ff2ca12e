//go:build ignore

/*
 * The floor: what the kernel alone asks of a server. It reads what the epoll
 * reports, answers every line that begins with 'g' with one canned value and
 * every other line with STORED, passes over the data block that follows, and
 * writes once per read. It parses no key and stores nothing, on one thread.
 *
 * floor PORT VALUE_SIZE: listens on 127.0.0.1:PORT; all values have that size.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	EVENTS_MAX = 256,
	FDS_MAX = 4096,     /* descriptors, and so connections */
	IN_SIZE = 1 << 16,  /* one read */
	VALUE_MAX = 4096,   /* a value's size */
	REPLY_MAX = VALUE_MAX + 128,
	OUT_SIZE = IN_SIZE / 16 * REPLY_MAX, /* all gets of one read: 16 bytes or more each */
};

/* What one connection's last read ended in. */
struct rest {
	int skip;  /* bytes of a data block still to come */
	char verb; /* the first letter of an unfinished line, or 0 */
};

static struct rest rests[FDS_MAX];
static char in[IN_SIZE], out[OUT_SIZE];
static char head[64], value[VALUE_MAX];
static const char tail[] = "\r\nEND\r\n";
static int head_size, value_size;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int listen_on(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (void *)&a, sizeof a) || listen(fd, 512))
		die("listen");
	return fd;
}

static void accept_all(int epoll, int listener)
{
	int on = 1, fd;

	while ((fd = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0) {
		struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

		if (fd >= FDS_MAX) {
			close(fd);
			continue;
		}
		rests[fd] = (struct rest){0, 0};
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
	}
}

static char *append(char *dst, const char *src, int n)
{
	memcpy(dst, src, n);
	return dst + n;
}

/* Answers the requests in in[0..n) and returns the size of the replies. */
static int answer(struct rest *r, int n)
{
	char *p = in, *end = in + n, *o = out;

	while (p < end) {
		char *line_end, verb = r->verb ? r->verb : *p;

		if (r->skip) {
			int m = end - p < r->skip ? end - p : r->skip;

			r->skip -= m;
			p += m;
			continue;
		}
		line_end = memchr(p, '\n', end - p);
		if (!line_end) {
			r->verb = verb;
			break;
		}
		if (o > out + OUT_SIZE - REPLY_MAX) {
			fprintf(stderr, "floor: requests shorter than 16 bytes\n");
			exit(1);
		}
		r->verb = 0;
		p = line_end + 1;
		if (verb == 'g') {
			o = append(o, head, head_size);
			o = append(o, value, value_size);
			o = append(o, tail, sizeof tail - 1);
		} else {
			o = append(o, "STORED\r\n", 8);
			r->skip = value_size + 2;
		}
	}
	return o - out;
}

/* Writes all replies; a client that does not read them is dropped. */
static int write_all(int fd, int n)
{
	char *p = out;

	while (n > 0) {
		int m = write(fd, p, n);

		if (m < 0 && errno == EAGAIN) {
			usleep(100);
			continue;
		}
		if (m <= 0)
			return -1;
		p += m;
		n -= m;
	}
	return 0;
}

static void serve(int fd)
{
	int n = read(fd, in, sizeof in);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || write_all(fd, answer(&rests[fd], n)))
		close(fd);
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS_MAX];
	int epoll = epoll_create1(0), listener;

	if (argc != 3 || (value_size = atoi(argv[2])) < 0 || value_size > VALUE_MAX) {
		fprintf(stderr, "usage: floor PORT VALUE_SIZE (at most %d)\n", VALUE_MAX);
		return 2;
	}
	memset(value, 'x', value_size);
	head_size = snprintf(head, sizeof head, "VALUE key:00000000 0 %d\r\n", value_size);
	listener = listen_on(atoi(argv[1]));
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener,
		  &(struct epoll_event){.events = EPOLLIN, .data.fd = listener});
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS_MAX, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				accept_all(epoll, listener);
			else
				serve(events[i].data.fd);
		}
	}
}
