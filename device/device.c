/* The public functions, and what lies around the stages: loading, resting,
 * failing. */
#include "base/mem.h"
#include "device/dev.h"
#include "device/doubt.h"
#include "device/trust.h"
#include "wire/cert.h"
#include "wire/name.h"
#include "wire/san.h"

#define POLL_MS     20      /* a transport without a socket to wait on */
#define LOOK_MS     3600000 /* the wall clock is looked at this often */
#define AGAIN_MS    1000    /* between tries to read what could not be read */
#define PENDING_MIN 5       /* seconds; a server may not make us hammer */
#define TRUST_SPREAD                                                           \
    60 /* seconds after start: first look at the server's time                 \
        */

_Static_assert(sizeof(struct dev) <= sizeof(struct bv_device),
               "struct bv_device is too small");
_Static_assert(DEV_SCRATCH_SIZE >= BV_RECORD_MAX + DEV_SPKI_MAX,
               "a new trust set and a public key fit SCRATCH");

static struct dev *
inside(struct bv_device *device)
{
    return (struct dev *)(void *)device->private_;
}

static const struct dev *
inside_const(const struct bv_device *device)
{
    return (const struct dev *)(const void *)device->private_;
}

/* --- what the stages share --- */

uint8_t *
dev_body(struct dev *dev)
{
    return dev->config.work;
}

uint8_t *
dev_trust(struct dev *dev)
{
    return dev->config.work + DEV_BODY_SIZE;
}

uint8_t *
dev_scratch(struct dev *dev)
{
    return dev->config.work + DEV_BODY_SIZE + DEV_TRUST_SIZE;
}

void
dev_yield(struct dev *dev)
{
    if (dev->ports.observe.yield != NULL)
        dev->ports.observe.yield(dev->ports.observe.ctx);
}

void
dev_say(struct dev *dev, const char *text)
{
    if (dev->ports.observe.line != NULL)
        dev->ports.observe.line(dev->ports.observe.ctx, text);
}

enum bv_slot
dev_inactive(const struct dev *dev)
{
    return dev->record.active == BV_SLOT_A ? BV_SLOT_B : BV_SLOT_A;
}

enum bv_record
dev_cert_record(enum bv_slot slot)
{
    return slot == BV_SLOT_B ? BV_RECORD_CERT_B : BV_RECORD_CERT_A;
}

enum bv_port
dev_load_cert(struct dev *dev, enum bv_slot slot, uint8_t *out, size_t cap,
              struct span *ret_cert)
{
    size_t len = 0;
    const struct bv_storage *storage = &dev->ports.storage;
    enum bv_port got =
        storage->get(storage->ctx, dev_cert_record(slot), out, cap, &len);
    dev->unread |= got == BV_PORT_FAILED;
    if (got == BV_PORT_OK && len > 0 && len <= cap)
        *ret_cert = span_of(out, len);
    else if (got == BV_PORT_OK)
        got = BV_PORT_NONE;
    return got;
}

enum bv_port
dev_spki(struct dev *dev, enum bv_slot slot, struct span *ret_spki)
{
    size_t len = 0;
    uint8_t *out = dev_scratch(dev) + DEV_SCRATCH_SIZE - DEV_SPKI_MAX;
    const struct bv_keys *keys = &dev->ports.keys;
    enum bv_port got =
        keys->public_key(keys->ctx, slot, out, DEV_SPKI_MAX, &len);
    dev->unread |= got == BV_PORT_FAILED;
    if (got == BV_PORT_OK)
        *ret_spki = span_of(out, len);
    return got;
}

uint32_t
dev_random(struct dev *dev)
{
    uint8_t octets[4];
    uint32_t n = 0;
    struct span in = SPAN_ARRAY(octets);
    if (dev->ports.random.fill(dev->ports.random.ctx, octets, 4) !=
            BV_PORT_OK ||
        span_u32(&in, &n) != BV_OK)
        return 0;
    return n;
}

uint64_t
dev_mono_after(const struct dev *dev, uint32_t seconds)
{
    return dev->now.mono_ms + (uint64_t)seconds * 1000;
}

uint32_t
dev_timeout(const struct dev *dev)
{
    return dev->config.exchange_ms;
}

/* Nothing runs out any more: the certificate is over, or the server will not
 * have us. */
static bool
is_lost(const struct dev *dev)
{
    enum bv_why why =
        dev->why != BV_WHY_NONE ? dev->why : (enum bv_why)dev->record.why;
    return dev->when.time > dev->not_after || why == BV_WHY_UNAUTHORIZED ||
           why == BV_WHY_SERVER_REFUSED || why == BV_WHY_REJECTED;
}

