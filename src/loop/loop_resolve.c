/*
 * Names, on a thread of their own: getaddrinfo() may take half a minute, which no fsync must wait
 * for. The thread cannot be interrupted there either, so loop_resolve_finish() leaves it behind:
 * what it touches is counted and freed by whoever is last.
 */
#include "loop/loop_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/memory.h"
#include "base/text.h"

enum { NAME_WHY_MAX = 128 /* a sentence of gai_strerror() */ };

struct loop_name {
    struct loop_name *next;
    struct loop *loop;
    loop_name_call on_answer; /* NULL after a cancel */
    void *ctx;
    char host[ADDR_NAME_MAX];
    char ip[ADDR_IP_MAX];
    char why[NAME_WHY_MAX];
};

struct name_list {
    struct loop_name *first;
    struct loop_name **end;
};

struct resolve_room {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct name_list todo;
    struct name_list done;
    size_t todo_count;
    bool is_stopping;
    unsigned users; /* the loop and the thread */
    int wake_fd;
    struct loop_watch *wake; /* the loop's alone */
};

static void name_append(struct name_list *list, struct loop_name *name)
{
    name->next = NULL;
    *list->end = name;
    list->end = &name->next;
}

static struct loop_name *name_first(struct name_list *list)
{
    struct loop_name *name = list->first;

    if (name != NULL) {
        list->first = name->next;
        if (list->first == NULL) {
            list->end = &list->first;
        }
    }
    return name;
}

static bool name_remove(struct name_list *list, const struct loop_name *name)
{
    for (struct loop_name **link = &list->first; *link != NULL; link = &(*link)->next) {
        if (*link == name) {
            *link = name->next;
            if (*link == NULL) {
                list->end = link;
            }
            return true;
        }
    }
    return false;
}

static void name_free_all(struct name_list *list)
{
    for (struct loop_name *name = name_first(list); name != NULL; name = name_first(list)) {
        free(name);
    }
}

static void name_ask(struct loop_name *name)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;

    int failed = getaddrinfo(name->host, NULL, &hints, &found);
    if (failed != 0) {
        text_cut(name->why, sizeof(name->why), gai_strerror(failed));
        return;
    }
    for (struct addrinfo *one = found; one != NULL && name->ip[0] == '\0'; one = one->ai_next) {
        if (one->ai_family == AF_INET) {
            struct sockaddr_in v4;
            memcpy(&v4, one->ai_addr, sizeof(v4));
            (void)inet_ntop(AF_INET, &v4.sin_addr, name->ip, sizeof(name->ip)); /* always fits */
        } else if (one->ai_family == AF_INET6) {
            struct sockaddr_in6 v6;
            memcpy(&v6, one->ai_addr, sizeof(v6));
            (void)inet_ntop(AF_INET6, &v6.sin6_addr, name->ip, sizeof(name->ip));
        }
    }
    freeaddrinfo(found);
    if (name->ip[0] == '\0') {
        text_cut(name->why, sizeof(name->why), "the name has no address");
    }
}

static void resolve_wake(const struct resolve_room *room)
{
    uint64_t one = 1;
    ssize_t written = write(room->wake_fd, &one, sizeof(one));
    ASSERT(written == sizeof(one)); /* only a full counter could block */
}

/* Called with the lock held; gives it back. */
static void resolve_leave(struct resolve_room *room)
{
    bool is_last = --room->users == 0;

    (void)pthread_mutex_unlock(&room->lock);
    if (is_last) {
        (void)close(room->wake_fd);
        (void)pthread_mutex_destroy(&room->lock);
        (void)pthread_cond_destroy(&room->changed);
        free(room);
    }
}

static void *resolve_thread(void *ctx)
{
    struct resolve_room *room = ctx;

    (void)pthread_mutex_lock(&room->lock);
    while (!room->is_stopping) {
        struct loop_name *name = name_first(&room->todo);
        if (name == NULL) {
            (void)pthread_cond_wait(&room->changed, &room->lock);
            continue;
        }
        room->todo_count--;
        (void)pthread_mutex_unlock(&room->lock);
        name_ask(name);
        (void)pthread_mutex_lock(&room->lock);
        if (room->is_stopping) {
            free(name);
        } else {
            name_append(&room->done, name);
            resolve_wake(room);
        }
    }
    resolve_leave(room);
    return NULL;
}

