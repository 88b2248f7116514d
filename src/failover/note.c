#include "failover/core.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    enum note_level level;
    const char *name;
} notes[] = {
#define NOTE(id, level, name) [id] = {level, name},
#include "failover/note.def"
#undef NOTE
};

const char *note_name(enum note_type type)
{
    ASSERT(type < NOTE_COUNT);
    return notes[type].name;
}

enum note_level note_level(enum note_type type)
{
    ASSERT(type < NOTE_COUNT);
    return notes[type].level;
}

static const char *note_kind_word(enum instance_kind kind)
{
    switch (kind) {
    case KIND_MASTER:
        return "master";
    case KIND_REPLICA:
        return "slave";
    case KIND_PEER:
        return "sentinel";
    }
    UNREACHABLE("no such kind");
}

/* Sentinel's "%@": <type> <name> <ip> <port>, and for what is not a master: @ <master> <ip> <port>.
 */
const char *note_payload(const struct note *note, bool want_names, char text[NOTE_PAYLOAD_MAX])
{
    if (note->type == NOTE_SWITCH) {
        (void)snprintf(text, NOTE_PAYLOAD_MAX, "%s %s %u %s %u", note->name,
                       addr_host(&note->addr, want_names), (unsigned)note->addr.port,
                       addr_host(&note->master_addr, want_names),
                       (unsigned)note->master_addr.port); /* always fits */
        return text;
    }
    if (!note->has_instance) {
        (void)snprintf(text, NOTE_PAYLOAD_MAX, "%s", note->extra); /* always fits */
        return text;
    }
    char name[ADDR_TEXT_MAX];
    const char *host = addr_host(&note->addr, want_names);
    const char *master_host = addr_host(&note->master_addr, want_names);
    const char *space = note->extra[0] == '\0' ? "" : " ";
    if (note->kind == KIND_MASTER) {
        (void)snprintf(text, NOTE_PAYLOAD_MAX, "master %s %s %u%s%s", note->name, host,
                       (unsigned)note->addr.port, space, note->extra); /* always fits */
        return text;
    }
    if (note->kind == KIND_PEER) {
        (void)snprintf(name, sizeof(name), "%s", note->run_id); /* always fits */
    } else {
        bool ipv6 = strchr(host, ':') != NULL;
        (void)snprintf(name, sizeof(name), "%s%s%s:%u", ipv6 ? "[" : "", host, ipv6 ? "]" : "",
                       (unsigned)note->addr.port); /* always fits */
    }
    (void)snprintf(text, NOTE_PAYLOAD_MAX, "%s %s %s %u @ %s %s %u%s%s", note_kind_word(note->kind),
                   name, host, (unsigned)note->addr.port, note->name, master_host,
                   (unsigned)note->master_addr.port, space, note->extra); /* always fits */
    return text;
}

struct note *note_instance(struct failover *f, uint64_t seq, enum note_type type,
                           const struct instance *i)
{
    struct action *a = action_add_after(f, seq, ACTION_NOTE);
    struct note *n = &a->note;

    n->type = type;
    n->has_instance = true;
    n->kind = i->kind;
    memcpy(n->name, i->master->name, sizeof(n->name));
    memcpy(n->run_id, i->run_id, sizeof(n->run_id));
    n->addr = i->addr;
    n->master_addr = i->master->self->addr;
    return n;
}

void note_extra(struct note *note, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(note->extra, sizeof(note->extra), format, args); /* cut when too long */
    va_end(args);
}

void note_plain(struct failover *f, uint64_t seq, enum note_type type, const struct master *m,
                const char *format, ...)
{
    struct action *a = action_add_after(f, seq, ACTION_NOTE);
    va_list args;

    a->note.type = type;
    if (m != NULL) {
        memcpy(a->note.name, m->name, sizeof(a->note.name));
    }
    va_start(args, format);
    (void)vsnprintf(a->note.extra, sizeof(a->note.extra), format, args); /* cut when too long */
    va_end(args);
}

/* "+switch-master <name> <old ip> <old port> <new ip> <new port>": what every client waits for. */
void note_switch(struct failover *f, uint64_t seq, const struct master *m, const struct addr *from,
                 const struct addr *to)
{
    struct note *n = &action_add_after(f, seq, ACTION_NOTE)->note;

    n->type = NOTE_SWITCH;
    memcpy(n->name, m->name, sizeof(n->name));
    n->addr = *from;
    n->master_addr = *to;
}
