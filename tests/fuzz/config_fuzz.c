/* brevet.conf. What is refused is refused in one printable sentence that names
 * the file; what is taken is taken in the same way again, fits what core
 * demands, and its paths and addresses end where they should. */
#include "fuzz.h"

#include <string.h>

#include "prog/config/config.h"

static void
check_problem(const char *problem, size_t cap)
{
    size_t len = strnlen(problem, cap);
    fuzz_require(len > 0 && len < cap);
    fuzz_require(strncmp(problem, "brevet.conf", 11) == 0);
}

static bool
ends(const char *text, size_t cap)
{
    return memchr(text, '\0', cap) != NULL;
}

static void
check_taken(const struct config *config)
{
    char path[CONFIG_PATH_MAX];
    fuzz_require(config->num_https <= CONFIG_LISTEN_MAX);
    fuzz_require(config->num_http <= CONFIG_LISTEN_MAX);
    fuzz_require(config->core.num_cas > 0 &&
                 config->core.num_cas <= CONFIG_CAS_MAX);
    fuzz_require(config->core.num_profiles <= CONFIG_PROFILES_MAX);
    fuzz_require(config->core.num_labels <= CONFIG_LABELS_MAX);
    fuzz_require(config->doors > 0);
    for (unsigned i = 0; i < config->num_https; i++)
        fuzz_require(ends(config->https[i], CONFIG_ADDRESS_MAX));
    for (size_t i = 0; i < config->core.num_cas; i++)
        if (config_path(config, config->ca_files[i].certificate, path) == BV_OK)
            fuzz_require(path[0] == '/' && ends(path, sizeof(path)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct span text = span_of(data, len);
    struct config *config = NULL, *again = NULL;
    char problem[512], second[512];
    enum bv_err err = config_parse(text, "brevet.conf", "/d", &config, problem,
                                   sizeof(problem));

    fuzz_require(err == BV_OK || err == BV_E_BAD_CONFIG);
    if (err != BV_OK)
        check_problem(problem, sizeof(problem));
    else
        check_taken(config);
    /* nothing of the first reading may be left in the second */
    fuzz_require(config_parse(text, "brevet.conf", "/d", &again, second,
                              sizeof(second)) == err);
    fuzz_require(strcmp(problem, second) == 0);
    config_free(config);
    config_free(again);
    return 0;
}
