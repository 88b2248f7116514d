/* conn_write_later(): small writes to many connections, sent at the end of the turn. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "conn_pair.h"
#include "loop/conn_inside.h"

enum { BIG = 1 << 20 };

static void later(struct conn *c, const char *text)
{
    conn_write_later(c, text, strlen(text));
}

static void all_of_a_turn_goes_out_in_order(void **state)
{
    struct pair p = {0};

    (void)state;
    pair_open(&p);
    later(p.client.c, "a");
    assert_int_equal(conn_pending_bytes(p.client.c), 1);
    conn_write_text(p.client.c, "b"); /* may not overtake */
    later(p.client.c, "");
    later(p.client.c, "c");
    assert_int_equal(conn_pending_bytes(p.client.c), 3); /* nothing was sent yet */
    end_wait(&p, &p.server, 3);
    assert_string_equal(buf_data(&p.server.got), "abc");
    assert_int_equal(p.server.data_calls, 1);
    assert_int_equal(conn_pending_bytes(p.client.c), 0);
    assert_null(p.client.c->out.bytes); /* an idle connection owns no buffer */

    conn_write_text(p.client.c, "d"); /* at once, for nothing waits */
    assert_int_equal(conn_pending_bytes(p.client.c), 0);
    later(p.client.c, "e");
    assert_int_equal(conn_pending_bytes(p.client.c), 1);
    end_wait(&p, &p.server, 5);
    assert_string_equal(buf_data(&p.server.got), "abcde");
    world_turns(p.loop, 3);
    assert_int_equal(p.client.drains, 0); /* the kernel took it all each time */
    pair_close(&p);
}

static void what_waits_for_the_opening_keeps_its_order(void **state)
{
    struct pair p = {0};

    (void)state;
    pair_listen(&p, NULL);
    pair_connect(&p, NULL);
    later(p.client.c, "one ");
    conn_write_text(p.client.c, "two ");
    later(p.client.c, "three");
    assert_int_equal(conn_pending_bytes(p.client.c), 13);
    end_wait(&p, &p.server, 13);
    assert_string_equal(buf_data(&p.server.got), "one two three");
    pair_close(&p);
}

/* ---- inside handlers ---- */

static struct conn *other_end; /* of another connection, written to by the handler of this one */

static void answer_on_data(void *ctx, struct conn *c, struct buf *in)
{
    (void)ctx;
    buf_take(in, in->len);
    later(c, "1");
    conn_write_text(c, "2");
    later(c, "3");
    if (other_end != NULL) {
        later(other_end, "x");
        conn_write_text(other_end, "y");
        assert_int_equal(conn_pending_bytes(other_end), 2);
    }
}

static void answer_on_end(void *ctx, struct conn *c, enum conn_end why, const char *text)
{
    (void)ctx;
    (void)c;
    (void)why;
    (void)text;
    fail();
}

static const struct conn_handlers answer_handlers = {.on_data = answer_on_data,
                                                     .on_end = answer_on_end};

static void inside_a_handler_the_order_is_kept_too(void **state)
{
    struct pair p = {0};
    struct pair q = {0};

    (void)state;
    pair_open(&p);
    q.loop = p.loop;
    q.listener = NULL;
    assert_true(addr_set(&q.at, "127.0.0.1", p.at.port));
    p.server.close_on_accept = false;
    struct conn *first = p.server.c;
    p.server.c = NULL; /* so that the listener takes a second one */
    p.server.opened = false;
    pair_connect(&q, NULL);
    world_wait_flag(p.loop, &p.server.opened);
    other_end = p.server.c;
    conn_set_handlers(first, &answer_handlers, NULL);
    conn_write_text(p.client.c, "go");
    q.client.want = 2;
    end_wait(&p, &p.client, 3);
    world_wait_flag(p.loop, &q.client.has_wanted);
    assert_string_equal(buf_data(&p.client.got), "123");
    assert_string_equal(buf_data(&q.client.got), "xy");
    assert_int_equal(p.client.data_calls, 1);
    assert_int_equal(q.client.data_calls, 1);
    other_end = NULL;
    conn_close(first);
    conn_close(q.client.c);
    buf_finish(&q.client.got);
    pair_close(&p);
}

/* ---- closing ---- */

static void a_close_sends_what_waits(void **state)
{
    struct pair p = {0};

    (void)state;
    pair_open(&p);
    later(p.client.c, "last ");
    later(p.client.c, "words");
    conn_close(p.client.c);
    p.client.c = NULL;
    world_wait_flag(p.loop, &p.server.ended);
    assert_int_equal(p.server.why, CONN_CLOSED);
    assert_string_equal(buf_data(&p.server.got), "last words");
    assert_false(p.client.ended);
    pair_close(&p);
}

static void a_close_after_flush_sends_all(void **state)
{
    struct pair p = {0};
    char *text = calloc(1, BIG);

    (void)state;
    assert_non_null(text);
    pair_open(&p);
    conn_pause_read(p.server.c);
    for (int i = 0; i < 8; i++) { /* more than the kernel takes at once */
        text[0] = (char)('a' + i);
        conn_write_later(p.client.c, text, BIG);
    }
    conn_close_after_flush(p.client.c);
    later(p.client.c, "ignored"); /* it is closing */
    conn_write_text(p.client.c, "ignored");
    p.client.c = NULL;
    world_turns(p.loop, 3);
    conn_resume_read(p.server.c);
    world_wait_flag(p.loop, &p.server.ended);
    assert_int_equal(p.server.why, CONN_CLOSED);
    assert_int_equal(p.server.got.len, 8 * BIG);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(buf_data(&p.server.got)[(size_t)i * BIG], 'a' + i);
    }
    free(text);
    pair_close(&p);
}

