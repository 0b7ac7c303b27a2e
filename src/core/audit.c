#include "core/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "pki/note.h"

#define TILE_LEN    (TLOG_TILE * TLOG_HASH)
#define LEVELS      7               /* 256^7 entries and beyond: 2^56 */
#define PENDING_KEY "audit.signing" /* the text that may have been signed */

/* The rightmost, not yet full tile of each level is kept in memory; those of
 * level 1 and up are also rows of the store, so that the start is quick. */
struct audit {
    const struct store *store;
    char origin[TLOG_KEY_NAME_MAX + 1];
    bool has_key;
    uint8_t log_key[32];
    int64_t (*now_ms)(void);

    struct merkle tree;
    int64_t last_ms;
    uint64_t checkpoint_size;
    struct merkle_hash (*tile)[TLOG_TILE]; /* LEVELS of them */
};

void
audit_free(struct audit *audit)
{
    if (audit == NULL)
        return;
    free(audit->tile);
    free(audit);
}

BV_AUTO_DEFINE(audit, struct audit, audit_free)

static uint64_t
tile_key(unsigned level, uint64_t number)
{
    return (uint64_t)level << 56 | number;
}

/* How many hashes of a level a tree of this size has. */
static uint64_t
level_size(uint64_t size, unsigned level)
{
    return level >= 8 ? 0 : size >> (8 * level);
}

static void
tile_root(const struct merkle_hash *hash, struct merkle_hash *ret_root)
{
    struct merkle tree = {0};

    for (unsigned i = 0; i < TLOG_TILE; i++)
        merkle_append(&tree, &hash[i]);
    merkle_root(&tree, ret_root);
}

static enum bv_err
store_tile(struct audit *audit, unsigned level, uint64_t number, unsigned width)
{
    const struct store *s = audit->store;

    return s->audit_tile_put(
        s->ctx, tile_key(level, number),
        span_of(audit->tile[level], (size_t)width * TLOG_HASH));
}

/* Put hash number n of a level in its tile; a tile that is full goes to the
 * store, and its root to the level above. */
static enum bv_err
add_hash(struct audit *audit, uint64_t n, const struct merkle_hash *leaf)
{
    struct merkle_hash hash = *leaf;

    for (unsigned level = 0; level < LEVELS; level++, n /= TLOG_TILE) {
        unsigned width = (unsigned)(n % TLOG_TILE) + 1;
        audit->tile[level][width - 1] = hash;
        if (level > 0 || width == TLOG_TILE)
            BV_TRY(store_tile(audit, level, n / TLOG_TILE, width));
        if (width < TLOG_TILE)
            return BV_OK;
        tile_root(audit->tile[level], &hash);
    }
    return BV_OK;
}

static enum bv_err
load_hashes(struct audit *audit, unsigned level, uint64_t number,
            unsigned width, struct merkle_hash *ret_hash)
{
    const struct store *s = audit->store;
    size_t len;

    enum bv_err err = s->audit_tile_get(s->ctx, tile_key(level, number),
                                        ret_hash[0].octets, TILE_LEN, &len);
    if (err == BV_E_NOT_FOUND || err == BV_E_NO_SPACE)
        return BV_E_CORRUPT;
    if (err != BV_OK)
        return err;
    return len < (size_t)width * TLOG_HASH ? BV_E_CORRUPT : BV_OK;
}

struct tail {
    struct audit *audit;
    uint64_t next;
};

static enum bv_err
load_entry(void *user, const struct audit_entry *entry, struct span bytes)
{
    struct tail *tail = user;

    if (entry->index != tail->next)
        return BV_E_CORRUPT;
    merkle_leaf(bytes, &tail->audit->tile[0][entry->index % TLOG_TILE]);
    tail->audit->last_ms = entry->time_ms;
    tail->next++;
    return BV_OK;
}

/* The last entry tells the time below which no entry may fall, so at least
 * one is read even when the last tile is full. */
static enum bv_err
load_tail(struct audit *audit, uint64_t size)
{
    struct tail tail = {audit, size - size % TLOG_TILE};

    if (size == 0)
        return BV_OK;
    if (tail.next == size)
        tail.next--;
    BV_TRY(audit_each(audit->store, tail.next, size, load_entry, &tail));
    return tail.next == size ? BV_OK : BV_E_CORRUPT;
}

