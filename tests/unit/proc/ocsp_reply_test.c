#include "proc/ocsp_reply.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
comes_back(void **state)
{
    struct ocsp_reply in = {true, 7,   UINT64_C(1) << 56,
                            100,  200, SPAN_LIT("answer")};
    struct ocsp_reply back;
    uint8_t buf[64];
    struct sink out = SINK_ARRAY(buf);
    struct span bytes;

    ocsp_reply_encode(&out, &in);
    assert_int_equal(sink_done(&out, &bytes), BV_OK);
    assert_int_equal(ocsp_reply_decode(bytes, &back), BV_OK);
    assert_true(back.cacheable);
    assert_int_equal(back.index, 7);
    assert_true(back.word == in.word);
    assert_int_equal(back.this_update, 100);
    assert_int_equal(back.next_update, 200);
    assert_true(span_eq_str(back.response, "answer"));

    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(ocsp_reply_decode(span_of(buf, len), &back),
                         BV_E_BAD_MESSAGE);
    assert_int_equal(ocsp_reply_decode(span_of(buf, bytes.len + 1), &back),
                     BV_E_TRAILING_BYTES);
    buf[0] = 2;
    assert_int_equal(ocsp_reply_decode(bytes, &back), BV_E_BAD_MESSAGE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(comes_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
