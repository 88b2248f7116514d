/* The table made of router_options.def: names, fields, values. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "config/router_room.h"

enum {
    ROUTER_OPTION_NEAR = 2, /* edits between what was typed and what is suggested */
};

const char *const router_client_auth_names[] = {"none", "own", "pass", NULL};
const char *const router_when_down_names[] = {"error", "miss", "close", NULL};
const char *const router_retry_writes_names[] = {"none", "idempotent", NULL};

/* A CHOICE is written through an unsigned. */
_Static_assert(sizeof(enum router_client_auth) == sizeof(unsigned), "an enum is an unsigned here");
_Static_assert(sizeof(enum router_when_down) == sizeof(unsigned), "an enum is an unsigned here");
_Static_assert(sizeof(enum router_retry_writes) == sizeof(unsigned), "an enum is an unsigned here");

/* Fields and initialisers cannot stand in parentheses. NOLINTBEGIN(bugprone-macro-parentheses) */
/* clang-format off */
#define AT(field)      .offset = offsetof(struct router_options, field)
#define SIZE_OF(field) sizeof(((struct router_options *)NULL)->field)
#define HEADING(text)  {.kind = ROUTER_OPTION_HEADING, .name = text},
#define TEXT(field, name_, argument_, doc_)                                                        \
    {.kind = ROUTER_OPTION_TEXT, .name = name_, .argument = argument_, .doc = doc_, AT(field),     \
     .size = SIZE_OF(field)},
#define FLAG(field, name_, value_, doc_)                                                           \
    {.kind = ROUTER_OPTION_FLAG, .name = name_, .doc = doc_, AT(field), .value = value_},
#define ONCE(field, name_, doc_)                                                                   \
    {.kind = ROUTER_OPTION_ONCE, .name = name_, .doc = doc_, AT(field), .value = true},
#define RANGED(kind_, argument_, field, name_, min_, max_, value_, doc_)                           \
    {.kind = kind_, .name = name_, .argument = argument_, .doc = doc_, AT(field), .min = min_,     \
     .max = max_, .value = value_},
#define NUMBER(...) RANGED(ROUTER_OPTION_NUMBER, "N", __VA_ARGS__)
#define TIME(...)   RANGED(ROUTER_OPTION_TIME, "TIME", __VA_ARGS__)
#define BYTES(...)  RANGED(ROUTER_OPTION_BYTES, "SIZE", __VA_ARGS__)
#define CHOICE(field, name_, names_, value_, doc_)                                                 \
    {.kind = ROUTER_OPTION_CHOICE, .name = name_, .doc = doc_, AT(field), .value = value_,         \
     .names = names_},
#define SPECIAL(function, name_, argument_, doc_)                                                  \
    {.kind = ROUTER_OPTION_SPECIAL, .name = name_, .argument = argument_, .doc = doc_,             \
     .parse = router_special_##function},
/* clang-format on */
/* NOLINTEND(bugprone-macro-parentheses) */

static const struct router_option rows[] = {
#include "config/router_options.def"
};

size_t router_option_count(void)
{
    return COUNT_OF(rows);
}

const struct router_option *router_option_at(size_t i)
{
    ASSERT(i < COUNT_OF(rows));
    return &rows[i];
}

int router_option_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].kind != ROUTER_OPTION_HEADING && strcmp(rows[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

bool router_option_has_value(const struct router_option *option)
{
    return option->kind != ROUTER_OPTION_FLAG && option->kind != ROUTER_OPTION_ONCE;
}

bool router_option_is_for_files(const struct router_option *option)
{
    return option->kind != ROUTER_OPTION_ONCE && option->parse != router_special_config;
}

/* ---- what was meant ---- */

const char *router_option_nearest(const char *typed)
{
    const char *nearest = NULL;
    size_t nearest_distance = ROUTER_OPTION_NEAR + 1;
    size_t typed_len = strlen(typed);

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].kind == ROUTER_OPTION_HEADING) {
            continue;
        }
        size_t distance = text_distance(typed, rows[i].name);
        if (typed_len >= 4 && distance > ROUTER_OPTION_NEAR &&
            strncmp(typed, rows[i].name, typed_len) == 0) {
            distance = ROUTER_OPTION_NEAR; /* "redis-password" of "redis-password-file" */
        }
        if (distance < nearest_distance) {
            nearest_distance = distance;
            nearest = rows[i].name;
        }
    }
    return nearest;
}

/* ---- fields ---- */

static void router_option_store(void *field, const struct router_option *option, uint64_t value)
{
    switch (option->kind) {
    case ROUTER_OPTION_FLAG:
    case ROUTER_OPTION_ONCE:
        *(bool *)field = value != 0;
        break;
    case ROUTER_OPTION_NUMBER:
    case ROUTER_OPTION_CHOICE: {
        unsigned number = (unsigned)value;
        memcpy(field, &number, sizeof(number)); /* an enum, perhaps */
        break;
    }
    case ROUTER_OPTION_TIME:
        *(msec_t *)field = (msec_t)value;
        break;
    case ROUTER_OPTION_BYTES:
        *(uint64_t *)field = value;
        break;
    case ROUTER_OPTION_HEADING:
    case ROUTER_OPTION_TEXT:
    case ROUTER_OPTION_SPECIAL:
        UNREACHABLE("no number");
    }
}

