/* Enrolment tokens and requests that wait for approval. */
#include "store/sqlite_query.h"

static enum bv_err
read_token(struct sqlite_query *q, struct store_token *ret)
{
    *ret = (struct store_token){
        .id = sqlite_query_get_int(q, 0),
        .kind = sqlite_query_get_int(q, 1) == STORE_TOKEN_DEVICE
                    ? STORE_TOKEN_DEVICE
                    : STORE_TOKEN_GROUP,
        .hash = sqlite_query_get_blob(q, 2),
        .uses_left = sqlite_query_get_int(q, 6),
        .expires_at = sqlite_query_get_int(q, 7),
        .created_at = sqlite_query_get_int(q, 8),
        .revoked = sqlite_query_get_int(q, 10) != 0,
    };
    BV_TRY(sqlite_query_get_text(q, 3, ret->device, sizeof(ret->device)));
    BV_TRY(sqlite_query_get_text(q, 4, ret->group, sizeof(ret->group)));
    BV_TRY(sqlite_query_get_text(q, 5, ret->profile, sizeof(ret->profile)));
    return sqlite_query_get_text(q, 9, ret->created_by,
                                 sizeof(ret->created_by));
}

static enum bv_err
one_token(struct sqlite_query *q, store_token_fn *fn, void *user)
{
    struct store_token row;

    BV_TRY(sqlite_query_one(q));
    BV_TRY(read_token(q, &row));
    return fn(user, &row);
}

static enum bv_err
token_put(void *ctx, const struct store_token *row, int64_t *ret_id)
{
    struct sqlite *s = ctx;
    bool insert = row->id == 0;
    struct sqlite_query sqlite_auto q = {0};

    if (row->hash.len != 32)
        return BV_E_USAGE;
    BV_TRY(sqlite_query_write(s, insert ? SQL_TOKEN_INSERT : SQL_TOKEN_UPDATE,
                              &q));
    if (!insert)
        sqlite_query_int(&q, 1, row->id);
    sqlite_query_int(&q, 2, row->kind);
    sqlite_query_blob(&q, 3, row->hash);
    sqlite_query_text(&q, 4, row->device);
    sqlite_query_text(&q, 5, row->group);
    sqlite_query_text(&q, 6, row->profile);
    sqlite_query_int(&q, 7, row->uses_left);
    sqlite_query_int(&q, 8, row->expires_at);
    sqlite_query_int(&q, 9, row->created_at);
    sqlite_query_text(&q, 10, row->created_by);
    sqlite_query_int(&q, 11, row->revoked);
    BV_TRY(sqlite_query_change(&q));
    s->delta[SQLITE_TOKENS] += insert;
    *ret_id = insert ? sqlite3_last_insert_rowid(s->db) : row->id;
    return BV_OK;
}

static enum bv_err
token_find(void *ctx, struct span hash, store_token_fn *fn, void *user)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_TOKEN_FIND, &q));
    sqlite_query_blob(&q, 1, hash);
    return one_token(&q, fn, user);
}

static enum bv_err
token_get(void *ctx, int64_t id, store_token_fn *fn, void *user)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_TOKEN_GET, &q));
    sqlite_query_int(&q, 1, id);
    return one_token(&q, fn, user);
}

static enum bv_err
token_list(void *ctx, int64_t after, unsigned limit, store_token_fn *fn,
           void *user)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_TOKEN_LIST, &q));
    sqlite_query_int(&q, 1, after);
    sqlite_query_int(&q, 2, limit);
    for (;;) {
        struct store_token row;
        bool got;
        BV_TRY(sqlite_query_row(&q, &got));
        if (!got)
            return BV_OK;
        BV_TRY(read_token(&q, &row));
        BV_TRY(fn(user, &row));
    }
}

static enum bv_err
read_pending(struct sqlite_query *q, struct store_pending *ret)
{
    int64_t state = sqlite_query_get_int(q, 2);

    if (state < STORE_PENDING_WAITING || state > STORE_PENDING_DENIED)
        return BV_E_CORRUPT;
    *ret = (struct store_pending){
        .id = sqlite_query_get_int(q, 0),
        .digest = sqlite_query_get_blob(q, 1),
        .state = (enum store_pending_state)state,
        .csr = sqlite_query_get_blob(q, 6),
        .created_at = sqlite_query_get_int(q, 7),
        .source = sqlite_query_get_blob(q, 9),
    };
    BV_TRY(sqlite_query_get_text(q, 3, ret->device, sizeof(ret->device)));
    BV_TRY(sqlite_query_get_text(q, 4, ret->profile, sizeof(ret->profile)));
    BV_TRY(sqlite_query_get_text(q, 5, ret->peer, sizeof(ret->peer)));
    BV_TRY(sqlite_query_get_text(q, 10, ret->net, sizeof(ret->net)));
    return sqlite_query_get_text(q, 8, ret->decided_by,
                                 sizeof(ret->decided_by));
}

