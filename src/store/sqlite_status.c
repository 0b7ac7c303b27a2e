/* Status changes, the revoked table, CRLs, issuers. */
#include "store/sqlite_query.h"

#include <string.h>

#define CHANGES_PIECE 2000 /* a millisecond or two */
#define CRLS_PIECE    64

struct status {
    int64_t seq, issuer, not_after;
    bool revoked;
    uint8_t serial[LIMIT_SERIAL];
    size_t serial_len;
};

static enum bv_err
get_status(struct sqlite *s, uint64_t seq, struct status *ret)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(s, SQL_STATUS_GET, &q));
    sqlite_query_int(&q, 1, seq > INT64_MAX ? 0 : (int64_t)seq);
    BV_TRY(sqlite_query_one(&q));
    struct span serial = sqlite_query_get_blob(&q, 2);
    if (serial.len == 0 || serial.len > LIMIT_SERIAL)
        return BV_E_CORRUPT;
    *ret = (struct status){
        .seq = (int64_t)seq,
        .issuer = sqlite_query_get_int(&q, 0),
        .revoked = sqlite3_column_type(q.stmt, 1) != SQLITE_NULL,
        .not_after = sqlite_query_get_int(&q, 3),
        .serial_len = serial.len,
    };
    memcpy(ret->serial, serial.data, serial.len);
    return BV_OK;
}

static enum bv_err
put_status(struct sqlite *s, const struct status *cert, int reason, int64_t at)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_write(s, SQL_STATUS_PUT, &q));
    sqlite_query_int(&q, 1, cert->seq);
    if (reason >= 0) {
        sqlite_query_int(&q, 2, reason);
        sqlite_query_int(&q, 3, at);
    }
    return sqlite_query_change(&q);
}

static enum bv_err
put_change(struct sqlite *s, const struct status *cert, int reason, int64_t at,
           uint64_t *ret_change)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_write(s, SQL_CHANGE_INSERT, &q));
    sqlite_query_int(&q, 1, cert->seq);
    sqlite_query_int(&q, 2, cert->issuer);
    sqlite_query_int(&q, 3, reason);
    sqlite_query_int(&q, 4, at);
    BV_TRY(sqlite_query_run(&q));
    *ret_change = (uint64_t)sqlite3_last_insert_rowid(s->db);
    return BV_OK;
}

static enum bv_err
write_revoked(struct sqlite *s, enum sqlite_sql sql, int64_t issuer,
              const struct store_revoked *row)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_write(s, sql, &q));
    sqlite_query_int(&q, 1, issuer);
    sqlite_query_int(&q, 2, (int64_t)row->seq);
    sqlite_query_blob(&q, 3, row->serial);
    sqlite_query_int(&q, 4, row->reason);
    sqlite_query_int(&q, 5, row->at);
    sqlite_query_int(&q, 6, row->not_after);
    return sqlite_query_run(&q);
}

static enum bv_err
put_revoked(struct sqlite *s, const struct status *cert, int reason, int64_t at)
{
    const struct store_revoked row = {
        .seq = (uint64_t)cert->seq,
        .serial = span_of(cert->serial, cert->serial_len),
        .reason = reason,
        .at = at,
        .not_after = cert->not_after,
    };

    return write_revoked(s, SQL_REVOKED_PUT, cert->issuer, &row);
}

static enum bv_err
drop_revoked(struct sqlite *s, const struct status *cert)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_write(s, SQL_REVOKED_DROP, &q));
    sqlite_query_int(&q, 1, cert->issuer);
    sqlite_query_int(&q, 2, cert->seq);
    return sqlite_query_run(&q);
}

static enum bv_err
cert_status(void *ctx, uint64_t seq, int reason, int64_t at,
            uint64_t *ret_change)
{
    struct sqlite *s = ctx;
    struct status cert;
    uint64_t change;

    BV_TRY(get_status(s, seq, &cert));
    BV_TRY(put_status(s, &cert, reason, at));
    BV_TRY(put_change(s, &cert, reason, at, &change));
    BV_TRY(reason >= 0 ? put_revoked(s, &cert, reason, at)
                       : drop_revoked(s, &cert));
    s->delta[SQLITE_REVOKED] += (reason >= 0) - (cert.revoked ? 1 : 0);
    *ret_change = change;
    return BV_OK;
}

static enum bv_err
changes_since(void *ctx, uint64_t after, store_change_fn *fn, void *user)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_CHANGE_SINCE, &q));
    sqlite_query_int(&q, 1, (int64_t)after);
    for (;;) {
        bool got;
        BV_TRY(sqlite_query_row(&q, &got));
        if (!got)
            return BV_OK;
        struct store_change row = {
            .change = (uint64_t)sqlite_query_get_int(&q, 0),
            .seq = (uint64_t)sqlite_query_get_int(&q, 1),
            .issuer = (uint8_t)sqlite_query_get_int(&q, 2),
            .reason = (int)sqlite_query_get_int(&q, 3),
            .at = sqlite_query_get_int(&q, 4),
        };
        BV_TRY(fn(user, &row));
    }
}

static enum bv_err
changes_prune(void *ctx, uint64_t before, bool *ret_more)
{
    struct sqlite_query sqlite_auto q = {0};
    struct sqlite_query sqlite_auto first = {0};

    BV_TRY(sqlite_query_write(ctx, SQL_CHANGE_PRUNE, &q));
    sqlite_query_int(&q, 1, (int64_t)before);
    sqlite_query_int(&q, 2, CHANGES_PIECE);
    BV_TRY(sqlite_query_run(&q));
    BV_TRY(sqlite_query_open(ctx, SQL_CHANGE_FIRST, &first));
    BV_TRY(sqlite_query_row(&first, ret_more));
    if (*ret_more)
        *ret_more = (uint64_t)sqlite_query_get_int(&first, 0) < before;
    return BV_OK;
}

