#ifndef LINK_LINK_INSIDE_H
#define LINK_LINK_INSIDE_H

/* What the files of this room share. Nobody outside includes it. */

#include "base/buf.h"
#include "link/link.h"
#include "link/names.h"
#include "loop/conn.h"
#include "resp/resp.h"

/*
 *   NAMING -> CONNECTING -> UP -> DOWN        DOWN: told, or about to be told (LINK_DUE_DOWN)
 *      \__________\_______________/
 */
enum link_phase {
    LINK_PHASE_NAMING, /* the ip is being looked up */
    LINK_PHASE_CONNECTING,
    LINK_PHASE_UP,
    LINK_PHASE_DOWN,
};

/* What waits for the next turn, because no callback may come from inside a call. */
enum link_due {
    LINK_DUE_DOWN = 1,     /* EVENT_LINK_DOWN with due_end */
    LINK_DUE_RESOLVED = 2, /* EVENT_RESOLVED */
    LINK_DUE_CONNECT = 4,  /* the name has an ip now */
    LINK_DUE_SUBSCRIBE = 8,
};

enum link_request_type {
    REQUEST_SETUP, /* AUTH, CLIENT SETNAME: an error is logged, nothing waits for the answer */
    REQUEST_PING,
    REQUEST_INFO,
    REQUEST_HELLO,
    REQUEST_ASK,
    REQUEST_SCRIPT_KILL,
    REQUEST_COORDINATED,
    REQUEST_STEP, /* of the transaction; tag is the step */
    REQUEST_EXEC,
};

struct link_request {
    enum link_request_type type;
    uint32_t master;
    uint32_t tag;
};

/* Requests sent and not answered, oldest first: a ring that grows by doubling. */
struct link_fifo {
    struct link_request *ring;
    uint32_t capacity;
    uint32_t head;
    uint32_t count;
};

/* One output buffer; a link has one only while something waits for the flush. */
struct link_out {
    struct link_out *next;
    struct buf buf;
};

struct link_tx;

struct link {
    struct links *links;
    struct link *next_in_slot;
    struct link *next_due;
    struct link *next_dirty;
    uint32_t id;
    enum instance_kind kind;
    enum link_phase phase;
    uint8_t due; /* bits of enum link_due */
    bool is_queued_due;
    bool is_closed; /* only memory, until the due list has been worked off */
    bool is_subscribed;
    bool was_complained; /* a failure that is not the network's is logged once until it is up */
    enum link_end due_end;
    struct addr addr;
    char local_ip[ADDR_IP_MAX];

    char *user; /* NULL: none */
    char *pass;
    char *renames; /* "from\0to\0from\0to\0\0" or NULL */

    struct conn *cmd;
    struct conn *sub;
    struct resp_reply_reader *cmd_reader; /* only while a reply is incomplete */
    struct resp_reply_reader *sub_reader;
    struct link_out *out;
    struct link_fifo fifo;
    struct link_tx *tx;      /* in flight */
    struct link_tx *tx_next; /* the newest that waits for it */
    msec_t started_at;       /* this attempt */
    msec_t sub_tried_at;
    msec_t sub_heard_at;
};

struct links {
    struct loop *loop;
    char run_id[RUN_ID_MAX];
    char announce_host[ADDR_NAME_MAX];
    uint16_t announce_port;
    struct tls_context *tls;
    char *bind_source;
    bool announce_hostnames;
    bool resolve_hostnames;
    void (*on_event)(void *ctx, const struct event *event);
    void (*on_info_text)(void *ctx, uint32_t link, const char *text, size_t len);
    void *ctx;
    msec_t publish_period_ms;

    struct link **slots;  /* by id */
    uint32_t slots_count; /* a power of two */
    uint32_t count;
    struct link *due_first;
    struct link **due_end;
    struct link *closed;
    struct link *dirty;
    struct link_out *outs;    /* free ones */
    struct loop_timer *soon;  /* due and dirty links */
    struct loop_timer *sweep; /* silence and subscriptions */
    struct names *names;
    struct links_counts counts;
    struct resp_reply_reader reader; /* of whichever connection is read */
    struct info_replica replicas[REPLICAS_PER_MASTER_MAX];
};

/* ---- link.c ---- */

struct link *links_find(const struct links *links, uint32_t id);
void links_emit(struct links *links, struct event *event, uint32_t id); /* fills now and link */
void links_arm_soon(struct links *links);
void link_set_due(struct link *link, unsigned bits);

/* Ends the command connection and what hangs on it, and tells LINK_DOWN in the next turn. */
void link_fail(struct link *link, enum link_end end);

/* Takes a complete reply; *own is the reader of a reply that came in pieces so far.
 * RESP_MORE ends. */
enum resp_status link_read(struct links *links, struct resp_reply_reader **own, struct buf *in,
                           const struct resp_value **value);
void link_reader_free(struct resp_reply_reader **own);

/* The addresses that others announce: false when it is a name and names are not looked up; else the
 * ip is filled in when it is known. */
bool links_accept_addr(struct links *links, struct addr *addr);
const char *link_text(const struct link *link, char text[ADDR_TEXT_MAX]); /* for logs */

/* ---- link_out.c ---- */

const char *link_command(const struct link *link, const char *command); /* as the server calls it */

/* Notes the request and returns where to write its command; NULL when it may not be sent now. */
struct buf *link_begin(struct link *link, const struct link_request *request);
bool link_may_send(struct link *link, uint32_t requests);
void link_undirty(struct link *link);
bool link_fifo_take(struct link_fifo *fifo, struct link_request *request);
void link_fifo_finish(struct link_fifo *fifo);
void link_write_setup(struct link *link, struct buf *out, const char *suffix);
uint32_t link_setup_replies(const struct link *link);

/* ---- link_request.c ---- */

/* One reply of the command connection. False: a reply nobody asked for. May close the link. */
bool link_take_reply(struct link *link, const struct resp_value *value);
void link_send_info(struct link *link);
void link_log_refusal(const struct link *link, const char *what, const struct resp_value *value);

/* ---- link_promote.c ---- */

void link_tx_step(struct link *link, uint32_t step, const struct resp_value *value);
void link_tx_exec(struct link *link, const struct resp_value *value);
void link_tx_info(struct link *link, enum server_role role); /* before the EVENT_INFO */
void link_tx_drop(struct link *link);

/* ---- link_pubsub.c ---- */

void link_subscribe(struct link *link);
void link_unsubscribe(struct link *link);
void link_pubsub_sweep(struct link *link, msec_t now);

#endif
