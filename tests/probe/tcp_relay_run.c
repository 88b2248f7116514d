/*
 * One TCP endpoint with members from the command line, told on standard input what a choice would
 * decide; for the tests in tests/spec and the benchmark.
 *
 *     tcp_relay_run [--OPTION N ...] --listen H:P|unix:PATH NAME=H:P ...
 *
 * Says "listening PORT" for each --listen, then answers each line with one: "ok", or what stats
 * asks for. Ends at the end of its input.
 *
 *     ready NAME      may take connections
 *     backup NAME     the same, when no other may
 *     down NAME       takes none, and those that stand are cut
 *     drain NAME MS   takes none, and those that stand are cut in MS
 *     writer NAME     the only one that may take; all others are cut
 *     stats           the counters as JSON
 *     stop            drains the endpoint; "drained" follows
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "base/words.h"
#include "loop/log.h"
#include "router/tcp_endpoint.h"

enum { INPUT_BYTES = 4096, WEIGHT = 1000, PORT_MAX = 65535, FAILED = 1, WRONG_CALL = 2 };

struct run {
    struct loop *loop;
    struct tcp_endpoint_plan plan;
    struct router_listen listens[ROUTER_LISTENS_MAX];
    struct tcp_endpoint *endpoint;
    struct tcp_target_set set;
    struct loop_watch *input;
    struct buf lines;
};

_Noreturn static void run_fail(const char *what, const char *word)
{
    (void)fprintf(stderr, "tcp_relay_run: %s: %s\n", word, what);
    exit(WRONG_CALL);
}

static void run_say(const char *text)
{
    (void)printf("%s\n", text);
    (void)fflush(stdout); /* a test that is gone does not read */
}

/* ---- what is told ---- */

static struct tcp_member *run_member(struct run *run, const char *name)
{
    for (size_t i = 0; i < run->set.count; i++) {
        if (strcmp(run->set.members[i].name, name) == 0) {
            return &run->set.members[i];
        }
    }
    run_fail("no such member", name);
}

static void run_publish(struct run *run)
{
    run->set.generation++;
    tcp_endpoint_publish(run->endpoint, &run->set);
    run_say("ok");
}

static void member_set(struct tcp_member *m, bool may_take, msec_t cut_at_ms)
{
    m->may_take = may_take;
    m->is_backup = false;
    m->cut_at_ms = cut_at_ms;
}

static void run_writer(struct run *run, const char *name)
{
    const struct tcp_member *writer = run_member(run, name);

    for (size_t i = 0; i < run->set.count; i++) {
        bool is_writer = &run->set.members[i] == writer;
        member_set(&run->set.members[i], is_writer, is_writer ? MSEC_NEVER : 0);
    }
}

