#include "front/status/status.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "core/find.h"
#include "front/peer.h"
#include "front/status/bound.h"
#include "front/status/cache.h"
#include "front/status/files.h"
#include "wire/ocsp.h"

#define TYPE_REQUEST  "application/ocsp-request"
#define TYPE_RESPONSE "application/ocsp-response"

/* A CRL may be replaced at any time (a revocation): nobody keeps it longer
 * than this many seconds without asking. */
#define CRL_MAX_AGE 3600

struct status_door {
    const struct front_status_settings *settings;
    struct peer *core, *signer;
    struct cache *cache;
    struct bound *bound;
    struct files *files;
    unsigned generation;         /* of the settings all this was made from */
    const struct statusmap *map; /* the one the kept answers came from */
    unsigned epoch;              /* counts maps */
};

/* --- settings --- */

static void
close_door(void *ctx)
{
    struct status_door *door = ctx;

    cache_free(door->cache);
    bound_free(door->bound);
    files_free(door->files);
    free(door);
}

static enum bv_err
open_door(const struct front_env *env, void **ret_ctx)
{
    bv_auto_free struct status_door *door = calloc(1, sizeof(*door));
    bv_auto(cache) struct cache *cache = NULL;
    bv_auto(bound) struct bound *bound = NULL;

    if (door == NULL)
        return BV_E_NO_MEMORY;
    door->settings = env->settings;
    door->core = env->core;
    door->signer = env->signer;
    door->generation = door->settings->generation;
    BV_TRY(cache_new(&cache));
    BV_TRY(bound_new(&bound));
    BV_TRY(files_new(door->settings, NULL, &door->files));
    door->map = door->settings->map;
    door->cache = BV_STEAL(cache);
    door->bound = BV_STEAL(bound);
    *ret_ctx = BV_STEAL(door);
    return BV_OK;
}

/* The descriptors the door knew are closed by now: without memory for the new
 * ones there is no CRL until the next request. */
static void
refresh_files(struct status_door *door)
{
    struct files *files;

    if (files_new(door->settings, door->files, &files) == BV_OK) {
        files_free(door->files);
        door->files = files;
        door->generation = door->settings->generation;
        return;
    }
    for (size_t i = 0; i < door->files->num_crls; i++)
        door->files->crls[i].fd = -1;
}

/* refresh takes over changed settings. The words of another map say nothing
 * about the answers kept. */
static void
refresh(struct status_door *door)
{
    if (door->generation == door->settings->generation)
        return;
    refresh_files(door);
    if (door->map == door->settings->map)
        return;
    cache_clear(door->cache);
    door->map = door->settings->map;
    door->epoch++;
}

/* --- what a client may keep (RFC 9111, RFC 9919 section 6) --- */

#define NUM_FIELDS 4

struct keeping {
    char control[80];
    char modified[FRESH_DATE_MAX];
    char expires[FRESH_DATE_MAX];
    struct exchange_field fields[NUM_FIELDS];
};

static void
keep_until(int64_t max_age, int64_t modified, int64_t expires, const char *tag,
           struct keeping *ret)
{
    (void)snprintf(ret->control, sizeof(ret->control),
                   "max-age=%lld, public, no-transform, must-revalidate",
                   (long long)(max_age > 0 ? max_age : 0));
    fresh_date(modified, ret->modified);
    fresh_date(expires, ret->expires);
    ret->fields[0] = (struct exchange_field){"ETag", tag};
    ret->fields[1] = (struct exchange_field){"Last-Modified", ret->modified};
    ret->fields[2] = (struct exchange_field){"Expires", ret->expires};
    ret->fields[3] = (struct exchange_field){"Cache-Control", ret->control};
}

static void
reply_unchanged(struct front_request *request, const struct keeping *keeping)
{
    front_reply(request,
                &(struct front_answer){.http = {.status = 304,
                                                .fields = keeping->fields,
                                                .num_fields = NUM_FIELDS}});
}

/* --- OCSP --- */

static void
reply_ocsp(struct front_request *request, struct span response,
           const struct exchange_field *fields, size_t num_fields)
{
    front_reply(request,
                &(struct front_answer){.http = {.status = 200,
                                                .content_type = TYPE_RESPONSE,
                                                .fields = fields,
                                                .num_fields = num_fields,
                                                .body = response}});
}

/* An answer that nobody may give to somebody else: an error, or one with a
 * nonce (RFC 9919 forbids no-store for what is authoritative). */
static void
reply_ocsp_once(struct front_request *request, struct span response,
                bool is_error)
{
    struct exchange_field field = {
        "Cache-Control", is_error ? "no-cache" : "max-age=0, private"};

    reply_ocsp(request, response, &field, 1);
}

static void
reply_ocsp_error(struct front_request *request, enum ocsp_answer status)
{
    uint8_t buf[16];
    struct sink out = SINK_ARRAY(buf);

    ocsp_error_put(&out, status);
    reply_ocsp_once(request, sink_view(&out), true);
}

