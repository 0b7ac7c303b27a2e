/* brevet(1): finds the command, reads its options, runs it. */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/time.h"
#include "command.h"
#include "control.h"
#include "table.h"

#define DEFAULT_DIR      "/var/lib/brevet"
#define OPTIONS_MAX      24
#define FILE_MAX         65536
#define COMMAND_NAME_MAX 63 /* of a command, or of what was typed instead */

static const struct command *const tables[] = {
    cmd_init, cmd_server, cmd_backup, cmd_restore, cmd_cert,
    cmd_ca,   cmd_device, cmd_token,  cmd_audit,   cmd_passphrase,
};
#define NUM_TABLES (sizeof(tables) / sizeof(tables[0]))

int
command_fail(const char *what, enum bv_err err)
{
    (void)fprintf(stderr, "brevet: %s: %s\n", what, err_text(err));
    return err_fault(err) == BV_FAULT_PEER ? COMMAND_REFUSED : COMMAND_FAILED;
}

const char *
command_text(const struct command_call *call, const char *key)
{
    return json_string_value(json_object_get(call->args, key));
}

bool
command_flag(const struct command_call *call, const char *key)
{
    return json_is_true(json_object_get(call->args, key));
}

static int
ask_fail(const struct command_call *call, enum bv_err err)
{
    if (err == BV_E_UNAVAILABLE) {
        (void)fprintf(stderr,
                      "brevet: no server listens on %s/run/control.sock; "
                      "start it with brevet serve, or name its --dir\n",
                      call->dir);
        return COMMAND_FAILED;
    }
    int code = command_fail("the control socket", err);
    bool broken =
        err == BV_E_CLOSED || err == BV_E_TIMEOUT || err == BV_E_BAD_MESSAGE;
    return broken ? COMMAND_FAILED : code; /* nobody has refused anything */
}

/* The server tells names of errors; a refusal has its own exit code. */
static int
refusal(const json_t *answer)
{
    const char *error = json_string_value(json_object_get(answer, "error"));
    const char *detail = json_string_value(json_object_get(answer, "detail"));
    int code = COMMAND_FAILED;

    for (int err = BV_OK + 1; error != NULL && err < BV_E_COUNT_; err++)
        if (strcmp(error, err_name((enum bv_err)err)) == 0 &&
            err_fault((enum bv_err)err) == BV_FAULT_PEER)
            code = COMMAND_REFUSED;
    (void)fputs("brevet: ", stderr);
    table_put(stderr, detail != NULL && detail[0] != '\0' ? detail
                      : error != NULL                     ? error
                                                          : "no answer");
    (void)fputs("\n", stderr);
    return code;
}

int
command_ask(const struct command_call *call, json_t **ret_result)
{
    json_t *answer = NULL;
    int code = COMMAND_OK;

    enum bv_err err =
        control_call(call->dir, call->command->verb, call->args, &answer);
    if (err != BV_OK)
        return ask_fail(call, err);
    if (json_is_true(json_object_get(answer, "ok")))
        *ret_result = json_incref(json_object_get(answer, "result"));
    else
        code = refusal(answer);
    json_decref(answer);
    return code;
}

