#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"

struct desk {
    struct sentinel_conf conf;
    struct config_notes notes;
    struct err err;
};

static bool desk_parse(struct desk *d, const char *text)
{
    struct config_source source = {.text = text, .len = strlen(text), .path = "a.conf"};

    *d = (struct desk){0};
    return config_parse(&source, &d->conf, &d->notes, &d->err);
}

static void desk_finish(struct desk *d)
{
    sentinel_conf_finish(&d->conf);
    config_notes_finish(&d->notes);
}

static void test_an_empty_file_has_the_defaults(void **state)
{
    struct desk d;

    (void)state;
    assert_true(desk_parse(&d, ""));
    assert_int_equal(d.conf.options.port, 26379);
    assert_false(d.conf.options.protected_mode);
    assert_int_equal(d.conf.options.loglevel, CONF_LOGLEVEL_NOTICE);
    assert_string_equal(d.conf.options.logfile, "");
    assert_null(d.conf.options.requirepass.text);
    assert_true(d.conf.deny_scripts_reconfig);
    assert_int_equal(d.conf.masters_count, 0);
    assert_int_equal(d.conf.output_limits[CONF_CLIENT_PUBSUB].soft_bytes, 8 * 1024 * 1024);
    assert_int_equal(d.notes.count, 0);
    desk_finish(&d);
}

static void test_directives_of_the_process(void **state)
{
    struct desk d;

    (void)state;
    assert_true(desk_parse(
        &d, "# comment\n\n  PORT 5000\r\nbind 127.0.0.1 -::1\nlogfile \"/var/log/a b.log\"\n"
            "loglevel Warning\nunixsocketperm 0770\ntls-auth-clients optional\n"
            "client-query-buffer-limit 2mb\nrequirepass \"a\\\"b\"\n"
            "client-output-buffer-limit slave 1gb 2k 3 pubsub 0 0 0\n"
            "user alice on \">p w\" ~*\nrename-command SHUTDOWN \"\"\n"
            "latency-tracking-info-percentiles 50 99\nsyslog-facility LOCAL3\n"));
    assert_int_equal(d.conf.options.port, 5000);
    assert_int_equal(config_line_of(&d.conf, "Port"), 3);
    assert_int_equal(config_line_of(&d.conf, "bind"), 4);
    assert_int_equal(config_line_of(&d.conf, "dir"), 0);
    assert_int_equal(d.conf.bind.count, 2);
    assert_string_equal(d.conf.bind.items[1].text, "-::1");
    assert_string_equal(d.conf.options.logfile, "/var/log/a b.log");
    assert_int_equal(d.conf.options.loglevel, CONF_LOGLEVEL_WARNING);
    assert_int_equal(d.conf.options.unixsocketperm, 0770);
    assert_int_equal(d.conf.options.tls_auth_clients, CONF_AUTH_CLIENTS_OPTIONAL);
    assert_int_equal(d.conf.options.client_query_buffer_limit_bytes, 2 * 1024 * 1024);
    assert_string_equal(d.conf.options.requirepass.text, "a\"b");
    assert_int_equal(d.conf.output_limits[CONF_CLIENT_REPLICA].soft_bytes, 2000);
    assert_int_equal(d.conf.output_limits[CONF_CLIENT_PUBSUB].hard_bytes, 0);
    assert_string_equal(d.conf.user_lines.items[0].text, "alice on \">p w\" ~*");
    assert_int_equal(d.conf.user_lines.items[0].line, 12);
    assert_int_equal(d.conf.renames.count, 1);
    assert_string_equal(d.conf.renames.items[0].from, "SHUTDOWN");
    assert_string_equal(d.conf.renames.items[0].to, "");
    assert_string_equal(d.conf.options.latency_tracking_info_percentiles, "50 99");
    assert_int_equal(d.conf.options.syslog_facility, CONF_FACILITY_LOCAL0 + 3);
    desk_finish(&d);
}

#define ID  "0123456789012345678901234567890123456789"
#define ID2 "abcdefabcdabcdefabcdabcdefabcdabcdefabcd"

