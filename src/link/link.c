/*
 * The life of links: opened and closed by id, told to the core, looked after. Not here: what is
 * said on them (link_request.c, link_promote.c) and the subscriptions (link_pubsub.c).
 */
#include "link/link.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "base/text.h"
#include "link/hello_wire.h"
#include "link/link_inside.h"
#include "loop/log.h"

enum {
    LINKS_FIRST_SLOTS = 64,
    LINKS_SWEEP_MS = 500, /* the grain of LINK_PUBSUB_RETRY_MS, silence and the naming deadline */
    LINKS_PUBLISH_MS = 2000,         /* Sentinel's publish period */
    LINK_OUTPUT_MAX_BYTES = 4 << 20, /* LINK_PENDING_PEER_MAX asks are 3 MB */
    LINK_REPLY_ELEMENTS = 4096,      /* ROLE of a master names three values for each replica */
    LINK_REPLY_DEPTH = 8,            /* ROLE inside EXEC nests four deep */
};

static const struct resp_reply_limits reply_limits = {
    .depth_max = LINK_REPLY_DEPTH,
    .elements_max = LINK_REPLY_ELEMENTS,
    .bulk_bytes_max = LINK_INPUT_MAX_BYTES,
    .total_bytes_max = LINK_INPUT_MAX_BYTES,
};

static void links_on_soon(void *ctx);
static void links_on_sweep(void *ctx);
static void links_on_name(void *ctx, const char *name, const char *ip, bool is_new,
                          const char *why);

const char *link_text(const struct link *link, char text[ADDR_TEXT_MAX])
{
    return addr_text(&link->addr, text);
}

/* ---- the table ---- */

static struct link **links_slot(const struct links *links, uint32_t id)
{
    uint32_t mixed = id * UINT32_C(2654435761); /* ids come in rows */

    return &links->slots[(mixed >> 7) & (links->slots_count - 1)];
}

struct link *links_find(const struct links *links, uint32_t id)
{
    struct link *link = *links_slot(links, id);

    while (link != NULL && link->id != id) {
        link = link->next_in_slot;
    }
    return link;
}

static void links_grow(struct links *links)
{
    struct link **old = links->slots;
    uint32_t old_count = links->slots_count;

    links->slots_count *= 2;
    links->slots = memory_zeroed(links->slots_count * sizeof(struct link *));
    for (uint32_t i = 0; i < old_count; i++) {
        while (old[i] != NULL) {
            struct link *link = old[i];
            old[i] = link->next_in_slot;
            struct link **slot = links_slot(links, link->id);
            link->next_in_slot = *slot;
            *slot = link;
        }
    }
    free(old);
}

static struct link *links_add(struct links *links, uint32_t id)
{
    struct link *link = memory_zeroed(sizeof(*link));

    if (links->count == links->slots_count) {
        links_grow(links);
    }
    struct link **slot = links_slot(links, id);
    link->links = links;
    link->id = id;
    link->next_in_slot = *slot;
    *slot = link;
    links->count++;
    return link;
}

static void links_remove(struct links *links, struct link *link)
{
    struct link **at = links_slot(links, link->id);

    while (*at != link) {
        ASSERT(*at != NULL);
        at = &(*at)->next_in_slot;
    }
    *at = link->next_in_slot;
    links->count--;
}

/* ---- beginning and end of the room ---- */

void links_announce(struct links *links, const struct links_settings *settings)
{
    const char *host = settings->announce_host != NULL ? settings->announce_host : "";

    text_cut(links->announce_host, sizeof(links->announce_host), host);
    links->announce_port = settings->announce_port;
    links->announce_hostnames = settings->announce_hostnames;
    links->resolve_hostnames = settings->resolve_hostnames;
}

struct links *links_create(struct loop *loop, const struct links_settings *settings)
{
    struct links *links = memory_zeroed(sizeof(*links));

