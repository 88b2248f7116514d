#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "daemon/secret_file.h"
#include "daemon/site_inside.h"
#include "loop/log.h"
#include "loop/tls.h"
#include "pool/member_writer.h"

/*
 * One service of kind galera, mysql, http or tcp on this node.
 *
 *     probe -> member_health -> writer_choice, or any -> target set -> endpoint
 */

enum {
    RELAY_JITTER_PERCENT = 10,
    RELAY_WARM_STEP_MS = 1000, /* a slow start grows in such steps */
};

struct relay_member {
    struct site_relay *relay;
    const struct site_member *conf;
    struct loop_name *resolving; /* its host is a name that is asked for */
    struct addr addr;            /* without an ip: not known yet */
    struct probe *probe;
    struct member_health health;
    bool can_read; /* a database that takes no writes but may be read */
    char cluster_uuid[GALERA_UUID_MAX];
};

struct site_relay {
    struct site_run *run;
    const struct site_service *service;
    struct relay_member members[MEMBERS_MAX];
    size_t members_count;
    char *password; /* of the probe */
    struct tls_context *tls;
    struct loop_timer *timer;
    bool has_writer; /* one member takes all, the others none */
    struct writer_choice writer;
    struct tcp_endpoint *endpoint; /* NULL: not on this node */
    struct tcp_endpoint *read_endpoint;
    uint64_t generation;
    int writer_now; /* MEMBER_NONE: there is none, or every member may be one */
    bool serves;    /* somebody gets the next connection */
};

/* ---- the choice ---- */

static void relay_fill_choice(const struct site_relay *r, struct choice_member *members, msec_t now)
{
    for (size_t i = 0; i < r->members_count; i++) {
        const struct relay_member *m = &r->members[i];
        members[i] = (struct choice_member){
            .name = m->conf->head.name,
            .reason = m->health.reason,
            .verdict = m->health.verdict,
            .is_drained = m->health.is_drained,
            .priority =
                m->conf->role == SITE_ROLE_STANDBY ? MEMBER_PRIORITY_NEVER : m->conf->priority,
            .weight = m->conf->weight,
            .permille = member_health_permille(&m->health, now),
        };
    }
}

static void relay_fill_target(const struct relay_member *m, size_t i, struct tcp_member *to)
{
    *to = (struct tcp_member){
        .id = (unsigned)i, .at = m->addr, .weight = HEALTH_PERMILLE, .cut_at_ms = MSEC_NEVER};
    text_cut(to->name, sizeof(to->name), m->conf->head.name);
}

/* Only the writer. */
static void relay_writer_set(const struct site_relay *r, const struct writer_decision *decision,
                             struct tcp_target_set *set, msec_t now)
{
    for (size_t i = 0; i < r->members_count; i++) {
        struct tcp_member *to = &set->members[i];
        bool is_writer = decision->writer == (int)i;
        relay_fill_target(&r->members[i], i, to);
        to->may_take = is_writer && addr_is_set(&to->at);
        if ((decision->stay_set & (1U << i)) == 0) {
            to->cut_at_ms = now;
        } else if (!is_writer) {
            to->cut_at_ms = r->writer.finish_ms[i];
        }
    }
}

/* All that serve; those to be avoided, the standbys and, of reads, the writer only when there is no
 * other. */
static void relay_any_set(const struct site_relay *r, const struct choice_member *members,
                          int writer, struct tcp_target_set *set, msec_t now)
{
    for (size_t i = 0; i < r->members_count; i++) {
        const struct relay_member *m = &r->members[i];
        struct tcp_member *to = &set->members[i];
        bool reads_only = writer != MEMBER_NONE && m->can_read;
        bool serves = verdict_serves(members[i].verdict) || reads_only;
        relay_fill_target(m, i, to);
        to->may_take = serves && !members[i].is_drained && addr_is_set(&to->at);
        to->is_backup = members[i].verdict == VERDICT_AVOID || m->conf->role == SITE_ROLE_STANDBY;
        to->is_last = (int)i == writer;
        to->weight = members[i].weight * members[i].permille;
        to->cut_at_ms = serves ? MSEC_NEVER : now;
    }
}

