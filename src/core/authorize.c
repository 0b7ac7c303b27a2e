#include "core/authorize.h"

#include <stdio.h>
#include <string.h>

#include "core/keys.h"
#include "core/maker.h"
#include "core/names.h"
#include "pki/chain.h"
#include "pki/digest.h"
#include "pki/weak.h"
#include "wire/csr.h"
#include "wire/name.h"
#include "wire/oid.h"

#define FAILURES_DEFAULT 20
#define WINDOW           60

struct problem {
    char *text;
    size_t cap;
};

static enum bv_err
deny(const struct problem *p, enum bv_err err, const char *sentence)
{
    (void)snprintf(p->text, p->cap, "%s", sentence);
    return err;
}

/* --- claim codes and group tokens --- */

static unsigned
failures_allowed(const struct core *core)
{
    unsigned n = core->config->failures_per_minute;
    return n != 0 ? n : FAILURES_DEFAULT;
}

static bool
is_throttled(struct core *core, const struct core_request *r, int64_t now)
{
    unsigned max = failures_allowed(core);
    char net[LIMIT_PEER];
    rates_net(r->peer, net);
    if (rates_count(core->rates, RATES_FAIL_ADDRESS, span_str(net), now,
                    WINDOW) >= max)
        return true;
    return r->user.len > 0 && rates_count(core->rates, RATES_FAIL_DEVICE,
                                          r->user, now, WINDOW) >= max;
}

void
authorize_failed(struct core *core, const struct core_request *r, int64_t now)
{
    char net[LIMIT_PEER];
    rates_net(r->peer, net);
    rates_add(core->rates, RATES_FAIL_ADDRESS, span_str(net), now, WINDOW);
    if (r->user.len > 0)
        rates_add(core->rates, RATES_FAIL_DEVICE, r->user, now, WINDOW);
}

struct token_found {
    struct store_token row; /* hash: see match */
    const uint8_t *hash;
    bool match;
};

static enum bv_err
copy_token(void *user, const struct store_token *row)
{
    struct token_found *found = user;
    found->row = *row;
    found->match = span_eq_secret(row->hash, span_of(found->hash, 32));
    found->row.hash = SPAN_EMPTY;
    return BV_OK;
}

void
authorize_hash(struct span secret, uint8_t ret_hash[32])
{
    uint8_t buf[1024];
    struct sink plain = SINK_ARRAY(buf);
    for (size_t i = 0; i < secret.len; i++) {
        uint8_t c = secret.data[i];
        if (c >= 'a' && c <= 'z')
            c = (uint8_t)(c - 'a' + 'A');
        if (c == 'O')
            c = '0';
        if (c == 'I' || c == 'L')
            c = '1';
        if (c != '-' && c != ' ')
            sink_u8(&plain, c);
    }
    digest_sha256(sink_view(&plain), ret_hash);
    explicit_bzero(buf, sizeof buf);
}

static enum bv_err
find_token(struct core *core, const struct core_request *r, int64_t now,
           struct identity *id, struct store_token *ret_row,
           const struct problem *p)
{
    struct token_found found = {.hash = id->token_hash};
    authorize_hash(r->secret, id->token_hash);
    enum bv_err err = core->store->token_find(
        core->store->ctx, span_of(id->token_hash, 32), copy_token, &found);
    if (err == BV_E_NOT_FOUND || (err == BV_OK && !found.match)) {
        authorize_failed(core, r, now);
        return deny(p, BV_E_UNAUTHENTICATED, "the claim code is not known");
    }
    BV_TRY(err);
    /* whose it was, for the log of a refusal */
    if (found.row.kind == STORE_TOKEN_DEVICE)
        memcpy(id->device, found.row.device, sizeof id->device);
    if (found.row.revoked)
        return deny(p, BV_E_UNAUTHENTICATED, "the claim code was withdrawn");
    *ret_row = found.row;
    return BV_OK;
}

