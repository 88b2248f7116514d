#ifndef CONN_PAIR_H
#define CONN_PAIR_H

/* Two ends of one connection through a real listener, each noting what happens to it. */

#include "loop/conn.h"
#include "loop_world.h"

struct end {
    struct conn *c;
    struct buf got;
    bool opened;
    bool ended;
    enum conn_end why;
    char text[200];
    int data_calls;
    int drains;
    bool drained;
    size_t want; /* has_wanted is set when so many bytes came */
    bool has_wanted;

    /* what to do inside the handlers */
    bool leave_data; /* take nothing */
    size_t frame;    /* take only whole frames of so many bytes */
    bool close_on_data;
    bool close_on_open;
    bool leave_on_data; /* conn_close_after_flush() after the reply */
    bool close_on_accept;
    bool close_on_end;
    bool pause_on_data;
    const char *reply; /* written for each on_data, in two pieces */
};

struct pair {
    struct loop *loop;
    struct listener *listener;
    struct addr at;
    struct end client;
    struct end server;
};

extern const struct conn_handlers end_handlers;

/* Listens on a free port of 127.0.0.1; the first client accepted becomes p->server. */
void pair_listen(struct pair *p, struct tls_context *tls);
void pair_connect(struct pair *p, struct tls_context *tls);
void pair_open(struct pair *p); /* plain, until both are open */
void pair_close(struct pair *p);
void end_wait(struct pair *p, struct end *e, size_t bytes); /* until so many came */

#endif
