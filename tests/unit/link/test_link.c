/* Links against a real redis-server. */
#include "link_world.h"

#include <stdlib.h>
#include <string.h>

#include "link/hello_wire.h"

static struct world world;

static bool is_subscribed(void *ctx)
{
    const uint32_t *id = ctx;
    struct link_view view;

    return link_view(world.links, *id, &view) && view.is_subscribed;
}

static struct hello hello_of(const char *name, uint16_t port)
{
    struct hello hello = {.current_epoch = 7, .config_epoch = 3};

    memcpy(hello.master_name, name, strlen(name) + 1);
    assert_true(addr_set(&hello.master_addr, "127.0.0.1", port));
    return hello;
}

static void test_ping_and_info(void **state)
{
    struct world_redis redis = {0};

    (void)state;
    world_start(&world);
    world_redis_start(&redis, NULL);
    world_up(&world, 5, KIND_MASTER, redis.port);
    link_ping(world.links, 5);
    link_info(world.links, 5);
    assert_int_equal(world_event(&world, EVENT_PONG, 5, 0)->pong, PONG_OK);
    const struct event *event = world_event(&world, EVENT_INFO, 5, 0);
    assert_int_equal(event->info.role, ROLE_MASTER);
    assert_int_equal(strlen(event->info.run_id), 40);
    assert_int_equal(strlen(event->info.replid), 40);
    assert_string_equal(event->info.replid2, "");
    assert_int_equal(event->info.keys, 0);
    assert_non_null(strstr(world.info_text, "redis_version:"));
    assert_true(event->now > 0);
    world_redis_end(&redis);
    world_end(&world);
}

static void test_hello_is_heard_but_not_our_own(void **state)
{
    struct world_redis redis = {0};
    static struct world other;
    struct links_settings settings = {0};
    struct hello hello;
    uint32_t id = 1;

    (void)state;
    world_start(&world);
    world_redis_start(&redis, NULL);
    world_up(&world, 1, KIND_MASTER, redis.port);
    assert_true(turn_until(world.loop, is_subscribed, &id));
    hello = hello_of("mymaster", redis.port);
    link_hello(world.links, 1, &hello);
    link_ping(world.links, 1);
    (void)world_event(&world, EVENT_PONG, 1, 0); /* Redis hands messages out before it goes on */

    world_start_with(&other, &settings);
    links_destroy(other.links);
    settings.run_id = "ffffffffffffffffffffffffffffffffffffffff";
    other.links = links_create(other.loop, &settings);
    world_up(&other, 9, KIND_REPLICA, redis.port);
    link_hello(other.links, 9, &hello);
    link_ping(other.links, 9);
    (void)world_event(&other, EVENT_PONG, 9, 0);

    const struct event *event = world_event(&world, EVENT_HELLO, 1, 0);
    assert_string_equal(event->hello.run_id, settings.run_id);
    assert_string_equal(event->hello.master_name, "mymaster");
    assert_string_equal(event->hello.addr.ip, "127.0.0.1");
    assert_int_equal(event->hello.addr.port, 26379);
    assert_int_equal(event->hello.current_epoch, 7);
    assert_int_equal(event->hello.config_epoch, 3);
    assert_int_equal(event->hello.master_addr.port, redis.port);
    assert_int_equal(world_count(&world, EVENT_HELLO, 1), 1);
    world_end(&other);
    world_redis_end(&redis);
    world_end(&world);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    world_start(&world);
    world_open(&world, 3, KIND_MASTER, world_free_port());
    assert_int_equal(world.events_count, 0); /* never from inside the call */
    assert_int_equal(world_event(&world, EVENT_LINK_DOWN, 3, 0)->end, LINK_END_REFUSED);
    world_end(&world);
}

static void test_server_dies_and_link_is_opened_again(void **state)
{
    struct world_redis redis = {0};
    enum link_end end;

    (void)state;
    world_start(&world);
    world_redis_start(&redis, NULL);
    world_up(&world, 3, KIND_MASTER, redis.port);
    world_redis_end(&redis);
    end = world_event(&world, EVENT_LINK_DOWN, 3, 0)->end;
    assert_true(end == LINK_END_RESET || end == LINK_END_CLOSED);
    world_redis_start(&redis, NULL);
    world_up(&world, 3, KIND_MASTER, redis.port);
    link_ping(world.links, 3);
    assert_int_equal(world_event(&world, EVENT_PONG, 3, 0)->pong, PONG_OK);
    world_redis_end(&redis);
    world_end(&world);
}

/* The last INFO of link 2: one sent with a transaction that was refused still tells the old
 * role. */
static bool is_replica_now(void *ctx)
{
    const uint16_t *master_port = ctx;
    const struct event *last = NULL;

    for (size_t i = 0; i < world.events_count; i++) {
        last = world.events[i].type == EVENT_INFO ? &world.events[i] : last;
    }
    return last != NULL && last->info.role == ROLE_REPLICA &&
           last->info.master_addr.port == *master_port;
}

