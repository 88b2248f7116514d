#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/buf.h"
#include "base/prng.h"

static void zeroed_is_empty(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_string_equal(buf_data(&b), "");
    buf_append(&b, "x", 0);
    assert_int_equal(b.capacity, 0);
    buf_take(&b, 0);
    buf_finish(&b);
    buf_finish(NULL);
    assert_null(b.bytes);
}

static void appends_and_ends_with_zero(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_append_text(&b, "one ");
    buf_printf(&b, "%d %s", 2, "three");
    assert_string_equal(buf_data(&b), "one 2 three");
    assert_int_equal(b.len, strlen("one 2 three"));
    buf_take(&b, 4);
    assert_string_equal(buf_data(&b), "2 three");
    buf_clear(&b);
    assert_string_equal(buf_data(&b), "");
    buf_finish(&b);
}

static void reserve_then_grew(void **state)
{
    (void)state;
    struct buf b = {0};
    char *room = buf_reserve(&b, 1000);
    memset(room, 'z', 1000);
    buf_grew(&b, 3);
    assert_string_equal(buf_data(&b), "zzz");
    buf_finish(&b);
}

static void bytes_taken_make_room_again(void **state)
{
    (void)state;
    struct buf b = {0};
    char piece[200];
    memset(piece, 'p', sizeof(piece));
    for (int i = 0; i < 1000; i++) {
        buf_append(&b, piece, sizeof(piece));
        buf_take(&b, sizeof(piece) - (i == 0));
    }
    assert_int_equal(b.len, 1);
    assert_true(b.capacity <= 1024);
    buf_finish(&b);
}

static void large_memory_is_given_back(void **state)
{
    (void)state;
    struct buf b = {0};
    (void)buf_reserve(&b, 1 << 20);
    buf_clear(&b);
    assert_int_equal(b.capacity, 0);
    (void)buf_reserve(&b, 100);
    buf_clear(&b);
    assert_true(b.capacity > 0);
    buf_finish(&b);
}

static void dropped_bytes_leave_the_memory(void **state)
{
    (void)state;
    struct buf b = {0};
    (void)buf_reserve(&b, 1 << 20);
    size_t capacity = b.capacity;
    buf_append_text(&b, "one two");
    buf_drop(&b, 4);
    assert_string_equal(buf_data(&b), "two");
    buf_drop(&b, 3);
    assert_int_equal(b.len, 0);
    assert_int_equal(b.start, 0);
    assert_int_equal(b.capacity, capacity);
    buf_finish(&b);
}

/* A long queue whose front is taken in small steps is not moved for each of them. */
static void much_is_not_moved_to_gain_little(void **state)
{
    (void)state;
    static char bytes[1000];
    struct buf b = {0};

    (void)buf_reserve(&b, 1023);
    assert_int_equal(b.capacity, 1024);
    buf_append(&b, bytes, 1000);
    buf_take(&b, 30);
    buf_append(&b, bytes, 40);
    assert_int_equal(b.start, 30);
    assert_int_equal(b.capacity, 2048);
    assert_int_equal(b.len, 1010);
    buf_finish(&b);
}

static void borrowed_bytes_are_copied_when_they_grow(void **state)
{
    (void)state;
    char bytes[] = "hello world";
    struct buf b = {0};

    buf_borrow(&b, bytes, strlen(bytes));
    assert_ptr_equal(buf_data(&b), bytes);
    buf_take(&b, 6);
    assert_string_equal(buf_data(&b), "world");
    buf_append_text(&b, "!");
    assert_string_equal(buf_data(&b), "world!");
    assert_string_equal(bytes, "hello world");
    buf_finish(&b);

    buf_borrow(&b, bytes, strlen(bytes));
    buf_finish(&b); /* owns nothing: must not free */
    assert_string_equal(bytes, "hello world");
}

/* The same random appends and takes on a buffer and on a plain array. */
static void behaves_like_a_queue(void **state)
{
    (void)state;
    static char model[1 << 16];
    size_t from = 0;
    size_t to = 0;
    struct buf b = {0};
    struct prng prng;

    prng_init(&prng, 42);
    while (to + 300 < sizeof(model)) {
        size_t len = (size_t)prng_below(&prng, 300);
        for (size_t i = 0; i < len; i++) {
            model[to + i] = (char)prng_below(&prng, 256);
        }
        buf_append(&b, model + to, len);
        to += len;
        size_t take = (size_t)prng_below(&prng, b.len + 1);
        buf_take(&b, take);
        from += take;
        assert_int_equal(b.len, to - from);
        assert_memory_equal(buf_data(&b), model + from, b.len);
        assert_int_equal(buf_data(&b)[b.len], '\0');
    }
    buf_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_is_empty),
        cmocka_unit_test(appends_and_ends_with_zero),
        cmocka_unit_test(reserve_then_grew),
        cmocka_unit_test(bytes_taken_make_room_again),
        cmocka_unit_test(large_memory_is_given_back),
        cmocka_unit_test(dropped_bytes_leave_the_memory),
        cmocka_unit_test(much_is_not_moved_to_gain_little),
        cmocka_unit_test(borrowed_bytes_are_copied_when_they_grow),
        cmocka_unit_test(behaves_like_a_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
