/* config/secret: which passphrases are warned of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "prog/config/secret.h"

static void
test_weak(void **state)
{
    assert_true(secret_is_weak(""));
    assert_true(secret_is_weak("abcd"));
    assert_true(secret_is_weak("14 characters!"));
    assert_false(secret_is_weak("15 characters!!"));
    assert_true(secret_is_weak("abcdeabcdeabcdeabcdeabcde"));
    assert_false(secret_is_weak("abcdefabcdefabcdefabcdef"));
    assert_false(secret_is_weak("4tqL0x9rTHZ0X7n1Ue0m5cZP"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_weak)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
