#include "wire/ocsp.h"

#include "wire/der.h"
#include "wire/ocsp_internal.h"
#include "wire/oid.h"

/* --- CertID --- */

static const struct {
    const struct span *oid;
    size_t len;
} hashes[] = {
    [OCSP_HASH_SHA1] = {&oid_sha1, 20},
    [OCSP_HASH_SHA256] = {&oid_sha256, 32},
    [OCSP_HASH_SHA384] = {&oid_sha384, 48},
    [OCSP_HASH_SHA512] = {&oid_sha512, 64},
};

/* Clients write the parameters as NULL or leave them out; both are right. */
static enum bv_err
take_hash(struct span *in, enum ocsp_hash *ret_hash)
{
    struct span alg, oid;

    BV_TRY(der_take(in, DER_SEQUENCE, &alg));
    BV_TRY(der_oid(&alg, &oid));
    if (alg.len != 0)
        BV_TRY(der_null(&alg));
    BV_TRY(span_end(alg));
    for (int hash = OCSP_HASH_SHA1; hash <= OCSP_HASH_SHA512; hash++) {
        if (!span_eq(oid, *hashes[hash].oid))
            continue;
        *ret_hash = (enum ocsp_hash)hash;
        return BV_OK;
    }
    return BV_E_UNSUPPORTED;
}

enum bv_err
ocsp_cert_id_take(struct span *in, struct ocsp_cert_id *ret_id)
{
    struct ocsp_cert_id id;
    struct span body;

    BV_TRY(der_take_whole(in, DER_SEQUENCE, &id.whole));
    BV_TRY(der_only(id.whole, DER_SEQUENCE, &body));
    BV_TRY(take_hash(&body, &id.hash));
    BV_TRY(der_take(&body, DER_OCTET_STRING, &id.name_hash));
    BV_TRY(der_take(&body, DER_OCTET_STRING, &id.key_hash));
    BV_TRY(der_integer(&body, LIMIT_SERIAL + 1, &id.serial));
    BV_TRY(span_end(body));
    if (id.name_hash.len != hashes[id.hash].len ||
        id.key_hash.len != hashes[id.hash].len)
        return BV_E_BAD_MESSAGE;
    *ret_id = id;
    return BV_OK;
}

void
ocsp_cert_id_put(struct sink *out, const struct ocsp_cert_id *id)
{
    size_t whole = der_open(out, DER_SEQUENCE);
    size_t alg = der_open(out, DER_SEQUENCE);
    der_put_oid(out, *hashes[id->hash].oid);
    der_put_null(out);
    der_close(out, alg);
    der_put(out, DER_OCTET_STRING, id->name_hash);
    der_put(out, DER_OCTET_STRING, id->key_hash);
    der_put(out, DER_INTEGER, id->serial);
    der_close(out, whole);
}

/* --- extensions --- */

/* RFC 9654 2.1: an OCTET STRING of 1..128 octets; longer or empty ones must be
 * answered with malformedRequest. */
static enum bv_err
take_nonce(struct span value, struct span *ret_nonce)
{
    BV_TRY(der_only(value, DER_OCTET_STRING, ret_nonce));
    if (ret_nonce->len < 1 || ret_nonce->len > OCSP_NONCE_MAX)
        return BV_E_BAD_MESSAGE;
    return BV_OK;
}

static enum bv_err
take_extension(struct span *in, struct span *ret_oid, bool *ret_critical,
               struct span *ret_value)
{
    struct span extension;

    *ret_critical = false;
    BV_TRY(der_take(in, DER_SEQUENCE, &extension));
    BV_TRY(der_oid(&extension, ret_oid));
    if (der_next_is(extension, DER_BOOLEAN))
        BV_TRY(der_boolean(&extension, ret_critical));
    BV_TRY(der_take(&extension, DER_OCTET_STRING, ret_value));
    return span_end(extension);
}

static bool
is_listed(const struct span *oids, unsigned count, struct span oid)
{
    for (unsigned i = 0; i < count; i++)
        if (span_eq(oids[i], oid))
            return true;
    return false;
}

enum bv_err
ocsp_extensions_check(struct span extensions, bool *ret_has_nonce,
                      struct span *ret_nonce)
{
    struct span in, oid, value, seen[LIMIT_EXTENSIONS];
    unsigned count = 0;
    bool critical;