/* A short life asks for short pauses (plan_pause). Once it is lost they grow
 * from the last one on, as if the life were longer: 1/20 of it is twice the
 * last pause. */
uint32_t
dev_pause(struct dev *dev, uint32_t failures)
{
    int64_t life = dev->not_after - dev->not_before;
    int64_t grown = INT64_C(40) * dev->record.pause;
    if (life > 0 && grown > life && is_lost(dev))
        life = grown;
    return plan_pause(failures, dev->config.retry_min, dev->config.retry_max,
                      life, dev_random(dev));
}

bool
dev_save(struct dev *dev, const struct record *record)
{
    uint8_t bytes[RECORD_LEN];
    struct sink out = SINK_ARRAY(bytes);
    const struct bv_storage *storage = &dev->ports.storage;
    record_encode(&out, record);
    if (out.failed || storage->set(storage->ctx, BV_RECORD_STATE, bytes,
                                   out.len) != BV_PORT_OK)
        return false;
    dev->record = *record;
    return true;
}

/* --- time --- */

static int64_t
floor_of(const struct dev *dev)
{
    return dev->not_before > dev->config.not_before_build
               ? dev->not_before
               : dev->config.not_before_build;
}

static int64_t
server_now(const struct dev *dev)
{
    if (dev->server_time == 0)
        return 0;
    return dev->server_time +
           (int64_t)((dev->now.mono_ms - dev->server_mono) / 1000);
}

void
dev_learn_time(struct dev *dev)
{
    if (dev->exchange.date >= floor_of(dev) && dev->exchange.date > 0) {
        dev->server_time = dev->exchange.date;
        dev->server_mono = dev->now.mono_ms;
    }
}

static void
look_at_clock(struct dev *dev)
{
    dev->ports.clock.now(dev->ports.clock.ctx, &dev->now);
    if (!dev->booted) {
        dev->boot_mono = dev->now.mono_ms;
        dev->booted = true;
    }
    int64_t up = (int64_t)((dev->now.mono_ms - dev->boot_mono) / 1000);
    /* Of two clocks that disagree, attempts try one after the other. */
    dev->when = plan_time(&dev->now, floor_of(dev), server_now(dev), up,
                          dev->record.attempts % 2 == 1);
}

static int64_t
renew_at(const struct dev *dev)
{
    return plan_renew_at(dev->not_before, dev->not_after,
                         dev->config.renew_percent, dev->config.jitter_percent,
                         span_str(dev->config.id));
}

/* The later of the clocks decides whether a renewal is due: a needless renewal
 * costs little, a missed one the device. */
static int64_t
latest_time(const struct dev *dev)
{
    int64_t server = server_now(dev);
    return server > dev->when.time ? server : dev->when.time;
}

/* --- loading --- */

static bool
load_slot(struct dev *dev, enum bv_slot slot, struct cert *ret_cert)
{
    struct span der, spki;
    return dev_load_cert(dev, slot, dev_scratch(dev), BV_CERT_MAX, &der) ==
               BV_PORT_OK &&
           cert_parse(der, ret_cert) == BV_OK &&
           dev_spki(dev, slot, &spki) == BV_PORT_OK &&
           span_eq(ret_cert->spki.whole, spki);
}

static void
take_slot(struct dev *dev, enum bv_slot slot, const struct cert *cert)
{
    dev->record.active = slot;
    dev->not_before = cert->not_before;
    dev->not_after = cert->not_after;
}

/* The record is gone, or what it points to is: the flash lied. Take the slot
 * whose certificate and key fit and which lasts longest. */
static void
recover(struct dev *dev)
{
    struct cert a, b;
    bool has_a = load_slot(dev, BV_SLOT_A, &a);
    int64_t end_a = has_a ? a.not_after : 0;
    bool has_b = load_slot(dev, BV_SLOT_B, &b);
    dev->record.active = BV_SLOT_NONE;
    dev->not_before = dev->not_after = 0;
    if (has_b && (!has_a || b.not_after > end_a))
        take_slot(dev, BV_SLOT_B, &b);
    else if (has_a && load_slot(dev, BV_SLOT_A, &a))
        take_slot(dev, BV_SLOT_A, &a);
}

