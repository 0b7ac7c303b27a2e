/* EST: the first octet chooses the decoder: CSR attributes (what is accepted
 * can be written and read again), bodies, HTTP Basic. */
#include "fuzz.h"

#include "wire/est.h"

static void
csrattrs(struct span in)
{
    struct est_csrattrs attrs;
    struct est_csrattrs again;
    size_t cap = 2 * in.len + 8192;

    if (est_csrattrs_decode(in, &attrs) != BV_OK)
        return;
    uint8_t *buf = malloc(cap);
    struct sink out = sink_of(buf, cap);
    est_csrattrs_put(&out, &attrs);
    if (out.failed || est_csrattrs_decode(sink_view(&out), &again) != BV_OK)
        abort();
    if (again.key != attrs.key || again.sig != attrs.sig ||
        again.challenge != attrs.challenge || again.num_rdns != attrs.num_rdns)
        abort();
    free(buf);
}

static void
body(struct span in, enum est_body mode)
{
    uint8_t *buf = malloc(in.len + 1);
    struct span der;

    if (est_body_decode(in, mode, buf, in.len + 1, &der) == BV_OK) {
        size_t cap = EST_BODY_MAX(der.len);
        uint8_t *text = malloc(cap);
        struct sink out = sink_of(text, cap);
        est_put_body(&out, der, true);
        if (out.failed)
            abort();
        free(text);
    }
    free(buf);
}

static void
basic(struct span in)
{
    uint8_t buf[512];
    struct span user;
    struct span secret;

    if (est_basic_parse(in, buf, sizeof(buf), &user, &secret) == BV_OK &&
        user.len + 1 + secret.len > sizeof(buf))
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct span in = span_of(data, len);
    uint8_t which;

    if (len > 65536 || span_u8(&in, &which) != BV_OK)
        return 0;
    switch (which % 4) {
    case 0:
        csrattrs(in);
        break;
    case 1:
        body(in, EST_BODY_BASE64);
        break;
    case 2:
        body(in, EST_BODY_LENIENT);
        break;
    default:
        basic(in);
        break;
    }
    return 0;
}
