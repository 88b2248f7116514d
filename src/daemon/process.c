#include "daemon/daemon_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"

/* The process among others: the background, the pid file, the supervisor. */

bool process_is_supervised(enum conf_supervised mode)
{
    bool is_upstart = getenv("UPSTART_JOB") != NULL;
    bool is_systemd = getenv("NOTIFY_SOCKET") != NULL;

    switch (mode) {
    case CONF_SUPERVISED_NO:
        return false;
    case CONF_SUPERVISED_UPSTART:
        return is_upstart;
    case CONF_SUPERVISED_SYSTEMD:
        return is_systemd;
    case CONF_SUPERVISED_AUTO:
        return is_upstart || is_systemd;
    }
    UNREACHABLE("not a word of supervised");
}

bool process_background(struct err *err)
{
    pid_t pid = fork();

    if (pid < 0) {
        return err_set(err, "daemonize: fork: %s", strerror(errno));
    }
    if (pid > 0) {
        _exit(0); /* the parent's buffers and files are the child's to flush */
    }
    if (setsid() < 0) {
        return err_set(err, "daemonize: setsid: %s", strerror(errno));
    }
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) {
        return err_set(err, "daemonize: /dev/null: %s", strerror(errno));
    }
    for (int fd = 0; fd <= 2; fd++) {
        (void)dup2(null, fd); /* a terminal that stays open harms nobody */
    }
    if (null > 2) {
        (void)close(null); /* nothing was written */
    }
    return true;
}

bool process_pidfile(const char *path, struct err *err)
{
    FILE *file = fopen(path, "we");

    if (file == NULL) {
        return err_set(err, "pidfile %s: %s", path, strerror(errno));
    }
    bool written = fprintf(file, "%ld\n", (long)getpid()) > 0;
    written = fclose(file) == 0 && written;
    return written || err_set(err, "pidfile %s: cannot be written: %s", path, strerror(errno));
}

/* systemd's protocol: one datagram to the socket it names. Nobody listening is no error. */
void process_tell_supervisor(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    if (path == NULL || (path[0] != '/' && path[0] != '@') ||
        !text_copy(to.sun_path, sizeof(to.sun_path), path)) {
        return;
    }
    size_t len = strlen(path);
    if (path[0] == '@') {
        to.sun_path[0] = '\0';
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return;
    }
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to, size);
    (void)close(fd);
}