static void
load_identity(struct dev *dev)
{
    struct cert cert;
    dev->not_before = dev->not_after = 0;
    if (dev->record.active == BV_SLOT_NONE)
        return;
    if (load_slot(dev, dev->record.active, &cert))
        take_slot(dev, dev->record.active, &cert);
    else
        recover(dev);
}

static bool
load_record(struct dev *dev)
{
    uint8_t bytes[RECORD_LEN];
    size_t len = 0;
    const struct bv_storage *storage = &dev->ports.storage;
    enum bv_port got =
        storage->get(storage->ctx, BV_RECORD_STATE, bytes, sizeof(bytes), &len);
    if (got == BV_PORT_WANT)
        return false;
    dev->unread = got == BV_PORT_FAILED;
    if (got == BV_PORT_OK &&
        record_decode(span_of(bytes, len), &dev->record) == BV_OK) {
        load_identity(dev);
        return true;
    }
    dev->record = (struct record){.active = BV_SLOT_NONE, .trust = -1};
    if (got == BV_PORT_NONE)
        return true; /* a new device */
    dev_say(dev, "the commit record is damaged; looking for the identity");
    recover(dev);
    return true;
}

/* A pause from before the restart goes on; see plan_resume. */
static void
resume_pause(struct dev *dev)
{
    struct bv_now now = dev->now;
    now.wall_known = now.wall_known && now.wall >= floor_of(dev);
    if (dev->record.attempts > 0)
        dev->retry_mono = dev_mono_after(
            dev, plan_resume(dev->record.due, dev->record.pause, &now));
}

static enum bv_err
stage_load(struct dev *dev)
{
    if (!load_record(dev))
        return BV_E_BUSY;
    /* Too busy, or short of something, is not lost: nothing is decided yet. */
    if (dev->unread && dev->unread_tries < DEV_TRIES) {
        dev->unread_tries++;
        return BV_E_BUSY;
    }
    dev->unread_tries = 0;
    resume_pause(dev);
    look_at_clock(dev);
    if (dev->trust_mono == 0 && dev->record.trust >= 0)
        dev->trust_mono = dev_mono_after(
            dev, doubt_is(dev)     ? 0
                 : dev->when.exact ? dev->config.trust_every
                                   : dev_random(dev) % TRUST_SPREAD);
    dev->stage = DEV_REST;
    return BV_OK;
}

/* A renewed identity that is still "due" means a clock gone mad: be calm for a
 * quarter of its life by the clock that cannot jump. */
void
dev_settle(struct dev *dev)
{
    enum bv_slot promoted = dev->record.active;
    dev->unread = false;
    load_identity(dev);
    if (dev->unread)
        dev->record.active = promoted; /* DEV_LOAD looks again */
    int64_t calm = (dev->not_after - dev->not_before) / 4;
    dev->calm_mono =
        dev_mono_after(dev, calm > UINT32_MAX ? UINT32_MAX : (uint32_t)calm);
    dev->retry_mono = 0;
    dev->cred_turn = 0;
    dev->doubts = 0;
    dev->forced = false;
    dev->why = BV_WHY_NONE;
    dev->said[0] = '\0';
}

/* --- resting --- */

static bool
has_come(const struct dev *dev, uint64_t mono)
{
    return dev->now.mono_ms >= mono;
}

static bool
is_renewal_due(const struct dev *dev)
{
    return dev->forced ||
           (has_come(dev, dev->calm_mono) && latest_time(dev) >= renew_at(dev));
}

static enum dev_stage
what_next(const struct dev *dev)
{
    bool wants_identity =
        dev->record.active == BV_SLOT_NONE || is_renewal_due(dev);
    if (dev->record.trust < 0)
        return has_come(dev, dev->trust_mono) ? DEV_TRUST_GET : DEV_REST;
    /* before the key of the identity to fall back to is overwritten */
    if (doubt_is(dev) && has_come(dev, dev->trust_mono))
        return DEV_TRUST_GET;
    if (wants_identity && has_come(dev, dev->retry_mono))
        return DEV_KEY;
    return has_come(dev, dev->trust_mono) ? DEV_TRUST_GET : DEV_REST;
}

static enum bv_err
stage_rest(struct dev *dev)
{
    dev->stage = what_next(dev);
    return dev->stage == DEV_REST ? BV_E_BUSY : BV_OK;
}

static uint64_t
until(const struct dev *dev, uint64_t mono)
{
    return mono > dev->now.mono_ms ? mono - dev->now.mono_ms : 0;
}

