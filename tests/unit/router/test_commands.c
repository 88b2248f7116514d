#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "base/prng.h"
#include "router/commands.h"

enum { WORDS_MAX = 16, THREADS = 4 };

/* A request of words with spaces between them; "_" is an empty one. */
struct request {
    struct buf bytes;
    const struct command *command;
};

static struct request request_make(const char *text)
{
    struct request request = {0};
    char *line = strdup(text);
    const char *words[WORDS_MAX];
    size_t count = 0;

    for (char *save, *word = strtok_r(line, " ", &save); word != NULL;
         word = strtok_r(NULL, " ", &save)) {
        assert_true(count < WORDS_MAX);
        words[count++] = strcmp(word, "_") == 0 ? "" : word;
    }
    resp_write_command(&request.bytes, count, words);
    request.command = command_find(words[0], strlen(words[0]), count > 1 ? words[1] : NULL,
                                   count > 1 ? strlen(words[1]) : 0);
    free(line);
    return request;
}

static void request_finish(struct request *request)
{
    buf_finish(&request->bytes);
}

static const struct command *find(const char *name, const char *second)
{
    return command_find(name, strlen(name), second, second == NULL ? 0 : strlen(second));
}

/* ---- names ---- */

static void *find_all(void *ctx)
{
    size_t *found = ctx;

    for (size_t i = 0; i < command_count(); i++) {
        const struct command *row = command_at(i);
        size_t len = strcspn(row->name, "|");
        const char *second = row->name[len] == '|' ? row->name + len + 1 : NULL;
        *found += command_find(row->name, len, second, second == NULL ? 0 : strlen(second)) == row;
    }
    return NULL;
}

/* First of all tests: whoever asks first builds what finds the rows, the others wait for it. */
static void test_threads_may_ask_at_once(void **state)
{
    pthread_t threads[THREADS];
    size_t found[THREADS] = {0};

    (void)state;
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, find_all, &found[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(found[i], command_count());
    }
}

static void test_case_is_ignored(void **state)
{
    (void)state;
    assert_string_equal(find("get", "key")->name, "GET");
    assert_string_equal(find("Get", NULL)->name, "GET");
    assert_string_equal(find("restore-asking", NULL)->name, "RESTORE-ASKING");
    assert_string_equal(find("script", "kILL")->name, "SCRIPT|KILL");
    assert_string_equal(find("cluster", "count-failure-reports")->name,
                        "CLUSTER|COUNT-FAILURE-REPORTS");
}

static void test_a_container_stands_for_what_it_does_not_know(void **state)
{
    (void)state;
    assert_string_equal(find("CLIENT", "GETNAME")->name, "CLIENT|GETNAME");
    assert_string_equal(find("CLIENT", "NOSUCH")->name, "CLIENT");
    assert_string_equal(find("CLIENT", NULL)->name, "CLIENT");
    assert_string_equal(find("CLIENT", "")->name, "CLIENT");
    assert_string_equal(find("CLIENT", "a-subcommand-that-is-longer-than-any-other")->name,
                        "CLIENT");
    assert_int_equal(find("CLIENT", "NOSUCH")->id, COMMAND_CLIENT);
    assert_int_equal(find("CLIENT", "PAUSE")->id, COMMAND_OTHER);
}

static void test_what_is_not_known_is_a_write_of_unknown_keys(void **state)
{
    static const char *const names[] = {
        "",
        "GE",
        "GETT",
        "GET ",
        "FT.SEARCH",
        "SCRIPT|KILL",
        "client|id",
        "`ET",
        "G\xc5T",
        "g\xe5t",
        "G%T",
        "{ET",
        "RESTORE\rASKING",
        "SADDX",
        "a name that is longer than any name of a command",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct command *row = find(names[i], "KILL");
        assert_string_equal(row->name, "");
        assert_int_equal(row->class, COMMAND_STATELESS);
        assert_int_equal(row->id, COMMAND_OTHER);
        assert_int_equal(row->miss, COMMAND_MISS_ERROR);
        assert_int_equal(row->flags, COMMAND_WRITES | COMMAND_SLOW | COMMAND_KEYS_UNKNOWN |
                                         COMMAND_DENIED_ON_REPLICAS);
    }
    assert_string_equal(command_find("GET\0", 4, NULL, 0)->name, "");
    assert_string_equal(command_find("SCRIPT", 6, "KILL\0", 5)->name, "SCRIPT");
    assert_string_equal(command_find("GETX", 3, NULL, 0)->name, "GET");
}

