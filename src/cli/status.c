#include "cli/status.h"

#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/status_table.h"
#include "daemon/daemon.h"

#define STATUS_USUAL_PLACES "/run/holdfast/router-*.sock"

struct status_options {
    const char *control; /* NULL: the usual places */
    bool is_json;
    bool is_metrics;
    bool wants_help;
};

static void status_say(const char *text)
{
    (void)fprintf(stderr, "holdfast status: %s\n", text); /* closed: nobody reads it */
}

static bool status_parse(int argc, char **argv, struct status_options *options, struct err *err)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            options->is_json = true;
        } else if (strcmp(argv[i], "--metrics") == 0) {
            options->is_metrics = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            options->wants_help = true;
        } else if (strncmp(argv[i], "--control=", 10) == 0) {
            options->control = argv[i] + 10;
        } else if (strcmp(argv[i], "--control") == 0) {
            if (i + 1 == argc) {
                return err_set(err, "--control needs the path of the socket");
            }
            options->control = argv[++i];
        } else {
            return err_set(err, "\"%s\" is no option; holdfast status --help lists them", argv[i]);
        }
    }
    return !(options->is_json && options->is_metrics) ||
           err_set(err, "--json and --metrics are two forms of the same: choose one");
}

static int status_help(void)
{
    int written =
        puts("holdfast status [options]: how the routers of this machine are\n"
             "\n"
             "  --control PATH  the control socket of one router, as it was given to it;\n"
             "                  else all of " STATUS_USUAL_PLACES "\n"
             "  --json          as one JSON object\n"
             "  --metrics       as text for Prometheus\n"
             "\n"
             "Exit status: 0 fine, 1 a router does not answer or has no master, 2 the "
             "call is wrong.");

    return written < 0 ? CLI_FAILED : CLI_FINE;
}

static bool status_has_colour(void)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && (no_color == NULL || no_color[0] == '\0') && term != NULL &&
           strcmp(term, "dumb") != 0;
}

/* ---- one router ---- */

static int status_print(const struct buf *text)
{
    bool is_good = fwrite(buf_data(text), 1, text->len, stdout) == text->len && fflush(stdout) == 0;

    return is_good ? CLI_FINE : CLI_FAILED;
}

static int status_show(const struct buf *answer, bool is_json)
{
    json_error_t why;
    json_t *status = json_loadb(buf_data(answer), answer->len, 0, &why);
    struct buf text = {0};

    if (!json_is_object(status)) {
        status_say("the answer is not that of a router");
        json_decref(status);
        return CLI_FAILED;
    }
    if (is_json) {
        char *indented = json_dumps(status, JSON_INDENT(2));
        ASSERT(indented != NULL);
        buf_printf(&text, "%s\n", indented);
        free(indented);
    } else {
        status_table(status, status_has_colour(), &text);
    }
    int result = status_print(&text);
    if (!status_table_is_fine(status)) {
        result = CLI_FAILED;
    }
    buf_finish(&text);
    json_decref(status);
    return result;
}

static int status_one(const struct status_options *options, const char *path)
{
    struct buf answer = {0};
    struct err err = {{0}};
    int result = CLI_FAILED;

    if (!daemon_router_ask(path, options->is_metrics ? "metrics" : "status", &answer, &err)) {
        status_say(err.text);
    } else if (options->is_metrics) {
        result = status_print(&answer);
    } else {
        result = status_show(&answer, options->is_json);
    }
    buf_finish(&answer);
    return result;
}

/* ---- all of them ---- */

static int status_all(const struct status_options *options)
{
    glob_t found = {0};
    int result = CLI_FINE;

    (void)glob(STATUS_USUAL_PLACES, 0, NULL, &found); /* nothing found is told below */
    if (found.gl_pathc == 0) {
        status_say("no router has a socket in " STATUS_USUAL_PLACES
                   "; --control PATH names one that is elsewhere");
        result = CLI_FAILED;
    } else if (found.gl_pathc > 1 && (options->is_json || options->is_metrics)) {
        status_say("there are several routers; choose one with --control:");
        for (size_t i = 0; i < found.gl_pathc; i++) {
            status_say(found.gl_pathv[i]);
        }
        result = CLI_USAGE;
    }
    for (size_t i = 0; i < found.gl_pathc && result != CLI_USAGE; i++) {
        (void)fputs(i == 0 ? "" : "\n", stdout); /* a failure shows with what follows */
        if (status_one(options, found.gl_pathv[i]) != CLI_FINE) {
            result = CLI_FAILED;
        }
    }
    globfree(&found);
    return result;
}

int status_main(int argc, char **argv)
{
    struct status_options options = {0};
    struct err err = {{0}};

    if (!status_parse(argc, argv, &options, &err)) {
        status_say(err.text);
        return CLI_USAGE;
    }
    if (options.wants_help) {
        return status_help();
    }
    return options.control != NULL ? status_one(&options, options.control) : status_all(&options);
}
