/*
 * seed_long - write the seeds that reach the limits of sizes and counts, and
 *	       those with bytes that no text has.
 *
 * usage: seed_long DIR		writes DIR/TARGET/NAME
 */
#include <stdio.h>

/* A field of 560 bytes. */
#define X70                                                                    \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
	"xx"
#define LINE "A: " X70 X70 X70 X70 X70 X70 X70 X70 "\r\n"

/* A catalog's entry; the values of its inputs follow. */
/* clang-format off */
#define SHOP \
	"system shop {\n" \
	"\ttitle Shop; category commerce\n" \
	"\torigin \"https://{a}.test\"; account \"{p}\"; pin \"{pin}\"; network \"{n}\"; ca \"{ca}\"\n" \
	"\tinput a { what A; example x; pattern \"[a-z]{1,70}\" }\n" \
	"\tinput p { what P; type pointer }\n" \
	"\tinput n { what N; type network }\n" \
	"\tinput pin { what P; type pin }\n" \
	"\tinput ca { what C; type pem }\n" \
	"\tinput t { what T }\n" \
	"\tcredential api_key { inject \"header X-K: {secret}\"; field key { secret; prompt K; pattern \"sk_[a-z]{2}\" } }\n" \
	"}\n" \
	"---\n"
/* clang-format on */

/* A text: what it begins with, what is repeated, what it ends with. */
static const struct {
	const char *path, *head, *unit;
	unsigned count;
	const char *tail;
} texts[] = {
    {"http/line", "GET /", "x", 8192, " HTTP/1.1\r\nHost: h\r\n\r\n"},
    {"http/value", "GET / HTTP/1.1\r\nHost: h\r\nA: ", "x", 8193, "\r\n\r\n"},
    {"http/open", "GET / HTTP/1.1\r\nHost: h\r\nA: ", "x", 8500, ""},
    {"http/names", "GET / HTTP/1.1\r\nHost: h\r\n", "x", 257, ": a\r\n\r\n"},
    {"http/many", "GET / HTTP/1.1\r\nHost: h\r\n", "A: b\r\n", 64, "\r\n"},
    {"http/lines", "", "A: b\r\n", 65, ""},
    {"http/heads", "GET / HTTP/1.1\r\nHost: h\r\n", LINE, 61, "\r\n"},
    {"head/large", "HTTP/1.1 200 OK\r\nA: ", "x", 65520, "\r\n\r\n"},
    {"lex/words", "a", " b", 1100, "\n"},
    {"lex/word", "a \"", "x", 40000, "\"\n"},
    {"lex/depth", "", "a {\n", 40, "}\n"},
    {"render/many", "h/\n", "A:b\n", 65, ""},
    {"render/value", "h/\nA:", "x", 8193, "\n"},
    {"render/target", "q/", "a", 8191, "\n"},
    {"render/query", "q/?", "%20", 2700, "\n"},
    {"act/key", "rotate\nfield.key=", "k", 32501, "\n"},
    {"path/long", "/", "%C3%A9", 1366, ""},
    {"act/control", "3set\ntitle=\001\nset.shop=blue\n", "", 0, ""},
    {"catalog/control-ca", SHOP "sk_ab\na=b\nca=-----BEGIN CERTIFICATE-----",
        "\001AAAA\n", 1, ""},
    {"catalog/control-host", SHOP "sk_ab\na=", "a", 70, "\nt=\002\n"},
    {"catalog/control-pem", SHOP "sk_ab\na=b\nca=-----BEGIN PRIVATE KEY-----",
        "\001\n", 1, ""},
    {"head/control", "HTTP/1.1 200 OK\r\nX: a\001b\r\n", " y: folded\r\n", 1,
        "\r\n"},
    {"names/control", "x\n0::/a\001b\n0::/c", "", 0, ""},
    {"render/control", "h/x\nX-A: b\nX-B:a\001b\nX C:d\n", "", 0, ""},
    {"request/control", "u@a\n443\nGET\n/\nX-A:\t a \nX-B:\177\nX C:d\n", "", 0,
        ""},
    {"glob/long", "/", "a*b", 171, "\n/ab"},
};

static int
seed_write(const char *dir, size_t i)
{
	char path[4096];
	FILE *out;
	int bad;

	snprintf(path, sizeof(path), "%s/%s", dir, texts[i].path);
	out = fopen(path, "wb");
	if (out == NULL) {
		perror(path);
		return -1;
	}
	bad = fputs(texts[i].head, out) == EOF;
	for (unsigned n = 0; n < texts[i].count; n++)
		bad |= fputs(texts[i].unit, out) == EOF;
	bad |= fputs(texts[i].tail, out) == EOF;
	bad |= fclose(out) != 0;
	if (bad)
		perror(path);
	return bad ? -1 : 0;
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: seed_long DIR\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (seed_write(argv[1], i) != 0)
			return 1;
	return 0;
}
