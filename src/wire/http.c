#include "wire/http.h"

/* What an octet may be part of. */
enum {
    IN_TOKEN = 1,  /* RFC 9110 5.6.2 */
    IN_TARGET = 2, /* RFC 3986: unreserved, sub-delims, : @ / ? % */
    IN_HOST = 4,   /* RFC 3986: reg-name, IP-literal, port */
};

static bool
is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
           (c >= 'a' && c <= 'z');
}

static bool
is_in_str(uint8_t c, const char *set)
{
    for (; *set != '\0'; set++)
        if (c == (uint8_t)*set)
            return true;
    return false;
}

static bool
is_of(uint8_t c, int what)
{
    if (is_alnum(c))
        return true;
    switch (what) {
    case IN_TOKEN:
        return is_in_str(c, "!#$%&'*+-.^_`|~");
    case IN_TARGET:
        return is_in_str(c, "-._~!$&'()*+,;=:@/?%");
    default:
        return is_in_str(c, "-._~!$&'()*+,;=:%[]");
    }
}

bool
http_is_tchar(uint8_t c)
{
    return is_of(c, IN_TOKEN);
}

static bool
is_all(struct span in, int what)
{
    for (size_t i = 0; i < in.len; i++)
        if (!is_of(in.data[i], what))
            return false;
    return true;
}

static bool
is_token(struct span in)
{
    return in.len > 0 && is_all(in, IN_TOKEN);
}

static struct span
span_from(struct span in, size_t start, size_t end)
{
    if (in.data == NULL)
        return SPAN_EMPTY; /* NULL + 0 is not defined */
    return span_of(in.data + start, end - start);
}

static struct span
trim(struct span in)
{
    while (in.len > 0 && (in.data[0] == ' ' || in.data[0] == '\t')) {
        in.data++;
        in.len--;
    }
    while (in.len > 0 &&
           (in.data[in.len - 1] == ' ' || in.data[in.len - 1] == '\t'))
        in.len--;
    return in;
}

/* find returns in.len when the octet is not there. */
static size_t
find(struct span in, uint8_t c)
{
    size_t i = 0;
    while (i < in.len && in.data[i] != c)
        i++;
    return i;
}

/* --- the end of a head --- */

/* RFC 9110 5.5: CR, LF and NUL are dangerous in a field; the other controls
 * are never meant. RFC 9112 2.2: a bare CR must not be let through, a bare LF
 * may be taken for a line end, and is not: two readers would differ. */
static enum bv_err
check_octet(struct span in, size_t pos)
{
    uint8_t c = in.data[pos];
    bool after_cr = pos > 0 && in.data[pos - 1] == '\r';
    if (after_cr != (c == '\n'))
        return BV_E_BAD_MESSAGE;
    if (c == 0x7f || (c < 0x20 && c != '\r' && c != '\n' && c != '\t'))
        return BV_E_BAD_MESSAGE;
    return BV_OK;
}

static enum bv_err
end_line(struct http_scan *scan, size_t pos, bool *ret_done)
{
    *ret_done = pos - scan->line == 1; /* CRLF alone */
    if (*ret_done && scan->lines == 0)
        return BV_E_BAD_MESSAGE;
    scan->lines++;
    scan->line = pos + 1;
    if (!*ret_done && scan->lines > LIMIT_HTTP_FIELDS + 1)
        return BV_E_TOO_MANY;
    return BV_OK;
}

enum bv_err
http_scan_head(struct http_scan *scan, struct span in, bool *ret_done,
               size_t *ret_len)
{
    *ret_done = false;
    for (; scan->pos < in.len; scan->pos++) {
        size_t pos = scan->pos;
        BV_TRY(check_octet(in, pos));
        if (pos - scan->line >= LIMIT_HTTP_LINE)
            return BV_E_TOO_LARGE;
        if (pos >= LIMIT_HTTP_LINE + LIMIT_HTTP_HEADER)
            return BV_E_TOO_LARGE;
        if (in.data[pos] != '\n')
            continue;
        BV_TRY(end_line(scan, pos, ret_done));
        if (*ret_done) {
            *ret_len = ++scan->pos;
            return BV_OK;
        }
    }
    return BV_OK;
}

