#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define FACTS "GET /facts HTTP/1.1\r\nHost: a\r\n\r\n"

static char text[65536];

static void
begin(struct server *server)
{
    server_init(server, true);
    server->limits.request_ms = 5000;
    server->limits.handshake_ms = 5000;
    server->limits.write_ms = 10000;
    server_start(server);
}

/* The client's own view of the binding, as the answer prints it. */
static void
own_binding(struct tls_client *client, int version, char hex[160])
{
    uint8_t raw[64];
    size_t len = 32;
    if (version == TLS1_3_VERSION)
        assert_int_equal(SSL_export_keying_material(
                             client->ssl, raw, 32, "EXPORTER-Channel-Binding",
                             24, (const uint8_t *)"", 0, 1),
                         1);
    else
        len = SSL_get_finished(client->ssl, raw, sizeof(raw));
    assert_in_range(len, 12, 32);
    strcpy(hex, "binding=");
    for (size_t i = 0; i < len; i++)
        sprintf(hex + 8 + 2 * i, "%02x", raw[i]);
    strcat(hex, ";");
}

static void
check_accepted(int version, const struct issued *who, const char *want)
{
    static struct server server;
    struct tls_client client;
    char hex[160];
    begin(&server);
    tls_client_open(&client, &server, version, who, NULL);
    if (!client.ok)
        fail_msg("%s: %s", want, client.alert);
    tls_client_ask(&client, FACTS, text, sizeof(text));
    if (strstr(text, want) == NULL)
        fail_msg("wanted %s, got %s", want, text);
    own_binding(&client, version, hex);
    assert_non_null(strstr(text, hex));
    (void)snprintf(hex, sizeof(hex), " bits=%d ",
                   SSL_get_cipher_bits(client.ssl, NULL));
    assert_non_null(strstr(text, hex));
    assert_int_equal(SSL_session_reused(client.ssl), 0);
    tls_client_close(&client);
    server_stop(&server);
}

static void
test_trust_and_binding(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (int i = 0; i < 2; i++) {
        check_accepted(versions[i], NULL, "trust=0 name= cert=0 ");
        check_accepted(versions[i], &pki.own, "trust=1 name= cert=");
        check_accepted(versions[i], &pki.idevid, "trust=2 name=acme cert=");
    }
}

/* In TLS 1.3 the client learns of a refused certificate with its first read. */
static void
check_refused(int version, const struct issued *who, const char *alert,
              enum bv_err err)
{
    static struct server server;
    struct tls_client client;
    begin(&server);
    tls_client_open(&client, &server, version, who, NULL);
    tls_client_ask(&client, FACTS, text, sizeof(text));
    assert_string_equal(text, "");
    if (strstr(client.alert, alert) == NULL)
        fail_msg("wanted %s, got \"%s\"", alert, client.alert);
    tls_client_close(&client);
    server_stop(&server);
    assert_int_equal(server.last_refusal, err);
    assert_int_equal(server.refused, 1);
    assert_int_equal(server.counts.requests, 0);
    assert_int_equal(server.counts.handshake_failed, 1);
}

static void
test_refused_certificates(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (int i = 0; i < 2; i++) {
        check_refused(versions[i], &pki.foreign, "alert unknown ca",
                      BV_E_REFUSED);
        check_refused(versions[i], &pki.expired, "alert certificate expired",
                      BV_E_EXPIRED);
        check_refused(versions[i], &pki.server_eku,
                      "alert unsupported certificate", BV_E_REFUSED);
    }
}

/* What is forgiven comes in as good for a renewal only, never as "own"; and
 * nothing else is forgiven with it. */
static void
check_lenient(int version, const struct issued *who, int64_t expired_s,
              bool any_usage, bool in)
{
    static struct server server;
    struct tls_client client;
    server_init(&server, true);
    server.own_expired_s = expired_s;
    server.own_any_usage = any_usage;
    server_start(&server);
    tls_client_open(&client, &server, version, who, NULL);
    tls_client_ask(&client, FACTS, text, sizeof(text));
    if (in) {
        assert_non_null(strstr(text, "trust=0 name= cert=0 renewal="));
        assert_null(strstr(text, "renewal=0 "));
    } else {
        assert_string_equal(text, "");
    }
    tls_client_close(&client);
    server_stop(&server);
}

