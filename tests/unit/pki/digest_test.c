#include "pki/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/sink.h"

static void
expect(enum digest_alg alg, const char *text, const char *hex)
{
    uint8_t digest[DIGEST_MAX], buf[2 * DIGEST_MAX];
    struct sink out = SINK_ARRAY(buf);

    digest_of(alg, span_str(text), digest);
    sink_hex(&out, span_of(digest, digest_len(alg)));
    assert_true(span_eq_str(sink_view(&out), hex));
}

/* FIPS 180-4 examples, "abc" */
static void
known_answers(void **state)
{
    expect(DIGEST_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d");
    expect(DIGEST_SHA256, "abc",
           "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(DIGEST_SHA384, "abc",
           "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
           "8086072ba1e7cc2358baeca134c825a7");
    expect(DIGEST_SHA512, "abc",
           "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
           "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    expect(DIGEST_SHA1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

static void
pieces_equal_the_whole(void **state)
{
    uint8_t data[1000], whole[32], pieces[32];
    bv_auto(digest) struct digest *digest = NULL;

    memset(data, 7, sizeof data);
    digest_sha256(SPAN_ARRAY(data), whole);
    assert_int_equal(digest_new(DIGEST_SHA256, &digest), BV_OK);
    for (int round = 0; round < 2; round++) { /* final starts over */
        for (size_t i = 0; i < sizeof data; i += 8)
            digest_update(digest, span_of(data + i, 8));
        memset(pieces, 0, sizeof pieces);
        digest_final(digest, pieces);
        assert_memory_equal(whole, pieces, 32);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(pieces_equal_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
