/* Each line is made on the stack and written with one write() to a descriptor in append mode, so
 * lines of several threads and processes do not mix. */
#include "loop/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

enum {
    LOG_HEAD_MAX = 64,                    /* pid, role, date, level */
    LOG_ESCAPED_MAX = 4 * LOG_LINE_MAX,   /* every byte as \xnn */
    LOG_LEVELS_COUNT = LOG_LEVEL_NOTHING, /* "nothing" is no level of a line */
};

struct log_file {
    char *path; /* NULL is standard output */
    char *ident;
};

static struct log_file names;
static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int level_now = LOG_LEVEL_NOTICE;
static atomic_int fd_now = STDOUT_FILENO; /* -1 writes nowhere */
static atomic_int role_now = 'X';
static atomic_bool syslog_now;

static const char level_marks[LOG_LEVELS_COUNT] = {'.', '-', '*', '#', '#'};
static const int syslog_levels[LOG_LEVELS_COUNT] = {LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING,
                                                    LOG_ERR};

struct log_facility {
    const char *name;
    int facility;
};

static const struct log_facility facilities[] = {
    {"daemon", LOG_DAEMON}, {"local0", LOG_LOCAL0}, {"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2},
    {"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4}, {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6},
    {"local7", LOG_LOCAL7}, {"user", LOG_USER},
};

/* ---- lines ---- */

/* text in a form that stays one line and cannot move a terminal's cursor. Returns its length. */
static size_t log_escape(char *to, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    size_t len = 0;

    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        const char *named = strchr("\nn\rr\tt", (char)c);
        if (named != NULL && c < 0x20) {
            to[len++] = '\\';
            to[len++] = named[1];
        } else if (c < 0x20 || c == 0x7f) {
            to[len++] = '\\';
            to[len++] = 'x';
            to[len++] = hex[c >> 4];
            to[len++] = hex[c & 15];
        } else {
            to[len++] = (char)c;
        }
    }
    to[len] = '\0';
    return len;
}

static size_t log_head(char head[LOG_HEAD_MAX], enum log_level level)
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct timeval now;
    struct tm tm;

    (void)gettimeofday(&now, NULL); /* cannot fail */
    if (localtime_r(&now.tv_sec, &tm) == NULL) {
        memset(&tm, 0, sizeof(tm));
    }
    /* the month by hand: Redis' is that of the C locale */
    int len =
        snprintf(head, LOG_HEAD_MAX, "%ld:%c %02d %s %04d %02d:%02d:%02d.%03d %c ", (long)getpid(),
                 atomic_load(&role_now), tm.tm_mday, months[tm.tm_mon % 12], tm.tm_year + 1900,
                 tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(now.tv_usec / 1000), level_marks[level]);
    return len > 0 && len < LOG_HEAD_MAX ? (size_t)len : 0;
}

PRINTF_LIKE(2, 0)
static void log_line(enum log_level level, const char *format, va_list args)
{
    char text[LOG_LINE_MAX];
    char line[LOG_HEAD_MAX + LOG_ESCAPED_MAX + 1];
    int saved = errno;

    int wanted = vsnprintf(text, sizeof(text), format, args);
    if (wanted >= LOG_LINE_MAX) {
        memcpy(text + LOG_LINE_MAX - 4, "...", 4);
    }
    size_t head_len = log_head(line, level);
    size_t len = head_len + log_escape(line + head_len, wanted < 0 ? format : text);
    if (atomic_load(&syslog_now)) {
        syslog(syslog_levels[level], "%s", line + head_len);
    }
    int fd = atomic_load(&fd_now);
    if (fd >= 0) {
        line[len] = '\n';
        ssize_t written = write(fd, line, len + 1);
        (void)
            written; /* a full disk must not stop a monitor, and there is no other place to tell */
    }
    errno = saved;
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load(&level_now) && level < LOG_LEVEL_NOTHING;
}

enum log_level log_level(void)
{
    return (enum log_level)atomic_load(&level_now);
}

void log_set_level(enum log_level level)
{
    atomic_store(&level_now, (int)level);
}

#define LOG_FORWARD(level)                                                                         \
    if (log_enabled(level)) {                                                                      \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        log_line(level, format, args);                                                             \
        va_end(args);                                                                              \
    }

