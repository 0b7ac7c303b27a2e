#include "pki/weak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/err.h>

#include "base/sink.h"
#include "pki/digest.h"
#include "pki/key.h"

#define RSA_MIN       2048
#define RSA_MAX       8192
#define ENTRY_LEN     10 /* octets of the SHA-1 that a blocklist keeps */
#define SMALL_PRIMES  4096
#define FERMAT_ROUNDS 100

BV_AUTO_DEFINE(BIGNUM, BIGNUM, BN_free)
BV_AUTO_DEFINE(BN_CTX, BN_CTX, BN_CTX_free)

const char *
weak_text(enum weak why)
{
    switch (why) {
    case WEAK_NONE:
        return "no weakness found";
    case WEAK_RSA_SIZE:
        return "the RSA modulus is too short, too long or not whole octets";
    case WEAK_RSA_EVEN:
        return "the RSA modulus is even";
    case WEAK_RSA_EXPONENT:
        return "the RSA exponent is not 65537";
    case WEAK_RSA_SMALL_FACTOR:
        return "the RSA modulus has a small factor";
    case WEAK_RSA_CLOSE_PRIMES:
        return "the RSA primes are too close together";
    case WEAK_RSA_ROCA:
        return "the RSA key was made by a faulty chip (CVE-2017-15361)";
    case WEAK_DEBIAN:
        return "the key was made by a faulty generator (CVE-2008-0166)";
    case WEAK_POINT:
        return "the public key is not a valid point of its curve";
    case WEAK_UNDECIDED:
        break;
    }
    return "the key could not be examined";
}

/* --- Debian's blocklists --- */

struct weak_list {
    uint8_t (*entries)[ENTRY_LEN];
    size_t count;
};

enum bv_err
weak_list_new(struct weak_list **ret_list)
{
    struct weak_list *list = calloc(1, sizeof *list);
    if (list == NULL)
        return BV_E_NO_MEMORY;
    *ret_list = list;
    return BV_OK;
}

void
weak_list_free(struct weak_list *list)
{
    if (list == NULL)
        return;
    free(list->entries);
    free(list);
}

size_t
weak_list_count(const struct weak_list *list)
{
    return list->count;
}

static int
compare(const void *a, const void *b)
{
    return memcmp(a, b, ENTRY_LEN);
}

