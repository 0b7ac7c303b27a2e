/* The stages between two rests: trust, key, enrolment, proof, promotion. */
#include "device/check.h"
#include "device/dev.h"
#include "device/doubt.h"
#include "device/request.h"
#include "device/trust.h"

/* A proof that keeps failing for reasons that look like the network's: every
 * so many attempts a certificate is asked for again. */
#define PROOF_TRIES 4

/* --- shared --- */

static void
load_anchors(struct dev *dev)
{
    trust_load(dev);
    dev->to.host = dev->config.host;
    dev->to.port = dev->config.port;
    dev->to.anchors = dev->anchors;
    dev->to.num_anchors = dev->num_anchors;
    dev->to.helpers = dev->helpers;
    dev->to.num_helpers = dev->num_helpers;
    dev->to.when = dev->when;
}

/* What to open, and as whom. Runs once for each connection: the regions it
 * fills are not touched until the connection stands. */
static bool
aim(struct dev *dev, enum bv_slot identity)
{
    struct span cert = SPAN_EMPTY;
    dev->to = (struct bv_connect){.identity = identity};
    load_anchors(dev);
    if (dev->trust_tries > 0)
        return false;
    if ((identity == BV_SLOT_A || identity == BV_SLOT_B) &&
        dev_load_cert(dev, identity, dev_scratch(dev), BV_CERT_MAX, &cert) !=
            BV_PORT_OK)
        return false;
    dev->to.cert = (struct bv_bytes){cert.data, cert.len};
    return true;
}

static enum bv_err
open_as(struct dev *dev, enum bv_slot identity)
{
    struct exchange *exchange = &dev->exchange;
    if (exchange->state == EXCHANGE_CLOSED && !aim(dev, identity)) {
        exchange->why = BV_WHY_STORAGE;
        return BV_E_IO;
    }
    dev_yield(dev);
    return exchange_open(exchange, &dev->ports.transport, &dev->to,
                         dev->now.mono_ms, dev_timeout(dev));
}

/* One GET as this identity: opens, asks, reads. BUSY until done. */
static enum bv_err
get(struct dev *dev, enum bv_slot identity, const char *operation, bool last)
{
    struct exchange *exchange = &dev->exchange;
    if (exchange->state < EXCHANGE_OPEN)
        BV_TRY(open_as(dev, identity));
    if (exchange->state == EXCHANGE_OPEN) {
        size_t len = 0;
        exchange->why = request_get(dev, operation, last, &len);
        if (exchange->why != BV_WHY_NONE)
            return BV_E_IO;
        exchange_start(exchange, dev_body(dev), DEV_BODY_SIZE, len,
                       dev->now.mono_ms, dev_timeout(dev));
    }
    return exchange_run(exchange, &dev->ports.transport, dev->now.mono_ms);
}

static enum bv_why
why_of_status(unsigned status)
{
    if (status == 200)
        return BV_WHY_NONE;
    if (status == 202)
        return BV_WHY_PENDING;
    if (status == 401 || status == 403)
        return BV_WHY_UNAUTHORIZED;
    if (status == 429 || (status >= 500 && status <= 599))
        return BV_WHY_SERVER_ERROR;
    return status >= 400 && status <= 499 ? BV_WHY_REJECTED : BV_WHY_HTTP;
}

/* --- trust --- */

static bool
is_bootstrap(const struct dev *dev)
{
    return dev->record.trust < 0 && dev->config.num_anchors == 0;
}

static enum bv_err
open_for_trust(struct dev *dev)
{
    if (dev->exchange.state == EXCHANGE_CLOSED) {
        if (!aim(dev, BV_SLOT_NONE)) {
            dev->exchange.why = BV_WHY_STORAGE;
            return BV_E_IO;
        }
        /* RFC 7030 4.1.1: fetched from anyone, believed only by fingerprint;
         * nothing else happens on this connection. */
        dev->to.insecure_any_server = is_bootstrap(dev);
    }
    return exchange_open(&dev->exchange, &dev->ports.transport, &dev->to,
                         dev->now.mono_ms, dev_timeout(dev));
}

static enum bv_why
follow(struct dev *dev, bool *ret_changed)
{
    struct span der;
    bool first = is_bootstrap(dev);
    enum bv_why why = check_answer(dev, &der);
    if (why != BV_WHY_NONE)
        return why;
    trust_load(dev);
    if (dev->trust_tries > 0) /* what is held would be left out */
        return BV_WHY_STORAGE;
    return trust_follow(dev, der, first, ret_changed);
}