void log_at(enum log_level level, const char *format, ...)
{
    LOG_FORWARD(level)
}

void log_err(const char *format, ...)
{
    LOG_FORWARD(LOG_LEVEL_ERR)
}

void log_warning(const char *format, ...)
{
    LOG_FORWARD(LOG_LEVEL_WARNING)
}

void log_notice(const char *format, ...)
{
    LOG_FORWARD(LOG_LEVEL_NOTICE)
}

void log_info(const char *format, ...)
{
    LOG_FORWARD(LOG_LEVEL_INFO)
}

void log_debug(const char *format, ...)
{
    LOG_FORWARD(LOG_LEVEL_DEBUG)
}

/* ---- where they go ---- */

static int log_open_file(const char *path, struct err *err)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);

    if (fd < 0) {
        (void)err_set(err, "log file %s: %s", path, strerror(errno));
    }
    return fd;
}

/* The old number stays valid all the time: a thread in the middle of a line writes to the old file
 * or to the new one, never to a stranger's descriptor. */
static void log_put_fd(int fd)
{
    int before = atomic_load(&fd_now);

    if (before > STDERR_FILENO && fd > STDERR_FILENO) {
        (void)dup3(fd, before, O_CLOEXEC); /* both are open */
        (void)close(fd);
        return;
    }
    atomic_store(&fd_now, fd);
    if (before > STDERR_FILENO) {
        (void)close(before);
    }
}

static char *log_copy(const char *text)
{
    char *copy = strdup(text);

    if (copy == NULL) {
        assert_fail(__FILE__, __LINE__, __func__, "out of memory");
    }
    return copy;
}

static bool log_find_facility(const char *name, int *facility)
{
    for (size_t i = 0; i < COUNT_OF(facilities); i++) {
        if (text_same(facilities[i].name, name)) {
            *facility = facilities[i].facility;
            return true;
        }
    }
    return false;
}

static void log_put_syslog(bool use, const char *ident, int facility)
{
    if (atomic_exchange(&syslog_now, false)) {
        closelog();
    }
    free(names.ident);
    names.ident = NULL;
    if (use) {
        names.ident = log_copy(ident == NULL || ident[0] == '\0' ? "holdfast" : ident);
        openlog(names.ident, LOG_PID | LOG_NDELAY | LOG_NOWAIT, facility);
        atomic_store(&syslog_now, true);
    }
}

bool log_open(const struct log_settings *settings, struct err *err)
{
    const char *file = settings->file;
    bool has_file = file != NULL && file[0] != '\0';
    int facility = LOG_LOCAL0;
    int fd = settings->is_quiet ? -1 : STDOUT_FILENO;

    if (settings->use_syslog && settings->syslog_facility != NULL &&
        !log_find_facility(settings->syslog_facility, &facility)) {
        return err_set(err, "syslog-facility: '%s' is none of user, daemon, local0 to local7",
                       settings->syslog_facility);
    }
    if (has_file) {
        fd = log_open_file(file, err);
        if (fd < 0) {
            return false;
        }
    }
    (void)pthread_mutex_lock(&names_lock);
    char *path = has_file ? log_copy(file) : NULL; /* file may be names.path itself */
    free(names.path);
    names.path = path;
    log_put_fd(fd);
    log_put_syslog(settings->use_syslog, settings->syslog_ident, facility);
    (void)pthread_mutex_unlock(&names_lock);
    atomic_store(&role_now, settings->role == '\0' ? 'X' : settings->role);
    log_set_level(settings->level);
    return true;
}

bool log_reopen(struct err *err)
{
    bool reopened = true;

    (void)pthread_mutex_lock(&names_lock);
    if (names.path != NULL) {
        int fd = log_open_file(names.path, err);
        reopened = fd >= 0;
        if (reopened) {
            log_put_fd(fd);
        }
    }
    (void)pthread_mutex_unlock(&names_lock);
    return reopened;
}

void log_close(void)
{
    (void)pthread_mutex_lock(&names_lock);
    log_put_fd(STDOUT_FILENO);
    log_put_syslog(false, NULL, 0);
    free(names.path);
    names.path = NULL;
    (void)pthread_mutex_unlock(&names_lock);
    atomic_store(&role_now, 'X');
    log_set_level(LOG_LEVEL_NOTICE);
}
