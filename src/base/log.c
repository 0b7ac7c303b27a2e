#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sink.h"
#include "base/time.h"

#define PROCESS_MAX 32

static char log_process[PROCESS_MAX] = "brevet";
static enum log_level log_max = LOG_LEVEL_INFO;
static bool log_journal;

static const struct {
    const char *name;
    const char *syslog; /* sd-daemon(3) */
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", "<3>"},
    [LOG_LEVEL_WARN] = {"warn", "<4>"},
    [LOG_LEVEL_INFO] = {"info", "<6>"},
    [LOG_LEVEL_DEBUG] = {"debug", "<7>"},
};

void
log_open(const char *process, enum log_level level)
{
    (void)snprintf(log_process, sizeof(log_process), "%s", process);
    log_max = level;
    log_journal = getenv("JOURNAL_STREAM") != NULL;
}

void
log_set_level(enum log_level level)
{
    log_max = level;
}

/* The date is the same for many lines: it is made once a second. */
static void
put_time(struct sink *out)
{
    static char text[TIME_TEXT_MAX];
    static int64_t second = INT64_MIN;
    int64_t now = clock_wall_ms();
    unsigned ms = (unsigned)(now % 1000);
    char fraction[] = {'.',
                       (char)('0' + ms / 100),
                       (char)('0' + ms / 10 % 10),
                       (char)('0' + ms % 10),
                       'Z',
                       ' ',
                       '\0'};

    if (now / 1000 != second) {
        second = now / 1000;
        time_format(second, text);
        text[strlen(text) - 1] = '\0'; /* the Z comes after the fraction */
    }
    sink_str(out, text);
    sink_str(out, fraction);
}

static size_t
printable_len(const char *text)
{
    size_t len = 0;

    while (text[len] >= ' ' && text[len] <= '~')
        len++;
    return len;
}

/* put_escaped ends where the line is full: a character that needs four octets
 * is written whole or not at all, so that a cut line ends cleanly. */
static void
put_escaped(struct sink *out, const char *text)
{
    char hex[5];

    for (;;) {
        size_t len = printable_len(text), room = out->cap - out->len;
        sink_put(out, span_of(text, len < room ? len : room));
        text += len;
        if (*text == '\0' || out->cap - out->len < sizeof(hex) - 1)
            return;
        (void)snprintf(hex, sizeof(hex), "\\x%02x", (unsigned)(uint8_t)*text);
        sink_str(out, hex);
        text++;
    }
}

static void
write_all(const char *data, size_t len)
{
    /* A log that cannot be written has nowhere to complain. */
    if (write(STDERR_FILENO, data, len) < 0)
        return;
}

__attribute__((format(printf, 2, 0))) static void
log_line(enum log_level level, const char *format, va_list args)
{
    char body[LOG_LINE_MAX];
    char line[LOG_LINE_MAX];
    struct sink out = sink_of(line, sizeof(line) - 1); /* room for LF */

    if (level > log_max)
        return;
    (void)vsnprintf(body, sizeof(body), format, args);
    if (log_journal)
        sink_str(&out, levels[level].syslog);
    else
        put_time(&out);
    sink_str(&out, log_process);
    sink_str(&out, " ");
    sink_str(&out, levels[level].name);
    sink_str(&out, " ");
    put_escaped(&out, body);
    line[out.len] = '\n';
    write_all(line, out.len + 1);
}

#define LOG_FUNCTION(name, level)                                              \
    void name(const char *format, ...)                                         \
    {                                                                          \
        va_list args;                                                          \
                                                                               \
        va_start(args, format);                                                \
        log_line(level, format, args);                                         \
        va_end(args);                                                          \
    }

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)
