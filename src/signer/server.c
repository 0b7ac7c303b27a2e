#include "signer/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proc/channel.h"
#include "signer/keyring.h"
#include "wire/pem.h"

#define NUM_EVENTS 64
#define CORE       0 /* channels[0]; door i is channels[1 + i] */
/* Messages of one channel in one step: with RSA on a small machine a signature
 * takes tens of milliseconds, and the parent is answered between two steps. */
#define SHARE 16

struct signer_server {
    struct keyring *ring;
    struct responder *responder;
    signer_save_fn *save;
    void *save_user;
    int map_fd; /* a status map that is not written yet; -1 */
    struct channel *channels[SIGNER_SERVER_CHANNELS];
    bool more[SIGNER_SERVER_CHANNELS]; /* read, and not served yet */
    struct signer_event events[NUM_EVENTS];
    unsigned first_event, num_events;
    uint8_t answer[RESPONDER_ANSWER_MAX];
    uint8_t body[RESPONDER_ANSWER_MAX + 64];
};

/* --- events --- */

static struct signer_event *
event(struct signer_server *server, enum signer_event_kind kind,
      const char *name, enum bv_err err)
{
    if (server->num_events == NUM_EVENTS) { /* the oldest gives way */
        server->first_event = (server->first_event + 1) % NUM_EVENTS;
        server->num_events--;
    }
    struct signer_event *slot =
        &server->events[(server->first_event + server->num_events++) %
                        NUM_EVENTS];
    *slot = (struct signer_event){.kind = kind, .err = err};
    (void)snprintf(slot->name, sizeof slot->name, "%s", name);
    return slot;
}

bool
signer_server_next_event(struct signer_server *server,
                         struct signer_event *ret_event)
{
    if (server->num_events == 0)
        return false;
    *ret_event = server->events[server->first_event];
    server->first_event = (server->first_event + 1) % NUM_EVENTS;
    server->num_events--;
    return true;
}

/* --- life --- */

static void
close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

void
signer_server_free(struct signer_server *server)
{
    if (server == NULL)
        return;
    for (unsigned i = 0; i < SIGNER_SERVER_CHANNELS; i++)
        channel_free(server->channels[i]);
    keyring_free(server->ring);
    responder_free(server->responder);
    close_fd(&server->map_fd);
    free(server);
}

/* The CA's own certificate stands first in its file. */
static enum bv_err
serve_ca(struct responder *responder, const struct signer_server_key *key)
{
    uint8_t buf[LIMIT_CERT];
    struct sink out = SINK_ARRAY(buf);
    struct span text = key->cert_pem, der;

    if (text.len == 0)
        return BV_OK;
    if (pem_find(&text, PEM_CERTIFICATE, &out, &der) != BV_OK ||
        responder_add_ca(responder, key->name, der) != BV_OK)
        return BV_E_BAD_CONFIG;
    if (key->pem.len == 0)
        responder_set_away(responder, key->name);
    return BV_OK;
}

static enum bv_err
make_parts(const struct signer_server_config *config, struct keyring **ret_ring,
           struct responder **ret_responder)
{
    bv_auto(keyring) struct keyring *ring = NULL;
    bv_auto(responder) struct responder *responder = NULL;

    BV_TRY(keyring_new(config, &ring));
    BV_TRY(responder_new(&config->ocsp, &responder));
    for (unsigned i = 0; i < config->num_keys; i++)
        BV_TRY(serve_ca(responder, &config->keys[i]));
    *ret_ring = BV_STEAL(ring);
    *ret_responder = BV_STEAL(responder);
    return BV_OK;
}

enum bv_err
signer_server_new(const struct signer_server_config *config,
                  struct signer_server **ret_server)
{
    struct signer_server *server = calloc(1, sizeof *server);
    enum bv_err err = BV_E_NO_MEMORY;

    if (server != NULL)
        err = make_parts(config, &server->ring, &server->responder);
    if (err != BV_OK) {
        free(server);
        return err;
    }
    server->save = config->save;
    server->save_user = config->save_user;
    server->map_fd = -1;
    *ret_server = server;
    return BV_OK;
}

