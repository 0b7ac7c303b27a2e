#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

#define GET(path)  "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(path) "POST " path " HTTP/1.1\r\nHost: a\r\n"

static char text[1 << 20];

/* A server with the limits of server_init, one client, and its end. */
static int
begin(struct server *server)
{
    server_init(server, false);
    server_start(server);
    return client_connect(server);
}

static void
end(struct server *server, int fd)
{
    close(fd);
    server_stop(server);
}

static void
read_until(int fd, const char *want)
{
    size_t len = 0;
    text[0] = '\0';
    while (strstr(text, want) == NULL) {
        ssize_t got = recv(fd, text + len, sizeof(text) - 1 - len, 0);
        assert_true(got > 0);
        len += (size_t)got;
        text[len] = '\0';
    }
}

static void
test_keep_alive_and_pipelining(void **state)
{
    static struct server server;
    int fd = begin(&server);
    for (int i = 0; i < 3; i++) {
        client_send(fd, POST("/") "Content-Length: 4\r\n\r\nabc\n");
        client_expect(fd, "abc\n", 1);
    }
    client_send(fd, GET("/late") POST("/") "Content-Length: 4\r\n\r\nsec\n"
                                           "\r\n" GET("/facts"));
    read_until(fd, "trust=0");
    const char *first = strstr(text, "late\n"), *second = strstr(text, "sec\n"),
               *third = strstr(text, "trust=0");
    assert_non_null(first);
    assert_non_null(second);
    assert_non_null(third);
    assert_true(first < second && second < third);
    end(&server, fd);
    assert_int_equal(server.counts.requests, 6);
}

