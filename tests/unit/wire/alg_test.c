#include "wire/alg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/der.h"
#include "wire/oid.h"

static const uint8_t point[133] = {0x04, 1};

static void
test_every_key_kind_reads_back(void **state)
{
    static const struct {
        enum alg_key alg;
        size_t len;
        unsigned bits;
    } rows[] = {{ALG_KEY_P256, 65, 256},
                {ALG_KEY_P384, 97, 384},
                {ALG_KEY_P521, 133, 521},
                {ALG_KEY_ED25519, 32, 255}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t len = rows[i].len - 1; len <= rows[i].len + 1; len++) {
            uint8_t memory[300], key[134] = {0x04};
            struct sink out = SINK_ARRAY(memory);
            struct span in;
            struct alg_spki spki;

            alg_spki_put(&out, rows[i].alg, span_of(key, len));
            in = sink_view(&out);
            if (len != rows[i].len) {
                assert_int_equal(alg_spki_parse(&in, &spki), BV_E_BAD_KEY);
                continue;
            }
            assert_int_equal(alg_spki_parse(&in, &spki), BV_OK);
            assert_int_equal(in.len, 0);
            assert_int_equal(spki.alg, rows[i].alg);
            assert_int_equal(spki.bits, rows[i].bits);
            assert_int_equal(spki.whole.len, out.len);
        }
    }
}

static enum bv_err
parse(struct span algorithm, struct span key, struct alg_spki *ret_spki)
{
    static uint8_t memory[2000];
    struct sink out = SINK_ARRAY(memory);
    size_t mark = der_open(&out, DER_SEQUENCE);
    struct span in;

    der_put(&out, DER_SEQUENCE, algorithm);
    der_put_bits(&out, key);
    der_close(&out, mark);
    in = sink_view(&out);
    return alg_spki_parse(&in, ret_spki);
}

#define EC        "\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
#define P256      "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"
#define SECP256K1 "\x06\x05\x2b\x81\x04\x00\x0a"
#define RSA       "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"
#define ED        "\x06\x03\x2b\x65\x70"

static void
test_ec_parameters(void **state)
{
    uint8_t compressed[65] = {0x02}, hybrid[65] = {0x06};
    struct span good = span_of(point, 65);
    struct alg_spki spki;

    assert_int_equal(parse(SPAN_LIT(EC P256), good, &spki), BV_OK);
    assert_int_equal(parse(SPAN_LIT(EC), good, &spki), BV_E_BAD_KEY);
    assert_int_equal(parse(SPAN_LIT(EC "\x05\x00"), good, &spki), BV_E_BAD_KEY);
    assert_int_equal(parse(SPAN_LIT(EC "\x30\x00"), good, &spki), BV_E_BAD_KEY);
    assert_int_equal(parse(SPAN_LIT(EC P256 "\x05\x00"), good, &spki),
                     BV_E_BAD_KEY);
    assert_int_equal(parse(SPAN_LIT(EC SECP256K1), good, &spki),
                     BV_E_UNSUPPORTED);
    assert_int_equal(parse(SPAN_LIT(EC P256), span_of(compressed, 33), &spki),
                     BV_E_BAD_KEY);
    assert_int_equal(parse(SPAN_LIT(EC P256), span_of(compressed, 65), &spki),
                     BV_E_BAD_KEY);
    assert_int_equal(parse(SPAN_LIT(EC P256), SPAN_ARRAY(hybrid), &spki),
                     BV_E_BAD_KEY);
    assert_int_equal(parse(SPAN_LIT(EC P256), SPAN_EMPTY, &spki), BV_E_BAD_KEY);
    assert_int_equal(parse(SPAN_LIT(ED "\x05\x00"), span_of(point, 32), &spki),
                     BV_E_BAD_KEY);
    assert_int_equal(parse(SPAN_LIT("\x06\x02\x2a\x03"), good, &spki),
                     BV_E_UNSUPPORTED);
}

