#include "proc/statusmap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define MAP_MAGIC   "BVSTATUS"
#define MAP_VERSION 1
#define MAP_STEP    ((size_t)1 << 20)
#define MAP_MAX     (UINT64_C(1) << 40)

/* The mark and the generation stand within one disk sector. A crash between
 * the two stores of a mark leaves one of them old, which only replays more. */
struct header {
    char magic[8];
    uint32_t version;
    uint32_t header_len;
    uint8_t db_id[STATUSMAP_ID_LEN];
    _Atomic uint64_t mark_seq;
    _Atomic uint64_t mark_change;
    _Atomic uint64_t generation;
};
_Static_assert(sizeof(struct header) <= 512, "the header is one sector");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "words need lock-free atomics");

struct statusmap {
    int fd;
    bool writable;
    uint8_t *base;
    size_t len; /* octets mapped, and for the writer allocated */
    size_t dirty_from, dirty_to;
};

static struct header *
header_of(const struct statusmap *map)
{
    return (struct header *)(void *)map->base;
}

static _Atomic uint64_t *
word_of(const struct statusmap *map, uint64_t index)
{
    return (_Atomic uint64_t *)(void *)(map->base + STATUSMAP_HEADER) + index;
}

static uint64_t
num_words(const struct statusmap *map)
{
    return (map->len - STATUSMAP_HEADER) / sizeof(uint64_t);
}

static enum bv_err
err_of_errno(int err)
{
    if (err == ENOSPC || err == EDQUOT || err == EFBIG)
        return BV_E_DISK_FULL;
    return err == ENOMEM ? BV_E_NO_MEMORY : BV_E_IO;
}

static enum bv_err
map_view(struct statusmap *map, size_t len)
{
    int prot = map->writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *base = map->base == NULL
                     ? mmap(NULL, len, prot, MAP_SHARED, map->fd, 0)
                     : mremap(map->base, map->len, len, MREMAP_MAYMOVE);
    if (base == MAP_FAILED)
        return err_of_errno(errno);
    map->base = base;
    map->len = len;
    return BV_OK;
}

static bool
header_is_valid(const struct header *header)
{
    return memcmp(header->magic, MAP_MAGIC, sizeof header->magic) == 0 &&
           header->version == MAP_VERSION &&
           header->header_len == STATUSMAP_HEADER;
}

static enum bv_err
file_len(int fd, size_t *ret_len)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size < 0)
        return BV_E_IO;
    *ret_len = (size_t)st.st_size;
    return BV_OK;
}

static enum bv_err
map_alloc(int fd, bool writable, struct statusmap **ret_map)
{
    struct statusmap *map = calloc(1, sizeof *map);
    if (map == NULL) {
        (void)close(fd);
        return BV_E_NO_MEMORY;
    }
    map->fd = fd;
    map->writable = writable;
    *ret_map = map;
    return BV_OK;
}

void
statusmap_free(struct statusmap *map)
{
    if (map == NULL)
        return;
    if (map->base != NULL)
        (void)munmap(map->base, map->len);
    (void)close(map->fd);
    free(map);
}

/* --- reader --- */

enum bv_err
statusmap_reader(int fd, struct statusmap **ret_map)
{
    bv_auto(statusmap) struct statusmap *map = NULL;
    size_t len;

    BV_TRY(map_alloc(fd, false, &map));
    BV_TRY(file_len(fd, &len));
    if (len < STATUSMAP_HEADER)
        return BV_E_CORRUPT;
    BV_TRY(map_view(map, len));
    if (!header_is_valid(header_of(map)))
        return BV_E_CORRUPT;
    *ret_map = BV_STEAL(map);
    return BV_OK;
}

static void
look_again(struct statusmap *map)
{
    size_t len;
    if (file_len(map->fd, &len) == BV_OK && len > map->len)
        (void)!map_view(map, len); /* on failure the old view stays */
}

uint64_t
statusmap_get(struct statusmap *map, uint64_t index)
{
    if (index >= num_words(map)) {
        if (map->writable || index >= MAP_MAX)
            return 0;
        look_again(map);
        if (index >= num_words(map))
            return 0;
    }
    return atomic_load_explicit(word_of(map, index), memory_order_acquire);
}

uint64_t
statusmap_generation(const struct statusmap *map)
{
    return atomic_load_explicit(&header_of(map)->generation,
                                memory_order_acquire);
}

void
statusmap_id(const struct statusmap *map, uint8_t ret_id[STATUSMAP_ID_LEN])
{
    memcpy(ret_id, header_of(map)->db_id, STATUSMAP_ID_LEN);
}

/* --- writer --- */

/* Blocks are allocated before they are mapped: storing into a hole of a full
 * disk would end the process with SIGBUS. */
static enum bv_err
map_grow(struct statusmap *map, size_t len)
{
    size_t want = (len + MAP_STEP - 1) / MAP_STEP * MAP_STEP;
    int err;

    if (want <= map->len)
        return BV_OK;
    do
        err = posix_fallocate(map->fd, 0, (off_t)want);
    while (err == EINTR);
    if (err != 0)
        return err_of_errno(err);
    return map_view(map, want);
}

/* file_len is the length found, before growing: a mark that vouches for words
 * which were not even in the file is not to be believed. */