static enum bv_err get_hash(void *user, unsigned level, uint64_t index,
                            struct merkle_hash *ret_hash);

static enum bv_err
load_edge(struct audit *audit)
{
    struct merkle tree = {0};
    uint64_t size, from = 0;

    BV_TRY(audit->store->audit_size(audit->store->ctx, &size));
    audit->last_ms = 0;
    BV_TRY(load_tail(audit, size));
    for (unsigned level = 1; level < LEVELS; level++) {
        uint64_t n = level_size(size, level);
        unsigned width = (unsigned)(n % TLOG_TILE);
        if (width > 0)
            BV_TRY(load_hashes(audit, level, n / TLOG_TILE, width,
                               audit->tile[level]));
    }
    audit->tree.size = tree.size = size;
    for (uint64_t left = size; left > 0;) {
        unsigned level = 63 - (unsigned)__builtin_clzll(left);
        BV_TRY(get_hash(audit, level, from >> level, &tree.edge[tree.num++]));
        from += UINT64_C(1) << level;
        left -= UINT64_C(1) << level;
    }
    audit->tree = tree;
    return BV_OK;
}

/* 2^height hashes of a tile, folded into one. */
static void
fold(const struct merkle_hash *hash, unsigned height,
     struct merkle_hash *ret_hash)
{
    struct merkle tree = {0};

    for (unsigned i = 0; i < 1u << height; i++)
        merkle_append(&tree, &hash[i]);
    merkle_root(&tree, ret_hash);
}

/* merkle_get_fn over memory and tiles. */
static enum bv_err
get_hash(void *user, unsigned level, uint64_t index,
         struct merkle_hash *ret_hash)
{
    struct audit *audit = user;
    unsigned tile_level = level / 8, height = level % 8;
    uint64_t first = index << height;
    uint64_t number = first / TLOG_TILE;
    unsigned pos = (unsigned)(first % TLOG_TILE);
    uint64_t full = level_size(audit->tree.size, tile_level) / TLOG_TILE;
    struct merkle_hash hash[TLOG_TILE];

    if (tile_level >= LEVELS)
        return BV_E_USAGE;
    if (number >= full) {
        fold(&audit->tile[tile_level][pos], height, ret_hash);
        return BV_OK;
    }
    BV_TRY(load_hashes(audit, tile_level, number, TLOG_TILE, hash));
    fold(&hash[pos], height, ret_hash);
    return BV_OK;
}

/* Is what a checkpoint says what this log holds? */
static enum bv_err
check_text(struct audit *audit, struct span text, const char *which,
           char *ret_problem, size_t cap)
{
    struct tlog_checkpoint cp;
    struct merkle_hash root, said;

    if (tlog_checkpoint_parse(text, &cp) != BV_OK) {
        (void)snprintf(ret_problem, cap, "%s cannot be read", which);
        return BV_E_CORRUPT;
    }
    if (cp.size > audit->tree.size) {
        (void)snprintf(ret_problem, cap,
                       "the audit log has %llu entries, but %s covers %llu: "
                       "entries are missing or an old database was put back",
                       (unsigned long long)audit->tree.size, which,
                       (unsigned long long)cp.size);
        return BV_E_CORRUPT;
    }
    memcpy(said.octets, cp.root, sizeof(said.octets));
    BV_TRY(merkle_root_at(cp.size, get_hash, audit, &root));
    if (merkle_equal(&root, &said) && span_eq_str(cp.origin, audit->origin))
        return BV_OK;
    (void)snprintf(ret_problem, cap,
                   "the audit log is not the one %s was signed for: entries "
                   "were changed",
                   which);
    return BV_E_CORRUPT;
}

struct note_copy {
    uint8_t octets[TLOG_NOTE_MAX];
    size_t len;
    uint64_t size;
};

static enum bv_err
copy_note(void *user, uint64_t size, struct span note)
{
    struct note_copy *copy = user;

    if (note.len > sizeof(copy->octets))
        return BV_E_CORRUPT;
    memcpy(copy->octets, note.data, note.len);
    copy->len = note.len;
    copy->size = size;
    return BV_OK;
}

