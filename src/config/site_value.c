/* One value of the site file: a scalar, or a list of scalars. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "config/config_room.h"
#include "config/router_room.h"
#include "config/site_room.h"

enum {
    SITE_VALUE_SHOWN_MAX = 60, /* bytes of a value that a message repeats */
    SITE_STATUS_LEAST = 100,   /* HTTP knows 1xx to 5xx */
    SITE_STATUS_MOST = 599,
};

void site_value_show(struct buf *out, const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len && i < SITE_VALUE_SHOWN_MAX; i++) {
        unsigned char byte = (unsigned char)text[i];
        unsigned char next = (unsigned char)text[i + 1];
        bool is_c1 = byte == 0xc2 && next < 0xa0; /* U+0080 to U+009F move a terminal too */
        buf_append(out, byte >= 0x20 && byte != 0x7f && !is_c1 ? &text[i] : "?", 1);
        i += is_c1 && next != '\0' ? 1 : 0;
    }
    if (len > SITE_VALUE_SHOWN_MAX) {
        /* not in the middle of a character */
        while (out->len > 0 && ((unsigned char)buf_data(out)[out->len - 1] & 0xc0) == 0x80) {
            out->len--;
        }
        if (out->len > 0 && (unsigned char)buf_data(out)[out->len - 1] >= 0xc0) {
            out->len--;
        }
        buf_append_text(out, "...");
    }
}

/* ---- what is wrong ---- */

static bool site_value_is_secret(const struct site_option *option)
{
    return strstr(option->key, "password") != NULL;
}

/* "hold: "5" is not a time". What was written is not repeated where it may be a password. */
static bool site_value_wrong(struct site_walk *w, const struct site_option *option,
                             const yaml_node_t *node, const char *why)
{
    struct buf shown = {0};

    if (site_value_is_secret(option) || node->type != YAML_SCALAR_NODE) {
        site_findings_error(w->findings, site_walk_mark(node), "%s: this %s", option->key, why);
    } else {
        site_value_show(&shown, (const char *)node->data.scalar.value);
        site_findings_error(w->findings, site_walk_mark(node), "%s: \"%s\" %s", option->key,
                            buf_data(&shown), why);
    }
    if (site_value_is_secret(option)) {
        site_findings_hide(w->findings);
    }
    buf_finish(&shown);
    return false;
}

/* ---- texts ---- */

bool site_value_is_name(const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++) {
        bool is_word = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z') ||
                       (text[i] >= '0' && text[i] <= '9');
        if (!is_word && (i == 0 || strchr("._-", text[i]) == NULL)) {
            return false;
        }
    }
    return len > 0 && len <= SITE_NAME_MAX;
}

static bool site_value_is_host(const char *text)
{
    struct addr at;

    return addr_set(&at, text, 0);
}

static bool site_value_is_file(const char *text)
{
    return text[0] == '/' && text[1] != '\0' && strlen(text) < ROUTER_PATH_MAX;
}

static bool site_value_word(struct site_walk *w, const struct site_option *option,
                            const yaml_node_t *node, char **field)
{
    const char *text = (const char *)node->data.scalar.value;

    if (strlen(text) > SITE_VALUE_MAX) {
        return site_value_wrong(w, option, node, "is longer than 1024 bytes");
    }
    if (option->kind == SITE_VALUE_NAME && !site_value_is_name(text)) {
        (void)site_value_wrong(w, option, node, "is no name"); /* false, always */
        site_findings_remedy(w->findings, "letters, digits, . _ and -, at most %d of them",
                             SITE_NAME_MAX);
        return false;
    }
    if (option->kind == SITE_VALUE_HOST && !site_value_is_host(text)) {
        (void)site_value_wrong(w, option, node, "is no address"); /* false, always */
        site_findings_remedy(w->findings, "write a number like 10.0.0.1 or a host name, no port");
        return false;
    }
    if (option->kind == SITE_VALUE_FILE && !site_value_is_file(text)) {
        (void)site_value_wrong(w, option, node, "is no absolute path"); /* false, always */
        site_findings_remedy(w->findings, "write a path that begins with /, like %s",
                             site_value_is_secret(option) ? "/etc/holdfast/service.password"
                                                          : "/etc/holdfast/file");
        return false;
    }
    free(*field);
    *field = memory_text(text);
    return true;
}

/* ---- numbers ---- */

