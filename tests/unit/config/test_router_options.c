#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/words.h"
#include "config/router_options.h"

/* A command line as one text, and the files it may name. */
struct shell {
    struct router_options *options;
    const char *file; /* what every --config reads; NULL: there is none */
    bool is_good;
};

static bool shell_read(void *ctx, const char *path, struct buf *text, struct err *err)
{
    const struct shell *shell = ctx;

    if (shell->file == NULL) {
        return err_set(err, "%s: no such file", path);
    }
    buf_append_text(text, shell->file);
    return true;
}

static void shell_run_with(struct shell *shell, const char *line, const char *file)
{
    struct words words = {0};
    char program[] = "router";
    char *argv[64] = {program};
    struct router_options_source source = {.argv = argv, .read = shell_read, .ctx = shell};

    assert_true(words_split(&words, line, strlen(line)));
    assert_true(words.count < COUNT_OF(argv));
    for (size_t i = 0; i < words.count; i++) {
        argv[i + 1] = words.text.bytes + words.text.start + words.spans[i].at;
    }
    source.argc = (int)words.count + 1;
    shell->file = file;
    shell->options = memory_zeroed(sizeof(*shell->options));
    shell->is_good = router_options_parse(&source, shell->options);
    words_finish(&words);
}

#define ENOUGH "--master m --sentinels a:1 --listen 127.0.0.1:6379 "

static void shell_run(struct shell *shell, const char *line)
{
    shell_run_with(shell, line, NULL);
}

static void shell_finish(struct shell *shell)
{
    router_options_finish(shell->options);
    free(shell->options);
    shell->options = NULL;
}

static bool shell_says(const struct shell *shell, enum config_note_kind kind, const char *text)
{
    const struct config_notes *notes = &shell->options->notes;

    for (size_t i = 0; i < notes->count; i++) {
        if (notes->items[i].kind == kind && strstr(notes->items[i].text, text) != NULL) {
            return true;
        }
    }
    return false;
}

/* Wrong, and told so; all of it and nothing else. */
static void assert_mistake(const char *line, const char *file, size_t count, const char *text)
{
    struct shell shell;

    shell_run_with(&shell, line, file);
    assert_false(shell.is_good);
    if (shell.options->notes.errors_count != count || !shell_says(&shell, CONFIG_ERROR, text)) {
        for (size_t i = 0; i < shell.options->notes.count; i++) {
            print_error("noted: %s\n", shell.options->notes.items[i].text);
        }
        fail_msg("%s: wanted %zu mistakes and \"%s\"", line, count, text);
    }
    shell_finish(&shell);
}

static void assert_fine(const char *line, const char *file)
{
    struct shell shell;

    shell_run_with(&shell, line, file);
    for (size_t i = 0; i < shell.options->notes.count; i++) {
        print_error("noted: %s\n", shell.options->notes.items[i].text);
    }
    assert_true(shell.is_good);
    assert_int_equal(shell.options->notes.count, 0);
    shell_finish(&shell);
}

static void assert_warning(const char *line, const char *text)
{
    struct shell shell;

    shell_run(&shell, line);
    assert_true(shell.is_good);
    assert_true(shell_says(&shell, CONFIG_WARNING, text));
    shell_finish(&shell);
}

static void test_defaults_are_those_of_the_header(void **state)
{
    struct shell shell;

    (void)state;
    shell_run(&shell, ENOUGH);
    const struct router_conf *conf = &shell.options->conf;
    assert_true(shell.is_good);
    assert_int_equal(conf->client_auth, ROUTER_AUTH_NONE);
    assert_int_equal(conf->hold_ms, 800);
    assert_int_equal(conf->hold_max_bytes, 64 << 20);
    assert_int_equal(conf->when_down, ROUTER_DOWN_ERROR);
    assert_int_equal(conf->retry_writes, ROUTER_RETRY_NONE);
    assert_false(conf->is_cache);
    assert_int_equal(conf->cache_window_ms, 10000);
    assert_int_equal(conf->cache_keys_max_bytes, 16 << 20);
    assert_int_equal(conf->info_cache_ms, 0);
    assert_int_equal(conf->replica_lag_max_bytes, 1 << 20);
    assert_int_equal(conf->replica_silence_max_ms, 5000);
    assert_true(conf->replicas_may_use_master);
    assert_int_equal(conf->threads, 1);
    assert_int_equal(conf->clients_max, 10000);
    assert_int_equal(conf->strangers_max, 1000);
    assert_int_equal(conf->request_timeout_ms, 60000);
    assert_int_equal(conf->idle_timeout_ms, 0);
    assert_int_equal(conf->request_max_bytes, 512 << 20);
    assert_int_equal(conf->drain_ms, 10000);
    assert_string_equal(conf->control_path, "");
    assert_string_equal(conf->log_file, "");
    assert_false(conf->is_verbose);
    assert_false(conf->redis_tls.is_on);
    assert_false(shell.options->allow_open);
    shell_finish(&shell);
}

