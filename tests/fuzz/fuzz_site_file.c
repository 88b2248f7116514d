/* Any bytes as a site file: parsed, judged, and when right also compared with itself. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/site.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct site *site)
{
    struct site_machine machine = {.hostname = "a"};
    struct buf plan = {0};
    struct err err;
    bool needs_restart = false;

    ASSERT(site->name != NULL && site->state_directory != NULL);
    ASSERT(site->nodes_count > 0 && site->nodes_count <= SITE_NODES_MAX);
    for (size_t i = 0; i < site->services_count; i++) {
        const struct site_service *service = &site->services[i];
        ASSERT(service->kind != SITE_KIND_NONE && service->members_count > 0);
        for (size_t j = 0; j < service->members_count; j++) {
            ASSERT(service->members[j].port > 0);
            ASSERT(site_member_host(site, &service->members[j]) != NULL);
        }
        ASSERT(service->kind != SITE_REDIS || site->monitors.nodes.count > 0);
        (void)site_endpoint_is_on(site, service, &service->endpoint,
                                  &site->nodes[0]); /* no crash */
    }
    (void)site_find_node(site, &machine, &err); /* no crash */
    ASSERT(site_diff(site, site, &plan, &needs_restart) == 0 && !needs_restart);
    buf_finish(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct site site;
    struct site_findings findings = {0};
    /* without a '\0' behind it, for the sanitizer to see */
    char *text = malloc(size == 0 ? 1 : size);

    ASSERT(text != NULL);
    memcpy(text, data, size);
    if (site_parse(text, size, &site, &findings)) {
        ASSERT(findings.errors_count == 0);
        use(&site);
        site_finish(&site);
    } else {
        ASSERT(findings.count > 0); /* nothing is refused without a word */
    }
    for (size_t i = 1; i < findings.count; i++) {
        ASSERT(findings.items[i].at.line >= findings.items[i - 1].at.line);
    }
    ASSERT(findings.count <= SITE_FINDINGS_MAX);
    site_findings_finish(&findings);
    free(text);
    return 0;
}
