#include "session_fakes.h"

#include <stdio.h>
#include <string.h>

static struct fake_world world;

static int open_world(void **state)
{
    (void)state;
    fake_open(&world);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    fake_close(&world);
    return 0;
}

/* One answer for each channel that is named or that there is. */
static uint16_t replies_of(struct fake_session *c, const char *words)
{
    uint16_t replies = 0;

    assert_true(fake_subscribing(c, words, &replies));
    return replies;
}

/* ---- how many replies ---- */

static void each_channel_is_answered(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_2);

    (void)state;
    assert_int_equal(replies_of(c, "SUBSCRIBE a b c"), 3);
    assert_int_equal(replies_of(c, "SUBSCRIBE a a"), 2); /* known, and answered all the same */
    assert_int_equal(session_subscribed(&c->s, SUBSCRIPTION_CHANNEL), 3);
    assert_int_equal(replies_of(c, "PSUBSCRIBE a*"), 1);
    assert_int_equal(replies_of(c, "SSUBSCRIBE a s"), 2);
    assert_int_equal(session_subscriptions(&c->s), 6);
    assert_int_equal(replies_of(c, "UNSUBSCRIBE a x"), 2); /* x never was */
    assert_int_equal(session_subscribed(&c->s, SUBSCRIPTION_CHANNEL), 2);
    assert_int_equal(replies_of(c, "subscribe a"), 1); /* the case of a command */
    assert_int_equal(session_subscriptions(&c->s), 6);
}

static void unsubscribe_of_all_is_answered_for_each_or_once(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_2);

    (void)state;
    assert_int_equal(replies_of(c, "UNSUBSCRIBE"), 1);
    assert_int_equal(replies_of(c, "PUNSUBSCRIBE"), 1);
    assert_int_equal(replies_of(c, "SUNSUBSCRIBE"), 1);
    assert_null(c->s.subscriptions); /* one who never subscribed costs nothing */
    assert_int_equal(replies_of(c, "SUBSCRIBE a b"), 2);
    assert_int_equal(replies_of(c, "PSUBSCRIBE a* b* c*"), 3);
    assert_int_equal(replies_of(c, "SSUBSCRIBE s"), 1);
    assert_int_equal(replies_of(c, "UNSUBSCRIBE"), 2);
    assert_int_equal(replies_of(c, "UNSUBSCRIBE"), 1);
    assert_int_equal(replies_of(c, "PUNSUBSCRIBE"), 3);
    assert_int_equal(session_subscriptions(&c->s), 1);
    assert_int_equal(replies_of(c, "SUNSUBSCRIBE"), 1);
    assert_int_equal(session_subscriptions(&c->s), 0);
    assert_int_equal(replies_of(c, "PUBLISH a b"), 1);
    assert_int_equal(replies_of(c, "SUBSCRIBE"), 1); /* Redis' error */
}

/* ---- the sets ---- */

static void names_are_any_bytes(void **state)
{
    static const char zeros[] = "*3\r\n$9\r\nSUBSCRIBE\r\n$3\r\na\0b\r\n$3\r\na\0c\r\n";
    struct fake_session *c = fake_session(&world, RESP_2);
    struct request r = {.bytes = zeros,
                        .len = sizeof(zeros) - 1,
                        .argc = 3,
                        .command = command_find("SUBSCRIBE", 9, NULL, 0)};
    uint16_t replies = 0;

    (void)state;
    assert_true(session_subscribing(&c->s, &r, &replies));
    assert_int_equal(replies, 2);
    assert_int_equal(session_subscriptions(&c->s), 2);
    assert_true(session_is_subscribed(&c->s, SUBSCRIPTION_CHANNEL, "a\0b", 3));
    assert_true(session_is_subscribed(&c->s, SUBSCRIPTION_CHANNEL, "a\0c", 3));
    assert_false(session_is_subscribed(&c->s, SUBSCRIPTION_CHANNEL, "a\0d", 3));
    assert_false(session_is_subscribed(&c->s, SUBSCRIPTION_CHANNEL, "a", 1));
    assert_false(session_is_subscribed(&c->s, SUBSCRIPTION_PATTERN, "a\0b", 3));
    assert_int_equal(replies_of(c, "SUBSCRIBE ''"), 1);
    assert_true(session_is_subscribed(&c->s, SUBSCRIPTION_CHANNEL, "", 0));
    assert_int_equal(replies_of(c, "UNSUBSCRIBE ''"), 1);
    assert_false(session_is_subscribed(&c->s, SUBSCRIPTION_CHANNEL, "", 0));
}

