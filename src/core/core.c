#include "core/core.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/batch.h"
#include "core/cas.h"
#include "core/checkpoint.h"
#include "core/crl.h"
#include "core/crl_wait.h"
#include "core/find.h"
#include "core/handle.h"
#include "core/health.h"
#include "core/infra.h"
#include "core/issue.h"
#include "core/job.h"
#include "core/piece.h"
#include "core/replay.h"
#include "core/sequence.h"
#include "core/sign.h"
#include "core/state.h"
#include "pki/digest.h"
#include "pki/random.h"

#define PRUNE_EVERY  3600
#define SYNC_EVERY   60
#define PENDING_LIFE (INT64_C(30) * 86400)
#define TICK_MIN_MS  200
/* An act between two ticks may have moved a date nearer: look again soon. */
#define TICK_MAX_MS 2000

int64_t
core_now(const struct core *core)
{
    return core->calls.now != NULL ? core->calls.now() : clock_wall();
}

const struct profile *
core_profile(const struct core *core, const char *name)
{
    return core_config_profile(core->config, name);
}

struct issuer *
core_issuer(struct core *core, const char *name)
{
    for (size_t i = 0; i < core->num_issuers; i++) {
        if (strcmp(core->issuers[i].config->name, name) == 0)
            return &core->issuers[i];
    }
    return NULL;
}

struct issuer *
core_issuer_of_id(struct core *core, uint8_t id)
{
    for (size_t i = 0; i < core->num_issuers; i++) {
        if (core->issuers[i].id == id)
            return &core->issuers[i];
    }
    return NULL;
}

/* --- opening --- */

struct id_of_key {
    const uint8_t *key_hash;
    uint8_t id;
};

static enum bv_err
match_issuer(void *user, const struct store_issuer *row)
{
    struct id_of_key *want = user;
    if (span_eq(row->key_hash, span_of(want->key_hash, 32)))
        want->id = row->id;
    return BV_OK;
}

/* A CA is its key: the same key with a new certificate keeps its id. */
static enum bv_err
register_issuer(struct core *core, struct issuer *issuer)
{
    struct id_of_key want = {.key_hash = issuer->key_hash};
    BV_TRY(core->store->issuer_each(core->store->ctx, match_issuer, &want));
    struct store_issuer row = {.id = want.id,
                               .key_hash = SPAN_ARRAY(issuer->key_hash),
                               .cert = issuer->config->cert};
    memcpy(row.name, issuer->config->name, sizeof row.name);
    enum bv_err err =
        core->store->issuer_put(core->store->ctx, &row, &issuer->id);
    if (err != BV_E_CONFLICT)
        return err;
    log_error("a CA's name is taken by one with another key: a new CA needs a "
              "new name, or the earlier one first ca=%s",
              row.name);
    return BV_E_BAD_CONFIG;
}

/* What the issuer's certificate, and each above it, forbid those below. One
 * that cannot be read forbids what it likes: OpenSSL is to look. */
static void
note_limits(struct issuer *issuer)
{
    issuer->constrained = issuer->cert.name_constraints.len > 0;
    issuer->barred = issue_barred(&issuer->cert);
    for (size_t i = 0; i < issuer->config->num_chain; i++) {
        struct cert above;
        if (cert_parse(issuer->config->chain[i], &above) != BV_OK) {
            issuer->constrained = true;
            continue;
        }
        issuer->constrained |= above.name_constraints.len > 0;
        issuer->barred |= issue_barred(&above);
    }
}

static enum bv_err
load_issuers(struct core *core, const struct core_config *config,
             struct issuer **ret_issuers)
{
    struct issuer *issuers = calloc(config->num_cas + 1, sizeof *issuers);
    if (issuers == NULL)
        return BV_E_NO_MEMORY;
    for (size_t i = 0; i < config->num_cas; i++) {
        issuers[i].config = &config->cas[i];
        enum bv_err err = cert_parse(config->cas[i].cert, &issuers[i].cert);
        if (err == BV_OK) {
            digest_sha256(issuers[i].cert.spki.whole, issuers[i].key_hash);
            note_limits(&issuers[i]);
            err = register_issuer(core, &issuers[i]);
        }
        if (err != BV_OK) {
            free(issuers);
            return err;
        }
    }
    *ret_issuers = issuers;
    return BV_OK;
}

/* meta_random reads a random value kept in the database, making it first. */
static enum bv_err
meta_random(struct core *core, const char *key, uint8_t *buf, size_t len)
{
    size_t got;
    enum bv_err err =
        core->store->meta_get(core->store->ctx, key, buf, len, &got);
    if (err == BV_OK)
        return got == len ? BV_OK : BV_E_CORRUPT;
    if (err != BV_E_NOT_FOUND)
        return err;
    random_bytes(buf, len);
    return core->store->meta_put(core->store->ctx, key, span_of(buf, len));
}

