#include "core/crl_brought.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "core/batch.h"
#include "core/crl.h"
#include "core/crl_file.h"
#include "core/infra.h"
#include "pki/digest.h"
#include "wire/crl.h"

/* A clock elsewhere may go fast by this much. */
#define SKEW 86400

/* A short walk, at once. */
static enum bv_err
each_revoked(struct core *core, const struct issuer *issuer,
             store_revoked_fn *fn, void *user)
{
    struct store_walk *walk = NULL;
    bool more = true;
    BV_TRY(core->store->revoked_open(core->store->ctx, issuer->id, &walk));
    enum bv_err err = BV_OK;
    while (err == BV_OK && more)
        err = core->store->revoked_next(walk, LIMIT_PAGE, fn, user, &more);
    core->store->revoked_close(walk);
    return err;
}

/* --- what is to be signed --- */

struct list {
    int64_t prune_before;
    struct sink entries;
};

static enum bv_err
add_entry(void *user, const struct store_revoked *row)
{
    struct list *list = user;
    const struct crl_entry entry = {row->serial, row->at, row->reason};
    /* RFC 5280 3.3: once beyond its end it need not be listed any more. */
    if (row->not_after < list->prune_before)
        return BV_OK;
    crl_put_entry(&list->entries, &entry);
    return list->entries.failed ? BV_E_TOO_LARGE : BV_OK;
}

static struct crl_head
head_of(struct core *core, const struct issuer *issuer)
{
    int64_t now = core_now(core);
    return (struct crl_head){
        .issuer = issuer->cert.subject,
        .sig = alg_sig_of_key(issuer->cert.spki.alg),
        .this_update = now,
        .next_update = crl_next_update(issuer, now),
        .key_id = issuer->cert.ski,
        .number = issuer->crl_number + 1,
    };
}

enum bv_err
crl_brought_tbs(struct core *core, struct issuer *issuer, struct sink *out)
{
    bv_auto_free uint8_t *buf = malloc(CRL_BROUGHT_MAX);
    struct span whole;
    if (buf == NULL)
        return BV_E_NO_MEMORY;
    struct list list = {crl_prune_before(issuer, core_now(core)),
                        sink_of(buf, CRL_BROUGHT_MAX)};
    const struct crl_head head = head_of(core, issuer);
    BV_TRY(each_revoked(core, issuer, add_entry, &list));
    crl_put_start(out, &head, list.entries.len);
    sink_put(out, sink_view(&list.entries));
    crl_put_end(out, &head);
    return sink_done(out, &whole) == BV_OK ? BV_OK : BV_E_TOO_LARGE;
}

/* --- what came back --- */

struct taking {
    struct core *core;
    struct issuer *issuer;
    struct crl crl;
    uint64_t number;
    unsigned missing;
    char *problem;
    size_t cap;
};

static enum bv_err
refuse(const struct taking *t, enum bv_err err, const char *sentence)
{
    (void)snprintf(t->problem, t->cap, "%s", sentence);
    return err;
}

static struct issuer *
issuer_of(struct core *core, const struct crl *crl)
{
    for (size_t i = 0; i < core->num_issuers; i++) {
        struct issuer *issuer = &core->issuers[i];
        bv_auto(key) struct key *key = NULL;
        if (span_eq(crl->issuer, issuer->cert.subject) &&
            key_of_spki(&issuer->cert.spki, &key) == BV_OK &&
            key_verify(key, crl->sig, crl->tbs, crl->signature) == BV_OK)
            return issuer;
    }
    return NULL;
}

/* This very CRL is published and was not recorded: an attempt that failed half
 * way is made again. */
static bool
is_unrecorded(const struct taking *t)
{
    const struct store *s = t->core->store;
    struct store_crl row = {0};
    struct crl_file_facts file;
    uint8_t hash[DIGEST_SHA256_LEN];
    enum bv_err err = s->crl_last(s->ctx, t->issuer->id, &row);
    if ((err != BV_OK && err != BV_E_NOT_FOUND) || row.number >= t->number ||
        crl_file_look(t->issuer->config->crl_path, &file) != BV_OK)
        return false;
    digest_sha256(t->crl.whole, hash);
    return file.number == t->number &&
           memcmp(file.sha256, hash, sizeof hash) == 0;
}