/* What is in use stays in use: a responder key that the file on disk does not
 * have yet must not be lost to a reload. Only where the CA's key is away does
 * the file bring the new ones. */
static void
skip_adopted(struct signer_server *server)
{
    struct key *key;
    struct span cert;

    for (unsigned i = 0; i < server->ring->count; i++) {
        struct keyring_entry *entry = &server->ring->entries[i];
        if (!entry->ocsp_brought &&
            responder_current(server->responder, entry->name, &key, &cert) ==
                BV_OK)
            entry->ocsp_tried = true;
    }
}

enum bv_err
signer_server_reload(struct signer_server *server,
                     const struct signer_server_config *config)
{
    struct keyring *ring = NULL;
    struct responder *responder = NULL;

    BV_TRY(make_parts(config, &ring, &responder));
    keyring_adopt(ring, server->ring);
    responder_adopt(responder, server->responder);
    keyring_free(server->ring);
    responder_free(server->responder);
    server->ring = ring;
    server->responder = responder;
    server->save = config->save;
    server->save_user = config->save_user;
    skip_adopted(server);
    return BV_OK;
}

static enum bv_err
attach(struct signer_server *server, unsigned slot, int fd, enum proc_role peer)
{
    struct channel *channel = NULL;

    if (slot >= SIGNER_SERVER_CHANNELS) {
        close_fd(&fd);
        return BV_E_TOO_MANY;
    }
    BV_TRY(channel_new(fd, PROC_SIGNER, peer, &channel));
    channel_free(server->channels[slot]);
    server->channels[slot] = channel;
    server->more[slot] = false;
    return BV_OK;
}

enum bv_err
signer_server_core(struct signer_server *server, int fd)
{
    return attach(server, CORE, fd, PROC_CORE);
}

enum bv_err
signer_server_door(struct signer_server *server, unsigned index, int fd)
{
    return attach(server, index >= SIGNER_SERVER_CHANNELS ? index : 1 + index,
                  fd, PROC_DOOR);
}

/* --- the status map --- */

/* Core writes the map's header after it was opened: until then, try again. */
static void
try_map(struct signer_server *server)
{
    struct statusmap *map = NULL;
    int fd;

    if (server->map_fd < 0)
        return;
    fd = fcntl(server->map_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0 || statusmap_reader(fd, &map) != BV_OK)
        return;
    responder_set_map(server->responder, map);
    close_fd(&server->map_fd);
}

enum bv_err
signer_server_map(struct signer_server *server, int fd)
{
    close_fd(&server->map_fd);
    server->map_fd = fd;
    try_map(server);
    return BV_OK;
}

/* --- keys --- */

static enum bv_err
open_key(struct signer_server *server, struct keyring_entry *entry)
{
    bool tried = entry->tried;
    enum bv_err err = keyring_open(server->ring, entry);
    if (!tried)
        (void)event(server, SIGNER_EVENT_OPENED, entry->name, err);
    return err;
}

static void
open_ocsp(struct signer_server *server, struct keyring_entry *entry)
{
    uint8_t buf[LIMIT_CERT];
    struct sink out = SINK_ARRAY(buf);
    struct key *key = NULL;
    struct span cert;
    enum bv_err err;

    entry->ocsp_tried = true;
    err = responder_unseal(entry->ocsp_pem, server->ring->passphrase, &out,
                           &key, &cert);
    if (err == BV_OK)
        err = responder_set_key(server->responder, entry->name, key, cert);
    (void)event(server, SIGNER_EVENT_OCSP_READY, entry->name, err);
}

static bool
has_more(const struct signer_server *server)
{
    for (unsigned i = 0; i < SIGNER_SERVER_CHANNELS; i++)
        if (server->more[i])
            return true;
    return false;
}

bool
signer_server_sealed(const struct signer_server *server)
{
    for (unsigned i = 0; i < server->ring->count; i++) {
        const struct keyring_entry *entry = &server->ring->entries[i];
        if (!entry->tried || !entry->ocsp_tried)
            return true;
    }
    return false;
}

