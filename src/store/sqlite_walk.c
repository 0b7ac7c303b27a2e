/* The walk over what is revoked: a reader of its own, so that the writer goes
 * on beside it. */
#include "base/auto.h"
#include "store/sqlite_query.h"

struct store_walk {
    struct sqlite s; /* only for its one query */
    struct sqlite_query q;
};

static void
revoked_close(struct store_walk *walk)
{
    if (walk == NULL)
        return;
    sqlite_query_done(&walk->q);
    sqlite_query_forget(&walk->s);
    (void)sqlite3_close(walk->s.db);
    free(walk);
}

BV_AUTO_DEFINE(walk, struct store_walk, revoked_close)

/* The first read of the transaction fixes what it sees. */
static enum bv_err
begin(struct store_walk *walk, const char *path)
{
    /* a small cache: each page is read once */
    const char *sql = "PRAGMA cache_size = -256; PRAGMA cell_size_check = ON;"
                      "BEGIN; SELECT count(*) FROM sqlite_schema";
    int rc = sqlite3_open_v2(path, &walk->s.db,
                             SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc != SQLITE_OK)
        return sqlite_query_err(walk->s.db, rc);
    (void)sqlite3_extended_result_codes(walk->s.db, 1);
    (void)sqlite3_busy_timeout(walk->s.db, SQLITE_BUSY_MS);
    rc = sqlite3_exec(walk->s.db, sql, NULL, NULL, NULL);
    return sqlite_query_err(walk->s.db, rc);
}

static enum bv_err
revoked_open(void *ctx, uint8_t issuer, struct store_walk **ret_walk)
{
    const struct sqlite *s = ctx;
    bv_auto(walk) struct store_walk *walk = calloc(1, sizeof(*walk));

    if (walk == NULL)
        return BV_E_NO_MEMORY;
    BV_TRY(begin(walk, s->path));
    BV_TRY(sqlite_query_open(&walk->s, SQL_REVOKED_EACH, &walk->q));
    sqlite_query_int(&walk->q, 1, issuer);
    *ret_walk = BV_STEAL(walk);
    return BV_OK;
}

static enum bv_err
revoked_next(struct store_walk *walk, unsigned max, store_revoked_fn *fn,
             void *user, bool *ret_more)
{
    struct sqlite_query *q = &walk->q;

    *ret_more = true;
    while (max-- > 0 && *ret_more) {
        BV_TRY(sqlite_query_row(q, ret_more));
        if (!*ret_more)
            break;
        struct store_revoked row = {
            .seq = (uint64_t)sqlite_query_get_int(q, 0),
            .serial = sqlite_query_get_blob(q, 1),
            .reason = (int)sqlite_query_get_int(q, 2),
            .at = sqlite_query_get_int(q, 3),
            .not_after = sqlite_query_get_int(q, 4),
        };
        BV_TRY(fn(user, &row));
    }
    return BV_OK;
}

void
sqlite_walk_fill(struct store *store)
{
    store->revoked_open = revoked_open;
    store->revoked_next = revoked_next;
    store->revoked_close = revoked_close;
}
