#include "prog/brevetd/activated.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct activated given;

static unsigned
parse(const char *pid, const char *fds, const char *names)
{
    activated_parse(pid, fds, names, 42, &given);
    return given.num;
}

static void
test_names(void **state)
{
    assert_int_equal(parse("42", "4", "control:https::http"), 4);
    assert_true(given.fds[0].is_ours && given.fds[1].is_ours);
    assert_int_equal(given.fds[0].purpose, PROC_LISTEN_CONTROL);
    assert_int_equal(given.fds[1].purpose, PROC_LISTEN_HTTPS);
    assert_false(given.fds[2].is_ours);
    assert_int_equal(given.fds[3].purpose, PROC_LISTEN_HTTP);
    assert_int_equal(parse("42", "2", "https"), 2);
    assert_false(given.fds[1].is_ours);
    assert_int_equal(parse("42", "1", NULL), 1);
    assert_false(given.fds[0].is_ours);
    assert_int_equal(parse("42", "1", "httpsx"), 1);
    assert_false(given.fds[0].is_ours);
}

static void
test_not_for_us(void **state)
{
    assert_int_equal(parse(NULL, "1", "http"), 0);
    assert_int_equal(parse("42", NULL, "http"), 0);
    assert_int_equal(parse("43", "1", "http"), 0);
}

static void
test_numbers_are_plain(void **state)
{
    static const char *const bad[] = {"",
                                      "0",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1x",
                                      "0x1",
                                      "65",
                                      "9999999999999999999",
                                      "18446744073709551617"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(parse("42", bad[i], "http"), 0);
    assert_int_equal(parse("42x", "1", "http"), 0);
    assert_int_equal(parse("42", "64", "http"), 64);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_not_for_us),
        cmocka_unit_test(test_numbers_are_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
