/*
 * What a client has subscribed to is remembered here when its request is sent, not when it is
 * confirmed: what follows in the pipeline must already count on it. All is bounded by
 * RELAY_SUBSCRIPTIONS_MAX and SUBSCRIPTIONS_MAX_BYTES.
 */
#include "router/session_pubsub.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "router/session_client.h"

enum {
    NAMES_FIRST_SLOTS = 8,    /* a power of two; most clients subscribe to a few */
    RESTORE_BYTES = 32 << 10, /* of one request that subscribes again */
};

/* One channel or pattern: any bytes. */
struct name {
    uint64_t hash;
    uint32_t asked; /* requests that subscribed to it, for session_subscribe_refused() */
    uint32_t len;
    char bytes[];
};

/* Open addressing, never more than half full; NULL is a free slot. */
struct name_set {
    struct name **slots;
    size_t slots_count; /* a power of two, or 0 */
    size_t count;
};

struct subscriptions {
    struct name_set sets[SUBSCRIPTION_KINDS];
    size_t bytes;  /* of all names */
    uint64_t seed; /* so that nobody can choose names that collide */
    unsigned keeps;
};

/* ---- the sets ---- */

static uint64_t name_hash(const char *bytes, size_t len, uint64_t seed)
{
    uint64_t hash = seed ^ len;

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
        hash ^= hash >> 29;
    }
    return hash * UINT64_C(0x9e3779b97f4a7c15) >> 16;
}

/* Where the name is, or the free slot where it belongs. */
static size_t name_slot(const struct name_set *set, const char *bytes, size_t len, uint64_t hash)
{
    size_t mask = set->slots_count - 1;
    size_t at = (size_t)hash & mask;

    for (const struct name *n = set->slots[at]; n != NULL; n = set->slots[at]) {
        if (n->hash == hash && n->len == len && memcmp(n->bytes, bytes, len) == 0) {
            break;
        }
        at = (at + 1) & mask;
    }
    return at;
}

static struct name *name_find(const struct subscriptions *all, enum subscription_kind kind,
                              const char *bytes, size_t len)
{
    const struct name_set *set = &all->sets[kind];

    if (set->count == 0) {
        return NULL;
    }
    return set->slots[name_slot(set, bytes, len, name_hash(bytes, len, all->seed))];
}

static void names_grow(struct name_set *set)
{
    struct name_set bigger = {.slots_count =
                                  set->slots_count == 0 ? NAMES_FIRST_SLOTS : set->slots_count * 2,
                              .count = set->count};

    bigger.slots = memory_zeroed(bigger.slots_count * sizeof(struct name *));
    for (size_t i = 0; i < set->slots_count; i++) {
        struct name *n = set->slots[i];
        if (n != NULL) {
            bigger.slots[name_slot(&bigger, n->bytes, n->len, n->hash)] = n;
        }
    }
    free(set->slots);
    *set = bigger;
}

static void names_add(struct subscriptions *all, enum subscription_kind kind,
                      const struct resp_text *text)
{
    struct name_set *set = &all->sets[kind];
    struct name *known = name_find(all, kind, text->bytes, text->len);

    if (known != NULL) {
        known->asked++;
        return;
    }
    if ((set->count + 1) * 2 > set->slots_count) {
        names_grow(set);
    }
    struct name *n = memory_zeroed(sizeof(*n) + text->len);
    n->hash = name_hash(text->bytes, text->len, all->seed);
    n->asked = 1;
    n->len = (uint32_t)text->len;
    memcpy(n->bytes, text->bytes, text->len);
    set->slots[name_slot(set, n->bytes, n->len, n->hash)] = n;
    set->count++;
    all->bytes += text->len;
}

/* The slot is free then, and those behind it that stood there only because it was taken move up. */
static void names_close_gap(struct name_set *set, size_t gap)
{
    size_t mask = set->slots_count - 1;

    for (size_t at = (gap + 1) & mask; set->slots[at] != NULL; at = (at + 1) & mask) {
        size_t home = (size_t)set->slots[at]->hash & mask;
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            set->slots[gap] = set->slots[at];
            gap = at;
        }
    }
    set->slots[gap] = NULL;
}

