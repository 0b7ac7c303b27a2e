#include "device/record.h"

#define MAGIC       UINT32_C(0x42565231) /* "BVR1" */
#define NO_SLOT     0xff
#define CHECKED_LEN (RECORD_LEN - 4)

/* CRC-32 (IEEE 802.3): finds flash rot; an attacker who writes our flash has
 * won anyway. */
static uint32_t
crc32(struct span in)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < in.len; i++) {
        crc ^= in.data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? UINT32_C(0xedb88320) : 0);
    }
    return ~crc;
}

void
record_encode(struct sink *out, const struct record *record)
{
    size_t start = out->len;
    sink_u32(out, MAGIC);
    sink_u8(out,
            record->active == BV_SLOT_NONE ? NO_SLOT : (uint8_t)record->active);
    sink_u8(out, record->trust < 0 ? NO_SLOT : (uint8_t)record->trust);
    sink_u8(out, record->key_made ? 1 : 0);
    sink_u8(out, record->why);
    sink_u32(out, record->generation);
    sink_u32(out, record->attempts);
    sink_u32(out, record->pause);
    sink_u64(out, (uint64_t)record->due);
    sink_u64(out, 0); /* room for later fields */
    if (!out->failed)
        sink_u32(out, crc32(span_of(out->data + start, out->len - start)));
}

static enum bv_err
decode_slots(struct span *in, struct record *ret)
{
    uint8_t active, trust, key_made;
    BV_TRY(span_u8(in, &active));
    BV_TRY(span_u8(in, &trust));
    BV_TRY(span_u8(in, &key_made));
    if ((active > 1 && active != NO_SLOT) || (trust > 1 && trust != NO_SLOT) ||
        key_made > 1)
        return BV_E_CORRUPT;
    ret->active = active == NO_SLOT ? BV_SLOT_NONE : (enum bv_slot)active;
    ret->trust = trust == NO_SLOT ? -1 : trust;
    ret->key_made = key_made == 1;
    return BV_OK;
}

enum bv_err
record_decode(struct span in, struct record *ret_record)
{
    struct record r;
    struct span rest = in;
    uint32_t magic, crc;
    uint64_t due, room;
    if (in.len != RECORD_LEN)
        return BV_E_CORRUPT;
    BV_TRY(span_u32(&rest, &magic));
    if (magic != MAGIC)
        return BV_E_CORRUPT;
    BV_TRY(decode_slots(&rest, &r));
    BV_TRY(span_u8(&rest, &r.why));
    BV_TRY(span_u32(&rest, &r.generation));
    BV_TRY(span_u32(&rest, &r.attempts));
    BV_TRY(span_u32(&rest, &r.pause));
    BV_TRY(span_u64(&rest, &due));
    BV_TRY(span_u64(&rest, &room));
    BV_TRY(span_u32(&rest, &crc));
    if (crc != crc32(span_of(in.data, CHECKED_LEN)))
        return BV_E_CORRUPT;
    r.due = (int64_t)due;
    *ret_record = r;
    return BV_OK;
}
