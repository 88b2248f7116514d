#include "http/haproxy_runtime.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "loop/conn.h"
#include "loop/log.h"

enum {
    RUNTIME_REPLY_MAX_BYTES = 1 << 18, /* show info is 3 KB, an unknown command lists the known */
    RUNTIME_REPLY_TEXT_MAX = 120,
    RUNTIME_PATH_MAX = 108, /* sun_path */
};

struct haproxy_runtime {
    struct loop *loop;
    struct haproxy_queue queue;
    const struct site_view *view;
    char path[RUNTIME_PATH_MAX];
    msec_t check_ms;
    struct conn *conn; /* a batch is on its way */
    struct buf reply;
    struct loop_timer *timer; /* of the answer while conn is there, else of the next batch */
    msec_t retry_ms;          /* 0: the last one was answered */
    int64_t pid;              /* of HAProxy; 0 is not known */
    bool is_told_lost;        /* logged */
    bool is_released;
    loop_call on_released; /* NULL when called */
    void *released_ctx;
    struct haproxy_runtime_counts counts;
};

static void runtime_send(struct haproxy_runtime *rt);

/* ---- the end of a batch ---- */

static void runtime_released(struct haproxy_runtime *rt)
{
    loop_call on_done = rt->on_released;

    rt->on_released = NULL;
    loop_timer_clear(rt->timer);
    if (on_done != NULL) {
        on_done(rt->released_ctx); /* may destroy rt */
    }
}

static void runtime_failed(struct haproxy_runtime *rt, const char *why)
{
    rt->conn = NULL;
    buf_clear(&rt->reply);
    haproxy_queue_failed(&rt->queue);
    haproxy_queue_forget(&rt->queue); /* in a container a restarted one has the same pid */
    rt->counts.failures++;
    rt->counts.is_connected = false;
    if (!rt->is_told_lost) {
        rt->is_told_lost = true;
        log_warning("HAProxy cannot be told of changes: %s: %s; its own checks go on, and it is "
                    "tried again (haproxy.cfg: stats socket %s level admin)",
                    rt->path, why, rt->path);
    }
    if (rt->is_released) {
        runtime_released(rt);
        return;
    }
    rt->retry_ms = rt->retry_ms == 0 ? HAPROXY_RETRY_MS : rt->retry_ms * 2;
    if (rt->retry_ms > HAPROXY_RETRY_MAX_MS) {
        rt->retry_ms = HAPROXY_RETRY_MAX_MS;
    }
    loop_timer_at(rt->timer, loop_now(rt->loop) + rt->retry_ms);
}

static void runtime_log_refused(struct haproxy_runtime *rt, const struct haproxy_server *names,
                                const char *reply)
{
    const char *remedy = "see its Runtime API manual";

    rt->counts.refusals++;
    if (strstr(reply, "No such") != NULL) {
        remedy = "the names in the site file and in haproxy.cfg must be the same: `holdfast "
                 "generate` writes both";
    } else if (strstr(reply, "ermission") != NULL) {
        remedy = "its stats socket must have `level admin`";
    } else if (strstr(reply, "gent checks are not enabled") != NULL) {
        remedy = "its line in haproxy.cfg lacks agent-check";
    }
    log_warning("HAProxy did not take the state of %s/%s: %s: %s", names->backend, names->server,
                reply, remedy);
}

/* Cuts the next reply, which ends with an empty line, off the front of *in. Only its first line is
 * kept, but for that of "show info". False when there is none. */
static bool runtime_next_reply(struct buf *in, char text[RUNTIME_REPLY_TEXT_MAX], int64_t *pid)
{
    for (size_t lines = 0; in->len > 0; lines++) {
        const char *line = buf_data(in);
        const char *feed = memchr(line, '\n', in->len);
        if (feed == NULL) {
            return false;
        }
        size_t len = (size_t)(feed - line);
        if (lines == 0) {
            size_t kept = len < RUNTIME_REPLY_TEXT_MAX ? len : RUNTIME_REPLY_TEXT_MAX - 1;
            memcpy(text, line, kept);
            text[kept] = '\0';
        }
        if (len > 5 && memcmp(line, "Pid: ", 5) == 0) {
            (void)text_to_i64(line + 5, len - 5, pid); /* 0 stays when it is no number */
        }
        buf_take(in, len + 1);
        if (len == 0) {
            return true;
        }
    }
    return false;
}

static void runtime_answered(struct haproxy_runtime *rt)
{
    char text[RUNTIME_REPLY_TEXT_MAX] = "";
    int64_t pid = 0;

    rt->conn = NULL;
    if (!runtime_next_reply(&rt->reply, text, &pid) || pid == 0) {
        runtime_failed(rt, text[0] == '\0' ? "no answer" : text);
        return;
    }
    for (size_t i = 0; i < rt->queue.batch_count; i++) {
        int64_t none = 0;
        if (!runtime_next_reply(&rt->reply, text, &none)) {
            runtime_failed(rt, "the answer was cut off");
            return;
        }
        const struct haproxy_server *names = haproxy_queue_answered(&rt->queue, i, text);
        if (names != NULL) {
            runtime_log_refused(rt, names, text);
        }
    }
    haproxy_queue_done(&rt->queue);
    buf_clear(&rt->reply);
    rt->counts.batches++;
    rt->counts.is_connected = true;
    rt->retry_ms = 0;
    if (rt->is_told_lost) {
        rt->is_told_lost = false;
        log_notice("HAProxy answers again: %s", rt->path);
    }
    if (rt->pid != 0 && pid != rt->pid) {
        rt->counts.restarts++;
        log_notice("HAProxy is another process (pid %lld, was %lld): it is told everything anew",
                   (long long)pid, (long long)rt->pid);
        haproxy_queue_forget(&rt->queue);
    }
    rt->pid = pid;
    runtime_send(rt);
}

