/* The load generator of script/bench: N client processes against one server.
 *
 *   load MODE --connect HOST:PORT --ca FILE --clients N --count N
 *        [--cert FILE --key FILE] [--secret TEXT] [--issuer FILE]
 *        [--serials FILE] [--name-prefix TEXT] [--each PREFIX] [--pids P,P,...]
 *
 * Modes: enroll-kept (HTTP Basic, kept-alive TLS), enroll-fresh and
 * reenroll-fresh (client certificate, a new TLS connection each), reenroll-kept
 * (client certificate, kept alive), ocsp-cached and ocsp-nonce (plain HTTP, kept
 * alive), get (plain HTTP GET of --path, kept alive).
 *
 * With --each every client is a device of its own: PREFIX0.crt and PREFIX0.key,
 * PREFIX1.crt … What a device has already is looked at when it enrols again.
 *
 * Everything that can be made beforehand (keys, CSRs, request bodies) is made
 * before the clock starts. Clients are processes: OpenSSL 3.0's locks make
 * threads the bottleneck. Server CPU is read from the scheduler's nanosecond
 * counters of the given pids. One line per run: key=value. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum mode {
    ENROLL_KEPT,
    ENROLL_FRESH,
    REENROLL_FRESH,
    REENROLL_KEPT,
    OCSP_CACHED,
    OCSP_NONCE,
    GET
};

static const char *const mode_names[] = {
    [ENROLL_KEPT] = "enroll-kept",       [ENROLL_FRESH] = "enroll-fresh",
    [REENROLL_FRESH] = "reenroll-fresh", [REENROLL_KEPT] = "reenroll-kept",
    [OCSP_CACHED] = "ocsp-cached",       [OCSP_NONCE] = "ocsp-nonce",
    [GET] = "get",
};

struct options {
    enum mode mode;
    char host[128];
    int port;
    const char *ca, *cert, *key, *secret, *issuer, *serials, *prefix, *path;
    const char *pids, *each;
    int clients, count;
};

/* What all client processes share: the start gate and the latencies. */
struct shared {
    int ready, go, failed;
    uint32_t latency_us[];
};

struct request {
    char *bytes;
    size_t len;
};

struct client {
    const struct options *o;
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
    struct request *requests;
    int num;
};

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static int64_t
now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* --- requests made beforehand --- */

static void
set_request(struct request *r, const char *head, const void *body, size_t len)
{
    size_t head_len = strlen(head);

    r->len = head_len + len;
    r->bytes = malloc(r->len);
    if (r->bytes == NULL)
        die("out of memory");
    memcpy(r->bytes, head, head_len);
    if (len > 0)
        memcpy(r->bytes + head_len, body, len);
}

static X509_NAME *
client_subject(const struct options *o, int client, int n)
{
    X509_NAME *name = X509_NAME_new();
    char text[64];

    if (o->mode == ENROLL_KEPT) {
        snprintf(text, sizeof(text), "%s-%d-%d", o->prefix, client, n);
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                   (unsigned char *)text, -1, -1, 0);
        return name;
    }
    /* with a certificate the CSR must carry the same subject */
    FILE *f = fopen(o->cert, "r");
    X509 *cert = f == NULL ? NULL : PEM_read_X509(f, NULL, NULL, NULL);
    if (cert == NULL)
        die("%s: cannot read a certificate", o->cert);
    fclose(f);
    X509_NAME_free(name);
    name = X509_NAME_dup(X509_get_subject_name(cert));
    X509_free(cert);
    return name;
}

