/*
 * The second connection to a server: subscribed to __sentinel__:hello. It exists only while the
 * first is up, and nobody outside hears of its ends: it comes back at once, but at most every
 * LINK_PUBSUB_RETRY_MS.
 */
#include <string.h>

#include "link/link_inside.h"
#include "loop/log.h"

enum { PUBSUB_TEXT = 2 /* of a message: its kind, channel and text */ };

static void pubsub_on_open(void *ctx, struct conn *c)
{
    struct link *link = ctx;
    struct buf out = {0};

    link_write_setup(link, &out, "pubsub");
    RESP_COMMAND(&out, link_command(link, "SUBSCRIBE"), "__sentinel__:hello");
    conn_writebuf(c, &out);
    buf_finish(&out);
    link->sub_heard_at = loop_now(link->links->loop);
}

/* Our own hellos come back from every server: they are most of what is heard, so they go first. */
static void pubsub_take_hello(struct link *link, const struct resp_text *text)
{
    struct links *links = link->links;
    struct event event = {.type = EVENT_HELLO};

    if (memmem(text->bytes, text->len, links->run_id, strlen(links->run_id)) != NULL) {
        return;
    }
    if (links_read_hello(links, text->bytes, text->len, &event.hello)) {
        links_emit(links, &event, link->id);
    }
}

static void pubsub_take(struct link *link, const struct resp_value *value)
{
    const struct resp_value *kind = resp_item(value, 0);
    const struct resp_value *text = resp_item(value, PUBSUB_TEXT);

    if (resp_is(value, RESP_ERROR)) {
        if (!link->was_complained && !resp_error_is(value, "LOADING")) {
            link->was_complained = true;
            link_log_refusal(link, "SUBSCRIBE", value);
        }
        return;
    }
    if (resp_text_is(kind, "subscribe")) {
        link->is_subscribed = true;
    } else if (resp_text_is(kind, "message") && resp_is(text, RESP_BULK)) {
        link->sub_heard_at = loop_now(link->links->loop);
        pubsub_take_hello(link, &text->text);
    }
}

static void pubsub_on_data(void *ctx, struct conn *c, struct buf *in)
{
    struct link *link = ctx;
    struct links *links = link->links;
    const struct resp_value *value = NULL;
    enum resp_status status = link_read(links, &link->sub_reader, in, &value);

    while (status == RESP_READY) {
        pubsub_take(link, value);
        if (link->sub != c) { /* the core closed the link or opened it anew */
            break;
        }
        status = link_read(links, &link->sub_reader, in, &value);
    }
    if (link->sub != c) {
        resp_reply_reset(&links->reader);
    } else if (status == RESP_BAD) {
        resp_reply_reset(&links->reader);
        link_unsubscribe(link); /* the sweep tries again */
    }
    links_flush(links);
}

static void pubsub_on_end(void *ctx, struct conn *c, enum conn_end why, const char *text)
{
    struct link *link = ctx;

    (void)c;
    log_debug("link %u: subscription ended: %s: %s", (unsigned)link->id, conn_end_text(why), text);
    link_unsubscribe(link);
    if (loop_now(link->links->loop) - link->sub_tried_at >= LINK_PUBSUB_RETRY_MS) {
        link_set_due(link, LINK_DUE_SUBSCRIBE);
    }
}

static const struct conn_handlers pubsub_handlers = {
    .on_open = pubsub_on_open,
    .on_data = pubsub_on_data,
    .on_end = pubsub_on_end,
};

void link_subscribe(struct link *link)
{
    const struct links *links = link->links;
    struct err err = {0};
    struct conn_target target = {
        .at = &link->addr,
        .bind_source = links->bind_source,
        .tls = links->tls,
        .timeout_ms = LINK_CONNECT_MS,
    };

    if (link->sub != NULL) {
        return;
    }
    link->sub_tried_at = loop_now(links->loop);
    link->sub_heard_at = link->sub_tried_at;
    link->sub = conn_connect(links->loop, &target, &pubsub_handlers, link, &err);
    if (link->sub == NULL) {
        log_debug("link %u: no subscription: %s", (unsigned)link->id, err.text);
        return; /* the sweep tries again */
    }
    conn_set_limits(link->sub, LINK_INPUT_MAX_BYTES, LINK_INPUT_MAX_BYTES);
}

void link_unsubscribe(struct link *link)
{
    conn_close(link->sub);
    link->sub = NULL;
    link->is_subscribed = false;
    link_reader_free(&link->sub_reader);
}

void link_pubsub_sweep(struct link *link, msec_t now)
{
    if (link->kind == KIND_PEER) {
        return;
    }
    if (link->sub != NULL &&
        now - link->sub_heard_at > LINK_SILENT_PERIODS * link->links->publish_period_ms) {
        link_unsubscribe(link);
    }
    if (link->sub == NULL && now - link->sub_tried_at >= LINK_PUBSUB_RETRY_MS) {
        link_subscribe(link);
    }
}
