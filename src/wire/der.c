#include "wire/der.h"

#include "base/mem.h"
#include "base/time.h"

#define TAG_NUMBER  0x1f /* low bits of the identifier octet */
#define LENGTH_LONG 0x80 /* long form, number of octets in the low bits */
#define LENGTH_MAX  4    /* octets of a long length; nothing here is larger */

/* --- reading --- */

static enum bv_err
take_long_length(struct span *in, size_t num_octets, size_t *ret_len)
{
    struct span octets;
    uint32_t len = 0;

    if (num_octets == 0 || num_octets > LENGTH_MAX)
        return BV_E_BAD_MESSAGE; /* indefinite (X.690 10.1), or absurd */
    BV_TRY(span_take(in, num_octets, &octets));
    for (size_t i = 0; i < num_octets; i++)
        len = len << 8 | octets.data[i];
    if (octets.data[0] == 0 || len < LENGTH_LONG)
        return BV_E_BAD_MESSAGE; /* not minimal */
    *ret_len = len;
    return BV_OK;
}

static enum bv_err
take_length(struct span *in, size_t *ret_len)
{
    uint8_t first;

    BV_TRY(span_u8(in, &first));
    if (first >= LENGTH_LONG)
        return take_long_length(in, first & ~(unsigned)LENGTH_LONG, ret_len);
    *ret_len = first;
    return BV_OK;
}

enum bv_err
der_any(struct span *in, uint8_t *ret_tag, struct span *ret_value,
        struct span *ret_whole)
{
    struct span rest = *in;
    struct span value;
    uint8_t tag;
    size_t len;

    BV_TRY(span_u8(&rest, &tag));
    if (tag == 0 || (tag & TAG_NUMBER) == TAG_NUMBER)
        return BV_E_BAD_MESSAGE;
    BV_TRY(take_length(&rest, &len));
    BV_TRY(span_take(&rest, len, &value));
    if (ret_whole != NULL)
        *ret_whole = span_of(in->data, in->len - rest.len);
    *ret_tag = tag;
    *ret_value = value;
    *in = rest;
    return BV_OK;
}

static enum bv_err
take_tag(struct span *in, uint8_t tag, struct span *ret_value,
         struct span *ret_whole)
{
    uint8_t found;

    if (!der_next_is(*in, tag))
        return BV_E_BAD_MESSAGE;
    return der_any(in, &found, ret_value, ret_whole);
}

enum bv_err
der_take(struct span *in, uint8_t tag, struct span *ret_value)
{
    return take_tag(in, tag, ret_value, NULL);
}

enum bv_err
der_take_whole(struct span *in, uint8_t tag, struct span *ret_whole)
{
    struct span value;

    return take_tag(in, tag, &value, ret_whole);
}

bool
der_next_is(struct span in, uint8_t tag)
{
    return in.len > 0 && in.data[0] == tag;
}

enum bv_err
der_take_opt(struct span *in, uint8_t tag, bool *ret_present,
             struct span *ret_value)
{
    bool present = der_next_is(*in, tag);

    if (present)
        BV_TRY(der_take(in, tag, ret_value));
    *ret_present = present;
    return BV_OK;
}

enum bv_err
der_only(struct span in, uint8_t tag, struct span *ret_value)
{
    struct span value;

    BV_TRY(der_take(&in, tag, &value));
    BV_TRY(span_end(in));
    *ret_value = value;
    return BV_OK;
}

static enum bv_err
take_integer(struct span *in, uint8_t tag, size_t max_len,
             struct span *ret_octets)
{
    struct span rest = *in;
    struct span v;

    BV_TRY(der_take(&rest, tag, &v));
    if (v.len == 0 || v.len > max_len)
        return BV_E_BAD_MESSAGE;
    /* X.690 8.3.2: the first nine bits are neither all 0 nor all 1. */
    if (v.len > 1 && ((v.data[0] == 0x00 && v.data[1] < 0x80) ||
                      (v.data[0] == 0xff && v.data[1] >= 0x80)))
        return BV_E_BAD_MESSAGE;
    *ret_octets = v;
    *in = rest;
    return BV_OK;
}

