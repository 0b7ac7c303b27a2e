#include "wire/base64.h"

#define LINE_LEN   64
#define LINE_BYTES (LINE_LEN / 4 * 3)

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void
put_group(struct sink *out, const uint8_t *in, size_t len)
{
    uint32_t bits = (uint32_t)in[0] << 16;
    uint8_t text[4];

    if (len > 1)
        bits |= (uint32_t)in[1] << 8;
    if (len > 2)
        bits |= in[2];
    text[0] = (uint8_t)alphabet[bits >> 18];
    text[1] = (uint8_t)alphabet[bits >> 12 & 63];
    text[2] = (uint8_t)(len > 1 ? alphabet[bits >> 6 & 63] : '=');
    text[3] = (uint8_t)(len > 2 ? alphabet[bits & 63] : '=');
    sink_put(out, SPAN_ARRAY(text));
}

void
base64_encode(struct sink *out, struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i += 3)
        put_group(out, bytes.data + i, bytes.len - i < 3 ? bytes.len - i : 3);
}

void
base64_encode_lines(struct sink *out, struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i += LINE_BYTES) {
        size_t len = bytes.len - i;

        base64_encode(
            out, span_of(bytes.data + i, len < LINE_BYTES ? len : LINE_BYTES));
        sink_u8(out, '\n');
    }
}

/* One row for each octet; 64 says white space, 65 padding, 66 refused. */
enum { SPACE = 64, PAD, BAD };

static unsigned
digit_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26u;
    if (c >= '0' && c <= '9')
        return c - '0' + 52u;
    switch (c) {
    case '+':
        return 62;
    case '/':
        return 63;
    case '=':
        return PAD;
    case ' ':
    case '\t':
    case '\r':
    case '\n':
        return SPACE;
    default:
        return BAD;
    }
}

struct decoder {
    uint32_t bits;    /* digits of the group so far */
    unsigned num;     /* digits and padding in the group, 0..4 */
    unsigned num_pad; /* padding in the group */
    bool ended;       /* a padded group was the last */
};

static enum bv_err
end_group(struct decoder *d, struct sink *out)
{
    unsigned num_bytes = 3 - d->num_pad;

    /* RFC 4648 3.5: the bits that the padding leaves over are zero. */
    if (d->num_pad > 0 && (d->bits & ((1u << 8 * d->num_pad) - 1)) != 0)
        return BV_E_BAD_MESSAGE;
    for (unsigned i = 0; i < num_bytes; i++)
        sink_u8(out, (uint8_t)(d->bits >> (16 - 8 * i)));
    d->ended = d->num_pad > 0;
    d->bits = d->num = d->num_pad = 0;
    return BV_OK;
}

static enum bv_err
take_digit(struct decoder *d, unsigned digit, struct sink *out)
{
    if (digit == SPACE)
        return BV_OK;
    if (digit == BAD || d->ended)
        return BV_E_BAD_MESSAGE;
    if (digit == PAD) {
        if (d->num < 2)
            return BV_E_BAD_MESSAGE;
        d->num_pad++;
        digit = 0;
    } else if (d->num_pad > 0) {
        return BV_E_BAD_MESSAGE;
    }
    d->bits = d->bits << 6 | digit;
    d->num++;
    return d->num == 4 ? end_group(d, out) : BV_OK;
}

enum bv_err
base64_decode(struct span text, struct sink *out)
{
    struct decoder d = {0};

    for (size_t i = 0; i < text.len; i++)
        BV_TRY(take_digit(&d, digit_of(text.data[i]), out));
    if (d.num != 0)
        return BV_E_BAD_MESSAGE;
    return out->failed ? BV_E_NO_SPACE : BV_OK;
}

enum bv_err
base64_decode_in_place(uint8_t *text, size_t len, struct span *ret_bytes)
{
    /* Three octets are written only after the four they come from were
     * read, so the writer never overtakes the reader. */
    struct sink out = sink_of(text, len);

    BV_TRY(base64_decode(span_of(text, len), &out));
    return sink_done(&out, ret_bytes);
}

int
base64_url_digit(int c)
{
    if (c == '-' || c == ' ')
        c = '+';
    if (c == '_')
        c = '/';
    unsigned digit = c >= 0 ? digit_of((uint8_t)c) : BAD;
    return digit < SPACE ? (int)digit : -1;
}
