#include "base/sink.h"

#include "base/mem.h"

void
sink_put(struct sink *out, struct span bytes)
{
    if (out->failed || bytes.len > out->cap - out->len) {
        out->failed = true;
        return;
    }
    if (bytes.len > 0)
        memcpy(out->data + out->len, bytes.data, bytes.len);
    out->len += bytes.len;
}

void
sink_str(struct sink *out, const char *s)
{
    sink_put(out, span_str(s));
}

static void
put_uint(struct sink *out, uint64_t n, size_t width)
{
    uint8_t be[8];

    for (size_t i = 0; i < width; i++)
        be[i] = (uint8_t)(n >> 8 * (width - 1 - i));
    sink_put(out, span_of(be, width));
}

void
sink_u8(struct sink *out, uint8_t n)
{
    if (out->failed || out->len == out->cap) {
        out->failed = true;
        return;
    }
    out->data[out->len++] = n;
}

void
sink_u16(struct sink *out, uint16_t n)
{
    put_uint(out, n, 2);
}

void
sink_u32(struct sink *out, uint32_t n)
{
    put_uint(out, n, 4);
}

void
sink_u64(struct sink *out, uint64_t n)
{
    put_uint(out, n, 8);
}

void
sink_bytes(struct sink *out, struct span field)
{
    if (field.len > UINT32_MAX) {
        out->failed = true;
        return;
    }
    sink_u32(out, (uint32_t)field.len);
    sink_put(out, field);
}

void
sink_dec(struct sink *out, uint64_t n)
{
    uint8_t digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (uint8_t)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    sink_put(out, span_of(digits + at, sizeof(digits) - at));
}

void
sink_hex(struct sink *out, struct span bytes)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < bytes.len; i++) {
        sink_u8(out, (uint8_t)hex[bytes.data[i] >> 4]);
        sink_u8(out, (uint8_t)hex[bytes.data[i] & 15]);
    }
}

struct span
sink_view(const struct sink *out)
{
    return span_of(out->data, out->len);
}

enum bv_err
sink_done(const struct sink *out, struct span *ret_bytes)
{
    if (out->failed)
        return BV_E_NO_SPACE;
    *ret_bytes = sink_view(out);
    return BV_OK;
}
