#include "http/http_server.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "loop/conn.h"
#include "loop/log.h"

enum {
    HTTP_PIPELINE_MAX = 16, /* requests that came at once; nobody who checks health sends more */
    HTTP_OUTPUT_MAX_BYTES = 8 << 20, /* of a client: a few pages that it does not read */
};

enum http_phase {
    HTTP_WAITING,   /* for a request to begin */
    HTTP_RECEIVING, /* a part of one came */
    HTTP_SENDING,   /* the client reads too slowly: nothing more is read until it has it all */
};

struct http_client {
    struct http_client *next;
    struct http_client *previous;
    struct http_server *server;
    struct conn *conn;
    struct loop_timer *deadline;
    enum http_phase phase;
};

/* Clients stand in the order of their last answer, the one that waits longest first. */
struct http_server {
    struct loop *loop;
    struct listener *listeners[HTTP_BINDS_MAX];
    size_t listeners_count;
    http_handler on_request;
    void *ctx;
    bool takes_options;
    size_t clients_max;
    msec_t request_timeout_ms;
    msec_t idle_timeout_ms;
    struct http_client *first;
    struct http_client *last;
    struct http_server_counts counts;
};

/* ---- the list of clients ---- */

static void http_client_unlink(struct http_client *client)
{
    struct http_server *s = client->server;

    *(client->previous == NULL ? &s->first : &client->previous->next) = client->next;
    *(client->next == NULL ? &s->last : &client->next->previous) = client->previous;
    client->next = NULL;
    client->previous = NULL;
}

static void http_client_append(struct http_client *client)
{
    struct http_server *s = client->server;

    client->previous = s->last;
    *(s->last == NULL ? &s->first : &s->last->next) = client;
    s->last = client;
}

static void http_client_free(struct http_client *client)
{
    http_client_unlink(client);
    client->server->counts.clients--;
    loop_timer_destroy(client->deadline);
    free(client);
}

static void http_client_close(struct http_client *client)
{
    conn_close(client->conn);
    http_client_free(client);
}

/* When the client has its last answer. */
static void http_client_leave(struct http_client *client)
{
    conn_close_after_flush(client->conn);
    http_client_free(client);
}

static void http_client_enter(struct http_client *client, enum http_phase phase)
{
    const struct http_server *s = client->server;
    msec_t allowed_ms = phase == HTTP_WAITING ? s->idle_timeout_ms : s->request_timeout_ms;

    client->phase = phase;
    loop_timer_at(client->deadline, loop_now(s->loop) + allowed_ms);
}

/* ---- answers ---- */

static const char *http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {431, "Request Header Fields Too Large"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].status == status) {
            return rows[i].text;
        }
    }
    return "Unknown"; /* the phrase means nothing to a program */
}

static void http_client_answer(struct http_client *client, const struct http_answer *answer,
                               bool has_body, bool is_last)
{
    const struct http_server *s = client->server;
    struct buf head = {0};

    buf_printf(&head,
               "HTTP/1.1 %d %s\r\n"
               "Content-Type: %s\r\n"
               "Content-Length: %zu\r\n"
               "Cache-Control: no-store\r\n"
               "%s"
               "Connection: %s\r\n\r\n",
               answer->status, http_status_text(answer->status), answer->type, answer->body_len,
               answer->status != 405 ? ""
               : s->takes_options    ? "Allow: GET, HEAD, OPTIONS\r\n"
                                     : "Allow: GET, HEAD\r\n",
               is_last ? "close" : "keep-alive");
    if (has_body) {
        buf_append(&head, answer->body, answer->body_len);
    }
    conn_writebuf(client->conn, &head);
    buf_finish(&head);
}

/* An answer of our own, after which the client is gone. */
static void http_client_refuse(struct http_client *client, int status, const char *why)
{
    struct http_answer answer = {
        .status = status, .type = "text/plain", .body = why, .body_len = strlen(why)};

    client->server->counts.refused++;
    http_client_answer(client, &answer, true, true);
    http_client_leave(client);
}

static void http_client_refuse_parse(struct http_client *client, enum http_parse result)
{
    switch (result) {
    case HTTP_PARSE_BODY:
        http_client_refuse(client, 413, "no request here has a body: ask with GET\n");
        return;
    case HTTP_PARSE_LONG_PATH:
        http_client_refuse(client, 414, "the path or the query is too long\n");
        return;
    case HTTP_PARSE_LONG_HEAD:
        http_client_refuse(client, 431, "the headers are larger than 8 KB\n");
        return;
    case HTTP_PARSE_NO_VERSION:
        http_client_refuse(client, 505, "HTTP/1.0 and HTTP/1.1 are spoken here\n");
        return;
    case HTTP_PARSE_BAD:
    case HTTP_PARSE_MORE: /* not refused */
    case HTTP_PARSE_DONE:
        http_client_refuse(client, 400, "this is no HTTP request\n");
        return;
    }
}

/* ---- requests ---- */