static void
show(const struct command_call *call, const json_t *result)
{
    const json_t *rows = json_object_get(result, "rows");
    const json_t *next = json_object_get(result, "next");

    if (call->as_json) {
        (void)json_dumpf(result, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
        (void)printf("\n");
    } else if (json_is_array(rows) && call->command->columns != NULL) {
        table_listing(rows, call->command->columns);
        if (json_is_integer(next))
            (void)fprintf(stderr, "more: --after %" JSON_INTEGER_FORMAT "\n",
                          json_integer_value(next));
    } else {
        table_fields(result);
    }
}

int
command_control(const struct command_call *call)
{
    json_t *result = NULL;
    int code = command_ask(call, &result);

    if (code == COMMAND_OK)
        show(call, result);
    json_decref(result);
    return code;
}

/* --- help --- */

static void
name_command(const struct command *command, FILE *to)
{
    (void)fprintf(to, "%s%s%s", command->group,
                  command->action != NULL ? " " : "",
                  command->action != NULL ? command->action : "");
}

static void
help_all(FILE *to, const char *group)
{
    (void)fprintf(to, "usage: brevet [--dir DIR] [--json] COMMAND …\n\n");
    for (size_t i = 0; i < NUM_TABLES; i++) {
        for (const struct command *c = tables[i]; c->group != NULL; c++) {
            char name[64];
            if (group != NULL && strcmp(group, c->group) != 0)
                continue;
            (void)snprintf(name, sizeof(name), "%s %s", c->group,
                           c->action != NULL ? c->action : "");
            (void)fprintf(to, "  %-20s %s\n", name, c->summary);
        }
    }
    (void)fprintf(to, "\nDIR is " DEFAULT_DIR " or $BREVET_DIR. Each command "
                      "explains itself with --help.\n"
                      "Exit: 0 done, 1 failed, 2 wrong use, 3 not found or "
                      "refused.\n");
}

static int
help_command(const struct command *c)
{
    (void)printf("brevet ");
    name_command(c, stdout);
    (void)printf(": %s\n\nusage: brevet ", c->summary);
    name_command(c, stdout);
    if (c->positional.name != NULL)
        (void)printf(c->positional_optional ? " [%s]" : " %s",
                     c->positional.name);
    (void)printf(" [options]\n\n");
    const struct command_option *o = c->options;
    for (; o != NULL && o->name != NULL; o++) {
        char left[64];
        (void)snprintf(left, sizeof(left), "--%s %s", o->name,
                       o->value != NULL ? o->value : "");
        (void)printf("  %-26s %s\n", left, o->help);
    }
    (void)printf("  %-26s %s\n  %-26s %s\n\nexamples:\n%s", "--dir DIR",
                 "the installation", "--json", "answer in JSON", c->example);
    return COMMAND_OK;
}

/* --- options --- */

static bool
read_file(const char *path, json_t **ret_value)
{
    char *text = malloc(FILE_MAX + 1);
    FILE *file = fopen(path, "re");
    int why = errno;
    size_t len = 0;

    if (text != NULL && file != NULL)
        len = fread(text, 1, FILE_MAX + 1, file);
    bool good = len > 0 && len <= FILE_MAX;
    if (good)
        *ret_value = json_stringn(text, len);
    else
        (void)fprintf(stderr, "brevet: %s: %s\n", path,
                      file == NULL ? strerror(why)
                      : len == 0   ? "is empty"
                                   : "is too large, or cannot be read");
    if (file != NULL)
        (void)fclose(file);
    free(text);
    return good && *ret_value != NULL;
}

static bool
read_number(const char *text, json_t **ret_value)
{
    char *end;
    long long n = strtoll(text, &end, 10);

    *ret_value = json_integer(n);
    return *text != '\0' && *end == '\0';
}

static bool
read_path(const char *text, json_t **ret_value)
{
    char here[4096], full[8200];

    if (text[0] == '/') {
        *ret_value = json_string(text);
        return *ret_value != NULL;
    }
    if (getcwd(here, sizeof(here)) == NULL)
        return false;
    (void)snprintf(full, sizeof(full), "%s/%s", here, text);
    *ret_value = json_string(full);
    return *ret_value != NULL;
}

static bool
read_value(enum command_kind kind, const char *text, json_t **ret_value)
{
    int64_t seconds;

    switch (kind) {
    case COMMAND_NUMBER:
        return read_number(text, ret_value);
    case COMMAND_DURATION:
    case COMMAND_WITHIN:
        if (time_parse_duration(text, &seconds) != BV_OK)
            return false;
        if (kind == COMMAND_WITHIN)
            seconds += clock_wall();
        *ret_value = json_integer(seconds);
        return true;
    case COMMAND_FILE:
        return read_file(text, ret_value);
    case COMMAND_PATH:
        return read_path(text, ret_value);
    case COMMAND_FLAG:
        *ret_value = json_true();
        return true;
    case COMMAND_TEXT:
    case COMMAND_LIST:
        *ret_value = json_string(text);
        return *ret_value != NULL;
    }
    return false;
}

static const char *
kind_text(enum command_kind kind)
{
    switch (kind) {
    case COMMAND_NUMBER:
        return "it takes a whole number";
    case COMMAND_DURATION:
    case COMMAND_WITHIN:
        return "it takes a time such as 90s, 12h or 30d";
    case COMMAND_TEXT:
    case COMMAND_LIST:
        return "it takes a text in UTF-8";
    case COMMAND_PATH:
    case COMMAND_FILE:
    case COMMAND_FLAG:
        break;
    }
    return "it takes a file's name";
}

static int
kept(int status)
{
    return status == 0 ? COMMAND_OK
                       : command_fail("its arguments", BV_E_NO_MEMORY);
}

/* What a word that cannot be taken ends with: a file that is not there is not
 * found by whatever command was to read it. */
static int
bad_value(const struct command_option *option, const char *text)
{
    if (option->kind == COMMAND_FILE) /* of which it has been said why */
        return access(text, F_OK) != 0 ? COMMAND_REFUSED : COMMAND_USAGE;
    (void)fprintf(stderr, "brevet: \"%s\" is no value for %s: %s\n", text,
                  option->name, kind_text(option->kind));
    return COMMAND_USAGE;
}

static int
set_option(struct command_call *call, const struct command_option *option,
           const char *text)
{
    const char *key = option->key != NULL ? option->key : option->name;
    json_t *value = NULL;

    if (!read_value(option->kind, text, &value)) {
        json_decref(value);
        return bad_value(option, text);
    }
    if (option->kind != COMMAND_LIST)
        return kept(json_object_set_new(call->args, key, value));
    json_t *list = json_object_get(call->args, key);
    if (list == NULL) {
        list = json_array();
        (void)json_object_set_new(call->args, key, list);
    }
    return kept(json_array_append_new(list, value));
}

static size_t
long_options(const struct command *command, struct option *ret)
{
    size_t n = 0;
    const struct command_option *o = command->options;

    for (; o != NULL && o->name != NULL && n < OPTIONS_MAX; o++, n++)
        ret[n] = (struct option){
            o->name, o->kind == COMMAND_FLAG ? no_argument : required_argument,
            NULL, (int)(1000 + n)};
    ret[n] = (struct option){"dir", required_argument, NULL, 'd'};
    ret[n + 1] = (struct option){"json", no_argument, NULL, 'j'};
    ret[n + 2] = (struct option){"help", no_argument, NULL, 'h'};
    ret[n + 3] = (struct option){NULL, 0, NULL, 0};
    return n;
}

/* What is typed for an argument: --device, or the positional's SERIAL. */
static void
put_argument(const struct command *command, const char *key, size_t len)
{
    const struct command_option *o = command->options;
    const char *own = command->positional.key;
    if (own != NULL && strlen(own) == len && memcmp(own, key, len) == 0) {
        (void)fputs(command->positional.name, stderr);
        return;
    }
    for (; o != NULL && o->name != NULL; o++) {
        const char *of = o->key != NULL ? o->key : o->name;
        if (strlen(of) == len && memcmp(of, key, len) == 0)
            (void)fprintf(stderr, "--%s", o->name);
    }
}

static bool
is_given(const struct command_call *call, const char *keys, size_t len)
{
    for (size_t i = 0, n; i < len; i += n + 1) {
        n = strcspn(keys + i, "| ");
        if (json_object_getn(call->args, keys + i, n) != NULL)
            return true;
    }
    return false;
}

static int
see_help(const struct command *command)
{
    (void)fprintf(stderr, "see brevet ");
    name_command(command, stderr);
    (void)fprintf(stderr, " --help\n");
    return COMMAND_USAGE;
}

/* -1: nothing is missing; else the exit code. */
static int
check_needs(const struct command_call *call)
{
    const char *needs = call->command->needs;
    for (size_t len; needs != NULL && *needs != '\0'; needs += len) {
        needs += strspn(needs, " ");
        len = strcspn(needs, " ");
        if (is_given(call, needs, len))
            continue;
        (void)fputs("brevet: ", stderr);
        for (size_t i = 0, n; i < len; i += n + 1) {
            n = strcspn(needs + i, "| ");
            (void)fputs(i == 0 ? "" : i + n < len ? ", " : " or ", stderr);
            put_argument(call->command, needs + i, n);
        }
        (void)fputs(" is missing; ", stderr);
        return see_help(call->command);
    }
    return -1;
}

/* -1: go on; else the exit code. */
static int
read_options(struct command_call *call, int argc, char **argv)
{
    static char program[] = "brevet";
    struct option options[OPTIONS_MAX + 4];
    const struct command *command = call->command;
    int c, code = COMMAND_OK;

    (void)long_options(command, options);
    argv[0] = program; /* getopt names it */
    optind = 0;        /* anew: main stops at the first word, this does not */
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (c == 'h')
            return help_command(command);
        if (c == 'd')
            call->dir = optarg;
        else if (c == 'j')
            call->as_json = true;
        else if (c < 1000)
            return see_help(command);
        else
            code = set_option(call, &command->options[c - 1000],
                              optarg != NULL ? optarg : "");
        if (code != COMMAND_OK)
            return code;
    }
    int left = argc - optind;
    bool takes = command->positional.name != NULL;
    bool needs = takes && !command->positional_optional;
    if (left > (takes ? 1 : 0) || left < (needs ? 1 : 0)) {
        (void)fprintf(stderr, "brevet: %s %s; ",
                      left > 0 ? argv[argc - 1] : command->positional.name,
                      left > 0 ? "is one word too many" : "is missing");
        return see_help(command);
    }
    if (left == 1)
        code = set_option(call, &command->positional, argv[optind]);
    return code != COMMAND_OK ? code : check_needs(call);
}

