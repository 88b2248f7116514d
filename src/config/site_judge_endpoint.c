/* An endpoint: where it is, who may use it, what it answers when nothing serves. */
#include <string.h>

#include "config/site_room.h"

static void site_judge_open(const struct site_endpoint *endpoint, struct site_findings *findings)
{
    for (size_t i = 0; i < endpoint->listen.count; i++) {
        const struct site_listen *listen = &endpoint->listen.items[i];
        bool is_local = listen->to.path[0] != '\0' ||
                        (!listen->is_own_address && site_address_is_loopback(listen->to.at.ip));
        if (!is_local && !endpoint->is_open && endpoint->client_auth == ROUTER_AUTH_NONE) {
            site_findings_error(findings, listen->at,
                                "other machines reach this address, and clients give no password");
            site_findings_remedy(findings, "listen on 127.0.0.1, or write client_auth: own with "
                                           "client_password_file:, or open: yes");
            return;
        }
    }
}

static void site_judge_clients(const struct site_endpoint *endpoint, struct site_findings *findings)
{
    bool is_own = endpoint->client_auth == ROUTER_AUTH_OWN;

    if (is_own && endpoint->client_password_file == NULL) {
        site_findings_error(findings, site_mark_of(&endpoint->head, "client_auth"),
                            "client_auth: own needs the password that clients give");
        site_findings_remedy(findings, "write client_password_file: /etc/holdfast/NAME.password");
    } else if (!is_own && endpoint->client_password_file != NULL) {
        site_findings_error(findings, site_mark_of(&endpoint->head, "client_password_file"),
                            "client_password_file: is used with client_auth: own only");
        site_findings_remedy(findings, "write client_auth: own too, or remove it");
    }
    if (endpoint->strangers_max > endpoint->clients_max) {
        site_findings_error(findings, site_mark_of(&endpoint->head, "strangers"),
                            "strangers: more than clients");
        site_findings_remedy(findings, "at most %u", endpoint->clients_max);
    }
}

static void site_judge_miss(const struct site_service *service,
                            const struct site_endpoint *endpoint, struct site_findings *findings)
{
    if (endpoint->when_down == ROUTER_DOWN_MISS && service->use != SITE_USE_CACHE) {
        site_findings_error(
            findings, site_mark_of(&endpoint->head, "when_down"),
            "when_down: a miss means \"logged out\" or \"lost\" to whoever keeps %s "
            "in it",
            service->use == SITE_USE_SESSIONS ? "sessions" : "data");
        site_findings_remedy(findings, "write when_down: error, or use: cache when all of it may "
                                       "be forgotten");
    }
}

void site_judge_endpoint(const struct site *site, const struct site_service *service,
                         const struct site_endpoint *endpoint, struct site_findings *findings)
{
    if (!site_is_given(&endpoint->head)) {
        return;
    }
    site_judge_nodes(site, &endpoint->nodes, findings);
    if (service->kind == SITE_REDIS) {
        site_judge_open(endpoint, findings);
        site_judge_clients(endpoint, findings);
        site_judge_miss(service, endpoint, findings);
    }
}
