/* The shell around a core: its actions become messages, messages become its events. */
#include <stdlib.h>
#include <string.h>

#include "sim/checker.h"
#include "sim/model_monitor.h"

/* ---------------------------------------------------------------- actions */

static uint32_t *act_link(struct monitor *m, uint32_t link)
{
    ASSERT(link != 0);
    if (link >= m->links_count) {
        ASSERT(link < UINT32_C(1) << 24);
        uint32_t count = link + 256;

        m->links = realloc(m->links, count * sizeof(*m->links));
        ASSERT(m->links != NULL);
        memset(m->links + m->links_count, 0, (count - m->links_count) * sizeof(*m->links));
        m->links_count = count;
    }
    return &m->links[link];
}

static void act_open(struct world *w, struct monitor *m, const struct action *a)
{
    uint32_t *slot = act_link(m, a->link);

    if (*slot != 0) {
        net_close(w, *slot - 1);
    }
    *slot = net_open(w, m->index, a->link, world_addr_id(w, &a->open.addr)) + 1;
}

static void act_close(struct world *w, struct monitor *m, uint32_t link)
{
    uint32_t *slot = act_link(m, link);

    if (*slot != 0) {
        net_close(w, *slot - 1);
        *slot = 0;
    }
}

static void act_send(struct world *w, struct monitor *m, uint32_t link, struct message *take_m)
{
    uint32_t slot = *act_link(m, link);

    if (slot == 0) {
        net_drop_message(w, take_m);
    } else {
        net_send(w, slot - 1, NET_OUT, take_m, 0);
    }
}

static void act_hello(struct world *w, struct monitor *m, const struct action *a)
{
    struct message *out = net_message(w, MESSAGE_HELLO);

    out->hello = (struct wire_hello){.from = m->addr,
                                     .run = m->run,
                                     .current_epoch = a->hello.current_epoch,
                                     .config_epoch = a->hello.config_epoch,
                                     .master = world_addr_id(w, &a->hello.master_addr),
                                     .group = world_group_named(w, a->hello.master_name)};
    act_send(w, m, a->link, out);
}

static void act_ask(struct world *w, struct monitor *m, const struct action *a)
{
    struct message *out = net_message(w, MESSAGE_ASK);

    out->ask = (struct wire_ask){.master = a->send_ask.master,
                                 .ask_tag = a->send_ask.ask_tag,
                                 .addr = world_addr_id(w, &a->send_ask.addr),
                                 .epoch = a->send_ask.epoch,
                                 .run = world_run_number(a->send_ask.run_id)};
    if (out->ask.run != 0) {
        STORY(w, m->name, "asks for a vote about %s in epoch %llu",
              world_addr_name(w, out->ask.addr), (unsigned long long)out->ask.epoch);
    }
    act_send(w, m, a->link, out);
}

static void act_move(struct world *w, struct monitor *m, const struct action *a,
                     enum message_kind kind)
{
    struct message *out = net_message(w, kind);
    uint32_t slot = *act_link(m, a->link);
    const char *whom = slot == 0 ? "?" : world_addr_name(w, w->net->connections[slot - 1].addr);

    out->addr = kind == MESSAGE_PROMOTE ? 0 : world_addr_id(w, &a->addr);
    STORY(w, m->name, "tells %s: %s %s", whom,
          kind == MESSAGE_PROMOTE       ? "REPLICAOF NO ONE"
          : kind == MESSAGE_COORDINATED ? "FAILOVER TO"
                                        : "REPLICAOF",
          kind == MESSAGE_PROMOTE ? "" : world_addr_name(w, out->addr));
    act_send(w, m, a->link, out);
}

static void act_reply_ask(struct world *w, struct monitor *m, const struct action *a)
{
    for (uint32_t i = 0; i < MONITOR_ASKS_MAX; i++) {
        struct monitor_ask *ask = &m->asks[i];

        if (!ask->is_used || ask->token != a->reply_ask.token) {
            continue;
        }
        const struct connection *c = &w->net->connections[ask->connection];

        ask->is_used = false;
        if (c->generation == ask->generation && !c->is_orphan && !c->server_gone) {
            ask->reply->answer =
                (struct wire_answer){.ask = ask->ask,
                                     .down = a->reply_ask.down,
                                     .leader = world_run_number(a->reply_ask.leader),
                                     .leader_epoch = a->reply_ask.leader_epoch};
            ask->reply->is_held = false;
            net_flush_replies(w, ask->connection);
        }
        return;
    }
    world_fail(w, "%s: answers an ask nobody made (token %llu)", m->name,
               (unsigned long long)a->reply_ask.token);
}

