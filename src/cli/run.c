#include "cli/run.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "cli/cli.h"
#include "daemon/daemon.h"

struct run_options {
    const char *file;
    const char *node; /* NULL: found by host name or address */
    bool wants_help;
};

static bool run_parse(int argc, char **argv, struct run_options *options, struct err *err)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            options->wants_help = true;
        } else if (strncmp(argv[i], "--node=", 7) == 0) {
            options->node = argv[i] + 7;
        } else if (strcmp(argv[i], "--node") == 0) {
            if (i + 1 == argc) {
                return err_set(err, "--node needs the name of a node of the file");
            }
            options->node = argv[++i];
        } else if (argv[i][0] == '-') {
            return err_set(err, "\"%s\" is no option; holdfast run --help lists them", argv[i]);
        } else if (options->file != NULL) {
            return err_set(err, "one file, not \"%s\" and \"%s\"", options->file, argv[i]);
        } else {
            options->file = argv[i];
        }
    }
    return options->wants_help || options->file != NULL ||
           err_set(err, "needs the site file: holdfast run SITE.yaml");
}

static int run_help(void)
{
    int written =
        puts("holdfast run SITE.yaml [--node NAME]: what the file says of this node\n"
             "\n"
             "  --node NAME  the node this machine is; else it is found by its host name or\n"
             "               by one of its addresses\n"
             "\n"
             "SIGTERM lets clients finish, a second one does not. SIGHUP opens the log again\n"
             "and reads passwords and certificates. holdfast check SITE.yaml says what is\n"
             "wrong with a file.");
    return written < 0 ? CLI_FAILED : CLI_FINE;
}

int run_main(int argc, char **argv)
{
    struct run_options options = {0};
    struct err err;

    if (!run_parse(argc, argv, &options, &err)) {
        (void)fprintf(stderr, "holdfast run: %s\n", err.text); /* closed: nobody reads it */
        return CLI_USAGE;
    }
    if (options.wants_help) {
        return run_help();
    }
    return daemon_site_main(options.file, options.node, cli_executable());
}
