#include "cli/demo_link.h"

#include <stdarg.h>

#include "base/buf.h"

enum { DEMO_LINK_WORDS_MAX = 8 /* the longest command of the demo has 4 */ };

static void demo_link_ended(struct demo_link *link)
{
    link->conn = NULL;
    resp_reply_finish(&link->reader);
    link->on_end(link->ctx);
}

static void demo_link_on_open(void *ctx, struct conn *c)
{
    struct demo_link *link = ctx;
    (void)c; /* the link holds it */
    link->on_open(link->ctx);
}

static void demo_link_on_data(void *ctx, struct conn *c, struct buf *in)
{
    struct demo_link *link = ctx;
    const struct resp_value *reply = NULL;

    for (;;) {
        enum resp_status status =
            resp_reply_read(&link->reader, in, &resp_reply_limits_default, &reply);
        if (status == RESP_MORE) {
            return;
        }
        if (status == RESP_BAD) {
            conn_close(c);
            demo_link_ended(link);
            return;
        }
        link->on_reply(link->ctx, reply);
        if (link->conn != c) { /* the owner closed it, perhaps opened another */
            return;
        }
    }
}

static void demo_link_on_end(void *ctx, struct conn *c, enum conn_end why, const char *text)
{
    (void)c;
    (void)why; /* to the demo's client every end is the same: the request failed */
    (void)text;
    demo_link_ended(ctx);
}

bool demo_link_open(struct demo_link *link, const struct addr *at, msec_t timeout_ms)
{
    static const struct conn_handlers handlers = {
        .on_open = demo_link_on_open, .on_data = demo_link_on_data, .on_end = demo_link_on_end};
    struct conn_target to = {.at = at, .timeout_ms = timeout_ms};

    demo_link_close(link);
    link->conn = conn_connect(link->loop, &to, &handlers, link, /* err= */ NULL);
    return link->conn != NULL;
}

void demo_link_close(struct demo_link *link)
{
    if (link->conn != NULL) {
        conn_close(link->conn);
        link->conn = NULL;
    }
    resp_reply_finish(&link->reader);
}

bool demo_link_is_open(const struct demo_link *link)
{
    return link->conn != NULL;
}

void demo_link_send(struct demo_link *link, const char *word, ...)
{
    const char *words[DEMO_LINK_WORDS_MAX];
    size_t count = 0;
    struct buf out = {0};
    va_list args;

    ASSERT(link->conn != NULL);
    va_start(args, word);
    for (const char *w = word; w != NULL; w = va_arg(args, const char *)) {
        ASSERT(count < DEMO_LINK_WORDS_MAX);
        words[count++] = w;
    }
    va_end(args);
    resp_write_command(&out, count, words);
    conn_writebuf(link->conn, &out);
    buf_finish(&out);
}
