#include "signer/ra.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pki/rsa.h"
#include "tests/unit/pki/certs.h"
#include "wire/der.h"
#include "wire/scep.h"

#define PASS SPAN_LIT("pass phrase")

static struct test_cert ca;

static int
make_ca(void **state)
{
    test_issue(&ca, test_key(ALG_KEY_P256, 0), "CA", TEST_CA, NULL,
               SPAN_LIT("\x01"), 1700000000, 1900000000, NULL);
    return 0;
}

static int
drop_ca(void **state)
{
    key_free(ca.key);
    return 0;
}

static struct ra *
new_ra(void)
{
    struct ra *ra = NULL;
    assert_int_equal(ra_new(0, &ra), BV_OK);
    assert_int_equal(ra_add_ca(ra, "ca"), BV_OK);
    assert_int_equal(ra_add_ca(ra, "ca"), BV_E_CONFLICT);
    return ra;
}

/* A certificate for the key the ra has made, as core makes one. */
struct made {
    uint8_t buf[2048];
    struct cert cert;
};

static void
certify(struct ra *ra, const char *serial, struct made *ret)
{
    uint8_t spki[LIMIT_SPKI], tbs_buf[1500], sig_buf[LIMIT_SIGNATURE];
    struct sink key = SINK_ARRAY(spki), tbs = SINK_ARRAY(tbs_buf),
                sig = SINK_ARRAY(sig_buf), out = SINK_ARRAY(ret->buf);
    struct cert issuer;
    assert_int_equal(ra_make_key(ra, "ca", &key), BV_OK);
    assert_int_equal(cert_parse(ca.der, &issuer), BV_OK);
    cert_build_tbs(&tbs, &(struct cert_spec){.serial = span_str(serial),
                                             .sig_alg = ALG_SIG_ECDSA_SHA256,
                                             .issuer = issuer.subject,
                                             .subject = issuer.subject,
                                             .not_before = 1700000000,
                                             .not_after = 1900000000,
                                             .spki = sink_view(&key),
                                             .extensions = issuer.extensions});
    assert_int_equal(key_sign(ca.key, sink_view(&tbs), &sig), BV_OK);
    cert_assemble(&out, sink_view(&tbs), ALG_SIG_ECDSA_SHA256, sink_view(&sig));
    assert_int_equal(cert_parse(sink_view(&out), &ret->cert), BV_OK);
    assert_int_equal(ra_set_cert(ra, "ca", ret->cert.whole), BV_OK);
}

static uint8_t body[8192], reply[RA_ANSWER_MAX];

/* ask sends a question; what is behind the answer's first octet is ret_in. */
static enum bv_err
ask(struct ra *ra, enum msg_type question, const struct sink *in,
    enum msg_type want, struct span *ret_in)
{
    struct sink out = SINK_ARRAY(reply);
    enum msg_type answer;
    uint8_t err;
    assert_int_equal(ra_answer(ra, question, sink_view(in), &out, &answer),
                     BV_OK);
    assert_int_equal(answer, want);
    *ret_in = sink_view(&out);
    assert_int_equal(span_u8(ret_in, &err), BV_OK);
    return (enum bv_err)err;
}

#define CONTENT_KEY SPAN_LIT("0123456789abcdef")

static enum bv_err
open_for(struct ra *ra, const struct cert *to, const struct cms_party *party,
         struct span *ret_key)
{
    uint8_t buf[256];
    struct sink encrypted = SINK_ARRAY(buf), in = SINK_ARRAY(body);
    struct span rest;
    bv_auto(key) struct key *key = NULL;
    assert_int_equal(key_of_spki(&to->spki, &key), BV_OK);
    assert_int_equal(
        rsa_wrap(key, CMS_TRANSPORT_PKCS1, CONTENT_KEY, &encrypted), BV_OK);
    sink_bytes(&in, SPAN_LIT("ca"));
    sink_bytes(&in, party->issuer);
    sink_bytes(&in, party->serial);
    sink_bytes(&in, party->key_id);
    sink_u8(&in, CMS_TRANSPORT_PKCS1);
    sink_u8(&in, 16);
    sink_bytes(&in, sink_view(&encrypted));
    enum bv_err err = ask(ra, MSG_RA_OPEN, &in, MSG_RA_OPENED, &rest);
    assert_int_equal(span_bytes(&rest, ret_key), BV_OK);
    return err;
}

