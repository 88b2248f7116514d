#include "member_world.h"

#include <ctype.h>
#include <string.h>

static const char *const cast_names[CAST_MAX] = {"a", "b", "c", "d", "e", "f", "g", "h"};

void cast_set(struct cast *c, size_t i, char letter)
{
    struct choice_member *member = &c->members[i];
    char verdict = (char)toupper((unsigned char)letter);

    member->is_drained = letter != verdict;
    member->verdict = verdict == 'R'   ? VERDICT_READY
                      : verdict == 'A' ? VERDICT_AVOID
                      : verdict == 'N' ? VERDICT_NOT_READY
                      : verdict == 'U' ? VERDICT_UNREACHABLE
                                       : VERDICT_UNKNOWN;
    member->reason = verdict == 'R'   ? "Synced"
                     : verdict == 'A' ? "Donor/Desynced"
                     : verdict == 'N' ? "non-Primary component"
                     : verdict == 'U' ? "connection refused"
                                      : "";
}

void cast_begin(struct cast *c, const char *verdicts)
{
    *c = (struct cast){.count = strlen(verdicts)};
    assert_true(c->count <= CAST_MAX);
    for (size_t i = 0; i < c->count; i++) {
        c->members[i] = (struct choice_member){
            .name = cast_names[i],
            .priority = MEMBER_PRIORITY_DEFAULT,
            .weight = MEMBER_WEIGHT_DEFAULT,
            .permille = HEALTH_PERMILLE,
        };
        cast_set(c, i, verdicts[i]);
    }
}

int cast_index(char name)
{
    return name == '-' ? MEMBER_NONE : name - 'a';
}

char cast_name(int i)
{
    return i == MEMBER_NONE ? '-' : (char)('a' + i);
}
