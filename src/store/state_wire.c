/*
 * The state file as text: a header with checksum and length, then one line an item. Words are
 * quoted as in sentinel.conf. A line with more words than we know is an error: a newer version
 * changes the header.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "base/words.h"
#include "store/store.h"

enum {
    STATE_HOST_MAX = ADDR_NAME_MAX + ADDR_IP_MAX + 1, /* name=ip */
    STATE_CRC_DIGITS = 8,
};

#define STATE_MAGIC "holdfast-state 1 "

/* ---- CRC-32C, four bits at a time: a state is small and written rarely ---- */

static uint32_t state_crc(const char *bytes, size_t len)
{
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned char)bytes[i];
        crc = (crc >> 4) ^ table[crc & 15U];
        crc = (crc >> 4) ^ table[crc & 15U];
    }
    return ~crc;
}

/* ---- writing ---- */

static void state_put_word(struct buf *out, const char *text)
{
    buf_append_text(out, " ");
    words_quote(out, text, strlen(text));
}

static void state_put_addr(struct buf *out, const struct addr *addr)
{
    char host[STATE_HOST_MAX];

    if (addr->name[0] != '\0') {
        (void)snprintf(host, sizeof(host), "%s%s%s", addr->name, addr->ip[0] != '\0' ? "=" : "",
                       addr->ip); /* always fits */
        state_put_word(out, host);
    } else {
        state_put_word(out, addr->ip);
    }
    buf_printf(out, " %u", (unsigned)addr->port);
}

static void state_put_id(struct buf *out, const char *run_id)
{
    state_put_word(out, run_id[0] != '\0' ? run_id : "-");
}

void state_wire_begin(struct buf *body, const char *run_id, uint64_t current_epoch)
{
    buf_append_text(body, "myid");
    state_put_id(body, run_id);
    buf_printf(body, "\ncurrent-epoch %" PRIu64 "\n", current_epoch);
}

void state_wire_master(struct buf *body, const struct master_state *state)
{
    const struct master_config *config = &state->config;

    buf_append_text(body, "master");
    state_put_word(body, state->name);
    state_put_addr(body, &state->addr);
    buf_printf(body, " %" PRIu32 " %" PRIu32, config->quorum, config->parallel_syncs);
    buf_printf(body, " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, config->down_after_ms,
               config->failover_timeout_ms, config->refused_after_ms, config->reboot_down_after_ms);
    buf_printf(body, " %" PRIu64 " %" PRIu64, state->config_epoch, state->leader_epoch);
    state_put_id(body, state->leader);
    buf_append_text(body, "\n");
}

void state_wire_replica(struct buf *body, const struct addr *addr)
{
    buf_append_text(body, "replica");
    state_put_addr(body, addr);
    buf_append_text(body, "\n");
}

void state_wire_peer(struct buf *body, const struct addr *addr, const char *run_id)
{
    buf_append_text(body, "peer");
    state_put_addr(body, addr);
    state_put_id(body, run_id);
    buf_append_text(body, "\n");
}

void state_wire_seal(const struct buf *body, struct buf *out)
{
    buf_printf(out, STATE_MAGIC "%08" PRIx32 " %zu\n", state_crc(buf_data(body), body->len),
               body->len);
    buf_append(out, buf_data(body), body->len);
}

void state_wire_encode(const struct state_image *image, struct buf *out)
{
    struct buf body = {0};

    state_wire_begin(&body, image->run_id, image->current_epoch);
    for (size_t i = 0; i < image->masters_count; i++) {
        const struct state_master *m = &image->masters[i];
        state_wire_master(&body, &m->state);
        for (size_t r = 0; r < m->replicas_count; r++) {
            state_wire_replica(&body, &m->replicas[r]);
        }
        for (size_t p = 0; p < m->peers_count; p++) {
            state_wire_peer(&body, &m->peers[p].addr, m->peers[p].run_id);
        }
    }
    state_wire_seal(&body, out);
    buf_finish(&body);
}

/* ---- reading ---- */

struct state_reader {
    struct state_image image;
    struct words words;
    bool has_run_id;
    bool has_epoch;
    struct err *err;
};

void state_wire_finish(struct state_image *image)
{
    if (image != NULL) {
        for (size_t i = 0; i < image->masters_count; i++) {
            free(image->masters[i].replicas);
            free(image->masters[i].peers);
        }
        free(image->masters);
        *image = (struct state_image){0};
    }
}

/* A list whose capacity is the next power of two of its count. */
static void *state_grow(void *items, size_t count, size_t size)
{
    if (count > 0 && (count & (count - 1)) != 0) {
        return items;
    }
    void *grown = reallocarray(items, count == 0 ? 1 : count * 2, size);
    if (grown == NULL) {
        assert_fail(__FILE__, __LINE__, __func__, "out of memory");
    }
    return grown;
}