/* A set under many changes is the same as a plain table of what is in it. */
static void sets_keep_what_is_in_them(void **state)
{
    enum { NAMES = 300, STEPS = 20000 };
    struct fake_session *c = fake_session(&world, RESP_2);
    static bool is_in[NAMES];
    uint32_t chance = 12345;
    size_t count = 0;

    (void)state;
    for (int step = 0; step < STEPS; step++) {
        char words[64];
        chance = chance * 1664525 + 1013904223;
        size_t name = (chance >> 8) % NAMES;
        bool is_add = (chance >> 28) < 8;
        (void)snprintf(words, sizeof(words), "%s n%zu", is_add ? "SUBSCRIBE" : "UNSUBSCRIBE", name);
        assert_int_equal(replies_of(c, words), 1);
        count += (size_t)(is_add && !is_in[name]) - (size_t)(!is_add && is_in[name]);
        is_in[name] = is_add;
        assert_int_equal(session_subscriptions(&c->s), count);
    }
    for (size_t name = 0; name < NAMES; name++) {
        char text[16];
        int len = snprintf(text, sizeof(text), "n%zu", name);
        assert_int_equal(session_is_subscribed(&c->s, SUBSCRIPTION_CHANNEL, text, (size_t)len),
                         is_in[name]);
    }
}

/* A request with these many channels; their names are of the given length or more. */
static bool request_many(struct fake_session *c, const char *command, size_t from, size_t many,
                         size_t len)
{
    struct buf bytes = {0};
    struct buf name = {0};
    uint16_t replies = 0;

    resp_write_array(&bytes, many + 1);
    resp_write_text(&bytes, command);
    for (size_t i = 0; i < many; i++) {
        buf_clear(&name);
        buf_printf(&name, "%0*zu", (int)len, from + i);
        resp_write_bulk(&bytes, buf_data(&name), name.len);
    }
    struct request r = {.bytes = buf_data(&bytes),
                        .len = bytes.len,
                        .argc = many + 1,
                        .command = command_find(command, strlen(command), NULL, 0)};
    bool may_be_sent = session_subscribing(&c->s, &r, &replies);
    assert_int_equal(replies, may_be_sent ? many : 0);
    buf_finish(&bytes);
    buf_finish(&name);
    return may_be_sent;
}

static bool subscribe_many(struct fake_session *c, size_t from, size_t many, size_t len)
{
    return request_many(c, "SUBSCRIBE", from, many, len);
}

static bool unsubscribe_one(struct fake_session *c, size_t number, size_t len)
{
    return request_many(c, "UNSUBSCRIBE", number, 1, len);
}

static void number_of_channels_is_bounded(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_2);

    (void)state;
    assert_true(subscribe_many(c, 0, RELAY_SUBSCRIPTIONS_MAX, 1));
    assert_int_equal(c->out.len, 0);
    assert_false(subscribe_many(c, RELAY_SUBSCRIPTIONS_MAX, 1, 1));
    assert_memory_equal(buf_data(&c->out), "-ERR holdfast: too many channels", 32);
    assert_int_equal(session_subscriptions(&c->s), RELAY_SUBSCRIPTIONS_MAX);
    assert_true(subscribe_many(c, 5, 100, 1)); /* they are known */
    assert_int_equal(replies_of(c, "UNSUBSCRIBE 1"), 1);
    assert_true(subscribe_many(c, RELAY_SUBSCRIPTIONS_MAX, 1, 1));
    assert_int_equal(replies_of(c, "UNSUBSCRIBE"), RELAY_SUBSCRIPTIONS_MAX);
}

static void bytes_of_channels_are_bounded(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_2);

    (void)state;
    assert_true(subscribe_many(c, 0, 4, SUBSCRIPTIONS_MAX_BYTES / 4));
    assert_false(subscribe_many(c, 4, 1, 1));
    assert_int_equal(session_subscriptions(&c->s), 4);
    assert_int_equal(replies_of(c, "UNSUBSCRIBE"), 4);
    assert_true(subscribe_many(c, 0, 3, SUBSCRIPTIONS_MAX_BYTES / 4)); /* all were given back */
    for (int i = 0; i < 3; i++) {
        assert_true(subscribe_many(c, 100, 1, SUBSCRIPTIONS_MAX_BYTES / 4));
        assert_true(unsubscribe_one(c, 100, SUBSCRIPTIONS_MAX_BYTES / 4));
    }
}

