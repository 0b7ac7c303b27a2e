#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/time.h"
#include "pki/digest.h"
#include "pki/random.h"
#include "prog/brevet/ca_files.h"
#include "prog/brevet/command.h"
#include "prog/brevet/install.h"
#include "prog/config/prompt.h"
#include "wire/pem.h"

#define YEAR (INT64_C(365) * 86400)

enum {
    OPT_DIR = 256,
    OPT_NAME,
    OPT_COUNTRY,
    OPT_HOST,
    OPT_HTTPS,
    OPT_HTTP,
    OPT_ROOT_ALG,
    OPT_CA_ALG,
    OPT_ROOT_LIFE,
    OPT_CA_LIFE,
    OPT_PASSPHRASE,
    OPT_EXTERNAL,
    OPT_USER,
    OPT_HELP,
};

static const struct option options[] = {
    {"dir", required_argument, NULL, OPT_DIR},
    {"name", required_argument, NULL, OPT_NAME},
    {"country", required_argument, NULL, OPT_COUNTRY},
    {"host", required_argument, NULL, OPT_HOST},
    {"https", required_argument, NULL, OPT_HTTPS},
    {"http", required_argument, NULL, OPT_HTTP},
    {"root-alg", required_argument, NULL, OPT_ROOT_ALG},
    {"ca-alg", required_argument, NULL, OPT_CA_ALG},
    {"root-lifetime", required_argument, NULL, OPT_ROOT_LIFE},
    {"ca-lifetime", required_argument, NULL, OPT_CA_LIFE},
    {"passphrase-file", required_argument, NULL, OPT_PASSPHRASE},
    {"external-root", no_argument, NULL, OPT_EXTERNAL},
    {"user", required_argument, NULL, OPT_USER},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static const char help[] =
    "usage: brevet init --name NAME [options]\n"
    "\n"
    "Makes an installation: root CA, issuing CA, audit log, the server's\n"
    "certificate and a configuration.\n"
    "\n"
    "  --dir DIR              where (/var/lib/brevet)\n"
    "  --name NAME            the organisation, for the CAs' names\n"
    "  --country XX           its country, two capital letters, for these "
    "names\n"
    "  --host HOST            DNS name or address of this server; repeatable,\n"
    "                         the first goes into certificates' URLs\n"
    "  --https ADDRESS:PORT   serve EST and status here (0.0.0.0:8443)\n"
    "  --http ADDRESS:PORT    serve status here without TLS (0.0.0.0:8080)\n"
    "  --root-alg, --ca-alg   p256 (default), p384, p521, ed25519, rsa2048,\n"
    "                         rsa3072, rsa4096\n"
    "  --root-lifetime 20y    how long the root's certificate is valid\n"
    "  --ca-lifetime 8y       how long the issuing CA's is\n"
    "  --passphrase-file FILE its first line protects the CA keys; otherwise\n"
    "                         it is asked for on a terminal, or made and kept\n"
    "                         in DIR/passphrase\n"
    "  --external-root        make a request for the issuing CA, which "
    "another\n"
    "                         CA signs\n"
    "  --user USER            run all processes as this user, with fewer "
    "walls;\n"
    "                         otherwise root needs the users brevet-core,\n"
    "                         brevet-signer and brevet-door to be there\n";

/* --- options --- */

static int
complain(const char *text, const char *value)
{
    (void)fprintf(stderr, "brevet init: %s: %s\n", value, text);
    return 2;
}

static bool
parse_alg(const char *text, struct install_key_kind *ret)
{
    static const struct {
        const char *name;
        struct install_key_kind kind;
    } known[] = {
        {"p256", {ALG_KEY_P256, 0}},      {"p384", {ALG_KEY_P384, 0}},
        {"p521", {ALG_KEY_P521, 0}},      {"ed25519", {ALG_KEY_ED25519, 0}},
        {"rsa2048", {ALG_KEY_RSA, 2048}}, {"rsa3072", {ALG_KEY_RSA, 3072}},
        {"rsa4096", {ALG_KEY_RSA, 4096}},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].name, text) != 0)
            continue;
        *ret = known[i].kind;
        return true;
    }
    return false;
}

static bool
parse_life(const char *text, int64_t *ret)
{
    int64_t life;
    if (time_parse_duration(text, &life) != BV_OK || life < 86400 ||
        life > 100 * YEAR)
        return false;
    *ret = life;
    return true;
}

/* Goes into the configuration between quotes. */
static bool
is_plain(const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~' || strchr("\"\\$#'{}", *c) != NULL)
            return false;
    return text[0] != '\0';
}

