/* The small texts that come from a command line, a file, a peer or systemd:
 * u8 which one, then the text. */
#include "fuzz.h"

#include <string.h>

#include "base/time.h"
#include "core/names.h"
#include "pki/note.h"
#include "prog/brevetd/activated.h"
#include "prog/config/value.h"
#include "wire/http.h"
#include "wire/ip.h"
#include "wire/smime.h"

/* As a string in memory of its own, or NULL. */
static char *
string_of(struct span text)
{
    char *copy = malloc(text.len + 1);
    if (copy != NULL && text.len > 0)
        memcpy(copy, text.data, text.len);
    if (copy != NULL)
        copy[text.len] = '\0';
    return copy;
}

static void
duration(struct span in)
{
    bv_auto_free char *text = string_of(in);
    int64_t seconds = -1;
    if (text != NULL && time_parse_duration(text, &seconds) == BV_OK)
        fuzz_require(seconds >= 0 && text[0] >= '0' && text[0] <= '9');
}

/* What is read is written as the same moment. */
static void
date(struct span in)
{
    char text[HTTP_DATE_LEN];
    struct sink out = SINK_ARRAY(text);
    int64_t time, again;
    if (http_date_parse(in, &time) != BV_OK)
        return;
    http_put_date(&out, time);
    fuzz_require(http_date_parse(sink_view(&out), &again) == BV_OK);
    fuzz_require(again == time);
}

static void
ip(struct span in)
{
    uint8_t octets[IP_LEN_MAX], back[IP_LEN_MAX];
    char text[64];
    struct sink out = SINK_ARRAY(text);
    size_t len, back_len;
    if (ip_parse(in, octets, &len) != BV_OK)
        return;
    ip_put_text(&out, span_of(octets, len));
    fuzz_require(ip_parse(sink_view(&out), back, &back_len) == BV_OK);
    fuzz_require(span_eq(span_of(octets, len), span_of(back, back_len)));
}

/* A pattern and a name, told apart by the first LF. */
static void
glob(struct span in)
{
    bv_auto_free char *pattern = string_of(in);
    char *end = pattern != NULL ? strchr(pattern, '\n') : NULL;
    if (end == NULL || in.len > 4 * LIMIT_DEVICE_NAME)
        return;
    *end = '\0';
    size_t used = (size_t)(end - pattern) + 1;
    struct span name = span_of(in.data + used, in.len - used);
    bool host = names_glob(pattern, name, true);
    fuzz_require(!host || strchr(pattern, '*') != NULL ||
                 strlen(pattern) == name.len);
}

static void
capabilities(struct span in)
{
    struct smime_caps caps;
    (void)!smime_caps_parse(in, &caps);
}

static void
verifier(struct span in)
{
    struct tlog_vkey vkey;
    (void)!note_vkey_parse(in, &vkey);
}

static void
name(struct span in)
{
    bv_auto_free char *text = string_of(in);
    if (text != NULL && value_name_is_ok(text))
        fuzz_require(strpbrk(text, "/\\ \n\"") == NULL && text[0] != '.');
}

/* LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES: a line each. */
static void
activated(struct span in)
{
    bv_auto_free char *text = string_of(in);
    struct activated given;
    char *fds = text != NULL ? strchr(text, '\n') : NULL;
    char *names = fds != NULL ? strchr(fds + 1, '\n') : NULL;
    if (fds != NULL)
        *fds++ = '\0';
    if (names != NULL)
        *names++ = '\0';
    activated_parse(text, fds, names, 42, &given);
    fuzz_require(given.num <= ACTIVATED_MAX);
    fuzz_require(given.num == 0 || fds != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static void (*const readers[])(struct span) = {
        duration, date, ip, glob, capabilities, verifier, name, activated,
    };
    struct span in = span_of(data, len);
    uint8_t which;

    if (span_u8(&in, &which) == BV_OK)
        readers[which % (sizeof(readers) / sizeof(readers[0]))](in);
    return 0;
}
