#include "front/scep/scep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "core/find.h"
#include "front/peer.h"
#include "front/scep/answer.h"
#include "wire/cert.h"
#include "wire/csr.h"
#include "wire/name.h"

/* Words of GetCACaps (RFC 8894 3.5.2). strongSwan 5.9.8 takes AES for missing
 * where SHA-384 is; some count an empty line as every word. */
#define CAPS                                                                   \
    "AES\nPOSTPKIOperation\nRenewal\nSCEPStandard\nSHA-256\nSHA-384\nSHA-512"
#define CAPS_LEGACY "\nSHA-1\nDES3"
#define DETAIL_MAX  200

struct scep_door {
    const struct front_scep_settings *settings;
    struct peer *core, *signer;
};

/* A request on its way. */
struct work {
    struct front_request *request;
    const struct scep_door *door;
    char label[LIMIT_SHORT_NAME], ca[LIMIT_SHORT_NAME];
    bool legacy;
    struct message *message;
    struct span recipients; /* not tried yet */
    struct answer answer;
    char detail[DETAIL_MAX];
};

static enum bv_err
open_door(const struct front_env *env, void **ret_ctx)
{
    struct scep_door *door = calloc(1, sizeof(*door));
    if (door == NULL)
        return BV_E_NO_MEMORY;
    door->settings = env->settings;
    door->core = env->core;
    door->signer = env->signer;
    *ret_ctx = door;
    return BV_OK;
}

static void
close_door(void *ctx)
{
    free(ctx);
}

/* --- what a path means --- */

struct target {
    char label[LIMIT_SHORT_NAME]; /* "" : none */
    const struct profile *profile;
    const struct core_ca *ca;
};

static struct span
first_segment(struct span path)
{
    size_t len = 0;
    while (len < path.len && path.data[len] != '/')
        len++;
    return span_of(path.data, len);
}

/* What clients put behind the address they were given, whatever it is. */
static bool
is_habit(struct span segment)
{
    return segment.len == 0 || span_eq_str(segment, "pkiclient.exe") ||
           span_eq_str(segment, "cgi-bin") || span_eq_str(segment, "certsrv");
}

static enum bv_err
find_target(const struct scep_door *door, const struct front_request *request,
            struct target *ret)
{
    const struct core_config *config = door->settings->config;
    struct span segment = first_segment(request->rest);
    const struct core_label *label = core_config_label(config, segment);
    struct target t = {.label = ""};
    if (!door->settings->enabled)
        return BV_E_NOT_FOUND;
    if (label == NULL && !is_habit(segment))
        return BV_E_NOT_FOUND;
    if (label != NULL)
        memcpy(t.label, label->label, sizeof(t.label));
    const char *name =
        config->default_profile[0] != '\0' ? config->default_profile : "device";
    t.profile =
        core_config_profile(config, label != NULL ? label->profile : name);
    t.ca = t.profile != NULL ? core_config_ca(config, span_str(t.profile->ca))
                             : NULL;
    *ret = t;
    return t.ca != NULL ? BV_OK : BV_E_NOT_FOUND;
}

/* --- GetCACaps, GetCACert --- */

static void
reply(struct front_request *request, const char *type, struct span body,
      const char *detail)
{
    front_reply(request,
                &(struct front_answer){
                    .http = {.status = 200, .content_type = type, .body = body},
                    .detail = detail});
}

static void
handle_caps(struct front_request *request, const struct target *target)
{
    struct span caps = SPAN_LIT(CAPS), legacy = SPAN_LIT(CAPS CAPS_LEGACY);
    reply(request, SCEP_TYPE_CAPS, target->profile->scep_legacy ? legacy : caps,
          "GetCACaps");
}

/* RA, CA and all above it: operators compare fingerprints of any of them. */
static void
reply_ca_certs(struct front_request *request, const struct core_ca *ca,
               struct span ra)
{
    struct span certs[LIMIT_CHAIN + 2] = {ra, ca->cert};
    size_t num = 2, cap = ra.len + ca->cert.len + CMS_OVERHEAD;
    for (size_t i = 0; i < ca->num_chain; i++) {
        certs[num++] = ca->chain[i];
        cap += ca->chain[i].len;
    }
    bv_auto_free uint8_t *buf = malloc(cap);
    if (buf == NULL) {
        front_fail(request, BV_E_NO_MEMORY, NULL, 1);
        return;
    }
    struct sink out = sink_of(buf, cap);
    cms_put_certs(&out, certs, num);
    reply(request, SCEP_TYPE_CA_RA, sink_view(&out), "GetCACert");
}

