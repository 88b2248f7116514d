#include <string.h>

#include "conn_pair.h"

struct certs {
    char dir[64];
    char ca[128];
    char server[128], server_key[128], locked_key[128];
    char client[128], client_key[128];
    char other[128], other_key[128];
};

static struct certs certs;

static int make_certs(void **state)
{
    (void)state;
    world_make_dir(certs.dir);
    world_make_certificates(certs.dir);
    world_path(certs.ca, certs.dir, "ca.pem");
    world_path(certs.server, certs.dir, "server.pem");
    world_path(certs.server_key, certs.dir, "server.key");
    world_path(certs.locked_key, certs.dir, "locked.key");
    world_path(certs.client, certs.dir, "client.pem");
    world_path(certs.client_key, certs.dir, "client.key");
    world_path(certs.other, certs.dir, "other.pem");
    world_path(certs.other_key, certs.dir, "other.key");
    return 0;
}

static int drop_certs(void **state)
{
    (void)state;
    world_remove_dir(certs.dir);
    return 0;
}

static struct tls_settings server_settings(void)
{
    return (struct tls_settings){
        .cert_file = certs.server, .key_file = certs.server_key, .ca_file = certs.ca};
}

static struct tls_settings client_settings(void)
{
    return (struct tls_settings){
        .cert_file = certs.client, .key_file = certs.client_key, .ca_file = certs.ca};
}

static struct tls_context *server_of(const struct tls_settings *s)
{
    struct err err = {""};
    struct tls_context *tls = tls_server_create(s, &err);
    assert_string_equal(err.text, "");
    assert_non_null(tls);
    return tls;
}

static struct tls_context *client_of(const struct tls_settings *s)
{
    struct err err = {""};
    struct tls_context *tls = tls_client_create(s, &err);
    assert_string_equal(err.text, "");
    assert_non_null(tls);
    return tls;
}

static void start(struct pair *p, const struct tls_settings *server,
                  const struct tls_settings *client)
{
    struct tls_context *server_tls = server_of(server);
    struct tls_context *client_tls = client == NULL ? NULL : client_of(client);

    pair_listen(p, server_tls);
    pair_connect(p, client_tls);
    if (client_tls != NULL) {
        assert_true(conn_is_tls(p->client.c));
    }
    tls_destroy(client_tls); /* connections may outlive it */
    while (p->server.c == NULL) {
        world_turns(p->loop, 1);
    }
    listener_set_tls(p->listener, NULL);
    tls_destroy(server_tls);
}

static void talk(struct pair *p)
{
    p->server.reply = "+PONG\r\n";
    conn_write_text(p->client.c, "PING\r\n");
    end_wait(p, &p->client, 7);
    assert_string_equal(buf_data(&p->server.got), "PING\r\n");
    assert_string_equal(buf_data(&p->client.got), "+PONG\r\n");
}

static void mutual_tls_carries_bytes(void **state)
{
    struct tls_settings server = server_settings();
    struct tls_settings client = client_settings();

    (void)state;
    server.protocols = "TLSv1.2 TLSv1.3";
    for (int version = 0; version < 2; version++) {
        struct pair p = {0};
        client.protocols = version == 0 ? "TLSv1.2" : "TLSv1.3";
        start(&p, &server, &client);
        talk(&p);
        conn_close(p.client.c);
        p.client.c = NULL;
        world_wait_flag(p.loop, &p.server.ended);
        assert_int_equal(p.server.why, CONN_CLOSED);
        pair_close(&p);
    }
}

static void big_messages_pass_whole(void **state)
{
    struct tls_settings server = server_settings();
    struct tls_settings client = client_settings();
    struct pair p = {0};
    static char text[4 << 20];

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)('a' + i % 23);
    }
    start(&p, &server, &client);
    conn_write(p.client.c, text, sizeof(text)); /* most of it waits for the handshake */
    conn_write(p.client.c, text, sizeof(text));
    conn_close_after_flush(p.client.c);
    p.client.c = NULL;
    world_wait_flag(p.loop, &p.server.ended);
    assert_int_equal(p.server.why, CONN_CLOSED);
    assert_int_equal(p.server.got.len, 2 * sizeof(text));
    assert_memory_equal(buf_data(&p.server.got) + sizeof(text), text, sizeof(text));
    pair_close(&p);
}

