#include "net/tls_library.h"

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <stdbool.h>
#include <string.h>

/* More algorithms of one kind than we keep; the rest of them is left out. */
#define KEPT_MAX 32

/* The default provider, whole. */
static OSSL_PROVIDER *whole;
static OSSL_LIB_CTX *inner;

static const char *const decoder_names[] = {"EC",      "RSA",   "RSA-PSS",
                                            "ED25519", "ED448", NULL};
/* HMAC: the PSK binder of a resumed session (RFC 8446 4.2.11.2). */
static const char *const key_type_names[] = {
    "EC", "RSA", "RSA-PSS", "ED25519", "ED448", "X25519", "HMAC", NULL};
/* Those of the suites offered; CBC for session tickets. */
static const char *const cipher_names[] = {"AES-128-GCM", "AES-256-GCM",
                                           "AES-128-CCM", "ChaCha20-Poly1305",
                                           "AES-256-CBC", NULL};

/* SHA-1 for the hash of a name and key identifiers; SHAKE is Ed448's. */
static const char *const digest_names[] = {
    "SHA1",     "SHA2-224", "SHA2-256", "SHA2-384",  "SHA2-512", "SHA3-224",
    "SHA3-256", "SHA3-384", "SHA3-512", "SHAKE-256", NULL};
static const char *const kdf_names[] = {"TLS1-PRF", "TLS13-KDF", "HKDF", NULL};
static const char *const mac_names[] = {"HMAC", NULL};
static const char *const exchange_names[] = {"ECDH", "X25519", NULL};

/* Each decoder is asked about each other one whenever a key is decoded: only
 * those of the keys in certificates (RFC 5280 4.1). */
static const char *const decoder_inputs[] = {"structure=SubjectPublicKeyInfo",
                                             NULL};

/* What is offered of an operation; of those not named here, everything. */
static struct offer {
    int operation;
    const char *const *names;
    const char *const *properties; /* one of these; NULL: any */
    OSSL_ALGORITHM list[KEPT_MAX + 1];
} offers[] = {
    {.operation = OSSL_OP_DECODER,
     .names = decoder_names,
     .properties = decoder_inputs},
    {.operation = OSSL_OP_KEYMGMT, .names = key_type_names},
    {.operation = OSSL_OP_CIPHER, .names = cipher_names},
    {.operation = OSSL_OP_DIGEST, .names = digest_names},
    {.operation = OSSL_OP_KDF, .names = kdf_names},
    {.operation = OSSL_OP_MAC, .names = mac_names},
    {.operation = OSSL_OP_KEYEXCH, .names = exchange_names},
};

/* given is like "EC:id-ecPublicKey:1.2.840.10045.2.1". */
static bool
is_listed(const char *given, const char *const *names)
{
    size_t len = strcspn(given, ":");
    for (; *names != NULL; names++)
        if (strlen(*names) == len &&
            OPENSSL_strncasecmp(given, *names, len) == 0)
            return true;
    return false;
}

static bool
has_property(const char *given, const char *const *properties)
{
    if (properties == NULL)
        return true;
    while (*properties != NULL && strstr(given, *properties) == NULL)
        properties++;
    return *properties != NULL;
}

static const OSSL_ALGORITHM *
pick(struct offer *offer, const OSSL_ALGORITHM *all)
{
    size_t num = 0;
    memset(offer->list, 0, sizeof(offer->list));
    for (; all != NULL && all->algorithm_names != NULL; all++)
        if (num < KEPT_MAX && is_listed(all->algorithm_names, offer->names) &&
            has_property(all->property_definition, offer->properties))
            offer->list[num++] = *all;
    return offer->list;
}

static const OSSL_ALGORITHM *
query(void *ctx, int operation, int *no_cache)
{
    const OSSL_ALGORITHM *all =
        OSSL_PROVIDER_query_operation(whole, operation, no_cache);
    for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++)
        if (offers[i].operation == operation)
            return pick(&offers[i], all);
    return all;
}

static int
capabilities(void *ctx, const char *what, OSSL_CALLBACK *fn, void *arg)
{
    return OSSL_PROVIDER_get_capabilities(whole, what, fn, arg);
}

static const OSSL_DISPATCH functions[] = {
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
    {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))capabilities},
    {0, NULL},
};

/* The algorithms are the default provider's, so they get its context. */
static int
start(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
      const OSSL_DISPATCH **ret_out, void **ret_ctx)
{
    *ret_out = functions;
    *ret_ctx = OSSL_PROVIDER_get0_provider_ctx(whole);
    return 1;
}

/* Since 3.2 OpenSSL keeps what it found for a kind of key: no need for this. */
static bool
decodes_slowly(void)
{
    return OPENSSL_version_major() == 3 && OPENSSL_version_minor() < 2;
}

static OSSL_LIB_CTX *
make_slim(void)
{
    OSSL_LIB_CTX *outer = OSSL_LIB_CTX_new();
    if (outer != NULL)
        whole = OSSL_PROVIDER_load(inner, "default");
    if (whole != NULL &&
        OSSL_PROVIDER_add_builtin(outer, "brevet", start) == 1 &&
        OSSL_PROVIDER_load(outer, "brevet") != NULL)
        return outer;
    OSSL_LIB_CTX_free(outer);
    return NULL;
}

OSSL_LIB_CTX *
tls_library(void)
{
    static OSSL_LIB_CTX *lib;
    if (inner == NULL)
        inner = decodes_slowly() ? OSSL_LIB_CTX_get0_global_default()
                                 : OSSL_LIB_CTX_new();
    if (lib == NULL && inner != NULL)
        lib = decodes_slowly() ? make_slim() : inner;
    return lib;
}

OSSL_LIB_CTX *
tls_library_whole(void)
{
    return tls_library() != NULL ? inner : NULL;
}
