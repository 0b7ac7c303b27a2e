/* Rules on the extensions. Those on the meaning of one run after the rule on
 * its encoding, so they may take what they read for granted. */
#include "wire/der.h"
#include "wire/lint_view.h"
#include "wire/name.h"
#include "wire/oid.h"
#include "wire/san.h"

bool
lint_ext_not_empty(const struct lint_view *view)
{
    return view->extensions.len > 0;
}

bool
lint_ext_duplicate(const struct lint_view *view)
{
    return !view->duplicate;
}

bool
lint_ext_default(const struct lint_view *view)
{
    return !view->default_written;
}

bool
lint_ext_unknown(const struct lint_view *view)
{
    return !view->unknown;
}

bool
lint_ext_criticality(const struct lint_view *view)
{
    /* SAN has a rule of its own: it depends on the subject. */
    static const bool critical[LINT_NUM_KNOWN] = {
        [LINT_BC] = true, [LINT_KU] = true, [LINT_NC] = true};

    for (size_t i = 0; i < LINT_NUM_KNOWN; i++) {
        if (i != LINT_SAN && view->has[i] &&
            view->ext[i].critical != critical[i])
            return false;
    }
    return true;
}

/* --- basicConstraints --- */

static bool
read_bc(const struct lint_view *view, bool *ret_is_ca, int *ret_pathlen)
{
    *ret_is_ca = false;
    *ret_pathlen = -1;
    return !view->has[LINT_BC] ||
           ext_basic_constraints(view->ext[LINT_BC].value, ret_is_ca,
                                 ret_pathlen) == BV_OK;
}

bool
lint_ext_bc_encoding(const struct lint_view *view)
{
    bool is_ca;
    int pathlen;

    return read_bc(view, &is_ca, &pathlen);
}

bool
lint_ext_bc_expected(const struct lint_view *view)
{
    const struct lint_expect *expect = view->expect;
    bool is_ca;
    int pathlen;

    return read_bc(view, &is_ca, &pathlen) && is_ca == expect->is_ca &&
           pathlen == (expect->is_ca ? expect->pathlen : -1);
}

bool
lint_ext_bc_present(const struct lint_view *view)
{
    return view->has[LINT_BC] == view->expect->basic_constraints;
}

/* --- keyUsage --- */

static uint32_t
key_usage_of(const struct lint_view *view)
{
    uint32_t mask = 0;

    if (view->has[LINT_KU] &&
        ext_key_usage(view->ext[LINT_KU].value, &mask) != BV_OK)
        return 0;
    return mask;
}

bool
lint_ext_ku_encoding(const struct lint_view *view)
{
    uint32_t mask;

    return !view->has[LINT_KU] ||
           (ext_key_usage(view->ext[LINT_KU].value, &mask) == BV_OK &&
            mask < EXT_KU_DECIPHER_ONLY << 1);
}

bool
lint_ext_ku_ca(const struct lint_view *view)
{
    uint32_t mask = key_usage_of(view);

    if (view->expect->is_ca)
        return (mask & EXT_KU_KEY_CERT_SIGN) != 0;
    return (mask & (EXT_KU_KEY_CERT_SIGN | EXT_KU_CRL_SIGN)) == 0;
}

static uint32_t
barred_usage(enum alg_key alg)
{
    const uint32_t encipher =
        EXT_KU_KEY_ENCIPHERMENT | EXT_KU_DATA_ENCIPHERMENT;
    const uint32_t agree =
        EXT_KU_KEY_AGREEMENT | EXT_KU_ENCIPHER_ONLY | EXT_KU_DECIPHER_ONLY;

    switch (alg) {
    case ALG_KEY_P256:
    case ALG_KEY_P384:
    case ALG_KEY_P521:
        return encipher; /* RFC 5480 3 */
    case ALG_KEY_RSA:
        return agree; /* RFC 3279 2.3.1 */
    case ALG_KEY_ED25519:
        return encipher | agree; /* RFC 8410 5, 9295 3 */
    case ALG_KEY_NONE:
        break;
    }
    return UINT32_MAX;
}

bool
lint_ext_ku_key(const struct lint_view *view)
{
    const uint32_t halves = EXT_KU_ENCIPHER_ONLY | EXT_KU_DECIPHER_ONLY;
    uint32_t mask = key_usage_of(view);

    if ((mask & barred_usage(view->key.alg)) != 0)
        return false;
    return (mask & halves) == 0 || (mask & EXT_KU_KEY_AGREEMENT) != 0;
}

