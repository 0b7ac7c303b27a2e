#include "front/est/est.h"

#include <stdio.h>
#include <string.h>

#include "core/find.h"
#include "front/est/offer.h"
#include "front/peer.h"
#include "wire/cms.h"
#include "wire/est.h"
#include "wire/oid.h"

struct est_door {
    const struct front_est_settings *settings;
    struct peer *core;
    struct offers *offers;
    unsigned generation; /* of the settings the offers were made from */
};

/* --- settings --- */

static enum bv_err
open_door(const struct front_env *env, void **ret_ctx)
{
    bv_auto_free struct est_door *door = calloc(1, sizeof(*door));

    if (door == NULL)
        return BV_E_NO_MEMORY;
    door->settings = env->settings;
    door->core = env->core;
    door->generation = door->settings->generation;
    BV_TRY(offers_new(door->settings, &door->offers));
    *ret_ctx = BV_STEAL(door);
    return BV_OK;
}

static void
close_door(void *ctx)
{
    struct est_door *door = ctx;

    offers_free(door->offers);
    free(door);
}

/* refresh makes the offers anew after a reload. The parent has checked the
 * new settings, so what fails here is memory: the next request tries again. */
static enum bv_err
refresh(struct est_door *door)
{
    struct offers *offers;

    if (door->generation == door->settings->generation)
        return BV_OK;
    BV_TRY(offers_new(door->settings, &offers));
    offers_free(door->offers);
    door->offers = offers;
    door->generation = door->settings->generation;
    return BV_OK;
}

/* find_offer answers the request itself when there is none. */
static const struct offer *
find_offer(struct est_door *door, struct front_request *request)
{
    enum bv_err err = refresh(door);
    const struct offer *offer;

    if (!request->exchange->tls->active) { /* RFC 7030 3.3 */
        front_fail(request, BV_E_REFUSED, "EST is served over TLS only", 0);
        return NULL;
    }
    if (err != BV_OK) {
        front_fail(request, err, NULL, 0);
        return NULL;
    }
    offer = offers_find(door->offers, request->segment);
    if (offer == NULL)
        front_fail(request, BV_E_NOT_FOUND, "unknown label", 0);
    return offer;
}

/* --- answers --- */

static bool
wants_wrap(const struct front_request *request, size_t der_len)
{
    struct span agent;

    return http_field_find(request->http->fields, "User-Agent", &agent) &&
           est_wants_wrap(agent, der_len);
}

#define NUM_FIELDS 3
#define MAX_AGE    "max-age=300"

/* reply_der sends DER as base64. tag NULL: a private answer, never cached. */
static void
reply_der(struct front_request *request, const char *type, struct span der,
          const char *tag, const char *detail)
{
    size_t cap = EST_BODY_MAX(der.len);
    bv_auto_free uint8_t *buf = malloc(cap);
    struct exchange_field fields[NUM_FIELDS] = {
        /* noise by RFC 8951, but older clients look for it */
        {"Content-Transfer-Encoding", "base64"},
        {"Cache-Control", tag != NULL ? MAX_AGE : "no-store"},
        {"ETag", tag},
    };

    if (buf == NULL) {
        front_fail(request, BV_E_NO_MEMORY, NULL, 1);
        return;
    }
    struct sink out = sink_of(buf, cap);
    est_put_body(&out, der, wants_wrap(request, der.len));
    front_reply(request, &(struct front_answer){
                             .http = {.status = 200,
                                      .content_type = type,
                                      .fields = fields,
                                      .num_fields = tag != NULL ? 3 : 2,
                                      .body = sink_view(&out)},
                             .detail = detail});
}

static void
reply_known(struct front_request *request, const char *type, struct span der,
            const char *tag)
{
    /* RFC 9110 15.4.5: what the 200 would have carried */
    struct exchange_field fields[] = {{"Cache-Control", MAX_AGE},
                                      {"ETag", tag}};

    if (!fresh_is_current(request->http, tag, 0)) {
        reply_der(request, type, der, tag, NULL);
        return;
    }
    front_reply(request, &(struct front_answer){.http = {.status = 304,
                                                         .fields = fields,
                                                         .num_fields = 2}});
}

static void
handle_cacerts(void *ctx, struct front_request *request)
{
    const struct offer *offer = find_offer(ctx, request);

    if (offer != NULL)
        reply_known(request, EST_TYPE_CACERTS, offer->cacerts,
                    offer->cacerts_tag);
}

