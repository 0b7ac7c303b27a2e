#include "wire/ber.h"

#include "wire/der.h"

#define CONSTRUCTED   0x20
#define TAG_NUMBER    0x1f
#define CLASS         0xc0
#define LENGTH_LONG   0x80
#define LENGTH_OCTETS 4 /* of a length; nothing here is larger */
#define OCTET_PIECES  (DER_OCTET_STRING | CONSTRUCTED)

/* A constructed element that is being read. */
struct frame {
    size_t left_at_end; /* octets of input left where it ends; open: where what
                         * is around it ends */
    bool open;          /* ends with 00 00 */
    bool joins;         /* an OCTET STRING in pieces: they are put together */
    bool written;       /* has a header of its own in out */
    size_t mark;
};

struct reader {
    struct span in;
    struct sink *out;
    struct frame frames[LIMIT_BER_DEPTH];
    size_t depth;
};

struct header {
    uint8_t tag;
    bool open;
    size_t len;
};

static enum bv_err
take_length(struct span *in, struct header *h)
{
    uint8_t first, octet;
    BV_TRY(span_u8(in, &first));
    h->open = first == LENGTH_LONG;
    h->len = first < LENGTH_LONG ? first : 0;
    if (first < LENGTH_LONG)
        return BV_OK;
    for (unsigned n = first & ~(unsigned)LENGTH_LONG; n > 0; n--) {
        if (h->len >> (8 * (LENGTH_OCTETS - 1)) != 0)
            return BV_E_BAD_MESSAGE;
        BV_TRY(span_u8(in, &octet));
        h->len = h->len << 8 | octet;
    }
    return BV_OK;
}

static enum bv_err
take_header(struct span *in, struct header *h)
{
    BV_TRY(span_u8(in, &h->tag));
    if (h->tag == 0 || (h->tag & TAG_NUMBER) == TAG_NUMBER)
        return BV_E_BAD_MESSAGE;
    BV_TRY(take_length(in, h));
    /* X.690 8.1.3.2: only what is constructed may leave its length open */
    if (h->open && (h->tag & CONSTRUCTED) == 0)
        return BV_E_BAD_MESSAGE;
    return h->len <= in->len ? BV_OK : BV_E_BAD_MESSAGE;
}

/* Where the innermost element that says so ends. */
static size_t
bound(const struct reader *r)
{
    return r->depth > 0 ? r->frames[r->depth - 1].left_at_end : 0;
}

/* Strings in pieces (X.690 8.7.3, 8.21.6) keep the tag of their type. */
static bool
is_string_in_pieces(uint8_t tag)
{
    uint8_t number = tag & TAG_NUMBER;
    return (tag & CLASS) == 0 && number != (DER_SEQUENCE & TAG_NUMBER) &&
           number != (DER_SET & TAG_NUMBER);
}

static enum bv_err
open_frame(struct reader *r, const struct header *h)
{
    struct frame frame = {.open = h->open, .joins = h->tag == OCTET_PIECES};
    bool inside = r->depth > 0 && r->frames[r->depth - 1].joins;
    if (r->depth == LIMIT_BER_DEPTH)
        return BV_E_TOO_MANY;
    if (!frame.joins && is_string_in_pieces(h->tag))
        return BV_E_UNSUPPORTED;
    frame.left_at_end = h->open ? bound(r) : r->in.len - h->len;
    frame.written = !inside;
    if (frame.written)
        frame.mark =
            der_open(r->out, frame.joins ? (uint8_t)DER_OCTET_STRING : h->tag);
    r->frames[r->depth++] = frame;
    return BV_OK;
}

static enum bv_err
read_primitive(struct reader *r, const struct header *h)
{
    struct span value;
    BV_TRY(span_take(&r->in, h->len, &value));
    if (r->depth > 0 && r->frames[r->depth - 1].joins)
        sink_put(r->out, value);
    else
        der_put(r->out, h->tag, value);
    return BV_OK;
}

static enum bv_err
read_element(struct reader *r)
{
    struct header h;
    size_t end = bound(r);
    BV_TRY(take_header(&r->in, &h));
    if (r->in.len < end || h.len > r->in.len - end)
        return BV_E_BAD_MESSAGE; /* beyond what is around it */
    if (r->depth > 0 && r->frames[r->depth - 1].joins &&
        h.tag != DER_OCTET_STRING && h.tag != OCTET_PIECES)
        return BV_E_BAD_MESSAGE;
    return (h.tag & CONSTRUCTED) != 0 ? open_frame(r, &h)
                                      : read_primitive(r, &h);
}

/* at_end takes the mark that ends an open length. */
static bool
at_end(struct reader *r, const struct frame *frame)
{
    if (!frame->open)
        return r->in.len == frame->left_at_end;
    if (r->in.len < frame->left_at_end + 2 || r->in.data[0] != 0 ||
        r->in.data[1] != 0)
        return false;
    r->in = span_of(r->in.data + 2, r->in.len - 2);
    return true;
}

static void
close_ended(struct reader *r)
{
    while (r->depth > 0 && at_end(r, &r->frames[r->depth - 1])) {
        struct frame *frame = &r->frames[--r->depth];
        if (frame->written)
            der_close(r->out, frame->mark);
    }
}

enum bv_err
ber_to_der(struct span in, struct sink *out)
{
    struct reader r = {.in = in, .out = out};
    struct span whole;
    do {
        BV_TRY(read_element(&r));
        close_ended(&r);
    } while (r.depth > 0);
    BV_TRY(span_end(r.in));
    return sink_done(out, &whole);
}

enum bv_err
ber_join(bool constructed, struct span value, struct sink *out)
{
    struct span piece, whole;
    if (!constructed)
        sink_put(out, value);
    while (constructed && value.len > 0) {
        BV_TRY(der_take(&value, DER_OCTET_STRING, &piece));
        sink_put(out, piece);
    }
    return sink_done(out, &whole);
}
