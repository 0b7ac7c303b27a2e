/* A tree's edge as the database keeps it, and proofs as a stranger may bring
 * them: none may be accepted for a leaf it was not made for. */
#include "fuzz.h"

#include <string.h>

#include "pki/merkle.h"

static void
check_edge(struct span in)
{
    struct merkle tree;
    uint8_t buf[8 + MERKLE_DEPTH * MERKLE_HASH];
    struct sink out = SINK_ARRAY(buf);

    if (merkle_decode(in, &tree) != BV_OK)
        return;
    merkle_encode(&out, &tree);
    fuzz_require(span_eq(sink_view(&out), in));
}

/* u64 index, u64 size, then hashes: against a root nobody has. */
static void
check_proof(struct span in)
{
    struct merkle_proof proof = {0};
    struct merkle_hash root, other;
    uint64_t index, size;
    struct span hash;

    if (span_u64(&in, &index) != BV_OK || span_u64(&in, &size) != BV_OK)
        return;
    while (proof.num < MERKLE_DEPTH &&
           span_take(&in, MERKLE_HASH, &hash) == BV_OK)
        memcpy(proof.hash[proof.num++].octets, hash.data, MERKLE_HASH);
    merkle_leaf(SPAN_LIT("a"), &root);
    merkle_leaf(SPAN_LIT("b"), &other);
    fuzz_require(merkle_check_inclusion(index, size, &other, &proof, &root) !=
                 BV_OK);
    if (index != 0) /* everything is consistent with the empty tree */
        fuzz_require(merkle_check_consistency(index, size, &proof, &other,
                                              &root) != BV_OK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct span in = span_of(data, len);

    check_edge(in);
    check_proof(in);
    return 0;
}
