#ifndef ROUTER_RELAY_H
#define ROUTER_RELAY_H

/*
 * What the files of the relay share. One worker is one thread with one loop; nothing in here is
 * touched by two threads, but for the counters, which others read.
 *
 *   session   one client: its requests are read here, in order, and answered in order
 *   backend   one connection to Redis: what was sent on it and is not answered yet
 *   profile   backends that are alike to Redis (who, RESP version, database), and may be shared
 *   worker    the thread: its listeners, sessions, profiles, the route it follows
 *
 * The order of a client's requests is kept by one rule: all that a session has in flight is on one
 * backend. Whoever must change it (another database, a connection of its own, an answer of our own)
 * waits until nothing is in flight.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "loop/conn.h"
#include "loop/loop.h"
#include "resp/resp_scan.h"
#include "router/commands.h"
#include "router/journal.h"
#include "router/route.h"
#include "router/router.h"

enum {
    RELAY_SHARED_MAX = 2,           /* connections that requests of many share, for each profile */
    RELAY_SHARED_SLOTS = 8,         /* the same to replicas: one for each, so many are served */
    RELAY_IDLE_MAX = 16,            /* connections of their own that wait for the next user */
    RELAY_IDLE_MS = 10000,          /* and how long */
    RELAY_KEEPALIVE_MS = 15000,     /* an idle shared connection is asked PING: Redis' timeout */
    RELAY_PROFILES_MAX = 1024,      /* users x versions x databases of one worker */
    RELAY_SESSION_FLIGHTS = 1024,   /* requests of one client under way; then it is not read */
    RELAY_LOG_MAX_BYTES = 8 << 20,  /* requests under way on one backend; then nobody sends more */
    RELAY_OWED_MAX_BYTES = 1 << 20, /* and the same of the replies, as long as the last ones were:
                                         Redis makes them all before it sends the first */
    RELAY_STREAM_BYTES = 64 << 10,  /* a longer request or reply is passed on in pieces */
    RELAY_OUT_HIGH_BYTES = 1 << 20, /* waiting for a slow reader; then its source is not read */
    RELAY_OUT_MAX_BYTES =
        256 << 20, /* of one client: RELAY_SESSION_FLIGHTS of the longest unstreamed */
    RELAY_REQUEST_MAX_BYTES = 1 << 20, /* of a request that must be seen whole: CLIENT, SUBSCRIBE */
    RELAY_RETRY_MS = 20,        /* between two attempts to connect to a master that is not one */
    RELAY_BOUNCE_RETRY_MS = 50, /* before a request is asked again that the server could not take */
    RELAY_SUSPECT_MS = 100,     /* a backend silent for so long gets nothing new */
    RELAY_SILENT_MAX_MS = 60000, /* no script and no SORT is given longer than this */
    RELAY_CONNECT_MS = 1000,
    RELAY_CLIENT_KEEPALIVE_S = 300, /* as Redis' tcp-keepalive */
    RELAY_TICK_MS = 10,             /* the grain of all waiting */
    RELAY_SLOW_READER_MS = 1000, /* a client that reads nothing so long while others wait for it */
    RELAY_AUTH_TRUST_MS = 10000, /* a password proved so lately is not asked again */
    RELAY_REFUSAL_MS = 1000,     /* a wrong password or database is not asked again so soon */
    RELAY_GREETINGS_MAX = 6,
    RELAY_LONG_READER_MS = 10000, /* a client that got a long reply has a connection of its own */
    RELAY_SUBSCRIPTIONS_MAX = 10000, /* of one client: remembered, to be renewed after a failover */
};

struct worker;
struct session;
struct backend;
struct profile;
struct subscriptions;
struct cleanse;

/* ---- who a client is at Redis ---- */

struct identity {
    struct identity *next;
    char *user;          /* NULL is the default user */
    char *password;      /* NULL is none */
    size_t users;        /* profiles and sessions that point here */
    msec_t proved_at_ms; /* Redis accepted it; 0 is never */
};