static void
reply_ocsp_kept(struct front_request *request,
                const struct cache_answer *answer, int64_t now)
{
    struct keeping keeping = {0};

    keep_until(answer->refresh_at - now, answer->this_update,
               answer->next_update, answer->tag, &keeping);
    if (request->http->method != HTTP_POST &&
        fresh_is_current(request->http, answer->tag, answer->this_update))
        reply_unchanged(request, &keeping);
    else
        reply_ocsp(request, span_of(answer->response, answer->len),
                   keeping.fields, NUM_FIELDS);
}

/* find_kept returns the kept answer that still holds, else NULL. late: although
 * it is time for a new one. */
static const struct cache_answer *
find_kept(struct status_door *door, const struct cache_key *key, int64_t now,
          bool late)
{
    const struct cache_answer *answer = cache_find(door->cache, key);

    if (answer == NULL || door->settings->map == NULL ||
        now >= (late ? answer->next_update : answer->refresh_at) ||
        now < answer->this_update)
        return NULL;
    return statusmap_get(door->settings->map, answer->index) == answer->word
               ? answer
               : NULL;
}

/* What a question to the signer is about, while it is under way. */
struct question {
    struct front_request *request;
    bool has_key;
    struct cache_key key;
    unsigned epoch;
};

static void
reply_fresh(struct status_door *door, const struct question *question,
            const struct ocsp_reply *reply)
{
    int64_t now = clock_wall();
    const struct cache_answer *answer = NULL;

    if (reply->word == 0 && reply->next_update != 0)
        bound_unissued(door->bound, question->request->exchange->peer, now);
    if (question->has_key && reply->cacheable &&
        question->epoch == door->epoch) {
        cache_put(door->cache, &question->key, reply,
                  now + (reply->next_update - now) / 2);
        answer = find_kept(door, &question->key, now, false);
    }
    if (answer != NULL)
        reply_ocsp_kept(question->request, answer, now);
    else
        reply_ocsp_once(question->request, reply->response,
                        reply->next_update == 0);
}

static void
on_answer(void *arg, enum bv_err err, enum msg_type type, struct span body)
{
    bv_auto_free struct question *question = arg;
    struct ocsp_reply reply;

    if (err == BV_OK && type != MSG_OCSP_REPLY)
        err = BV_E_UNAVAILABLE;
    if (err == BV_OK)
        err = ocsp_reply_decode(body, &reply);
    if (err == BV_OK)
        reply_fresh(question->request->ctx, question, &reply);
    else
        reply_ocsp_error(question->request, OCSP_ANSWER_TRY_LATER);
}

static void
reply_bounded(struct status_door *door, struct front_request *request,
              const struct cache_key *key, int64_t now)
{
    const struct cache_answer *kept =
        key != NULL ? find_kept(door, key, now, true) : NULL;

    if (kept != NULL)
        reply_ocsp_kept(request, kept, now);
    else
        reply_ocsp_error(request, OCSP_ANSWER_TRY_LATER);
}

static void
ask_signer(struct status_door *door, struct front_request *request,
           struct span der, const struct cache_key *key)
{
    int64_t now = clock_wall();
    if (!bound_take(door->bound, request->exchange->peer,
                    door->settings->signed_per_address, now)) {
        reply_bounded(door, request, key, now);
        return;
    }
    struct question *question = malloc(sizeof(*question));
    if (question == NULL) {
        reply_ocsp_error(request, OCSP_ANSWER_TRY_LATER);
        return;
    }
    *question = (struct question){
        .request = request, .has_key = key != NULL, .epoch = door->epoch};
    if (key != NULL)
        question->key = *key;
    if (peer_ask(door->signer, MSG_OCSP, der, on_answer, question) == BV_OK)
        return;
    free(question);
    reply_ocsp_error(request, OCSP_ANSWER_TRY_LATER);
}

static void
answer_ocsp(struct status_door *door, struct front_request *request,
            struct span der)
{
    struct ocsp_request asked;
    struct cache_key key;
    const struct cache_answer *kept;
    int64_t now = clock_wall();

    refresh(door);
    if (ocsp_request_parse(der, &asked) != BV_OK) {
        reply_ocsp_error(request, OCSP_ANSWER_MALFORMED);
        return;
    }
    if (asked.has_nonce || asked.num_certs != 1) {
        ask_signer(door, request, der, NULL);
        return;
    }
    cache_key_of(asked.certs[0].whole, &key);
    kept = find_kept(door, &key, now, false);
    if (kept != NULL)
        reply_ocsp_kept(request, kept, now);
    else
        ask_signer(door, request, der, &key);
}

static void
handle_ocsp_post(void *ctx, struct front_request *request)
{
    answer_ocsp(ctx, request, request->exchange->body);
}

static void
handle_ocsp_get(void *ctx, struct front_request *request)
{
    uint8_t buf[LIMIT_OCSP_REQUEST];
    struct span der;
    enum bv_err err = ocsp_get_decode(request->rest, buf, &der);

    if (err == BV_OK)
        answer_ocsp(ctx, request, der);
    else
        front_fail(request, err, "the path holds no OCSP request", 0);
}

/* --- files --- */

