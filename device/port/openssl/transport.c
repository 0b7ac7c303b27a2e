#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "device/port/openssl/port.h"

/* An address that does not answer is left for the next one after this (ms);
 * the last one has the rest of the exchange's time. */
#define NEXT_ADDRESS_MS 3000
/* TLS alerts from the peer appear as reasons 1000 + alert. */
#define ALERT_FIRST (SSL_AD_REASON_OFFSET + 40) /* handshake_failure … */
#define ALERT_LAST  (SSL_AD_REASON_OFFSET + 120)

static uint64_t
mono_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void
transport_close(struct bv_openssl *openssl)
{
    if (openssl->tls != NULL && openssl->connected)
        (void)SSL_shutdown(openssl->tls); /* close_notify; do not wait */
    SSL_free(openssl->tls);
    SSL_CTX_free(openssl->tls_ctx);
    sk_X509_pop_free(openssl->helpers, X509_free);
    if (openssl->fd >= 0)
        (void)close(openssl->fd);
    if (openssl->found != NULL)
        freeaddrinfo(openssl->found);
    openssl->tls = NULL;
    openssl->tls_ctx = NULL;
    openssl->helpers = NULL;
    openssl->fd = -1;
    openssl->found = openssl->trying = NULL;
    openssl->connected = false;
    openssl->events = 0;
    ERR_clear_error();
}

/* --- TCP --- */

static int
start_connect(const struct addrinfo *address)
{
    int on = 1;
    int fd = socket(address->ai_family,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0 ||
        errno == EINPROGRESS)
        return fd;
    int kept = errno;
    (void)close(fd);
    errno = kept;
    return -1;
}

static void
next_address(struct bv_openssl *openssl)
{
    if (openssl->fd >= 0)
        (void)close(openssl->fd);
    openssl->fd = -1;
    openssl->trying = openssl->trying->ai_next;
}

