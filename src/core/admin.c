#include "core/admin.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "core/batch.h"
#include "core/job.h"
#include "wire/pem.h"

#define LIMIT_DEFAULT 100
/* MSG_ADMIN_REPLY's body. */
#define REPLY_MAX LIMIT_MESSAGE

static const struct admin_verb *const tables[] = {
    admin_cert_verbs,  admin_issue_verbs, admin_device_verbs,
    admin_token_verbs, admin_audit_verbs, admin_server_verbs,
    admin_ca_verbs,
};

static const struct admin_verb *
find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (const struct admin_verb *v = tables[i]; v->verb != NULL; v++) {
            if (strcmp(v->verb, name) == 0)
                return v;
        }
    }
    return NULL;
}

/* --- arguments --- */

enum bv_err
admin_problem(struct admin_call *call, enum bv_err err, const char *sentence)
{
    (void)snprintf(call->detail, sizeof call->detail, "%s", sentence);
    return err;
}

const char *
admin_text(const struct admin_call *call, const char *name)
{
    return json_string_value(json_object_get(call->args, name));
}

int64_t
admin_int(const struct admin_call *call, const char *name, int64_t fallback)
{
    const json_t *value = json_object_get(call->args, name);
    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

enum bv_err
admin_name(struct admin_call *call, const char *name, char *dst, size_t cap)
{
    const char *text = admin_text(call, name);
    if (text == NULL || text[0] == '\0' || strlen(text) >= cap) {
        (void)snprintf(call->detail, sizeof call->detail,
                       "the argument \"%s\" is missing or too long", name);
        return BV_E_BAD_MESSAGE;
    }
    for (const char *c = text; *c != '\0'; c++)
        if ((uint8_t)*c < ' ' || *c == 0x7f)
            return admin_problem(call, BV_E_BAD_NAME,
                                 "a name holds a control character");
    (void)snprintf(dst, cap, "%s", text);
    return BV_OK;
}

unsigned
admin_limit(const struct admin_call *call)
{
    int64_t limit = admin_int(call, "limit", LIMIT_DEFAULT);
    if (limit < 1)
        return 1;
    return limit > LIMIT_PAGE ? LIMIT_PAGE : (unsigned)limit;
}

json_t *
admin_hex(struct span octets)
{
    char buf[2 * 64 + 1];
    struct sink out = sink_of(buf, sizeof buf);
    sink_hex(&out, octets);
    return json_stringn(buf, out.len);
}

json_t *
admin_pem(struct span der)
{
    size_t cap = PEM_LEN(sizeof PEM_CERTIFICATE, der.len) + 16;
    char *buf = malloc(cap);
    if (buf == NULL)
        return json_null();
    struct sink out = sink_of(buf, cap);
    pem_encode(&out, PEM_CERTIFICATE, der);
    json_t *text = json_stringn(buf, out.len);
    free(buf);
    return text;
}

enum bv_err
admin_audit(struct admin_call *call, enum audit_action action,
            enum audit_object object, const char *object_id)
{
    struct audit_event event = {
        .action = action,
        .actor = AUDIT_ACTOR_OPERATOR,
        .auth = AUDIT_AUTH_LOCAL,
        .object = object,
        .outcome = AUDIT_OK,
        .actor_id = span_str(call->actor),
        .object_id = span_str(object_id),
    };
    return batch_audit(call->core, &event);
}

struct admin_page
admin_page_start(struct admin_call *call)
{
    return (struct admin_page){.call = call,
                               .rows = json_array(),
                               .last = admin_int(call, "after", 0),
                               .limit = admin_limit(call)};
}

/* Of an answer, what is not rows. */
#define PAGE_FRAME 256

void
admin_page_add(struct admin_page *page, int64_t key, json_t *row)
{
    page->octets += json_dumpb(row, NULL, 0, JSON_COMPACT) + 1;
    page->full |= page->octets > REPLY_MAX - PAGE_FRAME && page->num > 0;
    if (page->full) {
        json_decref(row);
        return;
    }
    (void)json_array_append_new(page->rows, row);
    page->last = key;
    page->num++;
}

enum bv_err
admin_page_end(struct admin_page *page)
{
    json_t *next = page->full || page->num == page->limit
                       ? json_integer(page->last)
                       : json_null();
    page->call->result =
        json_pack("{s:o, s:o}", "rows", page->rows, "next", next);
    return page->call->result != NULL ? BV_OK : BV_E_NO_MEMORY;
}

/* --- answering --- */

enum bv_err
admin_set_result(struct job *job, json_t *result)
{
    json_t *all = json_pack("{s:b, s:o}", "ok", 1, "result",
                            result != NULL ? result : json_object());
    if (all == NULL)
        return BV_E_NO_MEMORY;
    char *text = json_dumps(all, JSON_COMPACT);
    json_decref(all);
    if (text == NULL)
        return BV_E_NO_MEMORY;
    free(job->extra);
    job->extra = text;
    return strlen(text) > REPLY_MAX ? BV_E_TOO_LARGE : BV_OK;
}

static void
answer_error(struct core *core, const struct job *job, enum bv_err err)
{
    const char *detail = job->err == err && job->reply.detail[0] != '\0'
                             ? job->reply.detail
                             : err_text(err);
    json_t *all = json_pack("{s:b, s:s, s:s%}", "ok", 0, "error", err_name(err),
                            "detail", detail, strlen(detail));
    char *text = all != NULL ? json_dumps(all, JSON_COMPACT) : NULL;
    struct span json = text != NULL
                           ? span_str(text)
                           : SPAN_LIT("{\"ok\":false,\"error\":\"NO_MEMORY\","
                                      "\"detail\":\"memory is exhausted\"}");
    core->calls.admin_reply(core->calls.user, job->tag, job->id, json);
    free(text);
    json_decref(all);
}

void
admin_done(struct core *core, struct job *job, enum bv_err err)
{
    if (err == BV_OK)
        core->calls.admin_reply(core->calls.user, job->tag, job->id,
                                span_str(job->extra));
    else
        answer_error(core, job, err);
    job_free(job);
}

/* --- one call --- */

void
admin_denied(struct admin_call *call, const char *verb)
{
    struct audit_event event = {
        .action = AUDIT_ADMIN_REFUSE,
        .actor = AUDIT_ACTOR_OPERATOR,
        .auth = AUDIT_AUTH_LOCAL,
        .object = AUDIT_OBJECT_SERVER,
        .outcome = AUDIT_REFUSED,
        .actor_id = span_str(call->actor),
        .detail = span_str(verb),
    };
    enum bv_err err = batch_audit(call->core, &event);
    if (err != BV_OK)
        batch_fail(call->core, err);
}

static enum bv_err
dispatch(struct admin_call *call, const json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "verb"));
    const struct admin_verb *verb = name != NULL ? find_verb(name) : NULL;
    if (verb == NULL)
        return admin_problem(call, BV_E_NOT_FOUND, "there is no such verb");
    call->args = json_object_get(request, "args");
    if (call->caller->role < verb->role) {
        admin_denied(call, verb->verb);
        return admin_problem(call, BV_E_REFUSED,
                             "your role does not permit this");
    }
    call->core->batch.touched = false;
    enum bv_err err = verb->fn(call);
    if (err == BV_OK || call->apart)
        return err;
    /* A refusal comes before the first change. After it, what the store will
     * not take of ours is no conflict of the caller's. */
    if (call->core->batch.touched && err_fault(err) == BV_FAULT_PEER) {
        err = batch_error(err);
        call->detail[0] = '\0';
    }
    if (err_fault(err) != BV_FAULT_PEER)
        batch_fail(call->core, err);
    return err;
}

