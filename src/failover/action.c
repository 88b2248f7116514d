#include "failover/core.h"

#include <stdarg.h>
#include <stdio.h>

struct action *action_add(struct failover *f, enum action_type type)
{
    ASSERT(f->stepping);
    ASSERT(f->out->count < f->out->capacity);
    struct action *a = &f->out->items[f->out->count++];
    *a = (struct action){.type = type};
    return a;
}

/*
 * An action that must not leave before save `seq` is on disk. When the table is full the oldest
 * goes: asks and hello messages come again by themselves, and nothing new is voted while the disk
 * fails.
 */
struct action *action_add_after(struct failover *f, uint64_t seq, enum action_type type)
{
    ASSERT(seq <= f->seq);
    if (seq <= f->saved_seq) {
        return action_add(f, type);
    }
    ASSERT(f->held_count < f->held_max);
    struct held *h = &f->held[f->held_count++];
    h->seq = seq;
    h->action = (struct action){.type = type};
    return &h->action;
}

/* One save for all changes of a step: the image is made when the step is over. */
uint64_t action_persist(struct failover *f)
{
    if (!f->seq_open) {
        f->seq++;
        f->seq_open = true;
        struct action *a = action_add(f, ACTION_PERSIST);
        a->seq = f->seq;
    }
    return f->seq;
}

/* A call for votes that waited so long that its attempt is over is not made any more. */
static bool action_is_stale(struct failover *f, const struct action *a)
{
    if (a->type != ACTION_SEND_ASK || a->send_ask.run_id[0] == '*') {
        return false;
    }
    const struct master *m = instance_master_with(f, a->send_ask.master);
    return m == NULL || m->phase != PHASE_WAIT_ELECTED || m->failover_epoch != a->send_ask.epoch;
}

void action_release(struct failover *f)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < f->held_count; i++) {
        struct held *h = &f->held[i];
        if (h->seq <= f->saved_seq) {
            ASSERT(f->out->count < f->out->capacity);
            if (!action_is_stale(f, &h->action)) {
                f->out->items[f->out->count++] = h->action;
            }
        } else {
            if (kept != i) {
                f->held[kept] = *h;
            }
            kept++;
        }
    }
    f->held_count = kept;
}

/* A peer gets the part of the answer that needs no disk, an operator hears that it was not saved.
 */
void action_refuse_held(struct failover *f)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < f->held_count; i++) {
        struct held *h = &f->held[i];
        struct action *a = &h->action;
        if (a->type == ACTION_REPLY_ASK) {
            a->reply_ask.leader[0] = '\0';
            a->reply_ask.leader_epoch = 0;
        } else if (a->type == ACTION_REPLY_COMMAND) {
            a->reply_command.result = RESULT_NOT_SAVED;
        } else {
            if (kept != i) {
                f->held[kept] = *h;
            }
            kept++;
            continue;
        }
        ASSERT(f->out->count < f->out->capacity);
        f->out->items[f->out->count++] = *a;
    }
    f->held_count = kept;
}

void action_log(struct failover *f, enum note_level level, const char *format, ...)
{
    struct action *a = action_add(f, ACTION_LOG);
    va_list args;

    a->log.level = level;
    va_start(args, format);
    (void)vsnprintf(a->log.text, sizeof(a->log.text), format, args); /* cut when too long */
    va_end(args);
}

/* Is there room for one more turn, whatever it does? */
bool action_room(const struct failover *f)
{
    return f->out->capacity - f->out->count > f->turn_actions_max &&
           f->held_max - f->held_count > f->turn_actions_max;
}
