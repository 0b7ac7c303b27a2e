#include "wire/der.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/time.h"

#define IN(s) ((struct span)SPAN_LIT(s))

static void
test_header_forms(void **state)
{
    static const struct {
        struct span in;
        enum bv_err err;
    } rows[] = {
        {{(const uint8_t *)"\x04\x00", 2}, BV_OK},
        {{(const uint8_t *)"\x04\x01", 2}, BV_E_BAD_MESSAGE},
        {{(const uint8_t *)"\x04", 1}, BV_E_BAD_MESSAGE},
        {{(const uint8_t *)"", 0}, BV_E_BAD_MESSAGE},
        /* indefinite, not minimal, too many length octets */
        {{(const uint8_t *)"\x30\x80\x00\x00", 4}, BV_E_BAD_MESSAGE},
        {{(const uint8_t *)"\x04\x81\x01\x00", 4}, BV_E_BAD_MESSAGE},
        {{(const uint8_t *)"\x04\x82\x00\x80", 4}, BV_E_BAD_MESSAGE},
        {{(const uint8_t *)"\x04\x85\x01\x00\x00\x00\x00", 7},
         BV_E_BAD_MESSAGE},
        {{(const uint8_t *)"\x04\xff", 2}, BV_E_BAD_MESSAGE},
        {{(const uint8_t *)"\x04\x84\xff\xff\xff\xff", 6}, BV_E_BAD_MESSAGE},
        /* high tag number, end-of-contents */
        {{(const uint8_t *)"\x1f\x20\x00", 3}, BV_E_BAD_MESSAGE},
        {{(const uint8_t *)"\x00\x00", 2}, BV_E_BAD_MESSAGE},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span in = rows[i].in;
        struct span value;
        uint8_t tag;

        assert_int_equal(der_any(&in, &tag, &value, NULL), rows[i].err);
        if (rows[i].err != BV_OK)
            assert_int_equal(in.len, rows[i].in.len);
    }
}

static void
test_whole_and_rest(void **state)
{
    struct span in = IN("\x30\x03\x02\x01\x05\x05\x00");
    struct span value, whole;
    uint64_t n;
    bool present;

    assert_int_equal(der_take_opt(&in, DER_SET, &present, &value), BV_OK);
    assert_false(present);
    assert_int_equal(der_only(in, DER_SEQUENCE, &value), BV_E_TRAILING_BYTES);
    assert_int_equal(der_take_whole(&in, DER_SEQUENCE, &whole), BV_OK);
    assert_int_equal(whole.len, 5);
    assert_int_equal(der_only(whole, DER_SEQUENCE, &value), BV_OK);
    assert_int_equal(der_uint(&value, &n), BV_OK);
    assert_int_equal(n, 5);
    assert_int_equal(der_null(&in), BV_OK);
    assert_int_equal(span_end(in), BV_OK);
}

static void
test_integers(void **state)
{
    static const struct {
        const char *der;
        size_t len;
        enum bv_err integer, uint;
    } rows[] = {
        {"\x02\x01\x00", 3, BV_OK, BV_OK},
        {"\x02\x02\x00\x80", 4, BV_OK, BV_OK},
        {"\x02\x08\x7f\xff\xff\xff\xff\xff\xff\xff", 10, BV_OK, BV_OK},
        {"\x02\x09\x00\xff\xff\xff\xff\xff\xff\xff\xff", 11, BV_OK,
         BV_E_BAD_MESSAGE},
        {"\x02\x01\xff", 3, BV_OK, BV_E_BAD_MESSAGE},
        {"\x02\x00", 2, BV_E_BAD_MESSAGE, BV_E_BAD_MESSAGE},
        {"\x02\x02\x00\x7f", 4, BV_E_BAD_MESSAGE, BV_E_BAD_MESSAGE},
        {"\x02\x02\xff\x80", 4, BV_E_BAD_MESSAGE, BV_E_BAD_MESSAGE},
        {"\x0a\x01\x01", 3, BV_E_BAD_MESSAGE, BV_E_BAD_MESSAGE},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span a = span_of(rows[i].der, rows[i].len), b = a, octets;
        uint64_t n;

        assert_int_equal(der_integer(&a, 20, &octets), rows[i].integer);
        assert_int_equal(der_uint(&b, &n), rows[i].uint);
    }

    struct span in = IN("\x02\x02\x01\x00"), octets;
    assert_int_equal(der_integer(&in, 1, &octets), BV_E_BAD_MESSAGE);
}

