#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/err.h"

/*
 * sentinel.conf of Redis 6 to 8 and Valkey: parsed, held, rewritten. Pure: text in, text out; the
 * daemon reads and writes the file, follows includes and looks whether a script may be executed.
 */

enum {
    CONF_RUNID_LEN = 40,
    CONF_RUNID_MAX = CONF_RUNID_LEN + 1,
    CONF_INCLUDE_DEPTH_MAX = 16, /* deeper is a file that includes itself */
    CONF_NOTES_MAX = 200,        /* nobody reads more mistakes than that at once */
    CONF_COUNT_MAX = INT32_MAX,  /* of quorum and parallel-syncs: Redis keeps them in an int */
};

/* Of the times of a master; above this one is a mistake, and sums of times would overflow. */
#define CONF_MS_MAX (INT64_C(1) << 40)

enum conf_loglevel {
    CONF_LOGLEVEL_DEBUG,
    CONF_LOGLEVEL_VERBOSE,
    CONF_LOGLEVEL_NOTICE,
    CONF_LOGLEVEL_WARNING,
    CONF_LOGLEVEL_NOTHING,
};
enum conf_supervised {
    CONF_SUPERVISED_NO,
    CONF_SUPERVISED_UPSTART,
    CONF_SUPERVISED_SYSTEMD,
    CONF_SUPERVISED_AUTO,
};
enum conf_facility {
    CONF_FACILITY_USER,
    CONF_FACILITY_LOCAL0, /* LOCAL1 to LOCAL7 follow */
    CONF_FACILITY_LOCAL7 = CONF_FACILITY_LOCAL0 + 7,
};
enum conf_acl_pubsub { CONF_ACL_PUBSUB_RESETCHANNELS, CONF_ACL_PUBSUB_ALLCHANNELS };
enum conf_auth_clients { CONF_AUTH_CLIENTS_NO, CONF_AUTH_CLIENTS_YES, CONF_AUTH_CLIENTS_OPTIONAL };

/* The words of each choice, in the order of its enum, NULL at the end. */
extern const char *const conf_loglevel_names[];
extern const char *const conf_supervised_names[];
extern const char *const conf_facility_names[];
extern const char *const conf_acl_pubsub_names[];
extern const char *const conf_auth_clients_names[];

/* A password. Never print .text in a log, an error or a dump; it may be NULL, which is none. */
struct conf_secret {
    char *text;
};

struct conf_string {
    char *text;
    int line; /* 0 when it did not come from a file */
};

struct conf_strings {
    struct conf_string *items;
    size_t count;
};

/* The scalar directives, one field a row of options.def, where their meaning is told. The order is
 * for readers of the manual, not for packing. */
struct conf_options { /* NOLINT(clang-analyzer-optin.performance.Padding) */
#define BOOL(field, name, value, doc)             bool field;
#define NUMBER(field, name, min, max, value, doc) int64_t field;
#define OCTAL(field, name, min, max, value, doc)  int64_t field;
#define BYTES(field, name, min, max, value, doc)  int64_t field;
#define CHOICE(field, name, names, value, doc)    int field;
#define TEXT(field, name, value, doc)             char *field;
#define WORDS(field, name, value, doc)            char *field;
#define SECRET(field, name, doc)                  struct conf_secret field;
#include "config/options.def"
#undef BOOL
#undef NUMBER
#undef OCTAL
#undef BYTES
#undef CHOICE
#undef TEXT
#undef WORDS
#undef SECRET
};

enum conf_client_class {
    CONF_CLIENT_NORMAL,
    CONF_CLIENT_REPLICA,
    CONF_CLIENT_PUBSUB,
    CONF_CLIENT_CLASSES, /* how many there are */
};

/* client-output-buffer-limit: closed at hard, or above soft for soft_s seconds; 0 is no limit. */
struct conf_output_limit {
    int64_t hard_bytes;
    int64_t soft_bytes;
    int64_t soft_s;
};

struct conf_rename {
    char *from; /* as the operator wrote it */
    char *to;   /* "" disables the command */
};

struct conf_renames {
    struct conf_rename *items;
    size_t count;
};

struct conf_peer {
    struct addr addr;
    char runid[CONF_RUNID_MAX];
};

/* One monitored master: its "sentinel ... <name>" lines. */
struct conf_master {
    char *name;
    struct addr addr;
    int64_t quorum;
    int64_t down_after_ms;
    int64_t failover_timeout_ms;
    int64_t parallel_syncs;
    int64_t refused_after_ms; /* holdfast only: agreed refusal is death after this; 0 is off */
    int64_t master_reboot_down_after_ms; /* 0 is off */
    char *notification_script;           /* NULL when there is none, as below */
    char *client_reconfig_script;
    char *auth_user;
    struct conf_secret auth_pass;
    struct conf_renames renames;
    uint64_t config_epoch;
    uint64_t leader_epoch;
    char leader[CONF_RUNID_MAX]; /* who got that vote; "": not known, sentinel.conf has no place */
    struct addr *replicas;       /* known-replica */
    size_t replicas_count;
    struct conf_peer *sentinels; /* known-sentinel */
    size_t sentinels_count;
    int line; /* of its monitor line; 0 when it did not come from a file */
    int notification_script_line;
    int client_reconfig_script_line;
};

