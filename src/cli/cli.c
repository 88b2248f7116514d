#include "cli/cli.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/text.h"
#include "cli/check.h"
#include "cli/demo.h"
#include "cli/run.h"
#include "cli/status.h"
#include "daemon/daemon.h"

enum {
    CLI_SUGGEST_DISTANCE = 2, /* edits between what was typed and what is suggested */
};

struct cli_command {
    const char *name;
    const char *arguments;
    const char *help;
    int (*run)(int argc, char **argv); /* argv[0] is the name; returns the exit status */
};

const char *cli_executable(void)
{
    static char executable[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", executable, sizeof(executable) - 1);

    executable[len < 0 ? 0 : len] = '\0';
    return executable;
}

static int cli_sentinel(int argc, char **argv)
{
    return daemon_sentinel_main(argc, argv, cli_executable());
}

static const struct cli_command commands[] = {
#define COMMAND(name, arguments, run, help) {name, arguments, help, run},
#include "cli/commands.def"
#undef COMMAND
};

static const struct cli_command *cli_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static const char *cli_nearest(const char *typed)
{
    const char *nearest = NULL;
    size_t nearest_distance = CLI_SUGGEST_DISTANCE + 1;

    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        size_t distance = text_distance(typed, commands[i].name);
        if (distance < nearest_distance) {
            nearest_distance = distance;
            nearest = commands[i].name;
        }
    }
    return nearest;
}

static void cli_help(FILE *out)
{
    (void)fprintf(out, "holdfast %s: keeps a Redis site up when a machine dies\n\n",
                  HOLDFAST_VERSION); /* help that cannot be written needs no second try */
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        (void)fprintf(out, "  holdfast %s %s\n      %s\n", commands[i].name, commands[i].arguments,
                      commands[i].help);
    }
    (void)fputs(
        "\n  holdfast --help | --version\n\n"
        "Called redis-sentinel or valkey-sentinel it is the sentinel command, and so it is\n"
        "with FILE --sentinel. Exit status: 0 fine, 1 a failure, 2 the call or the file is "
        "wrong.\nManual: holdfast(1), holdfast-router(8), holdfast-sentinel(8).\n",
        out);
}

static int cli_unknown(const char *typed)
{
    const char *nearest = cli_nearest(typed);

    (void)fprintf(stderr, "holdfast: there is no command \"%s\"", typed);
    if (nearest != NULL) {
        (void)fprintf(stderr, "; did you mean \"%s\"?", nearest);
    }
    (void)fputs("\nholdfast --help lists the commands.\n", stderr);
    return CLI_USAGE;
}

/* Redis looks for the words anywhere in the name it was called by,
 * so redis-sentinel-7 counts too. */
static bool cli_is_sentinel_name(const char *argv0)
{
    const char *slash = strrchr(argv0, '/');
    const char *name = slash == NULL ? argv0 : slash + 1;

    return strstr(name, "redis-sentinel") != NULL || strstr(name, "valkey-sentinel") != NULL;
}

/* "--sentinel" alone is the mode; followed by words it is a directive of that name, as in Redis. */
static bool cli_has_sentinel_word(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool is_last = i + 1 == argc || strncmp(argv[i + 1], "--", 2) == 0;
        if (strcmp(argv[i], "--sentinel") == 0 && is_last) {
            return true;
        }
    }
    return false;
}

/* By its old name it answers in the form that scripts read: the Redis whose protocol it speaks. */
static int cli_version(bool by_name)
{
    int len = by_name ? printf("Redis server v=%s bits=64 holdfast=%s\n", daemon_redis_version(),
                               HOLDFAST_VERSION)
                      : printf("holdfast %s\n", HOLDFAST_VERSION);
    return len < 0 ? CLI_FAILED : CLI_FINE;
}

int cli_main(int argc, char **argv)
{
    if (argc < 1) {
        return CLI_USAGE;
    }
    const struct cli_command *command = argc > 1 ? cli_find(argv[1]) : NULL;
    bool by_name = cli_is_sentinel_name(argv[0]);

    if (by_name || command == NULL) {
        bool by_word = cli_has_sentinel_word(argc, argv);
        if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-v") == 0)) {
            return cli_version(by_name);
        }
        if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
            cli_help(stdout);
            return CLI_FINE;
        }
        if (by_name || by_word) {
            return cli_sentinel(argc, argv);
        }
    }
    if (argc < 2) {
        cli_help(stderr);
        return CLI_USAGE;
    }
    return command == NULL ? cli_unknown(argv[1]) : command->run(argc - 1, argv + 1);
}
