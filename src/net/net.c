#include "net/net.h"

#include <stdlib.h>

#include "net/conn.h"
#include "net/listener.h"

enum bv_err
net_new(struct loop *loop, const struct net_limits *limits,
        const struct net_service *service, struct net **ret_net)
{
    struct net *net = calloc(1, sizeof(*net));
    if (net == NULL)
        return BV_E_NO_MEMORY;
    net->loop = loop;
    net->limits = *limits;
    net->service = *service;
    enum bv_err err = address_table_new(&net->addresses);
    if (err != BV_OK) {
        free(net);
        return err;
    }
    *ret_net = net;
    return BV_OK;
}

void
net_free(struct net *net)
{
    if (net == NULL)
        return;
    net->drained = NULL;
    listener_close_all(net);
    while (net->conns != NULL)
        conn_close(net->conns);
    address_table_free(net->addresses);
    tls_unref(net->tls);
    free(net);
}

enum bv_err
net_listen(struct net *net, int fd, bool secure)
{
    if (secure && net->tls == NULL)
        return BV_E_USAGE;
    return listener_add(net, fd, secure);
}

void
net_set_tls(struct net *net, struct tls *tls)
{
    struct tls *old = net->tls;
    net->tls = tls_ref(tls);
    tls_unref(old);
}

void
net_drain(struct net *net, loop_fn *done, void *ctx)
{
    net->draining = true;
    listener_close_all(net);
    if (net->counts.connections == 0) {
        done(ctx);
        return;
    }
    net->drained = done;
    net->drained_ctx = ctx;
    struct conn *next;
    for (struct conn *conn = net->conns; conn != NULL; conn = next) {
        next = conn->next;
        conn_end_idle(conn);
    }
}

struct net_counts
net_counts(const struct net *net)
{
    return net->counts;
}
