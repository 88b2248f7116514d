#include "base/memory.h"
#include "loop/loop_inside.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

struct child {
    struct child *next;
    struct loop *loop;
    pid_t pid;
    bool is_reaped; /* pid may be somebody else's by now */
    struct child_end end;
    struct loop_timer *timeout;
    void (*on_exit)(void *ctx, const struct child_end *end);
    void *ctx;
};

static void child_free(struct child *child)
{
    loop_timer_destroy(child->timeout);
    free(child);
}

/* True when it has ended, and child->end says how. */
static bool child_reap(struct child *child)
{
    int status = 0;
    pid_t got = waitpid(child->pid, &status, WNOHANG);

    if (got == 0 || (got < 0 && errno == EINTR)) {
        return false;
    }
    child->is_reaped = true;
    child->end.exit_code = got > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    child->end.term_signal = got > 0 && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    loop_timer_clear(child->timeout);
    return true;
}

static void child_on_sigchld(evutil_socket_t signo, short what, void *ctx)
{
    struct loop *loop = ctx;
    struct child *ended = NULL;
    struct child **ended_end = &ended;
    struct child **link = &loop->children;

    (void)signo; /* one signal may stand for many children: all are asked */
    (void)what;
    while (*link != NULL) {
        struct child *child = *link;
        if (child_reap(child)) {
            *link = child->next;
            child->next = NULL;
            *ended_end = child;
            ended_end = &child->next;
        } else {
            link = &child->next;
        }
    }
    while (ended != NULL) { /* apart: on_exit may start children */
        struct child *child = ended;
        ended = child->next;
        child->on_exit(child->ctx, &child->end);
        child_free(child);
    }
}

static void child_on_timeout(void *ctx)
{
    struct child *child = ctx;

    child->end.timed_out = true;
    child_kill(child);
}

static bool child_watch(struct loop *loop, struct err *err)
{
    if (loop->child_event != NULL) {
        return true;
    }
    struct event *event =
        event_new(loop->base, SIGCHLD, EV_SIGNAL | EV_PERSIST, child_on_sigchld, loop);
    if (event == NULL || event_add(event, NULL) != 0) {
        if (event != NULL) {
            event_free(event);
        }
        return err_set(err, "SIGCHLD cannot be caught");
    }
    loop->child_event = event;
    return true;
}

/* Returns an errno. The program starts as from a shell: no blocked or ignored signal (we ignore
 * SIGPIPE), no descriptor of ours above 2. */
static int child_spawn(const struct child_plan *plan, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t all;
    sigset_t none;
    /* posix_spawn() changes neither list, its type is older than const */
    char *const *argv = (char *const *)(uintptr_t)plan->argv;
    char *const *env = plan->env == NULL ? environ : (char *const *)(uintptr_t)plan->env;

    int failed = posix_spawn_file_actions_init(&files);
    if (failed != 0) {
        return failed;
    }
    failed = posix_spawnattr_init(&attributes);
    if (failed != 0) {
        (void)posix_spawn_file_actions_destroy(&files); /* cannot fail */
        return failed;
    }
    (void)sigfillset(&all); /* these six fail only for a bad pointer or flag */
    (void)sigemptyset(&none);
    (void)posix_spawnattr_setsigdefault(&attributes, &all);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setpgroup(&attributes, 0);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
                                                    POSIX_SPAWN_SETPGROUP);
    failed = posix_spawn_file_actions_addclosefrom_np(&files, 3);
    if (failed == 0) {
        failed = posix_spawn(pid, plan->argv[0], &files, &attributes, argv, env);
    }
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&files);
    return failed;
}

struct child *child_start(struct loop *loop, const struct child_plan *plan, struct err *err)
{
    pid_t pid = -1;

    if (!child_watch(loop, err)) {
        return NULL;
    }
    int failed = child_spawn(plan, &pid);
    if (failed != 0) {
        (void)err_set(err, "%s: %s", plan->argv[0], strerror(failed));
        errno = failed;
        return NULL;
    }
    struct child *child = memory_zeroed(sizeof(*child));
    *child = (struct child){.next = loop->children,
                            .loop = loop,
                            .pid = pid,
                            .timeout = loop_timer_create(loop, child_on_timeout, child),
                            .on_exit = plan->on_exit,
                            .ctx = plan->ctx};
    loop->children = child;
    if (plan->timeout_ms > 0) {
        loop_timer_at(child->timeout, loop_now(loop) + plan->timeout_ms);
    }
    return child;
}

pid_t child_pid(const struct child *child)
{
    return child->pid;
}

void child_kill(struct child *child)
{
    if (!child->is_reaped) {
        (void)kill(-child->pid, SIGKILL); /* it may have ended by itself: on_exit tells */
    }
}

void child_forget_all(struct loop *loop)
{
    while (loop->children != NULL) {
        struct child *child = loop->children;
        loop->children = child->next;
        child_free(child);
    }
    if (loop->child_event != NULL) {
        event_free(loop->child_event);
        loop->child_event = NULL;
    }
}