/* More replies than a flight can count. */
static void too_many_names_at_once_are_refused(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_2);
    struct buf bytes = {0};
    uint16_t replies = 0;

    (void)state;
    resp_write_array(&bytes, UINT16_MAX + 2);
    resp_write_text(&bytes, "UNSUBSCRIBE");
    for (int i = 0; i < UINT16_MAX + 1; i++) {
        resp_write_text(&bytes, "a");
    }
    struct request r = {.bytes = buf_data(&bytes),
                        .len = bytes.len,
                        .argc = UINT16_MAX + 2,
                        .command = command_find("UNSUBSCRIBE", 11, NULL, 0)};
    assert_false(session_subscribing(&c->s, &r, &replies));
    assert_int_equal(buf_data(&c->out)[0], '-');
    buf_finish(&bytes);
}

static void refused(struct fake_session *c, const char *words)
{
    struct request r;
    struct buf bytes = {0};

    fake_request(&r, &bytes, words);
    session_subscribe_refused(&c->s, r.bytes, r.len);
    buf_finish(&bytes);
}

static void a_refused_subscribe_is_forgotten(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_2);

    (void)state;
    refused(c, "SUBSCRIBE a"); /* nothing is known */
    assert_int_equal(replies_of(c, "SUBSCRIBE a"), 1);
    assert_int_equal(replies_of(c, "SUBSCRIBE a b b"), 3);
    refused(c, "SUBSCRIBE a b b");
    assert_true(session_is_subscribed(&c->s, SUBSCRIPTION_CHANNEL, "a", 1));
    assert_false(session_is_subscribed(&c->s, SUBSCRIPTION_CHANNEL, "b", 1));
    refused(c, "UNSUBSCRIBE a"); /* says nothing about what there is */
    refused(c, "PSUBSCRIBE a");
    assert_int_equal(session_subscriptions(&c->s), 1);
}

/* ---- frames ---- */

static enum frame_kind kind_of(const char *frame)
{
    return session_frame_kind(frame, strlen(frame));
}

static void frames_are_told_apart(void **state)
{
    static const struct {
        const char *frame;
        enum frame_kind kind;
    } rows[] = {
        {"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n", FRAME_CONFIRM},
        {">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n", FRAME_CONFIRM},
        {"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n", FRAME_CONFIRM},
        {">3\r\n$10\r\npsubscribe\r\n$2\r\na*\r\n:1\r\n", FRAME_CONFIRM},
        {">3\r\n$12\r\npunsubscribe\r\n_\r\n:0\r\n", FRAME_CONFIRM},
        {"*3\r\n$10\r\nssubscribe\r\n$1\r\ns\r\n:1\r\n", FRAME_CONFIRM},
        {">3\r\n$12\r\nsunsubscribe\r\n$1\r\ns\r\n:1\r\n", FRAME_CONFIRM},
        {"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\nhello\r\n", FRAME_PUSH},
        {">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\nhello\r\n", FRAME_PUSH},
        {"*4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$1\r\na\r\n$1\r\nx\r\n", FRAME_PUSH},
        {"*3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\nx\r\n", FRAME_PUSH},
        {">2\r\n$10\r\ninvalidate\r\n_\r\n", FRAME_PUSH},
        {">2\r\n+invalidate\r\n_\r\n", FRAME_PUSH}, /* not as Redis writes it, but a push */
        {">1\r\n", FRAME_PUSH},
        {"*2\r\n$4\r\npong\r\n$0\r\n\r\n", FRAME_REPLY},
        {"*3\r\n$9\r\nsubscribX\r\n", FRAME_REPLY},
        {"*3\r\n$8\r\nsubscribe\r\n", FRAME_REPLY}, /* cannot be; its length counts */
        {"*3\r\n$99999999999999999999\r\nmessage\r\n", FRAME_REPLY},
        {"*0\r\n", FRAME_REPLY},
        {"*-1\r\n", FRAME_REPLY},
        {"*2\r\n:1\r\n:2\r\n", FRAME_REPLY},
        {"$7\r\nmessage\r\n", FRAME_REPLY},
        {"+OK\r\n", FRAME_REPLY},
        {"-ERR no\r\n", FRAME_REPLY},
        {"", FRAME_REPLY},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(kind_of(rows[i].frame), rows[i].kind);
    }
}

