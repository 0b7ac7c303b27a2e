#include "wire/cms_enveloped.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "samples.h"
#include "wire/ber.h"
#include "wire/der.h"
#include "wire/oid.h"

static uint8_t memory[SAMPLE_MAX], outer[SAMPLE_MAX], inner[SAMPLE_MAX];

/* The envelope within a sample message. */
static struct span
envelope(const char *name)
{
    struct sink der = SINK_ARRAY(outer), inside = SINK_ARRAY(inner);
    struct cms_signed s;

    assert_int_equal(ber_to_der(sample_read("scep", name, memory), &der),
                     BV_OK);
    assert_int_equal(cms_signed_parse(sink_view(&der), &s), BV_OK);
    assert_int_equal(ber_to_der(s.content, &inside), BV_OK);
    return sink_view(&inside);
}

static void
test_reads_what_openssl_wrote(void **state)
{
    struct cms_enveloped e;
    struct cms_recipient_info info;

    assert_int_equal(cms_enveloped_parse(envelope("good-der.der"), &e), BV_OK);
    assert_int_equal(e.cipher, CMS_CIPHER_AES128_CBC);
    assert_int_equal(e.iv.len, 16);
    assert_false(e.in_pieces);
    assert_int_equal(e.encrypted.len % 16, 0);
    assert_int_equal(cms_recipient_next(&e.recipients, &info), BV_OK);
    assert_int_equal(info.transport, CMS_TRANSPORT_PKCS1);
    assert_int_equal(info.encrypted_key.len, 256);
    assert_int_equal(info.party.key_id.len, 0);
    assert_int_equal(info.party.serial.len, 20);
    assert_int_equal(cms_recipient_next(&e.recipients, &info), BV_E_NOT_FOUND);
}

static void
test_reads_streamed_3des_and_oaep(void **state)
{
    uint8_t buf[4096];
    struct sink joined = SINK_ARRAY(buf);
    struct cms_enveloped e;
    struct cms_recipient_info info;

    assert_int_equal(cms_enveloped_parse(envelope("legacy-ber.der"), &e),
                     BV_OK);
    assert_int_equal(e.cipher, CMS_CIPHER_DES_EDE3_CBC);
    assert_int_equal(e.iv.len, 8);
    assert_true(e.in_pieces);
    assert_int_equal(ber_join(true, e.encrypted, &joined), BV_OK);
    assert_int_equal(joined.len % 8, 0);
    assert_int_equal(cms_recipient_next(&e.recipients, &info), BV_OK);
    assert_int_equal(info.transport, CMS_TRANSPORT_OAEP_SHA1);
}

static void
test_refuses_what_is_cut_or_longer(void **state)
{
    struct span der = envelope("good-der.der");
    struct cms_enveloped e;

    for (size_t len = 0; len < der.len; len++)
        assert_int_not_equal(cms_enveloped_parse(span_of(der.data, len), &e),
                             BV_OK);
    inner[der.len] = 0;
    assert_int_equal(cms_enveloped_parse(span_of(inner, der.len + 1), &e),
                     BV_E_TRAILING_BYTES);
}

/* --- what is written reads back --- */

#define NAME SPAN_LIT("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01x")

static void
expect_back(const struct cms_enveloped_spec *spec)
{
    uint8_t buf[512];
    struct sink out = SINK_ARRAY(buf);
    struct cms_enveloped e;
    struct cms_recipient_info info;
    struct span der;

    cms_put_enveloped(&out, spec);
    assert_int_equal(sink_done(&out, &der), BV_OK);
    assert_true(der.len <= spec->encrypted.len + spec->encrypted_key.len +
                               spec->recipient->issuer.len +
                               CMS_ENVELOPED_OVERHEAD);
    assert_int_equal(cms_enveloped_parse(der, &e), BV_OK);
    assert_int_equal(e.cipher, spec->cipher);
    assert_true(span_eq(e.iv, spec->iv));
    assert_true(span_eq(e.encrypted, spec->encrypted));
    assert_int_equal(cms_recipient_next(&e.recipients, &info), BV_OK);
    assert_int_equal(info.transport, spec->transport);
    assert_true(span_eq(info.encrypted_key, spec->encrypted_key));
    assert_true(span_eq(info.party.issuer, spec->recipient->issuer));
    assert_true(span_eq(info.party.serial, spec->recipient->serial));
    assert_true(span_eq(info.party.key_id, spec->recipient->key_id));
}

