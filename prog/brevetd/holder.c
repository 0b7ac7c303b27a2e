#include "prog/brevetd/holder.h"

#include <ctype.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIELDS    10
#define LISTENING "0A"

/* What /proc/net/tcp and tcp6 call an address: words as they are in memory. */
struct place {
    char host[33], port[5];
};

static void
place_of(const struct sockaddr_storage *address, struct place *ret)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    in_port_t port;
    if (address->ss_family == AF_INET6) {
        memcpy(&v6, address, sizeof(v6));
        port = v6.sin6_port;
        for (int i = 0; i < 4; i++)
            (void)snprintf(ret->host + 8 * i, 9, "%08X",
                           v6.sin6_addr.s6_addr32[i]);
    } else {
        memcpy(&v4, address, sizeof(v4));
        port = v4.sin_port;
        (void)snprintf(ret->host, sizeof(ret->host), "%08X",
                       v4.sin_addr.s_addr);
    }
    (void)snprintf(ret->port, sizeof(ret->port), "%04X", ntohs(port));
}

static bool
is_any(const char *host)
{
    return strspn(host, "0") == strlen(host);
}

/* in_the_way: the same address, or one of the two is all of them. */
static bool
in_the_way(const struct place *place, char *local)
{
    char *colon = strchr(local, ':');
    if (colon == NULL || strcmp(colon + 1, place->port) != 0)
        return false;
    *colon = '\0';
    return strcmp(local, place->host) == 0 || is_any(local) ||
           (is_any(place->host) && strlen(local) == strlen(place->host));
}

/* The inode of the socket of this line; 0: it is none of those sought. */
static unsigned long
inode_of(const struct place *place, char *line)
{
    char *field[FIELDS] = {NULL}, *rest = NULL;
    unsigned num = 0;
    for (char *at = strtok_r(line, " \n", &rest); at != NULL && num < FIELDS;
         at = strtok_r(NULL, " \n", &rest))
        field[num++] = at;
    if (num < FIELDS || strcmp(field[3], LISTENING) != 0 ||
        !in_the_way(place, field[1]))
        return 0;
    return strtoul(field[9], NULL, 10);
}

static unsigned long
find_inode(const struct place *place, const char *path)
{
    char line[512];
    unsigned long inode = 0;
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return 0;
    while (inode == 0 && fgets(line, sizeof(line), in) != NULL)
        inode = inode_of(place, line);
    (void)fclose(in);
    return inode;
}

static bool
has_socket(const char *pid, const char *socket_name)
{
    char path[300], link[64];
    (void)snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
    DIR *dir = opendir(path);
    bool found = false;
    if (dir == NULL)
        return false;
    for (struct dirent *e = readdir(dir); e != NULL && !found;
         e = readdir(dir)) {
        (void)snprintf(path, sizeof(path), "/proc/%.20s/fd/%.200s", pid,
                       e->d_name);
        ssize_t len = readlink(path, link, sizeof(link) - 1);
        link[len > 0 ? len : 0] = '\0';
        found = strcmp(link, socket_name) == 0;
    }
    (void)closedir(dir);
    return found;
}

static void
name_of(const char *pid, char *ret, size_t cap)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
    FILE *in = fopen(path, "re");
    if (in == NULL || fgets(ret, (int)cap, in) == NULL)
        (void)snprintf(ret, cap, "a program");
    if (in != NULL)
        (void)fclose(in);
    ret[strcspn(ret, "\n")] = '\0';
}

void
holder_find(const struct sockaddr_storage *address, struct holder *ret)
{
    struct place place;
    char wanted[64];
    memset(ret, 0, sizeof(*ret));
    place_of(address, &place);
    unsigned long inode = 0;
    if (address->ss_family == AF_INET)
        inode = find_inode(&place, "/proc/net/tcp");
    if (inode == 0)
        inode = find_inode(&place, "/proc/net/tcp6");
    DIR *dir = inode != 0 ? opendir("/proc") : NULL;
    if (dir == NULL)
        return;
    (void)snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
    for (struct dirent *e = readdir(dir); e != NULL && !ret->found;
         e = readdir(dir)) {
        ret->found = isdigit((unsigned char)e->d_name[0]) != 0 &&
                     has_socket(e->d_name, wanted);
        if (!ret->found)
            continue;
        ret->pid = (pid_t)strtol(e->d_name, NULL, 10);
        name_of(e->d_name, ret->name, sizeof(ret->name));
    }
    (void)closedir(dir);
}
