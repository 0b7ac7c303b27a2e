#include "signer/responder.h"

#include <stdlib.h>
#include <string.h>

#include "pki/digest.h"
#include "pki/serial.h"
#include "proc/pulse.h"
#include "wire/cert.h"
#include "wire/ocsp.h"
#include "wire/pem.h"

#define VALIDITY 3600
#define BACKDATE 300
#define HASHES   (OCSP_HASH_SHA512 + 1)

_Static_assert((int)OCSP_HASH_SHA512 == (int)DIGEST_SHA512, "same order");

/* A responder key in use, or waiting for its certificate. */
struct delegate {
    struct key *key;
    uint8_t *cert; /* DER; NULL while it waits */
    size_t cert_len;
    uint8_t key_hash[OCSP_KEY_HASH_LEN];
    int64_t not_before, not_after;
};

struct issuer {
    char name[LIMIT_SHORT_NAME];
    uint8_t name_hash[HASHES][DIGEST_MAX];
    uint8_t key_hash[HASHES][DIGEST_MAX];
    enum alg_key alg;
    uint8_t id; /* 0: not told yet */
    bool away;
    struct delegate now;
    struct key *next;
    struct issuer *tail;
};

struct responder {
    struct responder_options options;
    struct issuer *issuers;
    struct statusmap *map;
    struct serial *serial;
    uint8_t data[8192]; /* ResponseData being built */
};

/* --- life --- */

static void
delegate_done(struct delegate *delegate)
{
    key_free(delegate->key);
    free(delegate->cert);
    *delegate = (struct delegate){0};
}

static void
issuer_free(struct issuer *issuer)
{
    delegate_done(&issuer->now);
    key_free(issuer->next);
    free(issuer);
}

void
responder_free(struct responder *responder)
{
    if (responder == NULL)
        return;
    while (responder->issuers != NULL) {
        struct issuer *issuer = responder->issuers;
        responder->issuers = issuer->tail;
        issuer_free(issuer);
    }
    statusmap_free(responder->map);
    serial_free(responder->serial);
    free(responder);
}

static void
set_options(struct responder *responder,
            const struct responder_options *options)
{
    responder->options = *options;
    if (responder->options.validity == 0)
        responder->options.validity = VALIDITY;
    if (responder->options.backdate == 0)
        responder->options.backdate = BACKDATE;
}

enum bv_err
responder_new(const struct responder_options *options,
              struct responder **ret_responder)
{
    struct responder *responder = calloc(1, sizeof *responder);

    if (responder == NULL)
        return BV_E_NO_MEMORY;
    set_options(responder, options);
    *ret_responder = responder;
    return BV_OK;
}

/* --- issuers --- */

static struct issuer *
find_by_name(const struct responder *responder, const char *name)
{
    struct issuer *issuer = responder->issuers;
    while (issuer != NULL && strcmp(issuer->name, name) != 0)
        issuer = issuer->tail;
    return issuer;
}

/* By both hashes: a CA that changed its key kept its name. */
static struct issuer *
find_by_id(const struct responder *responder, const struct ocsp_cert_id *id)
{
    struct issuer *issuer = responder->issuers;
    while (issuer != NULL &&
           (memcmp(issuer->key_hash[id->hash], id->key_hash.data,
                   id->key_hash.len) != 0 ||
            memcmp(issuer->name_hash[id->hash], id->name_hash.data,
                   id->name_hash.len) != 0))
        issuer = issuer->tail;
    return issuer;
}

static void
index_issuer(struct issuer *issuer, const struct cert *cert)
{
    for (int hash = OCSP_HASH_SHA1; hash <= OCSP_HASH_SHA512; hash++) {
        digest_of((enum digest_alg)hash, cert->subject,
                  issuer->name_hash[hash]);
        /* the BIT STRING's octets, RFC 6960 4.1.1 */
        digest_of((enum digest_alg)hash, cert->spki.key,
                  issuer->key_hash[hash]);
    }
    issuer->alg = cert->spki.alg;
}