static enum bv_err
check_signed(struct audit *audit, struct span note, char *ret_problem,
             size_t cap)
{
    struct tlog_vkey vkey;
    struct tlog_note parts;
    struct span text;

    if (tlog_note_parse(note, &parts) != BV_OK) {
        (void)snprintf(ret_problem, cap, "the last checkpoint is damaged");
        return BV_E_CORRUPT;
    }
    if (audit->has_key &&
        (note_vkey_of(audit->origin, audit->log_key, &vkey) != BV_OK ||
         note_open(note, &vkey, &text) != BV_OK)) {
        (void)snprintf(ret_problem, cap,
                       "the last checkpoint is not signed by the log key");
        return BV_E_CORRUPT;
    }
    return check_text(audit, parts.text, "its last checkpoint", ret_problem,
                      cap);
}

static enum bv_err
check_last(struct audit *audit, char *ret_problem, size_t cap)
{
    const struct store *s = audit->store;
    bv_auto_free struct note_copy *last = calloc(1, sizeof(*last));
    uint8_t text[1024];
    size_t len;

    if (last == NULL)
        return BV_E_NO_MEMORY;
    enum bv_err err = s->checkpoint_last(s->ctx, copy_note, last);
    if (err == BV_OK) {
        struct span note = span_of(last->octets, last->len);
        BV_TRY(check_signed(audit, note, ret_problem, cap));
        audit->checkpoint_size = last->size;
    } else if (err != BV_E_NOT_FOUND) {
        return err;
    }
    err = s->meta_get(s->ctx, PENDING_KEY, text, sizeof(text), &len);
    if (err == BV_E_NOT_FOUND)
        return BV_OK;
    if (err != BV_OK)
        return err;
    return check_text(audit, span_of(text, len), "a checkpoint it signed",
                      ret_problem, cap);
}

static enum bv_err
check_known(struct audit *audit, struct span known, char *ret_problem,
            size_t cap)
{
    struct tlog_note parts;

    if (known.len == 0)
        return BV_OK;
    if (tlog_note_parse(known, &parts) != BV_OK) {
        (void)snprintf(ret_problem, cap, "the known checkpoint is no note");
        return BV_E_CORRUPT;
    }
    return check_text(audit, parts.text,
                      "the checkpoint kept beside the database", ret_problem,
                      cap);
}

static enum bv_err
fill(struct audit *audit, const struct store *store,
     const struct audit_options *options)
{
    audit->store = store;
    audit->tile = calloc(LEVELS, sizeof(*audit->tile));
    audit->now_ms = options->now_ms != NULL ? options->now_ms : clock_wall_ms;
    audit->has_key = options->log_key != NULL;
    if (audit->tile == NULL)
        return BV_E_NO_MEMORY;
    if (audit->has_key)
        memcpy(audit->log_key, options->log_key, sizeof(audit->log_key));
    BV_TRY(tlog_name_check(span_str(options->origin)));
    return span_copy_str(span_str(options->origin), audit->origin,
                         sizeof(audit->origin));
}

enum bv_err
audit_open(const struct store *store, const struct audit_options *options,
           struct audit **ret_audit, char *ret_problem, size_t cap)
{
    bv_auto(audit) struct audit *audit = calloc(1, sizeof(*audit));

    (void)snprintf(ret_problem, cap, "the audit log cannot be read");
    if (audit == NULL)
        return BV_E_NO_MEMORY;
    BV_TRY(fill(audit, store, options));
    BV_TRY(load_edge(audit));
    BV_TRY(check_last(audit, ret_problem, cap));
    BV_TRY(check_known(audit, options->known, ret_problem, cap));
    *ret_audit = BV_STEAL(audit);
    return BV_OK;
}

enum bv_err
audit_append(struct audit *audit, const struct audit_event *event,
             uint64_t *ret_index)
{
    const struct store *s = audit->store;
    uint8_t buf[LIMIT_AUDIT_ENTRY];
    struct sink out = SINK_ARRAY(buf);
    struct audit_entry back, entry = {
                                 .index = audit->tree.size,
                                 .time_ms = audit->now_ms(),
                                 .event = *event,
                             };
    struct merkle_hash leaf;
    struct span bytes;

    entry.clock_back = entry.time_ms < audit->last_ms;
    if (entry.clock_back)
        entry.time_ms = audit->last_ms;
    audit_entry_encode(&out, &entry);
    BV_TRY(sink_done(&out, &bytes));
    if (audit_entry_decode(bytes, &back) != BV_OK)
        return BV_E_USAGE;
    merkle_leaf(bytes, &leaf);
    BV_TRY(s->audit_put(s->ctx, entry.index, bytes));
    BV_TRY(add_hash(audit, entry.index, &leaf));
    merkle_append(&audit->tree, &leaf);
    audit->last_ms = entry.time_ms;
    if (ret_index != NULL)
        *ret_index = entry.index;
    return BV_OK;
}

