#include "http/site_view.h"

#include <string.h>

void site_view_changed(struct site_view *view)
{
    view->generation++;
}

const struct view_service *site_view_service(const struct site_view *view, const char *name)
{
    for (size_t i = 0; i < view->services_count; i++) {
        if (strcmp(view->services[i].name, name) == 0) {
            return &view->services[i];
        }
    }
    return NULL;
}

const struct view_member *view_service_member(const struct view_service *service, const char *name)
{
    for (size_t i = 0; i < service->members_count; i++) {
        if (strcmp(service->members[i].name, name) == 0) {
            return &service->members[i];
        }
    }
    return NULL;
}

bool view_member_serves(const struct view_member *member)
{
    return verdict_serves(member->verdict) && !member->is_drained;
}
