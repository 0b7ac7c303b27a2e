/* Shared by ocsp.c and ocsp_response.c; nobody else includes this. */
#ifndef BV_WIRE_OCSP_INTERNAL_H
#define BV_WIRE_OCSP_INTERNAL_H

#include "wire/ocsp.h"

/* ocsp_cert_id_take takes a CertID off *in. */
enum bv_err ocsp_cert_id_take(struct span *in,
                              struct ocsp_cert_id *ret_id) BV_CHECKED;
/* ocsp_extensions_check walks Extensions (one element, whole): a critical one
 * is UNSUPPORTED, one twice is BAD_MESSAGE. The nonce is returned when
 * ret_nonce is not NULL (and may then be critical). */
enum bv_err ocsp_extensions_check(struct span extensions, bool *ret_has_nonce,
                                  struct span *ret_nonce) BV_CHECKED;
void ocsp_nonce_put(struct sink *out, struct span nonce);

#endif
