#include "cli/demo_site.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/prng.h"
#include "base/text.h"

enum {
    /* Below the ports that the kernel gives to outgoing connections, so that none of ours is taken
     * between the look and the start. */
    DEMO_PORT_FIRST = 20000,
    DEMO_PORT_LAST = 32000,
    DEMO_PORT_TRIES = 1000,
    DEMO_FAILOVER_TIMEOUT_MS = 10000,
    DEMO_REFUSED_AFTER_MS = 100, /* what a site of holdfast has by default */
    DEMO_LOG_TAIL_BYTES = 600,   /* of a server that ended, to show */
    DEMO_PID_TEXT_MAX = 16,
    DEMO_ARGS_MAX = 4, /* of a program, with its name */
    DEMO_CONTROL_MAX = sizeof(((struct sockaddr_un *)NULL)->sun_path),
};

#define DEMO_CONTROL "/router.sock"

/* ---- finding programs, ports and a place ---- */

/* Fills path with an executable file of that name, looked for as a shell does. */
static bool demo_site_which(const char *name, char path[PATH_MAX])
{
    const char *at = strchr(name, '/') != NULL ? "" : getenv("PATH");

    for (at = at == NULL ? "/usr/bin" : at;; at++) {
        size_t len = strcspn(at, ":");
        int wrote = snprintf(path, PATH_MAX, "%.*s%s%s", (int)len, at, len > 0 ? "/" : "", name);
        if (wrote > 0 && wrote < PATH_MAX && access(path, X_OK) == 0) {
            return true;
        }
        at += len;
        if (*at == '\0') {
            path[0] = '\0';
            return false;
        }
    }
}

static bool demo_site_find_programs(struct demo_site *site, struct err *err)
{
    ssize_t len = readlink("/proc/self/exe", site->self, sizeof(site->self) - 1);

    if (len < 0) {
        return err_set(err, "/proc/self/exe: %s", strerror(errno));
    }
    site->self[len] = '\0';
    if (!demo_site_which("redis-server", site->redis_server) &&
        !demo_site_which("valkey-server", site->redis_server)) {
        return err_set(err, "redis-server is not in the PATH: the demo runs real ones. Debian and "
                            "Ubuntu: apt-get install redis-server");
    }
    if (site->plan.monitors != NULL && !demo_site_which(site->plan.monitors, site->sentinel)) {
        return err_set(err,
                       "--monitors: %s is not in the PATH. Debian and Ubuntu: apt-get install "
                       "redis-sentinel",
                       site->plan.monitors);
    }
    return true;
}

static bool demo_site_port_is_free(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return false;
    }
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)); /* as servers set it */
    bool is_free = bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0;
    (void)close(fd);
    return is_free;
}

static bool demo_site_choose_port(struct demo_site *site, struct demo_process *process,
                                  struct prng *prng)
{
    for (int i = 0; i < DEMO_PORT_TRIES; i++) {
        uint64_t at = prng_below(prng, DEMO_PORT_LAST - DEMO_PORT_FIRST);
        if (!addr_set(&process->at, "127.0.0.1", (uint16_t)(DEMO_PORT_FIRST + at))) {
            return false;
        }
        if (demo_site_at(site, &process->at) == process &&
            demo_site_port_is_free(process->at.port)) {
            return true;
        }
    }
    return false;
}

static bool demo_site_make_dir(struct demo_site *site, struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    int len = snprintf(site->dir, sizeof(site->dir), "%s/holdfast-demo-XXXXXX",
                       tmp == NULL || tmp[0] == '\0' ? "/tmp" : tmp);

    if (len < 0 || (size_t)len >= sizeof(site->dir)) {
        site->dir[0] = '\0';
        return err_set(err, "TMPDIR is too long");
    }
    if (site->plan.has_router && (size_t)len + strlen(DEMO_CONTROL) >= DEMO_CONTROL_MAX) {
        site->dir[0] = '\0';
        return err_set(err, "TMPDIR is too long for the router's control socket");
    }
    if (mkdtemp(site->dir) == NULL) {
        err_set(err, "%s: %s", site->dir, strerror(errno));
        site->dir[0] = '\0';
        return false;
    }
    return demo_janitor_start(&site->janitor, site->dir, err);
}

static void demo_site_name(struct demo_process *p, size_t i)
{
    if (i >= DEMO_REDIS + DEMO_MONITORS) {
        (void)snprintf(p->name, sizeof(p->name), "router"); /* fits, as those below */
    } else if (i >= DEMO_REDIS) {
        (void)snprintf(p->name, sizeof(p->name), "monitor-%u", (unsigned)(i - DEMO_REDIS + 1));
    } else {
        (void)snprintf(p->name, sizeof(p->name), "redis-%u", (unsigned)(i + 1));
    }
}

