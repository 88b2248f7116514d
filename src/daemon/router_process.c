#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/memory.h"
#include "daemon/daemon.h"
#include "daemon/daemon_inside.h"
#include "daemon/router_inside.h"
#include "daemon/secret_file.h"
#include "loop/log.h"

/* `holdfast router`: the process around a router. */

enum {
    ROUTER_DESCRIPTORS_SPARE = 128, /* monitors, shared connections, log, control */
};

#define ROUTER_RUN_DIRECTORY "/run/holdfast"

struct router_process {
    struct router_options options;
    bool is_usual_path; /* the control path was not written by the operator */
    struct loop *loop;
    struct router *router;
    struct control *control;
    struct takeover takeover;
    bool is_draining;
    unsigned signals; /* that ask to end */
};

/* ---- before there is a router ---- */

static bool router_process_read(void *ctx, const char *path, struct buf *text, struct err *err)
{
    bool exists = false;

    (void)ctx;
    if (!store_read(path, text, &exists, err)) {
        return false;
    }
    return exists || err_set(err, "%s: there is no such file", path);
}

/* Where holdfast status looks by itself, when this user may make a socket there. */
static void router_process_usual_path(struct router_process *p)
{
    struct router_conf *conf = &p->options.conf;

    if (p->options.no_control || conf->control_path[0] != '\0') {
        return;
    }
    int len = snprintf(conf->control_path, sizeof(conf->control_path),
                       ROUTER_RUN_DIRECTORY "/router-%s.sock", conf->master);
    p->is_usual_path = true;
    if (len < 0 || (size_t)len >= sizeof(conf->control_path) || strchr(conf->master, '/') != NULL ||
        access(ROUTER_RUN_DIRECTORY, W_OK | X_OK) != 0) {
        conf->control_path[0] = '\0';
    }
}

/* ---- signals ---- */

static void router_process_on_drained(void *ctx)
{
    struct router_process *p = ctx;

    log_notice("all clients have gone");
    loop_stop(p->loop);
}

static void router_process_drain(struct router_process *p, const char *why)
{
    p->is_draining = true;
    log_notice("%s: accepts no more, and ends when its clients are done", why);
    process_tell_supervisor("STOPPING=1");
    router_drain(p->router, router_process_on_drained, p);
}

/* Of the control socket: another process has our place. */
static void router_process_on_drain(void *ctx)
{
    struct router_process *p = ctx;

    if (!p->is_draining) {
        router_process_drain(p, "told to drain");
    }
}

static void router_process_on_end_signal(void *ctx)
{
    struct router_process *p = ctx;

    p->signals++;
    if (p->signals > 1) {
        log_warning("told to end a second time: ends at once");
        loop_stop(p->loop);
    } else if (!p->is_draining) {
        router_process_drain(p, "told to end");
    }
}

static void router_process_on_hangup(void *ctx)
{
    struct router_process *p = ctx;
    struct router_secret_texts texts;
    struct err err = {{0}};

    if (!log_reopen(&err)) {
        log_warning("the log file cannot be opened again: %s", err.text);
    }
    if (!router_secrets_read(&p->options.conf, &texts, secret_file_warn_log, &err)) {
        log_warning("nothing was read again, the old passwords stay: %s", err.text);
        return;
    }
    struct router_secrets secrets = router_secrets_of(&texts);
    if (router_reload(p->router, &secrets, &err)) {
        log_notice("passwords and certificates were read again");
    } else {
        log_warning("the old passwords and certificates stay: %s", err.text);
    }
    router_secrets_finish(&texts);
}

/* ---- start ---- */

static bool router_process_log(const struct router_process *p, struct err *err)
{
    const struct router_conf *conf = &p->options.conf;
    struct log_settings settings = {
        .level = conf->is_verbose ? LOG_LEVEL_INFO : LOG_LEVEL_NOTICE,
        .role = 'R',
        .file = conf->log_file,
    };

    if (!log_open(&settings, err)) {
        return err_wrap(err, "--log-file");
    }
    for (size_t i = 0; i < p->options.notes.count; i++) {
        log_warning("%s", p->options.notes.items[i].text);
    }
    return true;
}

/* Each client is a descriptor, and one more while it has a connection of its own. */
static void router_process_descriptors(const struct router_conf *conf)
{
    rlim_t wanted = (rlim_t)conf->clients_max * 2 + ROUTER_DESCRIPTORS_SPARE;
    rlim_t least = (rlim_t)conf->clients_max + ROUTER_DESCRIPTORS_SPARE;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < least) {
        log_warning("%llu descriptors are allowed, %u clients need %llu: raise the limit "
                    "(LimitNOFILE=, ulimit -n) or lower --clients",
                    (unsigned long long)limit.rlim_cur, conf->clients_max,
                    (unsigned long long)least);
    }
}

