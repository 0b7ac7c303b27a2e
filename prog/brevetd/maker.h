/* The revocation list of a manufacturer, as core's material needs it. */
#ifndef BREVETD_MAKER_H
#define BREVETD_MAKER_H

#include "base/sink.h"

/* maker_crl reads a CRL (DER, or the first of a PEM text) and verifies it with
 * that certificate among anchors (PEM) which bears its issuer's name. The DER
 * is put to the end of memory, which stays as it was on failure. Not usable,
 * with a sentence: damaged or without nextUpdate (BAD_MESSAGE), of limited
 * scope (UNSUPPORTED), by nobody among anchors (BAD_SIGNATURE), past its
 * nextUpdate (EXPIRED). */
enum bv_err maker_crl(struct span file, struct span anchors, int64_t now,
                      struct sink *memory, const char **ret_problem) BV_CHECKED;

#endif
