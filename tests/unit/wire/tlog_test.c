/* wire/tlog: checkpoints, tile paths, proofs. Notes: pki/note_test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/tlog.h"

#define ROOT       "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
#define CHECKPOINT "example.com/behind-the-sofa\n20852163\n" ROOT "\n"
#define LINE       "\xe2\x80\x94 example.org/x AAAAAAAAAAA=\n"

static void
test_checkpoint(void **state)
{
    static const char *const bad[] = {
        "",
        "\n1\n" ROOT "\n",
        "o\n01\n" ROOT "\n",
        "o\n-1\n" ROOT "\n",
        "o\n\n" ROOT "\n",
        "o\n9223372036854775808\n" ROOT "\n",
        "o\n99999999999999999999\n" ROOT "\n",
        "o\n1\n" ROOT,
        "o\n1\nAAAA\n",
        "o\n1\n" ROOT "\n\n",
    };
    struct tlog_checkpoint cp;
    char text[128];
    struct sink out = SINK_ARRAY(text);

    assert_int_equal(tlog_checkpoint_parse(SPAN_LIT(CHECKPOINT), &cp), BV_OK);
    assert_int_equal(cp.size, 20852163);
    assert_true(span_eq_str(cp.origin, "example.com/behind-the-sofa"));
    tlog_checkpoint_build(&out, "example.com/behind-the-sofa", cp.size,
                          cp.root);
    assert_true(span_eq_str(sink_view(&out), CHECKPOINT));
    assert_int_equal(
        tlog_checkpoint_parse(SPAN_LIT("o\n0\n" ROOT "\next\n"), &cp), BV_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_not_equal(tlog_checkpoint_parse(span_str(bad[i]), &cp),
                             BV_OK);
}

static void
test_path(void **state)
{
    static const struct {
        unsigned level, width;
        uint64_t number;
        const char *path;
    } good[] = {
        {0, 256, 0, "tile/0/000"},
        {1, 1, 0, "tile/1/000.p/1"},
        {63, 256, 1234067, "tile/63/x001/x234/067"},
        {TLOG_ENTRIES, 112, 273, "tile/entries/273.p/112"},
        {0, 255, 1000, "tile/0/x001/000.p/255"},
    };
    static const char *const bad[] = {
        "",
        "tile/0",
        "tile/0/",
        "tile/0/00",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/255/000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p",
        "tile/0/000/",
        "tile/0/000.p/1/",
        "/tile/0/000",
        "tile/x/000",
        "tile/0/0a0",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    };
    unsigned level, width;
    uint64_t number;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char buf[64];
        struct sink out = SINK_ARRAY(buf);
        tlog_tile_path(&out, good[i].level, good[i].number, good[i].width);
        assert_true(span_eq_str(sink_view(&out), good[i].path));
        assert_int_equal(tlog_tile_path_parse(span_str(good[i].path), &level,
                                              &number, &width),
                         BV_OK);
        assert_int_equal(level, good[i].level);
        assert_int_equal(number, good[i].number);
        assert_int_equal(width, good[i].width);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(
            tlog_tile_path_parse(span_str(bad[i]), &level, &number, &width),
            BV_E_BAD_MESSAGE);
}

static void
test_proof(void **state)
{
    static const char *const bad[] = {
        "c2sp.org/tlog-proof@v2\nindex 1\n\n" CHECKPOINT "\n" LINE,
        "c2sp.org/tlog-proof@v1\nindex 01\n\n" CHECKPOINT "\n" LINE,
        "c2sp.org/tlog-proof@v1\n\n" CHECKPOINT "\n" LINE,
        "c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\n" CHECKPOINT "\n" LINE,
        "c2sp.org/tlog-proof@v1\nindex 1\n" ROOT "\n",
        "c2sp.org/tlog-proof@v1\nindex 1\n\n" CHECKPOINT,
        "c2sp.org/tlog-proof@v1\nextra \nindex 1\n\n" CHECKPOINT "\n" LINE,
    };
    static struct tlog_proof proof, back;
    char buf[1024];
    struct sink out = SINK_ARRAY(buf);

    proof.index = 73894;
    proof.num = 2;
    memset(proof.hash, 7, sizeof(proof.hash));
    proof.extra = SPAN_LIT("YWJj");
    proof.checkpoint = SPAN_LIT(CHECKPOINT "\n" LINE);
    tlog_proof_build(&out, &proof);
    assert_int_equal(tlog_proof_parse(sink_view(&out), &back), BV_OK);
    assert_int_equal(back.index, 73894);
    assert_int_equal(back.num, 2);
    assert_memory_equal(back.hash[1], proof.hash[1], 32);
    assert_true(span_eq_str(back.extra, "YWJj"));
    assert_true(span_eq(back.checkpoint, proof.checkpoint));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_not_equal(tlog_proof_parse(span_str(bad[i]), &back), BV_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checkpoint),
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_proof),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
