#include "wire/ber.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "samples.h"

#define BER(s) ((struct span)SPAN_LIT(s))

static void
expect(struct span in, struct span want)
{
    uint8_t buf[512];
    struct sink out = SINK_ARRAY(buf);

    assert_int_equal(ber_to_der(in, &out), BV_OK);
    assert_int_equal(out.len, want.len);
    assert_memory_equal(buf, want.data, want.len);
}

static void
refuse(struct span in, enum bv_err want)
{
    uint8_t buf[512];
    struct sink out = SINK_ARRAY(buf);

    assert_int_equal(ber_to_der(in, &out), want);
}

static void
test_der_stays_as_it_is(void **state)
{
    expect(BER("\x30\x05\x02\x01\x07\x05\x00"),
           BER("\x30\x05\x02\x01\x07\x05\x00"));
    expect(BER("\x30\x00"), BER("\x30\x00"));
    expect(BER("\x04\x02\x00\x00"), BER("\x04\x02\x00\x00"));
}

static void
test_open_lengths_become_definite(void **state)
{
    expect(BER("\x30\x80\x02\x01\x07\x00\x00"), BER("\x30\x03\x02\x01\x07"));
    expect(BER("\x30\x80\x31\x80\x00\x00\x05\x00\x00\x00"),
           BER("\x30\x04\x31\x00\x05\x00"));
    /* open within definite, and the other way round */
    expect(BER("\x30\x06\x31\x80\x05\x00\x00\x00"),
           BER("\x30\x04\x31\x02\x05\x00"));
    expect(BER("\xa0\x80\x31\x02\x05\x00\x00\x00"),
           BER("\xa0\x04\x31\x02\x05\x00"));
}

static void
test_lengths_become_minimal(void **state)
{
    expect(BER("\x30\x82\x00\x03\x02\x01\x07"), BER("\x30\x03\x02\x01\x07"));
    expect(BER("\x04\x88\x00\x00\x00\x00\x00\x00\x00\x01\x55"),
           BER("\x04\x01\x55"));
}

static void
test_pieces_are_joined(void **state)
{
    expect(BER("\x24\x80\x04\x01\x61\x04\x02\x62\x63\x00\x00"),
           BER("\x04\x03\x61\x62\x63"));
    expect(BER("\x24\x06\x04\x01\x61\x04\x01\x62"), BER("\x04\x02\x61\x62"));
    /* pieces of pieces, and none at all */
    expect(BER("\x30\x80\x24\x80\x24\x03\x04\x01\x61\x04\x01\x62\x00\x00"
               "\x00\x00"),
           BER("\x30\x04\x04\x02\x61\x62"));
    expect(BER("\x24\x80\x00\x00"), BER("\x04\x00"));
}

static void
test_join_of_an_implicit_string(void **state)
{
    uint8_t buf[8];
    struct sink out = SINK_ARRAY(buf);

    assert_int_equal(ber_join(true, BER("\x04\x01\x61\x04\x01\x62"), &out),
                     BV_OK);
    assert_true(span_eq(sink_view(&out), BER("ab")));
    out = SINK_ARRAY(buf);
    assert_int_equal(ber_join(false, BER("\x04\x01\x61"), &out), BV_OK);
    assert_true(span_eq(sink_view(&out), BER("\x04\x01\x61")));
    out = SINK_ARRAY(buf);
    assert_int_equal(ber_join(true, BER("\x05\x00"), &out), BV_E_BAD_MESSAGE);
    out = sink_of(buf, 1);
    assert_int_equal(ber_join(false, BER("abc"), &out), BV_E_NO_SPACE);
}