enum bv_err
der_integer(struct span *in, size_t max_len, struct span *ret_octets)
{
    return take_integer(in, DER_INTEGER, max_len, ret_octets);
}

static enum bv_err
take_uint(struct span *in, uint8_t tag, uint64_t *ret_n)
{
    struct span rest = *in;
    struct span v;
    uint64_t n = 0;

    BV_TRY(take_integer(&rest, tag, 8, &v));
    if (v.data[0] >= 0x80)
        return BV_E_BAD_MESSAGE;
    for (size_t i = 0; i < v.len; i++)
        n = n << 8 | v.data[i];
    *ret_n = n;
    *in = rest;
    return BV_OK;
}

enum bv_err
der_uint(struct span *in, uint64_t *ret_n)
{
    return take_uint(in, DER_INTEGER, ret_n);
}

enum bv_err
der_enumerated(struct span *in, uint64_t *ret_n)
{
    return take_uint(in, DER_ENUMERATED, ret_n);
}

enum bv_err
der_boolean(struct span *in, bool *ret_b)
{
    struct span rest = *in;
    struct span v;

    BV_TRY(der_take(&rest, DER_BOOLEAN, &v));
    if (v.len != 1 || (v.data[0] != 0x00 && v.data[0] != 0xff))
        return BV_E_BAD_MESSAGE; /* X.690 11.1 */
    *ret_b = v.data[0] != 0;
    *in = rest;
    return BV_OK;
}

enum bv_err
der_null(struct span *in)
{
    struct span rest = *in;
    struct span v;

    BV_TRY(der_take(&rest, DER_NULL, &v));
    if (v.len != 0)
        return BV_E_BAD_MESSAGE;
    *in = rest;
    return BV_OK;
}

enum bv_err
der_oid(struct span *in, struct span *ret_oid)
{
    struct span rest = *in;
    struct span v;

    BV_TRY(der_take(&rest, DER_OID, &v));
    if (v.len == 0 || v.data[v.len - 1] >= 0x80)
        return BV_E_BAD_MESSAGE; /* the last arc is not complete */
    for (size_t i = 0; i < v.len; i++) {
        bool starts_arc = i == 0 || v.data[i - 1] < 0x80;

        if (starts_arc && v.data[i] == 0x80)
            return BV_E_BAD_MESSAGE; /* X.690 8.19.2 */
    }
    *ret_oid = v;
    *in = rest;
    return BV_OK;
}

enum bv_err
der_bit_string(struct span *in, uint8_t *ret_unused, struct span *ret_bits)
{
    struct span rest = *in;
    struct span v;
    uint8_t unused;

    BV_TRY(der_take(&rest, DER_BIT_STRING, &v));
    BV_TRY(span_u8(&v, &unused));
    if (unused > 7 || (unused > 0 && v.len == 0))
        return BV_E_BAD_MESSAGE;
    if (unused > 0 && (v.data[v.len - 1] & ((1u << unused) - 1)) != 0)
        return BV_E_BAD_MESSAGE; /* X.690 11.2.1 */
    *ret_unused = unused;
    *ret_bits = v;
    *in = rest;
    return BV_OK;
}

enum bv_err
der_bits(struct span *in, struct span *ret_octets)
{
    struct span rest = *in;
    struct span v;
    uint8_t unused;

    BV_TRY(der_bit_string(&rest, &unused, &v));
    if (unused != 0)
        return BV_E_BAD_MESSAGE;
    *ret_octets = v;
    *in = rest;
    return BV_OK;
}

enum bv_err
der_named_bits(struct span *in, uint32_t *ret_mask)
{
    struct span rest = *in;
    struct span v;
    uint8_t unused;
    uint32_t mask = 0;

    BV_TRY(der_bit_string(&rest, &unused, &v));
    if (v.len > 4)
        return BV_E_BAD_MESSAGE;
    if (v.len > 0 && (v.data[v.len - 1] >> unused & 1) == 0)
        return BV_E_BAD_MESSAGE; /* X.690 11.2.2: trailing zero bit */
    for (size_t i = 0; i < v.len * 8; i++) {
        if ((v.data[i / 8] >> (7 - i % 8) & 1) != 0)
            mask |= UINT32_C(1) << i;
    }
    *ret_mask = mask;
    *in = rest;
    return BV_OK;
}

