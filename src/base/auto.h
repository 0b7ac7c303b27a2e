/* Host side only: resources that free themselves at the end of the scope.
 *
 *     bv_auto_free uint8_t *copy = malloc(n);
 *     ...
 *     *ret_copy = BV_STEAL(copy);      // hand it over, the scope lets go
 *
 * A type with its own free function gets BV_AUTO_DEFINE(type, free_fn) beside
 * its declaration and is then written  bv_auto(type) *x = ... */
#ifndef BV_BASE_AUTO_H
#define BV_BASE_AUTO_H

#include <stdlib.h>
#include <unistd.h>

#define BV_AUTO_DEFINE(name, type, free_fn)                                    \
    static inline void bv_auto_##name##_(type **p)                             \
    {                                                                          \
        if (*p != NULL)                                                        \
            free_fn(*p);                                                       \
    }
#define bv_auto(name) __attribute__((cleanup(bv_auto_##name##_)))

static inline void
bv_auto_free_(void *p)
{
    free(*(void **)p);
}
#define bv_auto_free __attribute__((cleanup(bv_auto_free_)))

static inline void
bv_auto_close_(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}
#define bv_auto_close __attribute__((cleanup(bv_auto_close_)))

#define BV_STEAL(p)                                                            \
    __extension__({                                                            \
        __typeof__(p) steal_ = (p);                                            \
        (p) = NULL;                                                            \
        steal_;                                                                \
    })

#endif