static void test_stanzas_in_any_order(void **state)
{
    struct desk d;

    (void)state;
    assert_true(desk_parse(
        &d, "SENTINEL Down-After-Milliseconds m 500\nsentinel known-slave m 10.0.0.3 6379\n"
            "sentinel monitor m db1.example 6379 2\nsentinel resolve-hostnames yes\n"
            "sentinel primary-reboot-down-after-period m 700\n"
            "sentinel refused-after-milliseconds m 100\n"
            "sentinel known-sentinel m 10.0.0.9 26379 " ID "\n"
            "sentinel auth-pass m s3cret\nsentinel auth-user m bob\n"
            "sentinel rename-command m config w\nsentinel rename-command m CONFIG x\nsentinel "
            "config-epoch m 7\n"
            "sentinel leader-epoch m 9\nsentinel current-epoch 3\nsentinel myid " ID2 "\n"
            "sentinel notification-script m /bin/a\nsentinel announce-port 99\n"
            "sentinel monitor n 10.0.0.2 6380 1\nsentinel sentinel-pass hush\n"));
    assert_int_equal(d.conf.masters_count, 2);
    const struct conf_master *m = sentinel_conf_find(&d.conf, "m");
    assert_non_null(m);
    assert_string_equal(m->addr.name, "db1.example");
    assert_int_equal(m->addr.port, 6379);
    assert_int_equal(m->quorum, 2);
    assert_int_equal(m->down_after_ms, 500);
    assert_int_equal(m->failover_timeout_ms, 180000);
    assert_int_equal(m->refused_after_ms, 100);
    assert_int_equal(m->master_reboot_down_after_ms, 700);
    assert_int_equal(m->replicas_count, 1);
    assert_string_equal(m->sentinels[0].runid, ID);
    assert_string_equal(m->auth_pass.text, "s3cret");
    assert_string_equal(m->auth_user, "bob");
    assert_int_equal(m->renames.count, 1);
    assert_string_equal(m->renames.items[0].to, "x");
    assert_int_equal(m->config_epoch, 7);
    assert_int_equal(d.conf.current_epoch, 9);
    assert_string_equal(d.conf.myid, ID2);
    assert_string_equal(m->notification_script, "/bin/a");
    assert_int_equal(m->notification_script_line, 16);
    assert_int_equal(d.conf.announce_port, 99);
    assert_string_equal(d.conf.sentinel_pass.text, "hush");
    assert_int_equal(sentinel_conf_find(&d.conf, "n")->refused_after_ms, 0);
    assert_null(sentinel_conf_find(&d.conf, "M"));
    desk_finish(&d);
}

static void assert_mistake(const char *text, const char *says)
{
    struct desk d;

    if (desk_parse(&d, text)) {
        fail_msg("taken: %s", text);
    }
    if (strstr(d.err.text, says) == NULL) {
        fail_msg("\"%s\" says \"%s\", not \"%s\"", text, d.err.text, says);
    }
    assert_null(d.conf.masters);
    desk_finish(&d);
}

static void test_each_mistake_says_its_line(void **state)
{
    (void)state;
    assert_mistake("port 99999\n", "a.conf: line 1: port: 99999 is out of range, write 0 to 65535");
    assert_mistake("port\n", "line 1: port: takes one argument, not 0");
    assert_mistake("\nport 1 # ssh\n", "line 2: port: takes one argument, not 3");
    assert_mistake("unixsocketperm 1777", "write 0 to 777");
    assert_mistake("loglevel loud", "\"loud\" is none of debug, verbose, notice, warning, nothing");
    assert_mistake("daemonize maybe", "\"maybe\" is neither yes nor no");
    assert_mistake("client-query-buffer-limit 9zb", "\"9zb\" is not a size like 64mb");
    assert_mistake("frobnicate 3", "line 1: frobnicate: no such directive");
    assert_mistake("logfile \"x", "line 1: a quote is not closed");
    assert_mistake("sentinel", "takes a directive");
    assert_mistake("sentinel frob x", "sentinel frob: no such directive");
    assert_mistake("sentinel monitor m 1.1.1.1 1",
                   "sentinel monitor takes <name> <host> <port> <quorum>");
    assert_mistake("sentinel monitor m db1 1 1", "\"db1\" is not an IP address");
    assert_mistake("sentinel monitor m 1.1.1.1 0 1", "0 is out of range");
    assert_mistake("sentinel monitor m 1.1.1.1 1 0", "0 is out of range");
    assert_mistake("sentinel monitor a,b 1.1.1.1 1 1", "is no name for a master");
    assert_mistake("sentinel monitor m 1.1.1.1 1 1\nsentinel monitor m 1.1.1.2 1 1",
                   "line 2: sentinel monitor: there are two masters \"m\"");
    assert_mistake("sentinel parallel-syncs m 1", "there is no master \"m\"");
    assert_mistake("sentinel myid 12", "not 40 printable characters");
    assert_mistake("sentinel config-epoch m x\nsentinel monitor m 1.1.1.1 1 1", "is not an epoch");
    assert_mistake("aclfile /a\nuser x on", "user lines and an aclfile");
    assert_mistake("include x", "line 1: include");
    assert_mistake("bind \"\"", "an address is empty");
    assert_mistake("client-output-buffer-limit master 1 1 1", "none of normal, replica, pubsub");
    assert_mistake("logfile \"a\\x00b\"", "zero byte");
}

