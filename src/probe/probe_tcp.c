/* Kind tcp: a connection, and on request a few bytes each way. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/memory.h"
#include "loop/conn.h"
#include "probe/probe_conn.h"
#include "probe/probe_inside.h"

struct probe_tcp_kind {
    struct probe *p;
    struct tls_context *tls;
    struct buf send;
    struct buf expect;
    size_t matched; /* bytes of expect that came */
    struct conn *conn;
};

static void probe_tcp_drop(struct probe_tcp_kind *k)
{
    conn_close(k->conn);
    k->conn = NULL;
}

static void probe_tcp_on_open(void *ctx, struct conn *c)
{
    struct probe_tcp_kind *k = ctx;

    if (k->expect.len > 0) {
        return;
    }
    if (k->send.len > 0) {
        conn_close_after_flush(c);
        k->conn = NULL;
    }
    probe_tcp_drop(k);
    probe_conclude(k->p, VERDICT_READY, "it accepts connections");
}

static void probe_tcp_on_data(void *ctx, struct conn *c, struct buf *in)
{
    struct probe_tcp_kind *k = ctx;
    size_t left = k->expect.len - k->matched;
    size_t len = in->len < left ? in->len : left;

    (void)c;
    if (k->expect.len == 0) {
        buf_take(in, in->len);
        return;
    }
    if (memcmp(buf_data(in), buf_data(&k->expect) + k->matched, len) != 0) {
        probe_tcp_drop(k);
        probe_conclude(k->p, VERDICT_NOT_READY, "it answers something else than expected");
        return;
    }
    buf_take(in, len);
    k->matched += len;
    if (k->matched == k->expect.len) {
        probe_tcp_drop(k);
        probe_conclude(k->p, VERDICT_READY, "it answers as expected");
    }
}

static void probe_tcp_on_end(void *ctx, struct conn *c, enum conn_end why, const char *text)
{
    struct probe_tcp_kind *k = ctx;
    struct evidence evidence;

    (void)c;
    k->conn = NULL;
    probe_conn_judge(why, text, &evidence);
    probe_finish(k->p, &evidence);
}

static const struct conn_handlers probe_tcp_handlers = {
    .on_open = probe_tcp_on_open,
    .on_data = probe_tcp_on_data,
    .on_end = probe_tcp_on_end,
};

static void probe_tcp_start(void *kind)
{
    struct probe_tcp_kind *k = kind;
    struct conn_target to = {.at = &k->p->address, .tls = k->tls};
    struct err err;

    k->matched = 0;
    k->conn = conn_connect(k->p->loop, &to, &probe_tcp_handlers, k, &err);
    if (k->conn == NULL) {
        probe_conclude(k->p, VERDICT_UNKNOWN, "the probe cannot be made: %s", err.text);
        return;
    }
    if (k->send.len > 0) {
        conn_write(k->conn, buf_data(&k->send), k->send.len);
    }
}

static void probe_tcp_cancel(void *kind)
{
    probe_tcp_drop(kind);
}

static const char *probe_tcp_waits_for(const void *kind)
{
    const struct probe_tcp_kind *k = kind;

    return conn_is_open(k->conn) ? "connected, waiting for what is expected"
                                 : "waiting for the connection";
}

static void *probe_tcp_create(struct probe *p, const struct probe_plan *plan, struct err *err)
{
    const struct probe_tcp *tcp = &plan->tcp;

    if (tcp->send_len > PROBE_BYTES_MAX || tcp->expect_len > PROBE_BYTES_MAX) {
        (void)err_set(err, "a tcp probe sends and expects at most %d bytes", PROBE_BYTES_MAX);
        return NULL; /* err says it */
    }
    struct probe_tcp_kind *k = memory_zeroed(sizeof(*k));
    k->p = p;
    k->tls = tcp->tls;
    if (tcp->send != NULL) {
        buf_append(&k->send, tcp->send, tcp->send_len);
    }
    if (tcp->expect != NULL) {
        buf_append(&k->expect, tcp->expect, tcp->expect_len);
    }
    return k;
}

static void probe_tcp_destroy(void *kind)
{
    struct probe_tcp_kind *k = kind;

    probe_tcp_drop(k);
    buf_finish(&k->send);
    buf_finish(&k->expect);
    free(k);
}

const struct probe_ops probe_tcp_ops = {
    .create = probe_tcp_create,
    .destroy = probe_tcp_destroy,
    .start = probe_tcp_start,
    .cancel = probe_tcp_cancel,
    .waits_for = probe_tcp_waits_for,
};