static void names_remove(struct subscriptions *all, enum subscription_kind kind,
                         const struct name *name)
{
    struct name_set *set = &all->sets[kind];
    size_t at = name_slot(set, name->bytes, name->len, name->hash);
    struct name *n = set->slots[at];

    all->bytes -= n->len;
    set->count--;
    names_close_gap(set, at);
    free(n);
}

static void names_clear(struct subscriptions *all, enum subscription_kind kind)
{
    struct name_set *set = &all->sets[kind];

    for (size_t i = 0; i < set->slots_count; i++) {
        if (set->slots[i] != NULL) {
            all->bytes -= set->slots[i]->len;
            free(set->slots[i]);
        }
    }
    free(set->slots);
    *set = (struct name_set){0};
}

/* ---- what a client has ---- */

static struct subscriptions *subscriptions_of(struct session *session)
{
    if (session->subscriptions == NULL) {
        session->subscriptions = memory_zeroed(sizeof(struct subscriptions));
        loop_random(&session->subscriptions->seed, sizeof(session->subscriptions->seed));
    }
    return session->subscriptions;
}

size_t session_subscribed(const struct session *session, enum subscription_kind kind)
{
    return session->subscriptions == NULL ? 0 : session->subscriptions->sets[kind].count;
}

size_t session_subscriptions(const struct session *session)
{
    return session_subscribed(session, SUBSCRIPTION_CHANNEL) +
           session_subscribed(session, SUBSCRIPTION_PATTERN) +
           session_subscribed(session, SUBSCRIPTION_SHARD);
}

bool session_is_subscribed(const struct session *session, enum subscription_kind kind,
                           const char *name, size_t len)
{
    return session->subscriptions != NULL &&
           name_find(session->subscriptions, kind, name, len) != NULL;
}

void session_forget_subscriptions(struct session *session)
{
    if (session->subscriptions == NULL) {
        return;
    }
    for (int kind = 0; kind < SUBSCRIPTION_KINDS; kind++) {
        names_clear(session->subscriptions, (enum subscription_kind)kind);
    }
    free(session->subscriptions);
    session->subscriptions = NULL;
}

unsigned session_keeps(const struct session *session)
{
    return session->subscriptions == NULL ? 0 : session->subscriptions->keeps;
}

void session_keep(struct session *session, enum session_keeps what, bool is_on)
{
    if (is_on) {
        subscriptions_of(session)->keeps |= what;
    } else if (session->subscriptions != NULL) {
        session->subscriptions->keeps &= ~(unsigned)what;
    }
}

/* ---- requests ---- */

/* The kind that a request is about; *is_more is true for those that subscribe. False: none. */
static bool pubsub_kind(uint16_t id, enum subscription_kind *kind, bool *is_more)
{
    static const struct {
        uint16_t id;
        enum subscription_kind kind;
        bool is_more;
    } rows[] = {
        {COMMAND_SUBSCRIBE, SUBSCRIPTION_CHANNEL, true},
        {COMMAND_UNSUBSCRIBE, SUBSCRIPTION_CHANNEL, false},
        {COMMAND_PSUBSCRIBE, SUBSCRIPTION_PATTERN, true},
        {COMMAND_PUNSUBSCRIBE, SUBSCRIPTION_PATTERN, false},
        {COMMAND_SSUBSCRIBE, SUBSCRIPTION_SHARD, true},
        {COMMAND_SUNSUBSCRIBE, SUBSCRIPTION_SHARD, false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].id == id) {
            *kind = rows[i].kind;
            *is_more = rows[i].is_more;
            return true;
        }
    }
    return false;
}

/* Behind the name of the command. */
static struct resp_args pubsub_names(const char *bytes, size_t len)
{
    struct resp_args args = {0};
    struct resp_text name;

    (void)resp_args_next(&args, bytes, len, &name); /* a request without a name has no others */
    return args;
}