void
http_skip_empty_lines(struct span *in)
{
    while (in->len >= 2 && in->data[0] == '\r' && in->data[1] == '\n') {
        in->data += 2;
        in->len -= 2;
    }
}

/* take_line cuts a line off a head and returns it without its CRLF. */
static enum bv_err
take_line(struct span *in, struct span *ret_line)
{
    size_t end = find(*in, '\r');
    struct span crlf;
    BV_TRY(span_take(in, end, ret_line));
    BV_TRY(span_take(in, 2, &crlf));
    return span_eq(crlf, SPAN_LIT("\r\n")) ? BV_OK : BV_E_BAD_MESSAGE;
}

/* --- fields --- */

static enum bv_err
split_field(struct span line, struct span *ret_name, struct span *ret_value)
{
    size_t colon = find(line, ':');
    if (colon == line.len)
        return BV_E_BAD_MESSAGE;
    *ret_name = span_from(line, 0, colon);
    /* RFC 9112 5.1 and 5.2: neither white space before the colon nor a folded
     * line; both would put a space into the name. */
    if (!is_token(*ret_name))
        return BV_E_BAD_MESSAGE;
    *ret_value = trim(span_from(line, colon + 1, line.len));
    return BV_OK;
}

bool
http_field_next(struct span *fields, struct span *ret_name,
                struct span *ret_value)
{
    struct span line;
    if (fields->len == 0 || take_line(fields, &line) != BV_OK || line.len == 0)
        return false;
    return split_field(line, ret_name, ret_value) == BV_OK;
}

bool
http_field_find(struct span fields, const char *name, struct span *ret_value)
{
    struct span have, value, want = span_str(name);
    while (http_field_next(&fields, &have, &value)) {
        if (!span_eq_nocase(have, want))
            continue;
        *ret_value = value;
        return true;
    }
    return false;
}

bool
http_list_has(struct span list, const char *token)
{
    while (list.len > 0) {
        size_t comma = find(list, ',');
        struct span member = trim(span_from(list, 0, comma));
        if (span_eq_nocase(member, span_str(token)))
            return true;
        size_t next = comma < list.len ? comma + 1 : list.len;
        list = span_from(list, next, list.len);
    }
    return false;
}

bool
http_media_type_is(struct span value, const char *type)
{
    struct span bare = trim(span_from(value, 0, find(value, ';')));
    return span_eq_nocase(bare, span_str(type));
}

/* --- framing: RFC 9112 6 --- */

struct framing {
    bool has_length, has_coding, has_host;
    uint64_t length;
    struct span host;
    bool close, keep_alive, expect;
};

/* Digits only: no sign, no list, no 20th digit (RFC 9110 8.6). */
static enum bv_err
read_length(struct span value, uint64_t *ret_length)
{
    uint64_t n = 0;
    if (value.len == 0 || value.len > 18)
        return BV_E_BAD_MESSAGE;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return BV_E_BAD_MESSAGE;
        n = n * 10 + (uint64_t)(value.data[i] - '0');
    }
    *ret_length = n;
    return BV_OK;
}

static enum bv_err
on_length(struct framing *framing, struct span value)
{
    if (framing->has_length)
        return BV_E_BAD_MESSAGE; /* also two equal ones */
    framing->has_length = true;
    return read_length(value, &framing->length);
}

static enum bv_err
on_coding(struct framing *framing, struct span value)
{
    if (framing->has_coding)
        return BV_E_BAD_MESSAGE;
    framing->has_coding = true;
    if (span_eq_nocase(value, SPAN_LIT("chunked")))
        return BV_OK;
    return is_token(value) ? BV_E_UNSUPPORTED : BV_E_BAD_MESSAGE;
}

static enum bv_err
on_host(struct framing *framing, struct span value)
{
    if (framing->has_host || !is_all(value, IN_HOST))
        return BV_E_BAD_MESSAGE; /* RFC 9112 3.2 */
    framing->has_host = true;
    framing->host = value;
    return BV_OK;
}