static void
handle_fullcmc(void *ctx, struct front_request *request)
{
    if (find_offer(ctx, request) != NULL)
        front_fail(request, BV_E_UNSUPPORTED, "fullcmc is not offered", 0);
}

/* --- what core answered --- */

/* The certificate alone (RFC 7030 4.2.3), or with its CAs if so configured. */
static void
put_certs(struct sink *out, const struct est_door *door,
          const struct core_reply *reply)
{
    const struct core_ca *ca =
        door->settings->full_chain
            ? offers_ca(door->settings->config, reply->profile)
            : NULL;
    struct span certs[LIMIT_CMS_CERTS];
    size_t num = 0;

    certs[num++] = reply->cert;
    if (ca != NULL) {
        certs[num++] = ca->cert;
        for (size_t i = 0; i < ca->num_chain; i++)
            certs[num++] = ca->chain[i];
    }
    cms_put_certs(out, certs, num);
}

static size_t
certs_cap(const struct est_door *door, const struct core_reply *reply)
{
    return reply->cert.len + CMS_OVERHEAD +
           (door->settings->full_chain ? (LIMIT_CHAIN + 1) * LIMIT_CERT : 0);
}

static void
reply_keygen(struct front_request *request, const struct core_reply *reply,
             struct span certs, const char *detail)
{
    size_t cap = EST_KEYGEN_OVERHEAD + EST_BODY_MAX(reply->key.len) +
                 EST_BODY_MAX(certs.len);
    bv_auto_free uint8_t *buf = malloc(cap);
    struct exchange_field field = {"Cache-Control", "no-store"};

    if (buf == NULL) {
        front_fail(request, BV_E_NO_MEMORY, NULL, 1);
        return;
    }
    struct sink out = sink_of(buf, cap);
    est_put_keygen(&out, reply->key, reply->key_wrapped, certs);
    front_reply(request,
                &(struct front_answer){.http = {.status = 200,
                                                .content_type = EST_TYPE_KEYGEN,
                                                .fields = &field,
                                                .num_fields = 1,
                                                .body = sink_view(&out)},
                                       .detail = detail});
    explicit_bzero(buf, cap); /* it held a private key */
}

static void
reply_issued(struct front_request *request, const struct core_reply *reply)
{
    const struct est_door *door = request->ctx;
    size_t cap = certs_cap(door, reply);
    bv_auto_free uint8_t *buf = malloc(cap);
    char detail[160];
    struct span certs;

    if (buf == NULL) {
        front_fail(request, BV_E_NO_MEMORY, NULL, 1);
        return;
    }
    struct sink out = sink_of(buf, cap);
    put_certs(&out, door, reply);
    if (sink_done(&out, &certs) != BV_OK) {
        front_fail(request, BV_E_NO_SPACE, NULL, 0);
        return;
    }
    (void)snprintf(detail, sizeof(detail), "%s serial=%s profile=%s",
                   reply->repeated ? "repeated" : "issued", reply->serial,
                   reply->profile);
    if (reply->key.len > 0)
        reply_keygen(request, reply, certs, detail);
    else
        reply_der(request, EST_TYPE_CERTS, certs, NULL, detail);
}

/* What core does not support is something in the CSR: the client's fault, and
 * not a lack of this server's (501). */
static void
reply_refused(struct front_request *request, const struct core_reply *reply)
{
    enum bv_err err =
        reply->err == BV_E_UNSUPPORTED ? BV_E_BAD_MESSAGE : reply->err;

    request->challenge = reply->challenge;
    front_fail(request, err,
               reply->detail[0] != '\0' ? reply->detail : err_text(reply->err),
               reply->retry_after);
}

static void
on_reply(void *arg, enum bv_err err, enum msg_type type, struct span body)
{
    struct front_request *request = arg;
    struct core_reply reply = {0};

    if (err == BV_OK && type != MSG_REPLY)
        err = BV_E_UNAVAILABLE;
    if (err == BV_OK)
        err = core_reply_decode(body, &reply);
    if (err != BV_OK) { /* every request may be repeated */
        front_fail(request, BV_E_UNAVAILABLE, NULL, 1);
        return;
    }
    memcpy(request->device, reply.device, sizeof(request->device));
    if (reply.err == BV_OK)
        reply_issued(request, &reply);
    else
        reply_refused(request, &reply);
}

/* --- what the client asks --- */

#define CREDENTIAL_MAX 512

/* An Authorization field that is not ours to read counts as none: core says
 * what is missing, or the client certificate suffices. */
static void
read_credential(const struct front_request *request, uint8_t *buf,
                struct core_request *ask)
{
    struct span field;