static bool site_value_bool(const char *text, uint64_t *value)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on"};

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (text_same(words[i], text)) {
            *value = i % 2;
            return true;
        }
    }
    return false;
}

static bool site_value_choice(const struct site_option *option, const char *text, uint64_t *value)
{
    for (size_t i = 0; option->names[i] != NULL; i++) {
        if (option->names[i][0] != '\0' && strcmp(option->names[i], text) == 0) {
            *value = i;
            return true;
        }
    }
    return false;
}

static void site_value_choice_remedy(struct site_walk *w, const struct site_option *option,
                                     const char *text)
{
    const char *nearest = site_option_nearest_word(option->names, text);
    struct buf all = {0};

    for (size_t i = 0; option->names[i] != NULL; i++) {
        if (option->names[i][0] != '\0') {
            buf_printf(&all, "%s%s", all.len == 0 ? "" : ", ", option->names[i]);
        }
    }
    if (nearest != NULL) {
        site_findings_remedy(w->findings, "did you mean %s? It is one of %s", nearest,
                             buf_data(&all));
    } else {
        site_findings_remedy(w->findings, "write one of %s", buf_data(&all));
    }
    buf_finish(&all);
}

static bool site_value_range(struct site_walk *w, const struct site_option *option,
                             const yaml_node_t *node, uint64_t value)
{
    struct buf range = {0};

    if (option->kind == SITE_VALUE_CHOICE || (value >= option->min && value <= option->max)) {
        return true;
    }
    site_option_write(option, option->min, &range);
    buf_append_text(&range, " to ");
    site_option_write(option, option->max, &range);
    (void)site_value_wrong(w, option, node, "is out of range"); /* false, always */
    site_findings_remedy(w->findings, "write %s", buf_data(&range));
    buf_finish(&range);
    return false;
}

static void site_value_number(struct site_walk *w, const struct site_option *option,
                              const yaml_node_t *node, void *field)
{
    const char *text = (const char *)node->data.scalar.value;
    const char *why = "is no number";
    const char *remedy = NULL;
    uint64_t value = 0;
    bool is_good = false;

    if (option->kind == SITE_VALUE_TIME) {
        is_good = router_unit_to_ms(text, &value);
        why = "is not a time";
        remedy = "write a number with ms, s or m, like 800ms";
    } else if (option->kind == SITE_VALUE_BYTES) {
        is_good = router_unit_to_bytes(text, &value);
        why = "is not a size";
        remedy = "write a number with b, kb, mb or gb, like 64mb";
    } else if (option->kind == SITE_VALUE_BOOL) {
        is_good = site_value_bool(text, &value);
        why = "is neither yes nor no";
        remedy = "write yes or no";
    } else if (option->kind == SITE_VALUE_CHOICE) {
        is_good = site_value_choice(option, text, &value);
        why = "is not known here";
    } else {
        is_good = text_to_u64(text, strlen(text), &value);
        remedy = "write digits only";
    }
    if (is_good && site_value_range(w, option, node, value)) {
        site_option_store(option, value, field);
    } else if (!is_good) {
        (void)site_value_wrong(w, option, node, why); /* false, always */
        if (remedy != NULL) {
            site_findings_remedy(w->findings, "%s", remedy);
        } else {
            site_value_choice_remedy(w, option, text);
        }
    }
}

/* ---- what may be a list ---- */

static void site_value_listen(struct site_walk *w, const struct site_option *option,
                              const yaml_node_t *node, struct site_listens *listens)
{
    struct site_listen made = {.at = site_walk_mark(node)};

    if (!site_address_listen((const char *)node->data.scalar.value, &made)) {
        (void)site_value_wrong(w, option, node, "is no address to listen on"); /* false, always */
        site_findings_remedy(w->findings, "write HOST:PORT with a number as host, like "
                                          "127.0.0.1:6379, or node:PORT, or unix:/PATH");
        return;
    }
    if (listens->count == SITE_LISTENS_MAX) {
        (void)site_value_wrong(w, option, node, "is one address too many"); /* false, always */
        site_findings_remedy(w->findings, "at most %d", SITE_LISTENS_MAX);
        return;
    }
    listens->items = conf_set_grow(listens->items, listens->count, sizeof(*listens->items));
    listens->items[listens->count++] = made;
}