static struct cms_party
party_of(const struct cert *cert)
{
    return (struct cms_party){.issuer = cert->issuer, .serial = cert->serial};
}

static void
expect_open(struct ra *ra, const struct cert *to)
{
    struct cms_party party = party_of(to);
    struct span key;
    assert_int_equal(open_for(ra, to, &party, &key), BV_OK);
    assert_true(span_eq(key, (struct span)CONTENT_KEY));
}

static void
expect_closed(struct ra *ra, const struct cert *to)
{
    struct cms_party party = party_of(to);
    struct span key;
    assert_int_equal(open_for(ra, to, &party, &key), BV_E_WRONG_KEY);
    assert_int_equal(key.len, 0);
}

static void
opens_for_its_certificate(void **state)
{
    bv_auto(ra) struct ra *ra = new_ra();
    struct made first;
    struct span key;
    certify(ra, "\x07", &first);
    expect_open(ra, &first.cert);
    struct cms_party by_key = {.key_id = first.cert.ski};
    assert_int_equal(open_for(ra, &first.cert, &by_key, &key), BV_OK);
    assert_true(span_eq(key, (struct span)CONTENT_KEY));
    struct cms_party nobody = {.issuer = first.cert.issuer,
                               .serial = SPAN_LIT("\x08")};
    assert_int_equal(open_for(ra, &first.cert, &nobody, &key), BV_E_WRONG_KEY);
}

/* Clients keep an RA's certificate: what they send still opens after the next
 * one, and after a restart; the one before that is gone. */
static void
the_key_before_opens_on(void **state)
{
    static uint8_t text[RA_FILE_MAX];
    struct sink file = SINK_ARRAY(text);
    bv_auto(ra) struct ra *ra = new_ra();
    bv_auto(ra) struct ra *next = new_ra();
    bv_auto(ra) struct ra *reloaded = new_ra();
    struct made one, two, three;
    certify(ra, "\x01", &one);
    certify(ra, "\x02", &two);
    certify(ra, "\x03", &three);
    expect_closed(ra, &one.cert);
    expect_open(ra, &two.cert);
    expect_open(ra, &three.cert);
    assert_int_equal(ra_seal(ra, "ca", PASS, &file), BV_OK);
    assert_null(memmem(text, file.len, "BEGIN PRIVATE", 13));
    assert_int_equal(ra_unseal(next, "ca", sink_view(&file), SPAN_LIT("wrong")),
                     BV_E_WRONG_KEY);
    assert_int_equal(ra_unseal(next, "ca", sink_view(&file), PASS), BV_OK);
    expect_open(next, &two.cert);
    expect_open(next, &three.cert);
    ra_adopt(reloaded, next);
    expect_open(reloaded, &two.cert);
    expect_open(reloaded, &three.cert);
}

static void
no_certificate_but_its_own(void **state)
{
    bv_auto(ra) struct ra *ra = new_ra();
    uint8_t buf[LIMIT_SPKI];
    struct sink spki = SINK_ARRAY(buf);
    struct span cert;
    assert_int_equal(ra_set_cert(ra, "ca", ca.der), BV_E_WRONG_KEY);
    assert_int_equal(ra_make_key(ra, "nobody", &spki), BV_E_WRONG_KEY);
    assert_int_equal(ra_make_key(ra, "ca", &spki), BV_OK);
    assert_int_equal(ra_set_cert(ra, "ca", ca.der), BV_E_WRONG_KEY);
    assert_int_equal(ra_cert(ra, "ca", &cert), BV_E_NOT_FOUND);
}

/* --- what it signs --- */

static void
put_sign(struct sink *in, struct span attrs)
{
    *in = SINK_ARRAY(body);
    sink_bytes(in, SPAN_LIT("ca"));
    sink_u8(in, DIGEST_SHA256);
    sink_bytes(in, attrs);
}

static struct span
reply_attrs(struct sink *out)
{
    uint8_t buf[SCEP_ATTRS_MAX];
    struct sink set = SINK_ARRAY(buf);
    const struct scep_reply r = {.status = SCEP_PENDING,
                                 .transaction_id = SPAN_LIT("id"),
                                 .recipient_nonce = SPAN_LIT("n"),
                                 .sender_nonce = SPAN_LIT("m"),
                                 .message_digest = SPAN_LIT("d")};
    assert_int_equal(scep_put_reply_attrs(&set, &r), BV_OK);
    cms_put_attrs(out, sink_view(&set));
    return sink_view(out);
}

