/* The smallest firmware that holds an identity, against the public headers
 * alone and without a C library: compile.sh links it to see what is missing and
 * what it costs. The ports and `looked` are addresses made up by the linker. */
#include "brevet/device.h"

extern const struct bv_ports ports;
extern volatile int looked;

static uint8_t work[BV_WORK_SIZE];
static struct bv_device device;

void *memcpy(void *to, const void *from, size_t len);
void *memmove(void *to, const void *from, size_t len);
void *memset(void *to, int value, size_t len);
void *memchr(const void *in, int value, size_t len);
int memcmp(const void *a, const void *b, size_t len);
size_t strlen(const char *text);
int _start(void);

void *
memmove(void *to, const void *from, size_t len)
{
    char *t = to;
    const char *f = from;
    while (t < f && len-- > 0)
        *t++ = *f++;
    while (t > f && len-- > 0)
        t[len] = f[len];
    return to;
}

void *
memcpy(void *to, const void *from, size_t len)
{
    return memmove(to, from, len);
}

void *
memset(void *to, int value, size_t len)
{
    char *t = to;
    while (len-- > 0)
        *t++ = (char)value;
    return to;
}

void *
memchr(const void *in, int value, size_t len)
{
    const uint8_t *i = in;
    for (; len > 0; i++, len--)
        if (*i == (uint8_t)value)
            return (void *)(uintptr_t)i;
    return NULL;
}

int
memcmp(const void *a, const void *b, size_t len)
{
    const uint8_t *x = a, *y = b;
    for (; len > 0; x++, y++, len--)
        if (*x != *y)
            return *x < *y ? -1 : 1;
    return 0;
}

size_t
strlen(const char *text)
{
    const char *end = text;
    while (*end != '\0')
        end++;
    return (size_t)(end - text);
}

static void
look(void)
{
    uint8_t cert[BV_CERT_MAX];
    size_t len;
    bool is_anchor;
    struct bv_bytes ca;
    struct bv_status status;
    bv_device_status(&device, &status);
    looked = *bv_why_text(status.why) + *bv_device_said(&device);
    looked = (int)bv_device_cert(&device, cert, sizeof(cert), &len);
    if (!bv_device_waits_io(&device))
        looked = (int)bv_device_trust(&device, 0, &ca, &is_anchor);
    if (looked == 1)
        bv_device_renew(&device);
    else if (looked == 2)
        bv_device_check(&device);
}

int
_start(void)
{
    struct bv_config config = {
        .host = "est.example",
        .id = "board-1",
        .fingerprint = work,
        .work = work,
        .work_len = sizeof(work),
    };
    if (bv_device_init(&device, &config, &ports) != BV_WHY_NONE)
        return 1;
    for (;;) {
        uint64_t wait_ms;
        looked = (int)bv_device_step(&device, &wait_ms);
        look();
    }
}
