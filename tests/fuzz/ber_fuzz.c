/* BER made DER: never longer below 64 KiB, and DER is what comes out: made
 * again it stays as it is. */
#include "fuzz.h"

#include "wire/ber.h"
#include "wire/der.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t once[65536], twice[65536];
    struct sink out = sink_of(once, len), again = sink_of(twice, len);
    struct span whole, value;
    uint8_t tag;

    if (len >= sizeof(once))
        return 0;
    enum bv_err err = ber_to_der(span_of(data, len), &out);
    fuzz_require(err != BV_E_NO_SPACE);
    if (err != BV_OK)
        return 0;
    struct span in = sink_view(&out);
    fuzz_require(der_any(&in, &tag, &value, &whole) == BV_OK && in.len == 0);
    fuzz_require(ber_to_der(whole, &again) == BV_OK);
    fuzz_require(span_eq(sink_view(&again), whole));
    return 0;
}
