/* IP addresses as text and as the 4 or 16 octets of an iPAddress name. RFC
 * 4291 2.2 (forms 1 and 2) in, RFC 5952 out. Freestanding. */
#ifndef BV_WIRE_IP_H
#define BV_WIRE_IP_H

#include "base/sink.h"
#include "base/span.h"

#define IP_LEN_MAX 16

/* ip_parse: BAD_NAME unless text is one address. Decimal octets have no
 * leading zeros; zones and prefixes are refused. ret_len is 4 or 16. */
enum bv_err ip_parse(struct span text, uint8_t ret_ip[IP_LEN_MAX],
                     size_t *ret_len) BV_CHECKED;
/* ip_put_text writes the address; octets of another length as "#hex". */
void ip_put_text(struct sink *out, struct span ip);

#endif
