/* The helper thread: what may block on a disk. Jobs go through two lists under one mutex; an
 * eventfd wakes the loop. */
#include "base/memory.h"
#include "loop/loop_inside.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct work_job {
    struct work_job *next;
    loop_call work;
    loop_call done;
    void *ctx;
};

struct work_list {
    struct work_job *first;
    struct work_job **end;
};

struct work_room {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct work_list todo;
    struct work_list done;
    size_t todo_count;
    bool is_stopping;
    int wake_fd;
    struct loop_watch *wake;
};

static void work_append(struct work_list *list, struct work_job *job)
{
    job->next = NULL;
    *list->end = job;
    list->end = &job->next;
}

static struct work_job *work_first(struct work_list *list)
{
    struct work_job *job = list->first;

    if (job != NULL) {
        list->first = job->next;
        if (list->first == NULL) {
            list->end = &list->first;
        }
    }
    return job;
}

static void work_wake(const struct work_room *room)
{
    uint64_t one = 1;
    ssize_t written = write(room->wake_fd, &one, sizeof(one));
    ASSERT(written == sizeof(one)); /* only a full counter could block, after 2^64 jobs */
}

static void *work_thread(void *ctx)
{
    struct work_room *room = ctx;

    (void)pthread_mutex_lock(&room->lock);
    for (;;) {
        struct work_job *job = work_first(&room->todo);
        if (job != NULL) {
            room->todo_count--;
            (void)pthread_mutex_unlock(&room->lock);
            job->work(job->ctx);
            (void)pthread_mutex_lock(&room->lock);
            work_append(&room->done, job);
            work_wake(room);
        } else if (room->is_stopping) {
            break;
        } else {
            (void)pthread_cond_wait(&room->changed, &room->lock);
        }
    }
    (void)pthread_mutex_unlock(&room->lock);
    return NULL;
}

static void work_on_wake(void *ctx)
{
    struct loop *loop = ctx;
    struct work_room *room = loop->work;
    uint64_t count = 0;

    ssize_t got = read(room->wake_fd, &count, sizeof(count));
    ASSERT(got == sizeof(count) || errno == EAGAIN);
    for (;;) {
        (void)pthread_mutex_lock(&room->lock);
        struct work_job *job = work_first(&room->done);
        (void)pthread_mutex_unlock(&room->lock);
        if (job == NULL) {
            return;
        }
        if (job->done != NULL) {
            job->done(job->ctx);
        }
        free(job);
    }
}

/* The thread takes no signals: they are the loop's. */
static bool work_start_thread(struct work_room *room)
{
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&room->thread, NULL, work_thread, room);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0) {
        (void)pthread_setname_np(room->thread, "holdfast-disk"); /* only for ps */
    }
    return failed == 0;
}

static bool work_open(struct loop *loop)
{
    struct work_room *room = memory_zeroed(sizeof(*room));

    room->todo.end = &room->todo.first;
    room->done.end = &room->done.first;
    room->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (room->wake_fd < 0) {
        free(room);
        return false;
    }
    (void)pthread_mutex_init(&room->lock, NULL); /* glibc's never fail without attributes */
    (void)pthread_cond_init(&room->changed, NULL);
    if (!work_start_thread(room)) {
        (void)close(room->wake_fd);
        free(room);
        return false;
    }
    room->wake = loop_watch_open(loop, room->wake_fd, work_on_wake, loop);
    loop->work = room;
    return true;
}

bool loop_work(struct loop *loop, loop_call work, loop_call done, void *ctx)
{
    if (loop->work == NULL && !work_open(loop)) {
        return false;
    }
    struct work_room *room = loop->work;
    struct work_job *job = memory_zeroed(sizeof(*job));
    *job = (struct work_job){.work = work, .done = done, .ctx = ctx};

    (void)pthread_mutex_lock(&room->lock);
    bool fits = room->todo_count < LOOP_WORK_MAX;
    if (fits) {
        room->todo_count++;
        work_append(&room->todo, job);
        (void)pthread_cond_signal(&room->changed);
    }
    (void)pthread_mutex_unlock(&room->lock);
    if (!fits) {
        free(job);
    }
    return fits;
}

void loop_work_finish(struct loop *loop)
{
    struct work_room *room = loop->work;

    if (room == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&room->lock);
    room->is_stopping = true;
    (void)pthread_cond_signal(&room->changed);
    (void)pthread_mutex_unlock(&room->lock);
    (void)pthread_join(room->thread, NULL);
    for (struct work_job *job = work_first(&room->done); job != NULL;) {
        free(job);
        job = work_first(&room->done);
    }
    loop_watch_close(room->wake);
    (void)close(room->wake_fd);
    (void)pthread_mutex_destroy(&room->lock);
    (void)pthread_cond_destroy(&room->changed);
    free(room);
    loop->work = NULL;
}
