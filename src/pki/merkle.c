#include "pki/merkle.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* Fetching the digest and making a context cost more than the hash itself, so
 * each thread keeps one of them. */
static EVP_MD_CTX *
digest_start(void)
{
    static _Thread_local EVP_MD_CTX *ctx;
    static _Thread_local EVP_MD *sha256;

    if (ctx == NULL) {
        sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
        ctx = EVP_MD_CTX_new();
    }
    if (sha256 == NULL || ctx == NULL ||
        EVP_DigestInit_ex2(ctx, sha256, NULL) != 1)
        abort(); /* a machine that cannot hash cannot go on */
    return ctx;
}

static void
digest_add(EVP_MD_CTX *ctx, const void *data, size_t len)
{
    if (len > 0 && EVP_DigestUpdate(ctx, data, len) != 1)
        abort();
}

static void
digest_end(EVP_MD_CTX *ctx, struct merkle_hash *ret)
{
    if (EVP_DigestFinal_ex(ctx, ret->octets, NULL) != 1)
        abort();
}

void
merkle_sha256(struct span bytes, struct merkle_hash *ret_hash)
{
    EVP_MD_CTX *ctx = digest_start();
    digest_add(ctx, bytes.data, bytes.len);
    digest_end(ctx, ret_hash);
}

void
merkle_leaf(struct span entry, struct merkle_hash *ret_hash)
{
    EVP_MD_CTX *ctx = digest_start();
    digest_add(ctx, "\0", 1);
    digest_add(ctx, entry.data, entry.len);
    digest_end(ctx, ret_hash);
}

void
merkle_node(const struct merkle_hash *left, const struct merkle_hash *right,
            struct merkle_hash *ret_hash)
{
    uint8_t in[1 + 2 * MERKLE_HASH] = {1};

    memcpy(in + 1, left->octets, MERKLE_HASH);
    memcpy(in + 1 + MERKLE_HASH, right->octets, MERKLE_HASH);
    merkle_sha256(SPAN_ARRAY(in), ret_hash);
}

bool
merkle_equal(const struct merkle_hash *a, const struct merkle_hash *b)
{
    return memcmp(a->octets, b->octets, MERKLE_HASH) == 0;
}

void
merkle_append(struct merkle *tree, const struct merkle_hash *leaf)
{
    struct merkle_hash hash = *leaf;

    assert(tree->size < INT64_MAX);
    /* like a carry in binary: equal subtrees join */
    for (uint64_t n = tree->size; (n & 1) != 0; n >>= 1)
        merkle_node(&tree->edge[--tree->num], &hash, &hash);
    tree->edge[tree->num++] = hash;
    tree->size++;
}

void
merkle_root(const struct merkle *tree, struct merkle_hash *ret_root)
{
    if (tree->num == 0) {
        merkle_sha256(SPAN_EMPTY, ret_root);
        return;
    }
    struct merkle_hash hash = tree->edge[tree->num - 1];
    for (unsigned i = tree->num - 1; i > 0; i--)
        merkle_node(&tree->edge[i - 1], &hash, &hash);
    *ret_root = hash;
}

void
merkle_encode(struct sink *out, const struct merkle *tree)
{
    sink_u64(out, tree->size);
    for (unsigned i = 0; i < tree->num; i++)
        sink_put(out, SPAN_ARRAY(tree->edge[i].octets));
}

enum bv_err
merkle_decode(struct span in, struct merkle *ret_tree)
{
    struct merkle tree = {0};

    BV_TRY(span_u64(&in, &tree.size));
    if (tree.size > INT64_MAX)
        return BV_E_BAD_MESSAGE;
    for (uint64_t n = tree.size; n != 0; n &= n - 1) {
        struct span hash;
        BV_TRY(span_take(&in, MERKLE_HASH, &hash));
        memcpy(tree.edge[tree.num++].octets, hash.data, MERKLE_HASH);
    }
    BV_TRY(span_end(in));
    *ret_tree = tree;
    return BV_OK;
}

/* The largest power of two below n (n > 1), as an exponent. */
static unsigned
split(uint64_t n)
{
    return 63 - (unsigned)__builtin_clzll(n - 1);
}

/* MTH(D[from : from + size]) where from is a multiple of a power of two that
 * is at least size: a chain of complete subtrees, joined from the right. */
static enum bv_err
range_root(uint64_t from, uint64_t size, merkle_get_fn *get, void *user,
           struct merkle_hash *ret_root)
{
    struct merkle tree = {.size = size};

    while (size > 0) {
        unsigned level = 63 - (unsigned)__builtin_clzll(size);
        BV_TRY(get(user, level, from >> level, &tree.edge[tree.num++]));
        from += UINT64_C(1) << level;
        size -= UINT64_C(1) << level;
    }
    merkle_root(&tree, ret_root);
    return BV_OK;
}

enum bv_err
merkle_root_at(uint64_t size, merkle_get_fn *get, void *user,
               struct merkle_hash *ret_root)
{
    if (size > INT64_MAX)
        return BV_E_USAGE;
    return range_root(0, size, get, user, ret_root);
}

