/* Who has an address: here it is this test itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "prog/brevetd/holder.h"

static socklen_t
address_of(const char *host, in_port_t port, struct sockaddr_storage *ret)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = port};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = port};
    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(ret, &v4, sizeof(v4));
        return sizeof(v4);
    }
    assert_int_equal(inet_pton(AF_INET6, host, &v6.sin6_addr), 1);
    memcpy(ret, &v6, sizeof(v6));
    return sizeof(v6);
}

/* A socket on a free port of host, bound and perhaps listening. */
static int
open_on(const char *host, bool listens, in_port_t *ret_port)
{
    struct sockaddr_storage address;
    struct sockaddr_in6 got;
    socklen_t len = address_of(host, 0, &address), got_len = sizeof(got);
    int fd = socket(address.ss_family, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0) {
        print_message("no %s here\n", host);
        skip();
    }
    assert_int_equal(listens ? listen(fd, 1) : 0, 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&got, &got_len), 0);
    *ret_port = got.sin6_port; /* where sin_port is, too */
    return fd;
}

static bool
is_ours(const char *host, in_port_t port)
{
    struct sockaddr_storage address;
    struct holder holder;
    (void)address_of(host, port, &address);
    holder_find(&address, &holder);
    assert_int_equal(holder.pid, holder.found ? getpid() : 0);
    assert_int_equal(holder.found, holder.name[0] != '\0');
    return holder.found;
}

static void
an_ipv4_address(void **state)
{
    in_port_t port;
    int fd = open_on("127.0.0.1", true, &port);
    (void)state;
    assert_true(is_ours("127.0.0.1", port));
    assert_true(is_ours("0.0.0.0", port)); /* all of them: it is in the way */
    assert_false(is_ours("127.0.0.2", port)); /* beside it */
    (void)close(fd);
    assert_false(is_ours("127.0.0.1", port));
}

static void
every_ipv4_address(void **state)
{
    in_port_t port;
    int fd = open_on("0.0.0.0", true, &port);
    (void)state;
    assert_true(is_ours("127.0.0.1", port));
    assert_false(is_ours("::1", port));
    (void)close(fd);
}

static void
an_ipv6_address(void **state)
{
    in_port_t port;
    int fd = open_on("::1", true, &port);
    (void)state;
    assert_true(is_ours("::1", port));
    assert_true(is_ours("::", port));
    assert_false(is_ours("::2", port));
    assert_false(is_ours("127.0.0.1", port));
    (void)close(fd);
}

static void
one_that_does_not_listen(void **state)
{
    in_port_t port;
    int fd = open_on("127.0.0.1", false, &port);
    (void)state;
    assert_false(is_ours("127.0.0.1", port));
    (void)close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ipv4_address),
        cmocka_unit_test(every_ipv4_address),
        cmocka_unit_test(an_ipv6_address),
        cmocka_unit_test(one_that_does_not_listen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