static uint64_t
least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t
until_renewal(const struct dev *dev)
{
    int64_t seconds = renew_at(dev) - latest_time(dev);
    if (seconds > LOOK_MS / 1000)
        return LOOK_MS;
    uint64_t due = seconds > 0 ? (uint64_t)seconds * 1000 : 0;
    uint64_t calm = until(dev, dev->calm_mono);
    return due > calm ? due : calm;
}

static uint64_t
rest_ms(const struct dev *dev)
{
    uint64_t wait = least(until(dev, dev->trust_mono), LOOK_MS);
    if (dev->record.trust < 0)
        return wait;
    uint64_t retry = until(dev, dev->retry_mono);
    uint64_t due = dev->record.active == BV_SLOT_NONE || dev->forced
                       ? 0
                       : until_renewal(dev);
    return least(wait, due > retry ? due : retry);
}

/* --- failing --- */

/* The certificate, or the request itself, was at fault: the next attempt
 * starts with another key. */
static bool
spoils_key(enum bv_why why)
{
    return why == BV_WHY_REJECTED || why == BV_WHY_WRONG_KEY ||
           why == BV_WHY_WRONG_NAME || why == BV_WHY_CHAIN ||
           why == BV_WHY_DATES || why == BV_WHY_PROOF;
}

/* What a server asks for counts, but not beyond half of what is left of the
 * identity: it may ask us to wait, not to go without. */
static uint32_t
patience(const struct dev *dev, uint32_t asked)
{
    int64_t left = (dev->not_after - latest_time(dev)) / 2;
    return left > 0 && left < (int64_t)asked ? (uint32_t)left : asked;
}

/* The longest pause of our own is no bound for what a server asks for. */
static uint32_t
pause_after(struct dev *dev, enum bv_why why, uint32_t asked)
{
    uint32_t pause =
        dev->record.pause > 0 ? dev->record.pause : dev_pause(dev, 1);
    if (pause > dev->config.retry_max)
        pause = dev->config.retry_max;
    asked = patience(dev, asked);
    if (why == BV_WHY_PENDING && asked > 0)
        return plan_asked(asked < PENDING_MIN ? PENDING_MIN : asked,
                          dev_random(dev));
    if (why == BV_WHY_SERVER_ERROR && asked > pause)
        return plan_asked(asked, dev_random(dev));
    return pause;
}

static void
fail_trust(struct dev *dev)
{
    dev->trust_fails++;
    dev->trust_mono = dev_mono_after(dev, dev_pause(dev, dev->trust_fails));
}

static void
fail_identity(struct dev *dev, enum bv_why why, uint32_t asked)
{
    if (why == BV_WHY_PENDING && asked > 0)
        dev->record.attempts = 0; /* waiting is not failing */
    if (why == BV_WHY_UNAUTHORIZED || why == BV_WHY_SERVER_REFUSED)
        dev->cred_turn++;
    if (spoils_key(why))
        dev->record.key_made = false;
    if (why == BV_WHY_CHAIN) /* the server may have moved to another CA */
        dev->trust_mono = dev->now.mono_ms;
    dev->retry_mono = dev_mono_after(dev, pause_after(dev, why, asked));
    dev->forced = false;
}

/* Only an answer speaks: not a connection that broke, not a certificate that
 * was found wrong. */
static void
note_said(struct dev *dev, enum bv_why why)
{
    bool spoke = why == BV_WHY_UNAUTHORIZED || why == BV_WHY_REJECTED ||
                 why == BV_WHY_SERVER_ERROR || why == BV_WHY_PENDING ||
                 why == BV_WHY_PROOF || why == BV_WHY_HTTP;
    dev->said[0] = '\0';
    if (spoke)
        exchange_said(&dev->exchange, dev->said, sizeof(dev->said));
}

enum bv_err
dev_fail(struct dev *dev, enum bv_why why)
{
    bool pending = why == BV_WHY_PENDING && dev->stage == DEV_ENROL;
    uint32_t asked = dev->exchange.retry_after;
    if (why == BV_WHY_PENDING && !pending)
        why = BV_WHY_HTTP; /* 202 to a GET */
    note_said(dev, why);
    dev->why = why;
    dev->record.why = (uint8_t)why;
    exchange_close(&dev->exchange, &dev->ports.transport);
    dev->event = pending ? BV_EVENT_PENDING : BV_EVENT_FAILED;
    if (dev->stage == DEV_TRUST_GET)
        fail_trust(dev);
    else
        fail_identity(dev, why, asked);
    /* After a failed write only the flash knows what it holds. */
    dev->stage = why == BV_WHY_STORAGE ? DEV_LOAD : DEV_REST;
    return BV_OK;
}

