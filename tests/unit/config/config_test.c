#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "prog/config/config.h"

#define OK(expr) assert_int_equal(expr, BV_OK)

#define CAS                                                                    \
    "ca issuing { chain = { ca/root.crt } crl-url = \"http://x/i.crl\" }\n"    \
    "ca root { }\n"

static struct config *
good(const char *text)
{
    char problem[400] = "";
    struct config *config = NULL;
    enum bv_err err = config_parse(span_str(text), "brevet.conf", "/srv/b/",
                                   &config, problem, sizeof(problem));
    if (err != BV_OK)
        fail_msg("%s", problem);
    return config;
}

/* bad: the text is refused, the sentence holds expected. */
static void
bad(const char *text, const char *expected)
{
    char problem[400] = "";
    struct config *config = NULL;
    enum bv_err err = config_parse(span_str(text), "brevet.conf", "/srv/b",
                                   &config, problem, sizeof(problem));
    assert_int_equal(err, BV_E_BAD_CONFIG);
    assert_null(config);
    if (strstr(problem, expected) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", problem, expected);
}

static const struct profile *
profile_of(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->core.num_profiles; i++)
        if (strcmp(config->core.profiles[i].name, name) == 0)
            return &config->core.profiles[i];
    fail_msg("no profile %s", name);
    return NULL;
}

static void
a_short_file_is_enough(void **state)
{
    struct config *config = good(CAS);
    assert_int_equal(config->core.num_cas, 2);
    assert_string_equal(config->cas[0].name, "issuing");
    assert_string_equal(config->cas[0].crl_path, "crl/issuing.crl");
    assert_string_equal(config->ca_files[0].key, "file:ca/issuing.key");
    assert_int_equal(config->core.num_profiles, 7);
    assert_string_equal(profile_of(config, "device")->ca, "issuing");
    assert_string_equal(profile_of(config, "intermediate")->ca, "root");
    assert_string_equal(config->https[0], "0.0.0.0:8443");
    assert_int_equal(config->num_http, 0);
    assert_int_equal(config->passphrase_from, CONFIG_SECRET_FILE);
    assert_string_equal(config->passphrase_name, "passphrase");
    assert_string_equal(config->core.tls_path, "tls/server.pem");
    char path[CONFIG_PATH_MAX];
    OK(config_path(config, "ca/x", path));
    assert_string_equal(path, "/srv/b/ca/x");
    OK(config_path(config, "/etc/x", path));
    assert_string_equal(path, "/etc/x");
    config_free(config);
}

static void
a_ca_has_its_times(void **state)
{
    struct config *config =
        good("ca x { crl-every = 2h crl-life = 3d crl-delay = 30s ocsp-life = "
             "2d }\nca y { }\n");
    assert_int_equal(config->cas[0].crl_every, 7200);
    assert_int_equal(config->cas[0].crl_life, 3 * 86400);
    assert_int_equal(config->cas[0].crl_delay, 30);
    assert_int_equal(config->cas[0].ocsp_life, 2 * 86400);
    config_free(config);
    bad("ca x { ocsp-life = 59m }\n", "ocsp-life");
}

