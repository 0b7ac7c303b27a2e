/* A public key as a CSR brings it: parsed, judged, and given to OpenSSL. */
#include "fuzz.h"

#include "pki/key.h"
#include "pki/weak.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct span in = span_of(data, len);
    struct alg_spki spki;

    if (alg_spki_parse(&in, &spki) != BV_OK)
        return 0;
    fuzz_require(spki.whole.len <= LIMIT_SPKI);
    if (weak_check(&spki, NULL, 0) != WEAK_NONE)
        return 0;
    bv_auto(key) struct key *key = NULL;
    fuzz_require(key_of_spki(&spki, &key) == BV_OK);
    fuzz_require(key_match_spki(key, spki.whole));
    (void)!key_verify_spki(&spki, alg_sig_of_key(spki.alg), SPAN_LIT("text"),
                           spki.key);
    return 0;
}
