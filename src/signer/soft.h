/* A signer inside this process: brevet init and tests. Same behaviour as over
 * the channel: jobs are called back in order, and only from signer_soft_run,
 * never from inside sign(). */
#ifndef BV_SIGNER_SOFT_H
#define BV_SIGNER_SOFT_H

#include "pki/key.h"
#include "signer/signer.h"

/* signer_soft_new fills a signer without keys; done is called by
 * signer_soft_run. ret_signer->close frees it and wipes its keys. */
enum bv_err signer_soft_new(signer_done_fn *done, void *user,
                            struct signer *ret_signer) BV_CHECKED;
/* signer_soft_add gives it a key pair under a name ("<ca name>" or "log"); the
 * key is then the signer's, also on failure. CONFLICT when the name is taken.
 */
enum bv_err signer_soft_add(struct signer *signer, const char *name,
                            struct key *key) BV_CHECKED;
/* signer_soft_run delivers the results of all jobs submitted so far. */
void signer_soft_run(struct signer *signer);

/* signer_soft_ocsp takes the responder key made by service_key out, once its
 * certificate was installed: brevet init seals it to DIR/ca/ocsp-NAME.pem with
 * responder_seal. NOT_FOUND before that. Both stay the signer's. */
enum bv_err signer_soft_ocsp(struct signer *signer, const char *ca,
                             struct key **ret_key,
                             struct span *ret_cert) BV_CHECKED;

#endif
