#include "cli/demo.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "base/words.h"
#include "cli/cli.h"
#include "cli/demo_child.h"
#include "cli/demo_client.h"
#include "cli/demo_options.h"
#include "cli/demo_report.h"
#include "cli/demo_screen.h"
#include "cli/demo_site.h"
#include "cli/demo_watch.h"

/*
 *   STARTS_DATA -> STARTS_MONITORS -> HEALS -> READY -> FAILS -> HEALS ...     any -> COUNTS ->
 * ENDS replicas follow  monitors and    whole    kill     switched, written,          what is left
 *                    the router run                    counted, old master         of the writes
 *                                                      started again
 */
enum demo_phase {
    DEMO_STARTS_DATA,
    DEMO_STARTS_MONITORS,
    DEMO_HEALS,
    DEMO_READY,
    DEMO_FAILS,
    DEMO_COUNTS,
    DEMO_ENDS,
};

enum {
    DEMO_TICK_MS = 50,
    DEMO_DRAW_TICKS = 4,
    DEMO_SECOND_TICKS = 1000 / DEMO_TICK_MS,
    DEMO_STATUS_MS = 5000, /* between two lines when there is no screen */
    DEMO_START_MS = 60000, /* for the site to stand; a busy machine is slow */
    DEMO_HEAL_MS = 60000,
    DEMO_FAILOVER_MS = 30000, /* beyond down-after; then it did not come */
    DEMO_RESTART_MS = 3000,   /* from the kill until the old master comes back */
    DEMO_COUNT_MS = 2000,     /* for the writes that are left, at the end */
    DEMO_HOLD_MS = 4000,      /* beyond down-after: requests wait that long in the router */
    DEMO_ANSWER_MS = 2000,    /* beyond that: how long the client waits for its answer */
    DEMO_DIRECT_MS = 1000,    /* the same without a router: as the WordPress plugin */
    DEMO_LINE_MAX = 1400,
    DEMO_SWITCH_WORDS = 5, /* name, old ip and port, new ip and port */
};

struct demo {
    struct demo_options options;
    struct loop *loop;
    struct loop_timer *timer;
    struct loop_watch *keys;
    struct demo_site site;
    struct demo_watch watch;
    struct demo_client *client;
    struct demo_screen screen;
    struct demo_report report;
    struct addr monitor_addrs[DEMO_MONITORS];

    enum demo_phase phase;
    msec_t started_ms;
    msec_t ready_ms; /* when the site stood first; 0 before */
    msec_t phase_ms; /* when this phase began */
    msec_t kill_ms;  /* when the next kill is due */
    msec_t status_ms;
    uint64_t ticks;
    struct addr master;
    bool has_failed;
    bool wants_end; /* at the end of the failover that runs */

    /* of the failover that runs */
    struct demo_failover *failover;
    bool has_switched[DEMO_MONITORS];
    uint64_t errors_before;
    uint64_t lost_before;
    bool is_written; /* to the new master; what is left of the writes is counted */

    /* of the last whole second */
    uint64_t requests_seen;
    uint64_t errors_seen;
    uint64_t errors_told;
    uint64_t requests_per_s;
    uint64_t errors_per_s;
};

/* ---- telling ---- */

static FILE *demo_lines_to(const struct demo *demo)
{
    return demo->options.is_json ? stderr : stdout;
}

static void demo_say(struct demo *demo, const char *format, ...) PRINTF_LIKE(2, 3);

static void demo_say(struct demo *demo, const char *format, ...)
{
    char text[DEMO_LINE_MAX];
    char line[DEMO_LINE_MAX + 16];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* cut when too long */
    va_end(args);
    (void)snprintf(line, sizeof(line), "%7.2f  %s",
                   (double)(loop_now(demo->loop) - demo->started_ms) / 1000, text); /* fits */
    if (demo->screen.is_on) {
        demo_screen_say(&demo->screen, line);
    } else {
        (void)fprintf(demo_lines_to(demo), "%s\n", line); /* a lost line is a lost line */
        (void)fflush(demo_lines_to(demo));
    }
}