static void
test_a_certificate_good_for_renewal_only(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    const int64_t hour = 3600; /* it ended a minute ago */
    for (int i = 0; i < 2; i++) {
        check_lenient(versions[i], &pki.expired, hour, false, true);
        check_lenient(versions[i], &pki.expired, 30, false, false);
        check_lenient(versions[i], &pki.expired, 0, true, false);
        check_lenient(versions[i], &pki.server_eku, 0, true, true);
        check_lenient(versions[i], &pki.server_eku, hour, false, false);
        check_lenient(versions[i], &pki.foreign, hour, true, false);
        check_lenient(versions[i], &pki.critical, hour, true, false);
        check_lenient(versions[i], &pki.by_root, hour, true, false);
    }
}

static void
test_no_session_is_ever_resumed(void **state)
{
    static struct server server;
    struct tls_client first, second;
    begin(&server);
    tls_client_open(&first, &server, TLS1_2_VERSION, &pki.own, NULL);
    assert_true(first.ok);
    SSL_SESSION *session = SSL_get1_session(first.ssl);
    assert_false(SSL_SESSION_has_ticket(session));
    memset(&second, 0, sizeof(second));
    second.fd = client_connect(&server);
    second.ctx = SSL_CTX_new(TLS_client_method());
    second.ssl = SSL_new(second.ctx);
    SSL_set_session(second.ssl, session);
    SSL_set_fd(second.ssl, second.fd);
    assert_int_equal(SSL_connect(second.ssl), 1);
    assert_int_equal(SSL_session_reused(second.ssl), 0);
    SSL_SESSION_free(session);
    tls_client_close(&first);
    tls_client_close(&second);
    server_stop(&server);
}

/* One of TLS 1.3 comes after the handshake, with the answer. */
static SSL_SESSION *
take_session(const struct server *server, int version)
{
    struct tls_client client;
    tls_client_open(&client, server, version, NULL, NULL);
    assert_true(client.ok);
    tls_client_ask(&client, FACTS, text, sizeof(text));
    SSL_SESSION *session = SSL_get1_session(client.ssl);
    (void)SSL_shutdown(client.ssl); /* else it may not be used again */
    tls_client_close(&client);
    return session;
}

static void
test_resumes_where_no_certificate_is_asked_for(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (int i = 0; i < 2; i++) {
        static struct server server;
        struct tls_client client;
        server_init(&server, true);
        server.anonymous = true;
        server_start(&server);
        SSL_SESSION *session = take_session(&server, versions[i]);
        tls_client_init(&client, &server, versions[i], NULL, NULL);
        SSL_set_session(client.ssl, session);
        tls_client_shake(&client);
        assert_true(client.ok);
        assert_int_equal(SSL_session_reused(client.ssl), 1);
        SSL_SESSION_free(session);
        tls_client_close(&client);
        server_stop(&server);
    }
}

static void
check_suite(const char *suite, bool ok)
{
    static struct server server;
    struct tls_client client;
    begin(&server);
    tls_client_open(&client, &server, TLS1_2_VERSION, NULL, suite);
    if (client.ok != ok)
        fail_msg("%s: %s", suite, client.alert);
    tls_client_close(&client);
    server_stop(&server);
}

static void
test_suites(void **state)
{
    check_suite("ECDHE-ECDSA-AES128-GCM-SHA256", true);
    check_suite("ECDHE-ECDSA-AES128-CCM", true);
    check_suite("ECDHE-ECDSA-AES128-CCM8", true);
    check_suite("ECDHE-ECDSA-AES128-SHA", false);
    check_suite("ECDHE-ECDSA-AES256-CCM8", false);
    check_suite("ECDHE-ECDSA-NULL-SHA", false);
}

static void
test_old_versions_are_refused(void **state)
{
    static const int versions[] = {TLS1_VERSION, TLS1_1_VERSION};
    for (int i = 0; i < 2; i++) {
        static struct server server;
        struct tls_client client;
        begin(&server);
        tls_client_open(&client, &server, versions[i], NULL, "ALL:@SECLEVEL=0");
        assert_false(client.ok);
        if (strstr(client.alert, "protocol version") == NULL)
            fail_msg("got \"%s\"", client.alert);
        tls_client_close(&client);
        server_stop(&server);
    }
}

