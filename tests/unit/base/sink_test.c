#include "base/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
test_what_is_written_reads_back(void **state)
{
    uint8_t memory[64];
    struct sink out = SINK_ARRAY(memory);
    struct span in, field;
    uint16_t a;
    uint64_t b;

    sink_u16(&out, 0x1234);
    sink_u64(&out, UINT64_MAX - 1);
    sink_bytes(&out, SPAN_LIT("abc"));
    assert_int_equal(sink_done(&out, &in), BV_OK);
    assert_int_equal(span_u16(&in, &a), BV_OK);
    assert_int_equal(span_u64(&in, &b), BV_OK);
    assert_int_equal(span_bytes(&in, &field), BV_OK);
    assert_int_equal(span_end(in), BV_OK);
    assert_int_equal(a, 0x1234);
    assert_true(b == UINT64_MAX - 1);
    assert_true(span_eq_str(field, "abc"));
}

static void
test_text_forms(void **state)
{
    uint8_t memory[64];
    struct sink out = SINK_ARRAY(memory);

    sink_dec(&out, 0);
    sink_str(&out, " ");
    sink_dec(&out, UINT64_MAX);
    sink_str(&out, " ");
    sink_hex(&out, SPAN_LIT("\x00\x9f\xff"));
    assert_true(span_eq_str(sink_view(&out), "0 18446744073709551615 009fff"));
}

static void
test_failure_is_for_good(void **state)
{
    uint8_t memory[4] = {0xee, 0xee, 0xee, 0xee};
    struct sink out = sink_of(memory, 3);
    struct span bytes = SPAN_LIT("unchanged");

    sink_u16(&out, 1);
    sink_u16(&out, 2); /* does not fit */
    sink_u8(&out, 3);  /* would fit, must not be written */
    assert_int_equal(sink_done(&out, &bytes), BV_E_NO_SPACE);
    assert_true(span_eq_str(bytes, "unchanged"));
    assert_int_equal(out.len, 2);
    assert_int_equal(memory[2], 0xee);
    assert_int_equal(memory[3], 0xee);
}

static void
test_exact_fit(void **state)
{
    uint8_t memory[3];
    struct sink out = SINK_ARRAY(memory);
    struct span bytes;

    sink_put(&out, SPAN_LIT("abc"));
    sink_put(&out, SPAN_EMPTY);
    assert_int_equal(sink_done(&out, &bytes), BV_OK);
    assert_int_equal(bytes.len, 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_reads_back),
        cmocka_unit_test(test_text_forms),
        cmocka_unit_test(test_failure_is_for_good),
        cmocka_unit_test(test_exact_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
