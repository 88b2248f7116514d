/*
 * The transaction that makes a server a master, or a replica of another. Sentinel sends it and
 * looks at INFO a second later; here ROLE inside it says at once whether it worked. What today's
 * ACLs of Sentinel users do not allow (they were written for SLAVEOF, CONFIG REWRITE and CLIENT
 * KILL) is refused while it is queued, which makes EXEC fail and nothing happen; so it is left out
 * and the rest sent again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "link/link_inside.h"
#include "loop/log.h"

enum tx_step {
    TX_MULTI,
    TX_SLAVEOF,
    TX_REWRITE,
    TX_KILL_NORMAL,
    TX_KILL_PUBSUB,
    TX_ROLE,
    TX_STEPS,
};

enum {
    TX_REPLIES = TX_STEPS + 2, /* EXEC and INFO */
    TX_PORT_TEXT_MAX = 8
};

struct link_tx {
    struct addr to;
    bool is_promotion;
    bool is_replicaof;   /* SLAVEOF was refused: the server may know only the newer word */
    bool waits_for_info; /* done, but without ROLE */
    unsigned refused;    /* bits of steps, of this try */
    unsigned left_out;   /* bits of steps, of all tries */
};

static const char *const tx_step_names[TX_STEPS] = {
    "MULTI", "SLAVEOF", "CONFIG REWRITE", "CLIENT KILL TYPE normal", "CLIENT KILL TYPE pubsub",
    "ROLE",
};

static unsigned tx_bit(uint32_t step)
{
    return 1U << step;
}

static void link_tx_write(const struct link *link, enum tx_step step, struct buf *out)
{
    const struct link_tx *tx = link->tx;
    char port[TX_PORT_TEXT_MAX];

    switch (step) {
    case TX_MULTI:
        RESP_COMMAND(out, link_command(link, "MULTI"));
        return;
    case TX_SLAVEOF: {
        const char *word = link_command(link, tx->is_replicaof ? "REPLICAOF" : "SLAVEOF");
        (void)snprintf(port, sizeof(port), "%u", (unsigned)tx->to.port); /* always fits */
        if (tx->is_promotion) {
            RESP_COMMAND(out, word, "NO", "ONE");
        } else {
            RESP_COMMAND(out, word, addr_host(&tx->to, link->links->announce_hostnames), port);
        }
        return;
    }
    case TX_REWRITE:
        RESP_COMMAND(out, link_command(link, "CONFIG"), "REWRITE");
        return;
    case TX_KILL_NORMAL:
        RESP_COMMAND(out, link_command(link, "CLIENT"), "KILL", "TYPE", "normal");
        return;
    case TX_KILL_PUBSUB:
        RESP_COMMAND(out, link_command(link, "CLIENT"), "KILL", "TYPE", "pubsub");
        return;
    case TX_ROLE:
        RESP_COMMAND(out, link_command(link, "ROLE"));
        return;
    case TX_STEPS:
        break;
    }
    UNREACHABLE("a step of no name");
}

/* All of it or nothing: half a transaction would leave the server inside MULTI. */
static bool link_tx_send(struct link *link)
{
    const struct link_request exec = {.type = REQUEST_EXEC};

    if (!link_may_send(link, TX_REPLIES)) {
        return false;
    }
    link->tx->refused = 0;
    for (uint32_t step = 0; step < TX_STEPS; step++) {
        const struct link_request request = {.type = REQUEST_STEP, .tag = step};
        if ((link->tx->left_out & tx_bit(step)) == 0) {
            link_tx_write(link, (enum tx_step)step, link_begin(link, &request));
        }
    }
    RESP_COMMAND(link_begin(link, &exec), link_command(link, "EXEC"));
    link_send_info(link);
    return true;
}

static void link_tx_start(struct link *link, struct link_tx *take_tx)
{
    if (link->tx != NULL) { /* the answers of the one in flight would be taken for this one's */
        free(link->tx_next);
        link->tx_next = take_tx;
        return;
    }
    link->tx = take_tx;
    if (!link_tx_send(link)) {
        link_tx_drop(link);
    }
}