static bool
map_is_ours(const struct statusmap *map, const uint8_t *db_id, size_t file_len)
{
    const struct header *header = header_of(map);
    uint64_t seq = statusmap_mark(map).seq;
    return file_len >= STATUSMAP_HEADER && header_is_valid(header) &&
           memcmp(header->db_id, db_id, STATUSMAP_ID_LEN) == 0 &&
           (seq == 0 || seq < (file_len - STATUSMAP_HEADER) / sizeof(uint64_t));
}

/* The file keeps its size: readers may have it mapped. The magic comes last,
 * so a crash on the way leaves a file that is emptied again. */
static enum bv_err
map_format(struct statusmap *map, const uint8_t *db_id)
{
    struct header *header = header_of(map);
    memset(header->magic, 0, sizeof header->magic);
    if (msync(map->base, STATUSMAP_HEADER, MS_SYNC) != 0)
        return err_of_errno(errno);
    for (uint64_t i = 0; i < num_words(map); i++)
        atomic_store_explicit(word_of(map, i), 0, memory_order_relaxed);
    atomic_store(&header->mark_seq, 0);
    atomic_store(&header->mark_change, 0);
    atomic_fetch_add(&header->generation, 1);
    header->version = MAP_VERSION;
    header->header_len = STATUSMAP_HEADER;
    memmove(header->db_id, db_id, STATUSMAP_ID_LEN);
    if (msync(map->base, map->len, MS_SYNC) != 0)
        return err_of_errno(errno);
    memcpy(header->magic, MAP_MAGIC, sizeof header->magic);
    if (msync(map->base, STATUSMAP_HEADER, MS_SYNC) != 0)
        return err_of_errno(errno);
    return BV_OK;
}

enum bv_err
statusmap_writer(int fd, const uint8_t db_id[STATUSMAP_ID_LEN],
                 struct statusmap **ret_map, struct statusmap_mark *ret_mark)
{
    bv_auto(statusmap) struct statusmap *map = NULL;
    size_t len;

    BV_TRY(map_alloc(fd, true, &map));
    BV_TRY(file_len(fd, &len));
    /* A size that is no multiple of a step is a grow that a crash tore: filled
     * up with zeros, which read "never issued". */
    BV_TRY(map_grow(map, len < MAP_STEP ? MAP_STEP : len));
    if (!map_is_ours(map, db_id, len))
        BV_TRY(map_format(map, db_id));
    *ret_mark = statusmap_mark(map);
    *ret_map = BV_STEAL(map);
    return BV_OK;
}

struct statusmap_mark
statusmap_mark(const struct statusmap *map)
{
    const struct header *header = header_of(map);
    return (struct statusmap_mark){atomic_load(&header->mark_seq),
                                   atomic_load(&header->mark_change)};
}

enum bv_err
statusmap_reserve(struct statusmap *map, uint64_t index)
{
    if (!map->writable)
        return BV_E_USAGE;
    if (index < num_words(map))
        return BV_OK;
    if (index >= MAP_MAX)
        return BV_E_TOO_LARGE;
    return map_grow(map,
                    STATUSMAP_HEADER + (size_t)(index + 1) * sizeof(uint64_t));
}

static void
mark_dirty(struct statusmap *map, uint64_t index)
{
    size_t at = STATUSMAP_HEADER + (size_t)index * sizeof(uint64_t);
    if (map->dirty_to == 0 || at < map->dirty_from)
        map->dirty_from = at;
    if (at + sizeof(uint64_t) > map->dirty_to)
        map->dirty_to = at + sizeof(uint64_t);
}

enum bv_err
statusmap_put(struct statusmap *map, uint64_t index, uint64_t word)
{
    BV_TRY(statusmap_reserve(map, index));
    atomic_store_explicit(word_of(map, index), word, memory_order_release);
    atomic_fetch_add_explicit(&header_of(map)->generation, 1,
                              memory_order_release);
    mark_dirty(map, index);
    return BV_OK;
}

enum bv_err
statusmap_sync(struct statusmap *map, struct statusmap_mark mark)
{
    struct header *header = header_of(map);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t from = map->dirty_from / page * page;

    if (!map->writable)
        return BV_E_USAGE;
    if (map->dirty_to == 0 && header->mark_seq == mark.seq &&
        header->mark_change == mark.change)
        return BV_OK; /* the disk has all that: a start after a clean end */
    /* data first, then the mark that vouches for it */
    if (map->dirty_to != 0 &&
        msync(map->base + from, map->dirty_to - from, MS_SYNC) != 0)
        return err_of_errno(errno);
    map->dirty_from = map->dirty_to = 0;
    atomic_store(&header->mark_seq, mark.seq);
    atomic_store(&header->mark_change, mark.change);
    if (msync(map->base, page, MS_SYNC) != 0)
        return err_of_errno(errno);
    return BV_OK;
}

enum bv_err
statusmap_reset(struct statusmap *map)
{
    uint8_t db_id[STATUSMAP_ID_LEN];

    if (!map->writable)
        return BV_E_USAGE;
    statusmap_id(map, db_id);
    map->dirty_from = map->dirty_to = 0;
    return map_format(map, db_id);
}
