#include "session_fakes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake_world *fakes; /* session functions have no other way to it */

/* ---- session.c ---- */

static struct fake_session *fake_of(struct session *session)
{
    return (struct fake_session *)session; /* its first member */
}

void session_write(struct session *session, const void *bytes, size_t len)
{
    assert_false(session->is_gone);
    if (session->reply_mode != REPLY_OFF) {
        buf_append(&fake_of(session)->out, bytes, len);
    }
}

void session_writebuf(struct session *session, struct buf *from)
{
    session_write(session, buf_data(from), from->len);
    buf_clear(from);
}

void session_error(struct session *session, const char *format, ...)
{
    char text[512];
    va_list args;
    struct buf out = {0};

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    resp_write_error(&out, "%s", text);
    session_writebuf(session, &out);
    buf_finish(&out);
}

struct session *session_by_id(struct worker *worker, uint64_t id)
{
    for (struct session *s = worker->sessions; s != NULL; s = s->next) {
        if (s->id == id) {
            return s;
        }
    }
    return NULL;
}

void session_close(struct session *session)
{
    struct session **at = &session->worker->sessions;

    assert_false(session->is_gone);
    while (*at != session) {
        at = &(*at)->next;
    }
    *at = session->next;
    session->worker->sessions_count--;
    session->is_gone = true;
}

void session_close_after_flush(struct session *session)
{
    session_close(session);
    fake_of(session)->was_flushed = true;
}

/* ---- session_dispatch.c ---- */

static enum verdict fake_sent(struct session *session, struct fake_backend *to,
                              const struct request *request)
{
    if (fakes->is_down) {
        session_error(session, "ERR holdfast: no master");
        return REQUEST_TAKEN;
    }
    buf_append(&to->got, request->bytes, request->len);
    session->in_flight++;
    return REQUEST_TAKEN;
}

enum verdict session_send_own(struct session *session, const struct request *request, unsigned pin,
                              unsigned flight_flags)
{
    assert_int_equal(flight_flags, 0);
    if (session_own_backend(session) == NULL && !fakes->is_down) {
        session->wait = WAIT_MASTER;
        return REQUEST_WAITS;
    }
    enum verdict verdict = fake_sent(session, &fake_of(session)->own, request);
    session->pins |= fakes->is_down ? 0 : (uint16_t)pin;
    return verdict;
}

enum verdict session_send_shared(struct session *session, const struct request *request)
{
    if (!fakes->has_shared && !fakes->is_down) {
        session->wait = WAIT_MASTER;
        return REQUEST_WAITS;
    }
    return fake_sent(session, &fakes->shared, request);
}

struct backend *session_own_backend(struct session *session)
{
    if (!fake_of(session)->has_own || fakes->is_down) {
        return NULL;
    }
    session->backend = &fake_of(session)->own.b;
    session->backend->owner = session;
    return session->backend;
}

struct profile *session_profile(struct session *session)
{
    return &session->worker->profiles[0];
}

void session_leave_backend(struct session *session)
{
    if (session->in_flight == 0 && session->pins == 0 && session->backend != NULL) {
        session->backend->owner = NULL;
        session->backend = NULL;
    }
}

/* ---- backend.c, profile.c, worker.c ---- */

bool backend_is_current(const struct backend *backend)
{
    return !backend->is_retired;
}

bool backend_is_usable(const struct backend *backend)
{
    return backend->phase == BACKEND_READY && !backend->is_retired;
}

struct flight *backend_send(struct backend *backend, struct session *session,
                            const struct request *request, unsigned flags)
{
    struct fake_backend *to = (struct fake_backend *)backend; /* its first member */
    struct flight *flight = &to->ring[0];

    assert_null(session);
    assert_int_equal(flags, FLIGHT_OURS);
    assert_int_equal(request->command->class, COMMAND_PUBSUB);
    buf_append(&to->got, request->bytes, request->len);
    to->asked++;
    *flight = (struct flight){.command = request->command, .replies = 1};
    return flight;
}

void backend_ask(struct backend *backend, const char *bytes, size_t len, uint16_t replies)
{
    struct fake_backend *to = (struct fake_backend *)backend;

    assert_int_equal(replies, 1);
    buf_append(&to->got, bytes, len);
    to->asked++;
}

struct backend *profile_shared(struct profile *profile)
{
    (void)profile;
    return fakes->has_shared ? &fakes->shared.b : NULL;
}

msec_t worker_now(const struct worker *worker)
{
    (void)worker;
    return fakes->now_ms;
}

/* ---- loop/ ---- */

