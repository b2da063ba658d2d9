/*
 * A request's target: its normal form is its own normal form, reads as one
 * path however often it is decoded, and is sent as it was matched.
 */
#include <stdbool.h>

#include "policy/path.h"
#include "tests/fuzz/fuzz.h"
#include "vaultd/courier/request.h"

/* Decoded once, no segment is empty, "." or "..", with parameters or not. */
static void
check_segments(const char *path, size_t len)
{
	char plain[PATH_TARGET_MAX + 1];
	size_t n = path_unescape(path, len, plain), from = 1;

	CHECK(n > 0 && n <= len && plain[0] == '/');
	CHECK(memchr(plain, '\0', n) == NULL && memchr(plain, '\\', n) == NULL);
	for (size_t i = 1; i <= n; i++) {
		size_t name = 0, whole = i - from;

		if (i < n && plain[i] != '/')
			continue;
		while (name < whole && plain[from + name] != ';')
			name++;
		CHECK(name > 0 || (i == n && whole == 0));
		CHECK(name != 1 || plain[from] != '.');
		CHECK(name != 2 || memcmp(plain + from, "..", 2) != 0);
		from = i + 1;
	}
	for (size_t i = 0; i < n; i++)
		CHECK((uint8_t)plain[i] >= 0x20 && plain[i] != 0x7f);
	/* and there is no second layer */
	n = path_unescape(plain, n, plain);
	CHECK(path_unescape(path, len, plain) == n);
}

/* The courier sends it as it was matched. */
static void
check_sent(const char *normal, size_t n)
{
	struct rec_ORDER o = {.host = slice_str("a.test"),
	    .port = 443,
	    .method = slice_str("GET"),
	    .target = slice_of(normal, n)};
	struct buf head = {NULL, 0, 0, 0};

	CHECK(request_head(&o, &head) == 0);
	CHECK(memcmp(buf_data(&head) + 4, normal, n) == 0);
	buf_free(&head);
}

static void
check_elided(const char *normal, size_t n, size_t path_len)
{
	char out[200];
	size_t len;

	path_elide(normal, n, path_len, out, sizeof(out));
	len = strlen(out);
	CHECK(len < sizeof(out));
	len = len < path_len ? len : path_len;
	CHECK(memcmp(out, normal, len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct path_folded folded;
	char out[PATH_TARGET_MAX + 1], again[PATH_TARGET_MAX + 1];
	size_t n, path_len, m, path_len2;
	const char *why = NULL, *method;

	if ((method = path_method((const char *)data, size)) != NULL)
		CHECK(request_method_valid(slice_of(data, size)));
	if (path_normalise(
	        (const char *)data, size, out, &n, &path_len, &why) != 0) {
		CHECK(why != NULL);
		return 0;
	}
	CHECK(n <= size && strlen(out) == n && path_len <= n);
	CHECK(path_normalise(out, n, again, &m, &path_len2, &why) == 0);
	CHECK(m == n && path_len == path_len2 && memcmp(out, again, n) == 0);
	CHECK(path_len == n || out[path_len] == '?');
	check_segments(out, path_len);
	check_sent(out, n);
	check_elided(out, n, path_len);
	path_fold(out, path_len, &folded);
	CHECK(folded.ncut <= folded.nwhole && folded.nwhole <= path_len);
	CHECK(memchr(folded.cut, ';', folded.ncut) == NULL);
	return 0;
}