/* Cuts a number of exactly width decimal digits off the front. */
static enum bv_err
take_digits(struct span *in, size_t width, int *ret_n)
{
    struct span digits;
    int n = 0;

    BV_TRY(span_take(in, width, &digits));
    for (size_t i = 0; i < width; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return BV_E_BAD_MESSAGE;
        n = n * 10 + (digits.data[i] - '0');
    }
    *ret_n = n;
    return BV_OK;
}

static enum bv_err
parse_time(struct span text, size_t year_width, struct time_civil *ret)
{
    uint8_t zone;

    BV_TRY(take_digits(&text, year_width, &ret->year));
    BV_TRY(take_digits(&text, 2, &ret->month));
    BV_TRY(take_digits(&text, 2, &ret->day));
    BV_TRY(take_digits(&text, 2, &ret->hour));
    BV_TRY(take_digits(&text, 2, &ret->minute));
    BV_TRY(take_digits(&text, 2, &ret->second));
    BV_TRY(span_u8(&text, &zone));
    if (zone != 'Z' || text.len != 0)
        return BV_E_BAD_MESSAGE;
    return BV_OK;
}

static enum bv_err
utc_time(struct span *in, int64_t *ret_time)
{
    struct time_civil civil;
    struct span text;

    BV_TRY(der_take(in, DER_UTC_TIME, &text));
    BV_TRY(parse_time(text, 2, &civil));
    civil.year += civil.year >= 50 ? 1900 : 2000; /* RFC 5280 4.1.2.5.1 */
    return time_from_civil(&civil, ret_time);
}

static enum bv_err
generalized_time(struct span *in, struct time_civil *ret_civil,
                 int64_t *ret_time)
{
    struct span text;

    BV_TRY(der_take(in, DER_GENERALIZED_TIME, &text));
    BV_TRY(parse_time(text, 4, ret_civil));
    return time_from_civil(ret_civil, ret_time);
}

enum bv_err
der_time(struct span *in, int64_t *ret_time)
{
    struct span rest = *in;
    struct time_civil civil;
    int64_t time;

    if (der_next_is(rest, DER_UTC_TIME)) {
        BV_TRY(utc_time(&rest, &time));
    } else {
        BV_TRY(generalized_time(&rest, &civil, &time));
        /* RFC 5280 4.1.2.5: what UTCTime can say, UTCTime must say. */
        if (civil.year >= 1950 && civil.year < 2050)
            return BV_E_BAD_MESSAGE;
    }
    *ret_time = time;
    *in = rest;
    return BV_OK;
}

enum bv_err
der_generalized_time(struct span *in, int64_t *ret_time)
{
    struct span rest = *in;
    struct time_civil civil;

    BV_TRY(generalized_time(&rest, &civil, ret_time));
    *in = rest;
    return BV_OK;
}

/* --- writing --- */

size_t
der_open(struct sink *out, uint8_t tag)
{
    size_t mark;

    sink_u8(out, tag);
    mark = out->len;
    sink_u8(out, 0); /* the length, when it is short; der_close fills it in */
    return mark;
}

size_t
der_open_bit_string(struct sink *out)
{
    size_t mark = der_open(out, DER_BIT_STRING);

    sink_u8(out, 0); /* no unused bits */
    return mark;
}

static size_t
length_octets(size_t len)
{
    size_t num = 0;

    for (; len > 0; len >>= 8)
        num++;
    return num;
}

void
der_close(struct sink *out, size_t mark)
{
    if (out->failed)
        return;

    size_t len = out->len - mark - 1;

    if (len < LENGTH_LONG) {
        out->data[mark] = (uint8_t)len;
        return;
    }

    size_t extra = length_octets(len);

    if (extra > out->cap - out->len) {
        out->failed = true;
        return;
    }
    memmove(out->data + mark + 1 + extra, out->data + mark + 1, len);
    out->data[mark] = (uint8_t)(LENGTH_LONG | extra);
    for (size_t i = 0; i < extra; i++)
        out->data[mark + extra - i] = (uint8_t)(len >> 8 * i);
    out->len += extra;
}