static enum tcp_rule relay_rule(const struct site_service *service)
{
    switch (service->balance) {
    case SITE_BALANCE_ROUND_ROBIN:
        return TCP_RULE_ROUND_ROBIN;
    case SITE_BALANCE_LEAST_CONNECTIONS:
        return TCP_RULE_LEAST;
    case SITE_BALANCE_SOURCE:
        return TCP_RULE_SOURCE;
    }
    UNREACHABLE("a balance of another kind");
}

static void relay_tell_writer(const struct site_relay *r, const struct choice_member *members)
{
    struct buf line = {0};

    writer_choice_explain(&r->writer, members, r->members_count, &line);
    log_notice("%s: writer: %s", r->service->head.name, buf_data(&line));
    buf_finish(&line);
}

static void relay_publish_writer(struct site_relay *r, const struct choice_member *members,
                                 struct tcp_target_set *set, msec_t now)
{
    enum writer_why before = r->writer.why;
    struct writer_decision decision =
        writer_choice_judge(&r->writer, members, r->members_count, now);

    if (decision.outcome == WRITER_MOVED ||
        (decision.outcome == WRITER_NONE && r->writer.why != before)) {
        relay_tell_writer(r, members);
    }
    relay_writer_set(r, &decision, set, now);
    if (r->endpoint != NULL) {
        tcp_endpoint_publish(r->endpoint, set);
    }
    r->writer_now = decision.writer;
    r->serves = decision.writer != MEMBER_NONE;
    if (r->read_endpoint != NULL) {
        relay_any_set(r, members, decision.writer, set, now);
        tcp_endpoint_publish(r->read_endpoint, set);
    }
}

static void relay_publish_any(struct site_relay *r, const struct choice_member *members,
                              struct tcp_target_set *set, msec_t now)
{
    relay_any_set(r, members, MEMBER_NONE, set, now);
    r->serves = false;
    for (size_t i = 0; i < set->count; i++) {
        r->serves = r->serves || set->members[i].may_take;
    }
    if (r->endpoint != NULL) {
        tcp_endpoint_publish(r->endpoint, set);
    }
    if (r->read_endpoint != NULL) {
        tcp_endpoint_publish(r->read_endpoint, set);
    }
}

static msec_t relay_next(const struct site_relay *r, msec_t now)
{
    msec_t next = r->has_writer ? writer_choice_next(&r->writer, now) : MSEC_NEVER;

    for (size_t i = 0; i < r->members_count; i++) {
        bool is_warm = member_health_permille(&r->members[i].health, now) == HEALTH_PERMILLE;
        if (!is_warm && now + RELAY_WARM_STEP_MS < next) {
            next = now + RELAY_WARM_STEP_MS;
        }
    }
    return next;
}

static void relay_judge(void *ctx)
{
    struct site_relay *r = ctx;
    msec_t now = loop_now(r->run->loop);
    struct choice_member members[MEMBERS_MAX];

    struct tcp_target_set *set = memory_zeroed(sizeof(*set));
    set->generation = ++r->generation;
    set->rule = relay_rule(r->service);
    set->count = r->members_count;
    relay_fill_choice(r, members, now);
    if (r->has_writer) {
        relay_publish_writer(r, members, set, now);
    } else {
        relay_publish_any(r, members, set, now);
    }
    free(set);
    site_teller_refresh(r->run->teller);
    msec_t next = relay_next(r, now);
    if (next == MSEC_NEVER) {
        loop_timer_clear(r->timer);
    } else {
        loop_timer_at(r->timer, next);
    }
}

/* ---- the probes ---- */

/* The cluster that most members belong to; "" while no one is of most. */
static const char *relay_cluster(const struct site_relay *r)
{
    for (size_t i = 0; i < r->members_count; i++) {
        const char *uuid = r->members[i].cluster_uuid;
        size_t same = 0;
        for (size_t k = 0; k < r->members_count && uuid[0] != '\0'; k++) {
            same += strcmp(r->members[k].cluster_uuid, uuid) == 0;
        }
        if (2 * same > r->members_count) {
            return uuid;
        }
    }
    return "";
}