static void
make_enroll(const struct options *o, int client, int n, struct request *r)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_REQ *csr = X509_REQ_new();
    X509_NAME *subject = client_subject(o, client, n);
    unsigned char *der = NULL;
    char *b64, auth[256] = "", head[1024];
    int der_len, b64_len;

    X509_REQ_set_subject_name(csr, subject);
    X509_REQ_set_pubkey(csr, key);
    if (X509_REQ_sign(csr, key, EVP_sha256()) == 0)
        die("cannot sign a CSR");
    der_len = i2d_X509_REQ(csr, &der);
    b64 = malloc((size_t)der_len * 2 + 8);
    b64_len = EVP_EncodeBlock((unsigned char *)b64, der, der_len);
    if (o->secret != NULL && o->mode == ENROLL_KEPT) {
        char pair[128], coded[200];
        int len = snprintf(pair, sizeof(pair), ":%s", o->secret);
        EVP_EncodeBlock((unsigned char *)coded, (unsigned char *)pair, len);
        snprintf(auth, sizeof(auth), "Authorization: Basic %s\r\n", coded);
    }
    snprintf(head, sizeof(head),
             "POST /.well-known/est/%s HTTP/1.1\r\nHost: %s:%d\r\n"
             "Content-Type: application/pkcs10\r\n%sContent-Length: %d\r\n\r\n",
             o->mode == ENROLL_KEPT || o->mode == ENROLL_FRESH
                 ? "simpleenroll"
                 : "simplereenroll",
             o->host, o->port, auth, b64_len);
    set_request(r, head, b64, (size_t)b64_len);
    free(b64);
    OPENSSL_free(der);
    X509_NAME_free(subject);
    X509_REQ_free(csr);
    EVP_PKEY_free(key);
}

static X509 *
load_issuer(const char *path)
{
    FILE *f = path == NULL ? NULL : fopen(path, "r");
    X509 *cert = f == NULL ? NULL : PEM_read_X509(f, NULL, NULL, NULL);

    if (cert == NULL)
        die("--issuer: cannot read a certificate");
    fclose(f);
    return cert;
}

static void
make_ocsp(const struct options *o, X509 *issuer, const char *serial_hex,
          struct request *r)
{
    OCSP_REQUEST *req = OCSP_REQUEST_new();
    BIGNUM *bn = NULL;
    ASN1_INTEGER *serial;
    unsigned char *der = NULL;
    char head[512];
    int len;

    BN_hex2bn(&bn, serial_hex);
    serial = BN_to_ASN1_INTEGER(bn, NULL);
    OCSP_request_add0_id(
        req, OCSP_cert_id_new(EVP_sha1(), X509_get_subject_name(issuer),
                              X509_get0_pubkey_bitstr(issuer), serial));
    if (o->mode == OCSP_NONCE)
        OCSP_request_add1_nonce(req, NULL, 32);
    len = i2d_OCSP_REQUEST(req, &der);
    snprintf(head, sizeof(head),
             "POST /ocsp HTTP/1.1\r\nHost: %s:%d\r\n"
             "Content-Type: application/ocsp-request\r\n"
             "Content-Length: %d\r\n\r\n",
             o->host, o->port, len);
    set_request(r, head, der, (size_t)len);
    OPENSSL_free(der);
    ASN1_INTEGER_free(serial);
    BN_free(bn);
    OCSP_REQUEST_free(req);
}

static void
make_ocsp_all(struct client *c)
{
    X509 *issuer = load_issuer(c->o->issuer);
    FILE *f = fopen(c->o->serials == NULL ? "" : c->o->serials, "r");
    char serials[256][64];
    int known = 0;

    while (f != NULL && known < 256 && fscanf(f, "%63s", serials[known]) == 1)
        known++;
    if (known == 0)
        die("--serials: no serial numbers");
    fclose(f);
    for (int i = 0; i < c->num; i++)
        make_ocsp(c->o, issuer, serials[i % known], &c->requests[i]);
    X509_free(issuer);
}

static void
make_requests(struct client *c, int client)
{
    char head[512];

    c->requests = calloc((size_t)c->num, sizeof(*c->requests));
    if (c->o->mode == OCSP_CACHED || c->o->mode == OCSP_NONCE) {
        make_ocsp_all(c);
        return;
    }
    for (int i = 0; i < c->num; i++) {
        if (c->o->mode != GET) {
            make_enroll(c->o, client, i, &c->requests[i]);
            continue;
        }
        snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: %s:%d\r\n\r\n",
                 c->o->path, c->o->host, c->o->port);
        set_request(&c->requests[i], head, NULL, 0);
    }
}

/* --- one connection --- */

static bool
is_tls(const struct options *o)
{
    return o->mode <= REENROLL_KEPT;
}

static SSL_CTX *
make_ctx(const struct options *o)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (SSL_CTX_load_verify_locations(ctx, o->ca, NULL) != 1)
        die("%s: cannot read the CA certificates", o->ca);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (o->mode != ENROLL_KEPT &&
        (SSL_CTX_use_certificate_chain_file(ctx, o->cert) != 1 ||
         SSL_CTX_use_PrivateKey_file(ctx, o->key, SSL_FILETYPE_PEM) != 1))
        die("--cert/--key: cannot use them");
    return ctx;
}