/* strip takes a suffix off; the whole is NOT_FOUND without it. */
static enum bv_err
strip(struct span segment, const char *suffix, struct span *ret_name)
{
    size_t len = strlen(suffix);

    if (segment.len <= len ||
        !span_eq_str(span_of(segment.data + segment.len - len, len), suffix))
        return BV_E_NOT_FOUND;
    *ret_name = span_of(segment.data, segment.len - len);
    return BV_OK;
}

static void
send_crl(struct front_request *request, const struct file_crl *crl)
{
    int64_t now = clock_wall();
    int64_t left = crl->next_update - now;
    int64_t max_age = left < CRL_MAX_AGE ? left : CRL_MAX_AGE;
    struct keeping keeping = {0};

    if (max_age < 0)
        max_age = 0;
    keep_until(max_age, crl->this_update, now + max_age, crl->tag, &keeping);
    if (fresh_is_current(request->http, crl->tag, crl->this_update)) {
        reply_unchanged(request, &keeping);
        return;
    }
    front_reply_file(
        request,
        &(struct front_answer){.http = {.status = 200,
                                        .content_type = "application/pkix-crl",
                                        .fields = keeping.fields,
                                        .num_fields = NUM_FIELDS}},
        crl->fd, 0, crl->length);
}

static void
handle_crl(void *ctx, struct front_request *request)
{
    struct status_door *door = ctx;
    const struct file_crl *crl = NULL;
    struct span name;

    refresh(door);
    if (strip(request->segment, ".crl", &name) == BV_OK)
        crl = files_find(door->files, name);
    if (crl == NULL || crl->fd < 0)
        front_fail(request, BV_E_NOT_FOUND, NULL, 0);
    else
        send_crl(request, crl);
}

static void
handle_ca(void *ctx, struct front_request *request)
{
    const struct status_door *door = ctx;
    const struct core_ca *ca = NULL;
    struct exchange_field field = {"Cache-Control", "max-age=86400, public"};
    struct span name;

    if (strip(request->segment, ".cer", &name) == BV_OK)
        ca = core_config_ca(door->settings->config, name);
    if (ca == NULL) {
        front_fail(request, BV_E_NOT_FOUND, NULL, 0);
        return;
    }
    front_reply(request, &(struct front_answer){
                             .http = {.status = 200,
                                      .content_type = "application/pkix-cert",
                                      .fields = &field,
                                      .num_fields = 1,
                                      .body = ca->cert}});
}

/* --- health --- */

/* must_publish: this CA's CRL is made here, so it has to be there. */
static bool
must_publish(const struct status_door *door, const char *name)
{
    const struct core_ca *ca =
        core_config_ca(door->settings->config, span_str(name));

    return ca != NULL && !ca->offline && ca->crl_path[0] != '\0';
}

/* what_ails returns the reason why this door should not be sent clients; NULL
 * when there is none. */
static const char *
what_ails(const struct status_door *door)
{
    int64_t now = clock_wall();

    if (!peer_is_up(door->core))
        return "core is away";
    if (!peer_is_up(door->signer))
        return "the signer is away";
    for (size_t i = 0; i < door->files->num_crls; i++) {
        const struct file_crl *crl = &door->files->crls[i];

        if (!must_publish(door, crl->name))
            continue;
        if (crl->fd < 0)
            return "a CRL is missing";
        if (crl->next_update <= now)
            return "a CRL has expired";
    }
    return NULL;
}

static void
handle_health(void *ctx, struct front_request *request)
{
    struct exchange_field field = {"Cache-Control", "no-store"};
    const char *reason;

    refresh(ctx);
    reason = what_ails(ctx);
    if (reason != NULL) {
        front_fail(request, BV_E_UNAVAILABLE, reason, 5);
        return;
    }
    front_reply(request,
                &(struct front_answer){.http = {.status = 200,
                                                .content_type = "text/plain",
                                                .fields = &field,
                                                .num_fields = 1,
                                                .body = SPAN_LIT("ok\n")}});
}

/* --- routes --- */

static const struct front_route ROUTES[] = {
    {.method = HTTP_POST,
     .path = "/ocsp",
     .media_type = TYPE_REQUEST,
     .media_optional = true,
     .max_body = LIMIT_OCSP_REQUEST,
     .handle = handle_ocsp_post},
    {.method = HTTP_POST,
     .path = "/ocsp/",
     .media_type = TYPE_REQUEST,
     .media_optional = true,
     .max_body = LIMIT_OCSP_REQUEST,
     .handle = handle_ocsp_post},
    {.method = HTTP_GET, .path = "/ocsp/**", .handle = handle_ocsp_get},
    {.method = HTTP_GET, .path = "/crl/*", .handle = handle_crl},
    {.method = HTTP_GET, .path = "/ca/*", .handle = handle_ca},
    {.method = HTTP_GET, .path = "/health", .handle = handle_health},
};

const struct front front_status_door = {
    .name = "status",
    .routes = ROUTES,
    .num_routes = sizeof(ROUTES) / sizeof(ROUTES[0]),
    .open = open_door,
    .close = close_door,
};
