#include "http/health_judge.h"

#include <stdio.h>
#include <string.h>

static struct health_judgement health_fine(void)
{
    return (struct health_judgement){.is_fine = true};
}

static struct health_judgement health_bad(const char *what, const char *why)
{
    struct health_judgement j = {.is_fine = false};

    /* for people: cut when too long */
    int len = snprintf(j.reason, sizeof(j.reason), "%s%s%s", what, why[0] == '\0' ? "" : ": ", why);
    ASSERT(len >= 0);
    return j;
}

static struct health_judgement health_judge_endpoint(const struct view_endpoint *endpoint)
{
    return endpoint->serves ? health_fine()
                            : health_bad("this node's endpoint does not serve", endpoint->reason);
}

static struct health_judgement health_judge_member(const struct view_member *member)
{
    char what[VIEW_NAME_MAX + 40];

    if (member->is_drained) {
        (void)snprintf(what, sizeof(what), "%s is drained by the operator", member->name);
        return health_bad(what, "");
    }
    if (verdict_serves(member->verdict)) {
        return health_fine();
    }
    (void)snprintf(what, sizeof(what), "%s is %s", member->name, verdict_text(member->verdict));
    return health_bad(what, member->reason);
}

struct health_judgement health_judge_service(const struct site_view *view,
                                             const struct view_service *service)
{
    struct health_judgement j = health_bad("neither an endpoint nor a member of it is here", "");

    if (view->is_drained) {
        return health_bad("drained by the operator", "");
    }
    if (service->endpoint.is_here) {
        return health_judge_endpoint(&service->endpoint);
    }
    for (size_t i = 0; i < service->members_count; i++) {
        if (service->members[i].is_here) {
            j = health_judge_member(&service->members[i]);
            if (!j.is_fine) {
                break;
            }
        }
    }
    return j;
}

bool health_counts(const struct view_service *service, bool is_strict)
{
    bool is_of_this_node = service->endpoint.is_here;

    for (size_t i = 0; i < service->members_count; i++) {
        is_of_this_node = is_of_this_node || service->members[i].is_here;
    }
    return is_of_this_node && (is_strict || !service->is_shared || service->endpoint.is_own_fault);
}

struct health_judgement health_judge_ready(const struct site_view *view)
{
    if (view->generation == 0 || !view->is_started) {
        return health_bad("still starting", "");
    }
    return view->is_known ? health_fine() : health_bad("not every member was probed yet", "");
}

struct health_judgement health_judge_node(const struct site_view *view, bool is_strict)
{
    struct health_judgement j = health_judge_ready(view);

    if (view->is_drained) {
        return health_bad("drained by the operator", "");
    }
    if (!j.is_fine) {
        return j;
    }
    for (size_t i = 0; i < view->services_count; i++) {
        const struct view_service *service = &view->services[i];
        j = health_judge_service(view, service);
        if (!j.is_fine && health_counts(service, is_strict)) {
            return health_bad(service->name, j.reason);
        }
    }
    return health_fine();
}
