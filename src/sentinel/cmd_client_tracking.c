#include <string.h>

#include "sentinel/cmd_calls.h"
#include "sentinel/port.h"

/* CLIENT TRACKING and what belongs to it. A Sentinel has no keys, so nothing is ever invalidated:
 * only the state is kept, since libraries turn tracking on wherever they connect. */

enum { TRACKING_PREFIXES_MAX = 64 /* kept for TRACKINGINFO alone */ };

struct tracking_words {
    uint32_t flags;
    uint64_t redirect;
    struct buf prefixes;
    size_t prefixes_count;
};

static bool tracking_redirect(struct client *c, const struct resp_text *value,
                              struct tracking_words *w)
{
    int64_t id;

    if (w->redirect != 0) {
        resp_write_error(&c->out, "ERR A client can only redirect to a single other client");
        return false;
    }
    if (!client_number(c, value, NULL, &id)) {
        return false;
    }
    if (id <= 0 || client_find(c->port, (uint64_t)id) == NULL) {
        resp_write_error(&c->out, "ERR The client ID you want redirect to does not exist");
        return false;
    }
    w->redirect = (uint64_t)id;
    return true;
}

static bool tracking_option(struct client *c, const struct resp_command *command, size_t *i,
                            struct tracking_words *w)
{
    const struct resp_text *word = &command->argv[*i];
    bool has_more = *i + 1 < command->argc;

    if (client_word_is(word, "redirect") && has_more) {
        return tracking_redirect(c, &command->argv[++*i], w);
    }
    if (client_word_is(word, "prefix") && has_more) {
        const struct resp_text *prefix = &command->argv[++*i];
        if (w->prefixes_count == TRACKING_PREFIXES_MAX) {
            resp_write_error(&c->out, "ERR too many prefixes");
            return false;
        }
        buf_append(&w->prefixes, prefix->bytes, strlen(prefix->bytes) + 1);
        w->prefixes_count++;
        return true;
    }
    /* clang-format off */
    static const struct {
        const char *name;
        uint32_t flag;
    } flags[] = {
        {"bcast", CLIENT_TRACKING_BCAST},
        {"optin", CLIENT_TRACKING_OPTIN},
        {"optout", CLIENT_TRACKING_OPTOUT},
        {"noloop", CLIENT_TRACKING_NOLOOP},
    };
    /* clang-format on */
    for (size_t row = 0; row < COUNT_OF(flags); row++) {
        if (client_word_is(word, flags[row].name)) {
            w->flags |= flags[row].flag;
            return true;
        }
    }
    resp_write_error(&c->out, "ERR syntax error");
    return false;
}

/* Why it may not be turned on; NULL when it may. */
static const char *tracking_complaint(const struct client *c, const struct tracking_words *w)
{
    const uint32_t opt = CLIENT_TRACKING_OPTIN | CLIENT_TRACKING_OPTOUT;
    bool is_bcast = (w->flags & CLIENT_TRACKING_BCAST) != 0;
    bool was_on = (c->tracking & CLIENT_TRACKING) != 0;

    if (w->prefixes_count > 0 && !is_bcast) {
        return "PREFIX option requires BCAST mode to be enabled";
    }
    if (was_on && is_bcast != ((c->tracking & CLIENT_TRACKING_BCAST) != 0)) {
        return "You can't switch BCAST mode on/off before disabling tracking for this client, "
               "and then re-enabling it with a different mode.";
    }
    if (is_bcast && (w->flags & opt) != 0) {
        return "OPTIN and OPTOUT are not compatible with BCAST";
    }
    if ((w->flags & opt) == opt) {
        return "You can't specify both OPTIN mode and OPTOUT mode";
    }
    if (was_on &&
        (((w->flags & CLIENT_TRACKING_OPTIN) != 0 && (c->tracking & CLIENT_TRACKING_OPTOUT) != 0) ||
         ((w->flags & CLIENT_TRACKING_OPTOUT) != 0 &&
          (c->tracking & CLIENT_TRACKING_OPTIN) != 0))) {
        return "You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, "
               "and then re-enabling it with a different mode.";
    }
    return NULL;
}