static void a_failure_is_told_in_a_later_turn(void **state)
{
    struct linger at_once = {.l_onoff = 1};
    struct pair p = {0};

    (void)state;
    pair_open(&p);
    assert_int_equal(
        setsockopt(conn_fd(p.server.c), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    conn_close(p.server.c);
    p.server.c = NULL;
    later(p.client.c, "x"); /* the RST is here already */
    assert_false(p.client.ended);
    world_wait_flag(p.loop, &p.client.ended);
    assert_int_equal(p.client.why, CONN_RESET);
    pair_close(&p);
}

/* ---- a slow reader ---- */

static void a_slow_reader_gets_all_and_the_writer_is_told(void **state)
{
    struct pair p = {0};
    char *text = malloc(BIG);
    size_t sent = 0;

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < BIG; i++) {
        text[i] = (char)(i * 7 + i / 4096);
    }
    pair_open(&p);
    conn_pause_read(p.server.c);
    do { /* the kernel's buffers grow: until they do not */
        conn_write_later(p.client.c, text, BIG);
        sent += BIG;
        assert_true(conn_pending_bytes(p.client.c) >= BIG);
        world_turns(p.loop, 2);
    } while (conn_pending_bytes(p.client.c) == 0);
    assert_int_equal(p.client.drains, 0);

    /* Now it waits for the kernel, and what comes later stands behind. */
    size_t pending = conn_pending_bytes(p.client.c);
    conn_write_later(p.client.c, text, BIG);
    conn_write(p.client.c, text, BIG);
    sent += 2 * BIG;
    assert_int_equal(conn_pending_bytes(p.client.c), pending + 2 * BIG);
    conn_resume_read(p.server.c);
    end_wait(&p, &p.server, sent);
    world_wait_flag(p.loop, &p.client.drained);
    assert_int_equal(p.client.drains, 1);
    assert_int_equal(p.server.got.len, sent);
    for (size_t at = 0; at < sent; at += BIG) {
        assert_memory_equal(buf_data(&p.server.got) + at, text, BIG);
    }
    free(text);
    pair_close(&p);
}

static void too_much_for_a_slow_reader_is_its_end(void **state)
{
    struct pair p = {0};
    char junk[101] = {0};

    (void)state;
    pair_open(&p);
    conn_set_limits(p.client.c, 100, 100);
    conn_write_later(p.client.c, junk, 100);
    world_turns(p.loop, 2);
    assert_false(p.client.ended); /* as much as allowed */
    conn_write_later(p.client.c, junk, 60);
    conn_write_later(p.client.c, junk, 41);
    conn_write_later(p.client.c, junk, 1); /* it has failed already */
    assert_false(p.client.ended);
    world_wait_flag(p.loop, &p.client.ended);
    assert_int_equal(p.client.why, CONN_OVERFLOW);
    pair_close(&p);
}

/* ---- TLS ---- */

static void it_is_the_same_with_tls(void **state)
{
    struct pair p = {0};
    struct err err;
    char dir[64];
    char ca[128];
    char cert[128];
    char key[128];
    char *text = malloc(BIG);

    (void)state;
    assert_non_null(text);
    memset(text, 't', BIG);
    world_make_dir(dir);
    world_make_certificates(dir);
    world_path(cert, dir, "server.pem");
    world_path(key, dir, "server.key");
    world_path(ca, dir, "ca.pem");
    struct tls_settings settings = {
        .cert_file = cert, .key_file = key, .ca_file = ca, .auth_clients = TLS_AUTH_CLIENTS_NO};
    struct tls_settings trust = {.ca_file = ca};
    struct tls_context *server = tls_server_create(&settings, &err);
    struct tls_context *client = tls_client_create(&trust, &err);
    assert_non_null(server);
    assert_non_null(client);
    pair_listen(&p, server);
    pair_connect(&p, client);
    later(p.client.c, "early ");
    end_wait(&p, &p.server, 6);
    later(p.client.c, "a");
    conn_write_text(p.client.c, "b");
    later(p.client.c, "c");
    end_wait(&p, &p.server, 9);
    assert_string_equal(buf_data(&p.server.got), "early abc");
    conn_pause_read(p.server.c);
    for (int i = 0; i < 12; i++) { /* a write that must be tried again finds its bytes elsewhere */
        conn_write_later(p.client.c, text, BIG);
        world_turns(p.loop, 1);
    }
    assert_true(conn_pending_bytes(p.client.c) > 0);
    conn_resume_read(p.server.c);
    end_wait(&p, &p.server, 9 + 12 * (size_t)BIG);
    assert_memory_equal(buf_data(&p.server.got) + 9 + 11 * (size_t)BIG, text, BIG);
    conn_write_later(p.client.c, "bye", 3);
    conn_close(p.client.c);
    p.client.c = NULL;
    world_wait_flag(p.loop, &p.server.ended);
    assert_int_equal(p.server.got.len, 12 + 12 * (size_t)BIG);
    pair_close(&p);
    tls_destroy(server);
    tls_destroy(client);
    world_remove_dir(dir);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_a_turn_goes_out_in_order),
        cmocka_unit_test(what_waits_for_the_opening_keeps_its_order),
        cmocka_unit_test(inside_a_handler_the_order_is_kept_too),
        cmocka_unit_test(a_close_sends_what_waits),
        cmocka_unit_test(a_close_after_flush_sends_all),
        cmocka_unit_test(a_failure_is_told_in_a_later_turn),
        cmocka_unit_test(a_slow_reader_gets_all_and_the_writer_is_told),
        cmocka_unit_test(too_much_for_a_slow_reader_is_its_end),
        cmocka_unit_test(it_is_the_same_with_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
