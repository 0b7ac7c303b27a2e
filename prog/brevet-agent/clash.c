/* What two settings must not share: a folder of keys, a file to write. */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "prog/brevet-agent/agent.h"

#define PLACES_EACH 6

struct place {
    const struct agent_config *of;
    char *path;
};

/* Two ways to write one path become one, as far as the folder exists. */
static char *
plain_path(const char *path)
{
    char *whole = NULL;
    bv_auto_free char *for_dir = strdup(path);
    bv_auto_free char *for_name = strdup(path);
    if (for_dir == NULL || for_name == NULL)
        return NULL;
    bv_auto_free char *dir = realpath(dirname(for_dir), NULL);
    if (asprintf(&whole, "%s%s%s", dir == NULL ? "" : dir,
                 dir == NULL ? "" : "/",
                 dir == NULL ? path : basename(for_name)) < 0)
        whole = NULL;
    return whole;
}

static void
put_place(struct place *places, size_t *num, const struct agent_config *of,
          const char *path)
{
    char *plain = path == NULL ? NULL : plain_path(path);
    if (plain != NULL)
        places[(*num)++] = (struct place){of, plain};
}

static void
put_places(struct place *places, size_t *num, const struct agent_config *config)
{
    bool combined = config->install_key != NULL &&
                    config->install_cert != NULL &&
                    strcmp(config->install_key, config->install_cert) == 0;
    put_place(places, num, config, config->dir);
    put_place(places, num, config, config->install_dir);
    put_place(places, num, config, config->install_key);
    put_place(places, num, config, combined ? NULL : config->install_cert);
    put_place(places, num, config, config->install_chain);
    put_place(places, num, config, config->install_ca);
}

static bool
differ(const struct place *a, const struct place *b)
{
    if (strcmp(a->path, b->path) != 0)
        return true;
    if (a->of == b->of)
        fprintf(stderr,
                "brevet-agent: identity %s: two settings name one path, which "
                "only cert and key may, written alike: %s\n",
                a->of->name, a->path);
    else
        fprintf(stderr,
                "brevet-agent: identities %s and %s have one folder or file "
                "to write: %s\n",
                a->of->name, b->of->name, a->path);
    return false;
}

bool
config_clash(const struct agent_config *configs, size_t num)
{
    size_t num_places = 0;
    bool clash = false;
    struct place *places = calloc(num * PLACES_EACH + 1, sizeof(*places));
    if (places == NULL)
        return true;
    for (size_t i = 0; i < num; i++)
        put_places(places, &num_places, &configs[i]);
    for (size_t i = 0; i < num_places && !clash; i++)
        for (size_t j = i + 1; j < num_places && !clash; j++)
            clash = !differ(&places[i], &places[j]);
    for (size_t i = 0; i < num_places; i++)
        free(places[i].path);
    free(places);
    return clash;
}
