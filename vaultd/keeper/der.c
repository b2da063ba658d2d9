#include "vaultd/keeper/der.h"

int
der_take(struct slice *in, uint8_t tag, struct slice *ret)
{
	size_t head = 2, len;

	if (in->n == 0 || in->p[0] != tag)
		return VERR_NOTFOUND;
	if (in->n < 2)
		return VERR_FORMAT;
	len = in->p[1];
	if (len >= 0x80) {
		/* keys need no more than two bytes of length */
		size_t n = len - 0x80;

		if (n < 1 || n > 2 || in->n < 2 + n)
			return VERR_FORMAT;
		len = n == 1 ? in->p[2] : (size_t)in->p[2] << 8 | in->p[3];
		if (len < (n == 1 ? 0x80u : 0x100u))
			return VERR_FORMAT;
		head += n;
	}
	if (len > in->n - head)
		return VERR_FORMAT;
	*ret = slice_of(in->p + head, len);
	*in = slice_of(in->p + head + len, in->n - head - len);
	return 0;
}

int
der_take_positive(struct slice *in, struct slice *ret)
{
	struct slice rest = *in, v;
	int r = der_take(&rest, DER_INTEGER, &v);

	if (r != 0)
		return r;
	if (v.n == 0 || (v.p[0] & 0x80) != 0)
		return VERR_FORMAT;
	if (v.p[0] == 0) {
		if (v.n == 1 || (v.p[1] & 0x80) == 0)
			return VERR_FORMAT;
		v = slice_of(v.p + 1, v.n - 1);
	}
	*in = rest;
	*ret = v;
	return 0;
}

int
der_take_bytes(struct slice *in, struct slice bytes)
{
	if (in->n < bytes.n || memcmp(in->p, bytes.p, bytes.n) != 0)
		return VERR_NOTFOUND;
	*in = slice_of(in->p + bytes.n, in->n - bytes.n);
	return 0;
}
