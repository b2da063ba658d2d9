/*
 * seed_keys - write private keys as seeds: good ones, and each kind of bad one.
 *
 * usage: seed_keys DIR		writes DIR/pkey/NAME and DIR/keyfile/NAME
 */
#include <stdio.h>
#include <sys/stat.h>

#include "tests/support/make_key.h"

/* 255 bytes, the first of them 0x80: eight bits short of 2048. */
#define TEXT68                                                                 \
	"gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICA"
#define SHORT                                                                  \
	TEXT68 TEXT68 TEXT68 TEXT68 "gICAgICAgICAgICAgICAgICAgICAgICAgICAgICA" \
	                            "gICAgICAgICAgICAgICAgICAgICB"

static int
write_seed(
    const char *dir, const char *target, const char *name, const struct der *d)
{
	char path[512];
	FILE *f;
	int bad;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, target);
	(void)mkdir(path, 0777);
	(void)snprintf(path, sizeof(path), "%s/%s/%s", dir, target, name);
	if ((f = fopen(path, "w")) == NULL)
		return 1;
	bad = fwrite(d->p, 1, d->n, f) != d->n;
	return fclose(f) != 0 || bad;
}

static int
write_both(const char *dir, const char *name, const struct der *d)
{
	return write_seed(dir, "pkey", name, d) ||
	    write_seed(dir, "keyfile", name, d);
}

static int
write_rsa(const char *dir)
{
	const char *numbers[8];
	struct der d;
	int bad;

	make_rsa(&d, rfc_rsa);
	bad = write_both(dir, "rsa", &d);
	der_raw(&d, "", 1);
	bad |= write_both(dir, "rsa-more", &d);
	memcpy(numbers, rfc_rsa, sizeof(numbers));
	numbers[1] = "Aw";
	make_rsa(&d, numbers);
	bad |= write_both(dir, "rsa-three", &d);
	numbers[1] = "AQAB";
	numbers[0] = SHORT;
	for (size_t i = 2; i < 8; i++)
		numbers[i] = "AQAB";
	make_rsa(&d, numbers);
	return bad | write_both(dir, "rsa-short", &d);
}

static int
write_curves(const char *dir)
{
	struct der d;
	int bad;

	make_p256(&d, RFC_EC_D, RFC_EC_X, RFC_EC_Y);
	bad = write_both(dir, "p256", &d);
	make_p256(&d, RFC_EC_D, NULL, NULL);
	bad |= write_both(dir, "p256-bare", &d);
	make_p256(
	    &d, "_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE", NULL, NULL);
	bad |= write_both(dir, "p256-order", &d);
	make_ed25519(&d, RFC_ED_D);
	bad |= write_both(dir, "ed25519", &d);
	der_raw(&d, "", 1);
	return bad | write_both(dir, "ed25519-more", &d);
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: seed_keys DIR\n");
		return 2;
	}
	return write_rsa(argv[1]) || write_curves(argv[1]);
}