static enum bv_err
one_pending(struct sqlite_query *q, store_pending_fn *fn, void *user)
{
    struct store_pending row;

    BV_TRY(sqlite_query_one(q));
    BV_TRY(read_pending(q, &row));
    return fn(user, &row);
}

static enum bv_err
pending_put(void *ctx, const struct store_pending *row, int64_t *ret_id)
{
    struct sqlite *s = ctx;
    bool insert = row->id == 0;
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_write(
        s, insert ? SQL_PENDING_INSERT : SQL_PENDING_UPDATE, &q));
    if (!insert)
        sqlite_query_int(&q, 1, row->id);
    sqlite_query_blob(&q, 2, row->digest);
    sqlite_query_int(&q, 3, row->state);
    sqlite_query_text(&q, 4, row->device);
    sqlite_query_text(&q, 5, row->profile);
    sqlite_query_text(&q, 6, row->peer);
    sqlite_query_blob(&q, 7, row->csr);
    sqlite_query_int(&q, 8, row->created_at);
    sqlite_query_text(&q, 9, row->decided_by);
    sqlite_query_blob(&q, 10, row->source);
    sqlite_query_text(&q, 11, row->net);
    BV_TRY(sqlite_query_change(&q));
    s->delta[SQLITE_PENDING] += insert;
    *ret_id = insert ? sqlite3_last_insert_rowid(s->db) : row->id;
    return BV_OK;
}

static enum bv_err
pending_find(void *ctx, struct span digest, store_pending_fn *fn, void *user)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_PENDING_FIND, &q));
    sqlite_query_blob(&q, 1, digest);
    return one_pending(&q, fn, user);
}

static enum bv_err
pending_get(void *ctx, int64_t id, store_pending_fn *fn, void *user)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_PENDING_GET, &q));
    sqlite_query_int(&q, 1, id);
    return one_pending(&q, fn, user);
}

static enum bv_err
pending_list(void *ctx, int64_t after, unsigned limit, store_pending_fn *fn,
             void *user)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_PENDING_LIST, &q));
    sqlite_query_int(&q, 1, after);
    sqlite_query_int(&q, 2, limit);
    for (;;) {
        struct store_pending row;
        bool got;
        BV_TRY(sqlite_query_row(&q, &got));
        if (!got)
            return BV_OK;
        BV_TRY(read_pending(&q, &row));
        BV_TRY(fn(user, &row));
    }
}

static enum bv_err
pending_count(void *ctx, struct span source, const char *net,
              uint64_t *ret_source, uint64_t *ret_net)
{
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_open(ctx, SQL_PENDING_COUNT, &q));
    sqlite_query_blob(&q, 1, source);
    sqlite_query_text(&q, 2, net);
    BV_TRY(sqlite_query_one(&q));
    *ret_source = (uint64_t)sqlite_query_get_int(&q, 0);
    *ret_net = (uint64_t)sqlite_query_get_int(&q, 1);
    return BV_OK;
}

static enum bv_err
pending_drop(void *ctx, int64_t id)
{
    struct sqlite *s = ctx;
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_write(s, SQL_PENDING_DROP, &q));
    sqlite_query_int(&q, 1, id);
    BV_TRY(sqlite_query_change(&q));
    s->delta[SQLITE_PENDING]--;
    return BV_OK;
}

static enum bv_err
pending_prune(void *ctx, int64_t created_before)
{
    struct sqlite *s = ctx;
    struct sqlite_query sqlite_auto q = {0};

    BV_TRY(sqlite_query_write(s, SQL_PENDING_PRUNE, &q));
    sqlite_query_int(&q, 1, created_before);
    BV_TRY(sqlite_query_run(&q));
    s->delta[SQLITE_PENDING] -= sqlite3_changes(s->db);
    return BV_OK;
}

void
sqlite_token_fill(struct store *store)
{
    store->token_put = token_put;
    store->token_find = token_find;
    store->token_get = token_get;
    store->token_list = token_list;
    store->pending_put = pending_put;
    store->pending_find = pending_find;
    store->pending_get = pending_get;
    store->pending_list = pending_list;
    store->pending_count = pending_count;
    store->pending_drop = pending_drop;
    store->pending_prune = pending_prune;
}
