#include "fake_loop.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

enum { FAKE_PIECE_MAX = 96 << 10 /* of one read, as LOOP_SCRATCH_BYTES bounds a real one */ };

struct loop_timer {
    struct loop_timer *next;
    struct loop *loop;
    loop_call on_time;
    void *ctx;
    msec_t at_ms;
    uint64_t order;
};

struct fake_post {
    struct fake_post *next;
    loop_call call;
    void *ctx;
};

struct listener {
    struct loop *loop;
    listener_accept on_accept;
    void *ctx;
};

struct loop {
    struct prng prng;
    msec_t now_ms;
    uint64_t order;
    struct loop_timer *timers;
    struct conn *conns;
    struct fake_post *posts;
    struct listener *listener;
    fake_on_connect on_connect;
    void *on_connect_ctx;
};

static struct loop *the_loop; /* loop_usec() has no other way to it */

/* ---- the loop ---- */

struct loop *fake_loop(void)
{
    return the_loop;
}

struct loop *loop_create(struct err *err)
{
    (void)err;
    ASSERT(the_loop == NULL);
    the_loop = memory_zeroed(sizeof(*the_loop));
    the_loop->now_ms = 1000000;
    return the_loop;
}

void loop_destroy(struct loop *loop)
{
    for (struct conn *c = loop->conns; c != NULL;) {
        struct conn *next = c->next;
        ASSERT(c->phase == FAKE_OVER || c->is_leaving); /* the contract: all must be closed */
        buf_finish(&c->in);
        buf_finish(&c->out);
        buf_finish(&c->sent);
        buf_finish(&c->got);
        free(c);
        c = next;
    }
    while (loop->posts != NULL) {
        struct fake_post *post = loop->posts;
        loop->posts = post->next;
        free(post);
    }
    ASSERT(loop->timers == NULL);
    ASSERT(loop->listener == NULL);
    free(loop);
    the_loop = NULL;
}

void loop_run(struct loop *loop)
{
    (void)loop;
    UNREACHABLE("the test takes the turns");
}

void loop_stop(struct loop *loop)
{
    (void)loop;
}

msec_t loop_now(struct loop *loop)
{
    return loop->now_ms;
}

int64_t loop_usec(void)
{
    return the_loop->now_ms * 1000;
}

void loop_random(void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        ((unsigned char *)bytes)[i] = (unsigned char)prng_next(&the_loop->prng);
    }
}

void loop_post(struct loop *loop, loop_call call, void *ctx)
{
    struct fake_post **end = &loop->posts;

    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = memory_zeroed(sizeof(**end));
    **end = (struct fake_post){.call = call, .ctx = ctx};
}

void fake_seed(struct loop *loop, uint64_t seed)
{
    prng_init(&loop->prng, seed);
}

void fake_watch_connects(struct loop *loop, fake_on_connect on_connect, void *ctx)
{
    loop->on_connect = on_connect;
    loop->on_connect_ctx = ctx;
}

void fake_advance(struct loop *loop, msec_t ms)
{
    loop->now_ms += ms;
}

struct conn *fake_first(struct loop *loop)
{
    return loop->conns;
}

/* ---- timers ---- */

struct loop_timer *loop_timer_create(struct loop *loop, loop_call on_time, void *ctx)
{
    struct loop_timer *t = memory_zeroed(sizeof(*t));

    *t = (struct loop_timer){
        .next = loop->timers, .loop = loop, .on_time = on_time, .ctx = ctx, .at_ms = MSEC_NEVER};
    loop->timers = t;
    return t;
}

void loop_timer_at(struct loop_timer *t, msec_t at_ms)
{
    t->at_ms = at_ms;
    t->order = ++t->loop->order;
}

bool loop_timer_is_set(const struct loop_timer *t)
{
    return t->at_ms != MSEC_NEVER;
}

void loop_timer_destroy(struct loop_timer *t)
{
    if (t == NULL) {
        return;
    }
    for (struct loop_timer **at = &t->loop->timers; *at != NULL; at = &(*at)->next) {
        if (*at == t) {
            *at = t->next;
            break;
        }
    }
    free(t);
}

/* The first that is due and was set before this turn. */
static struct loop_timer *timer_due(struct loop *loop, uint64_t until)
{
    struct loop_timer *first = NULL;

    for (struct loop_timer *t = loop->timers; t != NULL; t = t->next) {
        bool is_due = t->at_ms <= loop->now_ms && t->order <= until;
        if (is_due && (first == NULL || t->at_ms < first->at_ms ||
                       (t->at_ms == first->at_ms && t->order < first->order))) {
            first = t;
        }
    }
    return first;
}

