/* A CSR with the attributes of RFC 7030 4.4.1, which `openssl req` cannot
 * write. On OpenSSL alone; sharing nothing with src/ or device/.
 *
 *     est-csr NAME KEY [asymm=HEX] [symm=HEX] [caps=OID,OID…]
 *
 * DER on standard output. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DECRYPT_KEY_ID       "1.2.840.113549.1.9.16.2.37"
#define ASYMM_DECRYPT_KEY_ID "1.2.840.113549.1.9.16.2.54"
#define SMIME_CAPABILITIES   "1.2.840.113549.1.9.15"

static void
die(const char *what)
{
    fprintf(stderr, "est-csr: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(2);
}

static void
add(X509_REQ *csr, const char *oid, int type, const unsigned char *value,
    long len)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    if (object == NULL ||
        X509_REQ_add1_attr_by_OBJ(csr, object, type, value, (int)len) != 1)
        die(oid);
    ASN1_OBJECT_free(object);
}

static void
add_key_id(X509_REQ *csr, const char *oid, const char *hex)
{
    long len;
    unsigned char *id = OPENSSL_hexstr2buf(hex, &len);
    if (id == NULL)
        die("the key id is not hex");
    add(csr, oid, V_ASN1_OCTET_STRING, id, len);
    OPENSSL_free(id);
}

/* SMIMECapability has the form of an AlgorithmIdentifier. */
static void
add_caps(X509_REQ *csr, const char *list)
{
    char *copy = strdup(list), *rest = copy, *oid;
    X509_ALGORS *caps = sk_X509_ALGOR_new_null();
    unsigned char *der = NULL;
    while ((oid = strsep(&rest, ",")) != NULL) {
        X509_ALGOR *one = X509_ALGOR_new();
        if (X509_ALGOR_set0(one, OBJ_txt2obj(oid, 1), V_ASN1_UNDEF, NULL) != 1)
            die(oid);
        sk_X509_ALGOR_push(caps, one);
    }
    int len = i2d_X509_ALGORS(caps, &der);
    add(csr, SMIME_CAPABILITIES, V_ASN1_SEQUENCE, der, len);
    sk_X509_ALGOR_pop_free(caps, X509_ALGOR_free);
    OPENSSL_free(der);
    free(copy);
}

static void
add_option(X509_REQ *csr, const char *option)
{
    if (strncmp(option, "asymm=", 6) == 0)
        add_key_id(csr, ASYMM_DECRYPT_KEY_ID, option + 6);
    else if (strncmp(option, "symm=", 5) == 0)
        add_key_id(csr, DECRYPT_KEY_ID, option + 5);
    else if (strncmp(option, "caps=", 5) == 0)
        add_caps(csr, option + 5);
    else
        die(option);
}

int
main(int argc, char **argv)
{
    if (argc < 3)
        die("usage: NAME KEY [asymm=HEX] [symm=HEX] [caps=OID,OID]");
    BIO *in = BIO_new_file(argv[2], "r"),
        *out = BIO_new_fp(stdout, BIO_NOCLOSE);
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL) : NULL;
    X509_REQ *csr = X509_REQ_new();
    X509_NAME *name = X509_NAME_new();
    if (key == NULL || X509_REQ_set_version(csr, 0) != 1 ||
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                   (unsigned char *)argv[1], -1, -1, 0) != 1 ||
        X509_REQ_set_subject_name(csr, name) != 1 ||
        X509_REQ_set_pubkey(csr, key) != 1)
        die("CSR");
    for (int i = 3; i < argc; i++)
        add_option(csr, argv[i]);
    bool hashes_itself = EVP_PKEY_is_a(key, "ED25519");
    if (X509_REQ_sign(csr, key, hashes_itself ? NULL : EVP_sha256()) <= 0 ||
        i2d_X509_REQ_bio(out, csr) != 1)
        die("signature");
    X509_NAME_free(name);
    X509_REQ_free(csr);
    EVP_PKEY_free(key);
    BIO_free(in);
    BIO_free(out);
    return 0;
}
