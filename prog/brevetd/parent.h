/* The parent: the only process that reads files and opens sockets, and the one
 * that keeps the others alive. It parses nothing that comes from the network
 * and does not touch OpenSSL. */
#ifndef BREVETD_PARENT_H
#define BREVETD_PARENT_H

/* parent_run serves the installation until SIGTERM or SIGINT; returns the exit
 * status. SIGHUP reloads. */
int parent_run(const char *config_path, const char *dir);

#endif
