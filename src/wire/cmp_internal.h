/* Shared by the files of cmp.h; nobody else includes this.
 *
 * How a failInfo gets its value: a reader with a ret_fail first writes what
 * any failure below would be, and again where that changes, so that BV_TRY
 * returns with the right one. */
#ifndef BV_WIRE_CMP_INTERNAL_H
#define BV_WIRE_CMP_INTERNAL_H

#include "wire/cmp.h"
#include "wire/der.h"

/* cmp_refuse writes the bit and returns the error. */
enum bv_err cmp_refuse(enum cmp_fail *ret_fail, enum cmp_fail fail,
                       enum bv_err err) BV_CHECKED;

/* cmp_header_parse reads a PKIHeader, whole. *ret_info_fail is what a known
 * part of generalInfo breaks, NONE if nothing. */
enum bv_err cmp_header_parse(struct span in, struct cmp_header *ret_header,
                             enum cmp_fail *ret_info_fail) BV_CHECKED;
/* cmp_name_check: a Name of good form, whatever its strings are made of. */
enum bv_err cmp_name_check(struct span name) BV_CHECKED;
/* cmp_general_name_take takes a GeneralName; one that is no directoryName is
 * the NULL-DN. */
enum bv_err cmp_general_name_take(struct span *in, struct span *ret_name,
                                  bool *ret_is_name) BV_CHECKED;
/* cmp_explicit_take takes the one element inside [n] EXPLICIT, if it is
 * there; ret_whole is empty otherwise. */
enum bv_err cmp_explicit_take(struct span *in, unsigned n, uint8_t tag,
                              struct span *ret_whole) BV_CHECKED;
/* cmp_serial_check: content octets of a positive INTEGER, minimal. */
enum bv_err cmp_serial_check(struct span serial) BV_CHECKED;
/* cmp_id_take takes a certReqId: -1 or more. */
enum bv_err cmp_id_take(struct span *in, int64_t *ret_id) BV_CHECKED;
/* cmp_text_take takes a PKIFreeText and returns its first text. */
enum bv_err cmp_text_take(struct span *in, struct span *ret_text) BV_CHECKED;
/* cmp_cert_id_take takes a CertId. */
enum bv_err cmp_cert_id_take(struct span *in,
                             struct cmp_cert_id *ret_id) BV_CHECKED;
/* cmp_hash_take takes the AlgorithmIdentifier of a hash. UNSUPPORTED. */
enum bv_err cmp_hash_take(struct span *in, enum cmp_hash *ret_hash) BV_CHECKED;
/* cmp_template_parse reads the content of a CertTemplate. */
enum bv_err cmp_template_parse(struct span content,
                               struct cmp_template *ret_template) BV_CHECKED;
/* cmp_extensions_check walks the content of Extensions. */
enum bv_err cmp_extensions_check(struct span extensions) BV_CHECKED;
/* cmp_one_take takes the one element of a SEQUENCE OF: what it is content of.
 * TOO_MANY and badRequest for several. */
enum bv_err cmp_one_take(struct span list, struct span *ret_content,
                         enum cmp_fail *ret_fail) BV_CHECKED;

#endif