static void demo_headline(struct demo *demo, char text[DEMO_LINE_MAX])
{
    msec_t now = loop_now(demo->loop);
    const char *why = "";
    struct addr at;

    switch (demo->phase) {
    case DEMO_STARTS_DATA:
        (void)snprintf(text, DEMO_LINE_MAX, "starts one master and two replicas"); /* fits */
        break;
    case DEMO_STARTS_MONITORS:
        (void)snprintf(text, DEMO_LINE_MAX, "starts three monitors"); /* fits */
        break;
    case DEMO_HEALS:
        (void)demo_watch_is_whole(&demo->watch, &at, &why);    /* only the reason is wanted */
        (void)snprintf(text, DEMO_LINE_MAX, "waits: %s", why); /* fits */
        break;
    case DEMO_READY:
        (void)snprintf(text, DEMO_LINE_MAX, "all is well; kills the master in %.0f s",
                       (double)(demo->kill_ms > now ? demo->kill_ms - now : 0) / 1000); /* fits */
        break;
    case DEMO_FAILS:
        (void)snprintf(text, DEMO_LINE_MAX, "the master is gone since %" PRId64 " ms",
                       now - demo->failover->at_ms); /* fits */
        break;
    case DEMO_COUNTS:
    case DEMO_ENDS:
        (void)snprintf(text, DEMO_LINE_MAX, "ends"); /* fits */
        break;
    }
}

static void demo_draw(struct demo *demo)
{
    static const struct demo_client_counts none;
    const struct demo_client_counts *counts =
        demo->client == NULL ? &none : demo_client_counts(demo->client);
    char headline[DEMO_LINE_MAX];
    char address[ADDR_TEXT_MAX] = "nobody";

    demo_headline(demo, headline);
    if (counts->last_write_ms != 0) {
        (void)addr_text(&counts->last_written, address);
    }
    const struct demo_screen_view view = {
        .site = &demo->site,
        .watch = &demo->watch,
        .headline = headline,
        .address = address,
        .requests_per_s = demo->requests_per_s,
        .errors_per_s = demo->errors_per_s,
        .requests = counts->reads + counts->writes,
        .errors = counts->errors,
    };
    demo_screen_draw(&demo->screen, &view);
}

/* ---- ending ---- */

static void demo_set_phase(struct demo *demo, enum demo_phase phase)
{
    demo->phase = phase;
    demo->phase_ms = loop_now(demo->loop);
}

static void demo_end_now(struct demo *demo)
{
    if (demo->phase == DEMO_ENDS) {
        return;
    }
    if (demo->client != NULL) {
        const struct demo_client_counts *counts = demo_client_counts(demo->client);
        demo->report.requests = counts->reads + counts->writes;
        demo->report.writes = counts->writes;
        demo->report.errors = counts->errors;
        demo->report.is_lost_known = demo->phase == DEMO_COUNTS && counts->uncounted == 0;
        demo->report.lost = counts->lost;
        demo->report.connections_lost = counts->connections_lost;
    }
    demo_set_phase(demo, DEMO_ENDS);
    if (demo->ready_ms != 0) {
        demo->report.lasted_ms = loop_now(demo->loop) - demo->ready_ms;
    }
    demo_client_destroy(demo->client);
    demo->client = NULL;
    demo_watch_finish(&demo->watch);
    demo_site_end(&demo->site);
    loop_timer_at(demo->timer, loop_now(demo->loop)); /* looks whether all are gone */
}

/* After a last look at what is left of the writes; asked a second time, at once. */
static void demo_end(struct demo *demo)
{
    if (demo->client == NULL || demo->phase == DEMO_COUNTS) {
        demo_end_now(demo);
    } else if (demo->phase != DEMO_ENDS) {
        demo_client_count_lost(demo->client);
        demo_set_phase(demo, DEMO_COUNTS);
    }
}

static void demo_fail(struct demo *demo, const char *why)
{
    if (demo->phase != DEMO_ENDS) {
        demo_screen_close(&demo->screen); /* what went wrong must stay readable */
        demo_say(demo, "failed: %s", why);
        demo->has_failed = true;
        demo_end_now(demo);
    }
}

