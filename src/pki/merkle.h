/* The Merkle tree of RFC 9162 2.1 over SHA-256: an append-only list whose root
 * commits to every entry and its place.
 *
 * struct merkle is the right edge of a growing tree: the roots of the complete
 * subtrees it is made of, largest first (one per set bit of size). Appending
 * costs O(1) hashes on average and needs nothing else. Proofs need inner
 * hashes: the caller gives them through merkle_get_fn, from tiles, a database
 * or an array. Plain data; copy it to remember a state, assign to go back.
 * A failure inside the digest library ends the process: it means the machine
 * can no longer hash. */
#ifndef BV_PKI_MERKLE_H
#define BV_PKI_MERKLE_H

#include "base/sink.h"
#include "base/span.h"

#define MERKLE_HASH  32
#define MERKLE_DEPTH 63 /* sizes stay below 2^63 */

struct merkle_hash {
    uint8_t octets[MERKLE_HASH];
};

struct merkle {
    uint64_t size;
    unsigned num; /* of edge hashes: the set bits of size */
    struct merkle_hash edge[MERKLE_DEPTH];
};

/* A proof: at most 63 hashes, nearest the leaf first. */
struct merkle_proof {
    unsigned num;
    struct merkle_hash hash[MERKLE_DEPTH];
};

/* merkle_sha256: plain SHA-256 with a kept context. */
void merkle_sha256(struct span bytes, struct merkle_hash *ret_hash);
/* merkle_leaf: SHA-256(0x00 || entry). */
void merkle_leaf(struct span entry, struct merkle_hash *ret_hash);
/* merkle_node: SHA-256(0x01 || left || right); ret may be left or right. */
void merkle_node(const struct merkle_hash *left,
                 const struct merkle_hash *right, struct merkle_hash *ret_hash);
bool merkle_equal(const struct merkle_hash *a, const struct merkle_hash *b);

/* merkle_append adds one leaf hash. The zeroed struct is the empty tree. */
void merkle_append(struct merkle *tree, const struct merkle_hash *leaf);
/* merkle_root: of the empty tree, SHA-256 of nothing. */
void merkle_root(const struct merkle *tree, struct merkle_hash *ret_root);

/* merkle_encode writes u64 size and the edge; merkle_decode refuses what does
 * not fit together (BAD_MESSAGE). */
void merkle_encode(struct sink *out, const struct merkle *tree);
enum bv_err merkle_decode(struct span in, struct merkle *ret_tree) BV_CHECKED;

/* The root of the complete subtree over leaves index * 2^level up to, not
 * including, (index + 1) * 2^level. Asked only for subtrees inside the tree. */
typedef enum bv_err merkle_get_fn(void *user, unsigned level, uint64_t index,
                                  struct merkle_hash *ret_hash);

/* merkle_root_at: the root when the tree had that many leaves. */
enum bv_err merkle_root_at(uint64_t size, merkle_get_fn *get, void *user,
                           struct merkle_hash *ret_root) BV_CHECKED;
/* merkle_prove_inclusion (RFC 9162 2.1.3.1): USAGE unless index < size. */
enum bv_err merkle_prove_inclusion(uint64_t index, uint64_t size,
                                   merkle_get_fn *get, void *user,
                                   struct merkle_proof *ret_proof) BV_CHECKED;
/* merkle_prove_consistency (RFC 9162 2.1.4.1): USAGE unless from <= to; empty
 * when from is 0 or to. */
enum bv_err merkle_prove_consistency(uint64_t from, uint64_t to,
                                     merkle_get_fn *get, void *user,
                                     struct merkle_proof *ret_proof) BV_CHECKED;

/* merkle_check_inclusion (RFC 9162 2.1.3.2) and merkle_check_consistency
 * (2.1.4.2): BAD_SIGNATURE when the proof does not hold. */
enum bv_err merkle_check_inclusion(uint64_t index, uint64_t size,
                                   const struct merkle_hash *leaf,
                                   const struct merkle_proof *proof,
                                   const struct merkle_hash *root) BV_CHECKED;
enum bv_err
merkle_check_consistency(uint64_t from, uint64_t to,
                         const struct merkle_proof *proof,
                         const struct merkle_hash *from_root,
                         const struct merkle_hash *to_root) BV_CHECKED;

#endif
