/*
 * codec against tpl: the same values where an image is good, and nothing of
 * what tpl does where it is not.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tpl.h>

#include "tests/unit/protocol/by_hand.h"

extern tpl_hook_t tpl_hook;

/*
 * Read an accepted image with tpl itself and compare every value.
 */
static void
tpl_sees_the_same(const struct codec_message *d, const uint8_t *body, size_t n)
{
	union {
		uint32_t u32;
		uint64_t u64;
		char *str;
		tpl_bin bin;
	} at[CODEC_FIELDS_MAX] = {0};
	char format[CODEC_FIELDS_MAX + 1] = {0};
	struct client_msg m;
	tpl_node *tn;
	size_t i = 0;

	assert_int_equal(codec_decode(d->type, body, n, &m), 0);
	memcpy(format, d->format, strlen(d->format));
	tn = tpl_map(format, &at[0], &at[1], &at[2], &at[3], &at[4], &at[5],
	    &at[6], &at[7]);
	assert_non_null(tn);
	assert_int_equal(tpl_load(tn, TPL_MEM, body, n), 0);
	assert_int_equal(tpl_unpack(tn, 0), 1);
	EACH_FIELD(f, d)
	{
		struct slice s = {0};

		if (!is_number(f))
			s = bytes_of(&m, f);
		if (f->kind == CODEC_U32) {
			assert_int_equal(at[i].u32, number_of(&m, f));
		} else if (f->kind == CODEC_U64) {
			assert_true(at[i].u64 == number_of(&m, f));
		} else if (f->kind == CODEC_STR) {
			assert_int_equal(strlen(at[i].str), s.n);
			assert_memory_equal(at[i].str, s.p, s.n);
			tpl_hook.free(at[i].str);
		} else {
			assert_int_equal(at[i].bin.sz, s.n);
			if (s.n > 0)
				assert_memory_equal(at[i].bin.addr, s.p, s.n);
			tpl_hook.free(at[i].bin.addr);
		}
		i++;
	}
	tpl_free(tn);
}

/* tpl itself reads what codec_encode() wrote, and sees the same values. */
static void
hostile_codec_tpl_agrees_on_every_message(void **state)
{
	(void)state;
	EACH_MESSAGE(d)
	for (int how = SAMPLE_LEAST; how <= SAMPLE_MOST; how++) {
		struct client_msg m = sample_client(d, how);
		size_t n = 0;

		assert_int_equal(
		    codec_encode(1, &m, frame, sizeof(frame), &n), 0);
		if (d->format[0] != '\0')
			tpl_sees_the_same(
			    d, frame + FRAME_HEADER, n - FRAME_HEADER);
	}
}

