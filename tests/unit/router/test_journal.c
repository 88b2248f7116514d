#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/prng.h"
#include "router/journal.h"

enum { WINDOW_MS = 10000, PLENTY = 16 * 1024 * 1024, LITTLE = 64 * 1024 };

/* What came out of a drain, as lines: "flush 3", "key 0 name". */
struct outcome {
    struct buf text;
    size_t keys;
    size_t flushes;
};

static void on_flush(void *ctx, int database)
{
    struct outcome *o = ctx;

    assert_int_equal(o->keys, 0); /* they come first */
    o->flushes++;
    buf_printf(&o->text, "flush %d\n", database);
}

static void on_key(void *ctx, int database, const char *key, size_t len)
{
    struct outcome *o = ctx;

    o->keys++;
    buf_printf(&o->text, "key %d ", database);
    buf_append(&o->text, key, len);
    buf_append_text(&o->text, "\n");
}

static void assert_drained(struct journal *journal, msec_t now_ms, const char *expected)
{
    struct outcome o = {0};
    size_t keys = journal_drain(journal, now_ms, on_flush, on_key, &o);

    assert_int_equal(keys, o.keys);
    assert_string_equal(buf_data(&o.text), expected);
    assert_int_equal(journal_keys(journal), 0);
    buf_finish(&o.text);
}

static void add(struct journal *journal, int database, const char *key, msec_t now_ms)
{
    journal_add(journal, database, key, strlen(key), now_ms);
}

static void test_what_was_written_comes_out_once(void **state)
{
    struct journal *journal = journal_create(WINDOW_MS, PLENTY);

    (void)state;
    add(journal, 0, "a", 100);
    add(journal, 0, "b", 101);
    add(journal, 1, "a", 102); /* the same key elsewhere is another */
    add(journal, 0, "a", 103);
    add(journal, 0, "", 104);
    journal_add(journal, 0, "x\0y", 3, 105);
    journal_add(journal, 0, "x\0z", 3, 105);
    assert_int_equal(journal_keys(journal), 6);

    struct outcome o = {0};
    static const char all[] = "key 0 a\nkey 0 b\nkey 1 a\nkey 0 \nkey 0 x\0y\nkey 0 x\0z\n";
    assert_int_equal(journal_drain(journal, 106, on_flush, on_key, &o), 6);
    assert_int_equal(o.text.len, sizeof(all) - 1);
    assert_memory_equal(buf_data(&o.text), all, sizeof(all) - 1);
    buf_finish(&o.text);

    assert_drained(journal, 106, "");
    add(journal, 0, "after", 107);
    assert_drained(journal, 107, "key 0 after\n");
    journal_destroy(journal);
    journal_destroy(NULL);
}

static void test_keys_last_for_the_window(void **state)
{
    struct journal *journal = journal_create(WINDOW_MS, PLENTY);

    (void)state;
    add(journal, 0, "old", 0);
    add(journal, 0, "kept", 1);
    assert_drained(journal, WINDOW_MS + 1, "key 0 kept\n");
    add(journal, 0, "gone", 50000);
    assert_drained(journal, 50000 + WINDOW_MS + 1, "");

    add(journal, 0, "a", 100000);
    add(journal, 0, "b", 100001);
    journal_expire(journal, 100000 + WINDOW_MS);
    assert_int_equal(journal_keys(journal), 2);
    journal_expire(journal, 100001 + WINDOW_MS);
    assert_int_equal(journal_keys(journal), 1);
    journal_expire(journal, 100002 + WINDOW_MS);
    assert_int_equal(journal_keys(journal), 0);
    journal_destroy(journal);
}

/* One that is written again and again stays, and does not keep the others from going. */
static void test_a_key_written_again_has_its_new_time(void **state)
{
    struct journal *journal = journal_create(WINDOW_MS, PLENTY);
    size_t bytes;

    (void)state;
    add(journal, 0, "hot", 0);
    bytes = journal_bytes(journal);
    for (msec_t now = 0; now < 100000; now++) {
        add(journal, 0, "hot", now);
    }
    assert_int_equal(journal_keys(journal), 1);
    assert_int_equal(journal_bytes(journal), bytes);

    for (msec_t now = 100000; now < 200000; now++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "cold:%d", (int)now);
        add(journal, 0, "hot", now);
        add(journal, 0, key, now);
        assert_in_range(journal_keys(journal), 1, 2 * WINDOW_MS + 2);
    }
    for (int i = 0; i < 10; i++) { /* each forgets only so many */
        journal_expire(journal, 199999 + WINDOW_MS);
    }
    assert_int_equal(journal_keys(journal), 2);
    assert_drained(journal, 199999 + WINDOW_MS, "key 0 cold:199999\nkey 0 hot\n");
    journal_destroy(journal);
}

