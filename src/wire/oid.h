/* Object identifiers by name, as the content octets that der_oid returns and
 * der_put_oid takes. The list is oid.def; each row is a constant:
 *
 *     if (span_eq(oid, oid_ext_key_usage)) ...
 *
 * Freestanding. */
#ifndef BV_WIRE_OID_H
#define BV_WIRE_OID_H

#include "base/sink.h"
#include "base/span.h"

#define OID(name, text, ...) extern const struct span oid_##name;
#include "wire/oid.def"
#undef OID

/* oid_name returns the short text of a listed OID ("CN", "clientAuth"), NULL
 * for any other. Static storage. */
const char *oid_name(struct span oid);
/* oid_find is the reverse; NOT_FOUND. Letters compare exactly. */
enum bv_err oid_find(struct span text, struct span *ret_oid) BV_CHECKED;
/* oid_put_dotted writes "2.5.4.3". Arcs beyond 64 bits are written as "?". */
void oid_put_dotted(struct sink *out, struct span oid);

#endif