/* take_ra reads the signer's answers that begin with u8 err, bytes. */
static enum bv_err
take_ra(enum bv_err err, enum msg_type type, enum msg_type want,
        struct span *body, struct span *ret_bytes)
{
    uint8_t answer;
    BV_TRY(err);
    if (type != want)
        return BV_E_UNAVAILABLE;
    BV_TRY(span_u8(body, &answer));
    BV_TRY(span_bytes(body, ret_bytes));
    return answer < BV_E_COUNT_ ? (enum bv_err)answer : BV_E_BAD_MESSAGE;
}

static void
on_ca_cert(void *arg, enum bv_err err, enum msg_type type, struct span body)
{
    struct front_request *request = arg;
    const struct scep_door *door = request->ctx;
    struct target target;
    struct span ra;
    err = take_ra(err, type, MSG_RA_CERT_IS, &body, &ra);
    if (err == BV_OK)
        err = find_target(door, request, &target);
    if (err != BV_OK) /* core has it made: it will be there */
        front_fail(request, BV_E_UNAVAILABLE, "there is no RA certificate yet",
                   1);
    else
        reply_ca_certs(request, target.ca, ra);
}

static void
handle_ca_cert(const struct scep_door *door, struct front_request *request,
               const struct target *target)
{
    uint8_t buf[4 + LIMIT_SHORT_NAME];
    struct sink out = SINK_ARRAY(buf);
    sink_bytes(&out, span_str(target->ca->name));
    enum bv_err err = peer_ask(door->signer, MSG_RA_CERT, sink_view(&out),
                               on_ca_cert, request);
    if (err != BV_OK)
        front_fail(request, err, NULL, 1);
}

/* --- the end of a request --- */

static void
work_free(struct work *w)
{
    answer_done(&w->answer);
    message_free(w->message);
    free(w);
}

/* What is not the client's fault, or nothing it is to think about: HTTP says
 * that it may ask again. */
static void
give_up(struct work *w, enum bv_err err, const char *detail, uint32_t retry)
{
    front_fail(w->request, err, detail, retry);
    work_free(w);
}

static void
send_answer(struct work *w, struct span signature, struct span cert)
{
    size_t cap = answer_size(&w->answer, cert);
    bv_auto_free uint8_t *buf = malloc(cap);
    if (buf == NULL) {
        give_up(w, BV_E_NO_MEMORY, NULL, 1);
        return;
    }
    struct sink out = sink_of(buf, cap);
    enum bv_err err = answer_put(&w->answer, signature, cert, &out);
    if (err != BV_OK) {
        give_up(w, err, NULL, 0);
        return;
    }
    reply(w->request, SCEP_TYPE_MESSAGE, sink_view(&out), w->detail);
    work_free(w);
}

static void
on_signed(void *arg, enum bv_err err, enum msg_type type, struct span body)
{
    struct work *w = arg;
    struct span signature, cert = SPAN_EMPTY;
    err = take_ra(err, type, MSG_RA_SIGNED, &body, &signature);
    if (err == BV_OK)
        err = span_bytes(&body, &cert);
    if (err != BV_OK)
        give_up(w, BV_E_UNAVAILABLE, NULL, 1);
    else
        send_answer(w, signature, cert);
}

static enum bv_err
ask_signature(struct work *w)
{
    uint8_t set[SCEP_ATTRS_MAX + 8], buf[sizeof(set) + LIMIT_SHORT_NAME + 16];
    struct sink attrs = SINK_ARRAY(set), ask = SINK_ARRAY(buf);
    struct span tbs, body;
    BV_TRY(answer_attrs(&w->answer, clock_wall(), &attrs, &tbs));
    sink_bytes(&ask, span_str(w->ca));
    sink_u8(&ask, (uint8_t)w->answer.hash);
    sink_bytes(&ask, tbs);
    BV_TRY(sink_done(&ask, &body));
    return peer_ask(w->door->signer, MSG_RA_SIGN, body, on_signed, w);
}

static void
finish(struct work *w, enum scep_status status)
{
    w->answer.reply.status = status;
    enum bv_err err = ask_signature(w);
    if (err != BV_OK)
        give_up(w, err, NULL, 1);
}

static const char *
type_name(unsigned type)
{
    switch (type) {
    case SCEP_RENEWAL_REQ:
    case SCEP_UPDATE_REQ:
        return "RenewalReq";
    case SCEP_PKCS_REQ:
        return "PKCSReq";
    case SCEP_CERT_POLL:
        return "CertPoll";
    case SCEP_GET_CERT:
        return "GetCert";
    case SCEP_GET_CRL:
        return "GetCRL";
    default:
        return "message";
    }
}