static void test_what_is_unknown_is_flushed(void **state)
{
    struct journal *journal = journal_create(WINDOW_MS, PLENTY);

    (void)state;
    add(journal, 0, "a", 1);
    add(journal, 5, "b", 1);
    add(journal, 7, "c", 1);
    journal_unknown(journal, 5, 2);
    journal_unknown(journal, 3, 2);
    add(journal, 5, "d", 3);
    assert_drained(journal, 4, "flush 3\nflush 5\nkey 0 a\nkey 7 c\n");
    assert_drained(journal, 4, "");

    add(journal, 0, "a", 5);
    journal_unknown(journal, -1, 6);
    journal_unknown(journal, 3, 6);
    add(journal, 0, "b", 7);
    assert_drained(journal, 8, "flush -1\n");

    /* a database that has no place of its own */
    add(journal, JOURNAL_DATABASES_MAX - 1, "in", 9);
    assert_drained(journal, 9, "key 1023 in\n");
    add(journal, JOURNAL_DATABASES_MAX, "beyond", 9);
    assert_drained(journal, 9, "flush -1\n");
    journal_unknown(journal, JOURNAL_DATABASES_MAX, 9);
    assert_drained(journal, 9, "flush -1\n");
    journal_destroy(journal);
}

/* Later it is known again: what was written since is. */
static void test_unknown_lasts_for_the_window(void **state)
{
    struct journal *journal = journal_create(WINDOW_MS, PLENTY);

    (void)state;
    journal_unknown(journal, 0, 100);
    assert_drained(journal, 100 + WINDOW_MS, "flush 0\n");

    add(journal, 0, "before", 100);
    journal_unknown(journal, 0, 100);
    add(journal, 0, "since", 101);
    assert_drained(journal, 101 + WINDOW_MS, "key 0 since\n");

    journal_unknown(journal, -1, 100);
    add(journal, 2, "since", 101);
    assert_drained(journal, 101 + WINDOW_MS, "key 2 since\n");

    /* the journal is not asked to hold what a flush makes good */
    add(journal, 0, "a", 200);
    add(journal, 0, "b", 200);
    journal_unknown(journal, 0, 200);
    journal_expire(journal, 200);
    assert_int_equal(journal_keys(journal), 0);
    assert_drained(journal, 200, "flush 0\n");
    journal_destroy(journal);
}

/* Forgetting is bounded work, but all at once costs nothing. */
static void test_what_is_old_as_a_whole_goes_at_once(void **state)
{
    struct journal *journal = journal_create(WINDOW_MS, PLENTY);
    size_t empty = journal_bytes(journal);

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 50000; i++) {
            journal_add(journal, i % 3, &i, sizeof(i), 100);
        }
        if (round == 1) {
            journal_unknown(journal, -1, 100);
        }
        journal_expire(journal, round == 0 ? 101 + WINDOW_MS : 100);
        assert_int_equal(journal_keys(journal), 0);
        assert_int_equal(journal_bytes(journal), empty);
    }

    /* a key of another database behind it changes nothing for those before the mark */
    add(journal, 0, "a", 200);
    journal_unknown(journal, -1, 200);
    add(journal, 1, "b", 201);
    journal_expire(journal, 201);
    assert_int_equal(journal_keys(journal), 1);
    assert_drained(journal, 201 + WINDOW_MS, "key 1 b\n");

    /* its own second time keeps it, though it is the last of all */
    add(journal, 0, "again", 1000);
    add(journal, 0, "again", 6000);
    journal_expire(journal, 1001 + WINDOW_MS);
    assert_drained(journal, 6000 + WINDOW_MS, "key 0 again\n");
    journal_destroy(journal);
}

static void test_a_key_is_carried_once_a_window(void **state)
{
    struct journal *journal = journal_create(WINDOW_MS, PLENTY);

    (void)state;
    for (msec_t now = 0; now <= 6000; now += 6000) {
        add(journal, 0, "a", now);
        add(journal, 0, "b", now);
        add(journal, 0, "c", now);
    }
    journal_expire(journal, 1 + WINDOW_MS);
    /* carried over and over, they would have come to rest in another order */
    assert_drained(journal, 1 + WINDOW_MS, "key 0 a\nkey 0 b\nkey 0 c\n");
    journal_destroy(journal);
}