/* One name serves all: whatever the client calls us, it gets our certificate
 * and decides itself. */
static void
test_any_server_name_is_taken(void **state)
{
    static const char *const names[] = {"ca.example", "..", "a\xff\x80",
                                        "xn--nothing"};
    static struct server server;
    struct tls_client client;
    begin(&server);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        tls_client_init(&client, &server, 0, &pki.own, NULL);
        assert_int_equal(SSL_set_tlsext_host_name(client.ssl, names[i]), 1);
        tls_client_shake(&client);
        tls_client_ask(&client, FACTS, text, sizeof(text));
        assert_non_null(strstr(text, "trust=1"));
        tls_client_close(&client);
    }
    server_stop(&server);
}

static void
check_alpn(const char *offer, const char *want)
{
    static struct server server;
    struct tls_client client;
    const unsigned char *chosen;
    unsigned len;
    begin(&server);
    tls_client_init(&client, &server, 0, NULL, NULL);
    SSL_set_alpn_protos(client.ssl, (const unsigned char *)offer,
                        (unsigned)strlen(offer));
    tls_client_shake(&client);
    assert_true(client.ok);
    SSL_get0_alpn_selected(client.ssl, &chosen, &len);
    assert_int_equal(len, strlen(want));
    if (len > 0)
        assert_memory_equal(chosen, want, len);
    tls_client_close(&client);
    server_stop(&server);
}

static void
test_alpn_is_http_1_1_or_nothing(void **state)
{
    check_alpn("\x2h2\x8http/1.1", "http/1.1");
    check_alpn("\x8http/1.1", "http/1.1");
    check_alpn("\x2h2", "");
    check_alpn("\x8http/1.0", "");
}

static void
test_no_renegotiation_no_compression(void **state)
{
    static struct server server;
    struct tls_client client;
    begin(&server);
    tls_client_open(&client, &server, TLS1_2_VERSION, &pki.own, NULL);
    assert_true(client.ok);
    assert_null(SSL_get_current_compression(client.ssl));
    assert_int_equal(SSL_renegotiate(client.ssl), 1);
    assert_int_not_equal(SSL_do_handshake(client.ssl), 1);
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    assert_string_equal(reason, "no renegotiation");
    tls_client_close(&client);
    server_stop(&server);
}

/* Only what is configured as own is own: neither our root's other children,
 * nor children of a CA that merely has our name. */
static void
test_own_is_the_issuing_ca_alone(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (int i = 0; i < 2; i++) {
        check_refused(versions[i], &pki.by_root, "alert unknown ca",
                      BV_E_REFUSED);
        check_refused(versions[i], &pki.critical, "alert certificate unknown",
                      BV_E_REFUSED);
        check_accepted(versions[i], &pki.twins, "trust=2 name=twin cert=");
    }
}

static enum bv_err
settings_err(const char *key, const char *chain, const char *own)
{
    struct tls *tls = NULL;
    struct tls_settings settings = {.key_pem = span_str(key),
                                    .chain_pem = span_str(chain),
                                    .own_pem = span_str(own),
                                    .ask_client = true};
    enum bv_err err = tls_new(&settings, &tls);
    tls_unref(tls);
    return err;
}

static void
check_shown(int version, const struct issued *shown)
{
    static struct server server;
    struct tls_client client;
    server_init(&server, true);
    server.shown = shown;
    server_start(&server);
    tls_client_open(&client, &server, version, &pki.own, NULL);
    if (!client.ok)
        fail_msg("%s", client.alert);
    tls_client_close(&client);
    server_stop(&server);
}

static void
check_key(EVP_PKEY *key, bool ok)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct issued who = issue_client(key, &pki.issuing);
    char *key_pem = pem_of(NULL, key), *chain = pem_of(who.cert, NULL);
    for (int i = 0; i < 2; i++) {
        /* a key that cannot sign: there is nothing to show */
        check_accepted(versions[i], &who,
                       ok ? "trust=1 name= cert=" : "trust=0 name= cert=0 ");
        if (ok)
            check_shown(versions[i], &who);
    }
    assert_int_equal(settings_err(key_pem, chain, chain) == BV_OK, ok);
    free(key_pem);
    free(chain);
    X509_free(who.cert);
    EVP_PKEY_free(key);
}

