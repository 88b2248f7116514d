#ifndef PROBE_PROBE_CONN_H
#define PROBE_PROBE_CONN_H

#include "loop/conn.h"
#include "pool/member_health.h"

/* What the end of a connection, before the probe had its answer, says of the member. */
void probe_conn_judge(enum conn_end why, const char *text, struct evidence *evidence);

#endif
