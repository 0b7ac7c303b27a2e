/* Serial numbers: 17 octets, 0x42 and AES-128_k(sequence 64 bits || random 64
 * bits), all big-endian. Strangers cannot predict or count them; whoever holds
 * k gets the sequence number (the row's key) back without a search. A serial
 * that was never issued decrypts to a sequence number that, but for a chance
 * of about issued/2^64, does not exist. A fixed first octet below 0x80 keeps
 * the INTEGER positive and the length constant (RFC 5280 4.1.2.2). */
#ifndef BV_PKI_SERIAL_H
#define BV_PKI_SERIAL_H

#include "base/auto.h"
#include "base/span.h"

#define SERIAL_LEN     17
#define SERIAL_KEY_LEN 16

struct serial; /* the cipher with its key, both directions */
enum bv_err serial_new(const uint8_t key[SERIAL_KEY_LEN],
                       struct serial **ret_serial) BV_CHECKED;
void serial_free(struct serial *serial); /* wipes the key */
BV_AUTO_DEFINE(serial, struct serial, serial_free)

/* serial_make writes the serial of a sequence number. random comes from
 * random_u64(), fresh each time. 0.2 us; ends the process if AES fails. */
void serial_make(struct serial *serial, uint64_t seq, uint64_t random,
                 uint8_t ret_octets[SERIAL_LEN]);
/* serial_open gets the sequence number back. NOT_FOUND for octets that cannot
 * be ours (length, first octet). Success does not mean it was issued. */
enum bv_err serial_open(struct serial *serial, struct span octets,
                        uint64_t *ret_seq) BV_CHECKED;

#endif