static enum bv_err
on_field(struct framing *framing, struct span name, struct span value)
{
    if (span_eq_nocase(name, SPAN_LIT("Content-Length")))
        return on_length(framing, value);
    if (span_eq_nocase(name, SPAN_LIT("Transfer-Encoding")))
        return on_coding(framing, value);
    if (span_eq_nocase(name, SPAN_LIT("Host")))
        return on_host(framing, value);
    if (span_eq_nocase(name, SPAN_LIT("Connection"))) {
        framing->close = framing->close || http_list_has(value, "close");
        framing->keep_alive =
            framing->keep_alive || http_list_has(value, "keep-alive");
    }
    if (span_eq_nocase(name, SPAN_LIT("Expect")))
        framing->expect = span_eq_nocase(value, SPAN_LIT("100-continue"));
    return BV_OK;
}

static enum bv_err
read_fields(struct span *in, struct framing *ret_framing,
            struct span *ret_fields)
{
    struct span start = *in, line, name, value;
    struct framing framing = {0};
    for (;;) {
        size_t before = in->len;
        BV_TRY(take_line(in, &line));
        if (line.len == 0) {
            *ret_fields = span_of(start.data, start.len - before);
            break;
        }
        BV_TRY(split_field(line, &name, &value));
        BV_TRY(on_field(&framing, name, value));
    }
    BV_TRY(span_end(*in));
    /* RFC 9112 6.1: both at once is how requests are smuggled. */
    if (framing.has_length && framing.has_coding)
        return BV_E_BAD_MESSAGE;
    *ret_framing = framing;
    return BV_OK;
}

static bool
is_kept(const struct framing *framing, uint8_t minor)
{
    if (framing->close)
        return false;
    return minor >= 1 || framing->keep_alive; /* RFC 9112 9.3 */
}

/* --- request line: RFC 9112 3 --- */

static enum bv_err
read_version(struct span text, uint8_t *ret_minor)
{
    if (span_eq(text, SPAN_LIT("HTTP/1.1"))) {
        *ret_minor = 1;
        return BV_OK;
    }
    if (span_eq(text, SPAN_LIT("HTTP/1.0"))) {
        *ret_minor = 0;
        return BV_OK;
    }
    if (text.len == 8 && span_eq(span_from(text, 0, 5), SPAN_LIT("HTTP/")))
        return BV_E_UNSUPPORTED;
    return BV_E_BAD_MESSAGE; /* and HTTP/0.9, which has no version at all */
}

static enum http_method
find_method(struct span name)
{
    static const char *const names[] = {
        [HTTP_GET] = "GET",         [HTTP_HEAD] = "HEAD",
        [HTTP_POST] = "POST",       [HTTP_PUT] = "PUT",
        [HTTP_DELETE] = "DELETE",   [HTTP_PATCH] = "PATCH",
        [HTTP_OPTIONS] = "OPTIONS",
    };
    for (int i = HTTP_GET; i <= HTTP_OPTIONS; i++)
        if (span_eq_str(name, names[i]))
            return (enum http_method)i;
    return HTTP_OTHER;
}

/* absolute-form: a server must accept it (RFC 9112 3.2.2). *in becomes the
 * path and query, which may be empty. */
static enum bv_err
skip_authority(struct span *in)
{
    size_t scheme = find(*in, ':');
    struct span name = span_from(*in, 0, scheme);
    if (!span_eq_nocase(name, SPAN_LIT("http")) &&
        !span_eq_nocase(name, SPAN_LIT("https")))
        return BV_E_BAD_MESSAGE;
    struct span rest = span_from(*in, scheme, in->len), slashes;
    BV_TRY(span_take(&rest, 3 < rest.len ? 3 : rest.len, &slashes));
    if (!span_eq(slashes, SPAN_LIT("://")))
        return BV_E_BAD_MESSAGE;
    size_t end = 0;
    while (end < rest.len && rest.data[end] != '/' && rest.data[end] != '?')
        end++;
    if (end == 0)
        return BV_E_BAD_MESSAGE;
    *in = span_from(rest, end, rest.len);
    return BV_OK;
}

