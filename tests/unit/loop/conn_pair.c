#include "conn_pair.h"

#include <string.h>

#include "base/text.h"

static void end_on_open(void *ctx, struct conn *c)
{
    struct end *e = ctx;

    assert_false(e->opened);
    assert_ptr_equal(e->c, c);
    assert_true(conn_is_open(c));
    e->opened = true;
    if (e->close_on_open) {
        e->c = NULL;
        conn_close(c);
    }
}

static void end_reply(struct end *e, struct conn *c)
{
    if (e->reply != NULL) {
        size_t half = strlen(e->reply) / 2;
        conn_write(c, e->reply, half);
        assert_int_equal(conn_pending_bytes(c), half); /* kept back until we return */
        conn_write_text(c, e->reply + half);
    }
    if (e->pause_on_data) {
        conn_pause_read(c);
    }
    if (e->leave_on_data) {
        e->c = NULL;
        conn_close_after_flush(c);
    } else if (e->close_on_data) {
        e->c = NULL;
        conn_close(c);
    }
}

static void end_on_data(void *ctx, struct conn *c, struct buf *in)
{
    struct end *e = ctx;

    assert_true(e->opened);
    assert_false(e->ended);
    assert_true(in->len > 0);
    assert_int_equal(buf_data(in)[in->len], '\0');
    e->data_calls++;
    while (!e->leave_data && in->len > 0 && in->len >= e->frame) {
        size_t len = e->frame > 0 ? e->frame : in->len;
        buf_append(&e->got, buf_data(in), len);
        buf_take(in, len);
    }
    e->has_wanted = e->got.len >= e->want;
    end_reply(e, c);
}

static void end_on_end(void *ctx, struct conn *c, enum conn_end why, const char *text)
{
    struct end *e = ctx;

    assert_false(e->ended);
    assert_ptr_equal(e->c, c);
    assert_false(conn_is_open(c));
    e->ended = true;
    e->why = why;
    text_cut(e->text, sizeof(e->text), text);
    e->c = NULL;
    if (e->close_on_end) {
        conn_write_text(c, "into the void");
        conn_close(c);
    }
}

static void end_on_drain(void *ctx, struct conn *c)
{
    struct end *e = ctx;

    assert_int_equal(conn_pending_bytes(c), 0);
    e->drains++;
    e->drained = true;
}

const struct conn_handlers end_handlers = {
    .on_open = end_on_open, .on_data = end_on_data, .on_end = end_on_end, .on_drain = end_on_drain};

static void pair_on_accept(void *ctx, struct conn *c)
{
    struct pair *p = ctx;

    assert_null(p->server.c);
    if (p->server.close_on_accept) {
        conn_close(c);
        return;
    }
    if (p->server.leave_on_data) {
        conn_write_text(c, "-ERR max number of clients reached\r\n");
        conn_close_after_flush(c);
        return;
    }
    p->server.c = c;
    conn_set_handlers(c, &end_handlers, &p->server);
}

void pair_listen(struct pair *p, struct tls_context *tls)
{
    struct err err;
    struct listener_plan plan = {.at = &p->at, .tls = tls, .handshake_timeout_ms = 200};

    p->loop = world_loop();
    assert_true(addr_set(&p->at, "127.0.0.1", 0));
    p->listener = listener_open(p->loop, &plan, pair_on_accept, p, &err);
    assert_non_null(p->listener);
    p->at.port = listener_port(p->listener);
    assert_true(p->at.port != 0);
}

void pair_connect(struct pair *p, struct tls_context *tls)
{
    struct err err;
    struct conn_target to = {.at = &p->at, .tls = tls, .timeout_ms = WORLD_DEADLINE_MS};

    p->client.c = conn_connect(p->loop, &to, &end_handlers, &p->client, &err);
    assert_non_null(p->client.c);
    assert_false(p->client.opened);
}

static bool both_open(void *ctx)
{
    struct pair *p = ctx;
    return p->client.opened && p->server.opened;
}

void pair_open(struct pair *p)
{
    pair_listen(p, NULL);
    pair_connect(p, NULL);
    world_wait(p->loop, both_open, p);
}

void pair_close(struct pair *p)
{
    conn_close(p->client.c);
    conn_close(p->server.c);
    listener_close(p->listener);
    buf_finish(&p->client.got);
    buf_finish(&p->server.got);
    loop_destroy(p->loop);
}

void end_wait(struct pair *p, struct end *e, size_t bytes)
{
    e->want = bytes;
    e->has_wanted = e->got.len >= bytes;
    world_wait_flag(p->loop, &e->has_wanted);
}
