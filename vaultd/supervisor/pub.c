#include "vaultd/supervisor/pub.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vaultd/supervisor/say.h"
#include "vaultd/supervisor/supervisor.h"

#define NAME      "keeper.pub"
#define TEMPORARY ".keeper.pub"

void
pub_base64(const uint8_t key[PUB_KEY], char ret[PUB_BASE64])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                             "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < PUB_KEY; i += 3) {
		size_t n = PUB_KEY - i < 3 ? PUB_KEY - i : 3;
		uint32_t v = (uint32_t)key[i] << 16;

		if (n > 1)
			v |= (uint32_t)key[i + 1] << 8;
		if (n > 2)
			v |= key[i + 2];
		for (size_t j = 0; j < 4; j++)
			*ret++ = j > n ? '=' : digits[v >> (18 - 6 * j) & 0x3f];
	}
}

static int
write_file(const char *temporary, const char *path, const char *line, size_t n)
{
	int fd, ok;

	if (unlink(temporary) != 0 && errno != ENOENT)
		return -1;
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	ok = write(fd, line, n) == (ssize_t)n;
	if (close(fd) != 0 || !ok)
		return -1;
	return rename(temporary, path);
}

static int
paths(struct supervisor *s, char **ret_temporary, char **ret_path)
{
	char *temporary, *path;

	if (asprintf(&temporary, "%s/" TEMPORARY, s->config.socket_dir) < 0)
		return VERR_NOMEM;
	if (asprintf(&path, "%s/" NAME, s->config.socket_dir) < 0) {
		free(temporary);
		return VERR_NOMEM;
	}
	*ret_temporary = temporary;
	*ret_path = path;
	return 0;
}

int
pub_write(struct supervisor *s)
{
	char *temporary, *path, line[PUB_BASE64 + 1];
	int r = 0;

	if (paths(s, &temporary, &path) != 0)
		return VERR_IO;
	pub_base64(s->public_key, line);
	line[PUB_BASE64] = '\n';
	if (write_file(temporary, path, line, sizeof(line)) != 0) {
		say(LOG_ERR, "%s: %s", path, strerror(errno));
		r = VERR_IO;
	}
	free(temporary);
	free(path);
	return r;
}

void
pub_remove(struct supervisor *s)
{
	char *temporary, *path;

	if (paths(s, &temporary, &path) != 0)
		return;
	(void)unlink(path);
	free(temporary);
	free(path);
}