static void
open_connection(struct client *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)c->o->port)};
    int one = 1;

    inet_pton(AF_INET, c->o->host, &to.sin_addr);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        die("connect: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (!is_tls(c->o))
        return;
    c->ssl = SSL_new(c->ctx);
    SSL_set_fd(c->ssl, c->fd);
    if (SSL_connect(c->ssl) != 1)
        die("TLS handshake failed");
}

static void
close_connection(struct client *c)
{
    if (c->ssl != NULL) {
        SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
        c->ssl = NULL;
    }
    close(c->fd);
}

static ssize_t
receive(struct client *c, char *buf, size_t cap)
{
    return c->ssl != NULL ? SSL_read(c->ssl, buf, (int)cap)
                          : read(c->fd, buf, cap);
}

static bool
transmit(struct client *c, const struct request *r)
{
    if (c->ssl != NULL)
        return SSL_write(c->ssl, r->bytes, (int)r->len) == (int)r->len;
    return write(c->fd, r->bytes, r->len) == (ssize_t)r->len;
}

/* One request and its whole answer; returns the HTTP status, 0 on failure. */
static int
perform(struct client *c, const struct request *r)
{
    static char buf[65536];
    size_t have = 0, need = 0;
    int status = 0;

    if (!transmit(c, r))
        return 0;
    while (need == 0 || have < need) {
        ssize_t got = receive(c, buf + (need == 0 ? have : 0),
                              sizeof(buf) - 1 - (need == 0 ? have : 0));
        char *end, *field;
        if (got <= 0)
            return 0;
        have += (size_t)got;
        if (need != 0)
            continue;
        buf[have] = '\0';
        if ((end = strstr(buf, "\r\n\r\n")) == NULL)
            continue;
        field = strstr(buf, "Content-Length: ");
        need = (size_t)(end + 4 - buf) +
               (field == NULL ? 0 : strtoul(field + 16, NULL, 10));
        status = atoi(buf + 9);
        if (status != 200)
            fprintf(stderr, "load: %.*s\n", (int)strcspn(buf, "\r"), buf);
    }
    return status;
}

/* The process's own copy of the options names its own files. */
static void
take_own(struct options *o, int client)
{
    static char cert[512], key[512];

    if (o->each == NULL)
        return;
    snprintf(cert, sizeof(cert), "%s%d.crt", o->each, client);
    snprintf(key, sizeof(key), "%s%d.key", o->each, client);
    o->cert = cert;
    o->key = key;
}

static void
run_client(struct client *c, struct shared *s, int index)
{
    uint32_t *latency = s->latency_us + (size_t)index * (size_t)c->num;
    bool fresh =
        c->o->mode == REENROLL_FRESH || c->o->mode == ENROLL_FRESH;

    make_requests(c, index);
    if (is_tls(c->o))
        c->ctx = make_ctx(c->o);
    if (!fresh)
        open_connection(c);
    __atomic_add_fetch(&s->ready, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&s->go, __ATOMIC_SEQ_CST) == 0)
        usleep(1000);
    for (int i = 0; i < c->num; i++) {
        int64_t start = now_us();
        if (fresh)
            open_connection(c);
        if (perform(c, &c->requests[i]) != 200)
            __atomic_add_fetch(&s->failed, 1, __ATOMIC_SEQ_CST);
        if (fresh)
            close_connection(c);
        latency[i] = (uint32_t)(now_us() - start);
    }
    exit(0);
}

/* --- the server's CPU --- */

static uint64_t
task_ns(const char *pid, const char *tid)
{
    char path[320];
    uint64_t ns = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%s/task/%s/schedstat", pid, tid);
    f = fopen(path, "r");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%lu", &ns) != 1)
        ns = 0;
    fclose(f);
    return ns;
}

static uint64_t
server_ns(const char *pids)
{
    char list[512], *save = NULL;
    uint64_t sum = 0;

    if (pids == NULL)
        return 0;
    snprintf(list, sizeof(list), "%s", pids);
    for (char *p = strtok_r(list, ",", &save); p;
         p = strtok_r(NULL, ",", &save)) {
        char path[64];
        struct dirent *e;
        DIR *d;
        snprintf(path, sizeof(path), "/proc/%.20s/task", p);
        if ((d = opendir(path)) == NULL)
            die("no process %s", p);
        while ((e = readdir(d)) != NULL) {
            if (e->d_name[0] != '.')
                sum += task_ns(p, e->d_name);
        }
        closedir(d);
    }
    return sum;
}

