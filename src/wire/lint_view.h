/* What the rules of lint.def look at: the fields of a TBSCertificate cut apart
 * but not yet judged. For lint*.c alone. */
#ifndef BV_WIRE_LINT_VIEW_H
#define BV_WIRE_LINT_VIEW_H

#include "wire/ext.h"
#include "wire/lint.h"

enum lint_known {
    LINT_BC,
    LINT_KU,
    LINT_EKU,
    LINT_SAN,
    LINT_SKI,
    LINT_AKI,
    LINT_CRLDP,
    LINT_AIA,
    LINT_NC,
    LINT_NOCHECK,
    LINT_NO_REV_AVAIL,
    LINT_TLS_FEATURE,
    LINT_MASA_URL,
    LINT_MUD_URL,
    LINT_NUM_KNOWN
};

struct lint_view {
    const struct lint_expect *expect;
    struct span whole;
    struct span version; /* the INTEGER's DER inside [0]; empty if absent */
    struct span serial;  /* the INTEGER's octets */
    struct span sig_alg; /* whole DER, as all below */
    struct span issuer;
    struct span validity; /* content */
    struct span subject;
    struct span spki;
    struct span extensions;        /* content of the SEQUENCE */
    int64_t not_before, not_after; /* set when validity_ok */
    bool validity_ok;
    struct alg_spki key; /* set when key_ok */
    bool key_ok;

    struct ext ext[LINT_NUM_KNOWN]; /* the first of each kind */
    bool has[LINT_NUM_KNOWN];
    bool duplicate, default_written, unknown;
};

#define LINT(function, name, text) bool function(const struct lint_view *view);
#include "wire/lint.def"
#undef LINT

#endif