/* A key that is written while it waits to be forgotten counts as new. */
static void test_a_key_covered_by_a_flush_can_come_again(void **state)
{
    struct journal *journal = journal_create(WINDOW_MS, PLENTY);

    (void)state;
    add(journal, 1, "first", 100); /* keeps the next one from being forgotten */
    add(journal, 0, "a", 100);
    journal_unknown(journal, 0, 101);
    add(journal, 0, "a", 102);
    assert_drained(journal, 102 + WINDOW_MS, "key 0 a\n");
    journal_destroy(journal);
}

/* ---- bounds ---- */

static void test_memory_has_an_end(void **state)
{
    static const size_t bounds[] = {0, 100, 12 * 1024, 20 * 1024, LITTLE, 1024 * 1024};

    (void)state;
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        struct journal *journal = journal_create(WINDOW_MS, bounds[i]);
        struct outcome o = {0};
        size_t empty = journal_bytes(journal);
        for (int k = 0; k < 50000; k++) {
            char key[64];
            int len = snprintf(key, sizeof(key), "wp:posts:%d:some-more-text", k);
            journal_add(journal, 0, key, (size_t)len, k / 10);
            assert_true(journal_bytes(journal) <= (bounds[i] > empty ? bounds[i] : empty));
        }
        /* some were lost, so all are flushed */
        assert_int_equal(journal_drain(journal, 5000, on_flush, on_key, &o), 0);
        assert_string_equal(buf_data(&o.text), "flush 0\n");
        assert_int_equal(journal_bytes(journal), empty);
        buf_finish(&o.text);
        journal_destroy(journal);
    }
}

/* After an overflow there is room again, though nothing is older than the window yet. */
static void test_it_recovers_from_an_overflow(void **state)
{
    struct journal *journal = journal_create(WINDOW_MS, LITTLE);
    char key[1000];
    size_t most = 0;

    (void)state;
    memset(key, 'k', sizeof(key));
    for (int i = 0; i < 1000; i++) {
        memcpy(key, &i, sizeof(i));
        journal_add(journal, 0, key, sizeof(key), 1);
    }
    add(journal, 0, "behind", 2);
    for (int i = 0; i < 20; i++) {
        memcpy(key, &i, sizeof(i));
        journal_add(journal, 0, key, sizeof(key), 3);
    }
    most = journal_keys(journal);
    assert_in_range(most, 21, 60);

    /* the mark of the overflow at 1 has ended */
    struct outcome o = {0};
    assert_int_equal(journal_drain(journal, 2 + WINDOW_MS, on_flush, on_key, &o), 21);
    assert_int_equal(o.flushes, 0);
    buf_finish(&o.text);
    journal_destroy(journal);
}

/* A full journal whose oldest key is written all the time: it has no room to be carried on. */
static void test_a_hot_key_does_not_block_a_full_journal(void **state)
{
    struct journal *journal = journal_create(WINDOW_MS, LITTLE);
    char key[1000];

    (void)state;
    memset(key, 'k', sizeof(key));
    add(journal, 9, "hot", 0);
    for (int i = 0; i < 100; i++) {
        add(journal, 9, "hot", i);
        memcpy(key, &i, sizeof(i));
        journal_add(journal, 0, key, sizeof(key), i);
    }
    for (msec_t now = 100; now < 10 * WINDOW_MS; now++) {
        add(journal, 9, "hot", now);
        journal_expire(journal, now);
    }
    for (int i = 0; i < 20; i++) {
        memcpy(key, &i, sizeof(i));
        journal_add(journal, 0, key, sizeof(key), 10 * WINDOW_MS);
    }
    struct outcome o = {0};
    assert_int_equal(journal_drain(journal, 10 * WINDOW_MS, on_flush, on_key, &o), 21);
    assert_int_equal(o.flushes, 0);
    buf_finish(&o.text);
    journal_destroy(journal);
}

static void test_a_key_too_long_for_its_place(void **state)
{
    struct journal *journal = journal_create(WINDOW_MS, LITTLE);
    char *key = malloc(LITTLE);

    (void)state;
    assert_non_null(key);
    memset(key, 'k', LITTLE);
    add(journal, 0, "a", 1);
    journal_add(journal, 0, key, LITTLE / 2, 1); /* longer than a block */
    add(journal, 0, "b", 1);
    assert_int_equal(journal_keys(journal), 3);
    assert_true(journal_bytes(journal) > LITTLE / 2 && journal_bytes(journal) <= LITTLE);
    journal_expire(journal, 2 + WINDOW_MS);
    assert_int_equal(journal_keys(journal), 0);
    journal_add(journal, 0, key, LITTLE / 2, 1 + WINDOW_MS); /* the first of all */
    add(journal, 0, "c", 1 + WINDOW_MS);
    journal_add(journal, 4, key, LITTLE, 1 + WINDOW_MS); /* than all there is */
    struct outcome o = {0};
    assert_int_equal(journal_drain(journal, 1 + WINDOW_MS, on_flush, on_key, &o), 2);
    assert_memory_equal(buf_data(&o.text), "flush 4\n", 8);
    buf_finish(&o.text);
    free(key);
    journal_destroy(journal);
}