static void pause_and_resume_lose_no_record(void **state)
{
    struct tls_settings server = server_settings();
    struct tls_settings client = client_settings();
    struct pair p = {0};
    static char text[300 * 1024];

    (void)state;
    memset(text, 't', sizeof(text));
    start(&p, &server, &client);
    p.server.pause_on_data = true;
    conn_write(p.client.c, text, sizeof(text));
    while (p.server.got.len < sizeof(text)) {
        int calls = p.server.data_calls;
        while (p.server.data_calls == calls) {
            world_turns(p.loop, 1);
        }
        world_turns(p.loop, 3);
        assert_int_equal(p.server.data_calls, calls + 1);
        conn_resume_read(p.server.c);
    }
    assert_int_equal(p.server.got.len, sizeof(text));
    pair_close(&p);
}

/* OpenSSL fetches more from the kernel than one record: the rest must be shown without its call. */
static void records_inside_openssl_are_not_forgotten(void **state)
{
    enum { RECORD_BYTES = 1000, RECORDS = 67 };
    struct tls_settings server = server_settings();
    struct tls_settings client = client_settings();
    struct pair p = {0};
    char record[RECORD_BYTES];

    (void)state;
    memset(record, 'r', sizeof(record));
    start(&p, &server, &client);
    talk(&p);
    p.server.reply = NULL;
    for (int i = 0; i < RECORDS; i++) {
        conn_write(p.client.c, record, sizeof(record));
    }
    assert_int_equal(conn_pending_bytes(p.client.c), 0);
    end_wait(&p, &p.server, 6 + RECORDS * RECORD_BYTES);
    assert_true(p.server.data_calls < RECORDS / 2); /* many records in one call */
    pair_close(&p);
}

static void client_without_certificate(void **state)
{
    struct tls_settings server = server_settings();
    struct tls_settings client = {.ca_file = certs.ca};
    struct pair p = {0};

    (void)state;
    start(&p, &server, &client); /* auth-clients yes is the default */
    world_wait_flag(p.loop, &p.server.ended);
    assert_int_equal(p.server.why, CONN_TLS);
    world_wait_flag(p.loop, &p.client.ended);
    assert_int_equal(p.client.why, CONN_TLS);
    assert_false(p.server.opened);
    pair_close(&p);

    for (int i = 0; i < 2; i++) {
        p = (struct pair){0};
        server.auth_clients = i == 0 ? TLS_AUTH_CLIENTS_NO : TLS_AUTH_CLIENTS_OPTIONAL;
        start(&p, &server, &client);
        talk(&p);
        pair_close(&p);
    }
}

static void strangers_are_refused(void **state)
{
    struct tls_settings server = server_settings();
    struct tls_settings client = client_settings();
    struct pair p = {0};

    (void)state;
    client.cert_file = certs.other;
    client.key_file = certs.other_key;
    server.auth_clients = TLS_AUTH_CLIENTS_OPTIONAL; /* shown, so checked */
    start(&p, &server, &client);
    world_wait_flag(p.loop, &p.server.ended);
    assert_int_equal(p.server.why, CONN_TLS);
    assert_non_null(strstr(p.server.text, "certificate not accepted"));
    world_wait_flag(p.loop, &p.client.ended);
    pair_close(&p);

    p = (struct pair){0};
    client = client_settings();
    server.cert_file = certs.other;
    server.key_file = certs.other_key;
    start(&p, &server, &client);
    world_wait_flag(p.loop, &p.client.ended);
    assert_int_equal(p.client.why, CONN_TLS);
    assert_non_null(strstr(p.client.text, "certificate not accepted"));
    assert_false(p.client.opened);
    world_wait_flag(p.loop, &p.server.ended);
    pair_close(&p);
}

static void versions_must_meet(void **state)
{
    struct tls_settings server = server_settings();
    struct tls_settings client = client_settings();
    struct pair p = {0};

    (void)state;
    server.protocols = "TLSv1.3";
    client.protocols = "TLSv1.2";
    start(&p, &server, &client);
    world_wait_flag(p.loop, &p.client.ended);
    assert_int_equal(p.client.why, CONN_TLS);
    world_wait_flag(p.loop, &p.server.ended);
    pair_close(&p);
}

