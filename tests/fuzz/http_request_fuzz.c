/* Whole at once and octet by octet must give the same reading. */
#include <assert.h>

#include "../unit/wire/http_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_read whole, split;
    struct span in = span_of(data, size);
    if (size == 0)
        return 0;
    http_read_request(in, size, &whole);
    http_read_request(in, 1, &split);
    assert(whole.err == split.err && whole.done == split.done);
    if (whole.err != BV_OK || !whole.done)
        return 0;
    assert(whole.used == split.used && whole.used <= size);
    assert(whole.body_len == split.body_len);
    assert(memcmp(whole.body, split.body, whole.body_len) == 0);
    struct span fields = whole.request.fields, name, value;
    while (http_field_next(&fields, &name, &value))
        assert(name.len > 0);
    assert(fields.len == 0);
    return 0;
}
