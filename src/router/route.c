#include "router/route.h"

#include "base/assert.h"

const char *route_state_text(enum route_state state)
{
    switch (state) {
    case ROUTE_UNKNOWN:
        return "no master";
    case ROUTE_OPEN:
        return "open";
    case ROUTE_HOLD_WRITES:
        return "holding writes";
    }
    UNREACHABLE("a state of no name");
}