static void resolve_on_wake(void *ctx)
{
    struct loop *loop = ctx;
    struct resolve_room *room = loop->resolve;
    uint64_t count = 0;

    ssize_t got = read(room->wake_fd, &count, sizeof(count));
    ASSERT(got == sizeof(count) || errno == EAGAIN);
    (void)pthread_mutex_lock(&room->lock);
    struct name_list done = room->done;
    if (done.first == NULL) {
        done.end = &done.first;
    }
    room->done.first = NULL;
    room->done.end = &room->done.first;
    (void)pthread_mutex_unlock(&room->lock);
    for (struct loop_name *name = name_first(&done); name != NULL; name = name_first(&done)) {
        if (name->on_answer != NULL) {
            name->on_answer(name->ctx, name->ip[0] == '\0' ? NULL : name->ip, name->why);
        }
        free(name);
    }
}

/* Detached, and without signals: they are the loop's. */
static bool resolve_start_thread(struct resolve_room *room)
{
    pthread_t thread;
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, NULL, resolve_thread, room);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0) {
        (void)pthread_setname_np(thread, "holdfast-names"); /* only for ps */
        (void)pthread_detach(thread);
    }
    return failed == 0;
}

static void resolve_open(struct loop *loop)
{
    struct resolve_room *room = memory_zeroed(sizeof(*room));

    room->todo.end = &room->todo.first;
    room->done.end = &room->done.first;
    room->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    (void)pthread_mutex_init(&room->lock, NULL); /* glibc's never fail without attributes */
    (void)pthread_cond_init(&room->changed, NULL);
    room->users = 2;
    if (room->wake_fd < 0 || !resolve_start_thread(room)) {
        assert_fail(__FILE__, __LINE__, __func__, "no thread for names");
    }
    room->wake = loop_watch_open(loop, room->wake_fd, resolve_on_wake, loop);
    loop->resolve = room;
}

struct loop_name *loop_resolve(struct loop *loop, const char *host, loop_name_call on_answer,
                               void *ctx)
{
    struct loop_name *name = memory_zeroed(sizeof(*name));
    struct addr number;

    if (loop->resolve == NULL) {
        resolve_open(loop);
    }
    struct resolve_room *room = loop->resolve;
    name->loop = loop;
    name->on_answer = on_answer;
    name->ctx = ctx;
    bool fits = text_copy(name->host, sizeof(name->host), host);
    (void)pthread_mutex_lock(&room->lock);
    if (!fits) {
        text_cut(name->why, sizeof(name->why), "the name is too long");
    } else if (addr_set(&number, host, 0) && number.ip[0] != '\0') {
        memcpy(name->ip, number.ip, sizeof(name->ip));
    } else if (room->todo_count >= LOOP_RESOLVE_MAX) {
        text_cut(name->why, sizeof(name->why), "too many names wait for an answer");
    } else {
        room->todo_count++;
        name_append(&room->todo, name);
        (void)pthread_cond_signal(&room->changed);
        (void)pthread_mutex_unlock(&room->lock);
        return name;
    }
    name_append(&room->done, name);
    resolve_wake(room);
    (void)pthread_mutex_unlock(&room->lock);
    return name;
}

void loop_resolve_cancel(struct loop_name *name)
{
    if (name == NULL) {
        return;
    }
    struct resolve_room *room = name->loop->resolve;
    (void)pthread_mutex_lock(&room->lock);
    bool waits = name_remove(&room->todo, name);
    if (waits) {
        room->todo_count--;
    }
    (void)pthread_mutex_unlock(&room->lock);
    name->on_answer = NULL; /* the thread never reads it */
    if (waits) {
        free(name);
    }
}

void loop_resolve_finish(struct loop *loop)
{
    struct resolve_room *room = loop->resolve;

    if (room == NULL) {
        return;
    }
    loop_watch_close(room->wake);
    (void)pthread_mutex_lock(&room->lock);
    room->is_stopping = true;
    (void)pthread_cond_signal(&room->changed);
    name_free_all(&room->todo);
    name_free_all(&room->done);
    resolve_leave(room);
    loop->resolve = NULL;
}
