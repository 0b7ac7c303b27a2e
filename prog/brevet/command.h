/* The commands of brevet(1): rows of tables, one table per group of commands
 * (cmd_*.c), listed in main.c.
 *
 * A row with a verb is a call on the control socket: its options become the
 * arguments, the answer is shown as a table (columns), as fields, or as JSON
 * with --json. A row with a run function does its own work; getopt has been
 * done for it too. Every command knows --dir, --json and --help.
 *
 * Exit codes: 0 done; 1 it failed; 2 wrong use; 3 not found (a file that was
 * named, too) or refused. */
#ifndef BV_PROG_BREVET_COMMAND_H
#define BV_PROG_BREVET_COMMAND_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

enum command_exit {
    COMMAND_OK = 0,
    COMMAND_FAILED = 1,
    COMMAND_USAGE = 2,
    COMMAND_REFUSED = 3,
};

enum command_kind {
    COMMAND_TEXT = 1, /* a string */
    COMMAND_NUMBER,   /* a whole number */
    COMMAND_DURATION, /* "30d": seconds */
    COMMAND_WITHIN,   /* "30d": the time so far from now */
    COMMAND_FILE,     /* a file whose text is sent */
    COMMAND_PATH,     /* a file name, made absolute for the daemon */
    COMMAND_FLAG,     /* no value: true */
    COMMAND_LIST,     /* a string, may be given several times */
};

struct command_option {
    const char *name; /* "--name", or a key alone for the positional */
    const char *key;  /* in the arguments; NULL: the name */
    enum command_kind kind;
    const char *value; /* what help calls its value */
    const char *help;
};

struct command_call {
    const struct command *command;
    const char *dir;
    bool as_json;
    json_t *args; /* object: what the options said */
};

typedef int command_fn(const struct command_call *call);
/* A command that reads its options itself; argv[0] is its name. */
typedef int command_main_fn(const char *dir, int argc, char **argv);

struct command {
    const char *group, *action; /* action NULL: the group alone is a command */
    const char *summary;        /* one line */
    const char *example;        /* lines, each ended by LF */
    const char *verb;           /* "cert.list"; NULL: run */
    command_fn *run;            /* NULL: command_control */
    const struct command_option *options; /* ended by a NULL name */
    struct command_option positional;     /* name NULL: none */
    bool positional_optional;
    /* Arguments that must be given, separated by spaces; "a|b": one of them. */
    const char *needs;
    const char *columns;   /* of a listing: keys, separated by spaces */
    command_main_fn *main; /* if not NULL, all the rest but the names is help */
};

/* Tables, each ended by a NULL group. */
extern const struct command cmd_audit[], cmd_backup[], cmd_ca[], cmd_cert[],
    cmd_device[], cmd_init[], cmd_passphrase[], cmd_restore[], cmd_server[],
    cmd_token[];

/* command_control calls the verb and shows the answer. */
int command_control(const struct command_call *call);
/* command_ask calls the verb; on COMMAND_OK *ret_result is the caller's. On
 * failure the reason is already on standard error. */
int command_ask(const struct command_call *call, json_t **ret_result);
/* command_text and command_flag read an argument given on the line. */
const char *command_text(const struct command_call *call, const char *key);
bool command_flag(const struct command_call *call, const char *key);
/* command_fail says "brevet: what: the error" and gives the exit code. */
int command_fail(const char *what, enum bv_err err);

#endif
