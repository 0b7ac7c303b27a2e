/* weak-keys from the parent's files to what core asks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "pki/note.h"
#include "prog/brevetd/files.h"
#include "prog/brevetd/role.h"
#include "tests/unit/pki/certs.h"
#include "wire/pem.h"

#define OK(expr) assert_int_equal(expr, BV_OK)

static char dir[64];
static struct key *listed;
static uint8_t spki_buf[LIMIT_SPKI];
static struct alg_spki spki;

static void
put(const char *name, struct span text)
{
    char path[200];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text.data, 1, text.len, file), text.len);
    assert_int_equal(fclose(file), 0);
}

/* The line of the blocklist for this key. */
static struct span
line_of(const struct alg_spki *key, char line[22])
{
    char text[2100] = "Modulus=";
    uint8_t digest[DIGEST_MAX];
    size_t len = strlen(text);
    for (size_t i = 0; i < key->n.len; i++, len += 2)
        (void)snprintf(text + len, 3, "%02X", key->n.data[i]);
    text[len++] = '\n';
    digest_of(DIGEST_SHA1, span_of(text, len), digest);
    for (size_t i = 0; i < 10; i++)
        (void)snprintf(line + 2 * i, 3, "%02x", digest[10 + i]);
    line[20] = '\n';
    return span_of(line, 21);
}

static int
setup(void **state)
{
    static struct test_cert ca;
    uint8_t buf[4096];
    char path[200], line[22];
    struct sink pem = SINK_ARRAY(buf);
    struct tlog_vkey vkey;
    int64_t now = (int64_t)time(NULL);
    (void)snprintf(dir, sizeof(dir), "/tmp/brevetd-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/ca", dir);
    assert_int_equal(mkdir(path, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/lists", dir);
    assert_int_equal(mkdir(path, 0755), 0);
    test_issue(&ca, test_key(ALG_KEY_P256, 0), "CA", TEST_CA, NULL,
               SPAN_LIT("\x01"), now - 1000, now + 100000, NULL);
    pem_encode(&pem, PEM_CERTIFICATE, ca.der);
    key_free(ca.key);
    put("ca/root.crt", sink_view(&pem));
    OK(note_vkey_of("brevet", (const uint8_t[32]){1}, &vkey));
    pem = SINK_ARRAY(buf);
    tlog_vkey_build(&pem, &vkey);
    put("ca/log.pub", sink_view(&pem));
    listed = test_key(ALG_KEY_RSA, 2048);
    spki = test_spki(listed, spki_buf);
    put("lists/blacklist.RSA-2048", line_of(&spki, line));
    put("lists/blacklist.RSA-1024", SPAN_LIT("too short to matter\n"));
    put("lists/README", SPAN_LIT("no list\n"));
    put("bad", SPAN_LIT("# a comment\nnot hex\n"));
    return 0;
}

static int
teardown(void **state)
{
    char command[100];
    key_free(listed);
    (void)snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

/* load: what a role makes of these settings. */
static enum bv_err
load(const char *settings, enum proc_role role, struct material *ret,
     char problem[FILES_PROBLEM_MAX])
{
    char text[400], path[200];
    struct files files;
    struct bundle bundle;
    int fd = -1;
    (void)snprintf(text, sizeof(text), "ca root { key = none }\n%s", settings);
    put("brevet.conf", span_str(text));
    (void)snprintf(path, sizeof(path), "%s/brevet.conf", dir);
    problem[0] = '\0';
    OK(files_read(path, dir, &files, problem));
    enum bv_err err = files_bundle(&files, role, &fd, problem);
    files_done(&files);
    BV_TRY(err);
    OK(bundle_open(fd, &bundle));
    return material_take(&bundle, ret);
}

/* said: what weak_check finds with these settings in force. */
static enum weak
said(const char *settings, enum proc_role role)
{
    char problem[FILES_PROBLEM_MAX];
    struct material m;
    enum bv_err err = load(settings, role, &m, problem);
    if (err != BV_OK)
        fail_msg("%s: %s", err_name(err), problem);
    enum weak why = weak_check(&spki, m.config->core.weak_keys, 2048);
    material_free(&m);
    return why;
}

static void
core_gets_the_lists(void **state)
{
    assert_int_equal(said("weak-keys = {}\n", PROC_CORE), WEAK_NONE);
    assert_int_equal(said("weak-keys = { lists }\n", PROC_CORE), WEAK_DEBIAN);
    assert_int_equal(
        said("weak-keys = { \"lists/blacklist.RSA-2048\" }\n", PROC_CORE),
        WEAK_DEBIAN);
    /* the default need not exist */
    assert_int_equal(said("", PROC_CORE), WEAK_NONE);
    /* nobody else has a use for them */
    assert_int_equal(said("weak-keys = { lists }\n", PROC_DOOR), WEAK_NONE);
}

static void
unusable_lists_are_refused(void **state)
{
    char problem[FILES_PROBLEM_MAX];
    struct material m;
    assert_int_equal(load("weak-keys = { gone }\n", PROC_CORE, &m, problem),
                     BV_E_BAD_CONFIG);
    assert_non_null(strstr(problem, "gone is missing"));
    assert_int_equal(load("weak-keys = { ca }\n", PROC_CORE, &m, problem),
                     BV_E_BAD_CONFIG);
    assert_non_null(strstr(problem, "blacklist.RSA-2048"));
    assert_int_equal(load("weak-keys = { bad }\n", PROC_CORE, &m, problem),
                     BV_E_BAD_CONFIG);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(core_gets_the_lists),
        cmocka_unit_test(unusable_lists_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
