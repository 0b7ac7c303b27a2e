/* ca.list, ca.show, crl.publish; and ca.number, ca.note, crl.request,
 * crl.install: what the commands that work with a CA's key in hand (brevet ca
 * …) ask of whoever owns the database. */
#include <stdio.h>
#include <string.h>

#include "core/admin.h"
#include "core/batch.h"
#include "core/cas.h"
#include "core/crl.h"
#include "core/crl_brought.h"
#include "core/crl_wait.h"
#include "core/sequence.h"
#include "pki/digest.h"
#include "pki/random.h"
#include "pki/weak.h"
#include "wire/name.h"
#include "wire/pem.h"

/* --- what is here --- */

static json_t *
ca_json(const struct issuer *issuer, bool whole)
{
    char subject[512];
    struct sink text = sink_of(subject, sizeof subject);
    name_put_text(&text, issuer->cert.subject);
    json_t *json = json_pack("{s:s, s:i, s:s%, s:I, s:I, s:b, s:s, s:I, s:I}",
                             "name", issuer->config->name, "id",
                             (int)issuer->id, "subject", subject, text.len,
                             "not_before", (json_int_t)issuer->cert.not_before,
                             "not_after", (json_int_t)issuer->cert.not_after,
                             "offline", (int)issuer->config->offline, "key",
                             alg_key_name(issuer->cert.spki.alg), "crl_number",
                             (json_int_t)issuer->crl_number, "crl_next_update",
                             (json_int_t)issuer->crl_next);
    if (whole && json != NULL)
        (void)json_object_set_new(json, "pem", admin_pem(issuer->config->cert));
    return json;
}

static enum bv_err
ca_list(struct admin_call *call)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < call->core->num_issuers; i++)
        (void)json_array_append_new(rows,
                                    ca_json(&call->core->issuers[i], false));
    call->result = json_pack("{s:o, s:n}", "rows", rows, "next");
    return BV_OK;
}

static enum bv_err
ca_of_call(struct admin_call *call, struct issuer **ret_issuer)
{
    char name[LIMIT_SHORT_NAME];
    BV_TRY(admin_name(call, "name", name, sizeof name));
    *ret_issuer = core_issuer(call->core, name);
    return *ret_issuer != NULL
               ? BV_OK
               : admin_problem(call, BV_E_NOT_FOUND, "there is no such CA");
}

static enum bv_err
ca_show(struct admin_call *call)
{
    struct issuer *issuer;
    BV_TRY(ca_of_call(call, &issuer));
    call->result = ca_json(issuer, true);
    return BV_OK;
}

/* One that is under way may have been begun too early: the next one counts. */
static enum bv_err
publish(struct core *core, struct issuer *issuer, bool wait, uint64_t *ret_turn)
{
    enum bv_err err = crl_start(core, issuer);
    if (err == BV_E_BUSY && wait)
        issuer->crl_due = core_now(core);
    *ret_turn = issuer->crl_begun + (err == BV_E_BUSY);
    return err == BV_E_BUSY ? BV_OK : err;
}

/* "wait": answer when clients get what was made; else when it is on its way. */
static enum bv_err
crl_publish(struct admin_call *call)
{
    struct core *core = call->core;
    struct issuer *only = NULL;
    uint64_t wanted[255] = {0};
    bool wait = json_is_true(json_object_get(call->args, "wait"));
    call->apart = true; /* nothing is written yet */
    if (admin_text(call, "name") != NULL)
        BV_TRY(ca_of_call(call, &only));
    for (size_t i = 0; i < core->num_issuers; i++) {
        if (only != NULL && only != &core->issuers[i])
            continue;
        enum bv_err err = publish(core, &core->issuers[i], wait, &wanted[i]);
        if (err == BV_E_BAD_CLOCK)
            return admin_problem(call, err, ADMIN_BAD_CLOCK);
        if (err == BV_E_NOT_FOUND)
            wanted[i] = 0;
        if (err == BV_E_NOT_FOUND && only != NULL)
            return admin_problem(call, err, "this CA publishes no CRL here");
        if (err != BV_OK && err != BV_E_NOT_FOUND)
            return err;
    }
    return wait ? crl_wait(call, wanted) : BV_OK;
}