static enum bv_err
by_token(struct core *core, const struct core_request *r, int64_t now,
         struct identity *id, const struct problem *p)
{
    struct store_token row = {0};
    if (is_throttled(core, r, now))
        return deny(p, BV_E_RATE_LIMITED, "too many failed attempts");
    if (span_copy_str(r->user, id->user, sizeof id->user) != BV_OK)
        return deny(p, BV_E_UNAUTHENTICATED,
                    "the user name must be the device id or empty");
    BV_TRY(find_token(core, r, now, id, &row, p));
    id->auth = AUDIT_AUTH_TOKEN;
    id->has_token = true;
    id->token_spent = row.uses_left <= 0;
    id->token_expired = now >= row.expires_at;
    memcpy(id->profile, row.profile, sizeof id->profile);
    if (row.kind == STORE_TOKEN_DEVICE) {
        memcpy(id->group, row.group, sizeof id->group);
        id->may_replace = id->any_group = true;
        return BV_OK;
    }
    memcpy(id->group, row.group, sizeof id->group);
    id->may_replace = core->config->group_takeover;
    return BV_OK;
}

/* --- manufacturer certificates --- */

static const struct core_manufacturer *
find_manufacturer(const struct core *core, const char *name)
{
    for (size_t i = 0; i < core->config->num_manufacturers; i++) {
        if (strcmp(core->config->manufacturers[i].name, name) == 0)
            return &core->config->manufacturers[i];
    }
    return NULL;
}

static enum bv_err
check_manufacturer_crl(const struct core_manufacturer *m,
                       const struct core_request *r, const struct cert *peer,
                       int64_t now, const struct problem *p)
{
    const char *sentence = "";
    enum bv_err err = maker_check(m, peer, r->peer_chain, now, &sentence);
    return err == BV_OK ? BV_OK : deny(p, err, sentence);
}

/* The door has done this in TLS. Doing it again costs one verification at a
 * device's first enrolment, and a broken-in door cannot invent devices. */
static enum bv_err
check_manufacturer_chain(const struct core_manufacturer *m,
                         const struct core_request *r, int64_t now,
                         const struct problem *p)
{
    struct span anchors[CHAIN_LIST_MAX], between[CHAIN_LIST_MAX];
    struct chain_options options = {.anchors = anchors,
                                    .intermediates = between,
                                    .time = now,
                                    .purpose = CHAIN_TLS_CLIENT,
                                    .partial = true,
                                    .lenient = true};
    enum bv_err err =
        maker_split(m->anchors, anchors, CHAIN_LIST_MAX, &options.num_anchors);
    if (err == BV_OK)
        err = maker_split(r->peer_chain, between, CHAIN_LIST_MAX,
                          &options.num_intermediates);
    if (err == BV_OK)
        err = chain_verify(r->peer_cert, &options, NULL);
    if (err == BV_E_NO_MEMORY)
        return err;
    return err == BV_OK ? BV_OK
                        : deny(p, BV_E_REFUSED,
                               "the certificate is not by this manufacturer");
}

/* A key may be known to be in other hands before anybody has revoked its
 * certificates. */
static enum bv_err
check_key(struct core *core, const uint8_t key_hash[32],
          const struct problem *p)
{
    bool blocked;
    BV_TRY(core->store->key_blocked(core->store->ctx, span_of(key_hash, 32),
                                    &blocked));
    return blocked ? deny(p, BV_E_REVOKED, "the certificate's key is blocked")
                   : BV_OK;
}

/* Who can work out the private key from the certificate is that device, too.
 * The profile's sizes are for what is certified; this is not. */
static enum bv_err
check_strength(const struct core *core, const struct alg_spki *spki,
               const struct problem *p)
{
    enum weak why = weak_check(spki, core->config->weak_keys, 0);
    if (why == WEAK_NONE)
        return BV_OK;
    (void)snprintf(p->text, p->cap, "the certificate's key proves nothing: %s",
                   weak_text(why));
    return BV_E_REFUSED;
}