static void
signs_answers(void **state)
{
    bv_auto(ra) struct ra *ra = new_ra();
    bv_auto(key) struct key *key = NULL;
    uint8_t buf[SCEP_ATTRS_MAX], digest[DIGEST_MAX];
    struct sink attrs = SINK_ARRAY(buf), in;
    struct span rest, signature, cert;
    struct made one;
    certify(ra, "\x01", &one);
    put_sign(&in, reply_attrs(&attrs));
    assert_int_equal(ask(ra, MSG_RA_SIGN, &in, MSG_RA_SIGNED, &rest), BV_OK);
    assert_int_equal(span_bytes(&rest, &signature), BV_OK);
    assert_int_equal(span_bytes(&rest, &cert), BV_OK);
    assert_true(span_eq(cert, one.cert.whole));
    assert_int_equal(key_of_spki(&one.cert.spki, &key), BV_OK);
    digest_sha256(sink_view(&attrs), digest);
    assert_int_equal(
        rsa_verify(key, DIGEST_SHA256, span_of(digest, 32), signature), BV_OK);
}

/* A door must not get a signature that anybody takes for something else: of a
 * handshake, a certificate, a request. */
static void
signs_nothing_else(void **state)
{
    bv_auto(ra) struct ra *ra = new_ra();
    uint8_t buf[SCEP_ATTRS_MAX];
    struct sink attrs = SINK_ARRAY(buf), in;
    struct span rest, all;
    struct made one;
    certify(ra, "\x01", &one);
    put_sign(&in, SPAN_LIT("TLS 1.3, client CertificateVerify"));
    assert_int_equal(ask(ra, MSG_RA_SIGN, &in, MSG_RA_SIGNED, &rest),
                     BV_E_REFUSED);
    put_sign(&in, one.cert.tbs);
    assert_int_equal(ask(ra, MSG_RA_SIGN, &in, MSG_RA_SIGNED, &rest),
                     BV_E_REFUSED);
    put_sign(&in, SPAN_LIT("\x31\x00"));
    assert_int_equal(ask(ra, MSG_RA_SIGN, &in, MSG_RA_SIGNED, &rest),
                     BV_E_REFUSED);
    all = reply_attrs(&attrs);
    for (size_t i = 0; i + 3 < all.len; i++) /* messageType: 19 is a request */
        if (memcmp(buf + i,
                   "\x13\x01"
                   "3",
                   3) == 0) {
            buf[i + 2] = '9';
            break;
        }
    put_sign(&in, all);
    assert_int_equal(ask(ra, MSG_RA_SIGN, &in, MSG_RA_SIGNED, &rest),
                     BV_E_REFUSED);
}

static void
a_question_that_is_none_breaks_the_protocol(void **state)
{
    bv_auto(ra) struct ra *ra = new_ra();
    struct sink out = SINK_ARRAY(reply);
    enum msg_type answer;
    static const enum msg_type questions[] = {MSG_RA_CERT, MSG_RA_OPEN,
                                              MSG_RA_SIGN, MSG_SIGN};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(
            ra_answer(ra, questions[i], SPAN_LIT("junk"), &out, &answer),
            BV_E_BAD_MESSAGE);
}

static void
says_which_certificate(void **state)
{
    bv_auto(ra) struct ra *ra = new_ra();
    struct sink in = SINK_ARRAY(body);
    struct span rest, cert;
    struct made one;
    sink_bytes(&in, SPAN_LIT("ca"));
    assert_int_equal(ask(ra, MSG_RA_CERT, &in, MSG_RA_CERT_IS, &rest),
                     BV_E_NOT_FOUND);
    certify(ra, "\x01", &one);
    assert_int_equal(ask(ra, MSG_RA_CERT, &in, MSG_RA_CERT_IS, &rest), BV_OK);
    assert_int_equal(span_bytes(&rest, &cert), BV_OK);
    assert_true(span_eq(cert, one.cert.whole));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_for_its_certificate),
        cmocka_unit_test(the_key_before_opens_on),
        cmocka_unit_test(no_certificate_but_its_own),
        cmocka_unit_test(signs_answers),
        cmocka_unit_test(signs_nothing_else),
        cmocka_unit_test(a_question_that_is_none_breaks_the_protocol),
        cmocka_unit_test(says_which_certificate),
    };
    return cmocka_run_group_tests(tests, make_ca, drop_ca);
}
