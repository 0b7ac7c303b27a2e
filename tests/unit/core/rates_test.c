#include "core/rates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW INT64_C(1795000000)

static void
test_windows(void **state)
{
    bv_auto(rates) struct rates *r = NULL;
    struct span a = SPAN_LIT("a"), b = SPAN_LIT("b");
    assert_int_equal(rates_new(&r), BV_OK);
    int64_t start = NOW / 60 * 60;
    rates_add(r, RATES_FAIL_ADDRESS, a, start, 60);
    rates_add(r, RATES_FAIL_ADDRESS, a, start + 59, 60);
    assert_int_equal(rates_count(r, RATES_FAIL_ADDRESS, a, start + 1, 60), 2);
    assert_int_equal(rates_count(r, RATES_FAIL_ADDRESS, b, start + 1, 60), 0);
    assert_int_equal(rates_count(r, RATES_FAIL_DEVICE, a, start + 1, 60), 0);
    assert_int_equal(rates_count(r, RATES_FAIL_ADDRESS, a, start + 60, 60), 0);
}

static void
test_take_back(void **state)
{
    bv_auto(rates) struct rates *r = NULL;
    struct span a = SPAN_LIT("a");
    assert_int_equal(rates_new(&r), BV_OK);
    rates_take_back(r, RATES_ISSUE_DEVICE, a, NOW, 3600); /* nothing there */
    rates_add(r, RATES_ISSUE_DEVICE, a, NOW, 3600);
    rates_add(r, RATES_ISSUE_DEVICE, a, NOW, 3600);
    rates_take_back(r, RATES_ISSUE_DEVICE, a, NOW, 3600);
    assert_int_equal(rates_count(r, RATES_ISSUE_DEVICE, a, NOW, 3600), 1);
    /* another window's count is not touched */
    rates_take_back(r, RATES_ISSUE_DEVICE, a, NOW + 3600, 3600);
    assert_int_equal(rates_count(r, RATES_ISSUE_DEVICE, a, NOW, 3600), 1);
}

/* A large fleet at work, and failures from everywhere, do not make the table
 * forget the one client that runs wild. */
static void
test_the_busiest_is_remembered(void **state)
{
    bv_auto(rates) struct rates *r = NULL;
    char name[32];
    assert_int_equal(rates_new(&r), BV_OK);
    for (unsigned wild = 0; wild < 40; wild++) {
        struct span key;
        for (unsigned i = 0; i < 10; i++) {
            (void)snprintf(name, sizeof name, "wild%u", wild);
            key = span_str(name);
            rates_add(r, RATES_ISSUE_DEVICE, key, NOW, 3600);
        }
    }
    for (unsigned i = 0; i < 100000; i++) {
        (void)snprintf(name, sizeof name, "device%u", i);
        rates_add(r, i % 2 ? RATES_ISSUE_DEVICE : RATES_FAIL_ADDRESS,
                  span_str(name), NOW, i % 2 ? 3600 : 60);
    }
    for (unsigned wild = 0; wild < 40; wild++) {
        (void)snprintf(name, sizeof name, "wild%u", wild);
        assert_int_equal(
            rates_count(r, RATES_ISSUE_DEVICE, span_str(name), NOW, 3600), 10);
    }
}

/* Who has one address of a /64 has them all. */
static void
test_what_an_address_counts_as(void **state)
{
    static const char *const pairs[][2] = {
        {"192.0.2.7", "192.0.2.7"},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
        {"2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"},
        {"2001:db8:1:3::1", "2001:db8:1:3::/64"},
        {"local", "local"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char net[LIMIT_PEER];
        rates_net(pairs[i][0], net);
        assert_string_equal(net, pairs[i][1]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_take_back),
        cmocka_unit_test(test_the_busiest_is_remembered),
        cmocka_unit_test(test_what_an_address_counts_as),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