static void relay_note_cluster(struct relay_member *m, const struct probe_snapshot *snapshot)
{
    struct site_relay *r = m->relay;

    if (snapshot->kind != PROBE_GALERA || !snapshot->has_galera ||
        strcmp(m->cluster_uuid, snapshot->galera.cluster_uuid) == 0) {
        return;
    }
    text_cut(m->cluster_uuid, sizeof(m->cluster_uuid), snapshot->galera.cluster_uuid);
    const char *cluster = relay_cluster(r);
    for (size_t i = 0; i < r->members_count; i++) {
        if (r->members[i].probe != NULL) {
            probe_set_cluster(r->members[i].probe, cluster);
        }
    }
}

static void relay_on_evidence(void *ctx, const struct evidence *evidence,
                              const struct probe_snapshot *snapshot)
{
    struct relay_member *m = ctx;
    struct site_relay *r = m->relay;
    enum verdict before = m->health.verdict;
    bool could_read = m->can_read;

    relay_note_cluster(m, snapshot);
    m->can_read = snapshot->can_read;
    bool has_changed = member_health_told(&m->health, evidence, loop_now(r->run->loop));
    if (has_changed) {
        log_notice("%s: %s is %s, was %s: %s", r->service->head.name, m->conf->head.name,
                   verdict_text(m->health.verdict), verdict_text(before), m->health.reason);
    }
    if (has_changed || could_read != m->can_read) {
        relay_judge(r);
    }
}

static enum probe_kind relay_probe_kind(enum site_kind kind)
{
    switch (kind) {
    case SITE_GALERA:
        return PROBE_GALERA;
    case SITE_MYSQL:
        return PROBE_MYSQL;
    case SITE_HTTP:
        return PROBE_HTTP;
    case SITE_TCP:
        return PROBE_TCP;
    case SITE_REDIS:
    case SITE_KIND_NONE:
        break;
    }
    UNREACHABLE("a service that is not relayed");
}

static void relay_plan_sql(const struct site_relay *r, struct probe_sql *sql)
{
    const struct site_service *service = r->service;
    static const enum galera_donor donors[] = {[SITE_DONOR_AVOID] = GALERA_DONOR_AVOID,
                                               [SITE_DONOR_NOT_READY] = GALERA_DONOR_NOT_READY,
                                               [SITE_DONOR_READY] = GALERA_DONOR_READY};

    *sql = (struct probe_sql){.user = service->probe.user,
                              .password = r->password,
                              .has_tls = service->tls.is_on,
                              .tls_ca_file = service->tls.ca_file,
                              .tls_cert_file = service->tls.cert_file,
                              .tls_key_file = service->tls.key_file,
                              .rules = {.donor = donors[service->probe.donor],
                                        .recv_queue_max = service->probe.queue_max}};
}

static void relay_plan_http(const struct site_relay *r, struct probe_http *http)
{
    const struct site_probe *probe = &r->service->probe;

    *http = (struct probe_http){.tls = r->tls,
                                .method = site_method_names[probe->method],
                                .path = probe->path,
                                .host = probe->host,
                                .expect_body = probe->body};
    for (size_t i = 0; i < probe->status.count && i < PROBE_HTTP_RANGES_MAX; i++) {
        http->expected[http->expected_count++] = (struct probe_range){
            (int)probe->status.ranges[i].from, (int)probe->status.ranges[i].to};
    }
}

static bool relay_probe(struct relay_member *m, struct err *err)
{
    struct site_relay *r = m->relay;
    const struct site_probe *probe = &r->service->probe;
    struct addr at = m->addr;
    struct probe_plan plan = {.kind = relay_probe_kind(r->service->kind),
                              .address = &at,
                              .every_ms = probe->every_ms,
                              .timeout_ms = probe->timeout_ms,
                              .jitter_percent = RELAY_JITTER_PERCENT,
                              .tcp = {.tls = r->tls, .send = probe->send, .expect = probe->expect}};

    if (probe->port != 0) {
        at.port = (uint16_t)probe->port;
    }
    plan.tcp.send_len = probe->send == NULL ? 0 : strlen(probe->send);
    plan.tcp.expect_len = probe->expect == NULL ? 0 : strlen(probe->expect);
    relay_plan_sql(r, &plan.sql);
    relay_plan_http(r, &plan.http);
    m->probe = probe_create(r->run->loop, &plan, relay_on_evidence, m, err);
    return m->probe != NULL || err_wrap(err, "member %s", m->conf->head.name);
}

