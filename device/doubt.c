#include "device/doubt.h"

#include "device/check.h"
#include "wire/cert.h"

#define FIRST   3600 /* seconds */
#define DOUBLED 5    /* times, up to 32 hours */

static bool
has_begun(int64_t from, int64_t time)
{
    return from <= time + DEV_SKEW;
}

bool
doubt_is(const struct dev *dev)
{
    return dev->record.active != BV_SLOT_NONE && dev->now.wall_known &&
           dev->now.wall >= dev->config.not_before_build &&
           !has_begun(dev->not_before, dev->now.wall);
}

uint64_t
doubt_look_again(struct dev *dev)
{
    uint32_t usual = dev->config.trust_every;
    if (!doubt_is(dev))
        return dev_mono_after(dev, usual);
    uint32_t pause = (uint32_t)FIRST << dev->doubts;
    if (dev->doubts < DOUBLED)
        dev->doubts++;
    pause += dev_random(dev) % (pause / 8);
    return dev_mono_after(dev, pause < usual ? pause : usual);
}

static bool
lives(const struct cert *cert, int64_t time)
{
    return has_begun(cert->not_before, time) && time <= cert->not_after;
}

/* An attempt that has made a key has overwritten what was there. */
static bool
load_other(struct dev *dev, struct cert *ret_cert)
{
    struct span der;
    enum bv_slot slot = dev_inactive(dev);
    return !dev->record.key_made &&
           dev_load_cert(dev, slot, dev_scratch(dev), BV_CERT_MAX, &der) ==
               BV_PORT_OK &&
           check_matches_key(dev, slot, der) &&
           cert_parse(der, ret_cert) == BV_OK;
}

bool
doubt_fall_back(struct dev *dev, int64_t date)
{
    struct record next = dev->record;
    struct cert other;
    if (!doubt_is(dev) || date <= 0 || has_begun(dev->not_before, date) ||
        !load_other(dev, &other) || !lives(&other, date) ||
        !lives(&other, dev->now.wall))
        return false;
    next.active = dev_inactive(dev);
    next.generation++;
    if (!dev_save(dev, &next))
        return false;
    dev->not_before = other.not_before;
    dev->not_after = other.not_after;
    dev->server_time = date;
    dev->server_mono = dev->now.mono_ms;
    dev->calm_mono = 0; /* its renewal is still to come */
    dev_say(dev, "the new certificate is dated ahead; back to the one before");
    return true;
}
