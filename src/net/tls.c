#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "net/tls_library.h"
#include "net/tls_trust.h"

struct tls {
    unsigned refs; /* one loop, one thread: a plain count */
    SSL_CTX *ctx;
    struct tls_trust trust;
    uint8_t *staple;
    size_t staple_len;
};

struct tls_conn {
    unsigned refs;
    SSL *ssl;
    struct tls *tls;
    struct tls_verdict verdict;
    enum bv_err failure;
    struct exchange_tls facts;
    uint8_t binding[EVP_MAX_MD_SIZE];
    uint8_t *peer_der;
};

BV_AUTO_DEFINE(bio, BIO, BIO_free_all)
BV_AUTO_DEFINE(cert, X509, X509_free)
BV_AUTO_DEFINE(pkey, EVP_PKEY, EVP_PKEY_free)
BV_AUTO_DEFINE(tls, struct tls, tls_unref)
BV_AUTO_DEFINE(tls_conn, struct tls_conn, tls_conn_free)

/* RFC 9325 4.2, and the suites of RFC 7925 4.4 and 7251 for devices whose
 * radio chip has AES-CCM and nothing else. */
#define SUITES_12                                                              \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"               \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"               \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"               \
    "ECDHE-ECDSA-AES128-CCM:ECDHE-ECDSA-AES128-CCM8"
#define SUITES_13                                                              \
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"                           \
    "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256"
/* P-521 is the last choice for an exchange, but without it TLS 1.2 refuses
 * clients whose certificate has such a key (RFC 8422 5.1). */
#define GROUPS         "P-256:X25519:P-384:P-521"
#define SECURITY_LEVEL 2 /* 112 bits: RSA from 2048, no SHA-1 */

static int
never_ask(char *buffer, int size, int writing, void *arg)
{
    return 0; /* a server key is not encrypted; never prompt */
}

/* --- the part without connections --- */

static enum bv_err
use_key(struct tls *tls, struct span pem)
{
    bv_auto(bio) BIO *in = BIO_new_mem_buf(pem.data, (int)pem.len);
    if (in == NULL)
        return BV_E_NO_MEMORY;
    bv_auto(pkey) EVP_PKEY *key = PEM_read_bio_PrivateKey_ex(
        in, NULL, never_ask, NULL, tls_library_whole(), "provider=default");
    if (key == NULL)
        return BV_E_BAD_CONFIG;
    if (SSL_CTX_use_PrivateKey(tls->ctx, key) != 1)
        return BV_E_WRONG_KEY;
    return SSL_CTX_check_private_key(tls->ctx) == 1 ? BV_OK : BV_E_WRONG_KEY;
}

static enum bv_err
use_next_cert(struct tls *tls, BIO *in, bool first, bool *ret_more)
{
    bv_auto(cert) X509 *cert = X509_new_ex(tls_library(), NULL);
    if (cert == NULL)
        return BV_E_NO_MEMORY;
    *ret_more = PEM_read_bio_X509(in, &cert, NULL, NULL) != NULL;
    if (!*ret_more)
        return first ? BV_E_BAD_CONFIG : BV_OK;
    int done = first ? SSL_CTX_use_certificate(tls->ctx, cert)
                     : (int)SSL_CTX_add1_chain_cert(tls->ctx, cert);
    return done == 1 ? BV_OK : BV_E_BAD_CONFIG;
}

static enum bv_err
use_chain(struct tls *tls, struct span pem)
{
    bv_auto(bio) BIO *in = BIO_new_mem_buf(pem.data, (int)pem.len);
    if (in == NULL)
        return BV_E_NO_MEMORY;
    bool more = true;
    for (bool first = true; more; first = false)
        BV_TRY(use_next_cert(tls, in, first, &more));
    return BV_OK;
}

/* OpenSSL counts a tag of 64 bits as 64 bits of strength. For one record
 * stream of a device that is what RFC 7925 4.4 decided to accept; everything
 * else is asked of the judge OpenSSL comes with. */
static int (*usual_judge)(const SSL *, const SSL_CTX *, int, int, int, void *,
                          void *);

static int
judge(const SSL *ssl, const SSL_CTX *ctx, int op, int bits, int nid,
      void *other, void *ex)
{
    bool is_suite = op == SSL_SECOP_CIPHER_SUPPORTED ||
                    op == SSL_SECOP_CIPHER_SHARED ||
                    op == SSL_SECOP_CIPHER_CHECK;
    if (is_suite && other != NULL &&
        SSL_CIPHER_get_id(other) == TLS1_CK_ECDHE_ECDSA_WITH_AES_128_CCM_8)
        return 1;
    return usual_judge(ssl, ctx, op, bits, nid, other, ex);
}

