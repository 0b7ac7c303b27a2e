/* The parts of a configuration by their names; NULL when there is none of that
 * name. Inline: doors look things up too, and are not linked with core. */
#ifndef BV_CORE_FIND_H
#define BV_CORE_FIND_H

#include <string.h>

#include "core/core.h"

static inline const struct profile *
core_config_profile(const struct core_config *config, const char *name)
{
    for (size_t i = 0; i < config->num_profiles; i++)
        if (strcmp(config->profiles[i].name, name) == 0)
            return &config->profiles[i];
    return NULL;
}

static inline const struct core_ca *
core_config_ca(const struct core_config *config, struct span name)
{
    for (size_t i = 0; i < config->num_cas; i++)
        if (span_eq_str(name, config->cas[i].name))
            return &config->cas[i];
    return NULL;
}

static inline const struct core_label *
core_config_label(const struct core_config *config, struct span label)
{
    for (size_t i = 0; i < config->num_labels; i++)
        if (span_eq_str(label, config->labels[i].label))
            return &config->labels[i];
    return NULL;
}

#endif
