#include "core/job.h"

#include <string.h>

#define NUM_SLOTS (sizeof((struct core *)0)->slots / sizeof(struct job *))

struct job *
job_new(void)
{
    return calloc(1, sizeof(struct job));
}

void
job_free(struct job *job)
{
    if (job == NULL)
        return;
    if (job->key_der != NULL)
        explicit_bzero(job->key_der, job->key_der_len);
    key_free(job->key);
    free(job->key_der);
    free(job->tbs);
    free(job->cert);
    free(job->peer_cert);
    free(job->extra);
    free(job);
}

/* A ticket is a running number whose remainder names the slot. */
static enum bv_err
take_slot(struct core *core, struct job *job)
{
    for (size_t i = 0; i < NUM_SLOTS; i++) {
        core->tickets++;
        size_t at = core->tickets % NUM_SLOTS;
        if (core->slots[at] == NULL) {
            core->slots[at] = job;
            job->ticket = core->tickets;
            return BV_OK;
        }
    }
    return BV_E_BUSY;
}

static void
drop_slot(struct core *core, struct job *job)
{
    core->slots[job->ticket % NUM_SLOTS] = NULL;
    job->ticket = 0;
}

static enum bv_err
submitted(struct core *core, struct job *job, enum bv_err err)
{
    if (err != BV_OK)
        drop_slot(core, job);
    return err == BV_E_NO_SPACE ? BV_E_BUSY : err;
}

static enum bv_err
prepare(struct core *core, struct job *job)
{
    if (core->signer == NULL)
        return BV_E_UNAVAILABLE;
    return take_slot(core, job);
}

enum bv_err
job_sign(struct core *core, struct job *job, const char *key, struct span tbs)
{
    BV_TRY(prepare(core, job));
    return submitted(
        core, job,
        core->signer->sign(core->signer->ctx, job->ticket, key, tbs));
}

enum bv_err
job_sign_digest(struct core *core, struct job *job, const char *key,
                struct span digest)
{
    BV_TRY(prepare(core, job));
    return submitted(
        core, job,
        core->signer->sign_digest(core->signer->ctx, job->ticket, key, digest));
}

enum bv_err
job_service_key(struct core *core, struct job *job, const char *ca)
{
    BV_TRY(prepare(core, job));
    return submitted(core, job,
                     core->signer->service_key(core->signer->ctx, job->ticket,
                                               job->service, ca));
}

enum bv_err
job_service_cert(struct core *core, struct job *job, const char *ca,
                 struct span cert)
{
    BV_TRY(prepare(core, job));
    return submitted(core, job,
                     core->signer->service_cert(core->signer->ctx, job->ticket,
                                                job->service, ca, cert));
}

enum bv_err
job_service_have(struct core *core, struct job *job, const char *ca)
{
    BV_TRY(prepare(core, job));
    return submitted(core, job,
                     core->signer->service_have(core->signer->ctx, job->ticket,
                                                job->service, ca));
}

struct job *
job_answered(struct core *core, uint64_t ticket)
{
    struct job *job = core->slots[ticket % NUM_SLOTS];
    if (job == NULL || job->ticket != ticket)
        return NULL;
    drop_slot(core, job);
    return job;
}

void
job_fail_all(struct core *core, enum bv_err err)
{
    for (size_t i = 0; i < NUM_SLOTS; i++) {
        struct job *job = core->slots[i];
        if (job == NULL)
            continue;
        drop_slot(core, job);
        job->on_signed(core, job, err, SPAN_EMPTY);
    }
}

static struct job **
bucket(struct core *core, const uint8_t hash[32])
{
    return &core->hash[(hash[0] | (unsigned)hash[1] << 8) % JOB_BUCKETS];
}

void
job_hash_add(struct core *core, struct job *job)
{
    struct job **head = bucket(core, job->d.request_hash);
    job->hash_next = *head;
    job->hashed = true;
    *head = job;
}

void
job_hash_drop(struct core *core, struct job *job)
{
    if (!job->hashed)
        return;
    struct job **at = bucket(core, job->d.request_hash);
    while (*at != NULL && *at != job)
        at = &(*at)->hash_next;
    if (*at == job)
        *at = job->hash_next;
    job->hashed = false;
}

struct job *
job_hash_find(struct core *core, const uint8_t request_hash[32])
{
    struct job *job = *bucket(core, request_hash);
    while (job != NULL && memcmp(job->d.request_hash, request_hash, 32) != 0)
        job = job->hash_next;
    return job;
}