static void loop_run_timers(struct loop *loop)
{
    uint64_t until = loop->order;

    for (struct loop_timer *t = timer_due(loop, until); t != NULL; t = timer_due(loop, until)) {
        t->at_ms = MSEC_NEVER;
        t->on_time(t->ctx);
    }
}

/* ---- connections: the relay's end ---- */

static struct conn *conn_new(struct loop *loop, void *peer)
{
    struct conn *c = memory_zeroed(sizeof(*c));

    *c = (struct conn){.next = loop->conns,
                       .loop = loop,
                       .peer = peer,
                       .window = FAKE_WINDOW_BYTES,
                       .in_max_bytes = CONN_INPUT_MAX_BYTES,
                       .out_max_bytes = CONN_OUTPUT_MAX_BYTES};
    loop->conns = c;
    return c;
}

static void conn_fails(struct conn *c, enum conn_end why)
{
    if (c->phase < FAKE_FAILED) {
        c->phase = FAKE_FAILED;
        c->why = why;
    }
}

/* The kernel takes what there is room for. */
static void conn_flush_out(struct conn *c)
{
    if (c->phase != FAKE_OPEN) {
        return;
    }
    size_t room = c->got.len >= c->window ? 0 : c->window - c->got.len;
    size_t len = c->out.len < room ? c->out.len : room;
    size_t of_tail = c->tail_len < room - len ? c->tail_len : room - len;
    buf_append(&c->got, buf_data(&c->out), len);
    buf_take(&c->out, len);
    if (of_tail > 0) {
        ASSERT(c->tail_len <= c->tail_of->len);
        buf_append(&c->got, buf_data(c->tail_of) + c->tail_of->len - c->tail_len, of_tail);
        c->tail_len -= of_tail;
    }
    c->had_to_wait = c->had_to_wait || conn_pending_bytes(c) > 0;
    if (conn_pending_bytes(c) == 0 && c->is_leaving) {
        c->phase = FAKE_OVER;
    }
}

struct conn *conn_connect(struct loop *loop, const struct conn_target *to,
                          const struct conn_handlers *h, void *ctx, struct err *err)
{
    struct conn *c = conn_new(loop, NULL);

    (void)err;
    c->h = h;
    c->ctx = ctx;
    c->is_outgoing = true;
    c->at = *to->at;
    c->open_until_ms = to->timeout_ms == 0 ? 0 : loop->now_ms + to->timeout_ms;
    if (loop->on_connect != NULL) {
        loop->on_connect(loop->on_connect_ctx, c);
    }
    return c;
}

void conn_set_handlers(struct conn *c, const struct conn_handlers *h, void *ctx)
{
    c->h = h;
    c->ctx = ctx;
}

void conn_set_limits(struct conn *c, size_t input_max_bytes, size_t output_max_bytes)
{
    c->in_max_bytes = input_max_bytes;
    c->out_max_bytes = output_max_bytes;
}

void conn_set_keepalive(struct conn *c, int seconds)
{
    ASSERT(c->phase != FAKE_OVER);
    ASSERT(seconds >= 0);
}

void conn_write_later(struct conn *c, const void *bytes, size_t len)
{
    ASSERT(c->phase != FAKE_OVER || c->is_leaving); /* nobody writes to what he closed */
    if (len == 0 || c->is_leaving || c->phase >= FAKE_FAILED) {
        return;
    }
    conn_own_tail(c);
    if (c->out.len + len > c->out_max_bytes) {
        conn_fails(c, CONN_OVERFLOW);
        return;
    }
    buf_append(&c->out, bytes, len);
    c->is_flush_queued = true;
}

/* The tail stays where it is, so that an owner who forgets too much is found out. */
void conn_write_from(struct conn *c, const struct buf *keeper, size_t len)
{
    if (c->tail_of != keeper) {
        conn_own_tail(c);
    }
    if (c->phase >= FAKE_FAILED || c->out.len + c->tail_len + len > c->out_max_bytes) {
        conn_write_later(c, buf_data(keeper), len); /* ignored, or too much */
        return;
    }
    ASSERT(!c->is_leaving);
    c->tail_of = keeper;
    c->tail_len += len;
    c->is_flush_queued = true;
}

size_t conn_tail_bytes(const struct conn *c)
{
    return c->tail_len;
}

void conn_own_tail(struct conn *c)
{
    if (c->tail_len > 0) {
        ASSERT(c->tail_len <= c->tail_of->len);
        buf_append(&c->out, buf_data(c->tail_of) + c->tail_of->len - c->tail_len, c->tail_len);
        c->tail_len = 0;
    }
}

