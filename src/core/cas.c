#include "core/cas.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
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
same_serial(void *user, const struct store_cert *row)
{
    return span_eq(row->serial, *(const struct span *)user) ? BV_E_CONFLICT
                                                            : BV_OK;
}

/* check_serial: what a CA of ours signed must not have the serial number of
 * another certificate of its (RFC 5280 4.1.2.2): CONFLICT. *ret_ours: its
 * number was made here, and has no row yet. */
static enum bv_err
check_serial(struct core *core, uint8_t issuer, struct span serial,
             uint64_t *ret_seq, bool *ret_ours)
{
    const struct store *s = core->store;
    struct store_counts counts;
    bool found = false;
    *ret_ours = false;
    if (issuer == 0)
        return BV_OK;
    BV_TRY(s->counts(s->ctx, &counts));
    if (serial_open(core->serial, serial, ret_seq) == BV_OK && *ret_seq > 0 &&
        *ret_seq < counts.next_seq) {
        enum bv_err err = s->cert_find(s->ctx, *ret_seq, same_serial, &serial);
        *ret_ours = err == BV_E_NOT_FOUND;
        if (err != BV_OK)
            return *ret_ours ? BV_OK : err;
    }
    BV_TRY(s->cert_of_serial(s->ctx, issuer, serial, &found));
    return found ? BV_E_CONFLICT : BV_OK;
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
    bool ours = false;
    BV_TRY(check_serial(core, row.issuer, cert->serial, &row.seq, &ours));
    BV_TRY(batch_begin(core));
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
    BV_TRY(put_row(core, &cert, der, key_hash, ret_seq));
    return log_cert(core, &cert, der, actor);
}

/* It is in use already, refused or not; its status is the other one's. */
static enum bv_err
register_one(struct core *core, struct issuer *issuer)
{
    BV_TRY(sequence_ensure(core));
    enum bv_err err = cas_put(core, issuer->config->cert, NULL, &issuer->seq);
    if (err != BV_E_CONFLICT)
        return err;
    log_error("a CA's certificate has the serial number of another one of its "
              "issuer's and is not in the inventory: have it signed with a new "
              "number ca=%s",
              issuer->config->name);
    return BV_OK;
}

enum bv_err
cas_register(struct core *core)
{
    enum bv_err err = BV_OK;
    for (size_t i = 0; i < core->num_issuers && err == BV_OK; i++)
        err = register_one(core, &core->issuers[i]);
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
