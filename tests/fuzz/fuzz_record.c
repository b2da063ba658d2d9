/*
 * fuzz_record - a room's record, its type in the first two bytes: what is
 * admitted is written back the same.
 */
#include <stdlib.h>

#include "protocol/bytes.h"
#include "protocol/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	union record m;
	uint8_t *again;
	uint16_t type;
	int ok;

	if (size < 2)
		return 0;
	type = (uint16_t)get_le(data, 2);
	data += 2;
	size -= 2;
	if (record_decode(type, data, size, &m) != 0)
		return 0;
	if (record_size(type, &m, &ok) != size || !ok)
		abort();
	if ((again = malloc(size + 1)) == NULL)
		return 0;
	record_encode(type, &m, again);
	if (memcmp(again, data, size) != 0)
		abort();
	free(again);
	return 0;
}