static bool
has_eku(const struct lint_view *view, struct span oid)
{
    return view->has[LINT_EKU] && ext_has_eku(view->ext[LINT_EKU].value, oid);
}

bool
lint_ext_ku_eku(const struct lint_view *view)
{
    static const struct {
        const struct span *oid;
        uint32_t any_of;
    } needs[] = {
        {&oid_server_auth, EXT_KU_DIGITAL_SIGNATURE | EXT_KU_KEY_ENCIPHERMENT |
                               EXT_KU_KEY_AGREEMENT},
        {&oid_client_auth, EXT_KU_DIGITAL_SIGNATURE | EXT_KU_KEY_AGREEMENT},
        {&oid_code_signing, EXT_KU_DIGITAL_SIGNATURE},
        {&oid_ocsp_signing, EXT_KU_DIGITAL_SIGNATURE},
        {&oid_cmc_ra, EXT_KU_DIGITAL_SIGNATURE},
    };
    uint32_t mask = key_usage_of(view);

    if (!view->has[LINT_KU] || view->expect->is_ca)
        return true;
    for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
        if (has_eku(view, *needs[i].oid) && (mask & needs[i].any_of) == 0)
            return false;
    }
    return true;
}

bool
lint_ext_ku_expected(const struct lint_view *view)
{
    return key_usage_of(view) == view->expect->key_usage;
}

/* --- extKeyUsage --- */

bool
lint_ext_eku_encoding(const struct lint_view *view)
{
    return !view->has[LINT_EKU] ||
           ext_check_eku(view->ext[LINT_EKU].value) == BV_OK;
}

bool
lint_ext_eku_any(const struct lint_view *view)
{
    return !has_eku(view, oid_any_eku);
}

static size_t
count_eku(const struct lint_view *view)
{
    struct span list, oid;
    size_t num = 0;

    if (!view->has[LINT_EKU] ||
        der_only(view->ext[LINT_EKU].value, DER_SEQUENCE, &list) != BV_OK)
        return 0;
    while (list.len > 0 && der_oid(&list, &oid) == BV_OK)
        num++;
    return num;
}

bool
lint_ext_eku_expected(const struct lint_view *view)
{
    for (size_t i = 0; i < view->expect->num_eku; i++) {
        if (!has_eku(view, view->expect->eku[i]))
            return false;
    }
    return count_eku(view) == view->expect->num_eku;
}

/* --- subjectAltName --- */

bool
lint_ext_san_encoding(const struct lint_view *view)
{
    struct san_iter iter;
    struct san_name name;
    enum bv_err err;

    if (!view->has[LINT_SAN])
        return true;
    if (san_open(view->ext[LINT_SAN].value, &iter) != BV_OK)
        return false;
    while ((err = san_next(&iter, &name)) == BV_OK)
        continue;
    return err == BV_E_NOT_FOUND;
}

bool
lint_ext_san_syntax(const struct lint_view *view)
{
    return !view->has[LINT_SAN] ||
           san_check(view->ext[LINT_SAN].value, NULL) == BV_OK;
}

bool
lint_ext_san_wildcard(const struct lint_view *view)
{
    bool wildcard = false;

    if (!view->has[LINT_SAN] || view->expect->wildcard)
        return true;
    return san_check(view->ext[LINT_SAN].value, &wildcard) == BV_OK &&
           !wildcard;
}

/* Is the name that iter has just returned there again? */
static bool
comes_again(struct san_iter iter, const struct san_name *name)
{
    struct san_name other;

    while (san_next(&iter, &other) == BV_OK) {
        if (san_name_eq(name, &other))
            return true;
    }
    return false;
}

bool
lint_ext_san_duplicate(const struct lint_view *view)
{
    struct san_iter iter;
    struct san_name name;

    if (!view->has[LINT_SAN] ||
        san_open(view->ext[LINT_SAN].value, &iter) != BV_OK)
        return true;
    while (san_next(&iter, &name) == BV_OK) {
        if (comes_again(iter, &name))
            return false;
    }
    return true;
}

bool
lint_ext_san_critical(const struct lint_view *view)
{
    bool empty = name_is_empty(view->subject);

    if (!view->has[LINT_SAN])
        return !empty;
    return view->ext[LINT_SAN].critical == empty;
}

