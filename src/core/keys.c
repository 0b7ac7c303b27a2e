#include "core/keys.h"

#include <stdio.h>
#include <string.h>

#include "pki/digest.h"
#include "pki/weak.h"

static enum bv_err
check_key(struct core *core, const struct profile *profile,
          const struct alg_spki *spki, const uint8_t key_hash[32],
          char *ret_problem, size_t cap)
{
    bool blocked;
    if (!profile_allows_key(profile, spki->alg, spki->bits)) {
        (void)snprintf(ret_problem, cap,
                       "the profile does not allow %s keys of %u bits",
                       alg_key_name(spki->alg), spki->bits);
        return BV_E_BAD_KEY;
    }
    enum weak why = weak_check(spki, core->config->weak_keys, profile->rsa_min);
    if (why != WEAK_NONE) {
        (void)snprintf(ret_problem, cap, "%s", weak_text(why));
        return BV_E_BAD_KEY;
    }
    (void)snprintf(ret_problem, cap, "the key is a CA's own");
    for (size_t i = 0; i < core->num_issuers; i++) {
        if (memcmp(core->issuers[i].key_hash, key_hash, 32) == 0)
            return BV_E_BAD_KEY;
    }
    (void)snprintf(ret_problem, cap, "the key is blocked");
    BV_TRY(core->store->key_blocked(core->store->ctx, span_of(key_hash, 32),
                                    &blocked));
    return blocked ? BV_E_BAD_KEY : BV_OK;
}

static enum bv_err
check_pop(const struct csr *csr, char *ret_problem, size_t cap)
{
    enum bv_err err =
        key_verify_spki(&csr->spki, csr->sig_alg, csr->info, csr->signature);
    (void)snprintf(ret_problem, cap, "%s",
                   err == BV_E_BAD_KEY
                       ? "the public key is not valid"
                       : "the CSR is not signed by the key it holds");
    return err;
}

enum bv_err
keys_read_csr(const struct core_request *request, struct csr *ret_csr)
{
    return request->op == CORE_KEYGEN ? csr_parse_keygen(request->csr, ret_csr)
                                      : csr_parse(request->csr, ret_csr);
}

enum bv_err
keys_check_csr(struct core *core, const struct profile *profile,
               struct span der, struct csr *ret_csr, uint8_t ret_key_hash[32],
               char *ret_problem, size_t cap)
{
    (void)snprintf(ret_problem, cap, "the CSR cannot be read");
    BV_TRY(csr_parse(der, ret_csr));
    digest_sha256(ret_csr->spki.whole, ret_key_hash);
    BV_TRY(check_key(core, profile, &ret_csr->spki, ret_key_hash, ret_problem,
                     cap));
    return check_pop(ret_csr, ret_problem, cap);
}

struct owner {
    int64_t device;
    bool any;
};

/* Only the newest matters: a key never moves between devices, so all the rows
 * of one key share the device. */
static enum bv_err
first_owner(void *user, const struct store_cert *row)
{
    *(struct owner *)user = (struct owner){row->device, true};
    return BV_E_TOO_MANY; /* enough: stop */
}

enum bv_err
keys_owner(struct core *core, const uint8_t key_hash[32], int64_t device)
{
    struct owner owner = {0};
    enum bv_err err = core->store->certs_of_key(
        core->store->ctx, span_of(key_hash, 32), first_owner, &owner);
    if (err != BV_OK && err != BV_E_TOO_MANY && err != BV_E_NOT_FOUND)
        return err;
    return owner.any && (owner.device != device || device == 0) ? BV_E_CONFLICT
                                                                : BV_OK;
}
