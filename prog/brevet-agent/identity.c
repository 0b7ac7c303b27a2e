#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/span.h"
#include "device/port/posix/file.h"
#include "prog/brevet-agent/agent.h"
#include "wire/pem.h"

/* No present precedes this release: 2026-11-01. */
#define RELEASE_TIME INT64_C(1793491200)
/* Steps in a row before others get their turn. */
#define LOCK_TRIES  100
#define BURST       1000
#define CA_FILE_MAX 32768

static bool
complain(const struct identity *identity, const char *what, const char *detail)
{
    fprintf(stderr, "brevet-agent: identity %s: %s%s%s\n",
            identity->config->name, what, detail == NULL ? "" : ": ",
            detail == NULL ? "" : detail);
    return false;
}

/* Of what may pass, or be mended without a word in the configuration. */
static bool
hinder(struct identity *identity, const char *what, const char *detail)
{
    identity->shut = AGENT_LOCAL;
    return complain(identity, what, detail);
}

/* --- what the configuration says, for the library --- */

/* https://HOST[:PORT][/PATH]; without a path the library's default. */
static bool
take_url(struct identity *identity)
{
    static const char scheme[] = "https://";
    const char *url = identity->config->url;
    if (url == NULL)
        return complain(identity,
                        "nothing is known of it; enroll it with --url, or name "
                        "its --dir",
                        identity->config->dir);
    if (strncasecmp(url, scheme, sizeof(scheme) - 1) != 0)
        return complain(identity, "url must be https://HOST[:PORT][/PATH]",
                        url);
    const char *host = url + sizeof(scheme) - 1;
    bool literal = host[0] == '[';
    size_t len = literal ? strcspn(++host, "]/") : strcspn(host, ":/]");
    bool closed = host[len] == ']';
    const char *rest = host + len + (closed ? 1 : 0);
    char *end = NULL;
    unsigned long port = rest[0] == ':' ? strtoul(rest + 1, &end, 10) : 443;
    rest = end == NULL ? rest : end;
    if (literal != closed || len == 0 || len >= sizeof(identity->host) ||
        port == 0 || port > 65535 || (rest[0] != '\0' && rest[0] != '/') ||
        strlen(rest) >= sizeof(identity->path))
        return complain(identity, "url must be https://HOST[:PORT][/PATH]",
                        url);
    memcpy(identity->host, host, len);
    (void)snprintf(identity->path, sizeof(identity->path), "%s", rest);
    size_t path_len = strlen(identity->path);
    if (path_len > 0 && identity->path[path_len - 1] == '/')
        identity->path[path_len - 1] = '\0';
    identity->settings.host = identity->host;
    identity->settings.port = (uint16_t)port;
    identity->settings.path = identity->path[0] == '\0' ? NULL : identity->path;
    return true;
}

static bool
take_key_type(struct identity *identity)
{
    static const char *const names[] = {"p256",    "p384",    "ed25519",
                                        "rsa2048", "rsa3072", "rsa4096"};
    const char *name = identity->config->key_type;
    for (unsigned i = 0; name != NULL && i < 6; i++)
        if (strcmp(name, names[i]) == 0) {
            identity->settings.key_type = (enum bv_key_type)i;
            return true;
        }
    return name == NULL ||
           complain(identity,
                    "key-type must be p256, p384, ed25519, rsa2048, "
                    "rsa3072 or rsa4096",
                    name);
}

static bool
take_numbers(struct identity *identity)
{
    const char *at = identity->config->renew_at;
    const char *binding = identity->config->binding;
    char *end = NULL;
    unsigned long percent = at == NULL ? 0 : strtoul(at, &end, 10);
    if (at != NULL && (end == at || percent < 1 || percent > 95 ||
                       (*end != '\0' && strcmp(end, "%") != 0)))
        return complain(identity, "renew-at must be 1% to 95%", at);
    identity->settings.renew_percent = (unsigned)percent;
    if (binding == NULL || strcmp(binding, "always") == 0)
        identity->settings.binding = BV_BINDING_ALWAYS;
    else if (strcmp(binding, "ask") == 0)
        identity->settings.binding = BV_BINDING_ASK;
    else if (strcmp(binding, "never") == 0)
        identity->settings.binding = BV_BINDING_NEVER;
    else
        return complain(identity, "binding must be always, ask or never",
                        binding);
    return true;
}

