#include "wire/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/der.h"
#include "wire/oid.h"

#define PART(attr, s)                                                          \
    {                                                                          \
        (attr),                                                                \
        {                                                                      \
            (const uint8_t *)(s), sizeof(s) - 1                                \
        }                                                                      \
    }

static struct span
build(const struct name_part *parts, size_t num, uint8_t *memory)
{
    struct sink out = sink_of(memory, LIMIT_NAME);

    assert_int_equal(name_put(&out, parts, num), BV_OK);
    assert_false(out.failed);
    return sink_view(&out);
}

/* A Name of one attribute of any type, right or wrong. */
static struct span
one(struct span oid, uint8_t tag, struct span value, uint8_t *memory)
{
    struct sink out = sink_of(memory, 2 * LIMIT_NAME);
    size_t name = der_open(&out, DER_SEQUENCE);
    size_t rdn = der_open(&out, DER_SET);
    size_t ava = der_open(&out, DER_SEQUENCE);

    der_put_oid(&out, oid);
    der_put(&out, tag, value);
    der_close(&out, ava);
    der_close(&out, rdn);
    der_close(&out, name);
    return sink_view(&out);
}

static void
test_build_and_walk(void **state)
{
    static const struct name_part parts[] = {
        PART(NAME_C, "DE"),   PART(NAME_O, "Acm\xc3\xa9"),
        PART(NAME_OU, ""),    PART(NAME_SERIAL_NUMBER, "SN 1"),
        PART(NAME_CN, "d@1"),
    };
    uint8_t memory[LIMIT_NAME], text[200];
    struct span name = build(parts, 5, memory);
    struct sink out = SINK_ARRAY(text);
    struct name_iter iter;
    struct name_ava ava;
    size_t num = 0;

    assert_int_equal(name_check(name), BV_OK);
    assert_int_equal(name_open(name, &iter), BV_OK);
    while (name_next(&iter, &ava) == BV_OK)
        assert_int_equal(ava.rdn, num++);
    assert_int_equal(num, 4);
    assert_int_equal(name_find(name, NAME_C, &ava), BV_OK);
    assert_int_equal(ava.tag, DER_PRINTABLE_STRING);
    assert_int_equal(name_find(name, NAME_O, &ava), BV_OK);
    assert_int_equal(ava.tag, DER_UTF8_STRING);
    assert_int_equal(name_find(name, NAME_CN, &ava), BV_OK);
    assert_int_equal(ava.tag, DER_UTF8_STRING); /* "@" is not printable */
    assert_int_equal(name_find(name, NAME_OU, &ava), BV_E_NOT_FOUND);
    name_put_text(&out, name);
    assert_true(span_eq_str(sink_view(&out),
                            "C=DE,O=Acm\\c3\\a9,serialNumber=SN 1,CN=d@1"));
}

static void
test_empty(void **state)
{
    uint8_t memory[LIMIT_NAME];
    struct span name = build(NULL, 0, memory);

    assert_true(name_is_empty(name));
    assert_int_equal(name_check(name), BV_OK);
    assert_true(name_eq(name, name));
    assert_false(name_is_empty(SPAN_EMPTY));
}

static void
test_text_refused(void **state)
{
    static const struct name_part bad[] = {
        PART(NAME_C, "D"),
        PART(NAME_C, "DEU"),
        PART(NAME_C, "D1"),
        PART(NAME_CN, " a"),
        PART(NAME_CN, "a "),
        PART(NAME_CN, "a\nb"),
        PART(NAME_CN, "a\0b"),
        PART(NAME_CN, "\xff"),
        PART(NAME_CN, "\xc0\x80"),
        PART(NAME_CN, "\xed\xa0\x80"),
        PART(NAME_CN, "\xc2\x85"),
        PART(NAME_CN, "\xf4\x90\x80\x80"),
        PART(NAME_CN, "\xe2\x82"),
        PART(NAME_SERIAL_NUMBER, "a@b"),
        PART(NAME_SERIAL_NUMBER, "\xc3\xa9"),
        PART(NAME_OTHER, "x"),
        PART(NAME_CN, "0123456789012345678901234567890123456789"
                      "0123456789012345678901234"),
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t memory[LIMIT_NAME];
        struct sink out = SINK_ARRAY(memory);

        if (name_put(&out, &bad[i], 1) != BV_E_BAD_NAME)
            fail_msg("row %zu was accepted", i);
    }
    assert_int_equal(name_check_text(NAME_CN, SPAN_EMPTY), BV_E_BAD_NAME);
}