bool
signer_server_busy(const struct signer_server *server)
{
    for (unsigned i = 0; i < server->ring->count; i++)
        if (server->ring->entries[i].ocsp_unsaved)
            return true;
    return signer_server_sealed(server) || has_more(server);
}

static void
open_one(struct signer_server *server)
{
    struct keyring *ring = server->ring;

    for (unsigned i = 0; i < ring->count; i++) {
        if (!ring->entries[i].tried) {
            (void)!open_key(server, &ring->entries[i]);
            return;
        }
    }
    for (unsigned i = 0; i < ring->count; i++) {
        if (!ring->entries[i].ocsp_tried) {
            open_ocsp(server, &ring->entries[i]);
            return;
        }
    }
}

/* --- saving a responder key --- */

static enum bv_err
save_ocsp(struct signer_server *server, const char *name)
{
    uint8_t text[RESPONDER_FILE_MAX];
    struct sink out = SINK_ARRAY(text);
    struct key *key;
    struct span cert;

    BV_TRY(responder_current(server->responder, name, &key, &cert));
    BV_TRY(responder_seal(key, cert, server->ring->passphrase, &out));
    return server->save(server->save_user, name, sink_view(&out));
}

/* Sealing takes its time, so it waits until there is nothing to answer. */
static void
save_one(struct signer_server *server)
{
    for (unsigned i = 0; i < server->ring->count; i++) {
        struct keyring_entry *entry = &server->ring->entries[i];
        if (!entry->ocsp_unsaved)
            continue;
        entry->ocsp_unsaved = false;
        (void)event(server, SIGNER_EVENT_OCSP_SAVED, entry->name,
                    save_ocsp(server, entry->name));
        return;
    }
}

/* --- messages --- */

static enum bv_err
reply(struct channel *channel, uint64_t id, enum msg_type type, enum bv_err err,
      struct span result)
{
    uint8_t buf[LIMIT_CERT + 16];
    struct sink out = SINK_ARRAY(buf);
    struct span body;

    sink_u8(&out, (uint8_t)err);
    if (type != MSG_OCSP_CERT_SET)
        sink_bytes(&out, err == BV_OK ? result : SPAN_EMPTY);
    BV_TRY(sink_done(&out, &body));
    return channel_send(channel, type, id, body);
}

/* UNAVAILABLE while core, or this, has not taken over a new CA of that name. */
static enum bv_err
sign(const struct keyring_entry *entry, enum msg_type type, struct span tbs,
     struct sink *out)
{
    if (!keyring_is_meant(entry))
        return BV_E_UNAVAILABLE;
    return type == MSG_SIGN ? key_sign(entry->key, tbs, out)
                            : key_sign_digest(entry->key, tbs, out);
}

static enum bv_err
on_sign(struct signer_server *server, struct channel *channel,
        const struct msg *msg)
{
    uint8_t buf[LIMIT_SIGNATURE];
    struct sink out = SINK_ARRAY(buf);
    struct span in = msg->body, name, tbs;
    struct keyring_entry *entry;
    enum bv_err err = BV_E_WRONG_KEY;

    BV_TRY(span_bytes(&in, &name));
    BV_TRY(span_bytes(&in, &tbs));
    BV_TRY(span_end(in));
    entry = keyring_find(server->ring, name);
    if (entry != NULL && open_key(server, entry) == BV_OK)
        err = sign(entry, msg->type, tbs, &out);
    return reply(channel, msg->id, MSG_SIGNED, err, sink_view(&out));
}

static enum bv_err
on_ocsp_key(struct signer_server *server, struct channel *channel,
            const struct msg *msg)
{
    uint8_t buf[LIMIT_SPKI];
    struct sink out = SINK_ARRAY(buf);
    struct span in = msg->body, name;
    char ca[LIMIT_SHORT_NAME];
    enum bv_err err;

    BV_TRY(span_bytes(&in, &name));
    BV_TRY(span_end(in));
    BV_TRY(span_copy_str(name, ca, sizeof ca));
    err = responder_make_key(server->responder, ca, &out);
    return reply(channel, msg->id, MSG_OCSP_KEY_MADE, err, sink_view(&out));
}

