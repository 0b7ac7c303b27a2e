#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/base64.h"
#include "wire/der.h"
#include "wire/est.h"
#include "wire/oid.h"

static uint8_t der_buf[1024];

static enum bv_err
decode(const char *text, struct est_csrattrs *ret)
{
    struct sink out = SINK_ARRAY(der_buf);

    assert_int_equal(base64_decode(span_str(text), &out), BV_OK);
    return est_csrattrs_decode(sink_view(&out), ret);
}

/* --- the examples of the standards --- */

/* RFC 7030 4.5.2, whose macAddress stands where Extensions should */
#define RFC7030                                                                \
    "MEEGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiMBYGCSqGSIb3DQEJDjEJ"         \
    "BgcrBgEBAQEWBggqhkjOPQQDAw=="
/* RFC 9908 section 5: a SAN given, RSA 4096, P-384, P-521 and attributes */
#define SAN_GIVEN                                                              \
    "MFkGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAjMC4GCSqGSIb3DQEJDjEh"         \
    "MB8wHQYDVR0RBBYwFIEScG90YXRvQGV4YW1wbGUuY29tBggqhkjOPQQDBA=="
#define RSA_4096 "MCkGCSqGSIb3DQEJBzARBgkqhkiG9w0BAQExBAICEAAGCSqGSIb3DQEBCw=="
#define EC_P384                                                                \
    "MC4GCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiBgNVBAUGCCqGSM49BAMD"
#define EC_P521                                                                \
    "MEUGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAjBgNVBAUGCSqGSIb3DQEJ"         \
    "FAYKCZImiZPyLGQBBQYIKoZIzj0EAwQ="
/* RFC 9908 3.4, the template: CN blank, two OUs, P-256, SAN with a blank
 * address, key usage critical, EKU blank */
#define TEMPLATE                                                               \
    "MIGpMIGmBgsqhkiG9w0BCRACPTGBljCBkwIBADAsMQcwBQYDVQQDMQ8wDQYDVQQL"         \
    "DAZteURlcHQxEDAOBgNVBAsMB215R3JvdXCgFTATBgcqhkjOPQIBBggqhkjOPQMB"         \
    "B6FJMEcGCyqGSIb3DQEJEAI+MTgwNjAdBgNVHREEFjAUghB3d3cubXlTZXJ2ZXIu"         \
    "Y29thwAwDgYDVR0PAQH/BAQDAgOIMAUGA1UdJQ=="

static void
test_reads_the_examples(void **state)
{
    static const struct {
        const char *text;
        enum alg_key key;
        unsigned rsa_bits;
        enum alg_sig sig;
    } rows[] = {
        {RFC7030, ALG_KEY_P384, 0, ALG_SIG_ECDSA_SHA384},
        {SAN_GIVEN, ALG_KEY_P521, 0, ALG_SIG_ECDSA_SHA512},
        {RSA_4096, ALG_KEY_RSA, 4096, ALG_SIG_RSA_SHA256},
        {EC_P384, ALG_KEY_P384, 0, ALG_SIG_ECDSA_SHA384},
        {EC_P521, ALG_KEY_P521, 0, ALG_SIG_ECDSA_SHA512},
    };
    struct est_csrattrs attrs;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(decode(rows[i].text, &attrs), BV_OK);
        assert_int_equal(attrs.key, rows[i].key);
        assert_int_equal(attrs.rsa_bits, rows[i].rsa_bits);
        assert_int_equal(attrs.sig, rows[i].sig);
        assert_true(attrs.challenge);
        assert_false(attrs.is_template);
    }
    assert_int_equal(decode(SAN_GIVEN, &attrs), BV_OK);
    assert_int_equal(attrs.num_extensions, 1);
    assert_true(span_eq(attrs.extensions[0].oid, oid_san));
    assert_true(span_eq(attrs.extensions[0].value,
                        (struct span)SPAN_LIT("\x30\x14\x81\x12"
                                              "potato@example.com")));
}

