#include "core/request.h"

#include <string.h>

/* Both forms begin with a version octet so that a door and a core of
 * different builds cannot misread each other. */
#define REQUEST_VERSION 3
#define REPLY_VERSION   1

static void
put_str(struct sink *out, const char *s)
{
    sink_bytes(out, span_str(s));
}

static enum bv_err
take_str(struct span *in, char *dst, size_t cap)
{
    struct span field;
    BV_TRY(span_bytes(in, &field));
    return span_copy_str(field, dst, cap);
}

static enum bv_err
take_limited(struct span *in, size_t max, struct span *ret_field)
{
    struct span field;
    BV_TRY(span_bytes(in, &field));
    if (field.len > max)
        return BV_E_TOO_LARGE;
    *ret_field = field;
    return BV_OK;
}

static enum bv_err
take_bool(struct span *in, bool *ret_b)
{
    uint8_t n;
    BV_TRY(span_u8(in, &n));
    if (n > 1)
        return BV_E_BAD_MESSAGE;
    *ret_b = n == 1;
    return BV_OK;
}

static enum bv_err
take_ranged(struct span *in, uint8_t min, uint8_t max, uint8_t *ret_n)
{
    uint8_t n;
    BV_TRY(span_u8(in, &n));
    if (n < min || n > max)
        return BV_E_BAD_MESSAGE;
    *ret_n = n;
    return BV_OK;
}

void
core_request_encode(struct sink *out, const struct core_request *request)
{
    sink_u8(out, REQUEST_VERSION);
    sink_u8(out, (uint8_t)request->door);
    sink_u8(out, (uint8_t)request->op);
    sink_u8(out, (uint8_t)request->trust);
    put_str(out, request->request_id);
    put_str(out, request->peer);
    put_str(out, request->label);
    put_str(out, request->trust_name);
    sink_bytes(out, request->peer_cert);
    sink_bytes(out, request->peer_chain);
    sink_bytes(out, request->user);
    sink_bytes(out, request->secret);
    sink_bytes(out, request->binding);
    sink_bytes(out, request->csr);
    sink_u16(out, request->cipher_bits);
}

/* The longest user name or secret a door may pass on; claim codes are 40. */
#define SECRET_MAX 1024
/* tls-exporter is 32 octets, tls-unique 12. */
#define BINDING_MAX 64

static enum bv_err
decode_head(struct span *in, struct core_request *r)
{
    uint8_t version, door, op, trust;
    BV_TRY(take_ranged(in, REQUEST_VERSION, REQUEST_VERSION, &version));
    BV_TRY(take_ranged(in, CORE_DOOR_EST, CORE_DOOR_ADMIN, &door));
    BV_TRY(take_ranged(in, CORE_ENROLL, CORE_ASK, &op));
    BV_TRY(take_ranged(in, CORE_TRUST_NONE, CORE_TRUST_MANUFACTURER, &trust));
    r->door = (enum core_door)door;
    r->op = (enum core_op)op;
    r->trust = (enum core_trust)trust;
    return BV_OK;
}

enum bv_err
core_request_decode(struct span in, struct core_request *ret_request)
{
    struct core_request r = {0};
    BV_TRY(decode_head(&in, &r));
    BV_TRY(take_str(&in, r.request_id, sizeof r.request_id));
    BV_TRY(take_str(&in, r.peer, sizeof r.peer));
    BV_TRY(take_str(&in, r.label, sizeof r.label));
    BV_TRY(take_str(&in, r.trust_name, sizeof r.trust_name));
    BV_TRY(take_limited(&in, LIMIT_CERT, &r.peer_cert));
    BV_TRY(take_limited(&in, LIMIT_CHAIN_OCTETS, &r.peer_chain));
    BV_TRY(take_limited(&in, SECRET_MAX, &r.user));
    BV_TRY(take_limited(&in, SECRET_MAX, &r.secret));
    BV_TRY(take_limited(&in, BINDING_MAX, &r.binding));
    BV_TRY(take_limited(&in, LIMIT_CSR, &r.csr));
    BV_TRY(span_u16(&in, &r.cipher_bits));
    BV_TRY(span_end(in));
    if ((r.trust == CORE_TRUST_NONE) != (r.peer_cert.len == 0))
        return BV_E_BAD_MESSAGE;
    *ret_request = r;
    return BV_OK;
}

void
core_reply_encode(struct sink *out, const struct core_reply *reply)
{
    sink_u8(out, REPLY_VERSION);
    sink_u8(out, (uint8_t)reply->err);
    put_str(out, reply->detail);
    sink_u32(out, reply->retry_after);
    sink_u8(out, reply->challenge);
    sink_u8(out, reply->repeated);
    sink_u8(out, reply->key_wrapped);
    put_str(out, reply->device);
    put_str(out, reply->profile);
    put_str(out, reply->serial);
    sink_bytes(out, reply->cert);
    sink_bytes(out, reply->key);
}

static enum bv_err
decode_reply_head(struct span *in, struct core_reply *r)
{
    uint8_t version, err;
    BV_TRY(take_ranged(in, REPLY_VERSION, REPLY_VERSION, &version));
    BV_TRY(take_ranged(in, 0, BV_E_COUNT_ - 1, &err));
    r->err = (enum bv_err)err;
    BV_TRY(take_str(in, r->detail, sizeof r->detail));
    BV_TRY(span_u32(in, &r->retry_after));
    BV_TRY(take_bool(in, &r->challenge));
    BV_TRY(take_bool(in, &r->repeated));
    return take_bool(in, &r->key_wrapped);
}

enum bv_err
core_reply_decode(struct span in, struct core_reply *ret_reply)
{
    struct core_reply r = {0};
    BV_TRY(decode_reply_head(&in, &r));
    BV_TRY(take_str(&in, r.device, sizeof r.device));
    BV_TRY(take_str(&in, r.profile, sizeof r.profile));
    BV_TRY(take_str(&in, r.serial, sizeof r.serial));
    BV_TRY(take_limited(&in, LIMIT_CERT, &r.cert));
    BV_TRY(take_limited(&in, LIMIT_CERT, &r.key));
    BV_TRY(span_end(in));
    *ret_reply = r;
    return BV_OK;
}
