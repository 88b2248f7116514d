/*
 * The queue of one file: at most one image is being written, at most one waits. The writing itself
 * is store_file.c; this file never touches the disk.
 */
#include "store/store.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/memory.h"
#include "loop/log.h"

struct store {
    struct loop *loop;
    char *path;
    store_saved on_saved;
    void *ctx;

    bool is_writing;
    bool has_waiting;
    struct buf waiting; /* the newest image */
    uint64_t waiting_seq;
    uint64_t newest_seq; /* of store_save() */

    /* The helper thread's while is_writing, the loop's else. */
    struct buf image;
    uint64_t seq;
    bool ok;
    bool in_place;
    struct err err;

    bool was_warned;              /* of writing in place */
    struct loop_timer *no_thread; /* says so in the next turn */
};

static char *store_absolute(const char *path)
{
    char directory[PATH_MAX];
    struct buf joined = {0};

    if (path[0] != '/' && getcwd(directory, sizeof(directory)) != NULL) {
        buf_printf(&joined, "%s/", directory);
    }
    buf_append_text(&joined, path);
    char *copy = memory_zeroed(joined.len + 1);
    memcpy(copy, buf_data(&joined), joined.len + 1);
    buf_finish(&joined);
    return copy;
}

static void store_on_done(void *ctx);

struct store *store_create(struct loop *loop, const char *path, store_saved on_saved, void *ctx)
{
    struct store *store = memory_zeroed(sizeof(*store));

    ASSERT(on_saved != NULL);
    store->loop = loop;
    store->path = store_absolute(path);
    store->on_saved = on_saved;
    store->ctx = ctx;
    store->no_thread = loop_timer_create(loop, store_on_done, store);
    return store;
}

void store_destroy(struct store *store)
{
    if (store != NULL) {
        buf_finish(&store->image);
        buf_finish(&store->waiting);
        loop_timer_destroy(store->no_thread);
        free(store->path);
        free(store);
    }
}

bool store_idle(const struct store *store)
{
    return !store->is_writing && !store->has_waiting;
}

static void store_on_thread(void *ctx)
{
    struct store *store = ctx;

    store->ok = store_write(store->path, buf_data(&store->image), store->image.len,
                            &store->in_place, &store->err);
}

static void store_start(struct store *store);

static void store_on_done(void *ctx)
{
    struct store *store = ctx;
    uint64_t seq = store->seq;
    bool ok = store->ok;
    struct err err = store->err; /* the next write may begin before the callback looks */

    if (ok && store->in_place && !store->was_warned) {
        store->was_warned = true;
        log_warning("%s is a mount point and cannot be replaced: it is written in place, which a "
                    "crash can tear. Mount its directory instead",
                    store->path);
    }
    store->is_writing = false;
    if (store->has_waiting) {
        store_start(store);
    }
    store->on_saved(store->ctx, seq, ok, ok ? "" : err.text);
}

static void store_start(struct store *store)
{
    struct buf emptied = store->image;

    store->image = store->waiting;
    store->waiting = emptied;
    buf_clear(&store->waiting);
    store->seq = store->waiting_seq;
    store->has_waiting = false;
    store->is_writing = true;
    store->in_place = false;
    store->err = (struct err){0};
    if (!loop_work(store->loop, store_on_thread, store_on_done, store)) {
        store->ok = false;
        (void)err_set(&store->err, "%s: no thread to write with", store->path);
        loop_timer_at(store->no_thread, loop_now(store->loop));
    }
}

void store_save(struct store *store, uint64_t seq, const char *image, size_t len)
{
    ASSERT(seq > store->newest_seq);
    store->newest_seq = seq;
    buf_clear(&store->waiting);
    buf_append(&store->waiting, image, len);
    store->waiting_seq = seq;
    store->has_waiting = true;
    if (!store->is_writing) {
        store_start(store);
    }
}