bool
lint_ext_san_expected(const struct lint_view *view)
{
    struct span san =
        view->has[LINT_SAN] ? view->ext[LINT_SAN].value : SPAN_EMPTY;

    return span_eq(san, view->expect->san);
}

/* --- key identifiers --- */

static struct span
ski_of(const struct lint_view *view)
{
    struct span key_id = SPAN_EMPTY;

    if (view->has[LINT_SKI] &&
        ext_ski(view->ext[LINT_SKI].value, &key_id) != BV_OK)
        return SPAN_EMPTY;
    return key_id;
}

bool
lint_ext_ski_encoding(const struct lint_view *view)
{
    return !view->has[LINT_SKI] || ski_of(view).len > 0;
}

bool
lint_ext_ski_ca(const struct lint_view *view)
{
    return !view->expect->is_ca || view->has[LINT_SKI];
}

bool
lint_ext_ski_expected(const struct lint_view *view)
{
    return span_eq(ski_of(view), view->expect->ski);
}

static bool
read_aki(const struct lint_view *view, struct span *ret_key_id)
{
    struct span seq;

    return der_only(view->ext[LINT_AKI].value, DER_SEQUENCE, &seq) == BV_OK &&
           der_only(seq, DER_CONTEXT(0), ret_key_id) == BV_OK &&
           ret_key_id->len > 0;
}

bool
lint_ext_aki_form(const struct lint_view *view)
{
    struct span key_id;

    return !view->has[LINT_AKI] || read_aki(view, &key_id);
}

bool
lint_ext_aki_expected(const struct lint_view *view)
{
    struct span key_id = SPAN_EMPTY;

    if (view->has[LINT_AKI] && !read_aki(view, &key_id))
        return false;
    /* RFC 5280 4.2.1.1: a self-signed certificate may leave it out. */
    if (view->expect->self_signed && !view->has[LINT_AKI])
        return true;
    return span_eq(key_id, view->expect->issuer_ski);
}

/* --- revocation --- */

static bool
is_plain_http(struct span url)
{
    struct span http = SPAN_LIT("http://");

    return url.len > http.len && san_is_uri(url) &&
           span_eq(span_of(url.data, http.len), http);
}

bool
lint_ext_crldp(const struct lint_view *view)
{
    struct span url;

    return !view->has[LINT_CRLDP] ||
           (ext_crldp(view->ext[LINT_CRLDP].value, &url) == BV_OK &&
            is_plain_http(url));
}

static bool
read_aia(const struct lint_view *view, struct span *ret_ocsp,
         struct span *ret_issuers)
{
    *ret_ocsp = *ret_issuers = SPAN_EMPTY;
    return !view->has[LINT_AIA] ||
           ext_aia(view->ext[LINT_AIA].value, ret_ocsp, ret_issuers) == BV_OK;
}

bool
lint_ext_aia(const struct lint_view *view)
{
    struct span ocsp, issuers;

    if (!view->has[LINT_AIA])
        return true;
    return read_aia(view, &ocsp, &issuers) && ocsp.len + issuers.len > 0 &&
           (ocsp.len == 0 || is_plain_http(ocsp)) &&
           (issuers.len == 0 || is_plain_http(issuers));
}

bool
lint_ext_null(const struct lint_view *view)
{
    return (!view->has[LINT_NOCHECK] ||
            ext_null(view->ext[LINT_NOCHECK].value) == BV_OK) &&
           (!view->has[LINT_NO_REV_AVAIL] ||
            ext_null(view->ext[LINT_NO_REV_AVAIL].value) == BV_OK);
}

static bool
says_where_to_ask(const struct lint_view *view)
{
    struct span ocsp, issuers;

    return view->has[LINT_CRLDP] || !read_aia(view, &ocsp, &issuers) ||
           ocsp.len > 0;
}

bool
lint_ext_no_rev_avail(const struct lint_view *view)
{
    return !view->has[LINT_NO_REV_AVAIL] ||
           (!view->expect->is_ca && !says_where_to_ask(view));
}

bool
lint_ext_ocsp_signer(const struct lint_view *view)
{
    if (!has_eku(view, oid_ocsp_signing))
        return !view->has[LINT_NOCHECK];
    return view->has[LINT_NOCHECK] && count_eku(view) == 1 &&
           !view->expect->is_ca && !says_where_to_ask(view) &&
           key_usage_of(view) == EXT_KU_DIGITAL_SIGNATURE;
}

