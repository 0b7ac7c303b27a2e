#include "core/keygen.h"

#include <string.h>

#include "base/time.h"
#include "core/issue.h"
#include "core/keys.h"
#include "pki/cms.h"
#include "proc/pulse.h"
#include "wire/smime.h"

/* --- for which certificate --- */

static bool
is_named(const struct cert *cert, struct span id)
{
    uint8_t key_id[ISSUE_KEY_ID_LEN];
    issue_key_id(&cert->spki, key_id);
    return span_eq(id, cert->ski) || span_eq(id, SPAN_ARRAY(key_id));
}

static enum bv_err
keep_recipient(struct job *job, struct span der)
{
    job->peer_cert = malloc(der.len);
    if (job->peer_cert == NULL)
        return BV_E_NO_MEMORY;
    memcpy(job->peer_cert, der.data, der.len);
    job->recipient = span_of(job->peer_cert, der.len);
    return BV_OK;
}

struct search {
    struct work *w;
    uint64_t last;
    unsigned in_page;
};

static enum bv_err
look_at(void *user, const struct store_cert *row)
{
    struct search *search = user;
    struct job *job = search->w->job;
    struct cert cert;
    search->last = row->seq;
    search->in_page++;
    if (job->recipient.len > 0 || row->reason >= 0 ||
        cert_parse(row->der, &cert) != BV_OK ||
        !is_named(&cert, search->w->csr.asymm_decrypt_key_id))
        return BV_OK;
    return keep_recipient(job, row->der);
}

static enum bv_err
find_among_own(struct work *w)
{
    const struct store *store = w->core->store;
    struct search search = {.w = w};
    do {
        struct store_cert_filter filter = {.after = search.last,
                                           .device = w->device.id,
                                           .expires_after = w->now,
                                           .expires_before = TIME_NO_EXPIRY + 1,
                                           .status = -1,
                                           .limit = LIMIT_PAGE};
        search.in_page = 0;
        BV_TRY(store->cert_list(store->ctx, &filter, look_at, &search));
    } while (search.in_page == LIMIT_PAGE && w->job->recipient.len == 0);
    return BV_OK;
}

static enum bv_err
find_recipient(struct work *w)
{
    struct span id = w->csr.asymm_decrypt_key_id, peer = w->r->peer_cert;
    struct cert cert;
    if (id.len == 0)
        return work_say(w, BV_E_UNSUPPORTED,
                        "no symmetric key is shared; name a certificate");
    if (peer.len > 0) {
        BV_TRY(cert_parse(peer, &cert));
        if (is_named(&cert, id))
            return keep_recipient(w->job, peer);
    }
    if (w->exists)
        BV_TRY(find_among_own(w));
    return w->job->recipient.len > 0
               ? BV_OK
               : work_say(w, BV_E_UNSUPPORTED,
                          "the key to encrypt for is not known");
}

/* --- by which algorithms --- */

/* RFC 7030 4.4.1.2: the key MUST support key transport or agreement, or be
 * unrestricted. */
static bool
may_encrypt(const struct cert *cert)
{
    uint32_t needed = cert->spki.alg == ALG_KEY_RSA ? EXT_KU_KEY_ENCIPHERMENT
                                                    : EXT_KU_KEY_AGREEMENT;
    return cert->spki.alg != ALG_KEY_ED25519 &&
           (!cert->has_key_usage || (cert->key_usage & needed) != 0);
}

static enum bv_err
choose_wrap(struct work *w, enum alg_key alg)
{
    struct smime_caps caps;
    struct cert cert;
    /* The package is signed by the key in it, and CMS by libcrypto 3.0 knows no
     * digest for Ed25519 (RFC 8419). */
    if (alg == ALG_KEY_ED25519)
        return work_say(w, BV_E_UNSUPPORTED,
                        "an Ed25519 key made by the server cannot be sent "
                        "encrypted; ask for another kind");
    BV_TRY(cert_parse(w->job->recipient, &cert));
    if (!may_encrypt(&cert))
        return work_say(w, BV_E_BAD_KEY,
                        "the certificate is not for encryption: it needs "
                        "keyAgreement, or keyEncipherment with RSA");
    w->job->wrap_bits = 256;
    if (w->csr.smime_capabilities.len == 0)
        return BV_OK;
    if (smime_caps_parse(w->csr.smime_capabilities, &caps) != BV_OK)
        return work_say(w, BV_E_BAD_MESSAGE,
                        "the SMIMECapabilities cannot be read");
    w->job->wrap_bits = smime_caps_choose(&caps, cert.spki.alg == ALG_KEY_RSA);
    return w->job->wrap_bits != 0
               ? BV_OK
               : work_say(w, BV_E_UNSUPPORTED,
                          "none of the SMIMECapabilities is supported: AES-CBC "
                          "and AES key wrap or RSAES-OAEP");
}

