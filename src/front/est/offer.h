/* What the EST door can say about each label without asking core: the CA
 * certificates and the CSR attributes, made once per configuration. */
#ifndef BV_FRONT_EST_OFFER_H
#define BV_FRONT_EST_OFFER_H

#include "base/auto.h"
#include "front/est/est.h"
#include "front/fresh.h"
#include "wire/cert.h"

struct offer {
    char label[LIMIT_SHORT_NAME]; /* "" : without a label */
    const struct profile *profile;
    const struct core_ca *ca;
    struct span cacerts;  /* certs-only CMS, DER */
    struct span csrattrs; /* CsrAttrs, DER */
    char cacerts_tag[FRESH_TAG_MAX];
    char csrattrs_tag[FRESH_TAG_MAX];
};

struct offers {
    struct offer *offers;
    size_t num_offers;
};

/* offers_new makes one offer for each label of the configuration and one for
 * none. BAD_CONFIG as in est.h; NO_MEMORY. */
enum bv_err offers_new(const struct front_est_settings *settings,
                       struct offers **ret_offers) BV_CHECKED;
void offers_free(struct offers *offers);
BV_AUTO_DEFINE(offers, struct offers, offers_free)
/* offers_find: NULL when the label is not known. */
const struct offer *offers_find(const struct offers *offers, struct span label);
/* offers_ca: the CA of a profile by its name, NULL when unknown. */
const struct core_ca *offers_ca(const struct core_config *config,
                                const char *profile);

/* offers_put_csrattrs writes what a profile asks of a CSR (RFC 9908), both as
 * a list and as a template. With own, a certificate to be renewed, subject and
 * SAN are its own (RFC 7030 4.2.2); else the client fills them in. */
void offers_put_csrattrs(struct sink *out, const struct profile *profile,
                         const struct cert *own);

#endif
