#include "base/span.h"

#include "base/mem.h"

struct span
span_str(const char *s)
{
    return s == NULL ? SPAN_EMPTY : span_of(s, strlen(s));
}

enum bv_err
span_take(struct span *in, size_t len, struct span *ret_head)
{
    if (in->len < len)
        return BV_E_BAD_MESSAGE;
    *ret_head = span_of(in->data, len);
    if (len > 0) {
        in->data += len;
        in->len -= len;
    }
    return BV_OK;
}

static enum bv_err
take_uint(struct span *in, size_t width, uint64_t *ret_n)
{
    struct span head;
    uint64_t n = 0;

    BV_TRY(span_take(in, width, &head));
    for (size_t i = 0; i < width; i++)
        n = n << 8 | head.data[i];
    *ret_n = n;
    return BV_OK;
}

enum bv_err
span_u8(struct span *in, uint8_t *ret_n)
{
    uint64_t n;

    BV_TRY(take_uint(in, 1, &n));
    *ret_n = (uint8_t)n;
    return BV_OK;
}

enum bv_err
span_u16(struct span *in, uint16_t *ret_n)
{
    uint64_t n;

    BV_TRY(take_uint(in, 2, &n));
    *ret_n = (uint16_t)n;
    return BV_OK;
}

enum bv_err
span_u32(struct span *in, uint32_t *ret_n)
{
    uint64_t n;

    BV_TRY(take_uint(in, 4, &n));
    *ret_n = (uint32_t)n;
    return BV_OK;
}

enum bv_err
span_u64(struct span *in, uint64_t *ret_n)
{
    return take_uint(in, 8, ret_n);
}

enum bv_err
span_bytes(struct span *in, struct span *ret_field)
{
    struct span rest = *in;
    uint32_t len;

    BV_TRY(span_u32(&rest, &len));
    BV_TRY(span_take(&rest, len, ret_field));
    *in = rest;
    return BV_OK;
}

enum bv_err
span_end(struct span in)
{
    return in.len == 0 ? BV_OK : BV_E_TRAILING_BYTES;
}

bool
span_eq(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool
span_eq_str(struct span a, const char *s)
{
    return span_eq(a, span_str(s));
}

static uint8_t
ascii_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool
span_eq_nocase(struct span a, struct span b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.data[i]) != ascii_lower(b.data[i]))
            return false;
    }
    return true;
}

bool
span_eq_secret(struct span a, struct span b)
{
    volatile uint8_t diff = 0;

    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        diff = (uint8_t)(diff | (a.data[i] ^ b.data[i]));
    return diff == 0;
}

int
span_cmp(struct span a, struct span b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n == 0 ? 0 : memcmp(a.data, b.data, n);

    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

enum bv_err
span_copy_str(struct span in, char *dst, size_t cap)
{
    if (in.len >= cap)
        return BV_E_TOO_LARGE;
    if (in.len > 0 && memchr(in.data, 0, in.len) != NULL)
        return BV_E_BAD_MESSAGE;
    if (in.len > 0)
        memcpy(dst, in.data, in.len);
    dst[in.len] = '\0';
    return BV_OK;
}

int
span_hex_digit(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

enum bv_err
span_unhex(struct span text, uint8_t *dst, size_t cap, size_t *ret_len)
{
    size_t len = text.len / 2;

    if (text.len == 0 || text.len % 2 != 0)
        return BV_E_BAD_MESSAGE;
    if (len > cap)
        return BV_E_TOO_LARGE;
    for (size_t i = 0; i < len; i++) {
        int high = span_hex_digit(text.data[2 * i]);
        int low = span_hex_digit(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return BV_E_BAD_MESSAGE;
        dst[i] = (uint8_t)(high << 4 | low);
    }
    *ret_len = len;
    return BV_OK;
}