static bool
append(const char **list, size_t *num, size_t most, const char *value)
{
    if (*num == most || !is_plain(value))
        return false;
    list[(*num)++] = value;
    return true;
}

/* ISO 3166 */
static bool
is_country(const char *text)
{
    return strlen(text) == 2 && text[0] >= 'A' && text[0] <= 'Z' &&
           text[1] >= 'A' && text[1] <= 'Z';
}

struct request {
    struct install install;
    const char *passphrase_file;
    bool help;
};

static bool
take_list(struct install *in, int option, const char *value)
{
    if (option == OPT_HOST)
        return append(in->hosts, &in->num_hosts, INSTALL_HOSTS_MAX, value);
    if (option == OPT_HTTPS)
        return append(in->https, &in->num_https, CONFIG_LISTEN_MAX, value);
    return append(in->http, &in->num_http, CONFIG_LISTEN_MAX, value);
}

/* take: false when the value is not acceptable. */
static bool
take(struct request *r, int option, const char *value)
{
    struct install *in = &r->install;
    switch (option) {
    case OPT_DIR:
        in->dir = value;
        return value[0] != '\0';
    case OPT_NAME:
        in->name = value;
        return value[0] != '\0' && strlen(value) <= 48;
    case OPT_COUNTRY:
        in->country = value;
        return is_country(value);
    case OPT_HOST:
    case OPT_HTTPS:
    case OPT_HTTP:
        return take_list(in, option, value);
    case OPT_ROOT_ALG:
        return parse_alg(value, &in->root);
    case OPT_CA_ALG:
        return parse_alg(value, &in->ca);
    case OPT_ROOT_LIFE:
        return parse_life(value, &in->root_life);
    case OPT_CA_LIFE:
        return parse_life(value, &in->ca_life);
    case OPT_USER:
        in->user = value;
        return is_plain(value);
    case OPT_PASSPHRASE:
        r->passphrase_file = value;
        return true;
    case OPT_EXTERNAL:
        in->external_root = true;
        return true;
    default:
        r->help = true;
        return true;
    }
}

static int
parse(int argc, char **argv, struct request *r)
{
    int c;
    optind = 1;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == '?')
            return 2;
        if (!take(r, c, optarg))
            return complain("this value cannot be used here", optarg);
    }
    if (optind < argc)
        return complain("there is no such argument", argv[optind]);
    if (r->help)
        return 0;
    struct install *in = &r->install;
    if (in->name == NULL)
        return complain("is missing: what are the CAs to be called?", "--name");
    if (in->num_hosts == 0)
        in->hosts[in->num_hosts++] = "localhost";
    if (in->num_https == 0)
        in->https[in->num_https++] = "0.0.0.0:8443";
    if (in->num_http == 0)
        in->http[in->num_http++] = "0.0.0.0:8080";
    if (in->ca_life > in->root_life)
        return complain("is longer than the root's", "--ca-lifetime");
    return -1;
}

/* --- the passphrase --- */

static int
use_secret(struct install *in, const char *setting, bool write)
{
    (void)snprintf(in->secret_setting, sizeof(in->secret_setting), "%s",
                   setting);
    in->write_secret = write;
    return -1;
}

/* A pipe cannot be read again by the daemon: its line is kept in DIR. */
static int
secret_from_file(struct install *in, const char *path)
{
    FILE *file = fopen(path, "re");
    struct stat st;
    char absolute[PATH_MAX], setting[CONFIG_PATH_MAX];
    if (file == NULL && errno == ENOENT) {
        (void)complain(strerror(errno), path);
        return COMMAND_REFUSED;
    }
    if (file == NULL || fstat(fileno(file), &st) < 0)
        return complain(strerror(errno), path);
    if (fgets(in->secret, sizeof(in->secret), file) == NULL)
        in->secret[0] = '\0';
    (void)fclose(file);
    in->secret[strcspn(in->secret, "\r\n")] = '\0';
    if (in->secret[0] == '\0')
        return complain("its first line is empty", path);
    if (!S_ISREG(st.st_mode))
        return use_secret(in, "file:passphrase", true);
    if ((st.st_mode & 077) != 0)
        return complain("can be read by others; do chmod 600", path);
    int n = realpath(path, absolute) == NULL
                ? -1
                : snprintf(setting, sizeof(setting), "file:%s", absolute);
    if (n < 0 || (size_t)n >= sizeof(setting) || !is_plain(setting))
        return complain("its path cannot be written into brevet.conf", path);
    return use_secret(in, setting, false);
}