/* ---- backends that are alike ---- */

enum target { TARGET_MASTER, TARGET_REPLICAS };

struct profile {
    struct profile *next;
    struct worker *worker;
    struct identity *identity;
    enum target target;
    enum resp_version version;
    int database;
    size_t sessions;
    struct backend *shared[RELAY_SHARED_SLOTS];
    struct backend *idle; /* of their own, in nobody's use */
    size_t idle_count;
    msec_t retry_at_ms; /* no attempt to connect before */
    msec_t used_at_ms;
    char *refusal; /* what Redis said to AUTH, HELLO or SELECT of the greeting, without its '-' */
    msec_t refused_at_ms;
    struct buf hello; /* Redis' answer to HELLO, to answer our clients with */
    struct buf info;  /* INFO as it was at info_at_ms */
    msec_t info_at_ms;
    size_t next_replica;
    size_t next_shared;
    struct backend *prover; /* greets with the password of a client that waits for the answer */
};

/* ---- one connection to Redis ---- */

enum backend_phase {
    BACKEND_CONNECTING, /* greeting sent or to be sent: AUTH, HELLO, SELECT, ROLE */
    BACKEND_READY,
    BACKEND_GONE, /* only memory */
};

enum flight_flags {
    FLIGHT_STREAMED = 1 << 0, /* its bytes are not in the log: cannot be asked again */
    FLIGHT_QUIET = 1 << 1,    /* the client does not want the reply (CLIENT REPLY) */
    FLIGHT_OURS = 1 << 2,     /* asked by us: the reply is for nobody */
    FLIGHT_AS_NULL = 1 << 3,  /* the client is told null: EXEC after the watch was lost */
    FLIGHT_WRITES = 1 << 5,   /* as command_is_write() judged by its arguments */
    FLIGHT_UNSURE = 1 << 6,   /* asked again: the first time it may have been done */
    FLIGHT_IN_TX = 1 << 4,    /* sent inside MULTI, or EXEC: Redis only queues it */
};

/* One request on its way. */
struct flight {
    struct session *session; /* NULL when it has gone, or was answered already */
    const struct command *command;
    uint32_t len; /* of its bytes in the log */
    uint16_t flags;
    uint16_t replies; /* frames still to come: SUBSCRIBE a b c answers three times */
    int32_t select;   /* the database that +OK makes the session's; -1 */
    uint32_t queued;  /* of EXEC: the requests of its transaction */
    msec_t sent_at_ms;
    int64_t begun_at_us;
};

struct backend {
    struct backend *next; /* in worker->backends */
    struct backend *next_idle;
    struct worker *worker;
    struct profile *profile;
    struct conn *conn;
    enum backend_phase phase;
    struct addr addr;
    uint64_t generation;   /* of the route it was opened for */
    struct session *owner; /* a connection of its own; NULL: shared, or idle */
    bool is_shared;
    bool is_retired;   /* takes nothing new; closed when it has answered all */
    bool is_dirty;     /* carries state of its last owner: not for another */
    bool is_busy;      /* greeted while a script ran: good for nothing but to kill that */
    bool is_paused;    /* its reader is slow */
    bool is_mid_reply; /* a part of the head's reply was passed on */
    bool part_is_push; /* that part is of a push, which answers nothing */
    uint8_t greetings[RELAY_GREETINGS_MAX]; /* enum greeting: what was asked, in order */
    uint8_t greetings_count;
    uint8_t greetings_at; /* the next to be answered */
    bool is_hello_master; /* HELLO's role, for a user who may not ask ROLE */
    int64_t redis_id;     /* CLIENT ID there; 0 when not known */
    struct resp_scan scan;
    size_t scanned;     /* bytes at the front of the input that the scan has seen */
    size_t mean_reply;  /* bytes; the newest count most */
    size_t parts_bytes; /* of the head's reply that were passed on already */
    struct buf log;     /* the bytes of all flights, oldest first */
    struct flight *ring;
    uint32_t head;
    uint32_t count;
    uint32_t capacity; /* a power of two, or 0 */
    msec_t heard_at_ms;
    msec_t used_at_ms;
    msec_t slow_since_ms;
};

