/* HTTP/1.1 messages (RFC 9112): request and response heads, the chunked
 * coding, and writers for both. Shared by the server and by the client of the
 * device library, so it is freestanding and owns no memory: what is parsed is
 * spans into the caller's buffer, what is written goes into a sink.
 *
 * It refuses what two readers could read in two ways. Smuggling lives on
 * leniency, so there is none: every line ends in CRLF, no folding, no space
 * before a colon, no control octet, one Content-Length of digits only or one
 * "Transfer-Encoding: chunked" but never both, exactly one Host on 1.1.
 *
 * Reading a message:
 *
 *     struct http_scan scan = {0};
 *     // for every arrival, with all octets of this head received so far:
 *     BV_TRY(http_scan_head(&scan, have, &done, &head_len));
 *     if (done)
 *         BV_TRY(http_request_parse(span_of(have.data, head_len), &request));
 *     // then request.length octets, or http_chunked_next() until done
 *
 * The result does not depend on how the octets were split on arrival. */
#ifndef BV_WIRE_HTTP_H
#define BV_WIRE_HTTP_H

#include "base/limits.h"
#include "base/sink.h"
#include "base/span.h"

enum http_method {
    HTTP_OTHER = 0, /* a valid token that is none of these: method_name */
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_PATCH,
    HTTP_OPTIONS,
};

/* Progress of the search for the end of a head; start with {0}. */
struct http_scan {
    size_t pos;   /* octets looked at */
    size_t line;  /* where the current line starts */
    size_t lines; /* lines finished */
};

/* http_scan_head looks for the empty line that ends a head. in starts with the
 * first octet of the head and holds all that has arrived; octets seen by an
 * earlier call are not looked at again. *ret_done tells whether the end is
 * there, *ret_len is then the head with its final empty line.
 * BAD_MESSAGE: an octet no head may hold (so a TLS client that speaks to a
 * plain port is refused at its first octet), a CR without LF, or a LF without
 * CR. TOO_LARGE: over LIMIT_HTTP_LINE or LIMIT_HTTP_HEADER. TOO_MANY: over
 * LIMIT_HTTP_FIELDS. */
enum bv_err http_scan_head(struct http_scan *scan, struct span in,
                           bool *ret_done, size_t *ret_len) BV_CHECKED;

/* http_skip_empty_lines takes CRLF pairs off the front (RFC 9112 2.2: some
 * clients end a body with one too many). A lone CR at the end is left. */
void http_skip_empty_lines(struct span *in);

struct http_request {
    enum http_method method;
    struct span method_name;
    struct span target; /* as sent */
    struct span path;  /* raw: never decoded, never normalised; "/..." or "*" */
    struct span query; /* after the first '?'; empty if none */
    struct span host;  /* of Host; empty for HTTP/1.0 without one */
    struct span fields;   /* the field lines; see http_field_next */
    uint8_t minor;        /* HTTP/1.minor: 0 or 1 */
    bool chunked;         /* the body is in the chunked coding */
    uint64_t length;      /* of the body when not chunked; 0 without one */
    bool keep_alive;      /* by version and Connection (RFC 9112 9.3) */
    bool expect_continue; /* waits for "100 Continue" (RFC 9110 10.1.1) */
};

/* http_request_parse reads a whole head as http_scan_head found it.
 * UNSUPPORTED: a version other than 1.0 and 1.1 or another transfer coding
 * than chunked. BAD_MESSAGE: everything else that is wrong. */
enum bv_err http_request_parse(struct span head,
                               struct http_request *ret_request) BV_CHECKED;

struct http_response {
    uint16_t status;
    struct span reason;
    struct span fields;
    uint8_t minor;
    bool chunked;
    bool has_length;
    uint64_t length;
    bool until_close; /* the body ends with the connection (RFC 9112 6.3) */
    bool keep_alive;
};

/* http_response_parse reads a response head. no_body: the request was HEAD.
 * 1xx, 204 and 304 have no body whatever their fields say (RFC 9112 6.3); a
 * 1xx is not the answer: read the next head. */
enum bv_err http_response_parse(struct span head, bool no_body,
                                struct http_response *ret_response) BV_CHECKED;

/* http_field_next takes the next field line; false at the end. The value has
 * no white space around it. Only for fields of a parsed head. */
bool http_field_next(struct span *fields, struct span *ret_name,
                     struct span *ret_value);
/* http_field_find: the first field of this name (any case); false if none. */
bool http_field_find(struct span fields, const char *name,
                     struct span *ret_value);
/* http_is_tchar: an octet of a token, RFC 9110 5.6.2. */
bool http_is_tchar(uint8_t c);
/* http_list_has: a comma-separated list holds this token (any case). */
bool http_list_has(struct span list, const char *token);
/* http_media_type_is compares type/subtype in any case, without parameters. */
bool http_media_type_is(struct span value, const char *type);

/* --- the chunked coding (RFC 9112 7.1) --- */

/* Start with {0}. */
struct http_chunked {
    uint8_t state;
    uint8_t digits; /* of the size being read */
    uint64_t left;  /* octets of this chunk still to come */
    uint32_t extra; /* octets of extensions and trailers so far */
};

/* http_chunked_next consumes octets from *in until it has a piece of data, or
 * *in is empty, or the body has ended (*ret_done; what follows is left in
 * *in). *ret_data points into *in and may be empty. Extensions and trailers
 * are checked for form and dropped; together they may have
 * LIMIT_HTTP_CHUNK_LINE octets. A size has at most 8 hex digits. */
enum bv_err http_chunked_next(struct http_chunked *chunked, struct span *in,
                              struct span *ret_data, bool *ret_done) BV_CHECKED;

/* --- writing --- */

/* http_reason: the phrase of RFC 9110 15, "" for one we never send. */
const char *http_reason(uint16_t status);

void http_put_status(struct sink *out, uint16_t status);
/* http_put_request writes the request line and Host. */
void http_put_request(struct sink *out, const char *method, struct span target,
                      struct span host);
/* http_put_field: CR, LF or NUL in name or value makes the sink fail, so no
 * value can add a line of its own. */
void http_put_field(struct sink *out, const char *name, struct span value);
void http_put_field_str(struct sink *out, const char *name, const char *value);
void http_put_field_dec(struct sink *out, const char *name, uint64_t value);
void http_put_end(struct sink *out); /* the empty line */

/* http_put_date writes an IMF-fixdate (RFC 9110 5.6.7) of Unix seconds. */
#define HTTP_DATE_LEN 29
void http_put_date(struct sink *out, int64_t time);
/* http_date_parse reads an IMF-fixdate only; the obsolete forms are refused
 * (a condition in such a form is then ignored, RFC 9110 13.1.3). */
enum bv_err http_date_parse(struct span text, int64_t *ret_time) BV_CHECKED;

#endif
