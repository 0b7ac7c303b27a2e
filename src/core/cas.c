#include "core/cas.h"

#include <stdio.h>
#include <string.h>

#include "core/batch.h"
#include "core/sequence.h"
#include "pki/digest.h"
#include "pki/random.h"

/* --- numbers --- */

static enum bv_err
serial_key(const struct store *store, uint8_t key[SERIAL_KEY_LEN])
{
    size_t len;
    enum bv_err err =
        store->meta_get(store->ctx, "serial.key", key, SERIAL_KEY_LEN, &len);
    if (err != BV_E_NOT_FOUND)
        return err == BV_OK && len != SERIAL_KEY_LEN ? BV_E_CORRUPT : err;
    random_bytes(key, SERIAL_KEY_LEN);
    return store->meta_put(store->ctx, "serial.key",
                           span_of(key, SERIAL_KEY_LEN));
}

static enum bv_err
reserve(const struct store *store, unsigned num, uint8_t key[SERIAL_KEY_LEN],
        uint64_t *ret_first)
{
    BV_TRY(store->begin(store->ctx));
    enum bv_err err = serial_key(store, key);
    if (err == BV_OK)
        err = store->sequence_reserve(store->ctx, num, ret_first);
    if (err == BV_OK)
        err = store->commit(store->ctx);
    if (err != BV_OK)
        store->rollback(store->ctx);
    return err;
}

enum bv_err
cas_serials(const struct store *store, uint8_t (*ret_serials)[SERIAL_LEN],
            unsigned num)
{
    uint8_t key[SERIAL_KEY_LEN];
    uint64_t first;
    bv_auto(serial) struct serial *serial = NULL;
    enum bv_err err = reserve(store, num, key, &first);
    if (err == BV_OK)
        err = serial_new(key, &serial);
    explicit_bzero(key, sizeof key);
    BV_TRY(err);
    for (unsigned i = 0; i < num; i++)
        serial_make(serial, first + i, random_u64(), ret_serials[i]);
    return BV_OK;
}

/* --- one certificate --- */

struct wanted {
    struct span der;
    uint64_t seq; /* 0: not found */
};

static enum bv_err
match_der(void *user, const struct store_cert *row)
{
    struct wanted *wanted = user;
    if (span_eq(row->der, wanted->der))
        wanted->seq = row->seq;
    return BV_OK;
}

static enum bv_err
find_row(struct core *core, struct span der, const uint8_t key_hash[32],
         uint64_t *ret_seq)
{
    struct wanted wanted = {.der = der};
    enum bv_err err = core->store->certs_of_key(
        core->store->ctx, span_of(key_hash, 32), match_der, &wanted);
    *ret_seq = wanted.seq;
    return err == BV_E_NOT_FOUND ? BV_OK : err;
}

static uint8_t
issuer_of(const struct core *core, const struct cert *cert)
{
    for (size_t i = 0; i < core->num_issuers; i++) {
        const struct issuer *issuer = &core->issuers[i];
        bv_auto(key) struct key *key = NULL;
        if (span_eq(cert->issuer, issuer->cert.subject) &&
            key_of_spki(&issuer->cert.spki, &key) == BV_OK &&
            key_verify(key, cert->sig_alg, cert->tbs, cert->signature) == BV_OK)
            return issuer->id;
    }
    return 0;
}

static enum bv_err
ignore_row(void *user, const struct store_cert *row)
{
    (void)user;
    (void)row;
    return BV_OK;
}

/* Its serial was made here, and its number has no row yet. */
static bool
is_our_number(struct core *core, struct span serial, uint64_t *ret_seq)
{
    struct store_counts counts;
    return serial_open(core->serial, serial, ret_seq) == BV_OK &&
           core->store->counts(core->store->ctx, &counts) == BV_OK &&
           *ret_seq > 0 && *ret_seq < counts.next_seq &&
           core->store->cert_find(core->store->ctx, *ret_seq, ignore_row,
                                  NULL) == BV_E_NOT_FOUND;
}

static enum bv_err
log_cert(struct core *core, const struct cert *cert, struct span der,
         const char *actor)
{
    uint8_t hash[32];
    digest_sha256(der, hash);
    const struct audit_event event = {
        .action = AUDIT_CA_CERT,
        .actor = actor != NULL ? AUDIT_ACTOR_OPERATOR : AUDIT_ACTOR_SYSTEM,
        .auth = AUDIT_AUTH_LOCAL,
        .object = AUDIT_OBJECT_CERT,
        .outcome = AUDIT_OK,
        .actor_id = span_str(actor != NULL ? actor : "core"),
        .serial = cert->serial,
        .cert_sha256 = SPAN_ARRAY(hash),
    };
    return batch_audit(core, &event);
}

/* A row that comes later than higher numbers would be missed when the status
 * map is brought up to date by number: it counts as a change as well. */
static enum bv_err
put_word(struct core *core, const struct store_cert *row, bool late)
{
    uint64_t change = 0;
    if (late)
        BV_TRY(core->store->cert_status(core->store->ctx, row->seq, -1,
                                        core_now(core), &change));
    return batch_map(core, row->seq, statusmap_word(row->issuer, -1, 0),
                     change);
}

static enum bv_err
put_row(struct core *core, const struct cert *cert, struct span der,
        const uint8_t key_hash[32], uint64_t *ret_seq)
{
    struct store_cert row = {
        .issuer = issuer_of(core, cert),
        .not_before = cert->not_before,
        .not_after = cert->not_after,
        .serial = cert->serial,
        .key_hash = span_of(key_hash, 32),
        .der = der,
        .reason = -1,
    };
    bool root = span_eq(cert->subject, cert->issuer);
    (void)snprintf(row.profile, sizeof row.profile, "%s",
                   root          ? "root"
                   : cert->is_ca ? "intermediate"
                                 : "ocsp");
    bool ours = row.issuer != 0 && is_our_number(core, cert->serial, &row.seq);
    if (!ours)
        BV_TRY(sequence_take(core, &row.seq));
    BV_TRY(core->store->cert_put(core->store->ctx, &row));
    *ret_seq = row.seq;
    return put_word(core, &row, ours);
}

enum bv_err
cas_put(struct core *core, struct span der, const char *actor,
        uint64_t *ret_seq)
{
    struct cert cert;
    uint8_t key_hash[32];
    BV_TRY(cert_parse(der, &cert));
    digest_sha256(cert.spki.whole, key_hash);
    BV_TRY(find_row(core, der, key_hash, ret_seq));
    if (*ret_seq != 0)
        return BV_OK;
    BV_TRY(batch_begin(core));
    BV_TRY(put_row(core, &cert, der, key_hash, ret_seq));
    return log_cert(core, &cert, der, actor);
}

enum bv_err
cas_register(struct core *core)
{
    enum bv_err err = BV_OK;
    for (size_t i = 0; i < core->num_issuers && err == BV_OK; i++) {
        struct issuer *issuer = &core->issuers[i];
        err = sequence_ensure(core);
        if (err == BV_OK)
            err = cas_put(core, issuer->config->cert, NULL, &issuer->seq);
    }
    if (err == BV_OK)
        return batch_commit(core);
    batch_fail(core, err);
    return err;
}

bool
cas_is_revoked(const struct core *core, const struct issuer *issuer)
{
    return core->map != NULL && issuer->seq != 0 &&
           statusmap_is_revoked(statusmap_get(core->map, issuer->seq));
}
