#include "wire/http.h"

/* One octet at a time through the framing, a whole piece at a time through
 * the data. RFC 9112 7.1; a line here ends in CRLF and nothing else, a size
 * is hex digits and nothing else: every looser reading has been used to
 * smuggle a request past somebody. */
enum {
    AT_SIZE = 0,
    AT_EXTENSION,
    AT_SIZE_LF,
    AT_DATA,
    AT_DATA_CR,
    AT_DATA_LF,
    AT_TRAILER,      /* start of a trailer line or of the last empty line */
    AT_TRAILER_NAME, /* inside a name, before its colon */
    AT_TRAILER_VALUE,
    AT_TRAILER_LF,
    AT_LAST_LF,
    AT_END,
};

#define MAX_SIZE_DIGITS 8

static enum bv_err
on_size(struct http_chunked *chunked, uint8_t c)
{
    int digit = span_hex_digit(c);
    if (digit >= 0) {
        if (++chunked->digits > MAX_SIZE_DIGITS)
            return BV_E_TOO_LARGE;
        chunked->left = chunked->left << 4 | (uint64_t)digit;
        return BV_OK;
    }
    if (chunked->digits == 0 || (c != ';' && c != '\r'))
        return BV_E_BAD_MESSAGE;
    chunked->state = c == ';' ? AT_EXTENSION : AT_SIZE_LF;
    return BV_OK;
}

/* Extensions and trailer values: visible octets, space, tab. */
static enum bv_err
on_text(struct http_chunked *chunked, uint8_t c, uint8_t after_cr)
{
    if (c == '\r') {
        chunked->state = after_cr;
        return BV_OK;
    }
    if (c == 0x7f || (c < 0x20 && c != '\t'))
        return BV_E_BAD_MESSAGE;
    if (++chunked->extra > LIMIT_HTTP_CHUNK_LINE)
        return BV_E_TOO_LARGE;
    return BV_OK;
}

static enum bv_err
on_trailer_name(struct http_chunked *chunked, uint8_t c)
{
    if (c == ':' && chunked->state == AT_TRAILER_NAME) {
        chunked->state = AT_TRAILER_VALUE;
        return BV_OK;
    }
    if (!http_is_tchar(c)) /* no space before the colon, no folding */
        return BV_E_BAD_MESSAGE;
    chunked->state = AT_TRAILER_NAME;
    return ++chunked->extra > LIMIT_HTTP_CHUNK_LINE ? BV_E_TOO_LARGE : BV_OK;
}

static enum bv_err
expect(struct http_chunked *chunked, uint8_t c, uint8_t wanted, uint8_t next)
{
    if (c != wanted)
        return BV_E_BAD_MESSAGE;
    chunked->state = next;
    return BV_OK;
}

static enum bv_err
on_size_lf(struct http_chunked *chunked, uint8_t c)
{
    uint8_t next = chunked->left > 0 ? AT_DATA : AT_TRAILER;
    chunked->digits = 0;
    return expect(chunked, c, '\n', next);
}

static enum bv_err
on_octet(struct http_chunked *chunked, uint8_t c)
{
    switch (chunked->state) {
    case AT_SIZE:
        return on_size(chunked, c);
    case AT_EXTENSION:
        return on_text(chunked, c, AT_SIZE_LF);
    case AT_SIZE_LF:
        return on_size_lf(chunked, c);
    case AT_DATA_CR:
        return expect(chunked, c, '\r', AT_DATA_LF);
    case AT_DATA_LF:
        return expect(chunked, c, '\n', AT_SIZE);
    case AT_TRAILER:
        if (c == '\r')
            return expect(chunked, c, '\r', AT_LAST_LF);
        return on_trailer_name(chunked, c);
    case AT_TRAILER_NAME:
        return on_trailer_name(chunked, c);
    case AT_TRAILER_VALUE:
        return on_text(chunked, c, AT_TRAILER_LF);
    case AT_TRAILER_LF:
        return expect(chunked, c, '\n', AT_TRAILER);
    case AT_LAST_LF:
        return expect(chunked, c, '\n', AT_END);
    default:
        return BV_E_USAGE;
    }
}

static struct span
take_data(struct http_chunked *chunked, struct span *in)
{
    size_t len = in->len < chunked->left ? in->len : (size_t)chunked->left;
    struct span data = span_of(in->data, len);
    in->data += len;
    in->len -= len;
    chunked->left -= len;
    if (chunked->left == 0)
        chunked->state = AT_DATA_CR;
    return data;
}

enum bv_err
http_chunked_next(struct http_chunked *chunked, struct span *in,
                  struct span *ret_data, bool *ret_done)
{
    *ret_data = SPAN_EMPTY;
    while (in->len > 0 && chunked->state != AT_END) {
        if (chunked->state == AT_DATA) {
            *ret_data = take_data(chunked, in);
            break;
        }
        BV_TRY(on_octet(chunked, in->data[0]));
        in->data++;
        in->len--;
    }
    *ret_done = chunked->state == AT_END;
    return BV_OK;
}
