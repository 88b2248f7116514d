/* The document tree against the table: keys, places, what is missing. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "config/config_room.h"
#include "config/site_room.h"

static void site_walk_element(struct site_walk *w, enum site_place place, const yaml_node_t *node,
                              void *element);

struct site_mark site_walk_mark(const yaml_node_t *node)
{
    return (struct site_mark){.line = (int)node->start_mark.line + 1,
                              .column = (int)node->start_mark.column + 1};
}

static const yaml_node_t *site_walk_node(struct site_walk *w, int id)
{
    const yaml_node_t *node = yaml_document_get_node(w->document, id);

    ASSERT(node != NULL); /* the tree is libyaml's */
    return node;
}

/* Aliases in aliases in aliases: a few lines become millions of nodes. */
static bool site_walk_may_visit(struct site_walk *w, const yaml_node_t *node)
{
    if (++w->visits > SITE_VISITS_MAX && !w->is_stopped) {
        w->is_stopped = true;
        site_findings_error(w->findings, site_walk_mark(node),
                            "too much: with its aliases the file is too large from here on");
        site_findings_remedy(w->findings, "use fewer aliases");
    }
    return !w->is_stopped;
}

/* NULL, and found, when a key is no text. */
static const char *site_walk_key(struct site_walk *w, const yaml_node_t *key)
{
    if (key->type != YAML_SCALAR_NODE ||
        strlen((const char *)key->data.scalar.value) != key->data.scalar.length) {
        site_findings_error(w->findings, site_walk_mark(key), "a key that is no word");
        site_findings_remedy(w->findings, "write \"key: value\"");
        return NULL;
    }
    return (const char *)key->data.scalar.value;
}

/* "key:" with nothing behind it. */
static bool site_walk_is_nothing(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (node->data.scalar.length == 0 ||
            strcmp((const char *)node->data.scalar.value, "~") == 0 ||
            strcmp((const char *)node->data.scalar.value, "null") == 0);
}

/* ---- keys that are not known ---- */

static bool site_walk_is_secret(const char *key)
{
    static const char *const words[] = {"password",  "pass",        "passwd",          "secret",
                                        "auth_pass", "requirepass", "client_password", NULL};

    for (size_t i = 0; words[i] != NULL; i++) {
        if (text_same(words[i], key)) {
            return true;
        }
    }
    return false;
}

/* Where else the key may stand for this kind of service; NULL when nowhere. */
static const struct site_option *site_walk_elsewhere(unsigned kinds, const char *key)
{
    for (size_t i = 0; i < site_option_count(); i++) {
        const struct site_option *option = site_option_at(i);
        if ((option->kinds & kinds) != 0 && strcmp(option->key, key) == 0) {
            return option;
        }
    }
    return NULL;
}

static void site_walk_unknown_remedy(struct site_walk *w, enum site_place place, const char *key)
{
    struct buf all = {0};

    if (!w->findings->is_last_kept) {
        return; /* thousands of them would take their time */
    }
    const char *nearest = site_option_nearest(place, w->kinds, key);
    const struct site_option *elsewhere = site_walk_elsewhere(w->kinds, key);
    for (size_t i = 0; i < site_option_count(); i++) {
        const struct site_option *option = site_option_at(i);
        if (site_option_find(place, w->kinds, option->key) == option) {
            buf_printf(&all, "%s%s", all.len == 0 ? "" : ", ", option->key);
        }
    }
    if (strcmp(key, "<<") == 0) {
        site_findings_remedy(w->findings,
                             "maps are not merged: write the keys out, or use *name as "
                             "a whole value");
    } else if (nearest != NULL) {
        site_findings_remedy(w->findings, "did you mean %s?", nearest);
    } else if (elsewhere != NULL) {
        site_findings_remedy(w->findings, "it stands under \"%s\"",
                             site_option_place(elsewhere->place)->title);
    } else {
        site_findings_remedy(w->findings, "known here: %s", buf_data(&all));
    }
    buf_finish(&all);
}

static void site_walk_unknown(struct site_walk *w, enum site_place place, const yaml_node_t *node,
                              const char *key)
{
    bool is_secret = site_walk_is_secret(key);
    bool is_of_others = site_option_find(place, SITE_FOR_ANY, key) != NULL;
    struct buf shown = {0};

    site_value_show(&shown, key);
    if (is_secret) {
        site_findings_error(w->findings, site_walk_mark(node),
                            "%s: secrets do not stand in the site file, which many may read",
                            buf_data(&shown));
        site_findings_remedy(w->findings, "put it into a file of mode 600 and write "
                                          "password_file: /etc/holdfast/NAME.password");
        site_findings_hide(w->findings);
    } else if (is_of_others) {
        const char *kind = "this";
        for (unsigned i = SITE_REDIS; i <= SITE_TCP; i++) {
            kind = w->kinds == 1U << i ? site_kind_names[i] : kind;
        }
        site_findings_error(w->findings, site_walk_mark(node),
                            "%s: means nothing for a service of kind %s", buf_data(&shown), kind);
        site_findings_remedy(w->findings, "remove it");
    } else {
        site_findings_error(w->findings, site_walk_mark(node), "there is no key %s here",
                            buf_data(&shown));
        site_walk_unknown_remedy(w, place, key);
    }
    buf_finish(&shown);
}

