#include "base/flush.h"

#include <fcntl.h>

void
flush_piece(int fd, uint64_t from, uint64_t to)
{
    uint64_t len = to - from;
    uint64_t before = from > len ? from - len : 0;

    (void)sync_file_range(fd, (off_t)from, (off_t)len, SYNC_FILE_RANGE_WRITE);
    if (from > before)
        (void)sync_file_range(fd, (off_t)before, (off_t)(from - before),
                              SYNC_FILE_RANGE_WAIT_BEFORE |
                                  SYNC_FILE_RANGE_WRITE |
                                  SYNC_FILE_RANGE_WAIT_AFTER);
}
