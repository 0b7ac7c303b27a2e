/* The ports for Linux: modes, atomic replacement, links, locks, keys. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cmocka.h>

#include "brevet/openssl.h"
#include "brevet/posix.h"
#include "device/port/posix/file.h"

static char base[] = "/tmp/brevet-port-XXXXXX";
static char dir[64];

static int
setup(void **state)
{
    (void)state;
    memcpy(base + sizeof(base) - 7, "XXXXXX", 6);
    if (mkdtemp(base) == NULL)
        return -1;
    (void)snprintf(dir, sizeof(dir), "%s/identity", base);
    return 0;
}

static int
teardown(void **state)
{
    char command[128];
    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", base);
    return system(command);
}

static mode_t
mode_of(int dirfd, const char *name)
{
    struct stat st;
    assert_int_equal(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st.st_mode;
}

static void
test_storage(void **state)
{
    (void)state;
    struct bv_ports ports = {0};
    uint8_t out[8];
    size_t len;
    umask(0); /* modes must not hang on it */
    struct bv_posix *posix = bv_posix_open(dir);
    assert_non_null(posix);
    bv_posix_ports(posix, &ports);
    struct bv_storage *s = &ports.storage;
    assert_int_equal(s->get(s->ctx, BV_RECORD_STATE, out, 8, &len),
                     BV_PORT_NONE);
    assert_int_equal(s->set(s->ctx, BV_RECORD_STATE, (const uint8_t *)"abc", 3),
                     BV_PORT_OK);
    assert_int_equal(s->set(s->ctx, BV_RECORD_STATE, (const uint8_t *)"xy", 2),
                     BV_PORT_OK);
    assert_int_equal(s->get(s->ctx, BV_RECORD_STATE, out, 8, &len), BV_PORT_OK);
    assert_int_equal(len, 2);
    assert_memory_equal(out, "xy", 2);
    assert_int_equal(s->get(s->ctx, BV_RECORD_STATE, out, 1, &len),
                     BV_PORT_FAILED);
    int fd = bv_posix_dirfd(posix);
    assert_int_equal(mode_of(fd, "state") & 07777, 0600);
    assert_int_equal(faccessat(fd, ".state.new", F_OK, 0), -1);
    assert_int_equal(s->erase(s->ctx, BV_RECORD_STATE), BV_PORT_OK);
    assert_int_equal(s->erase(s->ctx, BV_RECORD_STATE), BV_PORT_OK);
    assert_int_equal(s->get(s->ctx, BV_RECORD_STATE, out, 8, &len),
                     BV_PORT_NONE);
    bv_posix_close(posix);
}

static void
test_directory(void **state)
{
    (void)state;
    struct bv_posix *posix = bv_posix_open(dir);
    assert_non_null(posix);
    assert_int_equal(mode_of(AT_FDCWD, dir) & 07777, 0700);
    assert_null(bv_posix_open(dir)); /* held */
    assert_int_equal(errno, EWOULDBLOCK);
    struct bv_posix *reader = bv_posix_open_reader(dir);
    assert_non_null(reader);
    struct bv_ports ports = {0};
    bv_posix_ports(reader, &ports);
    assert_int_equal(ports.storage.set(ports.storage.ctx, BV_RECORD_STATE,
                                       (const uint8_t *)"x", 1),
                     BV_PORT_FAILED);
    bv_posix_close(reader);
    bv_posix_close(posix);
    assert_int_equal(chmod(dir, 0777), 0);
    assert_null(bv_posix_open(dir));
    assert_int_equal(errno, EPERM);
}