static enum bv_err
revoked_prune(void *ctx, uint8_t issuer, uint64_t first, uint64_t last,
              int64_t before)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_write(ctx, SQL_REVOKED_PRUNE, &q));
    sqlite_query_int(&q, 1, issuer);
    sqlite_query_int(&q, 2, (int64_t)first);
    sqlite_query_int(&q, 3, (int64_t)last);
    sqlite_query_int(&q, 4, before);
    return sqlite_query_run(&q);
}

static enum bv_err
revoked_put(void *ctx, uint8_t issuer, const struct store_revoked *row)
{
    if (row->seq == 0 || row->seq > INT64_MAX || row->serial.len == 0)
        return BV_E_USAGE;
    return write_revoked(ctx, SQL_REVOKED_ADD, issuer, row);
}

static enum bv_err
revoked_mend(void *ctx, uint8_t issuer, int64_t from)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_write(ctx, SQL_REVOKED_MEND, &q));
    sqlite_query_int(&q, 1, issuer);
    sqlite_query_int(&q, 2, from);
    return sqlite_query_run(&q);
}

static enum bv_err
crl_last(void *ctx, uint8_t issuer, struct store_crl *ret_row)
{
    struct sqlite *s = ctx;
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(s, SQL_CRL_LAST, &q));
    sqlite_query_int(&q, 1, issuer);
    BV_TRY(sqlite_query_one(&q));
    struct span sha256 = sqlite_query_get_blob(&q, 3);
    if (sha256.len != sizeof(ret_row->sha256))
        return BV_E_CORRUPT;
    ret_row->issuer = issuer;
    ret_row->number = (uint64_t)sqlite_query_get_int(&q, 0);
    ret_row->this_update = sqlite_query_get_int(&q, 1);
    ret_row->next_update = sqlite_query_get_int(&q, 2);
    memcpy(ret_row->sha256, sha256.data, sizeof(ret_row->sha256));
    return BV_OK;
}

static enum bv_err
prune_crls(struct sqlite *s, const struct store_crl *row)
{
    struct sqlite_query sqlite_auto q = {0};

    if (row->number <= STORE_CRLS_KEPT)
        return BV_OK;
    BV_TRY(sqlite_query_write(s, SQL_CRL_PRUNE, &q));
    sqlite_query_int(&q, 1, row->issuer);
    sqlite_query_int(&q, 2, (int64_t)(row->number - STORE_CRLS_KEPT));
    sqlite_query_int(&q, 3, CRLS_PIECE);
    return sqlite_query_run(&q);
}

static enum bv_err
crl_put(void *ctx, const struct store_crl *row)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_write(ctx, SQL_CRL_PUT, &q));
    sqlite_query_int(&q, 1, row->issuer);
    sqlite_query_int(&q, 2, (int64_t)row->number);
    sqlite_query_int(&q, 3, row->this_update);
    sqlite_query_int(&q, 4, row->next_update);
    sqlite_query_blob(&q, 5, SPAN_ARRAY(row->sha256));
    BV_TRY(sqlite_query_run(&q));
    return prune_crls(ctx, row);
}

static enum bv_err
next_issuer(struct sqlite *s, int64_t *ret_id)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(s, SQL_ISSUER_NEXT, &q));
    BV_TRY(sqlite_query_one(&q));
    int64_t id = sqlite_query_get_int(&q, 0);
    if (id > UINT8_MAX)
        return BV_E_TOO_MANY;
    *ret_id = id;
    return BV_OK;
}

static enum bv_err
issuer_put(void *ctx, const struct store_issuer *row, uint8_t *ret_id)
{
    struct sqlite_query sqlite_auto q = {0};
    int64_t id = row->id;

    if (row->id == 0)
        BV_TRY(next_issuer(ctx, &id));
    BV_TRY(sqlite_query_write(
        ctx, row->id == 0 ? SQL_ISSUER_INSERT : SQL_ISSUER_UPDATE, &q));
    sqlite_query_int(&q, 1, id);
    sqlite_query_text(&q, 2, row->name);
    sqlite_query_blob(&q, 3, row->key_hash);
    sqlite_query_blob(&q, 4, row->cert);
    BV_TRY(sqlite_query_change(&q));
    *ret_id = (uint8_t)id;
    return BV_OK;
}

static enum bv_err
issuer_each(void *ctx, store_issuer_fn *fn, void *user)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_ISSUER_EACH, &q));
    for (;;) {
        bool got;
        BV_TRY(sqlite_query_row(&q, &got));
        if (!got)
            return BV_OK;
        struct store_issuer row = {
            .id = (uint8_t)sqlite_query_get_int(&q, 0),
            .key_hash = sqlite_query_get_blob(&q, 2),
            .cert = sqlite_query_get_blob(&q, 3),
        };
        BV_TRY(sqlite_query_get_text(&q, 1, row.name, sizeof(row.name)));
        BV_TRY(fn(user, &row));
    }
}

void
sqlite_status_fill(struct store *store)
{
    store->cert_status = cert_status;
    store->changes_since = changes_since;
    store->changes_prune = changes_prune;
    store->revoked_prune = revoked_prune;
    store->revoked_put = revoked_put;
    store->revoked_mend = revoked_mend;
    store->crl_last = crl_last;
    store->crl_put = crl_put;
    store->issuer_put = issuer_put;
    store->issuer_each = issuer_each;
}
