/* A span is a read-only view of bytes owned by somebody else; taking from it
 * moves its start. It never owns, never allocates, never reads past its end.
 * Freestanding. All integers are big-endian, as in every protocol here. */
#ifndef BV_BASE_SPAN_H
#define BV_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct span {
    const uint8_t *data; /* may be NULL when len is 0 */
    size_t len;          /* octets */
};

#define SPAN_EMPTY ((struct span){0})
/* The octets of a string literal or array, without the final NUL. */
#define SPAN_LIT(s)   ((struct span){(const uint8_t *)("" s), sizeof(s) - 1})
#define SPAN_ARRAY(a) ((struct span){(const uint8_t *)(a), sizeof(a)})

static inline struct span
span_of(const void *data, size_t len)
{
    return (struct span){(const uint8_t *)data, len};
}

/* span_str views a NUL-terminated string without its NUL. NULL: empty span. */
struct span span_str(const char *s);

/* span_take cuts len octets off the front of *in. BAD_MESSAGE when fewer are
 * left; *in is then unchanged. */
enum bv_err span_take(struct span *in, size_t len,
                      struct span *ret_head) BV_CHECKED;
enum bv_err span_u8(struct span *in, uint8_t *ret_n) BV_CHECKED;
enum bv_err span_u16(struct span *in, uint16_t *ret_n) BV_CHECKED;
enum bv_err span_u32(struct span *in, uint32_t *ret_n) BV_CHECKED;
enum bv_err span_u64(struct span *in, uint64_t *ret_n) BV_CHECKED;

/* span_bytes reads a field written by sink_bytes: u32 length, then octets. */
enum bv_err span_bytes(struct span *in, struct span *ret_field) BV_CHECKED;

/* span_end: TRAILING_BYTES unless everything was taken. */
enum bv_err span_end(struct span in) BV_CHECKED;

bool span_eq(struct span a, struct span b);
bool span_eq_str(struct span a, const char *s);
/* ASCII letters compare without case; every other octet exactly. */
bool span_eq_nocase(struct span a, struct span b);
/* span_eq_secret compares in time that depends on the lengths alone. */
bool span_eq_secret(struct span a, struct span b);
/* span_cmp orders like memcmp, a proper prefix first. */
int span_cmp(struct span a, struct span b);
/* span_copy_str copies into a C string. TOO_LARGE when it does not fit with
 * its NUL; BAD_MESSAGE when the span holds a NUL octet. */
enum bv_err span_copy_str(struct span in, char *dst, size_t cap) BV_CHECKED;

/* span_hex_digit: the value of a hexadecimal digit of either case, else -1. */
int span_hex_digit(int c);
/* span_unhex writes the octets that pairs of digits stand for. BAD_MESSAGE for
 * anything but one or more pairs, TOO_LARGE for more than cap. */
enum bv_err span_unhex(struct span text, uint8_t *dst, size_t cap,
                       size_t *ret_len) BV_CHECKED;

#endif