enum bv_err
dev_stage_trust(struct dev *dev)
{
    bool changed = false;
    int64_t date = 0; /* of a server that is trusted */
    enum bv_err err =
        dev->exchange.state < EXCHANGE_OPEN ? open_for_trust(dev) : BV_OK;
    if (err == BV_OK)
        err = get(dev, BV_SLOT_NONE, "cacerts", true);
    if (err == BV_E_BUSY)
        return err;
    if (err != BV_OK)
        return dev_fail(dev, dev->exchange.why);
    enum bv_why why = why_of_status(dev->exchange.status);
    if (why == BV_WHY_NONE) {
        if (!is_bootstrap(dev)) {
            dev_learn_time(dev);
            date = dev->exchange.date;
        }
        why = follow(dev, &changed);
    }
    exchange_close(&dev->exchange, &dev->ports.transport);
    if (why != BV_WHY_NONE)
        return dev_fail(dev, why);
    dev->trust_fails = 0;
    if (dev->record.attempts == 0) {
        dev->why = BV_WHY_NONE;
        dev->record.why = BV_WHY_NONE;
    }
    dev->event = changed ? BV_EVENT_TRUST : BV_EVENT_NONE;
    if (doubt_fall_back(dev, date))
        dev->event = BV_EVENT_RENEWED;
    dev->trust_mono = doubt_look_again(dev);
    dev->stage = DEV_REST;
    return BV_OK;
}

/* --- key --- */

/* The claim code is for a device without a living identity: one whose valid
 * certificate the server refuses was shut out on purpose. An expired one comes
 * last: some servers let it renew. */
static enum dev_cred
choose(const struct dev *dev)
{
    enum dev_cred have[3];
    unsigned num = 0;
    bool alive =
        dev->record.active != BV_SLOT_NONE && dev->when.time <= dev->not_after;
    if (alive)
        have[num++] = DEV_CRED_ACTIVE;
    if (dev->config.claim.len > 0 && !alive)
        have[num++] = DEV_CRED_CLAIM;
    if (dev->config.factory)
        have[num++] = DEV_CRED_FACTORY;
    if (dev->record.active != BV_SLOT_NONE && !alive)
        have[num++] = DEV_CRED_ACTIVE;
    return num > 0 ? have[dev->cred_turn % num] : DEV_CRED_NONE;
}

/* The attempt is paid for before it begins, so that a device that dies in the
 * middle of each one still slows down; and nothing is asked of the server by a
 * device that cannot write (it could never keep the answer). */
static bool
charge(struct dev *dev)
{
    struct record next = dev->record;
    if (dev->why == BV_WHY_PENDING && next.attempts == 0 && next.key_made)
        return true; /* polling for approval must not wear out the flash */
    next.attempts++;
    next.key_made = true;
    next.pause = dev_pause(dev, next.attempts);
    next.due = dev->when.exact ? dev->when.time + next.pause : 0;
    return dev_save(dev, &next);
}

/* An earlier attempt got as far as a stored certificate: prove it instead of
 * asking for another. */
static bool
has_unproven(struct dev *dev)
{
    struct span cert;
    if (!dev->record.key_made ||
        dev->record.attempts % PROOF_TRIES == PROOF_TRIES - 1)
        return false;
    if (dev_load_cert(dev, dev_inactive(dev), dev_scratch(dev), BV_CERT_MAX,
                      &cert) != BV_PORT_OK ||
        !check_matches_key(dev, dev_inactive(dev), cert))
        return false;
    trust_load(dev);
    return trust_chain(dev, cert, dev->when, BV_PURPOSE_DEVICE, NULL, 0);
}

static bool
has_key(struct dev *dev)
{
    struct span spki;
    return dev->record.key_made &&
           dev_spki(dev, dev_inactive(dev), &spki) == BV_PORT_OK;
}

/* A new key, or the active one again. Then the certificate in the inactive slot
 * must go first: its key would fit, and it would pass for a new one that only
 * waits to be proven. */
static enum bv_port
make_key(struct dev *dev)
{
    const struct bv_keys *keys = &dev->ports.keys;
    const struct bv_storage *storage = &dev->ports.storage;
    enum bv_slot slot = dev_inactive(dev);
    dev_yield(dev);
    if (!dev->config.reuse_key || dev->cred != DEV_CRED_ACTIVE)
        return keys->generate(keys->ctx, slot, dev->config.key_type);
    enum bv_port erased = storage->erase(storage->ctx, dev_cert_record(slot));
    return erased == BV_PORT_OK
               ? keys->copy(keys->ctx, dev->record.active, slot)
               : erased;
}

enum bv_err
dev_stage_key(struct dev *dev)
{
    dev->cred = choose(dev);
    if (dev->cred == DEV_CRED_NONE)
        return dev_fail(dev, BV_WHY_CONFIG);
    bool unproven = has_unproven(dev);
    if (!unproven && !has_key(dev)) {
        enum bv_port made = make_key(dev);
        if (made == BV_PORT_WANT)
            return BV_E_BUSY;
        if (made != BV_PORT_OK)
            return dev_fail(dev, BV_WHY_KEY);
    }
    if (!charge(dev))
        return dev_fail(dev, BV_WHY_STORAGE);
    dev->attrs_done = dev->config.binding != BV_BINDING_ASK;
    dev->ask_binding = false;
    dev->stage = unproven ? DEV_PROVE : DEV_CONNECT;
    return BV_OK;
}

/* --- enrolment --- */

