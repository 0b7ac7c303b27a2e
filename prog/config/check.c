#include "prog/config/check.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc/table.h"

struct problem {
    const char *name;
    char *text;
    size_t cap;
};

static enum bv_err bad(const struct problem *problem, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum bv_err
bad(const struct problem *problem, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int used = snprintf(problem->text, problem->cap, "%s: ", problem->name);
    if (used > 0 && (size_t)used < problem->cap)
        (void)vsnprintf(problem->text + used, problem->cap - (size_t)used,
                        format, ap);
    va_end(ap);
    return BV_E_BAD_CONFIG;
}

/* --- defaults --- */

#define SET(field, text) (void)snprintf((field), sizeof(field), "%s", (text))

static unsigned
half_of_cpus(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN) / 2;
    if (cpus < 1)
        return 1;
    return cpus > PROC_DOORS_MAX ? PROC_DOORS_MAX : (unsigned)cpus;
}

static void
add_built_in(struct config *config)
{
    static const char *const names[] = {"device",     "client",       "server",
                                        "gateway",    "intermediate", "ocsp",
                                        "codesigning"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct profile profile;
        if (profile_default(names[i], &profile) == BV_OK)
            config->profiles[config->core.num_profiles++] = profile;
    }
}

void
check_defaults(struct config *config, const char *dir)
{
    SET(config->dir, dir);
    size_t len = strlen(config->dir);
    if (len > 1 && config->dir[len - 1] == '/')
        config->dir[len - 1] = '\0';
    config->log_level = LOG_LEVEL_INFO;
    config->doors = half_of_cpus();
    SET(config->passphrase, "file:passphrase");
    SET(config->https[0], "0.0.0.0:8443");
    config->num_https = 1;
    SET(config->control, "run/control.sock");
    SET(config->admins[0], "root");
    config->num_admins = 1;
    SET(config->weak_keys[0], CONFIG_WEAK_DEFAULT);
    config->num_weak_keys = 1;
    config->net = net_limits_default();
    config->ocsp_validity = 3600;
    config->ocsp_backdate = 300;
    config->ocsp_signed = 1000;
    SET(config->core.tls_path, "tls/server.pem");
    SET(config->core.default_profile, "device");
    SET(config->core.log_origin, "brevet");
    SET(config->core.hosts[0], "localhost");
    config->core.num_hosts = 1;
    config->core.profiles = config->profiles;
    config->core.cas = config->cas;
    config->core.manufacturers = config->manufacturers;
    config->core.labels = config->labels;
    add_built_in(config);
}

/* --- names --- */

static const struct profile *
profile_find(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->core.num_profiles; i++)
        if (strcmp(config->profiles[i].name, name) == 0)
            return &config->profiles[i];
    return NULL;
}

static enum bv_err
check_profile_name(const struct config *config, const char *what,
                   const char *name, const struct problem *problem)
{
    if (name[0] == '\0' || profile_find(config, name) != NULL)
        return BV_OK;
    return bad(problem, "%s: there is no profile \"%s\"", what, name);
}

static const struct core_ca *
ca_find(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->core.num_cas; i++)
        if (strcmp(config->cas[i].name, name) == 0)
            return &config->cas[i];
    return NULL;
}

/* The CA for a profile that names none: for CA certificates one at the top,
 * for all others the first below a top; in both cases one that can sign. */
static const char *
default_ca(const struct config *config, bool is_ca)
{
    const char *any = config->cas[0].name;
    for (size_t i = config->core.num_cas; i-- > 0;)
        if (!config->cas[i].offline)
            any = config->cas[i].name;
    for (size_t i = 0; i < config->core.num_cas; i++) {
        bool top = config->ca_files[i].num_chain == 0;
        if (top == is_ca && !config->cas[i].offline)
            return config->cas[i].name;
    }
    return any;
}

/* --- sections --- */

