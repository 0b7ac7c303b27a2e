/* Distinguished names (RFC 5280 4.1.2.4, RFC 5280 7.1). A name travels as a
 * span over its whole DER, the outer SEQUENCE included; nothing here copies.
 * Freestanding.
 *
 *     struct name_iter it;
 *     struct name_ava ava;
 *     BV_TRY(name_open(name, &it));
 *     while (name_next(&it, &ava) == BV_OK)
 *         ...
 *     (NOT_FOUND at the end; name_check beforehand rules out other errors) */
#ifndef BV_WIRE_NAME_H
#define BV_WIRE_NAME_H

#include "base/limits.h"
#include "base/sink.h"
#include "base/span.h"

/* The attributes Brevet writes. Reading knows every OID. */
enum name_attr {
    NAME_OTHER = 0,
    NAME_CN,
    NAME_O,
    NAME_OU,
    NAME_C,
    NAME_SERIAL_NUMBER,
    NAME_L,
    NAME_ST,
};

struct name_part {
    enum name_attr attr;
    struct span text; /* UTF-8 */
};

/* One AttributeTypeAndValue. */
struct name_ava {
    enum name_attr attr;
    struct span oid;
    uint8_t tag;       /* string type: DER_PRINTABLE_STRING, … */
    struct span value; /* its octets */
    size_t rdn;        /* which RDN, from 0; equal for a multi-valued one */
};

struct name_iter {
    struct span rdns, avas;
    size_t rdn;
};

/* name_put writes a Name of one attribute per RDN in the order given:
 * PrintableString when its alphabet permits, else UTF8String; C and
 * serialNumber must be printable. Parts with an empty text are left out.
 * BAD_NAME (and nothing useful written) for text that name_check would refuse.
 * With no part left: the empty Name 30 00. */
enum bv_err name_put(struct sink *out, const struct name_part *parts,
                     size_t num_parts) BV_CHECKED;

/* name_open starts a walk; BAD_MESSAGE unless name is exactly one SEQUENCE. */
enum bv_err name_open(struct span name, struct name_iter *ret_iter) BV_CHECKED;
/* name_next: NOT_FOUND after the last attribute, BAD_MESSAGE for bad DER,
 * TOO_MANY beyond LIMIT_RDN. */
enum bv_err name_next(struct name_iter *iter,
                      struct name_ava *ret_ava) BV_CHECKED;

/* name_find: the one attribute of this kind; NOT_FOUND when there is none,
 * BAD_NAME when there are two, BAD_MESSAGE for bad DER. */
enum bv_err name_find(struct span name, enum name_attr attr,
                      struct name_ava *ret_ava) BV_CHECKED;
/* name_check: the name is well formed and as RFC 5280 wants it: at most
 * LIMIT_NAME octets and LIMIT_RDN RDNs, known string types only, valid UTF-8,
 * PrintableString and IA5String within their alphabets, no control character
 * or NUL, no empty value, upper bounds of RFC 5280 A.1 in characters, C two
 * letters, SET OF in DER order. BAD_NAME or BAD_MESSAGE. T61, BMP and Universal
 * strings are UNSUPPORTED. The empty name is well formed. */
enum bv_err name_check(struct span name) BV_CHECKED;
/* name_check_text: what name_put will accept as the value of attr. */
enum bv_err name_check_text(enum name_attr attr, struct span text) BV_CHECKED;

bool name_is_empty(struct span name);
/* name_eq compares as RFC 5280 7.1: RDN by RDN in order, the attributes of an
 * RDN as a set; Printable and UTF8 strings without ASCII case and with runs of
 * spaces as one and outer spaces dropped, whichever of the two types; every
 * other type by its octets. Names that are not well formed equal only
 * themselves, octet by octet. */
bool name_eq(struct span a, struct span b);
/* name_put_text writes text for people and logs in the style of RFC 4514, but
 * in the order of the encoding: "CN=d1,O=Acme". Special, control and non-ASCII
 * octets are escaped; an unknown type is dotted and its value "#hex". A name
 * that is not well formed is written as "#hex" of its octets. */
void name_put_text(struct sink *out, struct span name);

/* name_is_utf8: valid UTF-8 (no overlong form, no surrogate) without control
 * characters. ret_num_chars may be NULL. */
bool name_is_utf8(struct span text, size_t *ret_num_chars);
/* name_is_printable: the alphabet of PrintableString. */
bool name_is_printable(struct span text);

#endif
