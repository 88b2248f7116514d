/* Kind http: one request on a connection of its own. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/memory.h"
#include "loop/conn.h"
#include "probe/http_answer.h"
#include "probe/probe_conn.h"
#include "probe/probe_inside.h"

enum { HTTP_RANGES_TEXT_MAX = PROBE_HTTP_RANGES_MAX * 8 + 1 /* "200-299 " each */ };

struct probe_http_kind {
    struct probe *p;
    struct tls_context *tls;
    struct buf request;
    bool is_head;
    struct probe_range expected[PROBE_HTTP_RANGES_MAX];
    size_t expected_count;
    char expected_text[HTTP_RANGES_TEXT_MAX];
    char *expect_body; /* NULL: any */

    struct conn *conn; /* while one is under way */
    struct http_answer answer;
};

/* ---- the verdict ---- */

static void probe_http_drop(struct probe_http_kind *k)
{
    conn_close(k->conn);
    k->conn = NULL;
    http_answer_finish(&k->answer);
    http_answer_init(&k->answer, k->is_head, PROBE_HTTP_ANSWER_MAX_BYTES);
}

static bool probe_http_is_expected(const struct probe_http_kind *k, int status)
{
    for (size_t i = 0; i < k->expected_count; i++) {
        if (status >= k->expected[i].first && status <= k->expected[i].last) {
            return true;
        }
    }
    return false;
}

/* The answer is there, as far as it is looked at; or it is broken. */
static void probe_http_judge(struct probe_http_kind *k)
{
    const struct http_answer *a = &k->answer;
    struct probe *p = k->p;
    struct err why = a->err;
    bool is_broken = a->part == HTTP_PART_BROKEN;
    int status = a->status;
    bool has_body = k->expect_body == NULL || http_answer_has(a, k->expect_body);
    bool is_cut = a->is_cut;

    p->snapshot.http_status = status;
    probe_http_drop(k);
    if (is_broken) {
        probe_conclude(p, VERDICT_NOT_READY, "the answer is broken: %s", why.text);
    } else if (!probe_http_is_expected(k, status)) {
        probe_conclude(p, VERDICT_NOT_READY, "HTTP %d, expected %s", status, k->expected_text);
    } else if (!has_body) {
        probe_conclude(p, VERDICT_NOT_READY, "HTTP %d, but the body%s has no \"%.80s\"", status,
                       is_cut ? "'s first 64 KiB" : "", k->expect_body);
    } else {
        probe_conclude(p, VERDICT_READY, "HTTP %d", status);
    }
}

/* ---- the connection ---- */

static void probe_http_on_data(void *ctx, struct conn *c, struct buf *in)
{
    struct probe_http_kind *k = ctx;

    (void)c;
    if (http_answer_feed(&k->answer, in) || k->answer.is_cut) {
        probe_http_judge(k); /* closes c */
    }
}

static void probe_http_on_end(void *ctx, struct conn *c, enum conn_end why, const char *text)
{
    struct probe_http_kind *k = ctx;
    struct evidence evidence;
    bool has_begun = k->answer.status != 0;

    (void)c;
    k->conn = NULL; /* it is gone by itself */
    if ((why == CONN_CLOSED && http_answer_end(&k->answer)) || has_begun) {
        if (why != CONN_CLOSED) {
            (void)http_answer_end(&k->answer); /* broken: the part says it */
        }
        probe_http_judge(k);
        return;
    }
    probe_conn_judge(why, text, &evidence);
    probe_http_drop(k);
    probe_finish(k->p, &evidence);
}

static const struct conn_handlers probe_http_handlers = {
    .on_data = probe_http_on_data,
    .on_end = probe_http_on_end,
};

static void probe_http_start(void *kind)
{
    struct probe_http_kind *k = kind;
    struct conn_target to = {.at = &k->p->address, .tls = k->tls};
    struct err err;

    k->conn = conn_connect(k->p->loop, &to, &probe_http_handlers, k, &err);
    if (k->conn == NULL) {
        probe_conclude(k->p, VERDICT_UNKNOWN, "the probe cannot be made: %s", err.text);
        return;
    }
    conn_set_limits(k->conn, (size_t)PROBE_HTTP_ANSWER_MAX_BYTES * 2, PROBE_HTTP_ANSWER_MAX_BYTES);
    conn_write(k->conn, buf_data(&k->request), k->request.len);
}

static void probe_http_cancel(void *kind)
{
    probe_http_drop(kind);
}

