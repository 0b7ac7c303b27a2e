#include "signer/ra.h"

#include <stdlib.h>
#include <string.h>

#include "pki/rsa.h"
#include "proc/pulse.h"
#include "wire/cert.h"
#include "wire/der.h"
#include "wire/oid.h"
#include "wire/pem.h"
#include "wire/scep.h"

#define BITS 2048

/* A key with its certificate. */
struct pair {
    struct key *key;
    uint8_t *der;
    struct cert cert; /* view into der */
};

struct authority {
    char name[LIMIT_SHORT_NAME];
    struct pair now, before;
    struct key *next;
    struct authority *tail;
};

struct ra {
    unsigned bits;
    struct authority *authorities;
};

/* --- life --- */

static void
pair_done(struct pair *pair)
{
    key_free(pair->key);
    free(pair->der);
    *pair = (struct pair){0};
}

enum bv_err
ra_new(unsigned bits, struct ra **ret_ra)
{
    struct ra *ra = calloc(1, sizeof *ra);
    if (ra == NULL)
        return BV_E_NO_MEMORY;
    ra->bits = bits != 0 ? bits : BITS;
    *ret_ra = ra;
    return BV_OK;
}

void
ra_free(struct ra *ra)
{
    if (ra == NULL)
        return;
    while (ra->authorities != NULL) {
        struct authority *a = ra->authorities;
        ra->authorities = a->tail;
        pair_done(&a->now);
        pair_done(&a->before);
        key_free(a->next);
        free(a);
    }
    free(ra);
}

static struct authority *
find(const struct ra *ra, struct span name)
{
    struct authority *a = ra->authorities;
    while (a != NULL && !span_eq_str(name, a->name))
        a = a->tail;
    return a;
}

enum bv_err
ra_add_ca(struct ra *ra, const char *ca)
{
    bv_auto_free struct authority *a = calloc(1, sizeof *a);
    if (a == NULL)
        return BV_E_NO_MEMORY;
    if (find(ra, span_str(ca)) != NULL)
        return BV_E_CONFLICT;
    BV_TRY(span_copy_str(span_str(ca), a->name, sizeof a->name));
    a->tail = ra->authorities;
    ra->authorities = BV_STEAL(a);
    return BV_OK;
}

void
ra_adopt(struct ra *ra, struct ra *from)
{
    for (struct authority *to = ra->authorities; to != NULL; to = to->tail) {
        struct authority *old = find(from, span_str(to->name));
        if (old == NULL)
            continue;
        pair_done(&to->now);
        pair_done(&to->before);
        key_free(to->next);
        to->now = old->now;
        to->before = old->before;
        to->next = BV_STEAL(old->next);
        old->now = old->before = (struct pair){0};
    }
}

/* --- keys --- */

enum bv_err
ra_make_key(struct ra *ra, const char *ca, struct sink *out)
{
    struct authority *a = find(ra, span_str(ca));
    bv_auto(key) struct key *key = NULL;
    if (a == NULL)
        return BV_E_WRONG_KEY;
    enum pulse_work before = pulse_set(PULSE_KEY);
    enum bv_err err = key_generate(ALG_KEY_RSA, ra->bits, &key);
    (void)pulse_set(before);
    BV_TRY(err);
    BV_TRY(key_spki(key, out));
    key_free(a->next);
    a->next = BV_STEAL(key);
    return BV_OK;
}

/* Takes *key over on success. */
static enum bv_err
make_pair(struct key **key, struct span der, struct pair *ret)
{
    struct pair pair = {0};
    bv_auto_free uint8_t *copy = malloc(der.len + 1);
    if (copy == NULL)
        return BV_E_NO_MEMORY;
    memcpy(copy, der.data, der.len);
    BV_TRY(cert_parse(span_of(copy, der.len), &pair.cert));
    if (!key_is_private(*key) || key_alg(*key) != ALG_KEY_RSA ||
        !key_match_spki(*key, pair.cert.spki.whole))
        return BV_E_WRONG_KEY;
    pair.der = BV_STEAL(copy);
    pair.key = BV_STEAL(*key);
    *ret = pair;
    return BV_OK;
}

