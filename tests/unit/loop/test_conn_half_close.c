/* on_half_close: the other side has said all, and still reads. */
#include <string.h>
#include <sys/socket.h>

#include "conn_pair.h"
#include "loop/conn_inside.h"

struct listener_end {
    struct buf got;
    int half_closes;
    bool ended;
    bool is_told;
    bool close_when_told;
};

static void on_data(void *ctx, struct conn *c, struct buf *in)
{
    struct listener_end *e = ctx;

    (void)c;
    assert_int_equal(e->half_closes, 0); /* all of it comes before */
    buf_append(&e->got, buf_data(in), in->len);
    buf_take(in, in->len);
}

static void on_half_close(void *ctx, struct conn *c)
{
    struct listener_end *e = ctx;

    e->half_closes++;
    e->is_told = true;
    if (e->close_when_told) {
        conn_close(c);
    }
}

static void on_end(void *ctx, struct conn *c, enum conn_end why, const char *text)
{
    struct listener_end *e = ctx;

    (void)c;
    (void)why;
    (void)text;
    e->ended = true;
}

static const struct conn_handlers hearing = {
    .on_data = on_data, .on_end = on_end, .on_half_close = on_half_close};
static const struct conn_handlers deaf = {.on_data = on_data, .on_end = on_end};

/* The client says "ask" and no more. */
static void half_close(struct pair *p, const struct conn_handlers *h, struct listener_end *e)
{
    pair_open(p);
    conn_set_handlers(p->server.c, h, e);
    conn_write_text(p->client.c, "ask");
    assert_int_equal(shutdown(conn_fd(p->client.c), SHUT_WR), 0);
}

static void it_is_told_after_all_data_and_answered(void **state)
{
    struct pair p = {0};
    struct listener_end e = {0};

    (void)state;
    half_close(&p, &hearing, &e);
    world_wait_flag(p.loop, &e.is_told);
    assert_string_equal(buf_data(&e.got), "ask");
    assert_int_equal(conn_peer(p.server.c), CONN_PEER_FINISHED);
    world_turns(p.loop, 5);
    assert_int_equal(e.half_closes, 1); /* reading is paused: it does not come again and again */
    conn_write_text(p.server.c, "answer");
    end_wait(&p, &p.client, 6);
    assert_string_equal(buf_data(&p.client.got), "answer");

    e.is_told = false;
    conn_resume_read(p.server.c);
    world_wait_flag(p.loop, &e.is_told);
    assert_int_equal(e.half_closes, 2);
    assert_false(e.ended);
    conn_close(p.server.c);
    p.server.c = NULL;
    world_wait_flag(p.loop, &p.client.ended);
    assert_int_equal(p.client.why, CONN_CLOSED);
    buf_finish(&e.got);
    pair_close(&p);
}

static void it_may_close_inside(void **state)
{
    struct pair p = {0};
    struct listener_end e = {.close_when_told = true};

    (void)state;
    half_close(&p, &hearing, &e);
    world_wait_flag(p.loop, &p.client.ended);
    p.server.c = NULL;
    assert_int_equal(e.half_closes, 1);
    assert_false(e.ended); /* who closes is not told */
    buf_finish(&e.got);
    pair_close(&p);
}

static void without_a_handler_it_is_the_end(void **state)
{
    struct pair p = {0};
    struct listener_end e = {0};

    (void)state;
    half_close(&p, &deaf, &e);
    world_wait_flag(p.loop, &e.ended);
    p.server.c = NULL;
    assert_string_equal(buf_data(&e.got), "ask");
    buf_finish(&e.got);
    pair_close(&p);
}

static void a_connection_that_is_cut_is_no_half_close(void **state)
{
    struct linger at_once = {.l_onoff = 1};
    struct pair p = {0};
    struct listener_end e = {0};

    (void)state;
    pair_open(&p);
    conn_set_handlers(p.server.c, &hearing, &e);
    assert_int_equal(
        setsockopt(conn_fd(p.client.c), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    conn_close(p.client.c);
    p.client.c = NULL;
    world_wait_flag(p.loop, &e.ended);
    p.server.c = NULL;
    assert_int_equal(e.half_closes, 0);
    buf_finish(&e.got);
    pair_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_told_after_all_data_and_answered),
        cmocka_unit_test(it_may_close_inside),
        cmocka_unit_test(without_a_handler_it_is_the_end),
        cmocka_unit_test(a_connection_that_is_cut_is_no_half_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