static void site_value_node(struct site_walk *w, const struct site_option *option,
                            const yaml_node_t *node, struct site_names *names)
{
    const char *text = (const char *)node->data.scalar.value;

    if (!site_value_is_name(text)) {
        (void)site_value_wrong(w, option, node, "is no name of a node"); /* false, always */
    } else if (site_names_have(names, text)) {
        (void)site_value_wrong(w, option, node, "is named twice"); /* false, always */
        site_findings_remedy(w->findings, "remove one of them");
    } else if (names->count == SITE_NODES_MAX) {
        (void)site_value_wrong(w, option, node, "is one node too many"); /* false, always */
    } else {
        names->items = conf_set_grow(names->items, names->count, sizeof(*names->items));
        names->items[names->count++] =
            (struct site_name){.text = memory_text(text), .at = site_walk_mark(node)};
    }
}

static void site_value_database(struct site_walk *w, const struct site_option *option,
                                const yaml_node_t *node, bool *databases)
{
    const char *text = (const char *)node->data.scalar.value;
    uint64_t number = 0;

    if (text_to_u64(text, strlen(text), &number) && number < ROUTER_DATABASES_MAX) {
        databases[number] = true;
    } else {
        (void)site_value_wrong(w, option, node, "is no database"); /* false, always */
        site_findings_remedy(w->findings, "write 0 to %d", ROUTER_DATABASES_MAX - 1);
    }
}

/* "200-399,404" */
static bool site_value_statuses(const char *text, struct site_statuses *statuses)
{
    struct site_statuses made = {0};

    for (const char *at = text; at != NULL;) {
        struct site_status_range range = {0};
        at += strspn(at, " ");
        size_t len = strspn(at, "0123456789");
        uint64_t from = 0;
        uint64_t to = 0;
        if (made.count == SITE_STATUSES_MAX || !text_to_u64(at, len, &from)) {
            return false;
        }
        at += len;
        to = from;
        if (*at == '-') {
            len = strspn(at + 1, "0123456789");
            if (!text_to_u64(at + 1, len, &to)) {
                return false;
            }
            at += len + 1;
        }
        at += strspn(at, " ");
        if ((*at != ',' && *at != '\0') || from < SITE_STATUS_LEAST || to > SITE_STATUS_MOST ||
            to < from) {
            return false;
        }
        range.from = (unsigned)from;
        range.to = (unsigned)to;
        made.ranges[made.count++] = range;
        at = *at == ',' ? at + 1 : NULL;
    }
    *statuses = made;
    return true;
}

static void site_value_one(struct site_walk *w, const struct site_option *option,
                           const yaml_node_t *node, void *field)
{
    switch (option->kind) {
    case SITE_VALUE_NAME:
    case SITE_VALUE_TEXT:
    case SITE_VALUE_FILE:
    case SITE_VALUE_HOST:
        (void)site_value_word(w, option, node, field); /* what is wrong was found */
        break;
    case SITE_VALUE_BOOL:
    case SITE_VALUE_NUMBER:
    case SITE_VALUE_TIME:
    case SITE_VALUE_BYTES:
    case SITE_VALUE_CHOICE:
        site_value_number(w, option, node, field);
        break;
    case SITE_VALUE_LISTENS:
        site_value_listen(w, option, node, field);
        break;
    case SITE_VALUE_NODES:
        site_value_node(w, option, node, field);
        break;
    case SITE_VALUE_STATUSES:
        if (!site_value_statuses((const char *)node->data.scalar.value, field)) {
            (void)site_value_wrong(w, option, node, "is no list of statuses"); /* false, always */
            site_findings_remedy(w->findings, "write it like 200-399,404");
        }
        break;
    case SITE_VALUE_DATABASES:
        site_value_database(w, option, node, field);
        break;
    case SITE_VALUE_BLOCK:
    case SITE_VALUE_MAP:
        UNREACHABLE("no value");
    }
}

static bool site_value_is_list(const struct site_option *option)
{
    return option->kind == SITE_VALUE_LISTENS || option->kind == SITE_VALUE_NODES ||
           option->kind == SITE_VALUE_DATABASES;
}

/* They end up in messages, in logs and in the files of other programs. */
static bool site_value_has_control(const yaml_node_t *node)
{
    const unsigned char *text = node->data.scalar.value;

    for (size_t i = 0; i < node->data.scalar.length; i++) {
        if (text[i] < 0x20 || text[i] == 0x7f ||
            (text[i] == 0xc2 && text[i + 1] >= 0x80 && text[i + 1] < 0xa0)) {
            return true;
        }
    }
    return false;
}

