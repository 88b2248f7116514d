#include "probe/probe_conn.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void probe_conn_say(struct evidence *e, enum verdict verdict, const char *what,
                           const char *text)
{
    e->verdict = verdict;
    (void)snprintf(e->reason, sizeof(e->reason), "%s%s", what, text); /* a reason may be cut */
}

void probe_conn_judge(enum conn_end why, const char *text, struct evidence *evidence)
{
    static const char not_accepted[] = "certificate not accepted: ";

    *evidence = (struct evidence){0};
    switch (why) {
    case CONN_REFUSED:
        probe_conn_say(evidence, VERDICT_UNREACHABLE, "connection refused", "");
        return;
    case CONN_CLOSED:
        probe_conn_say(evidence, VERDICT_UNREACHABLE, "closed before the answer", "");
        return;
    case CONN_RESET:
        probe_conn_say(evidence, VERDICT_UNREACHABLE, "connection reset before the answer", "");
        return;
    case CONN_TIMEOUT:
        evidence->is_timeout = true;
        probe_conn_say(evidence, VERDICT_UNREACHABLE, "no answer: ", text);
        return;
    case CONN_TLS:
        if (strncmp(text, not_accepted, sizeof(not_accepted) - 1) == 0) {
            probe_conn_say(evidence, VERDICT_NOT_READY,
                           "certificate not trusted: ", text + sizeof(not_accepted) - 1);
        } else {
            probe_conn_say(evidence, VERDICT_NOT_READY, "TLS failed: ", text);
        }
        return;
    case CONN_OVERFLOW:
        probe_conn_say(evidence, VERDICT_NOT_READY, "an answer without end", "");
        return;
    case CONN_UNREACHABLE:
    case CONN_FAILED:
        probe_conn_say(evidence, VERDICT_UNREACHABLE, "no connection: ", text);
        return;
    }
}
