/* pki/merkle against the definition itself (RFC 9162 2.1.1), for every pair of
 * sizes, and with every part of a proof changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pki/merkle.h"

#define SIZES 131

static struct merkle_hash leaf[SIZES];
static struct merkle_hash root[SIZES + 1];

static void
naive_root(const struct merkle_hash *d, unsigned n, struct merkle_hash *ret)
{
    struct merkle_hash left, right;
    unsigned k = 1;

    if (n == 0) {
        merkle_sha256(SPAN_EMPTY, ret);
        return;
    }
    if (n == 1) {
        *ret = d[0];
        return;
    }
    while (k * 2 < n)
        k *= 2;
    naive_root(d, k, &left);
    naive_root(d + k, n - k, &right);
    merkle_node(&left, &right, ret);
}

static enum bv_err
get(void *user, unsigned level, uint64_t index, struct merkle_hash *ret)
{
    uint64_t end = (index + 1) << level;

    assert_true(end <= *(uint64_t *)user); /* never beyond the tree */
    naive_root(leaf + (index << level), 1u << level, ret);
    return BV_OK;
}

static int
setup(void **state)
{
    for (unsigned i = 0; i < SIZES; i++) {
        uint8_t entry = (uint8_t)i;
        merkle_leaf(span_of(&entry, 1), &leaf[i]);
    }
    for (unsigned n = 0; n <= SIZES; n++)
        naive_root(leaf, n, &root[n]);
    return 0;
}

static void
test_vectors(void **state)
{
    static const struct span entry[8] = {
        {(const uint8_t *)"", 0},
        {(const uint8_t *)"\x00", 1},
        {(const uint8_t *)"\x10", 1},
        {(const uint8_t *)"\x20\x21", 2},
        {(const uint8_t *)"\x30\x31", 2},
        {(const uint8_t *)"\x40\x41\x42\x43", 4},
        {(const uint8_t *)"\x50\x51\x52\x53\x54\x55\x56\x57", 8},
        {(const uint8_t *)"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b"
                          "\x6c\x6d\x6e\x6f",
         16},
    };
    static const uint32_t start[9] = {0xe3b0c442, 0x6e340b9c, 0xfac54203,
                                      0xaeb6bcfe, 0xd37ee418, 0x4e3bbb1f,
                                      0x76e67dad, 0xddb89be4, 0x5dc9da79};
    struct merkle tree = {0};

    for (unsigned n = 0; n <= 8; n++) {
        struct merkle_hash hash;
        uint32_t got;
        merkle_root(&tree, &hash);
        struct span in = SPAN_ARRAY(hash.octets);
        assert_int_equal(span_u32(&in, &got), BV_OK);
        assert_int_equal(got, start[n]);
        if (n == 8)
            break;
        merkle_leaf(entry[n], &hash);
        merkle_append(&tree, &hash);
    }
}

static void
test_append(void **state)
{
    struct merkle tree = {0}, back;
    uint8_t buf[8 + 32 * MERKLE_DEPTH];

    for (unsigned n = 0; n <= SIZES; n++) {
        struct merkle_hash hash;
        merkle_root(&tree, &hash);
        assert_true(merkle_equal(&hash, &root[n]));
        struct sink out = SINK_ARRAY(buf);
        merkle_encode(&out, &tree);
        assert_int_equal(merkle_decode(sink_view(&out), &back), BV_OK);
        assert_int_equal(back.size, n);
        merkle_root(&back, &hash);
        assert_true(merkle_equal(&hash, &root[n]));
        assert_int_equal(merkle_decode(span_of(buf, out.len - 1), &back),
                         BV_E_BAD_MESSAGE);
        if (n < SIZES)
            merkle_append(&tree, &leaf[n]);
    }
    memset(buf, 0xff, sizeof(buf));
    assert_int_equal(merkle_decode(SPAN_ARRAY(buf), &back), BV_E_BAD_MESSAGE);
}

static void
test_root_at(void **state)
{
    uint64_t size = SIZES;

    for (unsigned n = 0; n <= SIZES; n++) {
        struct merkle_hash hash;
        assert_int_equal(merkle_root_at(n, get, &size, &hash), BV_OK);
        assert_true(merkle_equal(&hash, &root[n]));
    }
}

