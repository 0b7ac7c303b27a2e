/* GeneralNames as a CSR may ask for them, the same octets as the value of each
 * extension, and as text of an IP address. */
#include "fuzz.h"

#include "wire/ext.h"
#include "wire/ip.h"
#include "wire/san.h"

static void
check_san(struct span san)
{
    uint8_t *text = malloc(san.len * 4 + 64);
    struct sink out = sink_of(text, san.len * 4 + 64);
    struct san_iter iter;
    struct san_name name;
    bool wildcard;

    if (text != NULL && san_check(san, &wildcard) == BV_OK) {
        fuzz_require(san_eq(san, san) && san_open(san, &iter) == BV_OK);
        while (san_next(&iter, &name) == BV_OK)
            fuzz_require(name.type == SAN_OTHER_NAME ||
                         san_has(san, name.type, name.value));
        san_put_text(&out, san);
        for (size_t i = 0; i < out.len; i++) /* fit for a terminal */
            fuzz_require(text[i] >= ' ' && text[i] <= '~');
    }
    free(text);
}

static void
check_values(struct span value)
{
    struct span a, b;
    uint32_t mask;
    bool is_ca;
    int pathlen;

    if (ext_basic_constraints(value, &is_ca, &pathlen) == BV_OK)
        fuzz_require(pathlen == -1 || is_ca);
    if (ext_key_usage(value, &mask) == BV_OK)
        fuzz_require(mask != 0);
    if (ext_ski(value, &a) == BV_OK)
        fuzz_require(a.len > 0);
    if (ext_check_eku(value) == BV_OK)
        (void)ext_has_eku(value, SPAN_LIT("\x2a\x03"));
    (void)!ext_aki(value, &a);
    (void)!ext_crldp(value, &a);
    (void)!ext_aia(value, &a, &b);
}

static void
check_ip(struct span text)
{
    uint8_t ip[IP_LEN_MAX], again[IP_LEN_MAX], buf[64];
    struct sink out = SINK_ARRAY(buf);
    size_t len, again_len;

    if (ip_parse(text, ip, &len) != BV_OK)
        return;
    ip_put_text(&out, span_of(ip, len));
    fuzz_require(ip_parse(sink_view(&out), again, &again_len) == BV_OK);
    fuzz_require(span_eq(span_of(ip, len), span_of(again, again_len)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct span in = span_of(data, len);

    check_san(in);
    check_values(in);
    check_ip(in);
    return 0;
}