static enum bv_err
check_ca(struct config *config, size_t i, const struct problem *problem)
{
    struct config_ca *files = &config->ca_files[i];
    struct core_ca *ca = &config->cas[i];
    ca->offline = strcmp(files->key, "none") == 0;
    if (!ca->offline &&
        (strncmp(files->key, "file:", 5) != 0 || files->key[5] == '\0'))
        return bad(problem, "ca \"%s\": key must be file:PATH or none",
                   ca->name);
    int64_t every = ca->crl_every != 0 ? ca->crl_every : 86400;
    int64_t life = ca->crl_life != 0 ? ca->crl_life : 7 * 86400;
    if (every * 2 > life)
        return bad(problem,
                   "ca \"%s\": crl-life must be at least twice crl-every, or a "
                   "CRL runs out before its successor is there",
                   ca->name);
    if (strcmp(ca->name, "log") == 0)
        return bad(problem, "ca \"log\": this name is the audit log's");
    return BV_OK;
}

static enum bv_err
check_cas(struct config *config, const struct problem *problem)
{
    if (config->core.num_cas == 0)
        return bad(problem, "there is no ca section");
    for (size_t i = 0; i < config->core.num_cas; i++)
        BV_TRY(check_ca(config, i, problem));
    return BV_OK;
}

static enum bv_err
check_profiles(struct config *config, const struct problem *problem)
{
    for (size_t i = 0; i < config->core.num_profiles; i++) {
        struct profile *p = &config->profiles[i];
        char why[200] = "";
        if (p->ca[0] == '\0')
            SET(p->ca, default_ca(config, p->is_ca));
        const struct core_ca *ca = ca_find(config, p->ca);
        if (ca == NULL)
            return bad(problem, "profile \"%s\": there is no ca \"%s\"",
                       p->name, p->ca);
        if (profile_check(p, why, sizeof(why)) != BV_OK)
            return bad(problem, "profile \"%s\": %s", p->name, why);
    }
    BV_TRY(check_profile_name(config, "default-profile",
                              config->core.default_profile, problem));
    return check_profile_name(config, "tls-profile", config->core.tls_profile,
                              problem);
}

/* RFC 7030 3.2.2: a label must not be the name of an operation. */
static enum bv_err
check_labels(const struct config *config, const struct problem *problem)
{
    static const char *const operations[] = {
        "cacerts", "simpleenroll", "simplereenroll",
        "fullcmc", "serverkeygen", "csrattrs",
        NULL};
    for (size_t i = 0; i < config->core.num_labels; i++) {
        const struct core_label *label = &config->labels[i];
        for (size_t j = 0; operations[j] != NULL; j++)
            if (strcmp(operations[j], label->label) == 0)
                return bad(problem,
                           "label \"%s\" is the name of an EST operation",
                           label->label);
        if (label->profile[0] == '\0')
            return bad(problem, "label \"%s\" needs a profile", label->label);
        BV_TRY(
            check_profile_name(config, label->label, label->profile, problem));
    }
    return BV_OK;
}

static enum bv_err
check_manufacturers(const struct config *config, const struct problem *problem)
{
    for (size_t i = 0; i < config->core.num_manufacturers; i++) {
        const struct core_manufacturer *m = &config->manufacturers[i];
        if (config->manufacturer_files[i].certificates[0] == '\0')
            return bad(problem, "manufacturer \"%s\" needs certificates",
                       m->name);
        BV_TRY(check_profile_name(config, m->name, m->profile, problem));
    }
    return BV_OK;
}

/* --- addresses, secrets --- */

static bool
port_is_ok(const char *text)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    unsigned long n = strtoul(text, &end, 10);
    return *end == '\0' && n <= 65535;
}

