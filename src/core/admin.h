/* The operator's verbs, spoken as JSON on the control socket (core_admin).
 *
 * A request is {"verb":"cert.list","args":{…}}; the answer is
 * {"ok":true,"result":…} or {"ok":false,"error":"NAME","detail":"sentence"}.
 * Listings take "limit" (1..1000, default 100) and "after", and return
 * {"rows":[…],"next":key or null}. Times are Unix seconds, octets lower-case
 * hex, DER certificates PEM text. Unknown arguments are ignored.
 *
 * Each verb is one row in its file's table, with the least role that may use
 * it. What changes something is audited under the caller's uid and name and
 * answered after its commit. For the files of this room only. */
#ifndef BV_CORE_ADMIN_H
#define BV_CORE_ADMIN_H

#include <jansson.h>

#include "core/state.h"

/* One call while it is handled. */
struct admin_call {
    struct core *core;
    const struct core_caller *caller;
    json_t *args;    /* an object */
    json_t *result;  /* the handler's to set; owned by the call */
    struct job *job; /* ends the call; a handler that goes on later (deferred)
                      * keeps it and calls batch_ready itself */
    bool deferred;
    bool apart; /* a failure has nothing to do with the batch: keep it */
    char actor[LIMIT_SHORT_NAME + 32]; /* "uid 1000 (ada)" */
    char detail[200];                  /* the sentence of an error */
};

/* On an error of the peer's nothing was changed yet; on any other the batch
 * is undone, unless the call is apart. */
typedef enum bv_err admin_fn(struct admin_call *call);

struct admin_verb {
    const char *verb;
    enum core_role role;
    admin_fn *fn;
};

/* The tables of the files. */
extern const struct admin_verb admin_cert_verbs[], admin_issue_verbs[],
    admin_device_verbs[], admin_token_verbs[], admin_audit_verbs[],
    admin_server_verbs[], admin_ca_verbs[];

/* --- for handlers --- */

#define ADMIN_BAD_CLOCK                                                        \
    "the clock cannot be trusted, so nothing is issued or published: set "     \
    "it, or do brevet clock trust"

enum bv_err admin_problem(struct admin_call *call, enum bv_err err,
                          const char *sentence) BV_CHECKED;
/* admin_text: a string argument; NULL when absent. */
const char *admin_text(const struct admin_call *call, const char *name);
int64_t admin_int(const struct admin_call *call, const char *name,
                  int64_t fallback);
/* admin_name copies a required string; BAD_MESSAGE names the argument. */
enum bv_err admin_name(struct admin_call *call, const char *name, char *dst,
                       size_t cap) BV_CHECKED;
unsigned admin_limit(const struct admin_call *call);
/* admin_hex: at most 64 octets. */
json_t *admin_hex(struct span octets);
/* admin_pem: a certificate; null without memory. */
json_t *admin_pem(struct span der);
/* admin_cert_json: a certificate as listings show it (admin_cert.c). */
json_t *admin_cert_json(struct core *core, const struct store_cert *row);
/* admin_cert_page: a page of certificates as the call's result; limit and after
 * are filled in from the call. */
enum bv_err admin_cert_page(struct admin_call *call,
                            struct store_cert_filter *filter) BV_CHECKED;
/* admin_audit appends an entry for this call. */
enum bv_err admin_audit(struct admin_call *call, enum audit_action action,
                        enum audit_object object,
                        const char *object_id) BV_CHECKED;
/* admin_denied appends that the caller's role was not enough. */
void admin_denied(struct admin_call *call, const char *verb);

/* A listing being filled by row callbacks. What does not fit into one answer
 * (LIMIT_MESSAGE) is left for the next page. */
struct admin_page {
    struct admin_call *call;
    json_t *rows;
    int64_t last;
    size_t octets; /* of the rows so far, as JSON */
    bool full;
    unsigned num, limit;
};
struct admin_page admin_page_start(struct admin_call *call);
void admin_page_add(struct admin_page *page, int64_t key, json_t *row);
enum bv_err admin_page_end(struct admin_page *page) BV_CHECKED;

/* admin_done is the job_done_fn: it answers. */
void admin_done(struct core *core, struct job *job, enum bv_err err);
/* admin_set_result writes the answer's JSON into the job. */
enum bv_err admin_set_result(struct job *job, json_t *result) BV_CHECKED;

#endif
