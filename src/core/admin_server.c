/* status, profile.list, profile.show, backup, backup.done, tls.renew,
 * clock.trust. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"
#include "core/admin.h"
#include "core/batch.h"
#include "core/cas.h"
#include "core/crl.h"
#include "core/crl_brought.h"
#include "core/infra.h"
#include "core/job.h"
#include "core/piece.h"
#include "core/sign.h"

static void add_finding(json_t *list, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
add_finding(json_t *list, const char *format, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    (void)json_array_append_new(list, json_string(text));
}

static void
find_late_crl(json_t *list, const struct issuer *issuer, int64_t now)
{
    char when[TIME_TEXT_MAX];
    const char *name = issuer->config->name;
    if (!crl_is_late(issuer, now))
        return;
    time_format(issuer->crl_next, when);
    const char *verb = now >= issuer->crl_next ? "ran out" : "runs out";
    if (issuer->config->offline)
        add_finding(list,
                    "the CRL of CA %s %s on %s and its key is not here: bring "
                    "the key, then do brevet ca crl --ca %s",
                    name, verb, when, name);
    else
        add_finding(list,
                    "the CRL of CA %s %s on %s: do brevet crl publish %s and "
                    "see the log",
                    name, verb, when, name);
}

/* What somebody should do something about, one sentence each. */
static json_t *
findings(struct core *core)
{
    json_t *list = json_array();
    int64_t now = core_now(core);
    if (sign_clock(core, now) != BV_OK)
        add_finding(list, ADMIN_BAD_CLOCK);
    if (core->signer == NULL)
        add_finding(list, "the signer is not there, so nothing is signed: see "
                          "the log");
    for (size_t i = 0; i < core->num_issuers; i++) {
        find_late_crl(list, &core->issuers[i], now);
        if (crl_brought_unlisted(core, &core->issuers[i]) > 0)
            add_finding(list,
                        "the CRL of CA %s does not list what was revoked since "
                        "it was signed: bring its key, then do brevet ca crl",
                        core->issuers[i].config->name);
        if (cas_is_revoked(core, &core->issuers[i]))
            add_finding(list,
                        "the certificate of CA %s is revoked, so it issues "
                        "nothing: put a new CA in its place",
                        core->issuers[i].config->name);
    }
    return list;
}

static enum bv_err
status(struct admin_call *call)
{
    struct core_stats s;
    struct store_counts c;
    struct core *core = call->core;
    core_stats(core, &s);
    BV_TRY(core->store->counts(core->store->ctx, &c));
    call->result = json_pack(
        "{s:s, s:I, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
        "s:I, s:I, s:I, s:o}",
        "version", BREVET_VERSION, "time", (json_int_t)core_now(core),
        "clock_ok", sign_clock(core, core_now(core)) == BV_OK, "signer",
        core->signer != NULL, "certs", (json_int_t)c.certs, "revoked",
        (json_int_t)c.revoked, "devices", (json_int_t)c.devices, "tokens",
        (json_int_t)c.tokens, "pending", (json_int_t)c.pending, "audit_size",
        (json_int_t)audit_size(core->audit), "checkpoint_size",
        (json_int_t)audit_checkpoint_size(core->audit), "issued",
        (json_int_t)s.issued, "repeated", (json_int_t)s.repeated, "refused",
        (json_int_t)s.refused, "failed", (json_int_t)s.failed, "inflight",
        (json_int_t)s.inflight, "findings", findings(core));
    return BV_OK;
}

static json_t *
profile_json(const struct profile *p)
{
    return json_pack(
        "{s:s, s:s, s:I, s:I, s:i, s:b, s:b, s:b, s:b, s:b, s:b}", "name",
        p->name, "ca", p->ca, "lifetime", (json_int_t)p->lifetime, "backdate",
        (json_int_t)p->backdate, "renew_percent", (int)p->renew_percent,
        "is_ca", (int)p->is_ca, "approval", (int)p->approval, "server_keygen",
        (int)p->server_keygen, "allow_basic", (int)p->allow_basic, "allow_own",
        (int)p->allow_own, "allow_manufacturer", (int)p->allow_manufacturer);
}

static enum bv_err
profile_list(struct admin_call *call)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < call->core->config->num_profiles; i++)
        (void)json_array_append_new(
            rows, profile_json(&call->core->config->profiles[i]));
    call->result = json_pack("{s:o, s:n}", "rows", rows, "next");
    return BV_OK;
}

static enum bv_err
profile_show(struct admin_call *call)
{
    char name[LIMIT_SHORT_NAME];
    BV_TRY(admin_name(call, "name", name, sizeof name));
    const struct profile *p = core_profile(call->core, name);
    if (p == NULL)
        return admin_problem(call, BV_E_NOT_FOUND, "there is no such profile");
    call->result = profile_json(p);
    return BV_OK;
}

