#include "wire/oid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
check_dotted(struct span oid, const char *dotted)
{
    uint8_t memory[80];
    struct sink out = SINK_ARRAY(memory);

    oid_put_dotted(&out, oid);
    assert_true(span_eq_str(sink_view(&out), dotted));
}

static void
test_dotted(void **state)
{
    check_dotted(oid_cn, "2.5.4.3");
    check_dotted(oid_dc, "0.9.2342.19200300.100.1.25");
    check_dotted(oid_p256, "1.2.840.10045.3.1.7");
    check_dotted(oid_p384, "1.3.132.0.34");
    check_dotted(oid_ed25519, "1.3.101.112");
    check_dotted(oid_rsa_sha512, "1.2.840.113549.1.1.13");
    check_dotted(oid_ocsp_nocheck, "1.3.6.1.5.5.7.48.1.5");
    check_dotted(oid_password_based_mac, "1.2.840.113533.7.66.13");
    check_dotted(oid_pbmac1, "1.2.840.113549.1.5.14");
    check_dotted(oid_pbkdf2, "1.2.840.113549.1.5.12");
    check_dotted(oid_hmac_sha1_ipsec, "1.3.6.1.5.5.8.1.2");
    check_dotted(oid_hmac_sha384, "1.2.840.113549.2.10");
    check_dotted(oid_archive_options, "1.3.6.1.5.5.7.5.1.4");
    check_dotted(oid_it_crls, "1.3.6.1.5.5.7.4.23");
    check_dotted(oid_no_rev_avail, "2.5.29.56");
    check_dotted(oid_cmc_ra, "1.3.6.1.5.5.7.3.28");
    check_dotted(oid_change_subject_name, "1.3.6.1.5.5.7.7.36");
    check_dotted(oid_decrypt_key_id, "1.2.840.113549.1.9.16.2.37");
    check_dotted(oid_asymm_decrypt_key_id, "1.2.840.113549.1.9.16.2.54");
    check_dotted(oid_csr_info_template, "1.2.840.113549.1.9.16.2.61");
    check_dotted(oid_extension_req_template, "1.2.840.113549.1.9.16.2.62");
    check_dotted(oid_smime_capabilities, "1.2.840.113549.1.9.15");
    check_dotted(oid_key_package, "2.16.840.1.101.2.1.2.78.5");
    check_dotted(oid_aes256_wrap, "2.16.840.1.101.3.4.1.45");
    check_dotted(SPAN_LIT("\x88\x37\x03"), "2.999.3");
    check_dotted(SPAN_LIT("\x2a\x83\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
                 "1.2.?");
}

static void
test_names(void **state)
{
    struct span oid;

    assert_string_equal(oid_name(oid_client_auth), "clientAuth");
    assert_null(oid_name(SPAN_LIT("\x2a\x03")));
    assert_null(oid_name(SPAN_EMPTY));
    assert_int_equal(oid_find(SPAN_LIT("OCSPSigning"), &oid), BV_OK);
    assert_true(span_eq(oid, oid_ocsp_signing));
    assert_int_equal(oid_find(SPAN_LIT("cn"), &oid), BV_E_NOT_FOUND);
}

static const struct span *const all[] = {
#define OID(name, text, ...) &oid_##name,
#include "wire/oid.def"
#undef OID
};

static void
test_no_two_are_equal(void **state)
{
    const size_t num = sizeof(all) / sizeof(all[0]);

    for (size_t i = 0; i < num; i++) {
        struct span back;
        const char *name = oid_name(*all[i]);

        assert_int_equal(oid_find(span_str(name), &back), BV_OK);
        assert_true(span_eq(back, *all[i]));
        for (size_t j = i + 1; j < num; j++)
            assert_false(span_eq(*all[i], *all[j]));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dotted),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_no_two_are_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
