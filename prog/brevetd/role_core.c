#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "proc/pulse.h"
#include "prog/brevetd/child.h"
#include "prog/brevetd/control.h"
#include "prog/brevetd/role.h"
#include "signer/client.h"
#include "store/sqlite.h"

#define FDS_MAX (2 + PROC_DOORS_MAX + 1 + CONTROL_MAX)
/* A commit costs as much as a few certificates: while the signer still has
 * some of ours, wait for them, but no longer than this. */
#define GATHER_MS 2

struct door {
    struct channel *channel; /* NULL: there is none now */
    unsigned tag;            /* of this channel; never used twice */
};

struct deciding {
    struct role *role;
    struct store store;
    bool has_store;
    struct signer signer;
    bool has_signer, signer_attached;
    struct core *core;
    struct control *control;
    struct door doors[PROC_DOORS_MAX];
    unsigned last_tag;
    int64_t tick_at_ms;
    int64_t commit_by_ms; /* 0: nothing waits to be committed */
    bool files_changed, over;
    uint64_t rebundles; /* how often the parent was asked to send files */
};

/* --- core's callbacks --- */

static void
on_reply(void *user, unsigned tag, uint64_t id, const struct core_reply *reply)
{
    struct deciding *d = user;
    static uint8_t body[LIMIT_MESSAGE];
    struct sink out = SINK_ARRAY(body);
    struct span bytes;
    for (unsigned i = 0; i < PROC_DOORS_MAX; i++) {
        struct door *door = &d->doors[i];
        if (door->channel == NULL || door->tag != tag)
            continue;
        core_reply_encode(&out, reply);
        enum bv_err err = sink_done(&out, &bytes);
        if (err == BV_OK)
            err = channel_send(door->channel, MSG_REPLY, id, bytes);
        if (err != BV_OK)
            log_error("a reply was lost door=%u error=%s", i, err_name(err));
        if (reply->key.len > 0)
            explicit_bzero(body, bytes.len);
        return;
    }
}

static void
on_admin_reply(void *user, unsigned tag, uint64_t id, struct span json)
{
    struct deciding *d = user;
    if (d->control != NULL)
        control_reply(d->control, tag, id, json);
}

static void
on_files_changed(void *user)
{
    ((struct deciding *)user)->files_changed = true;
}

/* --- opening --- */

static enum bv_err
open_store(struct deciding *d)
{
    char path[CONFIG_PATH_MAX], problem[400] = "";
    BV_TRY(config_path(d->role->material.config, "db/brevet.db", path));
    const struct store_sqlite_options options = {.create = false};
    enum bv_err err =
        store_sqlite_open(path, &options, &d->store, problem, sizeof(problem));
    if (err != BV_OK)
        log_error("the database cannot be opened path=%s error=%s detail="
                  "\"%s\"",
                  path, err_name(err), problem);
    d->has_store = err == BV_OK;
    return err;
}

/* A large database is not checked at a start: what core could not make sense of
 * may be no more than a part of it. */
static void
say_whether_damaged(const struct deciding *d)
{
    char problem[400] = "";
    if (d->store.check(d->store.ctx, problem, sizeof(problem)) != BV_OK)
        log_error("the database was checked whole detail=\"%s\"", problem);
}

/* It served until now. If a restart finds the whole of it good, it may again.
 */
static void
say_damaged(const struct deciding *d)
{
    log_error("the database is damaged: stop, keep the file for study, and put "
              "back the last backup with brevet restore; now it is checked "
              "whole, and if that agrees the server ends");
    if (d->store.doubt(d->store.ctx) != BV_OK)
        log_error("the next start cannot be told to check the database");
}

static enum bv_err
open_core(struct deciding *d)
{
    const struct core_calls calls = {.user = d,
                                     .reply = on_reply,
                                     .admin_reply = on_admin_reply,
                                     .files_changed = on_files_changed};
    char path[CONFIG_PATH_MAX], problem[400] = "";
    BV_TRY(config_path(d->role->material.config, "db/status.map", path));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        log_error("the status map cannot be opened path=%s reason=\"%s\"", path,
                  strerror(errno));
        return BV_E_IO;
    }
    enum bv_err err = core_new(&d->role->material.config->core, &d->store, fd,
                               &calls, &d->core, problem, sizeof(problem));
    if (err != BV_OK)
        log_error("core cannot start error=%s detail=\"%s\"", err_name(err),
                  problem);
    if (err == BV_E_CORRUPT)
        say_whether_damaged(d);
    return err;
}

