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
    *(uint64_t *)user = row->change;
    return BV_E_CLOSED;
}

static enum bv_err
was_seen(enum bv_err err)
{
    return err == BV_E_CLOSED ? BV_OK : err;
}

/* The mark's own change is kept while the mark may be on the disk: without it
 * the map is ahead of the database (an older one came back), or so far behind
 * (an older map did) that changes after it are forgotten. */
static enum bv_err
has_changes_since(const struct core *core, bool *ret_has)
{
    uint64_t mark = core->mark.change, first = 0;
    uint64_t from = mark > 0 ? mark : 1;
    BV_TRY(was_seen(core->store->changes_since(core->store->ctx, from - 1,
                                               see_change, &first)));
    *ret_has = first == from || (mark == 0 && first == 0);
    return BV_OK;
}

/* Its own marks come last in a database, so looking for them reads a row or
 * two. */
static enum bv_err
can_go_on(const struct core *core, bool *ret_can)
{
    const struct statusmap_mark mark = core->mark;
    bool cert = mark.seq == 0, change = false;
    if (!cert)
        BV_TRY(was_seen(core->store->certs_since(core->store->ctx, mark.seq - 1,
                                                 see_cert, &cert)));
    BV_TRY(has_changes_since(core, &change));
    *ret_can = cert && change;
    return BV_OK;
}

/* Words the database knows nothing of must not be answered from. */
static enum bv_err
drop_if_foreign(struct core *core)
{
    bool can = false;
    if (core->mark.seq == 0 && core->mark.change == 0)
        return BV_OK; /* all of it is replayed */
    BV_TRY(can_go_on(core, &can));
    if (can)
        return BV_OK;
    log_warn("the status map is of another time than the database; it is made "
             "anew");
    core->mark = (struct statusmap_mark){0};
    return statusmap_reset(core->map);
}

enum bv_err
replay_map(struct core *core, int fd, const uint8_t db_id[STATUSMAP_ID_LEN])
{
    BV_TRY(statusmap_writer(fd, db_id, &core->map, &core->mark));
    BV_TRY(drop_if_foreign(core));
    struct replay replay = {core, core->mark.seq};
    BV_TRY(core->store->certs_since(core->store->ctx, core->mark.seq,
                                    replay_cert, &replay));
    BV_TRY(core->store->changes_since(core->store->ctx, core->mark.change,
                                      replay_change, &replay));
    BV_TRY(statusmap_sync(core->map, core->mark));
    core->synced = core->mark;
    return BV_OK;
}
