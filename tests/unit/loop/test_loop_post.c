#include <pthread.h>
#include <stdlib.h>

#include "loop_world.h"

enum { THREADS = 4, POSTS = 5000 };

/* ---- from the loop's own thread ---- */

struct list {
    struct loop *loop;
    int numbers[8];
    size_t count;
    bool is_full;
};

struct item {
    struct list *list;
    int number;
};

static void note(void *ctx)
{
    struct item *item = ctx;
    struct list *list = item->list;

    assert_true(list->count < COUNT_OF(list->numbers));
    list->numbers[list->count++] = item->number;
    list->is_full = list->count == COUNT_OF(list->numbers);
}

static void calls_come_in_the_order_posted(void **state)
{
    struct list list = {.loop = world_loop()};
    struct item items[COUNT_OF(list.numbers)];

    (void)state;
    for (int i = 0; i < (int)COUNT_OF(items); i++) {
        items[i] = (struct item){&list, i};
        loop_post(list.loop, note, &items[i]);
    }
    assert_int_equal(list.count, 0); /* never from inside loop_post() */
    world_wait_flag(list.loop, &list.is_full);
    for (int i = 0; i < (int)COUNT_OF(items); i++) {
        assert_int_equal(list.numbers[i], i);
    }
    loop_destroy(list.loop);
}

static void what_waits_at_the_end_is_not_called(void **state)
{
    struct list list = {.loop = world_loop()};
    struct item item = {&list, 0};

    (void)state;
    loop_post(list.loop, note, &item);
    loop_post(list.loop, note, &item);
    loop_destroy(list.loop);
    assert_int_equal(list.count, 0);
}

/* ---- a call that posts again ---- */

struct chain {
    struct loop *loop;
    int left;
    bool is_done;
};

static void post_next(void *ctx)
{
    struct chain *chain = ctx;

    if (--chain->left == 0) {
        chain->is_done = true;
        return;
    }
    loop_post(chain->loop, post_next, chain);
    loop_post(chain->loop, (loop_call)free, malloc(1)); /* one more that waits beside it */
}

/* The timer of world_wait_flag() shows that the others have their turn meanwhile. */
static void a_call_may_post_again(void **state)
{
    struct chain chain = {.loop = world_loop(), .left = 1000};

    (void)state;
    loop_post(chain.loop, post_next, &chain);
    world_wait_flag(chain.loop, &chain.is_done);
    loop_destroy(chain.loop);
}

/* ---- from other threads ---- */

struct crowd {
    struct loop *loop;
    pthread_t loop_thread;
    int last[THREADS]; /* of each thread: what it posted comes in its order */
    int count;
    bool is_done;
};

struct poster {
    struct crowd *crowd;
    pthread_t thread;
    int index;
};

struct post_note {
    struct poster *poster;
    int number;
};

static void crowd_note(void *ctx)
{
    struct post_note *note_of = ctx;
    struct crowd *crowd = note_of->poster->crowd;
    int index = note_of->poster->index;

    assert_true(pthread_equal(pthread_self(), crowd->loop_thread));
    assert_int_equal(note_of->number, crowd->last[index] + 1);
    crowd->last[index] = note_of->number;
    crowd->is_done = ++crowd->count == THREADS * POSTS;
    free(note_of);
}

static void *crowd_post(void *ctx)
{
    struct poster *poster = ctx;

    for (int i = 1; i <= POSTS; i++) {
        struct post_note *note_of = malloc(sizeof(*note_of));
        *note_of = (struct post_note){poster, i};
        loop_post(poster->crowd->loop, crowd_note, note_of);
    }
    return NULL;
}

static void many_threads_post_at_once(void **state)
{
    static struct crowd crowd;
    struct poster posters[THREADS];

    (void)state;
    crowd = (struct crowd){.loop = world_loop(), .loop_thread = pthread_self()};
    for (int i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){.crowd = &crowd, .index = i};
        assert_int_equal(pthread_create(&posters[i].thread, NULL, crowd_post, &posters[i]), 0);
    }
    world_wait_flag(crowd.loop, &crowd.is_done);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(posters[i].thread, NULL), 0);
        assert_int_equal(crowd.last[i], POSTS);
    }
    loop_destroy(crowd.loop);
}

/* ---- two loops ---- */

/* As the router does: a control thread and a worker, each with a loop, that talk by posting. */
struct table {
    struct loop *ours;
    struct loop *theirs;
    pthread_t their_thread;
    int rounds;
    bool is_done;
};

static void table_ping(void *ctx);

static void table_stop(void *ctx)
{
    struct table *table = ctx;

    loop_stop(table->theirs);
}

static void table_pong(void *ctx)
{
    struct table *table = ctx;

    assert_false(pthread_equal(pthread_self(), table->their_thread));
    if (++table->rounds == 500) {
        table->is_done = true;
        loop_post(table->theirs, table_stop, table);
        return;
    }
    loop_post(table->theirs, table_ping, table);
}

static void table_ping(void *ctx)
{
    struct table *table = ctx;

    assert_true(pthread_equal(pthread_self(), table->their_thread));
    loop_post(table->ours, table_pong, table);
}

static void *table_run(void *ctx)
{
    struct table *table = ctx;

    loop_run(table->theirs);
    return NULL;
}

static void two_loops_talk(void **state)
{
    static struct table table;
    pthread_t thread;

    (void)state;
    table = (struct table){.ours = world_loop(), .theirs = world_loop()};
    assert_int_equal(pthread_create(&table.their_thread, NULL, table_run, &table), 0);
    thread = table.their_thread;
    loop_post(table.theirs, table_ping, &table);
    world_wait_flag(table.ours, &table.is_done);
    assert_int_equal(pthread_join(thread, NULL), 0); /* a post ended its loop */
    assert_int_equal(table.rounds, 500);
    loop_destroy(table.theirs);
    loop_destroy(table.ours);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_come_in_the_order_posted),
        cmocka_unit_test(what_waits_at_the_end_is_not_called),
        cmocka_unit_test(a_call_may_post_again),
        cmocka_unit_test(many_threads_post_at_once),
        cmocka_unit_test(two_loops_talk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
