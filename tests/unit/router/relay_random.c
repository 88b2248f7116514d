/*
 * The relay in worlds of chance: clients that ask anything, servers that crash, hang, change their
 * role and refuse, routes that come late, readers that do not read. A fake loop, models of Redis
 * and of clients; one thread, virtual time. What must hold after every step:
 *
 *   each request has one answer, in order, and nobody gets another's (tags in keys and answers)
 *   what is told as done was done once; what is told as not done never is; what can be told as
 *       unknown is told so only for writes, and is done once at most, unless it may be done twice
 *   a write never reaches a master that was replaced; a watched key never changes unseen
 *   no reply that says that a server cannot serve reaches a client
 *   nobody is closed but for a reason
 *
 * and when all is healed: everything is answered, subscriptions live, all memory is given back.
 *
 *   relay_random --seeds N [--from SEED] [--steps N] [--verbose]
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "fake_loop.h"
#include "loop/log.h"
#include "relay_client.h"
#include "relay_site.h"
#include "router/worker.h"

enum {
    STEPS_DEFAULT = 600,
    HEAL_MS = 6000,  /* hold, connect timeout and retries, twice over */
    SETTLE_MS = 300, /* connections are made again, keys are deleted */
    /* Beyond the hold. So much because a pipeline of reads and writes waits anew for each write
     * while only writes are held. */
    ANSWER_SLACK_MS = 2000,
};

struct world {
    uint64_t seed;
    struct prng prng;
    struct site site;
    struct client clients[SITE_CLIENTS];
    struct client_stats stats;
    struct worker worker;
    struct router_conf conf;
    struct route route;
    struct worker_totals totals;
    uint64_t cleansed; /* the generation for which the only worker is done */
    bool is_switching; /* a planned failover waits until writes in flight are done */
    size_t next_master;
    msec_t route_at_ms; /* when the route catches up with the truth; 0: it has */
    bool is_verbose;
};

static struct world *the_world; /* site_fault() and assert_fail() name its seed */

_Noreturn void site_fault(const char *format, ...)
{
    va_list args;

    (void)fflush(stdout);
    (void)fprintf(stderr, "seed %llu: ", (unsigned long long)the_world->seed);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fprintf(stderr, "\nagain: relay_random --seeds 1 --from %llu --verbose\n",
                  (unsigned long long)the_world->seed);
    _Exit(1);
}

static uint64_t below(struct world *w, uint64_t bound)
{
    return prng_below(&w->prng, bound);
}

static void tell(const struct world *w, const char *what, size_t server)
{
    if (w->is_verbose) {
        (void)printf("%lld: %s %zu\n", (long long)loop_now(w->worker.loop) - 1000000, what, server);
    }
}

/* ---- the beginning ---- */

static void on_control(void *ctx)
{
    (void)ctx; /* the control thread's part is played by chance */
}

static void world_conf(struct world *w)
{
    static const enum router_when_down downs[] = {ROUTER_DOWN_ERROR, ROUTER_DOWN_ERROR,
                                                  ROUTER_DOWN_ERROR, ROUTER_DOWN_MISS,
                                                  ROUTER_DOWN_CLOSE};

    router_conf_init(&w->conf);
    (void)snprintf(w->conf.master, sizeof(w->conf.master), "mymaster");
    w->conf.when_down = downs[below(w, COUNT_OF(downs))];
    w->conf.retry_writes = below(w, 2) == 0 ? ROUTER_RETRY_NONE : ROUTER_RETRY_IDEMPOTENT;
    w->conf.info_cache_ms = below(w, 2) == 0 ? 0 : 500;
    w->conf.is_cache = w->conf.when_down == ROUTER_DOWN_MISS || below(w, 4) == 0;
    w->conf.hold_ms = below(w, 3) == 0 ? 150 : 800;
    if (below(w, 6) == 0) {
        w->conf.hold_max_bytes = 400;
    }
}

