#include "signer/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/sink.h"

struct job {
    uint64_t ticket;
    enum msg_type answer; /* the message that ends it */
};

struct client {
    signer_done_fn *done;
    void *user;
    struct channel *channel;
    struct job *jobs; /* a ring: jobs end in the order of submission */
    size_t cap, head, count;
    uint8_t *serial; /* the last SERIAL_KEY message */
    size_t serial_len;
};

/* --- the ring of outstanding jobs --- */

static enum bv_err
jobs_grow(struct client *client)
{
    size_t cap = client->cap == 0 ? 256 : client->cap * 2;
    struct job *jobs = calloc(cap, sizeof *jobs);

    if (jobs == NULL)
        return BV_E_NO_MEMORY;
    for (size_t i = 0; i < client->count; i++)
        jobs[i] = client->jobs[(client->head + i) % client->cap];
    free(client->jobs);
    client->jobs = jobs;
    client->cap = cap;
    client->head = 0;
    return BV_OK;
}

static struct job
jobs_take(struct client *client)
{
    struct job job = client->jobs[client->head];
    client->head = (client->head + 1) % client->cap;
    client->count--;
    return job;
}

/* Lets go of the channel; whatever was outstanding is told so. A callback
 * that submits again at once is answered UNAVAILABLE. */
static void
detach(struct client *client)
{
    channel_free(client->channel);
    client->channel = NULL;
    for (size_t left = client->count; left > 0; left--)
        client->done(client->user, jobs_take(client).ticket, BV_E_UNAVAILABLE,
                     SPAN_EMPTY);
}

/* --- submitting --- */

static enum bv_err
submit(struct client *client, uint64_t ticket, enum msg_type type,
       enum msg_type answer, struct span body)
{
    if (client->channel == NULL)
        return BV_E_UNAVAILABLE;
    if (client->count == client->cap)
        BV_TRY(jobs_grow(client));
    BV_TRY(channel_send(client->channel, type, ticket, body));
    client->jobs[(client->head + client->count) % client->cap] =
        (struct job){ticket, answer};
    client->count++;
    return BV_OK;
}

/* The bodies that name a key: bytes name, bytes rest; before them u8 service
 * where that is not 0. */
static enum bv_err
submit_named(struct client *client, uint64_t ticket, enum msg_type type,
             enum msg_type answer, unsigned service, const char *name,
             struct span rest)
{
    size_t cap = strlen(name) + rest.len + 9;
    uint8_t small[2048];
    bv_auto_free uint8_t *large = cap > sizeof small ? malloc(cap) : NULL;
    struct span body;

    if (cap > sizeof small && large == NULL)
        return BV_E_NO_MEMORY;
    struct sink out = sink_of(large != NULL ? large : small, cap);
    if (service != 0)
        sink_u8(&out, (uint8_t)service);
    sink_bytes(&out, span_str(name));
    sink_bytes(&out, rest);
    BV_TRY(sink_done(&out, &body));
    return submit(client, ticket, type, answer, body);
}

static enum bv_err
client_sign(void *ctx, uint64_t ticket, const char *key, struct span tbs)
{
    return submit_named(ctx, ticket, MSG_SIGN, MSG_SIGNED, 0, key, tbs);
}

static enum bv_err
client_sign_digest(void *ctx, uint64_t ticket, const char *key,
                   struct span digest)
{
    return submit_named(ctx, ticket, MSG_SIGN_DIGEST, MSG_SIGNED, 0, key,
                        digest);
}

static enum bv_err
submit_ca(struct client *client, uint64_t ticket, enum msg_type type,
          enum msg_type answer, enum signer_service service, const char *ca)
{
    uint8_t buf[5 + LIMIT_SHORT_NAME];
    struct sink out = SINK_ARRAY(buf);
    struct span body;

    sink_u8(&out, (uint8_t)service);
    sink_bytes(&out, span_str(ca));
    BV_TRY(sink_done(&out, &body));
    return submit(client, ticket, type, answer, body);
}

static enum bv_err
client_service_key(void *ctx, uint64_t ticket, enum signer_service service,
                   const char *ca)
{
    return submit_ca(ctx, ticket, MSG_SERVICE_KEY, MSG_SERVICE_KEY_MADE,
                     service, ca);
}

static enum bv_err
client_service_have(void *ctx, uint64_t ticket, enum signer_service service,
                    const char *ca)
{
    return submit_ca(ctx, ticket, MSG_SERVICE_HAVE, MSG_SERVICE_HAS, service,
                     ca);
}

static enum bv_err
client_service_cert(void *ctx, uint64_t ticket, enum signer_service service,
                    const char *ca, struct span cert)
{
    return submit_named(ctx, ticket, MSG_SERVICE_CERT, MSG_SERVICE_CERT_SET,
                        service, ca, cert);
}

