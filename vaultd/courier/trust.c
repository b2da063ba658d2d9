#include "vaultd/courier/trust.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <unistd.h>

#include "vaultd/base/buf.h"

#define READ_SIZE 65536

int
trust_parse(struct slice pem, X509_STORE **ret)
{
	X509_STORE *store = X509_STORE_new();
	BIO *bio = NULL;
	X509 *cert;
	int r = VERR_NOMEM, found = 0;

	if (pem.n == 0 || pem.n > TRUST_PEM_MAX) {
		r = VERR_FORMAT;
		goto out;
	}
	if (store == NULL || (bio = BIO_new_mem_buf(pem.p, (int)pem.n)) == NULL)
		goto out;
	while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		found += X509_STORE_add_cert(store, cert) == 1;
		X509_free(cert);
	}
	if (!found) {
		r = VERR_FORMAT;
		goto out;
	}
	if (X509_STORE_set_flags(store,
	        X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN) != 1)
		goto out;
	*ret = store;
	store = NULL;
	r = 0;
out:
	ERR_clear_error();
	BIO_free(bio);
	X509_STORE_free(store);
	return r;
}

int
trust_read(int fd, X509_STORE **ret)
{
	struct buf pem = {NULL, 0, 0, 0};
	uint8_t *p;
	ssize_t n;
	int r;

	do {
		if ((r = buf_reserve(&pem, READ_SIZE, &p)) != 0)
			goto out;
		if ((n = read(fd, p, READ_SIZE)) < 0) {
			r = VERR_IO;
			goto out;
		}
		buf_grow(&pem, (size_t)n);
		if (buf_used(&pem) > TRUST_PEM_MAX) {
			r = VERR_TOOBIG;
			goto out;
		}
	} while (n > 0);
	r = trust_parse(slice_of(buf_data(&pem), buf_used(&pem)), ret);
out:
	buf_free(&pem);
	return r;
}
