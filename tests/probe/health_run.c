/*
 * Serves what src/http has on a site that is given as lines of JSON on standard input, for the
 * whole-program tests. One line replaces the whole state; "release" hands HAProxy back and ends the
 * program. It says "ready" when it listens, and "applied" after a line.
 *
 *   health_run HEALTH_PORT CHECK_PORT AGENT_PORT [SOCKET SERVICE/MEMBER=BACKEND/SERVER ...]
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "http/haproxy_agent.h"
#include "http/haproxy_runtime.h"
#include "http/health.h"
#include "http/http_server.h"

enum { RUN_LINE_MAX = 1 << 16, RUN_SERVERS_MAX = 16 };

struct run {
    struct loop *loop;
    struct site_view *view;
    struct health *health;
    struct health_cluster_check check;
    struct http_server *health_server;
    struct http_server *check_server;
    struct haproxy_agent *agent;
    struct haproxy_runtime *runtime; /* NULL: no socket was named */
    struct loop_watch *input;
    struct buf lines;
};

/* ---- JSON to the view ---- */

static void run_text(const json_t *j, const char *name, char *field, size_t size)
{
    const char *text = json_string_value(json_object_get(j, name));
    text_cut(field, size, text == NULL ? "" : text);
}

static bool run_flag(const json_t *j, const char *name)
{
    return json_is_true(json_object_get(j, name));
}

static enum verdict run_verdict(const json_t *j)
{
    const char *text = json_string_value(json_object_get(j, "verdict"));

    for (enum verdict v = VERDICT_UNKNOWN; text != NULL && v <= VERDICT_UNREACHABLE; v++) {
        if (strcmp(text, verdict_text(v)) == 0) {
            return v;
        }
    }
    return VERDICT_UNKNOWN;
}

static void run_member(const json_t *j, struct view_member *m)
{
    const json_t *weight = json_object_get(j, "weight_permille");

    run_text(j, "name", m->name, sizeof(m->name));
    run_text(j, "address", m->address, sizeof(m->address));
    run_text(j, "reason", m->reason, sizeof(m->reason));
    m->verdict = run_verdict(j);
    m->since_unix_ms = json_integer_value(json_object_get(j, "since_unix_ms"));
    m->weight_permille = weight == NULL ? HEALTH_PERMILLE : (uint32_t)json_integer_value(weight);
    m->is_drained = run_flag(j, "is_drained");
    m->is_writer = run_flag(j, "is_writer");
    m->is_here = run_flag(j, "is_here");
}

static void run_service(const json_t *j, struct view_service *s)
{
    const json_t *endpoint = json_object_get(j, "endpoint");
    const json_t *members = json_object_get(j, "members");

    run_text(j, "name", s->name, sizeof(s->name));
    run_text(j, "kind", s->kind, sizeof(s->kind));
    s->is_shared = run_flag(j, "is_shared");
    s->has_one_writer = run_flag(j, "has_one_writer");
    s->needs_majority = run_flag(j, "needs_majority");
    s->endpoint.is_here = endpoint != NULL;
    s->endpoint.serves = run_flag(endpoint, "serves");
    s->endpoint.is_own_fault = run_flag(endpoint, "is_own_fault");
    run_text(endpoint, "address", s->endpoint.address, sizeof(s->endpoint.address));
    run_text(endpoint, "reason", s->endpoint.reason, sizeof(s->endpoint.reason));
    for (size_t i = 0; i < json_array_size(members) && i < VIEW_MEMBERS_MAX; i++) {
        run_member(json_array_get(members, i), &s->members[s->members_count++]);
    }
}

static void run_apply(struct run *run, const char *line)
{
    json_t *j = json_loads(line, 0, NULL);
    const json_t *services = json_object_get(j, "services");
    uint64_t generation = run->view->generation;

    if (j == NULL) {
        (void)fprintf(stderr, "no JSON: %s\n", line);
        exit(2);
    }
    memset(run->view, 0, sizeof(*run->view));
    run->view->generation = generation;
    run_text(j, "node", run->view->node, sizeof(run->view->node));
    run->view->is_started = run_flag(j, "is_started");
    run->view->is_known = run_flag(j, "is_known");
    run->view->has_majority = run_flag(j, "has_majority");
    run->view->is_drained = run_flag(j, "is_drained");
    for (size_t i = 0; i < json_array_size(services) && i < VIEW_SERVICES_MAX; i++) {
        run_service(json_array_get(services, i), &run->view->services[run->view->services_count++]);
    }
    site_view_changed(run->view);
    json_decref(j);
    if (run->runtime != NULL) {
        haproxy_runtime_update(run->runtime);
    }
    (void)printf("applied\n");
    (void)fflush(stdout);
}

/* ---- standard input ---- */

static void run_stop(void *ctx)
{
    struct run *run = ctx;
    loop_stop(run->loop);
}

