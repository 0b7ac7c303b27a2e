/* BER (X.690) made DER. CMS may be sent in BER (RFC 5652 5, RFC 8894 3), and
 * clients do: lengths left open, OCTET STRINGs in pieces. Nothing here decodes
 * BER; it is rewritten once, and everything behind reads DER. Freestanding. */
#ifndef BV_WIRE_BER_H
#define BV_WIRE_BER_H

#include "base/limits.h"
#include "base/sink.h"
#include "base/span.h"

/* ber_to_der writes the one element that in holds with minimal definite
 * lengths, and each universal OCTET STRING that came in pieces as one. What DER
 * asks beyond that (the order of a SET OF, INTEGERs, BOOLEANs) is left as it
 * is for the readers to refuse. Below 64 KiB the result is not longer than in.
 * BAD_MESSAGE: not BER, tag numbers above 30, octets missing; TRAILING_BYTES;
 * TOO_MANY: nested deeper than LIMIT_BER_DEPTH; UNSUPPORTED: another string
 * type in pieces; NO_SPACE. Its time is O(octets * depth), its memory none. */
enum bv_err ber_to_der(struct span in, struct sink *out) BV_CHECKED;

/* ber_join writes the octets of an IMPLICIT OCTET STRING as ber_to_der has left
 * it: value as it is, or, when it was constructed, what its pieces hold. Which
 * of the two only a reader that knows the type can tell.
 * BAD_MESSAGE: the pieces are no OCTET STRINGs; NO_SPACE. */
enum bv_err ber_join(bool constructed, struct span value,
                     struct sink *out) BV_CHECKED;

#endif
