#include "harness.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct pki pki;

/* --- certificates --- */

static void
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert(ext != NULL);
    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
}

static struct issued
issue_for(EVP_PKEY *key, const char *name, const struct issued *by, bool ca,
          const char *eku, long start, long end)
{
    static long serial = 1;
    struct issued new = {X509_new(), key};
    X509_NAME *subject = X509_get_subject_name(new.cert);
    const struct issued *issuer = by != NULL ? by : &new;
    X509_set_version(new.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(new.cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(new.cert), start);
    X509_gmtime_adj(X509_getm_notAfter(new.cert), end);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(new.cert, X509_get_subject_name(issuer->cert));
    X509_set_pubkey(new.cert, new.key);
    add_extension(new.cert, issuer->cert, NID_basic_constraints,
                  ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(new.cert, issuer->cert, NID_key_usage,
                  ca ? "critical,keyCertSign,cRLSign"
                     : "critical,digitalSignature");
    if (eku != NULL)
        add_extension(new.cert, issuer->cert, NID_ext_key_usage, eku);
    assert(X509_sign(new.cert, issuer->key, EVP_sha256()) > 0);
    return new;
}

static struct issued
issue(const char *name, const struct issued *by, bool ca, const char *eku,
      long start, long end)
{
    return issue_for(EVP_EC_gen("P-256"), name, by, ca, eku, start, end);
}

struct issued
issue_client(EVP_PKEY *key, const struct issued *by)
{
    assert(key != NULL);
    return issue_for(key, "client", by, false, "clientAuth", -86400, 86400);
}

static void
add_critical(struct issued *to, const struct issued *by)
{
    ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(value, (const unsigned char *)"\5", 1);
    X509_EXTENSION *ext = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, value);
    X509_add_ext(to->cert, ext, -1);
    X509_EXTENSION_free(ext);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(oid);
    int len = X509_sign(to->cert, by->key, EVP_sha256());
    assert(len > 0);
}

/* A comment as long as this makes the certificate longer than may be. */
static void
add_bulk(struct issued *to, const struct issued *by)
{
    static char text[LIMIT_CERT + 1];
    memset(text, 'x', sizeof(text) - 1);
    add_extension(to->cert, by->cert, NID_netscape_comment, text);
    int len = X509_sign(to->cert, by->key, EVP_sha256());
    assert(len > 0);
}

static void
make_odd_ones(long day)
{
    pki.by_root = issue("root's", &pki.root, false, "clientAuth", -day, day);
    pki.critical =
        issue("critical", &pki.issuing, false, "clientAuth", -day, day);
    add_critical(&pki.critical, &pki.issuing);
    pki.twin = issue("issuing", NULL, true, NULL, -day, day);
    pki.twins = issue("own", &pki.twin, false, "clientAuth", -day, day);
    pki.maker = issue("maker", &pki.vendor, true, NULL, -day, day);
    pki.born = issue("born", &pki.maker, false, NULL, -day, day);
    pki.bulky = issue("bulky", &pki.vendor, false, NULL, -day, day);
    add_bulk(&pki.bulky, &pki.vendor);
    const struct issued *by = &pki.issuing;
    for (int i = 0; i < 6; i++, by = &pki.deep[i - 1]) {
        char name[] = "deep 0";
        name[5] = (char)('0' + i);
        pki.deep[i] = issue(name, by, true, NULL, -day, day);
    }
}

void
pki_make(void)
{
    const long day = 86400;
    pki.root = issue("root", NULL, true, NULL, -day, day);
    pki.issuing = issue("issuing", &pki.root, true, NULL, -day, day);
    pki.vendor = issue("vendor", NULL, true, NULL, -day, day);
    pki.stranger = issue("stranger", NULL, true, NULL, -day, day);
    pki.server =
        issue("localhost", &pki.issuing, false, "serverAuth", -day, day);
    pki.own = issue("own", &pki.issuing, false, "clientAuth", -day, day);
    pki.idevid = issue("idevid", &pki.vendor, false, NULL, -day, day);
    pki.foreign =
        issue("foreign", &pki.stranger, false, "clientAuth", -day, day);
    pki.expired =
        issue("expired", &pki.issuing, false, "clientAuth", -2 * day, -60);
    pki.server_eku =
        issue("wrong", &pki.issuing, false, "serverAuth", -day, day);
    make_odd_ones(day);
}

void
pki_free(void)
{
    struct issued *all = (struct issued *)&pki;
    for (size_t i = 0; i < sizeof(pki) / sizeof(*all); i++) {
        X509_free(all[i].cert);
        EVP_PKEY_free(all[i].key);
    }
}

char *
pem_of(X509 *cert, EVP_PKEY *key)
{
    char *data;
    BIO *out = BIO_new(BIO_s_mem());
    if (cert != NULL)
        PEM_write_bio_X509(out, cert);
    if (key != NULL)
        PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
    size_t len = (size_t)BIO_get_mem_data(out, &data);
    char *copy = strndup(data, len);
    BIO_free(out);
    return copy;
}

/* --- the server --- */

static struct tls *
make_tls(const struct server *server)
{
    const struct issued *shown = server->shown ? server->shown : &pki.server;
    char *key = pem_of(NULL, shown->key);
    char *chain = pem_of(shown->cert, NULL);
    char *own = pem_of(pki.issuing.cert, NULL);
    char *vendor = pem_of(pki.vendor.cert, NULL);
    char *twin = pem_of(pki.twin.cert, NULL);
    struct tls_anchors makers[] = {{"acme", span_str(vendor)},
                                   {"twin", span_str(twin)}};
    struct tls_settings settings = {.key_pem = span_str(key),
                                    .chain_pem = span_str(chain),
                                    .ask_client = !server->anonymous,
                                    .own_pem = span_str(own),
                                    .manufacturers = makers,
                                    .num_manufacturers = 2,
                                    .own_expired_s = server->own_expired_s,
                                    .own_any_usage = server->own_any_usage,
                                    .staple = SPAN_LIT("0staple")};
    struct tls *tls = NULL;
    enum bv_err err = tls_new(&settings, &tls);
    assert(err == BV_OK);
    free(key);
    free(chain);
    free(own);
    free(vendor);
    free(twin);
    return tls;
}

static void
reply(struct exchange *exchange, struct span body)
{
    struct exchange_answer answer = {
        .status = 200, .content_type = "text/plain", .body = body};
    exchange_reply(exchange, &answer, NULL);
}

static void
reply_facts(struct exchange *exchange)
{
    uint8_t raw[512];
    struct sink out = SINK_ARRAY(raw);
    sink_str(&out, "trust=");
    sink_dec(&out, exchange->tls->trust);
    sink_str(&out, " name=");
    sink_str(&out, exchange->tls->trust_name);
    sink_str(&out, " cert=");
    sink_dec(&out, exchange->tls->peer_cert.len);
    sink_str(&out, " renewal=");
    sink_dec(&out, exchange->tls->renewal_cert.len);
    sink_str(&out, " chain=");
    sink_dec(&out, exchange->tls->peer_chain.len);
    sink_str(&out, " bits=");
    sink_dec(&out, exchange->tls->cipher_bits);
    sink_str(&out, " binding=");
    sink_hex(&out, exchange->tls->binding);
    sink_str(&out, ";");
    reply(exchange, sink_view(&out));
}

static void
reply_file(struct exchange *exchange)
{
    struct exchange_answer answer = {.status = 200};
    FILE *file = tmpfile();
    for (int i = 0; i < 100000; i++)
        fprintf(file, "%09d\n", i);
    fflush(file);
    exchange_reply_file(exchange, &answer, fileno(file), 10, 999990, NULL);
    fclose(file);
}

static void
report(struct server *server, char what)
{
    ssize_t put = write(server->reports[1], &what, 1);
    assert(put == 1);
}

static void
on_late(void *ctx)
{
    struct server *server = ctx;
    while (server->num_late > 0)
        reply(server->late[--server->num_late], SPAN_LIT("late\n"));
}

static void
on_admit(void *ctx, struct exchange *exchange)
{
    struct exchange_answer no = {.status = 404, .body = SPAN_LIT("no\n")};
    if (span_eq_str(exchange->request.path, "/none"))
        exchange_reply(exchange, &no, NULL);
    else if (span_eq_str(exchange->request.path, "/tiny"))
        exchange->max_body = 4;
}

static void
on_request(void *ctx, struct exchange *exchange)
{
    static uint8_t big[8 << 20];
    struct server *server = ctx;
    struct span path = exchange->request.path;
    if (span_eq_str(path, "/facts")) {
        reply_facts(exchange);
    } else if (span_eq_str(path, "/late")) {
        server->late[server->num_late++] = exchange;
        loop_timer_start(server->late_timer, 100);
        report(server, 'l');
    } else if (span_eq_str(path, "/never")) {
        server->late[server->num_late++] = exchange; /* at server_stop */
        report(server, 'l');
    } else if (span_eq_str(path, "/big")) {
        reply(exchange, SPAN_ARRAY(big));
    } else if (span_eq_str(path, "/file")) {
        reply_file(exchange);
    } else {
        reply(exchange, exchange->body);
    }
}

static void
on_refused(void *ctx, const struct net_refusal *refusal)
{
    struct server *server = ctx;
    server->refused++;
    server->last_refusal = refusal->err;
}

static void
on_drained(void *ctx)
{
    struct server *server = ctx;
    server->drained = true;
    report(server, 'd');
}

/* At the end of a turn: what was ready together with the order is done too. */
static void
on_turn(void *ctx)
{
    struct server *server = ctx;
    if (server->asked)
        report(server, 's');
    server->asked = false;
}

static void
on_order(void *ctx, unsigned events)
{
    struct server *server = ctx;
    char order = 0;
    if (read(server->orders[0], &order, 1) != 1)
        return;
    if (order == 'd')
        net_drain(server->net, on_drained, server);
    if (order == 'q')
        loop_stop(server->loop);
    if (order == 's')
        server->asked = true;
    if (order == 'r') {
        struct tls *tls = make_tls(server);
        net_set_tls(server->net, tls);
        tls_unref(tls);
    }
}

static int
listen_any(int *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int bad = bind(fd, (struct sockaddr *)&at, sizeof(at));
    bad |= listen(fd, 1024);
    bad |= getsockname(fd, (struct sockaddr *)&at, &len);
    assert(bad == 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

#define MUST(expr)                                                             \
    do {                                                                       \
        enum bv_err must_err_ = (expr);                                        \
        if (must_err_ != BV_OK) {                                              \
            fprintf(stderr, "%s: %s\n", #expr, err_name(must_err_));           \
            abort();                                                           \
        }                                                                      \
    } while (0)

static void
set_up(struct server *server)
{
    struct net_service service = {.admit = on_admit,
                                  .request = on_request,
                                  .refused = on_refused,
                                  .ctx = server};
    MUST(loop_new(&server->loop));
    MUST(net_new(server->loop, &server->limits, &service, &server->net));
    MUST(loop_timer_new(server->loop, on_late, server, &server->late_timer));
    MUST(loop_hook_new(server->loop, on_turn, server, &server->hook));
    MUST(loop_watch_new(server->loop, server->orders[0], LOOP_READ, on_order,
                        server, &server->watch));
    if (server->secure) {
        struct tls *tls = make_tls(server);
        net_set_tls(server->net, tls);
        tls_unref(tls);
    }
    MUST(net_listen(server->net, listen_any(&server->port), server->secure));
}

/* The loop is made in the thread that runs it: libuv may give it an io_uring,
 * whose work interrupts system calls of the thread that made it. */
static void *
run(void *arg)
{
    struct server *server = arg;
    set_up(server);
    report(server, 'u');
    loop_run(server->loop);
    server->counts = net_counts(server->net);
    net_free(server->net);
    on_late(server); /* into the void, but each must be answered */
    loop_watch_free(server->watch);
    loop_hook_free(server->hook);
    loop_timer_free(server->late_timer);
    loop_free(server->loop);
    return NULL;
}

void
server_init(struct server *server, bool secure)
{
    memset(server, 0, sizeof(*server));
    server->secure = secure;
    server->limits = net_limits_default();
    server->limits.handshake_ms = 300;
    server->limits.request_ms = 300;
    server->limits.idle_ms = 2000;
    server->limits.write_ms = 300;
    server->limits.write_rate = 1 << 30;
    server->limits.linger_ms = 200;
}

static struct server *running; /* one at a time */

void
server_start(struct server *server)
{
    assert(running == NULL);
    running = server;
    int bad = pipe(server->orders) | pipe(server->reports);
    assert(bad == 0);
    bad = pthread_create(&server->thread, NULL, run, server);
    assert(bad == 0);
    server_await(server, 'u');
}

void
server_order(struct server *server, char order)
{
    ssize_t put = write(server->orders[1], &order, 1);
    assert(put == 1);
}

void
server_await(struct server *server, char want)
{
    struct pollfd ready = {.fd = server->reports[0], .events = POLLIN};
    char got = 0;
    if (poll(&ready, 1, 10000) != 1 || read(ready.fd, &got, 1) != 1 ||
        got != want) {
        fprintf(stderr, "wanted report '%c', got '%c'\n", want, got);
        abort();
    }
}

void
server_settle(struct server *server)
{
    server_order(server, 's');
    server_await(server, 's');
}

void
server_stop(struct server *server)
{
    server_order(server, 'q');
    pthread_join(server->thread, NULL);
    running = NULL;
    close(server->orders[0]);
    close(server->orders[1]);
    close(server->reports[0]);
    close(server->reports[1]);
}

int
server_teardown(void **state)
{
    (void)state;
    if (running != NULL)
        server_stop(running);
    return 0;
}

/* --- clients --- */

int64_t
now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int
client_connect(const struct server *server)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)server->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int bad = connect(fd, (struct sockaddr *)&to, sizeof(to));
    assert(bad == 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

void
client_send(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

size_t
client_read_all(int fd, char *text, size_t cap, int ms, bool *ret_ended)
{
    size_t len = 0;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    *ret_ended = false;
    while (len + 1 < cap && poll(&ready, 1, ms) == 1) {
        ssize_t got = recv(fd, text + len, cap - 1 - len, 0);
        if (got <= 0) {
            *ret_ended = true;
            break;
        }
        len += (size_t)got;
    }
    text[len] = '\0';
    return len;
}

static int
count_of(const char *text, const char *want)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, want)) != NULL; at++)
        count++;
    return count;
}

void
client_expect(int fd, const char *want, int count)
{
    static char text[65536];
    size_t len = 0;
    text[0] = '\0';
    while (count_of(text, want) < count) {
        ssize_t got = recv(fd, text + len, sizeof(text) - 1 - len, 0);
        if (got <= 0) {
            fprintf(stderr, "wanted %d of \"%s\", got:\n%s\n", count, want,
                    text);
            abort();
        }
        len += (size_t)got;
        text[len] = '\0';
    }
}

void
tls_client_init(struct tls_client *client, const struct server *server,
                int version, const struct issued *who, const char *suites)
{
    memset(client, 0, sizeof(*client));
    client->fd = client_connect(server);
    client->ctx = SSL_CTX_new(TLS_client_method());
    if (version != 0) {
        SSL_CTX_set_min_proto_version(client->ctx, version);
        SSL_CTX_set_max_proto_version(client->ctx, version);
    }
    if (suites != NULL) {
        SSL_CTX_set_security_level(client->ctx, 0);
        SSL_CTX_set_cipher_list(client->ctx, suites);
    }
    if (who != NULL) {
        SSL_CTX_use_certificate(client->ctx, who->cert);
        SSL_CTX_use_PrivateKey(client->ctx, who->key);
    }
    client->ssl = SSL_new(client->ctx);
    SSL_set_tlsext_status_type(client->ssl, TLSEXT_STATUSTYPE_ocsp);
    SSL_set_fd(client->ssl, client->fd);
}

void
tls_client_shake(struct tls_client *client)
{
    ERR_clear_error();
    client->ok = SSL_connect(client->ssl) == 1;
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    snprintf(client->alert, sizeof(client->alert), "%s",
             reason != NULL ? reason : "");
}

void
tls_client_open(struct tls_client *client, const struct server *server,
                int version, const struct issued *who, const char *suites)
{
    tls_client_init(client, server, version, who, suites);
    tls_client_shake(client);
}

void
tls_client_ask(struct tls_client *client, const char *request, char *text,
               size_t cap)
{
    size_t len = 0;
    text[0] = '\0';
    ERR_clear_error();
    if (!client->ok ||
        SSL_write(client->ssl, request, (int)strlen(request)) <= 0)
        return;
    int got = SSL_read(client->ssl, text, (int)cap - 1);
    if (got > 0)
        len = (size_t)got;
    text[len] = '\0';
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    if (got <= 0)
        snprintf(client->alert, sizeof(client->alert), "%s",
                 reason != NULL ? reason : "");
}

void
tls_client_close(struct tls_client *client)
{
    SSL_free(client->ssl);
    SSL_CTX_free(client->ctx);
    close(client->fd);
}