static void demo_on_signal(void *ctx)
{
    demo_end(ctx);
}

static void demo_on_death(void *ctx, const char *text)
{
    demo_fail(ctx, text);
}

/* ---- the failover ---- */

static void demo_strike(struct demo *demo, enum demo_cause cause)
{
    struct demo_process *p = demo_site_at(&demo->site, &demo->master);

    ASSERT(demo->phase == DEMO_READY);
    ASSERT(p != NULL);
    demo->failover = demo_report_add(&demo->report);
    demo->failover->cause = cause;
    demo->failover->old_master = demo->master;
    demo->failover->at_ms = loop_now(demo->loop);
    demo->errors_before = demo_client_counts(demo->client)->errors;
    demo->lost_before = demo_client_counts(demo->client)->lost;
    demo->is_written = false;
    memset(demo->has_switched, 0, sizeof(demo->has_switched));
    demo_client_reset_longest(demo->client);
    if (cause == DEMO_CAUSE_KILL) {
        demo_say(demo, "kills the master, %s (SIGKILL)", p->name);
        demo_site_kill(p);
    } else {
        demo_say(demo, "pauses the master, %s (SIGSTOP)", p->name);
        demo_site_pause(p);
    }
    demo->kill_ms = demo->failover->at_ms + demo->options.every_ms;
    demo_set_phase(demo, DEMO_FAILS);
}

static bool demo_all_switched(const struct demo *demo)
{
    for (size_t i = 0; i < DEMO_MONITORS; i++) {
        if (!demo->has_switched[i]) {
            return false;
        }
    }
    return true;
}

static void demo_note_switch(struct demo *demo, size_t monitor, const struct addr *to)
{
    struct demo_failover *f = demo->failover;

    demo_client_switched(demo->client, to);
    if (demo->phase == DEMO_COUNTS) {
        return; /* of the failover that was not waited for */
    }
    if (demo->phase != DEMO_FAILS || f->is_done) {
        if (!addr_same(to, &demo->master)) {
            demo->report.unasked++;
            demo->master = *to;
        }
        return;
    }
    if (f->switched_ms < 0) {
        f->switched_ms = loop_now(demo->loop) - f->at_ms;
        f->new_master = *to;
    }
    if (addr_same(&f->new_master, to) && !demo->has_switched[monitor]) {
        demo->has_switched[monitor] = true;
        if (demo_all_switched(demo)) {
            f->everywhere_ms = loop_now(demo->loop) - f->at_ms;
        }
    }
}

static void demo_on_event(void *ctx, size_t monitor, const char *name, const char *payload)
{
    static const char *const shown[] = {
        "+sdown", "+odown", "+elected-leader", "+switch-master", "+convert-to-slave", "+tilt"};
    struct demo *demo = ctx;
    struct words words = {0};
    struct addr to = {0};
    int64_t port = 0;

    for (size_t i = 0; i < COUNT_OF(shown); i++) {
        if (strcmp(name, shown[i]) == 0 && demo->screen.is_on) {
            demo_say(demo, "%s  %s %s", demo_site_monitor(&demo->site, monitor)->name, name,
                     payload);
        }
    }
    if (strcmp(name, "+switch-master") == 0 && demo->client != NULL &&
        words_split(&words, payload, strlen(payload)) && words.count == DEMO_SWITCH_WORDS &&
        text_to_i64(words_at(&words, 4), words_len(&words, 4), &port) && port > 0 &&
        port <= UINT16_MAX && addr_set(&to, words_at(&words, 3), (uint16_t)port)) {
        demo_note_switch(demo, monitor, &to);
    }
    words_finish(&words);
}

/* The last acknowledged write was at this master. */
static bool demo_has_written_to(struct demo *demo, const struct addr *master)
{
    const struct demo_client_counts *counts = demo_client_counts(demo->client);
    const struct demo_router_view *router = demo_watch_router(&demo->watch);

    return demo->options.is_direct
               ? addr_same(&counts->last_written, master)
               : addr_same(&router->master, master) && strcmp(router->state, "open") == 0 &&
                     counts->last_write_ms > router->seen_ms;
}