static struct span
take_line(struct span *text)
{
    const uint8_t *end =
        text->len == 0 ? NULL : memchr(text->data, '\n', text->len);
    size_t len = end == NULL ? text->len : (size_t)(end - text->data);
    struct span line = span_of(text->data, len);
    size_t used = end == NULL ? len : len + 1;
    *text = span_of(text->data + used, text->len - used);
    if (line.len != 0 && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

static enum bv_err
parse_line(struct span line, uint8_t *entry)
{
    size_t len;
    if (line.len != ENTRY_LEN * 2)
        return BV_E_BAD_MESSAGE;
    return span_unhex(line, entry, ENTRY_LEN, &len);
}

enum bv_err
weak_list_add(struct weak_list *list, struct span text)
{
    size_t most = list->count + text.len / (ENTRY_LEN * 2) + 1;
    bv_auto_free uint8_t(*all)[ENTRY_LEN] = malloc(most * ENTRY_LEN);
    size_t count = list->count;

    if (all == NULL)
        return BV_E_NO_MEMORY;
    if (count != 0)
        memcpy(all, list->entries, count * ENTRY_LEN);
    while (text.len != 0) {
        struct span line = take_line(&text);
        if (line.len == 0 || line.data[0] == '#')
            continue;
        BV_TRY(parse_line(line, all[count]));
        count++;
    }
    qsort(all, count, ENTRY_LEN, compare);
    free(list->entries);
    list->entries = BV_STEAL(all);
    list->count = count;
    return BV_OK;
}

/* What the lists hold: the end of SHA-1("Modulus=<HEX>\n"), the line that
 * `openssl rsa -modulus` prints. */
static bool
is_listed(const struct weak_list *list, struct span n)
{
    char text[sizeof "Modulus=\n" + RSA_MAX / 4];
    uint8_t digest[DIGEST_MAX];
    int len = snprintf(text, sizeof text, "Modulus=");

    if (list == NULL || list->count == 0)
        return false;
    for (size_t i = 0; i < n.len; i++)
        len +=
            snprintf(text + len, sizeof text - (size_t)len, "%02X", n.data[i]);
    text[len++] = '\n';
    digest_of(DIGEST_SHA1, span_of(text, (size_t)len), digest);
    return bsearch(digest + 20 - ENTRY_LEN, list->entries, list->count,
                   ENTRY_LEN, compare) != NULL;
}

/* --- RSA --- */

static bool
is_prime(BN_ULONG n)
{
    for (BN_ULONG d = 3; d * d <= n; d += 2)
        if (n % d == 0)
            return false;
    return true;
}

/* SP 800-89 5.3.3 asks for primes up to 752; more cost little when several are
 * tried in one division. */
static bool
has_small_factor(const BIGNUM *n)
{
    BN_ULONG prime = 3;

    while (prime < SMALL_PRIMES) {
        BN_ULONG from = prime, product = 1;
        while (prime < SMALL_PRIMES && product < (BN_ULONG)1 << 19) {
            product *= is_prime(prime) ? prime : 1;
            prime += 2;
        }
        BN_ULONG rest = BN_mod_word(n, product);
        for (BN_ULONG p = from; p < prime; p += 2)
            if (is_prime(p) && rest % p == 0)
                return true;
    }
    return false;
}

static bool
is_power_of_65537(BN_ULONG n, BN_ULONG prime)
{
    BN_ULONG x = 1;
    do {
        if (x == n)
            return true;
        x = x * (65537 % prime) % prime;
    } while (x != 1);
    return false;
}

/* ROCA (Nemec et al., CCS 2017): primes of the form k M + 65537^a mod M, so
 * the modulus is a power of 65537 modulo every prime that divides the
 * primorial M. An honest key passes for a weak one with about 2^-27. */
static bool
is_roca(const BIGNUM *n)
{
    for (BN_ULONG prime = 3; prime <= 167; prime += 2) {
        if (is_prime(prime) && !is_power_of_65537(BN_mod_word(n, prime), prime))
            return false;
    }
    return true;
}

/* x becomes floor(sqrt(n)), by Newton from above. */
static bool
square_root(BIGNUM *x, const BIGNUM *n, BIGNUM *next, BN_CTX *ctx)
{
    BN_zero(x);
    if (!BN_set_bit(x, (BN_num_bits(n) + 1) / 2))
        return false;
    for (;;) {
        if (!BN_div(next, NULL, n, x, ctx) || !BN_add(next, next, x) ||
            !BN_rshift1(next, next))
            return false;
        if (BN_cmp(next, x) >= 0)
            return true;
        if (BN_copy(x, next) == NULL)
            return false;
    }
}

/* Most numbers are not squares, and most of those are not squares modulo 64,
 * 63, 65 and 11 either. */
static bool
may_be_square(const BIGNUM *n)
{
    static const uint8_t mods[] = {64, 63, 65, 11};
    for (size_t i = 0; i < sizeof mods; i++) {
        BN_ULONG rest = BN_mod_word(n, mods[i]), x = 0;
        while (x < mods[i] && x * x % mods[i] != rest)
            x++;
        if (x == mods[i])
            return false;
    }
    return true;
}

enum verdict { NO, YES, FAILED };

static enum verdict
is_square(const BIGNUM *n, BIGNUM *root, BIGNUM *scratch, BN_CTX *ctx)
{
    if (BN_is_zero(n))
        return YES;
    if (!may_be_square(n))
        return NO;
    if (!square_root(root, n, scratch, ctx) || !BN_sqr(root, root, ctx))
        return FAILED;
    return BN_cmp(root, n) == 0 ? YES : NO;
}

/* Fermat: n = a^2 - b^2 with a just above sqrt(n) when p and q are close
 * (CVE-2022-26320). b2 moves by 2 a + 1 with each a. */
static enum verdict
walk(const BIGNUM *n, BIGNUM *a, BIGNUM *b2, BIGNUM *r, BIGNUM *s, BN_CTX *ctx)
{
    if (!square_root(a, n, s, ctx) || !BN_sqr(b2, a, ctx))
        return FAILED;
    if (BN_cmp(b2, n) < 0 && !BN_add_word(a, 1))
        return FAILED;
    if (!BN_sqr(b2, a, ctx) || !BN_sub(b2, b2, n))
        return FAILED;
    for (int round = 0; round < FERMAT_ROUNDS; round++) {
        enum verdict square = is_square(b2, r, s, ctx);
        if (square != NO)
            return square;
        if (!BN_add(b2, b2, a) || !BN_add_word(a, 1) || !BN_add(b2, b2, a))
            return FAILED;
    }
    return NO;
}

static enum verdict
has_close_primes(const BIGNUM *n)
{
    bv_auto(BN_CTX) BN_CTX *ctx = BN_CTX_new();
    bv_auto(BIGNUM) BIGNUM *a = BN_new();
    bv_auto(BIGNUM) BIGNUM *b2 = BN_new();
    bv_auto(BIGNUM) BIGNUM *r = BN_new();
    bv_auto(BIGNUM) BIGNUM *s = BN_new();

    if (ctx == NULL || a == NULL || b2 == NULL || r == NULL || s == NULL)
        return FAILED;
    return walk(n, a, b2, r, s, ctx);
}

/* FIPS 186-5 A.1.1 takes any odd one above 2^16. But who can use a key with
 * one exponent can with each: the same modulus would be as many keys as there
 * are exponents, of which one is blocked or another device's. */
static bool
is_bad_exponent(struct span e)
{
    return !span_eq(e, SPAN_LIT("\x01\x00\x01"));
}

static enum weak
check_modulus(struct span octets)
{
    bv_auto(BIGNUM) BIGNUM *n = BN_bin2bn(octets.data, (int)octets.len, NULL);
    enum verdict close;

    if (n == NULL)
        return WEAK_UNDECIDED;
    if (has_small_factor(n))
        return WEAK_RSA_SMALL_FACTOR;
    if (is_roca(n))
        return WEAK_RSA_ROCA;
    close = has_close_primes(n);
    if (close == FAILED)
        return WEAK_UNDECIDED;
    return close == YES ? WEAK_RSA_CLOSE_PRIMES : WEAK_NONE;
}

static enum weak
check_rsa(const struct alg_spki *spki, const struct weak_list *list,
          unsigned rsa_min)
{
    if (spki->bits < (rsa_min == 0 ? RSA_MIN : rsa_min) ||
        spki->bits > RSA_MAX || spki->n.len == 0)
        return WEAK_RSA_SIZE;
    if (spki->n.data[spki->n.len - 1] % 2 == 0)
        return WEAK_RSA_EVEN;
    if (is_bad_exponent(spki->e))
        return WEAK_RSA_EXPONENT;
    if (is_listed(list, spki->n))
        return WEAK_DEBIAN;
    enum weak why = check_modulus(spki->n);
    return why == WEAK_NONE && spki->bits % 8 != 0 ? WEAK_RSA_SIZE : why;
}

/* --- points --- */

/* The y coordinates of edwards25519's points of order 1, 2, 4 and 8, with the
 * unreduced forms of 0 and 1; the sign bit is ignored. */
static bool
is_small_order(struct span key)
{
    static const uint8_t points[][32] = {
        {0},
        {1},
        {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
         0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
         0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
        {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
         0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
         0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
    };
    uint8_t y[32];

    memcpy(y, key.data, 32);
    y[31] &= 0x7f;
    for (size_t i = 0; i < sizeof points / sizeof *points; i++)
        if (memcmp(y, points[i], 32) == 0)
            return true;
    /* p - 1 (order 2), p and p + 1: 2^255 - 20, - 19, - 18 */
    for (size_t i = 1; i < 31; i++)
        if (y[i] != 0xff)
            return false;
    return y[31] == 0x7f && y[0] >= 0xec && y[0] <= 0xee;
}

static enum weak
check_point(const struct alg_spki *spki)
{
    if (spki->alg == ALG_KEY_ED25519)
        return spki->key.len != 32 || is_small_order(spki->key) ? WEAK_POINT
                                                                : WEAK_NONE;
    return key_check_spki(spki) == BV_OK ? WEAK_NONE : WEAK_POINT;
}

enum weak
weak_check(const struct alg_spki *spki, const struct weak_list *list,
           unsigned rsa_min)
{
    enum weak why = spki->alg == ALG_KEY_RSA ? check_rsa(spki, list, rsa_min)
                                             : check_point(spki);
    ERR_clear_error();
    return why;
}
