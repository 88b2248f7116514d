#ifndef FAKE_LOOP_H
#define FAKE_LOOP_H

/*
 * loop/loop.h and loop/conn.h without a kernel: time, order, sizes of pieces and failures are the
 * test's. Linked before the real ones. One loop at a time is made of this.
 *
 * A connection has two ends. The relay's end is what loop/conn.h says. The other end, `peer`, is
 * the test's: what it sends waits in `sent` until a turn shows it, what the relay wrote waits in
 * `got` until the test takes it. At most `window` bytes wait there; the rest stays with the relay.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/prng.h"
#include "loop/conn.h"
#include "loop/loop.h"

enum fake_phase { FAKE_CONNECTING, FAKE_OPEN, FAKE_FAILED, FAKE_OVER };

enum { FAKE_WINDOW_BYTES = 256 << 10 };

struct conn {
    struct conn *next;
    struct loop *loop;
    enum fake_phase phase;
    const struct conn_handlers *h;
    void *ctx;
    void *peer; /* the test's */
    bool is_outgoing;
    struct addr at; /* where it goes; of one that came, unset */
    struct buf in;
    struct buf out;
    const struct buf *tail_of; /* conn_write_from(): its last tail_len bytes go after out */
    size_t tail_len;
    struct buf sent;
    struct buf got;
    size_t window;
    size_t in_max_bytes;
    size_t out_max_bytes;
    msec_t open_until_ms; /* 0: for ever */
    bool is_corked;
    bool is_flush_queued;
    bool had_to_wait;
    bool is_paused;
    bool has_unread; /* resumed: what is there is shown again */
    bool is_leaving;
    bool peer_opens;
    bool peer_closed; /* in order: what was sent before comes first */
    bool peer_gone;   /* the test let go of it */
    enum conn_end why;
};

/* A new connection of the relay to a server. It waits until fake_opens() or fake_fails(). */
typedef void (*fake_on_connect)(void *ctx, struct conn *c);

struct loop *fake_loop(void); /* the one loop_create() made; NULL before */
void fake_seed(struct loop *loop, uint64_t seed);
void fake_watch_connects(struct loop *loop, fake_on_connect on_connect, void *ctx);

/* One turn: timers, then connections in a random order, then what was put off. */
void fake_turn(struct loop *loop);
void fake_advance(struct loop *loop, msec_t ms);

/* ---- the other ends ---- */

struct conn *fake_client(struct loop *loop, void *peer); /* one comes to the listener */
void fake_opens(struct conn *c);
void fake_fails(struct conn *c, enum conn_end why); /* what waits in `sent` is lost */
void fake_send(struct conn *c, const void *bytes, size_t len);
void fake_closes(struct conn *c);
bool fake_is_over(const struct conn *c); /* the relay closed it, or was told of its end */

/* The test does not look at it any more; its memory goes when the relay has let go of it too. */
void fake_leave(struct conn *c);

struct conn *fake_first(struct loop *loop);

#endif
