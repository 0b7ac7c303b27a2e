/* Messages of SCEP (RFC 8894), made and opened by hand: what no program offers,
 * and what clients should not do. On OpenSSL alone; sharing nothing with src/.
 *
 *     scep-msg make KEY CERT RA [OPTION...]   the content on standard input,
 *                                             the pkiMessage on standard output
 *         type=19 id=TEXT nonce=HEX  attributes; an empty one is left out
 *         md=sha256 cipher=aes-128-cbc oaep
 *         ber                  open lengths, OCTET STRINGs in pieces
 *         time=SECONDS         signingTime, from now
 *     scep-msg open KEY CERT RA [CERTS [CRLS]]  a CertRep on standard input: what
 *                                             it says as lines NAME=VALUE, its
 *                                             certificates and CRLs as PEM
 *     scep-msg serial CERT                    its IssuerAndSerialNumber
 *     scep-msg subject CERT CSR               its subject, and the CSR's
 */
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* It makes or reads one message and ends: what it holds then, it leaves. The
 * sanitizer is here for what it does with the message. */
int __lsan_is_turned_off(void);
int
__lsan_is_turned_off(void)
{
    return 1;
}

#define ATTR           "2.16.840.1.113733.1.9."
#define FAIL_INFO_TEXT "1.3.6.1.5.5.7.24.1"

