#include <inttypes.h>
#include <string.h>

#include "sentinel/port.h"

/* Who a client is, and how it is described. */

msec_t client_now(const struct client *c)
{
    return loop_now(c->port->loop);
}

bool client_is_subscribed(const struct client *c)
{
    return c->channels.count + c->patterns.count > 0;
}

/* ---- who he is ---- */

void client_set_user(struct client *c, struct acl_user *user)
{
    struct acl_user *former = c->user;

    c->user = acl_hold(user);
    acl_release(former);
}

bool client_authenticate(struct client *c, const char *what, const struct resp_text *name,
                         const struct resp_text *password)
{
    struct acl_user *user =
        acl_authenticate(c->port->acl, name->bytes, name->len, password->bytes, password->len);

    if (user != NULL) {
        client_set_user(c, user);
        return true;
    }
    struct buf line = {0};

    client_describe(c, &line);
    acl_log_add(c->port->acl, client_now(c),
                &(struct acl_refusal){.verdict = ACL_DENIED_AUTH,
                                      .username = name->bytes,
                                      .username_len = name->len,
                                      .object = what,
                                      .object_len = strlen(what),
                                      .client_info = buf_data(&line)});
    buf_finish(&line);
    resp_write_error(&c->out, "WRONGPASS invalid username-password pair or user is disabled.");
    return false;
}

/* ---- CLIENT LIST ---- */

static void describe_flags(const struct client *c, struct buf *out)
{
    size_t before = out->len;

    buf_append_text(out, client_is_subscribed(c) ? "P" : "");
    buf_append_text(out, c->held.argc > 0 ? "b" : "");
    buf_append_text(out, (c->tracking & CLIENT_TRACKING) != 0 ? "t" : "");
    buf_append_text(out, (c->tracking & CLIENT_TRACKING_BCAST) != 0 ? "B" : "");
    buf_append_text(out, c->is_closing ? "c" : "");
    buf_append_text(out, conn_is_unix(c->conn) ? "U" : "");
    buf_append_text(out, c->no_evict ? "e" : "");
    if (out->len == before) {
        buf_append_text(out, "N");
    }
}

/* The fields of Redis 7.2; memory is counted as what our own buffers hold. */
void client_describe(const struct client *c, struct buf *out)
{
    msec_t now = client_now(c);
    size_t pending = conn_pending_bytes(c->conn);
    size_t held = c->query.capacity + c->out.capacity + c->held.bytes.capacity;
    const char *user = c->user == NULL ? "(superuser)" : acl_user_name(c->user, NULL);
    int64_t redirect = (c->tracking & CLIENT_TRACKING) != 0 ? (int64_t)c->tracking_redirect : -1;

    buf_printf(out, "id=%" PRIu64 " addr=%s laddr=%s fd=%d name=%s age=%" PRId64 " idle=%" PRId64,
               c->id, c->peer, c->local, conn_fd(c->conn), c->name == NULL ? "" : c->name,
               (now - c->created_at) / 1000, (now - c->active_at) / 1000);
    buf_append_text(out, " flags=");
    describe_flags(c, out);
    buf_printf(out, " db=0 sub=%zu psub=%zu ssub=0 multi=-1 qbuf=%zu qbuf-free=%zu argv-mem=%zu",
               c->channels.count, c->patterns.count, c->query.len, c->query.capacity - c->query.len,
               c->held.bytes.len);
    buf_printf(out, " multi-mem=0 rbs=%zu rbp=%zu obl=%zu oll=%d omem=%zu tot-mem=%zu events=%s",
               c->out.capacity, c->out.len, c->out.len, pending > 0 ? 1 : 0, pending,
               sizeof(*c) + held + pending, pending > 0 ? "rw" : "r");
    buf_printf(out, " cmd=%s user=%s redir=%" PRId64 " resp=%d lib-name=%s lib-ver=%s",
               c->last_row == NULL ? "NULL" : c->last_row->name, user, redirect, (int)c->version,
               c->lib_name == NULL ? "" : c->lib_name,
               c->lib_version == NULL ? "" : c->lib_version);
}
