#include "pki/random.h"

#include <stdlib.h>

#include <openssl/rand.h>

void
random_bytes(void *buf, size_t len)
{
    if (RAND_priv_bytes_ex(NULL, buf, len, 256) != 1)
        abort();
}

uint64_t
random_u64(void)
{
    uint64_t n;
    random_bytes(&n, sizeof n);
    return n;
}
