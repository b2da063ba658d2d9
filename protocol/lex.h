/*
 * lex - the one lexer of vaultd.conf, policy.conf and the catalog.
 *
 * A text is a row of statements.  A statement is one or more words and ends
 * with its line, with ';' or with '}'; or it ends with '{' and opens a block,
 * which is closed by '}'.  A comma separates words, as a blank does.  '#'
 * begins a comment where a word could begin.
 *
 *	permit worker to request on acme/shop {	opens a block
 *		method GET, POST		two values
 *		path "/v1/a b"			a quoted word: \" and \\ alone
 *	}
 *
 * Bare words are printable ASCII without '"', '\', '{', '}' and '#'.  Quoted
 * words may hold any UTF-8.  Refused anywhere, in comments too: bytes that are
 * not UTF-8, control characters but tab and newline, and the characters that
 * turn the direction of text, so that a text reads as it looks.
 */
#ifndef PROTOCOL_LEX_H
#define PROTOCOL_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/verr.h"

#define LEX_TEXT_MAX    (4u << 20) /* bytes of one text */
#define LEX_WORD_MAX    4096       /* bytes of one word */
#define LEX_WORDS_MAX   256        /* words of one statement */
#define LEX_DEPTH_MAX   8          /* blocks within blocks */
#define LEX_FILE_MAX    128
#define LEX_MESSAGE_MAX 256
#define LEX_SOURCE_MAX  160
#define LEX_FORMAT_MAX  1024 /* what lex_format() writes at most */

struct lex;

/*
 * Where and why a text was refused.  A value without pointers: it outlives
 * lexer and text, and may be sent elsewhere.
 */
struct lex_error {
	char file[LEX_FILE_MAX];
	char message[LEX_MESSAGE_MAX];
	char source[LEX_SOURCE_MAX]; /* the line, or the part about the place */
	uint32_t line, column;       /* from 1; columns count characters */
	uint32_t caret;              /* characters of source before the place */
};

struct lex_word {
	const char *text; /* ends with NUL and holds none; lives as the lexer */
	size_t len;
	uint32_t at;   /* offset in the text, for lex_fail() */
	uint32_t line; /* from 1 */
	bool quoted;
};

enum lex_kind {
	LEX_STATEMENT, /* words, at least one; opens says that a block follows
	                */
	LEX_CLOSE,     /* '}' of the innermost open block */
	LEX_END,       /* the text is over and every block is closed */
};

struct lex_statement {
	enum lex_kind kind;
	bool opens;
	size_t count;                 /* 0 unless LEX_STATEMENT */
	const struct lex_word *words; /* until the next lex_next() */
};

/*
 * Take a private copy of the "len" bytes at "text", which are called "file" in
 * errors.  On success *ret_lex is the caller's, to be freed with lex_free().
 * Returns 0, VERR_NOMEM, VERR_TOOBIG or VERR_FORMAT; *ret_error is filled in
 * for each of them.  After success it says "out of memory", so that a parser
 * that runs out of it later need not.
 */
int lex_new(const char *file, const void *text, size_t len,
    struct lex **ret_lex, struct lex_error *ret_error) MUST_CHECK;

/* Free "lex" and every word it gave out.  NULL is nothing. */
void lex_free(struct lex *lex);

/*
 * Read the next statement.  Once LEX_END was returned it is returned again.
 * Returns 0 or VERR_FORMAT with *ret_error filled in; after an error nothing
 * but lex_free() may follow.
 */
int lex_next(struct lex *lex, struct lex_statement *ret,
    struct lex_error *ret_error) MUST_CHECK;

/*
 * Fill in *ret_error with a message about the place of "word", and return
 * VERR_FORMAT: "return lex_fail(lex, word, err, ...)".
 */
int lex_fail(const struct lex *lex, const struct lex_word *word,
    struct lex_error *ret_error, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* One key that a block may hold: tables of these keep parsers short. */
struct lex_key {
	const char *name;
	uint8_t min, max; /* values after the key; a max of 0xff is no bound */
	uint8_t flags;
};

#define LEX_BLOCK  0x1 /* opens a block; without it, must not */
#define LEX_REPEAT 0x2 /* may be written more than once */

/*
 * Find the first word of "s" in the "nkeys" keys (at most 64) and check the
 * number of values, the block, and by the bits of *seen (0 at the start of a
 * block) that it was not written before.  Returns 0 with the index in *ret_key,
 * or VERR_FORMAT with *ret_error filled in.
 */
int lex_key(const struct lex *lex, const struct lex_statement *s,
    const struct lex_key *keys, size_t nkeys, uint64_t *seen, size_t *ret_key,
    struct lex_error *ret_error) MUST_CHECK;

/*
 * Read "word" as a decimal number without sign or leading zeros, between "min"
 * and "max".  Returns 0, or VERR_FORMAT with *ret_error filled in.
 */
int lex_number(const struct lex *lex, const struct lex_word *word, uint64_t min,
    uint64_t max, uint64_t *ret, struct lex_error *ret_error) MUST_CHECK;

/*
 * Return the length of the UTF-8 character (RFC 3629) at "p", of which "left"
 * bytes (at least 1) are there, and its code; or 0 if it is none.
 */
size_t lex_utf8(const void *p, size_t left, uint32_t *ret_code);

/* True if "word" is "text". */
bool lex_is(const struct lex_word *word, const char *text);

/*
 * Write "file:line:column: message", the source line and a caret below the
 * place, three lines without a last newline, into "out", cut where it ends.
 */
void lex_format(const struct lex_error *error, char *out, size_t size);

#endif /* PROTOCOL_LEX_H */