static bool state_wrong(const struct state_reader *r, const char *what, size_t word)
{
    return err_set(r->err, "%s: \"%.60s\" is none", what, words_at(&r->words, word));
}

static bool state_take_u64(const struct state_reader *r, size_t word, const char *what,
                           uint64_t max, uint64_t *value)
{
    uint64_t number = 0;

    if (!text_to_u64(words_at(&r->words, word), words_len(&r->words, word), &number) ||
        number > max) {
        return state_wrong(r, what, word);
    }
    *value = number;
    return true;
}

static bool state_take_u32(const struct state_reader *r, size_t word, const char *what,
                           uint32_t *value)
{
    uint64_t number = 0;

    if (!state_take_u64(r, word, what, UINT32_MAX, &number)) {
        return false;
    }
    *value = (uint32_t)number;
    return true;
}

static bool state_take_ms(const struct state_reader *r, size_t word, const char *what,
                          msec_t *value)
{
    uint64_t number = 0;

    if (!state_take_u64(r, word, what, INT64_MAX, &number)) {
        return false;
    }
    *value = (msec_t)number;
    return true;
}

static bool state_take_id(const struct state_reader *r, size_t word, char field[RUN_ID_MAX])
{
    const char *text = words_at(&r->words, word);
    size_t len = words_len(&r->words, word);
    bool is_none = len == 1 && text[0] == '-';

    if (!is_none && (len >= RUN_ID_MAX || !text_is_run_id(text, len))) {
        return state_wrong(r, "run id", word);
    }
    text_cut(field, RUN_ID_MAX, is_none ? "" : text); /* it fits */
    return true;
}

/* host and port, at word and the next. */
static bool state_take_addr(const struct state_reader *r, size_t word, struct addr *addr)
{
    char host[STATE_HOST_MAX];
    struct addr number = {0};
    uint64_t port = 0;

    if (!text_copy(host, sizeof(host), words_at(&r->words, word))) {
        return state_wrong(r, "host", word);
    }
    char *ip = strchr(host, '=');
    if (ip != NULL) {
        *ip++ = '\0';
        if (!addr_is_numeric(ip) || !addr_set(&number, ip, 0)) {
            return state_wrong(r, "host", word);
        }
    }
    if (!state_take_u64(r, word + 1, "port", UINT16_MAX, &port)) {
        return false;
    }
    if (!addr_set(addr, host, (uint16_t)port) || (ip != NULL && addr->name[0] == '\0')) {
        return state_wrong(r, "host", word);
    }
    if (ip != NULL) {
        memcpy(addr->ip, number.ip, sizeof(addr->ip));
    }
    return true;
}

/* ---- the lines ---- */

static bool state_line_myid(struct state_reader *r)
{
    r->has_run_id = true;
    return state_take_id(r, 1, r->image.run_id);
}

static bool state_line_epoch(struct state_reader *r)
{
    r->has_epoch = true;
    return state_take_u64(r, 1, "epoch", EPOCH_MAX, &r->image.current_epoch);
}

static bool state_line_master(struct state_reader *r)
{
    struct state_master made = {0};
    struct master_state *state = &made.state;
    struct master_config *config = &state->config;

    if (r->image.masters_count == STATE_MASTERS_MAX) {
        return err_set(r->err, "more than %d masters", STATE_MASTERS_MAX);
    }
    if (words_len(&r->words, 1) == 0 ||
        !text_copy(state->name, sizeof(state->name), words_at(&r->words, 1))) {
        return state_wrong(r, "master name", 1);
    }
    if (!state_take_addr(r, 2, &state->addr) || !state_take_u32(r, 4, "quorum", &config->quorum) ||
        !state_take_u32(r, 5, "parallel-syncs", &config->parallel_syncs) ||
        !state_take_ms(r, 6, "down-after", &config->down_after_ms) ||
        !state_take_ms(r, 7, "failover-timeout", &config->failover_timeout_ms) ||
        !state_take_ms(r, 8, "refused-after", &config->refused_after_ms) ||
        !state_take_ms(r, 9, "reboot-down-after", &config->reboot_down_after_ms) ||
        !state_take_u64(r, 10, "config epoch", EPOCH_MAX, &state->config_epoch) ||
        !state_take_u64(r, 11, "leader epoch", EPOCH_MAX, &state->leader_epoch) ||
        !state_take_id(r, 12, state->leader)) {
        return false;
    }
    r->image.masters = state_grow(r->image.masters, r->image.masters_count, sizeof(made));
    r->image.masters[r->image.masters_count++] = made;
    return true;
}

static struct state_master *state_last(struct state_reader *r)
{
    if (r->image.masters_count == 0) {
        (void)err_set(r->err, "no master line stands before it");
        return NULL;
    }
    return &r->image.masters[r->image.masters_count - 1];
}

