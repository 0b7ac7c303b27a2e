#include "storage.h"

#include "base/mem.h"

static struct storage_copy *
newest(struct storage *storage, enum bv_record key)
{
    struct storage_copy *both = storage->copies[key - 1];
    return both[0].number >= both[1].number ? &both[0] : &both[1];
}

static enum bv_port
get(void *ctx, enum bv_record key, uint8_t *out, size_t cap, size_t *ret_len)
{
    const struct storage_copy *copy = newest(ctx, key);
    if (copy->number == 0)
        return BV_PORT_NONE;
    if (copy->len > cap)
        return BV_PORT_FAILED;
    memcpy(out, copy->octets, copy->len);
    *ret_len = copy->len;
    return BV_PORT_OK;
}

/* Into the older copy; its number comes last and makes it count. On flash:
 * erase, program length and octets, program the number. A checksum beside the
 * number tells a torn write from a whole one. */
static enum bv_port
set(void *ctx, enum bv_record key, const uint8_t *data, size_t len)
{
    struct storage *storage = ctx;
    struct storage_copy *both = storage->copies[key - 1];
    const struct storage_copy *old = newest(storage, key);
    struct storage_copy *target = old == &both[0] ? &both[1] : &both[0];
    uint32_t number = old->number + 1;
    if (len > sizeof(target->octets))
        return BV_PORT_FAILED;
    target->number = 0;
    target->len = (uint32_t)len;
    memcpy(target->octets, data, len);
    target->number = number;
    return BV_PORT_OK;
}

/* The newer one goes last: if the power is cut in between, it still counts. */
static enum bv_port
erase(void *ctx, enum bv_record key)
{
    struct storage *storage = ctx;
    struct storage_copy *last = newest(storage, key);
    struct storage_copy *both = storage->copies[key - 1];
    (last == &both[0] ? &both[1] : &both[0])->number = 0;
    last->number = 0;
    return BV_PORT_OK;
}

void
storage_port(struct storage *storage, struct bv_ports *ports)
{
    memset(storage, 0, sizeof(*storage));
    ports->storage = (struct bv_storage){storage, get, set, erase};
}