static int
on_verify(X509_STORE_CTX *ctx, void *arg)
{
    int index = SSL_get_ex_data_X509_STORE_CTX_idx();
    SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, index);
    struct tls_conn *conn = SSL_get_app_data(ssl);
    return tls_trust_check(&conn->tls->trust, ctx, &conn->verdict);
}

static int
on_staple(SSL *ssl, void *arg)
{
    const struct tls *tls = ((struct tls_conn *)SSL_get_app_data(ssl))->tls;
    uint8_t *copy;
    if (tls->staple_len == 0)
        return SSL_TLSEXT_ERR_NOACK;
    copy = OPENSSL_memdup(tls->staple, tls->staple_len);
    if (copy == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)tls->staple_len);
    return SSL_TLSEXT_ERR_OK;
}

static int
on_alpn(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_len,
        const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *name;
    if (SSL_select_next_proto(&name, ret_len, ours, sizeof(ours) - 1, in,
                              in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *ret_name = name;
    return SSL_TLSEXT_ERR_OK;
}

/* A resumed session would not show its certificate again, so a revoked device
 * could stay: no tickets, no cache where certificates are asked for. */
static void
ask_clients(struct tls *tls)
{
    SSL_CTX *ctx = tls->ctx;
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, NULL);
    SSL_CTX_set_verify_depth(ctx, LIMIT_CHAIN - 2); /* leaf, anchor */
    SSL_CTX_set_max_cert_list(ctx, LIMIT_CHAIN_OCTETS);
    (void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_cert_verify_callback(ctx, on_verify, NULL);
    if (tls->trust.own != NULL)
        SSL_CTX_set1_cert_store(ctx, tls->trust.own);
}

static enum bv_err
set_policy(SSL_CTX *ctx)
{
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
                                       SSL_OP_NO_COMPRESSION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE |
                                       SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
                                    SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1); /* one read takes a flight of records */
    SSL_CTX_set_security_level(ctx, SECURITY_LEVEL);
    usual_judge = SSL_CTX_get_security_callback(ctx);
    SSL_CTX_set_security_callback(ctx, judge);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    (void)SSL_CTX_set_tlsext_status_cb(ctx, on_staple);
    bool ok = SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
              SSL_CTX_set_cipher_list(ctx, SUITES_12) == 1 &&
              SSL_CTX_set_ciphersuites(ctx, SUITES_13) == 1 &&
              SSL_CTX_set1_groups_list(ctx, GROUPS) == 1;
    return ok ? BV_OK : BV_E_CRYPTO;
}

enum bv_err
tls_new(const struct tls_settings *settings, struct tls **ret_tls)
{
    bv_auto(tls) struct tls *tls = calloc(1, sizeof(*tls));
    if (tls == NULL)
        return BV_E_NO_MEMORY;
    tls->refs = 1;
    OSSL_LIB_CTX *lib = tls_library();
    if (lib == NULL)
        return BV_E_NO_MEMORY;
    tls->ctx = SSL_CTX_new_ex(lib, NULL, TLS_server_method());
    if (tls->ctx == NULL)
        return BV_E_CRYPTO;
    BV_TRY(set_policy(tls->ctx));
    BV_TRY(use_chain(tls, settings->chain_pem));
    BV_TRY(use_key(tls, settings->key_pem));
    BV_TRY(tls_trust_init(&tls->trust, lib, settings));
    if (settings->ask_client)
        ask_clients(tls);
    BV_TRY(tls_set_staple(tls, settings->staple));
    ERR_clear_error(); /* the end of a PEM file leaves one behind */
    *ret_tls = BV_STEAL(tls);
    return BV_OK;
}

struct tls *
tls_ref(struct tls *tls)
{
    tls->refs++;
    return tls;
}

void
tls_unref(struct tls *tls)
{
    if (tls == NULL || --tls->refs > 0)
        return;
    SSL_CTX_free(tls->ctx);
    tls_trust_done(&tls->trust);
    free(tls->staple);
    free(tls);
}

enum bv_err
tls_set_staple(struct tls *tls, struct span der)
{
    uint8_t *copy = NULL;
    if (der.len > 0) {
        copy = malloc(der.len);
        if (copy == NULL)
            return BV_E_NO_MEMORY;
        memcpy(copy, der.data, der.len);
    }
    free(tls->staple);
    tls->staple = copy;
    tls->staple_len = der.len;
    return BV_OK;
}

enum bv_err
tls_share_staple(struct tls *tls, const struct tls *from)
{
    return tls_set_staple(tls, span_of(from->staple, from->staple_len));
}

/* --- one connection --- */

enum bv_err
tls_accept(struct tls *tls, int fd, struct tls_conn **ret_conn)
{
    bv_auto(tls_conn) struct tls_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL)
        return BV_E_NO_MEMORY;
    conn->refs = 1;
    conn->tls = tls_ref(tls);
    conn->verdict.name = "";
    conn->facts.trust_name = "";
    conn->ssl = SSL_new(tls->ctx);
    if (conn->ssl == NULL || SSL_set_fd(conn->ssl, fd) != 1)
        return BV_E_NO_MEMORY;
    SSL_set_app_data(conn->ssl, conn);
    SSL_set_accept_state(conn->ssl);
    *ret_conn = BV_STEAL(conn);
    return BV_OK;
}

