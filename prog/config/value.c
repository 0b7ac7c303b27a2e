#include "prog/config/value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"

struct problem {
    char *text;
    size_t cap;
};

static enum bv_err bad(struct problem problem, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum bv_err
bad(struct problem problem, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(problem.text, problem.cap, format, ap);
    va_end(ap);
    return BV_E_BAD_CONFIG;
}

bool
value_name_is_ok(const char *name)
{
    if (name[0] == '-' || name[0] == '.')
        return false;
    for (; *name != '\0'; name++) {
        bool letter = (*name >= 'a' && *name <= 'z') ||
                      (*name >= 'A' && *name <= 'Z') ||
                      (*name >= '0' && *name <= '9');
        if (!letter && *name != '-' && *name != '_' && *name != '.')
            return false;
    }
    return true;
}

static bool
is_printable(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

static enum bv_err
put_text(const struct schema_key *key, char *at, const char *word,
         struct problem problem)
{
    size_t len = strlen(word);
    if (len >= key->cap)
        return bad(problem, "is longer than %zu octets", key->cap - 1);
    if (key->type == SCHEMA_TEXT && len < (size_t)key->min)
        return bad(problem, "must not be empty");
    if (!is_printable(word))
        return bad(problem, "holds a control character");
    if (key->type == SCHEMA_NAME && !value_name_is_ok(word))
        return bad(problem, "may hold letters, digits, '-', '_' and '.' only");
    memcpy(at, word, len + 1);
    return BV_OK;
}

static enum bv_err
store_number(const struct schema_key *key, uint8_t *at, int64_t n)
{
    switch (key->cap) {
    case sizeof(int32_t): {
        int32_t small = (int32_t)n; /* in range: unsigned and int keys */
        memcpy(at, &small, sizeof(small));
        return BV_OK;
    }
    case sizeof(int64_t):
        memcpy(at, &n, sizeof(n));
        return BV_OK;
    default:
        return BV_E_USAGE;
    }
}

static enum bv_err
parse_plain(const char *word, int64_t *ret_n)
{
    char *end;
    errno = 0;
    long long n = strtoll(word, &end, 10);
    if (word[0] == '\0' || *end != '\0' || errno != 0)
        return BV_E_BAD_MESSAGE;
    *ret_n = n;
    return BV_OK;
}

static bool
is_time(const struct schema_key *key)
{
    return key->type == SCHEMA_DURATION || key->type == SCHEMA_MILLIS;
}

static enum bv_err
put_number(const struct schema_key *key, uint8_t *at, const char *word,
           struct problem problem)
{
    int64_t n = 0;
    if (is_time(key)) {
        if (time_parse_duration(word, &n) != BV_OK)
            return bad(problem, "is no duration (30s, 5m, 12h, 90d, 2w, 1y)");
    } else if (parse_plain(word, &n) != BV_OK) {
        return bad(problem, "is no number");
    }
    if (n < key->min || n > key->max)
        return bad(problem, "must be %lld to %lld%s", (long long)key->min,
                   (long long)key->max, is_time(key) ? " seconds" : "");
    return store_number(key, at, key->type == SCHEMA_MILLIS ? n * 1000 : n);
}

static enum bv_err
put_bool(void *at, const char *word, struct problem problem)
{
    bool yes = strcmp(word, "true") == 0 || strcmp(word, "yes") == 0;
    if (!yes && strcmp(word, "false") != 0 && strcmp(word, "no") != 0)
        return bad(problem, "must be true or false");
    memcpy(at, &yes, sizeof(yes));
    return BV_OK;
}

static const struct schema_choice *
choice_find(const struct schema_key *key, const char *word)
{
    for (const struct schema_choice *c = key->choices; c->word != NULL; c++)
        if (strcmp(c->word, word) == 0)
            return c;
    return NULL;
}

static enum bv_err
bad_choice(const struct schema_key *key, const char *word,
           struct problem problem)
{
    if (key->choices == NULL)
        return bad(problem, "'%s' is too long, or one too many", word);
    char list[256] = "";
    size_t used = 0;
    for (const struct schema_choice *c = key->choices; c->word != NULL; c++) {
        int n = snprintf(list + used, sizeof(list) - used, "%s%s",
                         used > 0 ? ", " : "", c->word);
        used += n > 0 && (size_t)n < sizeof(list) - used ? (size_t)n : 0;
    }
    return bad(problem, "'%s' is not one of %s, or one too many", word, list);
}

static enum bv_err
put_flags(const struct schema_key *key, void *at, const char *const *words,
          unsigned num, struct problem problem)
{
    unsigned flags = 0;
    for (unsigned i = 0; i < num; i++) {
        const struct schema_choice *c = choice_find(key, words[i]);
        if (c == NULL)
            return bad_choice(key, words[i], problem);
        flags |= (unsigned)c->value;
    }
    memcpy(at, &flags, sizeof(flags));
    return BV_OK;
}

static enum bv_err
put_texts(const struct schema_key *key, uint8_t *object,
          const char *const *words, unsigned num, struct problem problem)
{
    if (num > (unsigned)key->max)
        return bad(problem, "has more than %lld entries", (long long)key->max);
    struct schema_key one = *key;
    one.type = SCHEMA_TEXT;
    one.min = 1;
    for (unsigned i = 0; i < num; i++)
        BV_TRY(put_text(&one, (char *)object + key->offset + i * key->cap,
                        words[i], problem));
    memcpy(object + key->count_offset, &num, sizeof(num));
    return BV_OK;
}

static enum bv_err
put_custom(const struct schema_key *key, void *object, const char *const *words,
           unsigned num, struct problem problem)
{
    if (num == 0)
        return bad(problem, "is an empty list");
    for (unsigned i = 0; i < num; i++)
        if (!key->put(object, i, words[i]))
            return bad_choice(key, words[i], problem);
    return BV_OK;
}

static enum bv_err
put_one(const struct schema_key *key, uint8_t *at, const char *word,
        struct problem problem)
{
    switch (key->type) {
    case SCHEMA_TEXT:
    case SCHEMA_NAME:
        return put_text(key, (char *)at, word, problem);
    case SCHEMA_BOOL:
        return put_bool(at, word, problem);
    case SCHEMA_CHOICE: {
        const struct schema_choice *c = choice_find(key, word);
        if (c == NULL)
            return bad_choice(key, word, problem);
        memcpy(at, &c->value, sizeof(c->value));
        return BV_OK;
    }
    case SCHEMA_DURATION:
    case SCHEMA_MILLIS:
    case SCHEMA_UNSIGNED:
    case SCHEMA_SIZE:
    case SCHEMA_INT:
        return put_number(key, at, word, problem);
    case SCHEMA_FLAGS:
    case SCHEMA_TEXTS:
    case SCHEMA_CUSTOM:
        break;
    }
    return BV_E_USAGE;
}

enum bv_err
value_put(const struct schema_key *key, void *object, const char *const *words,
          unsigned num, char *ret_problem, size_t cap)
{
    struct problem problem = {ret_problem, cap};
    uint8_t *base = object;
    if (key->type == SCHEMA_FLAGS)
        return put_flags(key, base + key->offset, words, num, problem);
    if (key->type == SCHEMA_TEXTS)
        return put_texts(key, base, words, num, problem);
    if (key->type == SCHEMA_CUSTOM)
        return put_custom(key, object, words, num, problem);
    if (num != 1)
        return bad(problem, "takes one value");
    return put_one(key, base + key->offset, words[0], problem);
}
