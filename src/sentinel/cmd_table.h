#ifndef SENTINEL_CMD_TABLE_H
#define SENTINEL_CMD_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resp/resp.h"

/*
 * Every command the port answers, one row each, alphabetical. Subcommands are rows of their own,
 * named "sentinel|master". A row's index is its id, for bitmaps of ACL rules.
 */
struct client;

/* Runs one command that passed the checks of arity and ACL. Appends one reply to c->out, or
 * calls client_wait() and has it answered later. The command lives only during the call. */
typedef void (*command_call)(struct client *c, const struct resp_command *command);

/* Shown by COMMAND INFO in this order. */
enum command_flag {
    COMMAND_ADMIN = 1 << 0,
    COMMAND_PUBSUB = 1 << 1,
    COMMAND_NOSCRIPT = 1 << 2,
    COMMAND_LOADING = 1 << 3,
    COMMAND_STALE = 1 << 4,
    COMMAND_SKIP_MONITOR = 1 << 5,
    COMMAND_SKIP_SLOWLOG = 1 << 6,
    COMMAND_FAST = 1 << 7,
    COMMAND_NO_AUTH = 1 << 8, /* answered before AUTH */
    COMMAND_NO_MULTI = 1 << 9,
    COMMAND_ALLOW_BUSY = 1 << 10,
    COMMAND_FLAGS_MASK = (1 << 11) - 1,

    COMMAND_HIDDEN = 1 << 16, /* ours, not in COMMAND LIST: aliases of other servers, QUIT, RESET */
};

/* The ACL categories, in the order of ACL CAT; bit 1 << category. */
enum command_category {
    CATEGORY_KEYSPACE,
    CATEGORY_READ,
    CATEGORY_WRITE,
    CATEGORY_SET,
    CATEGORY_SORTEDSET,
    CATEGORY_LIST,
    CATEGORY_HASH,
    CATEGORY_STRING,
    CATEGORY_BITMAP,
    CATEGORY_HYPERLOGLOG,
    CATEGORY_GEO,
    CATEGORY_STREAM,
    CATEGORY_PUBSUB,
    CATEGORY_ADMIN,
    CATEGORY_FAST,
    CATEGORY_SLOW,
    CATEGORY_BLOCKING,
    CATEGORY_DANGEROUS,
    CATEGORY_CONNECTION,
    CATEGORY_TRANSACTION,
    CATEGORY_SCRIPTING,
    CATEGORY_COUNT,
};

struct command_row {
    const char *name;    /* lower case; "acl" or "acl|cat" */
    int arity;           /* words, the command's own included; -n: at least n */
    uint32_t flags;      /* bits of enum command_flag */
    uint32_t categories; /* bits 1 << enum command_category */
    command_call call;   /* NULL of a container that needs a subcommand */

    /* for COMMAND DOCS and COMMAND INFO */
    const char *since;
    const char *group;
    const char *summary;
    const char *complexity;
    const char *args; /* "name:type" words; s text, i integer, p pattern, t the word itself; then
                         '?' when it may be left out and '*' when there may be several */
    const char *tips; /* parted by commas */
};

enum {
    COMMAND_NAME_MAX = 64 /* the longest name below, with room; longer words are unknown at once */
};

uint32_t command_table_count(void);
const struct command_row *command_table_at(uint32_t id); /* NULL past the end */
uint32_t command_table_id(const struct command_row *row);

/* By full name, in any case: "acl|cat". NULL when unknown. Renamed commands are not known here. */
const struct command_row *command_table_find(const char *name, size_t len);

/* The subcommand of a container, in any case. NULL when unknown. */
const struct command_row *command_table_sub(const struct command_row *parent, const char *name,
                                            size_t len);

/* The container of a subcommand; NULL of a top-level command. */
const struct command_row *command_table_parent(const struct command_row *row);
bool command_table_has_subs(const struct command_row *row);

const char *command_flag_name(enum command_flag flag); /* "admin" */

#endif
