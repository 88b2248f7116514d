/* Who shares a connection with whom. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "router/relay.h"

enum {
    PROFILE_BUSY = 64, /* requests under way, from which on a second shared connection helps */
    PROFILE_UNUSED_MS = 60000, /* a profile nobody used so long is forgotten */
};

/* ---- identities ---- */

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static char *copy_text(const char *text)
{
    char *copy = text == NULL ? NULL : strdup(text);

    ASSERT((copy == NULL) == (text == NULL));
    return copy;
}

struct identity *identity_get(struct worker *w, const char *user, const char *password)
{
    for (struct identity *i = w->identities; i != NULL; i = i->next) {
        if (same_text(i->user, user) && same_text(i->password, password)) {
            i->users++;
            return i;
        }
    }
    struct identity *i = memory_zeroed(sizeof(*i));
    *i = (struct identity){.next = w->identities, .users = 1};
    i->user = copy_text(user);
    i->password = copy_text(password);
    w->identities = i;
    return i;
}

void identity_put(struct worker *w, struct identity *i)
{
    if (i == NULL || --i->users > 0) {
        return;
    }
    for (struct identity **at = &w->identities; *at != NULL; at = &(*at)->next) {
        if (*at == i) {
            *at = i->next;
            break;
        }
    }
    if (i->password != NULL) {
        explicit_bzero(i->password, strlen(i->password));
    }
    free(i->user);
    free(i->password);
    free(i);
}

/* ---- profiles ---- */

struct profile *profile_get(struct worker *w, enum target target, struct identity *identity,
                            enum resp_version version, int database)
{
    for (struct profile *p = w->profiles; p != NULL; p = p->next) {
        if (p->identity == identity && p->database == database && p->version == version &&
            p->target == target) {
            p->sessions++;
            return p;
        }
    }
    if (w->profiles_count == RELAY_PROFILES_MAX) {
        profiles_tidy(w, MSEC_NEVER);
    }
    if (w->profiles_count == RELAY_PROFILES_MAX) {
        return NULL;
    }
    struct profile *p = memory_zeroed(sizeof(*p));
    *p = (struct profile){.next = w->profiles,
                          .worker = w,
                          .identity = identity,
                          .target = target,
                          .version = version,
                          .database = database,
                          .sessions = 1,
                          .used_at_ms = worker_now(w)};
    identity->users++;
    w->profiles = p;
    w->profiles_count++;
    return p;
}

void profile_put(struct profile *p)
{
    if (p != NULL) {
        p->sessions--;
        p->used_at_ms = worker_now(p->worker);
    }
}

static void profile_free(struct profile *p)
{
    identity_put(p->worker, p->identity);
    free(p->refusal);
    buf_finish(&p->hello);
    buf_finish(&p->info);
    free(p);
}

/* ---- its shared backends ---- */

/* Two to the master; to replicas one for each, so that all have a part. */
static size_t profile_slots(const struct profile *p)
{
    size_t replicas = p->worker->route.replicas_count;

    if (p->target == TARGET_MASTER || replicas <= RELAY_SHARED_MAX) {
        return RELAY_SHARED_MAX;
    }
    return replicas < RELAY_SHARED_SLOTS ? replicas : RELAY_SHARED_SLOTS;
}

struct backend *profile_shared(struct profile *p)
{
    struct backend *best = NULL;
    size_t slots = profile_slots(p);
    size_t slot = slots;
    bool is_opening = false;
    bool spreads = p->target == TARGET_REPLICAS;
    size_t first = spreads ? p->next_shared++ : 0; /* of equals another each time */

    for (size_t i = 0; i < slots; i++) {
        size_t at = (first + i) % slots;
        struct backend *b = p->shared[at];
        if (b == NULL) {
            slot = slot == slots ? at : slot;
        } else if (b->phase == BACKEND_CONNECTING) {
            is_opening = true;
        } else if (backend_is_usable(b) && (best == NULL || b->count < best->count)) {
            best = b;
        }
    }
    bool wants_one = best == NULL || best->count >= PROFILE_BUSY || spreads;
    if (wants_one && slot < slots && !is_opening) {
        p->next_replica = spreads ? slot : p->next_replica;
        p->shared[slot] = backend_open(p, NULL);
        if (p->shared[slot] != NULL) {
            p->shared[slot]->is_shared = true;
        }
    }
    return best;
}