static void
every_kind_of_value_is_read(void **state)
{
    struct config *config = good(
        "# a comment\n" CAS
        "log-level = debug\n doors = 3\n https = { \"127.0.0.1:1\", "
        "\"[::1]:2\" }\n http = {}\n hosts = { a.example, 10.0.0.1 }\n"
        "passphrase = \"credential:brevet\"\n lint = full\n admins = {}\n"
        "limits { request = 3s body = 8192 }\n"
        "quota { live-per-device = 1000000 group-takeover = yes }\n"
        "profile device { lifetime = \"120s\" keys = { p256, rsa } rsa-min = "
        "3072 san = { dns, ip } key-usage = { digitalSignature } "
        "extended-key-usage = { clientAuth, serverAuth } credentials = { own "
        "} channel-binding = require }\n"
        "profile sensor { approval = true }\n"
        "label factory { profile = sensor }\n"
        "manufacturer acme { certificates = trust/acme.pem id = cn group = g "
        "}\nmanufacturer one { certificates = c crl = one.crl }\n"
        "manufacturer two { certificates = c crl = { a.crl, b.crl } }\n");
    assert_int_equal(config->log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(config->doors, 3);
    assert_int_equal(config->num_https, 2);
    assert_string_equal(config->https[1], "[::1]:2");
    assert_int_equal(config->core.num_hosts, 2);
    assert_string_equal(config->core.hosts[1], "10.0.0.1");
    assert_int_equal(config->passphrase_from, CONFIG_SECRET_CREDENTIAL);
    assert_string_equal(config->passphrase_name, "brevet");
    assert_true(config->core.lint_full);
    assert_int_equal(config->num_admins, 0);
    assert_int_equal(config->net.request_ms, 3000);
    assert_int_equal(config->net.body, 8192);
    assert_int_equal(config->core.live_per_device, 1000000);
    assert_true(config->core.group_takeover);
    const struct profile *device = profile_of(config, "device");
    assert_int_equal(device->lifetime, 120);
    assert_true(device->key_p256);
    assert_false(device->key_ed25519);
    assert_int_equal(device->rsa_min, 3072);
    assert_int_equal(device->rsa_max, 4096);
    assert_int_equal(device->san_allowed, PROFILE_SAN_DNS | PROFILE_SAN_IP);
    assert_int_equal(device->num_eku, 2);
    assert_int_equal(device->eku[1], PROFILE_EKU_SERVER_AUTH);
    assert_true(device->allow_own);
    assert_false(device->allow_basic);
    assert_int_equal(device->binding, PROFILE_BINDING_REQUIRE);
    const struct profile *sensor = profile_of(config, "sensor");
    assert_true(sensor->approval);
    assert_int_equal(sensor->lifetime, 90 * 86400); /* like the built-in */
    assert_string_equal(config->core.labels[0].profile, "sensor");
    assert_true(config->core.manufacturers[0].id_from_cn);
    assert_string_equal(config->manufacturer_files[0].certificates,
                        "trust/acme.pem");
    assert_false(config->core.manufacturers[0].crl_required);
    assert_int_equal(config->manufacturer_files[1].num_crl, 1);
    assert_string_equal(config->manufacturer_files[1].crl[0], "one.crl");
    assert_int_equal(config->manufacturer_files[2].num_crl, 2);
    assert_string_equal(config->manufacturer_files[2].crl[1], "b.crl");
    assert_true(config->core.manufacturers[2].crl_required);
    config_free(config);
}

static void
mistakes_carry_their_line(void **state)
{
    bad(CAS "\n\ndors = 1\n", "brevet.conf:5: ");
    bad(CAS "dors = 1\n", "dors");
    bad(CAS "profile device {\n lifetime = 90x\n}\n",
        "brevet.conf:4: lifetime");
    bad(CAS "profile device {\n colour = red\n}\n", "brevet.conf:4: ");
    bad(CAS "doors = 1\ndoors = 2\n", "brevet.conf:4: doors is set twice");
    bad(CAS "profile device { lifetime = 1d }\nprofile device { }\n",
        "brevet.conf:4: ");
    bad(CAS "quota { live-per-device = 1\n live-per-device = 2 }\n",
        "brevet.conf:4: live-per-device is set twice");
    bad(CAS "hosts = { a }\nhosts = { b }\n", "hosts is set twice");
    bad(CAS "label x {\n", "brevet.conf:");
    bad(CAS "log-level = \"${HOME}\"\n", "brevet.conf:3: ${...}");
    /* comments do not shift the line of an error */
    bad(CAS "# a \"b\n// it's\nlog-level = \"info\" # c\n"
            "log-level = \"#\"\n",
        "brevet.conf:6: ");
}

static void
values_out_of_range_are_refused(void **state)
{
    bad(CAS "doors = 0\n", "must be 1 to 16");
    bad(CAS "doors = 17\n", "must be 1 to 16");
    bad(CAS "doors = two\n", "is no number");
    bad(CAS "log-level = loud\n", "not one of error, warn, info, debug");
    bad(CAS "profile device { lifetime = 1s }\n", "10 to");
    bad(CAS "profile device { approval = perhaps }\n", "true or false");
    bad(CAS "profile device { san = { carrier-pigeon } }\n", "not one of dns");
    bad(CAS "profile device { keys = { dsa } }\n", "not one of p256");
    bad(CAS "profile device { id = shoe-size }\n", "not one of any");
    bad(CAS "profile \"../x\" { }\n", "not a usable name");
    bad(CAS "profile device { ca = \"a b\" }\n", "letters, digits");
    bad(CAS "user = \"a\tb\"\n", "control character");
    bad(CAS "limits { request = 301s }\n", "1 to 300 seconds");
}

static void
contradictions_are_refused(void **state)
{
    bad("", "no ca section");
    bad(CAS "label simpleenroll { profile = device }\n", "EST operation");
    bad(CAS "label x { }\n", "needs a profile");
    bad(CAS "label x { profile = y }\n", "no profile \"y\"");
    bad(CAS "profile device { ca = other }\n", "no ca \"other\"");
    bad(CAS "default-profile = other\n", "no profile \"other\"");
    bad(CAS "manufacturer m { }\n", "needs certificates");
    bad(CAS "https = { \"example.org:1\" }\n", "numeric address");
    bad(CAS "https = { \"1.2.3.4:99999\" }\n", "numeric address");
    bad(CAS "https = { \"1.2.3.4:5\" } http = { \"1.2.3.4:5\" }\n", "twice");
    bad(CAS "https = {} http = {}\n", "neither");
    bad(CAS "passphrase = secret\n", "file:PATH");
    bad(CAS "passphrase = \"file:\"\n", "file:PATH");
    bad(CAS "passphrase = \"credential:a/b\"\n", "slash");
    bad(CAS "hosts = {}\n", "hosts is an empty list");
    bad("ca x { key = \"ca/x.key\" }\n", "file:PATH or none");
    bad("ca x { crl-every = 7d crl-life = 7d }\n", "twice crl-every");
    bad("ca log { }\n", "audit log");
    bad(CAS "limits { connections = 10 per-address = 11 }\n", "per-address");
    bad(CAS "profile device { keys = { } }\n", "keys is an empty list");
    bad(CAS "profile device { keys = { p256 } rsa-min = 2048 }\n",
        "profile \"device\"");
}

static void
odd_texts_are_refused(void **state)
{
    char problem[400];
    struct config *config = NULL;
    assert_int_equal(config_parse(SPAN_LIT("a\0b"), "f", "/d", &config, problem,
                                  sizeof(problem)),
                     BV_E_BAD_CONFIG);
    assert_non_null(strstr(problem, "f:1: "));
    size_t len = CONFIG_TEXT_MAX + 1;
    char *big = malloc(len);
    memset(big, '\n', len);
    assert_int_equal(config_parse(span_of(big, len), "f", "/d", &config,
                                  problem, sizeof(problem)),
                     BV_E_BAD_CONFIG);
    free(big);
}

static void
the_reference_names_every_section(void **state)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    config_print_reference(out);
    fclose(out);
    const char *const words[] = {"passphrase: text", "profile \"NAME\"",
                                 "lifetime: duration, 10 to", "live-per-device",
                                 "channel-binding: one of ignore verify"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strstr(text, words[i]) == NULL)
            fail_msg("the reference lacks %s", words[i]);
    free(text);
}

