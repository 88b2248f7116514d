#ifndef LOOP_CONN_H
#define LOOP_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/msec.h"
#include "loop/loop.h"
#include "loop/tls.h"

/*
 * Byte streams that never block: TCP and unix sockets, plain or TLS. No handler is ever called from
 * inside a function of this file: what fails there is told in the next turn.
 */
struct conn;
struct listener;

enum conn_end {
    CONN_CLOSED,      /* the other side closed in order */
    CONN_RESET,       /* it vanished: RST, broken pipe */
    CONN_REFUSED,     /* nobody listens there (ECONNREFUSED while opening): evidence, not silence */
    CONN_UNREACHABLE, /* no way to the host or network */
    CONN_TIMEOUT,     /* not open within timeout_ms, or the kernel gave up on a silent peer */
    CONN_TLS,         /* handshake, certificate or record wrong */
    CONN_OVERFLOW,    /* more than conn_set_limits() allows */
    CONN_FAILED,      /* anything else; the text says what */
};

struct conn_handlers {
    /* Ready to carry bytes (connected, TLS agreed). May be NULL. */
    void (*on_open)(void *ctx, struct conn *c);

    /* Bytes came. Take with buf_take() what is complete; the rest is shown again with what follows.
     * `in` is only good during the call and may only be taken from. What is written to c inside
     * goes out in one piece when the call returns. */
    void (*on_data)(void *ctx, struct conn *c, struct buf *in);

    /* The last call: c is gone when it returns (conn_close() inside is allowed and does nothing).
     * Not called after conn_close(). text is for people. */
    void (*on_end)(void *ctx, struct conn *c, enum conn_end why, const char *text);

    /* All that had to wait in the output buffer was handed to the kernel. May be NULL. */
    void (*on_drain)(void *ctx, struct conn *c);

    /* The other side sends no more, but may still read: all it sent was shown before, and reading
     * is paused from now on (told again after a resume). NULL: it is the end, told by on_end. */
    void (*on_half_close)(void *ctx, struct conn *c);
};

enum {
    CONN_INPUT_MAX_BYTES = 1 << 20,   /* default: the largest INFO seen is below 100 KB */
    CONN_OUTPUT_MAX_BYTES = 16 << 20, /* default: SENTINEL MASTERS of 10,000 masters */
};

/* ---- opening ---- */

struct conn_target {
    const struct addr *at;   /* with an ip: names are resolved before */
    const char *unix_path;   /* when at is NULL */
    const char *bind_source; /* a numeric address of ours, or NULL */
    struct tls_context *tls; /* NULL is plain */
    msec_t timeout_ms;       /* to be open, TLS included; 0 is the kernel's */
};

/* Starts to connect; *to is only read during the call, *h and ctx must live as long as the
 * connection. What the network says comes by on_end. NULL and *err only for what is wrong on our
 * side (no ip, no descriptor left, bind_source not ours). The caller owns c until conn_close() or
 * on_end. */
struct conn *conn_connect(struct loop *loop, const struct conn_target *to,
                          const struct conn_handlers *h, void *ctx, struct err *err) MUST_CHECK;

/* Other handlers from now on: on_accept() gives a new connection its own with this, and an object
 * that takes a connection over. */
void conn_set_handlers(struct conn *c, const struct conn_handlers *h, void *ctx);

/* Default CONN_*_MAX_BYTES. Input counts what on_data left untaken, output what the kernel has not
 * accepted. */
void conn_set_limits(struct conn *c, size_t input_max_bytes, size_t output_max_bytes);

/* One read brings at most so much; 64 KiB otherwise. Less is better where bytes are only passed on:
 * they are still in the processor's cache when they are sent. */
void conn_set_read_max(struct conn *c, size_t bytes);
void conn_set_keepalive(struct conn *c, int seconds); /* 0 is off; as Redis' tcp-keepalive */

/* ---- writing ---- */

/* Sent at once as far as the kernel takes it, the rest when it can; before on_open it waits.
 * Ignored once the connection has failed (on_end is on its way then) or is closing. */
void conn_write(struct conn *c, const void *bytes, size_t len);
void conn_write_text(struct conn *c, const char *text);

/* As conn_write(), but sent at the end of this turn, in one piece with all that is written to c
 * until then: for many small writes to many connections. on_drain comes only when the kernel did
 * not take it all. */