bool demo_site_prepare(struct demo_site *site, const struct demo_site_plan *plan, struct err *err)
{
    struct prng prng;
    uint64_t seed = 0;

    site->plan = *plan;
    if (!demo_site_find_programs(site, err) || !demo_site_make_dir(site, err)) {
        return false;
    }
    loop_random(&seed, sizeof(seed));
    prng_init(&prng, seed);
    site->count = plan->has_router ? DEMO_PROCESSES : DEMO_PROCESSES - 1;
    for (size_t i = 0; i < site->count; i++) {
        struct demo_process *p = &site->processes[i];
        p->site = site;
        demo_site_name(p, i);
        if (!demo_site_choose_port(site, p, &prng)) {
            return err_set(err, "no free port on 127.0.0.1 between %d and %d", DEMO_PORT_FIRST,
                           DEMO_PORT_LAST);
        }
    }
    return true;
}

struct demo_process *demo_site_redis(struct demo_site *site, size_t i)
{
    ASSERT(i < DEMO_REDIS);
    return &site->processes[i];
}

struct demo_process *demo_site_monitor(struct demo_site *site, size_t i)
{
    ASSERT(i < DEMO_MONITORS);
    return &site->processes[DEMO_REDIS + i];
}

struct demo_process *demo_site_router(struct demo_site *site)
{
    return site->plan.has_router ? &site->processes[DEMO_PROCESSES - 1] : NULL;
}

struct demo_process *demo_site_at(struct demo_site *site, const struct addr *at)
{
    for (size_t i = 0; i < site->count; i++) {
        if (addr_same(&site->processes[i].at, at)) {
            return &site->processes[i];
        }
    }
    return NULL;
}

/* ---- configuration files ---- */

static void demo_site_path(const struct demo_process *p, const char *end, char path[DEMO_PATH_MAX])
{
    int len = snprintf(path, DEMO_PATH_MAX, "%s/%s%s", p->site->dir, p->name, end);
    ASSERT(len > 0 && len < DEMO_PATH_MAX);
}

void demo_site_control_path(const struct demo_site *site, char path[DEMO_PATH_MAX])
{
    (void)snprintf(path, DEMO_PATH_MAX, "%s" DEMO_CONTROL, site->dir); /* fits: dir is half of it */
}

static bool demo_site_is_redis(const struct demo_process *p)
{
    return p < &p->site->processes[DEMO_REDIS];
}

static void demo_site_redis_conf(const struct demo_process *p, struct buf *out)
{
    const struct demo_process *master = &p->site->processes[0];

    buf_printf(out,
               "bind 127.0.0.1\nport %u\ndir %s\nsave \"\"\nappendonly no\n"
               "repl-diskless-sync yes\nrepl-diskless-sync-delay 0\n",
               (unsigned)p->at.port, p->site->dir);
    if (p != master) {
        buf_printf(out, "replicaof 127.0.0.1 %u\n", (unsigned)master->at.port);
    }
}

static void demo_site_monitor_conf(const struct demo_process *p, struct buf *out)
{
    const struct demo_site *site = p->site;

    buf_printf(out,
               "bind 127.0.0.1\nport %u\ndir %s\n"
               "sentinel monitor " DEMO_MASTER_NAME " 127.0.0.1 %u %d\n"
               "sentinel down-after-milliseconds " DEMO_MASTER_NAME " %lld\n"
               "sentinel failover-timeout " DEMO_MASTER_NAME " %d\n",
               (unsigned)p->at.port, site->dir, (unsigned)site->processes[0].at.port, DEMO_QUORUM,
               (long long)site->plan.down_after_ms, DEMO_FAILOVER_TIMEOUT_MS);
    if (site->sentinel[0] == '\0') {
        buf_printf(out, "sentinel refused-after-milliseconds " DEMO_MASTER_NAME " %d\n",
                   DEMO_REFUSED_AFTER_MS);
    }
}

/* Writes that may be done twice are asked again: the client's can be. */
static void demo_site_router_conf(const struct demo_process *p, struct buf *out)
{
    const struct demo_site *site = p->site;
    char control[DEMO_PATH_MAX];

    demo_site_control_path(site, control);
    buf_printf(out,
               "master " DEMO_MASTER_NAME "\nlisten 127.0.0.1:%u\nhold %lldms\n"
               "retry-writes idempotent\ncontrol \"%s\"\n",
               (unsigned)p->at.port, (long long)site->plan.hold_ms, control);
    for (size_t i = DEMO_REDIS; i < DEMO_REDIS + DEMO_MONITORS; i++) {
        buf_printf(out, "sentinels 127.0.0.1:%u\n", (unsigned)site->processes[i].at.port);
    }
}

static bool demo_site_write(const char *path, const struct buf *text, struct err *err)
{
    FILE *file =
        fopen(path, "wxe"); /* servers rewrite theirs: an existing one is newer than ours */

    if (file == NULL) {
        return errno == EEXIST || err_set(err, "%s: %s", path, strerror(errno));
    }
    bool wrote = fwrite(buf_data(text), 1, text->len, file) == text->len;
    if (fclose(file) != 0 || !wrote) {
        return err_set(err, "%s: cannot be written", path);
    }
    return true;
}

