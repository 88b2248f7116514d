#include "daemon/daemon_inside.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "loop/log.h"

/* Actions of the core become calls of the other rooms, in list order. */

enum { CRASH_STATUS = 99 /* SENTINEL SIMULATE-FAILURE, as Sentinel exits */ };

static enum log_level perform_level(enum note_level level)
{
    switch (level) {
    case NOTE_DEBUG:
        return LOG_LEVEL_DEBUG;
    case NOTE_VERBOSE:
        return LOG_LEVEL_INFO;
    case NOTE_NOTICE:
        return LOG_LEVEL_NOTICE;
    case NOTE_WARNING:
        return LOG_LEVEL_WARNING;
    }
    UNREACHABLE("no such level");
}

static void perform_run_notification(struct daemon *d, const struct note *note, const char *payload)
{
    const struct conf_master *master = sentinel_conf_find(&d->conf, note->name);

    if (master == NULL || master->notification_script == NULL) {
        return;
    }
    const char *argv[] = {master->notification_script, note_name(note->type), payload};
    notify_run(d->notify, COUNT_OF(argv), argv);
}

void perform_note(struct daemon *d, const struct note *note)
{
    char payload[NOTE_PAYLOAD_MAX];
    enum note_level level = note_level(note->type);

    (void)note_payload(note, d->conf.announce_hostnames, payload);
    log_at(perform_level(level), "%s %s", note_name(note->type), payload);
    if (level == NOTE_DEBUG) {
        return;
    }
    (void)sentinel_publish(d->port, note_name(note->type), payload);
    if (level == NOTE_WARNING && note->name[0] != '\0') {
        perform_run_notification(d, note, payload);
    }
}

static void perform_reconfigured(struct daemon *d, const struct action *a)
{
    const struct conf_master *master = sentinel_conf_find(&d->conf, a->reconfigured.master_name);
    bool names = d->conf.announce_hostnames;
    char from_port[8];
    char to_port[8];

    if (master == NULL || master->client_reconfig_script == NULL) {
        return;
    }
    (void)snprintf(from_port, sizeof(from_port), "%u", (unsigned)a->reconfigured.from.port);
    (void)snprintf(to_port, sizeof(to_port), "%u", (unsigned)a->reconfigured.to.port); /* fit */
    const char *argv[] = {
        master->client_reconfig_script,
        a->reconfigured.master_name,
        a->reconfigured.leader ? "leader" : "observer",
        "start",
        addr_host(&a->reconfigured.from, names),
        from_port,
        addr_host(&a->reconfigured.to, names),
        to_port,
    };
    notify_run(d->notify, COUNT_OF(argv), argv);
}

void perform_script_failed(void *ctx, const struct notify_report *report)
{
    struct daemon *d = ctx;
    struct note note = {0};

    if (report->type == NOTIFY_TIMEOUT) {
        note.type = NOTE_SCRIPT_TIMEOUT;
        (void)snprintf(note.extra, sizeof(note.extra), "%s %ld", report->path, (long)report->pid);
    } else {
        note.type = NOTE_SCRIPT_ERROR;
        (void)snprintf(note.extra, sizeof(note.extra), "%s %d %d", report->path,
                       report->term_signal, report->exit_code); /* cut when too long */
    }
    perform_note(d, &note);
}

static void perform_link_open(struct daemon *d, const struct action *a)
{
    struct link_settings settings;

    if (a->open.kind == KIND_PEER) {
        settings_of_peer(&d->conf, &settings);
    } else {
        settings_of_master(&d->conf, a->open.master_name, &settings);
    }
    link_open(d->links, a->link, a->open.kind, &a->open.addr, &settings);
}

static void perform_link_close(struct daemon *d, uint32_t link)
{
    struct info_copy *copy = &d->info[link & (INFO_SLOTS - 1)];

    link_close(d->links, link);
    if (copy->link == link) {
        buf_finish(&copy->text);
        copy->link = 0;
    }
}

static void perform_ask(struct daemon *d, const struct action *a)
{
    struct link_ask ask = {
        .master = a->send_ask.master,
        .ask_tag = a->send_ask.ask_tag,
        .addr = &a->send_ask.addr,
        .epoch = a->send_ask.epoch,
        .run_id = a->send_ask.run_id,
    };
    link_ask(d->links, a->link, &ask);
}

static void perform_action(struct daemon *d, const struct action *a)
{
    switch (a->type) {
    case ACTION_PERSIST:
        persist_wanted(d, a->seq);
        return;
    case ACTION_LINK_OPEN:
        perform_link_open(d, a);
        return;
    case ACTION_LINK_CLOSE:
        perform_link_close(d, a->link);
        return;
    case ACTION_SEND_PING:
        link_ping(d->links, a->link);
        return;
    case ACTION_SEND_INFO:
        link_info(d->links, a->link);
        return;
    case ACTION_SEND_HELLO:
        link_hello(d->links, a->link, &a->hello);
        return;
    case ACTION_SEND_ASK:
        perform_ask(d, a);
        return;
    case ACTION_SEND_PROMOTE:
        link_promote(d->links, a->link);
        return;
    case ACTION_SEND_REPLICAOF:
        link_replicaof(d->links, a->link, &a->addr);
        return;
    case ACTION_SEND_SCRIPT_KILL:
        link_script_kill(d->links, a->link);
        return;
    case ACTION_SEND_COORDINATED:
        link_coordinated(d->links, a->link, &a->addr, COORDINATED_TIMEOUT_MS);
        return;
    case ACTION_REPLY_ASK:
        sentinel_reply_ask(d->port, a->reply_ask.token, a->reply_ask.down, a->reply_ask.leader,
                           a->reply_ask.leader_epoch);
        return;
    case ACTION_REPLY_COMMAND:
        sentinel_reply_command(d->port, a->reply_command.token, a->reply_command.result,
                               a->reply_command.count);
        return;
    case ACTION_NOTE:
        perform_note(d, &a->note);
        return;
    case ACTION_RECONFIGURED:
        perform_reconfigured(d, a);
        return;
    case ACTION_LOG:
        log_at(perform_level(a->log.level), "%s", a->log.text);
        return;
    case ACTION_CRASH:
        _exit(CRASH_STATUS); /* as if the power failed: nothing is flushed */
    }
    UNREACHABLE("no such action");
}

void perform_actions(struct daemon *d)
{
    for (uint32_t n = 0; n < d->actions.count; n++) {
        perform_action(d, &d->actions.items[n]);
    }
}
