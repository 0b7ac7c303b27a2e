#include "core/rates.h"

#include <string.h>

#include "pki/random.h"
#include "wire/ip.h"

#define SLOTS 8192 /* 24 octets each: 192 KiB */
#define WAYS  4

struct slot {
    uint64_t key;
    int64_t end; /* of the window */
    uint32_t count;
};

struct rates {
    uint64_t seed;
    struct slot slots[SLOTS];
};

enum bv_err
rates_new(struct rates **ret_rates)
{
    struct rates *rates = calloc(1, sizeof *rates);
    if (rates == NULL)
        return BV_E_NO_MEMORY;
    rates->seed = random_u64();
    *ret_rates = rates;
    return BV_OK;
}

void
rates_free(struct rates *rates)
{
    free(rates);
}

/* FNV-1a from a secret start, then mixed (splitmix64's finish). */
static uint64_t
hash_of(const struct rates *rates, enum rates_kind kind, struct span key)
{
    uint64_t h = rates->seed ^ ((uint64_t)kind * UINT64_C(0x9e3779b97f4a7c15));
    for (size_t i = 0; i < key.len; i++)
        h = (h ^ key.data[i]) * UINT64_C(0x100000001b3);
    h = (h ^ (h >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ (h >> 27)) * UINT64_C(0x94d049bb133111eb);
    return h ^ (h >> 31);
}

static int64_t
end_of(int64_t now, int64_t window)
{
    return now / window * window + window;
}

static bool
is_worth_less(const struct slot *a, const struct slot *b, int64_t now)
{
    bool a_past = a->end <= now, b_past = b->end <= now;
    return a_past != b_past ? a_past : a->count < b->count;
}

/* find: the slot of this key, or NULL and the one to give up for it. */
static struct slot *
find(struct rates *rates, uint64_t key, int64_t now, struct slot **ret_victim)
{
    struct slot *set = &rates->slots[key % (SLOTS / WAYS) * WAYS];
    *ret_victim = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key == key && set[i].count > 0)
            return &set[i];
        if (is_worth_less(&set[i], *ret_victim, now))
            *ret_victim = &set[i];
    }
    return NULL;
}

unsigned
rates_count(struct rates *rates, enum rates_kind kind, struct span key,
            int64_t now, int64_t window)
{
    struct slot *victim;
    struct slot *slot = find(rates, hash_of(rates, kind, key), now, &victim);
    if (slot == NULL || slot->end != end_of(now, window))
        return 0;
    return slot->count;
}

void
rates_add(struct rates *rates, enum rates_kind kind, struct span key,
          int64_t now, int64_t window)
{
    struct slot *victim;
    uint64_t h = hash_of(rates, kind, key);
    struct slot *slot = find(rates, h, now, &victim);
    int64_t end = end_of(now, window);
    if (slot == NULL)
        slot = victim;
    if (slot->key != h || slot->end != end)
        *slot = (struct slot){h, end, 0};
    if (slot->count < UINT32_MAX)
        slot->count++;
}

void
rates_take_back(struct rates *rates, enum rates_kind kind, struct span key,
                int64_t now, int64_t window)
{
    struct slot *victim;
    struct slot *slot = find(rates, hash_of(rates, kind, key), now, &victim);
    if (slot != NULL && slot->end == end_of(now, window))
        slot->count--;
}

void
rates_net(const char *peer, char ret_net[LIMIT_PEER])
{
    uint8_t ip[IP_LEN_MAX];
    size_t len = 0;
    struct sink out = sink_of(ret_net, LIMIT_PEER - 1);
    if (ip_parse(span_str(peer), ip, &len) == BV_OK && len == 16) {
        memset(ip + 8, 0, 8);
        ip_put_text(&out, SPAN_ARRAY(ip));
        sink_str(&out, "/64");
    } else {
        sink_str(&out, peer);
    }
    ret_net[out.len] = '\0';
}
