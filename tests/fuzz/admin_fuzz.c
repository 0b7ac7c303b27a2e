/* What may be said on the control socket: u8 role, then a request on each
 * line, to a whole core with a database, a device with certificates, one that
 * waits and a token. Whatever is said has one answer, a JSON object of the
 * promised form, and never ends core. The same core is asked many times, as
 * it is in life; a new one takes its place now and then. */
#include "fuzz.h"

#include <jansson.h>
#include <stdio.h>

#include "base/log.h"
#include "tests/unit/core/fixture.h"

/* Requests to one core; it must not grow without end. */
#define ASKED_MAX 2000
#define LINES_MAX 8

static struct fixture world;
static bool is_open;
static unsigned num_asked;

static void
close_world(void)
{
    if (is_open)
        fixture_close(&world);
    is_open = false;
}

static void
enrol(const char *name, unsigned times)
{
    static struct key *key; /* kept: making one takes longer than the rest */
    uint8_t buf[2048];
    char secret[64];
    if (key == NULL)
        key = fixture_key();
    struct span csr =
        fixture_csr(key, name, SPAN_EMPTY, SPAN_EMPTY, buf, sizeof(buf));
    for (unsigned i = 0; i < times; i++) {
        struct core_request request = fixture_request(CORE_ENROLL, csr);
        fixture_token(&world, name, NULL, 1, secret);
        request.user = span_str(name);
        request.secret = span_str(secret);
        fixture_expect(&world, BV_OK, &request, __LINE__);
        fixture_time += 1000; /* a repeat would get the same certificate */
    }
}

static void
open_world(void)
{
    static bool is_kept;
    log_set_level(LOG_LEVEL_ERROR);
    fixture_open(&world);
    is_open = true;
    num_asked = 0;
    if (!is_kept && atexit(close_world) != 0)
        abort();
    is_kept = true;
    fixture_tick(&world);
    enrol("d1", 1);
}

static void
check_answer(const char *text)
{
    json_t *all = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    json_t *ok = json_object_get(all, "ok");
    fuzz_require(json_is_boolean(ok));
    if (json_is_true(ok)) {
        fuzz_require(json_object_get(all, "result") != NULL);
    } else {
        fuzz_require(json_is_string(json_object_get(all, "error")));
        fuzz_require(json_string_length(json_object_get(all, "detail")) > 0);
    }
    json_decref(all);
}

static void
ask(enum core_role role, struct span request)
{
    const struct core_caller caller = {1000, "ada", role};
    world.json[0] = '\0';
    core_admin(world.core, &caller, 2, 1, request);
    fixture_settle(&world);
    check_answer(world.json);
    num_asked++;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct span in = span_of(data, len);
    uint8_t role;

    if (span_u8(&in, &role) != BV_OK)
        return 0;
    if (is_open && num_asked >= ASKED_MAX)
        close_world();
    if (!is_open)
        open_world();
    for (int i = 0; i < LINES_MAX && in.len > 0; i++) {
        const uint8_t *end = memchr(in.data, '\n', in.len);
        size_t line_len = end != NULL ? (size_t)(end - in.data) : in.len;
        ask((enum core_role)(CORE_ROLE_READ + role % 3),
            span_of(in.data, line_len));
        line_len += end != NULL; /* its end too */
        in = span_of(in.data + line_len, in.len - line_len);
    }
    return 0;
}