/* "key:" with nothing behind it, or null. */
static bool site_value_is_nothing(const yaml_node_t *node)
{
    const char *text = (const char *)node->data.scalar.value;

    return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE
               ? text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0
               : text[0] == '\0';
}

static void site_value_scalar(struct site_walk *w, const struct site_option *option,
                              const yaml_node_t *node, void *field)
{
    w->visits++;
    if (node->type != YAML_SCALAR_NODE) {
        (void)site_value_wrong(w, option, node, "is not one value"); /* false, always */
        site_findings_remedy(w->findings, site_value_is_list(option)
                                              ? "write a value, or a list of values in [ ]"
                                              : "write a single value behind the colon");
    } else if (site_value_is_nothing(node)) {
        site_findings_error(w->findings, site_walk_mark(node), "%s: there is no value",
                            option->key);
        site_findings_remedy(w->findings, "write one, or remove the key for the default");
    } else if (site_value_has_control(node)) {
        (void)site_value_wrong(w, option, node, "holds a control character"); /* false, always */
        site_findings_remedy(w->findings, "write it on one line");
    } else {
        site_value_one(w, option, node, field);
    }
}

void site_value_set(struct site_walk *w, const struct site_option *option, const yaml_node_t *node,
                    void *field)
{
    if (option->kind == SITE_VALUE_LISTENS) {
        site_value_finish(option, field); /* what the file says replaces the default */
    }
    if (node->type != YAML_SEQUENCE_NODE || !site_value_is_list(option)) {
        site_value_scalar(w, option, node, field);
        return;
    }
    const yaml_node_item_t *item = node->data.sequence.items.start;
    if (item == node->data.sequence.items.top) {
        (void)site_value_wrong(w, option, node, "list is empty"); /* false, always */
    }
    for (; item < node->data.sequence.items.top && w->visits <= SITE_VISITS_MAX; item++) {
        site_value_scalar(w, option, yaml_document_get_node(w->document, *item), field);
    }
}

/* ---- defaults, and the end ---- */

static bool site_value_has_default(const struct site_option *option)
{
    return option->text != NULL && !site_option_is_needed(option);
}

void site_value_set_default(const struct site_option *option, void *field)
{
    bool is_good = true;

    switch (option->kind) {
    case SITE_VALUE_NAME:
    case SITE_VALUE_TEXT:
    case SITE_VALUE_FILE:
    case SITE_VALUE_HOST:
        *(char **)field = site_value_has_default(option) ? memory_text(option->text) : NULL;
        break;
    case SITE_VALUE_BOOL:
    case SITE_VALUE_NUMBER:
    case SITE_VALUE_TIME:
    case SITE_VALUE_BYTES:
    case SITE_VALUE_CHOICE:
        site_option_store(option, option->value, field);
        break;
    case SITE_VALUE_LISTENS:
        if (site_value_has_default(option)) {
            struct site_listens *listens = field;
            listens->items = memory_zeroed(sizeof(*listens->items));
            listens->count = 1;
            is_good = site_address_listen(option->text, listens->items);
        }
        break;
    case SITE_VALUE_STATUSES:
        is_good = site_value_statuses(option->text, field);
        break;
    case SITE_VALUE_NODES:
    case SITE_VALUE_DATABASES:
        break;
    case SITE_VALUE_BLOCK:
    case SITE_VALUE_MAP:
        UNREACHABLE("no value");
    }
    ASSERT(is_good); /* the table is ours */
}

void site_value_finish(const struct site_option *option, void *field)
{
    bool is_text = option->kind == SITE_VALUE_NAME || option->kind == SITE_VALUE_TEXT ||
                   option->kind == SITE_VALUE_FILE || option->kind == SITE_VALUE_HOST;

    if (is_text) {
        free(*(char **)field);
        *(char **)field = NULL;
    } else if (option->kind == SITE_VALUE_LISTENS) {
        struct site_listens *listens = field;
        free(listens->items);
        *listens = (struct site_listens){0};
    } else if (option->kind == SITE_VALUE_NODES) {
        struct site_names *names = field;
        for (size_t i = 0; i < names->count; i++) {
            free(names->items[i].text);
        }
        free(names->items);
        *names = (struct site_names){0};
    }
}
