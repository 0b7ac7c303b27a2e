/* Which public keys may be certified. */
#ifndef BV_CORE_KEYS_H
#define BV_CORE_KEYS_H

#include "core/state.h"
#include "wire/csr.h"

/* keys_read_csr reads the CSR of a request, in whatever way its op asks for
 * (csr_parse_keygen for CORE_KEYGEN). */
enum bv_err keys_read_csr(const struct core_request *request,
                          struct csr *ret_csr) BV_CHECKED;
/* keys_check_csr reads a CSR and refuses keys that may not be certified
 * under the profile: algorithm, weakness, blocked, of a CA, and a
 * signature that does not verify. Also for operators' CSRs. */
enum bv_err keys_check_csr(struct core *core, const struct profile *profile,
                           struct span der, struct csr *ret_csr,
                           uint8_t ret_key_hash[32], char *ret_problem,
                           size_t cap) BV_CHECKED;
/* keys_owner: CONFLICT when the key was certified for another device.
 * device 0: a new one. */
enum bv_err keys_owner(struct core *core, const uint8_t key_hash[32],
                       int64_t device) BV_CHECKED;

#endif
