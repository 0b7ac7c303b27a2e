/* The bodies of LISTEN and PEER. Both are canonical. */
#include "fuzz.h"

#include "proc/table.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct span in = span_of(data, len), name;
    uint8_t *again = malloc(len + 8);
    struct sink out = sink_of(again, len + 8);
    enum proc_listen purpose;
    enum proc_role role;
    unsigned index;

    if (again == NULL)
        return 0;
    if (table_listen_decode(in, &purpose, &name) == BV_OK) {
        table_listen_encode(&out, purpose, name);
        fuzz_require(!out.failed && span_eq(sink_view(&out), in));
    }
    out = sink_of(again, len + 8);
    if (table_peer_decode(in, &role, &index) == BV_OK) {
        fuzz_require(index < PROC_DOORS_MAX && table_row(role) != NULL);
        table_peer_encode(&out, role, index);
        fuzz_require(!out.failed && span_eq(sink_view(&out), in));
    }
    free(again);
    return 0;
}