static bool
take_address(struct identity *identity, size_t i, const char *text)
{
    struct bv_san *san = &identity->sans[i];
    san->kind = BV_SAN_IP;
    san->value.data = identity->addresses[i];
    san->value.len = strchr(text, ':') != NULL ? 16 : 4;
    return inet_pton(san->value.len == 16 ? AF_INET6 : AF_INET, text,
                     identity->addresses[i]) == 1;
}

static bool
take_san(struct identity *identity, size_t i, const char *text)
{
    static const struct {
        const char *prefix;
        enum bv_san_kind kind;
    } kinds[] = {
        {"dns:", BV_SAN_DNS}, {"uri:", BV_SAN_URI}, {"email:", BV_SAN_EMAIL}};
    if (strncmp(text, "ip:", 3) == 0)
        return take_address(identity, i, text + 3);
    for (unsigned k = 0; k < 3; k++) {
        size_t len = strlen(kinds[k].prefix);
        if (strncmp(text, kinds[k].prefix, len) != 0)
            continue;
        const char *value = text + len;
        identity->sans[i] = (struct bv_san){
            kinds[k].kind, {(const uint8_t *)value, strlen(value)}};
        return true;
    }
    return false;
}

static bool
take_sans(struct identity *identity)
{
    for (size_t i = 0; i < identity->config->num_sans; i++)
        if (!take_san(identity, i, identity->config->sans[i]))
            return complain(identity,
                            "san must be dns:…, ip:…, uri:… or email:…",
                            identity->config->sans[i]);
    identity->settings.sans = identity->sans;
    identity->settings.num_sans = identity->config->num_sans;
    return true;
}

/* 64 hex digits; colons and a "sha256:" in front are fine. */
static bool
take_fingerprint(struct identity *identity)
{
    const char *text = identity->config->ca_fingerprint;
    size_t digits = 0;
    if (text == NULL)
        return true;
    if (strncasecmp(text, "sha256:", 7) == 0)
        text += 7;
    for (; *text != '\0'; text++) {
        int digit = span_hex_digit(*text);
        if (*text == ':')
            continue;
        if (digit < 0 || digits == 64)
            break;
        uint8_t *octet = &identity->fingerprint[digits++ / 2];
        *octet = (uint8_t)(*octet << 4 | digit);
    }
    if (*text != '\0' || digits != 64)
        return complain(identity, "ca-fingerprint must be a SHA-256 in hex",
                        identity->config->ca_fingerprint);
    identity->settings.fingerprint = identity->fingerprint;
    return true;
}

/* Links are followed: many a ca-file is one. */
static bool
read_whole(const char *path, char *out, size_t cap, size_t *ret_len)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    *ret_len = fread(out, 1, cap, file);
    bool whole = *ret_len < cap && ferror(file) == 0;
    (void)fclose(file);
    return whole;
}

/* The DER of the pinned CAs stands behind the library's work memory. */
static bool
take_anchors(struct identity *identity)
{
    const char *path = identity->config->ca_file;
    size_t len = 0, num = 0;
    if (path == NULL)
        return true;
    bv_auto_free char *text = malloc(CA_FILE_MAX);
    if (text == NULL || !read_whole(path, text, CA_FILE_MAX, &len))
        return hinder(identity, "ca-file cannot be read, or is too long", path);
    struct span rest = span_of(text, len), der;
    struct sink out = sink_of(identity->work + BV_WORK_SIZE, CA_FILE_MAX);
    while (pem_find(&rest, PEM_CERTIFICATE, &out, &der) == BV_OK) {
        if (num == BV_TRUST_MAX)
            return complain(identity, "ca-file holds more than 8 certificates",
                            path);
        identity->anchors[num++] = (struct bv_bytes){der.data, der.len};
    }
    if (num == 0)
        return hinder(identity, "ca-file holds no certificate", path);
    identity->settings.anchors = identity->anchors;
    identity->settings.num_anchors = num;
    return true;
}