    BV_TRY(der_only(extensions, DER_SEQUENCE, &in));
    while (in.len != 0) {
        BV_TRY(take_extension(&in, &oid, &critical, &value));
        if (count == LIMIT_EXTENSIONS)
            return BV_E_TOO_MANY;
        if (is_listed(seen, count, oid))
            return BV_E_BAD_MESSAGE;
        seen[count++] = oid;
        if (ret_nonce != NULL && span_eq(oid, oid_ocsp_nonce)) {
            BV_TRY(take_nonce(value, ret_nonce));
            *ret_has_nonce = true;
        } else if (critical) {
            return BV_E_UNSUPPORTED; /* it cannot be honoured */
        }
    }
    return BV_OK;
}

void
ocsp_nonce_put(struct sink *out, struct span nonce)
{
    size_t extensions = der_open(out, DER_SEQUENCE);
    size_t extension = der_open(out, DER_SEQUENCE);
    der_put_oid(out, oid_ocsp_nonce);
    size_t value = der_open(out, DER_OCTET_STRING);
    der_put(out, DER_OCTET_STRING, nonce);
    der_close(out, value);
    der_close(out, extension);
    der_close(out, extensions);
}

/* --- requests --- */

static enum bv_err
parse_list(struct span in, struct ocsp_request *request)
{
    struct span list, single, extensions;
    bool present;

    BV_TRY(der_only(in, DER_SEQUENCE, &list));
    while (list.len != 0) {
        if (request->num_certs == LIMIT_OCSP_CERTS)
            return BV_E_TOO_MANY;
        BV_TRY(der_take(&list, DER_SEQUENCE, &single));
        BV_TRY(ocsp_cert_id_take(&single, &request->certs[request->num_certs]));
        request->num_certs++;
        BV_TRY(
            der_take_opt(&single, DER_CONTEXT_CONS(0), &present, &extensions));
        if (present)
            BV_TRY(ocsp_extensions_check(extensions, NULL, NULL));
        BV_TRY(span_end(single));
    }
    return request->num_certs == 0 ? BV_E_BAD_MESSAGE : BV_OK;
}

static enum bv_err
parse_tbs(struct span tbs, struct ocsp_request *request)
{
    struct span version, skipped, list, extensions;
    bool present;
    uint64_t n;

    BV_TRY(der_take_opt(&tbs, DER_CONTEXT_CONS(0), &present, &version));
    if (present) {
        BV_TRY(der_uint(&version, &n));
        BV_TRY(span_end(version));
        if (n != 0)
            return BV_E_BAD_MESSAGE;
    }
    BV_TRY(der_take_opt(&tbs, DER_CONTEXT_CONS(1), &present, &skipped));
    BV_TRY(der_take_whole(&tbs, DER_SEQUENCE, &list));
    BV_TRY(parse_list(list, request));
    BV_TRY(der_take_opt(&tbs, DER_CONTEXT_CONS(2), &present, &extensions));
    if (present)
        BV_TRY(ocsp_extensions_check(extensions, &request->has_nonce,
                                     &request->nonce));
    return span_end(tbs);
}

enum bv_err
ocsp_request_parse(struct span der, struct ocsp_request *ret_request)
{
    struct span body, tbs, signature;
    bool present;

    ret_request->num_certs = 0;
    ret_request->has_nonce = false;
    ret_request->nonce = SPAN_EMPTY;
    if (der.len > LIMIT_OCSP_REQUEST)
        return BV_E_TOO_LARGE;
    BV_TRY(der_take(&der, DER_SEQUENCE, &body));
    BV_TRY(span_end(der));
    BV_TRY(der_take(&body, DER_SEQUENCE, &tbs));
    BV_TRY(der_take_opt(&body, DER_CONTEXT_CONS(0), &present, &signature));
    BV_TRY(span_end(body));
    return parse_tbs(tbs, ret_request);
}

void
ocsp_request_put(struct sink *out, const struct ocsp_request *request)
{
    size_t whole = der_open(out, DER_SEQUENCE);
    size_t tbs = der_open(out, DER_SEQUENCE);
    size_t list = der_open(out, DER_SEQUENCE);
    for (unsigned i = 0; i < request->num_certs; i++) {
        const struct ocsp_cert_id *id = &request->certs[i];
        size_t single = der_open(out, DER_SEQUENCE);
        if (id->whole.len != 0)
            der_put_raw(out, id->whole);
        else
            ocsp_cert_id_put(out, id);
        der_close(out, single);
    }
    der_close(out, list);
    if (request->has_nonce) {
        size_t extensions = der_open(out, DER_CONTEXT_CONS(2));
        ocsp_nonce_put(out, request->nonce);
        der_close(out, extensions);
    }
    der_close(out, tbs);
    der_close(out, whole);
}