struct tls_conn *
tls_conn_ref(struct tls_conn *conn)
{
    conn->refs++;
    return conn;
}

void
tls_conn_free(struct tls_conn *conn)
{
    if (conn == NULL || --conn->refs > 0)
        return;
    SSL_free(conn->ssl);
    OPENSSL_free(conn->peer_der);
    OPENSSL_free(conn->verdict.chain);
    tls_unref(conn->tls);
    free(conn);
}

static enum tls_step
step_of(struct tls_conn *conn, int result)
{
    switch (SSL_get_error(conn->ssl, result)) {
    case SSL_ERROR_NONE:
        return TLS_OK;
    case SSL_ERROR_WANT_READ:
        return TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
    case SSL_ERROR_SYSCALL:
        return TLS_CLOSED;
    default:
        return TLS_FAILED;
    }
}

/* RFC 9266 4: 32 octets, empty context. RFC 5929 3: the first Finished of the
 * connection, here the client's since nothing is resumed; without the extended
 * master secret it binds nothing (RFC 7627 1). */
static void
note_binding(struct tls_conn *conn)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    size_t len = 0;
    conn->facts.binding_is_exporter = conn->facts.version >= TLS1_3_VERSION;
    if (conn->facts.binding_is_exporter) {
        if (SSL_export_keying_material(conn->ssl, conn->binding, 32, label,
                                       sizeof(label) - 1, NULL, 0, 0) == 1)
            len = 32;
    } else if (SSL_get_extms_support(conn->ssl) == 1 &&
               SSL_session_reused(conn->ssl) == 0) {
        len = SSL_get_peer_finished(conn->ssl, conn->binding,
                                    sizeof(conn->binding));
    }
    conn->facts.binding = span_of(conn->binding, len);
}

static enum bv_err
note_facts(struct tls_conn *conn)
{
    struct exchange_tls *facts = &conn->facts;
    bv_auto(cert) X509 *cert = SSL_get1_peer_certificate(conn->ssl);
    facts->active = true;
    facts->version = (uint16_t)SSL_version(conn->ssl);
    facts->cipher_bits = (uint16_t)SSL_get_cipher_bits(conn->ssl, NULL);
    note_binding(conn);
    if (cert == NULL)
        return BV_OK;
    int len = i2d_X509(cert, &conn->peer_der);
    if (len <= 0)
        return BV_E_NO_MEMORY;
    *(conn->verdict.renewal_only ? &facts->renewal_cert : &facts->peer_cert) =
        span_of(conn->peer_der, (size_t)len);
    facts->peer_chain = span_of(conn->verdict.chain, conn->verdict.chain_len);
    facts->trust = conn->verdict.trust;
    facts->trust_name = conn->verdict.name;
    return BV_OK;
}

enum tls_step
tls_handshake(struct tls_conn *conn)
{
    ERR_clear_error();
    enum tls_step step = step_of(conn, SSL_do_handshake(conn->ssl));
    if (step == TLS_OK) {
        conn->failure = note_facts(conn);
        return conn->failure == BV_OK ? TLS_OK : TLS_FAILED;
    }
    if (step == TLS_CLOSED)
        conn->failure = BV_E_CLOSED;
    if (step == TLS_FAILED)
        conn->failure = conn->verdict.failure != BV_OK ? conn->verdict.failure
                                                       : BV_E_BAD_MESSAGE;
    ERR_clear_error();
    return step;
}

enum tls_step
tls_read(struct tls_conn *conn, uint8_t *buffer, size_t cap, size_t *ret_len)
{
    *ret_len = 0;
    ERR_clear_error();
    return step_of(conn, SSL_read_ex(conn->ssl, buffer, cap, ret_len));
}

enum tls_step
tls_write(struct tls_conn *conn, struct span bytes, size_t *ret_len)
{
    *ret_len = 0;
    ERR_clear_error();
    return step_of(conn,
                   SSL_write_ex(conn->ssl, bytes.data, bytes.len, ret_len));
}

bool
tls_pending(const struct tls_conn *conn)
{
    return SSL_has_pending(conn->ssl) == 1;
}

void
tls_goodbye(struct tls_conn *conn)
{
    ERR_clear_error();
    if (SSL_is_init_finished(conn->ssl))
        (void)SSL_shutdown(conn->ssl);
    ERR_clear_error();
}

const struct exchange_tls *
tls_facts(const struct tls_conn *conn)
{
    return &conn->facts;
}

enum bv_err
tls_failure(const struct tls_conn *conn)
{
    return conn->failure;
}
