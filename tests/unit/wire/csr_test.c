#include "wire/csr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "samples.h"
#include "wire/der.h"
#include "wire/name.h"
#include "wire/oid.h"
#include "wire/san.h"

static uint8_t file[SAMPLE_MAX];

static void
test_fields(void **state)
{
    struct csr csr;
    struct name_ava ava;

    assert_int_equal(
        csr_parse(sample_read("csr", "good-san-p256.der", file), &csr), BV_OK);
    assert_int_equal(csr.spki.alg, ALG_KEY_P256);
    assert_int_equal(csr.sig_alg, ALG_SIG_ECDSA_SHA256);
    assert_true(san_has(csr.san, SAN_DNS, SPAN_LIT("d1.devices.example")));
    assert_true(san_has(csr.san, SAN_IP, SPAN_LIT("\xc0\x00\x02\x01")));
    assert_true(csr.has_key_usage);
    assert_int_equal(csr.key_usage, EXT_KU_DIGITAL_SIGNATURE);
    assert_true(ext_has_eku(csr.eku, oid_client_auth));
    assert_false(csr.has_challenge || csr.has_change_subject);
    assert_int_equal(name_find(csr.subject, NAME_SERIAL_NUMBER, &ava), BV_OK);
    assert_true(span_eq_str(ava.value, "SN-1"));
}

static void
expect_good(const char *name, struct span der)
{
    struct csr csr;
    enum bv_err err = csr_parse(der, &csr);

    if (err != BV_OK)
        fail_msg("%s: %s", name, err_name(err));
}

static void
expect_bad(const char *name, struct span der)
{
    struct csr csr;

    if (csr_parse(der, &csr) == BV_OK)
        fail_msg("%s was accepted", name);
}

static void
test_samples(void **state)
{
    assert_true(sample_each("csr", "good-", expect_good) >= 6);
    assert_true(sample_each("csr", "bad-", expect_bad) >= 3);
}

static void
expect_no_prefix(const char *name, struct span der)
{
    for (size_t len = 0; len < der.len; len++) {
        uint8_t *copy = malloc(len + 1);
        struct csr csr;

        assert_non_null(copy);
        memcpy(copy + 1, der.data, len);
        if (csr_parse(span_of(copy + 1, len), &csr) == BV_OK)
            fail_msg("%s: a prefix of %zu was accepted", name, len);
        free(copy);
    }
}

static void
test_truncation(void **state)
{
    assert_true(sample_each("csr", "good-", expect_no_prefix) > 0);
}

static void
expect_safe_mutants(const char *name, struct span der)
{
    uint8_t *copy = malloc(der.len);

    assert_non_null(copy);
    for (size_t i = 0; i < der.len * 8; i++) {
        struct csr csr;

        memcpy(copy, der.data, der.len);
        copy[i / 8] ^= (uint8_t)(1u << i % 8);
        if (csr_parse(span_of(copy, der.len), &csr) == BV_OK &&
            san_check(csr.san, NULL) == BV_OK)
            assert_true(san_eq(csr.san, csr.san));
    }
    free(copy);
}

static void
test_mutation(void **state)
{
    assert_true(sample_each("csr", "good-", expect_safe_mutants) > 0);
}

/* --- requests made here --- */

#define KEY                                                                    \
    SPAN_LIT("\x04"                                                            \
             "0123456789abcdef0123456789abcdef"                                \
             "0123456789abcdef0123456789abcdef")

/* A request around these attributes, given as ready DER. */
static enum bv_err
parse_with(uint64_t version, struct span attributes, struct csr *ret_csr)
{
    static uint8_t memory[SAMPLE_MAX];
    struct sink out = SINK_ARRAY(memory);
    size_t whole = der_open(&out, DER_SEQUENCE);
    size_t info = der_open(&out, DER_SEQUENCE);

    der_put_uint(&out, version);
    der_put_raw(&out, SPAN_LIT("\x30\x00"));
    alg_spki_put(&out, ALG_KEY_P256, KEY);
    der_put(&out, DER_CONTEXT_CONS(0), attributes);
    der_close(&out, info);
    alg_sig_put(&out, ALG_SIG_ECDSA_SHA256);
    der_put_bits(&out, SPAN_LIT("signature"));
    der_close(&out, whole);
    return csr_parse(sink_view(&out), ret_csr);
}

