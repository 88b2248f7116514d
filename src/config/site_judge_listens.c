/* Two that want the same address of the same node. */
#include <stdlib.h>
#include <string.h>

#include "config/config_room.h"
#include "config/site_room.h"

/* One address, on the node that is looked at. */
struct site_use_of_port {
    unsigned port; /* 0: path */
    const char *host;
    const char *path;
    const char *service; /* whose, "" when none's */
    const char *what;
    bool is_member;
    struct site_mark at;
};

struct site_ports {
    const struct site *site;
    const struct site_node *node;
    struct site_use_of_port *items;
    size_t count;
};

static void site_judge_take(struct site_ports *ports, struct site_use_of_port use)
{
    bool is_somewhere = use.port != 0 ? use.host != NULL : use.path != NULL && use.path[0] != '\0';

    if (!is_somewhere) {
        return; /* what is missing is told elsewhere */
    }
    ports->items = conf_set_grow(ports->items, ports->count, sizeof(*ports->items));
    ports->items[ports->count++] = use;
}

static void site_judge_take_all(struct site_ports *ports, const struct site_listens *listens,
                                const char *service, const char *what)
{
    for (size_t i = 0; i < listens->count; i++) {
        const struct site_listen *listen = &listens->items[i];
        site_judge_take(
            ports, (struct site_use_of_port){
                       .port = listen->to.at.port,
                       .host = listen->is_own_address ? ports->node->address : listen->to.at.ip,
                       .path = listen->to.path,
                       .service = service,
                       .what = what,
                       .at = listen->at,
                   });
    }
}

static void site_judge_take_service(struct site_ports *ports, const struct site_service *service)
{
    const char *name = service->head.name;

    for (size_t i = 0; i < service->members_count; i++) {
        const struct site_member *member = &service->members[i];
        /* by its kind all members have the same port: that is told once */
        bool is_usual = !site_judge_is_written(&member->head, "port");
        if (site_member_node(ports->site, member) == ports->node) {
            site_judge_take(ports, (struct site_use_of_port){
                                       .port = member->port,
                                       .host = ports->node->address,
                                       .service = name,
                                       .what = "a member",
                                       .is_member = true,
                                       .at = is_usual ? service->head.at : member->head.at,
                                   });
        }
    }
    if (site_endpoint_is_on(ports->site, service, &service->endpoint, ports->node)) {
        site_judge_take_all(ports, &service->endpoint.listen, name, "the endpoint");
    }
    if (site_endpoint_is_on(ports->site, service, &service->read_endpoint, ports->node)) {
        site_judge_take_all(ports, &service->read_endpoint.listen, name, "the read endpoint");
    }
}

static void site_judge_collect(struct site_ports *ports)
{
    const struct site *site = ports->site;
    const char *name = ports->node->head.name;

    if (site_names_have(&site->monitors.nodes, name)) {
        site_judge_take(ports, (struct site_use_of_port){
                                   .port = site->monitors.port,
                                   .host = ports->node->address,
                                   .service = "",
                                   .what = "the monitor",
                                   .at = site->monitors.head.at,
                               });
    }
    for (size_t i = 0; i < site->services_count; i++) {
        site_judge_take_service(ports, &site->services[i]);
    }
    site_judge_take_all(ports, &site->health.listen, "", "health");
    site_judge_take_all(ports, &site->health.galera_listen, "", "health (galera_listen)");
    bool has_haproxy =
        site->haproxy.nodes.count == 0 || site_names_have(&site->haproxy.nodes, name);
    if (site_is_given(&site->haproxy.head) && has_haproxy) {
        site_judge_take_all(ports, &site->haproxy.agent_listen, "", "haproxy (agent_listen)");
    }
}

/* By port, and within it in the order of the file. */
static int site_judge_order(const void *left, const void *right)
{
    const struct site_use_of_port *a = left;
    const struct site_use_of_port *b = right;

    if (a->port != b->port) {
        return a->port < b->port ? -1 : 1;
    }
    if (a->at.line != b->at.line) {
        return a->at.line < b->at.line ? -1 : 1;
    }
    return a->at.column < b->at.column ? -1 : a->at.column > b->at.column;
}

static bool site_judge_clash(const struct site_use_of_port *a, const struct site_use_of_port *b)
{
    if (a->is_member && b->is_member && a->service == b->service) {
        return false; /* found where its members are judged */
    }
    if (a->port == 0) {
        return strcmp(a->path, b->path) == 0;
    }
    return strcmp(a->host, b->host) == 0 || site_address_is_wildcard(a->host) ||
           site_address_is_wildcard(b->host);
}

/* What one place of the file was told already is not told again for the next node. */
static bool site_judge_was_told(const struct site_findings *findings, struct site_mark at)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct site_finding *found = &findings->items[i];
        if (found->at.line == at.line && found->at.column == at.column &&
            found->severity == SITE_ERROR) {
            return true;
        }
    }
    return findings->count == SITE_FINDINGS_MAX;
}

static void site_judge_tell(const struct site_ports *ports, const struct site_use_of_port *use,
                            const struct site_use_of_port *other, struct site_findings *findings)
{
    struct site_mark at = use->at.line == 0 ? other->at : use->at;
    struct site_mark there = use->at.line == 0 ? use->at : other->at;
    struct buf text = {0};

    if (site_judge_was_told(findings, at)) {
        return;
    }
    if (use->port == 0) {
        buf_printf(&text, "unix:%s", use->path);
    } else {
        buf_printf(&text, "port %u", use->port);
    }
    site_findings_error(findings, at, "%s of node %s is wanted twice: by %s%s%s and by %s%s%s",
                        buf_data(&text), ports->node->head.name, other->what,
                        other->service[0] == '\0' ? "" : " of ", other->service, use->what,
                        use->service[0] == '\0' ? "" : " of ", use->service);
    if (there.line > 0) {
        site_findings_remedy(findings, "the other is in line %d; choose another port or address",
                             there.line);
    } else {
        site_findings_remedy(findings, "choose another port");
    }
    buf_finish(&text);
}

static void site_judge_ports(struct site_ports *ports, struct site_findings *findings)
{
    size_t first = 0; /* of those with the same port */

    for (size_t j = 1; j < ports->count; j++) {
        first = ports->items[j].port == ports->items[first].port ? first : j;
        for (size_t k = first; k < j; k++) {
            if (site_judge_clash(&ports->items[k], &ports->items[j])) {
                site_judge_tell(ports, &ports->items[j], &ports->items[k], findings);
                break;
            }
        }
    }
}

void site_judge_listens(const struct site *site, struct site_findings *findings)
{
    for (size_t i = 0; i < site->nodes_count; i++) {
        struct site_ports ports = {.site = site, .node = &site->nodes[i]};
        if (site->nodes[i].address == NULL) {
            continue; /* that was found */
        }
        site_judge_collect(&ports);
        if (ports.count > 0) {
            qsort(ports.items, ports.count, sizeof(*ports.items), site_judge_order);
            site_judge_ports(&ports, findings);
        }
        free(ports.items);
    }
}
