#include "choice_world.h"

struct addr server(char name)
{
    struct addr addr;

    assert_true(addr_set(&addr, "10.0.0.1", (uint16_t)(6300 + name)));
    return addr;
}

void world_begin(struct world *w, size_t monitors)
{
    w->now = 1000000;
    master_choice_init(&w->c, monitors, SILENT_MS, HOLD_MS);
}

bool judge(struct world *w)
{
    return master_choice_judge(&w->c, w->now);
}

void pass(struct world *w, msec_t ms)
{
    w->now += ms;
    (void)judge(w); /* the route is looked at */
}

void say(struct world *w, size_t monitor, char name, uint64_t epoch)
{
    struct addr addr = name != '-' ? server(name) : (struct addr){0};

    master_choice_told(&w->c, monitor, &addr, epoch, w->now);
    (void)judge(w);
}

void all_say(struct world *w, char name, uint64_t epoch)
{
    for (size_t i = 0; i < w->c.monitors; i++) {
        say(w, i, name, epoch);
    }
}

void role(struct world *w, char name, enum choice_role role)
{
    struct addr addr = server(name);

    master_choice_role(&w->c, &addr, role, w->now);
    (void)judge(w);
}

void selected(struct world *w, size_t monitor, char of, char replica)
{
    struct addr from = server(of);
    struct addr to = server(replica);

    master_choice_selected(&w->c, monitor, &from, &to, w->now);
    (void)judge(w);
}

void aborted(struct world *w, size_t monitor)
{
    master_choice_aborted(&w->c, monitor);
    (void)judge(w);
}

bool is_asked(const struct world *w, char name)
{
    struct addr addr = server(name);

    for (size_t i = 0; i < w->c.servers_count; i++) {
        if (addr_same(&w->c.servers[i].addr, &addr)) {
            return true;
        }
    }
    return false;
}

bool is_urgent(const struct world *w, char name)
{
    struct addr addr = server(name);

    for (size_t i = 0; i < w->c.servers_count; i++) {
        if (addr_same(&w->c.servers[i].addr, &addr)) {
            return w->c.servers[i].is_urgent;
        }
    }
    return false;
}

void expect(const struct world *w, enum choice_state state, char name, uint64_t generation)
{
    const struct choice_route *route = &w->c.route;

    assert_int_equal(route->state, state);
    assert_int_equal(route->master.port, name != '-' ? 6300 + name : 0);
    assert_int_equal(route->generation, generation);
}

void world_of_a(struct world *w)
{
    world_begin(w, 3);
    all_say(w, 'A', 1);
    role(w, 'A', CHOICE_ROLE_MASTER);
    expect(w, CHOICE_OPEN, 'A', 1);
    assert_int_equal(w->c.route.epoch, 1);
}