/* The quick way finds what the plain way finds, also for names one byte beside a real one. */
static void test_lookup_agrees_with_a_plain_search(void **state)
{
    struct prng prng;

    (void)state;
    prng_init(&prng, 7);
    for (size_t round = 0; round < 20000; round++) {
        char name[64] = {0};
        const char *real = command_at(prng_below(&prng, command_count()))->name;
        size_t len = strcspn(real, "|");
        const char *expected = "";

        memcpy(name, real, len);
        size_t at = prng_below(&prng, len);
        name[at] = (char)((unsigned char)name[at] ^ (prng_below(&prng, 2) << prng_below(&prng, 7)));
        if (strlen(name) < len) {
            continue;
        }
        for (size_t i = 0; i < command_count(); i++) {
            if (strcasecmp(command_at(i)->name, name) == 0) {
                expected = command_at(i)->name;
            }
        }
        assert_string_equal(find(name, NULL)->name, expected);
    }
}

/* ---- the table ---- */

static bool row_has(const struct command *row, enum command_flags flag)
{
    return (row->flags & flag) != 0;
}

static void row_assert_sane(const struct command *row)
{
    size_t len = strcspn(row->name, "|");
    bool has_keys = row->first_key != 0 || row->layout != COMMAND_LAYOUT_RANGE;

    assert_true(!row_has(row, COMMAND_WRITES) || row_has(row, COMMAND_DENIED_ON_REPLICAS));
    assert_true(!row_has(row, COMMAND_KEYS_UNKNOWN) || row_has(row, COMMAND_WRITES));
    assert_true(!row_has(row, COMMAND_IDEMPOTENT) || row_has(row, COMMAND_WRITES));
    assert_int_equal(row_has(row, COMMAND_IDEMPOTENT), row->twice != COMMAND_TWICE_NEVER);
    assert_true(row->reads == COMMAND_READS_NEVER || row_has(row, COMMAND_WRITES));
    assert_int_equal(row->class == COMMAND_REFUSED, row->why != NULL);
    assert_int_equal(row->layout == COMMAND_LAYOUT_NUMKEYS, row->numkeys_at != 0);
    assert_int_equal(row->first_key != 0, row->last_key != 0);
    assert_true(row->first_key == 0 || row->key_step > 0);
    assert_true(!row_has(row, COMMAND_WRITES_FIRST) || row->first_key != 0);
    assert_true(!row_has(row, COMMAND_WRITES_LAST) || row->first_key != 0);
    assert_true(row->twice != COMMAND_TWICE_STORE || row_has(row, COMMAND_WRITES_FIRST) ||
                row_has(row, COMMAND_WRITES_LAST));
    assert_true(row->class != COMMAND_BLOCKING || row->miss == COMMAND_MISS_ERROR ||
                row->layout == COMMAND_LAYOUT_STREAMS);
    assert_false(row_has(row, COMMAND_CONTAINER) && has_keys);
    if (row->name[len] == '|') {
        char container[64] = {0};

        memcpy(container, row->name, len);
        assert_string_equal(find(container, NULL)->name, container);
        assert_true(row_has(find(container, NULL), COMMAND_CONTAINER));
        assert_false(row_has(row, COMMAND_CONTAINER));
    }
}

static void test_rows_do_not_contradict_themselves(void **state)
{
    (void)state;
    assert_true(command_count() > 400);
    for (size_t i = 0; i < command_count(); i++) {
        row_assert_sane(command_at(i));
    }
}