/* ---- one client ---- */

enum session_wait {
    WAIT_NOT,
    WAIT_DRAIN,  /* until nothing is in flight */
    WAIT_MASTER, /* held: until there is a backend, or the hold runs out */
    WAIT_ROOM,   /* until the shared connections have answered some of what they carry */
    WAIT_READER, /* until the client has read what waits for it, or the backend took what it sends
                  */
};

enum session_pins {
    PIN_MULTI = 1 << 0,
    PIN_WATCH = 1 << 1,
    PIN_SUBSCRIBED = 1 << 2,
    PIN_TRACKING = 1 << 3,
    PIN_FLAGS = 1 << 4, /* CLIENT NO-EVICT, NO-TOUCH */
    PIN_MONITOR = 1 << 5,
    PIN_STREAM = 1 << 6, /* a request too long to be seen whole is passing */
    PIN_ONCE = 1 << 7,   /* for one request: blocking, administrative */
};

enum session_reply_mode {
    REPLY_ON,
    REPLY_OFF,
    REPLY_SKIP_NEXT,
    REPLY_SKIP_NOW, /* while the request behind CLIENT REPLY SKIP is answered */
};

struct session {
    struct session *next; /* in worker->sessions */
    struct session *previous;
    struct session *next_ready; /* to go on in the next turn */
    bool is_ready;
    struct session *next_crowded; /* in worker->crowded_first */
    bool is_crowded;
    bool may_enter; /* it waited in crowded_first and is the next to send */
    struct session *next_held;
    struct session *previous_held;
    struct worker *worker;
    const struct endpoint *endpoint;
    struct conn *conn;
    uint64_t id;
    uint64_t mark; /* of a walk over flights (worker->mark) */
    bool is_gone;  /* only memory */

    struct identity *identity; /* NULL: not authenticated */
    struct profile *profile;   /* NULL until it is needed */
    enum resp_version version;
    int database;
    char *name; /* CLIENT SETNAME */
    char *lib_name;
    char *lib_ver;
    uint8_t reply_mode; /* enum session_reply_mode */
    bool is_maint;      /* wants FAILING_OVER and FAILED_OVER */
    bool is_maint_told;
    bool is_closing;

    struct resp_scan scan;
    size_t scanned;   /* bytes at the front of the input that the scan has seen */
    bool is_long;     /* all there is of a long request was scanned, and waits to be passed on */
    size_t ready_len; /* a whole request stands there, of this length */
    struct buf redo;  /* requests to be asked (again) before the input: whole ones, and marks */
    uint32_t redo_count;
    struct buf bounced; /* those of the requests in flight that will be asked again */
    uint32_t bounced_count;
    bool has_bounced_write;   /* one of them is a write that the server could not take */
    uint8_t wait;             /* enum session_wait */
    bool is_held;             /* in worker->held */
    bool is_soft;             /* its hold ran out: answered at once until there is a master, */
    uint64_t soft_proofs;     /* that is until worker->master_proofs is another */
    bool is_swallowing;       /* the rest of a streamed request whose backend is gone */
    msec_t begun_at_ms;       /* of the request that is not complete; 0 is none */
    msec_t held_at_ms;        /* since when its oldest request waits; 0 is not */
    msec_t retry_at_ms;       /* held: not before */
    msec_t bounced_out_at_ms; /* the hold of a request that bounced ran out then; 0 is never */
    msec_t accepted_at_ms;
    msec_t active_at_ms;
    msec_t long_until_ms; /* it got a long reply: its next ones are not to stall others */
    size_t held_bytes;

