#include "http/haproxy_queue.h"

#include <stdio.h>
#include <string.h>

/* The most commands that one row needs at once. */
enum { QUEUE_ROW_COMMANDS_MAX = 3, QUEUE_ROW_BYTES_MAX = 3 * (2 * HAPROXY_NAME_MAX + 40) };

static bool queue_word_same(const struct haproxy_word *a, const struct haproxy_word *b)
{
    return a->state == b->state && a->weight_percent == b->weight_percent;
}

static bool queue_is_due(const struct haproxy_row *row)
{
    return row->wanted.state != HAPROXY_NOTHING && !row->is_refused &&
           !queue_word_same(&row->wanted, &row->told);
}

static bool queue_is_name(const char *name)
{
    return name[0] != '\0' && strpbrk(name, " \t\r\n;/\\\"'<") == NULL;
}

bool haproxy_queue_add(struct haproxy_queue *q, const struct haproxy_server *names)
{
    if (q->count == HAPROXY_SERVERS_MAX || !queue_is_name(names->backend) ||
        !queue_is_name(names->server)) {
        return false;
    }
    q->rows[q->count++] = (struct haproxy_row){.names = *names};
    return true;
}

bool haproxy_queue_is_due(const struct haproxy_queue *q)
{
    for (size_t i = 0; i < q->count; i++) {
        if (queue_is_due(&q->rows[i])) {
            return true;
        }
    }
    return false;
}

bool haproxy_queue_update(struct haproxy_queue *q, const struct site_view *view)
{
    for (size_t i = 0; i < q->count; i++) {
        struct haproxy_row *row = &q->rows[i];
        struct haproxy_word word = haproxy_word(view, row->names.service, row->names.member);
        if (!queue_word_same(&word, &row->wanted)) {
            row->is_refused = false;
        }
        row->wanted = word;
    }
    return haproxy_queue_is_due(q);
}

void haproxy_queue_forget(struct haproxy_queue *q)
{
    for (size_t i = 0; i < q->count; i++) {
        q->rows[i].told = (struct haproxy_word){.state = HAPROXY_NOTHING};
        q->rows[i].is_refused = false;
    }
}

void haproxy_queue_release(struct haproxy_queue *q)
{
    for (size_t i = 0; i < q->count; i++) {
        struct haproxy_row *row = &q->rows[i];
        if (row->wanted.state == HAPROXY_UP || row->wanted.state == HAPROXY_DOWN) {
            row->wanted = (struct haproxy_word){.state = HAPROXY_UP, .weight_percent = 100};
        }
    }
}

/* ---- a batch ---- */

static void queue_command(struct haproxy_queue *q, size_t row, struct buf *out, const char *verb,
                          const char *rest)
{
    const struct haproxy_server *names = &q->rows[row].names;

    buf_printf(out, "%s%s %s/%s%s", q->batch_count == 0 ? "" : ";", verb, names->backend,
               names->server, rest);
    q->batch[q->batch_count++] = row;
}

static void queue_row_commands(struct haproxy_queue *q, size_t i, struct buf *out)
{
    const struct haproxy_row *row = &q->rows[i];
    char weight[32];

    switch (row->wanted.state) {
    case HAPROXY_NOTHING:
        break;
    case HAPROXY_UP:
        (void)snprintf(weight, sizeof(weight), " weight %u%%", row->wanted.weight_percent);
        queue_command(q, i, out, "set server", weight);
        if (row->told.state == HAPROXY_UP) {
            break;
        }
        if (row->names.has_agent) { /* else its last "down" would outlive this */
            queue_command(q, i, out, "set server", " agent up");
        }
        queue_command(q, i, out, "set server", " state ready");
        break;
    case HAPROXY_DRAIN:
        queue_command(q, i, out, "set server", " state drain");
        break;
    case HAPROXY_DOWN:
        /* maintenance, not "health down", which HAProxy's own next check overrules */
        queue_command(q, i, out, "set server", " state maint");
        queue_command(q, i, out, "shutdown sessions server", "");
        break;
    }
}

bool haproxy_queue_batch(struct haproxy_queue *q, struct buf *out)
{
    size_t begin = out->len;

    ASSERT(q->batch_count == 0);
    for (size_t i = 0; i < q->count; i++) {
        struct haproxy_row *row = &q->rows[i];
        if (q->batch_count > HAPROXY_BATCH_MAX - QUEUE_ROW_COMMANDS_MAX ||
            out->len - begin > HAPROXY_BATCH_MAX_BYTES - QUEUE_ROW_BYTES_MAX) {
            break; /* the next batch has the rest */
        }
        if (queue_is_due(row)) {
            queue_row_commands(q, i, out);
            row->sent = row->wanted;
            row->is_sent = true;
        }
    }
    return q->batch_count > 0;
}

const struct haproxy_server *haproxy_queue_answered(struct haproxy_queue *q, size_t i,
                                                    const char *reply)
{
    ASSERT(i < q->batch_count);
    struct haproxy_row *row = &q->rows[q->batch[i]];

    if (reply[0] == '\0' || row->is_refused) {
        return NULL;
    }
    row->is_refused = true;
    return &row->names;
}

static void queue_end_batch(struct haproxy_queue *q, bool is_told)
{
    for (size_t i = 0; i < q->count; i++) {
        struct haproxy_row *row = &q->rows[i];
        if (row->is_sent && is_told) {
            row->told = row->sent;
        }
        row->is_sent = false;
    }
    q->batch_count = 0;
}

void haproxy_queue_done(struct haproxy_queue *q)
{
    queue_end_batch(q, true);
}

void haproxy_queue_failed(struct haproxy_queue *q)
{
    queue_end_batch(q, false);
}