static void test_who_and_where_can_be_set(void **state)
{
    struct shell shell;

    (void)state;
    shell_run(&shell,
              "--master my-master --sentinels 10.0.0.1:26379,db2:5000,[::1]:7,db3 "
              "--listen 127.0.0.1:6379 --listen unix:/run/a.sock,mode=660 --listen [::1]:6380 "
              "--listen-replicas 127.0.0.1:6381 --redis-user u --redis-password-file /p1 "
              "--sentinel-user v --sentinel-password-file /p2 --client-auth own --client-user w "
              "--client-password-file /p3 --redis-tls --redis-tls-ca /ca --redis-tls-ca-dir /cas "
              "--redis-tls-cert /c --redis-tls-key /k --sentinel-tls --sentinel-tls-ca /sca ");
    const struct router_conf *conf = &shell.options->conf;
    assert_true(shell.is_good);
    assert_string_equal(conf->master, "my-master");
    assert_int_equal(conf->monitors_count, 4);
    assert_string_equal(conf->monitors[0].ip, "10.0.0.1");
    assert_string_equal(conf->monitors[1].name, "db2");
    assert_int_equal(conf->monitors[1].port, 5000);
    assert_string_equal(conf->monitors[2].ip, "::1");
    assert_int_equal(conf->monitors[2].port, 7);
    assert_int_equal(conf->monitors[3].port, 26379);
    assert_int_equal(conf->listens_count, 3);
    assert_string_equal(conf->listens[1].path, "/run/a.sock");
    assert_int_equal(conf->listens[1].mode, 0660);
    assert_false(addr_is_set(&conf->listens[1].at));
    assert_string_equal(conf->listens[2].at.ip, "::1");
    assert_int_equal(conf->replica_listens_count, 1);
    assert_string_equal(conf->redis.user, "u");
    assert_string_equal(conf->redis.password_file, "/p1");
    assert_string_equal(conf->sentinel.user, "v");
    assert_string_equal(conf->sentinel.password_file, "/p2");
    assert_int_equal(conf->client_auth, ROUTER_AUTH_OWN);
    assert_string_equal(conf->client.user, "w");
    assert_string_equal(conf->client.password_file, "/p3");
    assert_true(conf->redis_tls.is_on && conf->sentinel_tls.is_on);
    assert_string_equal(conf->redis_tls.ca_file, "/ca");
    assert_string_equal(conf->redis_tls.ca_dir, "/cas");
    assert_string_equal(conf->redis_tls.cert_file, "/c");
    assert_string_equal(conf->redis_tls.key_file, "/k");
    assert_string_equal(conf->sentinel_tls.ca_file, "/sca");
    shell_finish(&shell);
}

