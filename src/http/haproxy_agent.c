#include "http/haproxy_agent.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "loop/conn.h"
#include "loop/log.h"

enum { AGENT_UNKNOWN_MAX = 32 /* names logged; a haproxy.cfg with more is another site's */ };

struct agent_door {
    struct haproxy_agent *agent;
    struct listener *listener;
    char service[VIEW_NAME_MAX];
    char member[VIEW_NAME_MAX];
};

struct agent_client {
    struct agent_client *next;
    struct agent_client *previous;
    struct haproxy_agent *agent;
    struct conn *conn;
    struct loop_timer *deadline;
};

struct haproxy_agent {
    struct loop *loop;
    const struct site_view *view;
    struct agent_door doors[HAPROXY_AGENT_PORTS_MAX];
    size_t doors_count;
    struct agent_client *clients;
    size_t clients_count;
    char unknown[AGENT_UNKNOWN_MAX][HAPROXY_AGENT_ASK_MAX_BYTES];
    size_t unknown_count;
};

/* ---- answers ---- */

static void agent_log_unknown(struct haproxy_agent *agent, const char *asked)
{
    for (size_t i = 0; i < agent->unknown_count; i++) {
        if (strcmp(agent->unknown[i], asked) == 0) {
            return;
        }
    }
    if (agent->unknown_count == AGENT_UNKNOWN_MAX) {
        return; /* enough was said */
    }
    text_cut(agent->unknown[agent->unknown_count++], HAPROXY_AGENT_ASK_MAX_BYTES, asked);
    log_warning(
        "HAProxy's agent-check asks for \"%s\", which is no member of this site: it is told "
        "\"down\"; agent-send must be \"SERVICE/MEMBER\\n\" with the names of the site file",
        asked);
}

static void agent_answer(struct haproxy_agent *agent, struct conn *c, const char *service,
                         const char *member)
{
    struct haproxy_word word = haproxy_word(agent->view, service, member);
    char line[HAPROXY_LINE_MAX];

    haproxy_agent_line(&word, line);
    conn_write_text(c, line);
}

/* "service/member" */
static void agent_answer_asked(struct haproxy_agent *agent, struct conn *c, const char *asked)
{
    char service[HAPROXY_AGENT_ASK_MAX_BYTES];
    const char *slash = strchr(asked, '/');
    const char *member = slash == NULL ? "" : slash + 1;

    text_cut(service, sizeof(service), asked);
    if (slash != NULL) {
        service[slash - asked] = '\0';
    }
    const struct view_service *known = site_view_service(agent->view, service);
    if (agent->view->generation > 0 &&
        (known == NULL || view_service_member(known, member) == NULL)) {
        agent_log_unknown(agent, asked);
    }
    agent_answer(agent, c, service, member);
}

/* ---- clients that ask ---- */

static void agent_client_free(struct agent_client *client)
{
    struct haproxy_agent *agent = client->agent;

    *(client->previous == NULL ? &agent->clients : &client->previous->next) = client->next;
    if (client->next != NULL) {
        client->next->previous = client->previous;
    }
    agent->clients_count--;
    loop_timer_destroy(client->deadline);
    free(client);
}

static void agent_client_close(struct agent_client *client)
{
    conn_close(client->conn);
    agent_client_free(client);
}

static void agent_on_data(void *ctx, struct conn *c, struct buf *in)
{
    struct agent_client *client = ctx;
    char asked[HAPROXY_AGENT_ASK_MAX_BYTES];
    const char *bytes = buf_data(in);
    const char *feed = memchr(bytes, '\n', in->len);
    size_t len = feed == NULL ? in->len : (size_t)(feed - bytes);

    if (len >= sizeof(asked)) {
        agent_client_close(client); /* nothing of ours is as long: not HAProxy */
        return;
    }
    if (feed == NULL) {
        return;
    }
    memcpy(asked, bytes, len);
    asked[len] = '\0';
    if (len > 0 && asked[len - 1] == '\r') {
        asked[len - 1] = '\0';
    }
    buf_take(in, in->len);
    agent_answer_asked(client->agent, c, asked);
    conn_close_after_flush(c);
    agent_client_free(client);
}

static void agent_on_end(void *ctx, struct conn *c, enum conn_end why, const char *text)
{
    (void)c;
    (void)why;
    (void)text; /* HAProxy asks again */
    agent_client_free(ctx);
}

static void agent_on_deadline(void *ctx)
{
    agent_client_close(ctx);
}

static const struct conn_handlers agent_handlers = {
    .on_data = agent_on_data,
    .on_end = agent_on_end,
};

static void agent_on_accept(void *ctx, struct conn *c)
{
    const struct agent_door *door = ctx;
    struct haproxy_agent *agent = door->agent;

    if (door->service[0] != '\0') {
        agent_answer(agent, c, door->service, door->member);
        conn_close_after_flush(c);
        return;
    }
    if (agent->clients_count == HAPROXY_AGENT_CLIENTS_MAX) {
        conn_close(c);
        return;
    }
    struct agent_client *client = memory_zeroed(sizeof(*client));
    client->agent = agent;
    client->conn = c;
    client->next = agent->clients;
    if (client->next != NULL) {
        client->next->previous = client;
    }
    agent->clients = client;
    agent->clients_count++;
    client->deadline = loop_timer_create(agent->loop, agent_on_deadline, client);
    loop_timer_at(client->deadline, loop_now(agent->loop) + HAPROXY_AGENT_TIMEOUT_MS);
    conn_set_handlers(c, &agent_handlers, client);
}

/* ---- beginning and end ---- */

static bool agent_open_door(struct haproxy_agent *agent, const struct haproxy_agent_port *port,
                            struct err *err)
{
    struct agent_door *door = &agent->doors[agent->doors_count];
    struct listener_plan plan = {.at = &port->at};

    door->agent = agent;
    text_cut(door->service, sizeof(door->service), port->service);
    text_cut(door->member, sizeof(door->member), port->member);
    door->listener = listener_open(agent->loop, &plan, agent_on_accept, door, err);
    agent->doors_count += door->listener != NULL;
    return door->listener != NULL || err_wrap(err, "HAProxy agent");
}

struct haproxy_agent *haproxy_agent_open(struct loop *loop, const struct haproxy_agent_plan *plan,
                                         struct err *err)
{
    ASSERT(plan->ports_count <= HAPROXY_AGENT_PORTS_MAX);
    struct haproxy_agent *agent = memory_zeroed(sizeof(*agent));

    agent->loop = loop;
    agent->view = plan->view;
    for (size_t i = 0; i < plan->ports_count; i++) {
        if (!agent_open_door(agent, &plan->ports[i], err)) {
            haproxy_agent_close(agent);
            return NULL;
        }
    }
    return agent;
}

void haproxy_agent_close(struct haproxy_agent *agent)
{
    if (agent == NULL) {
        return;
    }
    for (size_t i = 0; i < agent->doors_count; i++) {
        listener_close(agent->doors[i].listener);
    }
    for (struct agent_client *client = agent->clients; client != NULL;) {
        struct agent_client *next = client->next;
        agent_client_close(client);
        client = next;
    }
    free(agent);
}

uint16_t haproxy_agent_port(const struct haproxy_agent *agent, size_t port)
{
    ASSERT(port < agent->doors_count);
    return listener_port(agent->doors[port].listener);
}
