#ifndef CLI_DEMO_LINK_H
#define CLI_DEMO_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/msec.h"
#include "loop/conn.h"
#include "loop/loop.h"
#include "resp/resp.h"

/*
 * One connection of the demo that speaks RESP as a client. Embedded in what uses it; zeroed memory
 * is a closed one. The owner fills the first fields before the first demo_link_open().
 */
struct demo_link {
    struct loop *loop;
    void *ctx;
    void (*on_open)(void *ctx);
    void (*on_reply)(void *ctx, const struct resp_value *reply); /* may close or open the link */
    void (*on_end)(void *ctx); /* lost, or could not be had; the link is closed when it is called */

    struct conn *conn; /* NULL: closed */
    struct resp_reply_reader reader;
};

/* Closes what was open, then connects. False when this machine has no descriptor left. */
bool demo_link_open(struct demo_link *link, const struct addr *at, msec_t timeout_ms) MUST_CHECK;
void demo_link_close(struct demo_link *link);
bool demo_link_is_open(const struct demo_link *link); /* open or on the way */

/* The words of one command, the last of them NULL. */
void demo_link_send(struct demo_link *link, const char *word, ...) __attribute__((sentinel));

#endif
