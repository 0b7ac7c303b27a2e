#include "proc/pulse.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/limits.h"

#define PAGE      4096
#define WORK_BITS 8
#define WORK_MASK 0xffu

typedef _Atomic(uint64_t) word;

struct pulse {
    word *page;
};

static const struct {
    const char *name;
    int64_t limit_ms;
} works[] = {
    [PULSE_NONE] = {"none", LIMIT_SILENT_MS},
    [PULSE_START] = {"start", LIMIT_START_MS},
    [PULSE_DISK] = {"disk", LIMIT_DISK_MS},
    [PULSE_KEY] = {"key", LIMIT_KEY_MS},
};
#define NUM_WORKS (sizeof(works) / sizeof(works[0]))

int64_t
pulse_limit_ms(enum pulse_work work)
{
    return works[work].limit_ms;
}

const char *
pulse_work_name(enum pulse_work work)
{
    return works[work].name;
}

static word *
map_page(int fd)
{
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return page == MAP_FAILED ? NULL : page;
}

/* --- the parent --- */

enum bv_err
pulse_new(struct pulse **ret_pulse, int *ret_fd)
{
    bv_auto_close int fd =
        memfd_create("brevet-pulse", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    /* a page that shrinks under the parent would end it with SIGBUS */
    if (fd < 0 || ftruncate(fd, PAGE) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return BV_E_IO;
    bv_auto(pulse) struct pulse *pulse = calloc(1, sizeof(*pulse));
    if (pulse == NULL)
        return BV_E_NO_MEMORY;
    pulse->page = map_page(fd);
    if (pulse->page == NULL)
        return BV_E_NO_MEMORY;
    atomic_store(pulse->page, PULSE_START);
    *ret_pulse = BV_STEAL(pulse);
    *ret_fd = fd;
    fd = -1;
    return BV_OK;
}

void
pulse_free(struct pulse *pulse)
{
    if (pulse != NULL && pulse->page != NULL)
        (void)munmap(pulse->page, PAGE);
    free(pulse);
}

uint64_t
pulse_word(const struct pulse *pulse)
{
    return atomic_load(pulse->page);
}

enum pulse_work
pulse_work_of(uint64_t seen)
{
    uint64_t work = seen & WORK_MASK;
    return work < NUM_WORKS ? (enum pulse_work)work : PULSE_NONE;
}

/* --- a role --- */

static word *own;

enum bv_err
pulse_open(int fd)
{
    own = map_page(fd);
    (void)close(fd);
    return own != NULL ? BV_OK : BV_E_IO;
}

enum pulse_work
pulse_set(enum pulse_work work)
{
    if (own == NULL)
        return PULSE_NONE;
    uint64_t before = atomic_load(own);
    uint64_t count = (before >> WORK_BITS) + 1;
    atomic_store(own, count << WORK_BITS | (uint64_t)work);
    return pulse_work_of(before);
}
