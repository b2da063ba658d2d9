/*
 * What network.h promises.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "policy/network.h"

static bool
permits(const char *network, const char *address)
{
	bool v6 = strchr(address, ':') != NULL;
	struct network net;
	const char *why = "";
	uint8_t addr[16];

	if (network_parse(network, strlen(network), &net, &why) != 0)
		fail_msg("%s: %s", network, why);
	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, address, addr), 1);
	return network_permits(&net, addr, v6 ? 16 : 4);
}

static void
hostile_addresses_are_not_public(void **state)
{
	static const char *const cases[] = {
	    "0.0.0.0",
	    "0.1.2.3",
	    "10.0.0.1",
	    "10.255.255.255",
	    "100.64.0.1",
	    "100.127.255.255",
	    "127.0.0.1",
	    "127.255.255.255",
	    "169.254.169.254",
	    "172.16.0.1",
	    "172.31.255.255",
	    "192.0.0.1",
	    "192.0.2.1",
	    "192.88.99.1",
	    "192.168.0.1",
	    "198.18.0.1",
	    "198.19.255.255",
	    "198.51.100.1",
	    "203.0.113.1",
	    "224.0.0.1",
	    "239.255.255.255",
	    "240.0.0.1",
	    "255.255.255.255",
	    /* IPv6, and IPv4 within it */
	    "::",
	    "::1",
	    "::127.0.0.1",
	    "::8.8.8.8",
	    "::ffff:127.0.0.1",
	    "::ffff:10.0.0.1",
	    "::ffff:169.254.169.254",
	    "::ffff:0:8.8.8.8",
	    "64:ff9b::127.0.0.1",
	    "64:ff9b::a9fe:a9fe",
	    "64:ff9b:1::8.8.8.8",
	    "2002:7f00:1::",
	    "2002:a9fe:a9fe::1",
	    "2002:808:808::1",
	    "2001:0:7f00:1::",
	    "2001:0:808:808::1",
	    "2001:10::1",
	    "2001:db8::1",
	    "3fff::1",
	    "fc00::1",
	    "fd12:3456::1",
	    "fe80::1",
	    "febf::1",
	    "fec0::1",
	    "ff02::1",
	    "100::1",
	    "1::1",
	    "4000::1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (permits("public", cases[i]))
			fail_msg("permitted: %s", cases[i]);
}

static void
policy_public_addresses_are_permitted(void **state)
{
	static const char *const cases[] = {"8.8.8.8", "1.1.1.1", "9.255.255.1",
	    "11.0.0.1", "100.63.255.255", "100.128.0.0", "126.255.255.255",
	    "128.0.0.1", "169.253.255.255", "169.255.0.0", "172.15.255.255",
	    "172.32.0.0", "191.255.255.255", "192.0.1.1", "192.167.1.1",
	    "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
	    "2606:4700::1111", "2a00:1450::1", "2001:4860:4860::8888",
	    "2003::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!permits("public", cases[i]))
			fail_msg("refused: %s", cases[i]);
		assert_false(permits("private", cases[i]));
	}
}

static void
policy_networks_hold_what_they_name(void **state)
{
	static const struct {
		const char *network, *address;
		bool want;
	} cases[] = {
	    {"private", "10.1.2.3", true},
	    {"private", "172.16.0.1", true},
	    {"private", "192.168.1.1", true},
	    {"private", "::ffff:192.168.1.1", true},
	    {"private", "fd00::1", true},
	    {"private", "127.0.0.1", false},
	    {"private", "169.254.169.254", false},
	    {"private", "100.64.0.1", false},
	    {"private", "::1", false},
	    {"private, public", "8.8.8.8", true},
	    {"private public", "10.1.2.3", true},
	    {"127.0.0.0/8", "127.0.0.1", true},
	    {"127.0.0.0/8", "::ffff:127.0.0.1", true},
	    {"127.0.0.0/8", "64:ff9b::127.0.0.1", true},
	    {"127.0.0.0/8", "128.0.0.1", false},
	    {"127.0.0.0/8", "8.8.8.8", false},
	    {"127.0.0.1/32", "127.0.0.1", true},
	    {"127.0.0.1/32", "127.0.0.2", false},
	    {"10.1.128.0/17", "10.1.128.1", true},
	    {"10.1.128.0/17", "10.1.127.1", false},
	    {"::1/128", "::1", true},
	    {"::1/128", "::2", false},
	    {"::1/128", "::", false},
	    {"fd00:1::/33", "fd00:1::5", true},
	    {"fd00:1::/33", "fd00:1:8000::5", false},
	    {"::1/128, 127.0.0.0/8", "127.0.0.1", true},
	    /* never, whatever is written */
	    {"169.254.0.0/16", "169.254.169.254", false},
	    {"224.0.0.0/8", "224.0.0.1", false},
	    {"fe80::/16", "fe80::1", false},
	    {"ff00::/16", "ff00::1", false},
	    {"2002::/16", "2002:7f00:1::", false},
	    {"2001::/32", "2001:0:7f00:1::", false},
	    {"::/16", "::8.8.8.8", false},
	    {"::/16", "::1", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (permits(cases[i].network, cases[i].address) !=
		    cases[i].want)
			fail_msg("%s %s", cases[i].network, cases[i].address);
}

static void
hostile_address_sizes_are_refused(void **state)
{
	struct network net;
	uint8_t addr[16] = {8, 8, 8, 8};
	const char *why;

	(void)state;
	assert_int_equal(network_parse("public", 6, &net, &why), 0);
	assert_true(network_permits(&net, addr, 4));
	for (size_t n = 0; n < 16; n++)
		if (n != 4)
			assert_false(network_permits(&net, addr, n));
}

static void
hostile_networks_are_refused(void **state)
{
	static const char *const cases[] = {"", " ", ",", "Public", "all",
	    "10.0.0.0", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "/8",
	    "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/8x", "0.0.0.0/0",
	    "0.0.0.0/7", "::/0", "::/15", "10/8", "0x0a.0.0.0/8", "::1/129",
	    "::1/127", "::ffff:10.0.0.0/104", "fe80::1%lo/128", "10.0.0.0/8\n",
	    "host/8", "public private none"};
	char many[NETWORK_TEXT_MAX + 1];
	struct network net = {.count = 9};
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (network_parse(cases[i], strlen(cases[i]), &net, &why) !=
		    VERR_FORMAT)
			fail_msg("accepted: %s", cases[i]);
		assert_int_equal(net.count, 9);
	}
	assert_int_equal(network_parse("public\0", 7, &net, &why), VERR_FORMAT);
	memset(many, ' ', sizeof(many));
	assert_int_equal(
	    network_parse(many, sizeof(many), &net, &why), VERR_FORMAT);
	for (size_t i = 0; i < NETWORK_BLOCKS_MAX + 1; i++)
		memcpy(many + 12 * i, "10.0.0.0/32 ", 12);
	assert_int_equal(
	    network_parse(many, 12 * NETWORK_BLOCKS_MAX, &net, &why), 0);
	assert_int_equal(
	    network_parse(many, 12 * (NETWORK_BLOCKS_MAX + 1), &net, &why),
	    VERR_FORMAT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hostile_addresses_are_not_public),
	    cmocka_unit_test(policy_public_addresses_are_permitted),
	    cmocka_unit_test(policy_networks_hold_what_they_name),
	    cmocka_unit_test(hostile_address_sizes_are_refused),
	    cmocka_unit_test(hostile_networks_are_refused),
	};

	return cmocka_run_group_tests_name("policy/network", tests, NULL, NULL);
}
