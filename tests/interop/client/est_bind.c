/* An EST client of its own: written from RFC 7030, 5929 and 9266 on OpenSSL
 * alone, sharing nothing with src/ or device/, so that both sides of a channel
 * binding are not the same misreading.
 *
 *     est-bind PORT ROOT VERSION PATH NAME KEY BINDING [USER:SECRET | CERT]
 *
 * VERSION is 1.2 or 1.3. BINDING:
 *     right    of this connection: tls-unique (1.2), tls-exporter (1.3)
 *     other    of another connection made just before
 *     none     no challengePassword
 *     noems    1.2 without the extended master secret, its tls-unique
 *     context  1.3, exported with a context of another use
 *     finished 1.3, the Finished that tls-unique would have been
 *     =TEXT    this text
 * CERT is a PEM file with certificate; its key is KEY too unless CERT.key
 * exists. Prints the HTTP status, then the body. */
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct args {
    const char *port, *root, *version, *path, *name, *key, *binding, *who;
};

struct channel {
    SSL_CTX *ctx;
    SSL *ssl;
};

static void
die(const char *what)
{
    fprintf(stderr, "est-bind: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(2);
}

static int
is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static EVP_PKEY *
read_key(const char *path)
{
    BIO *in = BIO_new_file(path, "r");
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL) : NULL;
    BIO_free(in);
    if (key == NULL)
        die(path);
    return key;
}

/* --- the connection --- */

static void
use_certificate(SSL_CTX *ctx, const struct args *args)
{
    char path[1024];
    if (args->who == NULL || strchr(args->who, ':') != NULL)
        return;
    snprintf(path, sizeof(path), "%s.key", args->who);
    if (SSL_CTX_use_certificate_file(ctx, args->who, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx,
                                    access(path, R_OK) == 0 ? path : args->key,
                                    SSL_FILETYPE_PEM) != 1)
        die("client certificate");
}

static SSL_CTX *
make_ctx(const struct args *args)
{
    int version = is(args->version, "1.2") ? TLS1_2_VERSION : TLS1_3_VERSION;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL ||
        SSL_CTX_load_verify_locations(ctx, args->root, NULL) != 1 ||
        SSL_CTX_set_min_proto_version(ctx, version) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, version) != 1)
        die("context");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (is(args->binding, "noems"))
        SSL_CTX_set_options(ctx, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    use_certificate(ctx, args);
    return ctx;
}

static int
dial(const char *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(port)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        die("connect");
    return fd;
}

static struct channel
open_channel(const struct args *args)
{
    struct channel c = {.ctx = make_ctx(args)};
    c.ssl = SSL_new(c.ctx);
    if (c.ssl == NULL || SSL_set1_host(c.ssl, "localhost") != 1 ||
        SSL_set_fd(c.ssl, dial(args->port)) != 1 || SSL_connect(c.ssl) != 1)
        die("handshake");
    if (SSL_session_reused(c.ssl))
        die("the session was resumed");
    return c;
}

static void
close_channel(struct channel *c)
{
    int fd = SSL_get_fd(c->ssl);
    SSL_shutdown(c->ssl);
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    close(fd);
}

/* --- the binding --- */

/* RFC 5929 3.1: the first Finished of the handshake, which in a full one is
 * the client's. RFC 9266 2: label, context of zero length, 32 octets. */
static size_t
binding_of(const struct channel *c, const struct args *args, unsigned char *buf)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    const char *context = is(args->binding, "context") ? "another use" : "";
    if (is(args->version, "1.2") || is(args->binding, "finished"))
        return SSL_get_finished(c->ssl, buf, EVP_MAX_MD_SIZE);
    if (SSL_export_keying_material(c->ssl, buf, 32, label, strlen(label),
                                   (const unsigned char *)context,
                                   strlen(context), 1) != 1)
        die("exporter");
    return 32;
}

