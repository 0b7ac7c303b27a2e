/* A door under test without network: the front_ and peer_ functions it calls,
 * which record what it does. Included once by a test. */
#ifndef BV_TEST_FRONT_FAKE_H
#define BV_TEST_FRONT_FAKE_H

#include <string.h>

#include "front/front.h"
#include "front/peer.h"

struct fake_field {
    char name[64];
    char value[160];
};

/* The last answer of the door. */
static struct {
    unsigned num; /* answers so far */
    uint16_t status;
    enum bv_err err; /* of front_fail */
    char detail[256];
    uint32_t retry_after;
    char type[80];
    struct fake_field fields[8];
    size_t num_fields;
    uint8_t body[65536];
    size_t body_len;
    int fd;
    uint64_t file_len;
} fake_answer;

/* The last question to core or signer. */
static struct {
    unsigned num;
    enum bv_err refuse; /* what peer_ask returns next */
    enum msg_type type;
    uint8_t body[65536];
    size_t body_len;
    peer_fn *fn;
    void *arg;
} fake_question;

static void
fake_note(const struct front_answer *answer)
{
    fake_answer.num++;
    fake_answer.err = BV_OK;
    fake_answer.status = answer->http.status;
    (void)strcpy(fake_answer.detail,
                 answer->detail != NULL ? answer->detail : "");
    (void)strcpy(fake_answer.type,
                 answer->http.content_type ? answer->http.content_type : "");
    fake_answer.num_fields = answer->http.num_fields;
    for (size_t i = 0; i < answer->http.num_fields; i++) {
        (void)strcpy(fake_answer.fields[i].name, answer->http.fields[i].name);
        (void)strcpy(fake_answer.fields[i].value, answer->http.fields[i].value);
    }
    fake_answer.body_len = answer->http.body.len;
    if (answer->http.body.len > 0)
        memcpy(fake_answer.body, answer->http.body.data, answer->http.body.len);
    fake_answer.fd = -1;
}

void
front_reply(struct front_request *request, const struct front_answer *answer)
{
    fake_note(answer);
}

void
front_reply_file(struct front_request *request,
                 const struct front_answer *answer, int fd, uint64_t offset,
                 uint64_t length)
{
    fake_note(answer);
    fake_answer.fd = fd;
    fake_answer.file_len = length;
}

void
front_fail(struct front_request *request, enum bv_err err, const char *detail,
           uint32_t retry_after)
{
    fake_note(&(struct front_answer){.detail = detail});
    fake_answer.err = err;
    fake_answer.retry_after = retry_after;
}

/* Who the client is; nobody at first. */
static struct exchange_tls fake_tls = {.active = true};

void
front_core_request(const struct front_request *request, enum core_door door,
                   struct core_request *ret_core)
{
    *ret_core = (struct core_request){.door = door,
                                      .trust = (enum core_trust)fake_tls.trust,
                                      .peer_cert = fake_tls.peer_cert};
    (void)strcpy(ret_core->peer, "192.0.2.7");
}

static bool fake_is_away; /* core and signer */

bool
peer_is_up(const struct peer *peer)
{
    return !fake_is_away;
}

enum bv_err
peer_ask(struct peer *peer, enum msg_type type, struct span body, peer_fn *fn,
         void *arg)
{
    if (fake_question.refuse != BV_OK)
        return fake_question.refuse;
    fake_question.num++;
    fake_question.type = type;
    memcpy(fake_question.body, body.data, body.len);
    fake_question.body_len = body.len;
    fake_question.fn = fn;
    fake_question.arg = arg;
    return BV_OK;
}

/* fake_settle: the other process dies; so the open question ends. */
static inline void
fake_settle(void)
{
    fake_question.fn(fake_question.arg, BV_E_UNAVAILABLE, fake_question.type,
                     SPAN_EMPTY);
}

/* fake_value: a field of the last answer; NULL when it is not there. */
static inline const char *
fake_value(const char *name)
{
    for (size_t i = 0; i < fake_answer.num_fields; i++)
        if (strcmp(fake_answer.fields[i].name, name) == 0)
            return fake_answer.fields[i].value;
    return NULL;
}

/* One request at a time, kept here because answers may come later. */
static struct exchange fake_exchange;
static struct front_request fake_request;
static struct span fake_query; /* of the next requests */

/* fake_send routes by exact path; segment and rest are the caller's. fields is
 * "Name: value\r\n…" or "". */
static void
fake_send(const struct front *front, void *ctx, enum http_method method,
          const char *route, const char *rest, const char *fields,
          struct span body)
{

    fake_exchange = (struct exchange){
        .request = {.method = method,
                    .query = fake_query,
                    .fields = span_str(fields)},
        .body = body,
        .peer = "192.0.2.7",
        .tls = &fake_tls,
    };
    fake_request = (struct front_request){
        .exchange = &fake_exchange,
        .http = &fake_exchange.request,
        .front = front,
        .ctx = ctx,
        .segment = span_str(rest),
        .rest = span_str(rest),
    };
    for (size_t i = 0; i < front->num_routes; i++) {
        const struct front_route *candidate = &front->routes[i];
        if (strcmp(candidate->path, route) != 0 ||
            (candidate->method != method &&
             !(method == HTTP_HEAD && candidate->method == HTTP_GET)))
            continue;
        fake_request.route = candidate;
        candidate->handle(ctx, &fake_request);
        return;
    }
    fail_msg("no route %s", route);
}

#endif
