#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "prog/brevet-agent/agent.h"

static const char usage[] =
    "Usage: brevet-agent [-c FILE] COMMAND [OPTION]... [IDENTITY]...\n"
    "Keeps identities (key and certificate) of this machine.\n"
    "\n"
    "Commands:\n"
    "  enroll           obtain a first certificate\n"
    "  renew [--force]  renew what is due (or, with --force, at once)\n"
    "  run              keep all identities renewed until stopped\n"
    "  status [--json]  show what is there\n"
    "\n"
    "  -c, --config FILE         identities in a file (" AGENT_CONFIG ")\n"
    "      --wait                enroll: wait for an operator's approval\n"
    "      --verbose             log more\n"
    "  -h, --help     -V, --version\n"
    "\n"
    "One identity without a file:\n"
    "  --url https://HOST[:PORT][/.well-known/est/LABEL]\n"
    "  --id ID                   the common name; default: --name\n"
    "  --name NAME               for logs and the directory; default: --id\n"
    "  --dir DIR                 keys and state (" AGENT_STATE_DIR "/NAME);\n"
    "                            enroll keeps all options there: afterwards\n"
    "                            this one is enough\n"
    "  --claim-code-file FILE    enrolment code; - reads standard input\n"
    "  --ca-file FILE            trusted CA certificates (PEM), or\n"
    "  --ca-fingerprint HEX      SHA-256 of the CA certificate to trust\n"
    "  --factory-cert FILE --factory-key FILE   the manufacturer's identity\n"
    "  --key-type TYPE           p256 p384 ed25519 rsa2048 rsa3072 rsa4096\n"
    "  --reuse-key               renew with the same key\n"
    "  --san dns:NAME|ip:ADDR|uri:URI|email:ADDR   (repeatable)\n"
    "  --no-pem                  no cert.pem, key.pem … in DIR\n"
    "  --install-dir PATH        the same files in a folder elsewhere\n"
    "  --install-cert PATH --install-key PATH --install-chain PATH\n"
    "  --install-ca PATH --install-owner USER[:GROUP] --install-mode OCTAL\n"
    "  --hook COMMAND            run after every change\n"
    "  --renew-at PERCENT        of the certificate's life (66%)\n"
    "  --binding always|ask|never   channel binding in requests\n"
    "\n"
    "Exit status: 0 done; 1 usage or configuration; 2 refused by the server;\n"
    "3 waits for approval; 4 network or server failure; 5 server or answer "
    "not\n"
    "trusted; 6 local files or keys; 7 status: an identity is missing or "
    "expired.\n";

enum {
    OPT_FORCE = 1000,
    OPT_JSON,
    OPT_WAIT,
    OPT_VERBOSE,
    OPT_NO_PEM,
    OPT_REUSE_KEY,
    OPT_FIELD
};

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {"force", no_argument, NULL, OPT_FORCE},
    {"json", no_argument, NULL, OPT_JSON},
    {"wait", no_argument, NULL, OPT_WAIT},
    {"verbose", no_argument, NULL, OPT_VERBOSE},
    {"name", required_argument, NULL, OPT_FIELD},
    {"url", required_argument, NULL, OPT_FIELD},
    {"id", required_argument, NULL, OPT_FIELD},
    {"dir", required_argument, NULL, OPT_FIELD},
    {"claim-code-file", required_argument, NULL, OPT_FIELD},
    {"ca-file", required_argument, NULL, OPT_FIELD},
    {"ca-fingerprint", required_argument, NULL, OPT_FIELD},
    {"factory-cert", required_argument, NULL, OPT_FIELD},
    {"factory-key", required_argument, NULL, OPT_FIELD},
    {"key-type", required_argument, NULL, OPT_FIELD},
    {"san", required_argument, NULL, OPT_FIELD},
    {"install-dir", required_argument, NULL, OPT_FIELD},
    {"reuse-key", no_argument, NULL, OPT_REUSE_KEY},
    {"no-pem", no_argument, NULL, OPT_NO_PEM},
    {"install-cert", required_argument, NULL, OPT_FIELD},
    {"install-key", required_argument, NULL, OPT_FIELD},
    {"install-chain", required_argument, NULL, OPT_FIELD},
    {"install-ca", required_argument, NULL, OPT_FIELD},
    {"install-owner", required_argument, NULL, OPT_FIELD},
    {"install-mode", required_argument, NULL, OPT_FIELD},
    {"hook", required_argument, NULL, OPT_FIELD},
    {"renew-at", required_argument, NULL, OPT_FIELD},
    {"binding", required_argument, NULL, OPT_FIELD},
    {NULL, 0, NULL, 0},
};

struct arguments {
    const char *config_path;
    bool force, json, wait, verbose, has_fields;
    struct agent_config configs[AGENT_IDENTITIES_MAX];
    size_t num_configs;
};

static struct identity identities[AGENT_IDENTITIES_MAX];

/* Reads options; the first identity's fields come from them. False: exit with
 * *ret_exit. */
