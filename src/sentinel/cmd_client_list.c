#include <string.h>

#include "base/text.h"
#include "sentinel/cmd_calls.h"
#include "sentinel/port.h"

/* CLIENT LIST, INFO and KILL. */

enum client_type {
    CLIENT_TYPE_ANY,
    CLIENT_TYPE_NORMAL,
    CLIENT_TYPE_PUBSUB,
    CLIENT_TYPE_NOBODY, /* masters and replicas never connect to a Sentinel as such */
};

static bool type_of_word(struct client *c, const struct resp_text *word, enum client_type *type)
{
    if (client_word_is(word, "normal")) {
        *type = CLIENT_TYPE_NORMAL;
    } else if (client_word_is(word, "pubsub")) {
        *type = CLIENT_TYPE_PUBSUB;
    } else if (client_word_is(word, "master") || client_word_is(word, "replica") ||
               client_word_is(word, "slave")) {
        *type = CLIENT_TYPE_NOBODY;
    } else {
        resp_write_error(&c->out, "ERR Unknown client type '%.128s'", word->bytes);
        return false;
    }
    return true;
}

static bool type_matches(enum client_type type, const struct client *c)
{
    switch (type) {
    case CLIENT_TYPE_ANY:
        return true;
    case CLIENT_TYPE_NORMAL:
        return !client_is_subscribed(c);
    case CLIENT_TYPE_PUBSUB:
        return client_is_subscribed(c);
    case CLIENT_TYPE_NOBODY:
        return false;
    }
    UNREACHABLE("not a type of client");
}

/* ---- LIST, INFO ---- */

struct list {
    enum client_type type;
    struct buf lines;
};

static void list_visit(void *ctx, struct client *c)
{
    struct list *list = ctx;

    if (type_matches(list->type, c)) {
        client_describe(c, &list->lines);
        buf_append_text(&list->lines, "\n");
    }
}

/* As in Redis each id is looked up by itself: in the caller's order, repetitions too. */
static bool list_ids(struct client *c, const struct resp_command *command, struct list *list)
{
    for (size_t i = 3; i < command->argc; i++) {
        int64_t id;

        if (!client_number(c, &command->argv[i], "Invalid client ID", &id)) {
            return false;
        }
        struct client *found = id > 0 ? client_find(c->port, (uint64_t)id) : NULL;
        if (found != NULL && !found->is_doomed) {
            list_visit(list, found);
        }
    }
    return true;
}

static bool list_fill(struct client *c, const struct resp_command *command, struct list *list)
{
    if (command->argc >= 4 && client_word_is(&command->argv[2], "id")) {
        return list_ids(c, command, list);
    }
    if (command->argc == 4 && client_word_is(&command->argv[2], "type")) {
        if (!type_of_word(c, &command->argv[3], &list->type)) {
            return false;
        }
    } else if (command->argc > 2) {
        resp_write_error(&c->out, "ERR syntax error");
        return false;
    }
    client_each(c->port, list_visit, list);
    return true;
}

void cmd_client_list(struct client *c, const struct resp_command *command)
{
    struct list list = {.type = CLIENT_TYPE_ANY};

    if (list_fill(c, command, &list)) {
        resp_write_verbatim(&c->out, c->version, "txt", buf_data(&list.lines), list.lines.len);
    }
    buf_finish(&list.lines);
}

void cmd_client_info(struct client *c, const struct resp_command *command)
{
    struct buf line = {0};

    (void)command;
    client_describe(c, &line);
    buf_append_text(&line, "\n");
    resp_write_verbatim(&c->out, c->version, "txt", buf_data(&line), line.len);
    buf_finish(&line);
}

/* ---- KILL ---- */

struct filter {
    struct client *asking;
    const struct resp_text *addr;
    const struct resp_text *local;
    const struct acl_user *user;
    uint64_t id; /* 0 is any */
    enum client_type type;
    bool skip_asking;
    size_t count;
};

static bool text_is(const struct resp_text *word, const char *text)
{
    return word->len == strlen(text) && memcmp(word->bytes, text, word->len) == 0;
}

static bool filter_matches(const struct filter *f, const struct client *c)
{
    return (f->addr == NULL || text_is(f->addr, c->peer)) &&
           (f->local == NULL || text_is(f->local, c->local)) &&
           (f->user == NULL || f->user == c->user) && (f->id == 0 || f->id == c->id) &&
           type_matches(f->type, c) && !(f->skip_asking && c == f->asking);
}

static void kill_visit(void *ctx, struct client *c)
{
    struct filter *f = ctx;

    if (filter_matches(f, c)) {
        f->count++;
        client_kill(c);
    }
}

static bool kill_user(struct client *c, const struct resp_text *name, struct filter *f)
{
    f->user = acl_find(c->port->acl, name->bytes, name->len);
    if (f->user == NULL) {
        resp_write_error(&c->out, "ERR No such user '%.128s'", name->bytes);
    }
    return f->user != NULL;
}

static bool kill_id(struct client *c, const struct resp_text *value, struct filter *f)
{
    if (text_to_u64(value->bytes, value->len, &f->id) && f->id > 0) {
        return true;
    }
    resp_write_error(&c->out, "ERR client-id should be greater than 0");
    return false;
}

static bool kill_option(struct client *c, const struct resp_text *pair, struct filter *f)
{
    const struct resp_text *value = &pair[1];

    if (client_word_is(&pair[0], "id")) {
        return kill_id(c, value, f);
    }
    if (client_word_is(&pair[0], "type")) {
        return type_of_word(c, value, &f->type);
    }
    if (client_word_is(&pair[0], "user")) {
        return kill_user(c, value, f);
    }
    if (client_word_is(&pair[0], "addr")) {
        f->addr = value;
        return true;
    }
    if (client_word_is(&pair[0], "laddr")) {
        f->local = value;
        return true;
    }
    bool is_yes = client_word_is(value, "yes");
    if (client_word_is(&pair[0], "skipme") && (is_yes || client_word_is(value, "no"))) {
        f->skip_asking = is_yes;
        return true;
    }
    resp_write_error(&c->out, "ERR syntax error");
    return false;
}

void cmd_client_kill(struct client *c, const struct resp_command *command)
{
    struct filter f = {.asking = c};

    if (command->argc == 3) {
        f.addr = &command->argv[2];
        client_each(c->port, kill_visit, &f);
        if (f.count == 0) {
            resp_write_error(&c->out, "ERR No such client");
        } else {
            resp_write_simple(&c->out, "OK");
        }
        return;
    }
    f.skip_asking = true;
    if (command->argc % 2 != 0) {
        resp_write_error(&c->out, "ERR syntax error");
        return;
    }
    for (size_t i = 2; i < command->argc; i += 2) {
        if (!kill_option(c, &command->argv[i], &f)) {
            return;
        }
    }
    client_each(c->port, kill_visit, &f);
    resp_write_integer(&c->out, (int64_t)f.count);
}