static void
put_attribute(struct sink *out, struct span oid, struct span values)
{
    size_t mark = der_open(out, DER_SEQUENCE);

    der_put_oid(out, oid);
    der_put(out, DER_SET, values);
    der_close(out, mark);
}

static void
test_version(void **state)
{
    struct csr csr;

    assert_int_equal(parse_with(0, SPAN_EMPTY, &csr), BV_OK);
    assert_true(name_is_empty(csr.subject));
    assert_int_equal(parse_with(1, SPAN_EMPTY, &csr), BV_E_BAD_MESSAGE);
}

static enum bv_err
parse_one(struct span oid, struct span values, struct csr *ret_csr)
{
    static uint8_t memory[2000];
    struct sink out = SINK_ARRAY(memory);

    put_attribute(&out, oid, values);
    return parse_with(0, sink_view(&out), ret_csr);
}

static void
test_challenge(void **state)
{
    static uint8_t text[300];
    struct sink out = SINK_ARRAY(text);
    uint8_t letters[256];
    struct csr csr;

    assert_int_equal(parse_one(oid_challenge_password,
                               SPAN_LIT("\x13\x03"
                                        "abc"),
                               &csr),
                     BV_OK);
    assert_true(csr.has_challenge && span_eq_str(csr.challenge, "abc"));
    assert_int_equal(
        parse_one(oid_challenge_password, SPAN_LIT("\x13\x00"), &csr),
        BV_E_BAD_MESSAGE);
    assert_int_equal(parse_one(oid_challenge_password,
                               SPAN_LIT("\x04\x01"
                                        "a"),
                               &csr),
                     BV_E_BAD_MESSAGE);
    assert_int_equal(parse_one(oid_challenge_password,
                               SPAN_LIT("\x13\x01"
                                        "a\x13\x01"
                                        "b"),
                               &csr),
                     BV_E_BAD_MESSAGE);
    assert_int_equal(parse_one(oid_challenge_password, SPAN_EMPTY, &csr),
                     BV_E_BAD_MESSAGE);
    memset(letters, 'a', sizeof(letters));
    der_put(&out, DER_PRINTABLE_STRING, span_of(letters, 255));
    assert_int_equal(parse_one(oid_challenge_password, sink_view(&out), &csr),
                     BV_OK);
    out.len = 0;
    der_put(&out, DER_PRINTABLE_STRING, span_of(letters, 256));
    assert_int_equal(parse_one(oid_challenge_password, sink_view(&out), &csr),
                     BV_E_BAD_MESSAGE);
}

static void
test_est_attributes(void **state)
{
    struct csr csr;

    assert_int_equal(
        parse_one(oid_decrypt_key_id, SPAN_LIT("\x04\x02id"), &csr), BV_OK);
    assert_true(span_eq_str(csr.decrypt_key_id, "id"));
    assert_int_equal(parse_one(oid_decrypt_key_id, SPAN_LIT("\x04\x00"), &csr),
                     BV_E_BAD_MESSAGE);
    assert_int_equal(
        parse_one(oid_asymm_decrypt_key_id, SPAN_LIT("\x04\x02id"), &csr),
        BV_OK);
    assert_true(span_eq_str(csr.asymm_decrypt_key_id, "id"));
    assert_int_equal(parse_one(oid_smime_capabilities,
                               SPAN_LIT("\x30\x04\x30\x02\x06\x00"), &csr),
                     BV_OK);
    assert_int_equal(csr.smime_capabilities.len, 6);
    assert_int_equal(
        parse_one(SPAN_LIT("\x2a\x03"), SPAN_LIT("\x05\x00"), &csr), BV_OK);
    assert_true(csr.unknown_attributes);
}

