#include "sim/world.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "sim/chaos.h"
#include "sim/checker.h"
#include "sim/model_monitor.h"
#include "sim/model_net.h"
#include "sim/model_redis.h"
#include "sim/model_writer.h"

enum {
    REDIS_PORT = 6379,
    MONITOR_PORT = 26379,
    STORY_LINE_MAX = 2048,
};

static void world_make_addrs(struct world *w)
{
    w->addrs_count = 1 + (uint32_t)w->servers_count + w->monitors_count + WORLD_SPARE_ADDRS;
    w->addrs = calloc(w->addrs_count, sizeof(*w->addrs));
    w->places = calloc(w->addrs_count, sizeof(*w->places));
    ASSERT(w->addrs != NULL && w->places != NULL);

    for (uint32_t id = 1; id < w->addrs_count; id++) {
        bool is_monitor =
            id > w->servers_count && id <= (uint32_t)w->servers_count + w->monitors_count;
        char ip[ADDR_IP_MAX];

        (void)snprintf(ip, sizeof(ip), "10.0.%u.%u", id >> 8, id & 255U);
        bool ok = addr_set(&w->addrs[id], ip, is_monitor ? MONITOR_PORT : REDIS_PORT);
        ASSERT(ok);
    }
    w->spare_addr = 1 + (uint32_t)w->servers_count + w->monitors_count;
}

struct world *world_create(const struct world_config *config)
{
    struct world *w = calloc(1, sizeof(*w));

    ASSERT(w != NULL);
    w->config = *config;
    prng_init(&w->prng, config->seed);
    w->servers_count = (uint16_t)(config->groups * (1 + config->replicas));
    w->monitors_count = config->monitors;
    w->story_hash = UINT64_C(0xcbf29ce484222325);
    world_make_addrs(w);
    net_create(w);
    redis_create(w);
    checker_create(w);
    monitor_create(w);
    return w;
}

void world_destroy(struct world *w)
{
    if (w == NULL) {
        return;
    }
    chaos_destroy(w);
    monitor_destroy(w);
    checker_destroy(w);
    redis_destroy(w);
    net_destroy(w);
    free(w->writer_target);
    free(w->notes);
    free(w->places);
    free(w->addrs);
    free(w->heap);
    free(w);
}

void world_start(struct world *w, FILE *story, bool hashed)
{
    w->story = story;
    w->story_hashed = hashed;
    STORY(w, "world",
          "seed %llu: %u monitors (quorum %u), %u masters with %u replicas, down-after %lld ms",
          (unsigned long long)w->config.seed, w->monitors_count, w->config.quorum, w->config.groups,
          w->config.replicas, (long long)w->config.down_after_ms);
    for (uint16_t i = 0; i < w->monitors_count; i++) {
        monitor_boot(w, i);
    }
    writer_start(w);
}

/* ---------------------------------------------------------------- the queue: a binary heap */