/* The monitors have all said it, the client has written to the new master, and every connection of
 * it has counted there what it wrote. */
static void demo_look_done(struct demo *demo)
{
    struct demo_failover *f = demo->failover;
    const struct demo_client_counts *counts = demo_client_counts(demo->client);
    struct buf line = {0};

    if (f->everywhere_ms >= 0 && !demo->is_written && demo_has_written_to(demo, &f->new_master)) {
        demo->is_written = true;
        demo_client_count_lost(demo->client);
    }
    if (!demo->is_written || counts->uncounted > 0) {
        return;
    }
    f->is_done = true;
    f->request_ms = counts->longest_ms;
    f->no_write_ms = counts->longest_gap_ms;
    f->errors = counts->errors - demo->errors_before;
    f->lost = counts->lost - demo->lost_before;
    demo->master = f->new_master;
    demo_report_line(&line, demo->report.count, f);
    demo_say(demo, "%s", buf_data(&line));
    buf_finish(&line);
}

static void demo_bring_back(struct demo *demo)
{
    struct demo_process *old = demo_site_at(&demo->site, &demo->failover->old_master);
    struct err err = {0};

    ASSERT(old != NULL);
    if (old->is_paused) {
        demo_say(demo, "lets %s go on", old->name);
        demo_site_resume(old);
    } else if (old->child == NULL) {
        demo_say(demo, "starts %s again", old->name);
        if (!demo_site_start(old, &err)) {
            demo_fail(demo, err.text);
            return;
        }
    }
    demo_set_phase(demo, DEMO_HEALS);
}

static void demo_turn_fails(struct demo *demo, msec_t now)
{
    struct demo_failover *f = demo->failover;

    if (!f->is_done) {
        demo_look_done(demo);
        if (!f->is_done && now - f->at_ms > demo->options.down_after_ms + DEMO_FAILOVER_MS) {
            demo_fail(demo, f->switched_ms < 0     ? "no monitor announced a new master"
                            : f->everywhere_ms < 0 ? "not every monitor announced the new master"
                                                   : "the client could not write again");
        }
    } else if (demo->wants_end) {
        demo_end(demo);
    } else if (now - f->at_ms >= DEMO_RESTART_MS) {
        demo_bring_back(demo);
    }
}

/* ---- the phases before ---- */

static bool demo_start_processes(struct demo *demo, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        struct err err = {0};
        if (!demo_site_start(&demo->site.processes[i], &err)) {
            demo_fail(demo, err.text);
            return false;
        }
    }
    return true;
}

static void demo_turn_starts_data(struct demo *demo)
{
    if (demo_watch_has_data(&demo->watch)) {
        if (demo_start_processes(demo, DEMO_REDIS, demo->site.count)) {
            demo_set_phase(demo, DEMO_STARTS_MONITORS);
        }
    }
}

static void demo_stand(struct demo *demo, msec_t now)
{
    const struct demo_process *router = demo_site_router(&demo->site);
    struct demo_client_plan plan = {.monitors = demo->monitor_addrs,
                                    .monitors_count = DEMO_MONITORS,
                                    .master_name = DEMO_MASTER_NAME,
                                    .timeout_ms = DEMO_DIRECT_MS};
    char text[ADDR_TEXT_MAX];

    if (router != NULL) {
        plan.router = &router->at;
        plan.timeout_ms = demo->site.plan.hold_ms + DEMO_ANSWER_MS;
    }
    demo->ready_ms = now;
    demo->client = demo_client_create(demo->loop, &plan);
    demo_say(demo, "the site stands: master %s, two replicas, three monitors, and a client%s",
             addr_text(&demo->master, text),
             router != NULL ? " of the router" : " that asks the monitors");
    demo->kill_ms = now + demo->options.first_ms;
    demo->status_ms = now + DEMO_STATUS_MS;
}

