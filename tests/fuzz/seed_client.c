/*
 * seed_client - write the seeds of fuzz_frame and fuzz_codec, as client.def
 *		 declares the messages.
 *
 * usage: seed_client DIR	writes DIR/frame/NAME-N and DIR/codec/NAME-N
 */
#include <stdio.h>
#include <sys/stat.h>

#include "tests/fuzz/sample_client.h"

static int
seed_write(const char *dir, const char *target, const char *name, int how,
    const uint8_t *p, size_t n)
{
	char path[4096];
	FILE *out;
	int bad;

	snprintf(path, sizeof(path), "%s/%s", dir, target);
	if (mkdir(path, 0755) != 0) {
		/* it may be there already; fopen() tells the rest */
	}
	snprintf(path, sizeof(path), "%s/%s/%s-%d", dir, target, name, how);
	out = fopen(path, "wb");
	if (out == NULL) {
		perror(path);
		return -1;
	}
	bad = fwrite(p, 1, n, out) != n;
	bad |= fclose(out) != 0;
	if (bad)
		perror(path);
	return bad ? -1 : 0;
}

/*
 * fuzz_frame reads frames; fuzz_codec a u16 type and a body.
 */
static int
seed_message(const char *dir, const struct codec_message *d, int how)
{
	static uint8_t buf[FRAME_MAX];
	struct client_msg m = sample_client(d, how);
	size_t n, skip = FRAME_HEADER - 2;

	if (codec_encode(1, &m, buf, sizeof(buf), &n) != 0) {
		fprintf(stderr, "%s cannot be encoded\n", d->name);
		return -1;
	}
	if (seed_write(dir, "frame", d->name, how, buf, n) != 0)
		return -1;
	buf[skip] = (uint8_t)d->type;
	buf[skip + 1] = (uint8_t)(d->type >> 8);
	return seed_write(dir, "codec", d->name, how, buf + skip, n - skip);
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: seed_client DIR\n");
		return 2;
	}
	codec_init();
	for (size_t i = 0; i < codec_nmessages; i++)
		for (int how = SAMPLE_LEAST; how <= SAMPLE_USUAL; how++)
			if (seed_message(argv[1], &codec_messages[i], how) != 0)
				return 1;
	return 0;
}