    struct backend *backend; /* where its requests in flight are, or its own; else NULL */
    uint32_t in_flight;
    uint16_t pins;   /* enum session_pins */
    bool is_tx_lost; /* MULTI was open on a backend that is gone */
    bool is_watch_lost;
    bool is_losing;            /* while the flights of a lost backend are gone through: */
    bool is_lost_tx_open;      /* a transaction was open at that place */
    uint64_t wrote_generation; /* the route its last write went by; 0: it wrote nothing */
    int32_t tx_select;         /* SELECT queued in MULTI; -1 */
    uint32_t tx_queued;        /* requests since MULTI */
    const struct command *stream_command;
    struct subscriptions *subscriptions;
    struct buf tracking; /* the CLIENT TRACKING ON request, to be repeated */
};

/* ---- the thread ---- */

/* An address clients connect to. */
struct endpoint {
    struct worker *worker;
    enum target target;
    bool is_unix;
    char text[ADDR_TEXT_MAX];
};

/* Of all workers together: what the limits are for. Atomic. */
struct worker_totals {
    unsigned clients;
    unsigned strangers; /* of them not authenticated */
    uint64_t held_bytes;
};

#define TOTAL_ADD(worker, name, n)                                                                 \
    ((void)__atomic_add_fetch(&(worker)->totals->name, (n), __ATOMIC_RELAXED))
#define TOTAL_TAKE(worker, name, n)                                                                \
    ((void)__atomic_sub_fetch(&(worker)->totals->name, (n), __ATOMIC_RELAXED))
#define TOTAL_OF(worker, name) __atomic_load_n(&(worker)->totals->name, __ATOMIC_RELAXED)

struct worker {
    struct router *router;
    struct loop *loop;
    unsigned index;
    const struct router_conf *conf;
    struct loop *control; /* the router's loop */
    loop_call on_trouble; /* posted there, with router */
    loop_call on_drained;
    pthread_t thread;
    bool is_started;
    struct router_secrets secrets; /* point to the next two */
    char *redis_password;
    char *client_password;
    struct tls_context *redis_tls;
    struct route route;
    size_t log_max_bytes;  /* RELAY_LOG_MAX_BYTES, in a test less */
    size_t owed_max_bytes; /* RELAY_OWED_MAX_BYTES */
    bool is_draining;
    bool is_drained;
    msec_t drain_until_ms;

    struct listener *listeners[2 * ROUTER_LISTENS_MAX];
    struct endpoint endpoints[2 * ROUTER_LISTENS_MAX];
    size_t listeners_count;
    struct session *sessions;
    size_t sessions_count;
    struct worker_totals *totals;
    struct session *held_first; /* oldest first */
    struct session *held_last;
    struct session *ready_first;
    struct session **ready_end;
    struct session *crowded_first; /* those in WAIT_ROOM */
    struct session **crowded_end;
    struct session *dead_sessions; /* freed in the next turn: a caller may still hold them */
    struct backend *dead_backends;
    struct loop_timer *turn;
    uint64_t mark;
    uint64_t next_session;
    struct profile *profiles;
    size_t profiles_count;
    struct backend *backends;
    struct identity *identities;
    struct identity *own;     /* the router's own at Redis */
    int databases_known;      /* 0 .. this - 1 are there */
    struct journal *journal;  /* NULL without --cache */
    msec_t master_alive_ms;   /* it answered, or was asked owing nothing: the journal's clock, which
                                 stands still while there is no master, however long that is */
    struct cleanse *cleanses; /* databases that are being put right */
    uint64_t master_proofs;   /* connections on which a master proved its role */
    bool is_doubtful;   /* a write was answered as a miss, or the master may have started anew with
                           older data: to be put right too */
    uint64_t *cleansed; /* of all workers, by index: the generation for which each is done */
    loop_call on_cleansed;
    struct loop_timer *tick;
    msec_t tick_at_ms;
    msec_t housekeeping_at_ms;
    msec_t trouble_at_ms;
    struct resp_command_reader inline_reader;
    struct resp_reply_reader reply_reader;
    struct buf scratch; /* a reply of ours, being made */
    struct router_counts counts;
};

