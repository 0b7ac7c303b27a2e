#include <errno.h>
#include <string.h>

#include "device/port/openssl/port.h"

enum bv_port
openssl_note(struct bv_openssl *openssl, enum bv_port answer, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    (void)snprintf(openssl->error, sizeof(openssl->error), "%s%s%s", what,
                   reason != NULL ? ": " : "", reason != NULL ? reason : "");
    ERR_clear_error();
    return answer;
}

enum bv_port
openssl_note_errno(struct bv_openssl *openssl, enum bv_port answer,
                   const char *what)
{
    (void)snprintf(openssl->error, sizeof(openssl->error), "%s: %s", what,
                   strerror(errno));
    return answer;
}

int
openssl_no_passphrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return 0;
}

static X509 *
read_cert(const char *path)
{
    bv_auto(BIO) BIO *file = BIO_new_file(path, "r");
    return file == NULL
               ? NULL
               : PEM_read_bio_X509(file, NULL, openssl_no_passphrase, NULL);
}

static bool
fits(struct bv_openssl *openssl)
{
    bv_auto(EVP_PKEY) EVP_PKEY *key = keys_load(openssl, BV_SLOT_FACTORY);
    bool good =
        key != NULL && X509_check_private_key(openssl->factory_cert, key) == 1;
    ERR_clear_error();
    return good;
}

struct bv_openssl *
bv_openssl_open(int dirfd, const char *factory_cert, const char *factory_key)
{
    struct bv_openssl *openssl = calloc(1, sizeof(*openssl));
    if (openssl == NULL)
        return NULL;
    openssl->dir = dirfd;
    openssl->fd = -1;
    if (factory_cert == NULL || factory_key == NULL)
        return openssl;
    openssl->factory_cert = read_cert(factory_cert);
    openssl->factory_key = strdup(factory_key);
    if (openssl->factory_cert != NULL && openssl->factory_key != NULL &&
        fits(openssl))
        return openssl;
    bv_openssl_close(openssl);
    return NULL;
}

void
bv_openssl_close(struct bv_openssl *openssl)
{
    if (openssl == NULL)
        return;
    transport_close(openssl);
    lookup_done(&openssl->lookup);
    X509_free(openssl->factory_cert);
    free(openssl->factory_key);
    free(openssl);
}

void
bv_openssl_ports(struct bv_openssl *openssl, struct bv_ports *ret_ports)
{
    ret_ports->keys = keys_port(openssl);
    ret_ports->verify = verify_port(openssl);
    ret_ports->transport = transport_port(openssl);
}

int
bv_openssl_fd(const struct bv_openssl *openssl, short *ret_events)
{
    *ret_events = openssl->events;
    return openssl->fd;
}

const char *
bv_openssl_error(const struct bv_openssl *openssl)
{
    return openssl->error;
}