/* A link in place of the file or of its temporary is never followed. */
static void
test_links(void **state)
{
    (void)state;
    char victim[80], out[8];
    size_t len;
    (void)snprintf(victim, sizeof(victim), "%s/victim", base);
    int v = open(victim, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(v, "safe", 4), 4);
    (void)close(v);
    int fd = open(base, O_RDONLY | O_DIRECTORY);
    assert_int_equal(symlinkat(victim, fd, "name"), 0);
    assert_int_equal(symlinkat(victim, fd, ".name.new"), 0);
    assert_int_equal(file_read(fd, "name", out, 8, &len), BV_PORT_FAILED);
    assert_int_equal(file_replace(fd, "name", "new", 3), BV_PORT_OK);
    assert_true(S_ISREG(mode_of(fd, "name")));
    assert_int_equal(file_read(fd, "victim", out, 8, &len), BV_PORT_OK);
    assert_memory_equal(out, "safe", 4);
    (void)close(fd);
}

/* A write that fails leaves the old content and nothing else. */
static void
test_failed_write(void **state)
{
    (void)state;
    char out[8];
    size_t len;
    int fd = open(base, O_RDONLY | O_DIRECTORY);
    assert_int_equal(file_replace(fd, "name", "old", 3), BV_PORT_OK);
    assert_int_equal(mkdirat(fd, ".name.new", 0700), 0); /* in the way */
    assert_int_equal(file_replace(fd, "name", "new", 3), BV_PORT_FAILED);
    assert_int_equal(file_read(fd, "name", out, 8, &len), BV_PORT_OK);
    assert_memory_equal(out, "old", 3);
    (void)close(fd);
}

static void
check_signature(const struct bv_keys *keys, enum bv_slot slot,
                const uint8_t *spki, size_t spki_len, const EVP_MD *digest)
{
    uint8_t sig[600];
    size_t len;
    const uint8_t *p = spki;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)spki_len);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    assert_int_equal(keys->sign(keys->ctx, slot, (const uint8_t *)"hello", 5,
                                sig, sizeof(sig), &len),
                     BV_PORT_OK);
    assert_int_equal(EVP_DigestVerifyInit(md, NULL, digest, NULL, key), 1);
    assert_int_equal(
        EVP_DigestVerify(md, sig, len, (const uint8_t *)"hello", 5), 1);
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(key);
}

static void
test_two_acts(void **state)
{
    (void)state;
    struct file_mode mode = {0640, (uid_t)-1, (gid_t)-1};
    struct bv_posix *posix = bv_posix_open(dir);
    assert_non_null(posix);
    uint8_t out[8];
    size_t len;
    int fd = bv_posix_dirfd(posix);
    assert_int_equal(file_replace(fd, "name", "old", 3), BV_PORT_OK);
    assert_int_equal(file_prepare_as(fd, "name", &mode, "new", 3), BV_PORT_OK);
    assert_int_equal(file_read(fd, "name", out, 8, &len), BV_PORT_OK);
    assert_memory_equal(out, "old", 3);
    file_discard(fd, "name");
    assert_int_equal(faccessat(fd, ".name.new", F_OK, 0), -1);
    assert_int_equal(file_commit(fd, "name"), BV_PORT_FAILED);
    assert_int_equal(file_prepare_as(fd, "name", &mode, "new", 3), BV_PORT_OK);
    assert_int_equal(file_commit(fd, "name"), BV_PORT_OK);
    assert_int_equal(file_read(fd, "name", out, 8, &len), BV_PORT_OK);
    assert_memory_equal(out, "new", 3);
    assert_int_equal(mode_of(fd, "name") & 07777, 0640);
    assert_int_equal(faccessat(fd, ".name.new", F_OK, 0), -1);
    bv_posix_close(posix);
}