static const struct command *
find_command(const char *group, const char *action)
{
    for (size_t i = 0; i < NUM_TABLES; i++)
        for (const struct command *c = tables[i]; c->group != NULL; c++)
            if (strcmp(c->group, group) == 0 &&
                (c->action == NULL ||
                 (action != NULL && strcmp(c->action, action) == 0)))
                return c;
    return NULL;
}

/* Letters to insert, leave out or replace. */
static size_t
distance(const char *a, const char *b)
{
    size_t row[COMMAND_NAME_MAX + 1], len = strlen(b);
    if (len > COMMAND_NAME_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= len; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < len; j++) {
            size_t best = corner + (a[i] != b[j]);
            corner = row[j + 1];
            if (corner + 1 < best)
                best = corner + 1;
            if (row[j] + 1 < best)
                best = row[j] + 1;
            row[j + 1] = best;
        }
    }
    return row[len];
}

/* The command that looks most like what was typed; NULL: none does. */
static const struct command *
nearest(const char *group, const char *action)
{
    char typed[2 * COMMAND_NAME_MAX + 2];
    const struct command *best = NULL;
    size_t least = SIZE_MAX;
    (void)snprintf(typed, sizeof(typed), "%.*s %.*s", COMMAND_NAME_MAX, group,
                   COMMAND_NAME_MAX, action != NULL ? action : "");
    for (size_t i = 0; i < NUM_TABLES; i++)
        for (const struct command *c = tables[i]; c->group != NULL; c++) {
            char name[COMMAND_NAME_MAX + 1];
            (void)snprintf(name, sizeof(name), "%s %s", c->group,
                           c->action != NULL ? c->action : "");
            /* Of a command without an action the rest may be anything. */
            size_t far = c->action != NULL ? distance(typed, name)
                                           : distance(group, c->group);
            if (far >= least)
                continue;
            least = far;
            best = c;
        }
    return least <= strlen(group) / 3 + 1 ? best : NULL;
}

