#include "front/front.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "wire/cert.h"
#include "wire/name.h"

/* Fields of every answer, beside those a door adds. */
#define MAX_FIELDS  12
#define DETAIL_MAX  200
#define RETRY_AFTER 1

uint16_t
front_status(enum bv_err err)
{
    switch (err) {
    case BV_OK:
        return 200;
    case BV_E_PENDING:
        return 202; /* RFC 7030 4.2.3 */
    case BV_E_BAD_MESSAGE:
    case BV_E_TRAILING_BYTES:
    case BV_E_TOO_MANY:
    case BV_E_BAD_SIGNATURE:
    case BV_E_BAD_BINDING:
    case BV_E_BAD_KEY:
    case BV_E_BAD_NAME:
        return 400;
    case BV_E_UNAUTHENTICATED:
        return 401;
    case BV_E_REFUSED:
    case BV_E_REVOKED:
    case BV_E_EXPIRED:
        return 403;
    case BV_E_NOT_FOUND:
        return 404;
    case BV_E_BAD_METHOD:
        return 405;
    case BV_E_TIMEOUT:
    case BV_E_CLOSED:
        return 408;
    case BV_E_CONFLICT:
        return 409;
    case BV_E_TOO_LARGE:
        return 413;
    case BV_E_BAD_MEDIA_TYPE:
        return 415;
    case BV_E_RATE_LIMITED:
        return 429;
    case BV_E_UNSUPPORTED:
        return 501;
    case BV_E_BUSY:
    case BV_E_UNAVAILABLE:
    case BV_E_NO_MEMORY:
    case BV_E_BAD_CLOCK: /* an operator sets it */
    case BV_E_DISK_FULL: /* not 507: clients know what 503 asks of them */
        return 503;
    case BV_E_NO_SPACE:
    case BV_E_IO:
    case BV_E_CORRUPT:
    case BV_E_WRONG_KEY:
    case BV_E_BAD_CONFIG:
    case BV_E_CRYPTO:
    case BV_E_LINT:
    case BV_E_USAGE:
    case BV_E_COUNT_:
        return 500;
    }
    return 500;
}

const char *
front_trust_name(const struct exchange_tls *tls)
{
    switch (tls->trust) {
    case NET_TRUST_OWN:
        return "own";
    case NET_TRUST_MANUFACTURER:
        return tls->trust_name;
    case NET_TRUST_NONE:
        break;
    }
    if (tls->renewal_cert.len > 0)
        return "renewal";
    return tls->active ? "none" : "plain";
}

/* quote copies text so that it stays within one pair of quotes. */
static const char *
quote(const char *text, char *copy, size_t cap)
{
    size_t i = 0;
    for (; text != NULL && text[i] != '\0' && i + 1 < cap; i++)
        copy[i] = (char)(text[i] == '"' || text[i] == '\\' ? '\'' : text[i]);
    copy[i] = '\0';
    return copy;
}

/* Whom the line is about: the device core named or, where core was not asked,
 * the CN of the certificate of ours it came with. peer_cert is the
 * connection's, so only while that lives. */
static void
name_device(const struct front_request *request,
            char ret_name[LIMIT_DEVICE_NAME + 1])
{
    const struct exchange *exchange = request->exchange;
    struct cert cert;
    struct name_ava cn;
    char text[LIMIT_DEVICE_NAME + 1] = "";
    if (request->device[0] == '\0' && exchange_is_live(exchange) &&
        exchange->tls->trust == NET_TRUST_OWN &&
        cert_parse(exchange->tls->peer_cert, &cert) == BV_OK &&
        name_find(cert.subject, NAME_CN, &cn) == BV_OK &&
        cn.value.len <= LIMIT_DEVICE_NAME)
        (void)snprintf(text, sizeof(text), "%.*s", (int)cn.value.len,
                       (const char *)cn.value.data);
    (void)quote(text[0] != '\0' ? text : request->device, ret_name,
                LIMIT_DEVICE_NAME + 1);
}

static void
write_line(const struct front_request *request, uint16_t status, uint64_t bytes,
           const char *detail)
{
    const struct exchange *exchange = request->exchange;
    char quoted[DETAIL_MAX], device[LIMIT_DEVICE_NAME + 1];
    void (*level)(const char *, ...) = status >= 500 ? log_warn : log_info;
    bool live = exchange_is_live(exchange);
    name_device(request, device);
    if (!live || request->http->method == HTTP_HEAD)
        bytes = 0;
    level("request method=%.*s path=%.*s status=%u bytes=%llu duration_us=%lld "
          "peer=%s trust=%s device=\"%s\" request_id=%s detail=\"%s%s\"",
          (int)request->http->method_name.len, request->http->method_name.data,
          front_path_shown(request->http->path), request->http->path.data,
          status, (unsigned long long)bytes,
          (long long)(loop_clock_us() - exchange->started_us), exchange->peer,
          front_trust_name(exchange->tls), device, request->id,
          live ? "" : "client gone; ", quote(detail, quoted, sizeof(quoted)));
}

