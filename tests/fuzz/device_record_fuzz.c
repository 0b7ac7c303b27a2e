/* What a device finds in its own flash after a power cut: the commit record
 * and, behind it, the trust set. */
#include "fuzz.h"

#include "device/record.h"
#include "device/trust.h"

static void
record(struct span in)
{
    struct record record;
    uint8_t buf[RECORD_LEN];
    struct sink out = SINK_ARRAY(buf);

    if (record_decode(in, &record) != BV_OK)
        return;
    record_encode(&out, &record);
    fuzz_require(!out.failed && out.len == RECORD_LEN);
    fuzz_require(record_decode(sink_view(&out), &record) == BV_OK);
}

static void
trust_set(struct span in)
{
    struct span cert;
    bool anchor;

    for (size_t i = 0;
         i < 2 * BV_TRUST_MAX && trust_item(in, i, &cert, &anchor); i++)
        fuzz_require(cert.len < in.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    record(span_of(data, len));
    trust_set(span_of(data, len));
    return 0;
}