static void
prompt(const struct identity *identity)
{
    if (isatty(STDIN_FILENO))
        fprintf(stderr, "Claim code for %s: ", identity->config->name);
}

/* The first line. Missing is fine when an identity is there already: the code
 * is needed once, and good practice deletes it. */
static bool
take_claim(struct identity *identity)
{
    const char *path = identity->config->claim_file;
    if (path == NULL)
        return true;
    bool from_stdin = strcmp(path, "-") == 0;
    if (from_stdin)
        prompt(identity);
    FILE *file = from_stdin ? stdin : fopen(path, "re");
    if (file == NULL)
        return errno == ENOENT ||
               hinder(identity, "claim-code-file cannot be read", path);
    if (fgets(identity->claim, sizeof(identity->claim), file) == NULL)
        identity->claim[0] = '\0';
    bool whole = strchr(identity->claim, '\n') != NULL || fgetc(file) == EOF;
    if (!from_stdin)
        (void)fclose(file);
    if (!whole)
        return complain(identity, "the claim code is longer than any", path);
    identity->claim[strcspn(identity->claim, "\r\n")] = '\0';
    identity->settings.claim = (struct bv_bytes){
        (const uint8_t *)identity->claim, strlen(identity->claim)};
    return true;
}

static bool
is_yes(const char *value)
{
    return value != NULL && strcmp(value, "yes") == 0;
}

static bool
take_switch(const struct identity *identity, const char *name,
            const char *value)
{
    char what[64];
    if (value == NULL || is_yes(value) || strcmp(value, "no") == 0)
        return true;
    (void)snprintf(what, sizeof(what), "%s must be yes or no", name);
    return complain(identity, what, value);
}

/* What can be known to be wrong before a claim code is spent. */
static bool
take_files(struct identity *identity)
{
    const struct agent_config *config = identity->config;
    if ((config->factory_cert == NULL) != (config->factory_key == NULL))
        return complain(identity, "factory-cert and factory-key are needed",
                        NULL);
    if (!install_mode_fits(config))
        return complain(identity, "the install mode is not octal",
                        config->install_mode);
    if (!install_owner_fits(config))
        return hinder(identity, "there is no such install owner",
                      config->install_owner);
    return take_switch(identity, "reuse-key", config->reuse_key) &&
           take_switch(identity, "pem", config->pem);
}

static bool
take_settings(struct identity *identity, enum identity_use use)
{
    const struct agent_config *config = identity->config;
    identity->settings.id = config->id != NULL ? config->id : config->name;
    identity->settings.not_before_build = RELEASE_TIME;
    identity->settings.factory =
        config->factory_cert != NULL && config->factory_key != NULL;
    identity->settings.reuse_key = is_yes(config->reuse_key);
    identity->settings.work = identity->work;
    identity->settings.work_len = BV_WORK_SIZE;
    if (!take_files(identity) || !take_url(identity) ||
        !take_key_type(identity) || !take_numbers(identity) ||
        !take_sans(identity) || !take_fingerprint(identity) ||
        !take_anchors(identity) ||
        (use != IDENTITY_READ && !take_claim(identity)))
        return false;
    if (identity->settings.num_anchors == 0 &&
        identity->settings.fingerprint == NULL)
        return complain(identity, "ca-file or ca-fingerprint is needed", NULL);
    return true;
}

/* --- the directory and the ports --- */

/* After kill -9 the lock goes when the kernel has cleaned up. */
static struct bv_posix *
open_locked(const char *dir, enum identity_use use)
{
    static const char state[] = AGENT_STATE_DIR "/";
    struct timespec pause = {0, 50000000};
    if (strncmp(dir, state, sizeof(state) - 1) == 0)
        (void)mkdir(AGENT_STATE_DIR, 0700); /* the unit made it, or nobody */
    struct bv_posix *posix = bv_posix_open(dir);
    for (int i = 0; i < LOCK_TRIES && use == IDENTITY_SERVE && posix == NULL &&
                    errno == EWOULDBLOCK;
         i++) {
        (void)nanosleep(&pause, NULL);
        posix = bv_posix_open(dir);
    }
    return posix;
}