static void
test_small_types(void **state)
{
    struct span in = IN("\x01\x01\xff\x01\x01\x00\x01\x01\x01");
    bool b;
    uint64_t n;

    assert_int_equal(der_boolean(&in, &b), BV_OK);
    assert_true(b);
    assert_int_equal(der_boolean(&in, &b), BV_OK);
    assert_false(b);
    assert_int_equal(der_boolean(&in, &b), BV_E_BAD_MESSAGE);
    in = IN("\x01\x02\x00\x00");
    assert_int_equal(der_boolean(&in, &b), BV_E_BAD_MESSAGE);
    in = IN("\x05\x01\x00");
    assert_int_equal(der_null(&in), BV_E_BAD_MESSAGE);
    in = IN("\x0a\x01\x05");
    assert_int_equal(der_enumerated(&in, &n), BV_OK);
    assert_int_equal(n, 5);
}

static void
test_oids(void **state)
{
    static const struct {
        const char *der;
        size_t len;
        enum bv_err err;
    } rows[] = {
        {"\x06\x03\x55\x04\x03", 5, BV_OK},
        {"\x06\x00", 2, BV_E_BAD_MESSAGE},
        {"\x06\x02\x55\x84", 4, BV_E_BAD_MESSAGE},
        {"\x06\x03\x55\x80\x03", 5, BV_E_BAD_MESSAGE},
        {"\x06\x02\x80\x01", 4, BV_E_BAD_MESSAGE},
        {"\x06\x03\x55\x81\x00", 5, BV_OK},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span in = span_of(rows[i].der, rows[i].len), oid;

        assert_int_equal(der_oid(&in, &oid), rows[i].err);
    }
}

