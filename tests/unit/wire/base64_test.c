#include "wire/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* RFC 4648 section 10. */
static const struct {
    const char *bytes, *text;
} vectors[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

static void
test_vectors(void **state)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        uint8_t memory[20];
        struct sink out = SINK_ARRAY(memory);

        base64_encode(&out, span_str(vectors[i].bytes));
        assert_true(span_eq_str(sink_view(&out), vectors[i].text));
        assert_int_equal(out.len, BASE64_LEN(strlen(vectors[i].bytes)));
        out.len = 0;
        assert_int_equal(base64_decode(span_str(vectors[i].text), &out), BV_OK);
        assert_true(span_eq_str(sink_view(&out), vectors[i].bytes));
    }
}

static void
test_white_space_anywhere(void **state)
{
    uint8_t memory[20];
    struct sink out = SINK_ARRAY(memory);

    assert_int_equal(
        base64_decode(SPAN_LIT(" Z\r\nm9\tv Y g = \n=\r\n "), &out), BV_OK);
    assert_true(span_eq_str(sink_view(&out), "foob"));
}

static void
test_refused(void **state)
{
    static const char *const bad[] = {
        "Z",     "Zg",     "Zg=",      "Zm8",     "====",  "Z===",
        "Zh==",  "Zm9=",   "Zg==Zg==", "Zg==Z",   "Zg===", "Zm-_",
        "Zm9v.", "Zm\v9v", "Z=g=",     "\xffm9v", "=Zm9",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t memory[20];
        struct sink out = SINK_ARRAY(memory);

        if (base64_decode(span_str(bad[i]), &out) != BV_E_BAD_MESSAGE)
            fail_msg("accepted: %s", bad[i]);
    }
    uint8_t memory[20];
    struct sink out = SINK_ARRAY(memory);
    assert_int_equal(base64_decode(SPAN_LIT("Zm9v\0"), &out), BV_E_BAD_MESSAGE);
}

static void
test_no_space(void **state)
{
    uint8_t memory[3];
    struct sink out = sink_of(memory, 2);

    assert_int_equal(base64_decode(SPAN_LIT("Zm9v"), &out), BV_E_NO_SPACE);
}

static void
test_every_length_in_lines_and_in_place(void **state)
{
    uint8_t bytes[200], text[400];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + 3);
    for (size_t len = 0; len < sizeof(bytes); len++) {
        struct sink out = SINK_ARRAY(text);
        struct span back;

        base64_encode_lines(&out, span_of(bytes, len));
        assert_true(out.len <= BASE64_LINES_LEN(len));
        for (size_t i = 64; i < out.len; i += 65)
            assert_int_equal(text[i], '\n');
        if (len > 0)
            assert_int_equal(text[out.len - 1], '\n');
        assert_int_equal(base64_decode_in_place(text, out.len, &back), BV_OK);
        assert_true(span_eq(back, span_of(bytes, len)));
    }
}

static void
test_url_digits(void **state)
{
    static const char both[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "abcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned known = 0;
    for (int i = 0; i < 64; i++)
        assert_int_equal(base64_url_digit(both[i]), i);
    assert_int_equal(base64_url_digit('-'), 62);
    assert_int_equal(base64_url_digit(' '), 62); /* a "+" that was unescaped */
    assert_int_equal(base64_url_digit('_'), 63);
    for (int c = -2; c < 256; c++)
        known += base64_url_digit(c) >= 0;
    assert_int_equal(known, 64 + 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_white_space_anywhere),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_space),
        cmocka_unit_test(test_url_digits),
        cmocka_unit_test(test_every_length_in_lines_and_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