bool profile_is_full(const struct profile *p)
{
    bool is_full = false;

    for (size_t i = 0; i < COUNT_OF(p->shared); i++) {
        const struct backend *b = p->shared[i];
        if (b != NULL && backend_is_usable(b)) {
            return false;
        }
        is_full = is_full || (b != NULL && backend_is_full(b));
    }
    return is_full;
}

/* ---- those of their own ---- */

struct backend *profile_take_idle(struct profile *p)
{
    while (p->idle != NULL) {
        struct backend *b = p->idle;
        p->idle = b->next_idle;
        p->idle_count--;
        b->next_idle = NULL;
        if (backend_is_usable(b)) {
            return b;
        }
        backend_close(b);
    }
    return NULL;
}

void profile_give_idle(struct profile *p, struct backend *b)
{
    b->owner = NULL;
    b->profile = p;
    if (b->is_dirty || b->is_retired || p->idle_count == RELAY_IDLE_MAX || !backend_is_usable(b)) {
        if (b->count > 0) {
            backend_retire(b);
        } else {
            backend_close(b);
        }
        return;
    }
    b->used_at_ms = worker_now(p->worker);
    b->next_idle = p->idle;
    p->idle = b;
    p->idle_count++;
}

void profile_forget(struct profile *p, struct backend *b)
{
    for (size_t i = 0; i < RELAY_SHARED_SLOTS; i++) {
        if (p->shared[i] == b) {
            p->shared[i] = NULL;
        }
    }
    if (p->prover == b) {
        p->prover = NULL;
    }
    for (struct backend **at = &p->idle; *at != NULL; at = &(*at)->next_idle) {
        if (*at == b) {
            *at = b->next_idle;
            p->idle_count--;
            break;
        }
    }
}

/* ---- what goes after a while ---- */

static void profile_tidy_backends(struct profile *p, msec_t now_ms)
{
    static const char ping[] = "*1\r\n$4\r\nPING\r\n";

    for (size_t i = 0; i < RELAY_SHARED_SLOTS; i++) {
        struct backend *b = p->shared[i];
        if (b != NULL && b->phase == BACKEND_READY && b->count == 0 &&
            now_ms - b->used_at_ms > RELAY_KEEPALIVE_MS) {
            backend_ask(b, ping, sizeof(ping) - 1, 1);
        }
    }
    for (struct backend *b = p->idle; b != NULL;) {
        struct backend *next = b->next_idle;
        if (now_ms - b->used_at_ms > RELAY_IDLE_MS) {
            backend_close(b);
        }
        b = next;
    }
}

static bool profile_has_backends(const struct profile *p)
{
    for (const struct backend *b = p->worker->backends; b != NULL; b = b->next) {
        if (b->profile == p) {
            return true;
        }
    }
    return false;
}

static void profile_close_backends(struct profile *p)
{
    for (size_t i = 0; i < RELAY_SHARED_SLOTS; i++) {
        if (p->shared[i] != NULL && p->shared[i]->count == 0) {
            backend_close(p->shared[i]);
        }
    }
    while (p->idle != NULL) {
        backend_close(p->idle);
    }
}

/* now_ms MSEC_NEVER: room is needed, so all that nobody uses go. */
void profiles_tidy(struct worker *w, msec_t now_ms)
{
    for (struct profile **at = &w->profiles; *at != NULL;) {
        struct profile *p = *at;
        bool is_unused = p->sessions == 0 &&
                         (now_ms == MSEC_NEVER || now_ms - p->used_at_ms > PROFILE_UNUSED_MS);
        if (is_unused) {
            profile_close_backends(p);
        } else if (now_ms != MSEC_NEVER) {
            profile_tidy_backends(p, now_ms);
        }
        if (is_unused && !profile_has_backends(p)) {
            *at = p->next;
            w->profiles_count--;
            profile_free(p);
        } else {
            at = &p->next;
        }
    }
}

void profiles_close(struct worker *w)
{
    while (w->backends != NULL) {
        backend_close(w->backends);
    }
    while (w->profiles != NULL) {
        struct profile *p = w->profiles;
        w->profiles = p->next;
        profile_free(p);
    }
    w->profiles_count = 0;
}