static void test_all_mistakes_at_once_in_the_order_of_the_lines(void **state)
{
    struct desk d;

    (void)state;
    assert_false(desk_parse(&d, "sentinel down-after-milliseconds m 0\n"
                                "port x\n"
                                "save 900 1\n"
                                "sentinel quorum m 3\n"
                                "sentinel monitor m 1.1.1.1 1 1\n"));
    assert_int_equal(d.notes.errors_count, 3);
    assert_int_equal(d.notes.count, 4);
    for (size_t i = 0; i < d.notes.count; i++) {
        assert_int_equal(d.notes.items[i].line, (int)i + 1);
    }
    assert_int_equal(d.notes.items[2].kind, CONFIG_WARNING);
    assert_string_equal(d.notes.items[2].text, "line 3: save: means nothing to a Sentinel");
    assert_string_equal(d.err.text, "a.conf: line 1: sentinel down-after-milliseconds: 0 is out of "
                                    "range, write 1 to 1099511627776 (and 2 more)");
    desk_finish(&d);
}

static void test_warnings_never_hide_a_mistake(void **state)
{
    struct buf text = {0};
    struct desk d;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        buf_append_text(&text, "save 900 1\n");
    }
    buf_append_text(&text, "nonsense 1\n");
    assert_false(desk_parse(&d, buf_data(&text)));
    assert_string_equal(d.err.text,
                        "a.conf: line 1001: nonsense: no such directive; correct or remove it");
    desk_finish(&d);
    buf_finish(&text);
}

static void test_stale_state_is_a_warning(void **state)
{
    struct desk d;

    (void)state;
    assert_true(desk_parse(&d,
                           "sentinel monitor m 1.1.1.1 1 1\nsentinel known-replica m 1.1.1.2 1\n"
                           "sentinel known-replica m 1.1.1.2 1\nsentinel known-replica m db9 1\n"
                           "sentinel known-sentinel m 1.1.1.3 1 " ID "\n"
                           "sentinel known-sentinel m 1.1.1.4 1 " ID "\n"
                           "sentinel known-sentinel m 1.1.1.4 1\nport 1\nport 2\n"));
    const struct conf_master *m = sentinel_conf_find(&d.conf, "m");
    assert_int_equal(m->replicas_count, 1);
    assert_int_equal(m->sentinels_count, 1);
    assert_int_equal(d.notes.count, 5);
    assert_int_equal(d.notes.errors_count, 0);
    assert_int_equal(d.conf.options.port, 2);
    desk_finish(&d);
}

/* A hello names its sender; Sentinel asks for no length, and the file must load again. */
static void test_a_known_sentinel_may_have_any_run_id(void **state)
{
    struct desk d;

    (void)state;
    assert_true(desk_parse(&d, "sentinel monitor m 1.1.1.1 1 1\n"
                               "sentinel known-sentinel m 1.1.1.3 1 abcde\n"
                               "sentinel known-sentinel m 1.1.1.4 1 a-b_c\n"
                               "sentinel known-sentinel m 1.1.1.5 1 " ID "0\n"
                               "sentinel known-sentinel m 1.1.1.6 1 \"\"\n"));
    const struct conf_master *m = sentinel_conf_find(&d.conf, "m");
    assert_int_equal(m->sentinels_count, 2);
    assert_string_equal(m->sentinels[0].runid, "abcde");
    assert_string_equal(m->sentinels[1].runid, "a-b_c");
    assert_int_equal(d.notes.count, 2);
    assert_string_equal(d.notes.items[0].text, "line 4: sentinel known-sentinel: \"" ID
                                               "0\" is no run id; the line is not used");
    desk_finish(&d);
}

