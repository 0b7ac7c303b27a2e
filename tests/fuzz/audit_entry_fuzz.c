/* An entry of the audit log has one form only: its octets are what is hashed,
 * so what is read is written back the same. */
#include "fuzz.h"

#include "core/audit.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct audit_entry entry;
    struct span in = span_of(data, len);

    if (audit_entry_decode(in, &entry) != BV_OK)
        return 0;
    fuzz_require(entry.time_ms >= 0);
    fuzz_require(audit_action_name(entry.event.action) != NULL);
    fuzz_require(audit_actor_name(entry.event.actor) != NULL);
    fuzz_require(audit_auth_name(entry.event.auth) != NULL);
    fuzz_require(audit_object_name(entry.event.object) != NULL);
    fuzz_require(audit_outcome_name(entry.event.outcome) != NULL);

    uint8_t *copy = malloc(len);
    struct sink out = sink_of(copy, len);
    audit_entry_encode(&out, &entry);
    fuzz_require(!out.failed && span_eq(sink_view(&out), in));
    free(copy);
    return 0;
}
