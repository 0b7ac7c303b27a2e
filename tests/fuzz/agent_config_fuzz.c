/* agent.conf, and identity.conf which has the same form, through to the
 * settings of the device library. The file's own paths are not followed. */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "prog/brevet-agent/agent.h"

/* Of the memory file with the input; is_safe wants it to be ours alone. */
static bool
load(const uint8_t *data, size_t len, struct agent_config *configs, size_t *num)
{
    char path[64];
    int fd = memfd_create("agent.conf", MFD_CLOEXEC);
    bool good = fd >= 0 && fchmod(fd, 0600) == 0 &&
                write(fd, data, len) == (ssize_t)len;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    good = good && config_load(path, configs, num);
    (void)close(fd);
    return good;
}

static void
count(void *ctx, const char *section, const char *option, const char *value)
{
    (void)section;
    fuzz_require(option != NULL && value != NULL);
    ++*(unsigned *)ctx;
}

static void
settle(struct agent_config *config)
{
    static const char *const paths[] = {"claim-code-file", "factory-cert",
                                        "factory-key", "ca-file", "hook"};
    struct identity identity;
    unsigned num = 0;
    config_each(config, count, &num);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        fuzz_require(config_set(config, paths[i], NULL));
    fuzz_require(config_set(config, "dir", "/dev/null/brevet"));
    /* a folder that cannot be: it never opens, but its settings are read */
    fuzz_require(!identity_open(&identity, config, IDENTITY_READ));
    if (identity.settings.host != NULL) {
        fuzz_require(strlen(identity.settings.host) > 0);
        fuzz_require(strlen(identity.settings.host) < sizeof(identity.host));
        fuzz_require(identity.settings.port > 0);
        fuzz_require(identity.settings.path == NULL ||
                     identity.settings.path[0] == '/');
    }
    fuzz_require(identity.settings.renew_percent <= 95);
    fuzz_require(identity.settings.num_sans <= BV_SAN_COUNT_MAX);
    identity_close(&identity);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct agent_config configs[AGENT_IDENTITIES_MAX];
    struct agent_config merged = {0};
    size_t num = 0;
    bool good = load(data, len, configs, &num);

    fuzz_require(num <= AGENT_IDENTITIES_MAX);
    for (size_t i = 0; good && i < num; i++) {
        config_merge(&merged, &configs[i]);
        settle(&configs[i]);
    }
    for (size_t i = 0; i < AGENT_IDENTITIES_MAX; i++)
        config_done(&configs[i]); /* also those a refusal left half done */
    config_done(&merged);
    return 0;
}