static EVP_PKEY *
rsa_pss(void)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static void
test_kinds_of_keys(void **state)
{
    check_key(EVP_EC_gen("P-384"), true);
    check_key(EVP_EC_gen("P-521"), true);
    check_key(EVP_RSA_gen(2048), true);
    check_key(rsa_pss(), true);
    check_key(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), true);
    check_key(EVP_PKEY_Q_keygen(NULL, NULL, "ED448"), true);
    check_key(EVP_PKEY_Q_keygen(NULL, NULL, "X448"), false);
}

/* The leaf and so many CAs between it and the issuing one. */
static void
check_depth(int between, bool ok)
{
    static struct server server;
    struct tls_client client;
    begin(&server);
    struct issued below =
        issue_client(EVP_EC_gen("P-256"), &pki.deep[between - 1]);
    tls_client_init(&client, &server, TLS1_2_VERSION, &below, NULL);
    for (int i = between - 1; i >= 0; i--)
        SSL_add1_chain_cert(client.ssl, pki.deep[i].cert);
    tls_client_shake(&client);
    if (client.ok != ok)
        fail_msg("%d between: %s", between, client.alert);
    tls_client_close(&client);
    server_stop(&server);
    X509_free(below.cert);
    EVP_PKEY_free(below.key);
}

static void
test_long_chains_are_refused(void **state)
{
    check_depth(LIMIT_CHAIN - 2, true);
    check_depth(LIMIT_CHAIN - 1, false);
    check_depth(LIMIT_CHAIN, false);
}

/* Who judges the client again needs what is between it and an anchor. */
static void
test_a_vendors_chain_is_kept(void **state)
{
    static struct server server;
    struct tls_client client;
    char want[32];
    begin(&server);
    tls_client_init(&client, &server, 0, &pki.born, NULL);
    SSL_add1_chain_cert(client.ssl, pki.maker.cert);
    tls_client_shake(&client);
    tls_client_ask(&client, FACTS, text, sizeof(text));
    sprintf(want, " chain=%d ", i2d_X509(pki.maker.cert, NULL));
    assert_non_null(strstr(text, "trust=2 name=acme"));
    assert_non_null(strstr(text, want));
    tls_client_close(&client);
    tls_client_open(&client, &server, 0, &pki.idevid, NULL);
    tls_client_ask(&client, FACTS, text, sizeof(text));
    assert_non_null(strstr(text, " chain=0 "));
    tls_client_close(&client);
    server_stop(&server);
}

static void
test_an_oversize_certificate_is_refused(void **state)
{
    check_refused(TLS1_2_VERSION, &pki.bulky, "alert bad certificate",
                  BV_E_TOO_LARGE);
    check_refused(TLS1_3_VERSION, &pki.bulky, "alert bad certificate",
                  BV_E_TOO_LARGE);
}

/* Each certificate is decoded before any is believed: the list is bounded. */
static void
test_a_stuffed_certificate_list_is_refused(void **state)
{
    static struct server server;
    struct tls_client client;
    begin(&server);
    tls_client_init(&client, &server, TLS1_2_VERSION, &pki.own, NULL);
    for (int i = 0; i < LIMIT_CHAIN_OCTETS / 300; i++)
        SSL_add1_chain_cert(client.ssl, pki.vendor.cert);
    tls_client_shake(&client);
    assert_false(client.ok);
    tls_client_close(&client);
    server_stop(&server);
    assert_int_equal(server.counts.handshake_failed, 1);
}

/* A sanitizer's heap counts what was asked for (its header is not in every
 * gcc package). */
#if defined(__SANITIZE_ADDRESS__)
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

static size_t
heap_in_use(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return __sanitizer_get_current_allocated_bytes();
#else
    return mallinfo2().uordblks + mallinfo2().hblkhd;
#endif
}

