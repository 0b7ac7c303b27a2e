/* The CRL of a manufacturer with its CA certificates, as core's bundle brings
 * them: u16 length of the CRL's file, the file, then the PEM of the anchors. */
#include "fuzz.h"

#include "prog/brevetd/maker.h"
#include "wire/crl.h"

#define NOW INT64_C(1795000000)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct span in = span_of(data, len), file;
    const char *problem = NULL;
    struct crl crl;
    uint16_t file_len;

    if (span_u16(&in, &file_len) != BV_OK ||
        span_take(&in, file_len, &file) != BV_OK)
        return 0;
    uint8_t *memory = malloc(len);
    if (memory == NULL)
        return 0;
    struct sink out = sink_of(memory, len); /* nothing grows */
    enum bv_err err = maker_crl(file, in, NOW, &out, &problem);
    fuzz_require(err != BV_E_NO_SPACE && problem != NULL);
    if (err == BV_OK) {
        fuzz_require(crl_parse(sink_view(&out), &crl) == BV_OK);
        fuzz_require(crl.idp.len == 0 && crl.next_update >= NOW);
    }
    fuzz_require(err == BV_OK || out.len == 0);
    free(memory);
    return 0;
}