static enum bv_err
open_control(struct deciding *d)
{
    struct span callers;
    int fd = role_file_take(&d->role->gifts, PROC_LISTEN_CONTROL, NULL);
    if (fd < 0)
        return BV_E_BAD_CONFIG;
    BV_TRY(control_new(fd, &d->control));
    BV_TRY(bundle_find(&d->role->material.bundle, "callers", &callers));
    control_set_callers(d->control, callers);
    return BV_OK;
}

/* --- the signer --- */

/* on_signed is called by the client for each answer. */
static void
on_signed(void *user, uint64_t ticket, enum bv_err err, struct span result)
{
    core_signed(((struct deciding *)user)->core, ticket, err, result);
}

static enum bv_err
attach_signer(struct deciding *d, int fd)
{
    struct channel *channel;
    BV_TRY(channel_new(fd, PROC_CORE, PROC_SIGNER, &channel));
    BV_TRY(signer_client_attach(&d->signer, channel));
    core_set_signer(d->core, &d->signer);
    d->signer_attached = true;
    d->tick_at_ms = 0;
    return BV_OK;
}

/* CLOSED: the signer died; its successor's channel comes from the parent. */
static enum bv_err
signer_result(struct deciding *d, enum bv_err err)
{
    if (err != BV_E_CLOSED)
        return err;
    if (d->signer_attached)
        core_set_signer(d->core, NULL);
    d->signer_attached = false;
    return BV_OK;
}

/* --- doors --- */

static enum bv_err
attach_door(struct deciding *d, unsigned index, int fd)
{
    struct door *door = &d->doors[index];
    struct channel *channel;
    BV_TRY(channel_new(fd, PROC_CORE, PROC_DOOR, &channel));
    channel_free(door->channel);
    door->channel = channel;
    door->tag = ++d->last_tag;
    return BV_OK;
}

/* CLOSED when the door has gone; any other error is a broken protocol. */
static enum bv_err
hear_door(struct deciding *d, struct door *door)
{
    enum bv_err end = channel_fill(door->channel);
    if (end != BV_OK && end != BV_E_CLOSED)
        return end;
    for (;;) {
        struct msg msg;
        bool got;
        struct core_request request;
        BV_TRY(channel_next(door->channel, &got, &msg));
        if (!got)
            return end;
        BV_TRY(core_request_decode(msg.body, &request));
        core_submit(d->core, door->tag, msg.id, &request);
    }
}

/* What a broken-in door sends must not end core, nor be heard again. */
static enum bv_err
serve_door(struct deciding *d, unsigned index)
{
    struct door *door = &d->doors[index];
    enum bv_err err = hear_door(d, door);
    if (err == BV_OK)
        return BV_OK;
    channel_free(door->channel);
    door->channel = NULL;
    return err == BV_E_CLOSED ? BV_OK : role_blame(d->role, index, err);
}

/* --- the parent --- */

static enum bv_err
take_peers(struct deciding *d)
{
    struct role_gifts *gifts = &d->role->gifts;
    for (unsigned i = 0; i < gifts->num_peers; i++) {
        struct role_peer peer = gifts->peers[i];
        if (peer.role == PROC_SIGNER)
            BV_TRY(attach_signer(d, peer.fd));
        else
            BV_TRY(attach_door(d, peer.index, peer.fd));
    }
    gifts->num_peers = 0;
    return BV_OK;
}

static enum bv_err
reload(struct deciding *d)
{
    struct material fresh;
    struct span callers;
    enum bv_err err = material_take(&d->role->gifts.bundle, &fresh);
    d->role->gifts.has_bundle = false;
    BV_TRY(err);
    err = core_reconfigure(d->core, &fresh.config->core);
    if (err != BV_OK) {
        log_error("the configuration was not taken over error=%s",
                  err_name(err));
        material_free(&fresh);
        return err;
    }
    material_free(&d->role->material);
    d->role->material = fresh;
    log_set_level(fresh.config->log_level);
    if (bundle_find(&fresh.bundle, "callers", &callers) == BV_OK)
        control_set_callers(d->control, callers);
    d->tick_at_ms = 0;
    return BV_OK;
}

