#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "prog/brevetd/child.h"
#include "prog/brevetd/role.h"
#include "signer/server.h"

#define FDS_MAX (1 + SIGNER_SERVER_CHANNELS)

struct signing {
    struct role *role;
    struct signer_server *server;
    bool over, told_ready;
    bool keeps_memory;
    bool reloaded; /* what does not open now did open before */
};

static struct span
blob_or_empty(const struct bundle *bundle, const char *kind, const char *name)
{
    char label[BUNDLE_NAME_MAX];
    struct span blob;
    (void)snprintf(label, sizeof(label), "%s%s", kind, name);
    return bundle_find(bundle, label, &blob) == BV_OK ? blob : SPAN_EMPTY;
}

static unsigned
collect_keys(const struct material *m, struct signer_server_key *keys)
{
    unsigned num = 0;
    for (size_t i = 0; i < m->config->core.num_cas; i++) {
        const char *name = m->config->cas[i].name;
        keys[num++] = (struct signer_server_key){
            .name = name,
            .pem = blob_or_empty(&m->bundle, "key:", name),
            .cert_pem = blob_or_empty(&m->bundle, "ca:", name),
            .ocsp_pem = blob_or_empty(&m->bundle, "ocsp:", name),
            .scep_pem = blob_or_empty(&m->bundle, "scep:", name),
        };
    }
    keys[num++] = (struct signer_server_key){
        .name = "log", .pem = blob_or_empty(&m->bundle, "key:", "log")};
    return num;
}

/* The parent writes what this process may not (MSG_KEEP). */
static enum bv_err
save(void *user, enum signer_service service, const char *ca, struct span text)
{
    struct channel *parent = ((struct signing *)user)->role->parent;
    uint8_t buf[RA_FILE_MAX + 128];
    struct sink out = SINK_ARRAY(buf);
    struct span body;
    sink_u8(&out, (uint8_t)service);
    sink_bytes(&out, span_str(ca));
    sink_bytes(&out, text);
    BV_TRY(sink_done(&out, &body));
    BV_TRY(channel_send(parent, MSG_KEEP, 0, body));
    return channel_flush(parent);
}

/* configure makes the server, or reloads it. What it needs it copies, so the
 * bundle with the passphrase need not stay mapped. */
static enum bv_err
configure(struct signing *s)
{
    struct material *m = &s->role->material;
    struct signer_server_key keys[CONFIG_CAS_MAX + 1];
    struct signer_server_config config = {
        .keys = keys,
        .num_keys = collect_keys(m, keys),
        .passphrase = blob_or_empty(&m->bundle, "passphrase", ""),
        .save = save,
        .save_user = s,
        .ocsp = {m->config->ocsp_validity, m->config->ocsp_backdate},
    };
    enum bv_err err = s->server == NULL
                          ? signer_server_new(&config, &s->server)
                          : signer_server_reload(s->server, &config);
    bundle_close(&m->bundle);
    return err;
}

static enum bv_err
take_peers(struct signing *s)
{
    struct role_gifts *gifts = &s->role->gifts;
    for (unsigned i = 0; i < gifts->num_peers; i++) {
        struct role_peer peer = gifts->peers[i];
        enum bv_err err =
            peer.role == PROC_CORE
                ? signer_server_core(s->server, peer.fd)
                : signer_server_door(s->server, peer.index, peer.fd);
        if (err != BV_OK)
            log_error("a channel was not taken error=%s", err_name(err));
    }
    gifts->num_peers = 0;
    int map = role_file_take(gifts, PROC_LISTEN_STATUS_MAP, NULL);
    return map >= 0 ? signer_server_map(s->server, map) : BV_OK;
}

static void
reload(struct signing *s)
{
    struct material fresh;
    enum bv_err err = material_take(&s->role->gifts.bundle, &fresh);
    s->role->gifts.has_bundle = false;
    if (err != BV_OK)
        return;
    material_free(&s->role->material);
    s->role->material = fresh;
    log_set_level(fresh.config->log_level);
    s->reloaded = true;
    err = configure(s);
    if (err != BV_OK)
        log_error("the keys were not taken over error=%s", err_name(err));
}

