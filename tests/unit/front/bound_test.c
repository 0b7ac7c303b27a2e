#include "front/status/bound.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW INT64_C(1790000000) /* ten seconds begin here */

static int saved, log_fd;
static char text[4096];

static int
setup(void **state)
{
    struct bound *bound;
    saved = dup(STDERR_FILENO);
    log_fd = memfd_create("log", MFD_CLOEXEC);
    if (saved < 0 || log_fd < 0 || dup2(log_fd, STDERR_FILENO) < 0)
        return -1;
    if (bound_new(&bound) != BV_OK)
        return -1;
    *state = bound;
    return 0;
}

static int
teardown(void **state)
{
    bound_free(*state);
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    return close(log_fd);
}

/* How many lines of the log say this. */
static unsigned
lines(const char *what)
{
    unsigned num = 0;
    ssize_t n = pread(log_fd, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        num++;
    return num;
}

static void
test_share(void **state)
{
    struct bound *bound = *state;
    for (unsigned i = 0; i < 30; i++)
        assert_true(bound_take(bound, "192.0.2.1", 3, NOW + i % 10));
    for (unsigned i = 0; i < 5; i++)
        assert_false(bound_take(bound, "192.0.2.1", 3, NOW + 9));
    assert_int_equal(lines("peer=192.0.2.1 per_second=3"), 1);
    assert_true(bound_take(bound, "192.0.2.2", 3, NOW + 9));
    assert_true(bound_take(bound, "192.0.2.1", 0, NOW + 9));  /* no bound */
    assert_true(bound_take(bound, "192.0.2.1", 3, NOW + 10)); /* the next ten */
}

static void
test_one_network(void **state)
{
    char peer[40];
    for (unsigned i = 0; i < 10; i++) {
        (void)snprintf(peer, sizeof(peer), "2001:db8::%x", i + 1);
        assert_true(bound_take(*state, peer, 1, NOW));
    }
    assert_false(bound_take(*state, "2001:db8::ffff", 1, NOW));
    assert_true(bound_take(*state, "2001:db8:0:1::1", 1, NOW));
}

static void
test_never_issued_is_told(void **state)
{
    for (unsigned i = 0; i < 100; i++)
        bound_unissued(*state, "192.0.2.1", NOW + i % 60);
    assert_int_equal(lines("never issued"), 1); /* at once */
    assert_int_equal(lines("num=1 last_peer=192.0.2.1"), 1);
    bound_unissued(*state, "192.0.2.9", NOW + 60);
    assert_int_equal(lines("never issued"), 2);
    assert_int_equal(lines("num=100 last_peer=192.0.2.9"), 1);
    bound_unissued(*state, "192.0.2.9", NOW - 86400); /* put back */
    assert_int_equal(lines("never issued"), 3);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_share),
        T(test_one_network),
        T(test_never_issued_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