enum bv_err
responder_add_ca(struct responder *responder, const char *ca, struct span der)
{
    struct cert cert;
    bv_auto_free struct issuer *issuer = calloc(1, sizeof *issuer);
    struct issuer *known = find_by_name(responder, ca);

    if (issuer == NULL)
        return BV_E_NO_MEMORY;
    BV_TRY(cert_parse(der, &cert));
    BV_TRY(span_copy_str(span_str(ca), issuer->name, sizeof issuer->name));
    index_issuer(issuer, &cert);
    if (known != NULL)
        return memcmp(known->key_hash, issuer->key_hash,
                      sizeof issuer->key_hash) == 0
                   ? BV_OK
                   : BV_E_CONFLICT;
    issuer->tail = responder->issuers;
    responder->issuers = BV_STEAL(issuer);
    return BV_OK;
}

void
responder_set_away(struct responder *responder, const char *ca)
{
    struct issuer *issuer = find_by_name(responder, ca);
    if (issuer != NULL)
        issuer->away = true;
}

void
responder_set_map(struct responder *responder, struct statusmap *map)
{
    statusmap_free(responder->map);
    responder->map = map;
}

enum bv_err
responder_set_serial(struct responder *responder, const uint8_t key[16],
                     const struct signer_issuer *issuers, unsigned num_issuers)
{
    struct serial *serial = NULL;

    BV_TRY(serial_new(key, &serial));
    serial_free(responder->serial);
    responder->serial = serial;
    for (unsigned i = 0; i < num_issuers; i++) {
        struct issuer *issuer = find_by_name(responder, issuers[i].ca);
        if (issuer != NULL)
            issuer->id = issuers[i].id;
    }
    return BV_OK;
}

void
responder_adopt(struct responder *responder, struct responder *from)
{
    for (struct issuer *to = responder->issuers; to != NULL; to = to->tail) {
        struct issuer *old = find_by_name(from, to->name);
        if (old == NULL ||
            memcmp(old->key_hash, to->key_hash, sizeof to->key_hash) != 0)
            continue;
        to->id = old->id;
        delegate_done(&to->now);
        to->now = old->now;
        old->now = (struct delegate){0};
        key_free(to->next);
        to->next = BV_STEAL(old->next);
    }
    responder_set_map(responder, BV_STEAL(from->map));
    serial_free(responder->serial);
    responder->serial = BV_STEAL(from->serial);
}

/* --- responder keys --- */

enum bv_err
responder_generate(enum alg_key ca, struct key **ret_key)
{
    enum pulse_work before = pulse_set(PULSE_KEY);
    enum bv_err err = ca == ALG_KEY_RSA
                          ? key_generate(ALG_KEY_RSA, 2048, ret_key)
                          : key_generate(ALG_KEY_P256, 0, ret_key);
    (void)pulse_set(before);
    return err;
}

enum bv_err
responder_make_key(struct responder *responder, const char *ca,
                   struct sink *out)
{
    struct issuer *issuer = find_by_name(responder, ca);
    bv_auto(key) struct key *key = NULL;

    if (issuer == NULL)
        return BV_E_WRONG_KEY;
    BV_TRY(responder_generate(issuer->alg, &key));
    BV_TRY(key_spki(key, out));
    key_free(issuer->next);
    issuer->next = BV_STEAL(key);
    return BV_OK;
}

