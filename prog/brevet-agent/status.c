#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "prog/brevet-agent/agent.h"

static const char *
state_of(const struct bv_status *status)
{
    if (status->active == BV_SLOT_NONE)
        return status->phase == BV_PHASE_TRUST ? "no trust yet"
                                               : "not enrolled";
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (status->not_after < now.tv_sec)
        return "expired";
    return status->phase == BV_PHASE_RENEW ? "renewal due" : "good";
}

static json_t *
as_json(struct identity *identity, const struct bv_status *status)
{
    return json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:i, s:i, s:i, s:s}", "name",
        identity->config->name, "id", identity->settings.id, "state",
        state_of(status), "not_before", (json_int_t)status->not_before,
        "not_after", (json_int_t)status->not_after, "renew_at",
        (json_int_t)status->renew_at, "generation", (int)status->generation,
        "attempts", (int)status->attempts, "retry_after",
        (int)status->retry_after, "last_failure",
        status->why == BV_WHY_NONE ? "" : bv_why_text(status->why));
}

static void
print_line(struct identity *identity, const struct bv_status *status)
{
    char end[TIME_TEXT_MAX] = "-", renew[TIME_TEXT_MAX] = "-";
    if (status->active != BV_SLOT_NONE) {
        time_format(status->not_after, end);
        time_format(status->renew_at, renew);
    }
    printf("%-20s %-24s %-14s %-20s %-20s\n", identity->config->name,
           identity->settings.id, state_of(status), end, renew);
    if (status->why != BV_WHY_NONE)
        printf("%-20s last failure: %s (attempt %u, next in %u s)\n", "",
               bv_why_text(status->why), status->attempts, status->retry_after);
}

enum agent_exit
status_print(struct identity *identities, size_t num, bool json)
{
    enum agent_exit exit = AGENT_OK;
    json_t *list = json_array();
    if (!json)
        printf("%-20s %-24s %-14s %-20s %-20s\n", "NAME", "ID", "STATE",
               "VALID UNTIL", "RENEWS AT");
    for (size_t i = 0; i < num; i++) {
        struct bv_status status;
        uint64_t wait;
        (void)bv_device_step(&identities[i].device, &wait); /* reads only */
        bv_device_status(&identities[i].device, &status);
        if (strcmp(state_of(&status), "good") != 0 &&
            strcmp(state_of(&status), "renewal due") != 0)
            exit = AGENT_NONE;
        if (json)
            (void)json_array_append_new(list, as_json(&identities[i], &status));
        else
            print_line(&identities[i], &status);
    }
    if (json) {
        (void)json_dumpf(list, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(list);
    return exit;
}