enum bv_err
audit_rollback(struct audit *audit)
{
    return load_edge(audit);
}

uint64_t
audit_size(const struct audit *audit)
{
    return audit->tree.size;
}

void
audit_root(const struct audit *audit, struct merkle_hash *ret_root)
{
    merkle_root(&audit->tree, ret_root);
}

uint64_t
audit_checkpoint_size(const struct audit *audit)
{
    return audit->checkpoint_size;
}

enum bv_err
audit_checkpoint_body(struct audit *audit, struct sink *out)
{
    const struct store *s = audit->store;
    uint8_t buf[1024];
    struct sink text = SINK_ARRAY(buf);
    struct merkle_hash root;

    audit_root(audit, &root);
    tlog_checkpoint_build(&text, audit->origin, audit->tree.size, root.octets);
    BV_TRY(s->meta_put(s->ctx, PENDING_KEY, sink_view(&text)));
    sink_put(out, sink_view(&text));
    struct span all;
    return sink_done(out, &all);
}

enum bv_err
audit_checkpoint_store(struct audit *audit, struct span body,
                       const uint8_t key[32], struct span signature)
{
    const struct store *s = audit->store;
    uint8_t buf[2048];
    struct sink out = SINK_ARRAY(buf);
    struct tlog_checkpoint cp;
    struct tlog_vkey vkey;
    struct span note;
    char problem[200];

    BV_TRY(tlog_checkpoint_parse(body, &cp));
    BV_TRY(note_vkey_of(audit->origin, key, &vkey));
    if (audit->has_key)
        BV_TRY(note_check_signature(audit->log_key, body, signature));
    BV_TRY(check_text(audit, body, "this", problem, sizeof(problem)));
    tlog_note_build(&out, body, audit->origin, vkey.id, signature);
    BV_TRY(sink_done(&out, &note));
    BV_TRY(s->checkpoint_put(s->ctx, cp.size, note));
    if (cp.size > audit->checkpoint_size)
        audit->checkpoint_size = cp.size;
    return BV_OK;
}

struct note_out {
    struct sink *out;
    struct span note;
};

static enum bv_err
put_note(void *user, uint64_t size, struct span note)
{
    struct note_out *to = user;
    size_t start = to->out->len;
    struct span all;

    sink_put(to->out, note);
    BV_TRY(sink_done(to->out, &all));
    to->note = span_of(all.data + start, note.len);
    return BV_OK;
}

enum bv_err
audit_checkpoint_last(const struct audit *audit, struct sink *out,
                      struct tlog_checkpoint *ret)
{
    const struct store *s = audit->store;
    struct note_out to = {out, SPAN_EMPTY};
    struct tlog_note parts;

    BV_TRY(s->checkpoint_last(s->ctx, put_note, &to));
    BV_TRY(tlog_note_parse(to.note, &parts));
    return tlog_checkpoint_parse(parts.text, ret);
}

enum bv_err
audit_prove(struct audit *audit, uint64_t index, struct sink *out)
{
    bv_auto_free struct tlog_proof *text = calloc(1, sizeof(*text));
    uint8_t buf[4096];
    struct sink note = SINK_ARRAY(buf);
    struct tlog_checkpoint cp;
    struct merkle_proof proof;
    struct span all;

    if (text == NULL)
        return BV_E_NO_MEMORY;
    BV_TRY(audit_checkpoint_last(audit, &note, &cp));
    if (index >= cp.size)
        return BV_E_NOT_FOUND;
    BV_TRY(merkle_prove_inclusion(index, cp.size, get_hash, audit, &proof));
    text->index = index;
    text->num = proof.num;
    memcpy(text->hash, proof.hash, (size_t)proof.num * TLOG_HASH);
    text->checkpoint = sink_view(&note);
    tlog_proof_build(out, text);
    return sink_done(out, &all);
}

enum bv_err
audit_consistency(struct audit *audit, uint64_t from, uint64_t to,
                  struct merkle_proof *ret_proof)
{
    if (to > audit->tree.size)
        return BV_E_USAGE;
    return merkle_prove_consistency(from, to, get_hash, audit, ret_proof);
}
