#include "core/audit_verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/audit.h"
#include "pki/note.h"

#define LEVELS 7

struct expected { /* a checkpoint, waiting for its size to come by */
    uint64_t size;
    struct merkle_hash root;
};

struct hashes {
    struct merkle_hash *hash;
    size_t num, cap;
};

struct check {
    const struct store *store;
    const struct audit_verify_options *options;
    struct audit_report *report;
    struct merkle tree;
    struct expected *expected;
    size_t num_expected, next_expected, cap_expected;
    uint64_t total;
    struct merkle_hash tile[LEVELS][TLOG_TILE];
    struct hashes logged, stored; /* certificates by SHA-256 */
};

static void fault(struct check *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
fault(struct check *c, const char *format, ...)
{
    char line[300];
    va_list args;

    c->report->faults++;
    if (c->options->fault == NULL)
        return;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    c->options->fault(c->options->user, line);
}

static enum bv_err
add_hash(struct hashes *list, const uint8_t octets[MERKLE_HASH])
{
    if (list->num == list->cap) {
        size_t cap = list->cap == 0 ? 1024 : list->cap * 2;
        void *more = realloc(list->hash, cap * sizeof(*list->hash));
        if (more == NULL)
            return BV_E_NO_MEMORY;
        list->hash = more;
        list->cap = cap;
    }
    memcpy(list->hash[list->num++].octets, octets, MERKLE_HASH);
    return BV_OK;
}

static enum bv_err
expect(struct check *c, struct span text, uint64_t named_size)
{
    struct tlog_checkpoint cp;

    if (tlog_checkpoint_parse(text, &cp) != BV_OK || cp.size != named_size) {
        fault(c, "checkpoint %llu: its text is damaged",
              (unsigned long long)named_size);
        return BV_OK;
    }
    if (c->num_expected == c->cap_expected) {
        size_t cap = c->cap_expected == 0 ? 256 : c->cap_expected * 2;
        void *more = realloc(c->expected, cap * sizeof(*c->expected));
        if (more == NULL)
            return BV_E_NO_MEMORY;
        c->expected = more;
        c->cap_expected = cap;
    }
    struct expected *e = &c->expected[c->num_expected++];
    e->size = cp.size;
    memcpy(e->root.octets, cp.root, MERKLE_HASH);
    return BV_OK;
}

/* Checkpoints come in order of size. Two good ones are consistent because both
 * are roots of beginnings of the one list that is hashed here. */
static enum bv_err
read_checkpoint(void *user, uint64_t size, struct span note)
{
    struct check *c = user;
    struct tlog_note parts;
    struct span text;

    c->report->checkpoints++;
    if (tlog_note_parse(note, &parts) != BV_OK) {
        fault(c, "checkpoint %llu: not a signed note",
              (unsigned long long)size);
        return BV_OK;
    }
    if (c->options->vkey != NULL &&
        note_open(note, c->options->vkey, &text) != BV_OK) {
        fault(c, "checkpoint %llu: the log key did not sign this",
              (unsigned long long)size);
        return BV_OK;
    }
    return expect(c, parts.text, size);
}

static int
by_size(const void *a, const void *b)
{
    uint64_t x = ((const struct expected *)a)->size;
    uint64_t y = ((const struct expected *)b)->size;
    return x < y ? -1 : x > y;
}

static enum bv_err
read_known(struct check *c)
{
    struct tlog_note parts;
    struct tlog_checkpoint cp;
    struct span text;

    if (c->options->known.len == 0)
        return BV_OK;
    if (tlog_note_parse(c->options->known, &parts) != BV_OK ||
        tlog_checkpoint_parse(parts.text, &cp) != BV_OK ||
        (c->options->vkey != NULL &&
         note_open(c->options->known, c->options->vkey, &text) != BV_OK)) {
        fault(c, "the checkpoint from outside is not one of this log");
        return BV_OK;
    }
    BV_TRY(expect(c, parts.text, cp.size));
    qsort(c->expected, c->num_expected, sizeof(*c->expected), by_size);
    return BV_OK;
}

static void
meet_checkpoints(struct check *c)
{
    struct merkle_hash root;

    while (c->next_expected < c->num_expected &&
           c->expected[c->next_expected].size <= c->tree.size) {
        const struct expected *e = &c->expected[c->next_expected++];
        merkle_root(&c->tree, &root);
        if (e->size == c->tree.size && merkle_equal(&e->root, &root))
            c->report->signed_size = e->size;
        else
            fault(c, "checkpoint %llu: the entries below it were changed",
                  (unsigned long long)e->size);
    }
}

static enum bv_err
check_tile(struct check *c, unsigned level, uint64_t number, unsigned width)
{
    const struct store *s = c->store;
    uint8_t stored[TLOG_TILE * TLOG_HASH];
    size_t len = 0, want = (size_t)width * TLOG_HASH;

    enum bv_err err = s->audit_tile_get(s->ctx, (uint64_t)level << 56 | number,
                                        stored, sizeof(stored), &len);
    if (err != BV_OK && err != BV_E_NOT_FOUND && err != BV_E_NO_SPACE)
        return err;
    c->report->tiles++;
    if (err != BV_OK || len != want ||
        memcmp(stored, c->tile[level], want) != 0)
        fault(c, "tile %u/%llu: does not fit its entries", level,
              (unsigned long long)number);
    return BV_OK;
}

static void
tile_root(const struct merkle_hash *hash, struct merkle_hash *ret_root)
{
    struct merkle_hash half[TLOG_TILE];

    memcpy(half, hash, sizeof(half));
    for (unsigned n = TLOG_TILE / 2; n > 0; n /= 2)
        for (unsigned i = 0; i < n; i++)
            merkle_node(&half[2 * i], &half[2 * i + 1], &half[i]);
    *ret_root = half[0];
}

static enum bv_err
fill_tiles(struct check *c, uint64_t n, const struct merkle_hash *leaf)
{
    struct merkle_hash hash = *leaf;

    for (unsigned level = 0; level < LEVELS; level++) {
        c->tile[level][n % TLOG_TILE] = hash;
        if (n % TLOG_TILE != TLOG_TILE - 1)
            return BV_OK;
        BV_TRY(check_tile(c, level, n / TLOG_TILE, TLOG_TILE));
        tile_root(c->tile[level], &hash);
        n /= TLOG_TILE;
    }
    return BV_OK;
}

/* The acts that put a row into the certificate table. */
static bool
makes_cert(const struct audit_event *event)
{
    return event->outcome == AUDIT_OK && (event->action == AUDIT_CERT_ISSUE ||
                                          event->action == AUDIT_CA_CERT ||
                                          event->action == AUDIT_OCSP_CERT ||
                                          event->action == AUDIT_TLS_CERT);
}

static enum bv_err
check_content(struct check *c, uint64_t index, struct span bytes)
{
    struct audit_report *r = c->report;
    struct audit_entry entry;

    if (audit_entry_decode(bytes, &entry) != BV_OK) {
        fault(c, "entry %llu: cannot be decoded", (unsigned long long)index);
        return BV_OK;
    }
    if (entry.index != index)
        fault(c, "entry %llu: says it is %llu", (unsigned long long)index,
              (unsigned long long)entry.index);
    if (entry.time_ms < r->last_ms)
        fault(c, "entry %llu: earlier than the one before",
              (unsigned long long)index);
    if (r->entries == 0)
        r->first_ms = entry.time_ms;
    r->last_ms = entry.time_ms;
    r->clock_back += entry.clock_back;
    if (!c->options->certs || !makes_cert(&entry.event))
        return BV_OK;
    if (entry.event.cert_sha256.len != MERKLE_HASH) {
        fault(c, "entry %llu: issued a certificate it does not name",
              (unsigned long long)index);
        return BV_OK;
    }
    return add_hash(&c->logged, entry.event.cert_sha256.data);
}

static enum bv_err
check_entry(void *user, uint64_t index, struct span bytes)
{
    struct check *c = user;
    struct merkle_hash leaf;

    if (index != c->tree.size) {
        fault(c, "entries %llu to %llu are missing",
              (unsigned long long)c->tree.size, (unsigned long long)index - 1);
        return BV_E_CORRUPT; /* nothing after a gap can be placed */
    }
    BV_TRY(check_content(c, index, bytes));
    merkle_leaf(bytes, &leaf);
    BV_TRY(fill_tiles(c, index, &leaf));
    merkle_append(&c->tree, &leaf);
    c->report->entries++;
    meet_checkpoints(c);
    if (c->options->progress != NULL && index % 4096 == 0)
        c->options->progress(c->options->user, index, c->total);
    return BV_OK;
}

static enum bv_err
check_partial_tiles(struct check *c)
{
    uint64_t n = c->tree.size / TLOG_TILE;

    for (unsigned level = 1; level < LEVELS && n > 0; level++) {
        if (n % TLOG_TILE != 0)
            BV_TRY(
                check_tile(c, level, n / TLOG_TILE, (unsigned)(n % TLOG_TILE)));
        n /= TLOG_TILE;
    }
    return BV_OK;
}

static enum bv_err
read_cert(void *user, const struct store_cert *row)
{
    struct check *c = user;
    struct merkle_hash hash;

    c->report->certs++;
    merkle_sha256(row->der, &hash);
    return add_hash(&c->stored, hash.octets);
}

struct page {
    struct check *check;
    uint64_t last;
    unsigned num;
};

static enum bv_err
read_page(void *user, const struct store_cert *row)
{
    struct page *page = user;

    page->last = row->seq;
    page->num++;
    return read_cert(page->check, row);
}

static enum bv_err
read_certs(struct check *c)
{
    struct store_cert_filter filter = {.status = -2, .limit = LIMIT_PAGE};
    struct page page;

    do {
        page = (struct page){.check = c};
        BV_TRY(c->store->cert_list(c->store->ctx, &filter, read_page, &page));
        filter.after = page.last;
    } while (page.num == LIMIT_PAGE);
    return BV_OK;
}

static int
by_octets(const void *a, const void *b)
{
    return memcmp(a, b, MERKLE_HASH);
}

static void
name_cert(struct check *c, const struct merkle_hash *hash, const char *what)
{
    char hex[2 * MERKLE_HASH + 1] = "";
    struct sink out = sink_of(hex, sizeof(hex) - 1);

    sink_hex(&out, SPAN_ARRAY(hash->octets));
    fault(c, "certificate with SHA-256 %s: %s", hex, what);
}

static void
sort(struct hashes *list)
{
    if (list->num > 0)
        qsort(list->hash, list->num, sizeof(*list->hash), by_octets);
}

static void
match_certs(struct check *c)
{
    size_t i = 0, j = 0;

    sort(&c->logged);
    sort(&c->stored);
    while (i < c->logged.num || j < c->stored.num) {
        int order = 0;
        if (i == c->logged.num)
            order = 1;
        else if (j == c->stored.num)
            order = -1;
        else
            order = by_octets(&c->logged.hash[i], &c->stored.hash[j]);
        if (order < 0)
            name_cert(c, &c->logged.hash[i], "issued, but not in the store");
        if (order > 0)
            name_cert(c, &c->stored.hash[j], "never issued by an entry");
        i += order <= 0;
        j += order >= 0;
    }
}

static enum bv_err
run(struct check *c)
{
    const struct store *s = c->store;

    BV_TRY(s->audit_size(s->ctx, &c->total));
    BV_TRY(s->checkpoint_each(s->ctx, 0, read_checkpoint, c));
    BV_TRY(read_known(c));
    meet_checkpoints(c); /* of the empty log */
    uint64_t faults = c->report->faults;
    enum bv_err err = s->audit_each(s->ctx, 0, UINT64_MAX, check_entry, c);
    if (err != BV_OK && !(err == BV_E_CORRUPT && c->report->faults > faults))
        return err;
    if (err == BV_OK)
        BV_TRY(check_partial_tiles(c));
    for (; c->next_expected < c->num_expected; c->next_expected++)
        fault(c, "checkpoint %llu: covers entries that are not there",
              (unsigned long long)c->expected[c->next_expected].size);
    merkle_root(&c->tree, &c->report->root);
    if (!c->options->certs || err != BV_OK)
        return BV_OK;
    BV_TRY(read_certs(c));
    match_certs(c);
    return BV_OK;
}

enum bv_err
audit_verify(const struct store *store,
             const struct audit_verify_options *options,
             struct audit_report *ret_report)
{
    struct audit_report report = {0};
    struct check *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return BV_E_NO_MEMORY;
    c->store = store;
    c->options = options;
    c->report = &report;
    enum bv_err err = run(c);
    free(c->expected);
    free(c->logged.hash);
    free(c->stored.hash);
    free(c);
    if (err == BV_OK)
        *ret_report = report;
    return err;
}
