#include "front/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"

struct mounted {
    const struct front *front;
    void *ctx;
};

struct serve {
    struct net *net;
    struct mounted fronts[SERVE_FRONTS];
    size_t num_fronts;
    uint64_t id_state;
};

/* --- routing --- */

/* match compares a raw path with a pattern; see struct front_route. */
static bool
match(const char *pattern, struct span path, struct front_request *request)
{
    size_t at = 0;
    request->segment = request->rest = SPAN_EMPTY;
    for (; *pattern != '\0'; pattern++) {
        if (pattern[0] == '*' && pattern[1] == '*') {
            request->rest = span_of(path.data + at, path.len - at);
            return true;
        }
        if (pattern[0] == '*') {
            size_t start = at;
            while (at < path.len && path.data[at] != '/')
                at++;
            request->segment = span_of(path.data + start, at - start);
            if (at == start)
                return false;
        } else if (at == path.len || path.data[at++] != (uint8_t)*pattern) {
            return false;
        }
    }
    return at == path.len;
}

static bool
takes_method(const struct front_route *route, enum http_method method)
{
    return route->method == method ||
           (route->method == HTTP_GET && method == HTTP_HEAD);
}

static const char *
method_name(enum http_method method)
{
    switch (method) {
    case HTTP_GET:
        return "GET, HEAD";
    case HTTP_HEAD:
        return "HEAD";
    case HTTP_POST:
        return "POST";
    case HTTP_PUT:
        return "PUT";
    case HTTP_DELETE:
        return "DELETE";
    case HTTP_PATCH:
        return "PATCH";
    case HTTP_OPTIONS:
        return "OPTIONS";
    case HTTP_OTHER:
        break;
    }
    return "";
}

#define ALLOW_MAX 64

static void
add_allowed(char allow[ALLOW_MAX], enum http_method method)
{
    const char *name = method_name(method);
    size_t len = strlen(allow);
    if (strstr(allow, name) == NULL)
        (void)snprintf(allow + len, ALLOW_MAX - len, "%s%s",
                       len > 0 ? ", " : "", name);
}

static bool
find_in(const struct mounted *mounted, struct front_request *request,
        char allow[ALLOW_MAX])
{
    const struct front *front = mounted->front;
    for (size_t i = 0; i < front->num_routes; i++) {
        const struct front_route *route = &front->routes[i];
        if (!match(route->path, request->http->path, request))
            continue;
        if (!takes_method(route, request->http->method)) {
            add_allowed(allow, route->method);
            continue;
        }
        request->route = route;
        request->front = front;
        request->front_name = front->name;
        request->ctx = mounted->ctx;
        return true;
    }
    return false;
}

static bool
find_route(struct serve *serve, struct front_request *request,
           char allow[ALLOW_MAX])
{
    allow[0] = '\0';
    for (size_t i = 0; i < serve->num_fronts; i++)
        if (find_in(&serve->fronts[i], request, allow))
            return true;
    return false;
}

/* --- what a route demands --- */

static enum bv_err
check_media_type(const struct front_route *route,
                 const struct http_request *http)
{
    struct span type;
    if (route->media_type == NULL)
        return BV_OK;
    if (!http_field_find(http->fields, "Content-Type", &type))
        return route->media_optional ? BV_OK : BV_E_BAD_MEDIA_TYPE;
    return http_media_type_is(type, route->media_type) ? BV_OK
                                                       : BV_E_BAD_MEDIA_TYPE;
}

static enum bv_err
check_auth(struct front_request *request, const struct exchange *exchange)
{
    request->challenge = request->route->auth == FRONT_AUTH_ANY;
    enum front_auth auth = request->front->auth != NULL
                               ? request->front->auth(request->ctx, request)
                               : request->route->auth;
    struct span credential;
    bool has_cert = exchange->tls->trust != NET_TRUST_NONE;
    switch (auth) {
    case FRONT_AUTH_NONE:
    case FRONT_AUTH_OPTIONAL:
        return BV_OK;
    case FRONT_AUTH_CERT:
        return has_cert ? BV_OK : BV_E_UNAUTHENTICATED;
    case FRONT_AUTH_RENEWAL:
        return has_cert || exchange->tls->renewal_cert.len > 0
                   ? BV_OK
                   : BV_E_UNAUTHENTICATED;
    case FRONT_AUTH_ANY:
        break;
    }
    if (!exchange->tls->active)
        return BV_E_REFUSED; /* a password would cross the wire in clear */
    if (has_cert ||
        http_field_find(exchange->request.fields, "Authorization", &credential))
        return BV_OK;
    return BV_E_UNAUTHENTICATED;
}

/* --- one request --- */