static enum bv_err
by_manufacturer(struct core *core, const struct core_request *r, int64_t now,
                struct identity *id, const struct problem *p)
{
    const struct core_manufacturer *m = find_manufacturer(core, r->trust_name);
    uint8_t key_hash[32];
    if (m == NULL)
        return deny(p, BV_E_REFUSED, "this manufacturer is not known");
    if (cert_parse(r->peer_cert, &id->peer) != BV_OK)
        return deny(p, BV_E_BAD_MESSAGE, "the certificate cannot be read");
    if (now < id->peer.not_before || now > id->peer.not_after)
        return deny(p, BV_E_EXPIRED, "the manufacturer certificate expired");
    BV_TRY(check_manufacturer_chain(m, r, now, p));
    /* From here on a refusal can say whose certificate it was. */
    enum bv_err named =
        names_of_subject(id->peer.subject, !m->id_from_cn, id->device);
    if (named != BV_OK)
        id->device[0] = '\0';
    id->auth = AUDIT_AUTH_MANUFACTURER;
    BV_TRY(check_manufacturer_crl(m, r, &id->peer, now, p));
    BV_TRY(check_strength(core, &id->peer.spki, p));
    digest_sha256(id->peer.spki.whole, key_hash);
    BV_TRY(check_key(core, key_hash, p));
    if (id->device[0] == '\0')
        return deny(p, BV_E_BAD_NAME,
                    "the manufacturer certificate names no device");
    id->known_only = m->known_only;
    /* Its names are its own within its group only. */
    id->may_replace = m->group[0] != '\0';
    memcpy(id->profile, m->profile, sizeof id->profile);
    memcpy(id->group, m->group, sizeof id->group);
    return BV_OK;
}

/* --- certificates of ours --- */

struct own_row {
    struct span presented;
    bool same;
    int reason;
    int64_t device;
    uint8_t key_hash[32];
    char profile[LIMIT_SHORT_NAME];
};

static enum bv_err
copy_own(void *user, const struct store_cert *row)
{
    struct own_row *own = user;
    own->same = span_eq(row->der, own->presented);
    own->reason = row->reason;
    own->device = row->device;
    if (row->key_hash.len != sizeof own->key_hash)
        return BV_E_CORRUPT;
    memcpy(own->key_hash, row->key_hash.data, sizeof own->key_hash);
    memcpy(own->profile, row->profile, sizeof own->profile);
    return BV_OK;
}

static enum bv_err
copy_device(void *user, const struct store_device *row)
{
    *(struct store_device *)user = *row;
    return BV_OK;
}

static enum bv_err
check_own(struct core *core, struct identity *id, const struct own_row *own,
          const struct problem *p)
{
    bool in_map = core->map != NULL &&
                  statusmap_is_revoked(statusmap_get(core->map, id->seq));
    if (own->reason >= 0 || in_map)
        return deny(p, BV_E_REVOKED,
                    own->reason == 6 ? "the certificate is on hold"
                                     : "the certificate is revoked");
    if (own->device == 0)
        return deny(p, BV_E_REFUSED, "the certificate is not a device's");
    return BV_OK;
}

/* What a certificate that proves less is still good for: to renew itself, if
 * its profile allows that. */
static enum bv_err
check_own_use(struct core *core, const struct core_request *r,
              struct identity *id, const struct own_row *own, int64_t now,
              const struct problem *p)
{
    const struct profile *profile = core_profile(core, own->profile);
    bool renews =
        (r->op == CORE_REENROLL || r->op == CORE_ASK) && profile != NULL;
    bool expired = now > id->peer.not_after;
    bool for_clients =
        id->peer.eku.len == 0 || ext_has_eku(id->peer.eku, oid_client_auth);
    if (expired &&
        (!renews || now - id->peer.not_after > profile->renew_after_expiry))
        return deny(p, BV_E_EXPIRED, "the certificate has expired");
    if (!for_clients && (!renews || !profile->renew_without_client_auth))
        return deny(p, BV_E_REFUSED, "the certificate is not for TLS clients");
    id->is_limited = expired || !for_clients;
    return BV_OK;
}

/* Does an RA ask for somebody else? For itself it is a device like others. A
 * CSR that cannot be read is refused later. */
