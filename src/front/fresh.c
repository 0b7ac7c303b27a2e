#include "front/fresh.h"

#include <string.h>

#include "base/sink.h"

void
fresh_tag(struct span sha256, bool weak, char ret_tag[FRESH_TAG_MAX])
{
    struct sink out = sink_of(ret_tag, FRESH_TAG_MAX);

    sink_str(&out, weak ? "W/\"" : "\"");
    sink_hex(&out, sha256);
    sink_str(&out, "\"");
    sink_u8(&out, '\0');
}

/* opaque is a tag without its weakness mark. */
static struct span
opaque(struct span tag)
{
    if (tag.len > 2 && tag.data[0] == 'W' && tag.data[1] == '/')
        return span_of(tag.data + 2, tag.len - 2);
    return tag;
}

/* The tags are hex in quotes, so a plain search for one in the list cannot
 * find the middle of another. */
static bool
list_names(struct span list, struct span tag)
{
    return span_eq_str(list, "*") ||
           (tag.len > 0 && list.len >= tag.len &&
            memmem(list.data, list.len, tag.data, tag.len) != NULL);
}

bool
fresh_is_current(const struct http_request *request, const char *tag,
                 int64_t modified)
{
    struct span value;
    int64_t since;

    if (http_field_find(request->fields, "If-None-Match", &value))
        return list_names(value, opaque(span_str(tag)));
    if (modified == 0 ||
        !http_field_find(request->fields, "If-Modified-Since", &value))
        return false;
    return http_date_parse(value, &since) == BV_OK && modified <= since;
}

void
fresh_date(int64_t time, char ret_date[FRESH_DATE_MAX])
{
    struct sink out = sink_of(ret_date, FRESH_DATE_MAX);

    http_put_date(&out, time);
    sink_u8(&out, '\0');
}
