/* Routing and refusals over real connections to a loop in another thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "front/serve.h"

static void
say_segment(void *ctx, struct front_request *request)
{
    uint8_t raw[128];
    struct sink out = SINK_ARRAY(raw);
    sink_str(&out, "segment=");
    sink_put(&out, request->segment);
    sink_str(&out, " rest=");
    sink_put(&out, request->rest);
    sink_str(&out, " id=");
    sink_dec(&out, strlen(request->id));
    sink_str(&out, ";");
    struct front_answer answer = {.http = {.body = sink_view(&out)}};
    front_reply(request, &answer);
}

static void
say_busy(void *ctx, struct front_request *request)
{
    front_fail(request, BV_E_BUSY, NULL, 0);
}

static void
say_pending(void *ctx, struct front_request *request)
{
    front_fail(request, BV_E_PENDING, "wait\r\nX: forged", 7);
}

static const struct front_route routes[] = {
    {.method = HTTP_GET, .path = "/est/cacerts", .handle = say_segment},
    {.method = HTTP_GET, .path = "/est/*/cacerts", .handle = say_segment},
    {.method = HTTP_POST,
     .path = "/est/enroll",
     .media_type = "application/pkcs10",
     .max_body = 8,
     .handle = say_segment},
    {.method = HTTP_GET, .path = "/ocsp/**", .handle = say_segment},
    {.method = HTTP_POST,
     .path = "/ocsp/**",
     .max_body = 8,
     .handle = say_segment},
    {.method = HTTP_GET, .path = "/busy", .handle = say_busy},
    {.method = HTTP_GET, .path = "/pending", .handle = say_pending},
    {.method = HTTP_GET,
     .path = "/cert",
     .auth = FRONT_AUTH_CERT,
     .handle = say_segment},
    {.method = HTTP_GET,
     .path = "/any",
     .auth = FRONT_AUTH_ANY,
     .handle = say_segment},
};
static const struct front front = {
    .name = "test", .routes = routes, .num_routes = 9};

static struct loop *loop;
static struct serve *serve;
static int port, stop_pipe[2];
static struct loop_watch *watch;
static pthread_t thread;

static void
on_stop(void *ctx, unsigned events)
{
    loop_stop(loop);
}

static void *
run(void *arg)
{
    loop_run(loop);
    return NULL;
}

static int
start(void **state)
{
    struct front_env env = {0};
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(fd, 16) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0 ||
        pipe(stop_pipe) != 0 || loop_new(&loop) != BV_OK ||
        serve_new(loop, NULL, &serve) != BV_OK ||
        serve_add(serve, &front, &env) != BV_OK ||
        net_listen(serve_net(serve), fd, false) != BV_OK ||
        loop_watch_new(loop, stop_pipe[0], LOOP_READ, on_stop, NULL, &watch) !=
            BV_OK)
        return -1;
    port = ntohs(at.sin_port);
    return pthread_create(&thread, NULL, run, NULL);
}

static int
stop(void **state)
{
    (void)!write(stop_pipe[1], "q", 1);
    pthread_join(thread, NULL);
    serve_free(serve);
    loop_watch_free(watch);
    loop_free(loop);
    return 0;
}

static const char *
ask(const char *request)
{
    static char text[4096];
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    size_t len = 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_true(send(fd, request, strlen(request), MSG_NOSIGNAL) > 0);
    for (ssize_t got = 1; got > 0; len += got > 0 ? (size_t)got : 0)
        got = recv(fd, text + len, sizeof(text) - 1 - len, 0);
    text[len] = '\0';
    close(fd);
    return text;
}

#define REST " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"

static void
expect(const char *request, const char *first, const char *within)
{
    const char *text = ask(request);
    if (strncmp(text, first, strlen(first)) != 0 ||
        strstr(text, within) == NULL)
        fail_msg("%s: wanted %s and %s, got %s", request, first, within, text);
}

static void
test_routes(void **state)
{
    expect("GET /est/cacerts" REST "\r\n", "HTTP/1.1 200",
           "segment= rest= id=16;");
    expect("GET /est/a.b/cacerts" REST "\r\n", "HTTP/1.1 200", "segment=a.b ");
    expect("GET /est//cacerts" REST "\r\n", "HTTP/1.1 404", "");
    expect("GET /est/a/b/cacerts" REST "\r\n", "HTTP/1.1 404", "");
    expect("GET /est/cacerts/" REST "\r\n", "HTTP/1.1 404", "");
    expect("GET /ocsp/a%2Fb//c+d" REST "\r\n", "HTTP/1.1 200",
           "rest=a%2Fb//c+d ");
    expect("GET /ocsp/" REST "\r\n", "HTTP/1.1 200", "rest= ");
    expect("GET /../est/cacerts" REST "\r\n", "HTTP/1.1 404", "");
    assert_null(strstr(ask("HEAD /est/cacerts" REST "\r\n"), "segment"));
}