/* Ids tell lines apart and are no secret: splitmix64 from a random start. */
static void
make_id(struct serve *serve, char id[CORE_REQUEST_ID_LEN + 1])
{
    uint64_t z = serve->id_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    for (int i = 0; i < CORE_REQUEST_ID_LEN; i++, z >>= 4)
        id[i] = "0123456789abcdef"[z & 15];
    id[CORE_REQUEST_ID_LEN] = '\0';
}

static void
fail_method(struct front_request *request, const char *allow)
{
    struct exchange_field field = {"Allow", allow};
    struct front_answer answer = {
        .http = {.status = 405,
                 .content_type = "text/plain; charset=utf-8",
                 .fields = &field,
                 .num_fields = 1,
                 .body = SPAN_LIT("the method is not allowed here\n")},
        .detail = "method not allowed"};
    front_reply(request, &answer);
}

static void
on_admit(void *ctx, struct exchange *exchange)
{
    struct serve *serve = ctx;
    struct front_request *request = exchange->user;
    char allow[ALLOW_MAX];
    request->exchange = exchange;
    request->http = &exchange->request;
    make_id(serve, request->id);
    if (!find_route(serve, request, allow)) {
        if (allow[0] != '\0')
            fail_method(request, allow);
        else
            front_fail(request, BV_E_NOT_FOUND, NULL, 0);
        return;
    }
    enum bv_err err = check_auth(request, exchange);
    if (err == BV_OK)
        err = check_media_type(request->route, request->http);
    if (err != BV_OK) {
        front_fail(request, err, NULL, 0);
        return;
    }
    if (exchange->max_body > request->route->max_body)
        exchange->max_body = request->route->max_body;
}

static void
on_request(void *ctx, struct exchange *exchange)
{
    struct front_request *request = exchange->user;
    request->route->handle(request->ctx, request);
}

/* What admit has seen keeps its id: the door's lines about it have the same. */
static void
on_refused(void *ctx, const struct net_refusal *refusal)
{
    char fresh[CORE_REQUEST_ID_LEN + 1];
    const struct exchange *exchange = refusal->exchange;
    const char *id = fresh, *trust = "none";
    struct span method = SPAN_EMPTY, path = SPAN_EMPTY;
    if (exchange != NULL) {
        method = exchange->request.method_name;
        path = exchange->request.path;
        trust = front_trust_name(exchange->tls);
        id = ((const struct front_request *)exchange->user)->id;
    } else {
        make_id(ctx, fresh);
    }
    log_info("request method=%.*s path=%.*s status=%u bytes=%llu "
             "duration_us=%lld peer=%s trust=%s device=\"\" request_id=%s "
             "detail=\"%s (%s)\"",
             (int)method.len, method.data, front_path_shown(path), path.data,
             refusal->status, (unsigned long long)refusal->bytes,
             (long long)refusal->duration_us, refusal->peer, trust, id,
             refusal->detail, err_name(refusal->err));
}

/* --- the loop --- */

enum bv_err
serve_new(struct loop *loop, const struct net_limits *limits,
          struct serve **ret_serve)
{
    struct net_limits defaults = net_limits_default();
    struct serve *serve = calloc(1, sizeof(*serve));
    if (serve == NULL)
        return BV_E_NO_MEMORY;
    struct net_service service = {.admit = on_admit,
                                  .request = on_request,
                                  .refused = on_refused,
                                  .ctx = serve,
                                  .user_size = sizeof(struct front_request)};
    enum bv_err err = BV_E_IO;
    if (getrandom(&serve->id_state, sizeof(serve->id_state), 0) ==
        sizeof(serve->id_state))
        err = net_new(loop, limits != NULL ? limits : &defaults, &service,
                      &serve->net);
    if (err != BV_OK) {
        free(serve);
        return err;
    }
    *ret_serve = serve;
    return BV_OK;
}

void
serve_free(struct serve *serve)
{
    if (serve == NULL)
        return;
    net_free(serve->net);
    for (size_t i = 0; i < serve->num_fronts; i++)
        if (serve->fronts[i].front->close != NULL)
            serve->fronts[i].front->close(serve->fronts[i].ctx);
    free(serve);
}

enum bv_err
serve_add(struct serve *serve, const struct front *front,
          const struct front_env *env)
{
    void *ctx = NULL;
    if (serve->num_fronts == SERVE_FRONTS)
        return BV_E_TOO_MANY;
    if (front->open != NULL)
        BV_TRY(front->open(env, &ctx));
    serve->fronts[serve->num_fronts++] = (struct mounted){front, ctx};
    return BV_OK;
}

struct net *
serve_net(struct serve *serve)
{
    return serve->net;
}