static bool
is_ra(const struct core_request *r, const struct identity *id)
{
    char named[LIMIT_DEVICE_NAME + 1];
    struct csr csr;
    return cert_has_eku(&id->peer, oid_cmc_ra) &&
           keys_read_csr(r, &csr) == BV_OK &&
           names_of_subject(csr.subject, false, named) == BV_OK &&
           named[0] != '\0' && strcmp(named, id->device) != 0;
}

static enum bv_err
become_ra(const struct core_request *r, struct identity *id,
          const struct problem *p)
{
    id->auth = AUDIT_AUTH_RA;
    memcpy(id->actor, id->device, sizeof id->actor);
    id->device[0] = id->profile[0] = '\0';
    id->any_group = false;
    /* As a manufacturer's, its word counts within a group of its own. */
    id->may_replace = id->group[0] != '\0';
    if (id->is_limited)
        return deny(p, BV_E_REFUSED,
                    "the certificate is good for its own renewal only");
    if (r->op == CORE_KEYGEN)
        return deny(p, BV_E_REFUSED, "an RA is not handed others' keys");
    return BV_OK;
}

/* Whose certificate it is, whether or not it is still good for something. */
static enum bv_err
find_own(struct core *core, const struct core_request *r, struct identity *id,
         struct own_row *own, struct store_device *device,
         const struct problem *p)
{
    if (cert_parse(r->peer_cert, &id->peer) != BV_OK)
        return deny(p, BV_E_BAD_MESSAGE, "the certificate cannot be read");
    enum bv_err err = serial_open(core->serial, id->peer.serial, &id->seq);
    if (err == BV_OK)
        err = core->store->cert_find(core->store->ctx, id->seq, copy_own, own);
    if (err == BV_E_NOT_FOUND)
        return deny(p, BV_E_UNAUTHENTICATED,
                    "the certificate was not issued here");
    BV_TRY(err);
    if (!own->same)
        return deny(p, BV_E_UNAUTHENTICATED,
                    "the certificate is not the one that was issued");
    id->auth = AUDIT_AUTH_OWN_CERT;
    if (own->device == 0)
        return BV_OK;
    BV_TRY(core->store->device_get(core->store->ctx, own->device, copy_device,
                                   device));
    memcpy(id->device, device->name, sizeof id->device);
    return BV_OK;
}

static enum bv_err
by_own_cert(struct core *core, const struct core_request *r, int64_t now,
            struct identity *id, const struct problem *p)
{
    struct own_row own = {.presented = r->peer_cert};
    struct store_device device = {0};
    BV_TRY(find_own(core, r, id, &own, &device, p));
    BV_TRY(check_own(core, id, &own, p));
    BV_TRY(check_own_use(core, r, id, &own, now, p));
    BV_TRY(check_key(core, own.key_hash, p));
    if (device.blocked)
        return deny(p, BV_E_REFUSED, "the device is blocked");
    id->may_replace = id->any_group = true;
    memcpy(id->group, device.group, sizeof id->group);
    memcpy(id->profile, own.profile, sizeof id->profile);
    return is_ra(r, id) ? become_ra(r, id, p) : BV_OK;
}

enum bv_err
authorize(struct core *core, const struct core_request *request, int64_t now,
          struct identity *ret, char *ret_problem, size_t cap)
{
    const struct problem p = {ret_problem, cap};
    *ret = (struct identity){.auth = AUDIT_AUTH_NONE};
    if (request->op == CORE_REENROLL) {
        if (request->trust != CORE_TRUST_OWN)
            return deny(&p, BV_E_UNAUTHENTICATED,
                        "renewal needs the certificate that is renewed");
        return by_own_cert(core, request, now, ret, &p);
    }
    if (request->op == CORE_ASK && request->trust == CORE_TRUST_OWN)
        return by_own_cert(core, request, now, ret, &p); /* to renew it */
    if (request->secret.len > 0)
        return by_token(core, request, now, ret, &p);
    switch (request->trust) {
    case CORE_TRUST_OWN:
        return by_own_cert(core, request, now, ret, &p);
    case CORE_TRUST_MANUFACTURER:
        return by_manufacturer(core, request, now, ret, &p);
    case CORE_TRUST_NONE:
        break;
    }
    return deny(&p, BV_E_UNAUTHENTICATED, "no credential was presented");
}
