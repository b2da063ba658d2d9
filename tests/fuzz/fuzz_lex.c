/*
 * The lexer, on any bytes: statements end, words are whole, errors print.
 */
#include <assert.h>
#include <string.h>

#include "protocol/lex.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct lex_key keys[] = {
	    {"audit", 0, 0xff, LEX_BLOCK}, {"sync", 1, 1, LEX_REPEAT}};
	char text[LEX_FORMAT_MAX];
	struct lex_statement s;
	struct lex_error err;
	struct lex *lex;
	uint64_t seen = 0, n;
	size_t key;

	if (lex_new("fuzz", data, size, &lex, &err) != 0)
		return 0;
	while (lex_next(lex, &s, &err) == 0 && s.kind != LEX_END) {
		for (size_t i = 0; i < s.count; i++) {
			assert(strlen(s.words[i].text) == s.words[i].len);
			if (lex_number(lex, &s.words[i], 0, 99, &n, &err) != 0)
				lex_format(&err, text, sizeof(text));
		}
		if (s.count > 0 &&
		    lex_key(lex, &s, keys, 2, &seen, &key, &err) != 0)
			lex_format(&err, text, sizeof(text));
	}
	lex_format(&err, text, sizeof(text));
	lex_free(lex);
	return 0;
}
