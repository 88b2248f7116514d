#include "sentinel/pubsub.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "sentinel/port.h"

/*
 * A topic is a channel or a pattern; it exists while somebody listens. The port has a list of each
 * kind, sorted by name. Every pattern is tried against every event; that is bounded work
 * (text_glob()).
 */
struct topic {
    char *name;
    size_t len;
    bool is_pattern;
    struct client **clients;
    size_t count;
    size_t capacity;
};

/* ---- lists of topics ---- */

static void topics_add(struct topics *list, struct topic *t)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 4 : 2 * list->capacity;
        list->items = realloc(list->items, list->capacity * sizeof(struct topic *));
        ASSERT(list->items != NULL);
    }
    list->items[list->count++] = t;
}

static void topics_remove(struct topics *list, const struct topic *t)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i] == t) {
            memmove(&list->items[i], &list->items[i + 1],
                    (list->count - i - 1) * sizeof(struct topic *));
            list->count--;
            break;
        }
    }
    if (list->count == 0) {
        free(list->items);
        *list = (struct topics){0};
    }
}

/* Where the name is, or belongs, in a list of the port. */
static size_t topics_place(const struct topics *list, const char *name, size_t len, bool *found)
{
    size_t low = 0;
    size_t high = list->count;

    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        const struct topic *t = list->items[middle];
        int order = memcmp(name, t->name, len < t->len ? len : t->len);

        if (order == 0 && len == t->len) {
            low = middle;
            *found = true;
        } else if (order < 0 || (order == 0 && len < t->len)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static struct topic *topic_find(const struct topics *list, const char *name, size_t len)
{
    bool found;
    size_t at = topics_place(list, name, len, &found);

    return found ? list->items[at] : NULL;
}

static struct topic *topic_create(struct topics *list, const struct resp_text *name,
                                  bool is_pattern)
{
    struct topic *t = memory_zeroed(sizeof(*t));
    bool found;
    size_t at = topics_place(list, name->bytes, name->len, &found);

    ASSERT(!found);
    t->name = memory_zeroed(name->len + 1);
    memcpy(t->name, name->bytes, name->len);
    t->len = name->len;
    t->is_pattern = is_pattern;
    topics_add(list, t);
    memmove(&list->items[at + 1], &list->items[at],
            (list->count - 1 - at) * sizeof(struct topic *));
    list->items[at] = t;
    return t;
}

static struct topics *topics_of_port(struct sentinel *port, bool is_pattern)
{
    return is_pattern ? &port->patterns : &port->channels;
}

static struct topics *topics_of_client(struct client *c, bool is_pattern)
{
    return is_pattern ? &c->patterns : &c->channels;
}

/* ---- who listens ---- */

static size_t topic_index(const struct topic *t, const struct client *c)
{
    for (size_t i = t->count; i > 0; i--) {
        if (t->clients[i - 1] == c) {
            return i - 1;
        }
    }
    return t->count;
}

static void topic_add_client(struct topic *t, struct client *c)
{
    if (t->count == t->capacity) {
        t->capacity = t->capacity == 0 ? 2 : 2 * t->capacity;
        t->clients = realloc(t->clients, t->capacity * sizeof(struct client *));
        ASSERT(t->clients != NULL);
    }
    t->clients[t->count++] = c;
}

static void topic_remove_client(struct sentinel *port, struct topic *t, const struct client *c)
{
    size_t at = topic_index(t, c);

    ASSERT(at < t->count);
    memmove(&t->clients[at], &t->clients[at + 1], (t->count - at - 1) * sizeof(struct client *));
    t->count--;
    if (t->count == 0) {
        topics_remove(topics_of_port(port, t->is_pattern), t);
        free(t->clients);
        free(t->name);
        free(t);
    }
}

/* ---- confirmations ---- */

static void confirm(struct client *c, const char *what, const char *name, size_t len)
{
    struct buf *out = &c->port->message;

    buf_clear(out);
    resp_write_push(out, c->version, 3);
    resp_write_text(out, what);
    if (name == NULL) {
        resp_write_null(out, c->version);
    } else {
        resp_write_bulk(out, name, len);
    }
    resp_write_integer(out, (int64_t)(c->channels.count + c->patterns.count));
    client_push(c, out);
}

static bool pubsub_refuse(struct client *c, const struct resp_text *name, bool is_pattern)
{
    const char *why = NULL;

    if (name->len > PUBSUB_NAME_BYTES_MAX) {
        why = "the name is too long";
    } else if (c->channels.count + c->patterns.count >= PUBSUB_CLIENT_TOPICS_MAX ||
               c->topic_bytes + name->len > PUBSUB_CLIENT_BYTES_MAX) {
        why = "too many subscriptions of one client";
    } else if (topics_of_port(c->port, is_pattern)->count >= PUBSUB_TOPICS_MAX &&
               topic_find(topics_of_port(c->port, is_pattern), name->bytes, name->len) == NULL) {
        why = "too many subscriptions altogether";
    }
    if (why != NULL) {
        resp_write_error(&c->out, "ERR Cannot subscribe: %s", why);
    }
    return why != NULL;
}

bool pubsub_join(struct client *c, const struct resp_text *name, bool is_pattern)
{
    struct topics *all = topics_of_port(c->port, is_pattern);
    struct topics *mine = topics_of_client(c, is_pattern);
    struct topic *t = topic_find(all, name->bytes, name->len);

    if (t == NULL || topic_index(t, c) == t->count) {
        if (pubsub_refuse(c, name, is_pattern)) {
            return false;
        }
        bool was_subscribed = client_is_subscribed(c);
        if (t == NULL) {
            t = topic_create(all, name, is_pattern);
        }
        topic_add_client(t, c);
        topics_add(mine, t);
        c->topic_bytes += name->len;
        if (!was_subscribed) {
            c->port->subscribers++;
            client_class_changed(c);
        }
    }
    confirm(c, is_pattern ? "psubscribe" : "subscribe", name->bytes, name->len);
    return true;
}

static void pubsub_drop(struct client *c, struct topic *t)
{
    c->topic_bytes -= t->len;
    topics_remove(topics_of_client(c, t->is_pattern), t);
    topic_remove_client(c->port, t, c);
    if (!client_is_subscribed(c)) {
        c->port->subscribers--;
    }
}

void pubsub_part(struct client *c, const struct resp_text *name, bool is_pattern)
{
    const char *what = is_pattern ? "punsubscribe" : "unsubscribe";
    struct topics *mine = topics_of_client(c, is_pattern);

    if (name != NULL) {
        struct topic *t = topic_find(topics_of_port(c->port, is_pattern), name->bytes, name->len);

        if (t != NULL && topic_index(t, c) < t->count) {
            pubsub_drop(c, t);
        }
        confirm(c, what, name->bytes, name->len);
    } else if (mine->count == 0) {
        confirm(c, what, NULL, 0);
    } else {
        while (mine->count > 0) {
            struct topic *t = mine->items[0];
            struct buf dropped = {0}; /* its name; the topic may go with its last listener */

            buf_append(&dropped, t->name, t->len);
            pubsub_drop(c, t);
            confirm(c, what, buf_data(&dropped), dropped.len);
            buf_finish(&dropped);
        }
    }
    if (!client_is_subscribed(c)) {
        client_class_changed(c);
    }
}

void pubsub_leave(struct client *c)
{
    while (c->channels.count > 0) {
        pubsub_drop(c, c->channels.items[c->channels.count - 1]);
    }
    while (c->patterns.count > 0) {
        pubsub_drop(c, c->patterns.items[c->patterns.count - 1]);
    }
}

bool pubsub_is_forbidden(const struct client *c)
{
    for (size_t i = 0; i < c->channels.count; i++) {
        const struct topic *t = c->channels.items[i];
        if (!acl_check_channel(c->user, t->name, t->len, false)) {
            return true;
        }
    }
    for (size_t i = 0; i < c->patterns.count; i++) {
        const struct topic *t = c->patterns.items[i];
        if (!acl_check_channel(c->user, t->name, t->len, true)) {
            return true;
        }
    }
    return false;
}

/* ---- publishing ---- */

static void message_write(struct buf *out, enum resp_version version, const struct topic *t,
                          const char *channel, const char *payload)
{
    buf_clear(out);
    resp_write_push(out, version, t->is_pattern ? 4 : 3);
    resp_write_text(out, t->is_pattern ? "pmessage" : "message");
    if (t->is_pattern) {
        resp_write_bulk(out, t->name, t->len);
    }
    resp_write_text(out, channel);
    resp_write_text(out, payload);
}

/* The same bytes for all of one protocol version. Nobody leaves the topic meanwhile: clients that
 * overflow are doomed, not freed. */
static uint32_t topic_publish(struct sentinel *port, const struct topic *t, const char *channel,
                              const char *payload)
{
    static const enum resp_version versions[] = {RESP_2, RESP_3};
    uint32_t sent = 0;

    for (size_t v = 0; v < COUNT_OF(versions); v++) {
        bool is_written = false;

        for (size_t i = 0; i < t->count; i++) {
            struct client *c = t->clients[i];

            if (c->version != versions[v] || c->is_doomed) {
                continue;
            }
            if (!is_written) {
                message_write(&port->message, versions[v], t, channel, payload);
                is_written = true;
            }
            client_push(c, &port->message);
            sent++;
        }
    }
    return sent;
}

uint32_t pubsub_publish(struct sentinel *port, const char *channel, const char *payload)
{
    size_t len = strlen(channel);
    const struct topic *t = topic_find(&port->channels, channel, len);
    uint32_t sent = t == NULL ? 0 : topic_publish(port, t, channel, payload);

    for (size_t i = 0; i < port->patterns.count; i++) {
        t = port->patterns.items[i];
        if (text_glob(t->name, t->len, channel, len)) {
            sent += topic_publish(port, t, channel, payload);
        }
    }
    return sent;
}

size_t pubsub_channels(const struct sentinel *port)
{
    return port->channels.count;
}

size_t pubsub_patterns(const struct sentinel *port)
{
    return port->patterns.count;
}

void pubsub_finish(struct sentinel *port)
{
    ASSERT(port->channels.count == 0);
    ASSERT(port->patterns.count == 0);
    free(port->channels.items);
    free(port->patterns.items);
}
