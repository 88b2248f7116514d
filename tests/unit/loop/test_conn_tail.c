/* conn_write_from(): what is sent straight from a buffer that stays its owner's. */
#include <stdlib.h>
#include <string.h>

#include "conn_pair.h"
#include "loop/conn_inside.h"

enum {
    STEPS = 4000,
    PIECE_MAX = 60000,
    WAITING_MAX = 24 << 20, /* then the reader reads */
};

static void append_and_send(struct conn *c, struct buf *keeper, const char *text)
{
    buf_append_text(keeper, text);
    conn_write_from(c, keeper, strlen(text));
}

static void it_leaves_with_the_turn_and_in_order(void **state)
{
    struct pair p = {0};
    struct buf keeper = {0};

    (void)state;
    pair_open(&p);
    conn_write_later(p.client.c, "a", 1);
    append_and_send(p.client.c, &keeper, "b");
    append_and_send(p.client.c, &keeper, "c");
    assert_int_equal(conn_pending_bytes(p.client.c), 3);
    assert_int_equal(conn_tail_bytes(p.client.c), 2);
    end_wait(&p, &p.server, 3);
    assert_int_equal(p.server.data_calls, 1); /* in one piece */
    assert_int_equal(conn_tail_bytes(p.client.c), 0);
    assert_string_equal(buf_data(&keeper), "bc"); /* it is still the owner's */

    append_and_send(p.client.c, &keeper, "d");
    conn_write_text(p.client.c, "e"); /* may not overtake */
    append_and_send(p.client.c, &keeper, "f");
    conn_own_tail(p.client.c);
    buf_finish(&keeper);
    end_wait(&p, &p.server, 6);
    assert_string_equal(buf_data(&p.server.got), "abcdef");
    pair_close(&p);
}

static void two_owners_take_turns(void **state)
{
    struct pair p = {0};
    struct buf one = {0};
    struct buf two = {0};

    (void)state;
    pair_open(&p);
    append_and_send(p.client.c, &one, "1");
    append_and_send(p.client.c, &two, "2");
    append_and_send(p.client.c, &one, "3");
    buf_finish(&two); /* a copy of it was made when the first came again */
    end_wait(&p, &p.server, 3);
    assert_string_equal(buf_data(&p.server.got), "123");
    buf_finish(&one);
    pair_close(&p);
}

static void a_close_sends_what_the_turn_would_have_sent(void **state)
{
    struct pair p = {0};
    struct buf keeper = {0};

    (void)state;
    pair_open(&p);
    append_and_send(p.client.c, &keeper, "last");
    conn_close(p.client.c);
    p.client.c = NULL;
    buf_finish(&keeper); /* at once: nothing looks at it any more */
    world_wait_flag(p.loop, &p.server.ended);
    assert_string_equal(buf_data(&p.server.got), "last");
    pair_close(&p);

    p = (struct pair){0};
    pair_open(&p);
    append_and_send(p.client.c, &keeper, "words");
    conn_close_after_flush(p.client.c);
    p.client.c = NULL;
    buf_finish(&keeper);
    world_wait_flag(p.loop, &p.server.ended);
    assert_string_equal(buf_data(&p.server.got), "words");
    pair_close(&p);
}

static void it_counts_for_the_limit(void **state)
{
    struct pair p = {0};
    struct buf keeper = {0};
    char junk[60] = {0};

    (void)state;
    pair_open(&p);
    conn_set_limits(p.client.c, 100, 100);
    conn_write_later(p.client.c, junk, 40);
    buf_append(&keeper, junk, sizeof(junk));
    conn_write_from(p.client.c, &keeper, 60);
    world_turns(p.loop, 3);
    assert_false(p.client.ended);
    conn_write_later(p.client.c, junk, 40);
    buf_append(&keeper, junk, sizeof(junk));
    conn_write_from(p.client.c, &keeper, 61);
    world_wait_flag(p.loop, &p.client.ended);
    assert_int_equal(p.client.why, CONN_OVERFLOW);
    buf_finish(&keeper);
    pair_close(&p);
}

/* The owner forgets its front, as one whose requests are answered. */
static void keeper_forget(struct conn *c, struct buf *keeper, size_t len)
{
    if (conn_tail_bytes(c) > keeper->len - len) {
        conn_own_tail(c);
    }
    buf_drop(keeper, len);
}

/* All ways of writing mixed, a reader that stops and goes on, an owner that forgets. */
static void any_mixture_arrives_as_it_was_written(void **state)
{
    struct pair p = {0};
    struct buf keeper = {0};
    struct buf all = {0};
    char piece[PIECE_MAX];
    unsigned seed = 7;
    bool was_full = false;

    (void)state;
    pair_open(&p);
    for (unsigned step = 0; step < STEPS; step++) {
        size_t len = 1 + (size_t)rand_r(&seed) % (step % 3 == 0 ? PIECE_MAX : 100);
        memset(piece, 'a' + (int)(step % 26), len);
        int what = rand_r(&seed) % 16;
        if (what < 12) {
            buf_append(&all, piece, len);
        }
        if (what < 8) {
            buf_append(&keeper, piece, len);
            conn_write_from(p.client.c, &keeper, len);
        } else if (what < 10) {
            conn_write(p.client.c, piece, len);
        } else if (what < 12) {
            conn_write_later(p.client.c, piece, len);
        } else if (what < 14) {
            keeper_forget(p.client.c, &keeper, (size_t)rand_r(&seed) % (keeper.len + 1));
        } else {
            world_turns(p.loop, 1);
        }
        was_full = was_full || (p.client.c->is_writing && p.client.c->tail_len > 0);
        if (rand_r(&seed) % 64 == 0) {
            conn_pause_read(p.server.c);
        } else if (rand_r(&seed) % 64 == 0 || conn_pending_bytes(p.client.c) > WAITING_MAX) {
            conn_resume_read(p.server.c);
        }
    }
    conn_resume_read(p.server.c);
    end_wait(&p, &p.server, all.len);
    assert_int_equal(p.server.got.len, all.len);
    assert_memory_equal(buf_data(&p.server.got), buf_data(&all), all.len);
    assert_true(was_full); /* else it proved little */
    buf_finish(&keeper);
    buf_finish(&all);
    pair_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_leaves_with_the_turn_and_in_order),
        cmocka_unit_test(two_owners_take_turns),
        cmocka_unit_test(a_close_sends_what_the_turn_would_have_sent),
        cmocka_unit_test(it_counts_for_the_limit),
        cmocka_unit_test(any_mixture_arrives_as_it_was_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
