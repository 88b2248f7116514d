#include <string.h>

#include "base/text.h"
#include "sentinel/cmd_calls.h"
#include "sentinel/port.h"

/* CLIENT LIST, INFO and KILL: the filters are shared. */

enum client_type {
    CLIENT_TYPE_ANY,
    CLIENT_TYPE_NORMAL,
    CLIENT_TYPE_PUBSUB,
    CLIENT_TYPE_NOBODY, /* masters and replicas never connect to a Sentinel as such */
};

struct filter {
    struct client *asking;
    const struct resp_text *addr;
    const struct resp_text *local;
    const struct acl_user *user;
    const struct resp_text *ids; /* LIST ID ... */
    size_t ids_count;
    uint64_t id; /* KILL ID; 0 is any */
    enum client_type type;
    bool skip_asking;
    size_t count;
    struct buf *lines;
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

static bool text_is(const struct resp_text *word, const char *text)
{
    return word->len == strlen(text) && memcmp(word->bytes, text, word->len) == 0;
}

static bool filter_type(const struct filter *f, const struct client *c)
{
    switch (f->type) {
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

static bool filter_ids(const struct filter *f, const struct client *c)
{
    bool is_listed = f->ids_count == 0;

    for (size_t i = 0; i < f->ids_count && !is_listed; i++) {
        uint64_t id;
        is_listed = text_to_u64(f->ids[i].bytes, f->ids[i].len, &id) && id == c->id;
    }
    return is_listed;
}

static bool filter_matches(const struct filter *f, const struct client *c)
{
    return (f->addr == NULL || text_is(f->addr, c->peer)) &&
           (f->local == NULL || text_is(f->local, c->local)) &&
           (f->user == NULL || f->user == c->user) && (f->id == 0 || f->id == c->id) &&
           filter_type(f, c) && filter_ids(f, c) && !(f->skip_asking && c == f->asking);
}

/* ---- LIST, INFO ---- */

static void list_visit(void *ctx, struct client *c)
{
    struct filter *f = ctx;

    if (filter_matches(f, c)) {
        client_describe(c, f->lines);
        buf_append_text(f->lines, "\n");
    }
}

static bool list_parse(struct client *c, const struct resp_command *command, struct filter *f)
{
    if (command->argc == 2) {
        return true;
    }
    if (command->argc == 4 && client_word_is(&command->argv[2], "type")) {
        return type_of_word(c, &command->argv[3], &f->type);
    }
    if (command->argc >= 4 && client_word_is(&command->argv[2], "id")) {
        f->ids = &command->argv[3];
        f->ids_count = command->argc - 3;
        for (size_t i = 0; i < f->ids_count; i++) {
            uint64_t id;
            if (!text_to_u64(f->ids[i].bytes, f->ids[i].len, &id) || id == 0) {
                resp_write_error(&c->out, "ERR Invalid client ID");
                return false;
            }
        }
        return true;
    }
    resp_write_error(&c->out, "ERR syntax error");
    return false;
}

void cmd_client_list(struct client *c, const struct resp_command *command)
{
    struct buf lines = {0};
    struct filter f = {.asking = c, .lines = &lines};

    if (list_parse(c, command, &f)) {
        client_each(c->port, list_visit, &f);
        resp_write_verbatim(&c->out, c->version, "txt", buf_data(&lines), lines.len);
    }
    buf_finish(&lines);
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
