/*
 * Runs one probe and prints a line of JSON for each change of what it says, until it is ended.
 *
 *   probe_watch galera|mysql|http|https|tcp IP:PORT [NAME=VALUE ...]
 *
 * Every line holds at_ms (CLOCK_BOOTTIME), verdict, reason, took_ms and what the kind has seen.
 * With all=1 every probe is a line. Standard input at its end ends it too.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "probe/probe.h"

struct watch {
    struct loop *loop;
    struct probe_plan plan;
    struct addr address;
    struct tls_settings tls_files;
    struct tls_context *tls;
    struct evidence last;
    bool shows_all;
    bool is_https;
};

static const char *watch_verdict(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_UNKNOWN:
        return "unknown";
    case VERDICT_READY:
        return "ready";
    case VERDICT_AVOID:
        return "avoid";
    case VERDICT_NOT_READY:
        return "not-ready";
    case VERDICT_UNREACHABLE:
        return "unreachable";
    }
    UNREACHABLE("a verdict of no name");
}

static void watch_on_evidence(void *ctx, const struct evidence *evidence,
                              const struct probe_snapshot *s)
{
    struct watch *w = ctx;

    if (!w->shows_all && w->last.verdict == evidence->verdict &&
        strcmp(w->last.reason, evidence->reason) == 0) {
        return;
    }
    w->last = *evidence;
    json_t *line =
        json_pack("{s:I, s:s, s:s, s:I, s:b, s:b, s:I, s:I, s:i, s:s}", "at_ms",
                  (json_int_t)loop_now(w->loop), "verdict", watch_verdict(evidence->verdict),
                  "reason", evidence->reason, "took_ms", (json_int_t)evidence->took_ms,
                  "is_timeout", evidence->is_timeout, "can_read", s->can_read, "probes",
                  (json_int_t)s->probes, "connects", (json_int_t)s->connects, "http_status",
                  s->http_status, "server_version", s->server_version);
    ASSERT(line != NULL);
    if (s->has_galera) {
        json_t *galera = json_pack(
            "{s:I, s:I, s:s, s:s, s:b, s:I}", "local_state", (json_int_t)s->galera.local_state,
            "cluster_size", (json_int_t)s->galera.cluster_size, "cluster_status",
            s->galera.cluster_status, "cluster_uuid", s->galera.cluster_uuid, "is_read_only",
            s->galera.is_read_only, "paused_permille", (json_int_t)s->galera.paused_permille);
        ASSERT(galera != NULL && json_object_set_new(line, "galera", galera) == 0);
    }
    char *text = json_dumps(line, JSON_COMPACT);
    ASSERT(text != NULL);
    (void)puts(text); /* a reader that is gone ends us by standard input */
    (void)fflush(stdout);
    free(text);
    json_decref(line);
}

static void watch_die(const char *what)
{
    (void)fprintf(stderr, "probe_watch: %s\n", what);
    exit(2);
}

static int64_t watch_number(const char *text)
{
    int64_t value = 0;

    if (!text_to_i64(text, strlen(text), &value)) {
        watch_die("not a number");
    }
    return value;
}

static bool watch_take_text(struct watch *w, const char *name, const char *value)
{
    struct {
        const char *name;
        const char **field;
    } rows[] = {
        {"user", &w->plan.sql.user},          {"password", &w->plan.sql.password},
        {"sql-ca", &w->plan.sql.tls_ca_file}, {"method", &w->plan.http.method},
        {"path", &w->plan.http.path},         {"host", &w->plan.http.host},
        {"body", &w->plan.http.expect_body},  {"send", &w->plan.tcp.send},
        {"expect", &w->plan.tcp.expect},      {"ca", &w->tls_files.ca_file},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strcmp(rows[i].name, name) == 0) {
            *rows[i].field = value;
            return true;
        }
    }
    return false;
}