static const char *sample_path;

/* in_force: the sample with every setting taken out of its comment. */
static void
in_force(char *text)
{
    for (char *line = text; *line != '\0'; line++) {
        char *mark = line + strspn(line, " ");
        if (mark[0] == '#' && mark[1] != ' ')
            mark[0] = ' ';
        line += strcspn(line, "\n");
        if (*line == '\0')
            break;
    }
}

static void
the_sample_is_read(void **state)
{
    static char text[65536];
    FILE *file = fopen(sample_path, "r");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    assert_true(len > 0 && len < sizeof(text) - 1);
    config_free(good(text));
    in_force(text);
    struct config *config = good(text);
    assert_int_equal(config->core.num_cas, 2);
    assert_string_equal(config->core.labels[0].profile, "sensor");
    assert_string_equal(profile_of(config, "sensor")->country, "DE");
    config_free(config);
}

/* A new setting belongs into the sample too. */
static void
the_sample_lacks_nothing(void **state)
{
    static char sample[65536];
    char *text = NULL, *save = NULL;
    size_t len = 0;
    FILE *file = fopen(sample_path, "r"), *out = open_memstream(&text, &len);
    assert_non_null(file);
    assert_true(fread(sample, 1, sizeof(sample) - 1, file) > 0);
    (void)fclose(file);
    config_print_reference(out);
    fclose(out);
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char key[64], setting[80];
        if (sscanf(line, "    %60[a-z0-9-]: ", key) != 1 ||
            strstr(line, "; default: ") == NULL)
            continue;
        (void)snprintf(setting, sizeof(setting), "%s = ", key);
        if (strstr(sample, setting) == NULL)
            fail_msg("the sample lacks %s", key);
    }
    free(text);
}

int
main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    sample_path = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_file_is_enough),
        cmocka_unit_test(a_ca_has_its_times),
        cmocka_unit_test(every_kind_of_value_is_read),
        cmocka_unit_test(mistakes_carry_their_line),
        cmocka_unit_test(values_out_of_range_are_refused),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(odd_texts_are_refused),
        cmocka_unit_test(the_reference_names_every_section),
        cmocka_unit_test(the_sample_is_read),
        cmocka_unit_test(the_sample_lacks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