    ASSERT(settings->on_event != NULL);
    links->loop = loop;
    text_cut(links->run_id, sizeof(links->run_id), settings->run_id);
    links_announce(links, settings);
    links->tls = settings->tls;
    if (settings->bind_source != NULL && settings->bind_source[0] != '\0') {
        links->bind_source = memory_text(settings->bind_source);
    }
    links->on_event = settings->on_event;
    links->on_info_text = settings->on_info_text;
    links->ctx = settings->ctx;
    links->publish_period_ms = LINKS_PUBLISH_MS;
    links->slots_count = LINKS_FIRST_SLOTS;
    links->slots = memory_zeroed(links->slots_count * sizeof(struct link *));
    links->due_end = &links->due_first;
    links->soon = loop_timer_create(loop, links_on_soon, links);
    links->sweep = loop_timer_create(loop, links_on_sweep, links);
    links->names = names_create(loop, links_on_name, links);
    return links;
}

static void link_drop(struct link *link);

static void link_free(struct link *link)
{
    if (link->pass != NULL) {
        explicit_bzero(link->pass, strlen(link->pass));
    }
    free(link->user);
    free(link->pass);
    free(link->renames);
    link_fifo_finish(&link->fifo);
    free(link);
}

static void links_free_closed(struct links *links)
{
    while (links->closed != NULL) {
        struct link *link = links->closed;
        links->closed = link->next_in_slot;
        link_free(link);
    }
}

void links_destroy(struct links *links)
{
    if (links == NULL) {
        return;
    }
    for (uint32_t i = 0; i < links->slots_count; i++) {
        while (links->slots[i] != NULL) {
            link_close(links, links->slots[i]->id);
        }
    }
    links_free_closed(links);
    while (links->outs != NULL) {
        struct link_out *out = links->outs;
        links->outs = out->next;
        buf_finish(&out->buf);
        free(out);
    }
    resp_reply_finish(&links->reader);
    names_destroy(links->names);
    loop_timer_destroy(links->soon);
    loop_timer_destroy(links->sweep);
    free(links->slots);
    free(links->bind_source);
    free(links);
}

void links_set_publish_period(struct links *links, msec_t period_ms)
{
    links->publish_period_ms = period_ms;
}

/* ---- what is told later ---- */

void links_emit(struct links *links, struct event *event, uint32_t id)
{
    event->now = loop_now(links->loop);
    event->link = id;
    links->on_event(links->ctx, event);
}

void links_arm_soon(struct links *links)
{
    if (!loop_timer_is_set(links->soon)) {
        loop_timer_at(links->soon, loop_now(links->loop));
    }
}

void link_set_due(struct link *link, unsigned bits)
{
    struct links *links = link->links;

    link->due |= (uint8_t)bits;
    if (!link->is_queued_due) {
        link->is_queued_due = true;
        link->next_due = NULL;
        *links->due_end = link;
        links->due_end = &link->next_due;
    }
    links_arm_soon(links);
}

static void link_connect(struct link *link);

static void link_work_due(struct link *link)
{
    unsigned due = link->due;
    struct event event = {0};

    link->due = 0;
    if ((due & LINK_DUE_DOWN) != 0) {
        event.type = EVENT_LINK_DOWN;
        event.end = link->due_end;
        links_emit(link->links, &event, link->id);
        return; /* the core may have closed it or begun anew: the rest is out of date */
    }
    if ((due & LINK_DUE_CONNECT) != 0 && link->phase == LINK_PHASE_NAMING) {
        link_connect(link);
    }
    if ((due & LINK_DUE_SUBSCRIBE) != 0 && link->phase == LINK_PHASE_UP) {
        link_subscribe(link);
    }
    if ((due & LINK_DUE_RESOLVED) != 0) {
        event.type = EVENT_RESOLVED;
        event.addr = link->addr;
        links_emit(link->links, &event, link->id);
    }
}

static void links_on_soon(void *ctx)
{
    struct links *links = ctx;
    struct link *first = links->due_first;

    links->due_first = NULL;
    links->due_end = &links->due_first;
    while (first != NULL) {
        struct link *link = first;
        first = link->next_due;
        link->is_queued_due = false;
        if (!link->is_closed) {
            link_work_due(link);
        }
    }
    if (links->due_first == NULL) {
        links_free_closed(links); /* none of them is on the due list any more */
    }
    links_flush(links);
}