static void tracking_set(struct client *c, bool is_on, struct tracking_words *w)
{
    bool was_on = (c->tracking & CLIENT_TRACKING) != 0;

    if (was_on && !is_on) {
        c->port->tracking--;
    } else if (!was_on && is_on) {
        c->port->tracking++;
    }
    c->tracking = is_on ? CLIENT_TRACKING | w->flags : 0;
    c->tracking_redirect = is_on ? w->redirect : 0;
    buf_clear(&c->tracking_prefixes);
    c->tracking_prefixes_count = 0;
    if (is_on) {
        buf_append(&c->tracking_prefixes, buf_data(&w->prefixes), w->prefixes.len);
        c->tracking_prefixes_count = w->prefixes_count;
    }
}

void cmd_client_tracking(struct client *c, const struct resp_command *command)
{
    bool is_on = client_word_is(&command->argv[2], "on");
    struct tracking_words w = {0};
    bool is_good = true;

    for (size_t i = 3; i < command->argc && is_good; i++) {
        is_good = tracking_option(c, command, &i, &w);
    }
    if (is_good && !is_on && !client_word_is(&command->argv[2], "off")) {
        resp_write_error(&c->out, "ERR syntax error");
        is_good = false;
    }
    const char *complaint = is_good && is_on ? tracking_complaint(c, &w) : NULL;
    if (complaint != NULL) {
        resp_write_error(&c->out, "ERR %s", complaint);
    } else if (is_good) {
        tracking_set(c, is_on, &w);
        resp_write_simple(&c->out, "OK");
    }
    buf_finish(&w.prefixes);
}

void cmd_client_caching(struct client *c, const struct resp_command *command)
{
    bool is_yes = client_word_is(&command->argv[2], "yes");
    const char *complaint = NULL;

    if ((c->tracking & CLIENT_TRACKING) == 0) {
        complaint =
            "CLIENT CACHING can be called only when the client is in tracking mode with OPTIN "
            "or OPTOUT mode enabled";
    } else if (is_yes && (c->tracking & CLIENT_TRACKING_OPTIN) == 0) {
        complaint = "CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.";
    } else if (!is_yes && !client_word_is(&command->argv[2], "no")) {
        complaint = "syntax error";
    } else if (!is_yes && (c->tracking & CLIENT_TRACKING_OPTOUT) == 0) {
        complaint = "CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.";
    }
    if (complaint != NULL) {
        resp_write_error(&c->out, "ERR %s", complaint);
        return;
    }
    c->tracking |= CLIENT_TRACKING_CACHING;
    resp_write_simple(&c->out, "OK");
}

void cmd_client_getredir(struct client *c, const struct resp_command *command)
{
    bool is_on = (c->tracking & CLIENT_TRACKING) != 0;

    (void)command;
    resp_write_integer(&c->out, is_on ? (int64_t)c->tracking_redirect : -1);
}

static size_t tracking_flag_names(const struct client *c, const char *names[8])
{
    size_t count = 0;

    names[count++] = (c->tracking & CLIENT_TRACKING) != 0 ? "on" : "off";
    if ((c->tracking & CLIENT_TRACKING_BCAST) != 0) {
        names[count++] = "bcast";
    }
    if ((c->tracking & CLIENT_TRACKING_OPTIN) != 0) {
        names[count++] = "optin";
        if ((c->tracking & CLIENT_TRACKING_CACHING) != 0) {
            names[count++] = "caching-yes";
        }
    }
    if ((c->tracking & CLIENT_TRACKING_OPTOUT) != 0) {
        names[count++] = "optout";
        if ((c->tracking & CLIENT_TRACKING_CACHING) != 0) {
            names[count++] = "caching-no";
        }
    }
    if ((c->tracking & CLIENT_TRACKING_NOLOOP) != 0) {
        names[count++] = "noloop";
    }
    if (c->tracking_redirect != 0 && client_find(c->port, c->tracking_redirect) == NULL) {
        names[count++] = "broken_redirect";
    }
    return count;
}

void cmd_client_trackinginfo(struct client *c, const struct resp_command *command)
{
    const char *names[8];
    size_t count = tracking_flag_names(c, names);
    const char *prefix = buf_data(&c->tracking_prefixes);

    resp_write_map(&c->out, c->version, 3);
    resp_write_text(&c->out, "flags");
    resp_write_set(&c->out, c->version, count);
    for (size_t i = 0; i < count; i++) {
        resp_write_text(&c->out, names[i]);
    }
    resp_write_text(&c->out, "redirect");
    cmd_client_getredir(c, command);
    resp_write_text(&c->out, "prefixes");
    resp_write_array(&c->out, c->tracking_prefixes_count);
    for (size_t i = 0; i < c->tracking_prefixes_count; i++) {
        resp_write_text(&c->out, prefix);
        prefix += strlen(prefix) + 1;
    }
}