/* Keys go one by one here: the block of the last is kept, but for one that is not like the others.
 */
static void test_a_block_that_is_empty(void **state)
{
    struct journal *journal = journal_create(WINDOW_MS, LITTLE);
    char key[LITTLE / 2] = {0};

    (void)state;
    add(journal, 0, "a", 1);
    size_t bytes = journal_bytes(journal);
    journal_unknown(journal, 0, 1);
    journal_expire(journal, 1);
    assert_int_equal(journal_keys(journal), 0);
    assert_int_equal(journal_bytes(journal), bytes);

    journal_add(journal, 1, key, sizeof(key), 2);
    assert_int_equal(journal_keys(journal), 1);
    journal_unknown(journal, 1, 2);
    journal_expire(journal, 2);
    assert_int_equal(journal_keys(journal), 0);
    assert_true(journal_bytes(journal) < bytes);

    add(journal, 2, "b", 3);
    assert_int_equal(journal_bytes(journal), bytes);
    assert_drained(journal, 3 + WINDOW_MS, "key 2 b\n");
    journal_destroy(journal);
}

/* ---- against a model that remembers everything ---- */

enum {
    MODEL_KEYS = 300,
    MODEL_DATABASES = 3,
    MODEL_WINDOW_MS = 200,
    MODEL_STEPS = 3000,
    MODEL_ROUNDS = 60
};

struct model {
    msec_t written_at[MODEL_DATABASES][MODEL_KEYS]; /* -1 is never */
    msec_t unknown_at[MODEL_DATABASES];
    msec_t all_unknown_at;
    msec_t now;
    bool is_tight; /* the journal may overflow, and flush more than the model */
    bool is_flushed[MODEL_DATABASES];
    bool is_out[MODEL_DATABASES][MODEL_KEYS];
};

static void model_forget(struct model *m)
{
    memset(m->written_at, 0xff, sizeof(m->written_at));
    memset(m->unknown_at, 0xff, sizeof(m->unknown_at));
    m->all_unknown_at = -1;
    memset(m->is_flushed, 0, sizeof(m->is_flushed));
    memset(m->is_out, 0, sizeof(m->is_out));
}

static bool model_is_recent(const struct model *m, msec_t at)
{
    return at >= 0 && m->now - at <= MODEL_WINDOW_MS;
}

static void model_on_flush(void *ctx, int database)
{
    struct model *m = ctx;

    for (int i = 0; i < MODEL_DATABASES; i++) {
        if (database < 0 || database == i) {
            assert_false(m->is_flushed[i]);
            m->is_flushed[i] = true;
        }
    }
}

/* Keys are of very different lengths, and end in their number. */
static size_t model_key(char key[600], int number)
{
    size_t len = (size_t)(number * 7919 % 40) + (number % 50 == 0 ? 500 : 0);

    memset(key, 'k', len);
    return len + (size_t)snprintf(key + len, 600 - len, ":%d", number);
}

static void model_on_key(void *ctx, int database, const char *key, size_t len)
{
    struct model *m = ctx;
    char expected[600];
    const char *colon = memchr(key, ':', len);

    assert_non_null(colon);
    char digits[8] = {0};
    memcpy(digits, colon + 1, (size_t)(key + len - colon - 1));
    int number = (int)strtol(digits, NULL, 10);
    assert_in_range(number, 0, MODEL_KEYS - 1);
    assert_int_equal(len, model_key(expected, number));
    assert_memory_equal(key, expected, len);
    assert_false(m->is_out[database][number]);
    assert_false(m->is_flushed[database]);
    assert_true(model_is_recent(m, m->written_at[database][number]));
    m->is_out[database][number] = true;
}

