#include "prog/config/schema.h"

static const char *
type_name(enum schema_type type)
{
    switch (type) {
    case SCHEMA_TEXT:
        return "text";
    case SCHEMA_NAME:
        return "name";
    case SCHEMA_DURATION:
    case SCHEMA_MILLIS:
        return "duration";
    case SCHEMA_UNSIGNED:
    case SCHEMA_SIZE:
    case SCHEMA_INT:
        return "number";
    case SCHEMA_BOOL:
        return "true or false";
    case SCHEMA_CHOICE:
        return "one of";
    case SCHEMA_FLAGS:
    case SCHEMA_CUSTOM:
        return "list of";
    case SCHEMA_TEXTS:
        return "list of text";
    }
    return "";
}

static bool
has_range(enum schema_type type)
{
    return type == SCHEMA_DURATION || type == SCHEMA_MILLIS ||
           type == SCHEMA_UNSIGNED || type == SCHEMA_SIZE || type == SCHEMA_INT;
}

static void
print_key(FILE *out, const struct schema_key *key)
{
    (void)fprintf(out, "    %s: %s", key->name, type_name(key->type));
    for (const struct schema_choice *c = key->choices;
         c != NULL && c->word != NULL; c++)
        (void)fprintf(out, " %s", c->word);
    if (key->type == SCHEMA_CUSTOM && key->choices == NULL)
        (void)fprintf(out, " text");
    if (has_range(key->type))
        (void)fprintf(out, ", %lld to %lld%s", (long long)key->min,
                      (long long)key->max,
                      key->type == SCHEMA_DURATION || key->type == SCHEMA_MILLIS
                          ? " seconds"
                          : "");
    (void)fprintf(out, "; default: %s\n        %s\n",
                  key->def[0] != '\0' ? key->def : "empty", key->help);
}

void
config_print_reference(FILE *out)
{
    for (size_t i = 0; i < SCHEMA_COUNT; i++) {
        const struct schema_section *section = &schema_sections[i];
        (void)fprintf(out, "%s%s%s\n    %s\n",
                      section->name[0] != '\0' ? section->name : "(global)",
                      section->titled == SCHEMA_TITLED ? " \"NAME\"" : "",
                      section->name[0] != '\0' ? " { … }" : "", section->help);
        for (size_t j = 0; j < section->num_keys; j++)
            print_key(out, &section->keys[j]);
    }
}