static bool router_process_router(struct router_process *p, struct err *err)
{
    struct router_secret_texts texts = {0};

    if (!router_secrets_read(&p->options.conf, &texts, secret_file_warn_log, err)) {
        return false;
    }
    struct router_secrets secrets = router_secrets_of(&texts);
    p->router =
        router_open(p->loop, &p->options.conf, &secrets, takeover_sockets(&p->takeover), err);
    takeover_taken(&p->takeover);
    router_secrets_finish(&texts);
    return p->router != NULL;
}

static bool router_process_control(struct router_process *p, struct err *err)
{
    const struct router_conf *conf = &p->options.conf;
    struct control_settings settings = {
        .path = conf->control_path,
        .conf = conf,
        .router = p->router,
        .on_drain = router_process_on_drain,
        .ctx = p,
    };

    if (conf->control_path[0] == '\0') {
        log_notice("no control socket, so no holdfast status: %s",
                   p->options.no_control ? "--control none"
                                         : "--control PATH makes one, or a " ROUTER_RUN_DIRECTORY
                                           " that this user may write to");
        return true;
    }
    p->control = control_open(p->loop, &settings, err);
    return p->control != NULL;
}

static bool router_process_signals(struct router_process *p, struct err *err)
{
    return loop_signal(p->loop, SIGTERM, router_process_on_end_signal, p, err) &&
           loop_signal(p->loop, SIGINT, router_process_on_end_signal, p, err) &&
           loop_signal(p->loop, SIGHUP, router_process_on_hangup, p, err);
}

static bool router_process_start(struct router_process *p, struct err *err)
{
    if (!router_process_log(p, err)) {
        return false;
    }
    router_process_descriptors(&p->options.conf);
    p->loop = loop_create(err);
    /* Signals before the router: from then on nobody is cut by one. */
    return p->loop != NULL && router_process_signals(p, err) &&
           takeover_begin(&p->options, p->is_usual_path, &p->takeover, err) &&
           router_process_router(p, err) && router_process_control(p, err);
}

static void router_process_run(struct router_process *p)
{
    const struct router_conf *conf = &p->options.conf;
    struct buf where = {0};

    for (size_t i = 0; i < conf->listens_count; i++) {
        buf_append_text(&where, " ");
        router_listen_text(&conf->listens[i], &where);
    }
    for (size_t i = 0; i < conf->replica_listens_count; i++) {
        buf_append_text(&where, " ");
        router_listen_text(&conf->replica_listens[i], &where);
        buf_append_text(&where, " (replicas)");
    }
    log_notice("holdfast %s, a router for master %s, at%s", HOLDFAST_VERSION, conf->master,
               buf_data(&where));
    buf_finish(&where);
    takeover_end(&p->takeover, conf);
    process_tell_supervisor("READY=1\nSTATUS=Ready to accept connections");
    loop_run(p->loop);
    log_notice("holdfast router ends");
}

static void router_process_finish(struct router_process *p)
{
    control_close(p->control);
    if (p->router != NULL && takeover_is_open(&p->takeover)) {
        router_hand_over(p->router); /* we give up, the old process goes on: the files stay its */
    }
    router_close(p->router);
    takeover_abandon(&p->takeover);
    if (p->loop != NULL) {
        loop_destroy(p->loop);
    }
    log_close();
}

static int router_process_serve(struct router_process *p)
{
    struct err err = {{0}};
    int status = ROUTER_FINE;

    if (router_process_start(p, &err)) {
        router_process_run(p);
    } else {
        log_err("%s", err.text);
        (void)fprintf(stderr, "holdfast router: %s\n", err.text); /* closed: nobody reads it */
        status = ROUTER_FAILED;
    }
    router_process_finish(p);
    return status;
}

int daemon_router_main(int argc, char **argv)
{
    struct router_process *p = memory_zeroed(sizeof(*p));
    struct router_options *options = &p->options;
    struct router_options_source source = {.argc = argc, .argv = argv, .read = router_process_read};
    int status;

    p->takeover.fd = -1;
    if (!router_options_parse(&source, options)) {
        router_print_notes(&options->notes, CONFIG_ERROR);
        status = ROUTER_USAGE;
    } else if (options->wants_help) {
        status = router_print_help();
    } else if (options->is_commands) {
        status = router_print_commands(options->is_json);
    } else {
        router_process_usual_path(p);
        status = options->is_check ? router_print_check(options) : router_process_serve(p);
    }
    router_options_finish(options);
    free(p);
    return status;
}