static enum bv_slot
identity_of(const struct dev *dev)
{
    switch (dev->cred) {
    case DEV_CRED_ACTIVE:
        return dev->record.active;
    case DEV_CRED_FACTORY:
        return BV_SLOT_FACTORY;
    case DEV_CRED_CLAIM:
    case DEV_CRED_NONE:
        break;
    }
    return BV_SLOT_NONE;
}

enum bv_err
dev_stage_connect(struct dev *dev)
{
    enum bv_err err = open_as(dev, identity_of(dev));
    if (err == BV_E_BUSY)
        return err;
    if (err != BV_OK)
        return dev_fail(dev, dev->exchange.why);
    dev->stage = dev->attrs_done ? DEV_ENROL : DEV_ATTRS;
    return BV_OK;
}

enum bv_err
dev_stage_attrs(struct dev *dev)
{
    enum bv_err err = get(dev, identity_of(dev), "csrattrs", false);
    if (err == BV_E_BUSY)
        return err;
    if (err != BV_OK)
        return dev_fail(dev, dev->exchange.why);
    dev->attrs_done = true;
    dev->ask_binding = dev->exchange.status == 200 && check_asks_binding(dev);
    dev->stage = exchange_is_open(&dev->exchange) ? DEV_ENROL : DEV_CONNECT;
    return BV_OK;
}

enum bv_err
dev_stage_enrol(struct dev *dev)
{
    struct exchange *exchange = &dev->exchange;
    if (exchange->state == EXCHANGE_OPEN) {
        size_t len = 0;
        enum bv_why why = request_enrol(dev, &len);
        if (why != BV_WHY_NONE)
            return dev_fail(dev, why);
        exchange_start(exchange, dev_body(dev), DEV_BODY_SIZE, len,
                       dev->now.mono_ms, dev_timeout(dev));
    }
    enum bv_err err =
        exchange_run(exchange, &dev->ports.transport, dev->now.mono_ms);
    if (err == BV_E_BUSY)
        return err;
    if (err != BV_OK)
        return dev_fail(dev, exchange->why);
    dev_learn_time(dev);
    enum bv_why why = why_of_status(exchange->status);
    if (why != BV_WHY_NONE)
        return dev_fail(dev, why);
    exchange_close(exchange, &dev->ports.transport);
    dev->stage = DEV_STORE;
    return BV_OK;
}

/* The server's clock, when it told the time in this very answer, judges the
 * certificate it made. */
static struct bv_when
when_answered(const struct dev *dev)
{
    if (dev->exchange.date != 0)
        return (struct bv_when){dev->exchange.date, true};
    return dev->when;
}

enum bv_err
dev_stage_store(struct dev *dev)
{
    struct span der, cert;
    const struct bv_storage *storage = &dev->ports.storage;
    enum bv_why why = check_answer(dev, &der);
    if (why == BV_WHY_NONE)
        why = check_issued(dev, der, when_answered(dev), &cert);
    if (why != BV_WHY_NONE)
        return dev_fail(dev, why);
    if (storage->set(storage->ctx, dev_cert_record(dev_inactive(dev)),
                     cert.data, cert.len) != BV_PORT_OK)
        return dev_fail(dev, BV_WHY_STORAGE);
    dev->stage = DEV_PROVE;
    return BV_OK;
}

/* --- proof and promotion --- */

enum bv_err
dev_stage_prove(struct dev *dev)
{
    enum bv_err err = get(dev, dev_inactive(dev), "cacerts", true);
    if (err == BV_E_BUSY)
        return err;
    enum bv_why why =
        err == BV_OK ? why_of_status(dev->exchange.status) : dev->exchange.why;
    if (err == BV_OK)
        dev_learn_time(dev);
    exchange_close(&dev->exchange, &dev->ports.transport);
    if (why == BV_WHY_UNAUTHORIZED || why == BV_WHY_SERVER_REFUSED ||
        why == BV_WHY_REJECTED)
        why = BV_WHY_PROOF;
    if (why != BV_WHY_NONE)
        return dev_fail(dev, why);
    dev->stage = DEV_COMMIT;
    return BV_OK;
}

static bool
promote(struct dev *dev)
{
    struct record next = dev->record;
    next.active = dev_inactive(dev);
    next.generation++;
    next.key_made = false;
    next.attempts = 0;
    next.pause = 0;
    next.due = 0;
    next.why = BV_WHY_NONE;
    return dev_save(dev, &next);
}

enum bv_err
dev_stage_commit(struct dev *dev)
{
    bool changed, had_one = dev->record.active != BV_SLOT_NONE;
    if (!promote(dev))
        return dev_fail(dev, BV_WHY_STORAGE);
    dev->event = had_one ? BV_EVENT_RENEWED : BV_EVENT_ENROLLED;
    dev_settle(dev);
    /* The proof was a look at cacerts: follow it. What fails here will be
     * looked at again; the identity stands. */
    if (follow(dev, &changed) == BV_WHY_NONE)
        dev->trust_mono = doubt_look_again(dev);
    dev->stage = dev->not_after == 0 ? DEV_LOAD : DEV_REST;
    return BV_OK;
}
