/* GeneralNames (RFC 5280 4.2.1.6): the subject alternative name and its like.
 * A SAN travels as a span over its whole DER, the SEQUENCE tag included (what
 * stands inside the extension's OCTET STRING). Freestanding. */
#ifndef BV_WIRE_SAN_H
#define BV_WIRE_SAN_H

#include "base/limits.h"
#include "base/sink.h"
#include "base/span.h"

/* The context tag numbers of GeneralName. */
enum san_type {
    SAN_OTHER_NAME = 0,
    SAN_EMAIL = 1,
    SAN_DNS = 2,
    SAN_X400 = 3,
    SAN_DIR_NAME = 4,
    SAN_EDI_PARTY = 5,
    SAN_URI = 6,
    SAN_IP = 7,
    SAN_REGISTERED_ID = 8,
};

struct san_name {
    enum san_type type;
    struct span value; /* text, address octets, OID octets; DIR_NAME: the Name
                        * DER; OTHER_NAME: the DER inside its [0] */
    struct span other_oid; /* OTHER_NAME: its type-id */
    struct span whole;     /* the GeneralName's DER */
};

struct san_iter {
    struct span rest;
    size_t num;
};

/* san_open starts a walk; BAD_MESSAGE unless san is exactly one SEQUENCE with
 * at least one element. */
enum bv_err san_open(struct span san, struct san_iter *ret_iter) BV_CHECKED;
/* san_next: NOT_FOUND after the last, BAD_MESSAGE for bad DER, TOO_MANY beyond
 * LIMIT_SAN. x400Address and ediPartyName: UNSUPPORTED. */
enum bv_err san_next(struct san_iter *iter,
                     struct san_name *ret_name) BV_CHECKED;

/* san_check walks a whole SAN and checks the syntax of every name, with
 * san_check_name. ret_wildcard (may be NULL) tells whether a dNSName begins
 * with "*.". */
enum bv_err san_check(struct span san, bool *ret_wildcard) BV_CHECKED;
/* san_check_name: BAD_NAME unless dns is a host name (a wildcard allowed as
 * its first label), ip 4 or 16 octets, uri absolute, email local@host,
 * dirName a name_check'ed non-empty Name. */
enum bv_err san_check_name(const struct san_name *name) BV_CHECKED;

/* san_is_host: lower-case LDH labels of 1..63, 253 in all, no final dot, not
 * all digits and dots; "*." in front only if wildcard. A-labels are LDH. */
bool san_is_host(struct span text, bool wildcard);
/* san_is_uri: printable ASCII of RFC 3986 with a scheme and something after
 * it; if it has an authority, a host or an address in it (RFC 5280 4.2.1.6). */
bool san_is_uri(struct span text);
bool san_is_email(struct span text);

/* Writing: between  m = der_open(out, DER_SEQUENCE)  and  der_close(out, m). */
void san_put(struct sink *out, enum san_type type, struct span value);
void san_put_other(struct sink *out, struct span oid, struct span der);

/* san_eq compares as sets: every name of a is in b and the reverse; dns and
 * the host part of email without ASCII case, dirName with name_eq, all else by
 * octets. An empty span stands for "no SAN" and equals only itself. */
bool san_eq(struct span a, struct span b);
/* san_has tells whether the SAN holds this name. */
bool san_has(struct span san, enum san_type type, struct span value);
bool san_name_eq(const struct san_name *a, const struct san_name *b);
/* san_put_text writes "dns:a.example,ip:192.0.2.1,uri:…" for people. */
void san_put_text(struct sink *out, struct span san);
void san_put_name_text(struct sink *out, const struct san_name *name);

#endif
