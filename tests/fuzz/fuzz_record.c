/*
 * A room's record, its type in the first two bytes: what is admitted is written
 * back the same, within what room.def declares.
 */
#include "protocol/bytes.h"
#include "protocol/record.h"
#include "tests/fuzz/fuzz.h"

static void
check_text(struct slice s, size_t max)
{
	CHECK(s.n <= max);
	for (size_t i = 0; i < s.n; i++)
		CHECK(s.p[i] >= ' ' && s.p[i] != 0x7f);
}

/* clang-format off */
#define U32(name)	CHECK(r->name <= UINT32_MAX);
#define U64(name)
#define FIX(name, len)	CHECK(r->name.n == (len));
#define STR(name, max)	check_text(r->name, (max));
#define BLOB(name, max) CHECK(r->name.n <= (max));
#define RECORD(NAME, id, from, to, fd, fields)				\
	static void							\
	check_##NAME(const union record *m)				\
	{								\
		const struct rec_##NAME *r = &m->NAME;			\
									\
		(void)r;						\
		fields							\
	}
#include "protocol/room.def"
#undef RECORD
/* clang-format on */

static void
check_fields(uint16_t type, const union record *m)
{
#define RECORD(NAME, id, from, to, fd, fields)                                 \
	if (type == (id))                                                      \
		check_##NAME(m);
#include "protocol/room.def"
#undef RECORD
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *body, *again;
	union record m;
	uint16_t type;
	int ok;

	if (size < 2)
		return 0;
	type = (uint16_t)get_le(data, 2);
	data += 2;
	size -= 2;
	/* a copy of its own, so that a read beyond it is seen */
	body = malloc(size + !size);
	again = malloc(size + !size);
	CHECK(body != NULL && again != NULL);
	memcpy(body, data, size);
	if (record_decode(type, body, size, &m) == 0) {
		CHECK(record_info(type) != NULL);
		CHECK(size >= record_info(type)->min &&
		    size <= record_info(type)->max);
		check_fields(type, &m);
		CHECK(record_size(type, &m, &ok) == size && ok);
		record_encode(type, &m, again);
		CHECK(memcmp(again, data, size) == 0);
	}
	free(body);
	free(again);
	return 0;
}