/* Takes *key over on success. */
static enum bv_err
install(struct issuer *issuer, struct key **key, struct span der)
{
    struct cert cert;
    struct delegate delegate = {0};

    BV_TRY(cert_parse(der, &cert));
    if (!key_match_spki(*key, cert.spki.whole))
        return BV_E_WRONG_KEY;
    delegate.cert = malloc(der.len);
    if (delegate.cert == NULL)
        return BV_E_NO_MEMORY;
    memcpy(delegate.cert, der.data, der.len);
    delegate.cert_len = der.len;
    delegate.not_before = cert.not_before;
    delegate.not_after = cert.not_after;
    digest_of(DIGEST_SHA1, cert.spki.key, delegate.key_hash);
    delegate.key = BV_STEAL(*key);
    delegate_done(&issuer->now);
    issuer->now = delegate;
    return BV_OK;
}

enum bv_err
responder_set_cert(struct responder *responder, const char *ca,
                   struct span cert)
{
    struct issuer *issuer = find_by_name(responder, ca);
    if (issuer == NULL || issuer->next == NULL)
        return BV_E_WRONG_KEY;
    return install(issuer, &issuer->next, cert);
}

enum bv_err
responder_set_key(struct responder *responder, const char *ca, struct key *key,
                  struct span cert)
{
    struct issuer *issuer = find_by_name(responder, ca);
    bv_auto(key) struct key *own = key;
    if (issuer == NULL || !key_is_private(own))
        return BV_E_WRONG_KEY;
    return install(issuer, &own, cert);
}

enum bv_err
responder_current(struct responder *responder, const char *ca,
                  struct key **ret_key, struct span *ret_cert)
{
    struct issuer *issuer = find_by_name(responder, ca);
    if (issuer == NULL || issuer->now.key == NULL)
        return BV_E_NOT_FOUND;
    *ret_key = issuer->now.key;
    *ret_cert = span_of(issuer->now.cert, issuer->now.cert_len);
    return BV_OK;
}

enum bv_err
responder_seal(const struct key *key, struct span cert, struct span passphrase,
               struct sink *out)
{
    struct span all;
    enum pulse_work before = pulse_set(PULSE_KEY);
    enum bv_err err = key_seal(key, passphrase, out);
    (void)pulse_set(before);
    BV_TRY(err);
    pem_encode(out, PEM_CERTIFICATE, cert);
    return sink_done(out, &all);
}

enum bv_err
responder_unseal(struct span text, struct span passphrase,
                 struct sink *cert_buf, struct key **ret_key,
                 struct span *ret_cert)
{
    struct span in = text;
    BV_TRY(pem_find(&in, PEM_CERTIFICATE, cert_buf, ret_cert));
    enum pulse_work before = pulse_set(PULSE_KEY);
    enum bv_err err = key_open(text, passphrase, ret_key);
    (void)pulse_set(before);
    return err;
}

/* --- answering --- */

static void
answer_error(struct ocsp_reply *reply, uint8_t *buf, enum ocsp_answer status)
{
    struct sink out = sink_of(buf, RESPONDER_ANSWER_MAX);
    ocsp_error_put(&out, status);
    *reply = (struct ocsp_reply){.response = sink_view(&out)};
}

/* The word of the map for this certificate; 0 when it is not one of ours. */
static uint64_t
look_up(struct responder *responder, const struct issuer *issuer,
        const struct ocsp_cert_id *id, uint64_t *ret_index)
{
    uint64_t word;

    if (serial_open(responder->serial, id->serial, ret_index) != BV_OK)
        return 0;
    word = statusmap_get(responder->map, *ret_index);
    return statusmap_issuer(word) == issuer->id ? word : 0;
}

static void
fill_single(struct ocsp_single *single, uint64_t word)
{
    if (statusmap_status(word) == STATUSMAP_NEVER)
        single->status = OCSP_STATUS_UNKNOWN;
    else if (!statusmap_is_revoked(word))
        single->status = OCSP_STATUS_GOOD;
    else
        single->status = OCSP_STATUS_REVOKED;
    single->revoked_at = statusmap_time(word);
    single->reason = statusmap_reason(word);
}

static void
fill_data(struct responder *responder, const struct issuer *issuer,
          const struct ocsp_request *request, int64_t now,
          struct ocsp_data *data, struct ocsp_reply *reply)
{
    int64_t next = now + responder->options.validity;

