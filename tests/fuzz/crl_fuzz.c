/* CRLs: parse, walk every entry, look one up; then the first octets of the
 * input choose entries for the writer, whose output must read back. */
#include "fuzz.h"

#include "wire/crl.h"

static void
read_one(struct span der)
{
    struct crl crl;
    struct crl_entry entry;
    bool got = true;
    bool found;

    if (crl_parse(der, &crl) != BV_OK)
        return;
    struct span entries = crl.entries;
    struct span serial = SPAN_EMPTY;
    while (crl_next(&entries, &got, &entry) == BV_OK && got)
        serial = entry.serial;
    if (serial.len == 0 || entries.len > 0)
        return;
    if (crl_find(&crl, serial, &found, &entry) != BV_OK || !found)
        abort();
}

static void
write_one(struct span in)
{
    static const uint8_t ISSUER[] = {0x30, 0x00};
    struct crl_entry entries[64];
    uint8_t buf[8192];
    uint8_t outer_buf[8400];
    struct sink tbs = SINK_ARRAY(buf);
    struct sink out = SINK_ARRAY(outer_buf);
    struct crl_head head = {.issuer = SPAN_ARRAY(ISSUER),
                            .sig = ALG_SIG_ECDSA_SHA256,
                            .this_update = 1790000000,
                            .next_update = 1790003600,
                            .key_id = SPAN_ARRAY(ISSUER),
                            .number = 7};
    struct crl crl;
    size_t num = 0;

    for (struct span piece; num < 64 && span_take(&in, 6, &piece) == BV_OK;) {
        int reason = piece.data[5] % 11;
        /* an INTEGER's content: positive and minimal */
        if (piece.data[0] == 0 || piece.data[0] >= 0x80)
            continue;
        entries[num++] =
            (struct crl_entry){.serial = span_of(piece.data, 4),
                               .revoked_at = (int64_t)piece.data[4] * 20000000,
                               .reason = crl_reason_ok(reason) ? reason : 0};
    }
    crl_put_tbs(&tbs, &head, entries, num);
    crl_put_outer(&out, tbs.len, head.sig, 8);
    sink_put(&out, sink_view(&tbs));
    crl_put_signature(&out, head.sig, (struct span)SPAN_LIT("12345678"));
    if (out.failed || crl_parse(sink_view(&out), &crl) != BV_OK)
        abort();
    for (size_t i = 0; i < num; i++) {
        struct crl_entry entry;
        bool got;
        if (crl_next(&crl.entries, &got, &entry) != BV_OK || !got ||
            !span_eq(entry.serial, entries[i].serial) ||
            entry.revoked_at != entries[i].revoked_at ||
            entry.reason != entries[i].reason)
            abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len > 65536)
        return 0;
    read_one(span_of(data, len));
    write_one(span_of(data, len));
    return 0;
}