static void
hostile_codec_every_bit_flip(void **state)
{
	unsigned accepted = 0, refused = 0;

	(void)state;
	EACH_MESSAGE(d)
	{
		struct client_msg m = sample_client(d, SAMPLE_USUAL);
		size_t n = image_by_hand(d, &m, frame, NULL, NULL);
		size_t head = n == 0 ? 0 : 8 + strlen(d->format) + 1;

		for (size_t bit = 0; bit < n * 8; bit++) {
			int r;

			frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
			r = decode(d->type, frame, n, NULL);
			if (r == 0 && d->format[0] != '\0')
				tpl_sees_the_same(d, frame, n);
			if (d->format[0] != '\0' && bit / 8 < head)
				assert_int_equal(r, VERR_FORMAT);
			r == 0 ? accepted++ : refused++;
			frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
	/* both happen, or the test tests nothing */
	assert_true(accepted > 100);
	assert_true(refused > 1000);
}

static void
hostile_codec_every_truncation(void **state)
{
	(void)state;
	EACH_MESSAGE(d)
	{
		struct client_msg m = sample_client(d, SAMPLE_USUAL);
		size_t n = image_by_hand(d, &m, frame, NULL, NULL);

		frame[n] = 'x';
		if (d->format[0] == '\0' && d->nfields > 0)
			continue; /* raw bytes: fewer are fine */
		assert_int_not_equal(decode(d->type, frame, n + 1, NULL), 0);
		for (size_t cut = 0; cut < n; cut++) {
			assert_int_not_equal(
			    decode(d->type, frame, cut, NULL), 0);
			if (cut < 8)
				continue;
			/* and where the image admits to be shorter */
			put_le(frame + 4, cut, 4);
			assert_int_not_equal(
			    decode(d->type, frame, cut, NULL), 0);
			put_le(frame + 4, n, 4);
		}
		if (n == 0)
			continue;
		put_le(frame + 4, n + 1, 4);
		assert_int_not_equal(decode(d->type, frame, n + 1, NULL), 0);
		assert_int_not_equal(decode(d->type, frame, n, NULL), 0);
	}
}

/* Images that made tpl 1.6.1 over-read, exit, hang or leak. */
#define IMAGE(bytes)                                                           \
	{                                                                      \
		(const uint8_t *)(bytes), sizeof(bytes) - 1                    \
	}
static const struct slice poison[] = {
    /* A(s): a count that is negative as an int */
    IMAGE("tpl\x02\x11\0\0\0"
          "A(s)\0"
          "\0\0\0\x80"),
    /* ss: flags say old strings; the cursor shifts and reads 64 x too far */
    IMAGE("tpl\0\x1b\0\0\0"
          "ss\0"
          "\x04\0\0\0"
          "aaa@"
          "\x04\0\0\0"
          "bbbb"),
    /* sA(s): the same, and tpl_load() calls fatal */
    IMAGE("tpl\0\x22\0\0\0"
          "sA(s)\0"
          "\x04\0\0\0"
          "aaaa"
          "\x01\0\0\0"
          "\x04\0\0\0"
          "bbbb"),
    /* A(A(u)): a negative count within */
    IMAGE("tpl\0\x14\0\0\0"
          "A(A(u))\0"
          "\0\0\0\x80"),
    /* length below the header's own, which gather writes beyond */
    IMAGE("tpl\0\x01\0\0\0"
          "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    /* s: a string longer than the image */
    IMAGE("tpl\x02\x0e\0\0\0"
          "s\0"
          "\x64\0\0\0"),
    /* length 0, on which gather never ends */
    IMAGE("tpl\0\0\0\0\0"
          "x"),
    /* BB: big-endian, first with a bad and then with a good length */
    IMAGE("tpl\x01\0\0\0\x0b"
          "BB\0"),
    IMAGE("tpl\0\0\0\0\x19"
          "BB\0"
          "\0\0\0\x04"
          "aaaa"
          "\0\0\0\x02"
          "bb"),
    /* S(uu)#: fewer elements than the format has */
    IMAGE("tpl\0\x2b\0\0\0"
          "S(uu)#\0"
          "\x08\0\0\0"
          "\0\0\0\0"
          "\1\0\0\0"
          "\2\0\0\0"
          "\3\0\0\0"
          "\4\0\0\0"
          "\5\0\0\0"),
    /* ss: the second string too long */
    IMAGE("tpl\x02\x17\0\0\0"
          "ss\0"
          "\x05\0\0\0"
          "leak"
          "\xe7\x03\0\0"),
};

static void
hostile_codec_refuses_the_images_that_break_tpl(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(poison) / sizeof(poison[0]); i++)
		EACH_MESSAGE(d)
	if (d->type != CLIENT_DATA)
		assert_int_not_equal(
		    decode(d->type, poison[i].p, poison[i].n, NULL), 0);
}

/*
 * The same attacks on the formats that are spoken here.
 */
static void
attack(const struct codec_message *d, uint8_t *image, size_t n)
{
	uint8_t flags = image[3];

	for (unsigned v = 0; v < 256; v++) {
		image[3] = (uint8_t)v;
		assert_int_equal(decode(d->type, image, n, NULL),
		    v == flags ? 0 : VERR_FORMAT);
	}
	image[3] = flags;
	for (size_t len = 0; len < 2 * n; len++) {
		put_le(image + 4, len, 4);
		assert_int_equal(decode(d->type, image, n, NULL),
		    len == n ? 0 : VERR_FORMAT);
	}
	put_le(image + 4, __builtin_bswap32((uint32_t)n), 4);
	assert_int_equal(decode(d->type, image, n, NULL), VERR_FORMAT);
	put_le(image + 4, n, 4);
}

static void
hostile_codec_refuses_their_like_in_our_formats(void **state)
{
	static const uint32_t lengths[] = {0, 1u << 31, (1u << 31) + 1,
	    0x7fffffff, 0xffffffff, 0x00ffffff, 0xf0000000};

	(void)state;
	EACH_MESSAGE(d)
	{
		struct client_msg m = sample_client(d, SAMPLE_USUAL);
		size_t at = 0, n;

		if (d->format[0] == '\0')
			continue;
		n = image_by_hand(d, &m, frame, NULL, NULL);
		attack(d, frame, n);
		EACH_FIELD(f, d)
		{
			if (is_number(f))
				continue;
			for (size_t i = 0; i < 7; i++) {
				image_by_hand(d, &m, frame, f, &at);
				put_le(frame + at, lengths[i], 4);
				assert_int_not_equal(
				    decode(d->type, frame, n, NULL), 0);
			}
		}
	}
}

/* A later field's bytes must not become an earlier one's. */
static void
hostile_codec_null_string_is_refused(void **state)
{
	struct client_msg m = {.type = CLIENT_CATALOG};
	size_t n =
	    image_by_hand(codec_message(CLIENT_CATALOG), &m, frame, NULL, NULL);

	(void)state;
	assert_int_equal(decode(CLIENT_CATALOG, frame, n, NULL), 0);
	assert_int_equal(get_le(frame + n - 4, 4), 1);
	put_le(frame + n - 4, 0, 4);
	assert_int_equal(decode(CLIENT_CATALOG, frame, n, NULL), VERR_FORMAT);
}

static void
hostile_codec_fatal_says_a_fixed_line_and_ends(void **state)
{
	char said[256] = {0};
	int status, p[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(p), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(p[1], STDERR_FILENO);
		tpl_hook.fatal("%s", "canary");
		_exit(0);
	}
	close(p[1]);
	assert_true(read(p[0], said, sizeof(said) - 1) > 0);
	close(p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 70);
	assert_string_equal(said, "codec: tpl cannot go on\n");
}

static int
is_hit(const uint8_t *p, const uint8_t *want, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] == (want[i] ^ 1))
		i++;
	return i == n;
}