/* The parent gives a reload to the others only when it has worked here. */
static enum bv_err
take_bundle(struct deciding *d)
{
    uint64_t id = d->role->gifts.bundle_id;
    uint8_t result = (uint8_t)reload(d);
    return id == 0 ? BV_OK
                   : channel_send(d->role->parent, MSG_TAKEN, id,
                                  span_of(&result, sizeof(result)));
}

static enum bv_err
from_parent(struct deciding *d)
{
    BV_TRY(channel_fill(d->role->parent));
    for (;;) {
        bool got;
        enum role_event event;
        BV_TRY(role_take(d->role->parent, &d->role->gifts, &got, &event));
        if (!got)
            return take_peers(d);
        if (event == ROLE_BUNDLE)
            BV_TRY(take_bundle(d));
        if (event == ROLE_SERVED && d->role->gifts.served == d->rebundles &&
            !d->files_changed)
            core_files_served(d->core);
        if (event == ROLE_DRAIN)
            d->over = true;
    }
}

/* --- the loop --- */

struct waiting {
    struct pollfd fds[FDS_MAX];
    unsigned num_control;
};

/* Places are fixed: parent, signer, doors, control. */
#define AT_PARENT  0
#define AT_SIGNER  1
#define AT_DOORS   2
#define AT_CONTROL (AT_DOORS + PROC_DOORS_MAX)

static struct pollfd
wait_for(int fd, bool output)
{
    return (struct pollfd){fd, (short)(POLLIN | (output ? POLLOUT : 0)), 0};
}

static void
collect(const struct deciding *d, struct waiting *w)
{
    w->fds[AT_PARENT] = wait_for(channel_fd(d->role->parent),
                                 channel_has_output(d->role->parent));
    w->fds[AT_SIGNER] = wait_for(signer_client_fd(&d->signer),
                                 signer_client_has_output(&d->signer));
    for (unsigned i = 0; i < PROC_DOORS_MAX; i++) {
        const struct channel *c = d->doors[i].channel;
        w->fds[AT_DOORS + i] = wait_for(c != NULL ? channel_fd(c) : -1,
                                        c != NULL && channel_has_output(c));
    }
    w->num_control = control_pollfds(d->control, w->fds + AT_CONTROL);
}

static enum bv_err
read_all(struct deciding *d, const struct waiting *w)
{
    if (w->fds[AT_SIGNER].revents != 0)
        BV_TRY(signer_result(d, signer_client_step(&d->signer)));
    for (unsigned i = 0; i < PROC_DOORS_MAX; i++)
        if ((w->fds[AT_DOORS + i].revents & ~POLLOUT) != 0)
            BV_TRY(serve_door(d, i));
    control_step(d->control, w->fds + AT_CONTROL, w->num_control, d->core);
    return w->fds[AT_PARENT].revents != 0 ? from_parent(d) : BV_OK;
}

/* A door that is gone shows when it is read; what it was owed is dropped. */
static enum bv_err
write_all(struct deciding *d)
{
    if (d->files_changed) {
        d->files_changed = false;
        BV_TRY(channel_send(d->role->parent, MSG_REBUNDLE, ++d->rebundles,
                            SPAN_EMPTY));
    }
    BV_TRY(channel_flush(d->role->parent));
    BV_TRY(signer_result(d, signer_client_flush(&d->signer)));
    for (unsigned i = 0; i < PROC_DOORS_MAX; i++) {
        struct channel *c = d->doors[i].channel;
        enum bv_err err = c != NULL ? channel_flush(c) : BV_OK;
        if (err != BV_OK && err != BV_E_CLOSED)
            return err;
    }
    control_flush(d->control);
    return BV_OK;
}

static void
tick(struct deciding *d)
{
    int64_t now = clock_mono_ms();
    if (now < d->tick_at_ms)
        return;
    enum pulse_work before = pulse_set(PULSE_DISK); /* it syncs the map */
    d->tick_at_ms = now + core_tick(d->core, clock_wall());
    (void)pulse_set(before);
}

