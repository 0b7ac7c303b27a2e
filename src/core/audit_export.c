/* The log as files, in the layout of C2SP tlog-tiles. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "core/audit.h"
#include "core/audit_verify.h"

#define LEVELS     7
#define BUNDLE_MAX (TLOG_TILE * (LIMIT_AUDIT_ENTRY + 2))

struct export
{
    const char *dir;
    uint64_t size;
    struct merkle_hash tile[LEVELS][TLOG_TILE];
    uint8_t bundle[BUNDLE_MAX];
    size_t bundle_len;
    uint8_t note[TLOG_NOTE_MAX];
    size_t note_len;
};

static enum bv_err
make_parents(char *path, size_t from)
{
    for (char *p = path + from; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        int rc = mkdir(path, 0755);
        *p = '/';
        if (rc != 0 && errno != EEXIST)
            return errno == ENOSPC ? BV_E_DISK_FULL : BV_E_IO;
    }
    return BV_OK;
}

static enum bv_err
write_file(const struct export *x, const char *name, struct span bytes)
{
    char path[4096];

    int len = snprintf(path, sizeof(path), "%s/%s", x->dir, name);
    if (len < 0 || (size_t)len >= sizeof(path))
        return BV_E_TOO_LARGE;
    BV_TRY(make_parents(path, strlen(x->dir) + 1));
    bv_auto_close int fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return BV_E_IO;
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.data, bytes.len);
        if (n < 0)
            return errno == ENOSPC ? BV_E_DISK_FULL : BV_E_IO;
        bytes = span_of(bytes.data + n, bytes.len - (size_t)n);
    }
    return BV_OK;
}

static enum bv_err
write_tile(const struct export *x, unsigned level, uint64_t number,
           unsigned width, struct span bytes)
{
    char name[128] = "";
    struct sink out = sink_of(name, sizeof(name) - 1);
    struct span all;

    tlog_tile_path(&out, level, number, width);
    BV_TRY(sink_done(&out, &all));
    return write_file(x, name, bytes);
}

static enum bv_err
write_hashes(const struct export *x, unsigned level, uint64_t number,
             unsigned width)
{
    return write_tile(x, level, number, width,
                      span_of(x->tile[level], (size_t)width * TLOG_HASH));
}

static enum bv_err
flush_bundle(struct export *x, uint64_t number, unsigned width)
{
    struct span bytes = span_of(x->bundle, x->bundle_len);

    x->bundle_len = 0;
    return write_tile(x, TLOG_ENTRIES, number, width, bytes);
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
add_leaf(struct export *x, uint64_t n, struct merkle_hash hash)
{
    for (unsigned level = 0; level < LEVELS; level++, n /= TLOG_TILE) {
        x->tile[level][n % TLOG_TILE] = hash;
        if (n % TLOG_TILE != TLOG_TILE - 1)
            return BV_OK;
        BV_TRY(write_hashes(x, level, n / TLOG_TILE, TLOG_TILE));
        tile_root(x->tile[level], &hash);
    }
    return BV_OK;
}

static enum bv_err
export_entry(void *user, uint64_t index, struct span bytes)
{
    struct export *x = user;
    struct merkle_hash leaf;
    struct sink out =
        sink_of(x->bundle + x->bundle_len, BUNDLE_MAX - x->bundle_len);
    struct span all;

    if (bytes.len > LIMIT_AUDIT_ENTRY)
        return BV_E_CORRUPT;
    sink_u16(&out, (uint16_t)bytes.len);
    sink_put(&out, bytes);
    BV_TRY(sink_done(&out, &all));
    x->bundle_len += all.len;
    if (index % TLOG_TILE == TLOG_TILE - 1)
        BV_TRY(flush_bundle(x, index / TLOG_TILE, TLOG_TILE));
    merkle_leaf(bytes, &leaf);
    return add_leaf(x, index, leaf);
}

static enum bv_err
export_partial(struct export *x)
{
    uint64_t n = x->size;

    if (n % TLOG_TILE != 0)
        BV_TRY(flush_bundle(x, n / TLOG_TILE, (unsigned)(n % TLOG_TILE)));
    for (unsigned level = 0; level < LEVELS && n > 0; level++) {
        unsigned width = (unsigned)(n % TLOG_TILE);
        if (width != 0)
            BV_TRY(write_hashes(x, level, n / TLOG_TILE, width));
        n /= TLOG_TILE;
    }
    return BV_OK;
}

static enum bv_err
keep_note(void *user, uint64_t size, struct span note)
{
    struct export *x = user;

    if (note.len > sizeof(x->note))
        return BV_E_CORRUPT;
    memcpy(x->note, note.data, note.len);
    x->note_len = note.len;
    x->size = size;
    return BV_OK;
}

enum bv_err
audit_export(const struct store *store, const char *dir, uint64_t *ret_entries)
{
    bv_auto_free struct export *x = calloc(1, sizeof(*x));

    if (x == NULL)
        return BV_E_NO_MEMORY;
    x->dir = dir;
    BV_TRY(store->checkpoint_last(store->ctx, keep_note, x));
    BV_TRY(store->audit_each(store->ctx, 0, x->size, export_entry, x));
    BV_TRY(export_partial(x));
    /* last: it promises that the tiles are there */
    BV_TRY(write_file(x, "checkpoint", span_of(x->note, x->note_len)));
    *ret_entries = x->size;
    return BV_OK;
}
