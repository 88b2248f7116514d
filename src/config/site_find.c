/* Which node of the site this machine is. */
#include <string.h>

#include "base/text.h"
#include "config/site_room.h"

struct site_search {
    const struct site *site;
    const struct site_machine *machine;
    const struct site_node *found;
    size_t count;
    struct buf names; /* of those found */
};

/* "db1" and "db1.example.net" are one machine. */
static bool site_find_is_host(const char *hostname, const char *name)
{
    char own[ADDR_NAME_MAX];
    size_t len = strcspn(hostname, ".");

    if (text_same(hostname, name)) {
        return true;
    }
    if (len >= sizeof(own) || hostname[len] == '\0') {
        return false;
    }
    memcpy(own, hostname, len);
    own[len] = '\0';
    return text_same(own, name);
}

static bool site_find_by_name(const struct site_machine *machine, const struct site_node *node)
{
    return machine->hostname != NULL && (site_find_is_host(machine->hostname, node->head.name) ||
                                         text_same(machine->hostname, node->address));
}

static bool site_find_by_address(const struct site_machine *machine, const struct site_node *node)
{
    struct addr at = {0};

    if (!addr_set(&at, node->address, 0) || at.ip[0] == '\0') {
        return false;
    }
    for (size_t i = 0; i < machine->addresses_count; i++) {
        if (strcmp(machine->addresses[i], at.ip) == 0) {
            return true;
        }
    }
    return false;
}

static void site_find_all(struct site_search *search,
                          bool (*is_it)(const struct site_machine *machine,
                                        const struct site_node *node))
{
    for (size_t i = 0; i < search->site->nodes_count; i++) {
        const struct site_node *node = &search->site->nodes[i];
        if (is_it(search->machine, node)) {
            buf_printf(&search->names, "%s%s", search->count == 0 ? "" : ", ", node->head.name);
            search->found = node;
            search->count++;
        }
    }
}

static void site_find_names(const struct site *site, struct buf *out)
{
    for (size_t i = 0; i < site->nodes_count; i++) {
        buf_printf(out, "%s%s (%s)", i == 0 ? "" : ", ", site->nodes[i].head.name,
                   site->nodes[i].address);
    }
}

static void site_find_fail(const struct site_search *search, struct err *err)
{
    struct buf all = {0};

    site_find_names(search->site, &all);
    if (search->machine->node != NULL) {
        (void)err_set(err, "there is no node %s; write --node with one of %s",
                      search->machine->node, buf_data(&all)); /* false, always */
    } else if (search->count > 1) {
        (void)err_set(err, "this machine may be each of %s; write --node NAME",
                      buf_data(&search->names)); /* false, always */
    } else {
        (void)err_set(err,
                      "neither its host name %s nor an address of this machine is that of a node; "
                      "write --node with one of %s",
                      search->machine->hostname == NULL ? "(none)" : search->machine->hostname,
                      buf_data(&all)); /* false, always */
    }
    buf_finish(&all);
}

const struct site_node *site_find_node(const struct site *site, const struct site_machine *machine,
                                       struct err *err)
{
    struct site_search search = {.site = site, .machine = machine};

    if (machine->node != NULL) {
        search.found = site_node(site, machine->node);
        search.count = search.found == NULL ? 0 : 1;
    } else {
        site_find_all(&search, site_find_by_name);
        if (search.count == 0) {
            site_find_all(&search, site_find_by_address);
        }
    }
    if (search.count != 1) {
        search.found = NULL;
        site_find_fail(&search, err);
    }
    buf_finish(&search.names);
    return search.found;
}

bool site_listen_on(const struct site_listen *listen, const struct site_node *node,
                    struct router_listen *to, struct err *err)
{
    struct router_listen found = listen->to;

    if (listen->is_own_address && !addr_set(&found.at, node->address, found.at.port)) {
        return err_set(err, "%s: not an address", node->address);
    }
    *to = found;
    return true;
}