enum bv_err
ra_set_cert(struct ra *ra, const char *ca, struct span cert)
{
    struct authority *a = find(ra, span_str(ca));
    struct pair pair;
    if (a == NULL || a->next == NULL)
        return BV_E_WRONG_KEY;
    BV_TRY(make_pair(&a->next, cert, &pair));
    if (a->now.key != NULL) {
        pair_done(&a->before);
        a->before = a->now;
    }
    a->now = pair;
    return BV_OK;
}

enum bv_err
ra_cert(const struct ra *ra, const char *ca, struct span *ret_cert)
{
    const struct authority *a = find(ra, span_str(ca));
    if (a == NULL || a->now.key == NULL)
        return BV_E_NOT_FOUND;
    *ret_cert = a->now.cert.whole;
    return BV_OK;
}

/* --- the file --- */

static enum bv_err
seal_pair(const struct pair *pair, struct span passphrase, struct sink *out)
{
    struct span all;
    if (pair->key == NULL)
        return BV_OK;
    enum pulse_work before = pulse_set(PULSE_KEY);
    enum bv_err err = key_seal(pair->key, passphrase, out);
    (void)pulse_set(before);
    BV_TRY(err);
    pem_encode(out, PEM_CERTIFICATE, pair->cert.whole);
    return sink_done(out, &all);
}

enum bv_err
ra_seal(const struct ra *ra, const char *ca, struct span passphrase,
        struct sink *out)
{
    const struct authority *a = find(ra, span_str(ca));
    if (a == NULL || a->now.key == NULL)
        return BV_E_NOT_FOUND;
    BV_TRY(seal_pair(&a->now, passphrase, out));
    return seal_pair(&a->before, passphrase, out);
}

/* Takes one pair off the text: a key and the certificate behind it. */
static enum bv_err
unseal_pair(struct span *text, struct span passphrase, struct pair *ret)
{
    uint8_t buf[LIMIT_CERT];
    struct sink memory = SINK_ARRAY(buf);
    struct span der, start = *text;
    bv_auto(key) struct key *key = NULL;
    BV_TRY(pem_find(text, PEM_CERTIFICATE, &memory, &der));
    start.len -= text->len; /* up to the end of that certificate */
    enum pulse_work before = pulse_set(PULSE_KEY);
    enum bv_err err = key_open(start, passphrase, &key);
    (void)pulse_set(before);
    BV_TRY(err);
    return make_pair(&key, der, ret);
}

enum bv_err
ra_unseal(struct ra *ra, const char *ca, struct span text,
          struct span passphrase)
{
    struct authority *a = find(ra, span_str(ca));
    struct pair now = {0}, before = {0};
    if (a == NULL)
        return BV_E_WRONG_KEY;
    BV_TRY(unseal_pair(&text, passphrase, &now));
    if (unseal_pair(&text, passphrase, &before) != BV_OK)
        before = (struct pair){0};
    pair_done(&a->now);
    pair_done(&a->before);
    a->now = now;
    a->before = before;
    return BV_OK;
}

/* --- what doors ask --- */

static enum bv_err
answer_cert(struct ra *ra, struct span body, struct sink *out)
{
    struct span name;
    BV_TRY(span_bytes(&body, &name));
    BV_TRY(span_end(body));
    const struct authority *a = find(ra, name);
    bool has = a != NULL && a->now.key != NULL;
    sink_u8(out, has ? BV_OK : BV_E_NOT_FOUND);
    sink_bytes(out, has ? a->now.cert.whole : SPAN_EMPTY);
    return BV_OK;
}

static const struct key *
recipient(const struct authority *a, const struct cms_party *party)
{
    const struct pair *pairs[] = {&a->now, &a->before};
    for (size_t i = 0; i < 2; i++)
        if (pairs[i]->key != NULL &&
            cms_party_is(party, pairs[i]->cert.issuer, pairs[i]->cert.serial,
                         pairs[i]->cert.ski))
            return pairs[i]->key;
    return NULL;
}

struct opening {
    struct span ca, encrypted;
    struct cms_party party;
    uint8_t transport, len;
};