static void
finish(struct admin_call *call, enum bv_err err)
{
    struct job *job = call->job;
    if (err == BV_OK && call->deferred)
        return;
    if (err == BV_OK) {
        err = admin_set_result(job, call->result);
        call->result = NULL;
    }
    job->err = err;
    (void)snprintf(job->reply.detail, sizeof job->reply.detail, "%s",
                   call->detail);
    batch_ready(call->core, job);
}

static void
handle(struct admin_call *call, struct span text)
{
    json_t *request = json_loadb((const char *)text.data, text.len,
                                 JSON_REJECT_DUPLICATES, NULL);
    enum bv_err err =
        json_is_object(request)
            ? dispatch(call, request)
            : admin_problem(call, BV_E_BAD_MESSAGE, "this is not JSON");
    finish(call, err);
    json_decref(request);
    json_decref(call->result);
}

void
core_admin(struct core *core, const struct core_caller *caller, unsigned tag,
           uint64_t id, struct span request)
{
    struct admin_call call = {.core = core, .caller = caller};
    call.job = job_new();
    if (call.job == NULL) {
        struct job none = {.tag = tag, .id = id};
        answer_error(core, &none, BV_E_NO_MEMORY);
        return;
    }
    call.job->tag = tag;
    call.job->id = id;
    call.job->on_done = admin_done;
    (void)snprintf(call.actor, sizeof call.actor, "uid %u (%.60s)",
                   (unsigned)caller->uid, caller->name);
    handle(&call, request);
}
