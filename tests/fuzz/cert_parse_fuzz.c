/* Whatever parses can be walked, asked and written again octet by octet. */
#include "fuzz.h"
#include "wire/cert.h"
#include "wire/name.h"
#include "wire/san.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t memory[LIMIT_CERT], text[8 * LIMIT_CERT];
    struct sink tbs = SINK_ARRAY(memory), out = SINK_ARRAY(text);
    struct cert cert;
    struct cert_spec spec;

    if (cert_parse(span_of(data, len), &cert) != BV_OK)
        return 0;
    spec = (struct cert_spec){
        .serial = cert.serial,
        .sig_alg = cert.sig_alg,
        .issuer = cert.issuer,
        .not_before = cert.not_before,
        .not_after = cert.not_after,
        .subject = cert.subject,
        .spki = cert.spki.whole,
        .extensions = cert.extensions,
    };
    cert_build_tbs(&tbs, &spec);
    fuzz_require(span_eq(sink_view(&tbs), cert.tbs));
    fuzz_require(name_eq(cert.subject, cert.subject));
    name_put_text(&out, cert.subject);
    san_put_text(&out, cert.san);
    fuzz_require(!out.failed);
    return 0;
}
