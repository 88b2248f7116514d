/* What a new site file changes, key by key. Elements are told apart by their names. */
#include <string.h>

#include "config/site_room.h"

struct site_diff {
    struct buf *out;
    struct buf path; /* of what is looked at: "services.cache.endpoint" */
    size_t count;
    bool needs_restart;
};

/* What a running process holds on to: its state, its threads, its place in the log. */
static bool site_diff_is_fixed(const struct site_option *option)
{
    static const char *const keys[] = {"site", "state_directory", "threads"};

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        if (option->place == SITE_PLACE_TOP && strcmp(option->key, keys[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Goes down to a key or a name; the way back is site_diff_leave() with what this returns. */
static size_t site_diff_enter(struct site_diff *diff, const char *name)
{
    size_t len = diff->path.len;

    buf_printf(&diff->path, "%s%s", len == 0 ? "" : ".", name);
    return len;
}

static void site_diff_leave(struct site_diff *diff, size_t len)
{
    diff->path.len = len;
    diff->path.bytes[diff->path.start + len] = '\0';
}

static void site_diff_line(struct site_diff *diff, const char *what, bool is_fixed)
{
    buf_printf(diff->out, "%s%s%s\n", buf_data(&diff->path), what,
               is_fixed ? " (needs a restart)" : "");
    diff->count++;
    diff->needs_restart = diff->needs_restart || is_fixed;
}

/* ---- one value ---- */

static void site_diff_write_names(const struct site_names *names, struct buf *out)
{
    for (size_t i = 0; i < names->count; i++) {
        buf_printf(out, "%s%s", i == 0 ? "" : ", ", names->items[i].text);
    }
}

static void site_diff_write_listens(const struct site_listens *listens, struct buf *out)
{
    for (size_t i = 0; i < listens->count; i++) {
        buf_append_text(out, i == 0 ? "" : ", ");
        site_address_write(&listens->items[i], out);
    }
}

static void site_diff_write_statuses(const struct site_statuses *statuses, struct buf *out)
{
    for (size_t i = 0; i < statuses->count; i++) {
        buf_printf(out, "%s%u-%u", i == 0 ? "" : ", ", statuses->ranges[i].from,
                   statuses->ranges[i].to);
    }
}

static void site_diff_write_databases(const bool *databases, struct buf *out)
{
    for (size_t i = 0; i < ROUTER_DATABASES_MAX; i++) {
        if (databases[i]) {
            buf_printf(out, "%s%zu", out->len == 0 ? "" : ", ", i);
        }
    }
}

static void site_diff_write(const struct site_option *option, const void *field, struct buf *out)
{
    switch (option->kind) {
    case SITE_VALUE_NAME:
    case SITE_VALUE_TEXT:
    case SITE_VALUE_FILE:
    case SITE_VALUE_HOST: {
        const char *text = *(const char *const *)field;
        buf_append_text(out, text == NULL ? "" : text);
        break;
    }
    case SITE_VALUE_BOOL:
    case SITE_VALUE_NUMBER:
    case SITE_VALUE_TIME:
    case SITE_VALUE_BYTES:
    case SITE_VALUE_CHOICE:
        site_option_write(option, site_option_load(option, field), out);
        break;
    case SITE_VALUE_LISTENS:
        site_diff_write_listens(field, out);
        break;
    case SITE_VALUE_NODES:
        site_diff_write_names(field, out);
        break;
    case SITE_VALUE_STATUSES:
        site_diff_write_statuses(field, out);
        break;
    case SITE_VALUE_DATABASES:
        site_diff_write_databases(field, out);
        break;
    case SITE_VALUE_BLOCK:
    case SITE_VALUE_MAP:
        UNREACHABLE("no value");
    }
}

static void site_diff_value(struct site_diff *diff, const struct site_option *option,
                            const void *old, const void *new)
{
    struct buf before = {0};
    struct buf after = {0};
    struct buf what = {0};

    site_diff_write(option, old, &before);
    site_diff_write(option, new, &after);
    if (strcmp(buf_data(&before), buf_data(&after)) != 0) {
        buf_printf(&what, ": %s -> %s", before.len == 0 ? "nothing" : buf_data(&before),
                   after.len == 0 ? "nothing" : buf_data(&after));
        site_diff_line(diff, buf_data(&what), site_diff_is_fixed(option));
    }
    buf_finish(&what);
    buf_finish(&before);
    buf_finish(&after);
}

/* ---- elements ---- */

static void site_diff_element(struct site_diff *diff, enum site_place place, const void *old,
                              const void *new);

struct site_items {
    const char *items;
    size_t count;
    size_t size;
};

static struct site_items site_diff_items(const struct site_option *option, const void *owner)
{
    const char *at = owner;
    const void *items = at + option->offset;
    const void *count = at + option->count_offset;

    return (struct site_items){
        .items = *(const char *const *)items,
        .count = *(const size_t *)count,
        .size = site_option_place(option->block)->size,
    };
}

static const struct site_head *site_diff_find(const struct site_items *items, const char *name)
{
    for (size_t i = 0; i < items->count; i++) {
        const struct site_head *head = (const void *)(items->items + i * items->size);
        if (strcmp(head->name, name) == 0) {
            return head;
        }
    }
    return NULL;
}

/* A service of another kind is another service, whatever its name. */
static bool site_diff_is_other(const struct site_option *option, const struct site_head *old,
                               const struct site_head *new)
{
    const struct site_service *before = (const void *)old;
    const struct site_service *after = (const void *)new;

    return option->block == SITE_PLACE_SERVICE && before->kind != after->kind;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the table */
static void site_diff_map(struct site_diff *diff, const struct site_option *option, const void *old,
                          const void *new)
{
    struct site_items before = site_diff_items(option, old);
    struct site_items after = site_diff_items(option, new);

    for (size_t i = 0; i < before.count; i++) {
        const struct site_head *head = (const void *)(before.items + i * before.size);
        const struct site_head *other = site_diff_find(&after, head->name);
        size_t at = site_diff_enter(diff, head->name);
        if (other == NULL) {
            site_diff_line(diff, ": removed", false);
        } else if (site_diff_is_other(option, head, other)) {
            site_diff_line(diff, ": another kind: removed, and added anew", false);
        } else {
            site_diff_element(diff, option->block, head, other);
        }
        site_diff_leave(diff, at);
    }
    for (size_t i = 0; i < after.count; i++) {
        const struct site_head *head = (const void *)(after.items + i * after.size);
        if (site_diff_find(&before, head->name) == NULL) {
            size_t at = site_diff_enter(diff, head->name);
            site_diff_line(diff, ": added", false);
            site_diff_leave(diff, at);
        }
    }
}

/* An endpoint and an HAProxy are there or not; other blocks are always there. */
static bool site_diff_may_lack(enum site_place place)
{
    return place == SITE_PLACE_ENDPOINT || place == SITE_PLACE_HAPROXY;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the table */
static void site_diff_block(struct site_diff *diff, const struct site_option *option,
                            const void *old, const void *new)
{
    bool was = site_is_given(old) || !site_diff_may_lack(option->block);
    bool is = site_is_given(new) || !site_diff_may_lack(option->block);

    if (was && is) {
        site_diff_element(diff, option->block, old, new);
    } else if (was || is) {
        site_diff_line(diff, is ? ": added" : ": removed", false);
    }
}

/* The row that this element was parsed by, of several with the same key. */
static bool site_diff_is_first(const struct site_option *option)
{
    return site_option_find(option->place, SITE_FOR_ANY, option->key) == option;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the table */
static void site_diff_element(struct site_diff *diff, enum site_place place, const void *old,
                              const void *new)
{

    for (size_t i = 0; i < site_option_count(); i++) {
        const struct site_option *option = site_option_at(i);
        const char *before = (const char *)old + option->offset;
        const char *after = (const char *)new + option->offset;
        if (option->place != place || !site_diff_is_first(option)) {
            continue;
        }
        size_t at = site_diff_enter(diff, option->key);
        if (option->kind == SITE_VALUE_MAP) {
            site_diff_map(diff, option, old, new);
        } else if (option->kind == SITE_VALUE_BLOCK) {
            site_diff_block(diff, option, before, after);
        } else {
            site_diff_value(diff, option, before, after);
        }
        site_diff_leave(diff, at);
    }
}

size_t site_diff(const struct site *old, const struct site *new, struct buf *out,
                 bool *needs_restart)
{
    struct site_diff diff = {.out = out};

    site_diff_element(&diff, SITE_PLACE_TOP, old, new);
    buf_finish(&diff.path);
    *needs_restart = diff.needs_restart;
    return diff.count;
}
