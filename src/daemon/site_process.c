#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "daemon/daemon.h"
#include "daemon/daemon_inside.h"
#include "daemon/site_inside.h"
#include "loop/log.h"
#include "store/store.h"

/* `holdfast run`: this node's part of a site, in one process. */

enum {
    SITE_ADDRESSES_MAX = 64, /* of this machine's interfaces, to find its node by */
    SITE_HOSTNAME_MAX = 256,
    SITE_RUN_FAILED = 1,
    SITE_RUN_WRONG = 2, /* the call or the file */
};

/* ---- which node is this ---- */

struct site_addresses {
    char texts[SITE_ADDRESSES_MAX][INET6_ADDRSTRLEN];
    const char *items[SITE_ADDRESSES_MAX];
    size_t count;
};

static void site_addresses_read(struct site_addresses *all)
{
    struct ifaddrs *list = NULL;

    if (getifaddrs(&list) != 0) {
        return; /* then the name must do */
    }
    for (const struct ifaddrs *i = list; i != NULL && all->count < SITE_ADDRESSES_MAX;
         i = i->ifa_next) {
        const void *number = NULL;
        if (i->ifa_addr != NULL && i->ifa_addr->sa_family == AF_INET) {
            number = &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr;
        } else if (i->ifa_addr != NULL && i->ifa_addr->sa_family == AF_INET6) {
            number = &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr;
        }
        char *text = all->texts[all->count];
        if (number != NULL &&
            inet_ntop(i->ifa_addr->sa_family, number, text, INET6_ADDRSTRLEN) != NULL) {
            all->items[all->count++] = text;
        }
    }
    freeifaddrs(list);
}

static const struct site_node *site_this_node(const struct site *site, const char *name,
                                              struct err *err)
{
    struct site_addresses addresses = {.count = 0};
    char hostname[SITE_HOSTNAME_MAX] = "";
    struct site_machine machine = {.node = name, .addresses = addresses.items};

    site_addresses_read(&addresses);
    machine.addresses_count = addresses.count;
    if (gethostname(hostname, sizeof(hostname) - 1) == 0) {
        machine.hostname = hostname;
    }
    return site_find_node(site, &machine, err);
}

/* ---- the file ---- */

static void site_print_findings(const char *path, const struct site_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct site_finding *f = &findings->items[i];
        (void)fprintf(stderr, "%s:%d:%d: %s: %s%s%s\n", path, f->at.line, f->at.column,
                      f->severity == SITE_ERROR ? "error" : "warning", f->what,
                      f->remedy == NULL ? "" : "; ", f->remedy == NULL ? "" : f->remedy);
    }
    if (findings->more_count > 0) {
        (void)fprintf(stderr, "%s: and %zu more\n", path, findings->more_count);
    }
}

static bool site_read(struct site_run *run, const char *node, struct err *err)
{
    struct site_findings findings = {0};
    struct buf text = {0};
    bool exists = false;

    bool is_good = store_read(run->path, &text, &exists, err);
    if (is_good && !exists) {
        is_good = err_set(err, "%s: there is no such file", run->path);
    }
    if (is_good) {
        is_good = site_parse(buf_data(&text), text.len, &run->site, &findings);
        site_print_findings(run->path, &findings);
        if (!is_good) {
            (void)err_set(err, "%s: %zu mistakes; nothing was started", run->path,
                          findings.errors_count); /* false, always */
        }
    }
    site_findings_finish(&findings);
    buf_finish(&text);
    if (is_good) {
        run->node = site_this_node(&run->site, node, err);
    }
    return is_good && run->node != NULL;
}

/* ---- signals ---- */

static void site_on_drained(void *ctx)
{
    struct site_run *run = ctx;

    run->draining--;
    if (run->draining == 0) {
        log_notice("all clients have gone");
        loop_stop(run->loop);
    }
}

static void site_drain(struct site_run *run)
{
    log_notice("told to end: accepts no more, and ends when its clients are done");
    process_tell_supervisor("STOPPING=1");
    for (size_t i = 0; i < run->site.services_count; i++) {
        if (run->relays[i] != NULL) {
            run->draining += site_relay_drain(run->relays[i], site_on_drained, run);
        }
    }
    run->draining += site_redis_drain(run->redis, site_on_drained, run);
    run->draining += site_teller_release(run->teller, site_on_drained, run);
    if (run->draining == 0) {
        loop_stop(run->loop);
    }
}

