#include "wire/cms_signed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "samples.h"
#include "wire/cert.h"
#include "wire/oid.h"

static uint8_t memory[SAMPLE_MAX];

static struct span
good(void)
{
    return sample_read("scep", "good-der.der", memory);
}

static void
test_reads_what_openssl_wrote(void **state)
{
    struct cms_signed s;
    struct span der, value;
    struct cert cert;

    assert_int_equal(cms_signed_parse(good(), &s), BV_OK);
    assert_true(s.has_content);
    assert_int_equal(s.content.data[0], 0x30);
    assert_int_equal(s.digest, CMS_DIGEST_SHA256);
    assert_int_equal(s.signature_alg, CMS_SIGNATURE_RSA);
    assert_int_equal(s.signature.len, 256);
    assert_int_equal(s.attrs.message_digest.len, 32);
    assert_true(s.attrs.has_signing_time);
    assert_true(cms_certs_next(&s.certs, &der));
    assert_int_equal(cert_parse(der, &cert), BV_OK);
    assert_true(cms_party_is(&s.signer, cert.issuer, cert.serial, SPAN_EMPTY));
    struct cms_cert c;
    assert_int_equal(cms_cert_parse(der, &c), BV_OK);
    assert_true(span_eq(c.issuer, cert.issuer));
    assert_true(span_eq(c.subject, cert.subject));
    assert_true(span_eq(c.serial, cert.serial));
    assert_true(span_eq(c.spki, cert.spki.whole));
    for (size_t len = 0; len < der.len; len++)
        assert_int_not_equal(cms_cert_parse(span_of(der.data, len), &c), BV_OK);
    assert_false(cms_certs_next(&s.certs, &der));
    assert_int_equal(cms_attr_find(s.attr_set, oid_scep_transaction_id, &value),
                     BV_OK);
    assert_true(span_eq(value, (struct span)SPAN_LIT("\x13\x08"
                                                     "0123ABCD")));
    assert_int_equal(cms_attr_find(s.attr_set, oid_scep_fail_info, &value),
                     BV_E_NOT_FOUND);
}

static void
test_refuses_what_is_cut_or_longer(void **state)
{
    struct span der = good();
    struct cms_signed s;

    for (size_t len = 0; len < der.len; len++)
        assert_int_not_equal(cms_signed_parse(span_of(der.data, len), &s),
                             BV_OK);
    memory[der.len] = 0;
    assert_int_equal(cms_signed_parse(span_of(memory, der.len + 1), &s),
                     BV_E_TRAILING_BYTES);
}

/* RFC 5652 11.1: attributes that were signed with something else are not. */
static void
test_attributes_are_of_this_content(void **state)
{
    struct span der = good();
    struct cms_signed s;
    static const uint8_t data[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                   0xf7, 0x0d, 0x01, 0x07, 0x01};
    uint8_t *last = NULL;

    for (uint8_t *at = memory; at + sizeof(data) < memory + der.len; at++)
        if (memcmp(at, data, sizeof(data)) == 0)
            last = at;
    assert_non_null(last); /* the other one is eContentType */
    last[sizeof(data) - 1] = 5;
    assert_int_equal(cms_signed_parse(der, &s), BV_E_BAD_MESSAGE);
}

static void
test_party_by_key_id(void **state)
{
    struct cms_party party = {.key_id = SPAN_LIT("abc")};
    struct span none = SPAN_EMPTY, id = SPAN_LIT("abc"), no = SPAN_LIT("abd");

    assert_true(cms_party_is(&party, none, none, id));
    assert_false(cms_party_is(&party, none, none, no));
    /* an empty key id is nobody's, not everybody's */
    party.key_id = SPAN_EMPTY;
    assert_false(cms_party_is(&party, none, none, none));
}

/* --- what is written reads back --- */

#define NAME   SPAN_LIT("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01x")
#define DIGEST SPAN_LIT("0123456789abcdef0123456789abcdef")

static struct span
make_attrs(struct sink *out)
{
    uint8_t buf[256], value[64];
    struct sink attrs = SINK_ARRAY(buf), one = SINK_ARRAY(value);
    struct span digest = DIGEST;

    sink_u8(&one, 0x04);
    sink_u8(&one, (uint8_t)digest.len);
    sink_put(&one, digest);
    cms_put_attr(&attrs, oid_message_digest, sink_view(&one));
    cms_put_attr(
        &attrs, oid_content_type,
        (struct span)SPAN_LIT("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"));
    assert_int_equal(cms_sort_attrs(sink_view(&attrs), out), BV_OK);
    return sink_view(out);
}

static struct span
write_one(const struct cms_signed_spec *spec, uint8_t *buf, size_t cap)
{
    struct sink out = sink_of(buf, cap);
    struct span der;

    cms_put_signed(&out, spec);
    assert_int_equal(sink_done(&out, &der), BV_OK);
    return der;
}

static struct cms_signed_spec
spec_of(struct sink *attrs)
{
    return (struct cms_signed_spec){.has_content = true,
                                    .content = SPAN_LIT("hello"),
                                    .issuer = NAME,
                                    .serial = SPAN_LIT("\x07"),
                                    .digest = CMS_DIGEST_SHA256,
                                    .signature_alg = CMS_SIGNATURE_RSA,
                                    .attr_set = make_attrs(attrs),
                                    .signature = SPAN_LIT("signature")};
}

