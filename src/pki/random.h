/* Random octets for secrets, serials and nonces (RAND_priv_bytes). There is no
 * sensible way on without randomness: a failure ends the process. */
#ifndef BV_PKI_RANDOM_H
#define BV_PKI_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *buf, size_t len);
uint64_t random_u64(void);

#endif
