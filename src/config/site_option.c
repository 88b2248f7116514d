/* The table made of site_options.def: keys, fields, defaults. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/router_options.h"
#include "config/router_room.h"
#include "config/site_room.h"

enum {
    SITE_OPTION_NEAR = 2,   /* edits between what was typed and what is suggested */
    SITE_OPTION_PREFIX = 4, /* letters that make a beginning count as near */
};

const char *const site_kind_names[] = {"", "redis", "galera", "mysql", "http", "tcp", NULL};
const char *const site_use_names[] = {"store", "sessions", "cache", NULL};
const char *const site_choice_names[] = {"single-writer", "any", NULL};
const char *const site_balance_names[] = {"round-robin", "least-connections", "source", NULL};
const char *const site_role_names[] = {"active", "standby", NULL};
const char *const site_donor_names[] = {"avoid", "not-ready", "ready", NULL};
const char *const site_method_names[] = {"GET", "HEAD", "OPTIONS", NULL};
const char *const site_proxy_names[] = {"none", "v1", "v2", NULL};
const char *const site_level_names[] = {"debug", "verbose", "notice", "warning", NULL};

/* A CHOICE is written through an unsigned. */
_Static_assert(sizeof(enum site_kind) == sizeof(unsigned), "an enum is an unsigned here");
_Static_assert(sizeof(enum router_when_down) == sizeof(unsigned), "an enum is an unsigned here");

/* NOLINTBEGIN(bugprone-macro-parentheses): types and fields cannot stand in parentheses. */
/* clang-format off */
/* What each place holds, by a name that the rows can be made of. */
typedef struct site SITE_TYPE_TOP;
typedef struct site_node SITE_TYPE_NODE;
typedef struct site_monitors SITE_TYPE_MONITORS;
typedef struct site_service SITE_TYPE_SERVICE;
typedef struct site_member SITE_TYPE_MEMBER;
typedef struct site_probe SITE_TYPE_PROBE;
typedef struct site_endpoint SITE_TYPE_ENDPOINT;
typedef struct site_health SITE_TYPE_HEALTH;
typedef struct site_haproxy SITE_TYPE_HAPROXY;
typedef struct site_log SITE_TYPE_LOG;
typedef struct site_tls SITE_TYPE_TLS;

