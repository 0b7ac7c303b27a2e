/* PEM, the textual encoding of RFC 7468: labelled base64 between BEGIN and END
 * lines. Text around blocks is skipped; headers inside a block ("Proc-Type:")
 * are refused. Freestanding. */
#ifndef BV_WIRE_PEM_H
#define BV_WIRE_PEM_H

#include "base/sink.h"
#include "base/span.h"
#include "wire/base64.h"

#define PEM_CERTIFICATE "CERTIFICATE"
#define PEM_CSR         "CERTIFICATE REQUEST"
#define PEM_CRL         "X509 CRL"
/* A TBSCertList that waits for its signature: a form of our own. */
#define PEM_CRL_REQUEST           "X509 CRL REQUEST"
#define PEM_CMS                   "CMS"
#define PEM_PUBLIC_KEY            "PUBLIC KEY"
#define PEM_PRIVATE_KEY           "PRIVATE KEY"
#define PEM_ENCRYPTED_PRIVATE_KEY "ENCRYPTED PRIVATE KEY"
#define PEM_EC_PRIVATE_KEY        "EC PRIVATE KEY"

/* At most so many octets for pem_encode of der_len octets. */
#define PEM_LEN(label_len, der_len)                                            \
    (BASE64_LINES_LEN(der_len) + 2 * (label_len) + 34)

/* pem_encode writes one block, lines of 64 ended by LF. */
void pem_encode(struct sink *out, const char *label, struct span der);

/* pem_next takes everything up to and including the next block off *text,
 * writes its octets to out (after what out already holds) and returns a view of
 * them; ret_label points into the text. NOT_FOUND when no BEGIN line is left
 * (*text is then unchanged), BAD_MESSAGE for a block that is not well formed,
 * NO_SPACE when out is too small. */
enum bv_err pem_next(struct span *text, struct sink *out,
                     struct span *ret_label, struct span *ret_der) BV_CHECKED;
/* pem_find is pem_next that skips blocks with other labels; what it skipped
 * leaves nothing in out. */
enum bv_err pem_find(struct span *text, const char *label, struct sink *out,
                     struct span *ret_der) BV_CHECKED;
/* pem_is tells whether the text holds a BEGIN line with this label (with any
 * label when it is NULL). */
bool pem_is(struct span text, const char *label);

#endif
