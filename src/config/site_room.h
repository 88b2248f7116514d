#ifndef CONFIG_SITE_ROOM_H
#define CONFIG_SITE_ROOM_H

/* What the files behind site.h share; nobody else includes it. */

#include <yaml.h>

#include "config/site.h"

#define SITE_NEEDED "" /* as the default in a row: the key must be there */

enum {
    SITE_VISITS_MAX = 50000, /* of nodes: more than a file of the size has without aliases */
};

enum site_place {
    SITE_PLACE_TOP,
    SITE_PLACE_NODE,
    SITE_PLACE_MONITORS,
    SITE_PLACE_SERVICE,
    SITE_PLACE_MEMBER,
    SITE_PLACE_PROBE,
    SITE_PLACE_ENDPOINT,
    SITE_PLACE_HEALTH,
    SITE_PLACE_HAPROXY,
    SITE_PLACE_LOG,
    SITE_PLACE_TLS,
    SITE_PLACES, /* how many there are */
};

enum site_value_kind {
    SITE_VALUE_NAME,
    SITE_VALUE_TEXT,
    SITE_VALUE_FILE,
    SITE_VALUE_HOST,
    SITE_VALUE_BOOL,
    SITE_VALUE_NUMBER,
    SITE_VALUE_TIME,
    SITE_VALUE_BYTES,
    SITE_VALUE_CHOICE,
    SITE_VALUE_LISTENS,
    SITE_VALUE_NODES,
    SITE_VALUE_STATUSES,
    SITE_VALUE_DATABASES,
    SITE_VALUE_BLOCK,
    SITE_VALUE_MAP,
};

/* Which kinds of service know a key, as bits. */
enum {
    SITE_FOR_NONE = 1 << SITE_KIND_NONE, /* outside of services, or the kind is not known */
    SITE_FOR_REDIS = 1 << SITE_REDIS,
    SITE_FOR_GALERA = 1 << SITE_GALERA,
    SITE_FOR_MYSQL = 1 << SITE_MYSQL,
    SITE_FOR_HTTP = 1 << SITE_HTTP,
    SITE_FOR_TCP = 1 << SITE_TCP,
    SITE_FOR_SQL = SITE_FOR_GALERA | SITE_FOR_MYSQL,
    SITE_FOR_WEB = SITE_FOR_HTTP | SITE_FOR_TCP,
    SITE_FOR_RELAY = SITE_FOR_SQL | SITE_FOR_WEB,
    SITE_FOR_REDIS_SQL = SITE_FOR_REDIS | SITE_FOR_SQL,
    SITE_FOR_ANY = SITE_FOR_NONE | SITE_FOR_REDIS | SITE_FOR_RELAY,
};

struct site_option {
    enum site_place place;
    enum site_value_kind kind;
    unsigned kinds;
    const char *key;
    const char *doc;
    size_t offset;       /* of the field in the struct of the place */
    size_t count_offset; /* of a MAP */
    uint64_t min;
    uint64_t max;             /* of a MAP: the elements */
    uint64_t value;           /* the default */
    const char *text;         /* the default of a text; NULL is none, "" that there must be one */
    const char *const *names; /* of a CHOICE */
    enum site_place block;    /* of a BLOCK or MAP */
    bool is_needed;
};

struct site_place_row {
    const char *short_key; /* what a value alone is for; NULL: there must be keys */
    const char *title;
    const char *doc;
    size_t size; /* of the struct */
};

/* ---- site_option.c: the table ---- */

size_t site_option_count(void);
const struct site_option *site_option_at(size_t i);
const struct site_place_row *site_option_place(enum site_place place);

/* The row of a key; NULL when no service of these kinds has it there. */
const struct site_option *site_option_find(enum site_place place, unsigned kinds, const char *key);

bool site_option_is_needed(const struct site_option *option);

/* The nearest key that may stand there; NULL when none is near. */
const char *site_option_nearest(enum site_place place, unsigned kinds, const char *typed);

/* The nearest of some words, NULL at the end; NULL when none is near. */
const char *site_option_nearest_word(const char *const *words, const char *typed);

