#include "daemon/daemon.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "daemon/daemon_inside.h"
#include "loop/log.h"

/* From the command line to a running monitor, and back down in the opposite order. */

/* ---- reading the configuration ---- */

/* include: a file or a glob of files, in the order of their names. */
static bool start_include(void *context, const char *pattern, struct buf *text, struct err *err)
{
    glob_t found = {0};
    bool good = true;

    (void)context;
    int status = glob(pattern, 0, NULL, &found);
    if (status != 0 && !(status == GLOB_NOMATCH && strpbrk(pattern, "*?[") != NULL)) {
        globfree(&found);
        return err_set(err, "include %s: no such file can be read", pattern);
    }
    for (size_t n = 0; n < found.gl_pathc && good; n++) {
        bool exists = false;
        good = store_read(found.gl_pathv[n], text, &exists, err);
        buf_append_text(text, "\n");
    }
    globfree(&found);
    return good;
}

static char *start_absolute(const char *path)
{
    char here[PATH_MAX];
    struct buf text = {0};

    if (path[0] != '/' && getcwd(here, sizeof(here)) != NULL) {
        buf_printf(&text, "%s/", here);
    }
    buf_append_text(&text, path);
    return text.bytes; /* the buffer began empty: its bytes are the text */
}

/* --sentinel alone is Redis' word for this mode;
 * followed by words it is a directive of that name. */
static bool start_is_mode_word(int argc, char **argv, int n)
{
    return strcmp(argv[n], "--sentinel") == 0 &&
           (n + 1 == argc || strncmp(argv[n + 1], "--", 2) == 0);
}

/* Takes what is ours out of the arguments: the mode, and --state-file, which names where the state
 * is kept. What is left are directives. */
static bool start_arguments(struct daemon *d, int argc, char **argv, struct buf *overrides,
                            struct err *err)
{
    int kept = 0;

    if (argc < 2 || argv[1][0] == '-') {
        return err_set(err, "sentinel needs its configuration file: holdfast sentinel FILE "
                            "[--directive value ...]");
    }
    for (int n = 2; n < argc; n++) {
        if (start_is_mode_word(argc, argv, n)) {
            continue;
        }
        if (strcmp(argv[n], "--state-file") == 0) {
            if (n + 1 == argc) {
                return err_set(err, "--state-file needs a path");
            }
            free(d->state_path); /* of two the last counts */
            d->state_path = start_absolute(argv[n + 1]);
            n++;
            continue;
        }
        argv[2 + kept] = argv[n];
        kept++;
    }
    return config_overrides(kept, argv + 2, overrides, err);
}

static void start_warnings(const struct config_notes *notes)
{
    for (size_t n = 0; n < notes->count; n++) {
        if (notes->items[n].kind == CONFIG_WARNING) {
            log_warning("%s", notes->items[n].text);
        }
    }
}

static bool start_executable(const char *master, const char *what, const char *path, int line,
                             struct err *err)
{
    if (path == NULL || access(path, X_OK) == 0) {
        return true;
    }
    return err_set(err, "line %d: sentinel %s %s: %s: %s; name a program that may be executed",
                   line, what, master, path, strerror(errno));
}

static bool start_scripts(const struct sentinel_conf *conf, struct err *err)
{
    for (size_t n = 0; n < conf->masters_count; n++) {
        const struct conf_master *m = conf->masters[n];
        if (!start_executable(m->name, "notification-script", m->notification_script,
                              m->notification_script_line, err) ||
            !start_executable(m->name, "client-reconfig-script", m->client_reconfig_script,
                              m->client_reconfig_script_line, err)) {
            return false;
        }
    }
    return true;
}

static void start_print_errors(const struct config_notes *notes)
{
    (void)fprintf(stderr, "\n*** FATAL CONFIG FILE ERROR (holdfast %s) ***\n", HOLDFAST_VERSION);
    for (size_t n = 0; n < notes->count; n++) {
        if (notes->items[n].kind == CONFIG_ERROR) {
            (void)fprintf(stderr, "%s\n", notes->items[n].text); /* closed: nobody reads it */
        }
    }
}

static bool start_read_config(struct daemon *d, int argc, char **argv, struct config_notes *notes,
                              struct err *err)
{
    struct buf overrides = {0};
    bool exists = false;