static int
secret_from_terminal(struct install *in)
{
    char again[INSTALL_SECRET_MAX];
    if (prompt_secret("Passphrase for the CA keys: ", in->secret,
                      sizeof(in->secret)) != BV_OK ||
        prompt_secret("The same again: ", again, sizeof(again)) != BV_OK)
        return complain("an empty one will not do", "passphrase");
    bool same = strcmp(in->secret, again) == 0;
    explicit_bzero(again, sizeof(again));
    return same ? use_secret(in, "prompt", false)
                : complain("the two are not the same", "passphrase");
}

static int
secret_made(struct install *in)
{
    uint8_t octets[24];
    struct sink out = sink_of(in->secret, sizeof(in->secret) - 1);
    random_bytes(octets, sizeof(octets));
    sink_hex(&out, SPAN_ARRAY(octets));
    in->secret[out.len] = '\0';
    explicit_bzero(octets, sizeof(octets));
    return use_secret(in, "file:passphrase", true);
}

static int
find_secret(struct request *r)
{
    if (r->passphrase_file == NULL && !isatty(STDIN_FILENO))
        return secret_made(&r->install);
    int status = r->passphrase_file != NULL
                     ? secret_from_file(&r->install, r->passphrase_file)
                     : secret_from_terminal(&r->install);
    if (status < 0)
        ca_files_weigh(r->install.secret);
    return status;
}

/* --- telling --- */

static void
tell_external(const struct install *in)
{
    (void)printf(
        "Made %s\n"
        "  ca/issuing.csr  the issuing CA's request, for your root to sign\n"
        "  ca/issuing.key  its key, sealed\n"
        "\n"
        "Next:\n"
        "  1. have ca/issuing.csr signed as a CA certificate\n"
        "  2. brevet --dir %s ca install CERTIFICATE --chain CHAIN\n"
        "  3. brevet --dir %s serve\n",
        in->dir, in->dir, in->dir);
}

/* What a device pins: the SHA-256 of the root, as hexadecimal text. */
static void
tell_fingerprint(const char *dir)
{
    char path[CONFIG_PATH_MAX], pem[LIMIT_CERT], hex[2 * DIGEST_SHA256_LEN + 1];
    uint8_t der[LIMIT_CERT], digest[DIGEST_SHA256_LEN];
    struct sink out = sink_of(der, sizeof(der));
    struct sink text = sink_of(hex, sizeof(hex) - 1);
    struct span cert;
    (void)snprintf(path, sizeof(path), "%s/ca/root.crt", dir);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    struct span rest = span_of(pem, fread(pem, 1, sizeof(pem), file));
    (void)fclose(file);
    if (pem_find(&rest, PEM_CERTIFICATE, &out, &cert) != BV_OK)
        return;
    digest_sha256(cert, digest);
    sink_hex(&text, SPAN_ARRAY(digest));
    hex[text.len] = '\0';
    (void)printf(
        "\nThe root's SHA-256 fingerprint, for devices to pin:\n  %s\n", hex);
}

/* See ARCHITECTURE, "Ed25519 CAs". */
static void
tell_limit(const struct install *in)
{
    if (in->ca.alg == ALG_KEY_ED25519)
        (void)printf("\nThe issuing CA has an Ed25519 key: its CRL may not be "
                     "longer than 64 kB, about\n1,200 revoked certificates at "
                     "one time. For a larger fleet take --ca-alg p256.\n");
}

static void
tell(const struct install *in)
{
    char when[TIME_TEXT_MAX];
    (void)printf("Made %s\n"
                 "  ca/root.crt     the root: give it to devices and brokers\n"
                 "  ca/root.key     its key, sealed\n"
                 "  ca/issuing.crt  the CA that signs, and its sealed key\n"
                 "  ca/log.pub      verifies the audit log\n"
                 "  brevet.conf     the configuration\n",
                 in->dir);
    time_format(clock_wall() + YEAR, when);
    when[10] = '\0'; /* the day */
    if (in->write_secret)
        (void)printf("  passphrase      opens the sealed keys; keep a copy "
                     "elsewhere\n");
    tell_fingerprint(in->dir);
    (void)printf("\n"
                 "Next:\n"
                 "  brevet --dir %s serve\n"
                 "  brevet --dir %s token create --device NAME\n"
                 "  curl --cacert %s/ca/root.crt "
                 "https://%s%s/.well-known/est/cacerts\n"
                 "The root signs only CAs. Move its key off this machine:\n"
                 "  brevet --dir %s ca export-root --out FILE\n"
                 "It must come back to sign its next CRL before %s (a year "
                 "after the\nlast one):\n"
                 "  brevet --dir %s ca crl --root-key FILE\n"
                 "brevet status reminds you four months before; see "
                 "offline-root.md.\n",
                 in->dir, in->dir, in->dir, in->hosts[0],
                 strrchr(in->https[0], ':'), in->dir, when, in->dir);
}

