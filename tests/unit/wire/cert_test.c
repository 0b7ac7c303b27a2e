#include "wire/cert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/time.h"
#include "samples.h"
#include "wire/der.h"
#include "wire/name.h"
#include "wire/oid.h"
#include "wire/san.h"

static uint8_t file[SAMPLE_MAX];

static struct cert
parse_sample(const char *name)
{
    struct cert cert;

    assert_int_equal(cert_parse(sample_read("cert", name, file), &cert), BV_OK);
    return cert;
}

static void
test_root(void **state)
{
    struct cert cert = parse_sample("good-root-p256.der");
    struct name_ava cn;

    assert_true(cert.is_ca && cert.has_basic_constraints);
    assert_int_equal(cert.pathlen, -1);
    assert_int_equal(cert.key_usage, EXT_KU_KEY_CERT_SIGN | EXT_KU_CRL_SIGN);
    assert_int_equal(cert.ski.len, 20);
    assert_int_equal(cert.spki.alg, ALG_KEY_P256);
    assert_int_equal(cert.sig_alg, ALG_SIG_ECDSA_SHA256);
    assert_true(cert_is_self_issued(&cert));
    assert_true(cert_names_issuer(&cert, &cert));
    assert_true(cert_may_sign(&cert));
    assert_int_equal(name_find(cert.subject, NAME_CN, &cn), BV_OK);
    assert_true(span_eq_str(cn.value, "Test Root"));
    assert_true(cert_is_current(&cert, cert.not_before));
    assert_true(cert_is_current(&cert, cert.not_after));
    assert_false(cert_is_current(&cert, cert.not_after + 1));
    assert_false(cert_is_current(&cert, cert.not_before - 1));
}

static void
test_device(void **state)
{
    static uint8_t other[SAMPLE_MAX];
    struct cert cert = parse_sample("good-device-p256.der");
    struct cert issuer;

    assert_false(cert.has_basic_constraints || cert.is_ca);
    assert_int_equal(cert.key_usage, EXT_KU_DIGITAL_SIGNATURE);
    assert_true(cert_has_eku(&cert, oid_client_auth));
    assert_false(cert_has_eku(&cert, oid_server_auth));
    assert_true(san_has(cert.san, SAN_DNS, SPAN_LIT("d1.devices.example")));
    assert_true(span_eq_str(cert.crldp_url, "http://crl.example/a.crl"));
    assert_true(span_eq_str(cert.ocsp_url, "http://ocsp.example/"));
    assert_true(span_eq_str(cert.issuers_url, "http://crl.example/a.crt"));
    assert_false(cert.unknown_critical || cert.san_critical);
    assert_int_equal(
        cert_parse(sample_read("cert", "good-issuing-p384.der", other),
                   &issuer),
        BV_OK);
    assert_true(cert_names_issuer(&cert, &issuer));
    assert_false(cert_names_issuer(&issuer, &cert));
    assert_int_equal(issuer.pathlen, 0);
    assert_true(issuer.name_constraints.len > 0);
    assert_false(cert_may_sign(&cert));
}

static void
test_special_extensions(void **state)
{
    struct cert cert = parse_sample("good-ocsp-signer.der");

    assert_true(cert.ocsp_nocheck);
    assert_true(cert_has_eku(&cert, oid_ocsp_signing));
    assert_true(cert.has_basic_constraints && !cert.is_ca);
    cert = parse_sample("good-other-names.der");
    assert_true(cert.unknown_critical);
    assert_int_equal(san_check(cert.san, NULL), BV_OK);
}

static void
expect_good(const char *name, struct span der)
{
    struct cert cert;
    enum bv_err err = cert_parse(der, &cert);

    if (err != BV_OK)
        fail_msg("%s: %s", name, err_name(err));
}

static void
expect_bad(const char *name, struct span der)
{
    struct cert cert;

    if (cert_parse(der, &cert) == BV_OK)
        fail_msg("%s was accepted", name);
}

static void
test_samples(void **state)
{
    assert_true(sample_each("cert", "good-", expect_good) >= 8);
    assert_true(sample_each("cert", "bad-", expect_bad) >= 10);
}

/* No prefix is a certificate; each stands in memory of its own size, so that
 * the sanitizer sees any read past the end. */
static void
expect_no_prefix(const char *name, struct span der)
{
    for (size_t len = 0; len < der.len; len++) {
        uint8_t *copy = malloc(len + 1);
        struct cert cert;

        assert_non_null(copy);
        memcpy(copy + 1, der.data, len);
        if (cert_parse(span_of(copy + 1, len), &cert) == BV_OK)
            fail_msg("%s: a prefix of %zu was accepted", name, len);
        free(copy);
    }
}

static void
test_truncation(void **state)
{
    assert_true(sample_each("cert", "good-", expect_no_prefix) > 0);
}

/* Whatever one octet becomes: no read outside, and what still parses gives
 * spans inside the input. */
static void
expect_safe_mutants(const char *name, struct span der)
{
    static const uint8_t flips[] = {0x01, 0x80, 0xff, 0x20, 0x7f};
    uint8_t *copy = malloc(der.len);

    assert_non_null(copy);
    for (size_t i = 0; i < der.len * sizeof(flips); i++) {
        size_t at = i / sizeof(flips);
        struct cert cert;

        memcpy(copy, der.data, der.len);
        copy[at] ^= flips[i % sizeof(flips)];
        if (cert_parse(span_of(copy, der.len), &cert) != BV_OK)
            continue;
        assert_true(cert.subject.data > copy &&
                    cert.subject.data + cert.subject.len < copy + der.len);
        (void)name_eq(cert.subject, cert.issuer);
        if (san_check(cert.san, NULL) == BV_OK)
            assert_true(san_eq(cert.san, cert.san));
    }
    free(copy);
}

static void
test_mutation(void **state)
{
    assert_true(sample_each("cert", "good-", expect_safe_mutants) > 0);
}

static void
expect_rebuild(const char *name, struct span der)
{
    uint8_t memory[SAMPLE_MAX], whole[SAMPLE_MAX];
    struct sink tbs = SINK_ARRAY(memory), out = SINK_ARRAY(whole);
    struct cert cert;
    struct cert_spec spec;

    assert_int_equal(cert_parse(der, &cert), BV_OK);
    spec = (struct cert_spec){
        .serial = cert.serial,
        .sig_alg = cert.sig_alg,
        .issuer = cert.issuer,
        .not_before = cert.not_before,
        .not_after = cert.not_after,
        .subject = cert.subject,
        .spki = cert.spki.whole,
        .extensions = cert.extensions,
    };
    cert_build_tbs(&tbs, &spec);
    assert_true(span_eq(sink_view(&tbs), cert.tbs));
    cert_assemble(&out, sink_view(&tbs), cert.sig_alg, cert.signature);
    assert_true(span_eq(sink_view(&out), der));
}

/* What another program made comes out of our writer octet by octet. */
static void
test_rebuild(void **state)
{
    assert_true(sample_each("cert", "good-", expect_rebuild) > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_root),
        cmocka_unit_test(test_device),
        cmocka_unit_test(test_special_extensions),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_mutation),
        cmocka_unit_test(test_rebuild),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
