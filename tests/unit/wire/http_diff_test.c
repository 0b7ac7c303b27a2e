/* Our reader against http_parser, over the same octets: what we accept it must
 * accept too, and read alike. (It accepts more than we do; that is its way.)
 * Inputs are good requests with random damage from a fixed seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
/* Its names for methods are ours too; move them out of the way. */
#define http_method  their_method
#define HTTP_GET     THEIR_GET
#define HTTP_HEAD    THEIR_HEAD
#define HTTP_POST    THEIR_POST
#define HTTP_PUT     THEIR_PUT
#define HTTP_DELETE  THEIR_DELETE
#define HTTP_PATCH   THEIR_PATCH
#define HTTP_OPTIONS THEIR_OPTIONS
#include <http_parser.h>
#undef http_method
#undef HTTP_GET
#undef HTTP_HEAD
#undef HTTP_POST
#undef HTTP_PUT
#undef HTTP_DELETE
#undef HTTP_PATCH
#undef HTTP_OPTIONS

#include "http_read.h"

static const struct span seeds[] = {
    SPAN_LIT("GET /.well-known/est/cacerts HTTP/1.1\r\nHost: a:1\r\n"
             "User-Agent: x/1 (y)\r\nAccept: */*\r\n\r\n"),
    SPAN_LIT("POST /e?a=b HTTP/1.1\r\nHost: a\r\nContent-Type: a/b; c=d\r\n"
             "Content-Length: 5\r\n\r\nabcde"),
    SPAN_LIT("POST /e HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
             "\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\n"),
    SPAN_LIT("POST / HTTP/1.0\r\nContent-Length: 1\r\n"
             "Connection: keep-alive\r\n\r\nx"),
    SPAN_LIT("HEAD http://h/p HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
             "Expect: 100-continue\r\n\r\n"),
};
static const struct span scraps[] = {
    SPAN_LIT("\r"),
    SPAN_LIT("\n"),
    SPAN_LIT("\r\n"),
    SPAN_LIT(" "),
    SPAN_LIT("\t"),
    SPAN_LIT(":"),
    SPAN_LIT("\0"),
    SPAN_LIT("0"),
    SPAN_LIT("chunked"),
    SPAN_LIT(","),
    SPAN_LIT(";"),
    SPAN_LIT("+"),
    SPAN_LIT("0x"),
    SPAN_LIT("\x7f"),
    SPAN_LIT("\xff"),
    SPAN_LIT("Host: b\r\n"),
    SPAN_LIT("Content-Length: 4\r\n"),
    SPAN_LIT("Transfer-Encoding: chunked\r\n"),
    SPAN_LIT("HTTP/1.1"),
    SPAN_LIT("Upgrade: x\r\n"),
    SPAN_LIT("#"),
    SPAN_LIT("%"),
    SPAN_LIT("/"),
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint64_t random_state = 0x9e3779b97f4a7c15;

static size_t
random_below(size_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (size_t)(random_state % n);
}

static void
replace(uint8_t *raw, size_t *len, size_t at, size_t drop, struct span by)
{
    drop = drop > *len - at ? *len - at : drop;
    memmove(raw + at + by.len, raw + at + drop, *len - at - drop);
    memcpy(raw + at, by.data, by.len);
    *len = *len - drop + by.len;
}

static struct span
damage(uint8_t *raw, size_t times)
{
    struct span seed = seeds[random_below(COUNT(seeds))];
    size_t len = seed.len;
    memcpy(raw, seed.data, len);
    while (times-- > 0) {
        struct span scrap = scraps[random_below(COUNT(scraps))];
        size_t drop = random_below(3) == 0 ? random_below(8) : 0;
        replace(raw, &len, random_below(len), drop, scrap);
    }
    return span_of(raw, len);
}

struct theirs {
    char url[4096];
    size_t url_len, body_len;
    bool done;
};

static int
on_url(http_parser *parser, const char *at, size_t len)
{
    struct theirs *theirs = parser->data;
    memcpy(theirs->url + theirs->url_len, at, len);
    theirs->url_len += len;
    return 0;
}

static int
on_body(http_parser *parser, const char *at, size_t len)
{
    ((struct theirs *)parser->data)->body_len += len;
    return 0;
}

static int
on_done(http_parser *parser)
{
    ((struct theirs *)parser->data)->done = true;
    http_parser_pause(parser, 1);
    return 0;
}

static bool
is_listed_difference(const http_parser *parser, const struct http_read *ours)
{
    /* It knows a fixed list of methods; a method is any token to us. */
    if (HTTP_PARSER_ERRNO(parser) == HPE_INVALID_METHOD)
        return ours->request.method == HTTP_OTHER;
    /* It takes Upgrade as the end of HTTP; we ignore the field, as one may
     * (RFC 9110 7.8). */
    if (parser->upgrade)
        return true;
    /* It takes any name that starts with Transfer-Encoding for that, and a
     * tab around a value (RFC 9110 5.6.3) for a part of it. */
    bool tab = memchr(ours->request.fields.data, '\t',
                      ours->request.fields.len) != NULL;
    if (HTTP_PARSER_ERRNO(parser) == HPE_INVALID_TRANSFER_ENCODING)
        return !ours->request.chunked || tab;
    if (HTTP_PARSER_ERRNO(parser) == HPE_INVALID_CONTENT_LENGTH)
        return tab;
    /* It reads the authority of an absolute-form target; we throw it away. */
    return HTTP_PARSER_ERRNO(parser) == HPE_INVALID_URL &&
           ours->request.target.data[0] != '/';
}

static void
show(struct span raw, const http_parser *parser, const char *what)
{
    print_message("%s: %s\n%.*s\n", what,
                  http_errno_name(HTTP_PARSER_ERRNO(parser)), (int)raw.len,
                  (const char *)raw.data);
}

/* compare returns whether both accepted. */
static bool
compare(struct span raw)
{
    struct http_read ours;
    struct theirs theirs = {0};
    http_parser parser;
    http_parser_settings settings = {
        .on_url = on_url, .on_body = on_body, .on_message_complete = on_done};
    http_read_request(raw, raw.len, &ours);
    if (ours.err != BV_OK || !ours.done)
        return false;
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &theirs;
    (void)http_parser_execute(&parser, &settings, (const char *)raw.data,
                              raw.len);
    if (is_listed_difference(&parser, &ours))
        return false;
    struct span method =
        span_str(http_method_str((enum their_method)parser.method));
    if (!theirs.done || theirs.body_len != ours.body_len ||
        !span_eq(ours.request.target, span_of(theirs.url, theirs.url_len)) ||
        !span_eq(ours.request.method_name, method)) {
        show(raw, &parser, "read differently");
        fail();
    }
    return true;
}

static void
test_damaged_requests_are_read_alike(void **state)
{
    uint8_t raw[1024];
    size_t both = 0;
    for (int i = 0; i < 400000; i++)
        both += compare(damage(raw, random_below(4)));
    assert_in_range(both, 10000, 390000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damaged_requests_are_read_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
