#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device/record.h"

static const struct record sample = {
    .active = BV_SLOT_B,
    .trust = 1,
    .key_made = true,
    .generation = 70000,
    .attempts = 3,
    .pause = 240,
    .due = INT64_C(1800000240),
    .why = 7,
};

static void
test_round_trip(void **state)
{
    (void)state;
    uint8_t bytes[RECORD_LEN];
    struct sink out = SINK_ARRAY(bytes);
    struct record back;
    record_encode(&out, &sample);
    assert_false(out.failed);
    assert_int_equal(out.len, RECORD_LEN);
    assert_int_equal(record_decode(sink_view(&out), &back), BV_OK);
    assert_int_equal(back.active, BV_SLOT_B);
    assert_int_equal(back.trust, 1);
    assert_true(back.key_made);
    assert_int_equal(back.generation, 70000);
    assert_int_equal(back.attempts, 3);
    assert_int_equal(back.pause, 240);
    assert_int_equal(back.due, sample.due);
    assert_int_equal(back.why, 7);
}

static void
test_no_slot(void **state)
{
    (void)state;
    uint8_t bytes[RECORD_LEN];
    struct sink out = SINK_ARRAY(bytes);
    struct record back, fresh = {.active = BV_SLOT_NONE, .trust = -1};
    record_encode(&out, &fresh);
    assert_int_equal(record_decode(sink_view(&out), &back), BV_OK);
    assert_int_equal(back.active, BV_SLOT_NONE);
    assert_int_equal(back.trust, -1);
}

/* Every single flipped bit and every other length is noticed. */
static void
test_damage(void **state)
{
    (void)state;
    uint8_t bytes[RECORD_LEN + 1] = {0};
    struct sink out = SINK_ARRAY(bytes);
    struct record back;
    record_encode(&out, &sample);
    for (size_t bit = 0; bit < RECORD_LEN * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(record_decode(span_of(bytes, RECORD_LEN), &back),
                         BV_E_CORRUPT);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len <= RECORD_LEN + 1; len++)
        if (len != RECORD_LEN)
            assert_int_equal(record_decode(span_of(bytes, len), &back),
                             BV_E_CORRUPT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_no_slot),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