static void run_line(struct run *run, const char *line)
{
    if (strcmp(line, "release") != 0) {
        run_apply(run, line);
    } else if (run->runtime != NULL) {
        haproxy_runtime_release(run->runtime, run_stop, run);
    } else {
        loop_stop(run->loop);
    }
}

static void run_on_input(void *ctx)
{
    struct run *run = ctx;
    char *to = buf_reserve(&run->lines, RUN_LINE_MAX);
    ssize_t got = read(STDIN_FILENO, to, RUN_LINE_MAX);

    if (got <= 0) {
        loop_stop(run->loop);
        return;
    }
    buf_grew(&run->lines, (size_t)got);
    for (;;) {
        const char *begin = buf_data(&run->lines);
        const char *feed = memchr(begin, '\n', run->lines.len);
        if (feed == NULL) {
            return;
        }
        char *line = strndup(begin, (size_t)(feed - begin));
        ASSERT(line != NULL);
        buf_take(&run->lines, (size_t)(feed - begin) + 1);
        run_line(run, line);
        free(line);
    }
}

/* ---- beginning and end ---- */

static struct http_server *run_serve(struct run *run, const char *port, http_handler on_request,
                                     void *ctx)
{
    struct addr at;
    struct err err;
    uint64_t number = 0;

    if (!text_to_u64(port, strlen(port), &number) ||
        !addr_set(&at, "127.0.0.1", (uint16_t)number)) {
        return NULL;
    }
    struct http_server_plan plan = {.binds = &at,
                                    .binds_count = 1,
                                    .on_request = on_request,
                                    .ctx = ctx,
                                    .takes_options = ctx == &run->check,
                                    .request_timeout_ms = 1000};
    struct http_server *s = http_server_open(run->loop, &plan, &err);
    if (s == NULL) {
        (void)fprintf(stderr, "%s\n", err.text);
    }
    return s;
}

static bool run_agent(struct run *run, const char *port)
{
    struct haproxy_agent_port door = {0};
    struct haproxy_agent_plan plan = {.ports = &door, .ports_count = 1, .view = run->view};
    uint64_t number = 0;
    struct err err;

    if (!text_to_u64(port, strlen(port), &number) ||
        !addr_set(&door.at, "127.0.0.1", (uint16_t)number)) {
        return false;
    }
    run->agent = haproxy_agent_open(run->loop, &plan, &err);
    return run->agent != NULL;
}

/* "service/member=backend/server", or with "+" in front of it for one with an agent-check. */
static bool run_server(const char *word, struct haproxy_server *to)
{
    to->has_agent = word[0] == '+';
    return sscanf(word + to->has_agent, "%63[^/]/%63[^=]=%63[^/]/%63s", to->service, to->member,
                  to->backend, to->server) == 4;
}

static bool run_runtime(struct run *run, int count, char **words)
{
    struct haproxy_server servers[RUN_SERVERS_MAX] = {0};
    struct haproxy_runtime_plan plan = {
        .socket_path = words[0], .servers = servers, .view = run->view, .check_ms = 200};
    struct err err;

    for (int i = 1; i < count && i <= RUN_SERVERS_MAX; i++) {
        if (!run_server(words[i], &servers[plan.servers_count++])) {
            return false;
        }
    }
    run->runtime = haproxy_runtime_create(run->loop, &plan, &err);
    return run->runtime != NULL;
}

static bool run_start(struct run *run, int argc, char **argv)
{
    run->health_server = run_serve(run, argv[1], health_on_request, run->health);
    run->check_server = run_serve(run, argv[2], health_on_cluster_check, &run->check);
    return run->health_server != NULL && run->check_server != NULL && run_agent(run, argv[3]) &&
           (argc < 5 || run_runtime(run, argc - 4, argv + 4));
}

int main(int argc, char **argv)
{
    struct run run = {.view = memory_zeroed(sizeof(struct site_view))};
    struct err err;

    if (argc < 4) {
        (void)fprintf(stderr, "usage: health_run HEALTH_PORT CHECK_PORT AGENT_PORT "
                              "[SOCKET [+]SERVICE/MEMBER=BACKEND/SERVER ...]\n");
        return 2;
    }
    run.loop = loop_create(&err);
    run.health = health_create(run.view);
    run.check = (struct health_cluster_check){.view = run.view, .service = "db"};
    bool is_up = run.loop != NULL && run_start(&run, argc, argv);
    if (is_up) {
        run.input = loop_watch_open(run.loop, STDIN_FILENO, run_on_input, &run);
        (void)printf("ready\n");
        (void)fflush(stdout);
        loop_run(run.loop);
        loop_watch_close(run.input);
    }
    haproxy_runtime_destroy(run.runtime);
    haproxy_agent_close(run.agent);
    http_server_close(run.check_server);
    http_server_close(run.health_server);
    health_destroy(run.health);
    loop_destroy(run.loop);
    buf_finish(&run.lines);
    free(run.view);
    return is_up ? 0 : 1;
}
