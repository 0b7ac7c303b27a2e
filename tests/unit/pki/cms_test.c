#include "pki/cms.h"
#include "pki/library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/pki/certs.h"
#include "wire/der.h"
#include "wire/pem.h"

#define NOW INT64_C(1795000000)

static char dir[32];
static struct test_cert signer;
static struct key *device_key;

static void
save(const char *name, struct span bytes)
{
    char path[64];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, f), bytes.len);
    assert_int_equal(fclose(f), 0);
}

static struct span
load(const char *name, uint8_t *buf, size_t cap)
{
    char path[64];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t len = fread(buf, 1, cap, f);
    assert_int_equal(fclose(f), 0);
    return span_of(buf, len);
}

static int
setup(void **state)
{
    (void)snprintf(dir, sizeof dir, "/tmp/cms-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    test_issue(&signer, test_key(ALG_KEY_P256, 0), "keygen", TEST_DEVICE, NULL,
               SPAN_LIT("\x01"), NOW - 1000, NOW + 100000, NULL);
    device_key = test_key(ALG_KEY_P256, 0);
    return 0;
}

static int
teardown(void **state)
{
    char command[64];
    key_free(signer.key);
    key_free(device_key);
    (void)snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

/* What the openssl command decrypted is SignedData; its content must be an
 * AsymmetricKeyPackage that holds the device's key. */
static void
check_inside(void)
{
    uint8_t buf[CMS_KEY_MAX], out_buf[CMS_KEY_MAX], want[KEY_PEM_MAX];
    struct sink out = SINK_ARRAY(out_buf), key = SINK_ARRAY(want);
    struct span content = load("inside", buf, sizeof buf), package;
    static const uint8_t oid[] = {0x2a, 0x86, 0x48, 0x86, 0xf7,
                                  0x0d, 0x01, 0x07, 0x02};
    char command[400];

    size_t info = der_open(&out, DER_SEQUENCE);
    der_put_oid(&out, SPAN_ARRAY(oid));
    size_t wrap = der_open(&out, DER_CONTEXT_CONS(0));
    der_put_raw(&out, content);
    der_close(&out, wrap);
    der_close(&out, info);
    save("signed", sink_view(&out));
    (void)snprintf(command, sizeof command,
                   "cd %s && openssl cms -verify -noverify -binary -inform DER "
                   "-in signed -out package 2>verify.log",
                   dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(
        der_only(load("package", buf, sizeof buf), DER_SEQUENCE, &package),
        BV_OK);
    assert_int_equal(key_plain_der(device_key, &key), BV_OK);
    assert_true(span_eq(package, sink_view(&key)));
}

static void
decrypt(const char *with)
{
    char command[400];
    (void)snprintf(
        command, sizeof command,
        "cd %s && openssl cms -decrypt -binary -inform DER -in wrapped "
        "-out inside %s 2>decrypt.log",
        dir, with);
    assert_int_equal(system(command), 0);
    check_inside();
}

static void
to_a_certificate(enum alg_key alg, unsigned bits, unsigned aes_bits)
{
    struct test_cert to;
    struct cms_recipient recipient = {0};
    uint8_t buf[CMS_KEY_MAX], pem[KEY_PEM_MAX];
    struct sink out = SINK_ARRAY(buf), key_out = SINK_ARRAY(pem);

    test_issue(&to, test_key(alg, bits), "device", TEST_DEVICE, NULL,
               SPAN_LIT("\x02"), NOW - 1000, NOW + 100000, NULL);
    recipient.cert = to.der;
    recipient.bits = aes_bits;
    assert_int_equal(
        cms_wrap_key(device_key, signer.key, signer.der, &recipient, &out),
        BV_OK);
    save("wrapped", sink_view(&out));
    assert_int_equal(key_plain(to.key, &key_out), BV_OK);
    save("to.key", sink_view(&key_out));
    key_out = SINK_ARRAY(pem);
    pem_encode(&key_out, PEM_CERTIFICATE, to.der);
    save("to.crt", sink_view(&key_out));
    decrypt("-recip to.crt -inkey to.key");
    key_free(to.key);
}

/* The algorithms by name, as the openssl command prints them. */
static void
check_printed(const char *cipher, const char *wrap)
{
    char command[400];
    (void)snprintf(command, sizeof command,
                   "cd %s && openssl cms -cmsout -print -noout -inform DER -in "
                   "wrapped >print && grep -qi %s print && grep -qi %s print",
                   dir, cipher, wrap);
    assert_int_equal(system(command), 0);
}

static void
agreement(void **state)
{
    to_a_certificate(ALG_KEY_P256, 0, 0);
    check_printed("aes-256-cbc", "id-aes256-wrap");
    to_a_certificate(ALG_KEY_P256, 0, 128);
    check_printed("aes-128-cbc", "id-aes128-wrap");
}

static void
transport(void **state)
{
    to_a_certificate(ALG_KEY_RSA, 2048, 0);
    check_printed("aes-256-cbc", "rsaesOaep");
    to_a_certificate(ALG_KEY_RSA, 2048, 128);
    check_printed("aes-128-cbc", "rsaesOaep");
}

static void
shared_key(void **state)
{
    struct cms_recipient recipient = {
        .kek = SPAN_LIT("0123456789abcdef0123456789abcdef"),
        .kek_id = SPAN_LIT("\xaa\xbb\xcc")};
    uint8_t buf[CMS_KEY_MAX];
    struct sink out = SINK_ARRAY(buf);

    assert_int_equal(
        cms_wrap_key(device_key, signer.key, signer.der, &recipient, &out),
        BV_OK);
    save("wrapped", sink_view(&out));
    decrypt("-secretkey 3031323334353637383961626364656630313233343536373839"
            "616263646566 -secretkeyid aabbcc");
}

static void
refusals(void **state)
{
    struct cms_recipient neither = {0};
    struct cms_recipient both = {.cert = signer.der,
                                 .kek = SPAN_LIT("0123456789abcdef")};
    struct cms_recipient length = {.kek = SPAN_LIT("short"),
                                   .kek_id = SPAN_LIT("x")};
    struct cms_recipient size = {.cert = signer.der, .bits = 192};
    struct cms_recipient junk = {.cert = SPAN_LIT("junk")};
    uint8_t buf[CMS_KEY_MAX];
    struct sink out = SINK_ARRAY(buf);

    assert_int_equal(
        cms_wrap_key(device_key, signer.key, signer.der, &neither, &out),
        BV_E_USAGE);
    assert_int_equal(
        cms_wrap_key(device_key, signer.key, signer.der, &both, &out),
        BV_E_USAGE);
    assert_int_equal(
        cms_wrap_key(device_key, signer.key, signer.der, &length, &out),
        BV_E_USAGE);
    assert_int_equal(
        cms_wrap_key(device_key, signer.key, signer.der, &size, &out),
        BV_E_USAGE);
    assert_int_equal(
        cms_wrap_key(device_key, signer.key, signer.der, &junk, &out),
        BV_E_BAD_KEY);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agreement),
        cmocka_unit_test(transport),
        cmocka_unit_test(shared_key),
        cmocka_unit_test(refusals),
    };
    library_begin(); /* as in core */
    return cmocka_run_group_tests(tests, setup, teardown);
}
