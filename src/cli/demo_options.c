#include "cli/demo_options.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum {
    DEMO_EVERY_MS = 15000,
    DEMO_EVERY_LEAST_MS = 2000, /* a site needs that long to be whole again */
    DEMO_FIRST_MS = 5000,       /* nobody wants to wait longer for the first, unless he says so */
    DEMO_DOWN_AFTER_MS = 1000,
};
static const msec_t demo_longest_ms = INT64_C(1000) * 86400 * 366;

struct demo_unit {
    const char *name;
    int64_t ms;
};

/* "60s", "1500ms", "2m", "1h"; a bare number is seconds. */
static bool demo_options_duration(const char *text, msec_t *ms)
{
    static const struct demo_unit units[] = {
        {"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60000}, {"h", 3600000}};
    size_t digits = strspn(text, "0123456789");
    int64_t count = 0;

    if (!text_to_i64(text, digits, &count)) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (strcmp(text + digits, units[i].name) == 0) {
            if (count <= 0 || count > demo_longest_ms / units[i].ms) {
                return false;
            }
            *ms = count * units[i].ms;
            return true;
        }
    }
    return false;
}

static bool demo_options_valued(const char *name, const char *value, struct demo_options *options,
                                struct err *err)
{
    msec_t *duration = NULL;

    if (strcmp(name, "--monitors") == 0) {
        options->monitors = strcmp(value, "holdfast") == 0 ? NULL : value;
        return true;
    }
    if (strcmp(name, "--every") == 0) {
        duration = &options->every_ms;
    } else if (strcmp(name, "--for") == 0) {
        duration = &options->for_ms;
    } else {
        duration = &options->down_after_ms;
    }
    if (!demo_options_duration(value, duration)) {
        return err_set(err, "%s: \"%s\" is no duration; write 15s, 1500ms or 2m", name, value);
    }
    if (duration == &options->every_ms) {
        options->first_ms = options->every_ms;
    }
    return true;
}

static bool demo_options_is_valued(const char *name)
{
    static const char *const valued[] = {"--every", "--for", "--down-after", "--monitors"};

    for (size_t i = 0; i < COUNT_OF(valued); i++) {
        if (strcmp(name, valued[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool demo_options_parse(int argc, char **argv, struct demo_options *options, struct err *err)
{
    struct demo_options made = {.every_ms = DEMO_EVERY_MS,
                                .first_ms = DEMO_FIRST_MS,
                                .for_ms = MSEC_NEVER,
                                .down_after_ms = DEMO_DOWN_AFTER_MS};

    for (int i = 1; i < argc; i++) {
        if (demo_options_is_valued(argv[i])) {
            if (i + 1 == argc) {
                return err_set(err, "%s needs a value", argv[i]);
            }
            if (!demo_options_valued(argv[i], argv[i + 1], &made, err)) {
                return false;
            }
            i++;
        } else if (strcmp(argv[i], "--direct") == 0) {
            made.is_direct = true;
        } else if (strcmp(argv[i], "--json") == 0) {
            made.is_json = true;
        } else if (strcmp(argv[i], "--plain") == 0) {
            made.is_plain = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            made.wants_help = true;
        } else {
            return err_set(err, "\"%s\" is no option; holdfast demo --help lists them", argv[i]);
        }
    }
    if (made.every_ms < DEMO_EVERY_LEAST_MS) {
        return err_set(err, "--every: at least %dms, for the site must be whole between two kills",
                       DEMO_EVERY_LEAST_MS);
    }
    *options = made;
    return true;
}

void demo_options_help(void)
{
    (void)puts(/* help that cannot be written needs no second try */
               "holdfast demo [options]: a Redis site on this machine, its master killed in a "
               "loop\n"
               "\n"
               "  --every 15s         time until the first kill and between two; without it the "
               "first comes after 5s\n"
               "  --for 60s           end by itself after that time; else Ctrl-C or q ends it\n"
               "  --down-after 1s     down-after-milliseconds of the monitors\n"
               "  --monitors NAME     holdfast (default), or the name or path of a redis-sentinel, "
               "to compare\n"
               "  --direct            no router: the client asks the monitors for the master, to "
               "compare\n"
               "  --plain             lines instead of the live screen\n"
               "  --json              the summary as JSON on standard output, the rest on standard "
               "error\n"
               "\n"
               "Keys on the live screen: k kills the master now, p pauses it (SIGSTOP), q ends.\n"
               "Needs redis-server (or valkey-server) in the PATH. Exit status 1 when a failover "
               "did not come.");
}