static void test_classes_as_they_are_meant(void **state)
{
    static const struct {
        const char *name;
        const char *second;
        enum command_class class;
    } cases[] = {
        {"GET", NULL, COMMAND_STATELESS},           {"EVAL", NULL, COMMAND_STATELESS},
        {"READONLY", NULL, COMMAND_STATELESS},      {"MIGRATE", NULL, COMMAND_STATELESS},
        {"CLIENT", "TRACKING", COMMAND_LOCAL},      {"CLIENT", "PAUSE", COMMAND_ADMINISTRATIVE},
        {"SCRIPT", "KILL", COMMAND_ADMINISTRATIVE}, {"FUNCTION", "KILL", COMMAND_ADMINISTRATIVE},
        {"SHUTDOWN", NULL, COMMAND_ADMINISTRATIVE}, {"DEBUG", "SLEEP", COMMAND_ADMINISTRATIVE},
        {"MONITOR", NULL, COMMAND_PINNING},         {"WAIT", NULL, COMMAND_BLOCKING},
        {"BLPOP", NULL, COMMAND_BLOCKING},          {"WATCH", NULL, COMMAND_TRANSACTION},
        {"SSUBSCRIBE", NULL, COMMAND_PUBSUB},       {"REPLICAOF", NULL, COMMAND_REFUSED},
        {"PSYNC", NULL, COMMAND_REFUSED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct command *row = find(cases[i].name, cases[i].second);
        assert_string_equal(command_class_text(row->class), command_class_text(cases[i].class));
    }
}

/* ---- keys ---- */

static void on_key(void *ctx, const char *key, size_t key_len)
{
    struct buf *keys = ctx;

    buf_append_text(keys, keys->len == 0 ? "" : " ");
    buf_append(keys, key, key_len);
}

static const struct {
    const char *request;
    const char *keys;
    const char *written;
} key_cases[] = {
    {"GET a", "a", ""},
    {"GET", "", ""},
    {"PING", "", ""},
    {"SET a b EX 5", "a", "a"},
    {"DEL a b c", "a b c", "a b c"},
    {"MSET a 1 b 2", "a b", "a b"},
    {"MSET a 1 b", "a b", "a b"},
    {"MGET a b", "a b", ""},
    {"PUBLISH a b", "", ""},
    {"NOSUCHCOMMAND a b", "", ""},
    {"BLPOP a b 0", "a b", "a b"},
    {"BLPOP a", "", ""},
    {"OBJECT ENCODING a", "a", ""},
    {"XGROUP CREATE a g 0", "a", "a"},
    {"MEMORY USAGE a SAMPLES 5", "a", ""},
    {"RENAME a b", "a b", "a b"},
    {"COPY a b REPLACE", "a b", "b"},
    {"SINTERSTORE d a b", "d a b", "d"},
    {"PFMERGE d a", "d a", "d"},
    {"BITOP AND d a b", "d a b", "d"},
    {"GEOSEARCHSTORE d a FROMMEMBER m BYRADIUS 1 m", "d a", "d"},
    {"EVAL s 2 a b c", "a b", "a b"},
    {"EVAL s 0 a", "", ""},
    {"EVAL s 3 a b", "a b", "a b"},
    {"EVAL s -1 a", "", ""},
    {"EVAL s x a", "", ""},
    {"EVAL s 99999999999999999999 a", "", ""},
    {"EVAL s 18446744073709551615 a", "", ""},
    {"EVAL s", "", ""},
    {"EVAL_RO s 1 a b", "a", ""},
    {"FCALL f 1 a b", "a", "a"},
    {"LMPOP 2 a b LEFT", "a b", "a b"},
    {"BLMPOP 0 1 a LEFT", "a", "a"},
    {"ZUNION 2 a b WITHSCORES", "a b", ""},
    {"ZUNIONSTORE d 2 a b WEIGHTS 1 2", "d a b", "d"},
    {"ZUNIONSTORE d", "d", "d"},
    {"SINTERCARD 2 a b LIMIT 1", "a b", ""},
    {"MSETEX 2 a 1 b 2 EX 5", "a b", "a b"},
    {"XREAD STREAMS a b 0 0", "a b", ""},
    {"XREAD COUNT 2 BLOCK 0 STREAMS a 0", "a", ""},
    {"XREAD COUNT STREAMS STREAMS a 0", "a", ""},
    {"XREAD STREAMS", "", ""},
    {"XREADGROUP GROUP STREAMS BLOCK NOACK STREAMS a >", "a", "a"},
    {"SORT a", "a", ""},
    {"SORT a BY STORE GET STORE STORE d", "a d", "d"},
    {"SORT a LIMIT 0 5 DESC STORE d STORE e", "a e", "e"},
    {"SORT a STORE", "a", ""},
    {"SORT a LIMIT 0 STORE d", "a", ""},
    {"SORT a BY w ALPHA", "a", ""},
    {"GEORADIUS a 1 2 3 m STORE d", "a d", "d"},
    {"GEORADIUS a 1 2 3 m STORE d STOREDIST e", "a e", "e"},
    {"GEORADIUS a 1 2 3 m WITHDIST", "a", ""},
    {"GEORADIUSBYMEMBER a m 3 m COUNT 1 STOREDIST d", "a d", "d"},
    {"MIGRATE h 1 a 0 5 COPY", "a", "a"},
    {"MIGRATE h 1 _ 0 5 AUTH KEYS KEYS a b", "a b", "a b"},
    {"MIGRATE h 1 _ 0 5 REPLACE AUTH2 u KEYS KEYS a", "a", "a"},
    {"MIGRATE h 1 _ 0 5", "", ""},
    {"GETEX a", "a", ""},
    {"GETEX a PERSIST", "a", "a"},
    {"HGETEX a FIELDS 1 f", "a", ""},
    {"HGETEX a EX 5 FIELDS 1 f", "a", "a"},
    {"BITFIELD a GET u8 0 GET u8 8", "a", ""},
    {"BITFIELD a GET u8 0 set u8 0 1", "a", "a"},
};

static void test_keys_of_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(key_cases); i++) {
        struct request r = request_make(key_cases[i].request);
        const char *bytes = buf_data(&r.bytes);
        struct buf keys = {0};
        struct buf written = {0};

        (void)command_each_key(r.command, bytes, r.bytes.len, on_key, &keys);
        (void)command_each_written_key(r.command, bytes, r.bytes.len, on_key, &written);
        if (strcmp(buf_data(&keys), key_cases[i].keys) != 0 ||
            strcmp(buf_data(&written), key_cases[i].written) != 0) {
            print_error("%s\n", key_cases[i].request);
        }
        assert_string_equal(buf_data(&keys), key_cases[i].keys);
        assert_string_equal(buf_data(&written), key_cases[i].written);
        buf_finish(&keys);
        buf_finish(&written);
        request_finish(&r);
    }
}