/* OK connected, WANT not yet, FAILED this address does not answer. */
static enum bv_port
look_at_socket(struct bv_openssl *openssl)
{
    int err = 0;
    socklen_t len = sizeof(err);
    struct pollfd p = {.fd = openssl->fd, .events = POLLOUT};
    if (poll(&p, 1, 0) <= 0) {
        bool slow = openssl->trying->ai_next != NULL &&
                    mono_ms() - openssl->tried_ms > NEXT_ADDRESS_MS;
        errno = ETIMEDOUT;
        return slow ? BV_PORT_FAILED : BV_PORT_WANT;
    }
    if (getsockopt(openssl->fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 &&
        err == 0)
        return BV_PORT_OK;
    errno = err;
    return BV_PORT_FAILED;
}

static enum bv_port
connect_any(struct bv_openssl *openssl)
{
    openssl->events = POLLOUT;
    while (openssl->trying != NULL) {
        if (openssl->fd < 0) {
            openssl->tried_ms = mono_ms();
            openssl->fd = start_connect(openssl->trying);
        }
        enum bv_port state =
            openssl->fd < 0 ? BV_PORT_FAILED : look_at_socket(openssl);
        if (state != BV_PORT_FAILED)
            return state;
        (void)openssl_note_errno(openssl, state, "connecting");
        next_address(openssl);
    }
    return BV_PORT_FAILED;
}

static enum bv_port
reach(struct bv_openssl *openssl, const struct bv_connect *to)
{
    if (openssl->found == NULL) {
        enum bv_port looked =
            lookup_host(&openssl->lookup, to->host, to->port, &openssl->found);
        if (looked == BV_PORT_FAILED)
            return openssl_note(openssl, looked, "the host name is unknown");
        if (looked != BV_PORT_OK)
            return looked;
        openssl->trying = openssl->found;
    }
    return connect_any(openssl);
}

/* --- TLS --- */

/* The peer's own chain plus the intermediates we hold. */
static int
verify_peer(X509_STORE_CTX *ctx, void *arg)
{
    struct bv_openssl *openssl = arg;
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(ctx);
    STACK_OF(X509) *all = sent == NULL ? sk_X509_new_null() : sk_X509_dup(sent);
    if (all == NULL)
        return 0;
    for (int i = 0; i < sk_X509_num(openssl->helpers); i++)
        (void)sk_X509_push(all, sk_X509_value(openssl->helpers, i));
    if (openssl->inexact)
        X509_STORE_CTX_set_verify_cb(ctx, verify_ignore_begin);
    X509_STORE_CTX_set0_untrusted(ctx, all);
    int good = X509_verify_cert(ctx);
    X509_STORE_CTX_set0_untrusted(ctx, sent);
    sk_X509_free(all);
    return good == 1;
}

static bool
use_trust(struct bv_openssl *openssl, const struct bv_connect *to)
{
    X509_STORE *store = verify_store(to->anchors, to->num_anchors, &to->when);
    openssl->helpers = verify_stack(to->helpers, to->num_helpers);
    if (store == NULL || openssl->helpers == NULL) {
        X509_STORE_free(store);
        return false;
    }
    SSL_CTX_set_cert_store(openssl->tls_ctx, store); /* owns it now */
    openssl->inexact = !to->when.exact;
    SSL_CTX_set_cert_verify_callback(openssl->tls_ctx, verify_peer, openssl);
    SSL_CTX_set_verify(
        openssl->tls_ctx,
        to->insecure_any_server ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    return true;
}

static SSL_CTX *
new_context(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL)
        return NULL;
    (void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                       SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN |
                                    SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                    SSL_MODE_RELEASE_BUFFERS);
    return ctx;
}

/* The issuers of cert among the intermediates, in order, so that a server that
 * knows only the root can build our chain. */
static void
add_chain(struct bv_openssl *openssl, X509 *cert)
{
    int found = 1;
    for (int depth = 0; found && depth < 4; depth++) {
        found = 0;
        for (int i = 0; i < sk_X509_num(openssl->helpers) && !found; i++) {
            X509 *issuer = sk_X509_value(openssl->helpers, i);
            if (X509_cmp(issuer, cert) == 0 ||
                X509_check_issued(issuer, cert) != X509_V_OK)
                continue;
            found = SSL_add1_chain_cert(openssl->tls, issuer) == 1;
            cert = issuer;
        }
    }
}

static bool
use_identity(struct bv_openssl *openssl, const struct bv_connect *to)
{
    if (to->identity == BV_SLOT_NONE)
        return true;
    bool factory = to->identity == BV_SLOT_FACTORY;
    bv_auto(EVP_PKEY) EVP_PKEY *key = keys_load(openssl, to->identity);
    bv_auto(X509) X509 *given = factory ? NULL : verify_cert_of(to->cert);
    X509 *cert = factory ? openssl->factory_cert : given;
    if (key == NULL || cert == NULL ||
        SSL_use_certificate(openssl->tls, cert) != 1 ||
        SSL_use_PrivateKey(openssl->tls, key) != 1)
        return false;
    add_chain(openssl, cert);
    return true;
}

static bool
use_host(SSL *tls, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(tls);
    struct in6_addr any;
    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (inet_pton(AF_INET, host, &any) == 1 ||
        inet_pton(AF_INET6, host, &any) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 &&
           SSL_set_tlsext_host_name(tls, host) == 1;
}

static bool
start_tls(struct bv_openssl *openssl, const struct bv_connect *to)
{
    openssl->tls_ctx = new_context();
    if (openssl->tls_ctx == NULL || !use_trust(openssl, to))
        return false;
    openssl->tls = SSL_new(openssl->tls_ctx);
    return openssl->tls != NULL && SSL_set_fd(openssl->tls, openssl->fd) == 1 &&
           use_host(openssl->tls, to->host) && use_identity(openssl, to);
}

/* What a call on the TLS connection came to. */
static enum bv_port
judge(struct bv_openssl *openssl, int result, const char *what)
{
    int reason = ERR_GET_REASON(ERR_peek_last_error());
    long verdict = SSL_get_verify_result(openssl->tls);
    switch (SSL_get_error(openssl->tls, result)) {
    case SSL_ERROR_WANT_READ:
        openssl->events = POLLIN;
        return BV_PORT_WANT;
    case SSL_ERROR_WANT_WRITE:
        openssl->events = POLLOUT;
        return BV_PORT_WANT;
    case SSL_ERROR_ZERO_RETURN:
        return BV_PORT_NONE;
    case SSL_ERROR_SYSCALL:
        return openssl_note_errno(openssl, BV_PORT_FAILED, what);
    default:
        break;
    }
    if (!openssl->connected && verdict != X509_V_OK) {
        ERR_clear_error();
        return openssl_note(openssl, BV_PORT_REFUSED,
                            X509_verify_cert_error_string(verdict));
    }
    bool alert = reason >= ALERT_FIRST && reason <= ALERT_LAST;
    return openssl_note(openssl, alert ? BV_PORT_REFUSED : BV_PORT_FAILED,
                        what);
}

static enum bv_port
transport_open(void *ctx, const struct bv_connect *to)
{
    struct bv_openssl *openssl = ctx;
    if (openssl->tls == NULL) {
        enum bv_port reached = reach(openssl, to);
        if (reached != BV_PORT_OK)
            return reached;
        if (!start_tls(openssl, to))
            return openssl_note(openssl, BV_PORT_FAILED, "preparing TLS");
    }
    ERR_clear_error();
    int done = SSL_connect(openssl->tls);
    if (done != 1)
        return judge(openssl, done, "TLS handshake");
    openssl->connected = true;
    return BV_PORT_OK;
}

static enum bv_port
transport_send(void *ctx, const uint8_t *data, size_t len, size_t *ret_sent)
{
    struct bv_openssl *openssl = ctx;
    ERR_clear_error();
    int done = SSL_write_ex(openssl->tls, data, len, ret_sent);
    return done == 1 ? BV_PORT_OK : judge(openssl, done, "sending");
}

static enum bv_port
transport_recv(void *ctx, uint8_t *out, size_t cap, size_t *ret_len)
{
    struct bv_openssl *openssl = ctx;
    ERR_clear_error();
    int done = SSL_read_ex(openssl->tls, out, cap, ret_len);
    return done == 1 ? BV_PORT_OK : judge(openssl, done, "receiving");
}

static enum bv_port
transport_binding(void *ctx, uint8_t *out, size_t cap, size_t *ret_len)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    struct bv_openssl *openssl = ctx;
    if (SSL_version(openssl->tls) >= TLS1_3_VERSION) { /* RFC 9266 */
        if (cap < 32 ||
            SSL_export_keying_material(openssl->tls, out, 32, label,
                                       sizeof(label) - 1, NULL, 0, 1) != 1)
            return openssl_note(openssl, BV_PORT_FAILED, "channel binding");
        *ret_len = 32;
        return BV_PORT_OK;
    }
    /* RFC 5929 3.1: the client's Finished of a full handshake; RFC 7627: only
     * with the extended master secret is it unique. */
    if (SSL_get_extms_support(openssl->tls) != 1 ||
        SSL_session_reused(openssl->tls))
        return BV_PORT_NONE;
    size_t len = SSL_get_finished(openssl->tls, out, cap);
    if (len == 0 || len > cap)
        return BV_PORT_FAILED;
    *ret_len = len;
    return BV_PORT_OK;
}

static void
transport_done(void *ctx)
{
    transport_close(ctx);
}

struct bv_transport
transport_port(struct bv_openssl *openssl)
{
    return (struct bv_transport){openssl,           transport_open,
                                 transport_send,    transport_recv,
                                 transport_binding, transport_done};
}
