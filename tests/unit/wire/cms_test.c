#include "wire/cms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Three stand-ins for certificates; DER order is b, c, a. */
#define CERT_A SPAN_LIT("\x30\x03\x02\x01\x07")
#define CERT_B SPAN_LIT("\x30\x02\x05\x00")
#define CERT_C SPAN_LIT("\x30\x03\x02\x01\x05")

/* ContentInfo{signedData, SignedData{1, {}, {data}, [0]{b, c, a}, {}}} */
#define GOLDEN                                                                 \
    "\x30\x33\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x26\x30\x24\x02" \
    "\x01\x01\x31\x00\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0" \
    "\x0e\x30\x02\x05\x00\x30\x03\x02\x01\x05\x30\x03\x02\x01\x07\x31\x00"

static void
test_put_sorts_and_drops_repeats(void **state)
{
    struct span certs[] = {CERT_A, CERT_B, CERT_C, CERT_B};
    uint8_t buf[128];
    struct sink out = SINK_ARRAY(buf);
    struct span der;

    cms_put_certs(&out, certs, 4);
    assert_int_equal(sink_done(&out, &der), BV_OK);
    assert_int_equal(der.len, sizeof(GOLDEN) - 1);
    assert_memory_equal(der.data, GOLDEN, der.len);
}

static void
test_put_refuses_none_and_too_many(void **state)
{
    struct span certs[LIMIT_CMS_CERTS + 1];
    uint8_t buf[256];
    struct sink none = SINK_ARRAY(buf);
    struct sink many = SINK_ARRAY(buf);

    for (size_t i = 0; i < LIMIT_CMS_CERTS + 1; i++)
        certs[i] = CERT_A;
    cms_put_certs(&none, certs, 0);
    assert_true(none.failed);
    cms_put_certs(&many, certs, LIMIT_CMS_CERTS + 1);
    assert_true(many.failed);
}

static void
test_overhead_is_enough(void **state)
{
    static uint8_t cert[LIMIT_CERT] = {0x30, 0x82, 0x3f, 0xfc};
    struct span certs[] = {SPAN_ARRAY(cert), CERT_A};
    static uint8_t buf[LIMIT_CERT + 5 + CMS_OVERHEAD];
    struct sink out = SINK_ARRAY(buf);

    cms_put_certs(&out, certs, 2);
    assert_false(out.failed);
}

static void
test_read_back(void **state)
{
    struct cms_certs list;
    struct span cert;

    assert_int_equal(cms_certs_parse((struct span)SPAN_LIT(GOLDEN), &list),
                     BV_OK);
    assert_true(cms_certs_next(&list, &cert));
    assert_true(span_eq(cert, (struct span)CERT_B));
    assert_true(cms_certs_next(&list, &cert));
    assert_true(span_eq(cert, (struct span)CERT_C));
    assert_true(cms_certs_next(&list, &cert));
    assert_true(span_eq(cert, (struct span)CERT_A));
    assert_false(cms_certs_next(&list, &cert));
}

/* Every message one octet shorter, and with one octet more, is refused. */
static void
test_read_refuses_cut_and_longer(void **state)
{
    uint8_t longer[sizeof(GOLDEN)];
    struct cms_certs list;

    for (size_t len = 0; len < sizeof(GOLDEN) - 1; len++)
        assert_int_not_equal(cms_certs_parse(span_of(GOLDEN, len), &list),
                             BV_OK);
    memcpy(longer, GOLDEN, sizeof(GOLDEN)); /* its NUL is the octet more */
    assert_int_equal(cms_certs_parse(SPAN_ARRAY(longer), &list),
                     BV_E_TRAILING_BYTES);
}

static void
expect(size_t at, uint8_t octet, enum bv_err want)
{
    uint8_t der[sizeof(GOLDEN) - 1];
    struct cms_certs list;

    memcpy(der, GOLDEN, sizeof(der));
    der[at] = octet;
    assert_int_equal(cms_certs_parse(SPAN_ARRAY(der), &list), want);
}

static void
test_read_refuses_other_things(void **state)
{
    expect(12, 0x03, BV_E_UNSUPPORTED); /* envelopedData */
    expect(19, 0x00, BV_E_UNSUPPORTED); /* version 0 */
    expect(34, 0x05, BV_E_UNSUPPORTED); /* other encapsulated type */
    expect(37, 0x31, BV_E_BAD_MESSAGE); /* a certificate that is no SEQUENCE */
    expect(51, 0x30, BV_E_BAD_MESSAGE); /* signerInfos is no SET */
}

static void
test_read_refuses_signer_and_content(void **state)
{
    static const uint8_t SIGNER[] =
        "\x30\x25\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x18\x30\x16"
        "\x02\x01\x01\x31\x00\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"
        "\x01\x31\x02\x30\x00";
    static const uint8_t CONTENT[] =
        "\x30\x27\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x1a\x30\x18"
        "\x02\x01\x01\x31\x00\x30\x0f\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"
        "\x01\xa0\x02\x04\x00\x31\x00";
    struct cms_certs list;

    assert_int_equal(
        cms_certs_parse(span_of(SIGNER, sizeof(SIGNER) - 1), &list),
        BV_E_UNSUPPORTED);
    assert_int_equal(
        cms_certs_parse(span_of(CONTENT, sizeof(CONTENT) - 1), &list),
        BV_E_UNSUPPORTED);
}

static void
test_openssl_reads_it(void **state)
{
    static const char *const SCRIPT =
        "cd \"$BV_TMP\" && openssl pkcs7 -inform DER -in certs.p7 -print_certs "
        "-noout | grep -c '^subject=.*CN *= *bv-[ab]$' | grep -qx 2";
    static const char *const MAKE =
        "cd \"$BV_TMP\" && for n in a b; do openssl req -x509 -newkey ec "
        "-pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -outform DER "
        "-out $n.der -subj /CN=bv-$n 2>/dev/null || exit 1; done";
    char dir[] = "/tmp/bv-cms-XXXXXX";
    char path[64];
    static uint8_t in[2][2048];
    static uint8_t buf[5000];
    struct sink out = SINK_ARRAY(buf);
    struct span certs[2];
    FILE *file;

    if (system("command -v openssl >/dev/null") != 0)
        skip();
    assert_non_null(mkdtemp(dir));
    setenv("BV_TMP", dir, 1);
    assert_int_equal(system(MAKE), 0);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof(path), "%s/%c.der", dir, 'a' + i);
        file = fopen(path, "rb");
        assert_non_null(file);
        certs[i] = span_of(in[i], fread(in[i], 1, sizeof(in[i]), file));
        (void)fclose(file);
    }
    cms_put_certs(&out, certs, 2);
    (void)snprintf(path, sizeof(path), "%s/certs.p7", dir);
    file = fopen(path, "wb");
    assert_int_equal(fwrite(buf, 1, out.len, file), out.len);
    (void)fclose(file);
    assert_int_equal(system(SCRIPT), 0);
    assert_int_equal(system("rm -rf \"$BV_TMP\""), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_sorts_and_drops_repeats),
        cmocka_unit_test(test_put_refuses_none_and_too_many),
        cmocka_unit_test(test_overhead_is_enough),
        cmocka_unit_test(test_read_back),
        cmocka_unit_test(test_read_refuses_cut_and_longer),
        cmocka_unit_test(test_read_refuses_other_things),
        cmocka_unit_test(test_read_refuses_signer_and_content),
        cmocka_unit_test(test_openssl_reads_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
