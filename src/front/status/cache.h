/* OCSP answers a door keeps, found by CertID. A set of four places decides
 * where an answer may be; when all are taken the longest unused one goes. So
 * memory is bounded by LIMIT_OCSP_CACHE answers and nothing is ever moved. */
#ifndef BV_FRONT_STATUS_CACHE_H
#define BV_FRONT_STATUS_CACHE_H

#include "base/auto.h"
#include "base/limits.h"
#include "front/fresh.h"
#include "proc/ocsp_reply.h"

#define CACHE_KEY_LEN 32

/* SHA-256 of the CertID as it came: equal keys are equal CertIDs. */
struct cache_key {
    uint8_t hash[CACHE_KEY_LEN];
};

struct cache_answer {
    struct cache_key key;
    uint64_t index, word; /* of the status map it was made from */
    int64_t this_update, next_update;
    int64_t refresh_at; /* Unix seconds: from then on a new one is asked for */
    uint64_t used;      /* when it was last served, in the cache's own count */
    char tag[FRESH_TAG_MAX];
    size_t len;
    uint8_t response[];
};

struct cache;

enum bv_err cache_new(struct cache **ret_cache) BV_CHECKED;
void cache_free(struct cache *cache);
BV_AUTO_DEFINE(cache, struct cache, cache_free)

void cache_key_of(struct span cert_id, struct cache_key *ret_key);
/* cache_find: NULL when there is none. The answer stays the cache's, valid
 * until the next cache_put. Whether it still holds is the caller's question. */
const struct cache_answer *cache_find(struct cache *cache,
                                      const struct cache_key *key);
/* cache_put keeps a copy, in place of an older one of the same key. Answers
 * that are too large, or for which there is no memory, are not kept. */
void cache_put(struct cache *cache, const struct cache_key *key,
               const struct ocsp_reply *reply, int64_t refresh_at);
/* cache_clear drops everything. */
void cache_clear(struct cache *cache);

#endif
