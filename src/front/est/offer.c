#include "front/est/offer.h"

#include <string.h>

#include "core/find.h"
#include "pki/digest.h"
#include "wire/cms.h"
#include "wire/der.h"
#include "wire/est.h"
#include "wire/name.h"
#include "wire/oid.h"

const struct core_ca *
offers_ca(const struct core_config *config, const char *profile_name)
{
    const struct profile *profile = core_config_profile(config, profile_name);

    return profile != NULL ? core_config_ca(config, span_str(profile->ca))
                           : NULL;
}

/* --- CSR attributes --- */

/* The one key kind to announce: of those the profile takes, the one that is
 * cheapest on a device. RFC 9908 3.2 allows exactly one. */
static enum alg_key
preferred_key(const struct profile *profile)
{
    if (profile->key_p256)
        return ALG_KEY_P256;
    if (profile->key_p384)
        return ALG_KEY_P384;
    if (profile->key_ed25519)
        return ALG_KEY_ED25519;
    if (profile->key_p521)
        return ALG_KEY_P521;
    return profile->rsa_max > 0 ? ALG_KEY_RSA : ALG_KEY_NONE;
}

static unsigned
preferred_rsa_bits(const struct profile *profile)
{
    return profile->rsa_min > 2048 ? profile->rsa_min : 2048;
}

/* The client's to fill in: the device's name, and a SAN where one may be
 * asked for. */
static void
ask_names(struct est_csrattrs *attrs, const struct profile *profile)
{
    attrs->subject[attrs->num_rdns++] = (struct est_rdn){.oid = oid_cn};
    if (profile->san_allowed != 0 && !profile->san_id_dns &&
        !profile->san_id_urn)
        attrs->extensions[attrs->num_extensions++] =
            (struct est_extension){.oid = oid_san};
}

/* The names of own; scratch holds the values. */
static void
fix_names(struct est_csrattrs *attrs, const struct cert *own,
          struct sink *scratch)
{
    struct name_iter it;
    struct name_ava ava;

    if (name_open(own->subject, &it) != BV_OK)
        return;
    while (name_next(&it, &ava) == BV_OK && attrs->num_rdns < EST_RDNS_MAX) {
        size_t start = scratch->len;
        der_put(scratch, ava.tag, ava.value);
        attrs->subject[attrs->num_rdns++] = (struct est_rdn){
            ava.oid, span_of(scratch->data + start, scratch->len - start)};
    }
    if (own->san.len > 0)
        attrs->extensions[attrs->num_extensions++] =
            (struct est_extension){.oid = oid_san, .value = own->san};
}

void
offers_put_csrattrs(struct sink *out, const struct profile *profile,
                    const struct cert *own)
{
    uint8_t buf[LIMIT_NAME];
    struct sink scratch = SINK_ARRAY(buf);
    struct est_csrattrs attrs = {
        .key = preferred_key(profile),
        .challenge = profile->binding == PROFILE_BINDING_REQUIRE,
        .is_template = true,
    };

    if (attrs.key == ALG_KEY_RSA)
        attrs.rsa_bits = preferred_rsa_bits(profile);
    if (attrs.key != ALG_KEY_NONE)
        attrs.sig = alg_sig_of_key(attrs.key);
    if (own != NULL)
        fix_names(&attrs, own, &scratch);
    else
        ask_names(&attrs, profile);
    est_csrattrs_put(out, &attrs);
}

/* --- CA certificates --- */

struct cert_list {
    struct span certs[LIMIT_CMS_CERTS];
    size_t num;
};

static enum bv_err
add_cert(struct cert_list *list, struct span cert)
{
    if (list->num == LIMIT_CMS_CERTS)
        return BV_E_TOO_MANY;
    list->certs[list->num++] = cert;
    return BV_OK;
}

static enum bv_err
collect(const struct core_ca *ca, struct cert_list *list)
{
    BV_TRY(add_cert(list, ca->cert));
    for (size_t i = 0; i < ca->num_chain; i++)
        BV_TRY(add_cert(list, ca->chain[i]));
    for (size_t i = 0; i < ca->num_cross; i++) /* RFC 7030 4.1.3 */
        BV_TRY(add_cert(list, ca->cross[i]));
    return BV_OK;
}

