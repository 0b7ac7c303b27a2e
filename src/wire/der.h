/* DER (X.690), strict and without memory of its own. Freestanding.
 *
 * Reading: a struct span is the cursor. Every reader takes one element off its
 * front and refuses what DER forbids: indefinite or non-minimal lengths, high
 * tag numbers, lengths past the end, non-minimal INTEGERs, BOOLEANs other than
 * 00/FF, BIT STRINGs with dirty unused bits, times with fractions or without
 * "Z". After the last element call span_end(): trailing bytes are an error.
 * Nesting costs no stack here: a constructed value is just another span.
 *
 * Writing: into a struct sink with sticky failure. der_open/der_close bracket
 * a constructed value; close writes the minimal definite length.
 *
 *     size_t seq = der_open(out, DER_SEQUENCE);
 *     der_put_uint(out, 3);
 *     der_close(out, seq);
 *     BV_TRY(sink_done(out, &ret_bytes));
 */
#ifndef BV_WIRE_DER_H
#define BV_WIRE_DER_H

#include "base/sink.h"
#include "base/span.h"

enum der_tag {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_NULL = 0x05,
    DER_OID = 0x06,
    DER_ENUMERATED = 0x0a,
    DER_UTF8_STRING = 0x0c,
    DER_PRINTABLE_STRING = 0x13,
    DER_T61_STRING = 0x14,
    DER_IA5_STRING = 0x16,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_UNIVERSAL_STRING = 0x1c,
    DER_BMP_STRING = 0x1e,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
};
/* Context tags: primitive [n] IMPLICIT, and constructed [n]. n is 0..30. */
#define DER_CONTEXT(n)      ((uint8_t)(0x80 | (n)))
#define DER_CONTEXT_CONS(n) ((uint8_t)(0xa0 | (n)))

/* --- reading --- */

/* der_any takes the next element whatever it is. ret_whole spans tag, length
 * and value (for signatures and byte-exact copies); it may be NULL. */
enum bv_err der_any(struct span *in, uint8_t *ret_tag, struct span *ret_value,
                    struct span *ret_whole) BV_CHECKED;
/* der_take takes the next element, which must have this tag. */
enum bv_err der_take(struct span *in, uint8_t tag,
                     struct span *ret_value) BV_CHECKED;
/* der_take_whole is der_take that returns tag, length and value together. */
enum bv_err der_take_whole(struct span *in, uint8_t tag,
                           struct span *ret_whole) BV_CHECKED;
/* der_next_is tells whether the next element has this tag; takes nothing. */
bool der_next_is(struct span in, uint8_t tag);
/* der_take_opt takes the next element if it has this tag. */
enum bv_err der_take_opt(struct span *in, uint8_t tag, bool *ret_present,
                         struct span *ret_value) BV_CHECKED;
/* der_only: the span is exactly one element with this tag, nothing after. */
enum bv_err der_only(struct span in, uint8_t tag,
                     struct span *ret_value) BV_CHECKED;

/* der_integer: minimal two's complement octets of an INTEGER, 1..max_len. */
enum bv_err der_integer(struct span *in, size_t max_len,
                        struct span *ret_octets) BV_CHECKED;
/* der_uint: a non-negative INTEGER that fits 63 bits. */
enum bv_err der_uint(struct span *in, uint64_t *ret_n) BV_CHECKED;
enum bv_err der_enumerated(struct span *in, uint64_t *ret_n) BV_CHECKED;
enum bv_err der_boolean(struct span *in, bool *ret_b) BV_CHECKED;
enum bv_err der_null(struct span *in) BV_CHECKED;
/* der_oid: content octets, checked for form (minimal arcs, complete). */
enum bv_err der_oid(struct span *in, struct span *ret_oid) BV_CHECKED;
/* der_bit_string: the octets after the unused-bits octet. */
enum bv_err der_bit_string(struct span *in, uint8_t *ret_unused,
                           struct span *ret_bits) BV_CHECKED;
/* der_bits: a BIT STRING with no unused bits (keys, signatures). */
enum bv_err der_bits(struct span *in, struct span *ret_octets) BV_CHECKED;
/* der_named_bits: a NamedBitList of at most 32 bits, bit 0 as 1u << 0;
 * trailing zero bits are refused (X.690 11.2.2). */
enum bv_err der_named_bits(struct span *in, uint32_t *ret_mask) BV_CHECKED;
/* der_time: UTCTime or GeneralizedTime as RFC 5280 4.1.2.5 wants them, in
 * Unix seconds (99991231235959Z is 253402300799). UTCTime 50..99 is 19xx. */
enum bv_err der_time(struct span *in, int64_t *ret_time) BV_CHECKED;
/* der_generalized_time: only YYYYMMDDHHMMSSZ, any year. */
enum bv_err der_generalized_time(struct span *in, int64_t *ret_time) BV_CHECKED;

/* --- writing --- */

/* der_open starts a constructed (or wrapping) value and returns its mark. */
size_t der_open(struct sink *out, uint8_t tag);
void der_close(struct sink *out, size_t mark);
/* BIT STRING and OCTET STRING that wrap DER: open, write, der_close. */
size_t der_open_bit_string(struct sink *out);

void der_put(struct sink *out, uint8_t tag, struct span value);
/* der_put_raw copies ready-made DER. */
void der_put_raw(struct sink *out, struct span der);
void der_put_uint(struct sink *out, uint64_t n);
/* der_put_unsigned: big-endian magnitude of any size; strips leading zeros,
 * adds one when the top bit is set. */
void der_put_unsigned(struct sink *out, struct span magnitude);
void der_put_enumerated(struct sink *out, uint8_t n);
void der_put_boolean(struct sink *out, bool b);
void der_put_null(struct sink *out);
void der_put_oid(struct sink *out, struct span oid); /* content octets */
void der_put_bits(struct sink *out, struct span octets);
void der_put_named_bits(struct sink *out, uint32_t mask);
/* der_put_time writes UTCTime through 2049 and GeneralizedTime from 2050 (and
 * before 1950), RFC 5280 4.1.2.5. */
void der_put_time(struct sink *out, int64_t time);
void der_put_generalized_time(struct sink *out, int64_t time);
void der_put_str(struct sink *out, uint8_t tag, const char *s);

#endif
