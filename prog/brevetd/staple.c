#include "prog/brevetd/staple.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pki/digest.h"
#include "proc/ocsp_reply.h"
#include "wire/cert.h"
#include "wire/ocsp.h"
#include "wire/pem.h"

#define REFRESH_MOST_S 60 /* the timer stands still while a machine sleeps */
#define RETRY_FIRST_MS 100
#define RETRY_MOST_MS  60000
#define QUESTION_MAX   256

struct staple {
    struct loop_timer *timer;
    struct peer *signer;
    struct tls *tls; /* NULL: nothing to staple to */
    uint8_t question[QUESTION_MAX];
    size_t question_len;
    bool asking, asked_for_other; /* tls changed since the question */
    int64_t next_update;          /* of what is stapled; 0: nothing is */
    int64_t retry_ms;
};

/* --- the question --- */

static enum bv_err
question_for(const struct cert *cert, const struct cert *issuer,
             struct sink *out)
{
    uint8_t name[DIGEST_MAX], key[DIGEST_MAX];
    size_t len = digest_len(DIGEST_SHA1);
    struct ocsp_request request = {.num_certs = 1};
    digest_of(DIGEST_SHA1, issuer->subject, name);
    digest_of(DIGEST_SHA1, issuer->spki.key, key);
    request.certs[0] = (struct ocsp_cert_id){.hash = OCSP_HASH_SHA1,
                                             .name_hash = span_of(name, len),
                                             .key_hash = span_of(key, len),
                                             .serial = cert->serial};
    struct span done;
    ocsp_request_put(out, &request);
    return sink_done(out, &done);
}

/* NOT_FOUND: none of our CAs is its issuer. */
static enum bv_err
make_question(struct span pem, const struct config *config, struct sink *out)
{
    uint8_t buf[LIMIT_CERT];
    struct sink room = SINK_ARRAY(buf);
    struct span der;
    struct cert cert, issuer;
    BV_TRY(pem_find(&pem, PEM_CERTIFICATE, &room, &der));
    BV_TRY(cert_parse(der, &cert));
    for (size_t i = 0; i < config->core.num_cas; i++)
        if (cert_parse(config->cas[i].cert, &issuer) == BV_OK &&
            cert_names_issuer(&cert, &issuer))
            return question_for(&cert, &issuer, out);
    return BV_E_NOT_FOUND;
}

/* --- the answer --- */

static bool
is_good(struct span der)
{
    struct ocsp_response response;
    return ocsp_response_parse(der, &response) == BV_OK &&
           response.status == OCSP_ANSWER_OK && response.num_singles == 1 &&
           response.singles[0].status == OCSP_STATUS_GOOD;
}

static void
put(struct staple *s, struct span der, int64_t next_update)
{
    if (tls_set_staple(s->tls, der) == BV_OK)
        s->next_update = der.len > 0 ? next_update : 0;
}

/* An answer outlives its usefulness at nextUpdate. */
static void
try_later(struct staple *s)
{
    if (s->next_update != 0 && clock_wall() >= s->next_update)
        put(s, SPAN_EMPTY, 0);
    loop_timer_start(s->timer, s->retry_ms);
    s->retry_ms =
        s->retry_ms * 2 < RETRY_MOST_MS ? s->retry_ms * 2 : RETRY_MOST_MS;
}

static void
take_answer(struct staple *s, struct span body)
{
    struct ocsp_reply reply;
    int64_t now = clock_wall();
    if (ocsp_reply_decode(body, &reply) != BV_OK || reply.next_update <= now) {
        try_later(s);
        return;
    }
    bool good = is_good(reply.response);
    put(s, good ? reply.response : SPAN_EMPTY, reply.next_update);
    int64_t wait = (reply.next_update - now) / 2 + 1;
    s->retry_ms = RETRY_FIRST_MS;
    loop_timer_start(s->timer,
                     1000 * (wait < REFRESH_MOST_S ? wait : REFRESH_MOST_S));
}

static void
on_answer(void *arg, enum bv_err err, enum msg_type type, struct span body)
{
    struct staple *s = arg;
    s->asking = false;
    if (s->asked_for_other)
        loop_timer_start(s->timer, 0);
    else if (err == BV_OK && type == MSG_OCSP_REPLY)
        take_answer(s, body);
    else
        try_later(s);
    s->asked_for_other = false;
}

static void
ask(void *ctx)
{
    struct staple *s = ctx;
    struct span question = span_of(s->question, s->question_len);
    if (s->tls == NULL || s->asking)
        return;
    s->asking = peer_ask(s->signer, MSG_OCSP, question, on_answer, s) == BV_OK;
    if (!s->asking)
        try_later(s);
}

/* --- life --- */

enum bv_err
staple_new(struct loop *loop, struct peer *signer, struct staple **ret_staple)
{
    struct staple *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return BV_E_NO_MEMORY;
    s->signer = signer;
    enum bv_err err = loop_timer_new(loop, ask, s, &s->timer);
    if (err != BV_OK)
        free(s);
    else
        *ret_staple = s;
    return err;
}

void
staple_free(struct staple *staple)
{
    if (staple == NULL)
        return;
    loop_timer_free(staple->timer);
    tls_unref(staple->tls);
    free(staple);
}

/* The same certificate again, as after most reloads: its answer still holds
 * until there is a newer one. */
static void
carry_over(struct staple *s, struct tls *tls, struct span question)
{
    bool holds = s->tls != NULL && s->next_update > clock_wall() &&
                 span_eq(question, span_of(s->question, s->question_len));
    if (!holds || tls_share_staple(tls, s->tls) != BV_OK)
        s->next_update = 0;
}

void
staple_use(struct staple *staple, struct tls *tls, struct span pem,
           const struct config *config)
{
    uint8_t buf[QUESTION_MAX];
    struct sink out = SINK_ARRAY(buf);
    bool has_question = make_question(pem, config, &out) == BV_OK;
    loop_timer_stop(staple->timer);
    carry_over(staple, tls, has_question ? sink_view(&out) : SPAN_EMPTY);
    tls_unref(staple->tls);
    staple->tls = NULL;
    staple->retry_ms = RETRY_FIRST_MS;
    staple->asked_for_other = staple->asking;
    if (!has_question)
        return;
    memcpy(staple->question, buf, out.len);
    staple->question_len = out.len;
    staple->tls = tls_ref(tls);
    ask(staple);
}