    bool good = start_arguments(d, argc, argv, &overrides, err);
    if (good) {
        d->config_path = start_absolute(argv[1]);
        good = store_read(d->config_path, &d->config_text, &exists, err);
    }
    if (good && !exists) {
        good = err_set(err, "%s: no such file; a sentinel needs one that it may also write",
                       d->config_path);
    }
    if (good && d->state_path == NULL && access(d->config_path, W_OK) != 0) {
        good = err_set(err,
                       "%s: %s; the state is kept in it: make it writable for this user, or keep "
                       "the state elsewhere with --state-file PATH",
                       d->config_path, strerror(errno));
    }
    if (good) {
        struct config_source source = {
            .text = buf_data(&d->config_text),
            .len = d->config_text.len,
            .path = argv[1],
            .overrides = buf_data(&overrides),
            .overrides_len = overrides.len,
            .include = start_include,
        };
        good = config_parse(&source, &d->conf, notes, err);
        if (!good) {
            start_print_errors(notes);
        }
    }
    buf_finish(&overrides);
    return good && start_scripts(&d->conf, err);
}

/* ---- the process ---- */

static bool start_process(struct daemon *d, struct err *err)
{
    const struct conf_options *o = &d->conf.options;
    bool has_dir = o->dir != NULL && o->dir[0] != '\0';

    if (has_dir && chdir(o->dir) != 0) {
        return err_set(err, "line %d: dir %s: %s", config_line_of(&d->conf, "dir"), o->dir,
                       strerror(errno));
    }
    if (o->daemonize && !process_is_supervised((enum conf_supervised)o->supervised) &&
        !process_background(err)) {
        return false;
    }
    return settings_log(&d->conf, err) ||
           err_wrap(err, "line %d: logfile", config_line_of(&d->conf, "logfile"));
}

/* ---- signals ---- */

static void start_on_end_signal(void *ctx)
{
    struct daemon *d = ctx;

    log_warning("signal received: shutting down");
    loop_stop(d->loop);
}

static void start_on_hangup(void *ctx)
{
    struct err err;

    (void)ctx;
    if (!log_reopen(&err)) {
        log_warning("the log file cannot be opened again: %s", err.text);
    }
}

static bool start_signals(struct daemon *d, struct err *err)
{
    return loop_signal(d->loop, SIGTERM, start_on_end_signal, d, err) &&
           loop_signal(d->loop, SIGINT, start_on_end_signal, d, err) &&
           loop_signal(d->loop, SIGHUP, start_on_hangup, d, err);
}

/* ---- down again ---- */

static void start_finish(struct daemon *d)
{
    monitor_close(d);
    if (d->loop != NULL) {
        loop_destroy(d->loop);
    }
    monitor_finish(d);
    log_close();
}

/* NULL: none is wanted. */
static const char *start_pidfile(const struct conf_options *o)
{
    if (o->pidfile != NULL && o->pidfile[0] != '\0') {
        return o->pidfile;
    }
    return o->daemonize ? "/var/run/redis.pid" : NULL; /* where Redis puts it */
}

/* Everything is open: a start that failed has not taken the pid file of the one that runs. */
static void start_run(struct daemon *d)
{
    const char *pidfile = start_pidfile(&d->conf.options);
    struct err err;

    if (pidfile != NULL && !process_pidfile(pidfile, &err)) {
        log_warning("%s", err.text); /* as Redis: a missing pid file stops nobody */
    }
    log_notice("holdfast %s, a monitor in the place of redis-sentinel; run id %s, port %u",
               HOLDFAST_VERSION, d->conf.myid, (unsigned)sentinel_tcp_port(d->port));
    process_tell_supervisor("READY=1\nSTATUS=Ready to accept connections");
    observe_tick(d);
    loop_run(d->loop);
    process_tell_supervisor("STOPPING=1");
    if (pidfile != NULL) {
        (void)unlink(pidfile); /* somebody may have removed it before us */
    }
    log_warning("holdfast is now ready to exit, bye bye...");
}

const char *daemon_redis_version(void)
{
    return SENTINEL_REDIS_VERSION;
}

int daemon_sentinel_main(int argc, char **argv, const char *executable)
{
    struct daemon *d = memory_zeroed(sizeof(*d));
    struct config_notes notes = {0};
    struct err err = {{0}};
    int status = 0;

    bool good = start_read_config(d, argc, argv, &notes, &err) && start_process(d, &err);
    if (good) {
        start_warnings(&notes);
        d->loop = loop_create(&err);
        good = d->loop != NULL && monitor_open(d, executable, &err) && start_signals(d, &err);
    }
    if (good) {
        start_run(d);
    } else {
        log_err("%s", err.text);
        (void)fprintf(stderr, "holdfast sentinel: %s\n", err.text); /* closed: nobody reads it */
        status = 1;
    }
    config_notes_finish(&notes);
    start_finish(d);
    free(d);
    return status;
}
