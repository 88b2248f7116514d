/* What a site file may say, what it means, and every way to get it wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/site.h"

struct trial {
    struct site site;
    struct site_findings findings;
    bool is_right;
};

static void trial_run(struct trial *t, const char *text)
{
    *t = (struct trial){0};
    t->is_right = site_parse(text, strlen(text), &t->site, &t->findings);
}

static void trial_finish(struct trial *t)
{
    site_findings_finish(&t->findings);
    if (t->is_right) {
        site_finish(&t->site);
    }
}

static void trial_print(const struct trial *t)
{
    for (size_t i = 0; i < t->findings.count; i++) {
        const struct site_finding *finding = &t->findings.items[i];
        print_error("%d:%d: %s (%s)\n", finding->at.line, finding->at.column, finding->what,
                    finding->remedy == NULL ? "" : finding->remedy);
    }
}

static void assert_right(struct trial *t, const char *text)
{
    trial_run(t, text);
    if (!t->is_right || t->findings.count > 0) {
        trial_print(t);
    }
    assert_true(t->is_right);
    assert_int_equal(t->findings.count, 0);
}

/* This and nothing else, there; what or remedy holds the text. */
static void assert_finding(const char *text, enum site_severity severity, int line,
                           const char *says)
{
    struct trial t;

    trial_run(&t, text);
    bool is_found =
        t.findings.count == 1 && t.findings.items[0].at.line == line &&
        t.findings.items[0].severity == severity &&
        (strstr(t.findings.items[0].what, says) != NULL ||
         (t.findings.items[0].remedy != NULL && strstr(t.findings.items[0].remedy, says) != NULL));
    if (!is_found) {
        trial_print(&t);
        fail_msg("wanted line %d: %s; in\n%s", line, says, text);
    }
    assert_true(t.is_right == (severity == SITE_WARNING));
    trial_finish(&t);
}

static void assert_error(const char *text, int line, const char *says)
{
    assert_finding(text, SITE_ERROR, line, says);
}

#define NODES                                                                                      \
    "site: s\n"                                                                                    \
    "nodes: {a: 10.0.0.1, b: 10.0.0.2, c: 10.0.0.3, d: 10.0.0.4}\n"                                \
    "services:\n"
/* line 4 on */
#define CACHE                                                                                      \
    NODES                                                                                          \
    "  cache:\n"                                                                                   \
    "    kind: redis\n"                                                                            \
    "    members: [a, b, c]\n"
/* line 7 on */
#define WEB                                                                                        \
    NODES                                                                                          \
    "  web:\n"                                                                                     \
    "    kind: http\n"                                                                             \
    "    members: [a, b]\n"
#define DB                                                                                         \
    NODES                                                                                          \
    "  db:\n"                                                                                      \
    "    kind: galera\n"                                                                           \
    "    members: [a, b, c]\n"                                                                     \
    "    probe: {password_file: /etc/p}\n"

/* ---- what it means ---- */

static void test_short_file_has_safe_defaults(void **state)
{
    struct trial t;

    (void)state;
    assert_right(&t, CACHE "    endpoint: 127.0.0.1:6379\n");
    const struct site_service *cache = &t.site.services[0];
    assert_string_equal(t.site.name, "s");
    assert_string_equal(t.site.state_directory, "/var/lib/holdfast");
    assert_int_equal(t.site.nodes_count, 4);
    assert_string_equal(t.site.nodes[1].address, "10.0.0.2");
    assert_int_equal(cache->kind, SITE_REDIS);
    assert_int_equal(cache->use, SITE_USE_STORE);
    assert_int_equal(cache->members_count, 3);
    assert_int_equal(cache->members[2].port, 6379);
    assert_int_equal(cache->members[2].priority, 100);
    assert_int_equal(cache->down_after_ms, 1000);
    assert_int_equal(cache->refused_after_ms, 100);
    assert_int_equal(cache->endpoint.hold_ms, 800);
    assert_int_equal(cache->endpoint.when_down, ROUTER_DOWN_ERROR);
    assert_int_equal(cache->endpoint.retry_writes, ROUTER_RETRY_NONE);
    assert_int_equal(cache->endpoint.listen.count, 1);
    assert_int_equal(cache->endpoint.listen.items[0].to.at.port, 6379);
    assert_false(site_is_given(&cache->read_endpoint.head));
    assert_false(site_is_given(&t.site.haproxy.head));
    assert_int_equal(t.site.health.listen.items[0].to.at.port, 9180);
    assert_true(t.site.health.listen.items[0].is_own_address);
    trial_finish(&t);
}

