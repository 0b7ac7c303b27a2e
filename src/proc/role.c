#include "proc/role.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "proc/pulse.h"
#include "proc/spawn.h"

static enum bv_err
take_file(struct role_gifts *gifts, const struct msg *msg)
{
    struct role_file file = {.fd = msg->fd};
    struct span name;
    BV_TRY(table_listen_decode(msg->body, &file.purpose, &name));
    BV_TRY(span_copy_str(name, file.name, sizeof(file.name)));
    if (msg->fd < 0 || gifts->num_files == ROLE_FILES_MAX)
        return BV_E_BAD_MESSAGE;
    gifts->files[gifts->num_files++] = file;
    return BV_OK;
}

static enum bv_err
take_peer(struct role_gifts *gifts, const struct msg *msg)
{
    struct role_peer peer = {.fd = msg->fd};
    BV_TRY(table_peer_decode(msg->body, &peer.role, &peer.index));
    if (msg->fd < 0 || gifts->num_peers == PROC_ROWS_MAX)
        return BV_E_BAD_MESSAGE;
    gifts->peers[gifts->num_peers++] = peer;
    return BV_OK;
}

static enum bv_err
take_bundle(struct role_gifts *gifts, struct msg *msg)
{
    if (msg->fd < 0)
        return BV_E_BAD_MESSAGE;
    struct bundle bundle;
    int fd = msg->fd;
    msg->fd = -1; /* bundle_open closes it */
    BV_TRY(bundle_open(fd, &bundle));
    bundle_close(&gifts->bundle);
    gifts->bundle = bundle;
    gifts->has_bundle = true;
    gifts->bundle_id = msg->id;
    return BV_OK;
}

static enum bv_err
take(struct role_gifts *gifts, struct msg *msg, enum role_event *ret_event)
{
    *ret_event = ROLE_MORE;
    if (msg->type == MSG_LISTEN)
        return take_file(gifts, msg);
    if (msg->type == MSG_PEER) {
        *ret_event = ROLE_PEER;
        return take_peer(gifts, msg);
    }
    if (msg->type == MSG_BUNDLE) {
        *ret_event = ROLE_BUNDLE;
        return take_bundle(gifts, msg);
    }
    if (msg->fd >= 0)
        return BV_E_BAD_MESSAGE;
    if (msg->type == MSG_SERVED) {
        gifts->served = msg->id;
        *ret_event = ROLE_SERVED;
        return BV_OK;
    }
    *ret_event = msg->type == MSG_START ? ROLE_START : ROLE_DRAIN;
    return BV_OK;
}

static enum bv_err
answer(struct channel *parent, uint64_t id)
{
    BV_TRY(channel_send(parent, MSG_PONG, id, SPAN_EMPTY));
    return channel_flush(parent);
}

enum bv_err
role_take(struct channel *parent, struct role_gifts *gifts, bool *ret_got,
          enum role_event *ret_event)
{
    struct msg msg;
    *ret_event = ROLE_MORE;
    BV_TRY(channel_next(parent, ret_got, &msg));
    if (!*ret_got)
        return BV_OK;
    if (msg.type == MSG_PING && msg.fd < 0)
        return answer(parent, msg.id);
    enum bv_err err = take(gifts, &msg, ret_event);
    if (err != BV_OK && msg.fd >= 0)
        (void)close(msg.fd);
    return err;
}

static enum bv_err
wait_for_start(struct channel *parent, struct role_gifts *gifts)
{
    for (;;) {
        struct pollfd wait = {channel_fd(parent), POLLIN, 0};
        if (poll(&wait, 1, -1) < 0 && errno != EINTR)
            return BV_E_IO;
        BV_TRY(channel_fill(parent));
        bool got = true;
        while (got) {
            enum role_event event;
            BV_TRY(role_take(parent, gifts, &got, &event));
            if (event == ROLE_START)
                return gifts->has_bundle ? BV_OK : BV_E_BAD_MESSAGE;
            if (event == ROLE_DRAIN)
                return BV_E_CLOSED;
        }
    }
}

enum bv_err
role_begin(enum proc_role role, struct channel **ret_parent,
           struct role_gifts *ret_gifts)
{
    struct channel *parent;
    BV_TRY(channel_new(SPAWN_FD, role, PROC_PARENT, &parent));
    struct role_gifts gifts = {0};
    enum bv_err err = wait_for_start(parent, &gifts);
    int pulse = role_file_take(&gifts, PROC_LISTEN_PULSE, NULL);
    if (err == BV_OK && pulse >= 0)
        err = pulse_open(pulse);
    else if (pulse >= 0)
        (void)close(pulse);
    if (err != BV_OK) {
        role_gifts_drop(&gifts);
        channel_free(parent);
        return err;
    }
    *ret_parent = parent;
    *ret_gifts = gifts;
    return BV_OK;
}

int
role_file_take(struct role_gifts *gifts, enum proc_listen purpose,
               char name[LIMIT_SHORT_NAME])
{
    for (unsigned i = 0; i < gifts->num_files; i++) {
        if (gifts->files[i].purpose != purpose)
            continue;
        int fd = gifts->files[i].fd;
        if (name != NULL)
            memcpy(name, gifts->files[i].name, LIMIT_SHORT_NAME);
        gifts->files[i] = gifts->files[--gifts->num_files];
        return fd;
    }
    return -1;
}

void
role_gifts_drop(struct role_gifts *gifts)
{
    for (unsigned i = 0; i < gifts->num_files; i++)
        (void)close(gifts->files[i].fd);
    for (unsigned i = 0; i < gifts->num_peers; i++)
        (void)close(gifts->peers[i].fd);
    bundle_close(&gifts->bundle);
    *gifts = (struct role_gifts){0};
}
