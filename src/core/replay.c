#include "core/replay.h"

#include "base/log.h"

struct replay {
    struct core *core;
    uint64_t from_seq; /* certificates above it were replayed as they are now */
};

static enum bv_err
put_present(struct core *core, const struct store_cert *row)
{
    return statusmap_put(
        core->map, row->seq,
        statusmap_word(row->issuer, row->reason, row->revoked_at));
}

static enum bv_err
replay_cert(void *user, const struct store_cert *row)
{
    struct core *core = ((struct replay *)user)->core;
    if (row->seq > core->mark.seq) /* they come in no certain order */
        core->mark.seq = row->seq;
    return put_present(core, row);
}

static enum bv_err
replay_found(void *user, const struct store_cert *row)
{
    return put_present(user, row);
}

/* The status of now, not the change's: readers look on, and what was held,
 * released and then revoked must not be good again for a moment. */
static enum bv_err
replay_change(void *user, const struct store_change *row)
{
    const struct replay *replay = user;
    struct core *core = replay->core;
    core->mark.change = row->change;
    if (row->seq > replay->from_seq)
        return BV_OK;
    return core->store->cert_find(core->store->ctx, row->seq, replay_found,
                                  core);
}

static enum bv_err
see_cert(void *user, const struct store_cert *row)
{
    *(bool *)user = true;
    return BV_E_CLOSED; /* one is enough */
}

static enum bv_err
see_change(void *user, const struct store_change *row)
{
    *(bool *)user = true;
    return BV_E_CLOSED;
}

/* A mark the database does not reach: an older database came back. Its own
 * marks come last in it, so looking for them reads a row or two. */
static enum bv_err
is_map_ahead(struct core *core, bool *ret_ahead)
{
    const struct statusmap_mark mark = core->mark;
    const struct store *store = core->store;
    bool cert = mark.seq == 0, change = mark.change == 0;
    enum bv_err err = BV_OK;
    if (!cert)
        err = store->certs_since(store->ctx, mark.seq - 1, see_cert, &cert);
    if ((err == BV_OK || err == BV_E_CLOSED) && !change)
        err = store->changes_since(store->ctx, mark.change - 1, see_change,
                                   &change);
    if (err != BV_OK && err != BV_E_CLOSED)
        return err;
    *ret_ahead = !cert || !change;
    return BV_OK;
}

/* Words the database knows nothing of must not be answered from. */
static enum bv_err
drop_if_ahead(struct core *core)
{
    bool ahead = false;
    BV_TRY(is_map_ahead(core, &ahead));
    if (!ahead)
        return BV_OK;
    log_warn("the status map is ahead of the database; it is made anew");
    core->mark = (struct statusmap_mark){0};
    return statusmap_reset(core->map);
}

enum bv_err
replay_map(struct core *core, int fd, const uint8_t db_id[STATUSMAP_ID_LEN])
{
    BV_TRY(statusmap_writer(fd, db_id, &core->map, &core->mark));
    BV_TRY(drop_if_ahead(core));
    struct replay replay = {core, core->mark.seq};
    BV_TRY(core->store->certs_since(core->store->ctx, core->mark.seq,
                                    replay_cert, &replay));
    BV_TRY(core->store->changes_since(core->store->ctx, core->mark.change,
                                      replay_change, &replay));
    BV_TRY(statusmap_sync(core->map, core->mark));
    core->synced = core->mark;
    return BV_OK;
}