static bool
read_options(int argc, char **argv, struct arguments *args,
             enum agent_exit *ret_exit)
{
    int option, index = 0;
    while ((option = getopt_long(argc, argv, "c:hV", options, &index)) != -1) {
        switch (option) {
        case 'c':
            args->config_path = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return false;
        case 'V':
            puts("brevet-agent " BREVET_VERSION);
            return false;
        case OPT_FORCE:
            args->force = true;
            break;
        case OPT_JSON:
            args->json = true;
            break;
        case OPT_WAIT:
            args->wait = true;
            break;
        case OPT_VERBOSE:
            args->verbose = true;
            break;
        case OPT_REUSE_KEY:
            args->has_fields = true;
            (void)config_set(&args->configs[0], "reuse-key", "yes");
            break;
        case OPT_NO_PEM:
            args->has_fields = true;
            (void)config_set(&args->configs[0], "pem", "no");
            break;
        case OPT_FIELD:
            args->has_fields = true;
            if (config_set(&args->configs[0], options[index].name, optarg))
                break;
            fprintf(stderr, "brevet-agent: more than %d --san\n",
                    BV_SAN_COUNT_MAX);
            *ret_exit = AGENT_USAGE;
            return false;
        default:
            *ret_exit = AGENT_USAGE;
            return false;
        }
    }
    return true;
}

static bool
load_file(struct arguments *args)
{
    const char *path =
        args->config_path != NULL ? args->config_path : AGENT_CONFIG;
    if (args->config_path == NULL && access(path, F_OK) != 0) {
        fprintf(stderr,
                "brevet-agent: there is no " AGENT_CONFIG ": name the identity "
                "by --dir (to enroll it, --url and more: see --help), or a "
                "file by --config\n");
        return false;
    }
    if (!config_load(path, args->configs, &args->num_configs))
        return false;
    for (size_t i = 0; i < args->num_configs; i++) {
        config_place(&args->configs[i], args->configs[i].name);
        config_settle(&args->configs[i]);
    }
    return !config_clash(args->configs, args->num_configs);
}

/* One identity of the command line: what its folder remembers, then names. */
static bool
fill(struct agent_config *config)
{
    const char *name = config->name != NULL ? config->name
                       : config->id != NULL ? config->id
                                            : "default";
    config_place(config, name);
    if (!saved_load(config->dir, config))
        return false;
    if (config->name == NULL)
        (void)config_set(config, "name",
                         config->id != NULL ? config->id : "default");
    config_settle(config);
    return !config_clash(config, 1);
}

static bool
load(struct arguments *args)
{
    if (!args->has_fields)
        return load_file(args);
    if (args->config_path != NULL) {
        fprintf(stderr, "brevet-agent: a file or options, not both\n");
        return false;
    }
    args->num_configs = 1;
    return fill(&args->configs[0]);
}

