#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "loop/log.h"
#include "loop_world.h"

struct place {
    char dir[64];
    char path[128];
    char text[1 << 16];
};

static void open_place(struct place *p, enum log_level level)
{
    struct err err;

    world_make_dir(p->dir);
    world_path(p->path, p->dir, "a.log");
    struct log_settings settings = {.level = level, .file = p->path};
    assert_true(log_open(&settings, &err));
}

static void close_place(struct place *p)
{
    log_close();
    world_remove_dir(p->dir);
}

static void lines_look_like_sentinels(void **state)
{
    static struct place p;
    regex_t form;
    char pattern[160];

    (void)state;
    open_place(&p, LOG_LEVEL_DEBUG);
    log_debug("d %d", 1);
    log_info("i");
    log_notice("n");
    log_warning("w");
    log_err("e");
    world_read_file(p.path, p.text, sizeof(p.text));
    (void)snprintf(pattern, sizeof(pattern),
                   "^%ld:X [0-9]{2} [A-Z][a-z]{2} 20[0-9]{2} "
                   "[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{3} [.*#-] [dinwe]( 1)?$",
                   (long)getpid());
    assert_int_equal(regcomp(&form, pattern, REG_EXTENDED | REG_NOSUB), 0);
    static const char marks[] = ".-*##";
    int lines = 0;
    char *rest = NULL;
    for (char *line = strtok_r(p.text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        assert_int_equal(regexec(&form, line, 0, NULL, 0), 0);
        assert_int_equal(*(strchr(line, '.') + 5), marks[lines]);
        lines++;
    }
    assert_int_equal(lines, 5);
    regfree(&form);
    close_place(&p);
}

static void level_decides(void **state)
{
    static struct place p;

    (void)state;
    open_place(&p, LOG_LEVEL_WARNING);
    log_notice("hidden");
    assert_false(log_enabled(LOG_LEVEL_NOTICE));
    assert_true(log_enabled(LOG_LEVEL_ERR));
    log_set_level(LOG_LEVEL_INFO);
    assert_int_equal(log_level(), LOG_LEVEL_INFO);
    log_info("seen");
    log_at(LOG_LEVEL_DEBUG, "hidden");
    log_set_level(LOG_LEVEL_NOTHING);
    log_err("hidden");
    assert_false(log_enabled(LOG_LEVEL_ERR));
    world_read_file(p.path, p.text, sizeof(p.text));
    assert_non_null(strstr(p.text, " - seen\n"));
    assert_null(strstr(p.text, "hidden"));
    close_place(&p);
}

static void nobody_can_forge_a_line(void **state)
{
    static struct place p;

    (void)state;
    open_place(&p, LOG_LEVEL_NOTICE);
    log_notice("%s", "a\nb\r\tc\x1b[31m\x7f \xc3\xa9");
    world_read_file(p.path, p.text, sizeof(p.text));
    assert_non_null(strstr(p.text, "a\\nb\\r\\tc\\x1b[31m\\x7f \xc3\xa9\n"));
    close_place(&p);
}

static void long_lines_are_cut(void **state)
{
    static struct place p;
    char text[4 * LOG_LINE_MAX];

    (void)state;
    open_place(&p, LOG_LEVEL_NOTICE);
    memset(text, '\x01', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    log_notice("%s", text);
    size_t len = world_read_file(p.path, p.text, sizeof(p.text));
    assert_in_range(len, 4 * (LOG_LINE_MAX - 4), 4 * LOG_LINE_MAX + 64);
    assert_string_equal(p.text + len - 4, "...\n");
    close_place(&p);
}

static bool signal_ignored(int signo)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    return sigaction(signo, &ignore, NULL) == 0;
}

static void errno_is_kept(void **state)
{
    static struct place p;

    (void)state;
    open_place(&p, LOG_LEVEL_NOTICE);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_true(signal_ignored(SIGXFSZ));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0); /* as a full disk */
    errno = EXDEV;
    log_notice("cannot be written");
    int kept = errno;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(kept, EXDEV);
    assert_int_equal(world_read_file(p.path, p.text, sizeof(p.text)), 0);
    close_place(&p);
}