static void
test_change_subject(void **state)
{
    static const struct {
        struct span value;
        enum bv_err err;
        size_t subject_len, san_len;
    } rows[] = {
        /* a name; a SAN; both; neither; the wrong way round */
        {{(const uint8_t *)"\x30\x0e\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04"
                           "\x03\x13\x01x",
          16},
         BV_OK,
         14,
         0},
        {{(const uint8_t *)"\x30\x05\x30\x03\x82\x01x", 7}, BV_OK, 0, 5},
        {{(const uint8_t *)"\x30\x07\x30\x00\x30\x03\x82\x01x", 9},
         BV_OK,
         2,
         5},
        {{(const uint8_t *)"\x30\x00", 2}, BV_E_BAD_MESSAGE, 0, 0},
        {{(const uint8_t *)"\x30\x07\x30\x03\x82\x01x\x30\x00", 9},
         BV_E_BAD_MESSAGE,
         0,
         0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csr csr = {0};

        assert_int_equal(
            parse_one(oid_change_subject_name, rows[i].value, &csr),
            rows[i].err);
        assert_int_equal(csr.change_subject.len, rows[i].subject_len);
        assert_int_equal(csr.change_san.len, rows[i].san_len);
        assert_int_equal(csr.has_change_subject, rows[i].err == BV_OK);
    }
}

static void
test_duplicates(void **state)
{
    uint8_t memory[1000];
    struct sink out = SINK_ARRAY(memory);
    struct csr csr;

    put_attribute(&out, oid_challenge_password,
                  SPAN_LIT("\x13\x01"
                           "a"));
    put_attribute(&out, oid_decrypt_key_id, SPAN_LIT("\x04\x02id"));
    assert_int_equal(parse_with(0, sink_view(&out), &csr), BV_OK);
    put_attribute(&out, oid_challenge_password,
                  SPAN_LIT("\x13\x01"
                           "b"));
    assert_int_equal(parse_with(0, sink_view(&out), &csr), BV_E_BAD_MESSAGE);

    /* the same extension twice in one extensionRequest */
    uint8_t twice[100];
    struct sink exts = SINK_ARRAY(twice);
    size_t mark = der_open(&exts, DER_SEQUENCE);

    ext_put_key_usage(&exts, 1);
    ext_put_key_usage(&exts, 1);
    der_close(&exts, mark);
    assert_int_equal(parse_one(oid_extension_request, sink_view(&exts), &csr),
                     BV_E_BAD_MESSAGE);
}

static void
test_too_many_attributes(void **state)
{
    static uint8_t memory[4000];
    struct sink out = SINK_ARRAY(memory);
    struct csr csr;

    for (uint8_t i = 0; i < LIMIT_EXTENSIONS; i++) {
        uint8_t oid[] = {0x2a, i};

        put_attribute(&out, SPAN_ARRAY(oid), SPAN_LIT("\x05\x00"));
    }
    assert_int_equal(parse_with(0, sink_view(&out), &csr), BV_OK);
    put_attribute(&out, SPAN_LIT("\x2b\x01"), SPAN_LIT("\x05\x00"));
    assert_int_equal(parse_with(0, sink_view(&out), &csr), BV_E_TOO_MANY);
}

static void
test_signature_must_suit_key(void **state)
{
    uint8_t memory[500];
    struct sink out = SINK_ARRAY(memory);
    struct csr csr;
    struct csr_spec spec = {.subject = SPAN_LIT("\x30\x00")};
    uint8_t spki[200], info[400];
    struct sink key = SINK_ARRAY(spki), body = SINK_ARRAY(info);

    alg_spki_put(&key, ALG_KEY_P256, KEY);
    spec.spki = sink_view(&key);
    csr_build_info(&body, &spec);
    csr_assemble(&out, sink_view(&body), ALG_SIG_ED25519, SPAN_LIT("s"));
    assert_int_equal(csr_parse(sink_view(&out), &csr), BV_E_BAD_MESSAGE);
}

/* a CSR of these parts, given as ready DER */
static enum bv_err
parse_for_keygen(struct span spki, struct span alg, struct span signature,
                 struct csr *ret_csr)
{
    static uint8_t memory[500];
    struct sink out = SINK_ARRAY(memory);
    size_t whole = der_open(&out, DER_SEQUENCE);
    size_t info = der_open(&out, DER_SEQUENCE);

    der_put_uint(&out, 0);
    der_put_raw(&out, SPAN_LIT("\x30\x00"));
    der_put_raw(&out, spki);
    der_put(&out, DER_CONTEXT_CONS(0), SPAN_EMPTY);
    der_close(&out, info);
    der_put_raw(&out, alg);
    der_put_raw(&out, signature);
    der_close(&out, whole);
    assert_false(out.failed);
    if (csr_parse(sink_view(&out), ret_csr) == BV_OK)
        return BV_OK;
    return csr_parse_keygen(sink_view(&out), ret_csr);
}

/* RFC 7030 4.4.1: key and signature are there for the form's sake. */
static void
test_keygen_ignores_key_and_signature(void **state)
{
    uint8_t buf[200];
    struct sink key = SINK_ARRAY(buf);
    struct csr csr;
    const struct span unknown = SPAN_LIT("\x30\x05\x06\x03\x2a\x03\x04"),
                      ed25519 = SPAN_LIT("\x30\x05\x06\x03\x2b\x65\x70"),
                      empty = SPAN_LIT("\x03\x01\x00"),
                      none = SPAN_LIT("\x30\x00");

    alg_spki_put(&key, ALG_KEY_P256, KEY);
    assert_int_equal(parse_for_keygen(sink_view(&key), unknown, empty, &csr),
                     BV_OK);
    assert_int_equal(csr.spki.alg, ALG_KEY_P256);
    assert_int_equal(csr.sig_alg, ALG_SIG_NONE);
    assert_int_equal(csr.signature.len, 0);
    assert_int_equal(parse_for_keygen(sink_view(&key), ed25519, empty, &csr),
                     BV_OK); /* which that key cannot make */
    assert_int_equal(parse_for_keygen(none, ed25519, empty, &csr), BV_OK);
    assert_int_equal(csr.spki.alg, ALG_KEY_NONE);
    assert_true(span_eq(csr.spki.whole, none));
    /* but there they are */
    assert_int_not_equal(parse_for_keygen(SPAN_EMPTY, ed25519, empty, &csr),
                         BV_OK);
    assert_int_not_equal(parse_for_keygen(none, SPAN_EMPTY, empty, &csr),
                         BV_OK);
    assert_int_not_equal(parse_for_keygen(none, ed25519, SPAN_EMPTY, &csr),
                         BV_OK);
    assert_int_not_equal(parse_for_keygen(none, ed25519, none, &csr), BV_OK);
}

static void
check_round_trip(const char *challenge, struct span san)
{
    uint8_t spki[200], info[600], whole[800];
    struct sink key = SINK_ARRAY(spki), body = SINK_ARRAY(info);
    struct sink out = SINK_ARRAY(whole);
    struct csr_spec spec = {.subject = SPAN_LIT("\x30\x00"),
                            .san = san,
                            .challenge = span_str(challenge)};
    struct csr csr;

    alg_spki_put(&key, ALG_KEY_P256, KEY);
    spec.spki = sink_view(&key);
    csr_build_info(&body, &spec);
    csr_assemble(&out, sink_view(&body), ALG_SIG_ECDSA_SHA256, SPAN_LIT("sig"));
    assert_int_equal(csr_parse(sink_view(&out), &csr), BV_OK);
    assert_true(span_eq(csr.info, sink_view(&body)));
    assert_true(span_eq(csr.san, san));
    assert_true(span_eq_str(csr.challenge, challenge));
    assert_true(span_eq_str(csr.signature, "sig"));
}

static void
test_build(void **state)
{
    struct span san = SPAN_LIT("\x30\x0b\x82\x09"
                               "a.example");

    check_round_trip("", SPAN_EMPTY);
    check_round_trip("", san);
    check_round_trip("secret", SPAN_EMPTY);
    check_round_trip("secret", san);
    check_round_trip("a challenge so long that its attribute comes second",
                     san);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_mutation),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_challenge),
        cmocka_unit_test(test_est_attributes),
        cmocka_unit_test(test_change_subject),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_too_many_attributes),
        cmocka_unit_test(test_signature_must_suit_key),
        cmocka_unit_test(test_keygen_ignores_key_and_signature),
        cmocka_unit_test(test_build),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