static bool
is_group(const char *name)
{
    for (size_t i = 0; i < NUM_TABLES; i++)
        for (const struct command *c = tables[i]; c->group != NULL; c++)
            if (strcmp(c->group, name) == 0)
                return true;
    return false;
}

/* A group alone is explained; what does not exist is said not to. */
static int
no_command(const char *group, const char *action)
{
    bool asked = action != NULL &&
                 (strcmp(action, "--help") == 0 || strcmp(action, "-h") == 0);
    if (action != NULL && action[0] == '-')
        action = NULL;
    bool known = is_group(group);
    if (known && action == NULL) {
        help_all(asked ? stdout : stderr, group);
        return asked ? COMMAND_OK : COMMAND_USAGE;
    }
    const struct command *c = nearest(group, action);
    (void)fprintf(stderr, "brevet: there is no command \"%s%s%s\"", group,
                  known ? " " : "", known ? action : "");
    if (c != NULL) {
        (void)fprintf(stderr, "; did you mean brevet ");
        name_command(c, stderr);
        (void)fprintf(stderr, "?\n");
    } else {
        (void)fprintf(stderr, "; brevet --help lists them\n");
    }
    return COMMAND_USAGE;
}

/* --json before the command means what it means behind it. */
static int
run_main(const struct command_call *call, int argc, char **argv)
{
    static char json[] = "--json";
    char **all = calloc((size_t)argc + 2, sizeof(*all));
    int num = 0;
    if (all == NULL)
        return command_fail("its arguments", BV_E_NO_MEMORY);
    all[num++] = argv[0];
    if (call->as_json)
        all[num++] = json;
    for (int i = 1; i < argc; i++)
        all[num++] = argv[i];
    int code = call->command->main(call->dir, num, all);
    free(all);
    return code;
}