static void act_note(struct world *w, struct monitor *m, const struct note *note)
{
    char text[NOTE_PAYLOAD_MAX];

    if (w->story == NULL && !w->story_hashed && !w->wants_notes) {
        return;
    }
    (void)note_payload(note, false, text);
    STORY(w, m->name, "%s %s", note_name(note->type), text);
    if (w->wants_notes && w->notes_count < WORLD_NOTES_MAX) {
        struct world_note *kept = &w->notes[w->notes_count++];

        kept->at = w->now;
        kept->monitor = m->index;
        kept->type = note->type;
        (void)snprintf(kept->text, sizeof(kept->text), "%.199s", text);
    }
}

static void act_result(struct world *w, struct monitor *m, const struct action *a)
{
    static const char *const words[] = {"OK",          "no such master",  "duplicate name",
                                        "in progress", "no good replica", "too many",
                                        "not found",   "not saved"};

    STORY(w, m->name, "answers the operator: %s", words[a->reply_command.result]);
    if (a->reply_command.token == m->command_token) {
        m->has_result = true;
        m->result = a->reply_command.result;
    }
}

void monitor_perform(struct world *w, struct monitor *m, const struct action *a)
{
    switch (a->type) {
    case ACTION_PERSIST:
        monitor_persist(w, m, a->seq);
        break;
    case ACTION_LINK_OPEN:
        act_open(w, m, a);
        break;
    case ACTION_LINK_CLOSE:
        act_close(w, m, a->link);
        break;
    case ACTION_SEND_PING:
        act_send(w, m, a->link, net_message(w, MESSAGE_PING));
        break;
    case ACTION_SEND_INFO:
        act_send(w, m, a->link, net_message(w, MESSAGE_INFO));
        break;
    case ACTION_SEND_HELLO:
        act_hello(w, m, a);
        break;
    case ACTION_SEND_ASK:
        act_ask(w, m, a);
        break;
    case ACTION_SEND_PROMOTE:
        act_move(w, m, a, MESSAGE_PROMOTE);
        break;
    case ACTION_SEND_REPLICAOF:
        act_move(w, m, a, MESSAGE_REPLICAOF);
        break;
    case ACTION_SEND_COORDINATED:
        act_move(w, m, a, MESSAGE_COORDINATED);
        break;
    case ACTION_SEND_SCRIPT_KILL:
        act_send(w, m, a->link, net_message(w, MESSAGE_SCRIPT_KILL));
        break;
    case ACTION_REPLY_ASK:
        act_reply_ask(w, m, a);
        break;
    case ACTION_REPLY_COMMAND:
        act_result(w, m, a);
        break;
    case ACTION_NOTE:
        act_note(w, m, &a->note);
        break;
    case ACTION_RECONFIGURED:
        break; /* a script would run */
    case ACTION_LOG:
        STORY(w, m->name, "%s", a->log.text);
        break;
    case ACTION_CRASH:
        monitor_crash(w, m->index, world_chance(w, 50), false);
        break;
    }
}

/* ---------------------------------------------------------------- events */

static void act_fill_hello(const struct world *w, const struct wire_hello *from, struct hello *to)
{
    char name[WORLD_NAME_MAX];

    to->addr = *world_addr(w, from->from);
    world_run_text(from->run, to->run_id);
    to->current_epoch = from->current_epoch;
    to->config_epoch = from->config_epoch;
    to->master_addr = *world_addr(w, from->master);
    (void)snprintf(to->master_name, sizeof(to->master_name), "%s",
                   from->group == WORLD_NOBODY ? "nobody" : world_group_name(w, from->group, name));
}

static void act_fill_info(const struct world *w, const struct wire_facts *from,
                          struct info_facts *to, struct info_replica replicas[WIRE_REPLICAS_MAX])
{
    memset(to, 0, sizeof(*to));
    world_run_text(from->run, to->run_id);
    world_run_text(from->replid, to->replid);
    world_run_text(from->replid2, to->replid2);
    to->role = from->role;
    to->second_offset = from->second_offset;
    to->offset = from->offset;
    to->loading = from->is_loading;
    to->keys = from->keys;
    to->connected_replicas = from->replicas_count;
    to->uptime_s = from->uptime_s;
    if (from->master != 0) {
        to->master_addr = *world_addr(w, from->master);
    }
    to->master_link_up = from->is_link_up;
    to->master_link_down_ms = from->link_down_ms;
    to->sync_in_progress = from->is_syncing;
    to->priority = from->priority;
    to->announced = true;
    to->replicas = replicas;
    to->replicas_count = from->replicas_count;
    for (uint16_t i = 0; i < from->replicas_count; i++) {
        replicas[i].addr = *world_addr(w, from->replicas[i]);
        replicas[i].offset = (uint64_t)from->replica_offsets[i];
    }
}

