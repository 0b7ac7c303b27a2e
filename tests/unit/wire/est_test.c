#include "wire/est.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
test_op_names(void **state)
{
    for (int op = EST_OP_CACERTS; op <= EST_OP_FULLCMC; op++)
        assert_int_equal(est_op_of_name(span_str(est_op_name((enum est_op)op))),
                         op);
    assert_int_equal(est_op_of_name((struct span)SPAN_LIT("CACERTS")),
                     EST_OP_NONE);
    assert_int_equal(est_op_of_name((struct span)SPAN_LIT("cacert")),
                     EST_OP_NONE);
    assert_int_equal(est_op_of_name(SPAN_EMPTY), EST_OP_NONE);
}

/* --- HTTP Basic --- */

static enum bv_err
basic(const char *field, struct span *ret_user, struct span *ret_secret)
{
    static uint8_t buf[64];

    return est_basic_parse(span_str(field), buf, sizeof(buf), ret_user,
                           ret_secret);
}

static void
test_basic_good(void **state)
{
    struct span user;
    struct span secret;

    /* RFC 7617 section 2 */
    assert_int_equal(
        basic("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", &user, &secret), BV_OK);
    assert_true(span_eq_str(user, "Aladdin"));
    assert_true(span_eq_str(secret, "open sesame"));
    /* a user without octets; a secret with colons; any case of the scheme */
    assert_int_equal(basic("bAsIc   OmE6Yjo= ", &user, &secret), BV_OK);
    assert_int_equal(user.len, 0);
    assert_true(span_eq_str(secret, "a:b:"));
    assert_int_equal(basic("Basic Og==", &user, &secret), BV_OK);
    assert_int_equal(secret.len, 0);
}

static void
test_basic_bad(void **state)
{
    static const char *const BAD[] = {
        "Basic",
        "Basic ",
        "BasicQTpi",
        "Basic QTpi!",
        "Basic QTp i",
        "Basic QTpi QTpi",
        "Basic QWI=",   /* no colon */
        "Basic QTpiYw", /* no padding */
        "",
    };
    struct span user;
    struct span secret;

    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
        assert_int_equal(basic(BAD[i], &user, &secret), BV_E_BAD_MESSAGE);
    assert_int_equal(basic("Digest username=\"x\"", &user, &secret),
                     BV_E_UNSUPPORTED);
    assert_int_equal(
        basic("Basic "
              "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
              "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQTpi",
              &user, &secret),
        BV_E_NO_SPACE);
}

static void
test_basic_round_trip(void **state)
{
    uint8_t buf[128];
    struct sink out = SINK_ARRAY(buf);
    struct span user;
    struct span secret;

    est_put_basic(&out, (struct span)SPAN_LIT("d-1"),
                  (struct span)SPAN_LIT("ab:cd"));
    assert_false(out.failed);
    buf[out.len] = '\0';
    assert_int_equal(basic((const char *)buf, &user, &secret), BV_OK);
    assert_true(span_eq_str(user, "d-1"));
    assert_true(span_eq_str(secret, "ab:cd"));
}

/* --- bodies --- */

#define PEM(label, end)                                                        \
    "-----BEGIN " label "-----" end "MAMCAQc=" end "-----END " label "----"    \
                                                                     "-" end

static enum bv_err
body(const char *text, enum est_body mode, struct span *ret_der)
{
    static uint8_t buf[256];

    return est_body_decode(span_str(text), mode, buf, sizeof(buf), ret_der);
}

static void
test_body_tolerates_white_space(void **state)
{
    static const char *const GOOD[] = {
        "MAMCAQc=",
        "MAMCAQc=\n",
        "MAMC\r\nAQc=\r\n\r\n",
        "\tM A\tM C\n\n\nAQc =\t ",
    };
    struct span der;

    for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++) {
        assert_int_equal(body(GOOD[i], EST_BODY_BASE64, &der), BV_OK);
        assert_true(
            span_eq(der, (struct span)SPAN_LIT("\x30\x03\x02\x01\x07")));
    }
}

static void
test_body_strict(void **state)
{
    static const char *const BAD[] = {
        "",
        " \r\n",
        "MAMCAQc",
        "MAMCAQc==",
        "MAMCAQd=", /* dirty unused bits */
        "MAMCAQc=x",
        "MAMC-Qc=",
        "MAMCAQc=%0a",
        "0\x03\x02\x01\x07",
        PEM("CERTIFICATE REQUEST", "\n"),
    };
    struct span der;

    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
        assert_int_equal(body(BAD[i], EST_BODY_BASE64, &der), BV_E_BAD_MESSAGE);
}

