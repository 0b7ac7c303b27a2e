#include "base/time.h"
#include "wire/http.h"

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

const char *
http_reason(uint16_t status)
{
    static const struct {
        uint16_t status;
        const char *text;
    } reasons[] = {
        {100, "Continue"},
        {200, "OK"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "";
}

void
http_put_status(struct sink *out, uint16_t status)
{
    sink_str(out, "HTTP/1.1 ");
    sink_dec(out, status);
    sink_str(out, " ");
    sink_str(out, http_reason(status));
    sink_str(out, "\r\n");
}

/* put_clean writes text that must stay within its line. */
static void
put_clean(struct sink *out, struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '\r' || text.data[i] == '\n' || text.data[i] == 0)
            out->failed = true;
    sink_put(out, text);
}

void
http_put_request(struct sink *out, const char *method, struct span target,
                 struct span host)
{
    put_clean(out, span_str(method));
    sink_str(out, " ");
    for (size_t i = 0; i < target.len; i++)
        if (target.data[i] <= ' ' || target.data[i] >= 0x7f)
            out->failed = true;
    sink_put(out, target);
    sink_str(out, " HTTP/1.1\r\n");
    http_put_field(out, "Host", host);
}

void
http_put_field(struct sink *out, const char *name, struct span value)
{
    put_clean(out, span_str(name));
    sink_str(out, ": ");
    put_clean(out, value);
    sink_str(out, "\r\n");
}

void
http_put_field_str(struct sink *out, const char *name, const char *value)
{
    http_put_field(out, name, span_str(value));
}

void
http_put_field_dec(struct sink *out, const char *name, uint64_t value)
{
    sink_str(out, name);
    sink_str(out, ": ");
    sink_dec(out, value);
    sink_str(out, "\r\n");
}

void
http_put_end(struct sink *out)
{
    sink_str(out, "\r\n");
}

/* --- dates: Sun, 06 Nov 1994 08:49:37 GMT --- */

static void
put_two(struct sink *out, int n)
{
    sink_u8(out, (uint8_t)('0' + n / 10 % 10));
    sink_u8(out, (uint8_t)('0' + n % 10));
}

void
http_put_date(struct sink *out, int64_t time)
{
    struct time_civil civil;
    time_to_civil(time, &civil);
    int64_t day = time / 86400 - (time % 86400 < 0 ? 1 : 0);
    size_t weekday = (size_t)(((day + 4) % 7 + 7) % 7); /* 1 Jan 1970: Thu */
    sink_put(out, span_of(days + 3 * weekday, 3));
    sink_str(out, ", ");
    put_two(out, civil.day);
    sink_str(out, " ");
    sink_put(out, span_of(months + 3 * (civil.month - 1), 3));
    sink_str(out, " ");
    put_two(out, civil.year / 100);
    put_two(out, civil.year % 100);
    sink_str(out, " ");
    put_two(out, civil.hour);
    sink_str(out, ":");
    put_two(out, civil.minute);
    sink_str(out, ":");
    put_two(out, civil.second);
    sink_str(out, " GMT");
}

static int
two(const uint8_t *at)
{
    if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9')
        return -1;
    return (at[0] - '0') * 10 + (at[1] - '0');
}

static int
month_of(struct span name)
{
    for (int i = 0; i < 12; i++)
        if (span_eq(name, span_of(months + 3 * i, 3)))
            return i + 1;
    return -1;
}

enum bv_err
http_date_parse(struct span text, int64_t *ret_time)
{
    if (text.len != HTTP_DATE_LEN)
        return BV_E_BAD_MESSAGE;
    const uint8_t *at = text.data;
    struct time_civil civil = {
        .year = two(at + 12) < 0 || two(at + 14) < 0
                    ? -1
                    : two(at + 12) * 100 + two(at + 14),
        .month = month_of(span_of(at + 8, 3)),
        .day = two(at + 5),
        .hour = two(at + 17),
        .minute = two(at + 20),
        .second = two(at + 23),
    };
    int64_t time;
    BV_TRY(time_from_civil(&civil, &time));
    /* Writing it again checks every fixed octet and the day of the week. */
    uint8_t again[HTTP_DATE_LEN];
    struct sink out = SINK_ARRAY(again);
    http_put_date(&out, time);
    if (!span_eq(text, SPAN_ARRAY(again)))
        return BV_E_BAD_MESSAGE;
    *ret_time = time;
    return BV_OK;
}