static bool
open_dir(struct identity *identity, enum identity_use use)
{
    const char *dir = identity->config->dir;
    if (dir == NULL)
        return hinder(identity, strerror(ENOMEM), NULL);
    identity->posix = use == IDENTITY_READ ? bv_posix_open_reader(dir)
                                           : open_locked(dir, use);
    if (identity->posix != NULL || (use == IDENTITY_READ && errno == ENOENT))
        return true;
    if (errno == EWOULDBLOCK)
        return hinder(identity, "in use by a running brevet-agent", dir);
    if (errno == EPERM)
        return hinder(identity, "dir must be ours and not writable by others",
                      dir);
    return hinder(identity, strerror(errno), dir);
}

static void
say(void *ctx, const char *text)
{
    const struct identity *identity = ctx;
    log_warn("%s identity=%s", text, identity->config->name);
}

static bool
refuse_factory(struct identity *identity)
{
    const struct agent_config *config = identity->config;
    if (config->factory_cert == NULL)
        return hinder(identity, strerror(ENOMEM), NULL);
    const char *missing =
        access(config->factory_cert, R_OK) != 0  ? config->factory_cert
        : access(config->factory_key, R_OK) != 0 ? config->factory_key
                                                 : NULL;
    if (missing != NULL)
        return hinder(identity, strerror(errno), missing);
    return complain(identity,
                    "the factory identity cannot be read, or certificate and "
                    "key do not belong together",
                    config->factory_cert);
}

static bool
start(struct identity *identity, enum identity_use use)
{
    bool act = use != IDENTITY_READ;
    struct bv_ports ports = {.observe = {identity, say, NULL}};
    const struct agent_config *config = identity->config;
    identity->openssl = bv_openssl_open(bv_posix_dirfd(identity->posix),
                                        act ? config->factory_cert : NULL,
                                        act ? config->factory_key : NULL);
    if (identity->openssl == NULL)
        return refuse_factory(identity);
    bv_posix_ports(identity->posix, &ports);
    bv_openssl_ports(identity->openssl, &ports);
    if (bv_device_init(&identity->device, &identity->settings, &ports) !=
        BV_WHY_NONE)
        return complain(identity, "the id, a san or the host does not fit",
                        identity->settings.id);
    return true;
}

static void
release(struct identity *identity)
{
    bv_openssl_close(identity->openssl);
    bv_posix_close(identity->posix);
    free(identity->work);
    identity->openssl = NULL;
    identity->posix = NULL;
    identity->work = NULL;
}

bool
identity_open(struct identity *identity, const struct agent_config *config,
              enum identity_use use)
{
    memset(identity, 0, sizeof(*identity));
    identity->config = config;
    identity->shut = AGENT_USAGE;
    identity->work = malloc(BV_WORK_SIZE + CA_FILE_MAX);
    if (identity->work == NULL)
        return hinder(identity, strerror(ENOMEM), NULL);
    if (take_settings(identity, use) && open_dir(identity, use) &&
        (identity->posix == NULL || start(identity, use))) {
        identity->shut = AGENT_OK;
        return true;
    }
    release(identity); /* its folder is free for who mends it */
    return false;
}

void
identity_close(struct identity *identity)
{
    release(identity);
    explicit_bzero(identity, sizeof(*identity));
}

/* --- work --- */

uint64_t
identity_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

