/* Transactions, meta, counters, number blocks, housekeeping. */
#include "store/sqlite_query.h"

#include <string.h>

static const char *const counter_name[SQLITE_COUNTERS_] = {
    [SQLITE_NEXT_SEQ] = "next_seq", [SQLITE_CERTS] = "certs",
    [SQLITE_REVOKED] = "revoked",   [SQLITE_DEVICES] = "devices",
    [SQLITE_TOKENS] = "tokens",     [SQLITE_PENDING] = "pending",
};

enum bv_err
sqlite_counters_load(struct sqlite *s)
{
    for (int i = 0; i < SQLITE_COUNTERS_; i++) {
        struct sqlite_query sqlite_auto q = {0};
        BV_TRY(sqlite_query_open(s, SQL_COUNTER_GET, &q));
        sqlite_query_text(&q, 1, counter_name[i]);
        enum bv_err err = sqlite_query_one(&q);
        if (err != BV_OK)
            return err == BV_E_NOT_FOUND ? BV_E_CORRUPT : err;
        s->counter[i] = sqlite_query_get_int(&q, 0);
    }
    return BV_OK;
}

/* The counters go into the transaction they count, once, at its end. */
static enum bv_err
write_counters(struct sqlite *s)
{
    for (int i = 0; i < SQLITE_COUNTERS_; i++) {
        if (s->delta[i] == 0)
            continue;
        struct sqlite_query sqlite_auto q = {0};
        BV_TRY(sqlite_query_write(s, SQL_COUNTER_PUT, &q));
        sqlite_query_text(&q, 1, counter_name[i]);
        sqlite_query_int(&q, 2, s->counter[i] + s->delta[i]);
        BV_TRY(sqlite_query_change(&q));
    }
    return BV_OK;
}

static enum bv_err
run(struct sqlite *s, enum sqlite_sql sql)
{
    struct sqlite_query sqlite_auto q = {0};
    BV_TRY(sqlite_query_open(s, sql, &q));
    return sqlite_query_run(&q);
}

static enum bv_err
begin(void *ctx)
{
    struct sqlite *s = ctx;

    if (s->in_transaction)
        return BV_E_USAGE;
    if (s->lock_fd < 0)
        return BV_E_IO; /* opened read-only */
    BV_TRY(run(s, SQL_BEGIN));
    s->in_transaction = true;
    memset(s->delta, 0, sizeof(s->delta));
    return BV_OK;
}

/* Failure is no error to the caller: the data is safe in the log already, and
 * the next attempt will find more to carry. */
static void
carry_log(struct sqlite *s)
{
    int frames = 0, carried = 0;
    int rc = sqlite3_wal_checkpoint_v2(s->db, "main", SQLITE_CHECKPOINT_PASSIVE,
                                       &frames, &carried);

    if (rc == SQLITE_OK && frames == carried)
        s->wal_frames = 0;
}

static enum bv_err
commit(void *ctx)
{
    struct sqlite *s = ctx;

    if (!s->in_transaction)
        return BV_E_USAGE;
    BV_TRY(write_counters(s));
    BV_TRY(run(s, SQL_COMMIT));
    s->in_transaction = false;
    for (int i = 0; i < SQLITE_COUNTERS_; i++)
        s->counter[i] += s->delta[i];
    memset(s->delta, 0, sizeof(s->delta));
    if (s->wal_frames > 4 * s->wal_pages)
        carry_log(s);
    return BV_OK;
}

static void
rollback(void *ctx)
{
    struct sqlite *s = ctx;

    /* SQLite may have rolled back already (disk full) */
    if (sqlite3_get_autocommit(s->db) == 0)
        (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    s->in_transaction = false;
    memset(s->delta, 0, sizeof(s->delta));
}

static enum bv_err
maintain(void *ctx)
{
    struct sqlite *s = ctx;

    if (s->in_transaction)
        return BV_E_USAGE;
    if (s->wal_frames > s->wal_pages)
        carry_log(s);
    return BV_OK;
}

static enum bv_err
meta_get(void *ctx, const char *key, uint8_t *buf, size_t cap, size_t *ret_len)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_META_GET, &q));
    sqlite_query_text(&q, 1, key);
    BV_TRY(sqlite_query_one(&q));
    struct span value = sqlite_query_get_blob(&q, 0);
    if (value.len > cap)
        return BV_E_NO_SPACE;
    if (value.len > 0)
        memcpy(buf, value.data, value.len);
    *ret_len = value.len;
    return BV_OK;
}

static enum bv_err
meta_put(void *ctx, const char *key, struct span value)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_write(ctx, SQL_META_PUT, &q));
    sqlite_query_text(&q, 1, key);
    sqlite_query_blob(&q, 2, value);
    return sqlite_query_run(&q);
}

static enum bv_err
sequence_reserve(void *ctx, uint64_t count, uint64_t *ret_first)
{
    struct sqlite *s = ctx;
    uint64_t next =
        (uint64_t)(s->counter[SQLITE_NEXT_SEQ] + s->delta[SQLITE_NEXT_SEQ]);

    if (!s->in_transaction || count == 0 || count > INT64_MAX - next)
        return BV_E_USAGE;
    s->delta[SQLITE_NEXT_SEQ] += (int64_t)count;
    *ret_first = next;
    return BV_OK;
}

static enum bv_err
counts(void *ctx, struct store_counts *ret_counts)
{
    const struct sqlite *s = ctx;
    uint64_t n[SQLITE_COUNTERS_];

    for (int i = 0; i < SQLITE_COUNTERS_; i++)
        n[i] = (uint64_t)(s->counter[i] + s->delta[i]);
    *ret_counts = (struct store_counts){
        .certs = n[SQLITE_CERTS],
        .revoked = n[SQLITE_REVOKED],
        .devices = n[SQLITE_DEVICES],
        .tokens = n[SQLITE_TOKENS],
        .pending = n[SQLITE_PENDING],
        .next_seq = n[SQLITE_NEXT_SEQ],
    };
    return BV_OK;
}

void
sqlite_fill(struct store *store)
{
    store->begin = begin;
    store->commit = commit;
    store->rollback = rollback;
    store->maintain = maintain;
    store->meta_get = meta_get;
    store->meta_put = meta_put;
    store->sequence_reserve = sequence_reserve;
    store->counts = counts;
}