/* Clients live in a process of their own, so that the heap is the server's. */
static void
hold_connections(struct server *server, int count, int ready, int done)
{
    struct tls_client client;
    char octet = 0;
    (void)!read(done, &server->port, sizeof(server->port));
    for (int i = 0; i < count; i++) {
        tls_client_open(&client, server, TLS1_3_VERSION, &pki.own, NULL);
        tls_client_ask(&client, FACTS, text, sizeof(text));
        octet = strstr(text, "trust=1") != NULL ? 'y' : 'n';
        if (octet == 'n')
            break;
    }
    (void)!write(ready, &octet, 1);
    (void)!read(done, &octet, 1);
    _exit(0);
}

static void
test_idle_connections_hold_little(void **state)
{
    enum { COUNT = 1000, BOUND = 40000 };
    static struct server server;
    struct rlimit files;
    char octet = 0;
    int ready[2], done[2];
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    assert_true(files.rlim_cur >= COUNT + 100);
    assert_int_equal(pipe(ready) | pipe(done), 0);
    server_init(&server, true);
    server.limits.per_address = server.limits.connections = COUNT + 10;
    server.limits.idle_ms = server.limits.request_ms =
        server.limits.handshake_ms = 120000;
    pid_t child = fork(); /* while there is one thread */
    if (child == 0)
        hold_connections(&server, COUNT, ready[1], done[0]);
    server_start(&server);
    struct tls_client first; /* what is made once is not counted */
    tls_client_open(&first, &server, TLS1_3_VERSION, &pki.own, NULL);
    tls_client_ask(&first, FACTS, text, sizeof(text));
    size_t before = heap_in_use();
    assert_int_equal(write(done[1], &server.port, sizeof(server.port)),
                     sizeof(server.port));
    assert_int_equal(read(ready[0], &octet, 1), 1);
    assert_int_equal(octet, 'y');
    server_settle(&server);
    size_t each = (heap_in_use() - before) / COUNT;
    print_message("%zu octets for an idle TLS connection\n", each);
    assert_in_range(each, 0, BOUND);
    assert_int_equal(write(done[1], "q", 1), 1);
    assert_int_equal(waitpid(child, NULL, 0), child);
    tls_client_close(&first);
    server_stop(&server);
    assert_int_equal(server.counts.requests, COUNT + 1);
    close(ready[0]), close(ready[1]), close(done[0]), close(done[1]);
}

static void
test_stapled_answer(void **state)
{
    static struct server server;
    struct tls_client client;
    const uint8_t *staple;
    begin(&server);
    tls_client_open(&client, &server, 0, NULL, NULL);
    long len = SSL_get_tlsext_status_ocsp_resp(client.ssl, &staple);
    assert_int_equal(len, 7);
    assert_memory_equal(staple, "0staple", 7);
    tls_client_close(&client);
    server_stop(&server);
}

static void
test_reload_keeps_connections(void **state)
{
    static struct server server;
    struct tls_client old, new;
    struct issued was;
    begin(&server);
    tls_client_open(&old, &server, 0, &pki.own, NULL);
    tls_client_ask(&old, FACTS, text, sizeof(text));
    assert_non_null(strstr(text, "trust=1"));
    was = pki.server;
    pki.server = pki.server_eku; /* any other serverAuth certificate */
    server_order(&server, 'r');
    server_settle(&server);
    tls_client_open(&new, &server, 0, NULL, NULL);
    X509 *shown = SSL_get1_peer_certificate(new.ssl);
    assert_int_equal(X509_cmp(shown, pki.server_eku.cert), 0);
    X509_free(shown);
    tls_client_close(&new);
    pki.server = was;
    tls_client_ask(&old, FACTS, text, sizeof(text));
    assert_non_null(strstr(text, "trust=1"));
    tls_client_close(&old);
    server_stop(&server);
}

static void
test_half_open_handshake_ends(void **state)
{
    static struct server server;
    bool ended;
    server_init(&server, true);
    server_start(&server);
    int64_t began = now_ms();
    int fd = client_connect(&server);
    client_send(fd, "\x16\x03\x01"); /* the start of a record */
    client_read_all(fd, text, sizeof(text), 2000, &ended);
    assert_true(ended);
    assert_in_range(now_ms() - began, 200, 1500);
    close(fd);
    server_stop(&server);
    assert_int_equal(server.last_refusal, BV_E_TIMEOUT);
}

