#ifndef ROUTER_CONTROL_INSIDE_H
#define ROUTER_CONTROL_INSIDE_H

/* What the files of the control socket share. */

#include <jansson.h>

#include "router/control.h"

#define CONTROL_METRICS_END "# EOF\n"

/* ---- control_status.c ---- */

/* A new reference. */
json_t *control_status(const struct router_conf *conf, const struct router_view *view);
json_t *control_text(const char *text); /* what is not printable ASCII becomes '?' */

/* Sets a member; value is given away and must be there. */
void control_put(json_t *object, const char *name, json_t *value);

/* Calls for each address of conf, in the order of router_sockets(). */
void control_each_listen(const struct router_conf *conf,
                         void (*on_listen)(void *ctx, size_t i, const char *address,
                                           const char *kind),
                         void *ctx);

/* The bound below which a share of all requests stayed (permille), in microseconds; 0 when there
 * was none, UINT64_MAX when it lies in the last, open bucket. */
uint64_t control_latency_us(const struct router_counts *counts, unsigned permille);
uint64_t control_latency_count(const struct router_counts *counts);

/* ---- control_metrics.c ---- */

void control_metrics(const struct router_conf *conf, const struct router_view *view,
                     struct buf *out);

#endif
