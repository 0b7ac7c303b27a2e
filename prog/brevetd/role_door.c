#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "front/est/est.h"
#include "front/peer.h"
#include "front/scep/scep.h"
#include "front/serve.h"
#include "front/status/status.h"
#include "net/tls.h"
#include "prog/brevetd/child.h"
#include "prog/brevetd/role.h"
#include "prog/brevetd/staple.h"

/* How often a status map that core has not written yet is looked at. */
#define MAP_RETRY_MS 50

struct door {
    struct role *role;
    struct loop *loop;
    struct loop_watch *parent_watch;
    struct loop_timer *map_timer;
    struct peer *core, *signer;
    struct serve *serve;
    struct staple *staple;
    struct front_est_settings est;
    struct front_scep_settings scep;
    struct front_status_settings status;
    struct front_status_crl crls[CONFIG_CAS_MAX];
    int map_fd; /* not yet a map; -1: none */
    bool has_tls, told_ready;
    int exit_status;
};

/* --- TLS --- */

/* own_pem: all CA certificates of this installation, one after the other. */
static enum bv_err
own_pem(const struct bundle *bundle, uint8_t *buf, size_t cap,
        struct span *ret_pem)
{
    struct sink out = sink_of(buf, cap);
    struct span name, blob;
    size_t at = 0;
    while (bundle_each(bundle, &at, &name, &blob)) {
        bool ours = (name.len > 3 && memcmp(name.data, "ca:", 3) == 0) ||
                    (name.len > 6 && memcmp(name.data, "chain:", 6) == 0);
        if (!ours)
            continue;
        sink_put(&out, blob);
        sink_str(&out, "\n");
    }
    return sink_done(&out, ret_pem);
}

/* The widest of what any profile forgives; core holds each certificate to its
 * own. */
static void
set_leniency(const struct core_config *core, struct tls_settings *settings)
{
    for (size_t i = 0; i < core->num_profiles; i++) {
        const struct profile *p = &core->profiles[i];
        if (settings->own_expired_s < p->renew_after_expiry)
            settings->own_expired_s = p->renew_after_expiry;
        settings->own_any_usage |= p->renew_without_client_auth;
    }
}

static enum bv_err
tls_of(const struct material *m, struct tls **ret)
{
    struct tls_anchors anchors[CONFIG_MANUFACTURERS_MAX];
    struct tls_settings settings = {.ask_client = true,
                                    .manufacturers = anchors};
    char label[BUNDLE_NAME_MAX];
    BV_TRY(bundle_find(&m->bundle, "tls", &settings.key_pem));
    settings.chain_pem = settings.key_pem;
    for (size_t i = 0; i < m->config->core.num_manufacturers; i++) {
        const char *name = m->config->manufacturers[i].name;
        (void)snprintf(label, sizeof(label), "anchors:%s", name);
        anchors[i].name = name;
        BV_TRY(bundle_find(&m->bundle, label, &anchors[i].pem));
        settings.num_manufacturers++;
    }
    size_t cap = m->bundle.len * 2;
    bv_auto_free uint8_t *buf = malloc(cap);
    if (buf == NULL)
        return BV_E_NO_MEMORY;
    BV_TRY(own_pem(&m->bundle, buf, cap, &settings.own_pem));
    set_leniency(&m->config->core, &settings);
    return tls_new(&settings, ret);
}

/* Without a certificate (core makes the first one) TLS waits for a bundle. */
static enum bv_err
use_tls(struct door *d, const struct material *m)
{
    struct tls *tls = NULL;
    enum bv_err err = tls_of(m, &tls);
    if (err == BV_E_NOT_FOUND) {
        log_warn("there is no TLS certificate yet");
        return BV_OK;
    }
    BV_TRY(err);
    net_set_tls(serve_net(d->serve), tls);
    struct span pem;
    if (bundle_find(&m->bundle, "tls", &pem) == BV_OK)
        staple_use(d->staple, tls, pem, m->config);
    tls_unref(tls);
    d->has_tls = true;
    return BV_OK;
}