static void test_the_rest_can_be_set(void **state)
{
    struct shell shell;

    (void)state;
    shell_run(&shell, ENOUGH "--hold 1s --hold-max-bytes 1gb --when-down miss --sessions-db 1,2 "
                             "--retry-writes idempotent --cache --cache-window 2m "
                             "--cache-max-bytes 128KB --info-cache 500ms --replica-max-lag 4mb "
                             "--replica-max-silence 9s --replicas-only --listen-replicas [::1]:1 "
                             "--threads 4 --clients 50 --strangers 5 --request-timeout 7s "
                             "--idle-timeout 3m --request-max-bytes 2048b --drain 0 "
                             "--control /run/c.sock --log-file /l --verbose --no-takeover");
    const struct router_conf *conf = &shell.options->conf;
    assert_true(shell.is_good);
    assert_int_equal(shell.options->notes.count, 0);
    assert_int_equal(conf->hold_ms, 1000);
    assert_int_equal(conf->hold_max_bytes, 1 << 30);
    assert_int_equal(conf->when_down, ROUTER_DOWN_MISS);
    assert_true(conf->session_databases[1] && conf->session_databases[2]);
    assert_false(conf->session_databases[0] || conf->session_databases[3]);
    assert_int_equal(conf->retry_writes, ROUTER_RETRY_IDEMPOTENT);
    assert_true(conf->is_cache);
    assert_int_equal(conf->cache_window_ms, 120000);
    assert_int_equal(conf->cache_keys_max_bytes, 128 << 10);
    assert_int_equal(conf->info_cache_ms, 500);
    assert_int_equal(conf->replica_lag_max_bytes, 4 << 20);
    assert_int_equal(conf->replica_silence_max_ms, 9000);
    assert_false(conf->replicas_may_use_master);
    assert_int_equal(conf->threads, 4);
    assert_int_equal(conf->clients_max, 50);
    assert_int_equal(conf->strangers_max, 5);
    assert_int_equal(conf->request_timeout_ms, 7000);
    assert_int_equal(conf->idle_timeout_ms, 180000);
    assert_int_equal(conf->request_max_bytes, 2048);
    assert_int_equal(conf->drain_ms, 0);
    assert_string_equal(conf->control_path, "/run/c.sock");
    assert_string_equal(conf->log_file, "/l");
    assert_true(conf->is_verbose);
    assert_true(shell.options->no_takeover);
    shell_finish(&shell);
}

static void test_all_mistakes_at_once(void **state)
{
    struct shell shell;

    (void)state;
    shell_run(&shell, "--hold 5 --threads 0 --when-down maybe --sentinels a:b --mastr m");
    assert_false(shell.is_good);
    assert_int_equal(shell.options->notes.errors_count, 7);
    assert_true(shell_says(&shell, CONFIG_ERROR, "--hold: \"5\" is not a time"));
    assert_true(shell_says(&shell, CONFIG_ERROR, "--threads: 0 is out of range; write 1 to 64"));
    assert_true(shell_says(&shell, CONFIG_ERROR, "\"maybe\" is none of error, miss, close"));
    assert_true(shell_says(&shell, CONFIG_ERROR, "--sentinels: \"a:b\" is no address"));
    assert_true(shell_says(&shell, CONFIG_ERROR, "no option --mastr; did you mean --master?"));
    assert_true(shell_says(&shell, CONFIG_ERROR, "--master is missing"));
    assert_true(shell_says(&shell, CONFIG_ERROR, "--listen is missing"));
    shell_finish(&shell);
}

static void test_times_and_sizes_are_strict(void **state)
{
    (void)state;
    assert_mistake(ENOUGH "--hold 1.5s", NULL, 1, "is not a time");
    assert_mistake(ENOUGH "--hold -1s", NULL, 1, "is not a time");
    assert_mistake(ENOUGH "--hold 1h", NULL, 1, "is not a time");
    assert_mistake(ENOUGH "--hold ''", NULL, 1, "is not a time");
    assert_mistake(ENOUGH "--hold 99999999999999999999s", NULL, 1, "is not a time");
    assert_mistake(ENOUGH "--hold 18446744073709551615m", NULL, 1, "is not a time");
    assert_mistake(ENOUGH "--hold 11m", NULL, 1, "write 0 to 10m");
    assert_mistake(ENOUGH "--info-cache 2s", NULL, 1, "write 0 to 1s");
    assert_mistake(ENOUGH "--hold-max-bytes 5", NULL, 1, "is not a size");
    assert_mistake(ENOUGH "--hold-max-bytes 1b", NULL, 1, "write 64kb to 1024gb");
    assert_mistake(ENOUGH "--hold-max-bytes 18446744073709551615gb", NULL, 1, "is not a size");
    assert_mistake(ENOUGH "--clients 1k", NULL, 1, "is not a number");
    assert_fine(ENOUGH "--hold 0 --idle-timeout 0", NULL);
}

