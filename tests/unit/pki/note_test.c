/* pki/note and wire/tlog's notes against the example of C2SP signed-note. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pki/note.h"

#define VKEY                                                                   \
    "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define TEXT "This is an example message.\n"
#define LINE                                                                   \
    "\xe2\x80\x94 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2O"  \
    "NncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
#define STRANGER "\xe2\x80\x94 example.org/x AAAAAAAAAAA=\n"

static enum bv_err
open_note(const char *note)
{
    struct tlog_vkey vkey;
    struct span text;

    assert_int_equal(note_vkey_parse(SPAN_LIT(VKEY), &vkey), BV_OK);
    BV_TRY(note_open(span_str(note), &vkey, &text));
    assert_true(span_eq_str(text, TEXT));
    return BV_OK;
}

static void
test_example(void **state)
{
    assert_int_equal(open_note(TEXT "\n" LINE), BV_OK);
    assert_int_equal(open_note(TEXT "\n" STRANGER LINE), BV_OK);
    assert_int_equal(open_note(TEXT "\n" LINE LINE), BV_OK);
    assert_int_equal(open_note(TEXT "\n" STRANGER), BV_E_BAD_SIGNATURE);
    assert_int_equal(open_note("t" TEXT "\n" LINE), BV_E_BAD_SIGNATURE);
}

static void
test_form(void **state)
{
    static const char *const bad[] = {
        "",
        TEXT,
        TEXT "\n",
        TEXT LINE,
        TEXT "\n- example.com/foo Uw2QOkn8srU=\n",
        TEXT "\n" STRANGER "\n",
        TEXT "\n\xe2\x80\x94 example.org/x  AAAAAAAAAAA=\n",
        TEXT "\n\xe2\x80\x94 example+org AAAAAAAAAAA=\n",
        TEXT "\n\xe2\x80\x94 example.org/x AAAAAA==\n",
        TEXT "\n\xe2\x80\x94 example.org/x AAAAAAAAAAB=\n",
        TEXT "\n\xe2\x80\x94 example.org/x AAAA AAAAAAA=\n",
        TEXT "\n\xe2\x80\x94 example.org/x AAAAAAAAAAA=",
        "tab\there\n\n" STRANGER,
        "cr\r\n\n" STRANGER,
        "\xff\n\n" STRANGER,
        "\xc0\xaf\n\n" STRANGER,
        "\xed\xa0\x80\n\n" STRANGER,
    };
    struct tlog_note note;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(tlog_note_parse(span_str(bad[i]), &note),
                         BV_E_BAD_MESSAGE);
}

static void
test_many_lines(void **state)
{
    static char note[TLOG_NOTE_MAX + 100];
    struct tlog_note parts;

    for (int num = 15; num <= 66; num++) {
        struct sink out = SINK_ARRAY(note);
        sink_str(&out, TEXT "\n");
        for (int i = 0; i < num; i++)
            sink_str(&out, STRANGER);
        assert_int_equal(tlog_note_parse(sink_view(&out), &parts),
                         num <= TLOG_SIGNATURES_MAX ? BV_OK : BV_E_TOO_MANY);
    }
    memset(note, 'a', sizeof(note));
    assert_int_equal(tlog_note_parse(SPAN_ARRAY(note), &parts), BV_E_TOO_LARGE);
}

static void
test_vkey(void **state)
{
    struct tlog_vkey vkey, made;
    char text[128];
    struct sink out = SINK_ARRAY(text);

    assert_int_equal(note_vkey_parse(SPAN_LIT(VKEY), &vkey), BV_OK);
    assert_int_equal(note_vkey_of("example.com/foo", vkey.key, &made), BV_OK);
    assert_int_equal(made.id, 0x530d903a);
    tlog_vkey_build(&out, &made);
    assert_true(span_eq_str(sink_view(&out), VKEY));
    assert_int_equal(note_vkey_of("a b", vkey.key, &made), BV_E_BAD_NAME);
    assert_int_equal(note_vkey_of("", vkey.key, &made), BV_E_BAD_NAME);
    for (size_t i = 0; i < sizeof(VKEY) - 1; i++) {
        char wrong[] = VKEY;
        wrong[i] = wrong[i] == 'b' ? 'c' : 'b';
        assert_int_not_equal(note_vkey_parse(span_str(wrong), &made), BV_OK);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_many_lines),
        cmocka_unit_test(test_vkey),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