/* Counters are written by the worker's thread only, and read by others at any time. */
#define COUNT_ADD(worker, name, n)                                                                 \
    __atomic_store_n(&(worker)->counts.name, (worker)->counts.name + (uint64_t)(n),                \
                     __ATOMIC_RELAXED)

/* ---- session.c: the life of a client, its requests one by one ---- */

/* One request of a client, whole, as a multibulk. */
struct request {
    const char *bytes;
    size_t len;
    size_t argc;
    struct resp_text name;
    struct resp_text second; /* NULL, 0 when there is none */
    const struct command *command;
    bool is_unsure; /* it was, and may have been done */
    bool is_redo;   /* it was sent before, or waits from before */
};

/* What became of it. */
enum verdict {
    REQUEST_TAKEN, /* sent, or answered */
    REQUEST_WAITS, /* session->wait says for what; it is tried again whole */
};

void session_accept(void *ctx, struct conn *conn); /* ctx is the endpoint's row */
void session_close(struct session *session);       /* at once */
void session_close_after_flush(struct session *session);
void session_free(struct session *session);              /* of a closed one, by the worker */
void session_resume(struct session *session);            /* by the worker: its turn to go on */
bool session_head_blocks(const struct session *session); /* its oldest request may wait long */
void session_go_on(struct session *session); /* what it waited for may be there: in the next turn */
enum verdict session_wait_for(struct session *session, enum session_wait what); /* REQUEST_WAITS */
struct session *session_by_id(struct worker *worker, uint64_t id);              /* NULL: none */

/* What Redis said, to a client that wants it. */
void session_pass(struct session *session, const void *bytes, size_t len);

/* A reply of ours; nothing while the client wants none (CLIENT REPLY). */
void session_write(struct session *session, const void *bytes, size_t len);
void session_writebuf(struct session *session, struct buf *from); /* and empties it */
void session_error(struct session *session, const char *format, ...) PRINTF_LIKE(2, 3);

/* ---- session_dispatch.c: where a request goes ---- */

enum verdict session_dispatch(struct session *session, const struct request *request);

/* Sends a request on a connection of the session's own, which it has from then until nothing pins
 * it any more. */
enum verdict session_send_own(struct session *session, const struct request *request, unsigned pin,
                              unsigned flight_flags);
enum verdict session_send_shared(struct session *session, const struct request *request);

/* Its own backend, ready; or NULL: one is being opened, and the session is to be held. */
struct backend *session_own_backend(struct session *session);
struct profile *session_profile(struct session *session);
void session_leave_backend(struct session *session); /* gives its own back when nothing pins it */
void session_drop_backend(struct session *session);  /* closes its own; nothing may be in flight */

/* After a failover: what is pinned (subscriptions, tracking, MONITOR) gets a connection again.
 * Called without one, and once when the one that was opened is ready. */
void session_restore_own(struct session *session);

/* ---- session_hold.c: waiting for a master ---- */

/* Held until there is one, or answered at once when its hold ran out before. */
enum verdict session_hold(struct session *session, const struct request *request);
void session_unhold(struct session *session);
void session_soften(struct session *session); /* no master came in time for one of its requests */
void session_hold_expire(struct worker *worker, msec_t now_ms);
void session_release_held(struct worker *worker, msec_t now_ms);

/* The answer when there is no master: error, miss or close. */
void session_answer_down(struct session *session, const struct request *request);

/* ---- session_reply.c: what comes back ---- */

/* A whole reply to flight, or its last part; the flight is off the ring, its bytes still in
 * request. */
void session_on_reply(struct session *session, struct backend *backend, const struct flight *flight,
                      const char *request, const char *reply, size_t len);
