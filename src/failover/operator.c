#include "failover/core.h"

#include <string.h>

#include "base/text.h"

/*
 * What operators ask at run time. Whatever changes the configuration is answered when it is on
 * disk: Sentinel's RESET is not, and a restart brings back what was reset.
 */

static void operator_reply_after(struct failover *f, uint64_t seq, const struct command *command,
                                 enum command_result result, uint32_t count)
{
    struct action *a = action_add_after(f, seq, ACTION_REPLY_COMMAND);

    a->reply_command.token = command->token;
    a->reply_command.result = result;
    a->reply_command.count = count;
}

static void operator_reply(struct failover *f, const struct command *command,
                           enum command_result result)
{
    operator_reply_after(f, 0, command, result, 0);
}

static void operator_monitor(struct failover *f, const struct command *command)
{
    struct master_state state = {.addr = command->addr, .config = command->config};

    if (instance_master_named(f, command->name) != NULL) {
        operator_reply(f, command, RESULT_DUPLICATE_NAME);
        return;
    }
    memcpy(state.name, command->name, sizeof(state.name));
    /* The name may have been ours before a REMOVE: a vote of then is not given a second time. */
    state.leader_epoch = f->epoch;
    struct master *m = instance_add_master(f, &state);
    if (m == NULL) {
        operator_reply(f, command, RESULT_TOO_MANY);
        return;
    }
    uint64_t seq = action_persist(f);
    note_extra(note_instance(f, seq, NOTE_MONITOR, m->self), "quorum %u", m->config.quorum);
    operator_reply_after(f, seq, command, RESULT_OK, 0);
}

static void operator_remove(struct failover *f, struct master *m, const struct command *command)
{
    uint64_t seq = action_persist(f);

    (void)note_instance(f, seq, NOTE_MONITOR_END, m->self);
    instance_remove_master(f, m);
    operator_reply_after(f, seq, command, RESULT_OK, 0);
}

static void operator_set(struct failover *f, struct master *m, const struct command *command)
{
    m->config = command->config;
    judge_instance(f, m->self);
    agenda_set(f, &m->self->channel->turn, f->now);
    for (uint32_t n = 0; n < m->replicas_count; n++) {
        agenda_set(f, &m->replicas[n]->channel->turn, f->now);
    }
    for (uint32_t n = 0; n < m->peers_count; n++) {
        agenda_set(f, &m->peers[n]->channel->turn, f->now);
    }
    master_wake(f, m);
    operator_reply_after(f, action_persist(f), command, RESULT_OK, 0);
}

static void operator_failover(struct failover *f, struct master *m, const struct command *command)
{
    if (m->phase != PHASE_IDLE) {
        operator_reply(f, command, RESULT_IN_PROGRESS);
        return;
    }
    if (f->disk_failing || !election_possible(f, m)) {
        operator_reply(f, command, RESULT_NOT_SAVED);
        return;
    }
    if (select_replica(f, m, 0, true) == NULL) {
        operator_reply(f, command, RESULT_NO_GOOD_REPLICA);
        return;
    }
    m->forced = true;
    m->coordinated = command->coordinated && m->self->channel->up;
    election_start(f, m);
    master_wake(f, m);
    operator_reply_after(f, m->vote_seq, command, RESULT_OK, 0);
}

/* Replicas and monitors are forgotten and found again; the master is asked at once who follows it.
 */
static void operator_reset_one(struct failover *f, struct master *m)
{
    if (m->phase != PHASE_IDLE) {
        phase_abort(f, m, "an operator reset the master");
    }
    while (m->replicas_count > 0) {
        instance_remove(f, m->replicas[m->replicas_count - 1]);
    }
    while (m->peers_count > 0) {
        instance_remove(f, m->peers[m->peers_count - 1]);
    }
    m->o_down = false;
    m->self->s_down = false;
    m->self->s_down_since = 0;
    m->lost_data = false;
    m->rebooted = false;
    m->failures = 0;
    m->retry_at = 0;
    m->ask_tag++;
    m->self->channel->silent_since = f->now; /* until it answers */
    m->self->channel->refused_since = 0;
    (void)note_instance(f, 0, NOTE_RESET_MASTER, m->self);
    channel_ask_info(f, m->self);
    channel_say_hello(f, m->self);
    agenda_set(f, &m->self->channel->turn, f->now);
    master_wake(f, m);
}

static void operator_reset(struct failover *f, const struct command *command)
{
    uint32_t count = 0;
    uint64_t seq = 0;

    for (uint32_t n = 0; n < f->masters_count; n++) {
        struct master *m = f->order[n];
        if (text_glob(command->name, strlen(command->name), m->name, strlen(m->name))) {
            seq = action_persist(f);
            operator_reset_one(f, m);
            count++;
        }
    }
    operator_reply_after(f, seq, command, RESULT_OK, count);
}

static void operator_forget(struct failover *f, struct master *m, const struct command *command)
{
    struct instance *i = NULL;

    if (command->run_id[0] != '\0') {
        i = instance_peer_named(m, command->run_id);
    } else {
        i = instance_replica_at(m, &command->addr);
        i = i != NULL ? i : instance_peer_at(m, &command->addr);
    }
    if (i == NULL) {
        operator_reply(f, command, RESULT_NOT_FOUND);
        return;
    }
    if (i == m->promoted) {
        operator_reply(f, command, RESULT_IN_PROGRESS);
        return;
    }
    uint64_t seq = action_persist(f);
    (void)note_instance(f, seq, NOTE_FORGET, i);
    instance_remove(f, i);
    master_wake(f, m);
    operator_reply_after(f, seq, command, RESULT_OK, 0);
}

static void operator_flush(struct failover *f, const struct command *command)
{
    operator_reply_after(f, action_persist(f), command, RESULT_OK, 0);
}

static void operator_tune(struct failover *f, const struct command *command)
{
    f->tuning = command->tuning;
    for (uint32_t n = 0; n < f->channels_max; n++) {
        if (f->channels[n].id != 0) {
            agenda_set(f, &f->channels[n].turn, f->now);
        }
    }
    operator_reply(f, command, RESULT_OK);
}

void operator_command(struct failover *f, const struct command *command)
{
    struct master *m = instance_master_named(f, command->name);
    bool needs_master = command->type == COMMAND_REMOVE || command->type == COMMAND_SET ||
                        command->type == COMMAND_FAILOVER || command->type == COMMAND_FORGET;

    if (needs_master && m == NULL) {
        operator_reply(f, command, RESULT_NO_SUCH_MASTER);
        return;
    }
    if (!action_room(f)) {
        operator_reply(f, command, RESULT_NOT_SAVED); /* too much waits for a slow disk already */
        return;
    }
    switch (command->type) {
    case COMMAND_MONITOR:
        operator_monitor(f, command);
        return;
    case COMMAND_REMOVE:
        operator_remove(f, m, command);
        return;
    case COMMAND_SET:
        operator_set(f, m, command);
        return;
    case COMMAND_FAILOVER:
        operator_failover(f, m, command);
        return;
    case COMMAND_RESET:
        operator_reset(f, command);
        return;
    case COMMAND_FORGET:
        operator_forget(f, m, command);
        return;
    case COMMAND_FLUSH:
        operator_flush(f, command);
        return;
    case COMMAND_TUNE:
        operator_tune(f, command);
        return;
    case COMMAND_SIMULATE:
        f->simulate = command->simulate;
        operator_reply(f, command, RESULT_OK);
        return;
    }
    UNREACHABLE("no such command");
}