static void world_open(struct world *w)
{
    static const struct router_listen listen = {.at = {.ip = "127.0.0.1", .port = 7000}};
    static const struct worker_socket socket = {.listen = &listen, .fd = 5};
    static const struct router_secrets secrets;
    struct worker_plan plan = {.on_trouble = on_control,
                               .on_drained = on_control,
                               .on_cleansed = on_control,
                               .cleansed = &w->cleansed,
                               .totals = &w->totals,
                               .conf = &w->conf,
                               .secrets = &secrets,
                               .sockets = &socket,
                               .sockets_count = 1};
    struct err err;

    world_conf(w);
    site_init(&w->site, prng_next(&w->prng));
    w->site.is_cache = w->conf.is_cache;
    w->site.is_verbose = w->is_verbose;
    bool is_open = worker_open(&w->worker, &plan, &err);
    ASSERT(is_open);
    w->worker.control = w->worker.loop;
    if (below(w, 3) == 0) { /* connections that are soon full */
        w->worker.log_max_bytes = 200;
        w->worker.owed_max_bytes = 100;
    }
    fake_seed(w->worker.loop, prng_next(&w->prng));
    fake_watch_connects(w->worker.loop, site_on_connect, &w->site);
    for (int i = 0; i < SITE_CLIENTS; i++) {
        client_init(&w->clients[i], i, &w->site, &w->stats);
        w->clients[i].may_close = w->conf.when_down == ROUTER_DOWN_CLOSE;
        w->clients[i].may_miss = w->conf.when_down == ROUTER_DOWN_MISS;
        w->clients[i].may_forget = w->conf.is_cache;
    }
}

/* ---- what happens ---- */

static void route_follow(struct world *w, enum route_state state, bool is_new)
{
    w->route.state = state;
    w->route.master = w->site.servers[w->site.truth].addr;
    w->route.generation += is_new;
    w->route.since_ms = loop_now(w->worker.loop);
    tell(w, route_state_text(state), w->site.truth);
    worker_follow(&w->worker, &w->route);
}

/* Another server is the master. The old one does as a crashed, cut off or demoted one does: it
 * never executes what comes now. */
static void fail_over(struct world *w)
{
    struct server *old = &w->site.servers[w->site.truth];
    size_t next = (w->site.truth + 1 + below(w, SITE_SERVERS - 1)) % SITE_SERVERS;
    struct server *new = &w->site.servers[next];

    if (!new->is_up || new->is_hung) {
        return;
    }
    tell(w, "failover to", next);
    if (old->is_hung) {
        server_crash(old);
    }
    server_set_master(old, false);
    w->site.truth = next;
    server_set_master(new, true);
    new->is_loading = false;
    w->route_at_ms = loop_now(w->worker.loop) + (msec_t)below(w, 3) * 60;
    if (below(w, 3) == 0) {
        route_follow(w, ROUTE_UNKNOWN, false);
    }
}

static void planned_begin(struct world *w)
{
    size_t next = (w->site.truth + 1 + below(w, SITE_SERVERS - 1)) % SITE_SERVERS;
    const struct server *old = &w->site.servers[w->site.truth];

    if (w->route_at_ms != 0 || !w->site.servers[next].is_up || w->site.servers[next].is_hung ||
        !old->is_up || old->is_hung || w->route.state == ROUTE_UNKNOWN) {
        return;
    }
    w->is_switching = true;
    w->next_master = next;
    route_follow(w, ROUTE_HOLD_WRITES, false);
}

/* When the old master has done all that it got, the new one takes over, and the old one goes on as
 * a master: whoever writes there now, loses. */
static void planned_go_on(struct world *w)
{
    struct server *new = &w->site.servers[w->next_master];

    if (!site_is_idle(&w->site, w->site.truth) || !new->is_up || new->is_hung) {
        return;
    }
    w->is_switching = false;
    tell(w, "planned failover to", w->next_master);
    w->site.truth = w->next_master;
    server_set_master(new, true);
    new->is_loading = false;
    new->has_no_replicas = false;
    w->route_at_ms = loop_now(w->worker.loop) + (msec_t)below(w, 3) * 30;
}

static void happen_to_server(struct world *w)
{
    size_t which = below(w, 3) > 0 ? w->site.truth : (size_t)below(w, SITE_SERVERS);
    struct server *s = &w->site.servers[which];

    switch (below(w, 8)) {
    case 0:
        tell(w, "crash", which);
        server_crash(s);
        s->is_up = below(w, 2) == 0; /* or a supervisor has it back at once */
        break;
    case 1:
        tell(w, "up", which);
        s->is_up = true;
        s->is_hung = false;
        break;
    case 2:
        tell(w, s->is_hung ? "goes on" : "hangs", which);
        s->is_hung = !s->is_hung;
        break;
    case 3:
        tell(w, "loads or not", which);
        s->is_loading = !s->is_loading;
        break;
    case 4:
        tell(w, "no replicas or some", which);
        s->has_no_replicas = !s->has_no_replicas;
        break;
    default:
        tell(w, "drops one of", which);
        server_drop_some(s);
        break;
    }
}