static void
test_reads_the_template(void **state)
{
    struct est_csrattrs attrs;

    assert_int_equal(decode(TEMPLATE, &attrs), BV_OK);
    assert_true(attrs.is_template);
    assert_int_equal(attrs.key, ALG_KEY_P256);
    assert_int_equal(attrs.num_rdns, 3);
    assert_true(span_eq(attrs.subject[0].oid, oid_cn));
    assert_int_equal(attrs.subject[0].value.len, 0);
    assert_true(span_eq(attrs.subject[2].oid, oid_ou));
    assert_true(span_eq(attrs.subject[2].value,
                        (struct span)SPAN_LIT("\x0c\x07myGroup")));
    assert_int_equal(attrs.num_extensions, 3);
    assert_false(attrs.extensions[0].critical);
    assert_true(span_eq(attrs.extensions[1].oid, oid_key_usage));
    assert_true(attrs.extensions[1].critical);
    assert_true(span_eq(attrs.extensions[2].oid, oid_eku));
    assert_int_equal(attrs.extensions[2].value.len, 0);
}

/* --- writing --- */

static void
expect(const struct est_csrattrs *attrs, const char *text)
{
    uint8_t want_buf[1024];
    uint8_t got_buf[1024];
    struct sink want = SINK_ARRAY(want_buf);
    struct sink got = SINK_ARRAY(got_buf);

    assert_int_equal(base64_decode(span_str(text), &want), BV_OK);
    est_csrattrs_put(&got, attrs);
    assert_false(got.failed);
    assert_int_equal(got.len, want.len);
    assert_memory_equal(got_buf, want_buf, got.len);
}

static void
test_writes_the_examples(void **state)
{
    struct est_csrattrs none = {0};
    struct est_csrattrs rsa = {.key = ALG_KEY_RSA,
                               .rsa_bits = 4096,
                               .sig = ALG_SIG_RSA_SHA256,
                               .challenge = true};
    struct est_csrattrs san = {
        .key = ALG_KEY_P521,
        .sig = ALG_SIG_ECDSA_SHA512,
        .challenge = true,
        .extensions = {{.oid = oid_san,
                        .value = (struct span)SPAN_LIT("\x30\x14\x81\x12"
                                                       "potato@example.com")}},
        .num_extensions = 1,
    };

    expect(&none, "MAA=");
    expect(&rsa, RSA_4096);
    expect(&san, SAN_GIVEN);
}

/* Who understands a template sees nothing else: it would hide the challenge. */
static void
test_no_template_with_a_challenge(void **state)
{
    uint8_t buf[512];
    struct sink out = SINK_ARRAY(buf);
    struct est_csrattrs attrs = {.key = ALG_KEY_P256,
                                 .challenge = true,
                                 .is_template = true,
                                 .subject = {{.oid = oid_cn}},
                                 .num_rdns = 1};
    struct est_csrattrs got;

    est_csrattrs_put(&out, &attrs);
    assert_int_equal(est_csrattrs_decode(sink_view(&out), &got), BV_OK);
    assert_false(got.is_template);
    assert_true(got.challenge);
    assert_int_equal(got.key, ALG_KEY_P256);
}

/* The older list stands before the template; the template's own octets are
 * those of the example. */
static void
test_writes_the_template(void **state)
{
    struct est_csrattrs attrs = {
        .key = ALG_KEY_P256,
        .is_template = true,
        .subject = {{.oid = oid_cn},
                    {.oid = oid_ou,
                     .value = (struct span)SPAN_LIT("\x0c\x06myDept")},
                    {.oid = oid_ou,
                     .value = (struct span)SPAN_LIT("\x0c\x07myGroup")}},
        .num_rdns = 3,
        .extensions = {{.oid = oid_san,
                        .value = (struct span)SPAN_LIT(
                            "\x30\x14\x82\x10www.myServer.com\x87\x00")},
                       {.oid = oid_key_usage,
                        .value = (struct span)SPAN_LIT("\x03\x02\x03\x88"),
                        .critical = true},
                       {.oid = oid_eku}},
        .num_extensions = 3,
    };
    uint8_t want_buf[1024];
    uint8_t got_buf[1024];
    struct sink want = SINK_ARRAY(want_buf);
    struct sink got = SINK_ARRAY(got_buf);
    struct span in;
    struct span template;

    assert_int_equal(base64_decode(span_str(TEMPLATE), &want), BV_OK);
    est_csrattrs_put(&got, &attrs);
    in = sink_view(&got);
    assert_int_equal(der_only(in, DER_SEQUENCE, &in), BV_OK);
    while (in.len > 0)
        assert_int_equal(der_take_whole(&in, DER_SEQUENCE, &template), BV_OK);
    assert_int_equal(template.len, want.len - 3);
    assert_memory_equal(template.data, want_buf + 3, template.len);
}