/* Whole again: everything is in its place, and the client writes there. */
static void demo_turn_heals(struct demo *demo, msec_t now)
{
    const char *why = "";

    if (demo_watch_is_whole(&demo->watch, &demo->master, &why)) {
        if (demo->client == NULL) {
            demo_stand(demo, now);
        }
        if (demo_has_written_to(demo, &demo->master)) {
            demo_set_phase(demo, DEMO_READY);
            return;
        }
        why = "the client does not write to the master";
    }
    if (now - demo->phase_ms > (demo->client == NULL ? DEMO_START_MS : DEMO_HEAL_MS)) {
        demo_fail(demo, why);
    }
}

/* ---- one turn of the clock ---- */

static void demo_count_second(struct demo *demo)
{
    if (demo->client != NULL && demo->ticks % DEMO_SECOND_TICKS == 0) {
        const struct demo_client_counts *counts = demo_client_counts(demo->client);
        uint64_t requests = counts->reads + counts->writes;
        demo->requests_per_s = requests - demo->requests_seen;
        demo->errors_per_s = counts->errors - demo->errors_seen;
        demo->requests_seen = requests;
        demo->errors_seen = counts->errors;
    }
}

/* Behind the router an error is news: what it said. */
static void demo_tell_errors(struct demo *demo)
{
    const struct demo_client_counts *counts = demo_client_counts(demo->client);

    if (counts->errors > demo->errors_told && !demo->options.is_direct) {
        demo_say(demo, "the client got an error: %s", counts->last_error);
    }
    demo->errors_told = counts->errors;
}

static void demo_turn_ready(struct demo *demo, msec_t now)
{
    if (demo->wants_end) {
        demo_end(demo);
    } else if (now >= demo->kill_ms) {
        demo_strike(demo, DEMO_CAUSE_KILL);
    }
}

static void demo_turn_phase(struct demo *demo, msec_t now)
{
    switch (demo->phase) {
    case DEMO_STARTS_DATA:
        demo_turn_starts_data(demo);
        if (now - demo->phase_ms > DEMO_START_MS) {
            demo_fail(demo, "the replicas did not come to follow their master");
        }
        break;
    case DEMO_STARTS_MONITORS:
        demo_set_phase(demo, DEMO_HEALS);
        break;
    case DEMO_HEALS:
        if (demo->wants_end) {
            demo_end(demo);
        } else {
            demo_turn_heals(demo, now);
        }
        break;
    case DEMO_READY:
        demo_turn_ready(demo, now);
        break;
    case DEMO_FAILS:
        demo_turn_fails(demo, now);
        break;
    case DEMO_COUNTS:
        if (demo_client_counts(demo->client)->uncounted == 0 ||
            now - demo->phase_ms > DEMO_COUNT_MS) {
            demo_end_now(demo);
        }
        break;
    case DEMO_ENDS:
        if (demo_site_is_empty(&demo->site)) {
            loop_stop(demo->loop);
        }
        break;
    }
}

static void demo_on_time(void *ctx)
{
    struct demo *demo = ctx;
    msec_t now = loop_now(demo->loop);
    char text[ADDR_TEXT_MAX];

    demo->ticks++;
    demo_count_second(demo);
    if (demo->client != NULL) {
        demo_tell_errors(demo);
    }
    demo->wants_end = demo->ready_ms != 0 && now - demo->ready_ms >= demo->options.for_ms;
    demo_turn_phase(demo, now);
    if (demo->screen.is_on && demo->phase != DEMO_ENDS && demo->ticks % DEMO_DRAW_TICKS == 0) {
        demo_draw(demo);
    }
    if (!demo->screen.is_on && demo->client != NULL && now >= demo->status_ms) {
        demo->status_ms = now + DEMO_STATUS_MS;
        demo_say(demo, "master %s  %" PRIu64 " requests/s  %" PRIu64 " errors/s",
                 addr_text(&demo->master, text), demo->requests_per_s, demo->errors_per_s);
    }
    loop_timer_at(demo->timer, now + DEMO_TICK_MS);
}