/* Whatever is there of a frame, nothing behind it is looked at. */
static void a_beginning_of_a_frame_is_no_trap(void **state)
{
    static const char frame[] = "*3\r\n$12\r\npunsubscribe\r\n$1\r\na\r\n:0\r\n";
    const size_t word_end = strlen("*3\r\n$12\r\npunsubscribe");

    (void)state;
    for (size_t len = 0; len < sizeof(frame); len++) {
        enum frame_kind kind = session_frame_kind(frame, len);
        assert_int_equal(kind, len < word_end ? FRAME_REPLY : FRAME_CONFIRM);
    }
}

/* ---- after a failover ---- */

static void all_is_subscribed_again(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_3);

    (void)state;
    assert_int_equal(replies_of(c, "SUBSCRIBE a"), 1);
    assert_int_equal(replies_of(c, "PSUBSCRIBE b*"), 1);
    assert_int_equal(replies_of(c, "SSUBSCRIBE s"), 1);
    c->s.pins = PIN_SUBSCRIBED;
    session_restore(&c->s, session_own_backend(&c->s));
    assert_bytes(&c->own.got, "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n"
                              "*2\r\n$10\r\nPSUBSCRIBE\r\n$2\r\nb*\r\n"
                              "*2\r\n$10\r\nSSUBSCRIBE\r\n$1\r\ns\r\n");
    assert_int_equal(c->own.ring[0].replies, 1);
    assert_int_equal(c->out.len, 0); /* the client is told nothing */
    assert_int_equal(session_subscriptions(&c->s), 3);
}

/* In requests of some size, so that none is too long, and each with as many replies as channels. */
static void many_channels_are_asked_for_in_parts(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_2);
    struct resp_scan_limits limits = {.args_max = UINT32_MAX, .bulk_bytes_max = UINT32_MAX};
    size_t channels = 0;
    size_t requests = 0;

    (void)state;
    assert_true(subscribe_many(c, 0, 5000, 100));
    session_restore(&c->s, session_own_backend(&c->s));
    const char *at = buf_data(&c->own.got);
    size_t left = c->own.got.len;
    while (left > 0) {
        struct resp_scan scan = {0};
        size_t used = 0;
        assert_int_equal(resp_scan_request(&scan, at, left, &limits, &used), RESP_READY);
        assert_in_range(used, 1, 64 * 1024);
        channels += scan.argc - 1;
        requests++;
        at += used;
        left -= used;
    }
    assert_int_equal(channels, 5000);
    assert_in_range(requests, 5, 100);
    assert_int_equal(requests, c->own.asked);
}

/* RESP2 takes nothing but pub/sub once it has subscribed. */
static void flags_and_monitor_come_again(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_2);

    (void)state;
    assert_int_equal(replies_of(c, "SUBSCRIBE a"), 1);
    session_keep(&c->s, KEEPS_NO_EVICT, true);
    session_keep(&c->s, KEEPS_NO_TOUCH, true);
    c->s.pins = PIN_SUBSCRIBED | PIN_FLAGS | PIN_MONITOR;
    session_restore(&c->s, session_own_backend(&c->s));
    assert_bytes(&c->own.got, "*3\r\n$6\r\nCLIENT\r\n$8\r\nNO-EVICT\r\n$2\r\nON\r\n"
                              "*3\r\n$6\r\nCLIENT\r\n$8\r\nNO-TOUCH\r\n$2\r\nON\r\n"
                              "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n"
                              "*1\r\n$7\r\nMONITOR\r\n");
    session_keep(&c->s, KEEPS_NO_EVICT, false);
    assert_int_equal(session_keeps(&c->s), KEEPS_NO_TOUCH);
    session_forget_subscriptions(&c->s);
    assert_int_equal(session_keeps(&c->s), 0);
    session_forget_subscriptions(&c->s); /* again does nothing */
}

int main(void)
{
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)
    const struct CMUnitTest tests[] = {
        IN_WORLD(each_channel_is_answered),
        IN_WORLD(unsubscribe_of_all_is_answered_for_each_or_once),
        IN_WORLD(names_are_any_bytes),
        IN_WORLD(sets_keep_what_is_in_them),
        IN_WORLD(number_of_channels_is_bounded),
        IN_WORLD(bytes_of_channels_are_bounded),
        IN_WORLD(too_many_names_at_once_are_refused),
        IN_WORLD(a_refused_subscribe_is_forgotten),
        IN_WORLD(frames_are_told_apart),
        IN_WORLD(a_beginning_of_a_frame_is_no_trap),
        IN_WORLD(all_is_subscribed_again),
        IN_WORLD(many_channels_are_asked_for_in_parts),
        IN_WORLD(flags_and_monitor_come_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