/* --- public --- */

static bool
ports_complete(const struct bv_ports *ports)
{
    return ports->clock.now != NULL && ports->random.fill != NULL &&
           ports->storage.get != NULL && ports->storage.set != NULL &&
           ports->storage.erase != NULL && ports->keys.generate != NULL &&
           ports->keys.public_key != NULL && ports->keys.sign != NULL &&
           ports->keys.destroy != NULL && ports->verify.chain != NULL &&
           ports->verify.sha256 != NULL && ports->transport.open != NULL &&
           ports->transport.send != NULL && ports->transport.recv != NULL &&
           ports->transport.binding != NULL && ports->transport.close != NULL;
}

static bool
is_token(const char *text, size_t max)
{
    size_t len = text == NULL ? 0 : strlen(text);
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return len > 0 && len <= max;
}

static bool
sans_fit(const struct bv_config *config)
{
    if (config->num_sans > BV_SAN_COUNT_MAX ||
        (config->num_sans > 0 && config->sans == NULL))
        return false;
    for (size_t i = 0; i < config->num_sans; i++) {
        size_t len = config->sans[i].value.len;
        if (len == 0 || len > BV_SAN_MAX || config->sans[i].kind > BV_SAN_EMAIL)
            return false;
        if (config->sans[i].kind == BV_SAN_IP && len != 4 && len != 16)
            return false;
    }
    return true;
}

static bool
config_fits(const struct bv_config *config)
{
    return is_token(config->host, 253) &&
           (config->path == NULL ||
            (is_token(config->path, 400) && config->path[0] == '/')) &&
           config->id != NULL && strlen(config->id) <= BV_ID_MAX &&
           name_check_text(NAME_CN, span_str(config->id)) == BV_OK &&
           sans_fit(config) && config->key_type <= BV_KEY_RSA4096 &&
           config->claim.len <= 200 && config->claim_user.len <= 100 &&
           (config->num_anchors > 0 || config->fingerprint != NULL) &&
           config->num_anchors <= BV_TRUST_MAX && config->renew_percent <= 95 &&
           config->work != NULL && config->work_len >= BV_WORK_SIZE;
}

static void
fill_defaults(struct bv_config *config)
{
    if (config->port == 0)
        config->port = 443;
    if (config->path == NULL)
        config->path = "/.well-known/est";
    if (config->renew_percent == 0)
        config->renew_percent = 66;
    if (config->jitter_percent == 0)
        config->jitter_percent = 8;
    if (config->jitter_percent == 255)
        config->jitter_percent = 0;
    if (config->exchange_ms == 0)
        config->exchange_ms = 30000;
    if (config->retry_min == 0)
        config->retry_min = 60;
    if (config->retry_max == 0)
        config->retry_max = 86400;
    if (config->trust_every == 0)
        config->trust_every = 604800;
}

enum bv_why
bv_device_init(struct bv_device *device, const struct bv_config *config,
               const struct bv_ports *ports)
{
    struct dev *dev = inside(device);
    *dev = (struct dev){.config = *config, .ports = *ports};
    dev->record = (struct record){.active = BV_SLOT_NONE, .trust = -1};
    dev->stage = DEV_HALT;
    if (!ports_complete(ports) || !config_fits(config) ||
        (config->reuse_key && ports->keys.copy == NULL))
        return BV_WHY_CONFIG;
    fill_defaults(&dev->config);
    dev->stage = DEV_LOAD;
    return BV_WHY_NONE;
}

static enum bv_err
stage_halt(struct dev *dev)
{
    (void)dev;
    return BV_E_BUSY;
}

static enum bv_err (*const stages[DEV_STAGE_COUNT])(struct dev *) = {
    [DEV_LOAD] = stage_load,           [DEV_REST] = stage_rest,
    [DEV_TRUST_GET] = dev_stage_trust, [DEV_KEY] = dev_stage_key,
    [DEV_CONNECT] = dev_stage_connect, [DEV_ATTRS] = dev_stage_attrs,
    [DEV_ENROL] = dev_stage_enrol,     [DEV_STORE] = dev_stage_store,
    [DEV_PROVE] = dev_stage_prove,     [DEV_COMMIT] = dev_stage_commit,
    [DEV_HALT] = stage_halt,
};

