/*
 * seed_client - write the seeds of fuzz_frame and fuzz_codec, as client.def
 *		 declares the messages.
 *
 * usage: seed_client DIR	writes DIR/frame/NAME-N and DIR/codec/NAME-N
 */
#include <stdio.h>
#include <sys/stat.h>

#include "protocol/bytes.h"
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

/*
 * The usual message with one field a byte longer, or a number one greater, than
 * it may be: the codec would not write it.
 */
static int
seed_beyond(const char *dir, const struct codec_message *d, size_t field)
{
	static uint8_t buf[2 * FRAME_MAX], *const image = buf + FRAME_HEADER;
	struct client_msg m = sample_client(d, SAMPLE_USUAL);
	const struct codec_field *f = d->fields;
	size_t at = 8 + strlen(d->format) + 1, n, had, grown;

	if (d->fields[field].kind == CODEC_RAW ||
	    codec_encode(1, &m, buf, FRAME_MAX, &n) != 0)
		return 0;
	n -= FRAME_HEADER;
	for (; f < d->fields + field; f++)
		at += f->kind == CODEC_U32 ? 4
		    : f->kind == CODEC_U64
		    ? 8
		    : 4 + get_le(image + at, 4) - (f->kind == CODEC_STR);
	if (f->kind == CODEC_U32 || f->kind == CODEC_U64) {
		put_le(image + at, f->max + 1, f->kind == CODEC_U32 ? 4 : 8);
	} else {
		had = get_le(image + at, 4) - (f->kind == CODEC_STR);
		grown = f->max + 1 - had;
		if (n + grown > FRAME_BODY_MAX)
			return 0;
		put_le(image + at, f->max + 1 + (f->kind == CODEC_STR), 4);
		memmove(image + at + 4 + had + grown, image + at + 4 + had,
		    n - at - 4 - had);
		memset(image + at + 4 + had, 'x', grown);
		n += grown;
		put_le(image + 4, n, 4);
	}
	put_le(image - 2, d->type, 2);
	return seed_write(
	    dir, "codec", d->name, 10 + (int)field, image - 2, n + 2);
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: seed_client DIR\n");
		return 2;
	}
	codec_init();
	for (size_t i = 0; i < codec_nmessages; i++) {
		const struct codec_message *d = &codec_messages[i];

		for (int how = SAMPLE_LEAST; how <= SAMPLE_USUAL; how++)
			if (seed_message(argv[1], d, how) != 0)
				return 1;
		for (size_t field = 0; field < d->nfields; field++)
			if (seed_beyond(argv[1], d, field) != 0)
				return 1;
	}
	return 0;
}