/* --- nameConstraints --- */

/* GeneralSubtrees: each a base alone, RFC 5280 4.2.1.10. A dNSName there has
 * no dot in front, which verifiers take for different things. */
static bool
are_subtrees(struct span list)
{
    while (list.len > 0) {
        struct span subtree, base;
        uint8_t tag;

        if (der_take(&list, DER_SEQUENCE, &subtree) != BV_OK ||
            der_any(&subtree, &tag, &base, NULL) != BV_OK || subtree.len != 0 ||
            (tag == DER_CONTEXT(SAN_DNS) && !san_is_host(base, false)))
            return false;
    }
    return true;
}

bool
lint_ext_name_constraints(const struct lint_view *view)
{
    struct span seq, permitted = SPAN_EMPTY, excluded = SPAN_EMPTY;
    bool has_permitted, has_excluded;

    if (!view->has[LINT_NC])
        return true;
    if (!view->expect->is_ca ||
        der_only(view->ext[LINT_NC].value, DER_SEQUENCE, &seq) != BV_OK ||
        der_take_opt(&seq, DER_CONTEXT_CONS(0), &has_permitted, &permitted) !=
            BV_OK ||
        der_take_opt(&seq, DER_CONTEXT_CONS(1), &has_excluded, &excluded) !=
            BV_OK ||
        seq.len != 0)
        return false;
    return (has_permitted || has_excluded) &&
           (!has_permitted || permitted.len > 0) &&
           (!has_excluded || excluded.len > 0) && are_subtrees(permitted) &&
           are_subtrees(excluded);
}

/* --- what was decided about these --- */

bool
lint_ext_undecided(const struct lint_view *view)
{
    return !view->has[LINT_TLS_FEATURE] && !view->has[LINT_MASA_URL] &&
           !view->has[LINT_MUD_URL];
}

/* One point with one name and nothing else; ext_crldp finds a URL in more. */
static struct span
only_url(struct span points)
{
    static const uint8_t tags[] = {DER_SEQUENCE, DER_SEQUENCE,
                                   DER_CONTEXT_CONS(0), DER_CONTEXT_CONS(0),
                                   DER_CONTEXT(SAN_URI)};

    for (size_t i = 0; i < sizeof(tags); i++) {
        if (der_only(points, tags[i], &points) != BV_OK)
            return SPAN_EMPTY;
    }
    return points;
}

bool
lint_ext_crldp_expected(const struct lint_view *view)
{
    struct span wanted = view->expect->crl_url;

    if (!view->has[LINT_CRLDP])
        return wanted.len == 0;
    return wanted.len > 0 &&
           span_eq(only_url(view->ext[LINT_CRLDP].value), wanted);
}

static size_t
count_aia(const struct lint_view *view)
{
    struct span list, entry;
    size_t num = 0;

    if (der_only(view->ext[LINT_AIA].value, DER_SEQUENCE, &list) != BV_OK)
        return 0;
    while (list.len > 0 && der_take(&list, DER_SEQUENCE, &entry) == BV_OK)
        num++;
    return num;
}

bool
lint_ext_aia_expected(const struct lint_view *view)
{
    const struct lint_expect *expect = view->expect;
    size_t num = (expect->ocsp_url.len > 0 ? 1u : 0u) +
                 (expect->issuers_url.len > 0 ? 1u : 0u);
    struct span ocsp, issuers;

    if (!view->has[LINT_AIA])
        return num == 0;
    return read_aia(view, &ocsp, &issuers) && count_aia(view) == num &&
           span_eq(ocsp, expect->ocsp_url) &&
           span_eq(issuers, expect->issuers_url);
}

bool
lint_ext_null_expected(const struct lint_view *view)
{
    return view->has[LINT_NOCHECK] == view->expect->ocsp_nocheck &&
           view->has[LINT_NO_REV_AVAIL] == view->expect->no_rev_avail;
}

bool
lint_ext_nc_expected(const struct lint_view *view)
{
    struct span constraints =
        view->has[LINT_NC] ? view->ext[LINT_NC].value : SPAN_EMPTY;

    return span_eq(constraints, view->expect->name_constraints);
}