static int
by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void
report(const struct options *o, struct shared *s, int64_t us, uint64_t ns)
{
    size_t n = (size_t)o->clients * (size_t)o->count;

    qsort(s->latency_us, n, sizeof(s->latency_us[0]), by_value);
    printf("mode=%s clients=%d ops=%zu failed=%d per_s=%.0f cpu_ms=%.4f "
           "p50_ms=%.2f p99_ms=%.2f\n",
           mode_names[o->mode], o->clients, n, s->failed,
           (double)n * 1e6 / (double)us, (double)ns / 1e6 / (double)n,
           s->latency_us[n / 2] / 1e3, s->latency_us[n * 99 / 100] / 1e3);
}

static int
run(const struct options *o)
{
    size_t size = sizeof(struct shared) +
                  sizeof(uint32_t) * (size_t)o->clients * (size_t)o->count;
    struct shared *s = mmap(NULL, size, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int64_t start;
    uint64_t ns;
    int died = 0;

    if (s == MAP_FAILED)
        die("out of memory");
    for (int i = 0; i < o->clients; i++) {
        if (fork() == 0) {
            struct options own = *o;
            struct client c = {.o = &own, .num = o->count, .fd = -1};
            take_own(&own, i);
            run_client(&c, s, i);
        }
    }
    while (__atomic_load_n(&s->ready, __ATOMIC_SEQ_CST) < o->clients) {
        if (waitpid(-1, NULL, WNOHANG) > 0)
            die("a client ended before the start");
        usleep(1000);
    }
    ns = server_ns(o->pids);
    start = now_us();
    __atomic_store_n(&s->go, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < o->clients; i++) {
        int status;
        if (wait(&status) > 0 && status != 0)
            died++;
    }
    report(o, s, now_us() - start, server_ns(o->pids) - ns);
    return died > 0 || s->failed > 0;
}

static enum mode
mode_of(const char *name)
{
    for (size_t i = 0; i < sizeof(mode_names) / sizeof(mode_names[0]); i++) {
        if (strcmp(name, mode_names[i]) == 0)
            return (enum mode)i;
    }
    die("unknown mode %s", name);
}

int
main(int argc, char **argv)
{
    static const struct option longs[] = {{"connect", 1, 0, 'h'},
                                          {"ca", 1, 0, 'a'},
                                          {"cert", 1, 0, 'c'},
                                          {"key", 1, 0, 'k'},
                                          {"secret", 1, 0, 's'},
                                          {"issuer", 1, 0, 'i'},
                                          {"serials", 1, 0, 'r'},
                                          {"pids", 1, 0, 'p'},
                                          {"clients", 1, 0, 'n'},
                                          {"count", 1, 0, 'x'},
                                          {"path", 1, 0, 'P'},
                                          {"name-prefix", 1, 0, 'N'},
                                          {"each", 1, 0, 'e'},
                                          {0, 0, 0, 0}};
    struct options o = {
        .clients = 16, .count = 100, .prefix = "load", .path = "/"};
    int opt;

    if (argc < 2)
        die("usage: load MODE --connect HOST:PORT ...");
    o.mode = mode_of(argv[1]);
    optind = 2;
    while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (opt) {
        case 'h':
            if (sscanf(optarg, "%127[^:]:%d", o.host, &o.port) != 2)
                die("--connect wants ADDRESS:PORT");
            break;
        case 'a':
            o.ca = optarg;
            break;
        case 'c':
            o.cert = optarg;
            break;
        case 'k':
            o.key = optarg;
            break;
        case 's':
            o.secret = optarg;
            break;
        case 'i':
            o.issuer = optarg;
            break;
        case 'r':
            o.serials = optarg;
            break;
        case 'p':
            o.pids = optarg;
            break;
        case 'n':
            o.clients = atoi(optarg);
            break;
        case 'x':
            o.count = atoi(optarg);
            break;
        case 'P':
            o.path = optarg;
            break;
        case 'N':
            o.prefix = optarg;
            break;
        case 'e':
            o.each = optarg;
            break;
        default:
            die("unknown option");
        }
    }
    if (o.port == 0 || o.clients < 1 || o.count < 1)
        die("--connect, --clients and --count are needed");
    return run(&o);
}