static bool
holds(struct span der, struct span oid)
{
    for (size_t i = 0; i + oid.len <= der.len; i++)
        if (memcmp(der.data + i, oid.data, oid.len) == 0)
            return true;
    return false;
}

static void
test_writes_and_reads(void **state)
{
    uint8_t buf[1024], attr_buf[256];
    struct sink attrs = SINK_ARRAY(attr_buf);
    struct cms_signed_spec spec = spec_of(&attrs);
    struct span der = write_one(&spec, buf, sizeof(buf)), cert;
    struct cms_signed s;

    assert_int_equal(cms_signed_parse(der, &s), BV_OK);
    assert_true(span_eq(s.content, spec.content));
    assert_true(span_eq(s.attr_set, spec.attr_set));
    assert_true(span_eq(s.signature, spec.signature));
    assert_true(span_eq(s.signer.issuer, spec.issuer));
    assert_true(span_eq(s.signer.serial, spec.serial));
    assert_true(span_eq(s.attrs.message_digest, (struct span)DIGEST));
    assert_false(cms_certs_next(&s.certs, &cert));
    /* strongSwan 5.9.8 takes no other name of the signature's algorithm */
    assert_true(holds(der, oid_rsa));
    assert_false(holds(der, oid_rsa_sha256));
}

static void
test_no_content_is_not_empty_content(void **state)
{
    uint8_t buf[1024], attr_buf[256];
    struct sink attrs = SINK_ARRAY(attr_buf);
    struct cms_signed_spec spec = spec_of(&attrs);
    struct cms_signed s;

    spec.content = SPAN_EMPTY;
    assert_int_equal(cms_signed_parse(write_one(&spec, buf, sizeof(buf)), &s),
                     BV_OK);
    assert_true(s.has_content);
    spec.has_content = false;
    assert_int_equal(cms_signed_parse(write_one(&spec, buf, sizeof(buf)), &s),
                     BV_OK);
    assert_false(s.has_content);
}

static void
expect_attrs(struct span attr_set, enum bv_err want)
{
    uint8_t buf[1024], attr_buf[256];
    struct sink attrs = SINK_ARRAY(attr_buf);
    struct cms_signed_spec spec = spec_of(&attrs);
    struct cms_signed s;

    spec.attr_set = attr_set;
    assert_int_equal(cms_signed_parse(write_one(&spec, buf, sizeof(buf)), &s),
                     want);
}

/* RFC 5652 11.1, 11.2: one content type and one message digest, of one value
 * each; a second one could be what somebody else's reader takes. */
static void
test_refuses_attributes_missing_or_twice(void **state)
{
    uint8_t attr_buf[256], twice_buf[256];
    struct sink attrs = SINK_ARRAY(attr_buf), twice = SINK_ARRAY(twice_buf);
    struct span set = make_attrs(&attrs);
    size_t first = 2 + (size_t)set.data[1];

    expect_attrs(set, BV_OK);
    expect_attrs(span_of(set.data, first), BV_E_BAD_MESSAGE);
    expect_attrs(span_of(set.data + first, set.len - first), BV_E_BAD_MESSAGE);
    sink_put(&twice, set);
    sink_put(&twice, span_of(set.data, first));
    expect_attrs(sink_view(&twice), BV_E_BAD_MESSAGE);
    twice = SINK_ARRAY(twice_buf);
    sink_put(&twice, set);
    cms_put_attr(&twice, oid_signing_time,
                 (struct span)SPAN_LIT("\x05\x00"
                                       "\x05\x00"));
    expect_attrs(sink_view(&twice), BV_E_BAD_MESSAGE);
}

/* --- one octet changed --- */

/* change writes one octet where from stands for the nth time. */
static void
change(struct span from, unsigned nth, size_t at, uint8_t octet)
{
    for (size_t i = 0; i + from.len <= SAMPLE_MAX; i++) {
        if (memcmp(memory + i, from.data, from.len) != 0 || --nth > 0)
            continue;
        memory[i + at] = octet;
        return;
    }
    fail();
}

static enum bv_err
parse_changed(struct span from, unsigned nth, size_t at, uint8_t octet,
              struct cms_signed *s)
{
    struct span der = good();

    change(from, nth, at, octet);
    return cms_signed_parse(der, s);
}

static void
test_other_algorithms_have_no_name(void **state)
{
    struct cms_signed s;

    /* the digest of the signer, not the one in the list before it */
    assert_int_equal(parse_changed(oid_sha256, 2, oid_sha256.len - 1, 0x04, &s),
                     BV_OK);
    assert_int_equal(s.digest, CMS_DIGEST_OTHER);
    assert_int_equal(parse_changed(oid_cms_signed_data, 1,
                                   oid_cms_signed_data.len - 1, 0x05, &s),
                     BV_E_UNSUPPORTED);
    assert_int_equal(
        parse_changed(oid_cms_data, 1, oid_cms_data.len - 1, 0x02, &s),
        BV_E_UNSUPPORTED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_openssl_wrote),
        cmocka_unit_test(test_refuses_what_is_cut_or_longer),
        cmocka_unit_test(test_attributes_are_of_this_content),
        cmocka_unit_test(test_party_by_key_id),
        cmocka_unit_test(test_writes_and_reads),
        cmocka_unit_test(test_no_content_is_not_empty_content),
        cmocka_unit_test(test_refuses_attributes_missing_or_twice),
        cmocka_unit_test(test_other_algorithms_have_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