void session_answer_unknown(struct session *session); /* it may have been done */

/* Whether a part of the reply to flight may be passed on: not when it will be asked again. */
bool session_wants_part(struct session *session, const struct flight *flight);
void session_on_part(struct session *session, struct backend *backend, const char *part,
                     size_t len);

/* backend is gone, or hangs, with these in flight, in order. */
void session_on_flight_lost(struct session *session, struct backend *backend,
                            const struct flight *flight, const char *request);
void session_on_backend_lost(struct session *session, struct backend *backend);
void session_on_flight_expired(struct session *session, const struct flight *flight,
                               const char *request);

/* ---- session_local.c, session_client.c: what the relay answers itself ---- */

/* Called with nothing in flight. */
enum verdict session_local(struct session *session, const struct request *request);
void session_reset(struct session *session); /* as RESET: a client that just came */

/*
 * CLIENT and its subcommands, called with nothing in flight, on no MULTI. Those that Redis must do
 * are sent on (session_send_own with PIN_TRACKING or PIN_FLAGS, PIN_ONCE, or session_send_shared).
 * Redis' own words for every error.
 */
enum verdict session_client(struct session *session, const struct request *request);

/* Tells one that asked for it (CLIENT MAINT_NOTIFICATIONS) of a failover: `>3 FAILING_OVER n
 * seconds`, then `>2 FAILED_OVER n`. Once each for an outage. */
void session_tell_failing_over(struct session *session);
void session_tell_failed_over(struct session *session);

/* CLIENT INFO's line of this client, with its line end. */
void session_client_line(const struct session *session, struct buf *out);

/* ---- session_pubsub.c ---- */

/*
 * A pub/sub request is about to be sent: remembers or forgets its channels (SUBSCRIBE, UNSUBSCRIBE,
 * the P and S forms) and says how many replies will come (at least 1). False when the client has
 * RELAY_SUBSCRIPTIONS_MAX: an error was written, nothing is to be sent.
 */
bool session_subscribing(struct session *session, const struct request *request, uint16_t *replies);
size_t session_subscriptions(const struct session *session); /* in all */
void session_forget_subscriptions(struct session *session);

enum frame_kind {
    FRAME_REPLY,   /* answers a request */
    FRAME_CONFIRM, /* (un)subscribe of one channel: answers a part of a request */
    FRAME_PUSH, /* answers nothing: message, pmessage, smessage, invalidate, any other RESP3 push */
};

/* By the beginning of a frame (its first 64 bytes are enough). In RESP2 a message is an array, so
 * this may only be asked for a connection that has subscribed. */
enum frame_kind session_frame_kind(const char *frame, size_t len);

/* After a failover: subscribes backend to all again (replies are swallowed: FLIGHT_OURS), repeats
 * CLIENT TRACKING and tells the client to drop what it cached (`>2 invalidate _`), MONITOR. */
void session_restore(struct session *session, struct backend *backend);

/* ---- backend.c ---- */

/* Starts to connect; NULL when there is no address to go to, or the last attempt was just now. */
struct backend *backend_open(struct profile *profile, struct session *owner);
void backend_close(struct backend *backend); /* at once; nothing in flight is told */
void backend_free(struct backend *backend);  /* of a closed one, by the worker */

/* READY, not retired, of the route that stands. */
bool backend_is_alive(const struct backend *backend);

/* And not suspected of hanging, nor full: may be given the request of anybody. */
bool backend_is_usable(const struct backend *backend);
bool backend_is_full(const struct backend *backend);    /* it would be usable, but for that */
bool backend_is_current(const struct backend *backend); /* of the route that stands */

/* Appends a request; session may be NULL (FLIGHT_OURS). Returns its flight, good until the next. */
struct flight *backend_send(struct backend *backend, struct session *session,
                            const struct request *request, unsigned flags);

struct flight *backend_last_flight(const struct backend *backend); /* of those in flight */

