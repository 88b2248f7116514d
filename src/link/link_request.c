/* What is asked on a link, and what the answers mean. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "link/hello_wire.h"
#include "link/info_wire.h"
#include "link/link_inside.h"
#include "loop/log.h"

enum {
    NUMBER_TEXT_MAX = 24,  /* a 64-bit number and its sign */
    REFUSAL_TEXT_MAX = 160 /* of an error reply in the log */
};

/* ---- asking ---- */

void link_ping(struct links *links, uint32_t id)
{
    struct link *link = links_find(links, id);
    const struct link_request request = {.type = REQUEST_PING};
    struct buf *out = link != NULL ? link_begin(link, &request) : NULL;

    if (out != NULL) {
        RESP_COMMAND(out, link_command(link, "PING"));
    }
}

void link_send_info(struct link *link)
{
    const struct link_request request = {.type = REQUEST_INFO};
    struct buf *out = link_begin(link, &request);

    if (out != NULL) {
        RESP_COMMAND(out, link_command(link, "INFO"));
    }
}

void link_info(struct links *links, uint32_t id)
{
    struct link *link = links_find(links, id);

    if (link != NULL) {
        link_send_info(link);
    }
}

void link_hello(struct links *links, uint32_t id, const struct hello *hello)
{
    struct link *link = links_find(links, id);
    const struct link_request request = {.type = REQUEST_HELLO};
    struct hello ours = *hello;
    char text[HELLO_TEXT_MAX];
    const char *host;

    if (link == NULL) {
        return;
    }
    host = links->announce_host[0] != '\0' ? links->announce_host : link->local_ip;
    memcpy(ours.run_id, links->run_id, sizeof(ours.run_id));
    if (!addr_set(&ours.addr, host, links->announce_port) ||
        hello_wire_encode(&ours, links->announce_hostnames, text) == 0) {
        return; /* not connected: there is no address yet */
    }
    struct buf *out = link_begin(link, &request);
    if (out != NULL) {
        RESP_COMMAND(out, link_command(link, "PUBLISH"), "__sentinel__:hello", text);
    }
}

void link_script_kill(struct links *links, uint32_t id)
{
    struct link *link = links_find(links, id);
    const struct link_request request = {.type = REQUEST_SCRIPT_KILL};
    struct buf *out = link != NULL ? link_begin(link, &request) : NULL;

    if (out != NULL) {
        RESP_COMMAND(out, link_command(link, "SCRIPT"), "KILL");
    }
}

void link_ask(struct links *links, uint32_t id, const struct link_ask *ask)
{
    struct link *link = links_find(links, id);
    const struct link_request request = {
        .type = REQUEST_ASK, .master = ask->master, .tag = ask->ask_tag};
    struct buf *out = link != NULL ? link_begin(link, &request) : NULL;
    char port[NUMBER_TEXT_MAX];
    char epoch[NUMBER_TEXT_MAX];

    if (out == NULL) {
        return;
    }
    (void)snprintf(port, sizeof(port), "%u", (unsigned)ask->addr->port); /* both always fit */
    (void)snprintf(epoch, sizeof(epoch), "%" PRIu64, ask->epoch);
    RESP_COMMAND(out, link_command(link, "SENTINEL"), "is-master-down-by-addr",
                 addr_host(ask->addr, links->announce_hostnames), port, epoch, ask->run_id);
}

void link_coordinated(struct links *links, uint32_t id, const struct addr *replica,
                      msec_t timeout_ms)
{
    struct link *link = links_find(links, id);
    const struct link_request request = {.type = REQUEST_COORDINATED};
    struct buf *out = link != NULL ? link_begin(link, &request) : NULL;
    char port[NUMBER_TEXT_MAX];
    char timeout[NUMBER_TEXT_MAX];

    if (out == NULL) {
        return;
    }
    (void)snprintf(port, sizeof(port), "%u", (unsigned)replica->port); /* both always fit */
    (void)snprintf(timeout, sizeof(timeout), "%" PRId64, timeout_ms);
    RESP_COMMAND(out, link_command(link, "FAILOVER"), "TO",
                 addr_host(replica, links->announce_hostnames), port, "TIMEOUT", timeout);
}

/* ---- answers ---- */

/* A server that does not know AUTH says so with our words behind it, the password among them. */
static void link_refusal_text(const struct link *link, const struct resp_value *value,
                              char said[REFUSAL_TEXT_MAX])
{
    text_cut(said, REFUSAL_TEXT_MAX, resp_text(value));
    char *our_words = strstr(said, ", with args");
    if (our_words != NULL) {
        *our_words = '\0';
    }
    if (link->pass != NULL && strstr(said, link->pass) != NULL) {
        text_cut(said, REFUSAL_TEXT_MAX, "(the password is in the answer)");
    }
}

