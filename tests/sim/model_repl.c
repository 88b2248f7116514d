/* Replication between the model servers. Does not know monitors. */
#include "sim/model_redis.h"

enum {
    REPL_RETRY_MS = 1000,    /* replicationCron */
    REPL_TIMEOUT_MS = 60000, /* repl-timeout */
    REPL_SYNC_MIN_MS = 30,
    REPL_SYNC_MORE_MS = 400,
    REPL_STUCK_MS = 20000, /* how late a replica reads that never catches up */
    REPL_BACKLOG_BYTES = 1 << 20,
};

static void repl_again(struct world *w, struct redis *r, msec_t in_ms)
{
    world_push(w, w->now + in_ms, WORLD_REPL_TRY, r->index, r->repl_generation, 0);
}

bool repl_follows(const struct redis *follower, const struct redis *of)
{
    return follower->is_alive && follower->role == ROLE_REPLICA && of->is_alive &&
           (follower->repl == REPL_ONLINE || follower->repl == REPL_SYNC) &&
           follower->repl_master == of->index &&
           follower->repl_master_incarnation == of->incarnation;
}

void repl_stop(struct world *w, uint16_t server)
{
    struct redis *r = &w->servers[server];

    r->repl = REPL_NONE;
    r->repl_generation++;
    r->flush_pending = false;
}

void repl_begin(struct world *w, uint16_t server)
{
    struct redis *r = &w->servers[server];

    r->repl = REPL_WAIT;
    r->repl_generation++;
    r->flush_pending = false;
    r->repl_down_since = w->now;
    r->repl_silent_since = -1;
    repl_again(w, r, 1);
}

void repl_drop_followers(struct world *w, uint16_t server, bool is_silent)
{
    for (uint16_t i = 0; i < w->servers_count; i++) {
        struct redis *f = &w->servers[i];

        if (is_silent || f->role != ROLE_REPLICA || f->repl_master != server ||
            (f->repl != REPL_ONLINE && f->repl != REPL_SYNC)) {
            continue;
        }
        if (net_path(w, server, i)) { /* else its next look finds out */
            repl_begin(w, i);
        }
    }
}

/* Partial when the replica's history is ours up to where it stands. */
static bool repl_can_continue(const struct redis *r, const struct redis *master)
{
    const struct redis_data *mine = &r->data;
    const struct redis_data *its = &master->data;
    bool is_recent = its->offset - mine->offset <= REPL_BACKLOG_BYTES;

    if (mine->replid == its->replid) {
        return mine->offset <= its->offset && is_recent;
    }
    return mine->replid == its->replid2 && mine->offset + 1 <= its->second_offset && is_recent;
}

static bool repl_is_reachable(const struct world *w, const struct redis *r, struct world_place to)
{
    return to.kind == PLACE_REDIS && to.index != r->index && net_path(w, r->index, to.index) &&
           net_path(w, to.index, r->index) && w->servers[to.index].is_alive;
}

static void repl_attempt(struct world *w, struct redis *r)
{
    struct world_place to = w->places[r->master_addr];

    if (w->now < r->loading_until || !repl_is_reachable(w, r, to) || !redis_serves(w, to.index)) {
        repl_again(w, r, w->now < r->loading_until ? r->loading_until - w->now : REPL_RETRY_MS);
        return;
    }
    struct redis *master = &w->servers[to.index];

    if (master->role == ROLE_REPLICA && master->repl != REPL_ONLINE) {
        repl_again(w, r, REPL_RETRY_MS); /* -NOMASTERLINK */
        return;
    }
    r->repl_master = to.index;
    r->repl_master_incarnation = master->incarnation;
    r->repl_silent_since = -1;
    if (repl_can_continue(r, master)) {
        r->repl = REPL_ONLINE;
        if (r->data.replid != master->data.replid) {
            r->data.replid2 = r->data.replid;
            r->data.second_offset = r->data.offset + 1;
            r->data.replid = master->data.replid;
            repl_drop_followers(w, r->index, false);
        }
        STORY(w, r->name, "partial resync with %s at offset %lld", master->name,
              (long long)r->data.offset);
        repl_feed(w, to.index);
        repl_again(w, r, REPL_RETRY_MS);
    } else {
        msec_t takes = REPL_SYNC_MIN_MS + (msec_t)world_random(w, REPL_SYNC_MORE_MS);

        r->repl = REPL_SYNC;
        STORY(w, r->name, "full resync with %s: %lld keys to be dropped", master->name,
              (long long)r->data.keys);
        world_push(w, w->now + takes, WORLD_REPL_DONE, r->index, r->repl_generation, 0);
    }
}