/* Proofs are found from the root down and read from the leaf up. */
static void
reverse(struct merkle_proof *proof)
{
    for (unsigned i = 0; i < proof->num / 2; i++) {
        struct merkle_hash swap = proof->hash[i];
        proof->hash[i] = proof->hash[proof->num - 1 - i];
        proof->hash[proof->num - 1 - i] = swap;
    }
}

enum bv_err
merkle_prove_inclusion(uint64_t index, uint64_t size, merkle_get_fn *get,
                       void *user, struct merkle_proof *ret_proof)
{
    struct merkle_proof proof = {0};
    uint64_t from = 0;

    if (index >= size || size > INT64_MAX)
        return BV_E_USAGE;
    while (size > 1) {
        uint64_t k = UINT64_C(1) << split(size);
        bool left = index - from < k;
        BV_TRY(range_root(left ? from + k : from, left ? size - k : k, get,
                          user, &proof.hash[proof.num++]));
        from += left ? 0 : k;
        size = left ? k : size - k;
    }
    reverse(&proof);
    *ret_proof = proof;
    return BV_OK;
}

enum bv_err
merkle_prove_consistency(uint64_t from, uint64_t to, merkle_get_fn *get,
                         void *user, struct merkle_proof *ret_proof)
{
    struct merkle_proof proof = {0};
    uint64_t start = 0, size = to, old = from;
    bool whole = true; /* the old tree is itself the subtree at hand */

    if (from > to || to > INT64_MAX)
        return BV_E_USAGE;
    while (from != 0 && old != size) {
        uint64_t k = UINT64_C(1) << split(size);
        bool left = old <= k;
        BV_TRY(range_root(left ? start + k : start, left ? size - k : k, get,
                          user, &proof.hash[proof.num++]));
        if (!left) {
            start += k;
            old -= k;
            whole = false;
        }
        size = left ? k : size - k;
    }
    if (from != 0 && !whole)
        BV_TRY(range_root(start, size, get, user, &proof.hash[proof.num++]));
    reverse(&proof);
    *ret_proof = proof;
    return BV_OK;
}

enum bv_err
merkle_check_inclusion(uint64_t index, uint64_t size,
                       const struct merkle_hash *leaf,
                       const struct merkle_proof *proof,
                       const struct merkle_hash *root)
{
    uint64_t fn = index, sn = size - 1;
    struct merkle_hash r = *leaf;

    if (index >= size || proof->num > MERKLE_DEPTH)
        return BV_E_BAD_SIGNATURE;
    for (unsigned i = 0; i < proof->num; i++) {
        if (sn == 0)
            return BV_E_BAD_SIGNATURE;
        if ((fn & 1) != 0 || fn == sn) {
            merkle_node(&proof->hash[i], &r, &r);
            for (; (fn & 1) == 0 && fn != 0; fn >>= 1)
                sn >>= 1;
        } else {
            merkle_node(&r, &proof->hash[i], &r);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && merkle_equal(&r, root) ? BV_OK : BV_E_BAD_SIGNATURE;
}

static enum bv_err
fold_consistency(uint64_t fn, uint64_t sn, const struct merkle_hash *first,
                 const struct merkle_hash *rest, unsigned num,
                 const struct merkle_hash *from_root,
                 const struct merkle_hash *to_root)
{
    struct merkle_hash fr = *first, sr = *first;

    for (unsigned i = 0; i < num; i++) {
        if (sn == 0)
            return BV_E_BAD_SIGNATURE;
        if ((fn & 1) != 0 || fn == sn) {
            merkle_node(&rest[i], &fr, &fr);
            merkle_node(&rest[i], &sr, &sr);
            for (; (fn & 1) == 0 && fn != 0; fn >>= 1)
                sn >>= 1;
        } else {
            merkle_node(&sr, &rest[i], &sr);
        }
        fn >>= 1;
        sn >>= 1;
    }
    bool good =
        sn == 0 && merkle_equal(&fr, from_root) && merkle_equal(&sr, to_root);
    return good ? BV_OK : BV_E_BAD_SIGNATURE;
}

enum bv_err
merkle_check_consistency(uint64_t from, uint64_t to,
                         const struct merkle_proof *proof,
                         const struct merkle_hash *from_root,
                         const struct merkle_hash *to_root)
{
    bool power = (from & (from - 1)) == 0;
    uint64_t fn = from - 1, sn = to - 1;

    if (from > to || proof->num > MERKLE_DEPTH)
        return BV_E_BAD_SIGNATURE;
    if (from == to)
        return proof->num == 0 && merkle_equal(from_root, to_root)
                   ? BV_OK
                   : BV_E_BAD_SIGNATURE;
    if (from == 0)
        return proof->num == 0 ? BV_OK : BV_E_BAD_SIGNATURE;
    if (proof->num == 0)
        return BV_E_BAD_SIGNATURE;
    for (; (fn & 1) != 0; fn >>= 1)
        sn >>= 1;
    const struct merkle_hash *first = power ? from_root : &proof->hash[0];
    unsigned skip = power ? 0 : 1;
    return fold_consistency(fn, sn, first, proof->hash + skip,
                            proof->num - skip, from_root, to_root);
}