static void relay_on_name(void *ctx, const char *ip, const char *why)
{
    struct relay_member *m = ctx;
    struct err err = {{0}};

    m->resolving = NULL;
    if (ip == NULL) {
        log_warning("%s: %s: %s: %s", m->relay->service->head.name, m->conf->head.name,
                    m->addr.name, why);
        return;
    }
    text_cut(m->addr.ip, sizeof(m->addr.ip), ip);
    if (!relay_probe(m, &err)) {
        log_warning("%s: %s", m->relay->service->head.name, err.text);
    }
}

static struct health_rules relay_health_rules(const struct site_service *service)
{
    bool is_reported = service->kind == SITE_GALERA || service->kind == SITE_MYSQL;
    struct health_rules rules = is_reported ? health_rules_reported() : health_rules_observed();

    if (!is_reported) {
        rules.rise = service->probe.rise;
        rules.fall = service->probe.fall;
        rules.timeout_fall = service->probe.fall;
    }
    rules.slow_start_ms = service->slow_start_ms;
    return rules;
}

static bool relay_member_open(struct site_relay *r, const struct site_member *conf, struct err *err)
{
    struct relay_member *m = &r->members[r->members_count++];
    struct health_rules rules = relay_health_rules(r->service);
    const char *host = site_member_host(&r->run->site, conf);

    *m = (struct relay_member){.relay = r, .conf = conf};
    member_health_init(&m->health, &rules);
    if (!addr_set(&m->addr, host, (uint16_t)conf->port)) {
        return err_set(err, "member %s: %s: not an address", conf->head.name, host);
    }
    if (m->addr.ip[0] != '\0') {
        return relay_probe(m, err);
    }
    m->resolving = loop_resolve(r->run->loop, host, relay_on_name, m);
    return true;
}

/* ---- the endpoints ---- */

static bool relay_listen(struct site_relay *r, const struct site_endpoint *conf,
                         struct tcp_endpoint **endpoint, struct err *err)
{
    struct router_listen listens[ROUTER_LISTENS_MAX];
    struct tcp_endpoint_plan plan;
    const struct site *site = &r->run->site;

    if (!site_endpoint_is_on(site, r->service, conf, r->run->node)) {
        return true;
    }
    tcp_endpoint_plan_init(&plan);
    for (size_t i = 0; i < conf->listen.count; i++) {
        if (!site_listen_on(&conf->listen.items[i], r->run->node, &listens[i], err)) {
            return false;
        }
    }
    plan.name = r->service->head.name;
    plan.listens = listens;
    plan.listens_count = conf->listen.count;
    plan.threads = site->threads;
    plan.connections_max = conf->clients_max;
    plan.hold_ms = conf->hold_ms;
    plan.connect_timeout_ms = conf->connect_timeout_ms;
    plan.idle_timeout_ms = conf->idle_timeout_ms;
    plan.drain_ms = conf->drain_ms;
    plan.proxy_protocol = (int)conf->proxy_protocol;
    *endpoint = tcp_endpoint_open(r->run->loop, &plan, err);
    return *endpoint != NULL;
}

static bool relay_prepare(struct site_relay *r, struct err *err)
{
    const struct site_service *service = r->service;
    const struct site_tls *tls = &service->probe.tls;
    struct tls_settings settings = {
        .ca_file = tls->ca_file, .cert_file = tls->cert_file, .key_file = tls->key_file};

    if (tls->is_on) {
        r->tls = tls_client_create(&settings, err);
        if (r->tls == NULL) {
            return err_wrap(err, "probe");
        }
    }
    if (service->members_count > MEMBERS_MAX) {
        return err_set(err, "%zu members; at most %d are served", service->members_count,
                       MEMBERS_MAX);
    }
    return secret_file_read(service->probe.password_file, &r->password, secret_file_warn_log, err);
}

