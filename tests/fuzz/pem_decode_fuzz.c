#include "fuzz.h"
#include "wire/pem.h"

#define INPUT_MAX 8192

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t memory[INPUT_MAX];
    struct sink out = SINK_ARRAY(memory);
    struct span text = span_of(data, len), label, der;

    if (len > INPUT_MAX)
        return 0;
    while (pem_next(&text, &out, &label, &der) == BV_OK) {
        fuzz_require(der.len > 0);
        fuzz_require(label.data >= data &&
                     label.data + label.len <= data + len);
    }
    text = span_of(data, len);
    out.len = 0;
    if (pem_find(&text, PEM_CERTIFICATE, &out, &der) == BV_OK)
        fuzz_require(pem_is(span_of(data, len), PEM_CERTIFICATE));
    return 0;
}