static void
test_body_lenient(void **state)
{
    static const char *const GOOD[] = {
        "MAMCAQc=",
        "0\x03\x02\x01\x07",
        PEM("CERTIFICATE REQUEST", "\n"),
        PEM("NEW CERTIFICATE REQUEST", "\r\n"),
    };
    struct span der;

    for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++) {
        assert_int_equal(body(GOOD[i], EST_BODY_LENIENT, &der), BV_OK);
        assert_true(
            span_eq(der, (struct span)SPAN_LIT("\x30\x03\x02\x01\x07")));
    }
    assert_int_equal(
        body(PEM("X", "\n") PEM("X", "\n"), EST_BODY_LENIENT, &der),
        BV_E_TRAILING_BYTES);
    assert_int_equal(body("\x01\x02", EST_BODY_LENIENT, &der),
                     BV_E_BAD_MESSAGE);
}

static void
test_put_body(void **state)
{
    static const uint8_t DER[700];
    uint8_t buf[EST_BODY_MAX(700)];
    size_t lens[] = {1, 2, 3, 47, 48, 49, 96, 700};

    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        for (int wrap = 0; wrap < 2; wrap++) {
            struct sink out = sink_of(buf, EST_BODY_MAX(lens[i]));
            size_t line = 0;

            est_put_body(&out, span_of(DER, lens[i]), wrap != 0);
            assert_false(out.failed);
            assert_int_equal(buf[out.len - 1], '\n');
            for (size_t at = 0; at < out.len - 1; at++) {
                line = buf[at] == '\n' ? 0 : line + 1;
                assert_true(wrap ? line <= 64 : buf[at] != '\n');
            }
        }
    }
}

static void
test_wants_wrap(void **state)
{
    const struct span libest = SPAN_LIT("libest 3.2.0p");

    assert_true(est_wants_wrap(libest, 2000));
    assert_false(est_wants_wrap(libest, 700)); /* one certificate: one line */
    assert_false(est_wants_wrap((struct span)SPAN_LIT("curl/7 libest"), 2000));
    assert_false(est_wants_wrap((struct span)SPAN_LIT("libes"), 2000));
    assert_false(est_wants_wrap(SPAN_EMPTY, 2000));
}

/* --- serverkeygen --- */

#define PART(type, text)                                                       \
    "--" EST_KEYGEN_BOUNDARY "\r\n"                                            \
    "Content-Type: " type "\r\n"                                               \
    "Content-Transfer-Encoding: base64\r\n\r\n" text "\r\n"
#define CERTS_PART PART("application/pkcs7-mime; smime-type=certs-only", "MAA=")
#define END_LINE   "--" EST_KEYGEN_BOUNDARY "--\r\n"

static void
test_keygen(void **state)
{
    static const char PLAIN[] =
        PART("application/pkcs8", "MAMCAQc=") CERTS_PART END_LINE;
    static const char WRAPPED[] =
        PART("application/pkcs7-mime; smime-type=server-generated-key",
             "MAMCAQc=") CERTS_PART END_LINE;
    const struct span key = SPAN_LIT("\x30\x03\x02\x01\x07");
    const struct span certs = SPAN_LIT("\x30\x00");
    uint8_t buf[EST_KEYGEN_OVERHEAD + EST_BODY_MAX(5) + EST_BODY_MAX(2)];
    struct sink plain = SINK_ARRAY(buf);

    est_put_keygen(&plain, key, false, certs);
    assert_true(span_eq(sink_view(&plain), span_str(PLAIN)));
    struct sink wrapped = SINK_ARRAY(buf);
    est_put_keygen(&wrapped, key, true, certs);
    assert_true(span_eq(sink_view(&wrapped), span_str(WRAPPED)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_op_names),
        cmocka_unit_test(test_basic_good),
        cmocka_unit_test(test_basic_bad),
        cmocka_unit_test(test_basic_round_trip),
        cmocka_unit_test(test_body_tolerates_white_space),
        cmocka_unit_test(test_body_strict),
        cmocka_unit_test(test_body_lenient),
        cmocka_unit_test(test_put_body),
        cmocka_unit_test(test_wants_wrap),
        cmocka_unit_test(test_keygen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