static enum bv_err
load_newest(struct core *core)
{
    uint8_t buf[8];
    size_t len;
    uint64_t newest = 0;
    enum bv_err err = core->store->meta_get(core->store->ctx, "clock.newest",
                                            buf, sizeof buf, &len);
    if (err == BV_E_NOT_FOUND)
        return BV_OK;
    BV_TRY(err);
    struct span in = span_of(buf, len);
    if (span_u64(&in, &newest) != BV_OK)
        return BV_E_CORRUPT;
    core->newest = (int64_t)newest;
    return BV_OK;
}

static enum bv_err
audit_start(struct core *core)
{
    struct audit_event event = {
        .action = AUDIT_SERVER_START,
        .actor = AUDIT_ACTOR_SYSTEM,
        .auth = AUDIT_AUTH_LOCAL,
        .object = AUDIT_OBJECT_SERVER,
        .outcome = AUDIT_OK,
        .actor_id = SPAN_LIT("core"),
        .detail = SPAN_LIT(BREVET_VERSION),
    };
    return batch_audit(core, &event);
}

static enum bv_err
open_facts(struct core *core, uint8_t db_id[STATUSMAP_ID_LEN])
{
    BV_TRY(meta_random(core, "db.id", db_id, STATUSMAP_ID_LEN));
    BV_TRY(meta_random(core, "serial.key", core->serial_key, SERIAL_KEY_LEN));
    BV_TRY(serial_new(core->serial_key, &core->serial));
    BV_TRY(load_issuers(core, core->config, &core->issuers));
    core->num_issuers = core->config->num_cas;
    return core->calls.tool ? BV_OK : audit_start(core);
}

static enum bv_err
open_audit(struct core *core, char *ret_problem, size_t cap)
{
    const struct core_config *c = core->config;
    uint8_t buf[TLOG_NOTE_MAX];
    struct sink kept = SINK_ARRAY(buf);
    bool has_kept = checkpoint_kept(c, &kept) == BV_OK;
    const struct audit_options options = {
        .origin = c->log_origin[0] != '\0' ? c->log_origin : "brevet",
        .log_key = c->log_key.len == 32 ? c->log_key.data : NULL,
        .known = has_kept ? sink_view(&kept) : c->known_checkpoint,
    };
    return audit_open(core->store, &options, &core->audit, ret_problem, cap);
}

static enum bv_err
open_all(struct core *core, int *map_fd, char *ret_problem, size_t cap)
{
    uint8_t db_id[STATUSMAP_ID_LEN];
    BV_TRY(core_config_check(core->config, ret_problem, cap));
    BV_TRY(rates_new(&core->rates));
    BV_TRY(open_audit(core, ret_problem, cap));
    (void)snprintf(ret_problem, cap, "the database cannot be prepared");
    BV_TRY(load_newest(core));
    BV_TRY(batch_begin(core));
    BV_TRY(open_facts(core, db_id));
    BV_TRY(batch_commit(core)); /* also reserves the first numbers */
    (void)snprintf(ret_problem, cap, "the status map cannot be prepared");
    if (*map_fd >= 0) {
        int fd = *map_fd;
        *map_fd = -1; /* the map's from here */
        BV_TRY(replay_map(core, fd, db_id));
    }
    (void)snprintf(ret_problem, cap, "the CAs' certificates cannot be listed");
    BV_TRY(cas_register(core));
    (void)snprintf(ret_problem, cap, "the CRLs cannot be prepared");
    for (size_t i = 0; i < core->num_issuers; i++)
        BV_TRY(crl_open(core, &core->issuers[i]));
    infra_open(core);
    (void)snprintf(ret_problem, cap, "the database cannot be read through");
    if (!core->calls.tool)
        BV_TRY(health_start(core));
    ret_problem[0] = '\0';
    return BV_OK;
}

enum bv_err
core_new(const struct core_config *config, struct store *store, int map_fd,
         const struct core_calls *calls, struct core **ret_core,
         char *ret_problem, size_t cap)
{
    bv_auto_close int fd = map_fd;
    struct core *core = calloc(1, sizeof *core);
    if (core == NULL)
        return BV_E_NO_MEMORY;
    core->config = config;
    core->store = store;
    core->calls = *calls;
    core->batch.tail = &core->batch.head;
    enum bv_err err = open_all(core, &fd, ret_problem, cap);
    if (err != BV_OK) {
        if (core->batch.open)
            store->rollback(store->ctx);
        core->batch.open = false;
        core_free(core);
        return err;
    }
    *ret_core = core;
    return BV_OK;
}

