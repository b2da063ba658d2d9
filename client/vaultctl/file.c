#include "client/vaultctl/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
file_fill(int fd, void *p, size_t size, size_t *ret_n)
{
	size_t n = 0;
	uint8_t more;
	ssize_t got;

	do {
		got = n < size ? read(fd, (uint8_t *)p + n, size - n)
		               : read(fd, &more, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return VERR_IO;
		if (got > 0 && n == size) {
			explicit_bzero(&more, sizeof(more));
			return VERR_TOOBIG;
		}
		n += (size_t)got;
	} while (got != 0);
	*ret_n = n;
	return 0;
}

int
file_read(const char *path, size_t max, char **ret, size_t *ret_n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r;
	char *p = NULL;
	size_t n;

	if (fd < 0)
		return VERR_IO;
	r = VERR_NOMEM;
	if ((p = malloc(max + 1)) == NULL)
		goto out;
	if ((r = file_fill(fd, p, max, &n)) != 0)
		goto out;
	p[n] = '\0';
	*ret = p;
	*ret_n = n;
	p = NULL;
out:
	free(p);
	close(fd);
	return r;
}

const char *
file_why(int r)
{
	return r == VERR_IO ? strerror(errno) : verr_text(r);
}
