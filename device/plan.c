#include "device/plan.h"

/* More than this apart, and one of the two clocks is wrong. */
#define APART 3600

/* FNV-1a, then the finaliser of splitmix64: spreads even ids that differ in
 * one digit over the whole range. Not a cryptographic need. */
static uint64_t
mix(struct span id)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < id.len; i++)
        h = (h ^ id.data[i]) * UINT64_C(0x100000001b3);
    h = (h ^ (h >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ (h >> 27)) * UINT64_C(0x94d049bb133111eb);
    return h ^ (h >> 31);
}

int64_t
plan_renew_at(int64_t not_before, int64_t not_after, unsigned percent,
              unsigned jitter, struct span id)
{
    /* Octet-sized percentages of at most 2^38 seconds: no overflow. */
    int64_t life = not_after - not_before;
    int64_t spread = life * (int64_t)jitter / 100;
    int64_t part = (int64_t)(mix(id) % 65536);
    int64_t offset = life * (int64_t)percent / 100 + spread * part / 65536;
    int64_t latest = life - life / 20;
    return not_before + (offset < latest ? offset : latest);
}

static uint32_t
shrink(uint32_t bound, int64_t life, int64_t parts)
{
    if (life > 0 && life / parts < (int64_t)bound)
        bound = (uint32_t)(life / parts);
    return bound > 0 ? bound : 1;
}

uint32_t
plan_pause(uint32_t failures, uint32_t min, uint32_t max, int64_t life,
           uint32_t random)
{
    min = shrink(min, life, 100);
    max = shrink(max, life, 20);
    uint64_t pause = min;
    for (uint32_t i = 1; i < failures && pause < max; i++)
        pause *= 2;
    if (pause > max)
        pause = max;
    uint64_t half = pause / 2;
    uint64_t spread = half + random % (pause - half + 1);
    return spread > 0 ? (uint32_t)spread : 1;
}

uint32_t
plan_asked(uint32_t asked, uint32_t random)
{
    uint32_t more = random % (asked / 8 + 1);
    return more < UINT32_MAX - asked ? asked + more : UINT32_MAX;
}

uint32_t
plan_resume(int64_t due, uint32_t pause, const struct bv_now *now)
{
    if (!now->wall_known || due == 0)
        return pause < PLAN_BLIND_MAX ? pause : PLAN_BLIND_MAX;
    if (due <= now->wall)
        return 0;
    return due - now->wall < (int64_t)pause ? (uint32_t)(due - now->wall)
                                            : pause;
}

struct bv_when
plan_time(const struct bv_now *now, int64_t floor, int64_t server, int64_t up,
          bool prefer_server)
{
    bool wall = now->wall_known && now->wall >= floor;
    if (!wall && server == 0)
        return (struct bv_when){floor + up, false};
    if (!wall)
        return (struct bv_when){server, true};
    int64_t gap = now->wall > server ? now->wall - server : server - now->wall;
    if (server != 0 && prefer_server && gap > APART)
        return (struct bv_when){server, true};
    return (struct bv_when){now->wall, true};
}
