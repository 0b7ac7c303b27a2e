#include "table.h"

#include <ctype.h>
#include <inttypes.h>
#include <libsmartcols.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"

static bool
ends_with(const char *s, const char *end)
{
    size_t a = strlen(s), b = strlen(end);
    return a >= b && strcmp(s + a - b, end) == 0;
}

static bool
is_time(const char *key)
{
    return ends_with(key, "_at") || ends_with(key, "_after") ||
           ends_with(key, "_before") || ends_with(key, "_update") ||
           strcmp(key, "last_seen") == 0 || strcmp(key, "time") == 0 ||
           strcmp(key, "time_ms") == 0;
}

static bool
is_duration(const char *key)
{
    return strcmp(key, "lifetime") == 0 || strcmp(key, "backdate") == 0;
}

/* As brevet.conf writes it, in the largest unit that fits. */
static void
duration_text(int64_t seconds, char *text, size_t cap)
{
    static const struct {
        int64_t seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (seconds == 0 || seconds % units[i].seconds != 0)
            continue;
        (void)snprintf(text, cap, "%" PRId64 "%c", seconds / units[i].seconds,
                       units[i].unit);
        return;
    }
    (void)snprintf(text, cap, "%" PRId64 "s", seconds);
}

/* What a value looks like in a cell. */
static void
value_text(const char *key, const json_t *value, char *text, size_t cap)
{
    char when[TIME_TEXT_MAX];

    if (json_is_string(value)) {
        (void)snprintf(text, cap, "%s", json_string_value(value));
    } else if (json_is_boolean(value)) {
        (void)snprintf(text, cap, "%s", json_is_true(value) ? "yes" : "no");
    } else if (json_is_integer(value) && is_time(key)) {
        int64_t time = json_integer_value(value);
        if (strcmp(key, "time_ms") == 0)
            time /= 1000;
        time_format(time, when);
        (void)snprintf(text, cap, "%s", time == 0 ? "-" : when);
    } else if (json_is_integer(value) && is_duration(key)) {
        duration_text(json_integer_value(value), text, cap);
    } else if (json_is_integer(value)) {
        (void)snprintf(text, cap, "%" JSON_INTEGER_FORMAT,
                       json_integer_value(value));
    } else {
        (void)snprintf(text, cap, "-");
    }
}

/* What may be cut to fit a terminal. The rest is to be copied, or would say
 * something else when cut: half a serial number, another device's name. */
static bool
may_be_cut(const char *key)
{
    return strcmp(key, "detail") == 0 || strcmp(key, "subject") == 0;
}

static void
put_heading(const char *key, char heading[64])
{
    (void)snprintf(heading, 64, "%s",
                   strcmp(key, "time_ms") == 0 ? "time" : key);
    for (char *p = heading; *p != '\0'; p++)
        *p = (char)(*p == '_' ? ' ' : toupper((unsigned char)*p));
}

static void
add_columns(struct libscols_table *table, const char *columns)
{
    while (*columns != '\0') {
        char key[64], heading[64];
        size_t len = strcspn(columns, " ");
        (void)snprintf(key, sizeof(key), "%.*s", (int)len, columns);
        put_heading(key, heading);
        (void)scols_table_new_column(table, heading, 0,
                                     may_be_cut(key) ? SCOLS_FL_TRUNC : 0);
        columns += len + (columns[len] == ' ');
    }
}

static void
add_row(struct libscols_table *table, const json_t *row, const char *columns)
{
    struct libscols_line *line = scols_table_new_line(table, NULL);

    for (size_t i = 0; line != NULL && *columns != '\0'; i++) {
        char key[64], text[256];
        size_t len = strcspn(columns, " ");
        (void)snprintf(key, sizeof(key), "%.*s", (int)len, columns);
        value_text(key, json_object_get(row, key), text, sizeof(text));
        (void)scols_line_set_data(line, i, text);
        columns += len + (columns[len] == ' ');
    }
}

void
table_listing(const json_t *rows, const char *columns)
{
    struct libscols_table *table = scols_new_table();
    size_t i;
    json_t *row;

    if (table == NULL)
        return;
    (void)scols_table_enable_colors(table, isatty(STDOUT_FILENO));
    if (!isatty(STDOUT_FILENO))
        (void)scols_table_enable_nowrap(table, 1);
    add_columns(table, columns);
    json_array_foreach(rows, i, row) add_row(table, row, columns);
    (void)scols_print_table(table);
    scols_unref_table(table);
}

/* Octets of the character at s that must not reach a terminal; 0: it may.
 * C0 and DEL, C1 (U+0080 to 9F), and what turns the direction of text round
 * (U+202A to E, U+2066 to 9). */
static size_t
unsafe_len(const unsigned char *s)
{
    if (s[0] < 0x20 || s[0] == 0x7f)
        return 1;
    if (s[0] == 0xc2 && s[1] >= 0x80 && s[1] <= 0x9f)
        return 2;
    bool turns =
        s[0] == 0xe2 && ((s[1] == 0x80 && s[2] >= 0xaa && s[2] <= 0xae) ||
                         (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9));
    return turns ? 3 : 0;
}

static void
put_safe(FILE *to, const char *text, bool lines)
{
    const unsigned char *s = (const unsigned char *)text;
    while (*s != '\0') {
        size_t len = lines && *s == '\n' ? 0 : unsafe_len(s);
        if (len == 0)
            (void)fputc(*s++, to);
        for (; len > 0; len--)
            (void)fprintf(to, "\\x%02x", *s++);
    }
}

void
table_put(FILE *to, const char *text)
{
    put_safe(to, text, false);
}

void
table_put_lines(FILE *to, const char *text)
{
    put_safe(to, text, true);
}

static void
put_field(const char *key, const char *text)
{
    (void)printf("%-16s ", key);
    table_put(stdout, text);
    (void)printf("\n");
}

static bool
is_block(const char *key)
{
    return strcmp(key, "pem") == 0 || strcmp(key, "proof") == 0 ||
           strcmp(key, "note") == 0;
}

/* One line each: sentences. */
static void
text_lines(const char *key, const json_t *list)
{
    size_t i;
    json_t *text;

    json_array_foreach(list, i, text) put_field(key, json_string_value(text));
}

static bool
is_text_list(const json_t *value)
{
    return json_is_array(value) && (json_array_size(value) == 0 ||
                                    json_is_string(json_array_get(value, 0)));
}

void
table_fields(const json_t *object)
{
    const char *key;
    json_t *value;
    char text[512];

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (is_block(key) || json_is_array(value) || json_is_object(value))
            continue;
        value_text(key, value, text, sizeof(text));
        put_field(key, json_is_string(value) ? json_string_value(value) : text);
    }
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (is_block(key) && json_is_string(value))
            table_put_lines(stdout, json_string_value(value));
        else if (is_text_list(value))
            text_lines(key, value);
        else if (json_is_array(value) || json_is_object(value)) {
            (void)printf("%s ", key);
            (void)json_dumpf(value, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
            (void)printf("\n");
        }
    }
}