static enum bv_err
read_target(struct span target, struct http_request *request)
{
    if (target.len == 0 || !is_all(target, IN_TARGET))
        return BV_E_BAD_MESSAGE;
    request->target = target;
    request->query = SPAN_EMPTY;
    if (span_eq(target, SPAN_LIT("*"))) {
        request->path = target;
        return request->method == HTTP_OPTIONS ? BV_OK : BV_E_BAD_MESSAGE;
    }
    if (target.data[0] != '/')
        BV_TRY(skip_authority(&target));
    size_t question = find(target, '?');
    request->path = span_from(target, 0, question);
    if (question < target.len)
        request->query = span_from(target, question + 1, target.len);
    if (request->path.len == 0)
        request->path = SPAN_LIT("/");
    return BV_OK;
}

/* Exactly two single spaces: RFC 9112 3 tells others are split differently by
 * different readers. */
static enum bv_err
read_request_line(struct span line, struct http_request *request)
{
    size_t first = find(line, ' ');
    if (first == line.len)
        return BV_E_BAD_MESSAGE;
    struct span rest = span_from(line, first + 1, line.len);
    size_t second = find(rest, ' ');
    if (second == rest.len)
        return BV_E_BAD_MESSAGE;
    request->method_name = span_from(line, 0, first);
    if (!is_token(request->method_name) || request->method_name.len > 32)
        return BV_E_BAD_MESSAGE;
    request->method = find_method(request->method_name);
    BV_TRY(
        read_version(span_from(rest, second + 1, rest.len), &request->minor));
    return read_target(span_from(rest, 0, second), request);
}

enum bv_err
http_request_parse(struct span head, struct http_request *ret_request)
{
    struct http_request request = {0};
    struct framing framing;
    struct span line;
    BV_TRY(take_line(&head, &line));
    BV_TRY(read_request_line(line, &request));
    BV_TRY(read_fields(&head, &framing, &request.fields));
    if (request.minor == 1 && !framing.has_host)
        return BV_E_BAD_MESSAGE; /* RFC 9112 3.2 */
    if (request.minor == 0 && framing.has_coding)
        return BV_E_BAD_MESSAGE; /* RFC 9112 6.1 */
    request.host = framing.host;
    request.chunked = framing.has_coding;
    request.length = framing.length;
    request.keep_alive = is_kept(&framing, request.minor);
    request.expect_continue = framing.expect && request.minor == 1 &&
                              (request.chunked || request.length > 0);
    *ret_request = request;
    return BV_OK;
}

/* --- status line: RFC 9112 4 --- */

static enum bv_err
read_status_line(struct span line, struct http_response *response)
{
    struct span version, rest;
    BV_TRY(span_take(&line, 8, &version));
    BV_TRY(read_version(version, &response->minor));
    BV_TRY(span_take(&line, 4, &rest));
    unsigned status = 0;
    for (size_t i = 1; i < 4; i++) {
        if (rest.data[i] < '0' || rest.data[i] > '9')
            return BV_E_BAD_MESSAGE;
        status = status * 10 + (unsigned)(rest.data[i] - '0');
    }
    if (rest.data[0] != ' ' || status < 100 || status > 599)
        return BV_E_BAD_MESSAGE;
    /* Some servers leave out the space before an empty phrase. */
    if (line.len > 0 && line.data[0] != ' ')
        return BV_E_BAD_MESSAGE;
    response->status = (uint16_t)status;
    response->reason = trim(line);
    return BV_OK;
}

enum bv_err
http_response_parse(struct span head, bool no_body,
                    struct http_response *ret_response)
{
    struct http_response response = {0};
    struct framing framing;
    struct span line;
    BV_TRY(take_line(&head, &line));
    BV_TRY(read_status_line(line, &response));
    BV_TRY(read_fields(&head, &framing, &response.fields));
    if (response.minor == 0 && framing.has_coding)
        return BV_E_BAD_MESSAGE;
    response.keep_alive = is_kept(&framing, response.minor);
    if (!no_body && response.status >= 200 && response.status != 204 &&
        response.status != 304) {
        response.chunked = framing.has_coding;
        response.has_length = framing.has_length;
        response.length = framing.length;
        response.until_close = !response.chunked && !response.has_length;
    }
    if (response.until_close)
        response.keep_alive = false;
    *ret_response = response;
    return BV_OK;
}