static void
bad_inclusion(unsigned m, unsigned n, const struct merkle_proof *proof)
{
    struct merkle_proof wrong = *proof;
    struct merkle_hash other = leaf[m];

    for (unsigned i = 0; i < proof->num; i++) {
        wrong.hash[i].octets[(m + i) % 32] ^= (uint8_t)(1 << (n % 8));
        assert_int_not_equal(
            merkle_check_inclusion(m, n, &leaf[m], &wrong, &root[n]), BV_OK);
        wrong = *proof;
    }
    wrong.num++;
    assert_int_not_equal(
        merkle_check_inclusion(m, n, &leaf[m], &wrong, &root[n]), BV_OK);
    if (proof->num > 0) {
        wrong.num = proof->num - 1;
        assert_int_not_equal(
            merkle_check_inclusion(m, n, &leaf[m], &wrong, &root[n]), BV_OK);
    }
    other.octets[n % 32] ^= 0x10;
    assert_int_not_equal(merkle_check_inclusion(m, n, &other, proof, &root[n]),
                         BV_OK);
    assert_int_not_equal(
        merkle_check_inclusion(m, n, &leaf[m], proof, &root[n - 1]), BV_OK);
    assert_int_not_equal(
        merkle_check_inclusion(n, n, &leaf[m], proof, &root[n]), BV_OK);
}

static void
test_inclusion(void **state)
{
    struct merkle_proof proof;

    for (unsigned n = 1; n <= SIZES; n++) {
        uint64_t size = n;
        for (unsigned m = 0; m < n; m++) {
            assert_int_equal(merkle_prove_inclusion(m, n, get, &size, &proof),
                             BV_OK);
            assert_int_equal(
                merkle_check_inclusion(m, n, &leaf[m], &proof, &root[n]),
                BV_OK);
            bad_inclusion(m, n, &proof);
        }
        assert_int_equal(merkle_prove_inclusion(n, n, get, &size, &proof),
                         BV_E_USAGE);
    }
}

static void
bad_consistency(unsigned m, unsigned n, const struct merkle_proof *proof)
{
    struct merkle_proof wrong = *proof;
    struct merkle_hash other = root[n];

    for (unsigned i = 0; i < proof->num; i++) {
        wrong.hash[i].octets[(m + i) % 32] ^= (uint8_t)(1 << (n % 8));
        assert_int_not_equal(
            merkle_check_consistency(m, n, &wrong, &root[m], &root[n]), BV_OK);
        wrong = *proof;
    }
    wrong.num++;
    assert_int_not_equal(
        merkle_check_consistency(m, n, &wrong, &root[m], &root[n]), BV_OK);
    if (m == 0)
        return;
    other.octets[m % 32] ^= 1;
    assert_int_not_equal(
        merkle_check_consistency(m, n, proof, &root[m], &other), BV_OK);
    assert_int_not_equal(
        merkle_check_consistency(m, n, proof, &other, &root[n]), BV_OK);
    if (proof->num > 0) {
        wrong.num = proof->num - 1;
        assert_int_not_equal(
            merkle_check_consistency(m, n, &wrong, &root[m], &root[n]), BV_OK);
    }
}

static void
test_consistency(void **state)
{
    struct merkle_proof proof;

    for (unsigned n = 0; n <= SIZES; n++) {
        uint64_t size = n;
        for (unsigned m = 0; m <= n; m++) {
            assert_int_equal(merkle_prove_consistency(m, n, get, &size, &proof),
                             BV_OK);
            assert_int_equal(
                merkle_check_consistency(m, n, &proof, &root[m], &root[n]),
                BV_OK);
            bad_consistency(m, n, &proof);
        }
        assert_int_equal(merkle_prove_consistency(n + 1, n, get, &size, &proof),
                         BV_E_USAGE);
        assert_int_not_equal(
            merkle_check_consistency(n + 1, n, &proof, &root[n], &root[n]),
            BV_OK);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),     cmocka_unit_test(test_append),
        cmocka_unit_test(test_root_at),     cmocka_unit_test(test_inclusion),
        cmocka_unit_test(test_consistency),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
