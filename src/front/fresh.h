/* Conditional requests (RFC 9110 section 13), for every door that serves
 * something a client may have already. */
#ifndef BV_FRONT_FRESH_H
#define BV_FRONT_FRESH_H

#include "base/span.h"
#include "wire/http.h"

/* A quoted entity tag: W/"64 hex digits" and NUL. */
#define FRESH_TAG_MAX 70

/* fresh_tag writes the tag of a SHA-256. weak: the octets may differ from one
 * answer to the next though they mean the same. */
void fresh_tag(struct span sha256, bool weak, char ret_tag[FRESH_TAG_MAX]);

/* fresh_is_current tells whether the client's copy is this one: If-None-Match
 * by weak comparison, and only without it If-Modified-Since (13.2.2). modified
 * is Unix seconds; 0: not known. */
bool fresh_is_current(const struct http_request *request, const char *tag,
                      int64_t modified);

/* fresh_date writes an IMF-fixdate and a NUL. */
#define FRESH_DATE_MAX (HTTP_DATE_LEN + 1)
void fresh_date(int64_t time, char ret_date[FRESH_DATE_MAX]);

#endif
