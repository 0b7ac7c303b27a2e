/* Listening sockets, inherited and perhaps shared with other processes. For
 * the files of this room only. */
#ifndef BV_NET_LISTENER_H
#define BV_NET_LISTENER_H

#include "net/net.h"

/* listener_add takes over fd. */
enum bv_err listener_add(struct net *net, int fd, bool secure) BV_CHECKED;
/* listener_close_all stops accepting for good. */
void listener_close_all(struct net *net);
/* listener_room: a connection has ended; accept again if all were taken. */
void listener_room(struct net *net);

#endif
