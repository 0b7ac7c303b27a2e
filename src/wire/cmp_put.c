/* Answers: PKIHeader, the bodies of a server, and the whole PKIMessage. */
#include "wire/cmp_internal.h"
#include "wire/oid.h"

/* --- pieces --- */

static void
put_id(struct sink *out, int64_t id)
{
    if (id < 0)
        der_put(out, DER_INTEGER, SPAN_LIT("\xff")); /* -1, the only one */
    else
        der_put_uint(out, (uint64_t)id);
}

static void
put_general_name(struct sink *out, struct span name)
{
    size_t mark = der_open(out, DER_CONTEXT_CONS(4));

    if (name.len == 0)
        der_put(out, DER_SEQUENCE, SPAN_EMPTY); /* NULL-DN */
    else
        der_put_raw(out, name);
    der_close(out, mark);
}

static void
put_octets(struct sink *out, unsigned n, struct span octets)
{
    size_t mark;

    if (octets.len == 0)
        return;
    mark = der_open(out, DER_CONTEXT_CONS(n));
    der_put(out, DER_OCTET_STRING, octets);
    der_close(out, mark);
}

static void
put_text(struct sink *out, struct span text)
{
    size_t mark;

    if (text.len == 0)
        return;
    mark = der_open(out, DER_SEQUENCE);
    der_put(out, DER_UTF8_STRING, text);
    der_close(out, mark);
}

static void
put_status_info(struct sink *out, const struct cmp_status_info *info)
{
    size_t mark = der_open(out, DER_SEQUENCE);

    der_put_uint(out, (uint64_t)info->status);
    put_text(out, info->text);
    if (info->fail != 0)
        der_put_named_bits(out, info->fail);
    der_close(out, mark);
}

/* [n] EXPLICIT SEQUENCE OF what is ready-made DER; nothing when it is empty. */
static void
put_list(struct sink *out, unsigned n, const struct span *ders, size_t num)
{
    size_t tag, list;

    if (num == 0)
        return;
    tag = der_open(out, DER_CONTEXT_CONS(n));
    list = der_open(out, DER_SEQUENCE);
    for (size_t i = 0; i < num; i++)
        der_put_raw(out, ders[i]);
    der_close(out, list);
    der_close(out, tag);
}

/* --- the header --- */

static void
put_general_info(struct sink *out, const struct cmp_header *header)
{
    size_t tag, list, info, names;

    if (!header->implicit_confirm && !header->has_confirm_wait &&
        header->cert_profile.len == 0)
        return;
    tag = der_open(out, DER_CONTEXT_CONS(8));
    list = der_open(out, DER_SEQUENCE);
    if (header->implicit_confirm) {
        info = der_open(out, DER_SEQUENCE);
        der_put_oid(out, oid_it_implicit_confirm);
        der_put_null(out);
        der_close(out, info);
    }
    if (header->has_confirm_wait) {
        info = der_open(out, DER_SEQUENCE);
        der_put_oid(out, oid_it_confirm_wait);
        der_put_generalized_time(out, header->confirm_wait);
        der_close(out, info);
    }
    if (header->cert_profile.len > 0) {
        info = der_open(out, DER_SEQUENCE);
        der_put_oid(out, oid_it_cert_profile);
        names = der_open(out, DER_SEQUENCE);
        der_put(out, DER_UTF8_STRING, header->cert_profile);
        der_close(out, names);
        der_close(out, info);
    }
    der_close(out, list);
    der_close(out, tag);
}

void
cmp_put_header(struct sink *out, const struct cmp_header *header)
{
    size_t seq = der_open(out, DER_SEQUENCE);
    size_t mark;

    der_put_uint(out, header->pvno);
    put_general_name(out, header->sender);
    put_general_name(out, header->recipient);
    if (header->has_time) {
        mark = der_open(out, DER_CONTEXT_CONS(0));
        der_put_generalized_time(out, header->time);
        der_close(out, mark);
    }
    if (header->protection_alg.len > 0) {
        mark = der_open(out, DER_CONTEXT_CONS(1));
        der_put_raw(out, header->protection_alg);
        der_close(out, mark);
    }
    put_octets(out, 2, header->sender_kid);
    put_octets(out, 3, header->recip_kid);
    put_octets(out, 4, header->transaction_id);
    put_octets(out, 5, header->sender_nonce);
    put_octets(out, 6, header->recip_nonce);
    put_general_info(out, header);
    der_close(out, seq);
}

/* --- bodies --- */

static size_t
open_body(struct sink *out, enum cmp_body body)
{
    return der_open(out, DER_CONTEXT_CONS(body));
}

/* CertifiedKeyPair with a certificate alone, RFC 9810 5.3.4. */
static void
put_key_pair(struct sink *out, struct span cert)
{
    size_t pair = der_open(out, DER_SEQUENCE);
    size_t choice = der_open(out, DER_CONTEXT_CONS(0));

    der_put_raw(out, cert);
    der_close(out, choice);
    der_close(out, pair);
}

void
cmp_put_cert_rep(struct sink *out, const struct cmp_cert_rep *rep)
{
    size_t body = open_body(out, rep->body);
    size_t seq = der_open(out, DER_SEQUENCE);
    size_t list, response;

    put_list(out, 1, rep->ca_pubs, rep->num_ca_pubs);
    list = der_open(out, DER_SEQUENCE);
    response = der_open(out, DER_SEQUENCE);
    put_id(out, rep->cert_req_id);
    put_status_info(out, &rep->status);
    if (rep->cert.len > 0)
        put_key_pair(out, rep->cert);
    der_close(out, response);
    der_close(out, list);
    der_close(out, seq);
    der_close(out, body);
}