#define SAY_COUNT(name, help)                                                                      \
    (void)printf("\"" #name "\": %llu, ", (unsigned long long)counts->name);

static void run_say_member(const struct tcp_member *m, const struct tcp_member_view *view)
{
    const struct tcp_member_counts *counts = &view->counts;

    (void)printf("\"%s\": {", m->name);
    TCP_MEMBER_COUNTS(SAY_COUNT)
    (void)printf("\"open\": %u}", view->open);
}

static void run_stats(const struct run *run)
{
    struct tcp_endpoint_view view;
    const struct tcp_counts *counts = &view.counts;

    tcp_endpoint_view(run->endpoint, &view);
    (void)printf("{");
    TCP_COUNTS(SAY_COUNT)
    (void)printf("\"connections\": %u, \"held\": %u, \"held_longest_ms\": %lld, \"members\": {",
                 view.connections, view.held, (long long)view.held_longest_ms);
    for (size_t i = 0; i < run->set.count; i++) {
        (void)printf("%s", i == 0 ? "" : ", ");
        run_say_member(&run->set.members[i], &view.members[run->set.members[i].id]);
    }
    run_say("}}");
}

static void run_on_drained(void *ctx)
{
    (void)ctx;
    run_say("drained");
}

static void run_line(struct run *run, const char *line, size_t len)
{
    struct words words = {0};
    int64_t after_ms = 0;

    if (!words_split(&words, line, len) || words.count == 0) {
        run_fail("not a command", line);
    }
    const char *verb = words_at(&words, 0);
    const char *name = words.count > 1 ? words_at(&words, 1) : "";
    bool has_time =
        words.count == 3 && text_to_i64(words_at(&words, 2), words_len(&words, 2), &after_ms);
    if (strcmp(verb, "stats") == 0) {
        run_stats(run);
    } else if (strcmp(verb, "stop") == 0) {
        tcp_endpoint_drain(run->endpoint, run_on_drained, run);
        run_say("ok");
    } else if (strcmp(verb, "writer") == 0) {
        run_writer(run, name);
        run_publish(run);
    } else if (strcmp(verb, "ready") == 0 || strcmp(verb, "backup") == 0) {
        member_set(run_member(run, name), true, MSEC_NEVER);
        run_member(run, name)->is_backup = verb[0] == 'b';
        run_publish(run);
    } else if (strcmp(verb, "down") == 0 || (strcmp(verb, "drain") == 0 && has_time)) {
        member_set(run_member(run, name), false, has_time ? loop_now(run->loop) + after_ms : 0);
        run_publish(run);
    } else {
        run_fail("not a command", line);
    }
    words_finish(&words);
}

static void run_on_input(void *ctx)
{
    struct run *run = ctx;
    ssize_t got = read(STDIN_FILENO, buf_reserve(&run->lines, INPUT_BYTES), INPUT_BYTES);

    if (got <= 0) {
        loop_watch_close(run->input);
        loop_stop(run->loop);
        return;
    }
    buf_grew(&run->lines, (size_t)got);
    const char *end = NULL;
    while ((end = memchr(buf_data(&run->lines), '\n', run->lines.len)) != NULL) {
        size_t len = (size_t)(end - buf_data(&run->lines));
        run_line(run, buf_data(&run->lines), len);
        buf_take(&run->lines, len + 1);
    }
}

/* ---- the command line ---- */

static int64_t run_number(const char *word)
{
    int64_t number = 0;

    if (word == NULL || !text_to_i64(word, strlen(word), &number) || number < 0) {
        run_fail("not a number", word == NULL ? "the last option" : word);
    }
    return number;
}

static struct addr run_addr(const char *word)
{
    struct addr at;
    char host[ADDR_NAME_MAX];
    const char *colon = strrchr(word, ':');

    if (colon == NULL) {
        run_fail("not HOST:PORT", word);
    }
    int64_t port = run_number(colon + 1);
    size_t len = (size_t)(colon - word);
    bool is_quoted = word[0] == '[';
    text_cut(host, sizeof(host), word + is_quoted);
    if (len < sizeof(host)) {
        host[len - 2U * is_quoted] = '\0';
    }
    if (port > PORT_MAX || !addr_set(&at, host, (uint16_t)port)) {
        run_fail("not HOST:PORT", word);
    }
    return at;
}

static void run_add_listen(struct run *run, const char *word)
{
    if (word == NULL || run->plan.listens_count == ROUTER_LISTENS_MAX) {
        run_fail("an address to listen on is missing, or one too many", "--listen");
    }
    struct router_listen *listen = &run->listens[run->plan.listens_count++];
    if (strncmp(word, "unix:", strlen("unix:")) == 0) {
        text_cut(listen->path, sizeof(listen->path), word + strlen("unix:"));
    } else {
        listen->at = run_addr(word);
    }
}

static void run_add_member(struct run *run, const char *word)
{
    const char *equals = strchr(word, '=');
    size_t id = run->set.count;

    if (equals == NULL || id == TCP_MEMBERS_MAX || equals - word >= TCP_NAME_MAX) {
        run_fail("not NAME=HOST:PORT, or one too many", word);
    }
    struct tcp_member *m = &run->set.members[run->set.count++];
    *m = (struct tcp_member){.id = (unsigned)id, .at = run_addr(equals + 1), .weight = WEIGHT};
    memcpy(m->name, word, (size_t)(equals - word));
    member_set(m, true, MSEC_NEVER);
}

static void run_set(struct run *run, const char *option, const char *word)
{
    struct tcp_endpoint_plan *plan = &run->plan;
    const struct {
        const char *option;
        msec_t *time_ms;
        unsigned *count;
    } rows[] = {{"--hold", &plan->hold_ms, NULL},
                {"--connect-timeout", &plan->connect_timeout_ms, NULL},
                {"--idle", &plan->idle_timeout_ms, NULL},
                {"--half-closed", &plan->half_closed_timeout_ms, NULL},
                {"--drain", &plan->drain_ms, NULL},
                {"--threads", NULL, &plan->threads},
                {"--connections", NULL, &plan->connections_max},
                {"--held", NULL, &plan->held_max}};

    if (strcmp(option, "--rule") == 0) { /* as enum tcp_rule counts */
        run->set.rule = (enum tcp_rule)run_number(word);
        return;
    }
    if (strcmp(option, "--proxy") == 0) {
        plan->proxy_protocol = (int)run_number(word);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strcmp(option, rows[i].option) == 0) {
            int64_t number = run_number(word);
            if (rows[i].count != NULL) {
                *rows[i].count = (unsigned)number;
            } else {
                *rows[i].time_ms = number;
            }
            return;
        }
    }
    run_fail("not an option", option);
}

static void run_read_arguments(struct run *run, char *argv[])
{
    tcp_endpoint_plan_init(&run->plan);
    run->plan.name = "relay";
    run->plan.listens = run->listens;
    for (size_t i = 1; argv[i] != NULL; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            run_add_member(run, argv[i]);
        } else if (strcmp(argv[i], "--listen") == 0) {
            run_add_listen(run, argv[++i]);
        } else {
            run_set(run, argv[i], argv[i + 1]);
            i++;
        }
    }
}

int main(int argc, char *argv[])
{
    static struct run run; /* too large for a stack */
    struct err err;
    const struct log_settings to_stderr = {.level = LOG_LEVEL_INFO, .file = "/dev/stderr"};

    (void)argc; /* argv ends with NULL */
    run_read_arguments(&run, argv);
    run.loop = loop_create(&err);
    if (!log_open(&to_stderr, &err) || run.loop == NULL) {
        run_fail(err.text, "starting");
    }
    run.endpoint = tcp_endpoint_open(run.loop, &run.plan, &err);
    if (run.endpoint == NULL) {
        (void)fprintf(stderr, "tcp_relay_run: %s\n", err.text);
        return FAILED;
    }
    tcp_endpoint_publish(run.endpoint, &run.set);
    for (size_t i = 0; i < run.plan.listens_count; i++) {
        (void)printf("listening %u\n", tcp_endpoint_port(run.endpoint, i));
    }
    (void)fflush(stdout); /* as in run_say() */
    run.input = loop_watch_open(run.loop, STDIN_FILENO, run_on_input, &run);
    loop_run(run.loop);
    tcp_endpoint_close(run.endpoint);
    loop_destroy(run.loop);
    buf_finish(&run.lines);
    log_close();
    return 0;
}
