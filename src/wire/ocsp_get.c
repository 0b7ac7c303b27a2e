/* The GET form of a request, RFC 6960 A.1, as clients and proxies mangle it. */
#include "wire/ocsp.h"

#include "wire/base64.h"

#define END (-1)
#define BAD (-2)

static int
next_raw(struct span *in)
{
    uint8_t c;
    return span_u8(in, &c) == BV_OK ? c : END;
}

/* One level of percent-decoding on top of what next yields. */
static int
unescape(struct span *in, int (*next)(struct span *))
{
    int c = next(in);
    if (c != '%')
        return c;
    int high = span_hex_digit(next(in));
    int low = span_hex_digit(next(in));
    return high < 0 || low < 0 ? BAD : high << 4 | low;
}

static int
next_once(struct span *in)
{
    return unescape(in, next_raw);
}

/* Some proxies escape the escapes ("%252F"): a '%' that is left after the first
 * decoding cannot be base64, so it is decoded again. */
static int
next_twice(struct span *in)
{
    return unescape(in, next_once);
}

/* After the first '=' at most one more, then the end. */
static enum bv_err
take_padding(struct span in)
{
    int c = next_twice(&in);
    if (c == '=')
        c = next_twice(&in);
    return c == END ? BV_OK : BV_E_BAD_MESSAGE;
}

enum bv_err
ocsp_get_decode(struct span path, uint8_t buf[LIMIT_OCSP_REQUEST],
                struct span *ret_der)
{
    struct sink out = sink_of(buf, LIMIT_OCSP_REQUEST);
    uint32_t bits = 0;
    unsigned num_bits = 0;
    int c;

    if (path.len != 0 && path.data[0] == '/')
        path = span_of(path.data + 1, path.len - 1);
    while ((c = next_twice(&path)) >= 0 && c != '=') {
        int value = base64_url_digit(c);
        if (value < 0)
            return BV_E_BAD_MESSAGE;
        bits = bits << 6 | (uint32_t)value;
        num_bits += 6;
        if (num_bits >= 8) {
            num_bits -= 8;
            sink_u8(&out, (uint8_t)(bits >> num_bits));
        }
    }
    if (c == BAD || num_bits == 6 || (bits & ((1u << num_bits) - 1)) != 0)
        return BV_E_BAD_MESSAGE;
    if (c == '=')
        BV_TRY(take_padding(path));
    if (out.failed)
        return BV_E_TOO_LARGE;
    *ret_der = sink_view(&out);
    return ret_der->len == 0 ? BV_E_BAD_MESSAGE : BV_OK;
}
