/* The queue of images, and what is reported. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/store.h"
#include "turn_until.h"

struct report {
    uint64_t seq;
    bool ok;
    char why[200];
};

static struct loop *loop;
static char dir[64];
static char path[128];
static struct report reports[64];
static size_t reports_count;

static void on_saved(void *ctx, uint64_t seq, bool ok, const char *why)
{
    struct report *report = &reports[reports_count++];

    assert_ptr_equal(ctx, &reports_count);
    report->seq = seq;
    report->ok = ok;
    (void)snprintf(report->why, sizeof(report->why), "%s", why);
}

static int set_up(void **state)
{
    struct err err;

    (void)state;
    reports_count = 0;
    (void)snprintf(dir, sizeof(dir), "/tmp/holdfast-store-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/state", dir);
    loop = loop_create(&err);
    assert_non_null(loop);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    assert_int_equal(rmdir(dir), 0); /* nothing else may be left */
    return 0;
}

static bool is_idle(void *ctx)
{
    return store_idle(ctx);
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

static void test_newest_image_wins(void **state)
{
    struct store *store = store_create(loop, path, on_saved, &reports_count);
    char image[32];

    (void)state;
    assert_true(store_idle(store));
    for (uint64_t seq = 1; seq <= 50; seq++) {
        int len = snprintf(image, sizeof(image), "image %d", (int)seq);
        store_save(store, seq, image, (size_t)len);
    }
    assert_false(store_idle(store));
    assert_int_equal(reports_count, 0); /* never from inside the call */
    assert_true(turn_until(loop, is_idle, store));
    assert_int_equal(reports_count, 2); /* the first, and the newest of those that waited */
    assert_int_equal(reports[0].seq, 1);
    assert_int_equal(reports[1].seq, 50);
    assert_true(reports[0].ok && reports[1].ok);
    expect_file("image 50");
    store_destroy(store);
    loop_destroy(loop);
}

static void test_failure_is_told_and_not_final(void **state)
{
    struct store *store;
    char gone[160];

    (void)state;
    (void)snprintf(gone, sizeof(gone), "%s/gone/state", dir);
    store = store_create(loop, gone, on_saved, &reports_count);
    store_save(store, 7, "image", 5);
    assert_true(turn_until(loop, is_idle, store));
    assert_int_equal(reports_count, 1);
    assert_int_equal(reports[0].seq, 7);
    assert_false(reports[0].ok);
    assert_non_null(strstr(reports[0].why, "No such file or directory"));
    store_save(store, 8, "image", 5);
    assert_true(turn_until(loop, is_idle, store));
    assert_int_equal(reports[1].seq, 8);
    store_destroy(store);
    loop_destroy(loop);
}

static void test_end_while_writing(void **state)
{
    struct store *store = store_create(loop, path, on_saved, &reports_count);

    (void)state;
    store_save(store, 1, "one", 3);
    store_save(store, 2, "two", 3);
    loop_destroy(loop); /* waits for the write that runs */
    store_destroy(store);
    assert_int_equal(reports_count, 0);
    expect_file("one");
}

static void test_path_is_of_now(void **state)
{
    struct store *store;
    char before[256];

    (void)state;
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(dir), 0);
    store = store_create(loop, "state", on_saved, &reports_count);
    assert_int_equal(chdir(before), 0);
    store_save(store, 1, "here", 4);
    assert_true(turn_until(loop, is_idle, store));
    expect_file("here");
    store_destroy(store);
    loop_destroy(loop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_newest_image_wins),
        TEST(test_failure_is_told_and_not_final),
        TEST(test_end_while_writing),
        TEST(test_path_is_of_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