static void test_defaults_follow_the_kind(void **state)
{
    struct trial t;

    (void)state;
    assert_right(&t, DB);
    assert_int_equal(t.site.services[0].members[0].port, 3306);
    assert_int_equal(t.site.services[0].probe.every_ms, 200);
    assert_int_equal(t.site.services[0].choice, SITE_CHOICE_SINGLE_WRITER);
    assert_int_equal(t.site.services[0].balance, SITE_BALANCE_LEAST_CONNECTIONS);
    assert_string_equal(t.site.services[0].probe.user, "holdfast");
    trial_finish(&t);
    assert_right(&t, WEB);
    assert_int_equal(t.site.services[0].members[0].port, 80);
    assert_int_equal(t.site.services[0].probe.every_ms, 2000);
    assert_int_equal(t.site.services[0].probe.status.ranges[0].to, 399);
    assert_int_equal(t.site.services[0].balance, SITE_BALANCE_ROUND_ROBIN);
    trial_finish(&t);
}

static void test_elements_keep_their_lines(void **state)
{
    struct trial t;

    (void)state;
    assert_right(&t, CACHE "    endpoint:\n      listen: 127.0.0.1:6379\n      hold: 2s\n");
    const struct site_endpoint *endpoint = &t.site.services[0].endpoint;
    assert_int_equal(t.site.services[0].head.at.line, 4);
    assert_int_equal(t.site.services[0].members[1].head.at.line, 6);
    assert_int_equal(t.site.services[0].members[1].head.at.column, 18);
    assert_int_equal(site_mark_of(&endpoint->head, "hold").line, 9);
    assert_int_equal(site_mark_of(&endpoint->head, "hold").column, 13);
    assert_int_equal(site_mark_of(&endpoint->head, "drain").line, endpoint->head.at.line);
    trial_finish(&t);
}

static void test_long_forms(void **state)
{
    struct trial t;

    (void)state;
    assert_right(&t, NODES "  web:\n    kind: http\n    members:\n"
                           "      one: {node: a, port: 8080, weight: 10}\n      b: 81\n"
                           "      far: {address: web.example.net, role: standby}\n"
                           "    probe: {status: '200-204, 301', tls: yes}\n"
                           "    endpoint: {listen: ['[::1]:80', 'unix:/run/w.sock', node:81], "
                           "nodes: d}\n");
    const struct site_service *web = &t.site.services[0];
    assert_string_equal(web->members[0].node, "a");
    assert_int_equal(web->members[1].port, 81);
    assert_null(web->members[2].node);
    assert_string_equal(site_member_host(&t.site, &web->members[2]), "web.example.net");
    assert_string_equal(site_member_host(&t.site, &web->members[0]), "10.0.0.1");
    assert_int_equal(web->members[2].role, SITE_ROLE_STANDBY);
    assert_int_equal(web->probe.status.count, 2);
    assert_int_equal(web->probe.status.ranges[1].from, 301);
    assert_true(web->probe.tls.is_on);
    assert_string_equal(web->endpoint.listen.items[0].to.at.ip, "::1");
    assert_string_equal(web->endpoint.listen.items[1].to.path, "/run/w.sock");
    assert_true(web->endpoint.listen.items[2].is_own_address);
    assert_true(site_endpoint_is_on(&t.site, web, &web->endpoint, site_node(&t.site, "d")));
    assert_false(site_endpoint_is_on(&t.site, web, &web->endpoint, site_node(&t.site, "a")));
    trial_finish(&t);
}

static void test_endpoints_are_where_the_web_is(void **state)
{
    struct trial t;

    (void)state;
    assert_right(&t, CACHE "    endpoint: 127.0.0.1:6379\n"
                           "  web:\n    kind: http\n    members: [c, d]\n");
    const struct site_service *cache = &t.site.services[0];
    assert_false(site_endpoint_is_on(&t.site, cache, &cache->endpoint, &t.site.nodes[0]));
    assert_true(site_endpoint_is_on(&t.site, cache, &cache->endpoint, &t.site.nodes[3]));
    trial_finish(&t);
    assert_right(&t, CACHE "    endpoint: 127.0.0.1:6379\n");
    assert_true(site_endpoint_is_on(&t.site, &t.site.services[0], &t.site.services[0].endpoint,
                                    &t.site.nodes[0]));
    trial_finish(&t);
}

