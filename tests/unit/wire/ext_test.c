#include "wire/ext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/oid.h"

static uint8_t memory[4000];

static struct ext
find(const struct sink *out, struct span oid, bool critical)
{
    struct ext ext;

    assert_false(out->failed);
    assert_int_equal(ext_find(sink_view(out), oid, &ext), BV_OK);
    assert_int_equal(ext.critical, critical);
    return ext;
}

/* What a writer writes, its reader reads, with the criticality of the RFC. */
static void
test_writers_and_readers(void **state)
{
    const struct span ekus[] = {oid_client_auth, oid_server_auth};
    const struct span names[] = {SPAN_LIT("devices.example")};
    uint8_t value[100];
    struct sink out = SINK_ARRAY(memory), constraints = SINK_ARRAY(value);
    struct span a, b;
    uint32_t mask;
    int pathlen;
    bool is_ca;

    ext_put_basic_constraints(&out, true, 3);
    ext_put_key_usage(&out, EXT_KU_KEY_CERT_SIGN | EXT_KU_DECIPHER_ONLY);
    ext_put_eku(&out, ekus, 2);
    ext_put_san(&out,
                SPAN_LIT("\x30\x05\x82\x03"
                         "d.x"),
                true);
    ext_put_ski(&out, SPAN_LIT("SK"));
    ext_put_aki(&out, SPAN_LIT("AK"));
    ext_put_crldp(&out, SPAN_LIT("http://crl.example/a.crl"));
    ext_put_aia(&out, SPAN_LIT("http://ocsp.example/"),
                SPAN_LIT("http://crl.example/a.crt"));
    ext_put_ocsp_nocheck(&out);
    ext_put_no_rev_avail(&out);
    ext_build_name_constraints(&constraints, names, 1, NULL, 0);
    ext_put_name_constraints(&out, sink_view(&constraints));

    assert_int_equal(
        ext_basic_constraints(find(&out, oid_basic_constraints, true).value,
                              &is_ca, &pathlen),
        BV_OK);
    assert_true(is_ca && pathlen == 3);
    assert_int_equal(
        ext_key_usage(find(&out, oid_key_usage, true).value, &mask), BV_OK);
    assert_int_equal(mask, EXT_KU_KEY_CERT_SIGN | EXT_KU_DECIPHER_ONLY);
    a = find(&out, oid_eku, false).value;
    assert_int_equal(ext_check_eku(a), BV_OK);
    assert_true(ext_has_eku(a, oid_server_auth));
    assert_false(ext_has_eku(a, oid_ocsp_signing));
    assert_int_equal(find(&out, oid_san, true).value.len, 7);
    assert_int_equal(ext_ski(find(&out, oid_ski, false).value, &a), BV_OK);
    assert_int_equal(ext_aki(find(&out, oid_aki, false).value, &b), BV_OK);
    assert_true(span_eq_str(a, "SK") && span_eq_str(b, "AK"));
    assert_int_equal(ext_crldp(find(&out, oid_crldp, false).value, &a), BV_OK);
    assert_true(span_eq_str(a, "http://crl.example/a.crl"));
    assert_int_equal(ext_aia(find(&out, oid_aia, false).value, &a, &b), BV_OK);
    assert_true(span_eq_str(a, "http://ocsp.example/"));
    assert_true(span_eq_str(b, "http://crl.example/a.crt"));
    assert_int_equal(ext_null(find(&out, oid_ocsp_nocheck, false).value),
                     BV_OK);
    assert_int_equal(ext_null(find(&out, oid_no_rev_avail, false).value),
                     BV_OK);
    assert_true(find(&out, oid_name_constraints, true).value.len > 0);
}

static void
test_end_entity_constraints_are_empty(void **state)
{
    struct sink out = SINK_ARRAY(memory);
    struct ext ext;

    ext_put_basic_constraints(&out, false, 3);
    ext = find(&out, oid_basic_constraints, true);
    assert_true(span_eq(ext.value, SPAN_LIT("\x30\x00")));
}

static void
test_list_refused(void **state)
{
    struct sink out = SINK_ARRAY(memory);
    struct ext_iter iter;
    struct ext ext;

    ext_put_ski(&out, SPAN_LIT("a"));
    ext_put_no_rev_avail(&out);
    ext_put_ski(&out, SPAN_LIT("b"));
    ext_first(sink_view(&out), &iter);
    assert_int_equal(ext_next(&iter, &ext), BV_OK);
    assert_int_equal(ext_next(&iter, &ext), BV_OK);
    assert_int_equal(ext_next(&iter, &ext), BV_E_BAD_MESSAGE);

    ext_first(SPAN_LIT("\x30\x0a\x06\x02\x2a\x03\x01\x01\x00\x04\x01x"), &iter);
    assert_int_equal(ext_next(&iter, &ext), BV_E_BAD_MESSAGE);
    ext_first(SPAN_LIT("\x30\x0a\x06\x02\x2a\x03\x01\x01\xff\x04\x01x"), &iter);
    assert_int_equal(ext_next(&iter, &ext), BV_OK);
    assert_true(ext.critical);
    assert_int_equal(ext_next(&iter, &ext), BV_E_NOT_FOUND);
    assert_int_equal(ext_find(SPAN_EMPTY, oid_ski, &ext), BV_E_NOT_FOUND);
}