static void links_on_sweep(void *ctx)
{
    struct links *links = ctx;
    msec_t now = loop_now(links->loop);

    for (uint32_t i = 0; i < links->slots_count; i++) {
        for (struct link *link = links->slots[i]; link != NULL; link = link->next_in_slot) {
            if (link->phase == LINK_PHASE_NAMING && now - link->started_at >= LINK_CONNECT_MS) {
                link_fail(link, LINK_END_OTHER);
            } else if (link->phase == LINK_PHASE_UP) {
                link_pubsub_sweep(link, now);
            }
        }
    }
    if (links->count > 0) {
        loop_timer_at(links->sweep, now + LINKS_SWEEP_MS);
    }
}

/* ---- reading replies ---- */

/* The readers are large, and nearly always a reply comes in one piece: all links share one, which a
 * connection takes over only while a reply is incomplete. */
enum resp_status link_read(struct links *links, struct resp_reply_reader **own, struct buf *in,
                           const struct resp_value **value)
{
    struct resp_reply_reader *reader = *own != NULL ? *own : &links->reader;
    enum resp_status status = resp_reply_read(reader, in, &reply_limits, value);

    if (status != RESP_MORE) {
        return status;
    }
    if (in->len == 0) {
        resp_reply_reset(reader);
        link_reader_free(own);
    } else if (*own == NULL) {
        *own = memory_zeroed(sizeof(**own));
        **own = *reader;
        links->reader = (struct resp_reply_reader){0};
    }
    return status;
}

void link_reader_free(struct resp_reply_reader **own)
{
    if (*own != NULL) {
        resp_reply_finish(*own);
        free(*own);
        *own = NULL;
    }
}

/* ---- the command connection ---- */

static void link_drop(struct link *link)
{
    link_unsubscribe(link);
    conn_close(link->cmd);
    link->cmd = NULL;
    link_reader_free(&link->cmd_reader);
    link_undirty(link);
    link_tx_drop(link);
    link->fifo.count = 0;
    link->due = 0;
    link->phase = LINK_PHASE_DOWN;
}

void link_fail(struct link *link, enum link_end end)
{
    link_drop(link);
    link->due_end = end;
    link_set_due(link, LINK_DUE_DOWN);
}

/* Once until it is up: what the core cannot tell the operator. */
static void link_complain(struct link *link, const char *why)
{
    char text[ADDR_TEXT_MAX];

    if (!link->was_complained) {
        link->was_complained = true;
        log_warning("link to %s: %s", link_text(link, text), why);
    }
}

static void link_on_open(void *ctx, struct conn *c)
{
    struct link *link = ctx;
    struct event event = {.type = EVENT_LINK_UP};
    struct addr local;

    link->phase = LINK_PHASE_UP;
    link->was_complained = false;
    link->local_ip[0] = '\0';
    if (conn_local_addr(c, &local)) {
        memcpy(link->local_ip, local.ip, sizeof(link->local_ip));
    }
    for (uint32_t i = link_setup_replies(link); i > 0; i--) {
        const struct link_request setup = {.type = REQUEST_SETUP};
        struct buf *out = link_begin(link, &setup);
        if (out != NULL && i == 1) {
            link_write_setup(link, out, "cmd");
        }
    }
    if (link->kind != KIND_PEER) {
        link_subscribe(link);
    }
    struct links *links = link->links;
    links_emit(links, &event, link->id);
    links_flush(links);
}

static void link_on_data(void *ctx, struct conn *c, struct buf *in)
{
    struct link *link = ctx;
    struct links *links = link->links;
    const struct resp_value *value = NULL;
    enum resp_status status = link_read(links, &link->cmd_reader, in, &value);

    while (status == RESP_READY) {
        bool was_asked = link_take_reply(link, value);
        if (link->cmd != c) { /* the core closed it or began anew */
            break;
        }
        if (!was_asked) {
            link_complain(link, "the server sent a reply that nobody asked for");
            link_fail(link, LINK_END_OTHER);
            break;
        }
        status = link_read(links, &link->cmd_reader, in, &value);
    }
    if (link->cmd != c) {
        resp_reply_reset(&links->reader);
    } else if (status == RESP_BAD) {
        link_complain(link, "the server does not speak the Redis protocol");
        resp_reply_reset(&links->reader);
        link_fail(link, LINK_END_OTHER);
    }
    links_flush(links);
}