void monitor_hear(struct world *w, uint16_t monitor, uint32_t connection, struct message *m)
{
    struct monitor *me = &w->monitors[monitor];
    const struct connection *c = &w->net->connections[connection];
    struct info_replica replicas[WIRE_REPLICAS_MAX];
    struct event event;

    event.link = c->link;
    switch (m->kind) {
    case MESSAGE_UP:
        event.type = EVENT_LINK_UP;
        break;
    case MESSAGE_PONG:
        event.type = EVENT_PONG;
        event.pong = m->pong;
        break;
    case MESSAGE_FACTS:
        event.type = EVENT_INFO;
        checker_facts(w, me, c->addr, &m->facts);
        act_fill_info(w, &m->facts, &event.info, replicas);
        break;
    case MESSAGE_PROMOTED:
        event.type = EVENT_PROMOTED;
        event.role = m->role;
        break;
    case MESSAGE_ANSWER:
        event.type = EVENT_ANSWER;
        checker_answer(w, me, c->to.index, &m->answer);
        event.answer = (struct answer){.master = m->answer.ask.master,
                                       .ask_tag = m->answer.ask.ask_tag,
                                       .down = m->answer.down,
                                       .leader_epoch = m->answer.leader_epoch};
        world_run_text(m->answer.leader, event.answer.leader);
        break;
    case MESSAGE_HELLO:
        event.type = EVENT_HELLO;
        act_fill_hello(w, &m->hello, &event.hello);
        break;
    case MESSAGE_PING:
    case MESSAGE_INFO:
    case MESSAGE_ASK:
    case MESSAGE_PROMOTE:
    case MESSAGE_REPLICAOF:
    case MESSAGE_SCRIPT_KILL:
    case MESSAGE_COORDINATED:
    case MESSAGE_END:
        UNREACHABLE("a request or an end is not heard");
    }
    bool is_own = m->kind == MESSAGE_HELLO && m->hello.run == me->run && !w->config.hears_itself;

    net_drop_message(w, m);
    if (!is_own) {
        monitor_step(w, me, &event);
    }
}

/* As a server: PING and PUBLISH are answered at once, an ask when the core says; in order in any
 * case. */
void monitor_serve(struct world *w, uint16_t monitor, uint32_t connection, struct message *m)
{
    struct monitor *me = &w->monitors[monitor];
    struct event event = {.type = EVENT_TICK};

    if (m->kind == MESSAGE_PING) {
        struct message *pong = net_message(w, MESSAGE_PONG);
        pong->pong = PONG_OK;
        net_reply(w, connection, pong);
    } else if (m->kind == MESSAGE_HELLO) {
        event.type = EVENT_HELLO;
        event.link = 0;
        act_fill_hello(w, &m->hello, &event.hello);
        monitor_step(w, me, &event);
    } else if (m->kind == MESSAGE_ASK) {
        struct monitor_ask *slot = NULL;

        for (uint32_t i = 0; i < MONITOR_ASKS_MAX && slot == NULL; i++) {
            slot = me->asks[i].is_used ? NULL : &me->asks[i];
        }
        if (slot == NULL) {
            world_fail(w, "%s: %d asks wait for an answer", me->name, MONITOR_ASKS_MAX);
            net_drop_message(w, m);
            return;
        }
        struct message *reply = net_message(w, MESSAGE_ANSWER);

        reply->is_held = true;
        *slot = (struct monitor_ask){.is_used = true,
                                     .token = ++me->next_token,
                                     .connection = connection,
                                     .generation = w->net->connections[connection].generation,
                                     .reply = reply,
                                     .ask = m->ask};
        net_reply(w, connection, reply);
        event.type = EVENT_ASK;
        event.ask = (struct ask){
            .token = slot->token, .addr = *world_addr(w, m->ask.addr), .epoch = m->ask.epoch};
        world_run_text(m->ask.run, event.ask.run_id);
        if (m->ask.run == 0) {
            memcpy(event.ask.run_id, "*", 2);
        }
        monitor_step(w, me, &event);
    }
    net_drop_message(w, m);
}