static void
test_plain_http_on_the_tls_port(void **state)
{
    static struct server server;
    bool ended;
    begin(&server);
    int fd = client_connect(&server);
    client_send(fd, FACTS);
    client_read_all(fd, text, sizeof(text), 2000, &ended);
    assert_true(ended);
    assert_null(strstr(text, "trust="));
    close(fd);
    server_stop(&server);
    assert_int_equal(server.refused, 1);
}

static void
test_big_answer(void **state)
{
    static struct server server;
    struct tls_client client;
    size_t total = 0;
    begin(&server);
    tls_client_open(&client, &server, 0, NULL, NULL);
    static const char big[] = "GET /big HTTP/1.1\r\nHost: a\r\n\r\n";
    SSL_write(client.ssl, big, sizeof(big) - 1);
    while (total < 8 << 20) {
        int got = SSL_read(client.ssl, text, sizeof(text));
        assert_true(got > 0);
        total += (size_t)got;
    }
    /* The last octets of it (they are zero), then the next answer. */
    int got = 0;
    SSL_write(client.ssl, FACTS, sizeof(FACTS) - 1);
    while (memmem(text, (size_t)got, "trust=0", 7) == NULL) {
        got = SSL_read(client.ssl, text, sizeof(text));
        assert_true(got > 0);
    }
    tls_client_close(&client);
    server_stop(&server);
    assert_int_equal(server.counts.requests, 2);
}

static void
test_pipelined_in_one_record(void **state)
{
    static struct server server;
    struct tls_client client;
    int count = 0;
    begin(&server);
    tls_client_open(&client, &server, 0, NULL, NULL);
    static const char late[] = "GET /late HTTP/1.1\r\nHost: a\r\n\r\n";
    char many[sizeof(late) * 20] = "";
    for (int i = 0; i < 10; i++) /* each waits: the rest stays unread */
        strcat(many, i % 5 == 0 ? late : FACTS);
    SSL_write(client.ssl, many, (int)strlen(many));
    while (count < 10) {
        int got = SSL_read(client.ssl, text, sizeof(text) - 1);
        assert_true(got > 0);
        text[got] = '\0';
        for (char *at = text; (at = strstr(at, "HTTP/1.1 200")) != NULL; at++)
            count++;
    }
    tls_client_close(&client);
    server_stop(&server);
}

static void
test_settings_are_checked(void **state)
{
    char *key = pem_of(NULL, pki.server.key);
    char *other = pem_of(NULL, pki.own.key);
    char *chain = pem_of(pki.server.cert, NULL);
    assert_int_equal(settings_err(key, chain, chain), BV_OK);
    assert_int_equal(settings_err(other, chain, chain), BV_E_WRONG_KEY);
    assert_int_equal(settings_err("", chain, chain), BV_E_BAD_CONFIG);
    assert_int_equal(settings_err(key, "", chain), BV_E_BAD_CONFIG);
    assert_int_equal(settings_err(key, chain, "garbage"), BV_E_BAD_CONFIG);
    free(key);
    free(other);
    free(chain);
}

static int
make(void **state)
{
    pki_make();
    return 0;
}

static int
unmake(void **state)
{
    pki_free();
    return 0;
}

int
main(void)
{
#define T(name) cmocka_unit_test_teardown(name, server_teardown)
    const struct CMUnitTest tests[] = {
        T(test_trust_and_binding),
        T(test_refused_certificates),
        T(test_a_certificate_good_for_renewal_only),
        T(test_no_session_is_ever_resumed),
        T(test_resumes_where_no_certificate_is_asked_for),
        T(test_suites),
        T(test_old_versions_are_refused),
        T(test_any_server_name_is_taken),
        T(test_alpn_is_http_1_1_or_nothing),
        T(test_no_renegotiation_no_compression),
        T(test_own_is_the_issuing_ca_alone),
        T(test_kinds_of_keys),
        T(test_long_chains_are_refused),
        T(test_a_vendors_chain_is_kept),
        T(test_an_oversize_certificate_is_refused),
        T(test_a_stuffed_certificate_list_is_refused),
        T(test_idle_connections_hold_little),
        T(test_stapled_answer),
        T(test_reload_keeps_connections),
        T(test_half_open_handshake_ends),
        T(test_plain_http_on_the_tls_port),
        T(test_big_answer),
        T(test_pipelined_in_one_record),
        T(test_settings_are_checked),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
