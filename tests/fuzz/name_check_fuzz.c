/* Half the input against the other half as well: equality is symmetric. */
#include "fuzz.h"
#include "wire/name.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t text[40 * LIMIT_NAME];
    struct sink out = SINK_ARRAY(text);
    struct span name = span_of(data, len);
    struct span a = span_of(data, len / 2);
    struct span b = span_of(data + len / 2, len - len / 2);

    fuzz_require(name_eq(name, name));
    fuzz_require(name_eq(a, b) == name_eq(b, a));
    if (len <= LIMIT_NAME) {
        name_put_text(&out, name);
        fuzz_require(!out.failed);
    }
    for (size_t i = 0; i < out.len; i++)
        fuzz_require(text[i] >= ' ' && text[i] <= '~');
    return 0;
}