static const char *
backup_problem(enum bv_err err)
{
    if (err == BV_E_DISK_FULL)
        return "there is no room beside the database (DIR/db) for a snapshot "
               "of it: make room there and run it again";
    if (err == BV_E_BUSY)
        return "another backup is under way, or writing to the database kept "
               "failing: run it again later";
    if (err == BV_E_CORRUPT)
        return "the database is damaged: run brevet audit verify";
    return "no snapshot could be written beside the database (DIR/db): see "
           "the log, and who owns that directory";
}

/* --- backup: in pieces (core/piece.h) --- */

/* The job's extra until it has its result. */
struct copying {
    uint64_t audit_size;
    char actor[LIMIT_SHORT_NAME + 32];
};

static void
backup_done(struct core *core, struct job *job, enum bv_err err)
{
    if (err != BV_OK)
        core->store->snapshot_stop(core->store->ctx);
    admin_done(core, job, err);
}

static void
backup_failed(struct core *core, struct job *job, enum bv_err err)
{
    log_error("backup failed error=%s", err_name(err));
    job->err = err;
    (void)snprintf(job->reply.detail, sizeof job->reply.detail, "%s",
                   backup_problem(err));
    backup_done(core, job, err);
}

static enum bv_err
backup_copied(struct core *core, struct job *job)
{
    struct copying copying = *(struct copying *)job->extra;
    struct audit_event event = {
        .action = AUDIT_BACKUP,
        .actor = AUDIT_ACTOR_OPERATOR,
        .auth = AUDIT_AUTH_LOCAL,
        .object = AUDIT_OBJECT_SERVER,
        .outcome = AUDIT_OK,
        .actor_id = span_str(copying.actor),
        .object_id = SPAN_LIT("database"),
    };
    json_t *result =
        json_pack("{s:I}", "audit_size", (json_int_t)copying.audit_size);
    BV_TRY(admin_set_result(job, result));
    BV_TRY(batch_begin(core));
    return batch_audit(core, &event);
}

static void
backup_piece(struct core *core, struct job *job)
{
    bool more;
    enum bv_err err = core->store->snapshot_step(core->store->ctx, &more);
    if (err != BV_OK) {
        backup_failed(core, job, err);
        return;
    }
    if (more) {
        piece_add(core, job);
        return;
    }
    err = backup_copied(core, job);
    if (err != BV_OK)
        batch_fail(core, err);
    job->err = err;
    batch_ready(core, job);
}

/* What the batch holds is committed first: a snapshot is not begun inside a
 * transaction, and its failure is nobody else's. The caller names no path:
 * brevet(1) copies the snapshot away and says backup.done. */
static enum bv_err
backup(struct admin_call *call)
{
    struct core *core = call->core;
    call->apart = true;
    BV_TRY(batch_commit(core));
    struct copying *copying = calloc(1, sizeof *copying);
    if (copying == NULL)
        return BV_E_NO_MEMORY;
    call->job->extra = copying;
    copying->audit_size = audit_size(core->audit);
    memcpy(copying->actor, call->actor, sizeof copying->actor);
    enum bv_err err = core->store->snapshot_start(core->store->ctx);
    if (err != BV_OK) {
        log_error("backup failed error=%s", err_name(err));
        return admin_problem(call, err, backup_problem(err));
    }
    call->job->on_piece = backup_piece;
    call->job->on_done = backup_done;
    call->deferred = true;
    piece_add(core, call->job);
    return BV_OK;
}

static enum bv_err
backup_taken(struct admin_call *call)
{
    call->apart = true;
    return call->core->store->snapshot_drop(call->core->store->ctx);
}

static enum bv_err
tls_renew(struct admin_call *call)
{
    call->apart = true;
    enum bv_err err = infra_tls_renew(call->core);
    if (err == BV_E_BAD_CLOCK)
        return admin_problem(call, err, ADMIN_BAD_CLOCK);
    if (err == BV_E_NOT_FOUND)
        return admin_problem(call, err, "the TLS certificate is not made here");
    return err == BV_E_BUSY ? BV_OK : err;
}

/* The operator vouches for the present time after it jumped. */
static enum bv_err
clock_trust(struct admin_call *call)
{
    uint8_t buf[8];
    struct sink out = SINK_ARRAY(buf);
    struct store *store = call->core->store;
    int64_t now = core_now(call->core);
    sink_u64(&out, (uint64_t)now);
    BV_TRY(batch_begin(call->core));
    BV_TRY(store->meta_put(store->ctx, "clock.newest", sink_view(&out)));
    BV_TRY(admin_audit(call, AUDIT_CONFIG_RELOAD, AUDIT_OBJECT_SERVER,
                       "clock.trust"));
    call->core->newest = now;
    return BV_OK;
}

const struct admin_verb admin_server_verbs[] = {
    {"status", CORE_ROLE_READ, status},
    {"profile.list", CORE_ROLE_READ, profile_list},
    {"profile.show", CORE_ROLE_READ, profile_show},
    {"backup", CORE_ROLE_ADMIN, backup},
    {"backup.done", CORE_ROLE_ADMIN, backup_taken},
    {"tls.renew", CORE_ROLE_OPERATE, tls_renew},
    {"clock.trust", CORE_ROLE_ADMIN, clock_trust},
    {NULL, CORE_ROLE_ADMIN, NULL},
};
