#ifndef SESSION_FAKES_H
#define SESSION_FAKES_H

/*
 * The relay around session_pubsub.c and session_client*.c, without sockets: what a session is told
 * and what is sent to Redis are noted. Two backends stand for Redis: one that is shared, and one of
 * each session's own.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/relay.h"
#include "router/session_client.h"
#include "router/session_pubsub.h"

enum { FAKE_SESSIONS_MAX = 8 };

struct fake_backend {
    struct backend b;
    struct buf got; /* all that was sent to it */
    struct flight ring[4];
    size_t replies; /* frames that will come for what we asked ourselves */
    size_t asked;   /* how often */
};

struct fake_session {
    struct session s;
    struct buf out; /* what the client is told */
    struct fake_backend own;
    bool was_flushed; /* closed by session_close_after_flush() */
    bool has_own;     /* session_own_backend() has one to give */
};

struct fake_world {
    struct worker worker;
    struct router_conf conf;
    struct endpoint endpoint;
    struct identity identity;
    struct profile profile;
    struct fake_backend shared;
    bool has_shared;
    bool is_down; /* there is no master, and every hold has run out */
    msec_t now_ms;
    struct fake_session sessions[FAKE_SESSIONS_MAX];
    size_t sessions_count;
};

void fake_open(struct fake_world *world);
void fake_close(struct fake_world *world);
struct fake_session *fake_session(struct fake_world *world, enum resp_version version);

/* What became of the words, separated by spaces, as a CLIENT request; what the client was told is
 * in out, and all that is in flight was answered. */
enum verdict fake_client(struct fake_session *session, const char *words);

/* The same for words that hold anything; NULL ends them. As a request of pub/sub: the return value
 * and *replies are those of session_subscribing(). */
bool fake_subscribing(struct fake_session *session, const char *words, uint16_t *replies);

void fake_request(struct request *request, struct buf *bytes, const char *words);

/* The bytes are these, and the buffer is emptied. */
#define assert_bytes(buf, text)                                                                    \
    do {                                                                                           \
        assert_string_equal(buf_data(buf), (text));                                                \
        buf_clear(buf);                                                                            \
    } while (0)

#endif