static enum bv_err
check_crl(struct taking *t)
{
    int64_t now = core_now(t->core);
    t->issuer = issuer_of(t->core, &t->crl);
    if (t->issuer == NULL)
        return refuse(t, BV_E_BAD_SIGNATURE, "no CA of ours signed this CRL");
    if (t->issuer->config->crl_path[0] == '\0' || !t->issuer->config->offline)
        return refuse(t, BV_E_REFUSED,
                      "the key of this CA is here: brevet crl publish");
    if (t->crl.idp.len > 0)
        return refuse(t, BV_E_UNSUPPORTED, "this CRL covers a part only");
    if (t->crl.this_update > now + SKEW || t->crl.next_update <= now)
        return refuse(t, BV_E_EXPIRED, "this CRL is not in force now");
    for (size_t i = 0; i < t->crl.number.len && t->crl.number.len <= 8; i++)
        t->number = t->number << 8 | t->crl.number.data[i];
    if (t->number <= t->issuer->crl_number && !is_unrecorded(t))
        return refuse(t, BV_E_CONFLICT,
                      "a CRL with this number or a higher one was published "
                      "already");
    return BV_OK;
}

static enum bv_err
look_for(void *user, const struct store_revoked *row)
{
    struct taking *t = user;
    struct crl_entry entry;
    bool found = false;
    BV_TRY(crl_find(&t->crl, row->serial, &found, &entry));
    t->missing += !found && row->not_after >= t->crl.this_update;
    return BV_OK;
}

static enum bv_err
record(const struct taking *t, const char *actor)
{
    char detail[80];
    struct core *core = t->core;
    struct store_crl row = {.issuer = t->issuer->id,
                            .number = t->number,
                            .this_update = t->crl.this_update,
                            .next_update = t->crl.next_update};
    digest_sha256(t->crl.whole, row.sha256);
    (void)snprintf(detail, sizeof detail, "number %llu, signed elsewhere",
                   (unsigned long long)t->number);
    const struct audit_event event = {
        .action = AUDIT_CRL_PUBLISH,
        .actor = AUDIT_ACTOR_OPERATOR,
        .auth = AUDIT_AUTH_LOCAL,
        .object = AUDIT_OBJECT_CA,
        .outcome = AUDIT_OK,
        .actor_id = span_str(actor),
        .object_id = span_str(t->issuer->config->name),
        .detail = span_str(detail),
    };
    BV_TRY(batch_begin(core));
    BV_TRY(core->store->crl_put(core->store->ctx, &row));
    return batch_audit(core, &event);
}

/* The file first: if the record then fails, its number is used up all the same,
 * and the next start sees it in the file. */
static enum bv_err
publish(const struct taking *t, const char *actor)
{
    struct core *core = t->core;
    struct issuer *issuer = t->issuer;
    BV_TRY(infra_write_file(issuer->config->crl_path, 0644, t->crl.whole));
    issuer->crl_number = t->number;
    issuer->crl_this = issuer->crl_prune_before = t->crl.this_update;
    issuer->crl_next = t->crl.next_update;
    issuer->crl_warned = 0;
    if (core->calls.files_changed != NULL)
        core->calls.files_changed(core->calls.user);
    BV_TRY(record(t, actor));
    log_info("CRL published ca=%s number=%llu signed=elsewhere",
             issuer->config->name, (unsigned long long)t->number);
    return BV_OK;
}

enum bv_err
crl_brought_take(struct core *core, struct span der, const char *actor,
                 struct issuer **ret_issuer, unsigned *ret_missing,
                 char *ret_problem, size_t cap)
{
    struct taking t = {.core = core, .problem = ret_problem, .cap = cap};
    if (crl_parse(der, &t.crl) != BV_OK)
        return refuse(&t, BV_E_BAD_MESSAGE, "this is no CRL");
    BV_TRY(check_crl(&t));
    BV_TRY(each_revoked(core, t.issuer, look_for, &t));
    BV_TRY(publish(&t, actor));
    *ret_issuer = t.issuer;
    *ret_missing = t.missing;
    return BV_OK;
}

struct since {
    int64_t time;
    unsigned num;
};

static enum bv_err
count_since(void *user, const struct store_revoked *row)
{
    struct since *since = user;
    since->num += row->at >= since->time;
    return BV_OK;
}

unsigned
crl_brought_unlisted(struct core *core, const struct issuer *issuer)
{
    struct since since = {.time = issuer->crl_this};
    if (!issuer->config->offline ||
        each_revoked(core, issuer, count_since, &since) != BV_OK)
        return 0;
    return since.num;
}