static enum bv_err
listen_on(struct door *d, enum proc_listen purpose)
{
    char name[LIMIT_SHORT_NAME];
    int fd;
    while ((fd = role_file_take(&d->role->gifts, purpose, name)) >= 0) {
        BV_TRY(
            net_listen(serve_net(d->serve), fd, purpose == PROC_LISTEN_HTTPS));
        log_debug("listening address=%s", name);
    }
    return BV_OK;
}

static enum bv_err
listen_all(struct door *d)
{
    BV_TRY(listen_on(d, PROC_LISTEN_HTTP));
    return d->has_tls ? listen_on(d, PROC_LISTEN_HTTPS) : BV_OK;
}

/* Ready is who serves all that was asked for: not without the certificate that
 * core makes at the first start, nor without its status map. */
static enum bv_err
tell_when_ready(struct door *d)
{
    bool waits = d->map_fd >= 0;
    for (unsigned i = 0; i < d->role->gifts.num_files; i++)
        waits |= d->role->gifts.files[i].purpose == PROC_LISTEN_HTTPS;
    if (waits || d->told_ready)
        return BV_OK;
    d->told_ready = true;
    return role_ready(d->role);
}

/* --- settings of the fronts --- */

static void
warn_of_legacy(const struct core_config *core)
{
    for (size_t i = 0; core->scep && i < core->num_profiles; i++)
        if (core->profiles[i].scep_legacy)
            log_warn("SCEP takes SHA-1 and 3DES profile=%s",
                     core->profiles[i].name);
}

static void
use_settings(struct door *d, const struct config *config)
{
    d->est.config = &config->core;
    d->est.lenient = config->est_lenient;
    d->est.full_chain = config->est_full_chain;
    d->est.generation++;
    d->scep.config = &config->core;
    d->scep.enabled = config->core.scep;
    d->status.config = &config->core;
    d->status.signed_per_address = config->ocsp_signed;
    d->status.generation++;
    warn_of_legacy(&config->core);
}

/* CRLs come again with every bundle; the old descriptors are closed once the
 * door has let go of them, which generation tells it to. */
static void
take_crls(struct door *d)
{
    struct front_status_crl fresh[CONFIG_CAS_MAX];
    const struct config *config = d->role->material.config;
    size_t num = config->core.num_cas;
    for (size_t i = 0; i < num; i++)
        fresh[i] = (struct front_status_crl){config->cas[i].name, -1};
    char name[LIMIT_SHORT_NAME];
    int fd;
    while ((fd = role_file_take(&d->role->gifts, PROC_LISTEN_CRL, name)) >= 0) {
        size_t i = 0;
        while (i < num && strcmp(fresh[i].name, name) != 0)
            i++;
        if (i < num && fresh[i].fd < 0)
            fresh[i].fd = fd;
        else
            (void)close(fd);
    }
    for (size_t i = 0; i < d->status.num_crls; i++)
        if (d->crls[i].fd >= 0)
            (void)close(d->crls[i].fd);
    memcpy(d->crls, fresh, num * sizeof(fresh[0]));
    d->status.crls = d->crls;
    d->status.num_crls = num;
    d->status.generation++;
}

static void
try_map(void *ctx)
{
    struct door *d = ctx;
    int fd = d->map_fd >= 0 ? dup(d->map_fd) : -1;
    if (fd < 0)
        return;
    if (statusmap_reader(fd, &d->status.map) != BV_OK) {
        d->status.map = NULL;
        loop_timer_start(d->map_timer, MAP_RETRY_MS);
        return;
    }
    (void)close(d->map_fd);
    d->map_fd = -1;
    d->status.generation++;
}

static void
on_map_timer(void *ctx)
{
    try_map(ctx);
    (void)!tell_when_ready(ctx); /* the parent's end is seen elsewhere */
}

/* --- the parent --- */

static void
attach_peers(struct door *d)
{
    struct role_gifts *gifts = &d->role->gifts;
    for (unsigned i = 0; i < gifts->num_peers; i++) {
        struct peer *peer =
            gifts->peers[i].role == PROC_CORE ? d->core : d->signer;
        enum bv_err err = peer_attach(peer, gifts->peers[i].fd);
        if (err != BV_OK)
            log_error("a channel was not taken error=%s", err_name(err));
    }
    gifts->num_peers = 0;
}

