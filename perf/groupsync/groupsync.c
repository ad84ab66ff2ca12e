//go:build ignore

/*
 * How often a file system makes a group of so many bytes durable: writes behind each
 * other, each followed by fdatasync, which is as little as a log can do that answers
 * only when the disk has it.
 *
 * groupsync FILE BYTES MILLISECONDS appended|allocated|overwritten: appended, write puts
 * just BYTES behind a file that grows, through the page cache, so that each sync has a
 * size to make durable as well. Else BYTES are rounded up to blocks and go past the page
 * cache into a file that is allocated before, and begun anew when it is full; overwritten,
 * all of it was written before as well, so that a sync has no extents to convert. Prints
 * syncs and nanoseconds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	BLOCK = 4096,
	PIECE = 1 << 20,  /* one write of what fills the file before */
	FILE_SIZE = 256 << 20, /* what some seconds of small groups do not fill */
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void prepare(int fd, char *buf, int overwritten)
{
	if ((errno = posix_fallocate(fd, 0, FILE_SIZE)))
		die("allocate");
	for (long at = 0; overwritten && at < FILE_SIZE; at += PIECE)
		if (pwrite(fd, buf, PIECE, at) != PIECE)
			die("write");
	if (fsync(fd))
		die("fsync");
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: groupsync FILE BYTES MILLISECONDS appended|allocated|overwritten\n");
		return 2;
	}
	int appended = !strcmp(argv[4], "appended");
	long size = atol(argv[2]), at = 0;
	long long length = atoll(argv[3]) * 1000000, begin, syncs = 0;
	int fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | (appended ? O_APPEND : O_DIRECT), 0600);
	char *buf;

	if (!appended)
		size = (size + BLOCK - 1) / BLOCK * BLOCK;
	if (size < 1 || size > PIECE) {
		fprintf(stderr, "groupsync: a group of %ld bytes\n", size);
		return 2;
	}
	if (fd < 0)
		die("open");
	if (posix_memalign((void **)&buf, BLOCK, PIECE))
		die("memory");
	memset(buf, 0, PIECE);
	if (!appended)
		prepare(fd, buf, !strcmp(argv[4], "overwritten"));
	memset(buf, 'x', size);
	for (begin = now(); now() - begin < length; syncs++) {
		if (at + size > FILE_SIZE) {
			at = 0;
			if (appended && ftruncate(fd, 0))
				die("truncate");
		}
		if ((appended ? write(fd, buf, size) : pwrite(fd, buf, size, at)) != size)
			die("write");
		if (fdatasync(fd))
			die("fdatasync");
		at += size;
	}
	printf("%lld %lld\n", syncs, now() - begin);
	return 0;
}
