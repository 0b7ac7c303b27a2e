#include "wire/ip.h"

#include "base/mem.h"

static bool
take_decimal(struct span *text, uint8_t *ret_octet)
{
    unsigned n = 0;
    size_t len = 0;

    for (; len < text->len && len < 4; len++) {
        uint8_t c = text->data[len];

        if (c < '0' || c > '9')
            break;
        n = n * 10 + (c - '0');
    }
    if (len == 0 || n > 255 || (len > 1 && text->data[0] == '0'))
        return false;
    *text = span_of(text->data + len, text->len - len);
    *ret_octet = (uint8_t)n;
    return true;
}

static bool
parse_v4(struct span text, uint8_t ip[4])
{
    for (size_t i = 0; i < 4; i++) {
        uint8_t dot = '.';

        if (i > 0 && (span_u8(&text, &dot) != BV_OK || dot != '.'))
            return false;
        if (!take_decimal(&text, &ip[i]))
            return false;
    }
    return text.len == 0;
}

static bool
take_group(struct span *text, uint8_t group[2])
{
    unsigned n = 0;
    size_t len = 0;

    for (; len < text->len && len < 4; len++) {
        int digit = span_hex_digit(text->data[len]);
        if (digit < 0)
            break;
        n = n << 4 | (unsigned)digit;
    }
    *text = span_of(text->data + len, text->len - len);
    group[0] = (uint8_t)(n >> 8);
    group[1] = (uint8_t)n;
    return len > 0;
}

static bool
starts_gap(struct span text)
{
    return text.len >= 2 && text.data[0] == ':' && text.data[1] == ':';
}

/* Groups with single colons between them, up to "::" or the end. */
static bool
take_groups(struct span *text, uint8_t groups[16], size_t *ret_len)
{
    size_t len = 0;

    for (;;) {
        if (len == 16 || !take_group(text, groups + len))
            return false;
        len += 2;
        if (text->len == 0 || starts_gap(*text))
            break;
        if (text->data[0] != ':')
            return false;
        *text = span_of(text->data + 1, text->len - 1);
    }
    *ret_len = len;
    return true;
}

static bool
parse_v6(struct span text, uint8_t ip[16])
{
    uint8_t front[16], back[16];
    size_t front_len = 0, back_len = 0;

    if (!starts_gap(text) && !take_groups(&text, front, &front_len))
        return false;
    if (text.len == 0 && front_len != 16)
        return false;
    if (text.len > 0) {
        text = span_of(text.data + 2, text.len - 2);
        if (text.len > 0 && !take_groups(&text, back, &back_len))
            return false;
        /* "::" stands for one group at least, and once. */
        if (text.len > 0 || front_len + back_len > 14)
            return false;
    }
    memset(ip, 0, 16);
    memcpy(ip, front, front_len);
    memcpy(ip + 16 - back_len, back, back_len);
    return true;
}

enum bv_err
ip_parse(struct span text, uint8_t ret_ip[IP_LEN_MAX], size_t *ret_len)
{
    if (parse_v4(text, ret_ip)) {
        *ret_len = 4;
        return BV_OK;
    }
    if (parse_v6(text, ret_ip)) {
        *ret_len = 16;
        return BV_OK;
    }
    return BV_E_BAD_NAME;
}

/* The first longest run of two or more zero groups (RFC 5952 4.2). */
static void
find_gap(const uint8_t *ip, size_t *ret_start, size_t *ret_len)
{
    size_t start = 8, len = 1;

    for (size_t i = 0; i < 8; i++) {
        size_t run = 0;

        while (i + run < 8 && ip[2 * (i + run)] == 0 &&
               ip[2 * (i + run) + 1] == 0)
            run++;
        if (run > len) {
            start = i;
            len = run;
        }
    }
    *ret_start = start;
    *ret_len = len;
}

static void
put_group(struct sink *out, const uint8_t group[2])
{
    static const char hex[] = "0123456789abcdef";
    unsigned n = (unsigned)group[0] << 8 | group[1];
    bool started = false;

    for (int shift = 12; shift >= 0; shift -= 4) {
        started = started || shift == 0 || n >> shift != 0;
        if (started)
            sink_u8(out, (uint8_t)hex[n >> shift & 15]);
    }
}

static void
put_v6(struct sink *out, const uint8_t *ip)
{
    size_t start, len;

    find_gap(ip, &start, &len);
    for (size_t i = 0; i < 8; i++) {
        if (i == start) {
            sink_str(out, "::");
            i += len - 1;
            continue;
        }
        if (i > 0 && i != start + len)
            sink_str(out, ":");
        put_group(out, ip + 2 * i);
    }
}

void
ip_put_text(struct sink *out, struct span ip)
{
    if (ip.len == 16) {
        put_v6(out, ip.data);
        return;
    }
    if (ip.len != 4) {
        sink_str(out, "#");
        sink_hex(out, ip);
        return;
    }
    for (size_t i = 0; i < 4; i++) {
        if (i > 0)
            sink_str(out, ".");
        sink_dec(out, ip.data[i]);
    }
}