static bool world_is_before(const struct world_event *a, const struct world_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void world_push(struct world *w, msec_t at, enum world_event_kind kind, uint32_t a, uint32_t b,
                uint32_t c)
{
    struct world_event e = {
        .at = at < w->now ? w->now : at, .order = w->order++, .kind = kind, .a = a, .b = b, .c = c};

    if (w->heap_count == w->heap_capacity) {
        w->heap_capacity = w->heap_capacity == 0 ? 256 : w->heap_capacity * 2;
        w->heap = realloc(w->heap, w->heap_capacity * sizeof(*w->heap));
        ASSERT(w->heap != NULL);
    }
    size_t i = w->heap_count++;

    while (i > 0 && world_is_before(&e, &w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = e;
}

static struct world_event world_pop(struct world *w)
{
    struct world_event top = w->heap[0];
    struct world_event moved = w->heap[--w->heap_count];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= w->heap_count) {
            break;
        }
        if (child + 1 < w->heap_count && world_is_before(&w->heap[child + 1], &w->heap[child])) {
            child++;
        }
        if (!world_is_before(&w->heap[child], &moved)) {
            break;
        }
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = moved;
    return top;
}

static void world_dispatch(struct world *w, const struct world_event *e)
{
    switch (e->kind) {
    case WORLD_TICK:
        monitor_tick(w, (uint16_t)e->a, e->b, e->c);
        break;
    case WORLD_PUMP:
        net_pump(w, e->a, e->b, (enum net_direction)e->c);
        break;
    case WORLD_CONNECT:
        net_connect(w, e->a, e->b);
        break;
    case WORLD_DISK:
        monitor_disk_done(w, (uint16_t)e->a, e->b);
        break;
    case WORLD_REPL_TRY:
        repl_try(w, (uint16_t)e->a, e->b);
        break;
    case WORLD_REPL_FLUSH:
        repl_flush(w, (uint16_t)e->a, e->b);
        break;
    case WORLD_REPL_DONE:
        repl_done(w, (uint16_t)e->a, e->b);
        break;
    case WORLD_COORDINATED:
        redis_coordinated(w, (uint16_t)e->a, e->b, e->c);
        break;
    case WORLD_WRITER:
        writer_turn(w, (uint16_t)e->a);
        break;
    case WORLD_CHAOS:
        chaos_turn(w);
        break;
    }
}

bool world_next(struct world *w, msec_t until)
{
    if (w->has_failed || w->heap_count == 0 || w->heap[0].at > until) {
        w->now = w->has_failed || until < w->now ? w->now : until;
        return false;
    }
    struct world_event e = world_pop(w);

    ASSERT(e.at >= w->now);
    w->now = e.at;
    w->stats.events++;
    world_dispatch(w, &e);
    return !w->has_failed;
}

void world_run(struct world *w, msec_t until)
{
    while (world_next(w, until)) {
    }
}

/* ---------------------------------------------------------------- chance, failure, story */

uint64_t world_random(struct world *w, uint64_t bound)
{
    return prng_below(&w->prng, bound);
}

bool world_chance(struct world *w, uint32_t percent)
{
    return prng_below(&w->prng, 100) < percent;
}

void world_fail(struct world *w, const char *format, ...)
{
    if (w->has_failed) {
        return;
    }
    va_list args;
    int len = snprintf(w->why, sizeof(w->why), "at %lld ms: ", (long long)w->now);

    va_start(args, format);
    (void)vsnprintf(w->why + len, sizeof(w->why) - (size_t)len, format, args);
    va_end(args);
    w->has_failed = true;
    STORY(w, "CHECK", "%s", w->why);
}

void world_tell(struct world *w, const char *who, const char *format, ...)
{
    char line[STORY_LINE_MAX];
    int len = snprintf(line, sizeof(line), "[%7lld] %-10s > ", (long long)w->now, who);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line + len, sizeof(line) - (size_t)len, format, args);
    va_end(args);
    if (w->story != NULL) {
        (void)fprintf(w->story, "%s\n", line);
    }
    for (const char *c = line; *c != '\0'; c++) { /* FNV-1a */
        w->story_hash = (w->story_hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    }
}

/* ---------------------------------------------------------------- names and numbers */

uint32_t world_addr_id(const struct world *w, const struct addr *addr)
{
    static const char net[] = "10.0.";
    const char *c = addr->ip + sizeof(net) - 1;
    uint32_t high = 0;
    uint32_t low = 0;

    if (strncmp(addr->ip, net, sizeof(net) - 1) != 0) {
        return 0;
    }
    for (; *c >= '0' && *c <= '9'; c++) {
        high = high * 10 + (uint32_t)(*c - '0');
    }
    for (c += *c == '.'; *c >= '0' && *c <= '9'; c++) {
        low = low * 10 + (uint32_t)(*c - '0');
    }
    uint32_t id = (high << 8) + low;

    return id < w->addrs_count && w->addrs[id].port == addr->port ? id : 0;
}

const struct addr *world_addr(const struct world *w, uint32_t id)
{
    ASSERT(id < w->addrs_count);
    return &w->addrs[id];
}

const char *world_addr_name(const struct world *w, uint32_t id)
{
    switch (id < w->addrs_count ? w->places[id].kind : PLACE_NOBODY) {
    case PLACE_REDIS:
        return w->servers[w->places[id].index].name;
    case PLACE_MONITOR:
        return w->monitors[w->places[id].index].name;
    case PLACE_NOBODY:
        break;
    }
    return id == 0 || id >= w->addrs_count ? "?" : w->addrs[id].ip;
}

uint32_t world_take_addr(struct world *w)
{
    ASSERT(w->spare_addr < w->addrs_count);
    return w->spare_addr++;
}

void world_run_text(uint64_t run, char text[RUN_ID_MAX])
{
    static const char digits[] = "0123456789abcdef";

    if (run == 0) {
        text[0] = '\0';
        return;
    }
    for (int i = 0; i < 16; i++) {
        text[i] = digits[(run >> (60 - 4 * i)) & 15U];
    }
    memset(text + 16, '0', RUN_ID_MAX - 17);
    text[RUN_ID_MAX - 1] = '\0';
}

uint64_t world_run_number(const char *text)
{
    uint64_t run = 0;

    for (int i = 0; i < 16 && text[i] != '\0' && text[i] != '*'; i++) {
        run = (run << 4) + (uint64_t)(text[i] <= '9' ? text[i] - '0' : text[i] - 'a' + 10);
    }
    return run;
}

const char *world_group_name(const struct world *w, uint16_t group, char name[WORLD_NAME_MAX])
{
    if (w->config.groups == 1) {
        return "mymaster";
    }
    (void)snprintf(name, WORLD_NAME_MAX, "m%u", group + 1U);
    return name;
}

uint16_t world_group_named(const struct world *w, const char *name)
{
    uint64_t number = 0;

    if (w->config.groups == 1) {
        return strcmp(name, "mymaster") == 0 ? 0 : WORLD_NOBODY;
    }
    if (name[0] != 'm' || !text_to_u64(name + 1, strlen(name + 1), &number) || number == 0 ||
        number > w->config.groups) {
        return WORLD_NOBODY;
    }
    return (uint16_t)(number - 1);
}
