/*
 * One connection of the finder: it connects, says who it is, and hands out replies one by one.
 */
#include "router/finder_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* ---- what to say first ---- */

static char *access_copy(const char *text)
{
    char *copy = text != NULL ? strdup(text) : NULL;

    ASSERT((copy == NULL) == (text == NULL)); /* memory running out ends us, as everywhere */
    return copy;
}

static void access_wipe(char **secret)
{
    if (*secret != NULL) {
        explicit_bzero(*secret, strlen(*secret));
        free(*secret);
        *secret = NULL;
    }
}

void finder_access_finish(struct finder_access *access)
{
    access_wipe(&access->user);
    access_wipe(&access->password);
}

void finder_access_set(struct finder_access *access, const char *user, const char *password,
                       struct tls_context *tls)
{
    finder_access_finish(access);
    access->user = access_copy(user);
    access->password = access_copy(password);
    access->tls = tls;
}

static void link_write_setup(struct finder_link *link)
{
    struct buf out = {0};

    link->setup_left = 1;
    if (link->password != NULL) {
        link->setup_left++;
        if (link->user != NULL && link->user[0] != '\0') {
            RESP_COMMAND(&out, "AUTH", link->user, link->password);
        } else {
            RESP_COMMAND(&out, "AUTH", link->password);
        }
    }
    RESP_COMMAND(&out, "CLIENT", "SETNAME", "holdfast-router");
    finder_link_send(link, &out);
    access_wipe(&link->password);
    access_wipe(&link->user);
}

/* ---- the connection ---- */

void finder_link_close(struct finder_link *link)
{
    conn_close(link->conn);
    resp_reply_reset(&link->reader);
    resp_reply_finish(&link->reader);
    access_wipe(&link->user);
    access_wipe(&link->password);
    *link = (struct finder_link){.calls = link->calls, .ctx = link->ctx};
}

static void link_fail(struct finder_link *link, const char *why)
{
    finder_link_close(link);
    link->calls->on_end(link->ctx, why);
}

static void link_on_open(void *ctx, struct conn *c)
{
    struct finder_link *link = ctx;

    (void)c;
    link->is_open = true;
    link_write_setup(link);
    link->calls->on_open(link->ctx);
}

/* An ACL may forbid CLIENT SETNAME, and a server without a password refuses AUTH: neither matters
 * when it answers then. */
static void link_take_setup(struct finder_link *link, const struct resp_value *value)
{
    link->setup_left--;
    if (resp_is(value, RESP_ERROR) && link->setup_left == 1) {
        text_cut(link->refusal, sizeof(link->refusal), resp_text(value));
    }
}

static void link_on_data(void *ctx, struct conn *c, struct buf *in)
{
    struct finder_link *link = ctx;
    const struct resp_value *value = NULL;
    enum resp_status status = RESP_READY;

    (void)c;
    for (;;) {
        status = resp_reply_read(&link->reader, in, &resp_reply_limits_default, &value);
        if (status != RESP_READY) {
            break;
        }
        if (link->setup_left > 0) {
            link_take_setup(link, value);
        } else if (!link->calls->on_reply(link->ctx, value)) {
            link_fail(link, "a reply that nobody asked for");
            return;
        }
    }
    if (status == RESP_BAD) {
        link_fail(link, "it does not speak the Redis protocol");
    }
}

static void link_on_end(void *ctx, struct conn *c, enum conn_end why, const char *text)
{
    struct finder_link *link = ctx;
    char reason[128];

    (void)c;
    if (why == CONN_TLS || why == CONN_FAILED) {
        (void)snprintf(reason, sizeof(reason), "%s", text); /* cut: for people only */
    } else {
        text_cut(reason, sizeof(reason), conn_end_text(why));
    }
    link_fail(link, reason);
}

static const struct conn_handlers link_handlers = {
    .on_open = link_on_open,
    .on_data = link_on_data,
    .on_end = link_on_end,
};

bool finder_link_open(struct finder_link *link, struct loop *loop, const struct addr *at,
                      const struct finder_access *access, struct err *err)
{
    struct conn_target target = {
        .at = at,
        .tls = access->tls,
        .timeout_ms = FINDER_CONNECT_MS,
    };

    ASSERT(link->conn == NULL);
    link->conn = conn_connect(loop, &target, &link_handlers, link, err);
    if (link->conn == NULL) {
        return false;
    }
    link->user = access_copy(access->user);
    link->password = access_copy(access->password);
    return true;
}

void finder_link_send(struct finder_link *link, struct buf *out)
{
    conn_writebuf(link->conn, out);
    buf_finish(out);
}
