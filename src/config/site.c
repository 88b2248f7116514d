#include "config/site.h"

#include <string.h>

#include "config/site_room.h"

/* Some editors put it in front of UTF-8. */
#define SITE_BYTE_ORDER_MARK "\xef\xbb\xbf"

bool site_parse(const char *text, size_t len, struct site *site, struct site_findings *findings)
{
    struct site made = {0};
    yaml_document_t document;
    struct site_walk walk = {.document = &document, .findings = findings};

    if (len >= strlen(SITE_BYTE_ORDER_MARK) &&
        strncmp(text, SITE_BYTE_ORDER_MARK, strlen(SITE_BYTE_ORDER_MARK)) == 0) {
        text += strlen(SITE_BYTE_ORDER_MARK);
        len -= strlen(SITE_BYTE_ORDER_MARK);
    }
    if (site_text_check(text, len, findings) && site_yaml_load(text, len, &document, findings)) {
        site_walk_file(&walk, &made);
        yaml_document_delete(&document);
        site_judge(&made, findings);
    }
    site_findings_sort(findings);
    if (findings->errors_count > 0) {
        site_finish(&made);
        return false;
    }
    *site = made;
    return true;
}

void site_finish(struct site *site)
{
    site_option_finish(SITE_PLACE_TOP, site);
}

const struct site_node *site_node(const struct site *site, const char *name)
{
    for (size_t i = 0; i < site->nodes_count; i++) {
        if (strcmp(site->nodes[i].head.name, name) == 0) {
            return &site->nodes[i];
        }
    }
    return NULL;
}

const struct site_node *site_member_node(const struct site *site, const struct site_member *member)
{
    return member->node == NULL ? NULL : site_node(site, member->node);
}

const char *site_member_host(const struct site *site, const struct site_member *member)
{
    const struct site_node *node = site_member_node(site, member);

    return node == NULL ? member->address : node->address;
}

bool site_is_given(const struct site_head *head)
{
    return head->at.line != 0;
}

struct site_mark site_mark_of(const struct site_head *head, const char *key)
{
    for (size_t i = 0; i < head->given_count; i++) {
        if (strcmp(head->given[i].key, key) == 0) {
            return head->given[i].at;
        }
    }
    return head->at;
}

bool site_names_have(const struct site_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].text, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Some member of an http service, or of this one, runs on the node. */
static bool site_has_web_member(const struct site *site, const struct site_service *only,
                                const struct site_node *node, bool *is_any)
{
    *is_any = false;
    for (size_t i = 0; i < site->services_count; i++) {
        const struct site_service *service = &site->services[i];
        bool is_looked_at = only == NULL ? service->kind == SITE_HTTP : service == only;
        for (size_t j = 0; j < service->members_count && is_looked_at; j++) {
            const char *name = service->members[j].node;
            *is_any = *is_any || name != NULL;
            if (name != NULL && strcmp(name, node->head.name) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Applications reach what they need on their own machine; what they serve, where they are. */
bool site_endpoint_is_on(const struct site *site, const struct site_service *service,
                         const struct site_endpoint *endpoint, const struct site_node *node)
{
    bool is_web = service->kind == SITE_HTTP || service->kind == SITE_TCP;
    bool is_any = false;

    if (!site_is_given(&endpoint->head)) {
        return false;
    }
    if (endpoint->nodes.count > 0) {
        return site_names_have(&endpoint->nodes, node->head.name);
    }
    return site_has_web_member(site, is_web ? service : NULL, node, &is_any) || !is_any;
}

unsigned site_quorum(const struct site *site, const struct site_service *service)
{
    unsigned majority = (unsigned)(site->monitors.nodes.count / 2 + 1);

    return service->quorum == 0 ? majority : service->quorum;
}
