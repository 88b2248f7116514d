/* Calls from other threads: a list under a mutex; an eventfd wakes the loop once for all that wait.
 */
#include "base/memory.h"
#include "loop/loop_inside.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct post {
    struct post *next;
    loop_call call;
    void *ctx;
};

struct post_room {
    pthread_mutex_t lock;
    struct post *first;
    struct post **end;
    int wake_fd;
    struct loop_watch *wake;
};

static struct post *post_take_all(struct post_room *room)
{
    (void)pthread_mutex_lock(&room->lock); /* glibc's fails only for a mutex that is none */
    struct post *first = room->first;
    room->first = NULL;
    room->end = &room->first;
    (void)pthread_mutex_unlock(&room->lock);
    return first;
}

static void post_on_wake(void *ctx)
{
    struct post_room *room = ctx;
    uint64_t count = 0;

    ssize_t got = read(room->wake_fd, &count, sizeof(count));
    ASSERT(got == sizeof(count) || errno == EAGAIN);
    for (struct post *post = post_take_all(room); post != NULL;) {
        struct post *next = post->next;
        post->call(post->ctx);
        free(post);
        post = next;
    }
}

void loop_post(struct loop *loop, loop_call call, void *ctx)
{
    struct post_room *room = loop->post;
    struct post *post = memory_zeroed(sizeof(*post));
    uint64_t one = 1;

    *post = (struct post){.call = call, .ctx = ctx};
    (void)pthread_mutex_lock(&room->lock);
    bool was_empty = room->first == NULL;
    *room->end = post;
    room->end = &post->next;
    if (was_empty) {
        ssize_t written = write(room->wake_fd, &one, sizeof(one));
        ASSERT(written == sizeof(one)); /* only a full counter could block, after 2^64 posts */
    }
    (void)pthread_mutex_unlock(&room->lock);
}

bool loop_post_open(struct loop *loop, struct err *err)
{
    struct post_room *room = memory_zeroed(sizeof(*room));

    room->end = &room->first;
    room->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (room->wake_fd < 0) {
        free(room);
        return err_set(err, "eventfd: %s", strerror(errno));
    }
    (void)pthread_mutex_init(&room->lock, NULL);
    room->wake = loop_watch_open(loop, room->wake_fd, post_on_wake, room);
    loop->post = room;
    return true;
}

void loop_post_finish(struct loop *loop)
{
    struct post_room *room = loop->post;

    if (room == NULL) {
        return;
    }
    for (struct post *post = post_take_all(room); post != NULL;) {
        struct post *next = post->next;
        free(post);
        post = next;
    }
    loop_watch_close(room->wake);
    (void)close(room->wake_fd);
    (void)pthread_mutex_destroy(&room->lock);
    free(room);
    loop->post = NULL;
}