static void site_on_end_signal(void *ctx)
{
    struct site_run *run = ctx;

    run->signals++;
    if (run->signals == 1) {
        site_drain(run);
    } else {
        log_warning("told to end a second time: ends at once");
        loop_stop(run->loop);
    }
}

static void site_on_hangup(void *ctx)
{
    struct site_run *run = ctx;
    struct err err = {{0}};

    if (!log_reopen(&err)) {
        log_warning("the log file cannot be opened again: %s", err.text);
    }
    site_redis_reload_secrets(run->redis);
}

static bool site_signals(struct site_run *run, struct err *err)
{
    return loop_signal(run->loop, SIGTERM, site_on_end_signal, run, err) &&
           loop_signal(run->loop, SIGINT, site_on_end_signal, run, err) &&
           loop_signal(run->loop, SIGHUP, site_on_hangup, run, err);
}

/* ---- start and end ---- */

static bool site_log(const struct site_run *run, struct err *err)
{
    static const enum log_level levels[] = {[SITE_LEVEL_DEBUG] = LOG_LEVEL_DEBUG,
                                            [SITE_LEVEL_VERBOSE] = LOG_LEVEL_INFO,
                                            [SITE_LEVEL_NOTICE] = LOG_LEVEL_NOTICE,
                                            [SITE_LEVEL_WARNING] = LOG_LEVEL_WARNING};
    struct log_settings settings = {
        .level = levels[run->site.log.level], .role = 'H', .file = run->site.log.file};

    return log_open(&settings, err) || err_wrap(err, "log");
}

static bool site_relays_open(struct site_run *run, struct err *err)
{
    for (size_t i = 0; i < run->site.services_count; i++) {
        const struct site_service *service = &run->site.services[i];
        if (service->kind == SITE_REDIS) {
            continue;
        }
        run->relays[i] = site_relay_open(run, service, err);
        if (run->relays[i] == NULL) {
            return false;
        }
    }
    return true;
}

static bool site_start(struct site_run *run, struct err *err)
{
    if (!site_log(run, err)) {
        return false;
    }
    run->loop = loop_create(err);
    if (run->loop == NULL || !site_signals(run, err)) {
        return false;
    }
    log_notice("holdfast %s, node %s of site %s", HOLDFAST_VERSION, run->node->head.name,
               run->site.name);
    if (!site_relays_open(run, err)) {
        return false;
    }
    if (!site_redis_open(run, err)) {
        return false;
    }
    run->teller = site_teller_open(run, err);
    return run->teller != NULL;
}

static void site_finish_run(struct site_run *run)
{
    site_teller_close(run->teller);
    run->teller = NULL;
    for (size_t i = 0; i < SITE_SERVICES_MAX; i++) {
        site_relay_close(run->relays[i]);
    }
    site_redis_close(run->redis);
    if (run->loop != NULL) {
        loop_destroy(run->loop);
    }
    site_redis_finish(run->redis);
    log_close();
}

static int site_serve(struct site_run *run)
{
    struct err err = {{0}};
    bool is_started = site_start(run, &err);

    if (is_started) {
        process_tell_supervisor("READY=1\nSTATUS=Serving");
        loop_run(run->loop);
        log_notice("holdfast ends");
    } else {
        log_err("%s", err.text);
        (void)fprintf(stderr, "holdfast run: %s\n", err.text); /* closed: nobody reads it */
    }
    site_finish_run(run);
    return is_started ? 0 : SITE_RUN_FAILED;
}

int daemon_site_main(const char *path, const char *node, const char *executable)
{
    struct site_run *run = memory_zeroed(sizeof(*run));
    struct err err = {{0}};
    int status = SITE_RUN_WRONG;

    run->executable = executable;
    run->path = realpath(path, NULL);
    if (run->path == NULL) {
        run->path = strdup(path);
        ASSERT(run->path != NULL);
    }
    if (site_read(run, node, &err)) {
        status = site_serve(run);
        site_finish(&run->site);
    } else {
        (void)fprintf(stderr, "holdfast run: %s\n", err.text); /* closed: nobody reads it */
    }
    free(run->path);
    free(run);
    return status;
}