static enum bv_err
send_serial(struct client *client)
{
    if (client->channel == NULL || client->serial == NULL)
        return BV_OK;
    return channel_send(client->channel, MSG_SERIAL_KEY, 0,
                        span_of(client->serial, client->serial_len));
}

static void
forget_serial(struct client *client)
{
    if (client->serial != NULL)
        explicit_bzero(client->serial, client->serial_len);
    free(client->serial);
    client->serial = NULL;
}

static enum bv_err
client_serial_key(void *ctx, const uint8_t key[16],
                  const struct signer_issuer *issuers, unsigned num_issuers)
{
    struct client *client = ctx;
    size_t cap = 17 + num_issuers * (size_t)(37 + LIMIT_SHORT_NAME);
    bv_auto_free uint8_t *buf = malloc(cap);

    if (buf == NULL)
        return BV_E_NO_MEMORY;
    if (num_issuers > 255)
        return BV_E_TOO_MANY;
    struct sink out = sink_of(buf, cap);
    sink_put(&out, span_of(key, 16));
    sink_u8(&out, (uint8_t)num_issuers);
    for (unsigned i = 0; i < num_issuers; i++) {
        sink_u8(&out, issuers[i].id);
        sink_put(&out, SPAN_ARRAY(issuers[i].key_hash));
        sink_bytes(&out, span_str(issuers[i].ca));
    }
    forget_serial(client);
    client->serial_len = out.len;
    client->serial = BV_STEAL(buf);
    return send_serial(client);
}

/* --- answers --- */

static enum bv_err
take_answer(struct client *client, const struct msg *msg)
{
    struct span in = msg->body, result = SPAN_EMPTY;
    uint8_t err;

    if (client->count == 0 || client->jobs[client->head].ticket != msg->id ||
        client->jobs[client->head].answer != msg->type)
        return BV_E_BAD_MESSAGE;
    BV_TRY(span_u8(&in, &err));
    if (msg->type != MSG_SERVICE_CERT_SET)
        BV_TRY(span_bytes(&in, &result));
    BV_TRY(span_end(in));
    if (err >= BV_E_COUNT_)
        return BV_E_BAD_MESSAGE;
    client->done(client->user, jobs_take(client).ticket, (enum bv_err)err,
                 err == BV_OK ? result : SPAN_EMPTY);
    return BV_OK;
}

static enum bv_err
take_answers(struct client *client)
{
    struct msg msg;
    bool got;

    for (;;) {
        BV_TRY(channel_next(client->channel, &got, &msg));
        if (!got)
            return BV_OK;
        if (msg.fd >= 0) {
            (void)close(msg.fd);
            return BV_E_BAD_MESSAGE;
        }
        BV_TRY(take_answer(client, &msg));
    }
}

enum bv_err
signer_client_step(struct signer *signer)
{
    struct client *client = signer->ctx;
    enum bv_err err;

    if (client->channel == NULL)
        return BV_E_CLOSED;
    err = channel_fill(client->channel);
    if (err != BV_OK && err != BV_E_CLOSED)
        return err;
    BV_TRY(take_answers(client)); /* what came before the end counts */
    if (err == BV_E_CLOSED)
        detach(client);
    return err;
}

enum bv_err
signer_client_flush(struct signer *signer)
{
    struct client *client = signer->ctx;

    if (client->channel == NULL)
        return BV_E_CLOSED;
    if (channel_flush(client->channel) == BV_OK)
        return BV_OK;
    detach(client);
    return BV_E_CLOSED;
}

/* --- life --- */

static void
client_close(void *ctx)
{
    struct client *client = ctx;
    if (client == NULL)
        return;
    channel_free(client->channel);
    forget_serial(client);
    free(client->jobs);
    free(client);
}

enum bv_err
signer_client_new(signer_done_fn *done, void *user, struct signer *ret_signer)
{
    struct client *client = calloc(1, sizeof *client);

    if (client == NULL)
        return BV_E_NO_MEMORY;
    client->done = done;
    client->user = user;
    *ret_signer = (struct signer){
        .ctx = client,
        .sign = client_sign,
        .sign_digest = client_sign_digest,
        .service_key = client_service_key,
        .service_cert = client_service_cert,
        .service_have = client_service_have,
        .serial_key = client_serial_key,
        .close = client_close,
    };
    return BV_OK;
}

enum bv_err
signer_client_attach(struct signer *signer, struct channel *channel)
{
    struct client *client = signer->ctx;
    detach(client);
    client->channel = channel;
    return send_serial(client);
}

int
signer_client_fd(const struct signer *signer)
{
    const struct client *client = signer->ctx;
    return client->channel == NULL ? -1 : channel_fd(client->channel);
}

bool
signer_client_has_output(const struct signer *signer)
{
    const struct client *client = signer->ctx;
    return client->channel != NULL && channel_has_output(client->channel);
}

size_t
signer_client_outstanding(const struct signer *signer)
{
    const struct client *client = signer->ctx;
    return client->count;
}