static void
test_too_many(void **state)
{
    struct sink out = SINK_ARRAY(memory);
    struct ext ext;

    for (uint8_t i = 0; i <= LIMIT_EXTENSIONS; i++) {
        uint8_t oid[] = {0x2a, i};

        ext_put(&out, SPAN_ARRAY(oid), false, SPAN_LIT("\x05\x00"));
    }
    assert_int_equal(ext_find(sink_view(&out), oid_ski, &ext), BV_E_TOO_MANY);
}

static void
test_values_refused(void **state)
{
    struct span a, b;
    uint32_t mask;
    int pathlen;
    bool is_ca;

    /* FALSE written out; pathLen without CA; a negative one; more after it */
    assert_int_equal(ext_basic_constraints(SPAN_LIT("\x30\x03\x01\x01\x00"),
                                           &is_ca, &pathlen),
                     BV_E_BAD_MESSAGE);
    assert_int_equal(ext_basic_constraints(SPAN_LIT("\x30\x03\x02\x01\x00"),
                                           &is_ca, &pathlen),
                     BV_E_BAD_MESSAGE);
    assert_int_equal(
        ext_basic_constraints(SPAN_LIT("\x30\x06\x01\x01\xff\x02\x01\xff"),
                              &is_ca, &pathlen),
        BV_E_BAD_MESSAGE);
    assert_int_equal(ext_key_usage(SPAN_LIT("\x03\x01\x00"), &mask),
                     BV_E_BAD_MESSAGE);
    assert_int_equal(ext_check_eku(SPAN_LIT("\x30\x00")), BV_E_BAD_MESSAGE);
    assert_int_equal(
        ext_check_eku(SPAN_LIT("\x30\x08\x06\x02\x2a\x03\x06\x02\x2a\x03")),
        BV_E_BAD_MESSAGE);
    assert_int_equal(ext_ski(SPAN_LIT("\x04\x00"), &a), BV_E_BAD_MESSAGE);
    assert_int_equal(ext_aki(SPAN_LIT("\x30\x02\x80\x00"), &a),
                     BV_E_BAD_MESSAGE);
    assert_int_equal(ext_aki(SPAN_LIT("\x30\x03\x82\x01\x01"), &a),
                     BV_E_BAD_MESSAGE);
    assert_int_equal(ext_aia(SPAN_LIT("\x30\x00"), &a, &b), BV_E_BAD_MESSAGE);
    assert_int_equal(ext_crldp(SPAN_LIT("\x30\x00"), &a), BV_E_BAD_MESSAGE);
    /* a point without a name; with something after it; an empty fullName */
    assert_int_equal(ext_crldp(SPAN_LIT("\x30\x02\x30\x00"), &a),
                     BV_E_BAD_MESSAGE);
    assert_int_equal(
        ext_crldp(SPAN_LIT("\x30\x0a\x30\x08\xa0\x04\xa0\x02\x82\x00"
                           "\x05\x00"),
                  &a),
        BV_E_BAD_MESSAGE);
    assert_int_equal(
        ext_crldp(SPAN_LIT("\x30\x06\x30\x04\xa0\x02\xa0\x00"), &a),
        BV_E_BAD_MESSAGE);
    /* the second point is junk */
    assert_int_equal(ext_crldp(SPAN_LIT("\x30\x0a\x30\x06\xa0\x04\xa0\x02"
                                        "\x82\x00\x05\x00"),
                               &a),
                     BV_E_BAD_MESSAGE);
    /* two locations in one description; none */
    assert_int_equal(
        ext_aia(SPAN_LIT("\x30\x10\x30\x0e\x06\x08\x2b\x06\x01\x05\x05\x07"
                         "\x30\x01\x86\x00\x86\x00"),
                &a, &b),
        BV_E_BAD_MESSAGE);
    assert_int_equal(ext_aia(SPAN_LIT("\x30\x0c\x30\x0a\x06\x08\x2b\x06\x01"
                                      "\x05\x05\x07\x30\x01"),
                             &a, &b),
                     BV_E_BAD_MESSAGE);
    assert_int_equal(ext_null(SPAN_LIT("\x05\x00\x00")), BV_E_TRAILING_BYTES);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writers_and_readers),
        cmocka_unit_test(test_end_entity_constraints_are_empty),
        cmocka_unit_test(test_list_refused),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_values_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