#define ROW(place_, kinds_, field, key_, kind_)                                                    \
    .place = SITE_PLACE_##place_, .kinds = SITE_FOR_##kinds_, .key = key_, .kind = kind_,          \
    .offset = offsetof(SITE_TYPE_##place_, field)
#define PLACE(...)
#define WORDY(kind_, place_, kinds_, field, key_, value_, doc_)                                    \
    {ROW(place_, kinds_, field, key_, kind_), .doc = doc_, .text = value_},
#define NAME(...)      WORDY(SITE_VALUE_NAME, __VA_ARGS__)
#define TEXT(...)      WORDY(SITE_VALUE_TEXT, __VA_ARGS__)
#define FILE_PATH(...) WORDY(SITE_VALUE_FILE, __VA_ARGS__)
#define HOST(...)      WORDY(SITE_VALUE_HOST, __VA_ARGS__)
#define LISTENS(...)   WORDY(SITE_VALUE_LISTENS, __VA_ARGS__)
#define STATUSES(...)  WORDY(SITE_VALUE_STATUSES, __VA_ARGS__)
#define PLAIN(kind_, place_, kinds_, field, key_, doc_)                                            \
    {ROW(place_, kinds_, field, key_, kind_), .doc = doc_},
#define NODES(...)     PLAIN(SITE_VALUE_NODES, __VA_ARGS__)
#define DATABASES(...) PLAIN(SITE_VALUE_DATABASES, __VA_ARGS__)
#define RANGED(kind_, p, k, field, key_, min_, max_, value_, doc_)                                 \
    {ROW(p, k, field, key_, kind_), .doc = doc_, .min = min_, .max = max_, .value = value_,        \
     .is_needed = (uint64_t)(value_) + 1 < (uint64_t)(min_) + 1},
#define NUMBER(...) RANGED(SITE_VALUE_NUMBER, __VA_ARGS__)
#define TIME(...)   RANGED(SITE_VALUE_TIME, __VA_ARGS__)
#define BYTES(...)  RANGED(SITE_VALUE_BYTES, __VA_ARGS__)
#define BOOL(p, k, field, key_, value_, doc_)                                                      \
    RANGED(SITE_VALUE_BOOL, p, k, field, key_, 0, 1, value_, doc_)
#define CHOICE(p, k, field, key_, names_, value_, doc_)                                            \
    {ROW(p, k, field, key_, SITE_VALUE_CHOICE), .doc = doc_, .names = names_, .value = value_},
#define BLOCK(p, k, field, key_, block_, doc_)                                                     \
    {ROW(p, k, field, key_, SITE_VALUE_BLOCK), .doc = doc_, .block = SITE_PLACE_##block_},
#define MAP(p, k, field, key_, block_, max_, doc_)                                                 \
    {ROW(p, k, field, key_, SITE_VALUE_MAP), .doc = doc_, .block = SITE_PLACE_##block_,            \
     .max = max_, .count_offset = offsetof(SITE_TYPE_##p, field##_count), .is_needed = true},
/* clang-format on */

static const struct site_option rows[] = {
#include "config/site_options.def"
};

#undef PLACE
#undef NAME
#undef TEXT
#undef FILE_PATH
#undef HOST
#undef LISTENS
#undef STATUSES
#undef NODES
#undef DATABASES
#undef NUMBER
#undef TIME
#undef BYTES
#undef BOOL
#undef CHOICE
#undef BLOCK
#undef MAP
#define PLACE(place, type, short_, title_, doc_)                                                   \
    [SITE_PLACE_##                                                                                 \
        place] = {.short_key = short_, .title = title_, .doc = doc_, .size = sizeof(type)},
#define NAME(...)
#define TEXT(...)
#define FILE_PATH(...)
#define HOST(...)
#define LISTENS(...)
#define STATUSES(...)
#define NODES(...)
#define DATABASES(...)
#define NUMBER(...)
#define TIME(...)
#define BYTES(...)
#define BOOL(...)
#define CHOICE(...)
#define BLOCK(...)
#define MAP(...)

static const struct site_place_row places[SITE_PLACES] = {
#include "config/site_options.def"
};
/* NOLINTEND(bugprone-macro-parentheses) */

size_t site_option_count(void)
{
    return COUNT_OF(rows);
}

const struct site_option *site_option_at(size_t i)
{
    ASSERT(i < COUNT_OF(rows));
    return &rows[i];
}

const struct site_place_row *site_option_place(enum site_place place)
{
    ASSERT(place < SITE_PLACES);
    return &places[place];
}

static bool site_option_is_of(const struct site_option *option, enum site_place place,
                              unsigned kinds)
{
    return option->place == place && (option->kinds & kinds) != 0;
}

const struct site_option *site_option_find(enum site_place place, unsigned kinds, const char *key)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (site_option_is_of(&rows[i], place, kinds) && strcmp(rows[i].key, key) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

bool site_option_is_needed(const struct site_option *option)
{
    return option->is_needed || (option->text != NULL && option->text[0] == '\0') ||
           (option->kind == SITE_VALUE_CHOICE && option->names[option->value][0] == '\0');
}

/* ---- what was meant ---- */

static size_t site_option_distance(const char *typed, const char *word)
{
    size_t distance = text_distance(typed, word);
    size_t len = strlen(typed);

    if (distance > SITE_OPTION_NEAR && len >= SITE_OPTION_PREFIX &&
        strncmp(typed, word, len) == 0) {
        return SITE_OPTION_NEAR; /* "priv" of "priority" is not, "round" of "round-robin" is */
    }
    return distance;
}

const char *site_option_nearest(enum site_place place, unsigned kinds, const char *typed)
{
    const char *nearest = NULL;
    size_t nearest_distance = SITE_OPTION_NEAR + 1;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!site_option_is_of(&rows[i], place, kinds)) {
            continue;
        }
        size_t distance = site_option_distance(typed, rows[i].key);
        if (distance < nearest_distance) {
            nearest_distance = distance;
            nearest = rows[i].key;
        }
    }
    return nearest;
}

const char *site_option_nearest_word(const char *const *words, const char *typed)
{
    const char *nearest = NULL;
    size_t nearest_distance = SITE_OPTION_NEAR + 1;

    for (size_t i = 0; words[i] != NULL; i++) {
        size_t distance = site_option_distance(typed, words[i]);
        if (words[i][0] != '\0' && distance < nearest_distance) {
            nearest_distance = distance;
            nearest = words[i];
        }
    }
    return nearest;
}

/* ---- fields that are numbers ---- */

uint64_t site_option_load(const struct site_option *option, const void *field)
{
    unsigned number = 0;
    uint64_t value = 0;

    if (option->kind == SITE_VALUE_BOOL) {
        return *(const bool *)field;
    }
    if (option->kind == SITE_VALUE_NUMBER || option->kind == SITE_VALUE_CHOICE) {
        memcpy(&number, field, sizeof(number)); /* an enum, perhaps */
        return number;
    }
    ASSERT(option->kind == SITE_VALUE_TIME || option->kind == SITE_VALUE_BYTES);
    memcpy(&value, field, sizeof(value)); /* msec_t, perhaps, and never below 0 */
    return value;
}

void site_option_store(const struct site_option *option, uint64_t value, void *field)
{
    unsigned number = (unsigned)value;

    if (option->kind == SITE_VALUE_BOOL) {
        *(bool *)field = value != 0;
    } else if (option->kind == SITE_VALUE_NUMBER || option->kind == SITE_VALUE_CHOICE) {
        memcpy(field, &number, sizeof(number));
    } else {
        ASSERT(option->kind == SITE_VALUE_TIME || option->kind == SITE_VALUE_BYTES);
        memcpy(field, &value, sizeof(value));
    }
}

void site_option_write(const struct site_option *option, uint64_t value, struct buf *out)
{
    if (option->kind == SITE_VALUE_TIME) {
        router_unit_write_ms(out, value);
    } else if (option->kind == SITE_VALUE_BYTES) {
        router_unit_write_bytes(out, value);
    } else if (option->kind == SITE_VALUE_CHOICE) {
        buf_append_text(out, option->names[value]);
    } else if (option->kind == SITE_VALUE_BOOL) {
        buf_append_text(out, value != 0 ? "yes" : "no");
    } else {
        buf_printf(out, "%" PRIu64, value);
    }
}

/* ---- whole elements ---- */

void site_option_defaults(enum site_place place, unsigned kinds, void *element)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        void *field = (char *)element + rows[i].offset;
        if (!site_option_is_of(&rows[i], place, kinds) || rows[i].kind == SITE_VALUE_MAP) {
            continue;
        }
        if (rows[i].kind == SITE_VALUE_BLOCK) {
            site_option_defaults(rows[i].block, kinds, field);
        } else {
            site_value_set_default(&rows[i], field);
        }
    }
}

static void site_option_finish_map(const struct site_option *option, void *element)
{
    char *items = *(char **)((char *)element + option->offset);
    size_t count = *(size_t *)((char *)element + option->count_offset);

    for (size_t i = 0; i < count; i++) {
        site_option_finish(option->block, items + i * places[option->block].size);
    }
    free(items);
}

/* Elements are few levels deep, as the table is. NOLINTNEXTLINE(misc-no-recursion) */
void site_option_finish(enum site_place place, void *element)
{
    struct site_head *head = element;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        void *field = (char *)element + rows[i].offset;
        if (rows[i].place != place) {
            continue;
        }
        if (rows[i].kind == SITE_VALUE_MAP) {
            site_option_finish_map(&rows[i], element);
        } else if (rows[i].kind == SITE_VALUE_BLOCK) {
            site_option_finish(rows[i].block, field);
        } else {
            site_value_finish(&rows[i], field); /* twice, when the field has two rows */
        }
    }
    free(head->name);
    free(head->given);
    memset(element, 0, places[place].size);
}