void conn_write(struct conn *c, const void *bytes, size_t len)
{
    conn_write_later(c, bytes, len);
    if (!c->is_corked && !c->had_to_wait) {
        conn_flush_out(c);
    }
}

void conn_write_text(struct conn *c, const char *text)
{
    conn_write(c, text, strlen(text));
}

size_t conn_pending_bytes(const struct conn *c)
{
    return c->out.len + c->tail_len;
}

void conn_keep_output(struct conn *c, bool keeps)
{
    ASSERT(c->phase != FAKE_OVER);
    (void)keeps;
}

void conn_pause_read(struct conn *c)
{
    ASSERT(c->phase != FAKE_OVER);
    c->is_paused = true;
}

void conn_resume_read(struct conn *c)
{
    ASSERT(c->phase != FAKE_OVER);
    c->has_unread = c->has_unread || c->is_paused;
    c->is_paused = false;
}

void conn_close(struct conn *c)
{
    if (c == NULL || (c->phase == FAKE_FAILED && c->h == NULL)) {
        return; /* the latter from inside on_end */
    }
    ASSERT(c->phase != FAKE_OVER || c->is_leaving);
    conn_flush_out(c); /* as far as it goes */
    c->tail_len = 0;
    c->phase = FAKE_OVER;
    c->h = NULL;
}

void conn_close_after_flush(struct conn *c)
{
    ASSERT(c->phase != FAKE_OVER);
    if (c->phase == FAKE_FAILED && c->h == NULL) {
        return;
    }
    conn_own_tail(c);
    c->is_leaving = true;
    c->h = NULL;
    if (c->phase == FAKE_FAILED) {
        c->phase = FAKE_OVER;
    }
    conn_flush_out(c);
}

enum conn_peer conn_peer(const struct conn *c)
{
    if (c->phase == FAKE_FAILED || c->phase == FAKE_OVER) {
        return CONN_PEER_GONE;
    }
    return c->peer_closed ? CONN_PEER_FINISHED : CONN_PEER_THERE;
}

int conn_fd(const struct conn *c)
{
    (void)c;
    return 7;
}

bool conn_is_unix(const struct conn *c)
{
    (void)c;
    return false;
}

bool conn_local_addr(const struct conn *c, struct addr *at)
{
    (void)c;
    (void)at;
    return false;
}

bool conn_peer_addr(const struct conn *c, struct addr *at)
{
    (void)c;
    (void)at;
    return false;
}

/* ---- listening ---- */

struct listener *listener_open(struct loop *loop, const struct listener_plan *plan,
                               listener_accept on_accept, void *ctx, struct err *err)
{
    struct listener *l = memory_zeroed(sizeof(*l));

    (void)plan;
    (void)err;
    ASSERT(loop->listener == NULL);
    *l = (struct listener){.loop = loop, .on_accept = on_accept, .ctx = ctx};
    loop->listener = l;
    return l;
}

void listener_close(struct listener *l)
{
    l->loop->listener = NULL;
    free(l);
}

/* ---- the other ends ---- */

struct conn *fake_client(struct loop *loop, void *peer)
{
    if (loop->listener == NULL) {
        return NULL;
    }
    struct conn *c = conn_new(loop, peer);
    c->phase = FAKE_OPEN;
    loop->listener->on_accept(loop->listener->ctx, c);
    ASSERT(c->h != NULL || c->is_leaving || c->phase == FAKE_OVER);
    return c;
}

void fake_opens(struct conn *c)
{
    c->peer_opens = true;
}

void fake_fails(struct conn *c, enum conn_end why)
{
    buf_clear(&c->sent);
    if (c->is_leaving) {
        c->phase = FAKE_OVER;
    }
    conn_fails(c, why);
}

void fake_send(struct conn *c, const void *bytes, size_t len)
{
    ASSERT(!c->peer_closed);
    if (c->phase == FAKE_OPEN && !c->is_leaving) {
        buf_append(&c->sent, bytes, len);
    }
}

void fake_closes(struct conn *c)
{
    c->peer_closed = true;
}

bool fake_is_over(const struct conn *c)
{
    return c->phase == FAKE_OVER;
}

void fake_leave(struct conn *c)
{
    c->peer = NULL;
    c->peer_gone = true;
}

/* ---- a turn ---- */

/* Everything but a rest that fits, mostly; cut anywhere, often. */
static size_t piece_len(struct loop *loop, size_t there)
{
    size_t most = there < FAKE_PIECE_MAX ? there : FAKE_PIECE_MAX;

    return prng_below(&loop->prng, 3) > 0 ? most : 1 + (size_t)prng_below(&loop->prng, most);
}

