/* The query of a SCEP GET, and the message in it: never longer than its text.
 */
#include "fuzz.h"

#include "wire/scep.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t buf[65536];
    struct sink out = sink_of(buf, len);
    struct scep_query q;

    if (len > sizeof(buf) || scep_query_parse(span_of(data, len), &q) != BV_OK)
        return 0;
    fuzz_require(q.has_message || q.message.len == 0);
    fuzz_require(scep_message_decode(q.message, &out) != BV_E_NO_SPACE);
    return 0;
}
