#include "prog/brevetd/watch.h"

#include "base/limits.h"
#include "proc/pulse.h"

void
watch_advance(struct watch *watch, int64_t now)
{
    int64_t passed = watch->seen_ms != 0 ? now - watch->seen_ms : 0;
    watch->awake_ms += passed < LIMIT_PING_MS ? passed : LIMIT_PING_MS;
    watch->seen_ms = now;
}

void
watched_begin(struct watched *role, const struct watch *watch)
{
    *role = (struct watched){.word = PULSE_START,
                             .alive_ms = watch->awake_ms,
                             .limit_ms = pulse_limit_ms(PULSE_START)};
}

void
watched_answer(struct watched *role, const struct watch *watch)
{
    role->asked = false;
    role->alive_ms = watch->awake_ms;
}

void
watched_look(struct watched *role, const struct watch *watch, uint64_t word)
{
    if (word == role->word)
        return;
    role->word = word;
    role->alive_ms = watch->awake_ms;
    role->limit_ms = pulse_limit_ms(pulse_work_of(word));
}

bool
watched_is_due(const struct watched *role, const struct watch *watch)
{
    return !role->asked && watched_silence(role, watch) >= LIMIT_PING_MS;
}

int64_t
watched_silence(const struct watched *role, const struct watch *watch)
{
    return watch->awake_ms - role->alive_ms;
}

bool
watched_is_quiet(const struct watched *role, const struct watch *watch)
{
    return role->asked && watched_silence(role, watch) >= role->limit_ms / 2;
}

void
watched_excuse(struct watched *role, const struct watch *watch)
{
    role->alive_ms = watch->awake_ms;
}

bool
watched_is_silent(const struct watched *role, const struct watch *watch)
{
    return role->asked && watched_silence(role, watch) >= role->limit_ms;
}

bool
watched_is_over(const struct watched *role, const struct watch *watch)
{
    return watched_is_silent(role, watch) &&
           watched_silence(role, watch) >= LIMIT_SILENT_ALL_MS;
}