static const char *
fail_name(enum scep_fail fail)
{
    static const char *const names[] = {"badAlg", "badMessageCheck",
                                        "badRequest", "badTime", "badCertId"};
    return names[fail];
}

/* note is the log's line: what it was, and what became of it. */
static void
note(struct work *w, const char *outcome, const char *text)
{
    struct span id = w->message->attrs.transaction_id;
    (void)snprintf(w->detail, sizeof(w->detail), "%s %s transaction=%.*s %s",
                   type_name(w->message->attrs.message_type), outcome,
                   (int)id.len, (const char *)id.data, text);
}

static void
fail(struct work *w, enum scep_fail why, const char *text)
{
    note(w, fail_name(why), text);
    w->answer.reply.fail = why;
    w->answer.reply.fail_text = span_str(text);
    finish(w, SCEP_FAILURE);
}

static void
fail_with(struct work *w, const struct message_fault *fault)
{
    fail(w, fault->fail, fault->text);
}

/* --- what core answered --- */

/* The certificate and what is between it and the root, which is not for a
 * message to bring (RFC 8894 3.4). */
static enum bv_err
make_content(struct work *w, const struct core_reply *core)
{
    const struct core_ca *ca =
        core_config_ca(w->door->settings->config, span_str(w->ca));
    struct span certs[LIMIT_CHAIN + 2] = {core->cert};
    size_t num = 1, cap = core->cert.len + CMS_OVERHEAD;
    for (size_t i = 0; ca != NULL && i < ca->num_chain; i++)
        certs[num++] = i == 0 ? ca->cert : ca->chain[i - 1];
    for (size_t i = 1; i < num; i++)
        cap += certs[i].len;
    bv_auto_free uint8_t *buf = malloc(cap);
    if (buf == NULL)
        return BV_E_NO_MEMORY;
    struct sink out = sink_of(buf, cap);
    struct span der;
    cms_put_certs(&out, certs, num);
    BV_TRY(sink_done(&out, &der));
    return answer_content(&w->answer, der);
}

static void
finish_issued(struct work *w, const struct core_reply *core)
{
    char text[80];
    enum bv_err err = make_content(w, core);
    if (err != BV_OK) {
        give_up(w, err, NULL, 1);
        return;
    }
    (void)snprintf(text, sizeof(text), "serial=%s", core->serial);
    note(w, core->repeated ? "repeated" : "issued", text);
    finish(w, SCEP_SUCCESS);
}

static enum scep_fail
fail_of(enum bv_err err)
{
    return err == BV_E_BAD_KEY || err == BV_E_UNSUPPORTED ? SCEP_BAD_ALG
                                                          : SCEP_BAD_REQUEST;
}

static void
finish_refused(struct work *w, const struct core_reply *core)
{
    const char *text =
        core->detail[0] != '\0' ? core->detail : err_text(core->err);
    if (core->err == BV_E_PENDING) {
        note(w, "pending", "");
        finish(w, SCEP_PENDING);
    } else if (core->err == BV_E_RATE_LIMITED ||
               err_fault(core->err) != BV_FAULT_PEER) {
        give_up(w, core->err, text, core->retry_after);
    } else {
        fail(w, fail_of(core->err), text);
    }
}

static void
on_core(void *arg, enum bv_err err, enum msg_type type, struct span body)
{
    struct work *w = arg;
    struct core_reply core = {0};
    if (err == BV_OK && type != MSG_REPLY)
        err = BV_E_UNAVAILABLE;
    if (err == BV_OK)
        err = core_reply_decode(body, &core);
    if (err != BV_OK) {
        give_up(w, BV_E_UNAVAILABLE, NULL, 1);
        return;
    }
    memcpy(w->request->device, core.device, sizeof(w->request->device));
    if (core.err == BV_OK)
        finish_issued(w, &core);
    else
        finish_refused(w, &core);
}

/* --- what is asked --- */

/* Room for a core_request: CSR, signer's certificate, claim code and small
 * fields. */
#define ASK_MAX (LIMIT_CSR + LIMIT_CERT + 2048)

static enum bv_err
ask_core(struct work *w, const struct core_request *ask)
{
    uint8_t buf[ASK_MAX];
    struct sink out = SINK_ARRAY(buf);
    struct span body;
    core_request_encode(&out, ask);
    enum bv_err err = sink_done(&out, &body);
    if (err == BV_OK)
        err = peer_ask(w->door->core, MSG_REQUEST, body, on_core, w);
    explicit_bzero(buf, out.len);
    return err;
}