static void
test_writes_and_reads(void **state)
{
    const struct cms_party by_serial = {.issuer = NAME,
                                        .serial = SPAN_LIT("\x07")},
                           by_key = {.key_id = SPAN_LIT("key id")};
    struct cms_enveloped_spec spec = {.recipient = &by_serial,
                                      .transport = CMS_TRANSPORT_PKCS1,
                                      .encrypted_key = SPAN_LIT("key"),
                                      .cipher = CMS_CIPHER_AES256_CBC,
                                      .iv = SPAN_LIT("0123456789abcdef"),
                                      .encrypted = SPAN_LIT("something")};

    expect_back(&spec);
    spec.recipient = &by_key;
    spec.transport = CMS_TRANSPORT_OAEP_SHA1;
    spec.cipher = CMS_CIPHER_AES192_CBC;
    expect_back(&spec);
    spec.cipher = CMS_CIPHER_DES_EDE3_CBC;
    spec.iv = (struct span)SPAN_LIT("01234567");
    expect_back(&spec);
}

/* The lengths with which a key is made and a block is cut. */
static void
test_lengths(void **state)
{
    assert_int_equal(cms_cipher_key_len(CMS_CIPHER_OTHER), 0);
    assert_int_equal(cms_cipher_key_len(CMS_CIPHER_DES_EDE3_CBC), 24);
    assert_int_equal(cms_cipher_key_len(CMS_CIPHER_AES192_CBC), 24);
    assert_int_equal(cms_cipher_key_len(CMS_CIPHER_AES256_CBC), 32);
    assert_int_equal(cms_cipher_block_len(CMS_CIPHER_DES_EDE3_CBC), 8);
    assert_int_equal(cms_cipher_block_len(CMS_CIPHER_AES128_CBC), 16);
}

/* --- one thing changed --- */

static size_t
find(struct span der, struct span what)
{
    size_t at = 0;

    while (memcmp(der.data + at, what.data, what.len) != 0)
        at++;
    return at;
}

static void
test_refuses_an_iv_of_another_length(void **state)
{
    struct span der = envelope("good-der.der");
    struct cms_enveloped e;
    size_t at = find(der, oid_aes128_cbc);

    /* a cipher that nobody should use is named so, whatever its parameters */
    memcpy(inner + at, oid_aes128_gcm.data, oid_aes128_gcm.len);
    assert_int_equal(cms_enveloped_parse(der, &e), BV_OK);
    assert_int_equal(e.cipher, CMS_CIPHER_OTHER);
    /* 3DES has blocks of 8 */
    const struct cms_party party = {.key_id = SPAN_LIT("key id")};
    struct cms_enveloped_spec spec = {.recipient = &party,
                                      .transport = CMS_TRANSPORT_PKCS1,
                                      .encrypted_key = SPAN_LIT("key"),
                                      .cipher = CMS_CIPHER_DES_EDE3_CBC,
                                      .iv = SPAN_LIT("0123456789abcdef"),
                                      .encrypted = SPAN_LIT("something")};
    struct sink out = SINK_ARRAY(inner);

    cms_put_enveloped(&out, &spec);
    assert_int_equal(cms_enveloped_parse(sink_view(&out), &e),
                     BV_E_BAD_MESSAGE);
}

static void
test_passes_other_recipients_over(void **state)
{
    struct span list = SPAN_LIT("\xa3\x02\x05\x00"), bad = SPAN_LIT("\x30\x00");
    struct cms_recipient_info info;

    assert_int_equal(cms_recipient_next(&list, &info), BV_E_NOT_FOUND);
    assert_int_equal(cms_recipient_next(&bad, &info), BV_E_BAD_MESSAGE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_openssl_wrote),
        cmocka_unit_test(test_reads_streamed_3des_and_oaep),
        cmocka_unit_test(test_refuses_what_is_cut_or_longer),
        cmocka_unit_test(test_writes_and_reads),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_refuses_an_iv_of_another_length),
        cmocka_unit_test(test_passes_other_recipients_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