static bool watch_take_number(struct watch *w, const char *name, const char *value)
{
    struct probe_plan *plan = &w->plan;

    if (strcmp(name, "every") == 0) {
        plan->every_ms = watch_number(value);
    } else if (strcmp(name, "timeout") == 0) {
        plan->timeout_ms = watch_number(value);
    } else if (strcmp(name, "jitter") == 0) {
        plan->jitter_percent = (int)watch_number(value);
    } else if (strcmp(name, "all") == 0) {
        w->shows_all = watch_number(value) != 0;
    } else if (strcmp(name, "tls") == 0) {
        plan->sql.has_tls = watch_number(value) != 0;
    } else if (strcmp(name, "check-name") == 0) {
        plan->sql.checks_name = watch_number(value) != 0;
    } else if (strcmp(name, "status") == 0) {
        int code = (int)watch_number(value);
        plan->http.expected[plan->http.expected_count++] = (struct probe_range){code, code};
    } else if (strcmp(name, "queue-max") == 0) {
        plan->sql.rules.recv_queue_max = watch_number(value);
    } else if (strcmp(name, "paused-max") == 0) {
        plan->sql.rules.paused_max_permille = watch_number(value);
    } else {
        return false;
    }
    return true;
}

static void watch_take(struct watch *w, char *word)
{
    char *equals = strchr(word, '=');
    struct galera_rules *rules = &w->plan.sql.rules;

    if (equals == NULL) {
        watch_die("write NAME=VALUE");
    }
    *equals = '\0';
    const char *value = equals + 1;
    if (strcmp(word, "donor") == 0) {
        rules->donor = strcmp(value, "ready") == 0       ? GALERA_DONOR_READY
                       : strcmp(value, "not-ready") == 0 ? GALERA_DONOR_NOT_READY
                                                         : GALERA_DONOR_AVOID;
    } else if (strcmp(word, "cluster") == 0) {
        text_cut(rules->cluster_uuid, sizeof(rules->cluster_uuid), value);
    } else if (!watch_take_text(w, word, value) && !watch_take_number(w, word, value)) {
        watch_die("an option of no name");
    }
}

static void watch_take_kind(struct watch *w, const char *kind, char *address)
{
    char *colon = strrchr(address, ':');

    if (strcmp(kind, "galera") == 0) {
        w->plan.kind = PROBE_GALERA;
    } else if (strcmp(kind, "mysql") == 0) {
        w->plan.kind = PROBE_MYSQL;
    } else if (strncmp(kind, "http", 4) == 0) {
        w->plan.kind = PROBE_HTTP;
        w->is_https = strcmp(kind, "https") == 0;
    } else if (strcmp(kind, "tcp") == 0) {
        w->plan.kind = PROBE_TCP;
    } else {
        watch_die("galera, mysql, http, https or tcp");
    }
    if (colon == NULL) {
        watch_die("write IP:PORT");
    }
    *colon = '\0';
    if (!addr_set(&w->address, address, (uint16_t)watch_number(colon + 1))) {
        watch_die("write IP:PORT");
    }
    w->plan.address = &w->address;
}

static void watch_on_input(void *ctx)
{
    struct watch *w = ctx;
    char bytes[64];

    if (read(STDIN_FILENO, bytes, sizeof(bytes)) <= 0) {
        loop_stop(w->loop);
    }
}

int main(int argc, char **argv)
{
    struct watch w = {.plan = {.every_ms = 100, .timeout_ms = 500, .jitter_percent = 10}};
    struct err err = {{0}};

    if (argc < 3) {
        watch_die("probe_watch KIND IP:PORT [NAME=VALUE ...]");
    }
    watch_take_kind(&w, argv[1], argv[2]);
    for (int i = 3; i < argc; i++) {
        watch_take(&w, argv[i]);
    }
    w.plan.tcp.send_len = w.plan.tcp.send != NULL ? strlen(w.plan.tcp.send) : 0;
    w.plan.tcp.expect_len = w.plan.tcp.expect != NULL ? strlen(w.plan.tcp.expect) : 0;
    w.loop = loop_create(&err);
    if (w.loop == NULL) {
        watch_die(err.text);
    }
    if (w.is_https) {
        w.tls = tls_client_create(&w.tls_files, &err);
        if (w.tls == NULL) {
            watch_die(err.text);
        }
        w.plan.http.tls = w.tls;
    }
    struct probe *probe = probe_create(w.loop, &w.plan, watch_on_evidence, &w, &err);
    if (probe == NULL) {
        watch_die(err.text);
    }
    struct loop_watch *input = loop_watch_open(w.loop, STDIN_FILENO, watch_on_input, &w);
    loop_run(w.loop);
    loop_watch_close(input);
    probe_destroy(probe);
    tls_destroy(w.tls);
    loop_destroy(w.loop);
    return 0;
}
