#include "prog/brevetd/usable.h"

#include <stdio.h>
#include <string.h>

#include "pki/key.h"
#include "wire/cert.h"
#include "wire/pem.h"

static enum bv_err
check_belongs(const struct bundle *bundle, const char *name,
              const struct key *key, char *problem)
{
    char label[BUNDLE_NAME_MAX];
    uint8_t buf[LIMIT_CERT];
    struct sink out = SINK_ARRAY(buf);
    struct span text, der;
    struct cert cert;
    (void)snprintf(label, sizeof(label), "ca:%s", name);
    if (bundle_find(bundle, label, &text) != BV_OK)
        return BV_OK; /* the log has none */
    if (pem_find(&text, PEM_CERTIFICATE, &out, &der) != BV_OK ||
        cert_parse(der, &cert) != BV_OK) {
        (void)snprintf(problem, FILES_PROBLEM_MAX,
                       "the certificate of ca \"%s\" does not decode", name);
        return BV_E_BAD_CONFIG;
    }
    if (key_match_spki(key, cert.spki.whole))
        return BV_OK;
    (void)snprintf(problem, FILES_PROBLEM_MAX,
                   "the key of ca \"%s\" is not that of its certificate: put "
                   "the matching pair back",
                   name);
    return BV_E_BAD_CONFIG;
}

static enum bv_err
check_key(const struct bundle *bundle, const char *name, struct span pem,
          struct span passphrase, char *problem)
{
    bv_auto(key) struct key *key = NULL;
    enum bv_err err = key_open(pem, passphrase, &key);
    if (err == BV_OK)
        return check_belongs(bundle, name, key, problem);
    (void)snprintf(problem, FILES_PROBLEM_MAX,
                   "the key \"%s\" is not usable: %s", name,
                   key_open_text(err));
    return BV_E_BAD_CONFIG;
}

enum bv_err
usable_keys(const struct bundle *bundle, char problem[FILES_PROBLEM_MAX])
{
    struct span passphrase, label, pem;
    size_t at = 0;
    BV_TRY(bundle_find(bundle, "passphrase", &passphrase));
    while (bundle_each(bundle, &at, &label, &pem)) {
        char name[BUNDLE_NAME_MAX + 1];
        if (label.len < 4 || memcmp(label.data, "key:", 4) != 0)
            continue;
        struct span rest = span_of(label.data + 4, label.len - 4);
        BV_TRY(span_copy_str(rest, name, sizeof(name)));
        BV_TRY(check_key(bundle, name, pem, passphrase, problem));
    }
    return BV_OK;
}
