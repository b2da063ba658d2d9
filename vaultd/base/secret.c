#include "vaultd/base/secret.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALIGN 32
#define USED  1

/* Blocks lie one behind the other and fill the arena; first fit, merged. */
struct block {
	size_t size; /* of the block with this header */
	size_t used;
	size_t check; /* the address, inverted: catches what overran */
	size_t fill;  /* keeps what follows aligned */
};

_Static_assert(sizeof(struct block) == ALIGN, "blocks stay aligned");

static uint8_t *arena;
static size_t arena_size;

static void
block_set(struct block *b, size_t size, size_t used)
{
	*b = (struct block){size, used, ~(size_t)b, 0};
}

static struct block *
block_next(struct block *b)
{
	assert(b->check == ~(size_t)b);
	uint8_t *next = (uint8_t *)b + b->size;

	return next < arena + arena_size ? (struct block *)next : NULL;
}

/*
 * Reserve "size" bytes with an inaccessible page on both sides, and put "fd"
 * or locked anonymous memory between them.
 */
static uint8_t *
map_locked(size_t size, int fd)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	uint8_t *all, *p;

	all = mmap(NULL, size + 2 * page, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED)
		return NULL;
	p = mmap(
	    all + page, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);
	/* memfd_secret(2) pages are locked by their nature, and refuse mlock.
	 */
	if (p == MAP_FAILED || (fd < 0 && mlock(p, size) != 0)) {
		(void)munmap(all, size + 2 * page);
		return NULL;
	}
	/* Fresh pages are zero.  Touching them all would take 10 ms. */
	(void)madvise(p, size, MADV_DONTDUMP);
	(void)madvise(p, size, fd < 0 ? MADV_WIPEONFORK : MADV_DONTFORK);
	return p;
}

static uint8_t *
map_memfd(size_t size)
{
	uint8_t *p = NULL;
	int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);

	if (fd < 0)
		return NULL;
	if (ftruncate(fd, (off_t)size) == 0)
		p = map_locked(size, fd);
	(void)close(fd);
	return p;
}

int
secret_init(size_t size, enum secret_kind *ret_kind)
{
	enum secret_kind kind = SECRET_MEMFD;
	uint8_t *p;

	assert(arena == NULL);
	if ((p = map_memfd(size)) == NULL) {
		kind = SECRET_MLOCK;
		if ((p = map_locked(size, -1)) == NULL)
			return VERR_NOMEM;
	}
	arena = p;
	arena_size = size;
	block_set((struct block *)arena, size, 0);
	*ret_kind = kind;
	return 0;
}

uint8_t *
secret_alloc(size_t len)
{
	size_t need = sizeof(struct block) + ((len + ALIGN - 1) & ~(ALIGN - 1));

	if (arena == NULL || len > arena_size)
		return NULL;
	for (struct block *b = (struct block *)arena; b != NULL;
	     b = block_next(b)) {
		if (b->used || b->size < need)
			continue;
		if (b->size - need > sizeof(struct block)) {
			struct block *rest = (void *)((uint8_t *)b + need);

			block_set(rest, b->size - need, 0);
			block_set(b, need, USED);
		} else {
			block_set(b, b->size, USED);
		}
		return (uint8_t *)(b + 1);
	}
	return NULL;
}

/*
 * Join free neighbours.  Arenas hold some hundred blocks, so one pass is
 * cheaper than links that an overrun could bend.
 */
static void
merge(void)
{
	struct block *b = (struct block *)arena, *next;

	while (b != NULL && (next = block_next(b)) != NULL) {
		if (!b->used && !next->used) {
			size_t size = b->size + next->size;

			explicit_bzero(next, sizeof(*next));
			block_set(b, size, 0);
		} else {
			b = next;
		}
	}
}

void
secret_free(void *p)
{
	struct block *b;

	if (p == NULL)
		return;
	b = (struct block *)p - 1;
	assert(b->check == ~(size_t)b && b->used);
	explicit_bzero(p, b->size - sizeof(*b));
	block_set(b, b->size, 0);
	merge();
}
