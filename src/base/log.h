/* The log: one line per outcome on standard error, "key=value" after a short
 * sentence. Host side only. Who logs: front, core, prog, proc; never base,
 * wire, pki, store or device (they return errors).
 *
 * Line:  2026-11-21T07:30:00.123Z door/0 info issued serial=5b… device=d1
 * Under systemd (JOURNAL_STREAM set) the time is left out and a "<6>" syslog
 * level put in front. Octets that are not printable ASCII are written \xNN, so
 * a peer can never forge a line. A line is at most LOG_LINE_MAX octets and
 * leaves in one write(2). Secrets are never passed here. */
#ifndef BV_BASE_LOG_H
#define BV_BASE_LOG_H

#define LOG_LINE_MAX 2048

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
};

/* log_open names the process in every line ("core", "door/0") and sets the
 * most verbose level that is still written. Call once at start. */
void log_open(const char *process, enum log_level level);
void log_set_level(enum log_level level);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
