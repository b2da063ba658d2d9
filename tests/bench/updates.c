/*
 * updates - durable changes of a store, one after the other.
 *
 *	updates vault SOCKET CUSTOMERS WRITERS MS	titles of profiles that
 *							mkstore made
 *	updates file FILE MS				400 bytes, in a file
 *							that has its size
 *
 * Each writer has a connection and a profile of its own, and asks again when
 * too many changes are under way.  Prints those confirmed in a second.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/vaultclient.h"

#define CHANGE      400
#define FILE_SIZE   (4 << 20)
#define WRITERS_MAX 256

static double
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int
change_title(struct vault *v, const char *profile, unsigned long number)
{
	char title[32];
	int n = snprintf(title, sizeof(title), "title %lu", number);
	const struct vault_pair pairs[] = {
	    {"verb", "set", 3},
	    {"profile", profile, strlen(profile)},
	    {"title", title, (size_t)n},
	};
	struct vault_error why;

	while (vault_act(v, pairs, 3, NULL, NULL, &why) != 0) {
		if (strcmp(why.code, "budget") != 0)
			goto failed;
		(void)usleep(1000);
	}
	return 0;
failed:
	warnx("%s: %s", profile, why.sentence);
	return -1;
}

/*
 * One writer, a process.  The first change is before the time runs: it brings
 * up the gate.
 */
static void
write_titles(const char *path, const char *profile, double begin, double end,
    unsigned long *done)
{
	struct vault_error why;
	struct vault *v;

	if (vault_open(path, &v, &why) != 0)
		errx(1, "%s", why.sentence);
	if (change_title(v, profile, 0) != 0)
		exit(1);
	while (now() < begin)
		(void)usleep(200);
	for (unsigned long i = 1; now() < end; i++, ++*done)
		if (change_title(v, profile, i) != 0)
			exit(1);
	vault_close(v);
	exit(0);
}

static double
to_vault(const char *path, long customers, long writers, double seconds)
{
	unsigned long *done = mmap(NULL, WRITERS_MAX * sizeof(*done),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double begin = now() + 0.1 + 0.01 * (double)writers, sum = 0;
	int status, failed = 0;
	char profile[64];

	if (done == MAP_FAILED || customers < 1 || writers < 1 ||
	    writers > WRITERS_MAX)
		errx(2, "updates: bad numbers");
	for (long i = 0; i < writers; i++) {
		(void)snprintf(
		    profile, sizeof(profile), "c%ld/p%ld", i % customers, i);
		switch (fork()) {
		case -1:
			err(1, "fork");
		case 0:
			write_titles(
			    path, profile, begin, begin + seconds, &done[i]);
		}
	}
	while (wait(&status) > 0)
		failed |= status;
	if (failed)
		errx(1, "a writer failed");
	for (long i = 0; i < writers; i++)
		sum += (double)done[i];
	return sum / seconds;
}

static double
to_file(const char *path, double seconds)
{
	static const char zeros[FILE_SIZE];
	char change[CHANGE];
	unsigned long n = 0;
	double begin;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, zeros, FILE_SIZE) != FILE_SIZE ||
	    fsync(fd) != 0)
		err(1, "%s", path);
	memset(change, 'x', sizeof(change));
	for (begin = now(); now() < begin + seconds; n++)
		if (pwrite(fd, change, CHANGE,
		        (off_t)(n * CHANGE % (FILE_SIZE - CHANGE))) != CHANGE ||
		    fdatasync(fd) != 0)
			err(1, "%s", path);
	return (double)n / (now() - begin);
}

int
main(int argc, char **argv)
{
	double rate;

	if (argc == 6 && strcmp(argv[1], "vault") == 0)
		rate = to_vault(argv[2], strtol(argv[3], NULL, 10),
		    strtol(argv[4], NULL, 10), strtod(argv[5], NULL) / 1e3);
	else if (argc == 4 && strcmp(argv[1], "file") == 0)
		rate = to_file(argv[2], strtod(argv[3], NULL) / 1e3);
	else
		errx(2, "usage: see the source");
	(void)printf("%.1f\n", rate);
	return 0;
}