/* ---- processes ---- */

static void demo_site_tell_death(struct demo_process *p, const struct child_end *end)
{
    char path[DEMO_PATH_MAX];
    char tail[DEMO_LOG_TAIL_BYTES + 1];
    char text[DEMO_LOG_TAIL_BYTES + DEMO_PATH_MAX];
    size_t len = 0;

    demo_site_path(p, ".log", path);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fseek(file, -DEMO_LOG_TAIL_BYTES, SEEK_END) != 0) {
            rewind(file); /* shorter than the tail */
        }
        len = fread(tail, 1, DEMO_LOG_TAIL_BYTES, file);
        (void)fclose(file); /* only read */
    }
    tail[len] = '\0';
    (void)snprintf(text, sizeof(text), "%s ended (status %d, signal %d). Its last lines:\n%s",
                   p->name, end->exit_code, end->term_signal, tail); /* cut when too long */
    p->site->on_death(p->site->ctx, text);
}

static void demo_site_on_exit(void *ctx, const struct child_end *end)
{
    struct demo_process *p = ctx;
    bool is_news = !p->is_killed && !p->site->is_ending;

    p->child = NULL;
    p->is_paused = false;
    p->is_killed = false;
    if (is_news) {
        demo_site_tell_death(p, end);
    }
}

static void demo_site_conf(struct demo_process *p, struct buf *out)
{
    if (demo_site_is_redis(p)) {
        demo_site_redis_conf(p, out);
    } else if (p == demo_site_router(p->site)) {
        demo_site_router_conf(p, out);
    } else {
        demo_site_monitor_conf(p, out);
    }
}

/* Starts argv[0] with the rest as its arguments, so that it dies with us. */
static struct child *demo_site_exec(struct demo_process *p, const char *const argv[DEMO_ARGS_MAX],
                                    struct err *err)
{
    char log[DEMO_PATH_MAX];
    char pid[DEMO_PID_TEXT_MAX];
    const char *words[DEMO_ARGS_MAX + 6] = {p->site->self, "demo", "--as-child", pid, log};
    struct child_plan plan = {.argv = words, .on_exit = demo_site_on_exit, .ctx = p};

    demo_site_path(p, ".log", log);
    (void)snprintf(pid, sizeof(pid), "%d", (int)getpid()); /* fits */
    memcpy(&words[5], argv, DEMO_ARGS_MAX * sizeof(words[0]));
    return child_start(p->site->loop, &plan, err);
}

bool demo_site_start(struct demo_process *process, struct err *err)
{
    struct demo_site *site = process->site;
    char conf[DEMO_PATH_MAX];
    struct buf text = {0};

    ASSERT(process->child == NULL);
    demo_site_path(process, ".conf", conf);
    demo_site_conf(process, &text);
    bool wrote = demo_site_write(conf, &text, err);
    buf_finish(&text);
    if (!wrote) {
        return false;
    }
    const char *const redis[DEMO_ARGS_MAX] = {site->redis_server, conf};
    const char *const other[DEMO_ARGS_MAX] = {site->sentinel, conf};
    const char *const own[DEMO_ARGS_MAX] = {site->self, "sentinel", conf};
    const char *const router[DEMO_ARGS_MAX] = {site->self, "router", "--config", conf};
    const char *const *argv = site->sentinel[0] == '\0' ? own : other;
    if (demo_site_is_redis(process)) {
        argv = redis;
    } else if (process == demo_site_router(site)) {
        argv = router;
    }
    process->child = demo_site_exec(process, argv, err);
    return process->child != NULL || err_wrap(err, "%s", process->name);
}

void demo_site_kill(struct demo_process *process)
{
    if (process->child != NULL) {
        process->is_killed = true;
        child_kill(process->child);
    }
}

void demo_site_pause(struct demo_process *process)
{
    if (process->child != NULL) {
        process->is_paused = kill(child_pid(process->child), SIGSTOP) == 0;
    }
}

void demo_site_resume(struct demo_process *process)
{
    if (process->child != NULL && process->is_paused) {
        (void)kill(child_pid(process->child), SIGCONT); /* not reaped yet, so it is still ours */
        process->is_paused = false;
    }
}

void demo_site_end(struct demo_site *site)
{
    site->is_ending = true;
    for (size_t i = 0; i < site->count; i++) {
        demo_site_kill(&site->processes[i]);
    }
}

bool demo_site_is_empty(const struct demo_site *site)
{
    for (size_t i = 0; i < site->count; i++) {
        if (site->processes[i].child != NULL) {
            return false;
        }
    }
    return true;
}

void demo_site_finish(struct demo_site *site)
{
    if (site == NULL) {
        return;
    }
    if (site->dir[0] != '\0' && site->janitor.pid == 0) {
        (void)rmdir(site->dir); /* the janitor could not be started: it is empty */
    }
    demo_janitor_finish(&site->janitor);
    site->dir[0] = '\0';
}
