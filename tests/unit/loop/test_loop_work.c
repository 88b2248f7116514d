#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "loop_world.h"

enum { JOBS = 200 };

struct works {
    struct loop *loop;
    pthread_t loop_thread;
    int worked[JOBS];
    int worked_count; /* the helper's until done */
    int done[JOBS];
    int done_count;
    bool all_done;
};

struct job {
    struct works *works;
    int number;
};

static void work(void *ctx)
{
    struct job *job = ctx;

    assert_false(pthread_equal(pthread_self(), job->works->loop_thread));
    job->works->worked[job->works->worked_count++] = job->number;
}

static void done(void *ctx)
{
    struct job *job = ctx;

    assert_true(pthread_equal(pthread_self(), job->works->loop_thread));
    job->works->done[job->works->done_count++] = job->number;
    job->works->all_done = job->works->done_count == JOBS;
}

static void jobs_keep_their_order(void **state)
{
    static struct works works;
    static struct job jobs[JOBS];

    (void)state;
    works = (struct works){.loop = world_loop(), .loop_thread = pthread_self()};
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){&works, i};
        assert_true(loop_work(works.loop, work, done, &jobs[i]));
    }
    assert_int_equal(works.done_count, 0); /* never from inside loop_work() */
    world_wait_flag(works.loop, &works.all_done);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(works.worked[i], i);
        assert_int_equal(works.done[i], i);
    }
    loop_destroy(works.loop);
}

struct gate {
    pthread_mutex_t lock;
    atomic_int started;
    atomic_int worked;
};

static void wait_at_gate(void *ctx)
{
    struct gate *gate = ctx;

    atomic_fetch_add(&gate->started, 1);
    pthread_mutex_lock(&gate->lock);
    atomic_fetch_add(&gate->worked, 1);
    pthread_mutex_unlock(&gate->lock);
}

static void done_is_a_mistake(void *ctx)
{
    (void)ctx;
    fail();
}

static bool gate_is_busy(void *ctx)
{
    struct gate *gate = ctx;
    return atomic_load(&gate->started) > 0;
}

static void the_queue_is_bounded_and_destroy_finishes_it(void **state)
{
    struct loop *loop = world_loop();
    struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER};

    (void)state;
    pthread_mutex_lock(&gate.lock);
    assert_true(loop_work(loop, wait_at_gate, NULL, &gate));
    world_wait(loop, gate_is_busy, &gate);
    for (int i = 0; i < LOOP_WORK_MAX; i++) {
        assert_true(loop_work(loop, wait_at_gate, done_is_a_mistake, &gate));
    }
    assert_false(loop_work(loop, wait_at_gate, done_is_a_mistake, &gate));
    pthread_mutex_unlock(&gate.lock);
    loop_destroy(loop);
    assert_int_equal(atomic_load(&gate.worked), LOOP_WORK_MAX + 1);
}

struct chain {
    struct loop *loop;
    int left;
    bool finished;
};

static void nothing(void *ctx)
{
    (void)ctx;
}

static void next_job(void *ctx)
{
    struct chain *chain = ctx;

    chain->finished = --chain->left == 0;
    if (!chain->finished) {
        assert_true(loop_work(chain->loop, nothing, next_job, chain));
    }
}

static void done_may_give_the_next_job(void **state)
{
    struct chain chain = {.loop = world_loop(), .left = 50};

    (void)state;
    assert_true(loop_work(chain.loop, nothing, next_job, &chain));
    world_wait_flag(chain.loop, &chain.finished);
    assert_int_equal(chain.left, 0);
    loop_destroy(chain.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_keep_their_order),
        cmocka_unit_test(the_queue_is_bounded_and_destroy_finishes_it),
        cmocka_unit_test(done_may_give_the_next_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
