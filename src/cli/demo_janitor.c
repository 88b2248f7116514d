#include "cli/demo_janitor.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    JANITOR_TRIES = 100, /* servers that are being killed may still make a file */
    JANITOR_WAIT_MS = 20,
    JANITOR_FDS = 16, /* descriptors that nftw may use */
};

static int demo_janitor_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path) != 0 && errno != ENOENT ? -1 : 0;
}

static _Noreturn void demo_janitor_run(int fd, const char *dir)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
    char byte;

    for (size_t i = 0; i < COUNT_OF(ignored); i++) {
        (void)sigaction(ignored[i], &ignore, NULL); /* cannot fail for these */
    }
    (void)setsid(); /* cannot fail: we are a new child */
    while (read(fd, &byte, 1) < 0 && errno == EINTR) {
    }
    for (int i = 0; i < JANITOR_TRIES && access(dir, F_OK) == 0; i++) {
        if (nftw(dir, demo_janitor_remove, JANITOR_FDS, FTW_DEPTH | FTW_PHYS) == 0) {
            break;
        }
        (void)poll(NULL, 0, JANITOR_WAIT_MS); /* a pause; how it ends does not matter */
    }
    _exit(0);
}

bool demo_janitor_start(struct demo_janitor *janitor, const char *dir, struct err *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0) {
        return err_set(err, "pipe: %s", strerror(errno));
    }
    (void)fflush(NULL); /* nothing buffered may be written twice */
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[1]);
        demo_janitor_run(ends[0], dir);
    }
    (void)close(ends[0]);
    if (pid < 0) {
        (void)close(ends[1]);
        return err_set(err, "fork: %s", strerror(errno));
    }
    *janitor = (struct demo_janitor){.pid = pid, .fd = ends[1]};
    return true;
}

void demo_janitor_finish(struct demo_janitor *janitor)
{
    if (janitor == NULL || janitor->pid == 0) {
        return;
    }
    (void)close(janitor->fd);
    while (waitpid(janitor->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    *janitor = (struct demo_janitor){0};
}
