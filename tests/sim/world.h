/* A small world for one device: flash and keys that survive a power cut, a
 * clock that moves only when told, and an EST server in memory that can be
 * honest or hostile. The device is the real library. Every call it makes into
 * the world burns the fuse; at its end the power goes out (longjmp), and what
 * was not written is gone. */
#ifndef BREVET_TESTS_SIM_WORLD_H
#define BREVET_TESTS_SIM_WORLD_H

#include <openssl/evp.h>
#include <setjmp.h>

#include "base/span.h"
#include "brevet/device.h"
#include "brevet/openssl.h"

enum mood {
    MOOD_HONEST = 0,
    MOOD_PENDING,    /* 202 for ever */
    MOOD_BROKEN,     /* 500 */
    MOOD_FORBIDDEN,  /* 403 */
    MOOD_CUT,        /* the connection ends after cut_at octets */
    MOOD_FOREIGN,    /* certificates of a CA nobody trusts */
    MOOD_OTHER_KEY,  /* certificate for another key */
    MOOD_OTHER_NAME, /* … for another name */
    MOOD_EXPIRED,    /* … that is over */
    MOOD_FUTURE,     /* … that begins next year */
    MOOD_HUGE,       /* announces 10 MB */
    MOOD_ENDLESS,    /* sends without end */
    MOOD_GARBAGE,    /* a body of noise */
    MOOD_NO_HTTP,    /* not HTTP at all */
    MOOD_SILENT,     /* never answers */
    MOOD_DISOWN,     /* refuses the identities it just issued */
    MOOD_ROGUE_ROOT, /* cacerts with a root no one vouches for */
    MOOD_COUNT
};

struct authority {
    EVP_PKEY *key;
    uint8_t cert[1024];
    size_t len;
};

struct world {
    /* survives a cut */
    struct {
        bool present;
        size_t len;
        uint8_t data[BV_RECORD_MAX];
    } flash[BV_RECORD_COUNT + 1];
    EVP_PKEY *keys[2];
    int64_t true_time;
    int64_t ahead;  /* the server's clock is wrong by this */
    int64_t offset; /* the device's wall clock is wrong by this */
    bool wall_unknown;
    uint64_t mono_ms;

    /* the power */
    long fuse; /* calls until the cut; negative: never */
    jmp_buf *cut;

    /* the server */
    enum mood mood;
    size_t cut_at;
    int64_t lifetime; /* of what it issues */
    struct authority root, issuing, foreign, new_root, link, new_issuing;
    bool rolled; /* cacerts show new_root and link too */
    bool moved;  /* ... and what is issued is by new_issuing below them */
    uint32_t retry_after;
    bool retry_as_date;
    unsigned contacts, issued, refused_writes, writes, generated;
    bool reuse_key;                 /* the device renews with the same key */
    bool read_only;                 /* flash refuses writes */
    unsigned unread_at, unread_num; /* so many reads fail, from this one on */
    unsigned reads;
    uint64_t serial;
    int64_t disowned_from; /* MOOD_DISOWN: issued at or after this */

    /* the connection */
    bool open;
    uint8_t request[20000], answer[20000];
    size_t request_len, answer_len, answer_pos;
    bool answered;
    uint32_t random;

    uint8_t work[BV_WORK_SIZE];
    uint8_t digest[32]; /* of the root */
    struct bv_bytes pinned;
};

/* world_init: world must be zeroed or an earlier world. */
void world_init(struct world *world);
void world_done(struct world *world);
/* world_boot makes a fresh device over what the flash holds. */
void world_boot(struct world *world, struct bv_device *device,
                bool by_fingerprint);
/* world_run steps the device until it reports this event or so many virtual
 * seconds have passed; true if it came. */
bool world_run(struct world *world, struct bv_device *device,
               enum bv_event event, int64_t seconds);
/* world_pass lets time go by. */
void world_pass(struct world *world, uint64_t ms);
/* world_works: a fresh device over this flash finds an identity whose key and
 * certificate fit and which the server accepts now. */
bool world_works(struct world *world);

#endif
