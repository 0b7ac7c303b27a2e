/* Base64, RFC 4648 section 4: the standard alphabet with padding. Decoding
 * follows RFC 8951 3.1: SP, TAB, CR and LF may stand anywhere; everything else
 * is strict (padding demanded, its unused bits zero, nothing after it).
 * Freestanding. */
#ifndef BV_WIRE_BASE64_H
#define BV_WIRE_BASE64_H

#include "base/sink.h"
#include "base/span.h"

/* Octets that base64_encode writes for len octets. */
#define BASE64_LEN(len) (((len) + 2) / 3 * 4)
/* At most so many for base64_encode_lines. */
#define BASE64_LINES_LEN(len) (BASE64_LEN(len) + BASE64_LEN(len) / 64 + 1)

/* base64_encode writes one unbroken line without a line end. */
void base64_encode(struct sink *out, struct span bytes);
/* base64_encode_lines writes lines of 64 characters, each ended by LF. */
void base64_encode_lines(struct sink *out, struct span bytes);

/* base64_decode writes the octets to out. BAD_MESSAGE for anything that is not
 * base64 (out may then hold a part), NO_SPACE when out is too small. The empty
 * text is the empty octet string. */
enum bv_err base64_decode(struct span text, struct sink *out) BV_CHECKED;
/* base64_decode_in_place overwrites the text by what it means; ret_bytes is a
 * view of the front of text. */
enum bv_err base64_decode_in_place(uint8_t *text, size_t len,
                                   struct span *ret_bytes) BV_CHECKED;

/* base64_url_digit: what a letter of either alphabet (RFC 4648 4, 5) stands
 * for, 0..63; -1 for none. In a URL "+" reads as a space in some hands, so that
 * counts as one. */
int base64_url_digit(int c);

#endif
