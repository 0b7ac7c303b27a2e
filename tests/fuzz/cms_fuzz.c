/* Certs-only CMS: what is accepted, written again, reads as the same list. */
#include "fuzz.h"

#include "wire/cms.h"

static size_t
collect(struct cms_certs list, struct span *certs)
{
    size_t num = 0;

    while (cms_certs_next(&list, &certs[num]))
        num++;
    return num;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct span certs[LIMIT_CMS_CERTS + 1];
    struct span again[LIMIT_CMS_CERTS + 1];
    struct cms_certs list;
    struct span der;

    if (len > 65536 || cms_certs_parse(span_of(data, len), &list) != BV_OK)
        return 0;
    size_t num = collect(list, certs);
    if (num > LIMIT_CMS_CERTS)
        abort();
    if (num == 0)
        return 0;
    uint8_t *buf = malloc(len + CMS_OVERHEAD);
    struct sink out = sink_of(buf, len + CMS_OVERHEAD);
    cms_put_certs(&out, certs, num);
    if (sink_done(&out, &der) != BV_OK || cms_certs_parse(der, &list) != BV_OK)
        abort();
    size_t num_again = collect(list, again);
    if (num_again > num) /* fewer: repeats are written once */
        abort();
    for (size_t i = 1; i < num_again; i++)
        if (span_cmp(again[i - 1], again[i]) >= 0)
            abort();
    free(buf);
    return 0;
}