static enum bv_err
on_ocsp_cert(struct signer_server *server, struct channel *channel,
             const struct msg *msg)
{
    struct span in = msg->body, name, cert;
    char ca[LIMIT_SHORT_NAME];
    enum bv_err err;

    BV_TRY(span_bytes(&in, &name));
    BV_TRY(span_bytes(&in, &cert));
    BV_TRY(span_end(in));
    BV_TRY(span_copy_str(name, ca, sizeof ca));
    err = responder_set_cert(server->responder, ca, cert);
    (void)event(server, SIGNER_EVENT_OCSP_READY, ca, err);
    if (err == BV_OK) {
        /* the older file, if it is still to be opened, is out of date */
        struct keyring_entry *entry = keyring_find(server->ring, name);
        if (entry != NULL) {
            entry->ocsp_tried = true;
            entry->ocsp_unsaved = server->save != NULL;
        }
    }
    return reply(channel, msg->id, MSG_OCSP_CERT_SET, err, SPAN_EMPTY);
}

static enum bv_err
on_ocsp_have(struct signer_server *server, struct channel *channel,
             const struct msg *msg)
{
    struct span in = msg->body, name, cert = SPAN_EMPTY;
    char ca[LIMIT_SHORT_NAME];
    struct keyring_entry *entry;
    struct key *key;

    BV_TRY(span_bytes(&in, &name));
    BV_TRY(span_end(in));
    BV_TRY(span_copy_str(name, ca, sizeof ca));
    entry = keyring_find(server->ring, name);
    if (entry != NULL && !entry->ocsp_tried)
        open_ocsp(server, entry);
    enum bv_err err = responder_current(server->responder, ca, &key, &cert);
    return reply(channel, msg->id, MSG_OCSP_HAS, err, cert);
}

static enum bv_err
on_serial_key(struct signer_server *server, const struct msg *msg)
{
    struct signer_issuer issuers[255];
    struct span in = msg->body, key, hash, name;
    uint8_t count;

    BV_TRY(span_take(&in, 16, &key));
    BV_TRY(span_u8(&in, &count));
    for (unsigned i = 0; i < count; i++) {
        BV_TRY(span_u8(&in, &issuers[i].id));
        BV_TRY(span_take(&in, sizeof issuers[i].key_hash, &hash));
        BV_TRY(span_bytes(&in, &name));
        BV_TRY(span_copy_str(name, issuers[i].ca, sizeof issuers[i].ca));
        memcpy(issuers[i].key_hash, hash.data, hash.len);
    }
    BV_TRY(span_end(in));
    for (unsigned i = 0; i < count; i++)
        keyring_mean(server->ring, issuers[i].ca, issuers[i].key_hash);
    return responder_set_serial(server->responder, key.data, issuers, count);
}

static enum bv_err
on_ocsp(struct signer_server *server, struct channel *channel,
        const struct msg *msg)
{
    struct ocsp_reply answer;
    struct sink out = SINK_ARRAY(server->body);
    struct span body;
    enum bv_err err;

    responder_answer(server->responder, msg->body, clock_wall(), server->answer,
                     &answer);
    ocsp_reply_encode(&out, &answer);
    BV_TRY(sink_done(&out, &body));
    err = channel_send(channel, MSG_OCSP_REPLY, msg->id, body);
    /* a door that does not read its answers goes without them */
    return err == BV_E_NO_SPACE ? BV_OK : err;
}