static int
time_to_wait(const struct deciding *d)
{
    int64_t until = d->tick_at_ms, now = clock_mono_ms();
    if (core_has_pieces(d->core) && !core_has_work(d->core))
        return 0;
    if (d->commit_by_ms != 0 && d->commit_by_ms < until)
        until = d->commit_by_ms;
    return until < now ? 0 : until - now > 60000 ? 60000 : (int)(until - now);
}

static enum bv_err
commit_when_due(struct deciding *d)
{
    int64_t now = clock_mono_ms();
    if (!core_has_work(d->core))
        return core_commit(d->core); /* which tells of damage found meanwhile */
    if (d->commit_by_ms == 0)
        d->commit_by_ms = now + GATHER_MS;
    if (signer_client_outstanding(&d->signer) > 0 && now < d->commit_by_ms)
        return BV_OK;
    enum pulse_work before = pulse_set(PULSE_DISK);
    enum bv_err err = core_commit(d->core);
    (void)pulse_set(before);
    d->commit_by_ms = core_has_work(d->core) ? now : 0;
    return err;
}

/* After the answers have left: nobody waits for this, or for one piece only. */
static void
maintain(struct deciding *d)
{
    if (core_has_work(d->core))
        return;
    core_piece(d->core);
    if (core_has_work(d->core))
        return;
    enum bv_err err = d->store.maintain(d->store.ctx);
    if (err != BV_OK)
        log_warn("the database could not be maintained error=%s",
                 err_name(err));
}

/* One turn: read everything that has come, ask the signer, commit once, and
 * only then let the answers go. */
static enum bv_err
turn(struct deciding *d)
{
    struct waiting w;
    collect(d, &w);
    int wait = time_to_wait(d);
    if (poll(w.fds, AT_CONTROL + w.num_control, wait) < 0)
        return errno == EINTR ? BV_OK : BV_E_IO;
    BV_TRY(read_all(d, &w));
    tick(d);
    BV_TRY(signer_result(d, signer_client_flush(&d->signer)));
    enum bv_err err = commit_when_due(d);
    if (err == BV_E_CORRUPT)
        return err;
    BV_TRY(write_all(d));
    enum pulse_work before = pulse_set(PULSE_DISK);
    maintain(d);
    (void)pulse_set(before);
    return BV_OK;
}

static enum bv_err
open_all(struct deciding *d)
{
    BV_TRY(open_store(d));
    BV_TRY(open_core(d));
    BV_TRY(open_control(d));
    BV_TRY(signer_client_new(on_signed, d, &d->signer));
    d->has_signer = true;
    BV_TRY(take_peers(d));
    return role_ready(d->role);
}

static void
close_all(struct deciding *d)
{
    control_free(d->control);
    d->control = NULL; /* core's last answers go nowhere */
    for (unsigned i = 0; i < PROC_DOORS_MAX; i++) {
        channel_free(d->doors[i].channel);
        d->doors[i].channel = NULL;
    }
    if (d->core != NULL)
        core_set_signer(d->core, NULL);
    core_free(d->core);
    if (d->has_signer)
        d->signer.close(d->signer.ctx);
    if (d->has_store)
        d->store.close(d->store.ctx);
}

/* What a restart cannot mend: it would only hide it in a loop of restarts. */
static int
exit_status(enum bv_err err)
{
    if (err == BV_E_CORRUPT)
        return CHILD_EXIT_DAMAGED;
    return err == BV_E_BAD_CONFIG || err == BV_E_NOT_FOUND ||
                   err == BV_E_UNSUPPORTED
               ? CHILD_EXIT_HOPELESS
               : 1;
}

int
role_core_run(struct role *role)
{
    struct deciding d = {.role = role};
    enum bv_err err = open_all(&d);
    if (err != BV_OK) {
        log_error("cannot open error=%s", err_name(err));
        close_all(&d);
        return exit_status(err);
    }
    err = from_parent(&d); /* what came together with START */
    while (err == BV_OK && !d.over)
        err = turn(&d);
    if (err == BV_E_CORRUPT)
        say_damaged(&d);
    close_all(&d);
    if (err == BV_OK || err == BV_E_CLOSED)
        return 0;
    log_error("stopped error=%s", err_name(err));
    return err == BV_E_CORRUPT ? CHILD_EXIT_DAMAGED : 1;
}
