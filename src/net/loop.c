#include "net/loop.h"

#include <signal.h>
#include <stdlib.h>
#include <uv.h>

struct loop {
    uv_loop_t uv;
};

struct loop_watch {
    uv_poll_t poll;
    unsigned events;
    loop_watch_fn *fn;
    void *ctx;
};

struct loop_timer {
    uv_timer_t timer;
    loop_fn *fn;
    void *ctx;
};

struct loop_hook {
    uv_prepare_t prepare;
    loop_fn *fn;
    void *ctx;
};

enum bv_err
loop_new(struct loop **ret_loop)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL)
        return BV_E_NO_MEMORY;
    if (uv_loop_init(&loop->uv) != 0) {
        free(loop);
        return BV_E_IO;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    *ret_loop = loop;
    return BV_OK;
}

void
loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    /* Handles are freed by their close callbacks: let those run. */
    while (uv_loop_close(&loop->uv) == UV_EBUSY)
        (void)uv_run(&loop->uv, UV_RUN_ONCE);
    free(loop);
}

void
loop_run(struct loop *loop)
{
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void
loop_turn(struct loop *loop)
{
    (void)uv_run(&loop->uv, UV_RUN_ONCE);
}

void
loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

int64_t
loop_now_ms(const struct loop *loop)
{
    return (int64_t)uv_now(&loop->uv);
}

int64_t
loop_clock_us(void)
{
    return (int64_t)(uv_hrtime() / 1000);
}

/* Each struct here starts with its handle, so freeing the handle is freeing
 * the struct. */
static void
on_closed(uv_handle_t *handle)
{
    free(handle);
}

/* --- watches --- */

static void
on_poll(uv_poll_t *poll, int status, int events)
{
    struct loop_watch *watch = (struct loop_watch *)poll;
    unsigned ready = 0;
    if (status < 0) {
        watch->fn(watch->ctx, LOOP_READ | LOOP_WRITE);
        return;
    }
    if ((events & (UV_READABLE | UV_DISCONNECT)) != 0)
        ready |= LOOP_READ;
    if ((events & UV_WRITABLE) != 0)
        ready |= LOOP_WRITE;
    watch->fn(watch->ctx, ready);
}

static void
apply(struct loop_watch *watch, unsigned events)
{
    int flags = 0;
    watch->events = events;
    if ((events & LOOP_READ) != 0)
        flags |= UV_READABLE;
    if ((events & LOOP_WRITE) != 0)
        flags |= UV_WRITABLE;
    if (flags == 0)
        (void)uv_poll_stop(&watch->poll);
    else
        (void)uv_poll_start(&watch->poll, flags, on_poll);
}

enum bv_err
loop_watch_new(struct loop *loop, int fd, unsigned events, loop_watch_fn *fn,
               void *ctx, struct loop_watch **ret_watch)
{
    struct loop_watch *watch = calloc(1, sizeof(*watch));
    if (watch == NULL)
        return BV_E_NO_MEMORY;
    watch->fn = fn;
    watch->ctx = ctx;
    if (uv_poll_init(&loop->uv, &watch->poll, fd) != 0) {
        free(watch);
        return BV_E_IO;
    }
    apply(watch, events);
    *ret_watch = watch;
    return BV_OK;
}

void
loop_watch_set(struct loop_watch *watch, unsigned events)
{
    if (watch->events != events)
        apply(watch, events);
}

void
loop_watch_free(struct loop_watch *watch)
{
    if (watch != NULL)
        uv_close((uv_handle_t *)&watch->poll, on_closed);
}

/* --- timers --- */

static void
on_timer(uv_timer_t *handle)
{
    struct loop_timer *timer = (struct loop_timer *)handle;
    timer->fn(timer->ctx);
}

enum bv_err
loop_timer_new(struct loop *loop, loop_fn *fn, void *ctx,
               struct loop_timer **ret_timer)
{
    struct loop_timer *timer = calloc(1, sizeof(*timer));
    if (timer == NULL)
        return BV_E_NO_MEMORY;
    timer->fn = fn;
    timer->ctx = ctx;
    (void)uv_timer_init(&loop->uv, &timer->timer);
    *ret_timer = timer;
    return BV_OK;
}

void
loop_timer_start(struct loop_timer *timer, int64_t ms)
{
    (void)uv_timer_start(&timer->timer, on_timer, ms > 0 ? (uint64_t)ms : 0, 0);
}

void
loop_timer_stop(struct loop_timer *timer)
{
    (void)uv_timer_stop(&timer->timer);
}

void
loop_timer_free(struct loop_timer *timer)
{
    if (timer != NULL)
        uv_close((uv_handle_t *)&timer->timer, on_closed);
}

/* --- hooks --- */

static void
on_prepare(uv_prepare_t *handle)
{
    struct loop_hook *hook = (struct loop_hook *)handle;
    hook->fn(hook->ctx);
}

enum bv_err
loop_hook_new(struct loop *loop, loop_fn *fn, void *ctx,
              struct loop_hook **ret_hook)
{
    struct loop_hook *hook = calloc(1, sizeof(*hook));
    if (hook == NULL)
        return BV_E_NO_MEMORY;
    hook->fn = fn;
    hook->ctx = ctx;
    (void)uv_prepare_init(&loop->uv, &hook->prepare);
    (void)uv_prepare_start(&hook->prepare, on_prepare);
    uv_unref((uv_handle_t *)&hook->prepare);
    *ret_hook = hook;
    return BV_OK;
}

void
loop_hook_free(struct loop_hook *hook)
{
    if (hook != NULL)
        uv_close((uv_handle_t *)&hook->prepare, on_closed);
}
