/* A device reads this from a server it may not trust yet. */
#include <assert.h>

#include "wire/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_body(struct span in)
{
    struct http_chunked chunked = {0};
    struct span data;
    bool done = false;
    while (in.len > 0 && !done) {
        size_t before = in.len;
        if (http_chunked_next(&chunked, &in, &data, &done) != BV_OK)
            return;
        assert(in.len < before);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_scan scan = {0};
    struct http_response response;
    bool done;
    size_t len;
    int64_t time;
    struct span value;
    if (size == 0 ||
        http_scan_head(&scan, span_of(data, size), &done, &len) != BV_OK ||
        !done)
        return 0;
    assert(len <= size);
    if (http_response_parse(span_of(data, len), false, &response) != BV_OK)
        return 0;
    assert(!(response.chunked && response.has_length));
    if (http_field_find(response.fields, "Date", &value) &&
        http_date_parse(value, &time) == BV_OK)
        assert(time >= 0 || value.len == HTTP_DATE_LEN);
    if (response.chunked)
        read_body(span_of(data + len, size - len));
    return 0;
}
