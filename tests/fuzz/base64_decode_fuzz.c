/* What decodes encodes to something that decodes to the same, and in place it
 * is no different. */
#include <string.h>

#include "fuzz.h"
#include "wire/base64.h"

#define INPUT_MAX 4096

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t bytes[INPUT_MAX], again[INPUT_MAX], place[INPUT_MAX];
    static uint8_t text[2 * INPUT_MAX];
    struct sink a = SINK_ARRAY(bytes), b = SINK_ARRAY(again);
    struct sink out = SINK_ARRAY(text);
    struct span in_place;
    enum bv_err err;

    if (len == 0 || len > INPUT_MAX)
        return 0;
    err = base64_decode(span_of(data, len), &a);
    memcpy(place, data, len);
    fuzz_require(base64_decode_in_place(place, len, &in_place) == err);
    if (err != BV_OK)
        return 0;
    fuzz_require(span_eq(in_place, sink_view(&a)));
    base64_encode_lines(&out, sink_view(&a));
    fuzz_require(base64_decode(sink_view(&out), &b) == BV_OK);
    fuzz_require(span_eq(sink_view(&a), sink_view(&b)));
    return 0;
}