static bool state_line_replica(struct state_reader *r)
{
    struct state_master *m = state_last(r);
    struct addr addr;

    if (m == NULL || !state_take_addr(r, 1, &addr)) {
        return false;
    }
    m->replicas = state_grow(m->replicas, m->replicas_count, sizeof(addr));
    m->replicas[m->replicas_count++] = addr;
    return true;
}

static bool state_line_peer(struct state_reader *r)
{
    struct state_master *m = state_last(r);
    struct state_peer peer;

    if (m == NULL || !state_take_addr(r, 1, &peer.addr) || !state_take_id(r, 3, peer.run_id)) {
        return false;
    }
    m->peers = state_grow(m->peers, m->peers_count, sizeof(peer));
    m->peers[m->peers_count++] = peer;
    return true;
}

/* clang-format off */
static const struct state_row {
    const char *word;
    size_t words_count;
    bool (*take)(struct state_reader *r);
} state_rows[] = {
    { "myid",          2, state_line_myid },
    { "current-epoch", 2, state_line_epoch },
    { "master",       13, state_line_master },
    { "replica",       3, state_line_replica },
    { "peer",          4, state_line_peer },
};
/* clang-format on */

static bool state_line(struct state_reader *r, const char *line, size_t len)
{
    if (!words_split(&r->words, line, len) || r->words.count == 0) {
        return err_set(r->err, "empty, or a quote is not closed");
    }
    for (size_t i = 0; i < COUNT_OF(state_rows); i++) {
        if (strcmp(words_at(&r->words, 0), state_rows[i].word) == 0) {
            if (r->words.count != state_rows[i].words_count) {
                return err_set(r->err, "%zu words where \"%s\" has %zu", r->words.count,
                               state_rows[i].word, state_rows[i].words_count);
            }
            return state_rows[i].take(r);
        }
    }
    return state_wrong(r, "known word", 0);
}

/* ---- the file ---- */

#define STATE_REMEDY                                                                               \
    "put back a copy of the file, or remove it: the monitors that run then teach this one again"

/* Checks the header and sets *body to what follows it. */
static bool state_header(const char *text, size_t len, const char **body, struct err *err)
{
    const char *newline = len > 0 ? memchr(text, '\n', len) : NULL;
    struct words words = {0};
    uint64_t length = 0;
    bool is_ours = newline != NULL && words_split(&words, text, (size_t)(newline - text)) &&
                   words.count >= 2 && strcmp(words_at(&words, 0), "holdfast-state") == 0;
    bool is_known = is_ours && words.count == 4 && strcmp(words_at(&words, 1), "1") == 0 &&
                    text_to_u64(words_at(&words, 3), words_len(&words, 3), &length);
    char crc[STATE_CRC_DIGITS + 1] = "";
    bool ok = false;

    if (!is_ours) {
        (void)err_set(err, "line 1: this is no state file of holdfast; " STATE_REMEDY);
    } else if (!is_known) {
        (void)err_set(err, "line 1: a state of a version that this holdfast does not know; use "
                           "the version that wrote it");
    } else if (length != len - (size_t)(newline + 1 - text)) {
        (void)err_set(err,
                      "line 1: %" PRIu64
                      " bytes should follow, but %zu do: the file is torn; " STATE_REMEDY,
                      length, len - (size_t)(newline + 1 - text));
    } else {
        (void)snprintf(crc, sizeof(crc), "%08" PRIx32, state_crc(newline + 1, length)); /* fits */
        ok = strcmp(crc, words_at(&words, 2)) == 0;
        if (!ok) {
            (void)err_set(
                err, "line 1: the checksum is %s, not %.20s: the file was altered; " STATE_REMEDY,
                crc, words_at(&words, 2));
        }
        *body = newline + 1;
    }
    words_finish(&words);
    return ok;
}

static bool state_lines(struct state_reader *r, const char *body, const char *end)
{
    int line_number = 2;

    for (const char *at = body; at < end; line_number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL) {
            return err_set(r->err, "line %d: does not end; " STATE_REMEDY, line_number);
        }
        if (!state_line(r, at, (size_t)(newline - at))) {
            return err_wrap(r->err, "line %d", line_number);
        }
        at = newline + 1;
    }
    if (!r->has_run_id || !r->has_epoch) {
        return err_set(r->err, "myid or current-epoch is missing; " STATE_REMEDY);
    }
    return true;
}

bool state_wire_decode(const char *text, size_t len, struct state_image *image, struct err *err)
{
    struct state_reader reader = {.err = err};
    const char *body = NULL;

    if (!state_header(text, len, &body, err)) {
        return false;
    }
    bool ok = state_lines(&reader, body, text + len);
    words_finish(&reader.words);
    if (!ok) {
        state_wire_finish(&reader.image);
        return false;
    }
    *image = reader.image;
    return true;
}
