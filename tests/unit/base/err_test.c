#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
test_every_error_has_name_text_and_fault(void **state)
{
    for (unsigned i = BV_OK + 1; i < BV_E_COUNT_; i++) {
        assert_true(strlen(err_name((enum bv_err)i)) > 0);
        assert_true(strlen(err_text((enum bv_err)i)) > 0);
        assert_int_not_equal(err_fault((enum bv_err)i), BV_FAULT_NONE);
    }
    assert_string_equal(err_name(BV_OK), "OK");
    assert_string_equal(err_name(BV_E_BAD_NAME), "BAD_NAME");
    assert_int_equal(err_fault(BV_OK), BV_FAULT_NONE);
    assert_int_equal(err_fault(BV_E_BAD_NAME), BV_FAULT_PEER);
    assert_int_equal(err_fault(BV_E_LINT), BV_FAULT_BUG);
}

static void
test_number_out_of_range_is_a_bug(void **state)
{
    assert_string_equal(err_name(BV_E_COUNT_), "UNKNOWN");
    assert_string_equal(err_text(BV_E_COUNT_), "unknown error");
    assert_int_equal(err_fault(BV_E_COUNT_), BV_FAULT_BUG);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_error_has_name_text_and_fault),
        cmocka_unit_test(test_number_out_of_range_is_a_bug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
