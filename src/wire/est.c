#include "wire/est.h"

#include "wire/base64.h"
#include "wire/pem.h"

/* --- operations --- */

static const struct {
    const char *name;
    enum est_op op;
} OPS[] = {
    {"cacerts", EST_OP_CACERTS},
    {"simpleenroll", EST_OP_SIMPLEENROLL},
    {"simplereenroll", EST_OP_SIMPLEREENROLL},
    {"csrattrs", EST_OP_CSRATTRS},
    {"serverkeygen", EST_OP_SERVERKEYGEN},
    {"fullcmc", EST_OP_FULLCMC},
};
#define NUM_OPS (sizeof(OPS) / sizeof(OPS[0]))

enum est_op
est_op_of_name(struct span name)
{
    for (size_t i = 0; i < NUM_OPS; i++)
        if (span_eq_str(name, OPS[i].name))
            return OPS[i].op;
    return EST_OP_NONE;
}

const char *
est_op_name(enum est_op op)
{
    for (size_t i = 0; i < NUM_OPS; i++)
        if (OPS[i].op == op)
            return OPS[i].name;
    return "unknown";
}

/* --- HTTP fields --- */

static bool
is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct span
trim(struct span in)
{
    while (in.len > 0 && is_blank(in.data[0]))
        in = span_of(in.data + 1, in.len - 1);
    while (in.len > 0 && is_blank(in.data[in.len - 1]))
        in.len--;
    return in;
}

/* split_user: the first colon ends the user, who may be empty (RFC 7617 2). */
static enum bv_err
split_user(struct span text, struct span *ret_user, struct span *ret_secret)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] != ':')
            continue;
        *ret_user = span_of(text.data, i);
        *ret_secret = span_of(text.data + i + 1, text.len - i - 1);
        return BV_OK;
    }
    return BV_E_BAD_MESSAGE;
}

static bool
has_blank(struct span in)
{
    for (size_t i = 0; i < in.len; i++)
        if (is_blank(in.data[i]) || in.data[i] == '\r' || in.data[i] == '\n')
            return true;
    return false;
}

enum bv_err
est_basic_parse(struct span field, uint8_t *buf, size_t cap,
                struct span *ret_user, struct span *ret_secret)
{
    struct span rest = trim(field);
    struct span scheme;
    struct span text;
    struct sink out = sink_of(buf, cap);

    BV_TRY(span_take(&rest, 5, &scheme));
    if (!span_eq_nocase(scheme, SPAN_LIT("Basic")))
        return BV_E_UNSUPPORTED;
    if (rest.len == 0 || rest.data[0] != ' ')
        return BV_E_BAD_MESSAGE;
    rest = trim(rest);
    if (has_blank(rest)) /* the leniency of EST bodies is not for fields */
        return BV_E_BAD_MESSAGE;
    BV_TRY(base64_decode(rest, &out));
    BV_TRY(sink_done(&out, &text));
    return split_user(text, ret_user, ret_secret);
}

void
est_put_basic(struct sink *out, struct span user, struct span secret)
{
    uint8_t buf[512];
    struct sink text = SINK_ARRAY(buf);

    sink_put(&text, user);
    sink_u8(&text, ':');
    sink_put(&text, secret);
    out->failed |= text.failed;
    sink_str(out, "Basic ");
    base64_encode(out, sink_view(&text));
}

/* --- bodies --- */

static enum bv_err
decode_pem(struct span body, struct sink *out, struct span *ret_der)
{
    struct span label;

    BV_TRY(pem_next(&body, out, &label, ret_der));
    return pem_is(body, NULL) ? BV_E_TRAILING_BYTES : BV_OK;
}

enum bv_err
est_body_decode(struct span body, enum est_body mode, uint8_t *buf, size_t cap,
                struct span *ret_der)
{
    struct sink out = sink_of(buf, cap);

    if (mode == EST_BODY_LENIENT && body.len > 0 && body.data[0] == 0x30) {
        sink_put(&out, body);
        return sink_done(&out, ret_der);
    }
    if (mode == EST_BODY_LENIENT && pem_is(body, NULL))
        return decode_pem(body, &out, ret_der);
    BV_TRY(base64_decode(body, &out));
    if (out.len == 0)
        return BV_E_BAD_MESSAGE;
    return sink_done(&out, ret_der);
}

void
est_put_body(struct sink *out, struct span der, bool wrap)
{
    if (wrap) {
        base64_encode_lines(out, der);
        return;
    }
    base64_encode(out, der);
    sink_u8(out, '\n');
}

bool
est_wants_wrap(struct span user_agent, size_t der_len)
{
    struct span head;

    return BASE64_LEN(der_len) > EST_WRAP_FROM &&
           span_take(&user_agent, 6, &head) == BV_OK &&
           span_eq_str(head, "libest");
}

/* --- serverkeygen --- */

static void
put_part(struct sink *out, const char *type, struct span der)
{
    sink_str(out, "--" EST_KEYGEN_BOUNDARY "\r\nContent-Type: ");
    sink_str(out, type);
    /* RFC 8951 makes this field meaningless; older clients look for it. */
    sink_str(out, "\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    base64_encode(out, der);
    sink_str(out, "\r\n");
}

void
est_put_keygen(struct sink *out, struct span key, bool wrapped,
               struct span certs)
{
    put_part(out,
             wrapped ? "application/pkcs7-mime; "
                       "smime-type=server-generated-key"
                     : "application/pkcs8",
             key);
    put_part(out, EST_TYPE_CERTS, certs);
    sink_str(out, "--" EST_KEYGEN_BOUNDARY "--\r\n");
}
