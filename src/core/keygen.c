#include "core/keygen.h"

#include <stdio.h>
#include <string.h>

#include "pki/cms.h"

static enum bv_err
keep_recipient(struct job *job, struct span peer_cert)
{
    job->peer_cert = malloc(peer_cert.len);
    if (job->peer_cert == NULL)
        return BV_E_NO_MEMORY;
    memcpy(job->peer_cert, peer_cert.data, peer_cert.len);
    job->recipient = span_of(job->peer_cert, peer_cert.len);
    return BV_OK;
}

/* The only key encryption key both sides surely know is the one of the
 * certificate on this very connection (RFC 7030 4.4.1.2). */
static enum bv_err
choose_recipient(struct job *job, const struct csr *csr, struct span peer_cert)
{
    struct cert cert;
    if (csr->asymm_decrypt_key_id.len == 0 || peer_cert.len == 0)
        return BV_E_UNSUPPORTED;
    BV_TRY(cert_parse(peer_cert, &cert));
    if (!span_eq(csr->asymm_decrypt_key_id, cert.ski))
        return BV_E_UNSUPPORTED;
    return keep_recipient(job, peer_cert);
}

enum bv_err
keygen_start(struct job *job, const struct profile *profile,
             const struct csr *csr, const struct core_request *request,
             char *ret_problem, size_t cap)
{
    bool wrap = csr->decrypt_key_id.len + csr->asymm_decrypt_key_id.len > 0;
    (void)snprintf(ret_problem, cap, "the profile has no server-made keys");
    if (!profile->server_keygen)
        return BV_E_REFUSED;
    (void)snprintf(ret_problem, cap,
                   "server-made keys must be asked for encrypted");
    if (!wrap && !profile->server_keygen_plain)
        return BV_E_REFUSED;
    (void)snprintf(ret_problem, cap, "the key encryption key is not known");
    if (wrap)
        BV_TRY(choose_recipient(job, csr, request->peer_cert));
    (void)snprintf(ret_problem, cap, "the key could not be made");
    return key_generate(csr->spki.alg,
                        csr->spki.alg == ALG_KEY_RSA ? csr->spki.bits : 0,
                        &job->key);
}

static enum bv_err
write_key(struct job *job, struct sink *out)
{
    const struct cms_recipient to = {.cert = job->recipient};
    if (job->recipient.len == 0)
        return key_plain_der(job->key, out);
    /* Signed by the new key itself, which made itself known just now. */
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