    if (!http_field_find(request->http->fields, "Authorization", &field) ||
        est_basic_parse(field, buf, CREDENTIAL_MAX, &ask->user, &ask->secret) !=
            BV_OK) {
        ask->user = SPAN_EMPTY;
        ask->secret = SPAN_EMPTY;
    }
}

/* Room for a core_request: CSR, peer certificate and chain, credential, small
 * fields. */
#define ASK_MAX                                                                \
    (LIMIT_CSR + LIMIT_CERT + LIMIT_CHAIN_OCTETS + CREDENTIAL_MAX + 1024)

/* Core decides by its profile whether it may renew itself. */
static void
use_renewal_cert(const struct exchange_tls *tls, struct core_request *ask)
{
    if (ask->trust != CORE_TRUST_NONE || tls->renewal_cert.len == 0)
        return;
    ask->trust = CORE_TRUST_OWN;
    ask->peer_cert = tls->renewal_cert;
}

static enum bv_err
ask_core(struct est_door *door, struct front_request *request, enum core_op op,
         struct span csr, peer_fn *answered)
{
    uint8_t credential[CREDENTIAL_MAX];
    uint8_t buf[ASK_MAX];
    struct sink out = SINK_ARRAY(buf);
    struct core_request ask;
    struct span body;

    front_core_request(request, CORE_DOOR_EST, &ask);
    ask.op = op;
    ask.csr = csr;
    if (op == CORE_REENROLL || op == CORE_ASK)
        use_renewal_cert(request->exchange->tls, &ask);
    BV_TRY(span_copy_str(request->segment, ask.label, sizeof(ask.label)));
    read_credential(request, credential, &ask);
    core_request_encode(&out, &ask);
    explicit_bzero(credential, sizeof(credential));
    enum bv_err err = sink_done(&out, &body);
    if (err == BV_OK)
        err = peer_ask(door->core, MSG_REQUEST, body, answered, request);
    explicit_bzero(buf, out.len);
    return err;
}

static void
handle_enroll(void *ctx, struct front_request *request)
{
    struct est_door *door = ctx;
    uint8_t buf[LIMIT_CSR];
    struct span csr;
    enum bv_err err;

    if (find_offer(door, request) == NULL)
        return;
    err = est_body_decode(request->exchange->body,
                          door->settings->lenient ? EST_BODY_LENIENT
                                                  : EST_BODY_BASE64,
                          buf, sizeof(buf), &csr);
    if (err != BV_OK) {
        front_fail(request, err == BV_E_NO_SPACE ? BV_E_TOO_LARGE : err,
                   err == BV_E_NO_SPACE ? NULL : "the body is not base64", 0);
        return;
    }
    err = ask_core(door, request, (enum core_op)request->route->tag, csr,
                   on_reply);
    if (err != BV_OK)
        front_fail(request, err, NULL, 1);
}

/* --- CSR attributes --- */

/* Who comes with a certificate of ours, be it good for its renewal only, is
 * told what that has to look like; an RA asks for others. */
static bool
is_for_renewal(const struct exchange_tls *tls, struct cert *ret_cert)
{
    struct span der =
        tls->trust == NET_TRUST_OWN ? tls->peer_cert : tls->renewal_cert;
    return der.len > 0 && cert_parse(der, ret_cert) == BV_OK &&
           !cert_has_eku(ret_cert, oid_cmc_ra);
}

/* profile NULL: what is said to all at this label. */
static void
reply_csrattrs(struct front_request *request, const struct offer *offer,
               const struct profile *profile)
{
    uint8_t buf[LIMIT_NAME + LIMIT_CERT];
    struct sink out = SINK_ARRAY(buf);
    struct cert own;
    bool renews = is_for_renewal(request->exchange->tls, &own);

    if (renews || profile != NULL)
        offers_put_csrattrs(&out, profile != NULL ? profile : offer->profile,
                            renews ? &own : NULL);
    if (out.len > 0 && !out.failed)
        reply_der(request, EST_TYPE_CSRATTRS, sink_view(&out), NULL, NULL);
    else
        reply_known(request, EST_TYPE_CSRATTRS, offer->csrattrs,
                    offer->csrattrs_tag);
}

