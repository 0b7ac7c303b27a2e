#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/request.h"

static struct core_request
sample(void)
{
    struct core_request r = {.door = CORE_DOOR_EST,
                             .op = CORE_REENROLL,
                             .request_id = "0123456789abcdef",
                             .peer = "192.0.2.7",
                             .label = "gateway",
                             .trust = CORE_TRUST_MANUFACTURER,
                             .trust_name = "acme"};
    r.peer_cert = SPAN_LIT("cert");
    r.peer_chain = SPAN_LIT("chain");
    r.user = SPAN_LIT("d1");
    r.secret = SPAN_LIT("s3cret");
    r.binding = SPAN_LIT("binding");
    r.csr = SPAN_LIT("csr");
    r.cipher_bits = 256;
    return r;
}

static struct span
encoded(uint8_t *buf, size_t cap)
{
    struct core_request r = sample();
    struct sink out = sink_of(buf, cap);
    core_request_encode(&out, &r);
    struct span view;
    assert_int_equal(sink_done(&out, &view), BV_OK);
    return view;
}

static void
test_round_trip(void **state)
{
    uint8_t buf[1024];
    struct core_request got, want = sample();
    assert_int_equal(core_request_decode(encoded(buf, sizeof buf), &got),
                     BV_OK);
    assert_int_equal(got.op, want.op);
    assert_int_equal(got.trust, want.trust);
    assert_string_equal(got.request_id, want.request_id);
    assert_string_equal(got.peer, want.peer);
    assert_string_equal(got.label, want.label);
    assert_string_equal(got.trust_name, want.trust_name);
    assert_true(span_eq(got.peer_cert, want.peer_cert));
    assert_true(span_eq(got.peer_chain, want.peer_chain));
    assert_true(span_eq(got.user, want.user));
    assert_true(span_eq(got.secret, want.secret));
    assert_true(span_eq(got.binding, want.binding));
    assert_true(span_eq(got.csr, want.csr));
    assert_int_equal(got.cipher_bits, want.cipher_bits);
}

static void
test_truncated_or_extended(void **state)
{
    uint8_t buf[1024];
    struct span whole = encoded(buf, sizeof buf);
    struct core_request got;
    for (size_t len = 0; len < whole.len; len++)
        assert_int_not_equal(
            core_request_decode(span_of(whole.data, len), &got), BV_OK);
    buf[whole.len] = 0;
    assert_int_equal(
        core_request_decode(span_of(whole.data, whole.len + 1), &got),
        BV_E_TRAILING_BYTES);
}

static void
test_enums_checked(void **state)
{
    uint8_t buf[1024];
    struct span whole = encoded(buf, sizeof buf);
    struct core_request got;
    for (size_t at = 0; at < 4; at++) {
        uint8_t kept = buf[at];
        buf[at] = 99;
        assert_int_equal(core_request_decode(whole, &got), BV_E_BAD_MESSAGE);
        buf[at] = kept;
    }
    buf[3] = CORE_TRUST_NONE; /* but a certificate is there */
    assert_int_equal(core_request_decode(whole, &got), BV_E_BAD_MESSAGE);
}

static void
test_too_large(void **state)
{
    static uint8_t big[LIMIT_CSR + 1], buf[2 * LIMIT_CSR];
    struct core_request r = sample(), got;
    r.csr = SPAN_ARRAY(big);
    struct sink out = SINK_ARRAY(buf);
    core_request_encode(&out, &r);
    assert_int_equal(core_request_decode(sink_view(&out), &got),
                     BV_E_TOO_LARGE);
}

static void
test_reply(void **state)
{
    uint8_t buf[1024];
    struct core_reply want = {.err = BV_E_PENDING,
                              .detail = "wait",
                              .retry_after = 60,
                              .challenge = true,
                              .key_wrapped = true,
                              .device = "d1",
                              .profile = "device",
                              .serial = "42"};
    want.cert = SPAN_LIT("cert");
    want.key = SPAN_LIT("key");
    struct sink out = SINK_ARRAY(buf);
    core_reply_encode(&out, &want);
    struct core_reply got;
    assert_int_equal(core_reply_decode(sink_view(&out), &got), BV_OK);
    assert_int_equal(got.err, BV_E_PENDING);
    assert_string_equal(got.detail, "wait");
    assert_int_equal(got.retry_after, 60);
    assert_true(got.challenge && got.key_wrapped && !got.repeated);
    assert_string_equal(got.device, "d1");
    assert_string_equal(got.serial, "42");
    assert_true(span_eq(got.cert, want.cert));
    assert_true(span_eq(got.key, want.key));
    for (size_t len = 0; len < out.len; len++)
        assert_int_not_equal(core_reply_decode(span_of(buf, len), &got), BV_OK);
    buf[1] = BV_E_COUNT_;
    assert_int_equal(core_reply_decode(sink_view(&out), &got),
                     BV_E_BAD_MESSAGE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_truncated_or_extended),
        cmocka_unit_test(test_enums_checked),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
