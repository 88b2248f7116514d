#ifndef LOOP_CONN_INSIDE_H
#define LOOP_CONN_INSIDE_H

/* A connection, as conn.c, conn_connect.c, conn_tls.c and listener.c see it. */

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/socket.h>

#include "loop/conn.h"
#include "loop/loop_inside.h"

enum {
    CONN_TEXT_MAX = 160, /* why it ended: an OpenSSL reason or strerror */
    CONN_MAGIC = 0x636f6e6e,
};

/*
 *   CONNECTING -> HANDSHAKING -> OPEN -> FAILED -> DEAD
 *        \____________/___________/        ^
 *         \___________\___________\________/      (FAILED: on_end is to come; DEAD: only memory)
 */
enum conn_phase {
    CONN_PHASE_CONNECTING,
    CONN_PHASE_HANDSHAKING,
    CONN_PHASE_OPEN,
    CONN_PHASE_FAILED,
    CONN_PHASE_DEAD,
};

typedef struct ssl_st SSL; /* as OpenSSL declares it */

struct conn {
    unsigned magic;
    enum conn_phase phase;
    struct loop *loop;
    const struct conn_handlers *h; /* NULL: nobody listens yet, or any more */
    void *ctx;
    int fd;
    SSL *ssl; /* NULL is plain */
    bool is_unix;
    bool is_leaving; /* conn_close_after_flush() */
    bool is_reading; /* read_event is added */
    bool is_writing; /* write_event is added */
    bool is_paused;
    bool has_ended;       /* the other side sends no more: nothing is left to read */
    bool is_half_closed;  /* and on_half_close is to be told */
    bool is_flush_queued; /* out goes to the kernel at the end of the turn */
    bool keeps_output;
    bool has_unread; /* look for input at the end of the turn without being told by the kernel */
    bool read_wants_write; /* TLS: reading goes on when the socket can be written */
    struct event read_event;
    struct event write_event;
    struct buf in;             /* what on_data left; owns memory only while there is something */
    struct buf out;            /* what the kernel did not take yet; the same */
    const struct buf *tail_of; /* conn_write_from(): its last tail_len bytes go after out */
    size_t tail_len;
    size_t read_max_bytes;
    size_t in_max_bytes;
    size_t out_max_bytes;
    struct loop_task task;
    struct loop_timer *deadline; /* of opening, or of flushing */
    enum conn_end why;           /* when FAILED */
    char text[CONN_TEXT_MAX];
};

/* TCP_NODELAY and conn_set_keepalive() for a socket, or for all that a listening one will accept:
 * on Linux they are inherited, which saves each client five system calls. */
void conn_tune(int fd, int keepalive_seconds);

/* Takes fd over. Nothing is watched yet. */
struct conn *conn_make(struct loop *loop, int fd, bool is_unix);

void conn_watch(struct conn *c, bool want_read, bool want_write);
void conn_watch_open(struct conn *c); /* what an open connection waits for */
void conn_die(struct conn *c);        /* only memory is left, freed at the end of the turn */
void conn_set_deadline(struct conn *c, msec_t after_ms); /* 0 is none */

/* on_end comes at the end of the turn. The first reason stays. */
void conn_fail(struct conn *c, enum conn_end why, const char *format, ...) PRINTF_LIKE(3, 4);
void conn_fail_errno(struct conn *c, int error);

/* The socket is connected: on with TLS or straight to on_open. May end c. */
void conn_connected(struct conn *c);

/* TLS agreed, or none wanted. May end c. */
void conn_opened(struct conn *c);

/* ---- conn_write.c ---- */

bool conn_has_output(const struct conn *c); /* but for the cork */
void conn_flush(struct conn *c);            /* may end c */
void conn_flush_once(struct conn *c);       /* what was left for the end of the turn: c closes */

/* Around a handler: one send for all that it writes. */
void conn_cork(struct conn *c);
void conn_uncork(struct conn *c);

/* ---- conn_tls.c ---- */

bool conn_tls_attach(struct conn *c, struct tls_context *tls);
void conn_tls_handshake(
    struct conn *c);                  /* to be called when the socket moved; calls conn_opened() */
void conn_tls_detach(struct conn *c); /* frees; says goodbye when the connection is in order */

/* The bytes moved, 0 when none could, after a failure conn_fail() was called. */
size_t conn_tls_read(struct conn *c, char *to, size_t size);
size_t conn_tls_write(struct conn *c, const char *from, size_t len);

/* ---- sock_addr.c ---- */

/* Both return 0 when it cannot be: no ip, or a path too long. */
socklen_t sock_addr_encode(const struct addr *at, struct sockaddr_storage *raw);
socklen_t sock_addr_encode_path(const char *path, struct sockaddr_storage *raw);
bool sock_addr_decode(const struct sockaddr_storage *raw, struct addr *at);

#endif