static void
test_check_refuses(void **state)
{
    const struct {
        struct span oid, value;
        uint8_t tag;
        enum bv_err err;
    } rows[] = {
        {oid_cn, SPAN_LIT("a"), DER_PRINTABLE_STRING, BV_OK},
        {oid_cn, SPAN_LIT("a@"), DER_PRINTABLE_STRING, BV_E_BAD_NAME},
        {oid_cn, SPAN_LIT("a@"), DER_UTF8_STRING, BV_OK},
        {oid_cn, SPAN_LIT("a"), DER_IA5_STRING, BV_E_BAD_NAME},
        {oid_cn, SPAN_LIT("a"), DER_T61_STRING, BV_E_UNSUPPORTED},
        {oid_cn, SPAN_LIT("\0a"), DER_BMP_STRING, BV_E_UNSUPPORTED},
        {oid_cn, SPAN_LIT("a"), DER_OCTET_STRING, BV_E_BAD_NAME},
        {oid_cn, SPAN_LIT(""), DER_UTF8_STRING, BV_E_BAD_NAME},
        {oid_cn, SPAN_LIT("\x7f"), DER_UTF8_STRING, BV_E_BAD_NAME},
        {oid_c, SPAN_LIT("DE"), DER_UTF8_STRING, BV_E_BAD_NAME},
        {oid_c, SPAN_LIT("D"), DER_PRINTABLE_STRING, BV_E_BAD_NAME},
        {oid_serial_number, SPAN_LIT("1"), DER_UTF8_STRING, BV_E_BAD_NAME},
        {oid_dc, SPAN_LIT("x"), DER_IA5_STRING, BV_OK},
        {oid_dc, SPAN_LIT("x\x80"), DER_IA5_STRING, BV_E_BAD_NAME},
        {oid_email, SPAN_LIT("a@x"), DER_IA5_STRING, BV_OK},
        {SPAN_LIT("\x2a\x03"), SPAN_LIT("a"), DER_UTF8_STRING, BV_OK},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t memory[2 * LIMIT_NAME];
        struct span name = one(rows[i].oid, rows[i].tag, rows[i].value, memory);

        if (name_check(name) != rows[i].err)
            fail_msg("row %zu: %s", i, err_name(name_check(name)));
    }
}

static void
test_structure_refused(void **state)
{
    static uint8_t big[2 * LIMIT_NAME], text[LIMIT_NAME];
    struct sink out = SINK_ARRAY(big);
    size_t mark = der_open(&out, DER_SEQUENCE);

    /* two equal, then two descending attributes in one RDN; an empty RDN */
    assert_int_equal(
        name_check(SPAN_LIT("\x30\x16\x31\x14\x30\x08\x06\x03\x55\x04\x03\x13"
                            "\x01"
                            "a\x30\x08\x06\x03\x55\x04\x03\x13\x01"
                            "a")),
        BV_E_BAD_MESSAGE);
    assert_int_equal(
        name_check(SPAN_LIT("\x30\x16\x31\x14\x30\x08\x06\x03\x55\x04\x0a\x13"
                            "\x01"
                            "a\x30\x08\x06\x03\x55\x04\x03\x13\x01"
                            "a")),
        BV_E_BAD_MESSAGE);
    assert_int_equal(name_check(SPAN_LIT("\x30\x02\x31\x00")),
                     BV_E_BAD_MESSAGE);
    assert_int_equal(name_check(SPAN_LIT("\x30\x00\x00")), BV_E_TRAILING_BYTES);
    for (int i = 0; i <= LIMIT_RDN; i++)
        der_put_raw(&out, SPAN_LIT("\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x13"
                                   "\x01"
                                   "a"));
    der_close(&out, mark);
    assert_int_equal(name_check(sink_view(&out)), BV_E_TOO_MANY);
    memset(text, 'a', sizeof(text));
    assert_int_equal(name_check(one(SPAN_LIT("\x2a\x03"), DER_UTF8_STRING,
                                    SPAN_ARRAY(text), big)),
                     BV_E_BAD_NAME);
}