void link_log_refusal(const struct link *link, const char *what, const struct resp_value *value)
{
    char at[ADDR_TEXT_MAX];
    char said[REFUSAL_TEXT_MAX];

    link_refusal_text(link, value, said);
    log_warning("link to %s: %s refused: %s", link_text(link, at), what, said);
}

static enum pong link_pong_of(const struct resp_value *value)
{
    if (resp_text_is(value, "PONG") && !resp_is(value, RESP_ERROR)) {
        return PONG_OK;
    }
    if (resp_error_is(value, "LOADING")) {
        return PONG_LOADING;
    }
    if (resp_error_is(value, "MASTERDOWN")) {
        return PONG_MASTERDOWN;
    }
    if (resp_error_is(value, "BUSY")) {
        return PONG_BUSY;
    }
    return PONG_OTHER;
}

static void link_take_pong(struct link *link, const struct resp_value *value)
{
    struct event event = {.type = EVENT_PONG};

    event.pong = link_pong_of(value);
    links_emit(link->links, &event, link->id);
}

/* Drops the replicas that are announced by a name while names are not looked up,
 * as Sentinel does. */
static void link_accept_replicas(struct links *links, struct info_facts *facts)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < facts->replicas_count; i++) {
        if (links_accept_addr(links, &links->replicas[i].addr)) {
            if (kept != i) {
                links->replicas[kept] = links->replicas[i];
            }
            kept++;
        }
    }
    facts->replicas_count = kept;
}

static void link_take_no_info(struct link *link)
{
    if (link->tx != NULL) { /* it may have waited for these facts */
        link_tx_info(link, ROLE_UNKNOWN);
    }
}

static void link_take_info(struct link *link, const struct resp_value *value)
{
    struct links *links = link->links;
    const struct conn *cmd = link->cmd;
    struct event event = {.type = EVENT_INFO};

    if (!resp_is(value, RESP_BULK) && !resp_is(value, RESP_VERBATIM)) {
        link_take_no_info(link); /* -LOADING, -NOAUTH */
        return;
    }
    if (!info_wire_decode(value->text.bytes, value->text.len, &event.info, links->replicas)) {
        links->counts.bad_info++;
        link_take_no_info(link);
        return;
    }
    link_accept_replicas(links, &event.info);
    links_fill_ip(links, &event.info.master_addr);
    if (links->on_info_text != NULL) {
        links->on_info_text(links->ctx, link->id, value->text.bytes, value->text.len);
    }
    if (link->cmd == cmd && link->tx != NULL) {
        link_tx_info(link, event.info.role);
    }
    if (link->cmd == cmd) {
        links_emit(links, &event, link->id);
    }
}

static void link_take_answer(struct link *link, const struct link_request *request,
                             const struct resp_value *value)
{
    struct event event = {.type = EVENT_ANSWER};
    const char *leader = resp_text(resp_item(value, 1));
    int64_t down = 0;
    int64_t epoch = 0;

    if (!resp_is(value, RESP_ARRAY) || !resp_integer(resp_item(value, 0), &down) ||
        !resp_integer(resp_item(value, 2), &epoch) || epoch < 0 || epoch > (int64_t)EPOCH_MAX) {
        log_debug("link %" PRIu32 ": no answer to is-master-down-by-addr: %s", link->id,
                  resp_text(value));
        return;
    }
    event.answer.master = request->master;
    event.answer.ask_tag = request->tag;
    event.answer.down = down == 1;
    event.answer.leader_epoch = (uint64_t)epoch;
    if (!text_copy(event.answer.leader, sizeof(event.answer.leader), leader)) {
        return;
    }
    links_emit(link->links, &event, link->id);
}

bool link_take_reply(struct link *link, const struct resp_value *value)
{
    struct link_request request;
    bool is_error = resp_is(value, RESP_ERROR);

    if (resp_is(value, RESP_PUSH)) {
        return true; /* out of band: nobody asked, but it is allowed */
    }
    if (!link_fifo_take(&link->fifo, &request)) {
        return false;
    }
    switch (request.type) {
    case REQUEST_SETUP:
        if (is_error && !resp_error_is(value, "LOADING") && !link->was_complained) {
            link->was_complained = true;
            link_log_refusal(link, "AUTH or CLIENT SETNAME", value);
        }
        return true;
    case REQUEST_PING:
        link_take_pong(link, value);
        return true;
    case REQUEST_INFO:
        link_take_info(link, value);
        return true;
    case REQUEST_ASK:
        link_take_answer(link, &request, value);
        return true;
    case REQUEST_COORDINATED:
        if (is_error) {
            link_log_refusal(link, "FAILOVER", value);
        }
        return true;
    case REQUEST_STEP:
        link_tx_step(link, request.tag, value);
        return true;
    case REQUEST_EXEC:
        link_tx_exec(link, value);
        return true;
    case REQUEST_HELLO:
    case REQUEST_SCRIPT_KILL:
        return true; /* Sentinel does not look at these answers either */
    }
    UNREACHABLE("a request of no name");
}
