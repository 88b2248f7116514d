/* What a site's redis services become for monitors and routers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/feed.h"

static const char shop[] =
    "site: shop\n"
    "nodes: {a: 10.0.0.1, b: 10.0.0.2, c: 10.0.0.3}\n"
    "monitors: {nodes: [a, b, c], port: 26400, user: voice, password_file: /etc/holdfast/m}\n"
    "services:\n"
    "  cart:\n"
    "    kind: redis\n"
    "    use: sessions\n"
    "    members: {b: 6380, a: 6381}\n"
    "    down_after: 2s\n"
    "    refused_after: 50ms\n"
    "    failover_timeout: 30s\n"
    "    parallel_syncs: 2\n"
    "    user: app\n"
    "    password_file: /etc/holdfast/p\n"
    "    endpoint: {listen: [127.0.0.1:6379, node:6390], nodes: [a, c], hold: 700ms,\n"
    "               client_auth: own, client_password_file: /etc/holdfast/c}\n"
    "    read_endpoint: {listen: 127.0.0.1:6378, nodes: a, replicas_only: yes}\n"
    "  page:\n"
    "    kind: redis\n"
    "    use: cache\n"
    "    members: [c]\n"
    "    endpoint: {listen: unix:/run/page.sock, nodes: a}\n";

struct fed {
    struct site site;
    struct site_findings findings;
};

static void fed_open(struct fed *f)
{
    *f = (struct fed){.findings = {0}};
    bool is_right = site_parse(shop, strlen(shop), &f->site, &f->findings);
    for (size_t i = 0; i < f->findings.count && !is_right; i++) {
        print_message("%d: %s\n", f->findings.items[i].at.line, f->findings.items[i].what);
    }
    assert_true(is_right);
}

static void fed_close(struct fed *f)
{
    site_finish(&f->site);
    site_findings_finish(&f->findings);
}

static void a_monitor_reads_what_it_is_fed(void **state)
{
    struct fed f;
    struct feed_passwords passwords = {.of_monitors = "votes", .of_service = {"say \"x\"\\"}};
    struct sentinel_conf conf = {0};
    struct config_notes notes = {0};
    struct buf text = {0};
    struct err err = {{0}};

    (void)state;
    fed_open(&f);
    assert_true(feed_monitor(&f.site, site_node(&f.site, "b"), &passwords, &text, &err));
    struct config_source source = {.text = buf_data(&text), .len = text.len};
    bool is_good = config_parse(&source, &conf, &notes, &err);
    assert_string_equal(err.text, "");
    assert_true(is_good);
    assert_int_equal(notes.count, 0); /* nothing in it is doubtful to a monitor */
    assert_int_equal(conf.options.port, 26400);
    assert_string_equal(conf.announce_ip, "10.0.0.2");
    assert_string_equal(conf.sentinel_user, "voice");
    assert_string_equal(conf.sentinel_pass.text, "votes");
    assert_string_equal(conf.options.requirepass.text, "votes");
    assert_int_equal(conf.masters_count, 2);
    const struct conf_master *cart = conf.masters[0];
    assert_string_equal(cart->name, "cart");
    assert_string_equal(cart->addr.ip, "10.0.0.2"); /* the first member of the file */
    assert_int_equal(cart->addr.port, 6380);
    assert_int_equal(cart->quorum, 2);
    assert_int_equal(cart->down_after_ms, 2000);
    assert_int_equal(cart->refused_after_ms, 50);
    assert_int_equal(cart->failover_timeout_ms, 30000);
    assert_int_equal(cart->parallel_syncs, 2);
    assert_string_equal(cart->auth_user, "app");
    assert_string_equal(cart->auth_pass.text, "say \"x\"\\");
    assert_string_equal(conf.masters[1]->name, "page");
    assert_null(conf.masters[1]->auth_pass.text);
    sentinel_conf_finish(&conf);
    config_notes_finish(&notes);
    buf_finish(&text);
    fed_close(&f);
}

static void a_password_that_cannot_stand_in_it_is_told(void **state)
{
    struct fed f;
    struct feed_passwords passwords = {.of_service = {"two\x01lines"}};
    struct buf text = {0};
    struct err err = {{0}};

    (void)state;
    fed_open(&f);
    assert_false(feed_monitor(&f.site, site_node(&f.site, "a"), &passwords, &text, &err));
    assert_non_null(strstr(err.text, "service cart: auth-pass: a control character"));
    assert_null(strstr(err.text, "two"));
    buf_finish(&text);
    fed_close(&f);
}

static void a_router_has_the_endpoints_of_its_node(void **state)
{
    struct fed f;
    struct router_conf *conf = test_malloc(sizeof(*conf));
    struct err err = {{0}};

    (void)state;
    fed_open(&f);
    const struct site_service *cart = &f.site.services[0];
    assert_true(feed_router(&f.site, cart, site_node(&f.site, "a"), conf, &err));
    assert_string_equal(conf->master, "cart");
    assert_int_equal(conf->monitors_count, 3);
    assert_string_equal(conf->monitors[2].ip, "10.0.0.3");
    assert_int_equal(conf->monitors[2].port, 26400);
    assert_int_equal(conf->listens_count, 2);
    assert_string_equal(conf->listens[1].at.ip, "10.0.0.1"); /* node: is its own address */
    assert_int_equal(conf->listens[1].at.port, 6390);
    assert_int_equal(conf->replica_listens_count, 1);
    assert_false(conf->replicas_may_use_master);
    assert_int_equal(conf->hold_ms, 700);
    assert_false(conf->is_cache);
    assert_int_equal(conf->client_auth, ROUTER_AUTH_OWN);
    assert_string_equal(conf->client.password_file, "/etc/holdfast/c");
    assert_string_equal(conf->redis.user, "app");
    assert_string_equal(conf->redis.password_file, "/etc/holdfast/p");
    assert_string_equal(conf->sentinel.user, "voice");
    assert_string_equal(conf->sentinel.password_file, "/etc/holdfast/m");

    assert_true(feed_router(&f.site, cart, site_node(&f.site, "c"), conf, &err));
    assert_string_equal(conf->listens[1].at.ip, "10.0.0.3");
    assert_int_equal(conf->replica_listens_count, 0); /* only on a */

    assert_true(feed_router(&f.site, &f.site.services[1], site_node(&f.site, "a"), conf, &err));
    assert_string_equal(conf->listens[0].path, "/run/page.sock");
    assert_true(conf->is_cache);
    assert_string_equal(conf->redis.password_file, "");
    test_free(conf);
    fed_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_monitor_reads_what_it_is_fed),
        cmocka_unit_test(a_password_that_cannot_stand_in_it_is_told),
        cmocka_unit_test(a_router_has_the_endpoints_of_its_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