static void
ignore(enum bv_err err)
{
    (void)err;
}

void
core_free(struct core *core)
{
    if (core == NULL)
        return;
    core->signer = NULL;
    if (core->audit != NULL) {
        job_fail_all(core, BV_E_UNAVAILABLE);
        piece_fail_all(core, BV_E_UNAVAILABLE);
        crl_wait_fail_all(core, BV_E_UNAVAILABLE);
        ignore(batch_commit(core)); /* whoever waits was told either way */
    }
    if (core->map != NULL)
        ignore(statusmap_sync(core->map, core->mark)); /* replayed if not */
    statusmap_free(core->map);
    audit_free(core->audit);
    serial_free(core->serial);
    rates_free(core->rates);
    free(core->batch.puts);
    free(core->issuers);
    explicit_bzero(core->serial_key, sizeof core->serial_key);
    free(core);
}

/* --- running --- */

static void
hand_over_serial_key(struct core *core)
{
    struct signer_issuer issuers[255];
    for (size_t i = 0; i < core->num_issuers; i++) {
        memcpy(issuers[i].ca, core->issuers[i].config->name,
               sizeof issuers[i].ca);
        issuers[i].id = core->issuers[i].id;
        memcpy(issuers[i].key_hash, core->issuers[i].key_hash,
               sizeof issuers[i].key_hash);
    }
    enum bv_err err =
        core->signer->serial_key(core->signer->ctx, core->serial_key, issuers,
                                 (unsigned)core->num_issuers);
    if (err != BV_OK)
        log_warn("the signer did not take the serial key error=%s",
                 err_name(err));
}

void
core_set_signer(struct core *core, const struct signer *signer)
{
    core->signer = NULL;
    job_fail_all(core, BV_E_UNAVAILABLE);
    core->signer = signer;
    if (signer == NULL)
        return;
    for (size_t i = 0; i < core->num_issuers; i++)
        core->issuers[i].proven = false;
    hand_over_serial_key(core);
    infra_signer_changed(core);
}

void
core_signed(void *user, uint64_t ticket, enum bv_err err, struct span result)
{
    struct core *core = user;
    struct job *job = job_answered(core, ticket);
    if (job != NULL)
        job->on_signed(core, job, err, result);
}

void
core_submit(struct core *core, unsigned door_tag, uint64_t id,
            const struct core_request *request)
{
    batch_look(core);
    handle_request(core, door_tag, id, request);
}

enum bv_err
core_commit(struct core *core)
{
    if (!core_has_work(core))
        return core->broken ? BV_E_CORRUPT : BV_OK;
    enum bv_err err = batch_commit(core);
    if (err != BV_OK)
        log_error("commit failed error=%s", err_name(err));
    return err == BV_E_CORRUPT ? err : BV_OK;
}

bool
core_has_work(const struct core *core)
{
    return core->batch.open || core->batch.head != NULL;
}

static void
prune(struct core *core, int64_t now)
{
    int64_t life = core->config->pending_life;
    if (core->prune_due > now)
        return;
    core->prune_due = now + PRUNE_EVERY;
    enum bv_err err = batch_begin(core);
    if (err == BV_OK)
        err = core->store->pending_prune(
            core->store->ctx, now - (life > 0 ? life : PENDING_LIFE));
    if (err != BV_OK)
        batch_fail(core, err);
}

/* A change that is in the map, and there on the disk, has done its work. */
static void
prune_changes(struct core *core)
{
    enum bv_err err = batch_begin(core);
    if (err == BV_OK)
        err = core->store->changes_prune(core->store->ctx, core->synced.change,
                                         &core->old_changes);
    if (err != BV_OK)
        batch_fail(core, err);
}

static void
sync_map(struct core *core, int64_t now)
{
    bool same = core->mark.seq == core->synced.seq &&
                core->mark.change == core->synced.change;
    if (core->map == NULL || core->sync_due > now)
        return;
    core->sync_due = now + SYNC_EVERY;
    if (same && !core->old_changes)
        return;
    enum bv_err err = statusmap_sync(core->map, core->mark);
    if (err != BV_OK) {
        log_error("the status map could not be synced error=%s", err_name(err));
        return;
    }
    core->synced = core->mark;
    prune_changes(core);
}

/* What was planned by a wrong clock is planned anew. */
static void
plan_again(struct core *core, int64_t now)
{
    for (size_t i = 0; i < core->num_issuers; i++)
        if (core->issuers[i].crl_due > now)
            core->issuers[i].crl_due = now;
    core->prune_due = core->sync_due = core->checkpoint_due = 0;
    infra_open(core);
    if (core->signer != NULL)
        infra_signer_changed(core);
}

