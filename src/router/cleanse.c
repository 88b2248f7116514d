/*
 * A cache after writes were lost: a deleted price that is back is wrong for ever. The keys written
 * lately are deleted on the new master before anything is read there; databases of which we cannot
 * know the keys are flushed. While that runs requests wait.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "loop/log.h"
#include "router/relay.h"

enum {
    CLEANSE_KEYS_EACH = 256, /* keys of one UNLINK */
};

/* What one database is told, on a connection of its own. */
struct cleanse {
    struct cleanse *next;
    struct profile *profile;
    struct backend *backend; /* NULL: to be opened */
    int database;
    struct buf commands;
    uint16_t commands_count;
    struct buf keys;  /* bulks of the UNLINK that is being made */
    struct buf names; /* all keys: the length of each (size_t), then its bytes */
    bool is_flushed;
    size_t keys_count;
    bool is_sent;
};

/* ---- remembering ---- */

struct noting {
    struct session *session;
    msec_t now_ms;
};

static void note_key(void *ctx, const char *key, size_t len)
{
    const struct noting *noting = ctx;

    journal_add(noting->session->worker->journal, noting->session->database, key, len,
                noting->now_ms);
}

/* A script could too, but those of caches do not, and the price would be every database. */
static bool reaches_other_databases(const struct command *command)
{
    static const char *const names[] = {"FLUSHALL", "SWAPDB", "MOVE", "COPY"};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(command->name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* What holds sessions is no cache: a lost write there is lost, but nothing may be deleted. */
static bool database_is_spared(const struct worker *w, int database)
{
    return database < ROUTER_DATABASES_MAX && w->conf->session_databases[database];
}

void cleanse_note(struct session *s, const struct request *r)
{
    struct worker *w = s->worker;
    struct noting noting = {.session = s, .now_ms = w->master_alive_ms};

    if (w->journal == NULL || s->endpoint->target != TARGET_MASTER ||
        !command_is_write(r->command, r->bytes, r->len)) {
        return;
    }
    if (database_is_spared(w, s->database)) {
        return;
    }
    if (command_names_keys(r->command, r->bytes, r->len)) {
        (void)command_each_written_key(r->command, r->bytes, r->len, note_key, &noting);
    } else if (reaches_other_databases(r->command)) {
        journal_unknown(w->journal, -1, noting.now_ms);
    } else if (r->command->first_key != 0 || (r->command->flags & COMMAND_KEYS_UNKNOWN) != 0) {
        journal_unknown(w->journal, s->database, noting.now_ms);
    }
}

/* ---- the commands ---- */

static struct cleanse *cleanse_of(struct worker *w, int database)
{
    for (struct cleanse *c = w->cleanses; c != NULL; c = c->next) {
        if (c->database == database) {
            return c;
        }
    }
    struct profile *p = profile_get(w, TARGET_MASTER, w->own, RESP_2, database);
    if (p == NULL) {
        log_warning("database %d cannot be cleansed: too many users and databases", database);
        return NULL;
    }
    struct cleanse *c = memory_zeroed(sizeof(*c));
    *c = (struct cleanse){.next = w->cleanses, .profile = p, .database = database};
    w->cleanses = c;
    return c;
}

static void cleanse_end_unlink(struct cleanse *c)
{
    if (c->keys_count > 0) {
        buf_printf(&c->commands, "*%zu\r\n$6\r\nUNLINK\r\n", c->keys_count + 1);
        buf_append(&c->commands, buf_data(&c->keys), c->keys.len);
        buf_clear(&c->keys);
        c->commands_count++;
        c->keys_count = 0;
    }
}

static void cleanse_flush_one(struct worker *w, int database)
{
    struct cleanse *c = database_is_spared(w, database) ? NULL : cleanse_of(w, database);

    if (c != NULL) {
        RESP_COMMAND(&c->commands, "FLUSHDB", "ASYNC");
        c->is_flushed = true;
        c->commands_count++;
        COUNT_ADD(w, cleansed_flushes, 1);
        log_warning(
            "a write may be lost whose keys are not known: database %d is flushed on the new "
            "master",
            database);
    }
}

/* All are those that clients of this router have used. */
static void cleanse_flush(void *ctx, int database)
{
    struct worker *w = ctx;

    if (database >= 0) {
        cleanse_flush_one(w, database);
        return;
    }
    for (int i = 0; i < w->databases_known; i++) {
        cleanse_flush_one(w, i);
    }
}

static void cleanse_key(void *ctx, int database, const char *key, size_t len)
{
    struct worker *w = ctx;
    struct cleanse *c = cleanse_of(w, database);

    if (c != NULL) {
        resp_write_bulk(&c->keys, key, len);
        buf_append(&c->names, &len, sizeof(len));
        buf_append(&c->names, key, len);
        c->keys_count++;
        COUNT_ADD(w, cleansed_keys, 1);
        if (c->keys_count == CLEANSE_KEYS_EACH) {
            cleanse_end_unlink(c);
        }
    }
}

static void cleanse_free(struct cleanse *c)
{
    profile_put(c->profile);
    buf_finish(&c->commands);
    buf_finish(&c->keys);
    buf_finish(&c->names);
    free(c);
}

/* Should this master be lost too before a replica has that, it is done again at the next. */
static void cleanse_remember(struct worker *w, struct cleanse *c)
{
    if (c->is_flushed) {
        journal_unknown(w->journal, c->database, w->master_alive_ms);
    }
    while (c->names.len > 0) {
        size_t len = 0;
        memcpy(&len, buf_data(&c->names), sizeof(len));
        buf_take(&c->names, sizeof(len));
        journal_add(w->journal, c->database, buf_data(&c->names), len, w->master_alive_ms);
        buf_take(&c->names, len);
    }
}

void cleanse_begin(struct worker *w)
{
    if (w->journal == NULL) {
        return;
    }
    w->is_doubtful = false;
    size_t keys = journal_drain(w->journal, w->master_alive_ms, cleanse_flush, cleanse_key, w);
    for (struct cleanse *c = w->cleanses; c != NULL; c = c->next) {
        cleanse_end_unlink(c);
        cleanse_remember(w, c);
        if (c->backend != NULL) { /* from before: what it was told is told again with the rest */
            struct backend *b = c->backend;
            c->backend = NULL;
            backend_close(b);
        }
        c->is_sent = false;
    }
    if (keys > 0) {
        log_notice("%zu keys written lately are deleted on the new master", keys);
    }
    cleanse_push(w);
}

/* Opens what is to be opened. Also called on ticks, for attempts that failed. */
void cleanse_push(struct worker *w)
{
    for (struct cleanse *c = w->cleanses; c != NULL; c = c->next) {
        if (c->backend == NULL) {
            c->backend = backend_open(c->profile, NULL);
        }
    }
}

void cleanse_on_ready(struct worker *w, struct backend *b)
{
    for (struct cleanse *c = w->cleanses; c != NULL; c = c->next) {
        if (c->backend == b && !c->is_sent) {
            c->is_sent = true;
            backend_ask(b, buf_data(&c->commands), c->commands.len, c->commands_count);
        }
    }
}

void cleanse_on_gone(struct worker *w, const struct backend *b)
{
    for (struct cleanse *c = w->cleanses; c != NULL; c = c->next) {
        if (c->backend == b) {
            c->backend = NULL;
            c->is_sent = false;
            worker_tick_soon(w);
        }
    }
}

void cleanse_on_idle(struct worker *w, struct backend *b)
{
    for (struct cleanse **at = &w->cleanses; *at != NULL; at = &(*at)->next) {
        struct cleanse *c = *at;
        if (c->backend == b && c->is_sent) {
            *at = c->next;
            c->backend = NULL;
            profile_give_idle(c->profile, b);
            cleanse_free(c);
            break;
        }
    }
    if (w->cleanses != NULL || w->journal == NULL) {
        return;
    }
    if (w->cleansed[w->index] != w->route.generation) {
        cleanse_note_done(w);
    }
    if (w->held_first != NULL) {
        session_release_held(w, MSEC_NEVER);
    }
}

void cleanse_note_done(struct worker *w)
{
    __atomic_store_n(&w->cleansed[w->index], w->route.generation, __ATOMIC_RELEASE);
    if (w->journal != NULL && w->conf->threads > 1) {
        loop_post(w->control, w->on_cleansed, w->router);
    }
}

/* Each worker remembers what its own clients wrote, so all must be done before one may read. */
bool cleanse_is_done(const struct worker *w)
{
    if (w->journal == NULL || w->cleanses != NULL) {
        return w->journal == NULL;
    }
    for (unsigned i = 0; i < w->conf->threads; i++) {
        if (__atomic_load_n(&w->cleansed[i], __ATOMIC_ACQUIRE) < w->route.generation) {
            return false;
        }
    }
    return true;
}

void cleanse_finish(struct worker *w)
{
    while (w->cleanses != NULL) {
        struct cleanse *c = w->cleanses;
        w->cleanses = c->next;
        cleanse_free(c);
    }
}