/* By name: core demands the very certificate it issued. */
static bool
is_of_a_ca_here(const struct work *w, struct span issuer)
{
    const struct core_config *config = w->door->settings->config;
    struct cert cert;
    for (size_t i = 0; i < config->num_cas; i++)
        if (cert_parse(config->cas[i].cert, &cert) == BV_OK &&
            name_eq(cert.subject, issuer))
            return true;
    return false;
}

/* Who signed with a certificate of ours renews it, whatever it calls that:
 * some clients know PKCSReq only, and send their first challenge again. Who
 * signed with one of its own making has shown nothing but its key; the claim
 * code stands in the CSR (RFC 8894 2.2, 2.3). */
static void
fill_request(const struct work *w, const struct csr *csr, bool own,
             struct core_request *ask)
{
    front_core_request(w->request, CORE_DOOR_SCEP, ask);
    ask->trust = own ? CORE_TRUST_OWN : CORE_TRUST_NONE;
    ask->trust_name[0] = '\0';
    ask->peer_cert = own ? w->message->cert : SPAN_EMPTY;
    ask->peer_chain = ask->binding = SPAN_EMPTY;
    ask->op = own ? CORE_REENROLL : CORE_ENROLL;
    ask->csr = csr->whole;
    ask->secret = own ? SPAN_EMPTY : csr->challenge;
    memcpy(ask->label, w->label, sizeof(ask->label));
}

static void
act_enroll(struct work *w, struct span content)
{
    const struct message *m = w->message;
    struct core_request ask;
    struct csr csr;
    enum bv_err err = csr_parse(content, &csr);
    bool own = is_of_a_ca_here(w, m->signer.issuer);
    if (err != BV_OK) {
        fail(w, fail_of(err), "the CSR cannot be read");
        return;
    }
    if (!own && !span_eq(m->signer.spki, csr.spki.whole)) {
        fail(w, SCEP_BAD_REQUEST, "the signer's key is not the CSR's");
        return;
    }
    if (!own && m->attrs.message_type != SCEP_PKCS_REQ) {
        fail(w, SCEP_BAD_REQUEST, "a renewal is signed with what it renews");
        return;
    }
    fill_request(w, &csr, own, &ask);
    err = ask_core(w, &ask);
    if (err != BV_OK)
        give_up(w, err, NULL, 1);
}

static void
act(struct work *w, struct span content)
{
    switch (w->message->attrs.message_type) {
    case SCEP_PKCS_REQ:
    case SCEP_RENEWAL_REQ:
    case SCEP_UPDATE_REQ:
        act_enroll(w, content);
        return;
    default:
        fail(w, SCEP_BAD_REQUEST, "messages of this type are not taken");
    }
}

/* --- opening what was sent --- */

static void ask_key(struct work *w);

static void
on_opened(void *arg, enum bv_err err, enum msg_type type, struct span body)
{
    static const struct message_fault no_key = {SCEP_BAD_MESSAGE_CHECK,
                                                "the message does not decrypt"};
    struct work *w = arg;
    struct span key, content;
    err = take_ra(err, type, MSG_RA_OPENED, &body, &key);
    if (err == BV_E_WRONG_KEY) { /* not for us: perhaps the next one is */
        ask_key(w);
        return;
    }
    if (err == BV_E_UNAVAILABLE) {
        give_up(w, err, NULL, 1);
        return;
    }
    const struct message_fault *fault =
        err == BV_OK ? message_decrypt(w->message, key, &content) : &no_key;
    if (fault != NULL)
        fail_with(w, fault);
    else
        act(w, content);
}

static enum bv_err
ask_opening(struct work *w, const struct cms_recipient_info *info)
{
    uint8_t buf[4096];
    struct sink ask = SINK_ARRAY(buf);
    struct span body;
    size_t len = cms_cipher_key_len(w->message->envelope.cipher);
    sink_bytes(&ask, span_str(w->ca));
    sink_bytes(&ask, info->party.issuer);
    sink_bytes(&ask, info->party.serial);
    sink_bytes(&ask, info->party.key_id);
    sink_u8(&ask, (uint8_t)info->transport);
    sink_u8(&ask, (uint8_t)len);
    sink_bytes(&ask, info->encrypted_key);
    BV_TRY(sink_done(&ask, &body));
    return peer_ask(w->door->signer, MSG_RA_OPEN, body, on_opened, w);
}

