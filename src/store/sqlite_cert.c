/* Certificates: rows, idempotency keys, listings. */
#include "store/sqlite_query.h"

/* Idempotency keys kept: a device that repeats a request does so within
 * minutes; at the highest rate this is still several seconds of them, at a
 * usual one days. */
#define REQUESTS_KEPT 65536

enum cert_column {
    COL_SEQ,
    COL_ISSUER,
    COL_DEVICE,
    COL_PROFILE,
    COL_NOT_BEFORE,
    COL_NOT_AFTER,
    COL_REPLACES,
    COL_REASON,
    COL_REVOKED_AT,
    COL_SERIAL,
    COL_KEY_HASH,
    COL_DER,
};

static enum bv_err
read_cert(struct sqlite_query *q, struct store_cert *ret)
{
    bool good = sqlite3_column_type(q->stmt, COL_REASON) == SQLITE_NULL;

    *ret = (struct store_cert){
        .seq = (uint64_t)sqlite_query_get_int(q, COL_SEQ),
        .issuer = (uint8_t)sqlite_query_get_int(q, COL_ISSUER),
        .device = sqlite_query_get_int(q, COL_DEVICE),
        .not_before = sqlite_query_get_int(q, COL_NOT_BEFORE),
        .not_after = sqlite_query_get_int(q, COL_NOT_AFTER),
        .replaces = (uint64_t)sqlite_query_get_int(q, COL_REPLACES),
        .reason = good ? -1 : (int)sqlite_query_get_int(q, COL_REASON),
        .revoked_at = sqlite_query_get_int(q, COL_REVOKED_AT),
        .serial = sqlite_query_get_blob(q, COL_SERIAL),
        .key_hash = sqlite_query_get_blob(q, COL_KEY_HASH),
        .der = sqlite_query_get_blob(q, COL_DER),
    };
    return sqlite_query_get_text(q, COL_PROFILE, ret->profile,
                                 sizeof(ret->profile));
}

static enum bv_err
each_cert(struct sqlite_query *q, store_cert_fn *fn, void *user)
{
    for (;;) {
        struct store_cert row;
        bool got;
        BV_TRY(sqlite_query_row(q, &got));
        if (!got)
            return BV_OK;
        BV_TRY(read_cert(q, &row));
        BV_TRY(fn(user, &row));
    }
}

static enum bv_err
put_request(struct sqlite *s, const struct store_cert *row)
{
    struct sqlite_query sqlite_auto put = {0};

    BV_TRY(sqlite_query_write(s, SQL_REQUEST_INSERT, &put));
    sqlite_query_int(&put, 1, (int64_t)row->seq);
    sqlite_query_blob(&put, 2, row->request_hash);
    BV_TRY(sqlite_query_run(&put));
    /* in steps, so that the pruning costs next to nothing per certificate */
    if (row->seq % 64 != 0 || row->seq <= REQUESTS_KEPT)
        return BV_OK;
    struct sqlite_query sqlite_auto prune = {0};
    BV_TRY(sqlite_query_write(s, SQL_REQUEST_PRUNE, &prune));
    sqlite_query_int(&prune, 1, (int64_t)(row->seq - REQUESTS_KEPT));
    return sqlite_query_run(&prune);
}

static enum bv_err
cert_put(void *ctx, const struct store_cert *row)
{
    struct sqlite *s = ctx;
    struct sqlite_query sqlite_auto q = {0};

    if (row->seq == 0 || row->seq > INT64_MAX || row->key_hash.len != 32)
        return BV_E_USAGE;
    BV_TRY(sqlite_query_write(s, SQL_CERT_INSERT, &q));
    sqlite_query_int(&q, 1 + COL_SEQ, (int64_t)row->seq);
    sqlite_query_int(&q, 1 + COL_ISSUER, row->issuer);
    sqlite_query_int_or_null(&q, 1 + COL_DEVICE, row->device, 0);
    sqlite_query_text(&q, 1 + COL_PROFILE, row->profile);
    sqlite_query_int(&q, 1 + COL_NOT_BEFORE, row->not_before);
    sqlite_query_int(&q, 1 + COL_NOT_AFTER, row->not_after);
    sqlite_query_int_or_null(&q, 1 + COL_REPLACES, (int64_t)row->replaces, 0);
    sqlite_query_blob(&q, 1 + COL_SERIAL, row->serial);
    sqlite_query_blob(&q, 1 + COL_KEY_HASH, row->key_hash);
    sqlite_query_blob(&q, 1 + COL_DER, row->der);
    BV_TRY(sqlite_query_run(&q));
    s->delta[SQLITE_CERTS]++;
    return row->request_hash.len == 0 ? BV_OK : put_request(s, row);
}

