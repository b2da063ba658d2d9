#include "protocol/record.h"

#include "protocol/bytes.h"

enum kind { KIND_U32, KIND_U64, KIND_FIX, KIND_STR, KIND_BLOB };

struct field {
	enum kind kind;
	uint32_t max;
};

struct layout {
	struct record_info info;
	const struct field *fields;
	size_t count;
};

/* The structs are walked by these tables: numbers and slices, in order. */
_Static_assert(sizeof(struct slice) == 2 * sizeof(uint64_t), "struct layout");

/* clang-format off */
#define U32(name)	{KIND_U32, 4},
#define U64(name)	{KIND_U64, 8},
#define FIX(name, len)	{KIND_FIX, (len)},
#define STR(name, max)	{KIND_STR, (max)},
#define BLOB(name, max) {KIND_BLOB, (max)},
#define RECORD(name, id, from, to, fd, fields)                                 \
	static const struct field fields_##name[] = {fields {KIND_U32, 0}};
#include "protocol/room.def"
#undef RECORD
#undef U32
#undef U64
#undef FIX
#undef STR
#undef BLOB

#define U32(name)	+4
#define U64(name)	+8
#define FIX(name, len)	+(len)
#define STR(name, max)	+4
#define BLOB(name, max) +4
#define RECORD(name, id, from, to, fd, fields) enum { min_##name = 0 fields };
#include "protocol/room.def"
#undef RECORD
#undef STR
#undef BLOB
#define STR(name, max)	+4 + (max)
#define BLOB(name, max) +4 + (max)
#define RECORD(name, id, from, to, fd, fields) enum { max_##name = 0 fields };	\
	_Static_assert((int)max_##name <= RECORD_MAX, #name " fits a channel");
#include "protocol/room.def"
#undef RECORD
#undef U32
#undef U64
#undef FIX
#undef STR
#undef BLOB

static const struct layout layouts[256] = {
#define RECORD(name, id, from, to, fd, fields)                                 \
	[id] = {{#name, (id), (from), (to), (fd), min_##name, max_##name},     \
	    fields_##name,                                                     \
	    sizeof(fields_##name) / sizeof(struct field) - 1},
#include "protocol/room.def"
#undef RECORD
};
/* clang-format on */

static const struct layout *
layout_of(uint16_t type)
{
	if (type >= sizeof(layouts) / sizeof(layouts[0]) ||
	    layouts[type].info.name == NULL)
		return NULL;
	return &layouts[type];
}

const struct record_info *
record_info(uint16_t type)
{
	const struct layout *l = layout_of(type);

	return l == NULL ? NULL : &l->info;
}

size_t
record_size(uint16_t type, const union record *msg, int *ret_ok)
{
	const struct layout *l = layout_of(type);
	const uint64_t *w = (const uint64_t *)msg;
	size_t size = 0;

	*ret_ok = l != NULL;
	for (size_t i = 0; l != NULL && i < l->count; i++) {
		const struct field *f = &l->fields[i];
		const struct slice *s = (const struct slice *)w;

		switch (f->kind) {
		case KIND_U32:
			*ret_ok &= *w <= UINT32_MAX;
			/* FALLTHROUGH */
		case KIND_U64:
			size += f->max;
			w += 1;
			continue;
		case KIND_FIX:
			*ret_ok &= s->n == f->max;
			size += f->max;
			break;
		case KIND_STR:
		case KIND_BLOB:
			*ret_ok &= s->n <= f->max;
			size += 4 + s->n;
			break;
		}
		w += 2;
	}
	return *ret_ok ? size : 0;
}

void
record_encode(uint16_t type, const union record *msg, uint8_t *out)
{
	const struct layout *l = layout_of(type);
	const uint64_t *w = (const uint64_t *)msg;

	for (size_t i = 0; l != NULL && i < l->count; i++) {
		const struct field *f = &l->fields[i];
		const struct slice *s = (const struct slice *)w;

		if (f->kind == KIND_U32 || f->kind == KIND_U64) {
			put_le(out, *w, f->max);
			out += f->max;
			w += 1;
			continue;
		}
		if (f->kind != KIND_FIX) {
			put_le(out, s->n, 4);
			out += 4;
		}
		if (s->n > 0)
			memcpy(out, s->p, s->n);
		out += s->n;
		w += 2;
	}
}

static int
is_text(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] < 0x20 || p[i] == 0x7f)
			return 0;
	return 1;
}

/*
 * Read one field at *p into *w; both advance.
 */
static int
decode_field(
    const struct field *f, const uint8_t **p, const uint8_t *end, uint64_t **w)
{
	size_t left = (size_t)(end - *p), n = f->max;

	if (f->kind == KIND_STR || f->kind == KIND_BLOB) {
		if (left < 4)
			return VERR_TRUNCATED;
		n = (size_t)get_le(*p, 4);
		*p += 4;
		left -= 4;
		if (n > f->max)
			return VERR_TOOBIG;
	}
	if (left < n)
		return VERR_TRUNCATED;
	if (f->kind == KIND_U32 || f->kind == KIND_U64) {
		*(*w)++ = get_le(*p, n);
	} else {
		if (f->kind == KIND_STR && !is_text(*p, n))
			return VERR_FORMAT;
		*(struct slice *)*w = slice_of(*p, n);
		*w += 2;
	}
	*p += n;
	return 0;
}

int
record_decode(
    uint16_t type, const uint8_t *body, size_t len, union record *ret_msg)
{
	const struct layout *l = layout_of(type);
	const uint8_t *p = body, *end = body + len;
	union record msg;
	uint64_t *w = (uint64_t *)&msg;
	int r;

	if (l == NULL)
		return VERR_UNKNOWN;
	if (len > l->info.max)
		return VERR_TOOBIG;
	memset(&msg, 0, sizeof(msg));
	for (size_t i = 0; i < l->count; i++)
		if ((r = decode_field(&l->fields[i], &p, end, &w)) != 0)
			return r;
	if (p != end)
		return VERR_FORMAT;
	*ret_msg = msg;
	return 0;
}

const char *
room_name(enum room room)
{
	static const char *const names[] = {
	    "supervisor", "gate", "keeper", "ledger", "courier", "dialer"};

	return room < ROOM_COUNT ? names[room] : "unknown room";
}