static enum bv_err
from_parent(struct signing *s)
{
    BV_TRY(channel_fill(s->role->parent));
    for (;;) {
        bool got;
        enum role_event event;
        BV_TRY(role_take(s->role->parent, &s->role->gifts, &got, &event));
        if (!got)
            return take_peers(s);
        if (event == ROLE_BUNDLE)
            reload(s);
        if (event == ROLE_DRAIN)
            s->over = true;
    }
}

/* log_events: WRONG_KEY when a key does not open that was there from the
 * start. Without it nothing can be signed, and waiting does not open it. */
static enum bv_err
log_events(const struct signing *s)
{
    struct signer_event event;
    enum bv_err result = BV_OK;
    while (signer_server_next_event(s->server, &event)) {
        if (event.err != BV_OK && event.kind == SIGNER_EVENT_OPENED &&
            !s->reloaded)
            result = BV_E_WRONG_KEY;
        if (event.kind == SIGNER_EVENT_DOOR_CUT)
            BV_TRY(role_blame(s->role, event.door, event.err));
        else if (event.err != BV_OK)
            log_error("key is not usable name=%s error=%s reason=\"%s\"",
                      event.name, err_name(event.err),
                      key_open_text(event.err));
        else if (event.kind == SIGNER_EVENT_OPENED)
            log_debug("key open name=%s", event.name);
        else if (event.kind == SIGNER_EVENT_SERVICE_READY)
            log_debug("%s ready ca=%s",
                      event.service == SIGNER_OCSP ? "OCSP responder"
                                                   : "SCEP RA",
                      event.name);
    }
    return result;
}

/* A key that does not open has ended the role by now (log_events). */
static enum bv_err
tell_when_open(struct signing *s)
{
    if (s->told_ready || signer_server_sealed(s->server))
        return BV_OK;
    s->told_ready = true;
    return role_ready(s->role);
}

/* Each sealed key takes scrypt 16 MiB (pki/key.h). While the keys are opened
 * those are kept, or the kernel would clear them anew for each. */
#define KEPT_OCTETS (32 * 1024 * 1024) /* the most malloc takes */

static void
keep_memory(struct signing *s)
{
    s->keeps_memory = mallopt(M_MMAP_THRESHOLD, KEPT_OCTETS) == 1 &&
                      mallopt(M_TRIM_THRESHOLD, KEPT_OCTETS) == 1;
}

static void
give_memory_back(struct signing *s)
{
    if (!s->keeps_memory || signer_server_busy(s->server))
        return;
    s->keeps_memory = false;
    role_settle_memory();
    (void)malloc_trim(0);
}

static enum bv_err
turn(struct signing *s)
{
    struct pollfd fds[FDS_MAX] = {{channel_fd(s->role->parent), POLLIN, 0}};
    unsigned num = signer_server_pollfds(s->server, fds + 1, FDS_MAX - 1);
    int wait = signer_server_busy(s->server) ? 0 : -1;
    if (poll(fds, num + 1, wait) < 0)
        return errno == EINTR ? BV_OK : BV_E_IO;
    BV_TRY(signer_server_step(s->server, fds + 1, num));
    BV_TRY(log_events(s));
    give_memory_back(s);
    return fds[0].revents != 0 ? from_parent(s) : BV_OK;
}

static enum bv_err
serve(struct signing *s)
{
    BV_TRY(take_peers(s));
    BV_TRY(from_parent(s)); /* what came together with START */
    while (!s->over) {
        BV_TRY(tell_when_open(s));
        BV_TRY(turn(s));
    }
    return BV_OK;
}

int
role_signer_run(struct role *role)
{
    struct signing s = {.role = role};
    keep_memory(&s);
    enum bv_err err = configure(&s);
    if (err != BV_OK) {
        log_error("the keys were not taken over error=%s", err_name(err));
        return CHILD_EXIT_HOPELESS;
    }
    err = serve(&s);
    signer_server_free(s.server);
    if (err == BV_OK || err == BV_E_CLOSED)
        return 0;
    log_error("stopped error=%s", err_name(err));
    return err == BV_E_WRONG_KEY ? CHILD_EXIT_KEYS : 1;
}