void router_option_defaults(struct router_conf *conf)
{
    const size_t conf_at = offsetof(struct router_options, conf);

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct router_option *option = &rows[i];
        bool is_number = option->kind != ROUTER_OPTION_HEADING &&
                         option->kind != ROUTER_OPTION_TEXT &&
                         option->kind != ROUTER_OPTION_SPECIAL;
        bool is_in_conf =
            option->offset >= conf_at && option->offset < conf_at + sizeof(struct router_conf);
        if (is_number && is_in_conf) {
            bool is_flag = option->kind == ROUTER_OPTION_FLAG;
            router_option_store((char *)conf + option->offset - conf_at, option,
                                is_flag ? option->value == 0 : option->value);
        }
    }
}

/* ---- from text ---- */

static void router_option_write(const struct router_option *option, uint64_t value, struct buf *out)
{
    switch (option->kind) {
    case ROUTER_OPTION_NUMBER:
        buf_printf(out, "%" PRIu64, value);
        break;
    case ROUTER_OPTION_TIME:
        router_unit_write_ms(out, value);
        break;
    case ROUTER_OPTION_BYTES:
        router_unit_write_bytes(out, value);
        break;
    case ROUTER_OPTION_CHOICE:
        buf_append_text(out, option->names[value]);
        break;
    case ROUTER_OPTION_HEADING:
    case ROUTER_OPTION_TEXT:
    case ROUTER_OPTION_FLAG:
    case ROUTER_OPTION_ONCE:
    case ROUTER_OPTION_SPECIAL:
        break;
    }
}

void router_option_write_default(const struct router_option *option, struct buf *out)
{
    router_option_write(option, option->value, out);
}

static bool router_option_out_of_range(struct router_parse *p, const struct router_option *option,
                                       const char *text)
{
    struct buf range = {0};

    router_option_write(option, option->min, &range);
    buf_append_text(&range, " to ");
    router_option_write(option, option->max, &range);
    (void)router_options_mistake(p, "%s is out of range; write %s", text,
                                 buf_data(&range)); /* false, always */
    buf_finish(&range);
    return false;
}

static bool router_option_ranged(struct router_parse *p, const struct router_option *option,
                                 const char *text, uint64_t *value)
{
    const char *wanted = "a number";
    bool is_good = false;

    if (option->kind == ROUTER_OPTION_TIME) {
        is_good = router_unit_to_ms(text, value);
        wanted = "a time; write a number with ms, s or m, like 800ms";
    } else if (option->kind == ROUTER_OPTION_BYTES) {
        is_good = router_unit_to_bytes(text, value);
        wanted = "a size; write a number with b, kb, mb or gb, like 64mb";
    } else {
        is_good = text_to_u64(text, strlen(text), value);
    }
    if (!is_good) {
        return router_options_mistake(p, "\"%s\" is not %s", text, wanted);
    }
    if (*value < option->min || *value > option->max) {
        return router_option_out_of_range(p, option, text);
    }
    return true;
}

static bool router_option_chosen(struct router_parse *p, const struct router_option *option,
                                 const char *text, uint64_t *value)
{
    struct buf all = {0};

    for (size_t i = 0; option->names[i] != NULL; i++) {
        if (strcmp(option->names[i], text) == 0) {
            buf_finish(&all);
            *value = i;
            return true;
        }
        buf_printf(&all, "%s%s", i == 0 ? "" : ", ", option->names[i]);
    }
    (void)router_options_mistake(p, "\"%s\" is none of %s", text,
                                 buf_data(&all)); /* false, always */
    buf_finish(&all);
    return false;
}

/* NULL, "yes" or "no". A FLAG may be the one that switches something off. */
static bool router_option_flag(struct router_parse *p, const struct router_option *option,
                               const char *text, uint64_t *value)
{
    bool is_no = text != NULL && strcmp(text, "no") == 0;

    if (text != NULL && !is_no && strcmp(text, "yes") != 0) {
        return router_options_mistake(p, "\"%s\" is neither yes nor no; the name alone is yes",
                                      text);
    }
    *value = is_no ? option->value == 0 : option->value;
    return true;
}

/* Names and paths end up in messages and in the log: no control characters. */
static bool router_option_text(struct router_parse *p, const struct router_option *option,
                               char *field, const char *text)
{
    if (text[0] == '\0') {
        return router_options_mistake(p, "is empty; write %s", option->argument);
    }
    for (const char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            return router_options_mistake(p, "holds a control character");
        }
    }
    if (!text_copy(field, option->size, text)) {
        return router_options_mistake(p, "is too long; %zu bytes are possible", option->size - 1);
    }
    return true;
}

bool router_option_set(struct router_parse *p, const struct router_option *option,
                       const char *value)
{
    char *field = (char *)p->options + option->offset;
    uint64_t number = 0;
    bool is_good = false;

    switch (option->kind) {
    case ROUTER_OPTION_TEXT:
        return router_option_text(p, option, field, value);
    case ROUTER_OPTION_SPECIAL:
        return option->parse(p, value);
    case ROUTER_OPTION_FLAG:
    case ROUTER_OPTION_ONCE:
        is_good = router_option_flag(p, option, value, &number);
        break;
    case ROUTER_OPTION_CHOICE:
        is_good = router_option_chosen(p, option, value, &number);
        break;
    case ROUTER_OPTION_NUMBER:
    case ROUTER_OPTION_TIME:
    case ROUTER_OPTION_BYTES:
        is_good = router_option_ranged(p, option, value, &number);
        break;
    case ROUTER_OPTION_HEADING:
        UNREACHABLE("a heading has no value");
    }
    if (is_good) {
        router_option_store(field, option, number);
    }
    return is_good;
}
