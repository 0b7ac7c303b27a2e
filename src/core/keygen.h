/* Server-side key generation, RFC 7030 4.4: a key pair is made here, handed
 * out once and forgotten. */
#ifndef BV_CORE_KEYGEN_H
#define BV_CORE_KEYGEN_H

#include "core/state.h"
#include "wire/csr.h"

/* keygen_start makes job->key of the CSR's kind and decides how it will
 * travel. UNSUPPORTED when the client asks for a key encryption key that is
 * not known here; REFUSED when it asks for none and the profile does not allow
 * the plain form. */
enum bv_err keygen_start(struct job *job, const struct profile *profile,
                         const struct csr *csr,
                         const struct core_request *request, char *ret_problem,
                         size_t cap) BV_CHECKED;
/* keygen_finish puts the key into the reply once the certificate is there; a
 * job without a key is left alone. */
enum bv_err keygen_finish(struct job *job) BV_CHECKED;

#endif