static void
test_close_and_http10(void **state)
{
    static struct server server;
    bool ended;
    int fd = begin(&server);
    client_send(fd, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client_read_all(fd, text, sizeof(text), 1000, &ended);
    assert_true(ended);
    assert_non_null(strstr(text, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(text, "Connection: close\r\n"));
    close(fd);
    fd = client_connect(&server);
    client_send(fd, "GET / HTTP/1.0\r\n\r\n");
    client_read_all(fd, text, sizeof(text), 1000, &ended);
    assert_true(ended);
    close(fd);
    fd = client_connect(&server);
    client_send(fd, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    client_expect(fd, "Connection: keep-alive\r\n", 1);
    end(&server, fd);
}

static void
test_half_closed_client_is_answered(void **state)
{
    static struct server server;
    bool ended;
    int fd = begin(&server);
    client_send(fd, GET("/late"));
    shutdown(fd, SHUT_WR);
    client_read_all(fd, text, sizeof(text), 1000, &ended);
    assert_true(ended);
    assert_non_null(strstr(text, "late\n"));
    end(&server, fd);
}

static void
test_head_continue_chunked(void **state)
{
    static struct server server;
    bool ended;
    int fd = begin(&server);
    client_send(fd, "HEAD /big HTTP/1.1\r\nHost: a\r\n\r\n");
    client_read_all(fd, text, sizeof(text), 150, &ended);
    assert_non_null(strstr(text, "Content-Length: 8388608\r\n"));
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
    client_send(fd, POST("/") "Expect: 100-continue\r\n"
                              "Transfer-Encoding: chunked\r\n\r\n");
    client_expect(fd, "HTTP/1.1 100 Continue\r\n\r\n", 1);
    client_send(fd, "3\r\nab\n\r\n0\r\n\r\n");
    client_expect(fd, "ab\n", 1);
    end(&server, fd);
}

static void
test_early_answer_keeps_the_connection(void **state)
{
    static struct server server;
    int fd = begin(&server);
    client_send(fd, POST("/none") "Content-Length: 5\r\n\r\n12");
    client_expect(fd, "no\n", 1);
    client_send(fd, "345" POST("/") "Content-Length: 3\r\n\r\nok\n");
    client_expect(fd, "ok\n", 1);
    end(&server, fd);
}

static void
expect_status(struct server *server, const char *request, const char *status)
{
    bool ended;
    int fd = client_connect(server);
    client_send(fd, request);
    client_read_all(fd, text, sizeof(text), 1000, &ended);
    if (!ended || strncmp(text, status, strlen(status)) != 0)
        fail_msg("wanted %s, got %.80s", status, text);
    assert_non_null(strstr(text, "Connection: close\r\n"));
    close(fd);
}

static void
test_refusals(void **state)
{
    static char long_head[LIMIT_HTTP_LINE + 100];
    static char many[LIMIT_HTTP_FIELDS * 8 + 200];
    static struct server server;
    int fd = begin(&server);
    memset(long_head, 'a', sizeof(long_head) - 1);
    memcpy(long_head, "GET /", 5);
    strcpy(many, "GET / HTTP/1.1\r\n");
    for (int i = 0; i <= LIMIT_HTTP_FIELDS; i++)
        strcat(many, "a: b\r\n");
    expect_status(&server, "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ");
    expect_status(&server, "GET / HTTP/1.1\nHost: a\n\n", "HTTP/1.1 400 ");
    expect_status(&server, "\x16\x03\x01", "HTTP/1.1 400 ");
    expect_status(&server, long_head, "HTTP/1.1 431 ");
    expect_status(&server, many, "HTTP/1.1 431 ");
    expect_status(&server, POST("/") "Content-Length: 99999999\r\n\r\n",
                  "HTTP/1.1 413 ");
    expect_status(&server, POST("/tiny") "Content-Length: 5\r\n\r\n12345",
                  "HTTP/1.1 413 ");
    expect_status(&server,
                  POST("/tiny") "Transfer-Encoding: chunked\r\n\r\n"
                                "3\r\n123\r\n2\r\n45\r\n0\r\n\r\n",
                  "HTTP/1.1 413 ");
    expect_status(&server, POST("/") "Transfer-Encoding: chunked\r\n\r\n0x3",
                  "HTTP/1.1 400 ");
    expect_status(&server, POST("/") "Transfer-Encoding: gzip\r\n\r\n",
                  "HTTP/1.1 501 ");
    end(&server, fd);
    assert_int_equal(server.refused, 10);
    assert_int_equal(server.counts.requests, 0);
}

/* One octet every 20 ms: the deadline is total, so dripping gains nothing. */
static void
drip(const char *start, const char *status)
{
    static struct server server;
    int fd = begin(&server);
    int64_t began = now_ms();
    bool ended = false;
    size_t len = 0;
    client_send(fd, start);
    for (int i = 0; i < 200 && !ended; i++) {
        if (start[0] != '\0')
            client_send(fd, "a");
        len += client_read_all(fd, text + len, sizeof(text) - len, 20, &ended);
    }
    assert_true(ended);
    assert_in_range(now_ms() - began, 250, 1500);
    assert_memory_equal(text, status, strlen(status));
    end(&server, fd);
}

static void
test_silent_client(void **state)
{
    drip("", "");
}

static void
test_dripped_header(void **state)
{
    drip("GET / HTTP/1.1\r\nHost: a\r\nX: ", "HTTP/1.1 408 ");
}

static void
test_dripped_body(void **state)
{
    drip(POST("/") "Content-Length: 1000\r\n\r\n", "HTTP/1.1 408 ");
}

static void
test_dripped_body_of_an_early_answer(void **state)
{
    drip(POST("/none") "Content-Length: 1000\r\n\r\n", "HTTP/1.1 404 ");
}

static void
test_door_that_does_not_answer(void **state)
{
    static struct server server;
    server_init(&server, false);
    server.limits.reply_ms = 150;
    server_start(&server);
    expect_status(&server, GET("/never"), "HTTP/1.1 503 ");
    server_stop(&server); /* answers it now: dropped */
}

static void
test_client_that_leaves_before_the_answer(void **state)
{
    static struct server server;
    int fd = begin(&server);
    struct linger now = {1, 0};
    client_send(fd, GET("/late"));
    server_await(&server, 'l'); /* a reset must come while the door has it */
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
    fd = client_connect(&server);
    client_send(fd, GET("/late"));
    client_expect(fd, "late\n", 1);
    end(&server, fd);
}

static void
test_slow_reader_is_cut(void **state)
{
    static struct server server;
    bool ended = false;
    int fd = begin(&server);
    size_t total = 0;
    client_send(fd, GET("/big"));
    /* write_ms is 300 and nothing is read: the reset comes by itself. */
    struct pollfd reset = {.fd = fd, .events = 0};
    assert_int_equal(poll(&reset, 1, 5000), 1);
    while (!ended)
        total += client_read_all(fd, text, sizeof(text), 1000, &ended);
    assert_in_range(total, 1, (8 << 20) - 1);
    end(&server, fd);
}

static void
test_big_answer_and_file(void **state)
{
    static struct server server;
    bool ended = false;
    size_t total = 0;
    int fd = begin(&server);
    client_send(fd, GET("/big"));
    while (total < 8 << 20 && !ended)
        total += client_read_all(fd, text, sizeof(text), 200, &ended);
    assert_in_range(total, 8 << 20, (8 << 20) + 400);
    client_send(fd, GET("/file"));
    static char file[1 << 20];
    size_t len = client_read_all(fd, file, sizeof(file), 200, &ended);
    const char *body = strstr(file, "\r\n\r\n") + 4;
    assert_int_equal(len - (size_t)(body - file), 999990);
    for (int i = 1; i < 100000; i++)
        assert_int_equal(atoi(body + (i - 1) * 10), i);
    end(&server, fd);
}

static void
test_drain(void **state)
{
    static struct server server;
    bool ended;
    int fd = begin(&server);
    int idle = client_connect(&server);
    client_send(idle, GET("/"));
    client_expect(idle, "\r\n\r\n", 1);
    client_send(fd, GET("/late"));
    server_await(&server, 'l');
    server_order(&server, 'd');
    client_read_all(idle, text, sizeof(text), 1000, &ended);
    assert_true(ended);
    client_read_all(fd, text, sizeof(text), 1000, &ended);
    assert_true(ended);
    assert_non_null(strstr(text, "late\n"));
    assert_non_null(strstr(text, "Connection: close\r\n"));
    close(idle);
    close(fd);
    server_await(&server, 'd');
    server_stop(&server);
    assert_true(server.drained);
}

/* Who was let in before is not turned away for having been slower. */
static void
test_drain_waits_for_the_fresh(void **state)
{
    static struct server server;
    bool ended;
    server_init(&server, false);
    server.limits.request_ms = 60000;
    server_start(&server);
    int fd = client_connect(&server);
    int silent = client_connect(&server);
    server_settle(&server);
    server_order(&server, 'd');
    server_settle(&server);
    client_send(fd, GET("/"));
    client_read_all(fd, text, sizeof(text), 5000, &ended);
    assert_true(ended);
    assert_memory_equal(text, "HTTP/1.1 200 ", 13);
    assert_non_null(strstr(text, "Connection: close\r\n"));
    assert_int_equal(client_read_all(silent, text, sizeof(text), 5000, &ended),
                     0);
    assert_true(ended);
    close(silent);
    close(fd);
    server_await(&server, 'd');
    server_stop(&server);
}

static void
test_address_cap(void **state)
{
    static struct server server;
    bool ended;
    server_init(&server, false);
    server.limits.per_address = 2;
    server_start(&server);
    int a = client_connect(&server), b = client_connect(&server);
    client_send(a, GET("/"));
    client_expect(a, "\r\n\r\n", 1);
    client_send(b, GET("/"));
    client_expect(b, "\r\n\r\n", 1);
    int c = client_connect(&server);
    assert_int_equal(client_read_all(c, text, sizeof(text), 1000, &ended), 0);
    assert_true(ended);
    close(c);
    close(b);
    server_settle(&server);
    c = client_connect(&server);
    client_send(c, GET("/facts"));
    client_expect(c, "trust=0", 1);
    close(a);
    end(&server, c);
    assert_int_equal(server.counts.over_address, 1);
}

static void
test_total_cap_pauses_accepting(void **state)
{
    static struct server server;
    bool ended;
    server_init(&server, false);
    server.limits.connections = 1;
    server_start(&server);
    int a = client_connect(&server);
    client_send(a, GET("/"));
    client_expect(a, "\r\n\r\n", 1);
    int b = client_connect(&server);
    client_send(b, GET("/facts"));
    assert_int_equal(client_read_all(b, text, sizeof(text), 100, &ended), 0);
    assert_false(ended);
    close(a);
    client_expect(b, "trust=0", 1);
    end(&server, b);
}

static long
resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file != NULL)
        fclose(file);
    return pages * 4;
}

static void
test_idle_connections_hold_little(void **state)
{
    enum { COUNT = 400 };
    static int fds[COUNT];
    static struct server server;
    server_init(&server, false);
    server.limits.request_ms = server.limits.idle_ms = 20000;
    server_start(&server);
    long before = resident_kib();
    for (int i = 0; i < COUNT; i++) {
        fds[i] = client_connect(&server);
        client_send(fds[i], POST("/") "Content-Length: 3\r\n\r\nok\n");
        client_expect(fds[i], "ok\n", 1);
    }
    long each = (resident_kib() - before) * 1024 / COUNT;
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    server_stop(&server);
    print_message("%ld octets for an idle plain connection\n", each);
#if !defined(__SANITIZE_ADDRESS__) /* whose pages are mostly its own */
    assert_in_range(each, 0, 3000);
#endif
}

int
main(void)
{
#define T(name) cmocka_unit_test_teardown(name, server_teardown)
    const struct CMUnitTest tests[] = {
        T(test_keep_alive_and_pipelining),
        T(test_close_and_http10),
        T(test_half_closed_client_is_answered),
        T(test_head_continue_chunked),
        T(test_early_answer_keeps_the_connection),
        T(test_refusals),
        T(test_silent_client),
        T(test_dripped_header),
        T(test_dripped_body),
        T(test_dripped_body_of_an_early_answer),
        T(test_door_that_does_not_answer),
        T(test_client_that_leaves_before_the_answer),
        T(test_slow_reader_is_cut),
        T(test_big_answer_and_file),
        T(test_drain),
        T(test_drain_waits_for_the_fresh),
        T(test_address_cap),
        T(test_total_cap_pauses_accepting),
        T(test_idle_connections_hold_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
