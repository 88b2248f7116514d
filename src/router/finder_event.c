/* The events that monitors publish, as far as they are about finding the master. */
#include "router/finder_inside.h"

#include <string.h>

#include "base/text.h"

enum {
    EVENT_WORDS_MAX = 8, /* "slave <name> <ip> <port> @ <master> <ip> <port>" */
    EVENT_WORD_MAX = ADDR_NAME_MAX + 32,
};

struct event_words {
    char words[EVENT_WORDS_MAX][EVENT_WORD_MAX];
    size_t count;
};

static const struct event_row {
    const char *channel;
    enum finder_event_type type;
} event_rows[] = {
    {"+selected-slave", FINDER_EVENT_SELECTED},
    {"+promoted-slave", FINDER_EVENT_SELECTED},
    {"+switch-master", FINDER_EVENT_SELECTED},
    {"-failover-abort-not-elected", FINDER_EVENT_ABORTED},
    {"-failover-abort-no-good-slave", FINDER_EVENT_ABORTED},
    {"-failover-abort-slave-timeout", FINDER_EVENT_ABORTED},
    {"-failover-abort-master-timeout", FINDER_EVENT_ABORTED},
    {"+failover-end", FINDER_EVENT_STIR},
    {"+failover-end-for-timeout", FINDER_EVENT_STIR},
    {"+config-update-from", FINDER_EVENT_STIR},
    {"+try-failover", FINDER_EVENT_STIR},
    {"+sdown", FINDER_EVENT_STIR},
    {"+odown", FINDER_EVENT_STIR},
    {"-odown", FINDER_EVENT_STIR},
    {"+reset-master", FINDER_EVENT_STIR},
    {"+monitor", FINDER_EVENT_STIR},
};

const char *const finder_event_channels[] = {
    "+selected-slave",
    "+promoted-slave",
    "+switch-master",
    "-failover-abort-not-elected",
    "-failover-abort-no-good-slave",
    "-failover-abort-slave-timeout",
    "-failover-abort-master-timeout",
    "+failover-end",
    "+failover-end-for-timeout",
    "+config-update-from",
    "+try-failover",
    "+sdown",
    "+odown",
    "-odown",
    "+reset-master",
    "+monitor",
    NULL,
};

static bool event_split(const struct resp_text *payload, struct event_words *out)
{
    const char *at = payload->bytes;
    const char *end = payload->bytes + payload->len;

    out->count = 0;
    while (at < end && out->count < EVENT_WORDS_MAX) {
        const char *space = memchr(at, ' ', (size_t)(end - at));
        size_t len = (size_t)((space != NULL ? space : end) - at);
        if (len >= EVENT_WORD_MAX || memchr(at, '\0', len) != NULL) {
            return false;
        }
        memcpy(out->words[out->count], at, len);
        out->words[out->count++][len] = '\0';
        at += len + 1;
    }
    return true;
}

static bool event_addr(const char *host, const char *port, struct addr *addr)
{
    uint64_t number = 0;

    return text_to_u64(port, strlen(port), &number) && number > 0 && number <= UINT16_MAX &&
           addr_set(addr, host, (uint16_t)number);
}

/* "<name> <old ip> <old port> <new ip> <new port>" */
static bool event_switch(const struct event_words *w, const char *master,
                         struct finder_event *event)
{
    return w->count == 5 && strcmp(w->words[0], master) == 0 &&
           event_addr(w->words[1], w->words[2], &event->of) &&
           event_addr(w->words[3], w->words[4], &event->replica);
}

/* "slave <name> <ip> <port> @ <master> <ip> <port>" */
static bool event_slave(const struct event_words *w, const char *master, struct finder_event *event)
{
    return w->count == 8 && strcmp(w->words[0], "slave") == 0 && strcmp(w->words[4], "@") == 0 &&
           strcmp(w->words[5], master) == 0 &&
           event_addr(w->words[2], w->words[3], &event->replica) &&
           event_addr(w->words[6], w->words[7], &event->of);
}

/* "master <name> <ip> <port>" and what follows, or any other server of it: "... @ <master> ..." */
static bool event_is_about(const struct event_words *w, const char *master)
{
    return (w->count >= 4 && strcmp(w->words[0], "master") == 0 &&
            strcmp(w->words[1], master) == 0) ||
           (w->count >= 6 && strcmp(w->words[4], "@") == 0 && strcmp(w->words[5], master) == 0);
}

void finder_event_read(const char *channel, const struct resp_text *payload, const char *master,
                       struct finder_event *event)
{
    struct event_words words;
    enum finder_event_type type = FINDER_EVENT_OTHER;

    *event = (struct finder_event){.type = FINDER_EVENT_OTHER};
    for (size_t i = 0; i < COUNT_OF(event_rows); i++) {
        if (strcmp(event_rows[i].channel, channel) == 0) {
            type = event_rows[i].type;
        }
    }
    if (type == FINDER_EVENT_OTHER || !event_split(payload, &words)) {
        return;
    }
    bool is_understood = type != FINDER_EVENT_SELECTED ? event_is_about(&words, master)
                         : strcmp(channel, "+switch-master") == 0
                             ? event_switch(&words, master, event)
                             : event_slave(&words, master, event);
    if (is_understood) {
        event->type = type;
    }
}