size_t conn_pending_bytes(const struct conn *c)
{
    assert_null(c);
    return 0;
}

int conn_fd(const struct conn *c)
{
    assert_null(c);
    return 9;
}

bool conn_peer_addr(const struct conn *c, struct addr *at)
{
    assert_null(c);
    return addr_set(at, "127.0.0.1", 40000);
}

bool conn_local_addr(const struct conn *c, struct addr *at)
{
    assert_null(c);
    return addr_set(at, "127.0.0.1", 6379);
}

void loop_random(void *bytes, size_t len)
{
    memset(bytes, 0x5a, len);
}

/* ---- the world ---- */

static void fake_backend(struct fake_world *world, struct fake_backend *at, int64_t redis_id)
{
    at->b = (struct backend){.worker = &world->worker,
                             .profile = &world->profile,
                             .phase = BACKEND_READY,
                             .redis_id = redis_id,
                             .ring = at->ring,
                             .capacity = COUNT_OF(at->ring)};
    assert_true(addr_set(&at->b.addr, "127.0.0.1", 7001));
}

void fake_open(struct fake_world *world)
{
    *world = (struct fake_world){.has_shared = true, .now_ms = 1000000};
    fakes = world;
    world->conf.hold_ms = 800;
    world->worker.conf = &world->conf;
    world->worker.profiles = &world->profile;
    world->worker.identities = &world->identity;
    world->worker.own = &world->identity;
    world->worker.route.generation = 7;
    world->endpoint = (struct endpoint){.worker = &world->worker};
    fake_backend(world, &world->shared, 5);
}

void fake_close(struct fake_world *world)
{
    for (size_t i = 0; i < world->sessions_count; i++) {
        struct fake_session *fake = &world->sessions[i];
        session_forget_subscriptions(&fake->s);
        buf_finish(&fake->s.tracking);
        buf_finish(&fake->out);
        buf_finish(&fake->own.got);
        free(fake->s.name);
        free(fake->s.lib_name);
        free(fake->s.lib_ver);
    }
    buf_finish(&world->shared.got);
    buf_finish(&world->worker.scratch);
}

struct fake_session *fake_session(struct fake_world *world, enum resp_version version)
{
    assert_in_range(world->sessions_count, 0, FAKE_SESSIONS_MAX - 1);
    struct fake_session *fake = &world->sessions[world->sessions_count++];

    fake->s = (struct session){.worker = &world->worker,
                               .endpoint = &world->endpoint,
                               .id = world->sessions_count,
                               .identity = &world->identity,
                               .version = version,
                               .accepted_at_ms = world->now_ms,
                               .active_at_ms = world->now_ms,
                               .tx_select = -1,
                               .next = world->worker.sessions};
    world->worker.sessions = &fake->s;
    world->worker.sessions_count++;
    fake->has_own = true;
    fake_backend(world, &fake->own, 100 + (int64_t)fake->s.id);
    return fake;
}

void fake_request(struct request *request, struct buf *bytes, const char *words)
{
    const char *list[64];
    char copy[4096];
    size_t count = 0;
    char *rest = NULL;

    assert_true(strlen(words) < sizeof(copy));
    memcpy(copy, words, strlen(words) + 1);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        assert_in_range(count, 0, COUNT_OF(list) - 1);
        list[count++] = strcmp(word, "''") == 0 ? "" : word;
    }
    buf_clear(bytes);
    resp_write_command(bytes, count, list);
    struct resp_args args = {0};
    *request = (struct request){.bytes = buf_data(bytes), .len = bytes->len, .argc = count};
    assert_true(resp_args_next(&args, request->bytes, request->len, &request->name));
    if (count > 1) {
        assert_true(resp_args_next(&args, request->bytes, request->len, &request->second));
    }
    request->command = command_find(request->name.bytes, request->name.len, request->second.bytes,
                                    request->second.len);
}

enum verdict fake_client(struct fake_session *session, const char *words)
{
    struct request request;
    struct buf bytes = {0};
    struct buf text = {0};

    buf_printf(&text, "CLIENT %s", words);
    fake_request(&request, &bytes, buf_data(&text));
    enum verdict verdict = session_client(&session->s, &request);
    session->s.in_flight = 0;
    buf_finish(&text);
    buf_finish(&bytes);
    return verdict;
}

bool fake_subscribing(struct fake_session *session, const char *words, uint16_t *replies)
{
    struct request request;
    struct buf bytes = {0};

    fake_request(&request, &bytes, words);
    bool may_be_sent = session_subscribing(&session->s, &request, replies);
    buf_finish(&bytes);
    return may_be_sent;
}