void
der_put(struct sink *out, uint8_t tag, struct span value)
{
    size_t num = length_octets(value.len);

    sink_u8(out, tag);
    if (value.len < LENGTH_LONG) {
        sink_u8(out, (uint8_t)value.len);
    } else {
        sink_u8(out, (uint8_t)(LENGTH_LONG | num));
        for (size_t i = num; i > 0; i--)
            sink_u8(out, (uint8_t)(value.len >> 8 * (i - 1)));
    }
    sink_put(out, value);
}

void
der_put_raw(struct sink *out, struct span der)
{
    sink_put(out, der);
}

static void
put_integer(struct sink *out, uint8_t tag, struct span magnitude)
{
    size_t mark = der_open(out, tag);

    while (magnitude.len > 0 && magnitude.data[0] == 0)
        magnitude = span_of(magnitude.data + 1, magnitude.len - 1);
    if (magnitude.len == 0 || magnitude.data[0] >= 0x80)
        sink_u8(out, 0);
    sink_put(out, magnitude);
    der_close(out, mark);
}

void
der_put_uint(struct sink *out, uint64_t n)
{
    uint8_t octets[8];
    struct sink magnitude = SINK_ARRAY(octets);

    sink_u64(&magnitude, n);
    put_integer(out, DER_INTEGER, sink_view(&magnitude));
}

void
der_put_unsigned(struct sink *out, struct span magnitude)
{
    put_integer(out, DER_INTEGER, magnitude);
}

void
der_put_enumerated(struct sink *out, uint8_t n)
{
    put_integer(out, DER_ENUMERATED, span_of(&n, 1));
}

void
der_put_boolean(struct sink *out, bool b)
{
    uint8_t octet = b ? 0xff : 0x00;

    der_put(out, DER_BOOLEAN, span_of(&octet, 1));
}

void
der_put_null(struct sink *out)
{
    der_put(out, DER_NULL, SPAN_EMPTY);
}

void
der_put_oid(struct sink *out, struct span oid)
{
    der_put(out, DER_OID, oid);
}

void
der_put_bits(struct sink *out, struct span octets)
{
    size_t mark = der_open_bit_string(out);

    sink_put(out, octets);
    der_close(out, mark);
}

void
der_put_named_bits(struct sink *out, uint32_t mask)
{
    uint8_t octets[5] = {0}; /* unused bits, then up to 32 bits */
    size_t num_bits = 0;

    for (size_t i = 0; i < 32; i++) {
        if ((mask >> i & 1) == 0)
            continue;
        octets[1 + i / 8] |= (uint8_t)(0x80 >> i % 8);
        num_bits = i + 1;
    }
    octets[0] = (uint8_t)((8 - num_bits % 8) % 8);
    der_put(out, DER_BIT_STRING, span_of(octets, 1 + (num_bits + 7) / 8));
}

static uint8_t *
put_two(uint8_t *at, int n)
{
    at[0] = (uint8_t)('0' + n / 10 % 10);
    at[1] = (uint8_t)('0' + n % 10);
    return at + 2;
}

static void
put_time(struct sink *out, uint8_t tag, const struct time_civil *civil)
{
    uint8_t text[15];
    uint8_t *at = text;

    if (tag == DER_GENERALIZED_TIME)
        at = put_two(at, civil->year / 100);
    at = put_two(at, civil->year % 100);
    at = put_two(at, civil->month);
    at = put_two(at, civil->day);
    at = put_two(at, civil->hour);
    at = put_two(at, civil->minute);
    at = put_two(at, civil->second);
    *at++ = 'Z';
    der_put(out, tag, span_of(text, (size_t)(at - text)));
}

void
der_put_time(struct sink *out, int64_t time)
{
    struct time_civil civil;
    bool utc;

    time_to_civil(time, &civil);
    utc = civil.year >= 1950 && civil.year < 2050;
    put_time(out, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME, &civil);
}

void
der_put_generalized_time(struct sink *out, int64_t time)
{
    struct time_civil civil;

    time_to_civil(time, &civil);
    put_time(out, DER_GENERALIZED_TIME, &civil);
}

void
der_put_str(struct sink *out, uint8_t tag, const char *s)
{
    der_put(out, tag, span_str(s));
}
