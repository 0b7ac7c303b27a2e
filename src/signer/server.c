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
    struct ra *ra;
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
_Static_assert(RESPONDER_ANSWER_MAX >= RA_ANSWER_MAX, "body holds either");

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
    ra_free(server->ra);
    close_fd(&server->map_fd);
    free(server);
}

/* What serves, beside the keys. */
struct parts {
    struct keyring *ring;
    struct responder *responder;
    struct ra *ra;
};

static void
parts_done(struct parts *parts)
{
    keyring_free(parts->ring);
    responder_free(parts->responder);
    ra_free(parts->ra);
}

/* The CA's own certificate stands first in its file. */
static enum bv_err
serve_ca(const struct parts *parts, const struct signer_server_key *key)
{
    struct responder *responder = parts->responder;
    uint8_t buf[LIMIT_CERT];
    struct sink out = SINK_ARRAY(buf);
    struct span text = key->cert_pem, der;

    if (text.len == 0)
        return BV_OK;
    if (pem_find(&text, PEM_CERTIFICATE, &out, &der) != BV_OK ||
        responder_add_ca(responder, key->name, der) != BV_OK ||
        ra_add_ca(parts->ra, key->name) != BV_OK)
        return BV_E_BAD_CONFIG;
    if (key->pem.len == 0)
        responder_set_away(responder, key->name);
    return BV_OK;
}

static enum bv_err
make_parts(const struct signer_server_config *config, struct parts *parts)
{
    BV_TRY(keyring_new(config, &parts->ring));
    BV_TRY(responder_new(&config->ocsp, &parts->responder));
    BV_TRY(ra_new(config->ra_bits, &parts->ra));
    for (unsigned i = 0; i < config->num_keys; i++)
        BV_TRY(serve_ca(parts, &config->keys[i]));
    return BV_OK;
}

static void
use(struct signer_server *server, const struct signer_server_config *config,
    const struct parts *parts)
{
    server->ring = parts->ring;
    server->responder = parts->responder;
    server->ra = parts->ra;
    server->save = config->save;
    server->save_user = config->save_user;
}

enum bv_err
signer_server_new(const struct signer_server_config *config,
                  struct signer_server **ret_server)
{
    struct signer_server *server = calloc(1, sizeof *server);
    struct parts parts = {0};
    enum bv_err err = BV_E_NO_MEMORY;

    if (server != NULL)
        err = make_parts(config, &parts);
    if (err != BV_OK) {
        parts_done(&parts);
        free(server);
        return err;
    }
    use(server, config, &parts);
    server->map_fd = -1;
    *ret_server = server;
    return BV_OK;
}

static enum bv_err
current(const struct signer_server *server, enum signer_service service,
        const char *ca, struct span *ret_cert)
{
    struct key *key;
    return service == SIGNER_OCSP
               ? responder_current(server->responder, ca, &key, ret_cert)
               : ra_cert(server->ra, ca, ret_cert);
}

/* What is in use stays in use: a service's key that the file on disk does not
 * have yet must not be lost to a reload. Only where the CA's key is away does
 * the file bring the new ones. */
static void
skip_adopted(struct signer_server *server, struct keyring_entry *entry)
{
    struct span cert;

    for (int i = SIGNER_OCSP; i < SIGNER_SERVICES; i++)
        if (!entry->files[i].brought && current(server, (enum signer_service)i,
                                                entry->name, &cert) == BV_OK)
            entry->files[i].tried = true;
}

