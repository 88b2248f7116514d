/* What a client asks for, by chance. */
#include "relay_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { CLIENT_TX_MAX = 5 };

static uint64_t below(struct client *c, uint64_t bound)
{
    return prng_below(&c->site->prng, bound);
}

static struct site_client *known(const struct client *c)
{
    return &c->site->clients[c->number];
}

static struct expect *expect(struct client *c, enum ask ask, msec_t now_ms)
{
    ASSERT(c->count < CLIENT_EXPECTS_MAX);
    struct expect *e = &c->expects[(c->first + c->count) % CLIENT_EXPECTS_MAX];

    c->count++;
    c->stats->asked++;
    if (c->site->is_verbose) {
        (void)printf("%lld: client %d asks %d after %u\n", (long long)now_ms - 1000000, c->number,
                     (int)ask, c->seq);
    }
    *e = (struct expect){.ask = ask, .asked_at_ms = now_ms};
    return e;
}

static void send_words(struct client *c, size_t count, const char *const words[])
{
    resp_write_command(&c->to_send, count, words);
}

#define SEND(c, ...)                                                                               \
    send_words((c), sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *),             \
               (const char *const[]){__VA_ARGS__})

struct client_key client_tag(const struct client *c, uint32_t seq)
{
    struct client_key key;

    (void)snprintf(key.text, sizeof(key.text), "t:%d:%u:%d", c->number, seq, c->database);
    return key;
}

static struct client_key key_of(const struct client *c, char letter)
{
    struct client_key key;

    (void)snprintf(key.text, sizeof(key.text), "%c:%d:%d", letter, c->number, c->database);
    return key;
}

static struct client_key number_of(int64_t number)
{
    struct client_key key;

    (void)snprintf(key.text, sizeof(key.text), "%lld", (long long)number);
    return key;
}

static void ask_tag(struct client *c, enum ask ask, msec_t now_ms)
{
    static const size_t lens[] = {200, 5000, 70000, 300000, 1300000};
    struct client_key key = client_tag(c, ++c->seq);
    struct expect *e = expect(c, ask, now_ms);

    e->seq = c->seq;
    if (ask == ASK_TAG && below(c, 10) == 0) {
        buf_printf(&c->to_send, "GET %s\r\n", key.text); /* as a person types it */
    } else if (ask == ASK_TAG) {
        SEND(c, "GET", key.text);
    } else if (ask == ASK_MAP) {
        SEND(c, "HGETALL", key.text);
    } else if (ask == ASK_BLOCK) {
        c->asked_block_ms = now_ms;
        SEND(c, "BLPOP", key.text, below(c, 2) == 0 ? "1" : "2");
    } else {
        e->len = lens[below(c, 8) > 0 ? below(c, 3) : below(c, COUNT_OF(lens))];
        c->was_long = c->was_long || e->len > 60000;
        SEND(c, "GETRANGE", key.text, "0", number_of((int64_t)e->len).text);
    }
}

static void ask_write(struct client *c, enum ask ask, msec_t now_ms)
{
    static const size_t lens[] = {1000, 70000, 200000};
    struct client_key seq = number_of(++c->seq);

    known(c)->outcome[c->seq] = OUTCOME_OPEN;
    if (ask == ASK_PUSH) {
        SEND(c, "RPUSH", key_of(c, 'p').text, seq.text);
    } else if (ask == ASK_SET) {
        SEND(c, "SET", key_of(c, 's').text, seq.text);
    } else if (ask == ASK_INCR) {
        SEND(c, "INCR", key_of(c, 'n').text);
    } else {
        size_t len = lens[below(c, COUNT_OF(lens))];
        char *value = memory_zeroed(len + 1);
        memset(value, 'v', len);
        SEND(c, "SET", key_of(c, 'b').text, value);
        free(value);
        c->was_long = true;
    }
    expect(c, ask, now_ms)->seq = c->seq;
}

/* A request whose answer nobody wants: what becomes of it nobody knows. */
static void ask_mute(struct client *c, msec_t now_ms)
{
    struct client_key seq;

    if (below(c, 2) == 0) {
        SEND(c, "CLIENT", "REPLY", "SKIP");
        seq = number_of(++c->seq);
        known(c)->outcome[c->seq] = OUTCOME_UNKNOWN;
        SEND(c, "RPUSH", key_of(c, 'p').text, seq.text);
        return;
    }
    SEND(c, "CLIENT", "REPLY", "OFF");
    for (uint64_t i = below(c, 4); i > 0; i--) {
        seq = number_of(++c->seq);
        known(c)->outcome[c->seq] = OUTCOME_UNKNOWN;
        SEND(c, below(c, 2) == 0 ? "RPUSH" : "GET", key_of(c, 'p').text, seq.text);
    }
    SEND(c, "CLIENT", "REPLY", "ON");
    expect(c, ASK_OK, now_ms);
}

static void ask_transaction(struct client *c, msec_t now_ms)
{
    uint32_t first = c->seq + 1;
    size_t count = below(c, CLIENT_TX_MAX);
    bool is_split = below(c, 3) == 0;

    SEND(c, "MULTI");
    expect(c, ASK_MULTI, now_ms);
    for (size_t i = 0; i < count; i++) {
        known(c)->outcome[++c->seq] = OUTCOME_OPEN;
        SEND(c, "RPUSH", key_of(c, 'p').text, number_of(c->seq).text);
        expect(c, ASK_QUEUED, now_ms)->seq = c->seq;
    }
    bool is_done = below(c, 5) > 0;
    SEND(c, is_done ? "EXEC" : "DISCARD");
    struct expect *e = expect(c, is_done ? ASK_EXEC : ASK_DISCARD, now_ms);
    e->seq = first;
    e->len = count;
    c->waits_alone = is_split;
}

