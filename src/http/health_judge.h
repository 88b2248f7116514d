#ifndef HTTP_HEALTH_JUDGE_H
#define HTTP_HEALTH_JUDGE_H

#include <stdbool.h>

#include "base/buf.h"
#include "http/site_view.h"

/* Who may be sent here: the answers of health.h, and why. Pure. */

struct health_judgement {
    bool is_fine;
    char reason[HEALTH_REASON_MAX + VIEW_NAME_MAX * 2]; /* "" when fine */
};

/* One service through this node. */
struct health_judgement health_judge_service(const struct site_view *view,
                                             const struct view_service *service);

/* This node. */
struct health_judgement health_judge_node(const struct site_view *view, bool is_strict);

/* Started, and the state of the site is known. */
struct health_judgement health_judge_ready(const struct site_view *view);

/* Whether a service that does not work here keeps this node from serving. */
bool health_counts(const struct view_service *service, bool is_strict);

#endif