static uint64_t
wait_ms(const struct dev *dev)
{
    if (dev->stage == DEV_HALT)
        return LOOK_MS;
    if (dev->stage == DEV_LOAD && dev->unread)
        return AGAIN_MS;
    return dev->stage == DEV_REST ? rest_ms(dev) : POLL_MS;
}

enum bv_event
bv_device_step(struct bv_device *device, uint64_t *ret_wait_ms)
{
    struct dev *dev = inside(device);
    dev->event = BV_EVENT_NONE;
    look_at_clock(dev);
    enum bv_err err = stages[dev->stage](dev);
    dev->waits_io =
        err == BV_E_BUSY && dev->stage != DEV_REST && dev->stage != DEV_HALT;
    *ret_wait_ms = err == BV_E_BUSY ? wait_ms(dev) : 0;
    return dev->event;
}

bool
bv_device_waits_io(const struct bv_device *device)
{
    return inside_const(device)->waits_io;
}

void
bv_device_renew(struct bv_device *device)
{
    struct dev *dev = inside(device);
    dev->forced = true;
    dev->retry_mono = 0;
    if (dev->record.trust < 0 || doubt_is(dev))
        dev->trust_mono = 0;
}

void
bv_device_check(struct bv_device *device)
{
    struct dev *dev = inside(device);
    dev->retry_mono = 0;
    dev->trust_mono = dev->now.mono_ms;
}

static enum bv_phase
phase_of(const struct dev *dev)
{
    if (dev->stage == DEV_HALT)
        return BV_PHASE_HALT;
    if (dev->stage == DEV_LOAD && !dev->booted)
        return BV_PHASE_START;
    if (dev->record.active == BV_SLOT_NONE)
        return dev->record.trust < 0 ? BV_PHASE_TRUST : BV_PHASE_ENROL;
    return (dev->stage == DEV_REST && !is_renewal_due(dev)) ||
                   dev->stage == DEV_TRUST_GET
               ? BV_PHASE_IDLE
               : BV_PHASE_RENEW;
}

/* After a failure outside the window the pause is not all there is to wait. */
static uint32_t
until_attempt(const struct dev *dev)
{
    uint64_t retry = dev->record.trust < 0 ? dev->trust_mono : dev->retry_mono;
    uint64_t seconds = (until(dev, retry) + 999) / 1000;
    int64_t due = renew_at(dev) - latest_time(dev);
    if (seconds > 0 && dev->record.active != BV_SLOT_NONE && !dev->forced &&
        due > (int64_t)seconds)
        seconds = (uint64_t)due;
    return seconds < UINT32_MAX ? (uint32_t)seconds : UINT32_MAX;
}

void
bv_device_status(const struct bv_device *device, struct bv_status *ret_status)
{
    const struct dev *dev = inside_const(device);
    bool has = dev->record.active != BV_SLOT_NONE;
    *ret_status = (struct bv_status){
        .phase = phase_of(dev),
        .active = dev->record.active,
        .not_before = dev->not_before,
        .not_after = dev->not_after,
        .renew_at = has ? renew_at(dev) : 0,
        .generation = dev->record.generation,
        .attempts = dev->record.attempts,
        .retry_after = until_attempt(dev),
        .why =
            dev->why != BV_WHY_NONE ? dev->why : (enum bv_why)dev->record.why,
        .http_status = dev->exchange.status,
        .clock_known = dev->when.exact,
    };
}

const char *
bv_device_said(const struct bv_device *device)
{
    return inside_const(device)->said;
}

enum bv_port
bv_device_cert(struct bv_device *device, uint8_t *out, size_t cap,
               size_t *ret_len)
{
    struct dev *dev = inside(device);
    struct span cert;
    if (dev->record.active == BV_SLOT_NONE)
        return BV_PORT_NONE;
    enum bv_port got = dev_load_cert(dev, dev->record.active, out, cap, &cert);
    if (got == BV_PORT_OK)
        *ret_len = cert.len;
    return got;
}

enum bv_port
bv_device_trust(struct bv_device *device, size_t index,
                struct bv_bytes *ret_cert, bool *ret_anchor)
{
    struct dev *dev = inside(device);
    trust_load(dev);
    if (dev->trust_tries > 0)
        return BV_PORT_FAILED;
    if (index < dev->num_anchors) {
        *ret_cert = dev->anchors[index];
        *ret_anchor = true;
        return BV_PORT_OK;
    }
    index -= dev->num_anchors;
    if (index >= dev->num_helpers)
        return BV_PORT_NONE;
    *ret_cert = dev->helpers[index];
    *ret_anchor = false;
    return BV_PORT_OK;
}