static void test_addresses(void **state)
{
    (void)state;
#define ELSE_ENOUGH "--master m --sentinels a:1 --listen "
    assert_mistake(ELSE_ENOUGH "6379", NULL, 1, "write 127.0.0.1:6379");
    assert_mistake(ELSE_ENOUGH "localhost:6379", NULL, 1, "is a name");
    assert_mistake(ELSE_ENOUGH "*:6379", NULL, 1, "0.0.0.0:PORT");
    assert_mistake(ELSE_ENOUGH "127.0.0.1", NULL, 1, "is no address");
    assert_mistake(ELSE_ENOUGH "127.0.0.1:0", NULL, 1, "is no address");
    assert_mistake(ELSE_ENOUGH "127.0.0.1:65536", NULL, 1, "is no address");
    assert_mistake(ELSE_ENOUGH "[::1:6379", NULL, 1, "is no address");
    assert_mistake(ELSE_ENOUGH "[::1]6379", NULL, 1, "is no address");
    assert_mistake(ELSE_ENOUGH "unix:a.sock", NULL, 1, "no absolute path");
    assert_mistake(ELSE_ENOUGH "unix:/a,mode=999", NULL, 1, "three octal digits");
    assert_mistake(ELSE_ENOUGH "unix:/a --listen-replicas unix:/a", NULL, 1, "already");
    assert_mistake(ELSE_ENOUGH "unix:/a --control /a", NULL, 1, "a path of its own");
    assert_mistake(ENOUGH "--listen 127.0.0.1:6379", NULL, 1, "listened on already");
    assert_mistake("--master m --listen unix:/a --sentinels a:1,b:1,A:1", NULL, 1, "named twice");
    assert_mistake("--master m --listen unix:/a --sentinels a:1,,b:1", NULL, 1,
                   "\"\" is no address");
    assert_mistake("--master 'a b' --listen unix:/a --sentinels a:1", NULL, 1, "no blanks");
    assert_fine("--master m --listen unix:/a --sentinels 'a:1, ::1, [::2]'", NULL);
    assert_fine("--master m --listen-replicas 127.9.9.9:1 --sentinels a:1", NULL);
#undef ELSE_ENOUGH
}

static void test_strangers_are_kept_out(void **state)
{
    (void)state;
#define OPEN "--master m --sentinels a:1 --listen 10.0.0.1:6379 --listen-replicas [::]:1 "
    assert_mistake(OPEN, NULL, 2, "10.0.0.1:6379 can be reached from other machines");
    assert_mistake(OPEN, NULL, 2, "[::]:1 can be reached from other machines");
    assert_mistake(OPEN, NULL, 2, "--allow-open");
    assert_fine(OPEN "--allow-open", NULL);
    assert_fine(OPEN "--client-auth pass", NULL);
    assert_fine(OPEN "--client-auth own --client-password-file /p", NULL);
#undef OPEN
}

static void test_what_does_not_go_together(void **state)
{
    (void)state;
    assert_mistake(ENOUGH "--client-auth own", NULL, 1, "needs --client-password-file");
    assert_mistake(ENOUGH "--client-auth own --client-user u", NULL, 1,
                   "--client-user needs --client-password-file");
    assert_mistake(ENOUGH "--client-password-file /p", NULL, 1, "need --client-auth own");
    assert_mistake(ENOUGH "--redis-user u", NULL, 1, "--redis-user needs --redis-password-file");
    assert_mistake(ENOUGH "--redis-tls-ca /c", NULL, 1, "without --redis-tls");
    assert_mistake(ENOUGH "--sentinel-tls --sentinel-tls-key /k", NULL, 1, "need each other");
    assert_mistake(ENOUGH "--clients 10 --strangers 11", NULL, 1, "is above --clients 10");
    assert_fine(ENOUGH "--clients 10", NULL);
    assert_warning(ENOUGH "--when-down miss", "--sessions-db");
    assert_warning(ENOUGH "--cache-window 1s", "without --cache");
    assert_warning(ENOUGH "--replicas-only", "without --listen-replicas");
}