static void
test_refusals(void **state)
{
    expect("DELETE /ocsp/x" REST "\r\n", "HTTP/1.1 405",
           "Allow: GET, HEAD, POST\r\n");
    expect("POST /est/cacerts" REST "\r\n", "HTTP/1.1 405",
           "Allow: GET, HEAD\r\n");
    expect("POST /est/enroll" REST "Content-Length: 1\r\n\r\nx", "HTTP/1.1 415",
           "");
    expect("POST /est/enroll" REST
           "Content-Type: text/plain\r\nContent-Length: 1\r\n\r\nx",
           "HTTP/1.1 415", "");
    expect("POST /est/enroll" REST "Content-Type: Application/pkcs10; a=b\r\n"
           "Content-Length: 1\r\n\r\nx",
           "HTTP/1.1 200", "id=16");
    expect("POST /est/enroll" REST "Content-Type: application/pkcs10\r\n"
           "Content-Length: 9\r\n\r\n",
           "HTTP/1.1 413", "");
    /* no certificate, and none that HTTP could ask for */
    expect("GET /cert" REST "\r\n", "HTTP/1.1 403", "");
    assert_null(strstr(ask("GET /cert" REST "\r\n"), "WWW-Authenticate"));
    expect("GET /any" REST "Authorization: Basic eDp5\r\n\r\n", "HTTP/1.1 403",
           "");
    expect("GET /busy" REST "\r\n", "HTTP/1.1 503", "Retry-After: 1\r\n");
    expect("GET /pending" REST "\r\n", "HTTP/1.1 202", "Retry-After: 7\r\n");
}

static void
test_every_answer_is_dressed(void **state)
{
    const char *text = ask("GET /nothing" REST "\r\n");
    assert_non_null(strstr(text, "Server: brevet\r\n"));
    assert_non_null(strstr(text, "X-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(text, "Cache-Control: no-store\r\n"));
    assert_non_null(strstr(text, "Content-Length: "));
    assert_non_null(strstr(text, "Date: "));
    assert_non_null(strstr(text, "Content-Type: text/plain"));
    assert_true(strlen(text) < 1000);
}

/* log_line_with copies the line of the log that holds want. */
static void
log_line_with(int fd, const char *want, char line[2048])
{
    static char all[65536];
    ssize_t len = pread(fd, all, sizeof(all) - 1, 0);
    all[len > 0 ? len : 0] = '\0';
    const char *at = strstr(all, want);
    assert_non_null(at);
    while (at > all && at[-1] != '\n')
        at--;
    (void)snprintf(line, 2048, "%.*s", (int)strcspn(at, "\n"), at);
}

static void
expect_id(const char *line)
{
    const char *id = strstr(line, "request_id=");
    assert_non_null(id);
    assert_int_equal(strspn(id + 11, "0123456789abcdef"), 16);
}

/* What net turns away by itself looks as if serve had. */
static void
test_refusals_of_net_look_the_same(void **state)
{
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\n\r\n", /* no Host */
        "POST /ocsp/x" REST "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /ocsp/x" REST "Content-Length: 9\r\n\r\n",
    };
    static const char *const logged[] = {
        "method= path= status=400 bytes=23 ",
        "method=POST path=/ocsp/x status=400 bytes=23 ",
        "method=POST path=/ocsp/x status=413 bytes=22 ",
    };
    char line[2048];
    int log = memfd_create("log", MFD_CLOEXEC), saved = dup(STDERR_FILENO);
    dup2(log, STDERR_FILENO);
    for (size_t i = 0; i < 3; i++) {
        const char *text = ask(requests[i]);
        assert_non_null(strstr(text, "Server: brevet\r\n"));
        assert_non_null(strstr(text, "Date: "));
        assert_non_null(strstr(text, "Cache-Control: no-store\r\n"));
        assert_non_null(strstr(text, "X-Content-Type-Options: nosniff\r\n"));
        assert_non_null(
            strstr(text, "Content-Type: text/plain; charset=utf-8\r\n"));
        assert_true(text[strlen(text) - 1] == '\n');
    }
    dup2(saved, STDERR_FILENO);
    close(saved);
    for (size_t i = 0; i < 3; i++) {
        log_line_with(log, logged[i], line);
        expect_id(line);
        assert_non_null(strstr(line, i == 0 ? "trust=none" : "trust=plain"));
    }
    close(log);
}

/* A path as long as may be does not push the address out of the line. */
static void
test_a_long_path_leaves_the_line_whole(void **state)
{
    static char request[LIMIT_HTTP_LINE];
    char line[2048];
    int log = memfd_create("log", MFD_CLOEXEC), saved = dup(STDERR_FILENO);
    memset(request, 'x', sizeof(request));
    memcpy(request, "GET /long", 9);
    strcpy(request + 8000, REST "\r\n");
    dup2(log, STDERR_FILENO);
    assert_non_null(strstr(ask(request), " 404 "));
    dup2(saved, STDERR_FILENO);
    close(saved);
    log_line_with(log, "path=/longx", line);
    assert_non_null(strstr(line, "status=404"));
    assert_non_null(strstr(line, "peer=127.0.0.1"));
    assert_non_null(strstr(line, "detail=\""));
    assert_int_equal(line[strlen(line) - 1], '"');
    expect_id(line);
    close(log);
}

static void
test_a_detail_stays_in_the_body(void **state)
{
    const char *text = ask("GET /pending" REST "\r\n");
    const char *end = strstr(text, "\r\n\r\n");
    const char *forged = strstr(text, "X: forged");
    assert_non_null(end);
    assert_true(forged == NULL || forged > end);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_every_answer_is_dressed),
        cmocka_unit_test(test_refusals_of_net_look_the_same),
        cmocka_unit_test(test_a_long_path_leaves_the_line_whole),
        cmocka_unit_test(test_a_detail_stays_in_the_body),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
