#ifndef ROUTER_COMMANDS_INSIDE_H
#define ROUTER_COMMANDS_INSIDE_H

#include "router/commands.h"

/* What the files of the command table share. Nobody else includes it. */

/* A walk over the arguments of a request, the name being argument 0. */
struct command_walk {
    const char *request;
    size_t len;
    struct resp_args args;
    struct resp_text text; /* of the argument that command_next() came to */
    size_t at;             /* its number */
    size_t count;          /* of all arguments, also of those that are not there yet */
};

/* Comes to the name. False when there is none. */
bool command_begin(struct command_walk *walk, const char *request, size_t len);
bool command_next(struct command_walk *walk);
bool command_is_last(const struct command_walk *walk); /* none follows, none is missing */

/* Goes on to argument `at`, which is ahead. */
bool command_go(struct command_walk *walk, size_t at);

/* True when the argument is this word of capital letters; its own case does not count. */
bool command_word_is(const struct command_walk *walk, const char *word);
bool command_word_is_any(const struct command_walk *walk, const char *const words[], size_t count);

/* The walk comes to the STREAMS of XREAD or XREADGROUP; *blocks tells that BLOCK stood before it.
 * False when there is no STREAMS (yet). */
bool command_go_streams(struct command_walk *walk, bool *blocks);

/* The key behind STORE of a command with COMMAND_READS_STORELESS. False without one. *is_whole
 * tells that none may come any more. */
bool command_find_store(const struct command *command, const char *request, size_t len,
                        struct resp_text *key, bool *is_whole);

#endif
