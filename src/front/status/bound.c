#include "front/status/bound.h"

#include "base/log.h"
#include "core/rates.h"

#define WINDOW     10 /* seconds: a burst is no flood */
#define TELL_EVERY 60

struct bound {
    struct rates *rates;
    uint64_t unissued; /* since it was told */
    int64_t tell_at;
};

enum bv_err
bound_new(struct bound **ret_bound)
{
    bv_auto(bound) struct bound *bound = calloc(1, sizeof(*bound));

    if (bound == NULL)
        return BV_E_NO_MEMORY;
    BV_TRY(rates_new(&bound->rates));
    *ret_bound = BV_STEAL(bound);
    return BV_OK;
}

void
bound_free(struct bound *bound)
{
    if (bound == NULL)
        return;
    rates_free(bound->rates);
    free(bound);
}

bool
bound_take(struct bound *bound, const char *peer, unsigned per_second,
           int64_t now)
{
    char net[LIMIT_PEER];

    if (per_second == 0)
        return true;
    rates_net(peer, net);
    unsigned had = rates_count(bound->rates, RATES_OCSP_ADDRESS, span_str(net),
                               now, WINDOW);
    if (had > per_second * WINDOW)
        return false;
    rates_add(bound->rates, RATES_OCSP_ADDRESS, span_str(net), now, WINDOW);
    if (had < per_second * WINDOW)
        return true;
    log_warn("an address has more OCSP answers signed than it may; it is told "
             "to try later peer=%s per_second=%u",
             net, per_second);
    return false;
}

void
bound_unissued(struct bound *bound, const char *peer, int64_t now)
{
    bound->unissued++;
    /* the clock may have been put back */
    if (now < bound->tell_at && now >= bound->tell_at - TELL_EVERY)
        return;
    log_warn("OCSP was asked about certificates that were never issued "
             "num=%llu last_peer=%s",
             (unsigned long long)bound->unissued, peer);
    bound->unissued = 0;
    bound->tell_at = now + TELL_EVERY;
}
