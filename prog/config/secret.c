#include "prog/config/secret.h"

#include <string.h>

bool
secret_is_weak(const char *secret)
{
    size_t len = strlen(secret), kinds = 0;
    for (size_t i = 0; i < len; i++)
        kinds += memchr(secret, secret[i], i) == NULL;
    return len < SECRET_GOOD_LEN || kinds < SECRET_GOOD_KINDS;
}