static void test_times_that_can_be_set_can_be_read(void **state)
{
    struct desk d;

    (void)state;
    assert_true(desk_parse(&d, "sentinel monitor m 1.1.1.1 1 1\n"
                               "sentinel down-after-milliseconds m 1099511627776\n"
                               "sentinel failover-timeout m 2147483648\n"));
    assert_int_equal(d.conf.masters[0]->down_after_ms, CONF_MS_MAX);
    assert_int_equal(d.conf.masters[0]->failover_timeout_ms, INT64_C(1) << 31);
    desk_finish(&d);
}

static void test_a_file_of_a_redis_server_is_taken(void **state)
{
    struct desk d;

    (void)state;
    assert_true(desk_parse(&d, "lfu-log-factor 10\nlfu-decay-time 1\n"));
    assert_int_equal(d.notes.count, 2);
    desk_finish(&d);
}

static void test_secrets_are_in_no_note(void **state)
{
    struct desk d;

    (void)state;
    assert_false(desk_parse(
        &d, "requirepass hush hush\nsentinel auth-pass nobody hush\nsentinel sentinel-pass a hush\n"
            "masterauth hush\ntls-key-file-pass hush x\nuser x on >hush\naclfile f\n"));
    assert_true(d.notes.count >= 6);
    for (size_t i = 0; i < d.notes.count; i++) {
        assert_null(strstr(d.notes.items[i].text, "hush"));
    }
    desk_finish(&d);
}

static bool include_file(void *context, const char *pattern, struct buf *text, struct err *err)
{
    if (strcmp(pattern, "loop.conf") == 0) {
        buf_append_text(text, "include loop.conf\n");
        return true;
    }
    if (strcmp(pattern, "common.conf") != 0) {
        return err_set(err, "no such file");
    }
    buf_append_text(text, (const char *)context);
    return true;
}

static bool parse_with_include(struct desk *d, const char *text, char *included,
                               const char *overrides)
{
    struct config_source source = {
        .text = text,
        .len = strlen(text),
        .overrides = overrides,
        .overrides_len = strlen(overrides),
        .include = include_file,
        .context = included,
    };

    *d = (struct desk){0};
    return config_parse(&source, &d->conf, &d->notes, &d->err);
}

static void test_includes_and_the_command_line(void **state)
{
    char included[] = "port 3\nsentinel monitor m 1.1.1.1 1 1\nsentinel monitor n 1.1.1.1 1 1\n"
                      "sentinel config-epoch m 1\n";
    char wrong[] = "\nport x\n";
    struct desk d;

    (void)state;
    assert_true(parse_with_include(&d,
                                   "sentinel monitor m 2.2.2.2 2 2\nport 1\ninclude common.conf\n"
                                   "sentinel config-epoch m 8\n",
                                   included, "timeout 9\n"));
    assert_int_equal(d.conf.options.port, 3);
    assert_int_equal(d.conf.options.timeout_s, 9);
    assert_int_equal(d.conf.masters_count, 2);
    assert_string_equal(sentinel_conf_find(&d.conf, "m")->addr.ip, "2.2.2.2");
    assert_int_equal(sentinel_conf_find(&d.conf, "m")->config_epoch, 8);
    desk_finish(&d);

    assert_false(parse_with_include(&d, "include common.conf\n", wrong, ""));
    assert_string_equal(d.err.text, "common.conf: line 2: port: \"x\" is not a number");
    desk_finish(&d);
    assert_false(parse_with_include(&d, "include missing\n", wrong, ""));
    assert_string_equal(d.err.text, "line 1: include missing: no such file");
    desk_finish(&d);
    assert_false(parse_with_include(&d, "include loop.conf\n", wrong, ""));
    assert_non_null(strstr(d.err.text, "include each other 16 deep"));
    desk_finish(&d);
    assert_false(parse_with_include(&d, "", wrong, "port x\n"));
    assert_string_equal(d.err.text, "command line: port: \"x\" is not a number");
    desk_finish(&d);
}