static void test_monitors_are_chosen(void **state)
{
    struct trial t;

    (void)state;
    assert_right(&t, CACHE);
    assert_int_equal(t.site.monitors.nodes.count, 3);
    assert_int_equal(site_quorum(&t.site, &t.site.services[0]), 2);
    assert_false(site_names_have(&t.site.monitors.nodes, "d"));
    trial_finish(&t);
    /* two with data: a third, the first of the others, or one from a zone that has none yet */
    assert_right(&t, NODES "  r: {kind: redis, members: [a, b]}\n");
    assert_int_equal(t.site.monitors.nodes.count, 3);
    assert_true(site_names_have(&t.site.monitors.nodes, "c"));
    trial_finish(&t);
    assert_right(&t, "site: s\nnodes:\n  a: {address: 10.0.0.1, zone: x}\n"
                     "  b: {address: 10.0.0.2, zone: y}\n  c: {address: 10.0.0.3, zone: x}\n"
                     "  d: {address: 10.0.0.4, zone: z}\n"
                     "services: {r: {kind: redis, members: [a, b]}}\n");
    assert_int_equal(t.site.monitors.nodes.count, 3);
    assert_true(site_names_have(&t.site.monitors.nodes, "d"));
    trial_finish(&t);
}

static void test_aliases_are_followed(void **state)
{
    struct trial t;

    (void)state;
    assert_right(&t, NODES "  r1: {kind: redis, members: &all [a, b, c]}\n"
                           "  db: {kind: galera, members: *all, probe: {password_file: /etc/p}}\n");
    assert_int_equal(t.site.services[1].members_count, 3);
    assert_int_equal(t.site.services[1].members[0].port, 3306);
    trial_finish(&t);
}

/* ---- mistakes of form ---- */

static void test_all_mistakes_at_once_in_order(void **state)
{
    static const int lines[] = {2, 6, 7, 8, 9, 10};
    struct trial t;

    (void)state;
    trial_run(&t, "site: s\nnods: {}\nnodes: {a: 10.0.0.1}\nservices:\n  cache:\n    kind: reddis\n"
                  "    members: [a, z]\n    down_after: 5\n    quorum: 99\n    hodl: 1s\n");
    assert_false(t.is_right);
    assert_int_equal(t.findings.count, 6);
    assert_int_equal(t.findings.errors_count, 6);
    for (size_t i = 0; i < t.findings.count; i++) {
        assert_int_equal(t.findings.items[i].at.line, lines[i]);
    }
    assert_non_null(strstr(t.findings.items[0].remedy, "did you mean nodes?"));
    assert_non_null(strstr(t.findings.items[1].remedy, "did you mean redis?"));
    trial_finish(&t);
}

static void test_unknown_keys(void **state)
{
    (void)state;
    assert_error(CACHE "    down_aftr: 1s\n", 7, "did you mean down_after?");
    assert_error(CACHE "    listen: 127.0.0.1:1\n", 7,
                 "it stands under \"services: NAME: endpoint:\"");
    assert_error(CACHE "    slow_start: 1s\n", 7, "means nothing for a service of kind redis");
    assert_error(CACHE "    zzz: 1s\n", 7, "known here: kind, members, use");
    assert_error(CACHE "    <<: {use: cache}\n", 7, "maps are not merged");
    assert_error(CACHE "    [a]: 1\n", 7, "a key that is no word");
}