static enum bv_err
dispatch(struct signer_server *server, struct channel *channel,
         const struct msg *msg)
{
    if (msg->fd >= 0) {
        (void)close(msg->fd);
        return BV_E_BAD_MESSAGE;
    }
    if (msg->type == MSG_SIGN || msg->type == MSG_SIGN_DIGEST)
        return on_sign(server, channel, msg);
    if (msg->type == MSG_OCSP)
        return on_ocsp(server, channel, msg);
    if (msg->type == MSG_OCSP_KEY)
        return on_ocsp_key(server, channel, msg);
    if (msg->type == MSG_OCSP_CERT)
        return on_ocsp_cert(server, channel, msg);
    if (msg->type == MSG_OCSP_HAVE)
        return on_ocsp_have(server, channel, msg);
    if (msg->type == MSG_SERIAL_KEY)
        return on_serial_key(server, msg);
    return BV_E_BAD_MESSAGE;
}

/* --- the step --- */

unsigned
signer_server_pollfds(const struct signer_server *server, struct pollfd *fds,
                      unsigned cap)
{
    unsigned n = 0;
    for (unsigned i = 0; i < SIGNER_SERVER_CHANNELS && n < cap; i++) {
        struct channel *channel = server->channels[i];
        if (channel == NULL)
            continue;
        short events = channel_has_output(channel) ? POLLIN | POLLOUT : POLLIN;
        fds[n++] = (struct pollfd){channel_fd(channel), events, 0};
    }
    return n;
}

static bool
is_ready(const struct channel *channel, const struct pollfd *fds,
         unsigned num_fds)
{
    for (unsigned i = 0; i < num_fds; i++)
        if (fds[i].fd == channel_fd(channel))
            return (fds[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
    return false;
}

static enum bv_err
serve_channel(struct signer_server *server, unsigned slot, bool *ret_worked)
{
    struct channel *channel = server->channels[slot];
    struct msg msg;
    bool got = true;

    for (unsigned i = 0; i < SHARE && got; i++) {
        BV_TRY(channel_next(channel, &got, &msg));
        if (!got)
            break;
        *ret_worked = true;
        BV_TRY(dispatch(server, channel, &msg));
    }
    server->more[slot] = got;
    return BV_OK;
}

static void
let_go(struct signer_server *server, unsigned slot)
{
    channel_free(server->channels[slot]);
    server->channels[slot] = NULL;
    server->more[slot] = false;
}

/* CLOSED when the other end has gone; any other error is a broken protocol.
 * What was read before is served before more is read. */
static enum bv_err
read_channel(struct signer_server *server, unsigned slot, bool *ret_worked)
{
    enum bv_err end = BV_OK;
    if (!server->more[slot])
        end = channel_fill(server->channels[slot]);
    if (end != BV_OK && end != BV_E_CLOSED)
        return end;
    BV_TRY(serve_channel(server, slot, ret_worked));
    return end;
}

/* A door that breaks the protocol is not heard again; it must not be able to
 * end the signer. Core can do worse than that, and there is only one. */
static enum bv_err
on_broken(struct signer_server *server, unsigned slot, enum bv_err err)
{
    if (slot == CORE)
        return err;
    event(server, SIGNER_EVENT_DOOR_CUT, "", err)->door = slot - 1;
    let_go(server, slot);
    return BV_OK;
}

enum bv_err
signer_server_step(struct signer_server *server, const struct pollfd *fds,
                   unsigned num_fds)
{
    bool worked = false, closed[SIGNER_SERVER_CHANNELS] = {false};

    try_map(server);
    for (unsigned i = 0; i < SIGNER_SERVER_CHANNELS; i++) {
        struct channel *channel = server->channels[i];
        if (channel == NULL ||
            (!server->more[i] && !is_ready(channel, fds, num_fds)))
            continue;
        enum bv_err err = read_channel(server, i, &worked);
        closed[i] = err == BV_E_CLOSED;
        if (err != BV_OK && !closed[i])
            BV_TRY(on_broken(server, i, err));
    }
    for (unsigned i = 0; i < SIGNER_SERVER_CHANNELS; i++) {
        struct channel *channel = server->channels[i];
        if (channel != NULL && (closed[i] || channel_flush(channel) != BV_OK))
            let_go(server, i);
    }
    /* However much there is to answer: who started us waits for the keys. */
    if (signer_server_sealed(server))
        open_one(server);
    else if (!worked)
        save_one(server);
    return BV_OK;
}