static void link_tx_begin(struct links *links, uint32_t id, const struct addr *to)
{
    struct link *link = links_find(links, id);

    if (link == NULL || link->phase != LINK_PHASE_UP) {
        links->counts.dropped++;
        return;
    }
    struct link_tx *tx = memory_zeroed(sizeof(*tx));
    tx->is_promotion = to == NULL;
    if (to != NULL) {
        tx->to = *to;
    }
    link_tx_start(link, tx);
}

void link_promote(struct links *links, uint32_t id)
{
    link_tx_begin(links, id, NULL);
}

void link_replicaof(struct links *links, uint32_t id, const struct addr *master)
{
    link_tx_begin(links, id, master);
}

void link_tx_drop(struct link *link)
{
    free(link->tx);
    free(link->tx_next);
    link->tx = NULL;
    link->tx_next = NULL;
}

/* The last word. May close the link. */
static void link_tx_end(struct link *link, enum server_role role)
{
    struct event event = {.type = EVENT_PROMOTED};
    bool is_promotion = link->tx->is_promotion;
    struct link_tx *next = link->tx_next;

    event.role = role;
    free(link->tx);
    link->tx = NULL;
    link->tx_next = NULL;
    if (next != NULL) {
        link_tx_start(link, next);
    }
    if (is_promotion) {
        links_emit(link->links, &event, link->id);
    }
}

void link_tx_step(struct link *link, uint32_t step, const struct resp_value *value)
{
    if (resp_is(value, RESP_ERROR)) {
        link->tx->refused |= tx_bit(step);
        link_log_refusal(link, tx_step_names[step], value);
    }
}

/* True when it was sent again without what was refused. */
static bool link_tx_again(struct link *link)
{
    struct link_tx *tx = link->tx;
    unsigned vital = tx_bit(TX_MULTI) | tx_bit(TX_SLAVEOF);

    if ((tx->refused & tx_bit(TX_MULTI)) != 0 || tx->refused == 0) {
        return false;
    }
    if ((tx->refused & tx_bit(TX_SLAVEOF)) != 0) {
        if (tx->is_replicaof) {
            return false;
        }
        tx->is_replicaof = true;
    }
    tx->left_out |= tx->refused & ~vital;
    return link_tx_send(link);
}

/* The index of a step's reply in that of EXEC. */
static size_t link_tx_index(const struct link_tx *tx, enum tx_step wanted)
{
    size_t index = 0;

    for (uint32_t step = TX_SLAVEOF; step < (uint32_t)wanted; step++) {
        index += (tx->left_out & tx_bit(step)) == 0;
    }
    return index;
}

static enum server_role link_tx_role(const struct resp_value *role)
{
    const struct resp_value *word = resp_item(role, 0);

    if (resp_text_is(word, "master")) {
        return ROLE_MASTER;
    }
    return resp_text_is(word, "slave") || resp_text_is(word, "replica") ? ROLE_REPLICA
                                                                        : ROLE_UNKNOWN;
}

void link_tx_exec(struct link *link, const struct resp_value *value)
{
    struct link_tx *tx = link->tx;

    if (!resp_is(value, RESP_ARRAY)) {
        if (link_tx_again(link)) {
            return;
        }
        link_log_refusal(link, tx->is_promotion ? "promotion" : "SLAVEOF", value);
        link_tx_end(link, ROLE_UNKNOWN);
        return;
    }
    const struct resp_value *done = resp_item(value, link_tx_index(tx, TX_SLAVEOF));
    if (resp_is(done, RESP_ERROR)) {
        link_log_refusal(link, tx_step_names[TX_SLAVEOF], done);
        link_tx_end(link, ROLE_UNKNOWN);
        return;
    }
    if ((tx->left_out & tx_bit(TX_ROLE)) != 0) {
        tx->waits_for_info = true;
        return;
    }
    link_tx_end(link, link_tx_role(resp_item(value, link_tx_index(tx, TX_ROLE))));
}

void link_tx_info(struct link *link, enum server_role role)
{
    if (link->tx->waits_for_info) {
        link_tx_end(link, role);
    }
}