static void test_whether_all_written_keys_are_named(void **state)
{
    static const struct {
        const char *request;
        bool names;
    } cases[] = {
        {"GET a", true},       {"EVAL_RO s 0", true}, {"SET a b", true},
        {"EVAL s 1 a", false}, {"FLUSHALL", false},   {"NOSUCHCOMMAND a", false},
        {"COPY a b", true},    {"MOVE a 1", false},   {"COPY a b REPLACE DB 1", false},
        {"PUBLISH a b", true}, {"COPY a db", true},   {"CONFIG SET a b", true},
        {"DEL a b", true},     {"SORT a", true},      {"SUNIONSTORE d a b", true},
        {"SWAPDB 0 1", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct request r = request_make(cases[i].request);
        bool names = command_names_keys(r.command, buf_data(&r.bytes), r.bytes.len);
        if (names != cases[i].names) {
            print_error("%s\n", cases[i].request);
        }
        assert_int_equal(names, cases[i].names);
        request_finish(&r);
    }
}

/* ---- judgement by arguments ---- */

static const struct {
    const char *request;
    bool is_idempotent;
} twice_cases[] = {
    {"GET a", true},
    {"SORT a", true},
    {"SET a b", true},
    {"set a b ex 60", true},
    {"SET a b PXAT 60 KEEPTTL", true},
    {"SET a b NX", false},
    {"SET a b EX 60 NX", false},
    {"SET a b XX", false},
    {"SET a b GET", false},
    {"SET a b IFEQ c", false},
    {"SET a b EX", false},
    {"SET a NX", true},
    {"SET NX XX", true},
    {"SETEX a 5 b", true},
    {"SETNX a b", false},
    {"GETSET a b", false},
    {"GETDEL a", false},
    {"GETEX a EX 5", true},
    {"INCR a", false},
    {"APPEND a b", false},
    {"MSET a b", true},
    {"MSETNX a b", false},
    {"DEL a", true},
    {"UNLINK a", true},
    {"EXPIRE a 5", true},
    {"EXPIRE a 5 NX", false},
    {"PERSIST a", true},
    {"RENAME a b", false},
    {"COPY a b", false},
    {"COPY a b DB 1 replace", true},
    {"COPY REPLACE b", false},
    {"RESTORE a 0 x REPLACE", true},
    {"RESTORE a 0 x", false},
    {"HSET a f v", true},
    {"HSETNX a f v", false},
    {"HEXPIRE a 5 FIELDS 1 NX", true},
    {"HEXPIRE a 5 NX FIELDS 1 f", false},
    {"HSETEX a FNX FIELDS 1 f v", false},
    {"HSETEX a EX 5 FIELDS 1 f v", true},
    {"HSETEX a", false},
    {"SADD a m", true},
    {"SPOP a", false},
    {"ZADD a 1 m", true},
    {"ZADD a GT CH 1 m", true},
    {"ZADD a NX 1 m", false},
    {"ZADD a CH INCR 1 m", false},
    {"ZADD a 1 NX", true},
    {"ZADD a", false},
    {"GEOADD a XX 1 2 m", false},
    {"ZINCRBY a 1 m", false},
    {"ZREMRANGEBYRANK a 0 1", false},
    {"LPUSH a b", false},
    {"LSET a 0 b", false},
    {"LREM a 0 b", true},
    {"LREM a 1 b", false},
    {"LTRIM a 0 99", true},
    {"LTRIM a 0 -1", true},
    {"LTRIM a -100 -1", true},
    {"LTRIM a 1 -1", false},
    {"LTRIM a 0 -2", false},
    {"LTRIM a -100 -2", false},
    {"LTRIM a x -1", false},
    {"ZUNIONSTORE d 2 a b", true},
    {"ZUNIONSTORE d 2 a d", false},
    {"BITOP NOT d a", true},
    {"BITOP NOT a a", false},
    {"SORT a STORE d", true},
    {"SORT a STORE a", false},
    {"GEORADIUS a 1 2 3 m STORE a", false},
    {"PUBLISH a b", false},
    {"EVAL s 0", false},
    {"FLUSHALL", false},
    {"NOSUCHCOMMAND", false},
    {"SHUTDOWN NOSAVE", false},
    {"WAIT 1 0", false},
};

static void test_what_may_be_done_twice(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(twice_cases); i++) {
        struct request r = request_make(twice_cases[i].request);
        bool is = command_is_idempotent(r.command, buf_data(&r.bytes), r.bytes.len);
        if (is != twice_cases[i].is_idempotent) {
            print_error("%s\n", twice_cases[i].request);
        }
        assert_int_equal(is, twice_cases[i].is_idempotent);
        request_finish(&r);
    }
}

