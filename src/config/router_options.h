#ifndef CONFIG_ROUTER_OPTIONS_H
#define CONFIG_ROUTER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "config/router_conf.h"

/*
 * The words behind `holdfast router`, and the files they name, as a struct router_conf. Pure: the
 * caller reads the files of --config and prints. router_options.def holds the options.
 */

struct router_options {
    struct router_conf conf;
    bool allow_open;  /* addresses that other machines reach need no authentication */
    bool no_control;  /* "--control none": not even the usual place */
    bool no_takeover; /* a router that runs already is an error */
    bool is_check;
    bool is_commands;
    bool is_json;
    bool wants_help;
    struct config_notes
        notes; /* CONFIG_ERROR: nothing may start; CONFIG_WARNING: say it and go on */
};

struct router_options_source {
    int argc;
    char *const *argv; /* argv[0] is "router" */

    /* Appends the file of a --config to *text. NULL: --config is a mistake. */
    bool (*read)(void *ctx, const char *path, struct buf *text, struct err *err);
    void *ctx;
};

/*
 * Fills *options, which must be zeroed. False when a word is wrong: the notes then hold every
 * mistake, each with what to write. After --help and --commands nothing else is looked at.
 */
bool router_options_parse(const struct router_options_source *source,
                          struct router_options *options) MUST_CHECK;
void router_options_finish(struct router_options *options); /* NULL is allowed */

/* What --help prints. */
void router_options_help(struct buf *out);

/* What --check prints: what a router with these options would do, for a person. */
void router_options_describe(const struct router_options *options, struct buf *out);

/* The words of each choice, in the order of its enum, NULL at the end. */
extern const char *const router_client_auth_names[];
extern const char *const router_when_down_names[];
extern const char *const router_retry_writes_names[];

#endif