static bool
clock_is_right(struct core *core, int64_t now)
{
    bool bad = sign_clock(core, now) != BV_OK;
    if (bad && !core->clock_bad)
        log_error("the clock cannot be trusted, so nothing is issued or "
                  "published; set it, or vouch for it with brevet clock trust "
                  "now=%lld newest_known=%lld",
                  (long long)now, (long long)core->newest);
    if (!bad && core->clock_bad) {
        log_info("the clock is right again");
        plan_again(core, now);
    } else if (!bad && now + STEP_BACK < core->ticked) {
        log_info("the clock was put back; planning again");
        plan_again(core, now);
    }
    core->clock_bad = bad;
    core->ticked = now;
    return !bad;
}

int64_t
core_tick(struct core *core, int64_t now)
{
    if (!clock_is_right(core, now))
        return TICK_MAX_MS;
    prune(core, now);
    sync_map(core, now);
    int64_t crl = crl_tick(core, now);
    int64_t infra = infra_tick(core, now);
    int64_t next = crl < infra ? crl : infra;
    if (core->map != NULL && core->sync_due < next)
        next = core->sync_due;
    if (core->prune_due < next)
        next = core->prune_due;
    int64_t ms = (next - now) * 1000;
    if (ms > TICK_MAX_MS)
        return TICK_MAX_MS;
    return ms < TICK_MIN_MS ? TICK_MIN_MS : ms;
}

/* --- reload --- */

static void
keep_schedule(struct core *core, struct issuer *issuer)
{
    const struct issuer *old = core_issuer_of_id(core, issuer->id);
    if (old == NULL)
        return;
    const struct core_ca *config = issuer->config;
    struct cert cert = issuer->cert;
    *issuer = *old;
    issuer->config = config;
    issuer->cert = cert;
    note_limits(issuer);
    issuer->oracle_seen = 0;
    issuer->proven = false;
}

#define KEY_OPENING 5 /* seconds */

/* New here, or its key came back: from now on it publishes. Or its file is
 * another one, where nothing may be yet. */
static bool
needs_crl_open(struct core *core, const struct issuer *issuer)
{
    const struct issuer *old = core_issuer_of_id(core, issuer->id);
    return old == NULL || !issuer->crl_known || old->config->offline ||
           strcmp(old->config->crl_path, issuer->config->crl_path) != 0;
}

static void
schedule_crl(struct core *core, struct issuer *issuer)
{
    int64_t now = core_now(core);
    keep_schedule(core, issuer);
    if (needs_crl_open(core, issuer) && crl_open(core, issuer) != BV_OK)
        log_error("the CRL's state is unknown ca=%s", issuer->config->name);
    /* The signer is opening the key that came with this. */
    else if (issuer->crl_due <= now && issuer->crl_due != 0)
        issuer->crl_due = now + KEY_OPENING;
}

/* The new CAs, each with its durable id. */
static enum bv_err
load_durably(struct core *core, const struct core_config *config,
             struct issuer **ret_issuers)
{
    bv_auto_free struct issuer *issuers = NULL;
    enum bv_err err = batch_begin(core);
    if (err == BV_OK)
        err = load_issuers(core, config, &issuers);
    if (err != BV_OK) {
        batch_fail(core, err);
        return err;
    }
    BV_TRY(batch_commit(core));
    *ret_issuers = BV_STEAL(issuers);
    return BV_OK;
}

enum bv_err
core_reconfigure(struct core *core, const struct core_config *config)
{
    char problem[200];
    struct issuer *issuers;
    enum bv_err err = core_config_check(config, problem, sizeof problem);
    if (err != BV_OK) {
        log_error("the configuration does not fit detail=\"%s\"", problem);
        return err;
    }
    BV_TRY(load_durably(core, config, &issuers));
    for (size_t i = 0; i < config->num_cas; i++)
        schedule_crl(core, &issuers[i]);
    free(core->issuers);
    core->issuers = issuers;
    core->num_issuers = config->num_cas;
    core->config = config;
    err = cas_register(core);
    if (err != BV_OK)
        log_error("the CAs' certificates are not in the inventory error=%s",
                  err_name(err));
    infra_open(core);
    infra_services_added(core);
    if (core->signer != NULL)
        hand_over_serial_key(core);
    return BV_OK;
}

void
core_stats(const struct core *core, struct core_stats *ret_stats)
{
    *ret_stats = core->stats;
    ret_stats->inflight = core->inflight;
    ret_stats->next_seq = sequence_next(&core->sequence);
}