static enum bv_err
one_cert(struct sqlite_query *q, store_cert_fn *fn, void *user)
{
    struct store_cert row;

    BV_TRY(sqlite_query_one(q));
    BV_TRY(read_cert(q, &row));
    return fn(user, &row);
}

static enum bv_err
cert_find(void *ctx, uint64_t seq, store_cert_fn *fn, void *user)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_CERT_FIND, &q));
    sqlite_query_int(&q, 1, seq > INT64_MAX ? 0 : (int64_t)seq);
    return one_cert(&q, fn, user);
}

/* Only among the certificates whose idempotency keys are kept, so that a key
 * used for years is no long search. */
static enum bv_err
cert_of_request(void *ctx, struct span key_hash, struct span request_hash,
                store_cert_fn *fn, void *user)
{
    const struct sqlite *s = ctx;
    int64_t next = s->counter[SQLITE_NEXT_SEQ];
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_REQUEST_FIND, &q));
    sqlite_query_blob(&q, 1, key_hash);
    sqlite_query_blob(&q, 2, request_hash);
    sqlite_query_int(&q, 3, next > REQUESTS_KEPT ? next - REQUESTS_KEPT : 0);
    return one_cert(&q, fn, user);
}

static enum bv_err
certs_of_key(void *ctx, struct span key_hash, store_cert_fn *fn, void *user)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_CERT_OF_KEY, &q));
    sqlite_query_blob(&q, 1, key_hash);
    return each_cert(&q, fn, user);
}

static enum bv_err
cert_of_serial(void *ctx, uint8_t issuer, struct span serial, bool *ret_found)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_CERT_OF_SERIAL, &q));
    sqlite_query_int(&q, 1, issuer);
    sqlite_query_blob(&q, 2, serial);
    return sqlite_query_row(&q, ret_found);
}

static enum sqlite_sql
list_sql(const struct store_cert_filter *filter)
{
    if (filter->expires_before != 0)
        return filter->device != 0 ? SQL_CERT_LIST_DEVICE_EXPIRY
                                   : SQL_CERT_LIST_EXPIRY;
    if (filter->device != 0)
        return SQL_CERT_LIST_DEVICE;
    return filter->status == -3 ? SQL_CERT_LIST_REVOKED : SQL_CERT_LIST;
}

/* In order of expiry the key of a row is (not_after, seq): a page goes on
 * where the row `after` stands in that order. */
static enum bv_err
expiry_start(struct sqlite *s, const struct store_cert_filter *filter,
             int64_t *ret_from, int64_t *ret_after)
{
    struct sqlite_query sqlite_auto q = {0};

    *ret_from = filter->expires_after;
    *ret_after = 0;
    if (filter->after == 0)
        return BV_OK;
    BV_TRY(sqlite_query_open(s, SQL_CERT_NOT_AFTER, &q));
    sqlite_query_int(&q, 1, (int64_t)filter->after);
    BV_TRY(sqlite_query_one(&q));
    int64_t not_after = sqlite_query_get_int(&q, 0);
    if (not_after < filter->expires_after)
        return BV_OK;
    *ret_from = not_after;
    *ret_after = (int64_t)filter->after;
    return BV_OK;
}

