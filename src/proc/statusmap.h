/* The status map: one 64-bit word per certificate sequence number in a file
 * that core writes and everybody else maps read-only. A word is stored and
 * loaded atomically, so status, issuer, reason and time always belong
 * together.
 *
 * Word: bits 56..63 status (0 never issued, 1 good, 2 + CRLReason revoked, so
 * 8 is hold), bits 48..55 issuer id, bits 0..47 revocation time, Unix seconds.
 *
 * File: a header page of 4,096 octets (magic, version, database id, synced
 * mark, generation), then the words, host byte order; word i stands at
 * 4096 + 8 i. It only grows, in steps of 1 MiB whose blocks are allocated
 * before they are written, so a full disk is an error and never a SIGBUS.
 *
 * Durability: the database is the truth. The map is written after COMMIT and
 * synced now and then; the header's mark says up to which certificate and
 * which status change all is on disk. After a crash core replays what is newer
 * than the mark; replaying twice does no harm. A file that is not this
 * database's (id), or of another time, is emptied and replayed whole.
 *
 * Pure POSIX, no libcrypto. One writer; any number of readers, who need no
 * lock. */
#ifndef BV_PROC_STATUSMAP_H
#define BV_PROC_STATUSMAP_H

#include "base/auto.h"
#include "base/span.h"

#define STATUSMAP_HEADER 4096
#define STATUSMAP_ID_LEN 16

enum statusmap_status {
    STATUSMAP_NEVER = 0,
    STATUSMAP_GOOD = 1,
    STATUSMAP_REVOKED = 2, /* + CRLReason */
};

struct statusmap_mark {
    uint64_t seq;    /* every certificate up to this number is on disk */
    uint64_t change; /* every status change up to this number is on disk */
};

/* --- words --- */

/* reason: -1 good, else 0..10 of RFC 5280 5.3.1 (as in store_cert). */
static inline uint64_t
statusmap_word(uint8_t issuer, int reason, int64_t revoked_at)
{
    uint64_t status =
        reason < 0 ? STATUSMAP_GOOD : STATUSMAP_REVOKED + (uint64_t)reason;
    uint64_t time = reason < 0 ? 0 : (uint64_t)revoked_at;
    return status << 56 | (uint64_t)issuer << 48 |
           (time & UINT64_C(0xffffffffffff));
}
static inline uint8_t
statusmap_status(uint64_t word)
{
    return (uint8_t)(word >> 56);
}
static inline bool
statusmap_is_revoked(uint64_t word)
{
    return statusmap_status(word) >= STATUSMAP_REVOKED;
}
/* -1 when good or never issued */
static inline int
statusmap_reason(uint64_t word)
{
    return (int)statusmap_status(word) < STATUSMAP_REVOKED
               ? -1
               : (int)statusmap_status(word) - STATUSMAP_REVOKED;
}
static inline uint8_t
statusmap_issuer(uint64_t word)
{
    return (uint8_t)(word >> 48);
}
static inline int64_t
statusmap_time(uint64_t word)
{
    return (int64_t)(word & UINT64_C(0xffffffffffff));
}

struct statusmap;
/* statusmap_free unmaps and closes the descriptor. */
void statusmap_free(struct statusmap *map);
BV_AUTO_DEFINE(statusmap, struct statusmap, statusmap_free)

/* --- reader --- */

/* statusmap_reader takes over a descriptor open for reading. CORRUPT when it
 * is not a status map (fd is then closed too); an empty file is one that is
 * not written yet: CORRUPT as well, ask again after core is ready. */
enum bv_err statusmap_reader(int fd, struct statusmap **ret_map) BV_CHECKED;
/* statusmap_get loads a word; 0 (never issued) past the end. Looks again at
 * the file's size when index is past the present view. */
uint64_t statusmap_get(struct statusmap *map, uint64_t index);
/* statusmap_generation moves with every statusmap_put. */
uint64_t statusmap_generation(const struct statusmap *map);
/* statusmap_id copies the id of the database this map belongs to. */
void statusmap_id(const struct statusmap *map,
                  uint8_t ret_id[STATUSMAP_ID_LEN]);

/* --- writer: core --- */

/* statusmap_writer takes over a descriptor open for reading and writing (the
 * caller creates it: O_RDWR|O_CREAT|O_CLOEXEC, 0600). A new, damaged or
 * foreign file is emptied: *ret_mark is then {0, 0}. DISK_FULL, IO. */
enum bv_err statusmap_writer(int fd, const uint8_t db_id[STATUSMAP_ID_LEN],
                             struct statusmap **ret_map,
                             struct statusmap_mark *ret_mark) BV_CHECKED;
/* statusmap_mark: the mark of the last sync. */
struct statusmap_mark statusmap_mark(const struct statusmap *map);
/* statusmap_reserve makes room for every index up to this one, so that the
 * statusmap_put after the COMMIT cannot fail. DISK_FULL, IO, TOO_LARGE (2^40).
 */
enum bv_err statusmap_reserve(struct statusmap *map, uint64_t index) BV_CHECKED;
/* statusmap_put stores a word for all processes to see at once; reserves. */
enum bv_err statusmap_put(struct statusmap *map, uint64_t index,
                          uint64_t word) BV_CHECKED;
/* statusmap_sync makes all words durable, then the mark. IO. */
enum bv_err statusmap_sync(struct statusmap *map,
                           struct statusmap_mark mark) BV_CHECKED;
/* statusmap_reset empties the map (the mark is ahead of the database: a
 * restored backup); readers see "never issued" until the replay. */
enum bv_err statusmap_reset(struct statusmap *map) BV_CHECKED;

#endif
