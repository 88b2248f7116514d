/* The replicas that may serve reads: named by a monitor, of the master's history, near enough. */
#include "router/finder_inside.h"

#include <string.h>

#include "loop/log.h"

bool finder_wants_replicas(const struct finder *finder)
{
    return finder->conf->replica_listens_count > 0;
}

static void replicas_want(struct finder *finder, const struct addr *at)
{
    struct finder_server *server = finder_server_find(finder, at);

    if (server == NULL && finder->servers_count < FINDER_SERVERS_MAX - CHOICE_SERVERS_MAX) {
        server = finder_server_create(finder, at);
        finder->servers[finder->servers_count++] = server;
    }
    if (server != NULL) {
        server->is_replica = true;
    }
}

/* What any monitor holds for well is asked: it says itself how far it is. */
void finder_replicas_list(struct finder *finder)
{
    size_t count = 0;

    for (size_t i = 0; i < finder->servers_count; i++) {
        finder->servers[i]->is_replica = false;
        finder->servers[i]->wants_info = false;
    }
    if (!finder_wants_replicas(finder)) {
        return;
    }
    for (size_t i = 0; i < finder->watches_count; i++) {
        const struct finder_watch *w = &finder->watches[i];
        for (size_t k = 0; w->ask.is_open && k < w->said_replicas_count; k++) {
            const struct addr *at = &w->said_replicas[k];
            const struct finder_server *known = finder_server_find(finder, at);
            if ((known == NULL || !known->is_replica) && count < ROUTE_REPLICAS_MAX) {
                replicas_want(finder, at);
                count++;
            }
        }
    }
    for (size_t i = 0; i < finder->servers_count; i++) {
        struct finder_server *server = finder->servers[i];
        server->wants_info =
            server->is_replica || addr_same(&server->at, &finder->choice.route.master);
        if (server->wants_info && !server->asked_info && server->replies_left == 0) {
            server->asked_at_ms = 0; /* at once */
        }
    }
}

/* One that serves already may be as far behind as allowed; another must be well within: so that it
 * does not come and go. */
static bool replicas_is_fit(const struct finder *finder, const struct finder_server *master,
                            const struct finder_server *server, const char **why)
{
    const struct router_conf *conf = finder->conf;
    uint64_t lag_max =
        server->is_serving ? conf->replica_lag_max_bytes : conf->replica_lag_max_bytes / 2;

    if (server->offset < 0) {
        *why = "it does not say how far it is";
    } else if (!server->says_replica) {
        *why = "it is no replica";
    } else if (server->silence_s < 0 || server->silence_s * 1000 > conf->replica_silence_max_ms) {
        *why = "it does not hear of its master";
    } else if (master == NULL || master->replid[0] == '\0') {
        *why = "how far the master is was never known";
    } else if (strcmp(server->replid, master->replid) != 0) {
        *why = "its history is not the master's";
    } else if (master->offset > server->offset &&
               (uint64_t)(master->offset - server->offset) > lag_max) {
        *why = "it is too far behind";
    } else {
        *why = "it is near enough";
        return true;
    }
    return false;
}

static bool replicas_judge_one(struct finder *finder, const struct finder_server *master,
                               struct finder_server *server)
{
    char text[ADDR_TEXT_MAX];
    const char *why = "no monitor holds it for a replica that is well";
    bool is_master = addr_same(&server->at, &finder->choice.route.master);
    bool is_fit = server->is_replica && !is_master && (server->is_serving || server->offset >= 0) &&
                  replicas_is_fit(finder, master, server, &why);

    if (is_fit == server->is_serving) {
        return false;
    }
    server->is_serving = is_fit;
    log_notice("%s: replica %s %s: %s", finder->conf->master, addr_text(&server->at, text),
               is_fit ? "serves reads" : "serves no reads", is_master ? "it is the master" : why);
    return true;
}

bool finder_replicas_judge(struct finder *finder)
{
    const struct finder_server *master = NULL;
    bool has_changed = false;

    if (addr_is_set(&finder->choice.route.master)) {
        master = finder_server_find(finder, &finder->choice.route.master);
    }
    for (size_t i = 0; i < finder->servers_count; i++) {
        has_changed |= replicas_judge_one(finder, master, finder->servers[i]);
    }
    return has_changed;
}