void conn_write_later(struct conn *c, const void *bytes, size_t len);

/*
 * As conn_write_later(), of the last len bytes of keeper, which were just appended to it; but they
 * are not copied: keeper is the caller's, and keeps them until they are sent, or until
 * conn_own_tail() has made a copy. It may grow at its end and lose its front meanwhile, as long as
 * conn_tail_bytes() are left.
 */
void conn_write_from(struct conn *c, const struct buf *keeper, size_t len);
size_t conn_tail_bytes(const struct conn *c); /* of keeper, not yet accepted by the kernel */
void conn_own_tail(struct conn *c);

void conn_writebuf(struct conn *c, struct buf *from); /* and empties from */
size_t conn_pending_bytes(const struct conn *c);      /* written, not yet accepted by the kernel */

/* Whether the output buffer keeps its memory when it is empty, as a busy connection wants it. Not
 * (at first): an idle connection owns no buffer. */
void conn_keep_output(struct conn *c, bool keeps);

/* ---- reading ---- */

/* No on_data until resumed, and no news of the other side closing. What on_data left is shown again
 * after the resume. */
void conn_pause_read(struct conn *c);
void conn_resume_read(struct conn *c);

/* ---- closing ---- */

void conn_close(struct conn *c); /* at once; no handler is called any more; NULL is allowed */

/* Reads no more, closes when the output is out, or after CONN_FLUSH_MS. No handler is called any
 * more: the caller gives c away. */
void conn_close_after_flush(struct conn *c);
enum { CONN_FLUSH_MS = 10000 /* a reader that takes longer does not want its last bytes */ };

/* ---- looking ---- */

bool conn_is_open(const struct conn *c); /* after on_open and not failed */
bool conn_is_unix(const struct conn *c);
bool conn_is_tls(const struct conn *c);

/* What the kernel knows of the other side, also while reading is paused. */
enum conn_peer {
    CONN_PEER_THERE,
    CONN_PEER_FINISHED, /* it sends no more; it may have closed, or may still read */
    CONN_PEER_GONE,
};
enum conn_peer conn_peer(const struct conn *c);
int conn_fd(const struct conn *c);
struct loop *conn_loop(const struct conn *c);

/* False, and *at untouched, when there is none: not connected, or a unix socket. */
bool conn_local_addr(const struct conn *c, struct addr *at);
bool conn_peer_addr(const struct conn *c, struct addr *at);

const char *conn_end_text(enum conn_end why); /* "refused", "reset", ... */

/* ---- accepting ---- */

struct listener_plan {
    const struct addr *at;       /* of ours; IPv6 does not take IPv4 with it. A name is looked up
                                    (IPv4, as Redis), and opening blocks meanwhile */
    const char *unix_path;       /* when at is NULL; an old socket file is replaced */
    mode_t unix_mode;            /* of the socket file; 0 leaves it to the umask */
    int backlog;                 /* 0 is 511, as Redis */
    struct tls_context *tls;     /* must live as long as the listener */
    msec_t handshake_timeout_ms; /* TLS clients that stay silent; 0 is never */
    int keepalive_seconds;       /* conn_set_keepalive() of all that are accepted; 0 is off */
    const int *shared_fd; /* a listening socket to accept from, which stays the caller's; at and
                             unix_path then only say what it is. NULL opens one */
};

/* The listening socket alone, for several loops to share. -1 and *err when it cannot be had. */
int listener_socket(const struct listener_plan *plan, struct err *err) MUST_CHECK;

/* c is the callee's: it sets handlers, or closes c (perhaps after a last word, with
 * conn_close_after_flush()), before it returns. on_open follows, for TLS
 * after the handshake. */
typedef void (*listener_accept)(void *ctx, struct conn *c);

/* NULL and *err when the address cannot be had. */
struct listener *listener_open(struct loop *loop, const struct listener_plan *plan,
                               listener_accept on_accept, void *ctx, struct err *err) MUST_CHECK;
uint16_t
listener_port(const struct listener *l); /* the real one when port 0 was asked; 0 for unix */
void listener_set_tls(struct listener *l,
                      struct tls_context *tls); /* for those accepted from now */

/* Connections stay; a unix socket's file is removed, but not that of a shared socket. */
void listener_close(struct listener *l);

#endif
