#include "front/status/cache.h"

#include <string.h>

#include "front/status/status.h"
#include "pki/digest.h"

#define WAYS     4
#define NUM_SETS (LIMIT_OCSP_CACHE / WAYS)

_Static_assert((NUM_SETS & (NUM_SETS - 1)) == 0, "a power of two");

struct cache {
    uint64_t clock;
    struct cache_answer *sets[NUM_SETS][WAYS];
};

enum bv_err
cache_new(struct cache **ret_cache)
{
    /* calloc: pages of places never used stay untouched */
    struct cache *cache = calloc(1, sizeof(*cache));

    if (cache == NULL)
        return BV_E_NO_MEMORY;
    *ret_cache = cache;
    return BV_OK;
}

void
cache_clear(struct cache *cache)
{
    for (size_t i = 0; i < NUM_SETS; i++)
        for (size_t way = 0; way < WAYS; way++) {
            if (cache->sets[i][way] == NULL)
                continue;
            free(cache->sets[i][way]);
            cache->sets[i][way] = NULL;
        }
}

void
cache_free(struct cache *cache)
{
    cache_clear(cache);
    free(cache);
}

void
cache_key_of(struct span cert_id, struct cache_key *ret_key)
{
    digest_sha256(cert_id, ret_key->hash);
}

/* The key is a hash already; an attacker can choose its bits only by work,
 * and all he gains is the eviction of three others. */
static struct cache_answer **
set_of(struct cache *cache, const struct cache_key *key)
{
    size_t i =
        (size_t)key->hash[0] << 16 | (size_t)key->hash[1] << 8 | key->hash[2];

    return cache->sets[i & (NUM_SETS - 1)];
}

static bool
has_key(const struct cache_answer *answer, const struct cache_key *key)
{
    return answer != NULL && memcmp(&answer->key, key, sizeof(*key)) == 0;
}

const struct cache_answer *
cache_find(struct cache *cache, const struct cache_key *key)
{
    struct cache_answer **set = set_of(cache, key);

    for (size_t way = 0; way < WAYS; way++)
        if (has_key(set[way], key)) {
            set[way]->used = ++cache->clock;
            return set[way];
        }
    return NULL;
}

/* place_for: where the same key is, else an empty place, else the oldest. */
static struct cache_answer **
place_for(struct cache_answer **set, const struct cache_key *key)
{
    struct cache_answer **best = &set[0];

    for (size_t way = 0; way < WAYS; way++)
        if (has_key(set[way], key))
            return &set[way];
    for (size_t way = 1; way < WAYS && *best != NULL; way++)
        if (set[way] == NULL || set[way]->used < (*best)->used)
            best = &set[way];
    return best;
}

static void
set_tag(struct cache_answer *answer)
{
    uint8_t hash[DIGEST_SHA256_LEN];

    digest_sha256(span_of(answer->response, answer->len), hash);
    fresh_tag(SPAN_ARRAY(hash), false, answer->tag);
}

void
cache_put(struct cache *cache, const struct cache_key *key,
          const struct ocsp_reply *reply, int64_t refresh_at)
{
    struct cache_answer **place = place_for(set_of(cache, key), key);
    size_t len = reply->response.len;
    struct cache_answer *answer;

    if (len > FRONT_STATUS_KEEP_MAX)
        return;
    answer = malloc(sizeof(*answer) + len);
    if (answer == NULL)
        return;
    *answer = (struct cache_answer){
        .key = *key,
        .index = reply->index,
        .word = reply->word,
        .this_update = reply->this_update,
        .next_update = reply->next_update,
        .refresh_at = refresh_at,
        .used = ++cache->clock,
        .len = len,
    };
    memcpy(answer->response, reply->response.data, len);
    set_tag(answer);
    free(*place);
    *place = answer;
}