static const char *probe_http_waits_for(const void *kind)
{
    const struct probe_http_kind *k = kind;

    if (!conn_is_open(k->conn)) {
        return "waiting for the connection";
    }
    return k->answer.status == 0 ? "connected, waiting for the answer"
                                 : "in the middle of the answer";
}

/* ---- beginning and end ---- */

/* Goes into a request as it is: a space or a line end in it would make another request of it. */
static bool probe_http_is_word(const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f) {
            return false;
        }
    }
    return len > 0 && len <= PROBE_TEXT_MAX;
}

static bool probe_http_check(const struct probe_http *plan, struct err *err)
{
    if (plan->method != NULL && !probe_http_is_word(plan->method)) {
        return err_set(err, "a method is one word: GET, HEAD, OPTIONS");
    }
    if (plan->path != NULL && (plan->path[0] != '/' || !probe_http_is_word(plan->path))) {
        return err_set(err, "a path begins with / and has no space: write %%20");
    }
    if (plan->host != NULL && !probe_http_is_word(plan->host)) {
        return err_set(err, "a host header is a name, and perhaps a port");
    }
    if (plan->expect_body != NULL &&
        (plan->expect_body[0] == '\0' || strlen(plan->expect_body) > PROBE_TEXT_MAX)) {
        return err_set(err, "the text expected in the body has 1 to %d bytes", PROBE_TEXT_MAX);
    }
    if (plan->expect_body != NULL && plan->method != NULL && strcmp(plan->method, "HEAD") == 0) {
        return err_set(err, "a HEAD has no body to expect a text in: use GET");
    }
    if (plan->expected_count > PROBE_HTTP_RANGES_MAX) {
        return err_set(err, "at most %d ranges of status codes", PROBE_HTTP_RANGES_MAX);
    }
    for (size_t i = 0; i < plan->expected_count; i++) {
        const struct probe_range *range = &plan->expected[i];
        if (range->first < 100 || range->last > 599 || range->first > range->last) {
            return err_set(err, "status %d-%d: codes are 100 to 599, the lower first", range->first,
                           range->last);
        }
    }
    return true;
}

static void probe_http_take_ranges(struct probe_http_kind *k, const struct probe_http *plan)
{
    struct buf text = {0};

    k->expected[0] = (struct probe_range){200, 399};
    k->expected_count = 1;
    if (plan->expected_count > 0) {
        memcpy(k->expected, plan->expected, sizeof(k->expected));
        k->expected_count = plan->expected_count;
    }
    for (size_t i = 0; i < k->expected_count; i++) {
        const struct probe_range *range = &k->expected[i];
        buf_printf(&text, range->first == range->last ? "%s%d" : "%s%d-%d", i > 0 ? " " : "",
                   range->first, range->last);
    }
    ASSERT(text.len < sizeof(k->expected_text));
    memcpy(k->expected_text, buf_data(&text), text.len + 1);
    buf_finish(&text);
}

static void *probe_http_create(struct probe *p, const struct probe_plan *plan, struct err *err)
{
    const struct probe_http *http = &plan->http;
    char address[ADDR_TEXT_MAX];

    if (!probe_http_check(http, err)) {
        return NULL;
    }
    struct probe_http_kind *k = memory_zeroed(sizeof(*k));
    k->p = p;
    k->tls = http->tls;
    k->is_head = http->method != NULL && strcmp(http->method, "HEAD") == 0;
    k->expect_body = http->expect_body != NULL ? memory_text(http->expect_body) : NULL;
    probe_http_take_ranges(k, http);
    http_answer_init(&k->answer, k->is_head, PROBE_HTTP_ANSWER_MAX_BYTES);
    buf_printf(&k->request,
               "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: holdfast/" HOLDFAST_VERSION
               "\r\nAccept: */*\r\nConnection: close\r\n\r\n",
               http->method != NULL ? http->method : "GET", http->path != NULL ? http->path : "/",
               http->host != NULL ? http->host : addr_text(plan->address, address));
    return k;
}

static void probe_http_destroy(void *kind)
{
    struct probe_http_kind *k = kind;

    probe_http_drop(k);
    buf_finish(&k->request);
    free(k->expect_body);
    free(k);
}

const struct probe_ops probe_http_ops = {
    .create = probe_http_create,
    .destroy = probe_http_destroy,
    .start = probe_http_start,
    .cancel = probe_http_cancel,
    .waits_for = probe_http_waits_for,
};