const char *
identity_advice(const struct identity *identity)
{
    struct bv_status status;
    bv_device_status(&identity->device, &status);
    switch (status.why) {
    case BV_WHY_UNAUTHORIZED:
        return status.active != BV_SLOT_NONE
                   ? "ask the operator whether this device was revoked; a "
                     "fresh claim code enrols it again in another --dir"
                   : "the claim code may be mistyped, used up, expired or for "
                     "another device; the operator makes one with: brevet "
                     "token create --device ID";
    case BV_WHY_PENDING:
        return "the operator approves it with: brevet device approve ID; "
               "then run this again, or use --wait or run";
    case BV_WHY_REJECTED:
        if (status.http_status == 404)
            return "check the path of --url: behind "
                   "/.well-known/est/ stands a label of the server, or nothing";
        return "the server's profile may not allow this --id, --san or "
               "--key-type";
    case BV_WHY_CONFIG:
        return "give --claim-code-file with a fresh code, or --factory-cert "
               "and --factory-key";
    case BV_WHY_CONNECT:
    case BV_WHY_TIMEOUT:
        return "check --url and the network";
    case BV_WHY_SERVER_REFUSED:
        if (status.active != BV_SLOT_NONE && status.not_after < time(NULL))
            return "the certificate has expired; put a fresh claim code into "
                   "the --claim-code-file";
        return "compare --ca-fingerprint or --ca-file with the root "
               "certificate of the server's CA, and the host in --url with "
               "the names in the server's certificate";
    case BV_WHY_FINGERPRINT:
    case BV_WHY_CHAIN:
        return "compare --ca-fingerprint or --ca-file with the root "
               "certificate of the server's CA";
    case BV_WHY_WRONG_NAME:
        return "the server gives other names than --id and --san ask for";
    case BV_WHY_DATES:
        return "check this machine's clock";
    case BV_WHY_STORAGE:
    case BV_WHY_KEY:
        return "check space and rights in the identity's folder";
    case BV_WHY_PROOF:
    case BV_WHY_NONE:
    case BV_WHY_CUT:
    case BV_WHY_HTTP:
    case BV_WHY_TOO_LARGE:
    case BV_WHY_SERVER_ERROR:
    case BV_WHY_BAD_ANSWER:
    case BV_WHY_WRONG_KEY:
    case BV_WHY_BINDING:
        break;
    }
    return "";
}

void
identity_why(const struct identity *identity, char *out, size_t cap)
{
    struct bv_status status;
    char http[32] = "";
    bv_device_status(&identity->device, &status);
    const char *detail = bv_openssl_error(identity->openssl);
    bool from_tls = status.why == BV_WHY_CONNECT ||
                    status.why == BV_WHY_SERVER_REFUSED ||
                    status.why == BV_WHY_CUT || status.why == BV_WHY_KEY ||
                    status.why == BV_WHY_CHAIN;
    if (status.why == BV_WHY_UNAUTHORIZED || status.why == BV_WHY_REJECTED ||
        status.why == BV_WHY_SERVER_ERROR || status.why == BV_WHY_HTTP)
        (void)snprintf(http, sizeof(http), " (HTTP %u)", status.http_status);
    char said[BV_SAID_MAX + 1];
    (void)snprintf(said, sizeof(said), "%s", bv_device_said(&identity->device));
    for (char *quote = said; (quote = strchr(quote, '"')) != NULL;)
        *quote = '\''; /* log lines quote this text */
    (void)snprintf(out, cap, "%s%s%s%s%s%s%s", bv_why_text(status.why), http,
                   said[0] != '\0' ? ", saying: " : "", said,
                   from_tls && detail[0] != '\0' ? " (" : "",
                   from_tls ? detail : "",
                   from_tls && detail[0] != '\0' ? ")" : "");
}

static bool
has_identity(const struct identity *identity)
{
    struct bv_status status;
    bv_device_status(&identity->device, &status);
    return status.active != BV_SLOT_NONE;
}

static void
hand_over(struct identity *identity, const char *reason)
{
    bool changed = false;
    hook_expect(identity, reason);
    identity->lacking = !install_all(identity, &changed);
    if (identity->lacking)
        identity_again(identity);
    else
        hook_start(identity, reason);
}

#define AGAIN_MIN 5 /* seconds */
#define AGAIN_MAX 3600

