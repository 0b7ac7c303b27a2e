/* Is a configuration one that core can work with? */
#include <stdio.h>
#include <string.h>

#include "core/find.h"
#include "core/issue.h"
#include "core/state.h"

static enum bv_err
bad_config(char *ret_problem, size_t cap, const char *what, const char *name,
           const char *why)
{
    (void)snprintf(ret_problem, cap, "%s \"%s\": %s", what, name, why);
    return BV_E_BAD_CONFIG;
}

static bool
is_same_ca(struct span der, const struct cert *cert)
{
    struct cert own;
    return cert_parse(der, &own) == BV_OK &&
           span_eq(own.subject, cert->subject) &&
           span_eq(own.spki.whole, cert->spki.whole);
}

bool
core_config_is_ca(const struct core_config *config, const struct cert *cert)
{
    for (size_t i = 0; i < config->num_cas; i++) {
        const struct core_ca *ca = &config->cas[i];
        if (is_same_ca(ca->cert, cert))
            return true;
        for (size_t j = 0; j < ca->num_chain; j++) {
            if (is_same_ca(ca->chain[j], cert))
                return true;
        }
    }
    return false;
}

/* What clients are told to follow is a CA of this file, by whomever signed. */
static enum bv_err
check_cross(const struct core_config *config, const struct core_ca *ca,
            char *ret_problem, size_t cap)
{
    struct cert cert;
    for (size_t i = 0; i < ca->num_cross; i++) {
        if (cert_parse(ca->cross[i], &cert) != BV_OK || !cert_may_sign(&cert))
            return bad_config(ret_problem, cap, "ca", ca->name,
                              "a certificate of cross is not a CA's");
        if (!core_config_is_ca(config, &cert))
            return bad_config(ret_problem, cap, "ca", ca->name,
                              "a certificate of cross has the name or key of "
                              "no CA here");
    }
    return BV_OK;
}

static enum bv_err
check_cas(const struct core_config *config, char *ret_problem, size_t cap)
{
    struct cert cert;
    if (config->num_cas > 255)
        return bad_config(ret_problem, cap, "ca", "", "more than 255 CAs");
    for (size_t i = 0; i < config->num_cas; i++) {
        const struct core_ca *ca = &config->cas[i];
        if (cert_parse(ca->cert, &cert) != BV_OK || !cert_may_sign(&cert))
            return bad_config(ret_problem, cap, "ca", ca->name,
                              "the certificate is not a CA's");
        if (core_config_ca(config, span_str(ca->name)) != ca)
            return bad_config(ret_problem, cap, "ca", ca->name,
                              "the name is used twice");
        BV_TRY(check_cross(config, ca, ret_problem, cap));
    }
    return BV_OK;
}

static enum bv_err
check_profiles(const struct core_config *config, char *ret_problem, size_t cap)
{
    char why[160];
    for (size_t i = 0; i < config->num_profiles; i++) {
        const struct profile *p = &config->profiles[i];
        if (profile_check(p, why, sizeof why) != BV_OK)
            return bad_config(ret_problem, cap, "profile", p->name, why);
        if (p->ca[0] != '\0' && core_config_ca(config, span_str(p->ca)) == NULL)
            return bad_config(ret_problem, cap, "profile", p->name,
                              "its CA does not exist");
    }
    return BV_OK;
}

static bool
is_in_use(const struct core_config *config, const char *name)
{
    const char *tls =
        config->tls_profile[0] != '\0' ? config->tls_profile : "server";
    if (strcmp(config->default_profile, name) == 0 ||
        (config->tls_path[0] != '\0' && strcmp(tls, name) == 0))
        return true;
    for (size_t i = 0; i < config->num_labels; i++) {
        if (strcmp(config->labels[i].profile, name) == 0)
            return true;
    }
    for (size_t i = 0; i < config->num_manufacturers; i++) {
        if (strcmp(config->manufacturers[i].profile, name) == 0)
            return true;
    }
    return false;
}

static unsigned
barred_by(struct span der)
{
    struct cert cert;
    return cert_parse(der, &cert) == BV_OK ? issue_barred(&cert) : 0;
}

const struct profile *
core_config_barred(const struct core_config *config, const struct core_ca *ca)
{
    unsigned barred = barred_by(ca->cert);
    for (size_t i = 0; i < ca->num_chain; i++)
        barred |= barred_by(ca->chain[i]);
    for (size_t i = 0; i < config->num_profiles; i++) {
        const struct profile *p = &config->profiles[i];
        if (strcmp(p->ca, ca->name) == 0 && issue_is_barred(p, barred) &&
            is_in_use(config, p->name))
            return p;
    }
    return NULL;
}

/* The profiles that nobody asks for are refused when somebody does. */
static enum bv_err
check_usages(const struct core_config *config, char *ret_problem, size_t cap)
{
    for (size_t i = 0; i < config->num_cas; i++) {
        const struct profile *p = core_config_barred(config, &config->cas[i]);
        if (p != NULL)
            return bad_config(ret_problem, cap, "profile", p->name,
                              "its CA, or one above, is not for these "
                              "extended key usages");
    }
    return BV_OK;
}

/* A manufacturer names its devices as it likes; the group keeps it from
 * naming another one's. */
static bool
shares_group(const struct core_config *config, size_t index)
{
    const char *group = config->manufacturers[index].group;
    for (size_t i = 0; group[0] != '\0' && i < index; i++) {
        if (strcmp(config->manufacturers[i].group, group) == 0)
            return true;
    }
    return false;
}

static enum bv_err
check_manufacturers(const struct core_config *config, char *ret_problem,
                    size_t cap)
{
    for (size_t i = 0; i < config->num_manufacturers; i++) {
        const struct core_manufacturer *m = &config->manufacturers[i];
        if (m->profile[0] != '\0' &&
            core_config_profile(config, m->profile) == NULL)
            return bad_config(ret_problem, cap, "manufacturer", m->name,
                              "its profile does not exist");
        if (shares_group(config, i))
            return bad_config(ret_problem, cap, "manufacturer", m->name,
                              "its group is another manufacturer's: either "
                              "could take over the other's devices");
    }
    return BV_OK;
}

enum bv_err
core_config_check(const struct core_config *config, char *ret_problem,
                  size_t cap)
{
    const char *def = config->default_profile;
    BV_TRY(check_cas(config, ret_problem, cap));
    BV_TRY(check_profiles(config, ret_problem, cap));
    BV_TRY(check_usages(config, ret_problem, cap));
    for (size_t i = 0; i < config->num_labels; i++) {
        if (core_config_profile(config, config->labels[i].profile) == NULL)
            return bad_config(ret_problem, cap, "label",
                              config->labels[i].label,
                              "its profile does not exist");
    }
    BV_TRY(check_manufacturers(config, ret_problem, cap));
    if (def[0] != '\0' && core_config_profile(config, def) == NULL)
        return bad_config(ret_problem, cap, "default_profile", def,
                          "the profile does not exist");
    return BV_OK;
}