static void plain_client_on_a_tls_port(void **state)
{
    struct tls_settings server = server_settings();
    struct pair p = {0};

    (void)state;
    start(&p, &server, NULL);
    conn_write_text(p.client.c, "*1\r\n$4\r\nPING\r\n");
    world_wait_flag(p.loop, &p.server.ended);
    assert_int_equal(p.server.why, CONN_TLS);
    world_wait_flag(p.loop, &p.client.ended);
    pair_close(&p);
}

static void silent_client_on_a_tls_port_times_out(void **state)
{
    struct tls_settings server = server_settings();
    struct pair p = {0};

    (void)state;
    start(&p, &server, NULL);
    world_wait_flag(p.loop, &p.server.ended);
    assert_int_equal(p.server.why, CONN_TIMEOUT);
    assert_non_null(strstr(p.server.text, "handshake"));
    pair_close(&p);
}

static void key_password_is_used(void **state)
{
    struct tls_settings server = server_settings();
    struct tls_settings client = client_settings();
    struct pair p = {0};
    struct err err;

    (void)state;
    server.key_file = certs.locked_key;
    assert_null(tls_server_create(&server, &err)); /* must not ask on the terminal */
    assert_non_null(strstr(err.text, "locked.key"));
    server.key_pass = "wrong";
    assert_null(tls_server_create(&server, &err));
    assert_null(strstr(err.text, "wrong"));
    server.key_pass = "sesame";
    start(&p, &server, &client);
    talk(&p);
    pair_close(&p);
}

static void client_certificate_of_its_own(void **state)
{
    struct tls_settings server = server_settings();
    struct tls_settings both = server_settings();
    struct pair p = {0};

    (void)state;
    both.cert_file = certs.other; /* would be refused */
    both.key_file = certs.other_key;
    both.client_cert_file = certs.client;
    both.client_key_file = certs.client_key;
    start(&p, &server, &both);
    talk(&p);
    pair_close(&p);
}

static void check_refused(const struct tls_settings *s, const char *word)
{
    struct err err = {""};

    assert_null(tls_server_create(s, &err));
    assert_non_null(strstr(err.text, word));
}

static void wrong_settings_say_which(void **state)
{
    struct tls_settings s = server_settings();
    struct err err;

    (void)state;
    s.cert_file = "";
    check_refused(&s, "tls-cert-file: not configured");
    s = server_settings();
    s.key_file = NULL;
    check_refused(&s, "tls-key-file: not configured");
    s = server_settings();
    s.key_file = certs.client_key;
    check_refused(&s, "tls-key-file");
    s = server_settings();
    s.cert_file = "/nonexistent.pem";
    check_refused(&s, "/nonexistent.pem");
    s = server_settings();
    s.ca_file = NULL;
    check_refused(&s, "tls-ca-cert-file");
    s.auth_clients = TLS_AUTH_CLIENTS_NO;
    tls_destroy(server_of(&s));
    s = server_settings();
    s.protocols = "TLSv1.2 SSLv3";
    check_refused(&s, "'SSLv3'");
    s = server_settings();
    s.ciphers = "nothing-of-the-kind";
    check_refused(&s, "tls-ciphers");
    s = server_settings();
    s.ciphersuites = "nothing-of-the-kind";
    check_refused(&s, "tls-ciphersuites");
    s = server_settings();
    s.dh_params_file = certs.ca;
    check_refused(&s, "tls-dh-params-file");
    s = client_settings();
    s.key_file = NULL;
    assert_null(tls_client_create(&s, &err));
    assert_non_null(strstr(err.text, "both or none"));
    tls_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutual_tls_carries_bytes),
        cmocka_unit_test(big_messages_pass_whole),
        cmocka_unit_test(pause_and_resume_lose_no_record),
        cmocka_unit_test(records_inside_openssl_are_not_forgotten),
        cmocka_unit_test(client_without_certificate),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(versions_must_meet),
        cmocka_unit_test(plain_client_on_a_tls_port),
        cmocka_unit_test(silent_client_on_a_tls_port_times_out),
        cmocka_unit_test(key_password_is_used),
        cmocka_unit_test(client_certificate_of_its_own),
        cmocka_unit_test(wrong_settings_say_which),
    };
    return cmocka_run_group_tests(tests, make_certs, drop_certs);
}