static void demo_on_keys(void *ctx)
{
    struct demo *demo = ctx;
    char key = 0;

    if (read(STDIN_FILENO, &key, 1) != 1) {
        loop_watch_close(demo->keys); /* the terminal is gone; SIGHUP tells us */
        demo->keys = NULL;
    } else if (key == 'q') {
        demo_end(demo);
    } else if ((key == 'k' || key == 'p') && demo->phase == DEMO_READY) {
        demo_strike(demo, key == 'k' ? DEMO_CAUSE_KILL : DEMO_CAUSE_PAUSE);
    } else if (key == 'k' || key == 'p') {
        demo_say(demo, "not yet: the site is not whole");
    }
}

/* ---- the whole ---- */

static bool demo_open(struct demo *demo, struct err *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    const struct demo_site_plan plan = {.down_after_ms = demo->options.down_after_ms,
                                        .monitors = demo->options.monitors,
                                        .has_router = !demo->options.is_direct,
                                        .hold_ms = demo->options.down_after_ms + DEMO_HOLD_MS};

    if (!demo_site_prepare(&demo->site, &plan, err)) {
        return false;
    }
    demo->loop = loop_create(err);
    if (demo->loop == NULL) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        if (!loop_signal(demo->loop, signals[i], demo_on_signal, demo, err)) {
            return false;
        }
    }
    demo->site.loop = demo->loop;
    demo->site.on_death = demo_on_death;
    demo->site.ctx = demo;
    demo->watch.on_event = demo_on_event;
    demo->watch.ctx = demo;
    demo->started_ms = loop_now(demo->loop);
    demo->timer = loop_timer_create(demo->loop, demo_on_time, demo);
    for (size_t i = 0; i < DEMO_MONITORS; i++) {
        demo->monitor_addrs[i] = demo_site_monitor(&demo->site, i)->at;
    }
    return true;
}

static void demo_run(struct demo *demo)
{
    if (!demo->options.is_json && !demo->options.is_plain && demo_screen_open(&demo->screen) &&
        demo->screen.has_keys) {
        demo->keys = loop_watch_open(demo->loop, STDIN_FILENO, demo_on_keys, demo);
    }
    demo->report.has_router = !demo->options.is_direct;
    demo_say(demo, "three redis-servers%s in %s",
             demo->report.has_router ? ", three monitors and a router" : " and three monitors",
             demo->site.dir);
    demo_set_phase(demo, DEMO_STARTS_DATA);
    if (demo_start_processes(demo, 0, DEMO_REDIS)) {
        demo_watch_start(&demo->watch, &demo->site);
    }
    loop_timer_at(demo->timer, loop_now(demo->loop));
    loop_run(demo->loop);
    loop_watch_close(demo->keys);
    demo_screen_close(&demo->screen);
}

static void demo_tell_summary(const struct demo *demo)
{
    struct buf text = {0};

    if (demo->options.is_json) {
        demo_report_json(&text, &demo->report, demo->has_failed);
    } else {
        demo_report_table(&text, &demo->report);
    }
    (void)fwrite(buf_data(&text), 1, text.len, stdout); /* a lost summary is a lost summary */
    (void)fflush(stdout);
    buf_finish(&text);
}

int demo_main(int argc, char **argv)
{
    static struct demo demo; /* zeroed, and large for a stack */
    struct err err = {0};

    if (argc > 1 && strcmp(argv[1], "--as-child") == 0) {
        return demo_child_exec(argc - 1, argv + 1);
    }
    if (!demo_options_parse(argc, argv, &demo.options, &err)) {
        (void)fprintf(stderr, "holdfast demo: %s\n", err.text); /* nowhere else to tell it */
        return CLI_USAGE;
    }
    if (demo.options.wants_help) {
        demo_options_help();
        return CLI_FINE;
    }
    if (demo_open(&demo, &err)) {
        demo_run(&demo);
        demo_tell_summary(&demo);
    } else {
        (void)fprintf(stderr, "holdfast demo: %s\n", err.text); /* nowhere else to tell it */
        demo.has_failed = true;
    }
    loop_timer_destroy(demo.timer);
    if (demo.loop != NULL) {
        loop_destroy(demo.loop);
    }
    demo_site_finish(&demo.site);
    demo_report_finish(&demo.report);
    return demo.has_failed ? CLI_FAILED : CLI_FINE;
}