void
identity_again(struct identity *identity)
{
    uint32_t pause = 2 * identity->again_pause;
    identity->again_pause = pause < AGAIN_MIN   ? AGAIN_MIN
                            : pause > AGAIN_MAX ? AGAIN_MAX
                                                : pause;
    identity->again_ms =
        identity_now_ms() + (uint64_t)identity->again_pause * 1000;
}

bool
identity_repair(struct identity *identity)
{
    bool changed = false;
    identity->again_ms = 0;
    if (!has_identity(identity))
        return true;
    identity->lacking = !install_all(identity, &changed);
    if (changed)
        hook_expect(identity, "repaired");
    if (identity->lacking)
        identity_again(identity);
    else if (changed || hook_is_due(identity))
        hook_start(identity, "repaired");
    else
        identity->again_pause = 0;
    return !identity->lacking;
}

static void
log_identity(struct identity *identity, const char *what)
{
    struct bv_status status;
    last_write(identity, what, "");
    bv_device_status(&identity->device, &status);
    log_info("%s identity=%s id=%s not_after=%lld renew_at=%lld "
             "generation=%u",
             what, identity->config->name, identity->settings.id,
             (long long)status.not_after, (long long)status.renew_at,
             status.generation);
}

static void
log_failure(const struct identity *identity, const char *what)
{
    struct bv_status status;
    char why[WHY_TEXT_MAX];
    bv_device_status(&identity->device, &status);
    identity_why(identity, why, sizeof(why));
    last_write(identity, what, why);
    log_warn("%s identity=%s reason=\"%s\" attempt=%u retry_in=%us", what,
             identity->config->name, why, status.attempts, status.retry_after);
}

static void
handle(struct identity *identity, enum bv_event event)
{
    switch (event) {
    case BV_EVENT_NONE:
        break;
    case BV_EVENT_ENROLLED:
        log_identity(identity, "enrolled");
        hand_over(identity, "enrolled");
        break;
    case BV_EVENT_RENEWED:
        log_identity(identity, "renewed");
        hand_over(identity, "renewed");
        break;
    case BV_EVENT_TRUST:
        log_info("CA certificates changed identity=%s", identity->config->name);
        if (has_identity(identity))
            hand_over(identity, "trust");
        break;
    case BV_EVENT_PENDING:
        log_failure(identity, "waiting for approval");
        break;
    case BV_EVENT_FAILED:
        log_failure(identity, "attempt failed");
        break;
    }
}

enum bv_event
identity_step(struct identity *identity)
{
    enum bv_event event = BV_EVENT_NONE;
    uint64_t wait = 0;
    for (int i = 0; i < BURST && wait == 0 && event == BV_EVENT_NONE; i++)
        event = bv_device_step(&identity->device, &wait);
    handle(identity, event);
    identity->next_ms = identity_now_ms() + wait;
    return event;
}

enum agent_exit
identity_exit(const struct identity *identity)
{
    struct bv_status status;
    bv_device_status(&identity->device, &status);
    switch (status.why) {
    case BV_WHY_NONE:
        return AGENT_OK;
    case BV_WHY_CONFIG:
        return AGENT_USAGE;
    case BV_WHY_STORAGE:
    case BV_WHY_KEY:
        return AGENT_LOCAL;
    case BV_WHY_PENDING:
        return AGENT_PENDING;
    case BV_WHY_CONNECT:
    case BV_WHY_TIMEOUT:
    case BV_WHY_CUT:
    case BV_WHY_SERVER_ERROR:
        return AGENT_NETWORK;
    case BV_WHY_UNAUTHORIZED:
    case BV_WHY_REJECTED:
    case BV_WHY_PROOF:
        return AGENT_REFUSED;
    case BV_WHY_SERVER_REFUSED:
    case BV_WHY_HTTP:
    case BV_WHY_TOO_LARGE:
    case BV_WHY_BAD_ANSWER:
    case BV_WHY_FINGERPRINT:
    case BV_WHY_CHAIN:
    case BV_WHY_WRONG_KEY:
    case BV_WHY_WRONG_NAME:
    case BV_WHY_DATES:
    case BV_WHY_BINDING:
        return AGENT_TRUST;
    }
    return AGENT_TRUST;
}