/* --- one offer --- */

/* keep copies what a sink holds to the heap. */
static enum bv_err
keep(const struct sink *out, struct span *ret_bytes,
     char ret_tag[FRESH_TAG_MAX])
{
    uint8_t hash[DIGEST_SHA256_LEN];
    struct span bytes;
    uint8_t *copy;

    BV_TRY(sink_done(out, &bytes));
    copy = malloc(bytes.len);
    if (copy == NULL)
        return BV_E_NO_MEMORY;
    memcpy(copy, bytes.data, bytes.len);
    digest_sha256(bytes, hash);
    /* weak: lines are broken for some clients */
    fresh_tag(SPAN_ARRAY(hash), true, ret_tag);
    *ret_bytes = span_of(copy, bytes.len);
    return BV_OK;
}

#define ATTRS_MAX 2048

static enum bv_err
make_csrattrs(struct offer *offer)
{
    uint8_t buf[ATTRS_MAX];
    struct sink out = SINK_ARRAY(buf);

    offers_put_csrattrs(&out, offer->profile, NULL);
    return keep(&out, &offer->csrattrs, offer->csrattrs_tag);
}

static enum bv_err
make_cacerts(struct offer *offer)
{
    struct cert_list list = {0};
    size_t cap = CMS_OVERHEAD;

    BV_TRY(collect(offer->ca, &list));
    for (size_t i = 0; i < list.num; i++)
        cap += list.certs[i].len;
    bv_auto_free uint8_t *buf = malloc(cap);
    if (buf == NULL)
        return BV_E_NO_MEMORY;
    struct sink out = sink_of(buf, cap);
    cms_put_certs(&out, list.certs, list.num);
    return keep(&out, &offer->cacerts, offer->cacerts_tag);
}

static enum bv_err
add_offer(const struct front_est_settings *settings, struct offers *offers,
          const char *label, const char *profile)
{
    struct offer *offer = &offers->offers[offers->num_offers];

    if (est_op_of_name(span_str(label)) != EST_OP_NONE ||
        offers_find(offers, span_str(label)) != NULL)
        return BV_E_BAD_CONFIG;
    memcpy(offer->label, label, strlen(label) + 1);
    offer->profile = core_config_profile(settings->config, profile);
    offer->ca = offers_ca(settings->config, profile);
    if (offer->profile == NULL || offer->ca == NULL)
        return BV_E_BAD_CONFIG;
    offers->num_offers++;
    BV_TRY(make_csrattrs(offer));
    return make_cacerts(offer);
}

enum bv_err
offers_new(const struct front_est_settings *settings,
           struct offers **ret_offers)
{
    const struct core_config *config = settings->config;
    bv_auto(offers) struct offers *offers = calloc(1, sizeof(*offers));

    if (offers == NULL)
        return BV_E_NO_MEMORY;
    offers->offers = calloc(config->num_labels + 1, sizeof(struct offer));
    if (offers->offers == NULL)
        return BV_E_NO_MEMORY;
    BV_TRY(add_offer(settings, offers, "",
                     config->default_profile[0] != '\0'
                         ? config->default_profile
                         : "device"));
    for (size_t i = 0; i < config->num_labels; i++)
        BV_TRY(add_offer(settings, offers, config->labels[i].label,
                         config->labels[i].profile));
    *ret_offers = BV_STEAL(offers);
    return BV_OK;
}

void
offers_free(struct offers *offers)
{
    for (size_t i = 0; offers->offers != NULL && i < offers->num_offers; i++) {
        free((void *)(uintptr_t)offers->offers[i].cacerts.data);
        free((void *)(uintptr_t)offers->offers[i].csrattrs.data);
    }
    free(offers->offers);
    free(offers);
}

const struct offer *
offers_find(const struct offers *offers, struct span label)
{
    for (size_t i = 0; i < offers->num_offers; i++)
        if (span_eq_str(label, offers->offers[i].label))
            return &offers->offers[i];
    return NULL;
}
