/*
 * folder - a throw-away folder as working directory, for tests with files.
 */
#ifndef TESTS_UNIT_LEDGER_FOLDER_H
#define TESTS_UNIT_LEDGER_FOLDER_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define LOG_FD 4

/*
 * Set-up of one test: an empty folder, and nobody who reads the log.
 */
static int
folder_enter(void **state)
{
	char path[] = "/tmp/vaultd-ledger-XXXXXX";
	int fd;

	(void)state;
	if ((fd = open("/dev/null", O_WRONLY)) < 0 ||
	    (fd != LOG_FD && dup2(fd, LOG_FD) < 0) || mkdtemp(path) == NULL)
		return -1;
	if (fd != LOG_FD)
		(void)close(fd);
	return chdir(path);
}

static void
folder_empty(const char *path)
{
	char name[600];
	struct dirent *e;
	DIR *d = opendir(path);

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		(void)snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (unlink(name) != 0) {
			folder_empty(name);
			(void)rmdir(name);
		}
	}
	if (d != NULL)
		(void)closedir(d);
}

static int
folder_leave(void **state)
{
	char path[256];

	(void)state;
	if (getcwd(path, sizeof(path)) == NULL || chdir("/") != 0)
		return -1;
	folder_empty(path);
	return rmdir(path);
}

/*
 * The whole of a file, with a NUL behind it; the caller frees it.
 */
static inline char *
file_read(const char *path, size_t *ret_len)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	char *p;

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	assert_non_null(p = malloc((size_t)st.st_size + 1));
	assert_int_equal(read(fd, p, (size_t)st.st_size), st.st_size);
	(void)close(fd);
	p[st.st_size] = '\0';
	if (ret_len != NULL)
		*ret_len = (size_t)st.st_size;
	return p;
}

/*
 * Is "text" in some file of the working directory?
 */
static inline int
folder_has(const char *text)
{
	struct dirent *e;
	DIR *d = opendir(".");
	int found = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		struct stat st;
		size_t n;
		char *p;

		if (stat(e->d_name, &st) != 0 || !S_ISREG(st.st_mode))
			continue;
		p = file_read(e->d_name, &n);
		found |= memmem(p, n, text, strlen(text)) != NULL;
		free(p);
	}
	(void)closedir(d);
	return found;
}

#define folder_test(f)                                                         \
	cmocka_unit_test_setup_teardown(f, folder_enter, folder_leave)

#endif /* TESTS_UNIT_LEDGER_FOLDER_H */