static void test_wrong_kinds_and_bounds(void **state)
{
    (void)state;
    assert_error(CACHE "    down_after: 5\n", 7, "is not a time");
    assert_error(CACHE "    down_after: 1ms\n", 7, "write 100ms to 10m");
    assert_error(CACHE "    down_after: [1s]\n", 7, "write a single value");
    assert_error(CACHE "    down_after: {a: b}\n", 7, "this is not one value");
    assert_error(CACHE "    down_after:\n", 7, "there is no value");
    assert_error(CACHE "    parallel_syncs: -1\n", 7, "is no number");
    assert_error(CACHE "    use: cach\n", 7, "did you mean cache?");
    assert_error(CACHE "    endpoint: {listen: 127.0.0.1:1, open: perhaps}\n", 7, "yes or no");
    assert_error(CACHE "    endpoint: 6379\n", 7, "is no address to listen on");
    assert_error(CACHE "    endpoint: 127.0.0.1:0\n", 7, "is no address to listen on");
    assert_error(CACHE "    endpoint: 127.0.0.1:65536\n", 7, "is no address to listen on");
    assert_error(CACHE "    endpoint: ::1:6379\n", 7, "is no address to listen on");
    assert_error(CACHE "    endpoint: localhost:6379\n", 7, "is no address to listen on");
    assert_error(CACHE "    endpoint: {hold: 1s}\n", 7, "listen is missing");
    assert_error(CACHE "    endpoint: {listen: 127.0.0.1:1, hold_max: 1}\n", 7, "is not a size");
    assert_error(CACHE "    endpoint: {listen: 127.0.0.1:1, sessions_databases: 64}\n", 7,
                 "0 to 63");
    assert_error(WEB "    probe: {status: 99}\n", 7, "is no list of statuses");
    assert_error(WEB "    probe: {status: '300-200'}\n", 7, "is no list of statuses");
    assert_error(WEB "    probe: {host: 'a b'}\n", 7, "is no address");
    assert_error(WEB "    probe: {body: \"a\\u009bb\"}\n", 7, "control character");
    assert_error(WEB "    probe: yes\n", 7, "this is no map of keys");
    assert_error("site: 'a b'\nnodes: {a: 1.2.3.4}\nservices: {w: {kind: http, members: [a]}}\n", 1,
                 "is no name");
    assert_error("site: s\nnodes: {a/b: 1.2.3.4}\nservices: {w: {kind: http, members: [a]}}\n", 2,
                 "is no name");
    assert_error("site: s\nnodes: []\nservices: {w: {kind: http, members: [a]}}\n", 2, "is no map");
    assert_error("site: s\nnodes: {a: 1.2.3.4}\n", 1, "services is missing");
    assert_error(NODES "  q: {kind: tcp, members: {a: 1, b: {}}, probe: {expect: x}}\n", 4,
                 "port is missing");
}

static void test_double_keys(void **state)
{
    (void)state;
    assert_error(CACHE "    use: cache\n    use: store\n", 8, "the first is in line 7");
    assert_error(CACHE "  cache: {kind: tcp, members: {a: 1}}\n", 7, "the first is in line 4");
    assert_error(CACHE "site: t\n", 7, "second time");
}

static void test_texts_that_are_no_yaml(void **state)
{
    (void)state;
    assert_error("", 1, "nothing in the file");
    assert_error("# only this\n", 1, "nothing in the file");
    assert_error("- a\n", 1, "no map of keys");
    assert_error("site: s\nnodes:\n\ta: 1\n", 3, "a tab in the indentation");
    assert_error("site: \"s\nnodes: {}\n", 3, "quotes that are not closed");
    assert_error("site: a: b\n", 1, "where no key may stand");
    assert_error("site: [a, b\nnodes: x\n", 2, "[ ]");
    assert_error("site: *nobody\n", 1, "an alias of an anchor that is not there");
    assert_error("site: s\xff\n", 1, "not UTF-8");
    assert_error("site: s\xc0\xaf\n", 1, "not UTF-8");
    assert_error("site: s\x07\n", 1, "control character");
    assert_error("site: s\xe2\x80\xa8x\n", 1, "line break");
    assert_error("site: s\rnodes: x\n", 1, "carriage return");
}

static void test_second_document_is_found_beside_others(void **state)
{
    struct trial t;

    (void)state;
    trial_run(&t, CACHE "    hodl: 1\n---\nsite: t\n");
    assert_false(t.is_right);
    assert_int_equal(t.findings.count, 2);
    assert_int_equal(t.findings.items[1].at.line, 8);
    trial_finish(&t);
}

static void test_byte_order_mark_and_crlf_are_fine(void **state)
{
    struct trial t;

    (void)state;
    assert_right(&t, "\xef\xbb\xbfsite: s\r\nnodes: {a: 10.0.0.1}\r\n"
                     "services: {w: {kind: http, members: [a]}}\r\n");
    assert_int_equal(t.site.nodes[0].head.at.line, 2);
    trial_finish(&t);
}

/* Each level holds the one before nine times: 9^8 nodes when they are all looked at. */
static void test_alias_bomb_ends(void **state)
{
    struct buf text = {0};
    struct trial t;

    (void)state;
    buf_append_text(&text, "a0: &a0 {x: 1}\n");
    for (int i = 1; i < 9; i++) {
        buf_printf(&text, "a%d: &a%d {", i, i);
        for (int j = 0; j < 9; j++) {
            buf_printf(&text, "n%d: *a%d, ", j, i - 1);
        }
        buf_append_text(&text, "}\n");
    }
    buf_append_text(&text, "nodes: *a8\nservices: *a8\n");
    trial_run(&t, buf_data(&text));
    assert_false(t.is_right);
    assert_true(t.findings.count <= SITE_FINDINGS_MAX);
    trial_finish(&t);
    buf_finish(&text);
}