static bool
is_meant(const char *name, char **names, int num)
{
    for (int i = 0; i < num; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return num == 0;
}

static bool
is_there(const struct arguments *args, char **names, int num_names)
{
    for (int i = 0; i < num_names; i++) {
        size_t found = 0;
        while (found < args->num_configs &&
               strcmp(args->configs[found].name, names[i]) != 0)
            found++;
        if (found < args->num_configs)
            continue;
        fprintf(stderr, "brevet-agent: there is no identity %s\n", names[i]);
        return false;
    }
    return true;
}

/* One that cannot be opened keeps no other from its work. False when none is
 * open; *ret_exit says why. */
static bool
open_all(struct arguments *args, char **names, int num_names,
         enum identity_use use, size_t *ret_num, enum agent_exit *ret_exit)
{
    size_t num = 0, num_open = 0;
    *ret_exit = AGENT_USAGE;
    if (!is_there(args, names, num_names))
        return false;
    for (size_t i = 0; i < args->num_configs; i++) {
        if (!is_meant(args->configs[i].name, names, num_names))
            continue;
        struct identity *identity = &identities[num++];
        if (identity_open(identity, &args->configs[i], use))
            num_open++;
        else if (identity->shut == AGENT_LOCAL)
            *ret_exit = AGENT_LOCAL;
        if (identity->shut != AGENT_OK && use == IDENTITY_SERVE)
            use = IDENTITY_ONCE; /* one wait is enough for who is dying */
    }
    *ret_num = num;
    if (num == 0)
        fprintf(stderr, "brevet-agent: the configuration has no identity\n");
    return num_open > 0;
}

/* --- one-shot commands --- */

static void
sleep_for(struct identity *identity)
{
    short events = 0;
    int fd = bv_openssl_fd(identity->openssl, &events);
    uint64_t now = identity_now_ms();
    uint64_t wait = identity->next_ms > now ? identity->next_ms - now : 0;
    bool on_socket = fd >= 0 && bv_device_waits_io(&identity->device);
    struct pollfd p = {.fd = on_socket ? fd : -1, .events = events};
    if (on_socket || wait > 1000)
        wait = 1000;
    (void)poll(&p, 1, (int)wait);
}

static enum agent_exit
tell_failure(struct identity *identity)
{
    char why[WHY_TEXT_MAX];
    const char *advice = identity_advice(identity);
    identity_why(identity, why, sizeof(why));
    fprintf(stderr, "brevet-agent: %s: %s\n%s%s%s", identity->config->name, why,
            advice[0] != '\0' ? "  next: " : "", advice,
            advice[0] != '\0' ? "\n" : "");
    return identity_exit(identity);
}

/* The identity is there, but not where it was asked for. */
static enum agent_exit
tell_lacking(const struct identity *identity)
{
    fprintf(stderr,
            "brevet-agent: %s: has its certificate, but not all could be "
            "installed\n  next: mend that; then enroll or renew again, or the "
            "service, installs it\n",
            identity->config->name);
    return AGENT_LOCAL;
}

/* Steps until the identity is new, or the attempt failed. */
static enum agent_exit
until_done(struct identity *identity, bool wait)
{
    for (;;) {
        enum bv_event event = identity_step(identity);
        if (event == BV_EVENT_ENROLLED || event == BV_EVENT_RENEWED)
            return identity->lacking ? tell_lacking(identity) : AGENT_OK;
        if (event == BV_EVENT_FAILED || (event == BV_EVENT_PENDING && !wait))
            return tell_failure(identity);
        sleep_for(identity);
    }
}

static enum agent_exit
enroll_one(struct identity *identity, bool wait)
{
    struct bv_status status;
    uint64_t unused;
    (void)bv_device_step(&identity->device, &unused); /* read what is there */
    bv_device_status(&identity->device, &status);
    bool alive = status.not_after > time(NULL);
    if (status.active != BV_SLOT_NONE && alive) {
        printf("%s: already enrolled\n", identity->config->name);
        return identity_repair(identity) ? AGENT_OK : tell_lacking(identity);
    }
    bv_device_renew(&identity->device);
    enum agent_exit exit = until_done(identity, wait);
    if (exit == AGENT_OK)
        printf("%s: enrolled\n", identity->config->name);
    return exit;
}

static enum agent_exit
renew_one(struct identity *identity, bool force)
{
    struct bv_status status;
    uint64_t unused;
    (void)bv_device_step(&identity->device, &unused);
    bv_device_status(&identity->device, &status);
    if (status.active == BV_SLOT_NONE) {
        fprintf(stderr, "brevet-agent: %s: not enrolled yet\n",
                identity->config->name);
        return AGENT_NONE;
    }
    if (!force && status.phase != BV_PHASE_RENEW) {
        printf("%s: not due\n", identity->config->name);
        return identity_repair(identity) ? AGENT_OK : tell_lacking(identity);
    }
    bv_device_renew(&identity->device);
    enum agent_exit exit = until_done(identity, false);
    if (exit == AGENT_OK)
        printf("%s: renewed\n", identity->config->name);
    return exit;
}

static enum agent_exit
each(const struct arguments *args, size_t num, bool renew)
{
    enum agent_exit worst = AGENT_OK;
    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < num; i++) {
        struct identity *identity = &identities[i];
        enum agent_exit exit = identity->shut != AGENT_OK ? identity->shut
                               : renew ? renew_one(identity, args->force)
                                       : enroll_one(identity, args->wait);
        hook_finish(identity);
        worst = exit != AGENT_OK ? exit : worst;
    }
    return worst;
}

static enum agent_exit
execute(struct arguments *args, const char *command, char **names,
        int num_names)
{
    size_t num = 0;
    enum agent_exit exit = AGENT_USAGE;
    bool status = strcmp(command, "status") == 0;
    bool run = strcmp(command, "run") == 0;
    bool renew = strcmp(command, "renew") == 0;
    if (!status && !run && !renew && strcmp(command, "enroll") != 0) {
        fprintf(stderr,
                "brevet-agent: there is no command \"%s\": enroll, renew, run "
                "and status; brevet-agent --help explains them\n",
                command);
        return AGENT_USAGE;
    }
    enum identity_use use = status ? IDENTITY_READ
                            : run  ? IDENTITY_SERVE
                                   : IDENTITY_ONCE;
    log_open("agent", args->verbose ? LOG_LEVEL_DEBUG
                      : run         ? LOG_LEVEL_INFO
                                    : LOG_LEVEL_ERROR);
    if (load(args) && open_all(args, names, num_names, use, &num, &exit)) {
        if (!status && !renew && args->has_fields &&
            !saved_write(&identities[0]))
            exit = AGENT_LOCAL;
        else if (status)
            exit = status_print(identities, num, args->json);
        else if (run)
            exit = run_service(identities, num);
        else
            exit = each(args, num, renew);
    }
    for (size_t i = 0; i < num; i++)
        identity_close(&identities[i]);
    return exit;
}

int
main(int argc, char **argv)
{
    static struct arguments args;
    enum agent_exit exit = AGENT_OK;
    if (!read_options(argc, argv, &args, &exit))
        return (int)exit;
    if (optind >= argc) {
        fputs(usage, stderr);
        return AGENT_USAGE;
    }
    exit = execute(&args, argv[optind], argv + optind + 1, argc - optind - 1);
    for (size_t i = 0; i < AGENT_IDENTITIES_MAX; i++)
        config_done(&args.configs[i]);
    return (int)exit;
}
