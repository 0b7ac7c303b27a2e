#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_read.h"

#define H    "Host: a\r\n"
#define POST "POST /e HTTP/1.1\r\n" H

struct row {
    const char *what;
    struct span raw;
    enum bv_err err;
    const char *body; /* when err is OK */
};
#define ROW(what, raw, err, body)                                              \
    {                                                                          \
        what, SPAN_LIT(raw), err, body                                         \
    }

static const struct row rows[] = {
    /* what a server must take */
    ROW("plain GET", "GET / HTTP/1.1\r\n" H "\r\n", BV_OK, ""),
    ROW("HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", BV_OK, ""),
    ROW("length", POST "Content-Length: 3\r\n\r\nabc", BV_OK, "abc"),
    ROW("chunked",
        POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", BV_OK,
        "abc"),
    ROW("chunk extension and trailer",
        POST "transfer-encoding: CHUNKED\r\n\r\n"
             "2;a=b\r\nab\r\n1 ;x\r\nc\r\n0\r\nX: y\r\n\r\n",
        BV_E_BAD_MESSAGE, NULL), /* space after a size */
    ROW("chunk extension, trailer",
        POST "transfer-encoding: CHUNKED\r\n\r\n"
             "2;a=b\r\nab\r\n1;x\r\nc\r\n00\r\nX: y\r\n\r\n",
        BV_OK, "abc"),
    ROW("value with tab and obs-text",
        "GET / HTTP/1.1\r\n" H "X: a\tb \xe4 \r\n\r\n", BV_OK, ""),
    ROW("empty value", "GET / HTTP/1.1\r\n" H "Accept:\r\n\r\n", BV_OK, ""),
    ROW("absolute-form", "GET http://x/y?z HTTP/1.1\r\n" H "\r\n", BV_OK, ""),
    /* ambiguous framing: RFC 9112 6.1, 6.3, 7.1 */
    ROW("length and coding",
        POST "Content-Length: 3\r\n"
             "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        BV_E_BAD_MESSAGE, NULL),
    ROW("coding and length",
        POST "Transfer-Encoding: chunked\r\n"
             "Content-Length: 3\r\n\r\n0\r\n\r\n",
        BV_E_BAD_MESSAGE, NULL),
    ROW("two lengths, different",
        POST "Content-Length: 3\r\n"
             "Content-Length: 4\r\n\r\nabcd",
        BV_E_BAD_MESSAGE, NULL),
    ROW("two lengths, equal",
        POST "Content-Length: 3\r\n"
             "Content-Length: 3\r\n\r\nabc",
        BV_E_BAD_MESSAGE, NULL),
    ROW("length list", POST "Content-Length: 3, 3\r\n\r\nabc", BV_E_BAD_MESSAGE,
        NULL),
    ROW("length +3", POST "Content-Length: +3\r\n\r\nabc", BV_E_BAD_MESSAGE,
        NULL),
    ROW("length -3", POST "Content-Length: -3\r\n\r\nabc", BV_E_BAD_MESSAGE,
        NULL),
    ROW("length 3x", POST "Content-Length: 3x\r\n\r\nabc", BV_E_BAD_MESSAGE,
        NULL),
    ROW("length 0x3", POST "Content-Length: 0x3\r\n\r\nabc", BV_E_BAD_MESSAGE,
        NULL),
    ROW("length empty", POST "Content-Length:\r\n\r\n", BV_E_BAD_MESSAGE, NULL),
    ROW("length overflows",
        POST "Content-Length: 18446744073709551619\r\n\r\nabc",
        BV_E_BAD_MESSAGE, NULL),
    ROW("coding xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        BV_E_UNSUPPORTED, NULL),
    ROW("coding gzip, chunked",
        POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        BV_E_BAD_MESSAGE, NULL),
    ROW("coding chunked twice",
        POST "Transfer-Encoding: chunked\r\n"
             "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        BV_E_BAD_MESSAGE, NULL),
    ROW("coding chunked, identity",
        POST "Transfer-Encoding: chunked\r\n"
             "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        BV_E_BAD_MESSAGE, NULL),
    ROW("coding with 0x0b",
        POST "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n", BV_E_BAD_MESSAGE,
        NULL),
    ROW("coding quoted", POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        BV_E_BAD_MESSAGE, NULL),
    ROW("coding on HTTP/1.0",
        "POST / HTTP/1.0\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        BV_E_BAD_MESSAGE, NULL),
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
    ROW("chunk 0x3", CHUNKED "0x3\r\nabc\r\n0\r\n\r\n", BV_E_BAD_MESSAGE, NULL),
    ROW("chunk +3", CHUNKED "+3\r\nabc\r\n0\r\n\r\n", BV_E_BAD_MESSAGE, NULL),
    ROW("chunk without size", CHUNKED "\r\nabc\r\n0\r\n\r\n", BV_E_BAD_MESSAGE,
        NULL),
    ROW("chunk size too long", CHUNKED "000000003\r\nabc\r\n0\r\n\r\n",
        BV_E_TOO_LARGE, NULL),
    ROW("chunk bare LF after size", CHUNKED "3\nabc\r\n0\r\n\r\n",
        BV_E_BAD_MESSAGE, NULL),
    ROW("chunk bare LF after data", CHUNKED "3\r\nabc\n0\r\n\r\n",
        BV_E_BAD_MESSAGE, NULL),
    ROW("chunk bare LF at end", CHUNKED "3\r\nabc\r\n0\r\n\n", BV_E_BAD_MESSAGE,
        NULL),
    ROW("chunk extension with LF", CHUNKED "3;a\nb\r\nabc\r\n0\r\n\r\n",
        BV_E_BAD_MESSAGE, NULL),
    ROW("chunk extension with CR", CHUNKED "3;a\rb\r\nabc\r\n0\r\n\r\n",
        BV_E_BAD_MESSAGE, NULL),
    ROW("chunk longer than its size", CHUNKED "3\r\nabcd\r\n0\r\n\r\n",
        BV_E_BAD_MESSAGE, NULL),
    ROW("trailer folded", CHUNKED "0\r\nA: b\r\n c\r\n\r\n", BV_E_BAD_MESSAGE,
        NULL),
    ROW("trailer name with comma", CHUNKED "0\r\nA,: b\r\n\r\n",
        BV_E_BAD_MESSAGE, NULL),
    ROW("trailer without name", CHUNKED "0\r\n: b\r\n\r\n", BV_E_BAD_MESSAGE,
        NULL),
    /* fields: RFC 9112 5 */
    ROW("space before colon", POST "Content-Length : 3\r\n\r\nabc",
        BV_E_BAD_MESSAGE, NULL),
    ROW("tab before colon", POST "Content-Length\t: 3\r\n\r\nabc",
        BV_E_BAD_MESSAGE, NULL),
    ROW("folded line", POST "X: a\r\n b\r\n\r\n", BV_E_BAD_MESSAGE, NULL),
    ROW("folded first line", "GET / HTTP/1.1\r\n X: a\r\n" H "\r\n",
        BV_E_BAD_MESSAGE, NULL),
    ROW("no colon", POST "X\r\n\r\n", BV_E_BAD_MESSAGE, NULL),
    ROW("no name", POST ": x\r\n\r\n", BV_E_BAD_MESSAGE, NULL),
    ROW("NUL in value", POST "X: a\0b\r\n\r\n", BV_E_BAD_MESSAGE, NULL),
    ROW("NUL in name", POST "X\0: b\r\n\r\n", BV_E_BAD_MESSAGE, NULL),
    ROW("control in value",
        POST "X: a\x01"
             "b\r\n\r\n",
        BV_E_BAD_MESSAGE, NULL),
    ROW("DEL in value",
        POST "X: a\x7f"
             "b\r\n\r\n",
        BV_E_BAD_MESSAGE, NULL),
    ROW("bare CR in value", POST "X: a\rb\r\n\r\n", BV_E_BAD_MESSAGE, NULL),
    ROW("CR CR LF", POST "X: a\r\r\n\r\n", BV_E_BAD_MESSAGE, NULL),
    ROW("bare LF after a field", POST "X: a\n\r\n", BV_E_BAD_MESSAGE, NULL),
    ROW("bare LF after request line", "GET / HTTP/1.1\n" H "\r\n",
        BV_E_BAD_MESSAGE, NULL),
    ROW("bare LF at the end", "GET / HTTP/1.1\r\n" H "\n", BV_E_BAD_MESSAGE,
        NULL),
    ROW("octet over 0x7f in name", POST "X\xe4: b\r\n\r\n", BV_E_BAD_MESSAGE,
        NULL),
    /* Host: RFC 9112 3.2 */
    ROW("no Host", "GET / HTTP/1.1\r\n\r\n", BV_E_BAD_MESSAGE, NULL),
    ROW("two Hosts", "GET / HTTP/1.1\r\n" H "Host: b\r\n\r\n", BV_E_BAD_MESSAGE,
        NULL),
    ROW("two equal Hosts", "GET / HTTP/1.1\r\n" H H "\r\n", BV_E_BAD_MESSAGE,
        NULL),
    ROW("two Hosts on 1.0", "GET / HTTP/1.0\r\n" H H "\r\n", BV_E_BAD_MESSAGE,
        NULL),
    ROW("Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        BV_E_BAD_MESSAGE, NULL),
    ROW("Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        BV_E_BAD_MESSAGE, NULL),
    /* request line: RFC 9112 3 */
    ROW("HTTP/0.9", "GET /\r\n\r\n", BV_E_BAD_MESSAGE, NULL),
    ROW("HTTP/0.9 named", "GET / HTTP/0.9\r\n\r\n", BV_E_UNSUPPORTED, NULL),
    ROW("HTTP/2.0", "PRI * HTTP/2.0\r\n\r\n", BV_E_UNSUPPORTED, NULL),
    ROW("http/1.1", "GET / http/1.1\r\n" H "\r\n", BV_E_BAD_MESSAGE, NULL),
    ROW("HTTP/1.1 and space", "GET / HTTP/1.1 \r\n" H "\r\n", BV_E_BAD_MESSAGE,
        NULL),
    ROW("two spaces", "GET  / HTTP/1.1\r\n" H "\r\n", BV_E_BAD_MESSAGE, NULL),
    ROW("space first", " GET / HTTP/1.1\r\n" H "\r\n", BV_E_BAD_MESSAGE, NULL),
    ROW("tab instead of space", "GET\t/ HTTP/1.1\r\n" H "\r\n",
        BV_E_BAD_MESSAGE, NULL),
    ROW("no method", " / HTTP/1.1\r\n" H "\r\n", BV_E_BAD_MESSAGE, NULL),
    ROW("method with colon", "G:T / HTTP/1.1\r\n" H "\r\n", BV_E_BAD_MESSAGE,
        NULL),
    ROW("space in target", "GET /a b HTTP/1.1\r\n" H "\r\n", BV_E_BAD_MESSAGE,
        NULL),
    ROW("fragment in target", "GET /a#b HTTP/1.1\r\n" H "\r\n",
        BV_E_BAD_MESSAGE, NULL),
    ROW("high octet in target", "GET /\xe4 HTTP/1.1\r\n" H "\r\n",
        BV_E_BAD_MESSAGE, NULL),
    ROW("relative target", "GET a HTTP/1.1\r\n" H "\r\n", BV_E_BAD_MESSAGE,
        NULL),
    ROW("authority-form", "CONNECT a:1 HTTP/1.1\r\n" H "\r\n", BV_E_BAD_MESSAGE,
        NULL),
    ROW("star with GET", "GET * HTTP/1.1\r\n" H "\r\n", BV_E_BAD_MESSAGE, NULL),
    ROW("empty line first", "\r\nGET / HTTP/1.1\r\n" H "\r\n", BV_E_BAD_MESSAGE,
        NULL), /* http_skip_empty_lines comes before */
    ROW("a TLS ClientHello", "\x16\x03\x01\x02\x00", BV_E_BAD_MESSAGE, NULL),
};

static void
check_row(const struct row *row, size_t step)
{
    struct http_read read;
    http_read_request(row->raw, step, &read);
    if (read.err != row->err || (row->err == BV_OK && !read.done))
        fail_msg("%s, step %zu: %s, not %s", row->what, step,
                 err_name(read.err), err_name(row->err));
    if (row->err != BV_OK)
        return;
    assert_int_equal(read.used, row->raw.len);
    if (!span_eq_str(span_of(read.body, read.body_len), row->body))
        fail_msg("%s: wrong body", row->what);
}

static void
test_framing_table(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_row(&rows[i], rows[i].raw.len);
}

static void
test_every_split(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t step = 1; step < rows[i].raw.len; step++)
            check_row(&rows[i], step);
}

static void
test_incomplete_waits(void **state)
{
    const struct row *row = &rows[3];
    for (size_t len = 0; len < row->raw.len; len++) {
        struct http_read read;
        http_read_request(span_of(row->raw.data, len), 1, &read);
        assert_int_equal(read.err, BV_OK);
        assert_false(read.done);
    }
}

static void
parse(const char *raw, struct http_request *ret_request)
{
    assert_int_equal(http_request_parse(span_str(raw), ret_request), BV_OK);
}

static void
test_request_facts(void **state)
{
    struct http_request r;
    struct span value;
    parse("POST /a/%2f/../b?x=1?2 HTTP/1.1\r\nhost: h:1\r\nX-A:  b c \r\n"
          "Content-Length: 7\r\nExpect: 100-Continue\r\n\r\n",
          &r);
    assert_int_equal(r.method, HTTP_POST);
    assert_true(span_eq_str(r.path, "/a/%2f/../b"));
    assert_true(span_eq_str(r.query, "x=1?2"));
    assert_true(span_eq_str(r.host, "h:1"));
    assert_int_equal(r.length, 7);
    assert_true(r.keep_alive);
    assert_true(r.expect_continue);
    assert_true(http_field_find(r.fields, "x-a", &value));
    assert_true(span_eq_str(value, "b c"));
    assert_false(http_field_find(r.fields, "X-B", &value));
    parse("GET http://u.example/p HTTP/1.1\r\nHost: other\r\n\r\n", &r);
    assert_true(span_eq_str(r.path, "/p"));
    parse("GET http://u.example?q HTTP/1.1\r\nHost: other\r\n\r\n", &r);
    assert_true(span_eq_str(r.path, "/"));
    assert_true(span_eq_str(r.query, "q"));
    parse("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", &r);
    assert_int_equal(r.method, HTTP_OTHER);
}

static void
test_keep_alive(void **state)
{
    struct http_request r;
    parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", &r);
    assert_false(r.keep_alive);
    parse("GET / HTTP/1.0\r\n\r\n", &r);
    assert_false(r.keep_alive);
    parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", &r);
    assert_true(r.keep_alive);
    parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", &r);
    assert_true(r.keep_alive);
}

static enum bv_err
scan_filled(const char *start, char fill, size_t count)
{
    static uint8_t raw[LIMIT_HTTP_LINE + LIMIT_HTTP_HEADER + 100];
    struct http_scan scan = {0};
    bool done;
    size_t len;
    struct sink out = SINK_ARRAY(raw);
    sink_str(&out, start);
    for (size_t i = 0; i < count; i++)
        sink_u8(&out, (uint8_t)fill);
    return http_scan_head(&scan, sink_view(&out), &done, &len);
}

static void
test_limits(void **state)
{
    struct http_scan scan = {0};
    bool done;
    size_t len;
    uint8_t raw[1024];
    struct sink out = SINK_ARRAY(raw);
    assert_int_equal(scan_filled("GET /", 'a', LIMIT_HTTP_LINE - 5), BV_OK);
    assert_int_equal(scan_filled("GET /", 'a', LIMIT_HTTP_LINE - 4),
                     BV_E_TOO_LARGE);
    sink_str(&out, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < LIMIT_HTTP_FIELDS; i++)
        sink_str(&out, "a:b\r\n");
    assert_int_equal(http_scan_head(&scan, sink_view(&out), &done, &len),
                     BV_OK);
    sink_str(&out, "a:b\r\n");
    assert_int_equal(http_scan_head(&scan, sink_view(&out), &done, &len),
                     BV_E_TOO_MANY);
}

static void
test_many_long_lines_are_too_large(void **state)
{
    static uint8_t raw[LIMIT_HTTP_LINE + LIMIT_HTTP_HEADER + 8192];
    struct http_scan scan = {0};
    struct sink out = SINK_ARRAY(raw);
    bool done;
    size_t len;
    sink_str(&out, "GET / HTTP/1.1\r\n");
    for (int line = 0; line < 5; line++) {
        sink_str(&out, "X: ");
        for (int i = 0; i < 8000; i++)
            sink_u8(&out, 'y');
        sink_str(&out, "\r\n");
    }
    assert_int_equal(http_scan_head(&scan, sink_view(&out), &done, &len),
                     BV_E_TOO_LARGE);
}

static void
test_chunk_framing_is_bounded(void **state)
{
    struct http_chunked chunked = {0};
    uint8_t raw[LIMIT_HTTP_CHUNK_LINE + 10];
    memset(raw, 'x', sizeof(raw));
    raw[0] = '1';
    raw[1] = ';';
    struct span in = SPAN_ARRAY(raw), data;
    bool done;
    assert_int_equal(http_chunked_next(&chunked, &in, &data, &done),
                     BV_E_TOO_LARGE);
}

static void
test_empty_lines_are_skipped(void **state)
{
    struct span in = SPAN_LIT("\r\n\r\nGET");
    http_skip_empty_lines(&in);
    assert_true(span_eq_str(in, "GET"));
    in = SPAN_LIT("\r\n\r");
    http_skip_empty_lines(&in);
    assert_true(span_eq_str(in, "\r"));
}

struct response_row {
    struct span raw;
    enum bv_err err;
    bool chunked, has_length, until_close, keep;
};

static void
test_responses(void **state)
{
    static const struct response_row table[] = {
        {SPAN_LIT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), BV_OK, false,
         true, false, true},
        {SPAN_LIT("HTTP/1.1 200\r\n\r\n"), BV_OK, false, false, true, false},
        {SPAN_LIT("HTTP/1.0 200 \r\nContent-Length: 5\r\n\r\n"), BV_OK, false,
         true, false, false},
        {SPAN_LIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
         BV_OK, true, false, false, true},
        {SPAN_LIT("HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n"), BV_OK, false,
         false, false, true},
        {SPAN_LIT("HTTP/1.1 100 Continue\r\n\r\n"), BV_OK, false, false, false,
         true},
        {SPAN_LIT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n"),
         BV_E_BAD_MESSAGE, false, false, false, false},
        {SPAN_LIT("HTTP/1.1 20 OK\r\n\r\n"), BV_E_BAD_MESSAGE, 0, 0, 0, 0},
        {SPAN_LIT("HTTP/1.1 2000 OK\r\n\r\n"), BV_E_BAD_MESSAGE, 0, 0, 0, 0},
        {SPAN_LIT("HTTP/1.1 700 OK\r\n\r\n"), BV_E_BAD_MESSAGE, 0, 0, 0, 0},
        {SPAN_LIT("HTTP/1.1  200 OK\r\n\r\n"), BV_E_BAD_MESSAGE, 0, 0, 0, 0},
        {SPAN_LIT("HTTP/2.0 200 OK\r\n\r\n"), BV_E_UNSUPPORTED, 0, 0, 0, 0},
        {SPAN_LIT("ICY 200 OK\r\n\r\n"), BV_E_BAD_MESSAGE, 0, 0, 0, 0},
        {SPAN_LIT("HTTP/1.1 200 OK\r\n\r\nx"), BV_E_TRAILING_BYTES, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct http_response got;
        assert_int_equal(http_response_parse(table[i].raw, false, &got),
                         table[i].err);
        if (table[i].err != BV_OK)
            continue;
        assert_int_equal(got.chunked, table[i].chunked);
        assert_int_equal(got.has_length, table[i].has_length);
        assert_int_equal(got.until_close, table[i].until_close);
        assert_int_equal(got.keep_alive, table[i].keep);
    }
}

static void
test_response_to_head_has_no_body(void **state)
{
    struct http_response got;
    assert_int_equal(
        http_response_parse(
            SPAN_LIT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), true,
            &got),
        BV_OK);
    assert_int_equal(got.length, 0);
    assert_false(got.until_close);
}

static void
test_writers(void **state)
{
    uint8_t raw[256];
    struct sink out = SINK_ARRAY(raw);
    http_put_status(&out, 413);
    http_put_field_str(&out, "Content-Type", "text/plain");
    http_put_field_dec(&out, "Content-Length", 12);
    http_put_end(&out);
    assert_true(span_eq_str(sink_view(&out),
                            "HTTP/1.1 413 Content Too Large\r\n"
                            "Content-Type: text/plain\r\n"
                            "Content-Length: 12\r\n\r\n"));
    out = SINK_ARRAY(raw);
    http_put_request(&out, "POST", SPAN_LIT("/a"), SPAN_LIT("h:1"));
    http_put_end(&out);
    struct http_request back;
    assert_int_equal(http_request_parse(sink_view(&out), &back), BV_OK);
    assert_true(span_eq_str(back.host, "h:1"));
}

static void
test_writers_keep_the_line(void **state)
{
    uint8_t raw[64];
    struct sink out = SINK_ARRAY(raw);
    http_put_field(&out, "A", SPAN_LIT("b\r\nC: d"));
    assert_true(out.failed);
    out = SINK_ARRAY(raw);
    http_put_request(&out, "GET", SPAN_LIT("/a b"), SPAN_LIT("h"));
    assert_true(out.failed);
}

static void
test_dates(void **state)
{
    uint8_t raw[HTTP_DATE_LEN];
    struct sink out = SINK_ARRAY(raw);
    int64_t time;
    http_put_date(&out, 784111777);
    assert_true(span_eq_str(sink_view(&out), "Sun, 06 Nov 1994 08:49:37 GMT"));
    assert_int_equal(http_date_parse(SPAN_ARRAY(raw), &time), BV_OK);
    assert_int_equal(time, 784111777);
    assert_int_equal(
        http_date_parse(SPAN_LIT("Mon, 06 Nov 1994 08:49:37 GMT"), &time),
        BV_E_BAD_MESSAGE);
    assert_int_not_equal(
        http_date_parse(SPAN_LIT("Sun, 0x Nov 1994 08:49:37 GMT"), &time),
        BV_OK);
    assert_int_equal(
        http_date_parse(SPAN_LIT("Sunday, 06-Nov-94 08:49:37 GMT"), &time),
        BV_E_BAD_MESSAGE);
}

static void
test_small_helpers(void **state)
{
    assert_true(http_media_type_is(SPAN_LIT("Application/PKCS10 ; a=b"),
                                   "application/pkcs10"));
    assert_false(http_media_type_is(SPAN_LIT("application/pkcs10x"),
                                    "application/pkcs10"));
    assert_false(http_media_type_is(SPAN_EMPTY, "a/b"));
    assert_true(http_list_has(SPAN_LIT("a ,b"), "B"));
    assert_false(http_list_has(SPAN_LIT("a ,bc"), "b"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_framing_table),
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_incomplete_waits),
        cmocka_unit_test(test_request_facts),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_many_long_lines_are_too_large),
        cmocka_unit_test(test_chunk_framing_is_bounded),
        cmocka_unit_test(test_empty_lines_are_skipped),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_response_to_head_has_no_body),
        cmocka_unit_test(test_writers),
        cmocka_unit_test(test_writers_keep_the_line),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_small_helpers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
