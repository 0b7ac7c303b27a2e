/* A status map file as a reader finds it after whatever happened to it. */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "proc/statusmap.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct statusmap *map;
    uint8_t id[STATUSMAP_ID_LEN];
    int fd = memfd_create("status.map", MFD_CLOEXEC);

    fuzz_require(fd >= 0 && write(fd, data, len) == (ssize_t)len);
    if (statusmap_reader(fd, &map) != BV_OK)
        return 0;
    uint64_t words = (len - STATUSMAP_HEADER) / sizeof(uint64_t);
    for (uint64_t i = 0; i < words; i++) {
        uint64_t word = statusmap_get(map, i);
        fuzz_require(statusmap_is_revoked(word) ==
                     (statusmap_reason(word) >= 0));
    }
    fuzz_require(statusmap_get(map, words) == 0);
    fuzz_require(statusmap_get(map, UINT64_MAX) == 0);
    (void)statusmap_generation(map);
    statusmap_id(map, id);
    statusmap_free(map);
    return 0;
}
