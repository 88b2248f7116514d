/* Who votes: chosen when the file does not say, and whether they can. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "config/config_room.h"
#include "config/site_room.h"

enum {
    SITE_MONITORS_CHOSEN_MAX = 5, /* bears the loss of two; more only talk more */
};

static bool site_judge_has_redis(const struct site *site, const struct site_node *node)
{
    for (size_t i = 0; i < site->services_count; i++) {
        const struct site_service *service = &site->services[i];
        for (size_t j = 0; j < service->members_count && service->kind == SITE_REDIS; j++) {
            if (site_member_node(site, &service->members[j]) == node) {
                return true;
            }
        }
    }
    return false;
}

static bool site_judge_any_redis(const struct site *site)
{
    for (size_t i = 0; i < site->services_count; i++) {
        if (site->services[i].kind == SITE_REDIS) {
            return true;
        }
    }
    return false;
}

/* ---- the choice ---- */

static size_t site_judge_in_zone(const struct site *site, const char *zone)
{
    size_t count = 0;

    for (size_t i = 0; i < site->monitors.nodes.count; i++) {
        const struct site_node *node = site_node(site, site->monitors.nodes.items[i].text);
        if (node != NULL && node->zone != NULL && strcmp(node->zone, zone) == 0) {
            count++;
        }
    }
    return count;
}

/* A node that is no monitor yet, where there are the fewest of them; NULL: there is none. */
static const struct site_node *site_judge_next(const struct site *site, bool wants_redis)
{
    const struct site_node *best = NULL;
    size_t best_count = SIZE_MAX;

    for (size_t i = 0; i < site->nodes_count; i++) {
        const struct site_node *node = &site->nodes[i];
        if (site_names_have(&site->monitors.nodes, node->head.name) ||
            (wants_redis && !site_judge_has_redis(site, node))) {
            continue;
        }
        size_t count = node->zone == NULL ? 0 : site_judge_in_zone(site, node->zone);
        if (count < best_count) {
            best = node;
            best_count = count;
        }
    }
    return best;
}

static void site_judge_add(struct site *site, const struct site_node *node)
{
    struct site_names *names = &site->monitors.nodes;

    names->items = conf_set_grow(names->items, names->count, sizeof(*names->items));
    names->items[names->count++] =
        (struct site_name){.text = memory_text(node->head.name), .at = node->head.at};
}

/* The data nodes, then one more when they are even; one less when there is no more. */
static void site_judge_choose(struct site *site)
{
    struct site_names *names = &site->monitors.nodes;
    const struct site_node *node = site_judge_next(site, true);

    while (node != NULL && names->count < SITE_MONITORS_CHOSEN_MAX) {
        site_judge_add(site, node);
        node = site_judge_next(site, true);
    }
    if (names->count % 2 == 1) {
        return;
    }
    node = site_judge_next(site, false);
    if (node != NULL) {
        site_judge_add(site, node);
    } else if (names->count > 0) {
        names->count--;
        free(names->items[names->count].text);
    }
}

/* ---- whether they can ---- */

static void site_judge_number(const struct site *site, struct site_mark at,
                              struct site_findings *findings)
{
    size_t count = site->monitors.nodes.count;

    if (count > SITE_MONITORS_MAX) {
        site_findings_error(findings, at, "%zu monitors are too many", count);
        site_findings_remedy(findings, "three or five are enough");
    } else if (count == 2) {
        site_findings_error(
            findings, at, "two monitors: a quorum of two, that the loss of one makes unreachable");
        site_findings_remedy(findings, "name a third node; a small one without data will do");
    } else if (count % 2 == 0 && count > 0) {
        site_findings_warn(findings, at, "%zu monitors bear no more losses than %zu do", count,
                           count - 1);
        site_findings_remedy(findings, "name an odd number of nodes");
    } else if (count == 1 && site->nodes_count > 1) {
        site_findings_warn(findings, at, "one monitor: without its node nothing fails over");
        site_findings_remedy(findings, site->nodes_count > 2
                                           ? "name three nodes under monitors:"
                                           : "add a third node; a small one without data will do");
    }
}

/* Every cut in two must leave a majority and an acknowledged copy on one side. */
static void site_judge_beside_data(const struct site *site, struct site_findings *findings)
{
    const struct site_name *idle = NULL;
    const struct site_node *lacking = NULL;

    for (size_t i = 0; i < site->monitors.nodes.count; i++) {
        const struct site_node *node = site_node(site, site->monitors.nodes.items[i].text);
        if (node != NULL && !site_judge_has_redis(site, node)) {
            idle = &site->monitors.nodes.items[i];
        }
    }
    for (size_t i = 0; i < site->nodes_count && lacking == NULL; i++) {
        const struct site_node *node = &site->nodes[i];
        if (site_judge_has_redis(site, node) &&
            !site_names_have(&site->monitors.nodes, node->head.name)) {
            lacking = node;
        }
    }
    if (idle != NULL && lacking != NULL) {
        site_findings_warn(findings, idle->at,
                           "%s votes and holds no data, %s holds data and does not vote",
                           idle->text, lacking->head.name);
        site_findings_remedy(findings, "put the monitors on the data nodes: then every cut of the "
                                       "network leaves one side with a majority and the data");
    }
}

static void site_judge_zone_majority(const struct site *site, struct site_mark at,
                                     struct site_findings *findings)
{
    size_t count = site->monitors.nodes.count;

    for (size_t i = 0; i < site->nodes_count && site_judge_zones(site) > 2 && count > 1; i++) {
        const char *zone = site->nodes[i].zone;
        if (zone != NULL && site_judge_in_zone(site, zone) > count / 2) {
            site_findings_warn(findings, at,
                               "most monitors are in zone %s: without it nothing "
                               "fails over",
                               zone);
            site_findings_remedy(findings, "spread them over three zones");
            return;
        }
    }
}

static void site_judge_quorum(const struct site *site, const struct site_service *service,
                              struct site_findings *findings)
{
    size_t count = site->monitors.nodes.count;
    struct site_mark at = site_mark_of(&service->head, "quorum");

    if (service->quorum > count) {
        site_findings_error(findings, at, "a quorum of %u of %zu monitors is never reached",
                            service->quorum, count);
    } else if (service->quorum == count && count > 1) {
        site_findings_error(findings, at,
                            "a quorum of all %zu monitors: the loss of one makes it unreachable",
                            count);
    } else {
        return;
    }
    site_findings_remedy(findings, "leave it away for a majority, which is %zu", count / 2 + 1);
}

void site_judge_monitors(struct site *site, struct site_findings *findings)
{
    bool is_given = site->monitors.nodes.count > 0;
    struct site_mark at = site->head.at;

    site_judge_nodes(site, &site->monitors.nodes, findings);
    if (!site_judge_any_redis(site)) {
        return;
    }
    if (!is_given) {
        site_judge_choose(site);
    }
    for (size_t i = 0; i < site->services_count && !is_given; i++) {
        if (site->services[i].kind == SITE_REDIS) {
            at = site->services[i].head.at;
            break;
        }
    }
    at = is_given ? site_mark_of(&site->monitors.head, "nodes") : at;
    site_judge_number(site, at, findings);
    site_judge_zone_majority(site, at, findings);
    if (is_given) {
        site_judge_beside_data(site, findings);
    }
    for (size_t i = 0; i < site->services_count; i++) {
        if (site->services[i].kind == SITE_REDIS && site->monitors.nodes.count > 0) {
            site_judge_quorum(site, &site->services[i], findings);
        }
    }
}
