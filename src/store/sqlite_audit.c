/* The audit log's tables. What they mean is core/audit. */
#include "store/sqlite_query.h"

#include <string.h>

#define CHECKPOINTS_PIECE 64

static enum bv_err
audit_size(void *ctx, uint64_t *ret_size)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_AUDIT_SIZE, &q));
    BV_TRY(sqlite_query_one(&q));
    bool none = sqlite3_column_type(q.stmt, 0) == SQLITE_NULL;
    *ret_size = none ? 0 : (uint64_t)sqlite_query_get_int(&q, 0) + 1;
    return BV_OK;
}

static enum bv_err
put(struct sqlite *s, enum sqlite_sql sql, uint64_t key, struct span bytes)
{
    struct sqlite_query sqlite_auto q = {0};

    if (key > INT64_MAX)
        return BV_E_USAGE;
    BV_TRY(sqlite_query_write(s, sql, &q));
    sqlite_query_int(&q, 1, (int64_t)key);
    sqlite_query_blob(&q, 2, bytes);
    return sqlite_query_run(&q);
}

static enum bv_err
each(struct sqlite_query *q, store_bytes_fn *fn, void *user)
{
    for (;;) {
        bool got;
        BV_TRY(sqlite_query_row(q, &got));
        if (!got)
            return BV_OK;
        BV_TRY(fn(user, (uint64_t)sqlite_query_get_int(q, 0),
                  sqlite_query_get_blob(q, 1)));
    }
}

static enum bv_err
audit_put(void *ctx, uint64_t index, struct span entry)
{
    return put(ctx, SQL_AUDIT_PUT, index, entry);
}

static enum bv_err
audit_each(void *ctx, uint64_t from, uint64_t to, store_bytes_fn *fn,
           void *user)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_AUDIT_EACH, &q));
    sqlite_query_int(&q, 1, from > INT64_MAX ? INT64_MAX : (int64_t)from);
    sqlite_query_int(&q, 2, to > INT64_MAX ? INT64_MAX : (int64_t)to);
    return each(&q, fn, user);
}

static enum bv_err
audit_tile_put(void *ctx, uint64_t key, struct span hashes)
{
    return put(ctx, SQL_TILE_PUT, key, hashes);
}

static enum bv_err
audit_tile_get(void *ctx, uint64_t key, uint8_t *buf, size_t cap,
               size_t *ret_len)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_TILE_GET, &q));
    sqlite_query_int(&q, 1, (int64_t)key);
    BV_TRY(sqlite_query_one(&q));
    struct span hashes = sqlite_query_get_blob(&q, 0);
    if (hashes.len > cap)
        return BV_E_NO_SPACE;
    if (hashes.len > 0)
        memcpy(buf, hashes.data, hashes.len);
    *ret_len = hashes.len;
    return BV_OK;
}

static enum bv_err
checkpoint_put(void *ctx, uint64_t size, struct span note)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(put(ctx, SQL_CHECKPOINT_PUT, size, note));
    BV_TRY(sqlite_query_write(ctx, SQL_CHECKPOINT_THIN, &q));
    sqlite_query_int(&q, 1, STORE_CHECKPOINTS_KEPT);
    sqlite_query_int(&q, 2, CHECKPOINTS_PIECE);
    sqlite_query_int(&q, 3, STORE_CHECKPOINTS_EVERY);
    return sqlite_query_run(&q);
}

static enum bv_err
checkpoint_last(void *ctx, store_bytes_fn *fn, void *user)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_CHECKPOINT_LAST, &q));
    BV_TRY(sqlite_query_one(&q));
    return fn(user, (uint64_t)sqlite_query_get_int(&q, 0),
              sqlite_query_get_blob(&q, 1));
}

static enum bv_err
checkpoint_each(void *ctx, uint64_t from_size, store_bytes_fn *fn, void *user)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_CHECKPOINT_EACH, &q));
    sqlite_query_int(&q, 1, (int64_t)from_size);
    return each(&q, fn, user);
}

void
sqlite_audit_fill(struct store *store)
{
    store->audit_size = audit_size;
    store->audit_put = audit_put;
    store->audit_each = audit_each;
    store->audit_tile_put = audit_tile_put;
    store->audit_tile_get = audit_tile_get;
    store->checkpoint_put = checkpoint_put;
    store->checkpoint_last = checkpoint_last;
    store->checkpoint_each = checkpoint_each;
}