/* --- with a key in hand --- */

/* A serial number for a certificate that is signed elsewhere. */
static enum bv_err
ca_number(struct admin_call *call)
{
    uint8_t serial[SERIAL_LEN];
    uint64_t seq;
    BV_TRY(sequence_ensure(call->core));
    BV_TRY(sequence_take(call->core, &seq));
    serial_make(call->core->serial, seq, random_u64(), serial);
    call->result = json_pack("{s:o}", "serial", admin_hex(SPAN_ARRAY(serial)));
    return BV_OK;
}

static const enum audit_action acts[] = {
    AUDIT_CA_INSTALL, AUDIT_CA_SIGN, AUDIT_CA_RENEW,
    AUDIT_CA_EXPORT,  AUDIT_CA_OCSP, AUDIT_PASSPHRASE_CHANGE,
};

static enum bv_err
act_of_call(struct admin_call *call, enum audit_action *ret_act)
{
    const char *name = admin_text(call, "act");
    for (size_t i = 0; name != NULL && i < sizeof acts / sizeof *acts; i++) {
        if (strcmp(audit_action_name(acts[i]), name) != 0)
            continue;
        *ret_act = acts[i];
        return BV_OK;
    }
    return admin_problem(call, BV_E_BAD_MESSAGE, "there is no such act");
}

static enum bv_err
note_device(void *user, const struct store_cert *row)
{
    *(bool *)user |= row->device != 0;
    return BV_OK;
}

/* Signed with a key in hand, past what keys_check_csr looks at. */
static enum bv_err
check_signed_key(struct admin_call *call, const struct cert *cert)
{
    const struct store *store = call->core->store;
    bool blocked = false, is_device = false;
    uint8_t hash[32];
    enum weak why = weak_check(&cert->spki, call->core->config->weak_keys, 0);
    if (why != WEAK_NONE)
        return admin_problem(call, BV_E_BAD_KEY, weak_text(why));
    digest_sha256(cert->spki.whole, hash);
    BV_TRY(store->key_blocked(store->ctx, SPAN_ARRAY(hash), &blocked));
    if (blocked)
        return admin_problem(call, BV_E_BAD_KEY, "the key is blocked");
    enum bv_err err = store->certs_of_key(store->ctx, SPAN_ARRAY(hash),
                                          note_device, &is_device);
    if (err != BV_OK && err != BV_E_NOT_FOUND)
        return err;
    return is_device
               ? admin_problem(call, BV_E_CONFLICT, "the key is a device's")
               : BV_OK;
}

static enum bv_err
put_cert(struct admin_call *call, enum audit_action act, uint64_t *ret_seq)
{
    struct cert cert;
    uint8_t buf[LIMIT_CERT];
    struct sink out = SINK_ARRAY(buf);
    struct span text = span_str(admin_text(call, "pem")), der;
    if (text.len == 0)
        return BV_OK;
    if (pem_find(&text, PEM_CERTIFICATE, &out, &der) != BV_OK)
        return admin_problem(call, BV_E_BAD_MESSAGE,
                             "\"pem\" must hold a certificate");
    BV_TRY(cert_parse(der, &cert));
    if (act == AUDIT_CA_SIGN)
        BV_TRY(check_signed_key(call, &cert));
    BV_TRY(sequence_ensure(call->core));
    enum bv_err err = cas_put(call->core, der, call->actor, ret_seq);
    return err == BV_E_CONFLICT
               ? admin_problem(call, err,
                               "another certificate of its CA has this serial "
                               "number: have it signed with a new one")
               : err;
}