/*
 * Count the places of this process's writable memory that hold "n" bytes at
 * "want" XOR 1: the needle itself is not one of them.
 */
static unsigned
memory_holds(const uint8_t *want, size_t n)
{
	static uint8_t block[1 << 16];
	FILE *maps = fopen("/proc/self/maps", "r");
	int mem = open("/proc/self/mem", O_RDONLY);
	unsigned hits = 0;
	char line[512];

	assert_non_null(maps);
	assert_true(mem >= 0);
	while (fgets(line, sizeof(line), maps) != NULL) {
		uint64_t at, end;
		char mode[5];
		ssize_t got;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &at, &end,
		        mode) != 3 ||
		    mode[1] != 'w' || end - at > 1u << 30)
			continue;
		/* a needle across two blocks is found in the overlap */
		for (; at < end; at += sizeof(block) - n) {
			got = pread(mem, block, sizeof(block), (off_t)at);
			for (ssize_t i = 0; i + (ssize_t)n <= got; i++)
				hits += is_hit(block + i, want, n) &&
				    at + (size_t)i - (uintptr_t)block >=
				        sizeof(block);
		}
	}
	fclose(maps);
	close(mem);
	memset(block, 0, sizeof(block));
	return hits;
}

static void
hostile_codec_leaves_no_copy_of_what_it_encodes(void **state)
{
	static uint8_t needle[40], secret[40], out[512];
	struct client_msg m = usual(CLIENT_REQUEST);
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(needle); i++) {
		needle[i] = (uint8_t)('A' + i % 23 * 2 % 26);
		secret[i] = needle[i] ^ 1;
	}
	m.request.headers = slice_of(secret, sizeof(secret));
	assert_int_equal(codec_encode(1, &m, out, sizeof(out), &n), 0);
	/* the scanner sees the secret itself, and the image of it */
	assert_int_equal(memory_holds(needle, sizeof(needle)), 2);
	explicit_bzero(secret, sizeof(secret));
	explicit_bzero(out, sizeof(out));
	assert_int_equal(memory_holds(needle, sizeof(needle)), 0);
}

static int
setup(void **state)
{
	(void)state;
	codec_init();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hostile_codec_tpl_agrees_on_every_message),
	    cmocka_unit_test(hostile_codec_every_bit_flip),
	    cmocka_unit_test(hostile_codec_every_truncation),
	    cmocka_unit_test(hostile_codec_refuses_the_images_that_break_tpl),
	    cmocka_unit_test(hostile_codec_refuses_their_like_in_our_formats),
	    cmocka_unit_test(hostile_codec_null_string_is_refused),
	    cmocka_unit_test(hostile_codec_fatal_says_a_fixed_line_and_ends),
	    cmocka_unit_test(hostile_codec_leaves_no_copy_of_what_it_encodes),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