/* Before anything is remembered, so that a request that is too much changes nothing. */
static bool pubsub_has_room(const struct session *session, const struct request *request,
                            enum subscription_kind kind)
{
    struct resp_args args = pubsub_names(request->bytes, request->len);
    const struct subscriptions *all = session->subscriptions;
    size_t count = session_subscriptions(session);
    size_t bytes = all == NULL ? 0 : all->bytes;
    struct resp_text name;

    while (resp_args_next(&args, request->bytes, request->len, &name)) {
        if (all == NULL || name_find(all, kind, name.bytes, name.len) == NULL) {
            count++; /* one that is named twice counts twice: never too few */
            bytes += name.len;
        }
    }
    return count <= RELAY_SUBSCRIPTIONS_MAX && bytes <= SUBSCRIPTIONS_MAX_BYTES;
}

static void pubsub_subscribe(struct subscriptions *all, const struct request *request,
                             enum subscription_kind kind)
{
    struct resp_args args = pubsub_names(request->bytes, request->len);
    struct resp_text name;

    while (resp_args_next(&args, request->bytes, request->len, &name)) {
        names_add(all, kind, &name);
    }
}

static void pubsub_unsubscribe(struct subscriptions *all, const struct request *request,
                               enum subscription_kind kind)
{
    struct resp_args args = pubsub_names(request->bytes, request->len);
    struct resp_text text;

    if (request->argc <= 1) {
        names_clear(all, kind);
        return;
    }
    while (resp_args_next(&args, request->bytes, request->len, &text)) {
        const struct name *name = name_find(all, kind, text.bytes, text.len);
        if (name != NULL) {
            names_remove(all, kind, name);
        }
    }
}

bool session_subscribing(struct session *session, const struct request *request, uint16_t *replies)
{
    enum subscription_kind kind;
    bool is_more;

    if (!pubsub_kind(request->command->id, &kind, &is_more) || (is_more && request->argc <= 1)) {
        *replies = 1; /* SPUBLISH, or what Redis refuses */
        return true;
    }
    if (request->argc - 1 > UINT16_MAX || (is_more && !pubsub_has_room(session, request, kind))) {
        session_error(session,
                      "ERR holdfast: too many channels: at most %d, and %d bytes of names, for one "
                      "client",
                      RELAY_SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_MAX_BYTES);
        return false;
    }
    size_t count = request->argc > 1 ? request->argc - 1 : session_subscribed(session, kind);
    *replies = count == 0 ? 1 : (uint16_t)count;
    if (is_more) {
        pubsub_subscribe(subscriptions_of(session), request, kind);
    } else if (session->subscriptions != NULL) {
        pubsub_unsubscribe(session->subscriptions, request, kind);
    }
    return true;
}

void session_subscribe_refused(struct session *session, const char *request, size_t len)
{
    struct resp_args args = {0};
    struct resp_text text;
    enum subscription_kind kind;
    bool is_more;

    if (session->subscriptions == NULL || !resp_args_next(&args, request, len, &text) ||
        !pubsub_kind(command_find(text.bytes, text.len, NULL, 0)->id, &kind, &is_more) ||
        !is_more) {
        return;
    }
    while (resp_args_next(&args, request, len, &text)) {
        struct name *name = name_find(session->subscriptions, kind, text.bytes, text.len);
        if (name != NULL && --name->asked == 0) {
            names_remove(session->subscriptions, kind, name);
        }
    }
}

/* ---- frames ---- */

/* The text of the first element of an array or push; NULL when it is no bulk string. *has is how
 * much of it is there. */
static const char *frame_first(const char *frame, size_t len, size_t *text_len, size_t *has)
{
    const char *end = frame + len;
    const char *at = memchr(frame, '\n', len);
    size_t size = 0;

    if (at == NULL || ++at == end || *at != '$') {
        return NULL;
    }
    for (at++; at < end && *at >= '0' && *at <= '9' && size < len; at++) {
        size = size * 10 + (size_t)(*at - '0');
    }
    if (end - at < 2 || at[0] != '\r') {
        return NULL;
    }
    at += 2;
    *text_len = size;
    *has = (size_t)(end - at);
    return at;
}