static void reopen_follows_the_name(void **state)
{
    static struct place p;
    char rotated[128];
    struct err err;

    (void)state;
    open_place(&p, LOG_LEVEL_NOTICE);
    world_path(rotated, p.dir, "a.log.1");
    log_notice("one");
    assert_int_equal(rename(p.path, rotated), 0);
    log_notice("two");
    assert_true(log_reopen(&err));
    log_notice("three");
    world_read_file(rotated, p.text, sizeof(p.text));
    assert_non_null(strstr(p.text, "one"));
    assert_non_null(strstr(p.text, "two"));
    assert_null(strstr(p.text, "three"));
    world_read_file(p.path, p.text, sizeof(p.text));
    assert_non_null(strstr(p.text, "three"));
    close_place(&p);
}

static void wrong_settings_change_nothing(void **state)
{
    static struct place p;
    struct err err;

    (void)state;
    open_place(&p, LOG_LEVEL_NOTICE);
    struct log_settings nowhere = {.file = "/nonexistent/a.log"};
    assert_false(log_open(&nowhere, &err));
    assert_non_null(strstr(err.text, "/nonexistent/a.log: No such file"));
    struct log_settings strange = {.use_syslog = true, .syslog_facility = "kitchen"};
    assert_false(log_open(&strange, &err));
    assert_non_null(strstr(err.text, "'kitchen'"));
    log_notice("still here");
    world_read_file(p.path, p.text, sizeof(p.text));
    assert_non_null(strstr(p.text, "still here"));
    close_place(&p);
}

static void quiet_writes_nowhere_and_role_shows(void **state)
{
    static struct place p;
    struct err err;

    (void)state;
    open_place(&p, LOG_LEVEL_NOTICE);
    struct log_settings quiet = {.level = LOG_LEVEL_NOTICE, .is_quiet = true};
    assert_true(log_open(&quiet, &err));
    log_notice("lost");
    struct log_settings role = {.level = LOG_LEVEL_NOTICE, .file = p.path, .role = 'M'};
    assert_true(log_open(&role, &err));
    log_notice("kept");
    world_read_file(p.path, p.text, sizeof(p.text));
    assert_null(strstr(p.text, "lost"));
    assert_non_null(strstr(p.text, ":M "));
    close_place(&p);
}

static void syslog_is_accepted(void **state)
{
    static struct place p;
    struct err err;

    (void)state;
    open_place(&p, LOG_LEVEL_NOTICE);
    struct log_settings both = {.level = LOG_LEVEL_NOTICE,
                                .file = p.path,
                                .use_syslog = true,
                                .syslog_ident = "loop-test",
                                .syslog_facility = "local3"};
    assert_true(log_open(&both, &err));
    log_notice("to both");
    world_read_file(p.path, p.text, sizeof(p.text));
    assert_non_null(strstr(p.text, "to both"));
    close_place(&p);
}

enum { THREADS = 4, LINES = 200 };

static void *write_lines(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < LINES; i++) {
        log_notice("abcdefghijklmnopqrstuvwxyz");
    }
    return NULL;
}

static void threads_do_not_mix_lines(void **state)
{
    static char text[THREADS * LINES * 96];
    static struct place p;
    pthread_t threads[THREADS];
    struct err err;

    (void)state;
    open_place(&p, LOG_LEVEL_NOTICE);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, NULL), 0);
    }
    assert_true(log_reopen(&err)); /* while they write */
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    world_read_file(p.path, text, sizeof(text));
    int lines = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        assert_string_equal(strchr(line, '*'), "* abcdefghijklmnopqrstuvwxyz");
        lines++;
    }
    assert_int_equal(lines, THREADS * LINES);
    close_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_look_like_sentinels),
        cmocka_unit_test(level_decides),
        cmocka_unit_test(nobody_can_forge_a_line),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(errno_is_kept),
        cmocka_unit_test(reopen_follows_the_name),
        cmocka_unit_test(wrong_settings_change_nothing),
        cmocka_unit_test(quiet_writes_nowhere_and_role_shows),
        cmocka_unit_test(syslog_is_accepted),
        cmocka_unit_test(threads_do_not_mix_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