    /* an answer must not outlive the certificate that vouches for it */
    reply->next_update =
        next < issuer->now.not_after ? next : issuer->now.not_after;
    reply->this_update = now - responder->options.backdate;
    memcpy(data->key_hash, issuer->now.key_hash, sizeof data->key_hash);
    data->produced_at = now;
    data->num_singles = request->num_certs;
    data->nonce = request->nonce;
    for (unsigned i = 0; i < request->num_certs; i++) {
        struct ocsp_single *single = &data->singles[i];
        single->cert_id = request->certs[i].whole;
        single->this_update = reply->this_update;
        single->next_update = reply->next_update;
        reply->word =
            look_up(responder, issuer, &request->certs[i], &reply->index);
        fill_single(single, reply->word);
    }
    reply->cacheable =
        request->num_certs == 1 && !request->has_nonce && reply->word != 0;
}

static enum bv_err
sign_answer(struct responder *responder, struct issuer *issuer,
            const struct ocsp_data *data, uint8_t *buf,
            struct span *ret_response)
{
    uint8_t signature[LIMIT_SIGNATURE];
    struct sink sig = SINK_ARRAY(signature), tbs = SINK_ARRAY(responder->data);
    struct sink out = sink_of(buf, RESPONDER_ANSWER_MAX);
    struct span signed_data;

    ocsp_data_put(&tbs, data);
    BV_TRY(sink_done(&tbs, &signed_data));
    BV_TRY(key_sign(issuer->now.key, signed_data, &sig));
    ocsp_response_put(&out, signed_data,
                      alg_sig_of_key(key_alg(issuer->now.key)), sink_view(&sig),
                      span_of(issuer->now.cert, issuer->now.cert_len));
    return sink_done(&out, ret_response);
}

static bool
has_delegate(const struct issuer *issuer, int64_t now)
{
    return issuer->now.key != NULL && issuer->now.not_before <= now &&
           issuer->now.not_after > now;
}

static bool
is_ready(const struct responder *responder, const struct issuer *issuer,
         int64_t now)
{
    return responder->map != NULL && responder->serial != NULL &&
           issuer->id != 0 && has_delegate(issuer, now);
}

/* The one issuer of all certificates asked for, or NULL. */
static struct issuer *
find_issuer(const struct responder *responder,
            const struct ocsp_request *request)
{
    struct issuer *issuer = find_by_id(responder, &request->certs[0]);
    for (unsigned i = 1; i < request->num_certs; i++)
        if (find_by_id(responder, &request->certs[i]) != issuer)
            return NULL;
    return issuer;
}

void
responder_answer(struct responder *responder, struct span request_der,
                 int64_t now, uint8_t buf[RESPONDER_ANSWER_MAX],
                 struct ocsp_reply *ret_reply)
{
    struct ocsp_request request;
    struct ocsp_reply reply = {0};
    struct ocsp_data data;
    struct issuer *issuer;

    if (ocsp_request_parse(request_der, &request) != BV_OK) {
        answer_error(ret_reply, buf, OCSP_ANSWER_MALFORMED);
        return;
    }
    issuer = find_issuer(responder, &request);
    if (issuer == NULL || (issuer->away && !has_delegate(issuer, now))) {
        answer_error(ret_reply, buf, OCSP_ANSWER_UNAUTHORIZED);
        return;
    }
    if (!is_ready(responder, issuer, now)) {
        answer_error(ret_reply, buf, OCSP_ANSWER_TRY_LATER);
        return;
    }
    fill_data(responder, issuer, &request, now, &data, &reply);
    if (sign_answer(responder, issuer, &data, buf, &reply.response) != BV_OK) {
        answer_error(ret_reply, buf, OCSP_ANSWER_INTERNAL);
        return;
    }
    *ret_reply = reply;
}