/* A look once a second at a link that stands: is the other side still the process we knew? */
static void repl_watch(struct world *w, struct redis *r)
{
    const struct redis *master = &w->servers[r->repl_master];
    bool is_open = net_path(w, r->index, master->index) && net_path(w, master->index, r->index);

    if (is_open && !repl_follows(r, master)) {
        repl_begin(w, r->index);
        return;
    }
    if (is_open && !master->is_paused) {
        r->repl_silent_since = -1;
    } else if (r->repl_silent_since < 0) {
        r->repl_silent_since = w->now;
    } else if (w->now - r->repl_silent_since > REPL_TIMEOUT_MS) {
        repl_begin(w, r->index);
        return;
    }
    repl_again(w, r, REPL_RETRY_MS);
}

void repl_try(struct world *w, uint16_t server, uint32_t generation)
{
    struct redis *r = &w->servers[server];

    if (r->repl_generation != generation || !r->is_alive) {
        return;
    }
    if (r->is_paused) {
        repl_again(w, r, 100);
        return;
    }
    switch (r->repl) {
    case REPL_WAIT:
        repl_attempt(w, r);
        break;
    case REPL_ONLINE:
        repl_watch(w, r);
        break;
    case REPL_SYNC: /* REPL_DONE ends it */
    case REPL_NONE:
        break;
    }
}

void repl_done(struct world *w, uint16_t server, uint32_t generation)
{
    struct redis *r = &w->servers[server];

    if (r->repl_generation != generation || !r->is_alive || r->repl != REPL_SYNC) {
        return;
    }
    const struct redis *master = &w->servers[r->repl_master];

    if (r->is_paused || master->is_paused) {
        world_push(w, w->now + 100, WORLD_REPL_DONE, server, generation, 0);
        return;
    }
    if (!repl_follows(r, master) ||
        !repl_is_reachable(w, r, (struct world_place){PLACE_REDIS, master->index})) {
        repl_begin(w, server);
        return;
    }
    r->data = master->data;
    r->data.replid2 = 0;
    r->data.second_offset = -1;
    r->repl = REPL_ONLINE;
    STORY(w, r->name, "full resync with %s done, offset %lld", master->name,
          (long long)r->data.offset);
    repl_drop_followers(w, server, false);
    repl_again(w, r, REPL_RETRY_MS);
}

void repl_feed(struct world *w, uint16_t server)
{
    uint16_t each = (uint16_t)(1 + w->config.replicas);
    bool is_big = w->servers_count > 32;
    uint16_t from = is_big ? (uint16_t)(server / each * each) : 0;
    uint16_t to = is_big ? (uint16_t)(from + each) : w->servers_count;

    for (uint16_t i = from; i < to; i++) {
        struct redis *f = &w->servers[i];

        if (f->repl == REPL_ONLINE && !f->flush_pending && repl_follows(f, &w->servers[server])) {
            f->flush_pending = true;
            world_push(w, w->now + net_delay(w, server, i) + (f->is_stuck ? REPL_STUCK_MS : 0),
                       WORLD_REPL_FLUSH, i, f->repl_generation, 0);
        }
    }
}

void repl_flush(struct world *w, uint16_t server, uint32_t generation)
{
    struct redis *r = &w->servers[server];
    const struct redis *master = &w->servers[r->repl_master];

    if (r->repl_generation != generation || !r->is_alive || r->repl != REPL_ONLINE) {
        return;
    }
    r->flush_pending = false;
    if (!repl_follows(r, master)) {
        return;
    }
    if (r->is_paused || !net_path(w, master->index, server)) {
        r->flush_pending = true;
        world_push(w, w->now + WORLD_RETRANSMIT_MS, WORLD_REPL_FLUSH, server, generation, 0);
        return;
    }
    if (r->data.replid == master->data.replid && r->data.offset < master->data.offset) {
        r->data.offset = master->data.offset;
        r->data.keys = master->data.keys;
        repl_feed(w, server);
    }
}
