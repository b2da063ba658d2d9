/*
 * A credential is in the courier while its request is under way, and nowhere
 * in its memory two seconds later; what the rooms do when others come and go.
 */
#include "protocol/refusal.h"
#include "tests/unit/courier/house.h"

#define CHUNK 65536

static char canary[64];

/* A fresh credential, so that an earlier test's cannot be found. */
static void
make_canary(void)
{
	uint8_t bytes[16];
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	assert_int_equal(read(fd, bytes, sizeof(bytes)), sizeof(bytes));
	(void)close(fd);
	for (size_t i = 0; i < sizeof(bytes); i++)
		(void)snprintf(canary + 2 * i, 3, "%02x", bytes[i]);
}

static size_t
count_in(const uint8_t *p, size_t n, const char *what, size_t len)
{
	size_t hits = 0;

	for (const uint8_t *at = p;
	     (at = memmem(at, n - (size_t)(at - p), what, len)) != NULL; at++)
		hits++;
	return hits;
}

static size_t
scan_range(int mem, unsigned long from, unsigned long to)
{
	static uint8_t buf[CHUNK + 64];
	size_t hits = 0;

	for (unsigned long at = from; at < to; at += CHUNK) {
		size_t want = to - at < sizeof(buf) ? to - at : sizeof(buf);
		ssize_t n = pread(mem, buf, want, (off_t)at);

		if (n <= 0)
			continue;
		/* Half of it is enough: buffers may be cut anywhere. */
		hits += count_in(buf, (size_t)n, canary, 16);
		hits += count_in(buf, (size_t)n, canary + 16, 16);
	}
	return hits;
}

/* How often the credential, or half of it, is in the courier's memory. */
static size_t
scan(void)
{
	char path[64], line[512];
	unsigned long from, to;
	size_t hits = 0;
	FILE *maps;
	int mem;

	(void)snprintf(
	    path, sizeof(path), "/proc/%d/maps", (int)house.courier.pid);
	assert_non_null(maps = fopen(path, "r"));
	(void)snprintf(
	    path, sizeof(path), "/proc/%d/mem", (int)house.courier.pid);
	assert_true((mem = open(path, O_RDONLY | O_CLOEXEC)) >= 0);
	while (fgets(line, sizeof(line), maps) != NULL)
		if (sscanf(line, "%lx-%lx rw", &from, &to) == 2 &&
		    strstr(line, " rw") != NULL)
			hits += scan_range(mem, from, to);
	(void)close(mem);
	(void)fclose(maps);
	return hits;
}

static void
assert_gone(const char *after)
{
	(void)sleep(2);
	if (scan() != 0)
		fail_msg("the credential is still there after %s", after);
}

static const struct {
	const char *what;
	struct errand errand;
	int cancel;
} ends[] = {
    {"an answer on a kept connection",
        {.target = "/stream?bytes=3&key=%s", .pool = 400}, 0},
    {"a second answer on it", {.target = "/stream?bytes=3&key=%s", .pool = 400},
        0},
    {"an upload",
        {.method = "POST",
            .target = "/upload?key=%s",
            .body = BODY_STREAM,
            .length = BIG},
        0},
    {"a failed handshake",
        {.target = "/?key=%s", .server = "stranger", .pool = 401}, 0},
    {"a forbidden address",
        {.target = "/?key=%s", .network = "public", .pool = 402}, 0},
    {"an order that cannot be sent",
        {.target = "/?key=%s", .name = {"Host"}, .value = {"x"}}, 0},
    {"a malformed answer", {.target = "/bad?key=%s"}, 0},
    {"a timeout", {.target = "/hold?key=%s", .timeout_ms = 300}, 0},
    {"a cancelled request", {.target = "/hold?key=%s"}, 1},
    {"a health check",
        {.target = "/account?key=%s", .probe = 1, .account = "/id"}, 0},
};

static void
keys_credentials_leave_memory_with_their_request(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	(void)upstream("answer('/bad', b'HTTP/1.1 200 OK\\r\\n bad\\r\\n')");
	for (size_t i = 0; i < COUNT(ends); i++) {
		struct errand e = ends[i].errand;
		char target[256], header[256];
		size_t at = 0;

		make_canary();
		while (at < 7 && e.name[at] != NULL)
			at++;
		(void)snprintf(target, sizeof(target), "%.*s%s",
		    (int)strlen(e.target) - 2, e.target, canary);
		(void)snprintf(header, sizeof(header), "Bearer %s", canary);
		e.target = target;
		e.name[at] = "Authorization";
		e.value[at] = header;
		errand_start(&e);
		if (e.body != BODY_NONE)
			errand_send_body(&e);
		if (ends[i].cancel) {
			(void)usleep(200000);
			SAY(house.courier.keeper, ORDER_CANCEL,
			    .order = e.order);
		}
		(void)errand_end(&e);
		assert_gone(ends[i].what);
	}
}

/* The scanner works: the credential is found while it is needed. */
static void
keys_scanner_finds_a_credential_in_flight(void **state)
{
	char header[256];
	struct errand e = {
	    .target = "/hold", .name = {"Authorization"}, .value = {header}};

	(void)state;
	if (geteuid() != 0)
		skip();
	make_canary();
	(void)snprintf(header, sizeof(header), "Bearer %s", canary);
	errand_start(&e);
	(void)usleep(300000);
	assert_true(scan() > 0);
	(void)close(e.stream);
	e.stream = -1;
	(void)errand_end(&e);
	assert_gone("the client went away");
}

static void
rooms_orders_survive_a_new_dialer(void **state)
{
	struct errand e = {.target = "/stream?bytes=4", .pool = 500};
	const struct outcome *o;

	(void)state;
	house_end(&house.dialer);
	house_start_dialer();
	/* Its ticket went to the new dialer; the way to it comes later. */
	errand_start(&e);
	(void)usleep(200000);
	house_join();
	o = errand_end(&e);
	assert_int_equal(o->status, 200);
	assert_int_equal(o->length, 4);
}

static void
rooms_courier_ends_with_its_keeper(void **state)
{
	int status = -1;

	(void)state;
	(void)shutdown(house.courier.keeper, SHUT_RDWR);
	assert_int_equal(
	    waitpid(house.courier.pid, &status, 0), house.courier.pid);
	assert_int_equal(status, 0);
	(void)shutdown(house.dialer.keeper, SHUT_RDWR);
	assert_int_equal(
	    waitpid(house.dialer.pid, &status, 0), house.dialer.pid);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_scanner_finds_a_credential_in_flight),
	    cmocka_unit_test(keys_credentials_leave_memory_with_their_request),
	    cmocka_unit_test(rooms_orders_survive_a_new_dialer),
	    cmocka_unit_test(rooms_courier_ends_with_its_keeper),
	};

	return cmocka_run_group_tests_name(
	    "courier/memory", tests, house_open, house_close);
}
