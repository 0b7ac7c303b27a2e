#include "signer/soft.h"

#include <stdlib.h>
#include <string.h>

#include "signer/responder.h"

/* An OCSP certificate that is longer is made again, not found again. */
#define RESULT_MAX 4096

struct entry {
    struct entry *tail;
    char name[LIMIT_SHORT_NAME];
    struct key *key;
    struct service {
        struct key *key, *next;
        uint8_t *cert;
        size_t cert_len;
    } services[SIGNER_SERVICES];
};

/* A finished job that waits for signer_soft_run. */
struct job {
    struct job *next;
    uint64_t ticket;
    enum bv_err err;
    size_t len;
    uint8_t result[RESULT_MAX];
};
_Static_assert(RESULT_MAX >= LIMIT_SIGNATURE && RESULT_MAX >= LIMIT_SPKI,
               "a result is either, or a certificate");

struct soft {
    signer_done_fn *done;
    void *user;
    struct entry *entries;
    struct job *first, **last;
};

static struct entry *
find(const struct soft *soft, const char *name)
{
    struct entry *entry = soft->entries;
    while (entry != NULL && strcmp(entry->name, name) != 0)
        entry = entry->tail;
    return entry;
}

static enum bv_err
job_new(struct soft *soft, uint64_t ticket, struct job **ret_job)
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return BV_E_NO_MEMORY;
    job->ticket = ticket;
    *soft->last = job;
    soft->last = &job->next;
    *ret_job = job;
    return BV_OK;
}

typedef enum bv_err sign_fn(struct key *key, struct span in, struct sink *out);

static enum bv_err
submit_sign(void *ctx, uint64_t ticket, const char *name, struct span in,
            sign_fn *sign)
{
    struct soft *soft = ctx;
    struct entry *entry = find(soft, name);
    struct job *job;

    BV_TRY(job_new(soft, ticket, &job));
    struct sink out = SINK_ARRAY(job->result);
    job->err = entry == NULL ? BV_E_WRONG_KEY : sign(entry->key, in, &out);
    job->len = out.len;
    return BV_OK;
}

static enum bv_err
soft_sign(void *ctx, uint64_t ticket, const char *name, struct span tbs)
{
    return submit_sign(ctx, ticket, name, tbs, key_sign);
}

static enum bv_err
soft_sign_digest(void *ctx, uint64_t ticket, const char *name,
                 struct span digest)
{
    return submit_sign(ctx, ticket, name, digest, key_sign_digest);
}

static enum bv_err
make_service_key(struct entry *entry, enum signer_service service,
                 struct sink *out)
{
    bv_auto(key) struct key *key = NULL;

    if (entry == NULL)
        return BV_E_WRONG_KEY;
    BV_TRY(service == SIGNER_OCSP
               ? responder_generate(key_alg(entry->key), &key)
               : key_generate(ALG_KEY_RSA, 2048, &key));
    BV_TRY(key_spki(key, out));
    key_free(entry->services[service].next);
    entry->services[service].next = BV_STEAL(key);
    return BV_OK;
}

static enum bv_err
soft_service_key(void *ctx, uint64_t ticket, enum signer_service service,
                 const char *ca)
{
    struct soft *soft = ctx;
    struct job *job;

    BV_TRY(job_new(soft, ticket, &job));
    struct sink out = SINK_ARRAY(job->result);
    job->err = make_service_key(find(soft, ca), service, &out);
    job->len = out.len;
    return BV_OK;
}

static enum bv_err
set_service_cert(struct entry *entry, enum signer_service number,
                 struct span cert)
{
    struct service *service = entry != NULL ? &entry->services[number] : NULL;
    uint8_t *copy;

    if (service == NULL || service->next == NULL)
        return BV_E_WRONG_KEY;
    copy = malloc(cert.len + 1);
    if (copy == NULL)
        return BV_E_NO_MEMORY;
    memcpy(copy, cert.data, cert.len);
    free(service->cert);
    service->cert = copy;
    service->cert_len = cert.len;
    key_free(service->key);
    service->key = BV_STEAL(service->next);
    return BV_OK;
}

