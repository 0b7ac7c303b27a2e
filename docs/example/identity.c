/* The smallest program that gets a device its certificate and keeps it renewed,
 * with one port of its own: storage, here in memory, as a stand-in for flash.
 *
 *     identity HOST PORT ID CLAIM-CODE ROOT-SHA256-HEX DIR
 *
 * Prints what happens; ends once the device is enrolled. Keys stay in DIR. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "brevet/device.h"
#include "brevet/openssl.h"
#include "brevet/posix.h"
#include "storage.h"

static uint8_t work[BV_WORK_SIZE];
static struct bv_device device;
static struct storage storage;

static bool
read_hex(const char *text, uint8_t ret[32])
{
    char pair[3] = "";
    if (strlen(text) != 64)
        return false;
    for (size_t i = 0; i < 32; i++) {
        char *end;
        memcpy(pair, text + 2 * i, 2);
        ret[i] = (uint8_t)strtoul(pair, &end, 16);
        if (*end != '\0')
            return false;
    }
    return true;
}

/* Waits as long as the library allows, or until the socket can go on. */
static void
wait_for(const struct bv_openssl *openssl, uint64_t ms)
{
    struct pollfd p = {.fd = -1};
    if (bv_device_waits_io(&device))
        p.fd = bv_openssl_fd(openssl, &p.events);
    (void)poll(&p, 1, ms > 1000 ? 1000 : (int)ms);
}

/* True once there is an identity. */
static bool
run(const struct bv_openssl *openssl)
{
    for (;;) {
        struct bv_status status;
        uint64_t wait_ms;
        enum bv_event event = bv_device_step(&device, &wait_ms);
        bv_device_status(&device, &status);
        if (event == BV_EVENT_ENROLLED)
            return printf("enrolled\n") > 0;
        if (event == BV_EVENT_FAILED) {
            printf("failed: %s (HTTP %u)\n", bv_why_text(status.why),
                   status.http_status);
            return false; /* a real device goes on: the library waits */
        }
        wait_for(openssl, wait_ms);
    }
}

int
main(int argc, char **argv)
{
    uint8_t fingerprint[32];
    if (argc != 7 || !read_hex(argv[5], fingerprint))
        return fputs("usage: identity HOST PORT ID CODE SHA256 DIR\n", stderr);
    (void)signal(SIGPIPE, SIG_IGN);
    struct bv_config config = {
        .host = argv[1],
        .port = (uint16_t)atoi(argv[2]),
        .id = argv[3],
        .claim = {(const uint8_t *)argv[4], strlen(argv[4])},
        .fingerprint = fingerprint,
        .work = work,
        .work_len = sizeof(work),
    };
    struct bv_ports ports = {0};
    struct bv_posix *posix = bv_posix_open(argv[6]); /* clock, random */
    if (posix == NULL)
        return fputs("the directory cannot be used\n", stderr);
    struct bv_openssl *openssl =
        bv_openssl_open(bv_posix_dirfd(posix), NULL, NULL);
    bv_posix_ports(posix, &ports);
    bv_openssl_ports(openssl, &ports); /* keys, verification, TLS */
    storage_port(&storage, &ports);    /* ours, in place of posix' */
    enum bv_why why = bv_device_init(&device, &config, &ports);
    if (why != BV_WHY_NONE)
        printf("%s\n", bv_why_text(why));
    bool good = why == BV_WHY_NONE && run(openssl);
    bv_openssl_close(openssl);
    bv_posix_close(posix);
    return good ? 0 : 1;
}
