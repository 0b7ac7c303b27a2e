/* The table of every key: what the reader, the checks and the reference are
 * made from. Inside prog/config only. */
#ifndef BREVET_CONFIG_SCHEMA_H
#define BREVET_CONFIG_SCHEMA_H

#include "prog/config/config.h"

enum schema_type {
    SCHEMA_TEXT,     /* a string; min..max are its lengths */
    SCHEMA_NAME,     /* letters, digits, '-', '_', '.'; starts with no '-' */
    SCHEMA_DURATION, /* "90d" to seconds, int64_t */
    SCHEMA_MILLIS,   /* "15s" to milliseconds, int64_t */
    SCHEMA_UNSIGNED, /* unsigned */
    SCHEMA_SIZE,     /* size_t or uint64_t: octets, counts */
    SCHEMA_INT,      /* int */
    SCHEMA_BOOL,
    SCHEMA_CHOICE, /* one word of choices, an enum (as int) */
    SCHEMA_FLAGS,  /* a list of words of choices, OR-ed into an unsigned */
    SCHEMA_TEXTS,  /* a list of strings: rows of cap octets, at most max */
    SCHEMA_CUSTOM, /* a list of words for put */
};

struct schema_choice {
    const char *word;
    int value;
};

struct schema_key {
    const char *name;
    enum schema_type type;
    size_t offset, cap;  /* where in the section's object */
    size_t count_offset; /* TEXTS: the unsigned that counts */
    int64_t min, max;
    const struct schema_choice *choices; /* ends with a NULL word */
    /* CUSTOM: takes one word at a time; index 0 first. False: not a word. */
    bool (*put)(void *object, unsigned index, const char *word);
    const char *def;  /* default, for the reference */
    const char *help; /* one sentence */
};

enum schema_titled { SCHEMA_ONCE, SCHEMA_TITLED };

struct schema_section {
    const char *name; /* "": outside of any section */
    enum schema_titled titled;
    const struct schema_key *keys;
    size_t num_keys;
    const char *help;
};

/* The objects behind the sections: "ca" and "manufacturer" fill two structs. */
struct schema_ca {
    struct config_ca files;
    struct core_ca core;
};
struct schema_manufacturer {
    struct config_manufacturer files;
    struct core_manufacturer core;
};

enum schema_index {
    SCHEMA_GLOBAL,
    SCHEMA_QUOTA,
    SCHEMA_APPROVAL,
    SCHEMA_LIMITS,
    SCHEMA_AUDIT,
    SCHEMA_OCSP,
    SCHEMA_EST,
    SCHEMA_SCEP,
    SCHEMA_CA,
    SCHEMA_MANUFACTURER,
    SCHEMA_PROFILE,
    SCHEMA_LABEL,
    SCHEMA_COUNT,
};
extern const struct schema_section schema_sections[SCHEMA_COUNT];

#endif
