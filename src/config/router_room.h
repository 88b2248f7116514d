#ifndef CONFIG_ROUTER_ROOM_H
#define CONFIG_ROUTER_ROOM_H

/* What the files behind router_options.h share; nobody else includes it. */

#include "config/router_options.h"

enum router_option_kind {
    ROUTER_OPTION_HEADING,
    ROUTER_OPTION_TEXT,
    ROUTER_OPTION_FLAG,
    ROUTER_OPTION_ONCE,
    ROUTER_OPTION_NUMBER,
    ROUTER_OPTION_TIME,
    ROUTER_OPTION_BYTES,
    ROUTER_OPTION_CHOICE,
    ROUTER_OPTION_SPECIAL,
};

/* What is being parsed, and where it stands. */
struct router_parse {
    struct router_options *options;
    const struct router_options_source *source;
    const char *file; /* NULL is the command line */
    int line;
    const char *name;     /* of the option, without dashes; NULL: none of them */
    unsigned char *given; /* by row: enum router_given */
    int *lines;           /* by row: where it stood in this file; 0 is nowhere */
};

enum router_given { ROUTER_GIVEN_NOT, ROUTER_GIVEN_IN_FILE, ROUTER_GIVEN_ON_LINE };

struct router_option {
    enum router_option_kind kind;
    const char *name; /* a heading has its text here */
    const char *argument;
    const char *doc;
    size_t offset; /* of the field in struct router_options */
    size_t size;   /* of a TEXT */
    uint64_t min;
    uint64_t max;
    uint64_t value;           /* the default; of a FLAG what it becomes when given */
    const char *const *names; /* of a CHOICE */
    bool (*parse)(struct router_parse *p, const char *value);
};

/* ---- router_option.c: the table ---- */

size_t router_option_count(void);
const struct router_option *router_option_at(size_t i);

/* The row of a name (headings have none), or -1. */
int router_option_find(const char *name);

/* What the person may have meant, or NULL. */
const char *router_option_nearest(const char *typed);

/* May stand in a file of --config too. */
bool router_option_is_for_files(const struct router_option *option);
bool router_option_has_value(const struct router_option *option);

/* Parses one value; NULL is a flag without one. False after a mistake was noted. */
bool router_option_set(struct router_parse *p, const struct router_option *option,
                       const char *value);

/* Sets every field of conf that has a row to its default. */
void router_option_defaults(struct router_conf *conf);

/* Appends the default as one would write it; nothing when there is none. */
void router_option_write_default(const struct router_option *option, struct buf *out);

/* ---- router_special.c: options of several words ---- */

bool router_special_sentinels(struct router_parse *p, const char *value);
bool router_special_listen(struct router_parse *p, const char *value);
bool router_special_listen_replicas(struct router_parse *p, const char *value);
bool router_special_config(struct router_parse *p, const char *value);
bool router_special_sessions_db(struct router_parse *p, const char *value);
bool router_special_control(struct router_parse *p, const char *value);

/* May stand again, and adds to what stood before. */
bool router_special_is_list(const struct router_option *option);
void router_special_clear(struct router_parse *p, const struct router_option *option);

/* ---- router_unit.c ---- */

/* "800ms", "5s", "2m"; "0" needs no unit. */
bool router_unit_to_ms(const char *text, uint64_t *ms);
void router_unit_write_ms(struct buf *out, uint64_t ms);

/* "512b", "64kb", "16mb", "1gb"; "0" needs no unit. */
bool router_unit_to_bytes(const char *text, uint64_t *bytes);
void router_unit_write_bytes(struct buf *out, uint64_t bytes);

/* ---- router_options.c ---- */

/* Both put in front where the option stands and its name; router_options_mistake() is false. */
bool router_options_mistake(struct router_parse *p, const char *format, ...) PRINTF_LIKE(2, 3);
void router_options_warn(struct router_parse *p, const char *format, ...) PRINTF_LIKE(2, 3);

/* Parses the text of a file of --config. */
void router_options_file(struct router_parse *p, const char *path, const struct buf *text);

bool router_options_has(const struct router_parse *p, const char *name); /* it was given */

/* ---- router_check.c ---- */

/* What no option alone shows: what is missing, and what does not go together. */
void router_check(struct router_parse *p);

#endif