static void
reload(struct door *d)
{
    struct material fresh;
    enum bv_err err = material_take(&d->role->gifts.bundle, &fresh);
    d->role->gifts.has_bundle = false;
    if (err == BV_OK) {
        err = use_tls(d, &fresh);
        if (err != BV_OK)
            material_free(&fresh);
    }
    if (err != BV_OK) {
        log_error("files were not taken over error=%s", err_name(err));
        return;
    }
    struct material old = d->role->material;
    d->role->material = fresh;
    log_set_level(fresh.config->log_level);
    use_settings(d, fresh.config);
    take_crls(d);
    material_free(&old);
    if (listen_all(d) != BV_OK)
        log_error("an address could not be listened on");
}

static void
drained(void *ctx)
{
    struct door *d = ctx;
    loop_stop(d->loop);
}

static enum bv_err
take_events(struct door *d)
{
    BV_TRY(channel_fill(d->role->parent));
    for (;;) {
        bool got;
        enum role_event event;
        BV_TRY(role_take(d->role->parent, &d->role->gifts, &got, &event));
        if (!got)
            break;
        if (event == ROLE_BUNDLE)
            reload(d);
        if (event == ROLE_DRAIN)
            net_drain(serve_net(d->serve), drained, d);
    }
    attach_peers(d);
    return tell_when_ready(d);
}

static void
from_parent(void *ctx, unsigned events)
{
    struct door *d = ctx;
    (void)events;
    enum bv_err err = take_events(d);
    if (err == BV_OK)
        return;
    d->exit_status = err == BV_E_CLOSED ? 0 : 1;
    loop_stop(d->loop);
}

/* --- life --- */

static enum bv_err
open_loop(struct door *d)
{
    BV_TRY(loop_new(&d->loop));
    BV_TRY(peer_new(d->loop, PROC_CORE, &d->core));
    BV_TRY(peer_new(d->loop, PROC_SIGNER, &d->signer));
    BV_TRY(loop_timer_new(d->loop, on_map_timer, d, &d->map_timer));
    BV_TRY(staple_new(d->loop, d->signer, &d->staple));
    return loop_watch_new(d->loop, channel_fd(d->role->parent), LOOP_READ,
                          from_parent, d, &d->parent_watch);
}

static enum bv_err
open_fronts(struct door *d)
{
    struct front_env env = {d->loop, d->core, d->signer, &d->est};
    BV_TRY(serve_new(d->loop, &d->role->material.config->net, &d->serve));
    use_settings(d, d->role->material.config);
    take_crls(d);
    BV_TRY(serve_add(d->serve, &front_est, &env));
    env.settings = &d->scep;
    BV_TRY(serve_add(d->serve, &front_scep, &env));
    env.settings = &d->status;
    return serve_add(d->serve, &front_status_door, &env);
}

static enum bv_err
open_door(struct door *d)
{
    BV_TRY(open_loop(d));
    attach_peers(d);
    d->map_fd = role_file_take(&d->role->gifts, PROC_LISTEN_STATUS_MAP, NULL);
    try_map(d);
    BV_TRY(open_fronts(d));
    BV_TRY(use_tls(d, &d->role->material));
    BV_TRY(listen_all(d));
    return take_events(d); /* what came together with START */
}

static void
close_door(struct door *d)
{
    serve_free(d->serve);
    peer_free(d->core);
    peer_free(d->signer);
    staple_free(d->staple);
    if (d->parent_watch != NULL)
        loop_watch_free(d->parent_watch);
    if (d->map_timer != NULL)
        loop_timer_free(d->map_timer);
    statusmap_free(d->status.map);
    if (d->map_fd >= 0)
        (void)close(d->map_fd);
    loop_free(d->loop);
}

int
role_door_run(struct role *role)
{
    struct door door = {.role = role, .map_fd = -1};
    enum bv_err err = open_door(&door);
    if (err != BV_OK) {
        log_error("cannot open error=%s", err_name(err));
        return err == BV_E_BAD_CONFIG || err == BV_E_WRONG_KEY
                   ? CHILD_EXIT_HOPELESS
                   : 1;
    }
    loop_run(door.loop);
    close_door(&door);
    return door.exit_status;
}