/* ask_key asks for the content key of the next recipient. */
static void
ask_key(struct work *w)
{
    struct cms_recipient_info info;
    enum bv_err err = cms_recipient_next(&w->recipients, &info);
    while (err == BV_OK && info.transport == CMS_TRANSPORT_OTHER)
        err = cms_recipient_next(&w->recipients, &info);
    if (err == BV_OK)
        err = ask_opening(w, &info);
    if (err == BV_E_UNAVAILABLE || err == BV_E_BUSY)
        give_up(w, err, NULL, 1);
    else if (err != BV_OK)
        fail(w, SCEP_BAD_MESSAGE_CHECK,
             "the message is not encrypted to this RA");
}

static void
begin(struct work *w)
{
    answer_begin(&w->answer, w->message);
    const struct message_fault *fault = message_verify(w->message, w->legacy);
    if (fault == NULL)
        fault = message_open(w->message, w->legacy);
    if (fault != NULL) {
        fail_with(w, fault);
        return;
    }
    w->recipients = w->message->envelope.recipients;
    ask_key(w);
}

static void
handle_message(const struct scep_door *door, struct front_request *request,
               const struct target *target, struct span in)
{
    struct work *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        front_fail(request, BV_E_NO_MEMORY, NULL, 1);
        return;
    }
    w->request = request;
    w->door = door;
    w->legacy = target->profile->scep_legacy;
    memcpy(w->label, target->label, sizeof(w->label));
    memcpy(w->ca, target->ca->name, sizeof(w->ca));
    enum bv_err err = message_new(in, &w->message);
    if (err == BV_OK)
        begin(w);
    else
        give_up(w, err == BV_E_NO_MEMORY ? err : BV_E_BAD_MESSAGE,
                "this is no SCEP message", 0);
}

static void
handle_get_message(const struct scep_door *door, struct front_request *request,
                   const struct target *target, struct span message)
{
    bv_auto_free uint8_t *buf = malloc(message.len + 1);
    if (buf == NULL) {
        front_fail(request, BV_E_NO_MEMORY, NULL, 1);
        return;
    }
    struct sink out = sink_of(buf, message.len + 1);
    if (scep_message_decode(message, &out) != BV_OK)
        front_fail(request, BV_E_BAD_MESSAGE, "the message is not base64", 0);
    else
        handle_message(door, request, target, sink_view(&out));
}

/* --- routes --- */

static void
handle_get(void *ctx, struct front_request *request)
{
    const struct scep_door *door = ctx;
    struct target target;
    struct scep_query query;
    enum bv_err err = find_target(door, request, &target);
    if (err == BV_OK)
        err = scep_query_parse(request->http->query, &query);
    if (err != BV_OK) {
        front_fail(request, err, NULL, 0);
        return;
    }
    if (query.operation == SCEP_OP_GET_CA_CAPS)
        handle_caps(request, &target);
    else if (query.operation == SCEP_OP_GET_CA_CERT)
        handle_ca_cert(door, request, &target);
    else if (query.operation == SCEP_OP_PKI_OPERATION)
        handle_get_message(door, request, &target, query.message);
    else if (query.operation == SCEP_OP_GET_NEXT_CA_CERT)
        front_fail(request, BV_E_NOT_FOUND, "there is no next CA", 0);
    else
        front_fail(request, BV_E_BAD_MESSAGE, "unknown operation", 0);
}

/* Whatever its query says: nothing else is posted. */
static void
handle_post(void *ctx, struct front_request *request)
{
    const struct scep_door *door = ctx;
    struct target target;
    enum bv_err err = find_target(door, request, &target);
    if (err != BV_OK)
        front_fail(request, err, NULL, 0);
    else
        handle_message(door, request, &target, request->exchange->body);
}

#define AT(path_)                                                              \
    {.method = HTTP_GET, .path = (path_), .handle = handle_get},               \
    {                                                                          \
        .method = HTTP_POST, .path = (path_), .max_body = LIMIT_HTTP_BODY,     \
        .handle = handle_post                                                  \
    }

static const struct front_route ROUTES[] = {
    AT("/scep"),
    AT("/scep/**"),
    AT("/cgi-bin/pkiclient.exe"),
    AT("/certsrv/mscep/mscep.dll"),
    AT("/certsrv/mscep/mscep.dll/pkiclient.exe"),
};

const struct front front_scep = {
    .name = "scep",
    .routes = ROUTES,
    .num_routes = sizeof(ROUTES) / sizeof(ROUTES[0]),
    .open = open_door,
    .close = close_door,
};
