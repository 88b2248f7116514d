#include "pool/member_choice.h"

#include "base/assert.h"

_Static_assert(MEMBERS_MAX == sizeof(uint32_t) * 8, "a set of members is one uint32_t");

bool choice_is_usable(const struct choice_member *member)
{
    return verdict_serves(member->verdict) && !member->is_drained;
}

/* By itself, that is: without a switchover. */
static bool choice_may_serve(const struct choice_member *member, enum member_rule rule)
{
    return !member->is_drained &&
           (rule == MEMBER_RULE_SINGLE_WRITER ? member->priority != MEMBER_PRIORITY_NEVER
                                              : member->weight > 0);
}

bool choice_may_drain(const struct choice_member *members, size_t count, size_t i,
                      enum member_rule rule, struct err *why)
{
    const struct choice_member *member = &members[i];
    size_t others = 0;
    size_t others_usable = 0;

    ASSERT(i < count && count <= MEMBERS_MAX);
    if (member->is_drained) {
        return true;
    }
    for (size_t k = 0; k < count; k++) {
        bool is_other = k != i && choice_may_serve(&members[k], rule);
        others += is_other;
        others_usable += is_other && choice_is_usable(&members[k]);
    }
    if (others == 0) {
        return err_set(why,
                       "%s is the only member that is left to serve: undrain another first, or "
                       "drain it with --force",
                       member->name);
    }
    if (others_usable == 0 && choice_is_usable(member)) {
        return err_set(why,
                       "%s is the only member that serves now (%zu other%s not): wait until "
                       "another does, or drain it with --force",
                       member->name, others, others == 1 ? " does" : "s do");
    }
    return true;
}

void choice_explain_none(const struct choice_member *members, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct choice_member *member = &members[i];
        bool has_reason = member->reason != NULL && member->reason[0] != '\0';

        buf_printf(out, "%s%s: ", i > 0 ? "; " : "", member->name);
        if (member->is_drained) {
            buf_append_text(out, "drained by the operator");
        } else if (has_reason && member->verdict != VERDICT_UNKNOWN) {
            buf_printf(out, "%s: %s", verdict_text(member->verdict), member->reason);
        } else {
            buf_append_text(out, verdict_text(member->verdict));
        }
    }
    if (count == 0) {
        buf_append_text(out, "the service has no members");
    }
}