static void
test_refuses_what_is_no_ber(void **state)
{
    refuse(SPAN_EMPTY, BV_E_BAD_MESSAGE);
    refuse(BER("\x30"), BV_E_BAD_MESSAGE);
    refuse(BER("\x30\x80"), BV_E_BAD_MESSAGE);
    refuse(BER("\x30\x80\x02\x01\x07\x00"), BV_E_BAD_MESSAGE);
    refuse(BER("\x00\x00"), BV_E_BAD_MESSAGE);         /* an end of nothing */
    refuse(BER("\x30\x02\x00\x00"), BV_E_BAD_MESSAGE); /* or of a definite */
    refuse(BER("\x04\x80\x61\x00\x00"), BV_E_BAD_MESSAGE); /* open primitive */
    refuse(BER("\x1f\x81\x01\x00"), BV_E_BAD_MESSAGE);     /* high tag */
    refuse(BER("\x04\x85\x01\x00\x00\x00\x00"), BV_E_BAD_MESSAGE);
    refuse(BER("\x30\x03\x04\x02\x61\x62"), BV_E_BAD_MESSAGE); /* leaks out */
    refuse(BER("\x24\x02\x05\x00"), BV_E_BAD_MESSAGE); /* no piece of it */
    refuse(BER("\x2c\x03\x0c\x01\x61"), BV_E_UNSUPPORTED);
    refuse(BER("\x05\x00\x05\x00"), BV_E_TRAILING_BYTES);
}

/* What ends in an element around it must not be read as a part of it. */
static void
test_open_ends_within_what_is_around_it(void **state)
{
    refuse(BER("\x30\x04\x31\x80\x05\x00\x00\x00"), BV_E_BAD_MESSAGE);
}

static void
test_refuses_what_nests_too_deep(void **state)
{
    uint8_t in[2 * (LIMIT_BER_DEPTH + 1) + 2];

    for (size_t depth = LIMIT_BER_DEPTH; depth <= LIMIT_BER_DEPTH + 1;
         depth++) {
        size_t len = 2 * depth + 2;
        for (size_t i = 0; i < depth; i++) {
            in[2 * i] = 0x30;
            in[2 * i + 1] = (uint8_t)(len - 2 * i - 2);
        }
        memcpy(in + len - 2, "\x05\x00", 2);
        if (depth == LIMIT_BER_DEPTH)
            expect(span_of(in, len), span_of(in, len));
        else
            refuse(span_of(in, len), BV_E_TOO_MANY);
    }
}

static void
test_no_space(void **state)
{
    uint8_t buf[4];
    struct sink out = SINK_ARRAY(buf);

    assert_int_equal(ber_to_der(BER("\x30\x03\x02\x01\x07"), &out),
                     BV_E_NO_SPACE);
}

/* A message that OpenSSL streamed is not longer afterwards; cut, it is none. */
static void
test_a_streamed_message(void **state)
{
    static uint8_t memory[SAMPLE_MAX], der[SAMPLE_MAX];
    struct span in = sample_read("scep", "good-ber.der", memory);
    struct sink out = sink_of(der, in.len), again;

    for (size_t len = 0; len < in.len; len++) {
        out = sink_of(der, in.len);
        assert_int_equal(ber_to_der(span_of(in.data, len), &out),
                         BV_E_BAD_MESSAGE);
    }
    out = sink_of(der, in.len);
    assert_int_equal(ber_to_der(in, &out), BV_OK);
    again = sink_of(memory, sizeof(memory));
    assert_int_equal(ber_to_der(sink_view(&out), &again), BV_OK);
    assert_true(span_eq(sink_view(&out), sink_view(&again)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_der_stays_as_it_is),
        cmocka_unit_test(test_open_lengths_become_definite),
        cmocka_unit_test(test_lengths_become_minimal),
        cmocka_unit_test(test_pieces_are_joined),
        cmocka_unit_test(test_join_of_an_implicit_string),
        cmocka_unit_test(test_refuses_what_is_no_ber),
        cmocka_unit_test(test_open_ends_within_what_is_around_it),
        cmocka_unit_test(test_refuses_what_nests_too_deep),
        cmocka_unit_test(test_no_space),
        cmocka_unit_test(test_a_streamed_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
