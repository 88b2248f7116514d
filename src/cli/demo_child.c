#include "cli/demo_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/cli.h"

enum {
    DEMO_CHILD_FIRST_ARG = 3,
    DEMO_CHILD_CANNOT_EXEC = 127, /* as a shell */
};

static bool demo_child_output_to(const char *path)
{
    int out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);

    return out >= 0 && in >= 0 && dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
           dup2(out, STDERR_FILENO) >= 0;
}

int demo_child_exec(int argc, char **argv)
{
    int64_t parent = 0;

    if (argc <= DEMO_CHILD_FIRST_ARG || !text_to_i64(argv[1], strlen(argv[1]), &parent)) {
        return CLI_USAGE;
    }
    /* A demo that died before the prctl has left us another parent. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != (pid_t)parent) {
        return CLI_FAILED;
    }
    if (!demo_child_output_to(argv[2])) {
        return CLI_FAILED;
    }
    (void)execv(argv[DEMO_CHILD_FIRST_ARG], argv + DEMO_CHILD_FIRST_ARG);
    (void)fprintf(stderr, "%s: %s\n", argv[DEMO_CHILD_FIRST_ARG], strerror(errno));
    return DEMO_CHILD_CANNOT_EXEC;
}
