#ifndef LOOP_LOG_H
#define LOOP_LOG_H

#include <stdbool.h>

#include "base/assert.h"
#include "base/err.h"

/*
 * The process' log, in the form of Redis: "1234:X 20 Nov 2026 11:36:36.856 # text", one line each,
 * to standard output or a file, and to syslog when asked. Before log_open() it writes notices and
 * above to standard output. Every thread may log. errno is kept. Bytes that are not printable are
 * escaped (\n, \x1b), so that nobody can forge a line; UTF-8 passes. Secrets must not be handed in.
 */
enum log_level {
    LOG_LEVEL_DEBUG,   /* . */
    LOG_LEVEL_INFO,    /* - "verbose" in sentinel.conf */
    LOG_LEVEL_NOTICE,  /* * a state changed */
    LOG_LEVEL_WARNING, /* # we cope */
    LOG_LEVEL_ERR,     /* # a human must act */
    LOG_LEVEL_NOTHING, /* only to set: Redis' loglevel nothing */
};

enum { LOG_LINE_MAX = 1024 /* as Redis' LOG_MAX_LEN; longer text ends with "..." */ };

struct log_settings {
    enum log_level level;
    char role;        /* the letter after the pid; 0 is 'X', a sentinel */
    const char *file; /* NULL or "" is standard output; made with mode 0644 */
    bool is_quiet;    /* no file and no standard output: a daemon without a logfile */
    bool use_syslog;
    const char *syslog_ident;    /* NULL is "holdfast" */
    const char *syslog_facility; /* "user", "daemon", "local0" to "local7"; NULL is local0 */
};

/* Replaces the settings; copies the texts. On failure the log stays as it was. */
bool log_open(const struct log_settings *settings, struct err *err) MUST_CHECK;

/* Opens the file again by its name, after it was rotated. On failure the old one stays in use. */
bool log_reopen(struct err *err) MUST_CHECK;

void log_close(void); /* back to how the process started; frees everything */

void log_set_level(enum log_level level);
enum log_level log_level(void);
bool log_enabled(enum log_level level);

void log_err(const char *format, ...) PRINTF_LIKE(1, 2);
void log_warning(const char *format, ...) PRINTF_LIKE(1, 2);
void log_notice(const char *format, ...) PRINTF_LIKE(1, 2);
void log_info(const char *format, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *format, ...) PRINTF_LIKE(1, 2);

/* For the caller that has the level in a variable. */
void log_at(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