static void test_what_blocks(void **state)
{
    static const struct {
        const char *request;
        bool blocks;
    } cases[] = {
        {"BLPOP a 0", true},
        {"WAIT 1 0", true},
        {"GET a", false},
        {"XREAD STREAMS a 0", false},
        {"XREAD BLOCK 5 STREAMS a 0", true},
        {"xread count 5 block 0 streams a 0", true},
        {"XREAD COUNT BLOCK STREAMS a 0", false},
        {"XREAD STREAMS BLOCK 0", false},
        {"XREADGROUP GROUP BLOCK BLOCK STREAMS a 0", false},
        {"XREADGROUP GROUP g c BLOCK 5 STREAMS a 0", true},
        {"XREAD", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct request r = request_make(cases[i].request);
        bool blocks = command_is_blocking(r.command, buf_data(&r.bytes), r.bytes.len);
        if (blocks != cases[i].blocks) {
            print_error("%s\n", cases[i].request);
        }
        assert_int_equal(blocks, cases[i].blocks);
        request_finish(&r);
    }
}

static void assert_safe(const struct request *r, size_t len, const struct buf *written)
{
    /* Of its own, so that a sanitizer sees a byte read behind it. */
    char *part = malloc(len + 1);
    size_t whole = r->bytes.len;
    const char *bytes = buf_data(&r->bytes);
    struct buf seen = {0};

    assert_non_null(part);
    memmove(part + 1, bytes, len);
    if (!command_is_write(r->command, part + 1, len)) {
        assert_false(command_is_write(r->command, bytes, whole));
    }
    if (command_is_idempotent(r->command, part + 1, len)) {
        assert_true(command_is_idempotent(r->command, bytes, whole));
    }
    if (!command_is_blocking(r->command, part + 1, len)) {
        assert_false(command_is_blocking(r->command, bytes, whole));
    }
    if (written->len > 0 && command_names_keys(r->command, part + 1, len)) {
        (void)command_each_written_key(r->command, part + 1, len, on_key, &seen);
        assert_string_equal(buf_data(&seen), buf_data(written));
    }
    for (enum resp_version version = RESP_2; version <= RESP_3; version++) {
        size_t before = seen.len;
        if (!command_write_miss(r->command, part + 1, len, version, &seen)) {
            assert_int_equal(seen.len, before);
        }
    }
    buf_finish(&seen);
    free(part);
}

/* Whatever part of a request is there, what is said of it holds when the rest has come. */
static void test_half_a_request_is_judged_on_the_safe_side(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(key_cases) + COUNT_OF(twice_cases); i++) {
        const char *text = i < COUNT_OF(key_cases) ? key_cases[i].request
                                                   : twice_cases[i - COUNT_OF(key_cases)].request;
        struct request r = request_make(text);
        struct buf written = {0};

        (void)command_each_written_key(r.command, buf_data(&r.bytes), r.bytes.len, on_key,
                                       &written);
        for (size_t len = 0; len <= r.bytes.len; len++) {
            assert_safe(&r, len, &written);
        }
        buf_finish(&written);
        request_finish(&r);
    }
}