static void test_words_that_are_no_options(void **state)
{
    struct shell shell;

    (void)state;
    assert_mistake(ENOUGH "--hold", NULL, 1, "--hold: needs a value");
    assert_mistake(ENOUGH "--hold --verbose", NULL, 1, "--hold: needs a value");
    assert_mistake(ENOUGH "mymaster", NULL, 1, "\"mymaster\" is no option");
    assert_mistake(ENOUGH "hold 1s", NULL, 2, "did you mean --hold?");
    assert_mistake(ENOUGH "--listen-replcas x", NULL, 1, "did you mean --listen-replicas?");
    assert_mistake(ENOUGH "--verbose=maybe", NULL, 1, "neither yes nor no");
    assert_mistake(ENOUGH "--master=", NULL, 1, "--master: is empty");
    assert_mistake(ENOUGH "--log-file \"a\\nb\"", NULL, 1, "control character");

    /* a secret in the wrong place is not repeated */
    shell_run(&shell, ENOUGH "--redis-password hunter2");
    assert_false(shell.is_good);
    assert_int_equal(shell.options->notes.errors_count, 1);
    assert_true(shell_says(&shell, CONFIG_ERROR, "did you mean --redis-password-file?"));
    assert_false(shell_says(&shell, CONFIG_ERROR, "hunter2"));
    shell_finish(&shell);
    shell_run(&shell, ENOUGH "--redis-password=hunter2");
    assert_int_equal(shell.options->notes.errors_count, 1);
    assert_false(shell_says(&shell, CONFIG_ERROR, "hunter2"));
    shell_finish(&shell);
}

static void test_the_last_word_on_the_line_counts(void **state)
{
    struct shell shell;

    (void)state;
    shell_run(&shell, ENOUGH "--hold 1s --hold=2s --verbose --verbose=no");
    assert_true(shell.is_good);
    assert_int_equal(shell.options->conf.hold_ms, 2000);
    assert_false(shell.options->conf.is_verbose);
    shell_finish(&shell);
}

static void test_a_file_says_the_same(void **state)
{
    struct shell shell;

    (void)state;
    shell_run_with(&shell, "--config a.conf",
                   "# why\n\nmaster  m\r\nsentinels a:1,b:2\n  listen 127.0.0.1:1\n"
                   "listen unix:/a\nhold 1s # as the site wants it\ncache\nverbose no\n"
                   "replicas-only yes\nlisten-replicas 127.0.0.1:2\nlog-file \"/var/log/a b\"\n");
    const struct router_conf *conf = &shell.options->conf;
    assert_true(shell.is_good);
    assert_int_equal(shell.options->notes.count, 0);
    assert_string_equal(conf->master, "m");
    assert_int_equal(conf->monitors_count, 2);
    assert_int_equal(conf->listens_count, 2);
    assert_int_equal(conf->hold_ms, 1000);
    assert_true(conf->is_cache);
    assert_false(conf->is_verbose);
    assert_false(conf->replicas_may_use_master);
    assert_string_equal(conf->log_file, "/var/log/a b");
    shell_finish(&shell);
}

static void test_the_command_line_wins_over_a_file(void **state)
{
    struct shell shell;

    (void)state;
    shell_run_with(&shell,
                   "--hold 2s --listen unix:/line --cache=no --sessions-db 5 --config a.conf",
                   "master m\nsentinels a:1\nhold 1s\nlisten unix:/file\ncache\n"
                   "sessions-db 3\n");
    const struct router_conf *conf = &shell.options->conf;
    assert_true(shell.is_good);
    assert_int_equal(conf->hold_ms, 2000);
    assert_int_equal(conf->listens_count, 1);
    assert_string_equal(conf->listens[0].path, "/line");
    assert_false(conf->is_cache);
    assert_true(conf->session_databases[5]);
    assert_false(conf->session_databases[3]);
    shell_finish(&shell);
}