static void
test_equality(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"abc", "ABC", true},
        {"a  b", "A b", true},
        {" a b ", "a b", true},
        {"ab", "a b", false},
        {"a", "ab", false},
        {"a ", "a", true},
        {"\xc3\xa9", "\xc3\xa9", true},
        {"\xc3\xa9", "\xc3\x89", false},
    };
    uint8_t x[2 * LIMIT_NAME], y[2 * LIMIT_NAME];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span a = one(oid_cn, DER_UTF8_STRING, span_str(rows[i].a), x);
        struct span b = one(oid_cn, DER_UTF8_STRING, span_str(rows[i].b), y);

        if (name_eq(a, b) != rows[i].equal || name_eq(b, a) != rows[i].equal)
            fail_msg("%s, %s", rows[i].a, rows[i].b);
    }
    assert_true(name_eq(one(oid_cn, DER_UTF8_STRING, SPAN_LIT("ab"), x),
                        one(oid_cn, DER_PRINTABLE_STRING, SPAN_LIT("AB"), y)));
    assert_false(name_eq(one(oid_cn, DER_UTF8_STRING, SPAN_LIT("ab"), x),
                         one(oid_o, DER_UTF8_STRING, SPAN_LIT("ab"), y)));
    assert_false(name_eq(one(oid_dc, DER_IA5_STRING, SPAN_LIT("ab"), x),
                         one(oid_dc, DER_IA5_STRING, SPAN_LIT("AB"), y)));
    assert_false(name_eq(one(oid_cn, DER_T61_STRING, SPAN_LIT("ab"), x),
                         one(oid_cn, DER_T61_STRING, SPAN_LIT("aB"), y)));
}

static void
test_order_of_rdns_counts(void **state)
{
    static const struct name_part ab[] = {PART(NAME_O, "x"),
                                          PART(NAME_CN, "y")};
    static const struct name_part ba[] = {PART(NAME_CN, "y"),
                                          PART(NAME_O, "x")};
    uint8_t x[LIMIT_NAME], y[LIMIT_NAME];

    assert_true(name_eq(build(ab, 2, x), build(ab, 2, y)));
    assert_false(name_eq(build(ab, 2, x), build(ba, 2, y)));
    assert_false(name_eq(build(ab, 2, x), build(ab, 1, y)));
}

static void
test_two_of_a_kind(void **state)
{
    static const struct name_part parts[] = {PART(NAME_CN, "x"),
                                             PART(NAME_CN, "y")};
    uint8_t memory[LIMIT_NAME];
    struct name_ava ava;

    assert_int_equal(name_find(build(parts, 2, memory), NAME_CN, &ava),
                     BV_E_BAD_NAME);
}

static void
test_text_is_safe(void **state)
{
    uint8_t memory[2 * LIMIT_NAME], text[200];
    struct sink out = SINK_ARRAY(text);

    name_put_text(
        &out, one(oid_cn, DER_UTF8_STRING, SPAN_LIT("a,b+c=\"d\\"), memory));
    assert_true(span_eq_str(sink_view(&out), "CN=a\\,b\\+c\\=\\\"d\\\\"));
    out.len = 0;
    name_put_text(&out, one(SPAN_LIT("\x2a\x03"), DER_UTF8_STRING,
                            SPAN_LIT("ab"), memory));
    assert_true(span_eq_str(sink_view(&out), "1.2.3=#6162"));
    out.len = 0;
    name_put_text(&out, SPAN_LIT("\x30\x01\x0a"));
    assert_true(span_eq_str(sink_view(&out), "#30010a"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_build_and_walk),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_text_refused),
        cmocka_unit_test(test_check_refuses),
        cmocka_unit_test(test_structure_refused),
        cmocka_unit_test(test_equality),
        cmocka_unit_test(test_order_of_rdns_counts),
        cmocka_unit_test(test_two_of_a_kind),
        cmocka_unit_test(test_text_is_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