/* ---- the answers of an empty cache ---- */

static const struct {
    const char *request;
    const char *two; /* NULL: none */
    const char *three;
} miss_cases[] = {
    {"GET a", "$-1\r\n", "_\r\n"},
    {"SET a b", "+OK\r\n", "+OK\r\n"},
    {"SET a b EX 60", "+OK\r\n", "+OK\r\n"},
    {"SET a b EX 60 NX", "$-1\r\n", "_\r\n"},
    {"SETNX a b", ":0\r\n", ":0\r\n"},
    {"SETEX a 5 b", "+OK\r\n", "+OK\r\n"},
    {"DEL a", ":0\r\n", ":0\r\n"},
    {"INCR a", ":0\r\n", ":0\r\n"},
    {"INCRBYFLOAT a 1", "$1\r\n0\r\n", "$1\r\n0\r\n"},
    {"ZINCRBY a 1 m", "$1\r\n0\r\n", ",0\r\n"},
    {"MGET a b", "*2\r\n$-1\r\n$-1\r\n", "*2\r\n_\r\n_\r\n"},
    {"HMGET a f g", "*2\r\n$-1\r\n$-1\r\n", "*2\r\n_\r\n_\r\n"},
    {"HMGET a", "*0\r\n", "*0\r\n"},
    {"GEOPOS a m", "*1\r\n*-1\r\n", "*1\r\n_\r\n"},
    {"SMISMEMBER a m n", "*2\r\n:0\r\n:0\r\n", "*2\r\n:0\r\n:0\r\n"},
    {"HGETALL a", "*0\r\n", "%0\r\n"},
    {"SMEMBERS a", "*0\r\n", "~0\r\n"},
    {"LRANGE a 0 -1", "*0\r\n", "*0\r\n"},
    {"SCAN 0", "*2\r\n$1\r\n0\r\n*0\r\n", "*2\r\n$1\r\n0\r\n*0\r\n"},
    {"TTL a", ":-2\r\n", ":-2\r\n"},
    {"TYPE a", "+none\r\n", "+none\r\n"},
    {"GETRANGE a 0 1", "$0\r\n\r\n", "$0\r\n\r\n"},
    {"LPOP a", "$-1\r\n", "_\r\n"},
    {"LPOP a 2", "*-1\r\n", "_\r\n"},
    {"SPOP a", "$-1\r\n", "_\r\n"},
    {"SPOP a 2", "*0\r\n", "~0\r\n"},
    {"SRANDMEMBER a 2", "*0\r\n", "*0\r\n"},
    {"LPOS a COUNT", "$-1\r\n", "_\r\n"},
    {"LPOS a b RANK 1 COUNT 2", "*0\r\n", "*0\r\n"},
    {"SORT a", "*0\r\n", "*0\r\n"},
    {"SORT a STORE d", ":0\r\n", ":0\r\n"},
    {"ZADD a 1 INCR", ":0\r\n", ":0\r\n"},
    {"ZADD a XX INCR 1 m", "$-1\r\n", "_\r\n"},
    {"LMPOP 1 a LEFT", "*-1\r\n", "_\r\n"},
    {"XREAD STREAMS a 0", "*-1\r\n", "_\r\n"},
    {"XREAD BLOCK 5 STREAMS a 0", NULL, NULL},
    {"HTTL a FIELDS 2 f g", "*2\r\n:-2\r\n:-2\r\n", "*2\r\n:-2\r\n:-2\r\n"},
    {"HGETEX a PERSIST FIELDS 1 f", "*1\r\n$-1\r\n", "*1\r\n_\r\n"},
    {"HGETEX FIELDS FIELDS 1 f", "*1\r\n$-1\r\n", "*1\r\n_\r\n"},
    {"HTTL a FIELDS 1000000000 f", NULL, NULL},
    {"HTTL a FIELDS 0", NULL, NULL},
    {"HTTL a", NULL, NULL},
    {"BLPOP a 0", NULL, NULL},
    {"EVAL s 0", NULL, NULL},
    {"LSET a 0 b", NULL, NULL},
    {"NOSUCHCOMMAND", NULL, NULL},
};

