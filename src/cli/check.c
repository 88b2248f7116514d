#include "cli/check.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "cli/check_report.h"
#include "cli/cli.h"

struct check_options {
    const char *path;
    const char *node;
    bool is_strict;
    bool is_json;
    bool is_options;
    bool wants_help;
};

static void check_say(const char *text)
{
    (void)fprintf(stderr, "holdfast check: %s\n", text); /* closed: nobody reads it */
}

static bool check_parse(int argc, char **argv, struct check_options *options, struct err *err)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--strict") == 0) {
            options->is_strict = true;
        } else if (strcmp(argv[i], "--json") == 0) {
            options->is_json = true;
        } else if (strcmp(argv[i], "--options") == 0) {
            options->is_options = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            options->wants_help = true;
        } else if (strncmp(argv[i], "--node=", 7) == 0) {
            options->node = argv[i] + 7;
        } else if (strcmp(argv[i], "--node") == 0) {
            if (i + 1 == argc) {
                return err_set(err, "--node needs the name of a node");
            }
            options->node = argv[++i];
        } else if (argv[i][0] == '-') {
            return err_set(err, "\"%s\" is no option; holdfast check --help lists them", argv[i]);
        } else if (options->path != NULL) {
            return err_set(err, "\"%s\": one file at a time", argv[i]);
        } else {
            options->path = argv[i];
        }
    }
    return options->path != NULL || options->is_options || options->wants_help ||
           err_set(err, "which file? Write holdfast check SITE.yaml");
}

static int check_print(FILE *to, const struct buf *text)
{
    bool is_good = fwrite(buf_data(text), 1, text->len, to) == text->len && fflush(to) == 0;

    return is_good ? CLI_FINE : CLI_FAILED;
}

static int check_help(void)
{
    int written =
        puts("holdfast check SITE.yaml [options]: is the site file right?\n"
             "\n"
             "  --strict     warnings count too\n"
             "  --json       what is wrong, as a JSON list\n"
             "  --node NAME  also what this node does\n"
             "  --options    print docs/options.md: all that may stand in a site file\n"
             "\n"
             "Exit status: 0 right, 1 with --strict and a warning, 2 the file or the call "
             "is wrong.");

    return written < 0 ? CLI_FAILED : CLI_FINE;
}

static bool check_has_colour(void)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return isatty(STDERR_FILENO) && (no_color == NULL || no_color[0] == '\0') && term != NULL &&
           strcmp(term, "dumb") != 0;
}

/* Not more than one byte above what site_parse() takes: it then says that it is too large. */
static bool check_read(struct check_file *file, struct err *err)
{
    FILE *from = fopen(file->name, "re");

    if (from == NULL) {
        return err_set(err, "%s: %s", file->name, strerror(errno));
    }
    char *to = buf_reserve(&file->text, SITE_TEXT_MAX_BYTES + 1);
    errno = 0;
    size_t len = fread(to, 1, SITE_TEXT_MAX_BYTES + 1, from);
    bool is_good = ferror(from) == 0 || err_set(err, "%s: %s", file->name, strerror(errno));
    buf_grew(&file->text, len);
    (void)fclose(from); /* it was only read */
    return is_good;
}

/* ---- what comes out ---- */

static int check_tell(const struct check_options *options, const struct check_file *file,
                      const struct site_findings *findings, const struct buf *summary)
{
    struct buf told = {0};
    int result = CLI_FINE;

    if (options->is_json) {
        check_report_json(file, findings, &told);
        result = check_print(stdout, &told);
    } else {
        check_report_text(file, findings, check_has_colour(), &told);
        (void)check_print(stderr, &told); /* the exit status says it too */
        result = check_print(stdout, summary);
    }
    buf_finish(&told);
    if (findings->errors_count > 0) {
        return CLI_USAGE;
    }
    return options->is_strict && findings->warnings_count > 0 ? CLI_FAILED : result;
}

static int check_file(const struct check_options *options, const struct check_file *file)
{
    struct site site = {0};
    struct site_findings findings = {0};
    const struct site_node *node = NULL;
    struct buf summary = {0};
    struct err err = {{0}};
    int result = CLI_FINE;

    bool is_right = site_parse(buf_data(&file->text), file->text.len, &site, &findings);
    if (is_right && options->node != NULL) {
        struct site_machine machine = {.node = options->node};
        node = site_find_node(&site, &machine, &err);
        if (node == NULL) {
            check_say(err.text);
            result = CLI_USAGE;
        }
    }
    if (is_right) {
        check_report_site(file, &site, node, &summary);
    }
    if (result == CLI_FINE) {
        result = check_tell(options, file, &findings, &summary);
    }
    buf_finish(&summary);
    site_findings_finish(&findings);
    if (is_right) {
        site_finish(&site);
    }
    return result;
}

int check_main(int argc, char **argv)
{
    struct check_options options = {0};
    struct check_file file = {0};
    struct err err = {{0}};
    int result = CLI_USAGE;

    if (!check_parse(argc, argv, &options, &err)) {
        check_say(err.text);
        return CLI_USAGE;
    }
    if (options.wants_help) {
        return check_help();
    }
    file.name = options.path;
    if (options.is_options) {
        site_doc_write(&file.text);
        result = check_print(stdout, &file.text);
    } else if (check_read(&file, &err)) {
        result = check_file(&options, &file);
    } else {
        check_say(err.text);
    }
    buf_finish(&file.text);
    return result;
}