/* ---- a batch ---- */

static void runtime_on_data(void *ctx, struct conn *c, struct buf *in)
{
    struct haproxy_runtime *rt = ctx;

    (void)c;
    buf_append(&rt->reply, buf_data(in), in->len);
    buf_take(in, in->len);
    if (rt->reply.len > RUNTIME_REPLY_MAX_BYTES) {
        conn_close(rt->conn);
        runtime_failed(rt, "it answers without end");
    }
}

static void runtime_on_end(void *ctx, struct conn *c, enum conn_end why, const char *text)
{
    struct haproxy_runtime *rt = ctx;

    (void)c;
    loop_timer_clear(rt->timer);
    if (why == CONN_CLOSED) { /* HAProxy closes after its last reply */
        runtime_answered(rt);
    } else {
        runtime_failed(rt, text);
    }
}

static const struct conn_handlers runtime_handlers = {
    .on_data = runtime_on_data,
    .on_end = runtime_on_end,
};

static void runtime_on_time(void *ctx)
{
    struct haproxy_runtime *rt = ctx;

    if (rt->conn != NULL) {
        conn_close(rt->conn);
        runtime_failed(rt, "no answer in time");
        return;
    }
    struct buf line = {0};
    struct conn_target to = {.unix_path = rt->path, .timeout_ms = HAPROXY_ANSWER_MS};
    struct err err;
    rt->conn = conn_connect(rt->loop, &to, &runtime_handlers, rt, &err);
    if (rt->conn == NULL) {
        runtime_failed(rt, err.text);
        return;
    }
    if (!rt->is_released) {
        (void)haproxy_queue_update(&rt->queue, rt->view); /* nothing due: only its pid is asked */
    }
    buf_append_text(&line, "show info");
    struct buf commands = {0};
    if (haproxy_queue_batch(&rt->queue, &commands)) {
        buf_printf(&line, ";%s", buf_data(&commands));
    }
    buf_append_text(&line, "\n");
    conn_writebuf(rt->conn, &line);
    buf_finish(&line);
    buf_finish(&commands);
    loop_timer_at(rt->timer, loop_now(rt->loop) + HAPROXY_ANSWER_MS);
}

/* Now when there is something to tell, else the next look. */
static void runtime_send(struct haproxy_runtime *rt)
{
    bool is_due = rt->is_released ? haproxy_queue_is_due(&rt->queue)
                                  : haproxy_queue_update(&rt->queue, rt->view);

    if (rt->is_released && !is_due) {
        runtime_released(rt);
        return;
    }
    loop_timer_at(rt->timer, loop_now(rt->loop) + (is_due ? 0 : rt->check_ms));
}

/* ---- the face ---- */

struct haproxy_runtime *
haproxy_runtime_create(struct loop *loop, const struct haproxy_runtime_plan *plan, struct err *err)
{
    struct haproxy_runtime *rt = memory_zeroed(sizeof(*rt));

    rt->loop = loop;
    rt->view = plan->view;
    rt->check_ms = plan->check_ms > 0 ? plan->check_ms : HAPROXY_CHECK_MS;
    rt->timer = loop_timer_create(loop, runtime_on_time, rt);
    if (!text_copy(rt->path, sizeof(rt->path), plan->socket_path)) {
        (void)err_set(err, "HAProxy's stats socket: %s: a path of at most %d bytes",
                      plan->socket_path, RUNTIME_PATH_MAX - 1);
        haproxy_runtime_destroy(rt);
        return NULL;
    }
    for (size_t i = 0; i < plan->servers_count; i++) {
        const struct haproxy_server *names = &plan->servers[i];
        if (!haproxy_queue_add(&rt->queue, names)) {
            (void)err_set(err,
                          "HAProxy: %s/%s: at most %d servers, and names without blanks, '/', "
                          "';' and quotes",
                          names->backend, names->server, HAPROXY_SERVERS_MAX);
            haproxy_runtime_destroy(rt);
            return NULL;
        }
    }
    loop_timer_at(rt->timer, loop_now(loop));
    return rt;
}

void haproxy_runtime_update(struct haproxy_runtime *rt)
{
    if (rt->conn == NULL && rt->retry_ms == 0 && !rt->is_released &&
        haproxy_queue_update(&rt->queue, rt->view)) {
        runtime_on_time(rt); /* else what is on its way, or the next try, takes it along */
    }
}

void haproxy_runtime_release(struct haproxy_runtime *rt, loop_call on_done, void *ctx)
{
    ASSERT(!rt->is_released);
    (void)haproxy_queue_update(&rt->queue, rt->view); /* sent below, if at all */
    haproxy_queue_release(&rt->queue);
    rt->is_released = true;
    rt->on_released = on_done;
    rt->released_ctx = ctx;
    if (rt->conn == NULL) {
        loop_timer_at(rt->timer, loop_now(rt->loop));
    }
}

void haproxy_runtime_destroy(struct haproxy_runtime *rt)
{
    if (rt == NULL) {
        return;
    }
    conn_close(rt->conn);
    loop_timer_destroy(rt->timer);
    buf_finish(&rt->reply);
    free(rt);
}

struct haproxy_runtime_counts haproxy_runtime_counts(const struct haproxy_runtime *rt)
{
    return rt->counts;
}