static void
test_keys(void **state)
{
    (void)state;
    uint8_t a[640], b[640];
    size_t a_len, b_len;
    struct bv_posix *posix = bv_posix_open(dir);
    int fd = bv_posix_dirfd(posix);
    struct bv_openssl *openssl = bv_openssl_open(fd, NULL, NULL);
    struct bv_ports ports = {0};
    bv_openssl_ports(openssl, &ports);
    struct bv_keys *k = &ports.keys;
    assert_int_equal(k->public_key(k->ctx, BV_SLOT_A, a, 640, &a_len),
                     BV_PORT_NONE);
    assert_int_equal(k->generate(k->ctx, BV_SLOT_A, BV_KEY_P256), BV_PORT_OK);
    assert_int_equal(mode_of(fd, "key-a.pem") & 07777, 0600);
    assert_int_equal(k->public_key(k->ctx, BV_SLOT_A, a, 640, &a_len),
                     BV_PORT_OK);
    check_signature(k, BV_SLOT_A, a, a_len, EVP_sha256());
    assert_int_equal(k->generate(k->ctx, BV_SLOT_B, BV_KEY_P384), BV_PORT_OK);
    assert_int_equal(k->public_key(k->ctx, BV_SLOT_B, b, 640, &b_len),
                     BV_PORT_OK);
    check_signature(k, BV_SLOT_B, b, b_len, EVP_sha384());
    assert_int_equal(k->generate(k->ctx, BV_SLOT_B, BV_KEY_ED25519),
                     BV_PORT_OK);
    assert_int_equal(k->public_key(k->ctx, BV_SLOT_B, b, 640, &b_len),
                     BV_PORT_OK);
    check_signature(k, BV_SLOT_B, b, b_len, NULL);
    /* the other slot was never touched; the factory's cannot be */
    assert_int_equal(k->public_key(k->ctx, BV_SLOT_A, b, 640, &b_len),
                     BV_PORT_OK);
    assert_int_equal(a_len, b_len);
    assert_memory_equal(a, b, a_len);
    assert_int_equal(k->generate(k->ctx, BV_SLOT_FACTORY, BV_KEY_P256),
                     BV_PORT_FAILED);
    assert_int_equal(k->destroy(k->ctx, BV_SLOT_FACTORY), BV_PORT_FAILED);
    assert_int_equal(k->destroy(k->ctx, BV_SLOT_A), BV_PORT_OK);
    assert_int_equal(k->public_key(k->ctx, BV_SLOT_A, a, 640, &a_len),
                     BV_PORT_NONE);
    bv_openssl_close(openssl);
    bv_posix_close(posix);
}

/* --- the factory's identity --- */

static EVP_PKEY *
write_cert(const char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), 7), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), 0));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), 86400));
    assert_int_equal(X509_set_pubkey(cert, key), 1);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_X509(file, cert), 1);
    (void)fclose(file);
    X509_free(cert);
    return key;
}

/* opens: in a session without a terminal, where OpenSSL would read what it
 * asks for from standard input; there the right answer waits. */
static bool
opens(const char *cert, const char *key)
{
    int ask[2], status = -1;
    assert_int_equal(pipe(ask), 0);
    assert_int_equal(write(ask[1], "secret\n", 7), 7);
    (void)close(ask[1]);
    pid_t child = fork();
    if (child == 0) {
        (void)setsid();
        (void)dup2(ask[0], STDIN_FILENO);
        struct bv_openssl *openssl = bv_openssl_open(-1, cert, key);
        char left = 0;
        bool asked = read(ask[0], &left, 1) != 1;
        _exit(asked ? 2 : openssl == NULL);
    }
    (void)close(ask[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), 2); /* nobody was asked */
    return WEXITSTATUS(status) == 0;
}

static void
test_no_passphrase_is_asked_for(void **state)
{
    (void)state;
    static char secret[] = "secret";
    char cert[80], key[80];
    (void)snprintf(cert, sizeof(cert), "%s/cert.pem", base);
    (void)snprintf(key, sizeof(key), "%s/key.pem", base);
    EVP_PKEY *pkey = write_cert(cert);
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        FILE *file = fopen(key, "w");
        assert_non_null(file);
        assert_int_equal(PEM_write_PKCS8PrivateKey(
                             file, pkey, encrypted ? EVP_aes_128_cbc() : NULL,
                             encrypted ? secret : NULL, encrypted ? 6 : 0, NULL,
                             NULL),
                         1);
        (void)fclose(file);
        assert_int_equal(opens(cert, key), !encrypted);
    }
    EVP_PKEY_free(pkey);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_storage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_directory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_links, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_write, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_acts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_passphrase_is_asked_for, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