static void test_wide_aliases_end(void **state)
{
    struct buf text = {0};
    struct trial t;

    (void)state;
    buf_append_text(&text, "site: s\nnodes: {a: 10.0.0.1}\nx: &m {");
    for (int i = 0; i < 5000; i++) {
        buf_printf(&text, "k%d: 1, ", i);
    }
    buf_append_text(&text, "}\nservices:\n");
    for (int i = 0; i < 30; i++) {
        buf_printf(&text, "  s%d: *m\n", i);
    }
    trial_run(&t, buf_data(&text));
    assert_false(t.is_right);
    assert_int_equal(t.findings.count, SITE_FINDINGS_MAX);
    assert_true(t.findings.more_count > 0);
    assert_true(t.findings.errors_count < 60000);
    trial_finish(&t);
    buf_finish(&text);
}

static void test_limits(void **state)
{
    struct buf text = {0};
    struct trial t;

    (void)state;
    buf_append_text(&text, "site: s\nnodes:\n");
    for (int i = 0; i <= SITE_NODES_MAX; i++) {
        buf_printf(&text, "  n%d: 10.0.1.%d\n", i, i);
    }
    buf_append_text(&text, "services: {w: {kind: http, members: [n0, n1]}}\n");
    assert_error(buf_data(&text), 3 + SITE_NODES_MAX, "at most 64");
    buf_clear(&text);
    buf_append_text(&text, "site: s\n");
    while (text.len <= SITE_TEXT_MAX_BYTES) {
        buf_append_text(&text, "# more\n");
    }
    assert_error(buf_data(&text), 1, "too large");
    buf_clear(&text);
    for (int i = 0; i < 3000; i++) {
        buf_append_text(&text, "[");
    }
    trial_run(&t, buf_data(&text));
    assert_false(t.is_right);
    assert_int_equal(t.findings.count, 1);
    trial_finish(&t);
    for (int i = 0; i < 100000; i++) {
        buf_append_text(&text, "[");
    }
    assert_error(buf_data(&text), 1, "more than 8192 times [ or {"); /* minutes in libyaml */
    buf_finish(&text);
}

/* ---- secrets ---- */

static void test_secrets_stay_out_of_messages(void **state)
{
    static const char *const texts[] = {
        CACHE "    password: hunter2\n",
        CACHE "    password_file: hunter2\n",
        CACHE "    password_file: [hunter2]\n",
        CACHE "    endpoint: {listen: 127.0.0.1:1, client_password: hunter2}\n",
        CACHE "    requirepass: hunter2\n",
    };
    struct trial t;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        trial_run(&t, texts[i]);
        assert_false(t.is_right);
        assert_int_equal(t.findings.count, 1);
        assert_true(t.findings.items[0].is_secret);
        assert_null(strstr(t.findings.items[0].what, "hunter2"));
        assert_null(strstr(t.findings.items[0].remedy, "hunter2"));
        trial_finish(&t);
    }
    assert_error(CACHE "    password: x\n", 7, "password_file: /etc/holdfast/NAME.password");
    assert_finding(CACHE "    password_file: /tmp/redis\n", SITE_WARNING, 7,
                   "no place for a secret");
    assert_error(CACHE "    password_file: redis\n", 7, "no absolute path");
    assert_finding(CACHE "state_directory: /tmp/holdfast\n", SITE_WARNING, 7, "after a restart");
}

/* ---- the machine ---- */

static void assert_finds(const struct site *site, const struct site_machine *machine,
                         const char *name)
{
    struct err err = {{0}};
    const struct site_node *node = site_find_node(site, machine, &err);

    if (node == NULL) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(node->head.name, name);
}

static void assert_finds_none(const struct site *site, const struct site_machine *machine,
                              const char *says)
{
    struct err err = {{0}};

    assert_null(site_find_node(site, machine, &err));
    if (strstr(err.text, says) == NULL) {
        fail_msg("wanted %s: %s", says, err.text);
    }
}