/* The main file has them from our own rewrite, with what ACL SETUSER changed. */
static void test_a_user_of_the_main_file_is_used_instead(void **state)
{
    char included[] = "user a on +ping\nuser \"\" on\nuser b on\nuser b on\n";
    struct desk d;

    (void)state;
    assert_true(parse_with_include(&d,
                                   "include common.conf\nuser a on +info\nuser ab off\n"
                                   "user \"\" off\n",
                                   included, "user ab on\nuser c on\n"));
    assert_int_equal(d.conf.user_lines.count, 6);
    assert_string_equal(d.conf.user_lines.items[0].text, "a on +info");
    assert_string_equal(d.conf.user_lines.items[1].text, "ab off");
    assert_string_equal(d.conf.user_lines.items[2].text, "\"\" off");
    assert_string_equal(d.conf.user_lines.items[3].text, "b on"); /* who reads the rules tells */
    assert_string_equal(d.conf.user_lines.items[4].text, "b on");
    assert_string_equal(d.conf.user_lines.items[5].text, "c on");
    assert_int_equal(d.notes.count, 3);
    assert_string_equal(d.notes.items[0].text,
                        "common.conf: line 1: user a: line 2 of the main file is used instead");
    assert_string_equal(d.notes.items[2].text,
                        "command line: user ab: line 3 of the main file is used instead");
    desk_finish(&d);
}

static void test_words_of_the_command_line(void **state)
{
    char a[] = "--sentinel", b[] = "--port", c[] = "5000", e[] = "--requirepass", f[] = "--a b";
    char g[] = "--bind", h[] = "::1", i[] = "127.0.0.1", j[] = "stray";
    char *good[] = {a, b, c, e, f, g, h, i};
    char *bad[] = {j};
    struct buf text = {0};
    struct err err;

    (void)state;
    assert_true(config_overrides(8, good, &text, &err));
    assert_string_equal(buf_data(&text), "port 5000\nrequirepass \"--a b\"\nbind ::1 127.0.0.1\n");
    assert_false(config_overrides(1, bad, &text, &err));
    assert_non_null(strstr(err.text, "stray"));
    buf_finish(&text);
}

static void test_masters_come_and_go(void **state)
{
    struct sentinel_conf conf;
    char name[16];

    (void)state;
    sentinel_conf_init(&conf);
    for (int i = 0; i < 500; i++) {
        (void)snprintf(name, sizeof(name), "m%d", i);
        assert_non_null(sentinel_conf_add(&conf, name));
    }
    for (int i = 0; i < 500; i += 2) {
        (void)snprintf(name, sizeof(name), "m%d", i);
        sentinel_conf_remove(&conf, sentinel_conf_find(&conf, name));
    }
    assert_int_equal(conf.masters_count, 250);
    for (int i = 0; i < 500; i++) {
        (void)snprintf(name, sizeof(name), "m%d", i);
        const struct conf_master *m = sentinel_conf_find(&conf, name);
        assert_true((m != NULL) == (i % 2 == 1));
        assert_true(m == NULL || strcmp(m->name, name) == 0);
    }
    sentinel_conf_finish(&conf);
}

static void test_the_table_documents_itself(void **state)
{
    char scratch[32];

    (void)state;
    assert_true(config_options_count() > 40);
    for (size_t i = 0; i < config_options_count(); i++) {
        struct config_option o = config_option_at(i, scratch);
        assert_true(strlen(o.doc) > 5);
        for (size_t k = 0; config_ignored_at(k) != NULL; k++) {
            assert_string_not_equal(config_ignored_at(k), o.name);
        }
    }
    assert_string_equal(config_option_at(0, scratch).default_, "26379");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_file_has_the_defaults),
        cmocka_unit_test(test_directives_of_the_process),
        cmocka_unit_test(test_stanzas_in_any_order),
        cmocka_unit_test(test_each_mistake_says_its_line),
        cmocka_unit_test(test_all_mistakes_at_once_in_the_order_of_the_lines),
        cmocka_unit_test(test_warnings_never_hide_a_mistake),
        cmocka_unit_test(test_stale_state_is_a_warning),
        cmocka_unit_test(test_a_known_sentinel_may_have_any_run_id),
        cmocka_unit_test(test_times_that_can_be_set_can_be_read),
        cmocka_unit_test(test_a_file_of_a_redis_server_is_taken),
        cmocka_unit_test(test_secrets_are_in_no_note),
        cmocka_unit_test(test_includes_and_the_command_line),
        cmocka_unit_test(test_a_user_of_the_main_file_is_used_instead),
        cmocka_unit_test(test_words_of_the_command_line),
        cmocka_unit_test(test_masters_come_and_go),
        cmocka_unit_test(test_the_table_documents_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