static void test_answers_of_an_empty_cache(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(miss_cases); i++) {
        struct request r = request_make(miss_cases[i].request);

        for (enum resp_version version = RESP_2; version <= RESP_3; version++) {
            const char *expected = version == RESP_2 ? miss_cases[i].two : miss_cases[i].three;
            struct buf out = {0};
            bool has =
                command_write_miss(r.command, buf_data(&r.bytes), r.bytes.len, version, &out);
            if (has != (expected != NULL) || (has && strcmp(buf_data(&out), expected) != 0)) {
                print_error("%s\n", miss_cases[i].request);
            }
            assert_int_equal(has, expected != NULL);
            assert_string_equal(buf_data(&out), expected == NULL ? "" : expected);
            buf_finish(&out);
        }
        request_finish(&r);
    }
}

static void test_info_of_an_empty_cache(void **state)
{
    struct request r = request_make("INFO");
    struct buf out = {0};

    (void)state;
    assert_true(command_write_miss(r.command, buf_data(&r.bytes), r.bytes.len, RESP_2, &out));
    assert_int_equal(buf_data(&out)[0], '$');
    assert_non_null(strstr(buf_data(&out), "\r\nredis_version:"));
    assert_non_null(strstr(buf_data(&out), "\r\nloading:0\r\n"));
    buf_clear(&out);
    assert_true(command_write_miss(r.command, buf_data(&r.bytes), r.bytes.len, RESP_3, &out));
    assert_int_equal(buf_data(&out)[0], '=');
    buf_finish(&out);
    request_finish(&r);
}

/* ---- the table as text ---- */

static void test_the_table_as_text(void **state)
{
    struct buf out = {0};
    size_t lines = 0;

    (void)state;
    commands_print(&out);
    for (const char *at = buf_data(&out); (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    assert_int_equal(lines, command_count());
    assert_non_null(strstr(buf_data(&out), "\nZUNIONSTORE\tstateless\twrites,idempotent,slow,"
                                           "denied-on-replicas,writes-first\t1\t1\t1\tzero\t"
                                           "numkeys\t2\tstore\tnever\t-\n"));
    assert_non_null(strstr(buf_data(&out), "\nREPLICAOF\trefused\t"));
    buf_clear(&out);
    commands_print_json(&out);
    assert_non_null(strstr(buf_data(&out),
                           "\n{\"name\": \"MSET\", \"class\": \"stateless\", "
                           "\"flags\": [\"writes\", \"idempotent\", "
                           "\"denied-on-replicas\"], \"first_key\": 1, "
                           "\"last_key\": -1, \"key_step\": 2, \"miss\": \"ok\", "));
    buf_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_may_ask_at_once),
        cmocka_unit_test(test_case_is_ignored),
        cmocka_unit_test(test_a_container_stands_for_what_it_does_not_know),
        cmocka_unit_test(test_what_is_not_known_is_a_write_of_unknown_keys),
        cmocka_unit_test(test_lookup_agrees_with_a_plain_search),
        cmocka_unit_test(test_rows_do_not_contradict_themselves),
        cmocka_unit_test(test_classes_as_they_are_meant),
        cmocka_unit_test(test_keys_of_requests),
        cmocka_unit_test(test_whether_all_written_keys_are_named),
        cmocka_unit_test(test_what_may_be_done_twice),
        cmocka_unit_test(test_what_blocks),
        cmocka_unit_test(test_half_a_request_is_judged_on_the_safe_side),
        cmocka_unit_test(test_answers_of_an_empty_cache),
        cmocka_unit_test(test_info_of_an_empty_cache),
        cmocka_unit_test(test_the_table_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