static void test_a_node_finds_itself(void **state)
{
    const char *const own[] = {"127.0.0.1", "10.0.0.3"};
    const char *const both[] = {"10.0.0.2", "10.0.0.3"};
    struct trial t;

    (void)state;
    assert_right(&t, WEB);
    assert_finds(&t.site, &(struct site_machine){.node = "b", .hostname = "c"}, "b");
    assert_finds(&t.site, &(struct site_machine){.hostname = "c"}, "c");
    assert_finds(&t.site, &(struct site_machine){.hostname = "C.example.net"}, "c");
    assert_finds(&t.site,
                 &(struct site_machine){.hostname = "vm", .addresses = own, .addresses_count = 2},
                 "c");
    assert_finds_none(&t.site, &(struct site_machine){.node = "z", .hostname = "c"},
                      "a (10.0.0.1), b (10.0.0.2)");
    assert_finds_none(&t.site, &(struct site_machine){.hostname = "vm"}, "d (10.0.0.4)");
    assert_finds_none(
        &t.site, &(struct site_machine){.hostname = "vm", .addresses = both, .addresses_count = 2},
        "each of b, c");
    trial_finish(&t);
}

/* ---- what changes ---- */

static void assert_changes(const char *old, const char *new, const char *plan, bool restarts)
{
    struct trial a;
    struct trial b;
    struct buf out = {0};
    bool needs_restart = !restarts;

    assert_right(&a, old);
    assert_right(&b, new);
    size_t count = site_diff(&a.site, &b.site, &out, &needs_restart);
    assert_string_equal(buf_data(&out), plan);
    assert_int_equal(count > 0, plan[0] != '\0');
    assert_int_equal(needs_restart, restarts);
    buf_finish(&out);
    trial_finish(&a);
    trial_finish(&b);
}

static void test_changes_are_told(void **state)
{
    (void)state;
    assert_changes(CACHE, "# moved down\n" CACHE, "", false);
    assert_changes(CACHE, CACHE "    down_after: 2s\n", "services.cache.down_after: 1s -> 2s\n",
                   false);
    assert_changes(CACHE "    endpoint: 127.0.0.1:1\n", CACHE "    endpoint: 127.0.0.1:2\n",
                   "services.cache.endpoint.listen: 127.0.0.1:1 -> 127.0.0.1:2\n", false);
    assert_changes(CACHE, CACHE "    endpoint: 127.0.0.1:2\n", "services.cache.endpoint: added\n",
                   false);
    assert_changes(CACHE, CACHE "threads: 2\n", "threads: 1 -> 2 (needs a restart)\n", true);
    assert_changes(NODES "  web: {kind: http, members: [a, b]}\n",
                   NODES "  web: {kind: http, members: [b, c]}\n",
                   "services.web.members.a: removed\nservices.web.members.c: added\n", false);
    assert_changes(WEB, NODES "  web: {kind: tcp, members: {a: 1, b: 1}}\n",
                   "services.web: another kind: removed, and added anew\n", false);
}

/* Found by fuzzing: such a member is told of once, and is in nobody's way. */
static void test_members_without_a_port(void **state)
{
    struct trial t;

    (void)state;
    trial_run(&t, NODES "  one: {kind: tcp, members: [a]}\n"
                        "  two: {kind: tcp, members: [a]}\n");
    assert_false(t.is_right);
    for (size_t i = 0; i < t.findings.count; i++) {
        assert_null(strstr(t.findings.items[i].what, "wanted twice"));
    }
    trial_finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_file_has_safe_defaults),
        cmocka_unit_test(test_defaults_follow_the_kind),
        cmocka_unit_test(test_elements_keep_their_lines),
        cmocka_unit_test(test_long_forms),
        cmocka_unit_test(test_endpoints_are_where_the_web_is),
        cmocka_unit_test(test_monitors_are_chosen),
        cmocka_unit_test(test_aliases_are_followed),
        cmocka_unit_test(test_all_mistakes_at_once_in_order),
        cmocka_unit_test(test_unknown_keys),
        cmocka_unit_test(test_wrong_kinds_and_bounds),
        cmocka_unit_test(test_double_keys),
        cmocka_unit_test(test_texts_that_are_no_yaml),
        cmocka_unit_test(test_second_document_is_found_beside_others),
        cmocka_unit_test(test_byte_order_mark_and_crlf_are_fine),
        cmocka_unit_test(test_alias_bomb_ends),
        cmocka_unit_test(test_wide_aliases_end),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_secrets_stay_out_of_messages),
        cmocka_unit_test(test_a_node_finds_itself),
        cmocka_unit_test(test_changes_are_told),
        cmocka_unit_test(test_members_without_a_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
