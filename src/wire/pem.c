#include "wire/pem.h"

#include "base/mem.h"

#define BEGIN  "-----BEGIN "
#define END    "-----END "
#define DASHES "-----"

static void
put_boundary(struct sink *out, const char *what, const char *label)
{
    sink_str(out, what);
    sink_str(out, label);
    sink_str(out, DASHES "\n");
}

void
pem_encode(struct sink *out, const char *label, struct span der)
{
    put_boundary(out, BEGIN, label);
    base64_encode_lines(out, der);
    put_boundary(out, END, label);
}

static bool
is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Takes one line off *text, without its end and the white space before it. */
static struct span
take_line(struct span *text)
{
    const uint8_t *end = memchr(text->data, '\n', text->len);
    size_t len = end == NULL ? text->len : (size_t)(end - text->data);
    struct span line = span_of(text->data, len);
    size_t skip = end == NULL ? len : len + 1;

    *text = span_of(text->data + skip, text->len - skip);
    while (line.len > 0 && is_blank(line.data[line.len - 1]))
        line.len--;
    return line;
}

/* The label of a line  what label "-----". */
static bool
is_boundary(struct span line, struct span what, struct span *ret_label)
{
    struct span dashes = SPAN_LIT(DASHES);

    if (line.len < what.len + dashes.len ||
        !span_eq(span_of(line.data, what.len), what) ||
        !span_eq(span_of(line.data + line.len - dashes.len, dashes.len),
                 dashes))
        return false;
    *ret_label =
        span_of(line.data + what.len, line.len - what.len - dashes.len);
    return true;
}

/* Skips to behind the next BEGIN line. */
static enum bv_err
find_begin(struct span *text, struct span *ret_label)
{
    while (text->len > 0) {
        struct span line = take_line(text);

        if (is_boundary(line, SPAN_LIT(BEGIN), ret_label))
            return BV_OK;
    }
    return BV_E_NOT_FOUND;
}

/* The base64 up to the END line, which must carry the same label. */
static enum bv_err
take_body(struct span *text, struct span label, struct span *ret_body)
{
    const uint8_t *start = text->data;

    while (text->len > 0) {
        const uint8_t *line_start = text->data;
        struct span line = take_line(text);
        struct span end_label;

        if (!is_boundary(line, SPAN_LIT(END), &end_label))
            continue;
        if (!span_eq(end_label, label))
            return BV_E_BAD_MESSAGE;
        *ret_body = span_of(start, (size_t)(line_start - start));
        return BV_OK;
    }
    return BV_E_BAD_MESSAGE;
}

enum bv_err
pem_next(struct span *text, struct sink *out, struct span *ret_label,
         struct span *ret_der)
{
    struct span rest = *text;
    struct span label, body;
    size_t start = out->len;

    BV_TRY(find_begin(&rest, &label));
    BV_TRY(take_body(&rest, label, &body));
    BV_TRY(base64_decode(body, out));
    if (out->len == start)
        return BV_E_BAD_MESSAGE; /* an empty block means nothing */
    *ret_label = label;
    *ret_der = span_of(out->data + start, out->len - start);
    *text = rest;
    return BV_OK;
}

enum bv_err
pem_find(struct span *text, const char *label, struct sink *out,
         struct span *ret_der)
{
    struct span rest = *text;
    struct span found, body;

    for (;;) {
        struct span before = rest;

        BV_TRY(find_begin(&rest, &found));
        if (span_eq_str(found, label)) {
            BV_TRY(pem_next(&before, out, &found, ret_der));
            *text = before;
            return BV_OK;
        }
        BV_TRY(take_body(&rest, found, &body));
    }
}

bool
pem_is(struct span text, const char *label)
{
    struct span found;

    while (find_begin(&text, &found) == BV_OK) {
        if (label == NULL || span_eq_str(found, label))
            return true;
    }
    return false;
}
