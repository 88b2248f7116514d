#ifndef HTTP_HEALTH_H
#define HTTP_HEALTH_H

#include <stdbool.h>

#include "base/buf.h"
#include "http/http_server.h"
#include "http/site_view.h"

/*
 * What load balancers ask this node:
 *
 *   /healthz           can this node serve? 200 or 503
 *   /healthz?strict    and is everything that it needs there, too?
 *   /healthz/SERVICE   does this service work through this node? 200, 503; 404 for an unknown one
 *   /readyz            has it started, and does it know the state of the site? 200 or 503
 *
 * Each with its evidence as JSON. A node serves when nobody drained it, and each of its services
 * works here: through this node's endpoint where there is one, else by the members that run here. A
 * shared service that is down for every node is told and does not count: if it did, every web
 * server would leave the balancer at once, and a page without its cache is better than none. It
 * counts when it is this node's own fault, and for `strict`.
 *
 * What was rendered for a generation of the view is answered again until the next one, so a flood
 * of checks costs no more than its bytes.
 */
struct health;

/* The view is read at every request and stays the caller's; it must live as long. */
struct health *health_create(const struct site_view *view);
void health_destroy(struct health *h); /* NULL is allowed */

/* A http_handler; ctx is the struct health. Other paths are answered with 404. */
void health_on_request(void *ctx, const struct http_request *request, struct http_answer *answer);

/*
 * The cluster check that guides for Galera set up on a port of its own (9200): whatever the path,
 * 200 when the member of the service that runs here may be given connections, else 503. A donor
 * counts as the operator's rule has it: AVOID serves.
 */
struct health_cluster_check {
    const struct site_view *view;
    char service[VIEW_NAME_MAX];
    char text[HEALTH_REASON_MAX + 100]; /* the last body */
};

/* A http_handler; ctx is a struct health_cluster_check. */
void health_on_cluster_check(void *ctx, const struct http_request *request,
                             struct http_answer *answer);

#endif
