#ifndef RELAY_CLIENT_H
#define RELAY_CLIENT_H

/*
 * A client that sends what comes to its mind, in pipelines and in pieces, and holds every answer
 * against the one that it must be.
 */

#include "fake_loop.h"
#include "relay_site.h"

enum { CLIENT_EXPECTS_MAX = 256 };

enum ask {
    ASK_TAG,   /* GET t: */
    ASK_MAP,   /* HGETALL t: */
    ASK_RANGE, /* GETRANGE t: */
    ASK_VALUE, /* GET s: */
    ASK_SET,
    ASK_BIG_SET,
    ASK_PUSH,
    ASK_INCR,
    ASK_BLOCK,
    ASK_PING, /* with its text */
    ASK_PONG,
    ASK_INFO,
    ASK_WRONG, /* a command that is none */
    ASK_WAIT,
    ASK_OK, /* what is answered with OK, or because of an outage with an error */
    ASK_SELECT,
    ASK_HELLO,
    ASK_RESET,
    ASK_MULTI,
    ASK_QUEUED,
    ASK_EXEC,
    ASK_DISCARD,
    ASK_WATCH,
    ASK_COUNTER, /* GET w: */
    ASK_EXEC_COUNTER,
    ASK_SUBSCRIBE,
    ASK_UNSUBSCRIBE,
    ASK_QUIT,
};

/* What must come next. */
struct expect {
    enum ask ask;
    uint32_t seq;
    int number; /* of a counter, a channel, a database, a version */
    size_t len; /* of a long answer; of EXEC: how many */
    msec_t asked_at_ms;
};

struct client_stats {
    uint64_t asked;
    uint64_t answered;
    uint64_t errors_nothing;
    uint64_t errors_unknown;
    uint64_t nulls;
    uint64_t closed;
    uint64_t messages;
    uint64_t execs;
    msec_t longest_ms;
};

struct client {
    int number;
    struct site *site;
    struct conn *conn; /* NULL: not connected */
    struct client_stats *stats;
    struct buf to_send;
    struct buf in;
    struct resp_reply_reader reader;
    struct expect expects[CLIENT_EXPECTS_MAX]; /* a ring */
    size_t first;
    size_t count;
    uint32_t seq;
    enum resp_version version;
    int database;
    bool waits_alone; /* what was sent last must be answered before the next */
    bool is_leaving;  /* QUIT was sent */
    bool was_long;    /* long answers were asked for: the relay may have to close */
    bool was_slow;
    int watch_step; /* of the watched counter: 0 none, 1 watched, 2 read */
    int watch_number;
    int64_t watch_value;
    int64_t counter_last;
    bool subscribed[SITE_CHANNELS];
    bool is_unsure;            /* UNSUBSCRIBE had an error */
    bool heard[SITE_CHANNELS]; /* a message since it was set to false */
    uint32_t set_done;         /* the last SET that was done */
    msec_t asked_block_ms;     /* BLPOP or WAIT was asked then: what is behind it waits */
    bool may_close;            /* --when-down close */
    bool may_miss;
    bool may_forget; /* --cache: keys may go */
};

struct client_key {
    char text[64];
};

void client_init(struct client *c, int number, struct site *site, struct client_stats *stats);
void client_finish(struct client *c);

void client_connect(struct client *c, struct loop *loop);
void client_vanish(struct client *c); /* closes, whatever is under way */

/* Asks for something, perhaps; sends a piece; reads what came. */
void client_turn(struct client *c, msec_t now_ms);

/* Only sends what is to be sent and reads what came. */
void client_listen(struct client *c, msec_t now_ms);
bool client_is_idle(const struct client *c);
bool client_is_subscribed(const struct client *c);

/* ---- relay_ask.c ---- */

void client_ask_something(struct client *c, msec_t now_ms);
void client_ask_subscribe(struct client *c, msec_t now_ms);
void client_ask_tag(struct client *c, msec_t now_ms);
struct client_key client_tag(const struct client *c, uint32_t seq); /* t:CLIENT:SEQ:DATABASE */

#endif
