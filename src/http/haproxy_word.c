#include "http/haproxy_word.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"

static struct haproxy_word word_down(const char *why)
{
    struct haproxy_word word = {.state = HAPROXY_DOWN};
    size_t len = strnlen(why, sizeof(word.reason) - 1);

    for (size_t i = 0; i < len; i++) {
        word.reason[i] = '?';
        if (why[i] >= 0x20 && why[i] < 0x7f) {
            word.reason[i] = why[i];
        }
    }
    return word;
}

static bool word_has_ready_member(const struct view_service *service)
{
    for (size_t i = 0; i < service->members_count; i++) {
        const struct view_member *member = &service->members[i];
        if (member->verdict == VERDICT_READY && !member->is_drained) {
            return true;
        }
    }
    return false;
}

/* At least 1: HAProxy takes 0 as "nothing new". */
static uint32_t word_weight_percent(const struct view_member *member)
{
    uint32_t percent = member->weight_permille / 10;

    return percent < 1 ? 1 : percent > 100 ? 100 : percent;
}

static struct haproxy_word word_of_verdict(const struct view_service *service,
                                           const struct view_member *member)
{
    struct haproxy_word up = {.state = HAPROXY_UP, .weight_percent = word_weight_percent(member)};

    switch (member->verdict) {
    case VERDICT_UNKNOWN:
        return (struct haproxy_word){.state = HAPROXY_NOTHING};
    case VERDICT_READY:
        return up;
    case VERDICT_AVOID:
        /* the chosen writer stays it, whatever the others are */
        if (!service->has_one_writer && word_has_ready_member(service)) {
            up.weight_percent = 0;
        }
        return up;
    case VERDICT_NOT_READY:
    case VERDICT_UNREACHABLE:
        return word_down(member->reason[0] == '\0' ? verdict_text(member->verdict)
                                                   : member->reason);
    }
    UNREACHABLE("a verdict of no name");
}

struct haproxy_word haproxy_word(const struct site_view *view, const char *service_name,
                                 const char *member_name)
{
    const struct view_service *service = site_view_service(view, service_name);
    const struct view_member *member =
        service == NULL ? NULL : view_service_member(service, member_name);

    if (view->generation == 0) { /* just started: whatever is asked for may exist */
        return (struct haproxy_word){.state = HAPROXY_NOTHING};
    }
    if (member == NULL) {
        return word_down("unknown member");
    }
    if (service->needs_majority && !view->has_majority) {
        return word_down("this node hears no majority of the monitors");
    }
    if (member->is_drained) {
        return (struct haproxy_word){.state = HAPROXY_DRAIN};
    }
    struct haproxy_word word = word_of_verdict(service, member);
    if (service->has_one_writer && !member->is_writer && word.state == HAPROXY_UP) {
        return word_down("not the writer");
    }
    return word;
}

void haproxy_agent_line(const struct haproxy_word *word, char line[HAPROXY_LINE_MAX])
{
    int len = 0;

    switch (word->state) {
    case HAPROXY_NOTHING:
        len = snprintf(line, HAPROXY_LINE_MAX, "\n");
        break;
    case HAPROXY_UP:
        len = snprintf(line, HAPROXY_LINE_MAX, "up ready %u%%\n", word->weight_percent);
        break;
    case HAPROXY_DRAIN:
        len = snprintf(line, HAPROXY_LINE_MAX, "drain\n");
        break;
    case HAPROXY_DOWN:
        len = snprintf(line, HAPROXY_LINE_MAX, "down #%s\n", word->reason);
        break;
    }
    ASSERT(len > 0 && len < HAPROXY_LINE_MAX);
}
