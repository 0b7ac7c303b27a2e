#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t octets[] = {1, 2,  3,  4,  5,  6,  7, 8,
                                 9, 10, 11, 12, 13, 14, 15};

static void
test_integers_are_big_endian(void **state)
{
    struct span in = SPAN_ARRAY(octets);
    uint8_t a;
    uint16_t b;
    uint32_t c;
    uint64_t d;

    assert_int_equal(span_u8(&in, &a), BV_OK);
    assert_int_equal(span_u16(&in, &b), BV_OK);
    assert_int_equal(span_u32(&in, &c), BV_OK);
    assert_int_equal(span_u64(&in, &d), BV_OK);
    assert_int_equal(a, 1);
    assert_int_equal(b, 0x0203);
    assert_int_equal(c, 0x04050607);
    assert_true(d == UINT64_C(0x08090a0b0c0d0e0f));
    assert_int_equal(span_end(in), BV_OK);
    assert_int_equal(span_u8(&in, &a), BV_E_BAD_MESSAGE);
}

static void
test_failed_take_changes_nothing(void **state)
{
    struct span in = span_of(octets, 3);
    struct span head;
    uint32_t n;

    assert_int_equal(span_take(&in, 4, &head), BV_E_BAD_MESSAGE);
    assert_int_equal(span_u32(&in, &n), BV_E_BAD_MESSAGE);
    assert_int_equal(in.len, 3);
    assert_ptr_equal(in.data, octets);
    assert_int_equal(span_end(in), BV_E_TRAILING_BYTES);
    assert_int_equal(span_take(&in, 3, &head), BV_OK);
    assert_int_equal(head.len, 3);
}

static void
test_field_longer_than_the_message(void **state)
{
    static const uint8_t bad[] = {0, 0, 0, 3, 'a', 'b'};
    static const uint8_t good[] = {0, 0, 0, 2, 'a', 'b'};
    struct span in = SPAN_ARRAY(bad);
    struct span field;

    assert_int_equal(span_bytes(&in, &field), BV_E_BAD_MESSAGE);
    assert_int_equal(in.len, sizeof(bad));
    in = SPAN_ARRAY(good);
    assert_int_equal(span_bytes(&in, &field), BV_OK);
    assert_true(span_eq_str(field, "ab"));
    assert_int_equal(in.len, 0);
}

static void
test_comparisons(void **state)
{
    assert_true(span_eq(SPAN_EMPTY, span_str(NULL)));
    assert_true(span_eq(SPAN_LIT("ab"), span_str("ab")));
    assert_false(span_eq(SPAN_LIT("ab"), SPAN_LIT("aB")));
    assert_false(span_eq(SPAN_LIT("ab"), SPAN_LIT("abc")));
    assert_true(span_eq_nocase(SPAN_LIT("aZ9"), SPAN_LIT("Az9")));
    assert_false(span_eq_nocase(SPAN_LIT("@"), SPAN_LIT("`")));
    assert_false(span_eq_nocase(SPAN_LIT("["), SPAN_LIT("{")));
    assert_true(span_eq_secret(SPAN_LIT("ab"), SPAN_LIT("ab")));
    assert_false(span_eq_secret(SPAN_LIT("ab"), SPAN_LIT("ac")));
    assert_false(span_eq_secret(SPAN_LIT("ab"), SPAN_LIT("a")));
    assert_true(span_cmp(SPAN_LIT("a"), SPAN_LIT("ab")) < 0);
    assert_true(span_cmp(SPAN_LIT("b"), SPAN_LIT("ab")) > 0);
    assert_int_equal(span_cmp(SPAN_EMPTY, SPAN_EMPTY), 0);
}

static void
test_copy_to_string(void **state)
{
    char text[4];

    assert_int_equal(span_copy_str(SPAN_LIT("abc"), text, 4), BV_OK);
    assert_string_equal(text, "abc");
    assert_int_equal(span_copy_str(SPAN_LIT("abcd"), text, 4), BV_E_TOO_LARGE);
    assert_int_equal(span_copy_str(SPAN_LIT("a\0b"), text, 4),
                     BV_E_BAD_MESSAGE);
    assert_int_equal(span_copy_str(SPAN_EMPTY, text, 1), BV_OK);
    assert_string_equal(text, "");
    assert_int_equal(span_copy_str(SPAN_EMPTY, text, 0), BV_E_TOO_LARGE);
}

static void
test_hex_of_either_case(void **state)
{
    uint8_t got[2] = {0};
    size_t len = 0;

    assert_int_equal(span_unhex(SPAN_LIT("09aF"), got, 2, &len), BV_OK);
    assert_int_equal(len, 2);
    assert_memory_equal(got, "\x09\xaf", 2);
    assert_int_equal(span_hex_digit(-1), -1);
}

static void
test_what_is_not_hex_is_refused(void **state)
{
    static const char *const wrong[] = {"",   "a",  "abc", "0g", "g0",
                                        " 0", "-1", "0x",  ":0", "@0"};
    uint8_t got[2];
    size_t len = 7;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(span_unhex(span_str(wrong[i]), got, 2, &len),
                         BV_E_BAD_MESSAGE);
    assert_int_equal(span_unhex(SPAN_LIT("010203"), got, 2, &len),
                     BV_E_TOO_LARGE);
    assert_int_equal(len, 7);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_are_big_endian),
        cmocka_unit_test(test_failed_take_changes_nothing),
        cmocka_unit_test(test_field_longer_than_the_message),
        cmocka_unit_test(test_comparisons),
        cmocka_unit_test(test_copy_to_string),
        cmocka_unit_test(test_hex_of_either_case),
        cmocka_unit_test(test_what_is_not_hex_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