static void
test_rsa(void **state)
{
    static const struct {
        struct span key;
        enum bv_err err;
        unsigned bits;
    } rows[] = {
        {{(const uint8_t *)"\x30\x07\x02\x02\x00\x80\x02\x01\x03", 9},
         BV_OK,
         8},
        {{(const uint8_t *)"\x30\x06\x02\x01\x7f\x02\x01\x03", 8}, BV_OK, 7},
        {{(const uint8_t *)"\x30\x07\x02\x02\x01\x01\x02\x01\x03", 9},
         BV_OK,
         9},
        {{(const uint8_t *)"\x30\x06\x02\x01\x80\x02\x01\x03", 8},
         BV_E_BAD_KEY,
         0},
        {{(const uint8_t *)"\x30\x06\x02\x01\x00\x02\x01\x03", 8},
         BV_E_BAD_KEY,
         0},
        {{(const uint8_t *)"\x30\x07\x02\x02\x00\x7f\x02\x01\x03", 9},
         BV_E_BAD_MESSAGE,
         0},
        {{(const uint8_t *)"\x30\x03\x02\x01\x7f", 5}, BV_E_BAD_MESSAGE, 0},
        {{(const uint8_t *)"\x30\x08\x02\x01\x7f\x02\x01\x03\x05\x00", 10},
         BV_E_TRAILING_BYTES,
         0},
    };
    struct alg_spki spki;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        spki.bits = 0;
        assert_int_equal(parse(SPAN_LIT(RSA "\x05\x00"), rows[i].key, &spki),
                         rows[i].err);
        assert_int_equal(spki.bits, rows[i].bits);
    }
    assert_int_equal(parse(SPAN_LIT(RSA), rows[0].key, &spki), BV_E_BAD_KEY);
    assert_int_equal(
        parse(SPAN_LIT(RSA "\x05\x00\x05\x00"), rows[0].key, &spki),
        BV_E_BAD_KEY);
}

static void
test_signature_identifiers(void **state)
{
    for (int i = ALG_SIG_ECDSA_SHA256; i <= ALG_SIG_ED25519; i++) {
        uint8_t memory[40];
        struct sink out = SINK_ARRAY(memory);
        enum alg_sig sig;
        struct span in;

        alg_sig_put(&out, (enum alg_sig)i);
        in = sink_view(&out);
        assert_int_equal(alg_sig_parse(&in, &sig), BV_OK);
        assert_int_equal(sig, i);
        assert_string_not_equal(alg_sig_name(sig), "none");
    }

    static const struct {
        struct span in;
        enum bv_err err;
    } rows[] = {
        /* NULL where nothing belongs; nothing where NULL belongs, which RFC
         * 4055 5 allows; something else there; SHA-1 */
        {{(const uint8_t *)"\x30\x0c\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"
                           "\x05\x00",
          14},
         BV_E_BAD_MESSAGE},
        {{(const uint8_t *)"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01"
                           "\x0b",
          13},
         BV_OK},
        {{(const uint8_t *)"\x30\x0e\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01"
                           "\x0b\x02\x01\x00",
          16},
         BV_E_BAD_MESSAGE},
        {{(const uint8_t *)"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01"
                           "\x05\x05\x00",
          15},
         BV_E_UNSUPPORTED},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span in = rows[i].in;
        enum alg_sig sig;

        assert_int_equal(alg_sig_parse(&in, &sig), rows[i].err);
        assert_int_equal(in.len, rows[i].err == BV_OK ? 0 : rows[i].in.len);
    }
}

static void
test_names_and_fit(void **state)
{
    for (int i = ALG_KEY_P256; i <= ALG_KEY_ED25519; i++) {
        enum alg_key alg = (enum alg_key)i;

        assert_int_equal(alg_key_of_name(span_str(alg_key_name(alg))), alg);
        assert_true(alg_sig_fits(alg_sig_of_key(alg), alg));
    }
    assert_int_equal(alg_key_of_name(SPAN_LIT("P256")), ALG_KEY_NONE);
    assert_int_equal(alg_sig_of_key(ALG_KEY_P384), ALG_SIG_ECDSA_SHA384);
    assert_false(alg_sig_fits(ALG_SIG_RSA_SHA256, ALG_KEY_P256));
    assert_false(alg_sig_fits(ALG_SIG_ECDSA_SHA256, ALG_KEY_RSA));
    assert_false(alg_sig_fits(ALG_SIG_ED25519, ALG_KEY_P256));
    assert_false(alg_sig_fits(ALG_SIG_ECDSA_SHA256, ALG_KEY_ED25519));
    assert_false(alg_sig_fits(ALG_SIG_NONE, ALG_KEY_P256));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_kind_reads_back),
        cmocka_unit_test(test_ec_parameters),
        cmocka_unit_test(test_rsa),
        cmocka_unit_test(test_signature_identifiers),
        cmocka_unit_test(test_names_and_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