/* --- which key --- */

struct kind {
    enum alg_key alg;
    unsigned bits; /* of RSA */
};

/* Core makes keys between two batches, and everybody waits meanwhile: primes of
 * more than 1,536 bits take seconds. */
static bool
is_made_here(struct kind kind)
{
    return kind.alg != ALG_KEY_RSA || kind.bits == 2048 || kind.bits == 3072;
}

/* RFC 7030 4.4.1 has the CSR's key ignored; its kind is taken for a wish, if
 * the profile has it. Else it is the first that is cheap on a device. */
static struct kind
choose_kind(const struct work *w, bool wrap)
{
    static const struct kind kinds[] = {
        {ALG_KEY_P256, 0}, {ALG_KEY_P384, 0},   {ALG_KEY_ED25519, 0},
        {ALG_KEY_P521, 0}, {ALG_KEY_RSA, 2048}, {ALG_KEY_RSA, 3072}};
    const struct alg_spki *wish = &w->csr.spki;
    if (profile_allows_key(w->profile, wish->alg, wish->bits))
        return (struct kind){wish->alg, wish->bits};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        bool fits = !wrap || kinds[i].alg != ALG_KEY_ED25519;
        if (fits && profile_allows_key(w->profile, kinds[i].alg, kinds[i].bits))
            return kinds[i];
    }
    /* what is not made here is told so below */
    return (struct kind){
        w->profile->rsa_min != 0 ? ALG_KEY_RSA : ALG_KEY_ED25519, 0};
}

/* RFC 7030 4.4: the suite that carries a key in clear must hide it as well as
 * the key is strong (in bits, by NIST SP 800-57 part 1, 5.6.1). */
static unsigned
strength_of(enum alg_key alg)
{
    return alg == ALG_KEY_P521 ? 256 : alg == ALG_KEY_P384 ? 192 : 128;
}

static enum bv_err
check_plain(struct work *w, enum alg_key alg)
{
    if (!w->profile->server_keygen_plain)
        return work_say(w, BV_E_REFUSED,
                        "server-made keys must be asked for encrypted");
    if (w->r->cipher_bits < strength_of(alg))
        return work_say(w, BV_E_REFUSED,
                        "this TLS suite is weaker than the key: offer AES-256 "
                        "alone, or ask for the key encrypted");
    return BV_OK;
}

enum bv_err
keygen_start(struct work *w)
{
    const struct csr *csr = &w->csr;
    bool wrap = csr->decrypt_key_id.len + csr->asymm_decrypt_key_id.len > 0;
    if (!w->profile->server_keygen)
        return work_say(w, BV_E_REFUSED, "the profile has no server-made keys");
    struct kind kind = choose_kind(w, wrap);
    if (!is_made_here(kind))
        return work_say(w, BV_E_BAD_KEY,
                        "RSA keys made by the server have 2048 or 3072 bits");
    if (!wrap)
        BV_TRY(check_plain(w, kind.alg));
    if (wrap) {
        BV_TRY(find_recipient(w));
        BV_TRY(choose_wrap(w, kind.alg));
    }
    enum pulse_work before = pulse_set(PULSE_KEY);
    enum bv_err err = key_generate(
        kind.alg, kind.alg == ALG_KEY_RSA ? kind.bits : 0, &w->job->key);
    (void)pulse_set(before);
    return err == BV_OK ? BV_OK : work_say(w, err, "the key could not be made");
}

static enum bv_err
write_key(struct job *job, struct sink *out)
{
    const struct cms_recipient to = {.cert = job->recipient,
                                     .bits = job->wrap_bits};
    if (job->recipient.len == 0)
        return key_plain_der(job->key, out);
    /* Signed by the new key itself; see keygen_finish. */
    return cms_wrap_key(job->key, job->key, job->reply.cert, &to, out);
}

enum bv_err
keygen_finish(struct job *job)
{
    if (job->key == NULL)
        return BV_OK;
    job->key_der = malloc(CMS_KEY_MAX);
    if (job->key_der == NULL)
        return BV_E_NO_MEMORY;
    job->key_der_len = CMS_KEY_MAX;
    struct sink out = sink_of(job->key_der, CMS_KEY_MAX);
    BV_TRY(write_key(job, &out));
    BV_TRY(sink_done(&out, &job->reply.key));
    job->reply.key_wrapped = job->recipient.len > 0;
    return BV_OK;
}
