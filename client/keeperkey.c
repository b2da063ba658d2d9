#include "client/keeperkey.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/call.h"

#define KEY_NAME   "keeper.pub"
#define KEY_LINE   sodium_base64_ENCODED_LEN(VAULT_KEY_LEN, KEY_BASE64)
#define KEY_BASE64 sodium_base64_VARIANT_ORIGINAL

#define WRITABLE_BY_OTHERS (S_IWGRP | S_IWOTH)

const char *
keeperkey_distrust(const struct stat *file, const struct stat *folder)
{
	if (!S_ISREG(file->st_mode))
		return "it is not a plain file";
	if (file->st_uid != 0 && file->st_uid != folder->st_uid)
		return "it belongs neither to root nor to its folder's owner";
	if (file->st_mode & WRITABLE_BY_OTHERS)
		return "others than its owner can write it";
	if (folder->st_mode & WRITABLE_BY_OTHERS)
		return "others than its owner can write its folder";
	return NULL;
}

/*
 * Open the folder of the socket at "path".
 */
static int
open_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder;
	int fd;

	if (slash == NULL)
		return open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (folder == NULL)
		return -1;
	fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	return fd;
}

int
keeperkey_parse(const char *text, size_t n, uint8_t ret_key[VAULT_KEY_LEN])
{
	uint8_t key[VAULT_KEY_LEN];
	char again[KEY_LINE];
	size_t len = 0;

	if (n > 0 && text[n - 1] == '\n')
		n--;
	if (n != KEY_LINE - 1 ||
	    sodium_base642bin(
	        key, sizeof(key), text, n, NULL, &len, NULL, KEY_BASE64) != 0 ||
	    len != sizeof(key))
		return VERR_FORMAT;
	/* libsodium 1.0.18 takes any byte beyond ASCII for a '/' */
	sodium_bin2base64(again, sizeof(again), key, len, KEY_BASE64);
	if (memcmp(again, text, n) != 0)
		return VERR_FORMAT;
	memcpy(ret_key, key, sizeof(key));
	return 0;
}

int
keeperkey_read(const char *path, uint8_t ret_key[VAULT_KEY_LEN],
    struct vault_error *ret_error)
{
	struct stat file, folder;
	char text[KEY_LINE + 2];
	const char *why;
	int dir, fd = -1, r = VERR_AUTH;
	ssize_t n;

	dir = open_folder(path);
	if (dir >= 0)
		fd = openat(dir, KEY_NAME,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(dir, &folder) != 0 || fstat(fd, &file) != 0) {
		why =
		    errno == ELOOP ? "it is a symbolic link" : strerror(errno);
		goto out;
	}
	if ((why = keeperkey_distrust(&file, &folder)) != NULL)
		goto out;
	why = "it does not hold one line with a key";
	n = read(fd, text, sizeof(text));
	if (n > 0 && keeperkey_parse(text, (size_t)n, ret_key) == 0)
		r = 0;
out:
	if (r != 0)
		(void)call_error(ret_error, r, "keeper-key", 1,
		    "the key to seal to, %s beside %s, is not to be trusted: "
		    "%s; nothing was sent",
		    KEY_NAME, path, why);
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	return r;
}