static void
test_round_trip(void **state)
{
    static const enum alg_key KEYS[] = {
        ALG_KEY_P256, ALG_KEY_P384, ALG_KEY_P521, ALG_KEY_ED25519, ALG_KEY_RSA};

    for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++) {
        for (int template = 0; template <2; template ++) {
            struct est_csrattrs attrs = {.key = KEYS[i],
                                         .rsa_bits =
                                             KEYS[i] == ALG_KEY_RSA ? 3072 : 0,
                                         .sig = alg_sig_of_key(KEYS[i]),
                                         .is_template = template != 0,
                                         .subject = {{.oid = oid_cn}},
                                         .num_rdns = template ? 1 : 0};
            struct est_csrattrs back;
            struct sink out = SINK_ARRAY(der_buf);

            est_csrattrs_put(&out, &attrs);
            assert_false(out.failed);
            assert_int_equal(est_csrattrs_decode(sink_view(&out), &back),
                             BV_OK);
            assert_int_equal(back.key, attrs.key);
            assert_int_equal(back.rsa_bits, attrs.rsa_bits);
            assert_int_equal(back.sig, attrs.sig);
            assert_int_equal(back.is_template, attrs.is_template);
            assert_int_equal(back.num_rdns, attrs.num_rdns);
        }
    }
}

/* --- refusals --- */

static void
test_cut_is_refused(void **state)
{
    uint8_t buf[1024];
    struct sink out = SINK_ARRAY(buf);
    struct est_csrattrs attrs;

    assert_int_equal(base64_decode(span_str(TEMPLATE), &out), BV_OK);
    for (size_t len = 0; len < out.len; len++)
        assert_int_not_equal(est_csrattrs_decode(span_of(buf, len), &attrs),
                             BV_OK);
    buf[out.len] = 0;
    assert_int_equal(est_csrattrs_decode(span_of(buf, out.len + 1), &attrs),
                     BV_E_TRAILING_BYTES);
}

static void
put_extension_request(struct sink *out, unsigned num, bool same)
{
    size_t attribute = der_open(out, DER_SEQUENCE);
    der_put_oid(out, oid_extension_request);
    size_t set = der_open(out, DER_SET);
    size_t list = der_open(out, DER_SEQUENCE);
    for (unsigned i = 0; i < num; i++) {
        uint8_t oid[] = {0x55, 0x1d, same ? 1 : (uint8_t)(i + 1)};
        size_t one = der_open(out, DER_SEQUENCE);
        der_put_oid(out, SPAN_ARRAY(oid));
        der_put(out, DER_OCTET_STRING, (struct span)SPAN_LIT("\x05\x00"));
        der_close(out, one);
    }
    der_close(out, list);
    der_close(out, set);
    der_close(out, attribute);
}

static enum bv_err
extensions(unsigned num, bool same, unsigned attributes)
{
    struct sink out = SINK_ARRAY(der_buf);
    struct est_csrattrs attrs;
    size_t list = der_open(&out, DER_SEQUENCE);

    for (unsigned i = 0; i < attributes; i++)
        put_extension_request(&out, num, same);
    der_close(&out, list);
    return est_csrattrs_decode(sink_view(&out), &attrs);
}

static void
test_refusals(void **state)
{
    struct est_csrattrs attrs;

    assert_int_equal(extensions(EST_EXTENSIONS_MAX, false, 1), BV_OK);
    assert_int_equal(extensions(EST_EXTENSIONS_MAX + 1, false, 1),
                     BV_E_TOO_MANY);
    assert_int_equal(extensions(2, true, 1), BV_E_BAD_MESSAGE);
    assert_int_equal(extensions(1, false, 2), BV_E_BAD_MESSAGE);
    /* a curve nobody here can make: secp256k1; an RSA key of 64 bits */
    assert_int_equal(decode("MBQwEgYHKoZIzj0CATEHBgUrgQQACg==", &attrs),
                     BV_E_UNSUPPORTED);
    assert_int_equal(decode("MBIwEAYJKoZIhvcNAQEBMQMCAUA=", &attrs),
                     BV_E_UNSUPPORTED);
    /* unknown things are passed over */
    assert_int_equal(decode("MAUGAyoDBA==", &attrs), BV_OK);
    assert_int_equal(attrs.key, ALG_KEY_NONE);
    assert_int_equal(decode("MAA=", &attrs), BV_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_the_examples),
        cmocka_unit_test(test_reads_the_template),
        cmocka_unit_test(test_writes_the_examples),
        cmocka_unit_test(test_writes_the_template),
        cmocka_unit_test(test_no_template_with_a_challenge),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_cut_is_refused),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