/* Sets all fields of a zeroed element to their defaults, those of the blocks in it too. */
void site_option_defaults(enum site_place place, unsigned kinds, void *element);

/* Frees what an element owns. */
void site_option_finish(enum site_place place, void *element);

/* Appends a number as one writes it in the file: 800ms, 64mb, yes. */
void site_option_write(const struct site_option *option, uint64_t value, struct buf *out);

/* The number in a field of a BOOL, NUMBER, TIME, BYTES or CHOICE; and the way back. */
uint64_t site_option_load(const struct site_option *option, const void *field);
void site_option_store(const struct site_option *option, uint64_t value, void *field);

/* ---- site_findings.c ---- */

void site_findings_error(struct site_findings *findings, struct site_mark at, const char *format,
                         ...) PRINTF_LIKE(3, 4);
void site_findings_warn(struct site_findings *findings, struct site_mark at, const char *format,
                        ...) PRINTF_LIKE(3, 4);

/* What to write instead of what was found last. */
void site_findings_remedy(struct site_findings *findings, const char *format, ...)
    PRINTF_LIKE(2, 3);
void site_findings_hide(struct site_findings *findings); /* its line may hold a secret */
void site_findings_sort(struct site_findings *findings);

/* ---- site_text.c ---- */

/* What libyaml would not say well: size, encoding, control characters, tabs. True: it may read. */
bool site_text_check(const char *text, size_t len, struct site_findings *findings);

/* ---- site_yaml.c ---- */

/* The document tree, the caller's to delete. False: not even that, and it was found why. */
bool site_yaml_load(const char *text, size_t len, yaml_document_t *document,
                    struct site_findings *findings);

/* ---- site_walk.c: the tree against the table ---- */

struct site_walk {
    yaml_document_t *document;
    struct site_findings *findings;
    unsigned kinds;  /* of the service being read */
    size_t visits;   /* of nodes: aliases can make a small file a large tree */
    bool is_stopped; /* too many of them */
};

struct site_mark site_walk_mark(const yaml_node_t *node);

/* Fills *site, which is zeroed. */
void site_walk_file(struct site_walk *w, struct site *site);

/* ---- site_value.c: one scalar or a list of them ---- */

/* Parses a value into the field of its row; what is wrong is found. */
void site_value_set(struct site_walk *w, const struct site_option *option, const yaml_node_t *node,
                    void *field);

/* A default in the form of the file. */
void site_value_set_default(const struct site_option *option, void *field);

/* Frees what a field owns. */
void site_value_finish(const struct site_option *option, void *field);

bool site_value_is_name(const char *text);

/* Appends text as a message may show it: cut, and without control characters. */
void site_value_show(struct buf *out, const char *text);

/* ---- site_address.c ---- */

bool site_address_listen(const char *text, struct site_listen *listen);
bool site_address_is_loopback(const char *host);
bool site_address_is_wildcard(const char *host);

/* "127.0.0.1:6379", "node:3306", "unix:/run/x.sock" */
void site_address_write(const struct site_listen *listen, struct buf *out);

/* ---- site_judge*.c: what no key alone shows ---- */

void site_judge(struct site *site, struct site_findings *findings);

/* False, and found, when there is no such node. */
bool site_judge_node(const struct site *site, const char *name, struct site_mark at,
                     struct site_findings *findings);
void site_judge_nodes(const struct site *site, const struct site_names *names,
                      struct site_findings *findings);

/* The key stands in the file: its value is not a default. */
bool site_judge_is_written(const struct site_head *head, const char *key);

/* Zones that the nodes are in, those without one not counted. */
size_t site_judge_zones(const struct site *site);

/* Chooses the monitors when the file names none, then judges them and the quorums. */
void site_judge_monitors(struct site *site, struct site_findings *findings);
void site_judge_listens(const struct site *site, struct site_findings *findings);
void site_judge_endpoint(const struct site *site, const struct site_service *service,
                         const struct site_endpoint *endpoint, struct site_findings *findings);

#endif