/* Promotes a replica of a live master with these settings, then makes it a replica again. */
static void promote(const char *const args[], const struct link_settings *settings)
{
    struct world_redis master = {0};
    struct world_redis replica = {0};
    struct addr addr;
    uint32_t id = 2;

    world_start(&world);
    world_redis_start(&master, NULL);
    world_redis_start(&replica, args);
    assert_true(addr_set(&addr, "127.0.0.1", replica.port));
    link_open(world.links, 2, KIND_REPLICA, &addr, settings);
    (void)world_event(&world, EVENT_LINK_UP, 2, 0);
    assert_true(addr_set(&addr, "127.0.0.1", master.port));
    link_replicaof(world.links, 2, &addr);
    assert_true(turn_until(world.loop, is_replica_now, &master.port));
    assert_int_equal(world_count(&world, EVENT_PROMOTED, 2), 0);

    link_promote(world.links, 2);
    assert_int_equal(world_event(&world, EVENT_PROMOTED, 2, 0)->role, ROLE_MASTER);
    link_info(world.links, 2);
    size_t infos = world_count(&world, EVENT_INFO, 2);
    (void)world_event(&world, EVENT_INFO, 2, infos);
    assert_false(is_replica_now(&master.port));
    assert_true(turn_until(world.loop, is_subscribed, &id)); /* CLIENT KILL had ended it */
    assert_int_equal(world_count(&world, EVENT_LINK_DOWN, 2), 0);
    world_redis_end(&replica);
    world_redis_end(&master);
    world_end(&world);
}

static void test_promotion(void **state)
{
    (void)state;
    promote(NULL, &world_plain);
}

static void test_promotion_with_todays_acl(void **state)
{
    const char *const args[] = {"--user",          "sentinel",   "on",       ">pw",
                                "allchannels",     "+multi",     "+slaveof", "+ping",
                                "+exec",           "+subscribe", "+publish", "+info",
                                "+client|setname", "+auth",      NULL};
    const struct link_settings settings = {.user = "sentinel", .pass = "pw"};

    (void)state;
    promote(args, &settings);
}

static void test_promotion_with_replicaof_only(void **state)
{
    const char *const args[] = {"--user",      "sentinel", "on",       ">pw",
                                "allchannels", "+@all",    "-slaveof", "--rename-command",
                                "CONFIG",      "",         NULL};
    const struct link_settings settings = {.user = "sentinel", .pass = "pw"};

    (void)state;
    promote(args, &settings);
}

static void test_promotion_with_renamed_commands(void **state)
{
    const char *const args[] = {"--rename-command",
                                "SLAVEOF",
                                "b840fc02",
                                "--rename-command",
                                "REPLICAOF",
                                "",
                                "--rename-command",
                                "CONFIG",
                                "c0nfig",
                                "--rename-command",
                                "INFO",
                                "inf0",
                                NULL};
    const struct link_rename renames[] = {
        {"slaveof", "b840fc02"}, {"CONFIG", "c0nfig"}, {"INFO", "inf0"}};
    const struct link_settings settings = {.renames = renames, .renames_count = 3};

    (void)state;
    promote(args, &settings);
}

static void test_passwords(void **state)
{
    const char *const args[] = {"--requirepass", "sesame", NULL};
    const struct link_settings wrong = {.pass = "simsim"};
    const struct link_settings right = {.pass = "sesame"};
    struct world_redis redis = {0};
    struct addr addr;

    (void)state;
    world_start(&world);
    world_redis_start(&redis, args);
    assert_true(addr_set(&addr, "127.0.0.1", redis.port));
    link_open(world.links, 1, KIND_MASTER, &addr, &wrong);
    (void)world_event(&world, EVENT_LINK_UP, 1, 0);
    link_ping(world.links, 1);
    assert_int_equal(world_event(&world, EVENT_PONG, 1, 0)->pong, PONG_OTHER);
    assert_int_equal(world_count(&world, EVENT_LINK_DOWN, 1), 0);

    link_configure(world.links, 1, &wrong); /* nothing new: it stays */
    link_ping(world.links, 1);
    (void)world_event(&world, EVENT_PONG, 1, 1);
    assert_int_equal(world_count(&world, EVENT_LINK_DOWN, 1), 0);
    link_configure(world.links, 1, &right);
    assert_int_equal(world_event(&world, EVENT_LINK_DOWN, 1, 0)->end, LINK_END_OTHER);
    link_open(world.links, 1, KIND_MASTER, &addr, &right);
    (void)world_event(&world, EVENT_LINK_UP, 1, 1);
    link_ping(world.links, 1);
    assert_int_equal(world_event(&world, EVENT_PONG, 1, 2)->pong, PONG_OK);
    world_redis_end(&redis);
    world_end(&world);
}

static void test_many_links_with_scattered_ids(void **state)
{
    struct world_redis redis = {0};
    enum { LINKS = 200 };

    (void)state;
    world_start(&world);
    world_redis_start(&redis, NULL);
    for (uint32_t i = 0; i < LINKS; i++) {
        world_open(&world, i * 64 + 1, KIND_REPLICA, redis.port);
    }
    for (uint32_t i = 0; i < LINKS; i++) {
        (void)world_event(&world, EVENT_LINK_UP, i * 64 + 1, 0);
        link_ping(world.links, i * 64 + 1);
    }
    for (uint32_t i = 0; i < LINKS; i++) {
        assert_int_equal(world_event(&world, EVENT_PONG, i * 64 + 1, 0)->pong, PONG_OK);
        link_close(world.links, i * 64 + 1);
    }
    link_close(world.links, 1); /* unknown now */
    struct link_view view;
    assert_false(link_view(world.links, 1, &view));
    world_redis_end(&redis);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ping_and_info),
        cmocka_unit_test(test_hello_is_heard_but_not_our_own),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_server_dies_and_link_is_opened_again),
        cmocka_unit_test(test_promotion),
        cmocka_unit_test(test_promotion_with_todays_acl),
        cmocka_unit_test(test_promotion_with_replicaof_only),
        cmocka_unit_test(test_promotion_with_renamed_commands),
        cmocka_unit_test(test_passwords),
        cmocka_unit_test(test_many_links_with_scattered_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