static bool
has_field(const struct exchange_answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->num_fields; i++)
        if (strcmp(answer->fields[i].name, name) == 0)
            return true;
    return false;
}

/* complete adds what every answer carries. */
static void
complete(struct exchange_answer *answer,
         struct exchange_field fields[MAX_FIELDS])
{
    size_t count = answer->num_fields < MAX_FIELDS - 2 ? answer->num_fields
                                                       : MAX_FIELDS - 2;
    for (size_t i = 0; i < count; i++)
        fields[i] = answer->fields[i];
    if (!has_field(answer, "Cache-Control"))
        fields[count++] = (struct exchange_field){"Cache-Control", "no-store"};
    fields[count++] =
        (struct exchange_field){"X-Content-Type-Options", "nosniff"};
    answer->fields = fields;
    answer->num_fields = count;
    if (answer->status == 0)
        answer->status = 200;
}

void
front_reply(struct front_request *request, const struct front_answer *answer)
{
    struct exchange_field fields[MAX_FIELDS];
    struct exchange_answer http = answer->http;
    complete(&http, fields);
    write_line(request, http.status, http.body.len, answer->detail);
    exchange_reply(request->exchange, &http, NULL);
}

void
front_reply_file(struct front_request *request,
                 const struct front_answer *answer, int fd, uint64_t offset,
                 uint64_t length)
{
    struct exchange_field fields[MAX_FIELDS];
    struct exchange_answer http = answer->http;
    complete(&http, fields);
    write_line(request, http.status, length, answer->detail);
    exchange_reply_file(request->exchange, &http, fd, offset, length, NULL);
}

static uint32_t
retry_of(enum bv_err err, uint32_t asked)
{
    bool always = err == BV_E_PENDING || err == BV_E_RATE_LIMITED ||
                  err == BV_E_BUSY || err == BV_E_UNAVAILABLE ||
                  err == BV_E_DISK_FULL || err == BV_E_NO_MEMORY ||
                  err == BV_E_BAD_CLOCK;
    return asked == 0 && always ? RETRY_AFTER : asked;
}

/* BouncyCastle drops a connection whose answer it need not read but which has
 * a body: the challenge before the credential, and what waits. */
static bool
is_read(const struct front_request *request, enum bv_err err, bool challenge)
{
    struct span credential;
    bool first = challenge && !http_field_find(request->http->fields,
                                               "Authorization", &credential);
    return !first && err != BV_E_PENDING;
}

void
front_fail(struct front_request *request, enum bv_err err, const char *detail,
           uint32_t retry_after)
{
    struct exchange_field fields[2];
    bool challenge = err == BV_E_UNAUTHENTICATED && request->challenge;
    char retry[16], text[DETAIL_MAX + 2];
    struct front_answer answer = {
        /* RFC 9110 15.5.2: what comes with 401 */
        .http = {
            .status = front_status(
                err == BV_E_UNAUTHENTICATED && !challenge ? BV_E_REFUSED : err),
            .content_type = "text/plain; charset=utf-8",
            .fields = fields}};
    if (detail == NULL || *detail == '\0')
        detail = err_text(err);
    (void)snprintf(text, sizeof(text), "%.*s\n", DETAIL_MAX, detail);
    retry_after = retry_of(err, retry_after);
    if (retry_after > 0) {
        (void)snprintf(retry, sizeof(retry), "%u", retry_after);
        fields[answer.http.num_fields++] =
            (struct exchange_field){"Retry-After", retry};
    }
    if (challenge)
        fields[answer.http.num_fields++] = (struct exchange_field){
            "WWW-Authenticate", "Basic realm=\"brevet\", charset=\"UTF-8\""};
    if (is_read(request, err, challenge))
        answer.http.body = span_str(text);
    else
        answer.http.content_type = NULL;
    answer.detail = detail;
    front_reply(request, &answer);
}

/* The two enums are one to a reader; keep them so. */
_Static_assert((int)NET_TRUST_OWN == (int)CORE_TRUST_OWN, "same numbers");
_Static_assert((int)NET_TRUST_MANUFACTURER == (int)CORE_TRUST_MANUFACTURER,
               "same numbers");

void
front_core_request(const struct front_request *request, enum core_door door,
                   struct core_request *ret_core)
{
    const struct exchange *exchange = request->exchange;
    struct core_request core = {.door = door};
    (void)snprintf(core.request_id, sizeof(core.request_id), "%s", request->id);
    (void)snprintf(core.peer, sizeof(core.peer), "%s", exchange->peer);
    (void)snprintf(core.trust_name, sizeof(core.trust_name), "%s",
                   exchange->tls->trust_name);
    core.trust = (enum core_trust)exchange->tls->trust;
    core.peer_cert = exchange->tls->peer_cert;
    core.peer_chain = exchange->tls->peer_chain;
    core.binding = exchange->tls->binding;
    core.cipher_bits = exchange->tls->cipher_bits;
    *ret_core = core;
}