static int
run(struct command_call *call, int argc, char **argv)
{
    const char *action = argc > 1 ? argv[1] : NULL;

    call->command = find_command(argv[0], action);
    if (call->command == NULL)
        return no_command(argv[0], action);
    int skip = call->command->action != NULL ? 1 : 0;
    if (call->command->main != NULL)
        return run_main(call, argc - skip, argv + skip);
    int code = read_options(call, argc - skip, argv + skip);
    if (code >= 0)
        return code;
    return call->command->run != NULL ? call->command->run(call)
                                      : command_control(call);
}

static int
read_line(struct command_call *call, int argc, char **argv)
{
    static const struct option global[] = {
        {"dir", required_argument, NULL, 'd'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int c;

    if (call->dir == NULL || call->dir[0] == '\0')
        call->dir = DEFAULT_DIR;
    while ((c = getopt_long(argc, argv, "+h", global, NULL)) != -1) {
        if (c == 'd')
            call->dir = optarg;
        else if (c == 'j')
            call->as_json = true;
        else if (c == 'V')
            return printf("brevet " BREVET_VERSION "\n") < 0;
        else {
            help_all(c == 'h' ? stdout : stderr, NULL);
            return c == 'h' ? COMMAND_OK : COMMAND_USAGE;
        }
    }
    if (optind == argc) {
        help_all(stderr, NULL);
        return COMMAND_USAGE;
    }
    return run(call, argc - optind, argv + optind);
}

/* An answer that did not reach its file was not given. */
static int
end_output(int code)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return code;
    (void)fprintf(stderr, "brevet: standard output: %s\n", strerror(errno));
    return code != COMMAND_OK ? code : COMMAND_FAILED;
}

int
main(int argc, char **argv)
{
    struct command_call call = {.dir = getenv("BREVET_DIR"),
                                .args = json_object()};
    (void)setlocale(LC_CTYPE, ""); /* what the terminal can show */
    int code = read_line(&call, argc, argv);
    json_decref(call.args);
    return end_output(code);
}