static void happen_to_client(struct world *w)
{
    struct client *c = &w->clients[below(w, SITE_CLIENTS)];

    if (c->conn == NULL) {
        return;
    }
    if (below(w, 3) == 0) {
        client_vanish(c);
    } else { /* reads nothing, or slowly, or as it comes */
        static const size_t windows[] = {0, 100, FAKE_WINDOW_BYTES};
        c->conn->window = windows[below(w, COUNT_OF(windows))];
        c->was_slow = true;
    }
}

static void happen(struct world *w)
{
    switch (below(w, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        happen_to_server(w);
        break;
    case 4:
    case 5:
        if (!w->is_switching) {
            fail_over(w);
        }
        break;
    case 6:
        if (!w->is_switching) {
            planned_begin(w);
        }
        break;
    case 7:
        if (!w->is_switching && w->route_at_ms == 0) {
            route_follow(w, below(w, 2) == 0 ? ROUTE_OPEN : ROUTE_UNKNOWN, below(w, 2) == 0);
        }
        break;
    default:
        happen_to_client(w);
        break;
    }
}

/* ---- what must be so between two turns ---- */

/* All that a session has in flight is on its backend, and is counted. */
static void check_session(const struct world *w, const struct session *s)
{
    uint32_t in_flight = 0;

    for (const struct backend *b = w->worker.backends; b != NULL; b = b->next) {
        for (uint32_t i = 0; i < b->count; i++) {
            bool is_its = b->ring[(b->head + i) & (b->capacity - 1)].session == s;
            in_flight += is_its;
            if (is_its && s->backend != b) {
                site_fault("session %llu has a request in flight elsewhere",
                           (unsigned long long)s->id);
            }
        }
        if (b->owner == s && s->backend != b) {
            site_fault("session %llu owns a backend it does not know", (unsigned long long)s->id);
        }
    }
    if (in_flight != s->in_flight) {
        site_fault("session %llu counts %u in flight, and has %u", (unsigned long long)s->id,
                   s->in_flight, in_flight);
    }
}

static void check_structure(const struct world *w)
{
    size_t count = 0;

    for (const struct session *s = w->worker.sessions; s != NULL; s = s->next) {
        check_session(w, s);
        count++;
    }
    if (count != w->worker.sessions_count || count != w->worker.counts.clients) {
        site_fault("%zu sessions, and %zu counted", count, w->worker.sessions_count);
    }
    for (const struct backend *b = w->worker.backends; b != NULL; b = b->next) {
        size_t bytes = 0;
        for (uint32_t i = 0; i < b->count; i++) {
            const struct flight *f = &b->ring[(b->head + i) & (b->capacity - 1)];
            bytes += f->len;
            if (f->session != NULL && f->session->is_gone) {
                site_fault("a request in flight of a client that has gone");
            }
        }
        if (bytes != b->log.len) {
            site_fault("%zu bytes of requests, and %zu in the log", bytes, b->log.len);
        }
    }
}

/* ---- steps ---- */

static void world_turn(struct world *w)
{
    struct loop *loop = w->worker.loop;
    msec_t now_ms = loop_now(loop);

    site_turn(&w->site, now_ms);
    if (w->is_switching) {
        planned_go_on(w);
    }
    if (w->route_at_ms != 0 && now_ms >= w->route_at_ms) {
        w->route_at_ms = 0;
        route_follow(w, ROUTE_OPEN, true);
    }
    fake_turn(loop);
    check_structure(w);
    fake_advance(loop, below(w, 20) == 0 ? (msec_t)below(w, 40) : (msec_t)below(w, 3));
}

static void world_step(struct world *w)
{
    struct loop *loop = w->worker.loop;

    if (below(w, 15) == 0) {
        happen(w);
    }
    if (below(w, 10) == 0) {
        site_publish(&w->site, (int)below(w, SITE_CLIENTS), (int)below(w, SITE_CHANNELS));
    }
    for (int i = 0; i < SITE_CLIENTS; i++) {
        struct client *c = &w->clients[i];
        if (c->conn == NULL && below(w, 10) == 0) {
            client_connect(c, loop);
        }
        client_turn(c, loop_now(loop));
    }
    world_turn(w);
}

/* ---- the end ---- */

static void world_heal(struct world *w)
{
    for (size_t i = 0; i < SITE_SERVERS; i++) {
        struct server *s = &w->site.servers[i];
        s->is_up = true;
        s->is_hung = false;
        s->is_loading = false;
        s->has_no_replicas = false;
        server_set_master(s, i == w->site.truth);
    }
    w->is_switching = false;
    w->route_at_ms = 0;
    route_follow(w, ROUTE_OPEN, true);
    for (int i = 0; i < SITE_CLIENTS; i++) {
        if (w->clients[i].conn != NULL) {
            w->clients[i].conn->window = FAKE_WINDOW_BYTES;
        }
    }
}

static bool world_is_quiet(struct world *w)
{
    for (int i = 0; i < SITE_CLIENTS; i++) {
        if (!client_is_idle(&w->clients[i])) {
            return false;
        }
    }
    return true;
}

static void world_wait_until_quiet(struct world *w, const char *what)
{
    msec_t until_ms = loop_now(w->worker.loop) + HEAL_MS;

    while (!world_is_quiet(w)) {
        for (int i = 0; i < SITE_CLIENTS; i++) {
            const struct client *c = &w->clients[i];
            if (loop_now(w->worker.loop) > until_ms && !client_is_idle(c)) {
                site_fault("client %d: %s: %zu answers (ask %d, seq %u) and %zu bytes do not go", i,
                           what, c->count, c->count > 0 ? (int)c->expects[c->first].ask : -1,
                           c->expects[c->first].seq, c->to_send.len);
            }
            client_listen(&w->clients[i], loop_now(w->worker.loop));
        }
        world_turn(w);
    }
}

/* A message of each channel reaches who subscribed. */
static void world_check_subscriptions(struct world *w)
{
    msec_t until_ms = loop_now(w->worker.loop) + HEAL_MS;

    for (int i = 0; i < SITE_CLIENTS; i++) {
        struct client *c = &w->clients[i];
        memset(c->heard, 0, sizeof(c->heard));
        for (int j = 0; j < SITE_CHANNELS; j++) {
            while (c->conn != NULL && !c->is_unsure && c->subscribed[j] && !c->heard[j]) {
                if (loop_now(w->worker.loop) > until_ms) {
                    site_fault("client %d: nothing comes on channel %d", i, j);
                }
                site_publish(&w->site, i, j);
                for (int k = 0; k < SITE_CLIENTS; k++) {
                    client_listen(&w->clients[k], loop_now(w->worker.loop));
                }
                world_turn(w);
            }
        }
    }
}

static void world_check_service(struct world *w, bool may_err)
{
    uint64_t errors = w->stats.errors_nothing;
    msec_t until_ms = loop_now(w->worker.loop) + SETTLE_MS;

    while (loop_now(w->worker.loop) < until_ms) {
        for (int i = 0; i < SITE_CLIENTS; i++) {
            client_listen(&w->clients[i], loop_now(w->worker.loop));
        }
        world_turn(w);
    }
    for (int i = 0; i < SITE_CLIENTS; i++) {
        struct client *c = &w->clients[i];
        if (c->conn == NULL) {
            client_connect(c, w->worker.loop);
        }
        if (!client_is_subscribed(c) && !c->is_leaving) {
            client_ask_tag(c, loop_now(w->worker.loop));
        }
    }
    world_wait_until_quiet(w, "after all was healed");
    if (!may_err && errors != w->stats.errors_nothing) {
        site_fault("an error for want of a master that has been there");
    }
}

static void world_close(struct world *w)
{
    for (int i = 0; i < SITE_CLIENTS; i++) {
        client_vanish(&w->clients[i]);
    }
    msec_t until_ms =
        loop_now(w->worker.loop) + HEAL_MS; /* who waits is not read, and looked for */
    do {
        world_turn(w);
    } while (w->worker.sessions != NULL && loop_now(w->worker.loop) < until_ms);
    const struct router_counts *counts = &w->worker.counts;
    if (w->totals.clients != 0 || w->totals.strangers != 0 || w->totals.held_bytes != 0) {
        site_fault("left in the totals: %u clients, %u strangers, %llu bytes", w->totals.clients,
                   w->totals.strangers, (unsigned long long)w->totals.held_bytes);
    }
    if (counts->clients != 0 || counts->held != 0 || counts->held_bytes != 0 ||
        w->worker.sessions != NULL) {
        site_fault("left: %llu clients, %llu held with %llu bytes",
                   (unsigned long long)counts->clients, (unsigned long long)counts->held,
                   (unsigned long long)counts->held_bytes);
    }
    for (const struct profile *p = w->worker.profiles; p != NULL; p = p->next) {
        if (p->sessions != 0) {
            site_fault("a profile is kept for %zu sessions", p->sessions);
        }
    }
    struct loop *loop = w->worker.loop;
    for (struct conn *c = fake_first(loop); c != NULL; c = c->next) {
        if (c->phase != FAKE_OVER && !c->is_leaving && !c->is_outgoing) {
            site_fault("a client's connection is not closed");
        }
    }
    for (int i = 0; i < SITE_CLIENTS; i++) {
        client_finish(&w->clients[i]);
    }
    site_finish(&w->site);
    worker_close(&w->worker);
}

static void add_stats(struct client_stats *all, const struct client_stats *one)
{
    all->asked += one->asked;
    all->answered += one->answered;
    all->errors_nothing += one->errors_nothing;
    all->errors_unknown += one->errors_unknown;
    all->nulls += one->nulls;
    all->closed += one->closed;
    all->messages += one->messages;
    all->execs += one->execs;
    all->longest_ms = one->longest_ms > all->longest_ms ? one->longest_ms : all->longest_ms;
}

static void world_run(uint64_t seed, uint64_t steps, bool is_verbose, struct client_stats *all)
{
    static struct world world;

    world = (struct world){.seed = seed, .is_verbose = is_verbose};
    the_world = &world;
    prng_init(&world.prng, seed);
    world_open(&world);
    route_follow(&world, ROUTE_OPEN, true);
    for (uint64_t i = 0; i < steps; i++) {
        world_step(&world);
    }
    world_heal(&world);
    world_wait_until_quiet(&world, "while all is healed");
    world_check_subscriptions(&world);
    world_check_service(&world, true); /* who was told that there is no master may be told again */
    world_check_service(&world, false);
    if (world.stats.longest_ms > world.conf.hold_ms + ANSWER_SLACK_MS) {
        site_fault("an answer took %lld ms", (long long)world.stats.longest_ms);
    }
    world_close(&world);
    add_stats(all, &world.stats);
}

static void on_abort(int signo)
{
    (void)signo;
    (void)fprintf(stderr, "seed %llu\nagain: relay_random --seeds 1 --from %llu --verbose\n",
                  (unsigned long long)the_world->seed, (unsigned long long)the_world->seed);
}

int main(int argc, char **argv)
{
    uint64_t seeds = 100;
    uint64_t from = 1;
    uint64_t steps = STEPS_DEFAULT;
    bool is_verbose = false;
    struct client_stats all = {0};
    struct sigaction on_abrt = {.sa_handler = on_abort, .sa_flags = (int)SA_RESETHAND};

    for (int i = 1; i < argc; i++) {
        uint64_t *number = strcmp(argv[i], "--seeds") == 0   ? &seeds
                           : strcmp(argv[i], "--from") == 0  ? &from
                           : strcmp(argv[i], "--steps") == 0 ? &steps
                                                             : NULL;
        is_verbose = is_verbose || strcmp(argv[i], "--verbose") == 0;
        if (number != NULL && (++i == argc || !text_to_u64(argv[i], strlen(argv[i]), number))) {
            (void)fprintf(stderr, "%s wants a number\n", argv[i - 1]);
            return 2;
        }
    }
    (void)sigaction(SIGABRT, &on_abrt, NULL);
    log_set_level(is_verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_NOTHING);
    for (uint64_t seed = from; seed < from + seeds; seed++) {
        world_run(seed, steps, is_verbose, &all);
    }
    (void)printf("%llu worlds: %llu asked, %llu answered; not done %llu, unknown %llu, EXEC %llu "
                 "(null %llu), messages %llu, closed %llu; longest %lld ms\n",
                 (unsigned long long)seeds, (unsigned long long)all.asked,
                 (unsigned long long)all.answered, (unsigned long long)all.errors_nothing,
                 (unsigned long long)all.errors_unknown, (unsigned long long)all.execs,
                 (unsigned long long)all.nulls, (unsigned long long)all.messages,
                 (unsigned long long)all.closed, (long long)all.longest_ms);
    return 0;
}
