#include "wire/pem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define BLOCK(label, body)                                                     \
    "-----BEGIN " label "-----\n" body "-----END " label "-----\n"

static uint8_t memory[1000];

static void
test_round_trip(void **state)
{
    uint8_t text[500];
    struct sink out = SINK_ARRAY(text), back = SINK_ARRAY(memory);
    struct span in, label, der;

    pem_encode(&out, PEM_CSR, SPAN_LIT("\x30\x03\x02\x01\x05"));
    assert_true(span_eq_str(sink_view(&out),
                            BLOCK("CERTIFICATE REQUEST", "MAMCAQU=\n")));
    assert_true(out.len <= PEM_LEN(strlen(PEM_CSR), 5));
    in = sink_view(&out);
    assert_int_equal(pem_next(&in, &back, &label, &der), BV_OK);
    assert_true(span_eq_str(label, PEM_CSR));
    assert_true(span_eq(der, SPAN_LIT("\x30\x03\x02\x01\x05")));
    assert_int_equal(in.len, 0);
    assert_int_equal(pem_next(&in, &back, &label, &der), BV_E_NOT_FOUND);
}

static void
test_several_blocks(void **state)
{
    struct span text = SPAN_LIT("subject=x\r\n" BLOCK(
        "A", "QQ==\r\n") "between\n" BLOCK("B", "Qg==\n") BLOCK("A", "Qw==\n"));
    struct span in = text, label, first, der;
    struct sink out = SINK_ARRAY(memory);

    assert_int_equal(pem_next(&in, &out, &label, &first), BV_OK);
    assert_int_equal(pem_find(&in, "A", &out, &der), BV_OK);
    assert_true(span_eq_str(first, "A") && span_eq_str(der, "C"));
    assert_int_equal(out.len, 2);
    assert_int_equal(pem_find(&in, "A", &out, &der), BV_E_NOT_FOUND);
    in = text;
    assert_int_equal(pem_find(&in, "C", &out, &der), BV_E_NOT_FOUND);
    assert_int_equal(in.len, text.len);
    assert_true(pem_is(text, "B") && pem_is(text, NULL));
    assert_false(pem_is(text, "C"));
}

static void
test_refused(void **state)
{
    static const char *const bad[] = {
        "-----BEGIN A-----\nQQ==\n",
        "-----BEGIN A-----\nQQ==\n-----END B-----\n",
        "-----BEGIN A-----\nQQ=\n-----END A-----\n",
        "-----BEGIN A-----\n-----END A-----\n",
        "-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\n\nQQ==\n-----END A-----\n",
        "-----BEGIN A-----\nQQ==\n-----BEGIN A-----\nQQ==\n-----END A-----\n",
    };
    static const char *const none[] = {
        "",          "\n", "QQ==", "-----BEGIN A----\n", " -----BEGIN A-----\n",
        "----------"};
    struct span label, der;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sink out = SINK_ARRAY(memory);
        struct span in = span_str(bad[i]);

        if (pem_next(&in, &out, &label, &der) != BV_E_BAD_MESSAGE)
            fail_msg("accepted: %s", bad[i]);
    }
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        struct sink out = SINK_ARRAY(memory);
        struct span in = span_str(none[i]);

        assert_int_equal(pem_next(&in, &out, &label, &der), BV_E_NOT_FOUND);
    }
}

static void
test_no_space(void **state)
{
    struct sink out = sink_of(memory, 2);
    struct span in = SPAN_LIT(BLOCK("A", "QUFB\n")), label, der;

    assert_int_equal(pem_next(&in, &out, &label, &der), BV_E_NO_SPACE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_several_blocks),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