/* Whom core would refuse is told what is said to all. */
static void
on_profile(void *arg, enum bv_err err, enum msg_type type, struct span body)
{
    struct front_request *request = arg;
    const struct est_door *door = request->ctx;
    struct core_reply reply = {0};

    if (err == BV_OK && type != MSG_REPLY)
        err = BV_E_UNAVAILABLE;
    if (err == BV_OK)
        err = core_reply_decode(body, &reply);
    if (err != BV_OK) {
        front_fail(request, BV_E_UNAVAILABLE, NULL, 1);
        return;
    }
    const struct offer *offer = find_offer(request->ctx, request);
    if (offer != NULL)
        reply_csrattrs(
            request, offer,
            reply.err == BV_OK
                ? core_config_profile(door->settings->config, reply.profile)
                : NULL);
}

static const char *
profile_of_maker(const struct core_config *config, const char *name)
{
    for (size_t i = 0; i < config->num_manufacturers; i++)
        if (strcmp(config->manufacturers[i].name, name) == 0)
            return config->manufacturers[i].profile;
    return "";
}

/* Without a label it is the credential that decides on the profile, and of
 * tokens and certificates of ours only core knows theirs. At a label core takes
 * none that is for another profile. */
static bool
is_cores_to_say(const struct front_request *request)
{
    struct span credential;
    struct cert own;

    return request->segment.len == 0 &&
           (is_for_renewal(request->exchange->tls, &own) ||
            http_field_find(request->http->fields, "Authorization",
                            &credential));
}

static void
handle_csrattrs(void *ctx, struct front_request *request)
{
    struct est_door *door = ctx;
    const struct offer *offer = find_offer(ctx, request);
    const struct exchange_tls *tls = request->exchange->tls;
    const struct profile *profile = NULL;

    if (offer == NULL)
        return;
    if (is_cores_to_say(request)) {
        if (ask_core(door, request, CORE_ASK, SPAN_EMPTY, on_profile) != BV_OK)
            front_fail(request, BV_E_UNAVAILABLE, NULL, 1);
        return;
    }
    if (request->segment.len == 0 && tls->trust == NET_TRUST_MANUFACTURER)
        profile = core_config_profile(
            door->settings->config,
            profile_of_maker(door->settings->config, tls->trust_name));
    reply_csrattrs(request, offer, profile);
}

/* --- routes --- */

#define GET_(name, fn)                                                         \
    {.method = HTTP_GET, .path = EST_PREFIX "/" name, .handle = (fn)},         \
    {                                                                          \
        .method = HTTP_GET, .path = EST_PREFIX "/*/" name, .handle = (fn)      \
    }
#define POST_AT(path_, type, fn, auth_, op)                                    \
    {                                                                          \
        .method = HTTP_POST, .path = (path_), .media_type = (type),            \
        .media_optional = true, .auth = (auth_), .max_body = LIMIT_HTTP_BODY,  \
        .handle = (fn), .tag = (op)                                            \
    }
#define POST_(name, type, fn, auth_, op)                                       \
    POST_AT(EST_PREFIX "/" name, type, fn, auth_, op),                         \
        POST_AT(EST_PREFIX "/*/" name, type, fn, auth_, op)

static const struct front_route ROUTES[] = {
    POST_("simpleenroll", EST_TYPE_PKCS10, handle_enroll, FRONT_AUTH_ANY,
          CORE_ENROLL),
    POST_("simplereenroll", EST_TYPE_PKCS10, handle_enroll, FRONT_AUTH_RENEWAL,
          CORE_REENROLL),
    POST_("serverkeygen", EST_TYPE_PKCS10, handle_enroll, FRONT_AUTH_ANY,
          CORE_KEYGEN),
    POST_("fullcmc", EST_TYPE_CMC, handle_fullcmc, FRONT_AUTH_NONE, 0),
    GET_("cacerts", handle_cacerts),
    GET_("csrattrs", handle_csrattrs),
};

/* Where the challengePassword may be the credential, nobody knows before the
 * CSR is there. A profile that takes no claim codes asks for none. */
static enum front_auth
auth_of(void *ctx, struct front_request *request)
{
    struct est_door *door = ctx;
    const struct offer *offer =
        refresh(door) == BV_OK ? offers_find(door->offers, request->segment)
                               : NULL;
    bool secret =
        offer != NULL && offer->profile->binding == PROFILE_BINDING_SECRET;

    if (offer != NULL && !offer->profile->allow_basic)
        request->challenge = false;
    return secret && request->route->auth == FRONT_AUTH_ANY
               ? FRONT_AUTH_OPTIONAL
               : request->route->auth;
}

const struct front front_est = {
    .name = "est",
    .routes = ROUTES,
    .num_routes = sizeof(ROUTES) / sizeof(ROUTES[0]),
    .open = open_door,
    .close = close_door,
    .auth = auth_of,
};
