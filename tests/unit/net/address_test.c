/* Who counts as one client, and how many connections each may hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdbool.h>

#include "net/address.h"

static char text[ADDRESS_TEXT_MAX];

static struct address
v4(const char *from)
{
    struct sockaddr_storage storage = {.ss_family = AF_INET};
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&storage;
    in->sin_port = htons(4711);
    assert_int_equal(inet_pton(AF_INET, from, &in->sin_addr), 1);
    return address_of(&storage, text);
}

static struct address
v6(const char *from)
{
    struct sockaddr_storage storage = {.ss_family = AF_INET6};
    struct sockaddr_in6 *in = (struct sockaddr_in6 *)(void *)&storage;
    in->sin6_port = htons(4711);
    assert_int_equal(inet_pton(AF_INET6, from, &in->sin6_addr), 1);
    return address_of(&storage, text);
}

static bool
is_same(struct address a, struct address b)
{
    return a.high == b.high && a.low == b.low;
}

static void
test_ipv4_counts_by_its_address(void **state)
{
    struct address one = v4("192.0.2.7");
    assert_string_equal(text, "192.0.2.7");
    assert_true(is_same(one, v4("192.0.2.7")));
    assert_false(is_same(one, v4("192.0.2.8")));
    assert_false(is_same(one, v4("193.0.2.7")));
}

static void
test_ipv4_mapped_is_ipv4(void **state)
{
    struct address mapped = v6("::ffff:192.0.2.7");
    assert_string_equal(text, "192.0.2.7");
    assert_true(is_same(mapped, v4("192.0.2.7")));
    assert_false(is_same(mapped, v6("::ffff:192.0.2.8")));
}

static void
test_ipv6_counts_by_its_64(void **state)
{
    struct address one = v6("2001:db8:1:2::1");
    assert_string_equal(text, "2001:db8:1:2::1");
    assert_true(is_same(one, v6("2001:db8:1:2:ffff:ffff:ffff:ffff")));
    assert_false(is_same(one, v6("2001:db8:1:3::1")));
    assert_false(is_same(one, v6("2001:db9:1:2::1")));
}

static void
test_the_longest_text_fits(void **state)
{
    (void)v6("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
    assert_string_equal(text, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
}

static void
test_what_is_not_ip_is_local(void **state)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNIX};
    struct address local = address_of(&storage, text);
    assert_string_equal(text, "local");
    assert_true(is_same(local, (struct address){0}));
    assert_false(is_same(local, v4("0.0.0.0")));
}

static void
test_the_table_counts_each_address_alone(void **state)
{
    struct address_table *table;
    struct address a = v4("192.0.2.7"), b = v6("2001:db8::1"),
                   neighbour = v6("2001:db8::2");
    assert_int_equal(address_table_new(&table), BV_OK);
    assert_int_equal(address_table_add(table, a, 2), BV_OK);
    assert_int_equal(address_table_add(table, a, 2), BV_OK);
    assert_int_equal(address_table_add(table, a, 2), BV_E_RATE_LIMITED);
    assert_int_equal(address_table_add(table, b, 1), BV_OK);
    assert_int_equal(address_table_add(table, neighbour, 1), BV_E_RATE_LIMITED);
    address_table_drop(table, a);
    assert_int_equal(address_table_add(table, a, 2), BV_OK);
    address_table_drop(table, b);
    assert_int_equal(address_table_add(table, neighbour, 1), BV_OK);
    address_table_free(table);
}

static void
test_a_limit_of_none_admits_none(void **state)
{
    struct address_table *table;
    struct address a = v4("192.0.2.7");
    assert_int_equal(address_table_new(&table), BV_OK);
    assert_int_equal(address_table_add(table, a, 0), BV_E_RATE_LIMITED);
    address_table_drop(table, a); /* was never counted: nothing to take off */
    assert_int_equal(address_table_add(table, a, 1), BV_OK);
    assert_int_equal(address_table_add(table, a, 1), BV_E_RATE_LIMITED);
    address_table_free(table);
}

static void
test_many_addresses_come_and_go(void **state)
{
    struct address_table *table;
    assert_int_equal(address_table_new(&table), BV_OK);
    for (uint32_t i = 0; i < 20000; i++)
        assert_int_equal(address_table_add(table, (struct address){i, 0}, 1),
                         BV_OK);
    for (uint32_t i = 0; i < 20000; i += 2)
        address_table_drop(table, (struct address){i, 0});
    for (uint32_t i = 0; i < 20000; i++)
        assert_int_equal(address_table_add(table, (struct address){i, 0}, 1),
                         i % 2 == 0 ? BV_OK : BV_E_RATE_LIMITED);
    address_table_free(table);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4_counts_by_its_address),
        cmocka_unit_test(test_ipv4_mapped_is_ipv4),
        cmocka_unit_test(test_ipv6_counts_by_its_64),
        cmocka_unit_test(test_the_longest_text_fits),
        cmocka_unit_test(test_what_is_not_ip_is_local),
        cmocka_unit_test(test_the_table_counts_each_address_alone),
        cmocka_unit_test(test_a_limit_of_none_admits_none),
        cmocka_unit_test(test_many_addresses_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
