#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "prog/brevetd/parent.h"
#include "prog/brevetd/program.h"
#include "prog/config/config.h"

#define DIR_DEFAULT  "/var/lib/brevet"
#define CONF_DEFAULT "/etc/brevet/brevet.conf"

enum { OPT_REFERENCE = 256 };

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"dir", required_argument, NULL, 'd'},
    {"check", no_argument, NULL, 'k'},
    {"json", no_argument, NULL, 'j'},
    {"foreground", no_argument, NULL, 'f'},
    {"print-config-reference", no_argument, NULL, OPT_REFERENCE},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int
usage(FILE *out, int status)
{
    (void)fputs(
        "usage: brevetd [--dir DIR] [--config FILE] [--check [--json]]\n"
        "\n"
        "  --dir DIR       the installation (" DIR_DEFAULT ")\n"
        "  --config FILE   its configuration (DIR/brevet.conf, else\n"
        "                  " CONF_DEFAULT ")\n"
        "  --check         tell all that would stop or hamper a start\n"
        "  --json          ... as JSON\n"
        "  --foreground    stay in the foreground (it always does)\n"
        "  --print-config-reference\n"
        "                  list every setting\n"
        "  --version, --help\n"
        "\n"
        "SIGHUP reloads, SIGTERM finishes open requests and ends.\n",
        out);
    return status;
}

struct arguments {
    const char *config, *dir;
    bool check, json;
};

/* parse: -1 to go on, else the exit status. */
static int
parse(int argc, char **argv, struct arguments *ret)
{
    int c;
    while ((c = getopt_long(argc, argv, "c:d:h", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            ret->config = optarg;
            break;
        case 'd':
            ret->dir = optarg;
            break;
        case 'k':
            ret->check = true;
            break;
        case 'j':
            ret->json = true;
            break;
        case 'f':
            break;
        case OPT_REFERENCE:
            config_print_reference(stdout);
            return 0;
        case 'V':
            (void)puts("brevetd " BREVET_VERSION);
            return 0;
        case 'h':
            return usage(stdout, 0);
        default:
            return usage(stderr, 2);
        }
    }
    return optind == argc ? -1 : usage(stderr, 2);
}

static int
as_daemon(int argc, char **argv)
{
    struct arguments args = {NULL, DIR_DEFAULT, false, false};
    char path[CONFIG_PATH_MAX];
    int status = parse(argc, argv, &args);
    if (status >= 0)
        return status;
    /* Roles change their directory: what they are told must not depend on it.
     */
    bv_auto_free char *whole = realpath(args.dir, NULL);
    if (whole != NULL)
        args.dir = whole;
    (void)snprintf(path, sizeof(path), "%s/brevet.conf", args.dir);
    if (args.config == NULL)
        args.config = access(path, F_OK) == 0 || access(CONF_DEFAULT, F_OK) != 0
                          ? path
                          : CONF_DEFAULT;
    return args.check ? program_check(args.config, args.dir, args.json)
                      : parent_run(args.config, args.dir);
}

int
main(int argc, char **argv)
{
    (void)mallopt(M_ARENA_MAX, 1); /* one thread */
    return as_daemon(argc, argv);
}