static void conn_show_input(struct conn *c)
{
    bool shows_rest = c->has_unread && c->in.len > 0;
    size_t len = c->sent.len == 0 ? 0 : piece_len(c->loop, c->sent.len);

    c->has_unread = false;
    if (len == 0 && c->peer_closed) {
        conn_fails(c, CONN_CLOSED);
    }
    if (len == 0 && !shows_rest) {
        return;
    }
    /* an exact copy, so that a sanitizer sees who reads behind the end; bytes move each time */
    struct buf shown = {0};
    buf_append(&shown, buf_data(&c->in), c->in.len);
    buf_append(&shown, buf_data(&c->sent), len);
    buf_take(&c->sent, len);
    c->is_corked = true;
    c->h->on_data(c->ctx, c, &shown);
    c->is_corked = false;
    buf_finish(&c->in);
    c->in = shown;
    if (c->h != NULL && c->in.len > c->in_max_bytes && !c->is_paused) {
        conn_fails(c, CONN_OVERFLOW);
    }
    if (!c->had_to_wait) {
        conn_flush_out(c);
    }
}

static void conn_drained(struct conn *c)
{
    conn_flush_out(c);
    if (c->phase == FAKE_OPEN && conn_pending_bytes(c) == 0) {
        c->had_to_wait = false;
        if (c->h != NULL && c->h->on_drain != NULL) {
            c->is_corked = true;
            c->h->on_drain(c->ctx, c);
            c->is_corked = false;
        }
    }
}

static void conn_tell_end(struct conn *c)
{
    const struct conn_handlers *h = c->h;

    c->h = NULL;
    if (h != NULL) {
        h->on_end(c->ctx, c, c->why, "the test says so");
    }
    c->phase = FAKE_OVER;
}

static void conn_turn(struct conn *c)
{
    if (c->phase == FAKE_FAILED) {
        conn_tell_end(c);
    } else if (c->phase == FAKE_CONNECTING && c->peer_opens) {
        c->phase = FAKE_OPEN;
        if (c->h != NULL && c->h->on_open != NULL) {
            c->is_corked = true;
            c->h->on_open(c->ctx, c);
            c->is_corked = false;
        }
        conn_flush_out(c);
    } else if (c->phase == FAKE_CONNECTING && c->open_until_ms != 0 &&
               c->loop->now_ms >= c->open_until_ms) {
        conn_fails(c, CONN_TIMEOUT);
    } else if (c->phase == FAKE_OPEN) {
        if (c->had_to_wait) {
            conn_drained(c);
        }
        if (c->phase == FAKE_OPEN && !c->is_paused && c->h != NULL) {
            conn_show_input(c);
        }
    }
}

static void loop_run_posts(struct loop *loop)
{
    struct fake_post *posts = loop->posts;

    loop->posts = NULL;
    while (posts != NULL) {
        struct fake_post *post = posts;
        posts = post->next;
        post->call(post->ctx);
        free(post);
    }
}

static void loop_free_conns(struct loop *loop)
{
    for (struct conn **at = &loop->conns; *at != NULL;) {
        struct conn *c = *at;
        if (c->phase == FAKE_OVER && c->peer_gone) {
            *at = c->next;
            buf_finish(&c->in);
            buf_finish(&c->out);
            buf_finish(&c->sent);
            buf_finish(&c->got);
            free(c);
        } else {
            at = &c->next;
        }
    }
}

void fake_turn(struct loop *loop)
{
    size_t count = 0;

    loop_run_timers(loop);
    for (struct conn *c = loop->conns; c != NULL; c = c->next) {
        count++;
    }
    /* Two rounds over a ring from a random start: other orders from turn to turn. New connections
     * stand in front and have their first turn next time. */
    size_t start = count == 0 ? 0 : (size_t)prng_below(&loop->prng, count);
    struct conn *first = loop->conns;
    for (int round = 0; round < 2; round++) {
        size_t i = 0;
        for (struct conn *c = first; c != NULL; c = c->next, i++) {
            if ((i >= start) == (round == 0)) {
                conn_turn(c);
            }
        }
    }
    for (struct conn *c = loop->conns; c != NULL; c = c->next) {
        if (c->is_flush_queued) {
            c->is_flush_queued = false;
            if (!c->had_to_wait) {
                conn_flush_out(c);
            }
        }
    }
    loop_run_posts(loop);
    loop_free_conns(loop);
}