struct sentinel_conf {
    struct conf_options options;
    struct conf_strings bind;       /* empty: every address. "-" in front: may be missing */
    struct conf_strings user_lines; /* "user ..." lines without the word user */
    struct conf_renames renames;    /* rename-command, of our own commands */
    struct conf_output_limit output_limits[CONF_CLIENT_CLASSES];

    char myid[CONF_RUNID_MAX]; /* "" until there is one */
    uint64_t current_epoch;
    char *announce_ip;     /* NULL when not set */
    int64_t announce_port; /* 0 when not set */
    bool resolve_hostnames;
    bool announce_hostnames;
    bool deny_scripts_reconfig;
    char *sentinel_user; /* NULL when not set */
    struct conf_secret sentinel_pass;

    struct conf_master **masters; /* in the order of their monitor lines; each stays where it is */
    size_t masters_count;

    /* the fields below belong to the room */
    uint32_t *name_slots; /* open addressing over the names: index + 1, 0 is free */
    size_t name_slots_count;
    int *option_lines; /* by row of options.def */
};

/* ---- life ---- */

void sentinel_conf_init(struct sentinel_conf *conf); /* the defaults */
void sentinel_conf_finish(struct sentinel_conf *conf);

struct conf_master *sentinel_conf_find(const struct sentinel_conf *conf, const char *name);

/* Appends a master with Sentinel's defaults, without address or quorum. The name must be new. */
struct conf_master *sentinel_conf_add(struct sentinel_conf *conf, const char *name);

/* Removes and frees it. The order of the others stays. */
void sentinel_conf_remove(struct sentinel_conf *conf, struct conf_master *master);

/* Setters that own the copy. NULL or "" clears a text; secrets are wiped before they are freed. */
void conf_set_text(char **field, const char *text);
void conf_set_secret(struct conf_secret *field, const char *text);
void conf_strings_add(struct conf_strings *strings, const char *text, int line);
void conf_strings_clear(struct conf_strings *strings);
void conf_master_add_replica(struct conf_master *master, const struct addr *addr);
void conf_master_add_sentinel(struct conf_master *master, const struct addr *addr,
                              const char *runid);
void conf_master_clear_peers(struct conf_master *master); /* forgets replicas and sentinels */
void conf_renames_clear(struct conf_renames *renames);

/* One new name for each command, the last one set; case is ignored. */
void conf_renames_set(struct conf_renames *renames, const char *from, const char *to);

/* ---- parsing ---- */

enum config_note_kind {
    CONFIG_WARNING, /* accepted, but not what the operator may think */
    CONFIG_ERROR,
};

struct config_note {
    enum config_note_kind kind;
    int line;     /* from 1; 0 for a line of the command line */
    size_t order; /* of the line among all lines read */
    char *text;   /* "line 12: port: 99999 is above 65535": where, what is wrong, what to write */
};

/* Zeroed is empty. In the order of the lines. */
struct config_notes {
    struct config_note *items;
    size_t count;
    size_t errors_count; /* errors seen, also those above CONF_NOTES_MAX */
};
void config_notes_finish(struct config_notes *notes);

struct config_source {
    const char *text;
    size_t len;
    const char *path;      /* for messages; may be NULL */
    const char *overrides; /* lines of the command line, from config_overrides(); may be NULL */
    size_t overrides_len;

    /* Appends what `pattern` (as written, may be a glob) includes to *text. NULL: include is an
     * error. */
    bool (*include)(void *context, const char *pattern, struct buf *text, struct err *err);
    void *context;
};

/*
 * Fills *conf, which must be zeroed or finished, never initialised and in use. On false *err has
 * the first mistake and how many there are ("a.conf: line 12: ... (and 3 more)"), *notes all of
 * them, and *conf is empty. *notes also gets the warnings; it may be NULL.
 */
bool config_parse(const struct config_source *source, struct sentinel_conf *conf,
                  struct config_notes *notes, struct err *err) MUST_CHECK;

/* "--port 5000 --sentinel-user a" as lines of a configuration, in Redis' form: a word that begins
 * with "--" begins a directive, the following words are its arguments. */
bool config_overrides(int argc, char *const argv[], struct buf *text, struct err *err) MUST_CHECK;

/* The line that set a directive last, 0 when none did or the name is unknown. For messages after
 * the parse: "sentinel.conf: line 7: logfile: cannot be written". */
int config_line_of(const struct sentinel_conf *conf, const char *directive);

/* ---- rewriting ---- */

/*
 * Appends to *out the file that holds conf, on the ground of what the file holds now, as Sentinel
 * does: a line is replaced in its place, a comment stays, a line without meaning any more goes,
 * what is new comes at the end behind "# Generated by CONFIG REWRITE". Rewriting a rewritten file
 * changes nothing. The result holds secrets.
 */
void config_rewrite(const char *original, size_t len, const struct sentinel_conf *conf,
                    struct buf *out);

/* ---- the manual ---- */

struct config_option {
    const char *name;
    const char *type;     /* "yes or no", "number", "octal", "bytes", "choice", "text", "secret" */
    const char *default_; /* as one would write it; "" when there is none */
    const char *doc;
    const char *const *choices; /* NULL unless a choice */
    int64_t min;
    int64_t max;
};

size_t config_options_count(void);

/* Row i of options.def; *scratch may be used for the text of the default. */
struct config_option config_option_at(size_t i, char scratch[32]);

/* Directives of Redis and Valkey that are accepted and mean nothing to a Sentinel; NULL past the
 * end. */
const char *config_ignored_at(size_t i);

#endif