static void
test_bit_strings(void **state)
{
    static const struct {
        const char *der;
        size_t len;
        enum bv_err err, bits, named;
        uint32_t mask;
    } rows[] = {
        {"\x03\x02\x07\x80", 4, BV_OK, BV_E_BAD_MESSAGE, BV_OK, 1},
        {"\x03\x02\x01\x06", 4, BV_OK, BV_E_BAD_MESSAGE, BV_OK, 0x60},
        {"\x03\x03\x07\x00\x80", 5, BV_OK, BV_E_BAD_MESSAGE, BV_OK, 0x100},
        {"\x03\x01\x00", 3, BV_OK, BV_OK, BV_OK, 0},
        /* trailing zero bit; dirty unused bits; impossible counts */
        {"\x03\x02\x06\x80", 4, BV_OK, BV_E_BAD_MESSAGE, BV_E_BAD_MESSAGE, 0},
        {"\x03\x02\x00\x80", 4, BV_OK, BV_OK, BV_E_BAD_MESSAGE, 0},
        {"\x03\x02\x07\xc0", 4, BV_E_BAD_MESSAGE, BV_E_BAD_MESSAGE,
         BV_E_BAD_MESSAGE, 0},
        {"\x03\x02\x08\x00", 4, BV_E_BAD_MESSAGE, BV_E_BAD_MESSAGE,
         BV_E_BAD_MESSAGE, 0},
        {"\x03\x01\x01", 3, BV_E_BAD_MESSAGE, BV_E_BAD_MESSAGE,
         BV_E_BAD_MESSAGE, 0},
        {"\x03\x00", 2, BV_E_BAD_MESSAGE, BV_E_BAD_MESSAGE, BV_E_BAD_MESSAGE,
         0},
        {"\x03\x06\x00\x01\x01\x01\x01\x01", 8, BV_OK, BV_OK, BV_E_BAD_MESSAGE,
         0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span a = span_of(rows[i].der, rows[i].len), b = a, c = a, v;
        uint8_t unused;
        uint32_t mask = 0;

        assert_int_equal(der_bit_string(&a, &unused, &v), rows[i].err);
        assert_int_equal(der_bits(&b, &v), rows[i].bits);
        assert_int_equal(der_named_bits(&c, &mask), rows[i].named);
        assert_int_equal(mask, rows[i].mask);
    }
}

static void
test_times(void **state)
{
    static const struct {
        const char *der;
        enum bv_err err;
        int64_t time;
    } rows[] = {
        {"\x17\x0d"
         "491231235959Z",
         BV_OK, 2524607999},
        {"\x17\x0d"
         "500101000000Z",
         BV_OK, -631152000},
        {"\x18\x0f"
         "20500101000000Z",
         BV_OK, 2524608000},
        {"\x18\x0f"
         "99991231235959Z",
         BV_OK, TIME_NO_EXPIRY},
        {"\x17\x0d"
         "240229000000Z",
         BV_OK, 1709164800},
        {"\x17\x0d"
         "230229000000Z",
         BV_E_BAD_MESSAGE, 0},
        {"\x18\x0f"
         "20491231235959Z",
         BV_E_BAD_MESSAGE, 0},
        {"\x17\x0b"
         "4912312359Z",
         BV_E_BAD_MESSAGE, 0},
        {"\x17\x11"
         "491231235959+0000",
         BV_E_BAD_MESSAGE, 0},
        {"\x17\x0d"
         "4912312359590",
         BV_E_BAD_MESSAGE, 0},
        {"\x17\x0d"
         "49123123595 Z",
         BV_E_BAD_MESSAGE, 0},
        {"\x17\x0d"
         "491231235960Z",
         BV_E_BAD_MESSAGE, 0},
        {"\x18\x11"
         "20500101000000.5Z",
         BV_E_BAD_MESSAGE, 0},
        {"\x18\x0d"
         "205001010000Z",
         BV_E_BAD_MESSAGE, 0},
        {"\x16\x0d"
         "491231235959Z",
         BV_E_BAD_MESSAGE, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span in = span_str(rows[i].der);
        int64_t time = 0;

        assert_int_equal(der_time(&in, &time), rows[i].err);
        assert_int_equal(time, rows[i].time);
    }

    struct span in = span_str("\x18\x0f"
                              "20240229120000Z");
    int64_t time;
    assert_int_equal(der_generalized_time(&in, &time), BV_OK);
    assert_int_equal(time, 1709208000);
}

static void
check_written(struct sink *out, const char *der, size_t len)
{
    struct span bytes;

    assert_int_equal(sink_done(out, &bytes), BV_OK);
    assert_int_equal(bytes.len, len);
    assert_memory_equal(bytes.data, der, len);
    out->len = 0;
}
#define CHECK(out, lit) check_written((out), (lit), sizeof(lit) - 1)

static void
test_write_scalars(void **state)
{
    uint8_t memory[64];
    struct sink out = SINK_ARRAY(memory);

    der_put_uint(&out, 0);
    CHECK(&out, "\x02\x01\x00");
    der_put_uint(&out, 128);
    CHECK(&out, "\x02\x02\x00\x80");
    der_put_uint(&out, UINT64_MAX);
    CHECK(&out, "\x02\x09\x00\xff\xff\xff\xff\xff\xff\xff\xff");
    der_put_unsigned(&out, IN("\x00\x00\x7f"));
    CHECK(&out, "\x02\x01\x7f");
    der_put_unsigned(&out, SPAN_EMPTY);
    CHECK(&out, "\x02\x01\x00");
    der_put_enumerated(&out, 5);
    CHECK(&out, "\x0a\x01\x05");
    der_put_boolean(&out, true);
    CHECK(&out, "\x01\x01\xff");
    der_put_null(&out);
    CHECK(&out, "\x05\x00");
    der_put_bits(&out, IN("\xaa"));
    CHECK(&out, "\x03\x02\x00\xaa");
    der_put_named_bits(&out, 0x60);
    CHECK(&out, "\x03\x02\x01\x06");
    der_put_named_bits(&out, 0x100);
    CHECK(&out, "\x03\x03\x07\x00\x80");
    der_put_named_bits(&out, 0);
    CHECK(&out, "\x03\x01\x00");
    der_put_str(&out, DER_UTF8_STRING, "x");
    CHECK(&out, "\x0c\x01x");
}

static void
test_write_time_switch(void **state)
{
    uint8_t memory[64];
    struct sink out = SINK_ARRAY(memory);

    der_put_time(&out, 2524607999);
    CHECK(&out, "\x17\x0d"
                "491231235959Z");
    der_put_time(&out, 2524608000);
    CHECK(&out, "\x18\x0f"
                "20500101000000Z");
    der_put_time(&out, TIME_NO_EXPIRY);
    CHECK(&out, "\x18\x0f"
                "99991231235959Z");
    der_put_time(&out, -631152000);
    CHECK(&out, "\x17\x0d"
                "500101000000Z");
    der_put_time(&out, -631152001);
    CHECK(&out, "\x18\x0f"
                "19491231235959Z");
    der_put_generalized_time(&out, 0);
    CHECK(&out, "\x18\x0f"
                "19700101000000Z");
}

/* Every length around the steps of the length field, nested, reads back. */
static void
test_open_close_lengths(void **state)
{
    static const size_t lens[] = {0,   1,   125, 126, 127,   128,   129,
                                  253, 254, 255, 256, 65533, 65535, 65536};
    static uint8_t memory[70000], content[65536];

    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        struct sink out = SINK_ARRAY(memory);
        struct span bytes, outer, inner;
        size_t a = der_open(&out, DER_SEQUENCE);
        size_t b = der_open(&out, DER_OCTET_STRING);

        sink_put(&out, span_of(content, lens[i]));
        der_close(&out, b);
        der_put(&out, DER_OCTET_STRING, span_of(content, lens[i] % 1000));
        der_close(&out, a);
        assert_int_equal(sink_done(&out, &bytes), BV_OK);
        assert_int_equal(der_only(bytes, DER_SEQUENCE, &outer), BV_OK);
        assert_int_equal(der_take(&outer, DER_OCTET_STRING, &inner), BV_OK);
        assert_int_equal(inner.len, lens[i]);
        assert_int_equal(der_only(outer, DER_OCTET_STRING, &inner), BV_OK);
        assert_int_equal(inner.len, lens[i] % 1000);
    }
}

/* With every capacity below what is needed the sink fails and stays inside. */
static void
test_writer_never_overruns(void **state)
{
    uint8_t memory[200];

    for (size_t cap = 0; cap < 160; cap++) {
        struct sink out = sink_of(memory, cap);
        struct span bytes;
        uint8_t zeros[150] = {0};
        size_t seq, bits;

        memset(memory, 0xee, sizeof(memory));
        seq = der_open(&out, DER_SEQUENCE);
        bits = der_open_bit_string(&out);
        sink_put(&out, SPAN_ARRAY(zeros));
        der_close(&out, bits);
        der_close(&out, seq);
        assert_int_equal(sink_done(&out, &bytes),
                         cap < 157 ? BV_E_NO_SPACE : BV_OK);
        for (size_t i = cap; i < sizeof(memory); i++)
            assert_int_equal(memory[i], 0xee);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_forms),
        cmocka_unit_test(test_whole_and_rest),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_small_types),
        cmocka_unit_test(test_oids),
        cmocka_unit_test(test_bit_strings),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_write_scalars),
        cmocka_unit_test(test_write_time_switch),
        cmocka_unit_test(test_open_close_lengths),
        cmocka_unit_test(test_writer_never_overruns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