enum bv_err
signer_server_reload(struct signer_server *server,
                     const struct signer_server_config *config)
{
    struct parts fresh = {0};
    struct parts old = {server->ring, server->responder, server->ra};
    enum bv_err err = make_parts(config, &fresh);

    if (err != BV_OK) {
        parts_done(&fresh);
        return err;
    }
    keyring_adopt(fresh.ring, old.ring);
    responder_adopt(fresh.responder, old.responder);
    ra_adopt(fresh.ra, old.ra);
    use(server, config, &fresh);
    parts_done(&old);
    for (unsigned i = 0; i < server->ring->count; i++)
        skip_adopted(server, &server->ring->entries[i]);
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

static enum bv_err
unseal_ocsp(struct signer_server *server, const struct keyring_entry *entry)
{
    uint8_t buf[LIMIT_CERT];
    struct sink out = SINK_ARRAY(buf);
    struct key *key = NULL;
    struct span cert;

    BV_TRY(responder_unseal(entry->files[SIGNER_OCSP].pem,
                            server->ring->passphrase, &out, &key, &cert));
    return responder_set_key(server->responder, entry->name, key, cert);
}

static void
open_service(struct signer_server *server, struct keyring_entry *entry,
             enum signer_service service)
{
    struct keyring_file *file = &entry->files[service];
    enum bv_err err;

    file->tried = true;
    err = service == SIGNER_OCSP ? unseal_ocsp(server, entry)
                                 : ra_unseal(server->ra, entry->name, file->pem,
                                             server->ring->passphrase);
    event(server, SIGNER_EVENT_SERVICE_READY, entry->name, err)->service =
        service;
}

/* The first file of a service of which something is still to be done. */
static bool
find_file(const struct signer_server *server, bool unsaved,
          struct keyring_entry **ret_entry, enum signer_service *ret_service)
{
    for (unsigned i = 0; i < server->ring->count; i++) {
        for (int j = SIGNER_OCSP; j < SIGNER_SERVICES; j++) {
            const struct keyring_file *file =
                &server->ring->entries[i].files[j];
            if (unsaved ? !file->unsaved : file->tried)
                continue;
            *ret_entry = &server->ring->entries[i];
            *ret_service = (enum signer_service)j;
            return true;
        }
    }
    return false;
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
    struct keyring_entry *entry;
    enum signer_service service;

    for (unsigned i = 0; i < server->ring->count; i++)
        if (!server->ring->entries[i].tried)
            return true;
    return find_file(server, false, &entry, &service);
}

bool
signer_server_busy(const struct signer_server *server)
{
    struct keyring_entry *entry;
    enum signer_service service;

    return find_file(server, true, &entry, &service) ||
           signer_server_sealed(server) || has_more(server);
}

static void
open_one(struct signer_server *server)
{
    struct keyring *ring = server->ring;
    struct keyring_entry *entry;
    enum signer_service service;

    for (unsigned i = 0; i < ring->count; i++) {
        if (!ring->entries[i].tried) {
            (void)!open_key(server, &ring->entries[i]);
            return;
        }
    }
    if (find_file(server, false, &entry, &service))
        open_service(server, entry, service);
}

/* --- saving a service's key --- */

static enum bv_err
seal_ocsp(struct signer_server *server, const char *name, struct sink *out)
{
    struct key *key;
    struct span cert;

    BV_TRY(responder_current(server->responder, name, &key, &cert));
    return responder_seal(key, cert, server->ring->passphrase, out);
}

static enum bv_err
save_service(struct signer_server *server, enum signer_service service,
             const char *name)
{
    uint8_t text[RA_FILE_MAX];
    struct sink out = SINK_ARRAY(text);

    if (service == SIGNER_OCSP)
        BV_TRY(seal_ocsp(server, name, &out));
    else
        BV_TRY(ra_seal(server->ra, name, server->ring->passphrase, &out));
    return server->save(server->save_user, service, name, sink_view(&out));
}

/* Sealing takes its time, so it waits until there is nothing to answer. */
static void
save_one(struct signer_server *server)
{
    struct keyring_entry *entry;
    enum signer_service service;

    if (!find_file(server, true, &entry, &service))
        return;
    entry->files[service].unsaved = false;
    event(server, SIGNER_EVENT_SERVICE_SAVED, entry->name,
          save_service(server, service, entry->name))
        ->service = service;
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
    if (type != MSG_SERVICE_CERT_SET)
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
take_service(struct span *in, enum signer_service *ret_service,
             char ret_ca[LIMIT_SHORT_NAME])
{
    uint8_t service;
    struct span name;

    BV_TRY(span_u8(in, &service));
    BV_TRY(span_bytes(in, &name));
    BV_TRY(span_copy_str(name, ret_ca, LIMIT_SHORT_NAME));
    if (service < SIGNER_OCSP || service >= SIGNER_SERVICES)
        return BV_E_BAD_MESSAGE;
    *ret_service = (enum signer_service)service;
    return BV_OK;
}

static enum bv_err
on_service_key(struct signer_server *server, struct channel *channel,
               const struct msg *msg)
{
    uint8_t buf[LIMIT_SPKI];
    struct sink out = SINK_ARRAY(buf);
    struct span in = msg->body;
    char ca[LIMIT_SHORT_NAME];
    enum signer_service service;
    enum bv_err err;

    BV_TRY(take_service(&in, &service, ca));
    BV_TRY(span_end(in));
    err = service == SIGNER_OCSP
              ? responder_make_key(server->responder, ca, &out)
              : ra_make_key(server->ra, ca, &out);
    return reply(channel, msg->id, MSG_SERVICE_KEY_MADE, err, sink_view(&out));
}

static enum bv_err
on_service_cert(struct signer_server *server, struct channel *channel,
                const struct msg *msg)
{
    struct span in = msg->body, cert;
    char ca[LIMIT_SHORT_NAME];
    enum signer_service service;
    enum bv_err err;

    BV_TRY(take_service(&in, &service, ca));
    BV_TRY(span_bytes(&in, &cert));
    BV_TRY(span_end(in));
    struct keyring_entry *entry = keyring_find(server->ring, span_str(ca));
    /* the one before decrypts on: it must have been opened */
    if (service == SIGNER_SCEP && entry != NULL && !entry->files[service].tried)
        open_service(server, entry, service);
    err = service == SIGNER_OCSP
              ? responder_set_cert(server->responder, ca, cert)
              : ra_set_cert(server->ra, ca, cert);
    event(server, SIGNER_EVENT_SERVICE_READY, ca, err)->service = service;
    if (err == BV_OK && entry != NULL) {
        /* the older file, if it is still to be opened, is out of date */
        entry->files[service].tried = true;
        entry->files[service].unsaved = server->save != NULL;
    }
    return reply(channel, msg->id, MSG_SERVICE_CERT_SET, err, SPAN_EMPTY);
}

static enum bv_err
on_service_have(struct signer_server *server, struct channel *channel,
                const struct msg *msg)
{
    struct span in = msg->body, cert = SPAN_EMPTY;
    char ca[LIMIT_SHORT_NAME];
    struct keyring_entry *entry;
    enum signer_service service;

    BV_TRY(take_service(&in, &service, ca));
    BV_TRY(span_end(in));
    entry = keyring_find(server->ring, span_str(ca));
    if (entry != NULL && !entry->files[service].tried)
        open_service(server, entry, service);
    enum bv_err err = current(server, service, ca, &cert);
    return reply(channel, msg->id, MSG_SERVICE_HAS, err, cert);
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
on_ra(struct signer_server *server, struct channel *channel,
      const struct msg *msg)
{
    struct sink out = SINK_ARRAY(server->body);
    enum msg_type answer;

    /* keys are opened one by one after a start: this one is wanted now */
    for (unsigned i = 0; i < server->ring->count; i++)
        if (!server->ring->entries[i].files[SIGNER_SCEP].tried)
            open_service(server, &server->ring->entries[i], SIGNER_SCEP);
    BV_TRY(ra_answer(server->ra, msg->type, msg->body, &out, &answer));
    enum bv_err err = channel_send(channel, answer, msg->id, sink_view(&out));
    explicit_bzero(server->body, out.len); /* it may have been a key */
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
    if (msg->type == MSG_SERVICE_KEY)
        return on_service_key(server, channel, msg);
    if (msg->type == MSG_SERVICE_CERT)
        return on_service_cert(server, channel, msg);
    if (msg->type == MSG_SERVICE_HAVE)
        return on_service_have(server, channel, msg);
    if (msg->type == MSG_SERIAL_KEY)
        return on_serial_key(server, msg);
    return on_ra(server, channel, msg);
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