static void ask_watch(struct client *c, msec_t now_ms)
{
    char key[8];

    (void)snprintf(key, sizeof(key), "w:%d", c->watch_number);
    c->waits_alone = true;
    if (c->watch_step == 0) {
        c->watch_number = (int)below(c, SITE_COUNTERS);
        (void)snprintf(key, sizeof(key), "w:%d", c->watch_number);
        SEND(c, "WATCH", key);
        expect(c, ASK_WATCH, now_ms);
    } else if (c->watch_step == 1) {
        SEND(c, "GET", key);
        expect(c, ASK_COUNTER, now_ms);
    } else {
        SEND(c, "MULTI");
        expect(c, ASK_MULTI, now_ms);
        SEND(c, "SET", key, number_of(c->watch_value + 1).text);
        expect(c, ASK_QUEUED, now_ms);
        SEND(c, "EXEC");
        expect(c, ASK_EXEC_COUNTER, now_ms)->len = 1;
        c->watch_step = 0;
    }
}

void client_ask_subscribe(struct client *c, msec_t now_ms)
{
    bool has_any = client_is_subscribed(c);
    struct buf words = {0};
    int count = 0;

    c->waits_alone = true;
    for (int i = 0; i < SITE_CHANNELS; i++) {
        if (c->subscribed[i] == has_any && below(c, 2) == 0) {
            char name[16];
            (void)snprintf(name, sizeof(name), "c:%d:%d", c->number, i);
            resp_write_text(&words, name);
            count++;
            struct expect *e = expect(c, has_any ? ASK_UNSUBSCRIBE : ASK_SUBSCRIBE, now_ms);
            e->number = i;
            e->len = (size_t)count; /* those of this request before it */
        }
    }
    if (count > 0) {
        buf_printf(&c->to_send, "*%d\r\n", count + 1);
        resp_write_text(&c->to_send, has_any ? "UNSUBSCRIBE" : "SUBSCRIBE");
        buf_append(&c->to_send, buf_data(&words), words.len);
    }
    buf_finish(&words);
}

static void ask_connection(struct client *c, msec_t now_ms)
{
    struct expect *e = NULL;

    c->waits_alone = true;
    switch (below(c, 8)) {
    case 0:
        e = expect(c, ASK_HELLO, now_ms);
        e->number = below(c, 2) == 0 ? RESP_2 : RESP_3;
        SEND(c, "HELLO", number_of(e->number).text);
        break;
    case 1:
        SEND(c, "RESET");
        expect(c, ASK_RESET, now_ms);
        break;
    case 2:
        if (below(c, 4) == 0) {
            SEND(c, "QUIT");
            expect(c, ASK_QUIT, now_ms);
            c->is_leaving = true;
        }
        break;
    case 3:
        SEND(c, "CLIENT", "SETNAME", "someone");
        expect(c, ASK_OK, now_ms);
        break;
    case 4:
        SEND(c, "WAIT", "0", "10");
        c->asked_block_ms = now_ms;
        expect(c, ASK_WAIT, now_ms);
        break;
    default:
        e = expect(c, ASK_SELECT, now_ms);
        e->number = (int)below(c, SITE_DATABASES);
        SEND(c, "SELECT", number_of(e->number).text);
        break;
    }
}

static void ask_ping(struct client *c, msec_t now_ms)
{
    struct client_key text = client_tag(c, ++c->seq);

    if (below(c, 2) == 0) {
        SEND(c, "PING");
        expect(c, ASK_PONG, now_ms);
    } else {
        SEND(c, "PING", text.text);
        expect(c, ASK_PING, now_ms)->seq = c->seq;
    }
}

static void ask_rare(struct client *c, msec_t now_ms)
{
    switch (below(c, 9)) {
    case 0:
    case 1:
        ask_tag(c, ASK_RANGE, now_ms);
        break;
    case 2:
        ask_write(c, ASK_BIG_SET, now_ms);
        break;
    case 3:
        ask_tag(c, ASK_BLOCK, now_ms);
        break;
    case 4:
        SEND(c, "INFO");
        expect(c, ASK_INFO, now_ms);
        break;
    case 5:
        SEND(c, "NONSENSE", "a");
        expect(c, ASK_WRONG, now_ms);
        break;
    case 6:
        ask_mute(c, now_ms);
        break;
    case 7:
        client_ask_subscribe(c, now_ms);
        break;
    default:
        ask_connection(c, now_ms);
        break;
    }
}

void client_ask_something(struct client *c, msec_t now_ms)
{
    static const enum ask plain[] = {ASK_SET, ASK_SET, ASK_PUSH, ASK_PUSH, ASK_INCR};

    if (c->watch_step > 0) {
        ask_watch(c, now_ms);
        return;
    }
    uint64_t what = below(c, 100);
    if (what < 30) {
        ask_tag(c, below(c, 4) > 0 ? ASK_TAG : ASK_MAP, now_ms);
    } else if (what < 60) {
        ask_write(c, plain[below(c, COUNT_OF(plain))], now_ms);
    } else if (what < 70) {
        SEND(c, "GET", key_of(c, 's').text);
        expect(c, ASK_VALUE, now_ms);
    } else if (what < 75) {
        ask_ping(c, now_ms);
    } else if (what < 82) {
        ask_transaction(c, now_ms);
    } else if (what < 87) {
        ask_watch(c, now_ms);
    } else {
        ask_rare(c, now_ms);
    }
}

void client_ask_tag(struct client *c, msec_t now_ms)
{
    ask_tag(c, ASK_TAG, now_ms);
}