static enum link_end link_end_of(enum conn_end why)
{
    switch (why) {
    case CONN_CLOSED:
        return LINK_END_CLOSED;
    case CONN_RESET:
        return LINK_END_RESET;
    case CONN_REFUSED:
        return LINK_END_REFUSED;
    case CONN_UNREACHABLE:
        return LINK_END_UNREACHABLE;
    case CONN_TIMEOUT:
        return LINK_END_TIMEOUT;
    case CONN_TLS:
    case CONN_OVERFLOW:
    case CONN_FAILED:
        return LINK_END_OTHER;
    }
    UNREACHABLE("an end of no name");
}

static void link_on_end(void *ctx, struct conn *c, enum conn_end why, const char *text)
{
    struct link *link = ctx;
    struct links *links = link->links;
    struct event event = {.type = EVENT_LINK_DOWN, .end = link_end_of(why)};

    ASSERT(link->cmd == c);
    if (event.end == LINK_END_OTHER) {
        link_complain(link, text);
    }
    link_drop(link);
    links_emit(links, &event, link->id);
    links_flush(links);
}

static const struct conn_handlers link_handlers = {
    .on_open = link_on_open,
    .on_data = link_on_data,
    .on_end = link_on_end,
};

static void link_connect(struct link *link)
{
    const struct links *links = link->links;
    struct err err = {0};
    struct conn_target target = {
        .at = &link->addr,
        .bind_source = links->bind_source,
        .tls = links->tls,
        .timeout_ms = LINK_CONNECT_MS,
    };

    link->phase = LINK_PHASE_CONNECTING;
    link->cmd = conn_connect(links->loop, &target, &link_handlers, link, &err);
    if (link->cmd == NULL) {
        link_complain(link, err.text);
        link_fail(link, LINK_END_OTHER);
        return;
    }
    conn_set_limits(link->cmd, LINK_INPUT_MAX_BYTES, LINK_OUTPUT_MAX_BYTES);
}

/* ---- names ---- */

/* A named link has the ip of the cache; the one it came with serves until there is one. */
static void link_fill_ip(struct link *link)
{
    struct names *names = link->links->names;

    if (link->addr.name[0] == '\0' || !link->links->resolve_hostnames) {
        return;
    }
    names_learn(names, link->addr.name, link->addr.ip);
    const char *ip = names_ip(names, link->addr.name);
    if (ip[0] != '\0' && strcmp(ip, link->addr.ip) != 0) {
        text_cut(link->addr.ip, sizeof(link->addr.ip), ip);
        link_set_due(link, LINK_DUE_RESOLVED);
    }
}

static void links_on_name(void *ctx, const char *name, const char *ip, bool is_new, const char *why)
{
    struct links *links = ctx;

    if (why != NULL) {
        log_debug("name %s: %s", name, why);
    }
    for (uint32_t i = 0; i < links->slots_count; i++) {
        for (struct link *link = links->slots[i]; link != NULL; link = link->next_in_slot) {
            if (!text_same(link->addr.name, name)) {
                continue;
            }
            if (is_new && strcmp(link->addr.ip, ip) != 0) {
                text_cut(link->addr.ip, sizeof(link->addr.ip), ip);
                link_set_due(link, LINK_DUE_RESOLVED);
            }
            if (link->phase == LINK_PHASE_NAMING && ip[0] != '\0') {
                link_set_due(link, LINK_DUE_CONNECT);
            } else if (link->phase == LINK_PHASE_NAMING) {
                link_complain(link, why != NULL ? why : "the name has no address");
                link_fail(link, LINK_END_OTHER);
            }
        }
    }
}

void links_fill_ip(struct links *links, struct addr *addr)
{
    if (addr->name[0] != '\0' && links->resolve_hostnames) {
        const char *ip = names_ip(links->names, addr->name);
        if (ip[0] != '\0') {
            text_cut(addr->ip, sizeof(addr->ip), ip);
        }
    }
}

bool links_accept_addr(struct links *links, struct addr *addr)
{
    if (addr->name[0] != '\0' && !links->resolve_hostnames) {
        return false;
    }
    links_fill_ip(links, addr);
    return true;
}