static enum bv_err
take_opening(struct span body, struct opening *o)
{
    BV_TRY(span_bytes(&body, &o->ca));
    BV_TRY(span_bytes(&body, &o->party.issuer));
    BV_TRY(span_bytes(&body, &o->party.serial));
    BV_TRY(span_bytes(&body, &o->party.key_id));
    BV_TRY(span_u8(&body, &o->transport));
    BV_TRY(span_u8(&body, &o->len));
    BV_TRY(span_bytes(&body, &o->encrypted));
    BV_TRY(span_end(body));
    return o->transport > CMS_TRANSPORT_OTHER &&
                   o->transport <= CMS_TRANSPORT_OAEP_SHA256 && o->len > 0 &&
                   o->len <= RSA_CONTENT_KEY_MAX
               ? BV_OK
               : BV_E_BAD_MESSAGE;
}

static enum bv_err
answer_open(struct ra *ra, struct span body, struct sink *out)
{
    uint8_t content_key[RSA_CONTENT_KEY_MAX];
    struct opening o;
    BV_TRY(take_opening(body, &o));
    const struct authority *a = find(ra, o.ca);
    const struct key *key = a != NULL ? recipient(a, &o.party) : NULL;
    enum bv_err err = BV_E_WRONG_KEY;
    if (key != NULL)
        err = rsa_unwrap(key, (enum cms_transport)o.transport, o.encrypted,
                         content_key, o.len);
    sink_u8(out, (uint8_t)err);
    sink_bytes(out, err == BV_OK ? span_of(content_key, o.len) : SPAN_EMPTY);
    explicit_bzero(content_key, sizeof content_key);
    return BV_OK;
}

/* The attributes of a CertRep, as they are signed, and nothing that could be
 * taken for something else. */
static bool
is_reply(struct span attrs)
{
    struct span set, value;
    return der_only(attrs, DER_SET, &set) == BV_OK &&
           cms_attr_find(set, oid_scep_message_type, &value) == BV_OK &&
           der_only(value, DER_PRINTABLE_STRING, &value) == BV_OK &&
           span_eq_str(value, "3");
}

static enum bv_err
sign_reply(const struct authority *a, enum digest_alg hash, struct span attrs,
           struct sink *out)
{
    uint8_t digest[DIGEST_MAX];
    if (a == NULL || a->now.key == NULL)
        return BV_E_NOT_FOUND;
    if (!is_reply(attrs))
        return BV_E_REFUSED;
    digest_of(hash, attrs, digest);
    return rsa_sign(a->now.key, hash, span_of(digest, digest_len(hash)), out);
}

static enum bv_err
answer_sign(struct ra *ra, struct span body, struct sink *out)
{
    uint8_t buf[LIMIT_SIGNATURE], hash;
    struct sink signature = SINK_ARRAY(buf);
    struct span name, attrs;
    BV_TRY(span_bytes(&body, &name));
    BV_TRY(span_u8(&body, &hash));
    BV_TRY(span_bytes(&body, &attrs));
    BV_TRY(span_end(body));
    if (hash < DIGEST_SHA1 || hash > DIGEST_SHA512)
        return BV_E_BAD_MESSAGE;
    const struct authority *a = find(ra, name);
    enum bv_err err = sign_reply(a, (enum digest_alg)hash, attrs, &signature);
    sink_u8(out, (uint8_t)err);
    sink_bytes(out, err == BV_OK ? sink_view(&signature) : SPAN_EMPTY);
    sink_bytes(out, err == BV_OK ? a->now.cert.whole : SPAN_EMPTY);
    return BV_OK;
}

enum bv_err
ra_answer(struct ra *ra, enum msg_type question, struct span body,
          struct sink *out, enum msg_type *ret_answer)
{
    struct span all;
    if (question == MSG_RA_CERT) {
        *ret_answer = MSG_RA_CERT_IS;
        BV_TRY(answer_cert(ra, body, out));
    } else if (question == MSG_RA_OPEN) {
        *ret_answer = MSG_RA_OPENED;
        BV_TRY(answer_open(ra, body, out));
    } else if (question == MSG_RA_SIGN) {
        *ret_answer = MSG_RA_SIGNED;
        BV_TRY(answer_sign(ra, body, out));
    } else {
        return BV_E_BAD_MESSAGE;
    }
    return sink_done(out, &all);
}
