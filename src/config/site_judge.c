/* What no key alone shows: names of nodes that are not there, services that one loss ends. */
#include <string.h>

#include "config/config_room.h"
#include "config/site_room.h"

enum {
    SITE_JUDGE_NAMES_SHOWN = 8, /* nodes that a remedy lists */
};

/* ---- nodes ---- */

static void site_judge_list_nodes(const struct site *site, struct buf *out)
{
    for (size_t i = 0; i < site->nodes_count && i < SITE_JUDGE_NAMES_SHOWN; i++) {
        buf_printf(out, "%s%s", i == 0 ? "" : ", ", site->nodes[i].head.name);
    }
    if (site->nodes_count > SITE_JUDGE_NAMES_SHOWN) {
        buf_append_text(out, ", ...");
    }
}

bool site_judge_is_written(const struct site_head *head, const char *key)
{
    for (size_t i = 0; i < head->given_count; i++) {
        if (strcmp(head->given[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

bool site_judge_node(const struct site *site, const char *name, struct site_mark at,
                     struct site_findings *findings)
{
    const char *names[SITE_NODES_MAX + 1] = {NULL};
    struct buf all = {0};

    if (site->nodes_count == 0 || site_node(site, name) != NULL) {
        return true; /* without nodes that was found already */
    }
    for (size_t i = 0; i < site->nodes_count; i++) {
        names[i] = site->nodes[i].head.name;
    }
    const char *nearest = site_option_nearest_word(names, name);
    site_judge_list_nodes(site, &all);
    site_findings_error(findings, at, "there is no node %s", name);
    if (nearest != NULL) {
        site_findings_remedy(findings, "did you mean %s?", nearest);
    } else {
        site_findings_remedy(findings, "add it under nodes:, or name one of %s", buf_data(&all));
    }
    buf_finish(&all);
    return false;
}

void site_judge_nodes(const struct site *site, const struct site_names *names,
                      struct site_findings *findings)
{
    for (size_t i = 0; i < names->count; i++) {
        (void)site_judge_node(site, names->items[i].text, names->items[i].at,
                              findings); /* it was found */
    }
}

size_t site_judge_zones(const struct site *site)
{
    size_t count = 0;

    for (size_t i = 0; i < site->nodes_count; i++) {
        bool is_new = site->nodes[i].zone != NULL;
        for (size_t j = 0; j < i && is_new; j++) {
            const char *other = site->nodes[j].zone;
            is_new = other == NULL || strcmp(other, site->nodes[i].zone) != 0;
        }
        count += is_new ? 1 : 0;
    }
    return count;
}

static void site_judge_addresses(const struct site *site, struct site_findings *findings)
{
    const struct site_node *zoneless = NULL;

    for (size_t i = 0; i < site->nodes_count; i++) {
        const struct site_node *node = &site->nodes[i];
        zoneless = zoneless == NULL && node->zone == NULL ? node : zoneless;
        for (size_t j = 0; j < i && node->address != NULL; j++) {
            const char *other = site->nodes[j].address;
            if (other != NULL && strcmp(other, node->address) == 0) {
                site_findings_error(findings, site_mark_of(&node->head, "address"),
                                    "%s has the address of %s", node->head.name,
                                    site->nodes[j].head.name);
                site_findings_remedy(findings, "write its own private address");
                break;
            }
        }
        if (node->address != NULL && site->nodes_count > 1 &&
            (site_address_is_loopback(node->address) || site_address_is_wildcard(node->address))) {
            site_findings_error(findings, site_mark_of(&node->head, "address"),
                                "%s: the other nodes cannot reach it at %s", node->head.name,
                                node->address);
            site_findings_remedy(findings, "write its private address");
        }
    }
    if (zoneless != NULL && site_judge_zones(site) > 0) {
        site_findings_warn(findings, zoneless->head.at, "%s has no zone, and others have one",
                           zoneless->head.name);
        site_findings_remedy(findings, "write zone: for every node, or for none");
    }
}

/* ---- members ---- */

static bool site_judge_same_place(const struct site *site, const struct site_member *a,
                                  const struct site_member *b)
{
    const struct site_node *node = site_member_node(site, a);
    const struct site_node *other = site_member_node(site, b);
    const char *host_a = site_member_host(site, a);
    const char *host_b = site_member_host(site, b);

    if (node != NULL && other != NULL && node != other) {
        return false; /* two nodes with one address are found as such */
    }
    return a->port == b->port && host_a != NULL && host_b != NULL && strcmp(host_a, host_b) == 0;
}

static void site_judge_member(const struct site *site, const struct site_service *service,
                              size_t index, struct site_findings *findings)
{
    const struct site_member *member = &service->members[index];

    if (member->node != NULL && member->address != NULL) {
        site_findings_error(findings, member->head.at, "%s: both a node and an address",
                            member->head.name);
        site_findings_remedy(findings, "write node: when it runs on a node of the site, else "
                                       "address:");
        return;
    }
    if (member->node != NULL &&
        !site_judge_node(site, member->node, site_mark_of(&member->head, "node"), findings)) {
        return;
    }
    for (size_t i = 0; i < index; i++) {
        if (site_judge_same_place(site, member, &service->members[i])) {
            site_findings_error(findings, member->head.at, "%s: the same server as %s",
                                member->head.name, service->members[i].head.name);
            site_findings_remedy(findings, "give it a port or a node of its own");
            return;
        }
    }
}

/* All of them are in one zone although there are others. */
static void site_judge_one_zone(const struct site *site, const struct site_service *service,
                                struct site_findings *findings)
{
    const char *zone = NULL;

    for (size_t i = 0; i < service->members_count; i++) {
        const struct site_node *node = site_member_node(site, &service->members[i]);
        if (node == NULL || node->zone == NULL || (zone != NULL && strcmp(zone, node->zone) != 0)) {
            return;
        }
        zone = node->zone;
    }
    if (service->members_count > 1 && site_judge_zones(site) > 1) {
        site_findings_warn(findings, service->head.at,
                           "%s: all its members are in zone %s, and fail together",
                           service->head.name, zone);
        site_findings_remedy(findings, "put members into other zones too");
    }
}

static void site_judge_counts(const struct site *site, const struct site_service *service,
                              struct site_findings *findings)
{
    const char *name = service->head.name;
    struct site_mark at = service->head.at;
    size_t able = 0;
    size_t active = 0;

    for (size_t i = 0; i < service->members_count; i++) {
        able += service->members[i].priority > 0 ? 1 : 0;
        active += service->members[i].role == SITE_ROLE_ACTIVE ? 1 : 0;
    }
    if (service->kind == SITE_MYSQL ? active > 1 : false) {
        site_findings_error(findings, at, "%s: %zu active members, which do not know each other",
                            name, active);
        site_findings_remedy(findings, "write role: standby for all but one");
    } else if (active == 0) {
        site_findings_error(findings, at, "%s: no member is active", name);
        site_findings_remedy(findings, "leave role: standby away for at least one");
    }
    bool is_web = service->kind == SITE_HTTP || service->kind == SITE_TCP;
    if (able == 0 && !is_web) {
        site_findings_error(findings, at, "%s: no member may ever be the master or writer", name);
        site_findings_remedy(findings, "leave priority: 0 away for at least one");
    }
    if (service->members_count == 1 && site->nodes_count > 1 &&
        service->members[0].address == NULL) {
        site_findings_warn(findings, at, "%s: one member, so nothing serves when it fails", name);
        site_findings_remedy(findings, "add a second one on another node");
    } else if (service->kind == SITE_GALERA && service->members_count == 2) {
        site_findings_warn(findings, at,
                           "%s: of two Galera nodes neither serves when one is cut off", name);
        site_findings_remedy(findings, "add a third node, or an arbitrator (garbd) beside them");
    }
}

/* ---- services ---- */

static void site_judge_probe(const struct site_service *service, struct site_findings *findings)
{
    const struct site_probe *probe = &service->probe;
    bool is_sql = service->kind == SITE_GALERA || service->kind == SITE_MYSQL;

    if (is_sql && probe->password_file == NULL) {
        site_findings_warn(findings,
                           site_is_given(&probe->head) ? probe->head.at : service->head.at,
                           "%s: the probe logs in without a password", service->head.name);
        site_findings_remedy(findings, "write probe: {password_file: /etc/holdfast/%s.password}",
                             service->head.name);
    }
    if (service->kind == SITE_HTTP && probe->path != NULL && probe->path[0] != '/') {
        site_findings_error(findings, site_mark_of(&probe->head, "path"),
                            "path: does not begin with /");
        site_findings_remedy(findings, "write it like /healthz");
    }
    if (service->kind == SITE_HTTP && probe->method == SITE_METHOD_HEAD && probe->body != NULL) {
        site_findings_error(findings, site_mark_of(&probe->head, "body"),
                            "body: the answer to HEAD has none");
        site_findings_remedy(findings, "write method: GET, or leave body: away");
    }
}

static void site_judge_service(const struct site *site, const struct site_service *service,
                               struct site_findings *findings)
{
    for (size_t i = 0; i < service->members_count; i++) {
        site_judge_member(site, service, i, findings);
    }
    if (service->kind == SITE_KIND_NONE) {
        return; /* that was found, and what the rest means is not known */
    }
    if (service->members_count > 0) {
        site_judge_counts(site, service, findings);
        site_judge_one_zone(site, service, findings);
    }
    site_judge_probe(service, findings);
    site_judge_endpoint(site, service, &service->endpoint, findings);
    site_judge_endpoint(site, service, &service->read_endpoint, findings);
}

/* ---- files ---- */

static bool site_judge_is_shared(const char *path)
{
    static const char *const places[] = {"/tmp/", "/var/tmp/", "/dev/shm/"};

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        if (strncmp(path, places[i], strlen(places[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void site_judge_file(const struct site_option *option, const struct site_head *head,
                            const char *path, struct site_findings *findings)
{
    bool is_secret =
        strstr(option->key, "password") != NULL || strcmp(option->key, "key_file") == 0;
    bool is_state = strcmp(option->key, "state_directory") == 0;

    if ((is_secret || is_state) && path != NULL && site_judge_is_shared(path)) {
        site_findings_warn(findings, site_mark_of(head, option->key),
                           is_state ? "%s: what must last is not there after a restart"
                                    : "%s: where anyone may put files is no place for a secret",
                           option->key);
        site_findings_remedy(findings, is_state ? "write /var/lib/holdfast"
                                                : "put it into /etc/holdfast, owned by root");
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the table */
static void site_judge_files(enum site_place place, const void *element,
                             struct site_findings *findings)
{
    for (size_t i = 0; i < site_option_count(); i++) {
        const struct site_option *option = site_option_at(i);
        const char *field = (const char *)element + option->offset;
        if (option->place != place) {
            continue;
        }
        if (option->kind == SITE_VALUE_BLOCK) {
            site_judge_files(option->block, field, findings);
        } else if (option->kind == SITE_VALUE_FILE) {
            site_judge_file(option, element, *(const char *const *)(const void *)field, findings);
        } else if (option->kind == SITE_VALUE_MAP) {
            const char *items = *(const char *const *)(const void *)field;
            size_t count =
                *(const size_t *)(const void *)((const char *)element + option->count_offset);
            size_t size = site_option_place(option->block)->size;
            for (size_t j = 0; j < count; j++) {
                site_judge_files(option->block, items + j * size, findings);
            }
        }
    }
}

static void site_judge_tls(const struct site_tls *tls, struct site_findings *findings)
{
    if ((tls->cert_file == NULL) != (tls->key_file == NULL)) {
        site_findings_error(findings, tls->head.at, "a certificate and its key go together");
        site_findings_remedy(findings, "write both cert_file: and key_file:");
    }
}

/* Strangers are some of the clients, also where only the clients were bounded. */
static void site_judge_bound_strangers(struct site_endpoint *endpoint)
{
    if (!site_judge_is_written(&endpoint->head, "strangers") &&
        endpoint->strangers_max > endpoint->clients_max) {
        endpoint->strangers_max = endpoint->clients_max;
    }
}

/* Defaults that follow from other keys. */
static void site_judge_derive(struct site *site)
{
    for (size_t i = 0; i < site->services_count; i++) {
        struct site_service *service = &site->services[i];
        site_judge_bound_strangers(&service->endpoint);
        site_judge_bound_strangers(&service->read_endpoint);
        for (size_t j = 0; j < service->members_count; j++) {
            struct site_member *member = &service->members[j];
            if (member->node == NULL && member->address == NULL) {
                member->node = conf_set_copy(member->head.name);
            }
        }
    }
}

void site_judge(struct site *site, struct site_findings *findings)
{
    site_judge_derive(site);
    site_judge_addresses(site, findings);
    site_judge_monitors(site, findings);
    for (size_t i = 0; i < site->services_count; i++) {
        site_judge_service(site, &site->services[i], findings);
        site_judge_tls(&site->services[i].tls, findings);
        site_judge_tls(&site->services[i].probe.tls, findings);
    }
    site_judge_nodes(site, &site->haproxy.nodes, findings);
    site_judge_tls(&site->tls, findings);
    if (site->tls.is_on && site->tls.cert_file == NULL) {
        site_findings_error(findings, site->tls.head.at,
                            "TLS between the nodes needs a certificate");
        site_findings_remedy(findings, "write ca_file:, cert_file: and key_file:");
    }
    site_judge_files(SITE_PLACE_TOP, site, findings);
    site_judge_listens(site, findings);
}
