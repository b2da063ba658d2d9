/*
 * readrows - the least that opening a store of many rows can be: one process
 *	      reads a flat file of them (mkstore rows=FILE), indexes them by id
 *	      and hashes each.
 *
 *	readrows FILE
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "protocol/bytes.h"
#include "protocol/change.h"

struct entry {
	uint8_t id[ROW_ID_LEN];
	uint8_t hash[32];
	uint64_t generation;
	uint32_t kind;
};

static uint8_t *
read_whole(const char *path, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *p;
	size_t n = 0;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) != 0 ||
	    (p = malloc((size_t)st.st_size + 1)) == NULL)
		err(1, "%s", path);
	while ((got = read(fd, p + n, (size_t)st.st_size + 1 - n)) > 0)
		n += (size_t)got;
	if (got < 0)
		err(1, "%s", path);
	(void)close(fd);
	*ret_len = n;
	return p;
}

int
main(int argc, char **argv)
{
	struct entry *table;
	struct slice list;
	struct change c;
	size_t len, room = 1, n = 0;

	if (argc != 2 || sodium_init() < 0)
		errx(2, "usage: readrows FILE");
	list.p = read_whole(argv[1], &len);
	list.n = len;
	while (room < len / 256)
		room *= 2;
	if ((table = calloc(room, sizeof(*table))) == NULL)
		err(1, NULL);
	for (; change_next(&list, &c) == 0; n++) {
		size_t at = (size_t)get_le(c.id, 8) & (room - 1);

		while (table[at].generation != 0)
			at = (at + 1) & (room - 1);
		memcpy(table[at].id, c.id, ROW_ID_LEN);
		table[at].generation = c.generation;
		table[at].kind = c.kind;
		(void)crypto_generichash(
		    table[at].hash, 32, c.body.p, c.body.n, NULL, 0);
	}
	(void)printf("%zu\n", n);
	return 0;
}