/* ---- maps of named elements ---- */

static struct site_head *site_walk_at(const struct site_option *option, char *items, size_t i)
{
    void *element = items + i * site_option_place(option->block)->size;

    return element;
}

static bool site_walk_name(struct site_walk *w, const struct site_option *option,
                           const yaml_node_t *key, char *items, size_t count)
{
    const char *name = site_walk_key(w, key);
    struct buf shown = {0};

    if (name == NULL) {
        return false;
    }
    site_value_show(&shown, name);
    size_t before = w->findings->errors_count;
    if (!site_value_is_name(name)) {
        site_findings_error(w->findings, site_walk_mark(key), "%s: \"%s\" is no name", option->key,
                            buf_data(&shown));
        site_findings_remedy(w->findings, "letters, digits, . _ and -, at most %d of them",
                             SITE_NAME_MAX);
    } else if (count == option->max) {
        site_findings_error(w->findings, site_walk_mark(key), "%s: %s is one too many", option->key,
                            buf_data(&shown));
        site_findings_remedy(w->findings, "at most %zu", (size_t)option->max);
    }
    for (size_t i = 0; i < count && before == w->findings->errors_count; i++) {
        const struct site_head *head = site_walk_at(option, items, i);
        if (strcmp(head->name, name) == 0) {
            site_findings_error(w->findings, site_walk_mark(key),
                                "%s: %s stands here a second time", option->key, buf_data(&shown));
            site_findings_remedy(w->findings, "the first is in line %d; give one another name",
                                 head->at.line);
        }
    }
    buf_finish(&shown);
    return before == w->findings->errors_count;
}