static int
init_main(const char *dir, int argc, char **argv)
{
    struct request r = {.install = {.dir = dir,
                                    .root = {ALG_KEY_P256, 0},
                                    .ca = {ALG_KEY_P256, 0},
                                    .root_life = 20 * YEAR,
                                    .ca_life = 8 * YEAR}};
    char problem[INSTALL_PROBLEM_MAX];
    int status = parse(argc, argv, &r);
    if (status == 0)
        (void)fputs(help, stdout);
    if (status < 0)
        status = find_secret(&r);
    if (status >= 0)
        return status;
    enum bv_err err = install_make(&r.install, problem);
    explicit_bzero(r.install.secret, sizeof(r.install.secret));
    if (err != BV_OK) {
        (void)fprintf(stderr, "brevet init: %s\n", problem);
        return COMMAND_FAILED;
    }
    if (r.install.external_root)
        tell_external(&r.install);
    else
        tell(&r.install);
    tell_limit(&r.install);
    return COMMAND_OK;
}

/* --- serve --- */

/* Beside this program, in sbin beside its bin, or as the build lays it out. */
static int
run_daemon(const char *dir, const char *more, int argc, char **argv)
{
    static const char *const places[] = {"brevetd", "../sbin/brevetd",
                                         "../brevetd/brevetd"};
    char self[PATH_MAX], path[PATH_MAX + 32];
    char name[] = "brevetd", option[] = "--dir";
    char *args[32] = {name, option, (char *)(uintptr_t)dir,
                      (char *)(uintptr_t)more};
    int num = more != NULL ? 4 : 3;
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    for (int i = 1; i < argc && i < 28; i++)
        args[num++] = argv[i];
    self[len < 0 ? 0 : len] = '\0';
    char *slash = strrchr(self, '/');
    if (slash != NULL)
        *slash = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", self, places[i]);
        (void)execv(path, args);
    }
    (void)execvp(name, args);
    (void)fprintf(stderr, "brevet: brevetd is not installed\n");
    return COMMAND_FAILED;
}

/* Their help is their own: brevetd's is of another program. */
static bool
is_help(int argc, char **argv, const char *text)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(text, stdout);
            return true;
        }
    return false;
}

#define DAEMON_OPTIONS                                                         \
    "  --dir DIR                  the installation\n"                          \
    "  --config FILE              its configuration (DIR/brevet.conf)\n"

static int
serve_main(const char *dir, int argc, char **argv)
{
    static const char text[] =
        "brevet serve: run the server in the foreground\n"
        "\n"
        "usage: brevet serve [options]\n"
        "\n" DAEMON_OPTIONS "\n"
        "It is brevetd(8): SIGHUP reloads, SIGTERM finishes open requests and "
        "ends.\n"
        "\n"
        "examples:\n"
        "brevet --dir DIR serve\n";
    if (is_help(argc, argv, text))
        return COMMAND_OK;
    return run_daemon(dir, NULL, argc, argv);
}

static int
check_main(const char *dir, int argc, char **argv)
{
    static const char text[] =
        "brevet check: tell all that would stop or hamper the server\n"
        "\n"
        "usage: brevet check [options]\n"
        "\n" DAEMON_OPTIONS "  --json                     answer in JSON\n"
        "\n"
        "Exit: 0 it can start, warnings or not; 1 it cannot.\n"
        "\n"
        "examples:\n"
        "brevet --dir DIR check\n"
        "brevet --dir DIR check --json\n";
    if (is_help(argc, argv, text))
        return COMMAND_OK;
    return run_daemon(dir, "--check", argc, argv);
}

const struct command cmd_init[] = {
    {.group = "init",
     .summary = "make an installation",
     .example = "brevet init --name Acme --host ca.example.org\n",
     .main = init_main},
    {.group = "serve",
     .summary = "run the server in the foreground",
     .example = "brevet --dir DIR serve\n",
     .main = serve_main},
    {.group = "check",
     .summary = "tell all that would stop or hamper the server",
     .example = "brevet --dir DIR check\nbrevet --dir DIR check --json\n",
     .main = check_main},
    {.group = NULL},
};
