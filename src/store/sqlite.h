/* The store over one SQLite file in WAL mode, synchronous=FULL: what commit
 * returned OK for survives a power cut.
 *
 * One process owns the file: store_sqlite_open takes a lock on "<path>.lock"
 * and refuses with BUSY while another holds it (the lock dies with its holder,
 * so kill -9 leaves nothing to clean). Readers that never write (audit verify,
 * sqlite3(1)) need no lock and open with read_only.
 *
 * The write-ahead log is carried into the file by maintain, between two
 * transactions, when it is longer than wal_pages (a passive checkpoint, which
 * waits for nobody); commit does it only when it has grown four times as long.
 * A reader that stays open delays this and blocks nothing.
 *
 * Schema: application_id 0x42525654 ("BRVT") and user_version; older files are
 * migrated at open in one transaction, newer ones and foreign ones refused. A
 * reader takes an older file as it is: all it reads but the queue of pending
 * requests (IO if that has no source yet) is there since schema 1.
 *
 * Start-up check: a file below check_limit is read whole (PRAGMA quick_check).
 * A larger one only when the machine was started anew while the file was open
 * (a write-ahead log is there, and the boot id differs from the one noted in
 * the file): kill -9 cannot tear pages, a power cut on a lying disk can; or
 * when its last owner doubted it ("<path>.doubt" is there). Else check_step
 * makes up for it. CORRUPT comes with a sentence that says what to do. */
#ifndef BV_STORE_SQLITE_H
#define BV_STORE_SQLITE_H

#include "store/store.h"

struct store_sqlite_options {
    bool create;          /* make the file when there is none (mode 0600) */
    bool read_only;       /* no lock, no migration; every change is refused
                           * with IO */
    unsigned cache_kib;   /* page cache; 0: 2048 */
    unsigned wal_pages;   /* checkpoint when the log is longer; 0: 4000 */
    uint64_t check_limit; /* octets; 0: 8 MiB, 20 ms */
};

/* store_sqlite_open fills *ret_store; its close releases everything. On error
 * ret_problem holds one sentence for the operator. NOT_FOUND (no file and not
 * create), BUSY (owned by pid N), CORRUPT, UNSUPPORTED (newer schema or not
 * ours), DISK_FULL, IO, NO_MEMORY. options NULL: all zero. */
enum bv_err store_sqlite_open(const char *path,
                              const struct store_sqlite_options *options,
                              struct store *ret_store, char *ret_problem,
                              size_t cap) BV_CHECKED;

#endif
