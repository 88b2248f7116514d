/* One file, replaced: its looks, its links, and what happens when the disk does not want. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store.h"

static char dir[64];
static char path[128];
static char temp[128];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/holdfast-store-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/state", dir);
    (void)snprintf(temp, sizeof(temp), "%s/.state.holdfast-new", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    assert_int_equal(rmdir(dir), 0); /* nothing else may be left */
    return 0;
}

static void write_ok(const char *at, const char *text)
{
    struct err err = {0};
    bool in_place = true;

    if (!store_write(at, text, strlen(text), &in_place, &err)) {
        fail_msg("%s", err.text);
    }
    assert_false(in_place);
}

static void expect_file(const char *text)
{
    struct buf read_text = {0};
    struct err err;
    bool exists = false;

    assert_true(store_read(path, &read_text, &exists, &err));
    assert_true(exists);
    assert_string_equal(buf_data(&read_text), text);
    buf_finish(&read_text);
}

static void test_mode_is_kept(void **state)
{
    struct stat now;

    (void)state;
    write_ok(path, "one");
    assert_int_equal(stat(path, &now), 0);
    assert_int_equal(now.st_mode & 07777, STORE_MODE);
    assert_int_equal(chmod(path, 0604), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 12345, 23456), 0);
    }
    write_ok(path, "two");
    expect_file("two");
    assert_int_equal(stat(path, &now), 0);
    assert_int_equal(now.st_mode & 07777, 0604);
    if (geteuid() == 0) {
        assert_int_equal(now.st_uid, 12345);
        assert_int_equal(now.st_gid, 23456);
    }
}

static void test_link_is_followed(void **state)
{
    char link_path[128];
    struct stat now;

    (void)state;
    (void)snprintf(link_path, sizeof(link_path), "%s/link", dir);
    write_ok(path, "one");
    assert_int_equal(symlink("state", link_path), 0);
    write_ok(link_path, "two");
    expect_file("two");
    assert_int_equal(lstat(link_path, &now), 0);
    assert_true(S_ISLNK(now.st_mode));
    assert_int_equal(unlink(link_path), 0);
}

static void test_leftover_is_used_again(void **state)
{
    int fd;

    (void)state;
    fd = open(temp, O_CREAT | O_WRONLY | O_CLOEXEC, 0400);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "half of an ima", 14), 14);
    assert_int_equal(close(fd), 0);
    write_ok(path, "whole");
    expect_file("whole");
}

/* A disk that is full in the middle: the limit of a file's size does the same to write(). */
static void test_full_disk_leaves_the_old_file(void **state)
{
    struct rlimit before;
    struct rlimit small;
    struct err err = {0};
    static char image[100000];

    (void)state;
    write_ok(path, "old");
    memset(image, 'x', sizeof(image));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 5000;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction was;
    assert_int_equal(sigaction(SIGXFSZ, &ignore, &was), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool ok = store_write(path, image, sizeof(image), NULL, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(sigaction(SIGXFSZ, &was, NULL), 0);
    assert_false(ok);
    assert_non_null(strstr(err.text, "cannot be written: File too large"));
    expect_file("old");
    assert_int_equal(access(temp, F_OK), -1);
}

/* In a mount namespace of its own: 0 it worked, 1 it did not, 77 no right to mount. */
static int write_over_a_mount(void)
{
    struct err err = {0};
    bool in_place = false;
    bool ok;

    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount(path, path, NULL, MS_BIND, NULL) != 0) {
        return 77;
    }
    ok = store_write(path, "new", 3, &in_place, &err) && in_place;
    return ok && access(temp, F_OK) != 0 ? 0 : 1;
}

static void test_mount_point_is_written_in_place(void **state)
{
    int status = 0;
    pid_t pid;

    (void)state;
    write_ok(path, "old and longer");
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(write_over_a_mount());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    expect_file("new");
}

static void test_reading(void **state)
{
    struct buf text = {0};
    struct err err = {0};
    bool exists = true;

    (void)state;
    assert_true(store_read(path, &text, &exists, &err));
    assert_false(exists);
    assert_false(store_read(dir, &text, &exists, &err));
    assert_non_null(strstr(err.text, "cannot be read: Is a directory"));
    assert_int_equal(text.len, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_mode_is_kept),
        TEST(test_link_is_followed),
        TEST(test_leftover_is_used_again),
        TEST(test_full_disk_leaves_the_old_file),
        TEST(test_mount_point_is_written_in_place),
        TEST(test_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