/* An act on CA keys or certificates that was done outside of core. */
static enum bv_err
ca_note(struct admin_call *call)
{
    enum audit_action act = AUDIT_CA_INSTALL;
    uint64_t seq = 0;
    const char *name = admin_text(call, "name");
    BV_TRY(act_of_call(call, &act));
    BV_TRY(put_cert(call, act, &seq));
    const struct audit_event event = {
        .action = act,
        .actor = AUDIT_ACTOR_OPERATOR,
        .auth = AUDIT_AUTH_LOCAL,
        .object = name != NULL ? AUDIT_OBJECT_CA : AUDIT_OBJECT_SERVER,
        .outcome = AUDIT_OK,
        .actor_id = span_str(call->actor),
        .object_id = span_str(name),
        .detail = span_str(admin_text(call, "detail")),
    };
    BV_TRY(batch_audit(call->core, &event));
    call->result = json_pack("{s:I}", "seq", (json_int_t)seq);
    return BV_OK;
}

static enum bv_err
crl_request(struct admin_call *call)
{
    char name[LIMIT_SHORT_NAME];
    size_t room = PEM_LEN(sizeof PEM_CRL_REQUEST, CRL_BROUGHT_MAX);
    bv_auto_free uint8_t *tbs = malloc(CRL_BROUGHT_MAX);
    bv_auto_free char *text = malloc(room);
    if (tbs == NULL || text == NULL)
        return BV_E_NO_MEMORY;
    BV_TRY(admin_name(call, "name", name, sizeof name));
    struct issuer *issuer = core_issuer(call->core, name);
    if (issuer == NULL || issuer->config->crl_path[0] == '\0')
        return admin_problem(call, BV_E_NOT_FOUND,
                             "there is no such CA with a CRL");
    struct sink out = sink_of(tbs, CRL_BROUGHT_MAX), pem = sink_of(text, room);
    enum bv_err err = crl_brought_tbs(call->core, issuer, &out);
    if (err == BV_E_TOO_LARGE)
        return admin_problem(call, BV_E_REFUSED,
                             "its CRL is too long to be carried about: bring "
                             "the key to the server");
    BV_TRY(err);
    pem_encode(&pem, PEM_CRL_REQUEST, sink_view(&out));
    call->result = json_pack("{s:s%}", "request", text, pem.len);
    return BV_OK;
}

static enum bv_err
crl_install(struct admin_call *call)
{
    bv_auto_free uint8_t *buf = malloc(LIMIT_MESSAGE);
    struct span text = span_str(admin_text(call, "crl")), der;
    struct issuer *issuer;
    unsigned missing = 0;
    if (buf == NULL)
        return BV_E_NO_MEMORY;
    struct sink out = sink_of(buf, LIMIT_MESSAGE);
    if (pem_find(&text, PEM_CRL, &out, &der) != BV_OK)
        return admin_problem(call, BV_E_BAD_MESSAGE,
                             "this holds no CRL in PEM form");
    BV_TRY(crl_brought_take(call->core, der, call->actor, &issuer, &missing,
                            call->detail, sizeof call->detail));
    call->result = json_pack("{s:s, s:I, s:I, s:i}", "ca", issuer->config->name,
                             "crl_number", (json_int_t)issuer->crl_number,
                             "crl_next_update", (json_int_t)issuer->crl_next,
                             "not_listed", (int)missing);
    return BV_OK;
}

const struct admin_verb admin_ca_verbs[] = {
    {"ca.list", CORE_ROLE_READ, ca_list},
    {"ca.show", CORE_ROLE_READ, ca_show},
    {"crl.publish", CORE_ROLE_OPERATE, crl_publish},
    {"ca.number", CORE_ROLE_ADMIN, ca_number},
    {"ca.note", CORE_ROLE_ADMIN, ca_note},
    {"crl.request", CORE_ROLE_ADMIN, crl_request},
    {"crl.install", CORE_ROLE_ADMIN, crl_install},
    {NULL, CORE_ROLE_ADMIN, NULL},
};
