#ifndef HTTP_HAPROXY_WORD_H
#define HTTP_HAPROXY_WORD_H

#include <stddef.h>
#include <stdint.h>

#include "http/site_view.h"

/*
 * What HAProxy is told of a member, the same by its agent-check and by its Runtime API: the two
 * would else fight over the server. Pure.
 *
 * HAProxy multiplies the percent with the weight of its server line in whole numbers, and the
 * default weight is 1: any percent below 100 is then 0, "nothing new". Server lines must have
 * `weight 100`.
 */

enum {
    HAPROXY_REASON_MAX =
        120, /* shown in HAProxy's statistics; with the rest of the line below 200 */
    HAPROXY_LINE_MAX = HAPROXY_REASON_MAX + 40,
};

enum haproxy_state {
    HAPROXY_NOTHING, /* we do not know: HAProxy keeps what it has, its own checks go on */
    HAPROXY_UP,
    HAPROXY_DRAIN, /* by the operator: running work ends, nothing new */
    HAPROXY_DOWN,
};

struct haproxy_word {
    enum haproxy_state state;
    uint32_t weight_percent;         /* of what haproxy.cfg says; 0 with UP: others first */
    char reason[HAPROXY_REASON_MAX]; /* of DOWN: printable, one line */
};

/* A service or member that is not of the site is DOWN: a server that we were not asked to watch
 * must not look as if we did. */
struct haproxy_word haproxy_word(const struct site_view *view, const char *service,
                                 const char *member);

/*
 * The answer of an agent-check, with its line end. HAProxy takes the words one by one and ignores
 * the whole line for one that it does not know, so the '#' of a reason has a blank before it. "up
 * ready" ends a drain and a maintenance mode, "ready" alone would leave a server down that was
 * told to be. Nothing known: "\n", which HAProxy leaves without effect.
 */
void haproxy_agent_line(const struct haproxy_word *word, char line[HAPROXY_LINE_MAX]);

#endif