enum frame_kind session_frame_kind(const char *frame, size_t len)
{
    static const struct {
        const char *word;
        enum frame_kind kind;
    } rows[] = {
        {"message", FRAME_PUSH},         {"pmessage", FRAME_PUSH},
        {"smessage", FRAME_PUSH},        {"subscribe", FRAME_CONFIRM},
        {"unsubscribe", FRAME_CONFIRM},  {"psubscribe", FRAME_CONFIRM},
        {"punsubscribe", FRAME_CONFIRM}, {"ssubscribe", FRAME_CONFIRM},
        {"sunsubscribe", FRAME_CONFIRM},
    };
    enum frame_kind other = len > 0 && frame[0] == '>' ? FRAME_PUSH : FRAME_REPLY;
    size_t word_len;
    size_t has;

    if (len == 0 || (frame[0] != '*' && frame[0] != '>')) {
        return FRAME_REPLY;
    }
    const char *word = frame_first(frame, len, &word_len, &has);
    if (word == NULL || has < word_len) {
        return other;
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strlen(rows[i].word) == word_len && memcmp(rows[i].word, word, word_len) == 0) {
            return rows[i].kind;
        }
    }
    return other;
}

/* ---- after a failover ---- */

struct restore {
    struct backend *backend;
    const struct command *command;
    struct buf names; /* as the request's arguments */
    uint16_t count;
};

/* As a pub/sub request and not by backend_ask(): its confirmations are then known for what they
 * are. */
static void restore_flush(struct restore *r)
{
    struct buf request = {0};

    if (r->count == 0) {
        return;
    }
    buf_printf(&request, "*%u\r\n", r->count + 1U);
    resp_write_text(&request, r->command->name);
    buf_append(&request, buf_data(&r->names), r->names.len);
    struct request ours = {.bytes = buf_data(&request),
                           .len = request.len,
                           .argc = r->count + 1U,
                           .command = r->command};
    backend_send(r->backend, NULL, &ours, FLIGHT_OURS)->replies = r->count;
    buf_finish(&request);
    buf_clear(&r->names);
    r->count = 0;
}

static void restore_kind(struct restore *r, const struct name_set *set, const char *command)
{
    r->command = command_find(command, strlen(command), NULL, 0);
    for (size_t i = 0; i < set->slots_count; i++) {
        const struct name *n = set->slots[i];
        if (n == NULL) {
            continue;
        }
        resp_write_bulk(&r->names, n->bytes, n->len);
        r->count++;
        if (r->names.len >= RESTORE_BYTES) {
            restore_flush(r);
        }
    }
    restore_flush(r);
}

static void restore_ask(struct backend *backend, const char *first, const char *second,
                        const char *third)
{
    struct buf request = {0};
    const char *words[] = {first, second, third};

    resp_write_command(&request, second == NULL ? 1 : 3, words);
    backend_ask(backend, buf_data(&request), request.len, 1);
    buf_finish(&request);
}

void session_restore(struct session *session, struct backend *backend)
{
    const struct subscriptions *all = session->subscriptions;
    unsigned keeps = session_keeps(session);

    /* CLIENT first: in RESP2 Redis allows nothing else once a connection has subscribed. */
    if ((keeps & KEEPS_NO_EVICT) != 0) {
        restore_ask(backend, "CLIENT", "NO-EVICT", "ON");
    }
    if ((keeps & KEEPS_NO_TOUCH) != 0) {
        restore_ask(backend, "CLIENT", "NO-TOUCH", "ON");
    }
    session_client_track_again(session, backend);
    if (all != NULL) {
        struct restore r = {.backend = backend};
        restore_kind(&r, &all->sets[SUBSCRIPTION_CHANNEL], "SUBSCRIBE");
        restore_kind(&r, &all->sets[SUBSCRIPTION_PATTERN], "PSUBSCRIBE");
        restore_kind(&r, &all->sets[SUBSCRIPTION_SHARD], "SSUBSCRIBE");
        buf_finish(&r.names);
    }
    if ((session->pins & PIN_MONITOR) != 0) {
        restore_ask(backend, "MONITOR", NULL, NULL);
    }
}