static void test_mistakes_in_a_file_have_their_line(void **state)
{
    (void)state;
    assert_mistake(ENOUGH "--config a.conf", "hold 1s\n\nhold 2s\n", 1,
                   "a.conf:3: hold: stands in line 1 already");
    assert_mistake(ENOUGH "--config a.conf", "\nthreads many\n", 1,
                   "a.conf:2: threads: \"many\" is not a number");
    assert_mistake(ENOUGH "--config a.conf", "--hold 1s\n", 1,
                   "a.conf:1: write --hold without the dashes");
    assert_mistake(ENOUGH "--config a.conf", "hodl 1s\n", 1,
                   "a.conf:1: there is no option hodl; did you mean hold?");
    assert_mistake(ENOUGH "--config a.conf", "config b.conf\nhelp\ncheck yes\n", 3,
                   "a.conf:1: config: stands on the command line only");
    assert_mistake(ENOUGH "--config a.conf", "hold\nhold 1s 2s\n", 2,
                   "a.conf:2: hold: takes one value, not 2");
    assert_mistake(ENOUGH "--config a.conf", "log-file \"a\n", 1,
                   "a.conf:1: a quote is not closed");
    assert_mistake(ENOUGH "--config b.conf", NULL, 1, "--config: b.conf: no such file");
}

static void test_help_and_commands_need_nothing_else(void **state)
{
    struct shell shell;

    (void)state;
    shell_run(&shell, "--help --hold");
    assert_true(shell.is_good);
    assert_true(shell.options->wants_help);
    shell_finish(&shell);
    shell_run(&shell, "-h");
    assert_true(shell.options->wants_help);
    shell_finish(&shell);
    shell_run(&shell, "--commands --json");
    assert_true(shell.is_good);
    assert_true(shell.options->is_commands && shell.options->is_json);
    shell_finish(&shell);
}

static void test_help_names_every_option_with_its_default(void **state)
{
    struct buf help = {0};

    (void)state;
    router_options_help(&help);
    assert_non_null(strstr(buf_data(&help), "  --hold TIME"));
    assert_non_null(strstr(buf_data(&help), "(800ms)\n"));
    assert_non_null(strstr(buf_data(&help), "(64mb)\n"));
    assert_non_null(strstr(buf_data(&help), "  --when-down error|miss|close what"));
    assert_non_null(strstr(buf_data(&help), "\nFailover\n"));
    for (const char *at = buf_data(&help); *at != '\0';) {
        size_t len = strcspn(at, "\n");
        assert_true(len <= 100);
        at += len + 1;
    }
    buf_finish(&help);
}

static void test_check_tells_what_would_be(void **state)
{
    struct buf text = {0};
    struct shell shell;

    (void)state;
    shell_run(&shell, "--master m --sentinels a:1,b:1,c:1 --listen unix:/a,mode=660 "
                      "--listen-replicas 127.0.0.1:1 --when-down miss --sessions-db 1,3 --cache "
                      "--redis-tls");
    router_options_describe(shell.options, &text);
    assert_non_null(strstr(buf_data(&text), "m, over TLS\n"));
    assert_non_null(strstr(buf_data(&text), "a:1, b:1, c:1; 2 must agree\n"));
    assert_non_null(strstr(buf_data(&text), "unix:/a, mode 660\n"));
    assert_non_null(strstr(buf_data(&text), "an empty answer; an error in database 1, 3\n"));
    assert_non_null(strstr(buf_data(&text), "written in the last 10s"));
    assert_non_null(strstr(buf_data(&text), "at most 1mb behind; when there is none: the master"));
    buf_finish(&text);
    shell_finish(&shell);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_those_of_the_header),
        cmocka_unit_test(test_who_and_where_can_be_set),
        cmocka_unit_test(test_the_rest_can_be_set),
        cmocka_unit_test(test_all_mistakes_at_once),
        cmocka_unit_test(test_times_and_sizes_are_strict),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_strangers_are_kept_out),
        cmocka_unit_test(test_what_does_not_go_together),
        cmocka_unit_test(test_words_that_are_no_options),
        cmocka_unit_test(test_the_last_word_on_the_line_counts),
        cmocka_unit_test(test_a_file_says_the_same),
        cmocka_unit_test(test_the_command_line_wins_over_a_file),
        cmocka_unit_test(test_mistakes_in_a_file_have_their_line),
        cmocka_unit_test(test_help_and_commands_need_nothing_else),
        cmocka_unit_test(test_help_names_every_option_with_its_default),
        cmocka_unit_test(test_check_tells_what_would_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