/* key is the name; value NULL: nothing more is said about it. NOLINTNEXTLINE(misc-no-recursion) */
static void site_walk_add(struct site_walk *w, const struct site_option *option,
                          const yaml_node_t *key, const yaml_node_t *value, void *owner)
{
    char **items = (char **)((char *)owner + option->offset);
    size_t *count = (size_t *)((char *)owner + option->count_offset);

    if (!site_walk_may_visit(w, key) || !site_walk_name(w, option, key, *items, *count)) {
        return;
    }
    *items = conf_set_grow(*items, *count, site_option_place(option->block)->size);
    struct site_head *head = site_walk_at(option, *items, *count);
    memset(head, 0, site_option_place(option->block)->size);
    *count += 1;
    head->name = memory_text((const char *)key->data.scalar.value);
    head->at = site_walk_mark(key);
    site_walk_element(w, option->block, value, head);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the table */
static void site_walk_map(struct site_walk *w, const struct site_option *option,
                          const yaml_node_t *node, void *owner)
{
    bool is_member = option->block == SITE_PLACE_MEMBER;
    size_t before = w->findings->errors_count;

    if (node->type == YAML_MAPPING_NODE) {
        const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
        for (; pair < node->data.mapping.pairs.top && !w->is_stopped; pair++) {
            site_walk_add(w, option, site_walk_node(w, pair->key), site_walk_node(w, pair->value),
                          owner);
        }
    } else if (node->type == YAML_SEQUENCE_NODE && is_member) {
        const yaml_node_item_t *item = node->data.sequence.items.start;
        for (; item < node->data.sequence.items.top && !w->is_stopped; item++) {
            site_walk_add(w, option, site_walk_node(w, *item), NULL, owner);
        }
    } else {
        site_findings_error(w->findings, site_walk_mark(node), "%s: this is no map", option->key);
        site_findings_remedy(w->findings,
                             is_member ? "write a list of nodes in [ ], or NAME: on a line each"
                                       : "write a line for each: its name, a colon, what it is");
    }
    if (*(size_t *)((char *)owner + option->count_offset) == 0 &&
        before == w->findings->errors_count) {
        site_findings_error(w->findings, site_walk_mark(node), "%s: there are none", option->key);
        site_findings_remedy(w->findings, "name at least one");
    }
}

/* ---- one element ---- */

/* False, and found, when the key is there twice. */
static bool site_walk_give(struct site_walk *w, struct site_head *head, const char *key,
                           const yaml_node_t *key_node, const yaml_node_t *value)
{
    for (size_t i = 0; i < head->given_count; i++) {
        if (strcmp(head->given[i].key, key) == 0) {
            site_findings_error(w->findings, site_walk_mark(key_node),
                                "%s: stands here a second time", key);
            site_findings_remedy(w->findings, "the first is in line %d; remove one of them",
                                 head->given[i].at.line);
            return false;
        }
    }
    head->given = conf_set_grow(head->given, head->given_count, sizeof(*head->given));
    head->given[head->given_count++] = (struct site_given){.key = key, .at = site_walk_mark(value)};
    return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the table */
static void site_walk_value(struct site_walk *w, const struct site_option *option,
                            const yaml_node_t *node, void *element)
{
    char *field = (char *)element + option->offset;

    if (option->kind == SITE_VALUE_MAP) {
        site_walk_map(w, option, node, element);
    } else if (option->kind == SITE_VALUE_BLOCK) {
        struct site_head *head = (void *)field;
        head->at = site_walk_mark(node);
        site_walk_element(w, option->block, node, field);
    } else {
        site_value_set(w, option, node, field);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the table */
static void site_walk_pair(struct site_walk *w, enum site_place place, const yaml_node_pair_t *pair,
                           void *element)
{
    const yaml_node_t *key_node = site_walk_node(w, pair->key);
    const yaml_node_t *value = site_walk_node(w, pair->value);

    if (!site_walk_may_visit(w, key_node)) {
        return;
    }
    const char *key = site_walk_key(w, key_node);
    if (key == NULL) {
        return;
    }
    const struct site_option *option = site_option_find(place, w->kinds, key);
    if (option == NULL) {
        site_walk_unknown(w, place, key_node, key);
    } else if (site_walk_give(w, element, option->key, key_node, value)) {
        site_walk_value(w, option, value, element);
    }
}

static void site_walk_missing(struct site_walk *w, enum site_place place,
                              const struct site_head *head)
{
    for (size_t i = 0; i < site_option_count(); i++) {
        const struct site_option *option = site_option_at(i);
        bool is_given = false;
        for (size_t j = 0; j < head->given_count; j++) {
            is_given = is_given || strcmp(head->given[j].key, option->key) == 0;
        }
        if (option->place != place || (option->kinds & w->kinds) != w->kinds || is_given ||
            !site_option_is_needed(option)) {
            continue;
        }
        if (head->name != NULL) {
            site_findings_error(w->findings, head->at, "%s: %s is missing", head->name,
                                option->key);
        } else {
            site_findings_error(w->findings, head->at, "%s is missing", option->key);
        }
        site_findings_remedy(w->findings, "write %s: %s", option->key, option->doc);
    }
}

/* What the other keys of a service mean depends on its kind, wherever that stands. */
static unsigned site_walk_kinds(struct site_walk *w, const yaml_node_t *node)
{
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;

    for (; pair < node->data.mapping.pairs.top && site_walk_may_visit(w, node); pair++) {
        const yaml_node_t *key = site_walk_node(w, pair->key);
        const yaml_node_t *value = site_walk_node(w, pair->value);
        bool is_kind = key->type == YAML_SCALAR_NODE && value->type == YAML_SCALAR_NODE &&
                       strcmp((const char *)key->data.scalar.value, "kind") == 0;
        for (unsigned i = SITE_REDIS; i <= SITE_TCP && is_kind; i++) {
            if (strcmp(site_kind_names[i], (const char *)value->data.scalar.value) == 0) {
                return 1U << i;
            }
        }
    }
    return SITE_FOR_ANY; /* which is wrong, and will be found; nothing else is then */
}

/* node NULL: nothing was written. NOLINTNEXTLINE(misc-no-recursion): as deep as the table */
static void site_walk_element(struct site_walk *w, enum site_place place, const yaml_node_t *node,
                              void *element)
{
    const struct site_place_row *row = site_option_place(place);
    unsigned outer = w->kinds;
    bool is_map = node != NULL && node->type == YAML_MAPPING_NODE;

    if (place == SITE_PLACE_SERVICE && is_map) {
        w->kinds = site_walk_kinds(w, node);
    }
    if (((struct site_head *)element)->name != NULL || place == SITE_PLACE_TOP) {
        site_option_defaults(place, w->kinds, element); /* a block has those of its owner */
    }
    if (is_map) {
        const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
        for (; pair < node->data.mapping.pairs.top && !w->is_stopped; pair++) {
            site_walk_pair(w, place, pair, element);
        }
        site_walk_missing(w, place, element);
    } else if (node == NULL || (site_walk_is_nothing(node) && place != SITE_PLACE_TOP)) {
        site_walk_missing(w, place, element);
    } else if (row->short_key != NULL) {
        const struct site_option *option = site_option_find(place, w->kinds, row->short_key);
        ASSERT(option != NULL);                                    /* a test walks the table */
        (void)site_walk_give(w, element, option->key, node, node); /* the first: cannot be double */
        site_walk_value(w, option, node, element);
    } else {
        site_findings_error(w->findings, site_walk_mark(node), "this is no map of keys");
        site_findings_remedy(w->findings, "write \"key: value\" lines, indented alike");
    }
    w->kinds = outer;
}

void site_walk_file(struct site_walk *w, struct site *site)
{
    const yaml_node_t *root = yaml_document_get_root_node(w->document);

    w->kinds = SITE_FOR_ANY;
    site->head.at = site_walk_mark(root);
    site_walk_element(w, SITE_PLACE_TOP, root, site);
    if (w->visits > SITE_VISITS_MAX) {
        (void)site_walk_may_visit(w, root); /* found, when a list at the end was cut */
    }
}