static void model_drain(struct model *m, struct journal *journal)
{
    size_t keys = journal_drain(journal, m->now, model_on_flush, model_on_key, m);
    size_t out = 0;

    for (int d = 0; d < MODEL_DATABASES; d++) {
        bool is_unknown =
            model_is_recent(m, m->unknown_at[d]) || model_is_recent(m, m->all_unknown_at);
        assert_true(m->is_flushed[d] || !is_unknown);
        assert_true(m->is_tight || m->is_flushed[d] == is_unknown);
        for (int k = 0; k < MODEL_KEYS; k++) {
            bool is_recent = model_is_recent(m, m->written_at[d][k]);
            assert_int_equal(m->is_out[d][k], is_recent && !m->is_flushed[d]);
            out += m->is_out[d][k];
        }
    }
    assert_int_equal(keys, out);
    model_forget(m);
}

static void model_step(struct model *m, struct journal *journal, struct prng *p)
{
    char key[600];
    int database = (int)prng_below(p, MODEL_DATABASES);
    uint64_t kind = prng_below(p, 1000);

    m->now += (msec_t)prng_below(p, 3);
    if (kind == 0) {
        m->now += (msec_t)prng_below(p, 2 * MODEL_WINDOW_MS);
    } else if (kind < 4) {
        model_drain(m, journal);
    } else if (kind < 6) {
        journal_unknown(journal, database, m->now);
        m->unknown_at[database] = m->now;
    } else if (kind == 6) {
        journal_unknown(journal, -1, m->now);
        m->all_unknown_at = m->now;
    } else if (kind < 100) {
        journal_expire(journal, m->now);
    } else {
        int number = (int)prng_below(p, kind < 500 ? 5 : MODEL_KEYS);
        journal_add(journal, database, key, model_key(key, number), m->now);
        m->written_at[database][number] = m->now;
    }
}

static void test_against_a_model(void **state)
{
    const char *text = getenv("JOURNAL_SEED");
    uint64_t first = text == NULL ? 20261121 : strtoull(text, NULL, 10);
    uint64_t rounds = text == NULL ? MODEL_ROUNDS : 1;

    (void)state;
    for (uint64_t seed = first; seed < first + rounds; seed++) {
        static struct model m;
        struct prng p;
        size_t max_bytes = seed % 3 == 0 ? 14 * 1024 : seed % 3 == 1 ? 24 * 1024 : PLENTY;
        struct journal *journal = journal_create(MODEL_WINDOW_MS, max_bytes);
        prng_init(&p, seed);
        m = (struct model){.is_tight = max_bytes != PLENTY};
        model_forget(&m);
        print_message("replay: JOURNAL_SEED=%llu test_journal\n", (unsigned long long)seed);
        for (int step = 0; step < MODEL_STEPS; step++) {
            model_step(&m, journal, &p);
            assert_true(journal_bytes(journal) <= max_bytes);
        }
        model_drain(&m, journal);
        journal_destroy(journal);
    }
}

/* ---- cost ---- */

/* What a busy site writes in the window: the time must not grow with what is held. */
static void test_it_is_fast_when_it_is_full(void **state)
{
    enum { KEYS = 100000, TIMES = 10 };
    struct journal *journal = journal_create(WINDOW_MS, PLENTY);
    char key[64];

    (void)state;
    clock_t start = clock();
    for (int i = 0; i < KEYS * TIMES; i++) {
        int len = snprintf(key, sizeof(key), "wp:options:%d", (int)((int64_t)i * 7919 % KEYS));
        journal_add(journal, 0, key, (size_t)len, i / 100);
    }
    assert_int_equal(journal_keys(journal), KEYS);
    /* 0.2 s here; a walk over the keys for each would take hours */
    assert_true(clock() - start < 10 * CLOCKS_PER_SEC);
    assert_true(journal_bytes(journal) < (size_t)KEYS * 100);
    journal_destroy(journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_written_comes_out_once),
        cmocka_unit_test(test_keys_last_for_the_window),
        cmocka_unit_test(test_a_key_written_again_has_its_new_time),
        cmocka_unit_test(test_what_is_unknown_is_flushed),
        cmocka_unit_test(test_unknown_lasts_for_the_window),
        cmocka_unit_test(test_what_is_old_as_a_whole_goes_at_once),
        cmocka_unit_test(test_a_key_is_carried_once_a_window),
        cmocka_unit_test(test_a_key_covered_by_a_flush_can_come_again),
        cmocka_unit_test(test_memory_has_an_end),
        cmocka_unit_test(test_it_recovers_from_an_overflow),
        cmocka_unit_test(test_a_hot_key_does_not_block_a_full_journal),
        cmocka_unit_test(test_a_key_too_long_for_its_place),
        cmocka_unit_test(test_a_block_that_is_empty),
        cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_it_is_fast_when_it_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