/* challenge: the text for challengePassword, "" for none. */
static void
make_challenge(const struct channel *c, const struct args *args,
               char challenge[256])
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    challenge[0] = '\0';
    if (is(args->binding, "none"))
        return;
    if (args->binding[0] == '=') {
        snprintf(challenge, 256, "%s", args->binding + 1);
        return;
    }
    if (is(args->binding, "other")) {
        struct channel before = open_channel(args);
        size_t len = binding_of(&before, args, raw);
        close_channel(&before);
        EVP_EncodeBlock((unsigned char *)challenge, raw, (int)len);
        return;
    }
    EVP_EncodeBlock((unsigned char *)challenge, raw,
                    (int)binding_of(c, args, raw));
}

/* --- the request --- */

static X509_REQ *
make_csr(const struct args *args, const char *challenge)
{
    EVP_PKEY *key = read_key(args->key);
    X509_REQ *csr = X509_REQ_new();
    X509_NAME *name = X509_NAME_new();
    int ok = X509_REQ_set_version(csr, 0) &&
             X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                        (const unsigned char *)args->name, -1,
                                        -1, 0) &&
             X509_REQ_set_subject_name(csr, name) &&
             X509_REQ_set_pubkey(csr, key);
    if (ok && challenge[0] != '\0')
        ok = X509_REQ_add1_attr_by_NID(
            csr, NID_pkcs9_challengePassword, MBSTRING_ASC,
            (const unsigned char *)challenge, (int)strlen(challenge));
    if (!ok || X509_REQ_sign(csr, key, EVP_sha256()) <= 0)
        die("CSR");
    X509_NAME_free(name);
    EVP_PKEY_free(key);
    return csr;
}

/* base64 in one line, from malloc. */
static char *
encode(const unsigned char *data, size_t len)
{
    char *text = malloc(4 * (len / 3 + 1) + 1);
    EVP_EncodeBlock((unsigned char *)text, data, (int)len);
    return text;
}

static char *
make_body(const struct args *args, const char *challenge)
{
    unsigned char *der = NULL;
    X509_REQ *csr = make_csr(args, challenge);
    int len = i2d_X509_REQ(csr, &der);
    char *body = encode(der, (size_t)len);
    X509_REQ_free(csr);
    OPENSSL_free(der);
    return body;
}

static void
send_request(const struct channel *c, const struct args *args, const char *body)
{
    char credential[600] = "", *request;
    if (args->who != NULL && strchr(args->who, ':') != NULL) {
        char *basic =
            encode((const unsigned char *)args->who, strlen(args->who));
        snprintf(credential, sizeof(credential), "Authorization: Basic %s\r\n",
                 basic);
        free(basic);
    }
    int len = asprintf(&request,
                       "POST /.well-known/est/%s HTTP/1.1\r\n"
                       "Host: localhost\r\n%s"
                       "Content-Type: application/pkcs10\r\n"
                       "Content-Length: %zu\r\n"
                       "Connection: close\r\n\r\n%s",
                       args->path, credential, strlen(body), body);
    if (len < 0 || SSL_write(c->ssl, request, len) != len)
        die("write");
    free(request);
}

static void
print_answer(const struct channel *c)
{
    static char answer[65536];
    size_t used = 0;
    int got;
    while (used < sizeof(answer) - 1 &&
           (got = SSL_read(c->ssl, answer + used,
                           (int)(sizeof(answer) - 1 - used))) > 0)
        used += (size_t)got;
    answer[used] = '\0';
    const char *body = strstr(answer, "\r\n\r\n");
    if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || body == NULL)
        die("the answer is no HTTP");
    printf("%.3s\n%s", answer + 9, body + 4);
}

int
main(int argc, char **argv)
{
    char challenge[256];
    if (argc < 8)
        die("usage: PORT ROOT VERSION PATH NAME KEY BINDING [WHO]");
    struct args args = {argv[1], argv[2], argv[3], argv[4],
                        argv[5], argv[6], argv[7], argc > 8 ? argv[8] : NULL};
    struct channel c = open_channel(&args);
    make_challenge(&c, &args, challenge);
    char *body = make_body(&args, challenge);
    send_request(&c, &args, body);
    print_answer(&c);
    free(body);
    close_channel(&c);
    return 0;
}