/* False when the client is gone. */
static bool http_client_serve(struct http_client *client, const struct http_request *request,
                              bool is_last)
{
    struct http_server *s = client->server;
    struct http_answer answer = {.status = 503, .type = "text/plain", .body = ""};

    s->counts.requests++;
    if (request->method == HTTP_OTHER || (request->method == HTTP_OPTIONS && !s->takes_options)) {
        http_client_refuse(client, 405, "ask with GET or HEAD\n");
        return false;
    }
    s->on_request(s->ctx, request, &answer);
    is_last = is_last || request->wants_close;
    http_client_answer(client, &answer, request->method != HTTP_HEAD, is_last);
    if (is_last) {
        http_client_leave(client);
        return false;
    }
    http_client_unlink(client);
    http_client_append(client);
    http_client_enter(client, HTTP_WAITING);
    return true;
}

static void http_on_data(void *ctx, struct conn *c, struct buf *in)
{
    struct http_client *client = ctx;

    if (conn_pending_bytes(c) > 0) { /* it asks, and does not read */
        conn_pause_read(c);
        http_client_enter(client, HTTP_SENDING);
        return;
    }
    for (int served = 1; in->len > 0; served++) {
        struct http_request request;
        size_t used = 0;
        enum http_parse result = http_request_parse(buf_data(in), in->len, &request, &used);
        if (result == HTTP_PARSE_MORE) {
            if (client->phase == HTTP_WAITING) { /* the deadline counts from the first byte */
                http_client_enter(client, HTTP_RECEIVING);
            }
            return;
        }
        if (result != HTTP_PARSE_DONE) {
            http_client_refuse_parse(client, result);
            return;
        }
        buf_take(in, used);
        if (!http_client_serve(client, &request, served == HTTP_PIPELINE_MAX)) {
            return;
        }
    }
}

static void http_on_drain(void *ctx, struct conn *c)
{
    struct http_client *client = ctx;

    if (client->phase == HTTP_SENDING) {
        http_client_enter(client, HTTP_WAITING);
        conn_resume_read(c);
    }
}

static void http_on_end(void *ctx, struct conn *c, enum conn_end why, const char *text)
{
    (void)c;
    (void)why;
    (void)text; /* clients come and go: nothing to tell */
    http_client_free(ctx);
}

static const struct conn_handlers http_handlers = {
    .on_data = http_on_data,
    .on_end = http_on_end,
    .on_drain = http_on_drain,
};

static void http_on_deadline(void *ctx)
{
    struct http_client *client = ctx;

    if (client->phase == HTTP_RECEIVING) {
        client->server->counts.late++;
        http_client_refuse(client, 408, "the request did not arrive in time\n");
        return;
    }
    http_client_close(client);
}

/* ---- coming and going ---- */

static void http_on_accept(void *ctx, struct conn *c)
{
    struct http_server *s = ctx;

    if (s->counts.clients >= s->clients_max) {
        s->counts.evicted++;
        http_client_close(s->first);
    }
    struct http_client *client = memory_zeroed(sizeof(*client));
    client->server = s;
    client->conn = c;
    client->deadline = loop_timer_create(s->loop, http_on_deadline, client);
    s->counts.clients++;
    http_client_append(client);
    conn_set_handlers(c, &http_handlers, client);
    conn_set_limits(c, CONN_INPUT_MAX_BYTES, HTTP_OUTPUT_MAX_BYTES);
    http_client_enter(client, HTTP_WAITING);
    /* One that has said nothing yet has less time than one between two requests. */
    loop_timer_at(client->deadline, loop_now(s->loop) + s->request_timeout_ms);
}

static bool http_server_bind(struct http_server *s, const struct addr *at, struct err *err)
{
    struct listener_plan plan = {.at = at};
    struct listener *l = listener_open(s->loop, &plan, http_on_accept, s, err);

    if (l == NULL) {
        return false;
    }
    s->listeners[s->listeners_count++] = l;
    return true;
}

struct http_server *http_server_open(struct loop *loop, const struct http_server_plan *plan,
                                     struct err *err)
{
    ASSERT(plan->binds_count > 0 && plan->binds_count <= HTTP_BINDS_MAX);
    struct http_server *s = memory_zeroed(sizeof(*s));

    s->loop = loop;
    s->on_request = plan->on_request;
    s->ctx = plan->ctx;
    s->takes_options = plan->takes_options;
    s->clients_max = plan->clients_max > 0 ? plan->clients_max : HTTP_CLIENTS_MAX;
    s->request_timeout_ms =
        plan->request_timeout_ms > 0 ? plan->request_timeout_ms : HTTP_REQUEST_TIMEOUT_MS;
    s->idle_timeout_ms = plan->idle_timeout_ms > 0 ? plan->idle_timeout_ms : HTTP_IDLE_TIMEOUT_MS;
    for (size_t i = 0; i < plan->binds_count; i++) {
        if (!http_server_bind(s, &plan->binds[i], err)) {
            (void)err_wrap(err, "HTTP");
            http_server_close(s);
            return NULL;
        }
    }
    return s;
}

void http_server_close(struct http_server *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->listeners_count; i++) {
        listener_close(s->listeners[i]);
    }
    for (struct http_client *client = s->first; client != NULL;) {
        struct http_client *next = client->next;
        http_client_close(client);
        client = next;
    }
    free(s);
}

uint16_t http_server_port(const struct http_server *s, size_t bind)
{
    ASSERT(bind < s->listeners_count);
    return listener_port(s->listeners[bind]);
}

struct http_server_counts http_server_counts(const struct http_server *s)
{
    return s->counts;
}