/* A flight whose bytes follow by backend_stream(). */
struct flight *backend_send_streamed(struct backend *backend, struct session *session,
                                     const struct command *command);
void backend_stream(struct backend *backend, const char *bytes, size_t len);

/* One of ours: a command whose reply is swallowed. */
void backend_ask(struct backend *backend, const char *bytes, size_t len, uint16_t replies);

/* session goes: its flights are nobody's. */
void backend_forget_session(struct backend *backend, const struct session *session);

void backend_retire(struct backend *backend); /* no more requests; closed when answered */
void backend_lose(struct backend *backend, const char *why); /* closed; the sessions are told */
void backend_check(struct backend *backend, msec_t now_ms);  /* on every tick */
void backend_resume(struct backend *backend);                /* its reader has read */

/* ---- backend_greet.c: AUTH, HELLO, SELECT, ROLE ---- */

void backend_greet(struct backend *backend);

/* A reply to the greeting. False, and *why, when this server is not to be used. */
bool backend_on_greeting(struct backend *backend, const char *reply, size_t len, const char **why);

/* ---- profile.c ---- */

struct identity *identity_get(struct worker *worker, const char *user, const char *password);
void identity_put(struct worker *worker, struct identity *identity); /* NULL is allowed */

/* One more user of it; NULL when RELAY_PROFILES_MAX are in use. */
struct profile *profile_get(struct worker *worker, enum target target, struct identity *identity,
                            enum resp_version version, int database);
void profile_put(struct profile *profile); /* NULL is allowed */

/* A usable shared backend with the least to do; NULL: one is being opened, if that makes sense. */
struct backend *profile_shared(struct profile *profile);
bool profile_is_full(const struct profile *profile); /* none is usable, for want of room only */
struct backend *profile_take_idle(struct profile *profile);
void profile_give_idle(struct profile *profile, struct backend *backend);
void profile_forget(struct profile *profile, struct backend *backend);
void profiles_tidy(struct worker *worker, msec_t now_ms); /* what nobody used for long goes */
void profiles_close(struct worker *worker);

/* ---- worker.c ---- */

msec_t worker_now(const struct worker *worker);
void worker_bury_backend(struct worker *worker, struct backend *backend);
void worker_bury_session(struct worker *worker, struct session *session);
void worker_session_ready(struct worker *worker, struct session *session);

/* In WAIT_ROOM until worker_let_in(), which lets the first of those who wait look again. Who comes
 * while others wait for the same connections is to wait behind them: worker_is_crowded(). */
enum verdict worker_session_crowded(struct worker *worker, struct session *session);
bool worker_is_crowded(const struct worker *worker, const struct session *session);
void worker_let_in(struct worker *worker, size_t count);
void worker_leave_crowd(struct worker *worker, const struct session *session);
void worker_tick_soon(struct worker *worker); /* something waits: see that the ticks run */
void worker_trouble(struct worker *worker);   /* the master is lost: tell the control thread */
bool worker_can_serve(const struct worker *worker, enum target target); /* a route, put right */
void worker_on_backend_ready(struct worker *worker, struct backend *backend);

/* ---- cleanse.c: a cache after writes were lost ---- */

/* The keys of a request that is sent, or answered as a miss, are remembered. */
void cleanse_note(struct session *session, const struct request *request);
void cleanse_begin(struct worker *worker); /* the master changed: before anything is asked there */
bool cleanse_is_done(const struct worker *worker); /* of this route, by every worker */
void cleanse_note_done(struct worker *worker);     /* nothing (more) to do for this route */
void cleanse_push(struct worker *worker);          /* on ticks: tries again to connect */
void cleanse_finish(struct worker *worker);
void cleanse_on_ready(struct worker *worker, struct backend *backend);
void cleanse_on_gone(struct worker *worker, const struct backend *backend);
void cleanse_on_idle(struct worker *worker, struct backend *backend); /* it answered all of ours */

#endif
