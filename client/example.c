/*
 * example - a worker: makes one request with the credential of a profile, and
 *	     prints the status and the body of the answer.
 *
 *	cc example.c $(pkg-config --cflags --libs vaultclient) -o example
 *	./example acme/demo GET /v1/charges
 */
#include <stdio.h>
#include <vaultclient.h>

static int
on_response(
    void *arg, int status, const char *headers, size_t len, uint64_t audit)
{
	(void)arg, (void)headers, (void)len;
	return printf("%d (record %llu of the audit log)\n", status,
	           (unsigned long long)audit) < 0;
}

/* What is not 0 ends the request, as when nobody reads stdout any more. */
static int
on_body(void *arg, const uint8_t *p, size_t len)
{
	(void)arg;
	return fwrite(p, 1, len, stdout) != len;
}

int
main(int argc, char **argv)
{
	struct vault_request request = {
	    .on_response = on_response, .on_body = on_body};
	struct vault_error error = {.exit = 1};
	struct vault *vault = NULL;

	if (argc != 4) {
		fprintf(stderr, "usage: example PROFILE METHOD PATH\n");
		return 2;
	}
	request.profile = argv[1];
	request.method = argv[2];
	request.target = argv[3];

	/* NULL: at $VAULTD_SOCKET, or where vaultd is installed to be. */
	if (vault_open(NULL, &vault, &error) != 0 ||
	    vault_request(vault, &request, &error) != 0) {
		fprintf(
		    stderr, "example: %s (%s)\n", error.sentence, error.code);
		vault_close(vault);
		return error.exit;
	}
	vault_close(vault);
	return fflush(stdout) != 0;
}