static enum bv_err
soft_service_cert(void *ctx, uint64_t ticket, enum signer_service service,
                  const char *ca, struct span cert)
{
    struct soft *soft = ctx;
    struct job *job;

    BV_TRY(job_new(soft, ticket, &job));
    job->err = set_service_cert(find(soft, ca), service, cert);
    return BV_OK;
}

static enum bv_err
soft_service_have(void *ctx, uint64_t ticket, enum signer_service service,
                  const char *ca)
{
    struct soft *soft = ctx;
    struct entry *entry = find(soft, ca);
    struct job *job;

    BV_TRY(job_new(soft, ticket, &job));
    struct sink out = SINK_ARRAY(job->result);
    job->err = BV_E_NOT_FOUND;
    if (entry != NULL && entry->services[service].key != NULL) {
        const struct service *has = &entry->services[service];
        struct span whole;
        sink_put(&out, span_of(has->cert, has->cert_len));
        job->err = sink_done(&out, &whole);
    }
    job->len = out.len;
    return BV_OK;
}

/* There is no responder here to hand it to. */
static enum bv_err
soft_serial_key(void *ctx, const uint8_t key[16],
                const struct signer_issuer *issuers, unsigned num_issuers)
{
    return BV_OK;
}

static void
soft_close(void *ctx)
{
    struct soft *soft = ctx;

    if (soft == NULL)
        return;
    while (soft->entries != NULL) {
        struct entry *entry = soft->entries;
        soft->entries = entry->tail;
        key_free(entry->key);
        for (int i = SIGNER_OCSP; i < SIGNER_SERVICES; i++) {
            key_free(entry->services[i].key);
            key_free(entry->services[i].next);
            free(entry->services[i].cert);
        }
        free(entry);
    }
    while (soft->first != NULL) {
        struct job *job = soft->first;
        soft->first = job->next;
        free(job);
    }
    free(soft);
}

enum bv_err
signer_soft_new(signer_done_fn *done, void *user, struct signer *ret_signer)
{
    struct soft *soft = calloc(1, sizeof *soft);

    if (soft == NULL)
        return BV_E_NO_MEMORY;
    soft->done = done;
    soft->user = user;
    soft->last = &soft->first;
    *ret_signer = (struct signer){
        .ctx = soft,
        .sign = soft_sign,
        .sign_digest = soft_sign_digest,
        .service_key = soft_service_key,
        .service_cert = soft_service_cert,
        .service_have = soft_service_have,
        .serial_key = soft_serial_key,
        .close = soft_close,
    };
    return BV_OK;
}

enum bv_err
signer_soft_add(struct signer *signer, const char *name, struct key *key)
{
    struct soft *soft = signer->ctx;
    bv_auto(key) struct key *own = key;
    bv_auto_free struct entry *entry = calloc(1, sizeof *entry);

    if (entry == NULL)
        return BV_E_NO_MEMORY;
    if (find(soft, name) != NULL)
        return BV_E_CONFLICT;
    BV_TRY(span_copy_str(span_str(name), entry->name, sizeof entry->name));
    entry->key = BV_STEAL(own);
    entry->tail = soft->entries;
    soft->entries = BV_STEAL(entry);
    return BV_OK;
}

void
signer_soft_run(struct signer *signer)
{
    struct soft *soft = signer->ctx;

    while (soft->first != NULL) { /* a callback may submit more */
        struct job *job = soft->first;
        soft->first = job->next;
        if (soft->first == NULL)
            soft->last = &soft->first;
        struct span result = span_of(job->result, job->len);
        soft->done(soft->user, job->ticket, job->err,
                   job->err == BV_OK ? result : SPAN_EMPTY);
        free(job);
    }
}

enum bv_err
signer_soft_ocsp(struct signer *signer, const char *ca, struct key **ret_key,
                 struct span *ret_cert)
{
    struct entry *entry = find(signer->ctx, ca);
    if (entry == NULL || entry->services[SIGNER_OCSP].key == NULL)
        return BV_E_NOT_FOUND;
    *ret_key = entry->services[SIGNER_OCSP].key;
    *ret_cert = span_of(entry->services[SIGNER_OCSP].cert,
                        entry->services[SIGNER_OCSP].cert_len);
    return BV_OK;
}