void
cmp_put_pki_conf(struct sink *out)
{
    size_t body = open_body(out, CMP_PKICONF);

    der_put_null(out);
    der_close(out, body);
}

void
cmp_put_poll_rep(struct sink *out, int64_t cert_req_id, uint64_t seconds,
                 struct span reason)
{
    size_t body = open_body(out, CMP_POLL_REP);
    size_t list = der_open(out, DER_SEQUENCE);
    size_t one = der_open(out, DER_SEQUENCE);

    put_id(out, cert_req_id);
    der_put_uint(out, seconds);
    put_text(out, reason);
    der_close(out, one);
    der_close(out, list);
    der_close(out, body);
}

static void
put_cert_id(struct sink *out, const struct cmp_cert_id *id)
{
    size_t seq = der_open(out, DER_SEQUENCE);

    put_general_name(out, id->issuer);
    der_put(out, DER_INTEGER, id->serial);
    der_close(out, seq);
}

void
cmp_put_rev_rep(struct sink *out, const struct cmp_status_info *status,
                const struct cmp_cert_id *revoked)
{
    size_t body = open_body(out, CMP_RP);
    size_t seq = der_open(out, DER_SEQUENCE);
    size_t list = der_open(out, DER_SEQUENCE);
    size_t tag;

    put_status_info(out, status);
    der_close(out, list);
    if (revoked != NULL) {
        tag = der_open(out, DER_CONTEXT_CONS(0));
        list = der_open(out, DER_SEQUENCE);
        put_cert_id(out, revoked);
        der_close(out, list);
        der_close(out, tag);
    }
    der_close(out, seq);
    der_close(out, body);
}

void
cmp_put_error(struct sink *out, const struct cmp_status_info *status)
{
    size_t body = open_body(out, CMP_ERROR);
    size_t seq = der_open(out, DER_SEQUENCE);

    put_status_info(out, status);
    der_close(out, seq);
    der_close(out, body);
}

/* --- genp --- */

static void
open_info(struct sink *out, struct span type, size_t mark[3])
{
    mark[0] = open_body(out, CMP_GENP);
    mark[1] = der_open(out, DER_SEQUENCE);
    mark[2] = der_open(out, DER_SEQUENCE);
    der_put_oid(out, type);
}

static void
close_info(struct sink *out, const size_t mark[3])
{
    der_close(out, mark[2]);
    der_close(out, mark[1]);
    der_close(out, mark[0]);
}

void
cmp_put_info_absent(struct sink *out, struct span type)
{
    size_t mark[3];

    open_info(out, type, mark);
    close_info(out, mark);
}

static void
put_info_list(struct sink *out, struct span type, const struct span *ders,
              size_t num)
{
    size_t mark[3], list;

    open_info(out, type, mark);
    if (num > 0) {
        list = der_open(out, DER_SEQUENCE);
        for (size_t i = 0; i < num; i++)
            der_put_raw(out, ders[i]);
        der_close(out, list);
    }
    close_info(out, mark);
}

void
cmp_put_info_ca_certs(struct sink *out, const struct span *certs, size_t num)
{
    put_info_list(out, oid_it_ca_certs, certs, num);
}

void
cmp_put_info_crls(struct sink *out, const struct span *crls, size_t num)
{
    put_info_list(out, oid_it_crls, crls, num);
}

static void
put_explicit(struct sink *out, unsigned n, struct span der)
{
    size_t mark;

    if (der.len == 0)
        return;
    mark = der_open(out, DER_CONTEXT_CONS(n));
    der_put_raw(out, der);
    der_close(out, mark);
}

void
cmp_put_info_root_update(struct sink *out, struct span new_with_new,
                         struct span new_with_old, struct span old_with_new)
{
    size_t mark[3], seq;

    open_info(out, oid_it_root_update, mark);
    if (new_with_new.len > 0) {
        seq = der_open(out, DER_SEQUENCE);
        der_put_raw(out, new_with_new);
        put_explicit(out, 0, new_with_old);
        put_explicit(out, 1, old_with_new);
        der_close(out, seq);
    }
    close_info(out, mark);
}

/* --- the message --- */

void
cmp_put_protected_part(struct sink *out, struct span header, struct span body)
{
    size_t seq = der_open(out, DER_SEQUENCE);

    der_put_raw(out, header);
    der_put_raw(out, body);
    der_close(out, seq);
}

void
cmp_assemble(struct sink *out, struct span header, struct span body,
             struct span protection, const struct span *extra_certs,
             size_t num_extra_certs)
{
    size_t seq = der_open(out, DER_SEQUENCE);
    size_t mark;

    der_put_raw(out, header);
    der_put_raw(out, body);
    if (protection.len > 0) {
        mark = der_open(out, DER_CONTEXT_CONS(0));
        der_put_bits(out, protection);
        der_close(out, mark);
    }
    if (num_extra_certs > LIMIT_CMS_CERTS)
        out->failed = true;
    else
        put_list(out, 1, extra_certs, num_extra_certs);
    der_close(out, seq);
}
