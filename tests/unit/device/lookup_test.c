/* Names are resolved beside the caller, and nothing of it stays behind. */
#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device/port/openssl/port.h"

#define PORT 8443

static size_t
num_threads(void)
{
    size_t num = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (const struct dirent *d; (d = readdir(tasks)) != NULL;)
        num += d->d_name[0] != '.';
    (void)closedir(tasks);
    return num;
}

static bool
is_loaded(const char *library)
{
    char line[512];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "re");
    assert_non_null(maps);
    while (!found && fgets(line, sizeof(line), maps) != NULL)
        found = strstr(line, library) != NULL;
    (void)fclose(maps);
    return found;
}

static enum bv_port
resolve(struct lookup *lookup, const char *host, struct addrinfo **ret_found)
{
    enum bv_port answer;
    while ((answer = lookup_host(lookup, host, PORT, ret_found)) ==
           BV_PORT_WANT)
        (void)poll(NULL, 0, 1);
    assert_false(lookup->running);
    return answer;
}

static unsigned
port_of(const struct addrinfo *at)
{
    char service[8];
    assert_int_equal(getnameinfo(at->ai_addr, at->ai_addrlen, NULL, 0, service,
                                 sizeof(service), NI_NUMERICSERV),
                     0);
    return (unsigned)atoi(service);
}

static void
test_names(void **state)
{
    (void)state;
    struct lookup lookup = {0};
    struct addrinfo *found = NULL;
    for (int i = 0; i < 3; i++) { /* one lookup serves again and again */
        assert_int_equal(resolve(&lookup, "localhost", &found), BV_PORT_OK);
        assert_int_equal(port_of(found), PORT);
        freeaddrinfo(found);
        assert_int_equal(resolve(&lookup, "no..name", &found), BV_PORT_FAILED);
    }
    lookup_done(&lookup);
}

static void
test_address(void **state)
{
    (void)state;
    struct lookup lookup = {0};
    struct addrinfo *found = NULL;
    assert_int_equal(lookup_host(&lookup, "::1", PORT, &found), BV_PORT_OK);
    assert_false(lookup.running);
    assert_int_equal(port_of(found), PORT);
    freeaddrinfo(found);
}

/* What was asked before is not the answer to this. */
static void
test_another_name(void **state)
{
    (void)state;
    struct lookup lookup = {0};
    struct addrinfo *found = NULL;
    if (lookup_host(&lookup, "localhost", PORT, &found) == BV_PORT_WANT)
        assert_int_equal(resolve(&lookup, "other", &found), BV_PORT_FAILED);
    else
        freeaddrinfo(found);
    lookup_done(&lookup);
}

/* A thread that ends by pthread_exit loads libgcc_s, or aborts the process
 * where there is none. */
static void
test_nothing_stays(void **state)
{
    (void)state;
    bool before = is_loaded("libgcc_s");
    size_t threads = num_threads();
    struct lookup lookup = {0};
    struct addrinfo *found = NULL;
    assert_int_equal(resolve(&lookup, "localhost", &found), BV_PORT_OK);
    freeaddrinfo(found);
    if (lookup_host(&lookup, "localhost", PORT, &found) == BV_PORT_OK)
        freeaddrinfo(found);
    lookup_done(&lookup);
    assert_false(lookup.running);
    while (num_threads() > threads)
        (void)poll(NULL, 0, 10);
    assert_int_equal(is_loaded("libgcc_s"), before);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_stays), /* before others could load it */
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_address),
        cmocka_unit_test(test_another_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
