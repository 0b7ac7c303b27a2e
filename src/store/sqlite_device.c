/* Devices, and keys that may never be certified. */
#include "store/sqlite_query.h"

static enum bv_err
read_device(struct sqlite_query *q, struct store_device *ret)
{
    *ret = (struct store_device){
        .id = sqlite_query_get_int(q, 0),
        .created_at = sqlite_query_get_int(q, 4),
        .last_seen = sqlite_query_get_int(q, 5),
        .blocked = sqlite_query_get_int(q, 6) != 0,
    };
    BV_TRY(sqlite_query_get_text(q, 1, ret->name, sizeof(ret->name)));
    BV_TRY(sqlite_query_get_text(q, 2, ret->group, sizeof(ret->group)));
    return sqlite_query_get_text(q, 3, ret->profile, sizeof(ret->profile));
}

static enum bv_err
one_device(struct sqlite_query *q, store_device_fn *fn, void *user)
{
    struct store_device row;

    BV_TRY(sqlite_query_one(q));
    BV_TRY(read_device(q, &row));
    return fn(user, &row);
}

static enum bv_err
write_device(struct sqlite *s, enum sqlite_sql sql,
             const struct store_device *row)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_write(s, sql, &q));
    if (row->id != 0)
        sqlite_query_int(&q, 1, row->id);
    sqlite_query_text(&q, 2, row->name);
    sqlite_query_text(&q, 3, row->group);
    sqlite_query_text(&q, 4, row->profile);
    sqlite_query_int(&q, 5, row->created_at);
    sqlite_query_int(&q, 6, row->last_seen);
    sqlite_query_int(&q, 7, row->blocked);
    return sqlite_query_change(&q);
}

static enum bv_err
device_put(void *ctx, const struct store_device *row, int64_t *ret_id)
{
    struct sqlite *s = ctx;
    bool insert = row->id == 0;
    enum bv_err err =
        write_device(s, insert ? SQL_DEVICE_INSERT : SQL_DEVICE_TOUCH, row);

    if (err == BV_E_NOT_FOUND && !insert)
        err = write_device(s, SQL_DEVICE_UPDATE, row);
    BV_TRY(err);
    s->delta[SQLITE_DEVICES] += insert;
    *ret_id = insert ? sqlite3_last_insert_rowid(s->db) : row->id;
    return BV_OK;
}

static enum bv_err
device_find(void *ctx, const char *name, store_device_fn *fn, void *user)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_DEVICE_FIND, &q));
    sqlite_query_text(&q, 1, name);
    return one_device(&q, fn, user);
}

static enum bv_err
device_get(void *ctx, int64_t id, store_device_fn *fn, void *user)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_DEVICE_GET, &q));
    sqlite_query_int(&q, 1, id);
    return one_device(&q, fn, user);
}

static enum bv_err
device_list(void *ctx, int64_t after, const char *group, unsigned limit,
            store_device_fn *fn, void *user)
{
    bool all = group == NULL || group[0] == '\0';
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, all ? SQL_DEVICE_LIST : SQL_DEVICE_LIST_GROUP,
                             &q));
    sqlite_query_int(&q, 1, after);
    sqlite_query_int(&q, 2, limit);
    if (!all)
        sqlite_query_text(&q, 3, group);
    for (;;) {
        struct store_device row;
        bool got;
        BV_TRY(sqlite_query_row(&q, &got));
        if (!got)
            return BV_OK;
        BV_TRY(read_device(&q, &row));
        BV_TRY(fn(user, &row));
    }
}

static enum bv_err
key_block(void *ctx, struct span key_hash, const char *why, int64_t at)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_write(ctx, SQL_KEY_BLOCK, &q));
    sqlite_query_blob(&q, 1, key_hash);
    sqlite_query_text(&q, 2, why);
    sqlite_query_int(&q, 3, at);
    return sqlite_query_run(&q);
}

static enum bv_err
key_blocked(void *ctx, struct span key_hash, bool *ret_blocked)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_KEY_BLOCKED, &q));
    sqlite_query_blob(&q, 1, key_hash);
    return sqlite_query_row(&q, ret_blocked);
}

static enum bv_err
key_each(void *ctx, store_key_fn *fn, void *user)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_KEY_EACH, &q));
    for (;;) {
        bool got;
        BV_TRY(sqlite_query_row(&q, &got));
        if (!got)
            return BV_OK;
        const struct store_key row = {
            .key_hash = sqlite_query_get_blob(&q, 0),
            .why = sqlite_query_get_blob(&q, 1),
            .at = sqlite_query_get_int(&q, 2),
        };
        BV_TRY(fn(user, &row));
    }
}

void
sqlite_device_fill(struct store *store)
{
    store->device_put = device_put;
    store->device_find = device_find;
    store->device_get = device_get;
    store->device_list = device_list;
    store->key_block = key_block;
    store->key_blocked = key_blocked;
    store->key_each = key_each;
}
