/* Apart, so that whoever reads a configuration needs no TLS. */
#include "net/net.h"

struct net_limits
net_limits_default(void)
{
    return (struct net_limits){
        .handshake_ms = LIMIT_HANDSHAKE_MS,
        .request_ms = LIMIT_REQUEST_MS,
        .idle_ms = LIMIT_IDLE_MS,
        .reply_ms = LIMIT_REPLY_MS,
        .write_ms = LIMIT_WRITE_MS,
        .write_rate = LIMIT_WRITE_RATE,
        .linger_ms = LIMIT_LINGER_MS,
        .body = LIMIT_HTTP_BODY,
        .per_address = LIMIT_PER_ADDRESS,
        .connections = LIMIT_CONNECTIONS,
    };
}