bool links_read_hello(struct links *links, const char *text, size_t len, struct hello *hello)
{
    struct hello made;

    if (!hello_wire_decode(text, len, &made) || !links_accept_addr(links, &made.addr) ||
        !links_accept_addr(links, &made.master_addr)) {
        links->counts.bad_hello++;
        return false;
    }
    *hello = made;
    return true;
}

/* ---- opening and closing ---- */

static void link_set_text(char **field, const char *text)
{
    if (*field != NULL) {
        explicit_bzero(*field, strlen(*field));
        free(*field);
    }
    *field = text != NULL && text[0] != '\0' ? memory_text(text) : NULL;
}

static void link_set_renames(struct link *link, const struct link_settings *settings)
{
    struct buf packed = {0};

    free(link->renames);
    link->renames = NULL;
    if (settings->renames_count == 0) {
        return;
    }
    for (size_t i = 0; i < settings->renames_count; i++) {
        const struct link_rename *rename = &settings->renames[i];
        buf_append(&packed, rename->from, strlen(rename->from) + 1);
        buf_append(&packed, rename->to, strlen(rename->to) + 1);
    }
    buf_append(&packed, "", 1);
    link->renames = memory_zeroed(packed.len);
    memcpy(link->renames, buf_data(&packed), packed.len);
    buf_finish(&packed);
}

static void link_set(struct link *link, const struct link_settings *settings)
{
    link_set_text(&link->user, settings->user);
    link_set_text(&link->pass, settings->pass);
    link_set_renames(link, settings);
}

void link_open(struct links *links, uint32_t id, enum instance_kind kind, const struct addr *addr,
               const struct link_settings *settings)
{
    struct link *link = links_find(links, id);

    if (link == NULL) {
        link = links_add(links, id);
        if (!loop_timer_is_set(links->sweep)) {
            loop_timer_at(links->sweep, loop_now(links->loop) + LINKS_SWEEP_MS);
        }
    } else {
        link_drop(link);
    }
    link->kind = kind;
    link->addr = *addr;
    link->started_at = loop_now(links->loop);
    link_set(link, settings);
    link_fill_ip(link);
    if (link->addr.ip[0] != '\0') {
        link_connect(link);
    } else if (links->resolve_hostnames && names_is_asked(links->names, link->addr.name)) {
        link->phase = LINK_PHASE_NAMING;
    } else {
        link_complain(link, links->resolve_hostnames
                                ? "the name has no address"
                                : "names are not looked up (sentinel resolve-hostnames no)");
        link_fail(link, LINK_END_OTHER);
    }
}

void link_close(struct links *links, uint32_t id)
{
    struct link *link = links_find(links, id);

    if (link == NULL) {
        return;
    }
    link_drop(link);
    links_remove(links, link);
    link->is_closed = true;
    link->next_in_slot = links->closed;
    links->closed = link;
    links_arm_soon(links);
}

static bool link_text_same(const char *field, const char *text)
{
    return strcmp(field != NULL ? field : "", text != NULL ? text : "") == 0;
}

void link_configure(struct links *links, uint32_t id, const struct link_settings *settings)
{
    struct link *link = links_find(links, id);

    if (link == NULL) {
        return;
    }
    bool is_same =
        link_text_same(link->user, settings->user) && link_text_same(link->pass, settings->pass);
    link_set(link, settings);
    if (!is_same && link->phase != LINK_PHASE_DOWN) {
        link_fail(link, LINK_END_OTHER);
    }
}

void links_reauth_peers(struct links *links)
{
    for (uint32_t i = 0; i < links->slots_count; i++) {
        for (struct link *link = links->slots[i]; link != NULL; link = link->next_in_slot) {
            if (link->kind == KIND_PEER && link->phase != LINK_PHASE_DOWN) {
                link_fail(link, LINK_END_OTHER);
            }
        }
    }
}

/* ---- looking ---- */

bool link_view(const struct links *links, uint32_t id, struct link_view *view)
{
    const struct link *link = links_find(links, id);

    if (link == NULL) {
        return false;
    }
    *view = (struct link_view){
        .is_up = link->phase == LINK_PHASE_UP,
        .is_subscribed = link->is_subscribed,
        .pending = link->fifo.count,
    };
    return true;
}

void links_counts(const struct links *links, struct links_counts *counts)
{
    *counts = links->counts;
}