static void
die(const char *what)
{
    fprintf(stderr, "scep-msg: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(2);
}

static void *
need(void *made, const char *what)
{
    if (made == NULL)
        die(what);
    return made;
}

static void
must(int result, const char *what)
{
    if (result <= 0)
        die(what);
}

static EVP_PKEY *
read_key(const char *path)
{
    BIO *in = need(BIO_new_file(path, "r"), path);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
    BIO_free(in);
    return need(key, path);
}

static X509 *
read_cert(const char *path)
{
    BIO *in = need(BIO_new_file(path, "r"), path);
    X509 *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
    BIO_free(in);
    return need(cert, path);
}

static BIO *
read_all(FILE *from)
{
    BIO *memory = need(BIO_new(BIO_s_mem()), "memory");
    char buf[4096];
    size_t n;
    while ((n = fread(buf, 1, sizeof(buf), from)) > 0)
        must(BIO_write(memory, buf, (int)n), "memory");
    return memory;
}

static ASN1_OBJECT *
object(const char *prefix, const char *rest)
{
    char oid[64];
    (void)snprintf(oid, sizeof(oid), "%s%s", prefix, rest);
    return need(OBJ_txt2obj(oid, 1), oid);
}

/* --- making --- */

struct wish {
    const char *type, *id, *nonce, *md, *cipher;
    int ber, oaep, has_time;
    long time;
};

static void
read_wish(struct wish *w, const char *option)
{
    const char *value = strchr(option, '=');
    size_t len = value != NULL ? (size_t)(value++ - option) : strlen(option);
#define IS(name) (len == strlen(name) && strncmp(option, name, len) == 0)
    if (IS("type"))
        w->type = value;
    else if (IS("id"))
        w->id = value;
    else if (IS("nonce"))
        w->nonce = value;
    else if (IS("md"))
        w->md = value;
    else if (IS("cipher"))
        w->cipher = value;
    else if (IS("ber"))
        w->ber = 1;
    else if (IS("oaep"))
        w->oaep = 1;
    else if (IS("time"))
        w->has_time = 1, w->time = atol(value);
    else
        die(option);
}

/* The content, encrypted to the RA. */
static BIO *
envelop(BIO *content, X509 *ra, const struct wish *w)
{
    unsigned flags = CMS_BINARY | CMS_PARTIAL | (w->ber ? CMS_STREAM : 0);
    BIO *out = need(BIO_new(BIO_s_mem()), "memory");
    const EVP_CIPHER *cipher =
        need((void *)EVP_get_cipherbyname(w->cipher), w->cipher);
    CMS_ContentInfo *cms =
        need(CMS_encrypt(NULL, NULL, cipher, flags), "CMS_encrypt");
    CMS_RecipientInfo *info = need(
        CMS_add1_recipient_cert(cms, ra, w->oaep ? CMS_KEY_PARAM : 0), "RA");
    if (w->oaep)
        must(EVP_PKEY_CTX_set_rsa_padding(CMS_RecipientInfo_get0_pkey_ctx(info),
                                          RSA_PKCS1_OAEP_PADDING),
             "OAEP");
    if (w->ber) {
        must(i2d_CMS_bio_stream(out, cms, content, (int)flags), "envelope");
    } else {
        must(CMS_final(cms, content, NULL, flags), "envelope");
        must(i2d_CMS_bio(out, cms), "envelope");
    }
    CMS_ContentInfo_free(cms);
    return out;
}

static void
add_attr(CMS_SignerInfo *signer, const char *number, int type, const void *data,
         size_t len)
{
    ASN1_OBJECT *oid = object(ATTR, number);
    must(CMS_signed_add1_attr_by_OBJ(signer, oid, type, data, (int)len),
         number);
    ASN1_OBJECT_free(oid);
}

static void
add_attrs(CMS_SignerInfo *signer, const struct wish *w)
{
    long len;
    unsigned char *nonce = OPENSSL_hexstr2buf(w->nonce, &len);
    if (w->type[0] != '\0')
        add_attr(signer, "2", V_ASN1_PRINTABLESTRING, w->type, strlen(w->type));
    if (w->id[0] != '\0')
        add_attr(signer, "7", V_ASN1_PRINTABLESTRING, w->id, strlen(w->id));
    if (w->nonce[0] != '\0')
        add_attr(signer, "5", V_ASN1_OCTET_STRING,
                 need(nonce, "the nonce is not hex"), (size_t)len);
    OPENSSL_free(nonce);
    if (w->has_time) {
        ASN1_TIME *at = ASN1_TIME_adj(NULL, time(NULL) + w->time, 0, 0);
        must(CMS_signed_add1_attr_by_NID(signer, NID_pkcs9_signingTime,
                                         at->type, at, -1),
             "signingTime");
        ASN1_TIME_free(at);
    }
}

static int
make(char **argv, int argc)
{
    struct wish w = {.type = "19",
                     .id = "test",
                     .nonce = "000102030405060708090a0b0c0d0e0f",
                     .md = "sha256",
                     .cipher = "aes-128-cbc"};
    EVP_PKEY *key = read_key(argv[0]);
    X509 *cert = read_cert(argv[1]), *ra = read_cert(argv[2]);
    BIO *in = read_all(stdin), *out = BIO_new_fp(stdout, BIO_NOCLOSE);
    for (int i = 3; i < argc; i++)
        read_wish(&w, argv[i]);
    unsigned flags = CMS_BINARY | CMS_PARTIAL | (w.ber ? CMS_STREAM : 0);
    BIO *inside = envelop(in, ra, &w);
    CMS_ContentInfo *cms =
        need(CMS_sign(NULL, NULL, NULL, NULL, flags), "CMS_sign");
    const EVP_MD *md = need((void *)EVP_get_digestbyname(w.md), w.md);
    CMS_SignerInfo *signer =
        need(CMS_add1_signer(cms, cert, key, md, CMS_NOSMIMECAP), "signer");
    add_attrs(signer, &w);
    if (w.ber) {
        must(i2d_CMS_bio_stream(out, cms, inside, (int)flags), "message");
    } else {
        must(CMS_final(cms, inside, NULL, flags), "message");
        must(i2d_CMS_bio(out, cms), "message");
    }
    return 0;
}

/* --- opening --- */

static void
print_text(CMS_SignerInfo *signer, const char *name, const char *prefix,
           const char *number, int type)
{
    ASN1_OBJECT *oid = object(prefix, number);
    ASN1_STRING *value = CMS_signed_get0_data_by_OBJ(signer, oid, -3, type);
    ASN1_OBJECT_free(oid);
    if (value == NULL)
        return;
    const unsigned char *data = ASN1_STRING_get0_data(value);
    printf("%s=", name);
    for (int i = 0; i < ASN1_STRING_length(value); i++)
        printf(type == V_ASN1_OCTET_STRING ? "%02x" : "%c", data[i]);
    printf("\n");
}

static void
print_algs(CMS_SignerInfo *signer)
{
    X509_ALGOR *md, *sig;
    const ASN1_OBJECT *oid;
    char text[80];
    CMS_SignerInfo_get0_algs(signer, NULL, NULL, &md, &sig);
    X509_ALGOR_get0(&oid, NULL, NULL, md);
    OBJ_obj2txt(text, sizeof(text), oid, 0);
    printf("md=%s\n", text);
    X509_ALGOR_get0(&oid, NULL, NULL, sig);
    OBJ_obj2txt(text, sizeof(text), oid, 0);
    printf("signature=%s\n", text);
}

/* The cipher is not to be had from OpenSSL's CMS; it stands in the text. */
static void
print_cipher(CMS_ContentInfo *cms)
{
    BIO *text = BIO_new(BIO_s_mem());
    char *data;
    CMS_ContentInfo_print_ctx(text, cms, 0, NULL);
    BIO_write(text, "", 1);
    BIO_get_mem_data(text, &data);
    char *at = strstr(data, "contentEncryptionAlgorithm");
    at = at != NULL ? strstr(at, "algorithm: ") : NULL;
    if (at != NULL)
        printf("cipher=%.*s\n", (int)strcspn(at + 11, " "), at + 11);
    BIO_free(text);
}

static void
save(CMS_ContentInfo *cms, const char *certs_path, const char *crls_path)
{
    STACK_OF(X509) *certs = CMS_get1_certs(cms);
    STACK_OF(X509_CRL) *crls = CMS_get1_crls(cms);
    printf("certs=%d\ncrls=%d\n", certs == NULL ? 0 : sk_X509_num(certs),
           crls == NULL ? 0 : sk_X509_CRL_num(crls));
    FILE *out = certs_path != NULL ? fopen(certs_path, "w") : NULL;
    for (int i = 0; out != NULL && i < sk_X509_num(certs); i++)
        PEM_write_X509(out, sk_X509_value(certs, i));
    if (out != NULL)
        fclose(out);
    out = crls_path != NULL ? fopen(crls_path, "w") : NULL;
    for (int i = 0; out != NULL && i < sk_X509_CRL_num(crls); i++)
        PEM_write_X509_CRL(out, sk_X509_CRL_value(crls, i));
    if (out != NULL)
        fclose(out);
}

static int
open_(char **argv, int argc)
{
    EVP_PKEY *key = read_key(argv[0]);
    X509 *cert = read_cert(argv[1]), *ra = read_cert(argv[2]);
    BIO *in = read_all(stdin), *content = BIO_new(BIO_s_mem());
    CMS_ContentInfo *cms = need(d2i_CMS_bio(in, NULL), "no CMS");
    STACK_OF(X509) *signers = sk_X509_new_null();
    sk_X509_push(signers, ra);
    ASN1_OCTET_STRING **econtent = CMS_get0_content(cms);
    int has_content = econtent != NULL && *econtent != NULL;
    must(CMS_verify(cms, signers, NULL,
                    has_content ? NULL : BIO_new_mem_buf("", 0), content,
                    CMS_BINARY | CMS_NOINTERN | CMS_NO_SIGNER_CERT_VERIFY),
         "the signature is not the RA's");
    CMS_SignerInfo *signer =
        sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
    print_text(signer, "type", ATTR, "2", V_ASN1_PRINTABLESTRING);
    print_text(signer, "status", ATTR, "3", V_ASN1_PRINTABLESTRING);
    print_text(signer, "fail", ATTR, "4", V_ASN1_PRINTABLESTRING);
    print_text(signer, "text", FAIL_INFO_TEXT, "", V_ASN1_UTF8STRING);
    print_text(signer, "id", ATTR, "7", V_ASN1_PRINTABLESTRING);
    print_text(signer, "sender", ATTR, "5", V_ASN1_OCTET_STRING);
    print_text(signer, "recipient", ATTR, "6", V_ASN1_OCTET_STRING);
    print_algs(signer);
    printf("content=%d\n", has_content);
    if (!has_content)
        return 0;
    CMS_ContentInfo *inside = need(d2i_CMS_bio(content, NULL), "no envelope");
    BIO *plain = BIO_new(BIO_s_mem());
    print_cipher(inside);
    must(CMS_decrypt(inside, key, cert, NULL, plain, CMS_BINARY), "decrypt");
    save(need(d2i_CMS_bio(plain, NULL), "no certificates"),
         argc > 3 ? argv[3] : NULL, argc > 4 ? argv[4] : NULL);
    return 0;
}

/* --- names of certificates --- */

static int
serial(char **argv)
{
    X509 *cert = read_cert(argv[0]);
    PKCS7_ISSUER_AND_SERIAL *both = PKCS7_ISSUER_AND_SERIAL_new();
    unsigned char *der = NULL;
    X509_NAME_set(&both->issuer, X509_get_issuer_name(cert));
    ASN1_INTEGER_free(both->serial);
    both->serial = ASN1_INTEGER_dup(X509_get0_serialNumber(cert));
    int len = i2d_PKCS7_ISSUER_AND_SERIAL(both, &der);
    must(len, "serial");
    fwrite(der, 1, (size_t)len, stdout);
    return 0;
}

static int
subject(char **argv)
{
    X509 *cert = read_cert(argv[0]);
    BIO *in = need(BIO_new_file(argv[1], "r"), argv[1]);
    X509_REQ *csr = need(d2i_X509_REQ_bio(in, NULL), "CSR");
    unsigned char body[4096], *at = body, head[4] = {0x30, 0x82};
    int len = i2d_X509_NAME(X509_get_subject_name(cert), NULL) +
              i2d_X509_NAME(X509_REQ_get_subject_name(csr), NULL);
    if (len <= 0 || len > (int)sizeof(body))
        die("names");
    i2d_X509_NAME(X509_get_subject_name(cert), &at);
    i2d_X509_NAME(X509_REQ_get_subject_name(csr), &at);
    head[2] = (unsigned char)(len >> 8); /* BER: no shorter than it could be */
    head[3] = (unsigned char)len;
    fwrite(head, 1, sizeof(head), stdout);
    fwrite(body, 1, (size_t)len, stdout);
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "make") == 0)
        return make(argv + 2, argc - 2);
    if (argc >= 5 && strcmp(argv[1], "open") == 0)
        return open_(argv + 2, argc - 2);
    if (argc == 3 && strcmp(argv[1], "serial") == 0)
        return serial(argv + 2);
    if (argc == 4 && strcmp(argv[1], "subject") == 0)
        return subject(argv + 2);
    die("usage: make | open | serial | subject");
}