struct site_relay *site_relay_open(struct site_run *run, const struct site_service *service,
                                   struct err *err)
{
    struct site_relay *r = memory_zeroed(sizeof(*r));
    struct writer_rules rules = {.may_pick_alone = true,
                                 .drain_ms = service->endpoint.switchover_wait_ms};

    *r = (struct site_relay){.run = run, .service = service, .writer_now = MEMBER_NONE};
    r->has_writer = service->kind == SITE_MYSQL ||
                    (service->kind == SITE_GALERA && service->choice == SITE_CHOICE_SINGLE_WRITER);
    r->timer = loop_timer_create(run->loop, relay_judge, r);
    writer_choice_init(&r->writer, &rules, loop_now(run->loop));
    bool is_good = relay_prepare(r, err) &&
                   relay_listen(r, &service->endpoint, &r->endpoint, err) &&
                   relay_listen(r, &service->read_endpoint, &r->read_endpoint, err);
    for (size_t i = 0; i < service->members_count && is_good; i++) {
        is_good = relay_member_open(r, &service->members[i], err);
    }
    if (!is_good) {
        (void)err_wrap(err, "service %s", service->head.name);
        site_relay_close(r);
        return NULL;
    }
    relay_judge(r);
    return r;
}

void site_relay_close(struct site_relay *r)
{
    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < r->members_count; i++) {
        probe_destroy(r->members[i].probe);
        if (r->members[i].resolving != NULL) {
            loop_resolve_cancel(r->members[i].resolving);
        }
    }
    tcp_endpoint_close(r->endpoint);
    tcp_endpoint_close(r->read_endpoint);
    loop_timer_destroy(r->timer);
    tls_destroy(r->tls);
    secret_file_wipe(&r->password);
    free(r);
}

unsigned site_relay_drain(struct site_relay *r, loop_call on_drained, void *ctx)
{
    unsigned count = 0;

    if (r->endpoint != NULL) {
        tcp_endpoint_drain(r->endpoint, on_drained, ctx);
        count++;
    }
    if (r->read_endpoint != NULL) {
        tcp_endpoint_drain(r->read_endpoint, on_drained, ctx);
        count++;
    }
    return count;
}

/* ---- what is told of it ---- */

static void relay_fill_endpoint(const struct site_relay *r, struct view_endpoint *to)
{
    struct choice_member members[MEMBERS_MAX];
    struct buf text = {0};

    *to = (struct view_endpoint){.is_here = r->endpoint != NULL, .serves = r->serves};
    if (r->endpoint != NULL) {
        router_listen_text(&r->service->endpoint.listen.items[0].to, &text);
        text_cut(to->address, sizeof(to->address), buf_data(&text));
        buf_finish(&text);
    }
    if (!r->serves) {
        relay_fill_choice(r, members, loop_now(r->run->loop));
        choice_explain_none(members, r->members_count, &text);
        text_cut(to->reason, sizeof(to->reason), buf_data(&text));
        buf_finish(&text);
    }
}

void site_relay_fill(const struct site_relay *r, struct view_service *to)
{
    msec_t now = loop_now(r->run->loop);

    to->has_one_writer = r->has_writer;
    to->members_count = r->members_count;
    relay_fill_endpoint(r, &to->endpoint);
    for (size_t i = 0; i < r->members_count; i++) {
        const struct relay_member *m = &r->members[i];
        struct view_member *view = &to->members[i];
        *view = (struct view_member){
            .verdict = m->health.verdict,
            .since_unix_ms = site_teller_unix_ms(r->run->loop, m->health.since_ms),
            .weight_permille = member_health_permille(&m->health, now),
            .is_drained = m->health.is_drained,
            .is_writer = r->writer_now == (int)i,
            .is_here = site_member_node(&r->run->site, m->conf) == r->run->node};
        text_cut(view->name, sizeof(view->name), m->conf->head.name);
        text_cut(view->reason, sizeof(view->reason), m->health.reason);
        (void)addr_text(&m->addr, view->address);
    }
}
