/* What every fuzz target includes. A target aborts (assert) when a promise of
 * the code under test is broken; refusing an input is fine. */
#ifndef BV_TESTS_FUZZ_H
#define BV_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* fuzz_require is assert that no build switches off. */
#define fuzz_require(truth)                                                    \
    do {                                                                       \
        if (!(truth))                                                          \
            abort();                                                           \
    } while (0)

#endif