static bool
address_is_ok(const char *text)
{
    char host[CONFIG_ADDRESS_MAX];
    unsigned char octets[16];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || !port_is_ok(colon + 1))
        return false;
    size_t len = (size_t)(colon - text);
    memcpy(host, text, len);
    host[len] = '\0';
    if (host[0] != '[')
        return inet_pton(AF_INET, host, octets) == 1;
    if (host[len - 1] != ']')
        return false;
    host[len - 1] = '\0';
    return inet_pton(AF_INET6, host + 1, octets) == 1;
}

static enum bv_err
check_addresses(const struct config *config, const struct problem *problem)
{
    config_address all[2 * CONFIG_LISTEN_MAX];
    unsigned num = 0;
    for (unsigned i = 0; i < config->num_https; i++)
        memcpy(all[num++], config->https[i], CONFIG_ADDRESS_MAX);
    for (unsigned i = 0; i < config->num_http; i++)
        memcpy(all[num++], config->http[i], CONFIG_ADDRESS_MAX);
    if (num == 0)
        return bad(problem, "there is neither an https nor an http address");
    for (unsigned i = 0; i < num; i++) {
        if (!address_is_ok(all[i]))
            return bad(problem,
                       "\"%s\" is no ADDRESS:PORT with a numeric address",
                       all[i]);
        bool any_port = strcmp(strrchr(all[i], ':'), ":0") == 0;
        for (unsigned j = 0; j < i && !any_port; j++)
            if (strcmp(all[i], all[j]) == 0)
                return bad(problem, "address \"%s\" is listed twice", all[i]);
    }
    return BV_OK;
}

static enum bv_err
check_passphrase(struct config *config, const struct problem *problem)
{
    const char *text = config->passphrase;
    if (strcmp(text, "prompt") == 0) {
        config->passphrase_from = CONFIG_SECRET_PROMPT;
        return BV_OK;
    }
    const char *name = strchr(text, ':');
    bool file = strncmp(text, "file:", 5) == 0;
    bool credential = strncmp(text, "credential:", 11) == 0;
    if ((!file && !credential) || name[1] == '\0')
        return bad(problem, "passphrase must be file:PATH, credential:NAME or "
                            "prompt");
    if (credential && strchr(name, '/') != NULL)
        return bad(problem, "a credential's name holds no slash");
    config->passphrase_from =
        file ? CONFIG_SECRET_FILE : CONFIG_SECRET_CREDENTIAL;
    if (strlen(name + 1) >= sizeof(config->passphrase_name))
        return bad(problem, "the passphrase's path is too long");
    SET(config->passphrase_name, name + 1);
    return BV_OK;
}

static enum bv_err
check_rest(struct config *config, const struct problem *problem)
{
    if (config->core.num_hosts == 0)
        return bad(problem, "hosts is empty");
    if (config->net.per_address > config->net.connections)
        return bad(problem,
                   "limits: per-address is more than connections allows");
    if (config->ocsp_backdate >= config->ocsp_validity * 100)
        return bad(problem, "ocsp: backdate is far beyond validity");
    if (config->tls_own[0] != '\0')
        config->core.tls_path[0] = '\0';
    return BV_OK;
}

enum bv_err
check_all(struct config *config, const char *name, char *ret_problem,
          size_t cap)
{
    struct problem problem = {name, ret_problem, cap};
    BV_TRY(check_cas(config, &problem));
    BV_TRY(check_profiles(config, &problem));
    BV_TRY(check_labels(config, &problem));
    BV_TRY(check_manufacturers(config, &problem));
    BV_TRY(check_addresses(config, &problem));
    BV_TRY(check_passphrase(config, &problem));
    return check_rest(config, &problem);
}

enum bv_err
config_path(const struct config *config, const char *path,
            char ret_path[CONFIG_PATH_MAX])
{
    int n = path[0] == '/' ? snprintf(ret_path, CONFIG_PATH_MAX, "%s", path)
                           : snprintf(ret_path, CONFIG_PATH_MAX, "%s/%s",
                                      config->dir, path);
    return n < 0 || n >= CONFIG_PATH_MAX ? BV_E_TOO_LARGE : BV_OK;
}