static bool
has_param(enum sqlite_sql sql, char kind)
{
    if (kind == 's')
        return sql != SQL_CERT_LIST_REVOKED;
    return sql == SQL_CERT_LIST_EXPIRY || sql == SQL_CERT_LIST_DEVICE_EXPIRY;
}

static enum bv_err
cert_list(void *ctx, const struct store_cert_filter *filter, store_cert_fn *fn,
          void *user)
{
    enum sqlite_sql sql = list_sql(filter);
    int64_t from = 0, after = (int64_t)filter->after;
    struct sqlite_query sqlite_auto q = {0};

    if (filter->after > INT64_MAX)
        return BV_OK;
    if (has_param(sql, 'e'))
        BV_TRY(expiry_start(ctx, filter, &from, &after));
    BV_TRY(sqlite_query_open(ctx, sql, &q));
    sqlite_query_int(&q, 1, after);
    sqlite_query_int(&q, 2, filter->limit);
    if (filter->device != 0)
        sqlite_query_int(&q, 3, filter->device);
    if (has_param(sql, 's'))
        sqlite_query_int(&q, 4, filter->status);
    if (has_param(sql, 'e')) {
        sqlite_query_int(&q, 5, from);
        sqlite_query_int(&q, 6, filter->expires_before);
    }
    return each_cert(&q, fn, user);
}

static enum bv_err
cert_count_live(void *ctx, int64_t device, int64_t now, unsigned max,
                unsigned *ret_num)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_CERT_COUNT_LIVE, &q));
    sqlite_query_int(&q, 1, device);
    sqlite_query_int(&q, 2, now);
    sqlite_query_int(&q, 3, max);
    BV_TRY(sqlite_query_one(&q));
    *ret_num = (unsigned)sqlite_query_get_int(&q, 0);
    return BV_OK;
}

static enum bv_err
cert_has_newer(void *ctx, int64_t device, uint64_t after, const char *profile,
               struct span key_hash, bool *ret_has)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_CERT_NEWER, &q));
    sqlite_query_int(&q, 1, device);
    sqlite_query_int(&q, 2, (int64_t)after);
    sqlite_query_text(&q, 3, profile);
    sqlite_query_blob(&q, 4, key_hash);
    BV_TRY(sqlite_query_one(&q));
    *ret_has = sqlite_query_get_int(&q, 0) != 0;
    return BV_OK;
}

/* A few rows are read where they are; for many the index is scanned. */
#define SINCE_FEW   4096
#define SINCE_SHARE 32

static bool
are_many(const struct sqlite *s, uint64_t after)
{
    uint64_t next = (uint64_t)s->counter[SQLITE_NEXT_SEQ];

    return next > after && next - after > SINCE_FEW &&
           next - after > next / SINCE_SHARE;
}

static enum bv_err
certs_since(void *ctx, uint64_t after, store_cert_fn *fn, void *user)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(
        ctx, are_many(ctx, after) ? SQL_CERT_SINCE_LONG : SQL_CERT_SINCE, &q));
    sqlite_query_int(&q, 1, (int64_t)after);
    for (;;) {
        bool got;
        BV_TRY(sqlite_query_row(&q, &got));
        if (!got)
            return BV_OK;
        bool good = sqlite3_column_type(q.stmt, 2) == SQLITE_NULL;
        struct store_cert row = {
            .seq = (uint64_t)sqlite_query_get_int(&q, 0),
            .issuer = (uint8_t)sqlite_query_get_int(&q, 1),
            .reason = good ? -1 : (int)sqlite_query_get_int(&q, 2),
            .revoked_at = sqlite_query_get_int(&q, 3),
        };
        BV_TRY(fn(user, &row));
    }
}

void
sqlite_cert_fill(struct store *store)
{
    store->cert_put = cert_put;
    store->cert_find = cert_find;
    store->cert_of_request = cert_of_request;
    store->certs_of_key = certs_of_key;
    store->cert_of_serial = cert_of_serial;
    store->cert_list = cert_list;
    store->cert_count_live = cert_count_live;
    store->cert_has_newer = cert_has_newer;
    store->certs_since = certs_since;
}
