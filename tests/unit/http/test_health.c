#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/text.h"
#include "http/health.h"

/* A shop's web node: its own web server, a database and a cache that all nodes share. */
static int make_site(void **state)
{
    struct site_view *v = memory_zeroed(sizeof(*v));
    struct view_service *web = &v->services[0];
    struct view_service *db = &v->services[1];

    *v = (struct site_view){
        .node = "w1", .is_started = true, .is_known = true, .has_majority = true};
    v->services_count = 2;
    text_cut(web->name, sizeof(web->name), "web");
    web->members_count = 2;
    web->members[0] = (struct view_member){.name = "w1", .verdict = VERDICT_READY, .is_here = true};
    web->members[1] = (struct view_member){.name = "w2", .verdict = VERDICT_NOT_READY};
    text_cut(db->name, sizeof(db->name), "db");
    db->is_shared = true;
    db->endpoint = (struct view_endpoint){.is_here = true, .serves = true};
    db->members_count = 1;
    db->members[0] =
        (struct view_member){.name = "d1", .verdict = VERDICT_READY, .reason = "say \"\xff\n"};
    site_view_changed(v);
    *state = v;
    return 0;
}

static int free_site(void **state)
{
    free(*state);
    return 0;
}

/* The status of a path; text has to be in the body. */
static int ask(struct health *h, const char *path, const char *query, const char *text)
{
    struct http_request r = {.method = HTTP_GET};
    struct http_answer a = {0};

    text_cut(r.path, sizeof(r.path), path);
    text_cut(r.query, sizeof(r.query), query);
    health_on_request(h, &r, &a);
    assert_int_equal(a.body_len, strlen(a.body));
    if (strstr(a.body, text) == NULL) {
        fail_msg("\"%s\" is not in %s", text, a.body);
    }
    return a.status;
}

static void a_node_serves_by_its_own_members(void **state)
{
    struct site_view *v = *state;
    struct health *h = health_create(v);

    assert_int_equal(ask(h, "/healthz", "", "\"ok\":true"), 200);
    assert_int_equal(ask(h, "/healthz/web", "", "\"w2\""), 200);
    assert_int_equal(ask(h, "/readyz", "", "\"is_known\":true"), 200);
    assert_int_equal(ask(h, "/healthz", "", "say \\\"??"), 200); /* no byte breaks the JSON */
    v->services[0].members[0].verdict = VERDICT_UNREACHABLE;
    text_cut(v->services[0].members[0].reason, HEALTH_REASON_MAX, "refused");
    site_view_changed(v);
    assert_int_equal(ask(h, "/healthz", "", "web: w1 is unreachable: refused"), 503);
    assert_int_equal(ask(h, "/healthz/web", "", "w1 is unreachable"), 503);
    assert_int_equal(ask(h, "/healthz/db", "", "\"ok\":true"), 200);
    health_destroy(h);
}

static void what_all_nodes_miss_is_told_and_does_not_count(void **state)
{
    struct site_view *v = *state;
    struct health *h = health_create(v);

    v->services[1].endpoint.serves = false;
    text_cut(v->services[1].endpoint.reason, HEALTH_REASON_MAX, "no writer");
    site_view_changed(v);
    assert_int_equal(ask(h, "/healthz", "", "this node's endpoint does not serve: no writer"), 200);
    assert_int_equal(ask(h, "/healthz", "strict", "db: this node's endpoint"), 503);
    assert_int_equal(ask(h, "/healthz/db", "", "no writer"), 503);
    v->services[1].endpoint.is_own_fault = true;
    site_view_changed(v);
    assert_int_equal(ask(h, "/healthz", "", "db: this node's endpoint"), 503);
    health_destroy(h);
}

static void a_drained_node_and_a_drained_member(void **state)
{
    struct site_view *v = *state;
    struct health *h = health_create(v);

    v->services[0].members[0].is_drained = true;
    site_view_changed(v);
    assert_int_equal(ask(h, "/healthz", "", "w1 is drained by the operator"), 503);
    v->services[0].members[0].is_drained = false;
    v->is_drained = true;
    site_view_changed(v);
    assert_int_equal(ask(h, "/healthz", "", "\"reason\":\"drained by the operator\""), 503);
    assert_int_equal(ask(h, "/healthz/db", "", "drained by the operator"), 503);
    assert_int_equal(ask(h, "/readyz", "", "\"ok\":true"), 200);
    health_destroy(h);
}

static void a_node_that_does_not_know_yet(void **state)
{
    struct site_view *v = *state;
    struct health *h = health_create(v);

    v->is_known = false;
    site_view_changed(v);
    assert_int_equal(ask(h, "/readyz", "", "not every member was probed"), 503);
    assert_int_equal(ask(h, "/healthz", "", "not every member was probed"), 503);
    health_destroy(h);
    memset(v, 0, sizeof(*v));
    h = health_create(v);
    assert_int_equal(ask(h, "/readyz", "", "still starting"), 503);
    v->is_started = v->is_known = true; /* without a generation nothing may be kept */
    assert_int_equal(ask(h, "/readyz", "", "still starting"), 503);
    site_view_changed(v);
    assert_int_equal(ask(h, "/readyz", "", "\"ok\":true"), 200);
    health_destroy(h);
}

static void unknown_names_and_paths(void **state)
{
    struct health *h = health_create(*state);

    assert_int_equal(ask(h, "/healthz/wbe", "", "\"services\":[\"web\",\"db\"]"), 404);
    assert_int_equal(ask(h, "/", "", "/readyz"), 404);
    assert_int_equal(ask(h, "/healthzz", "", "/readyz"), 404);
    assert_int_equal(ask(h, "/healthz/", "", "\"is_strict\":false"), 200);
    health_destroy(h);
}

/* The same bytes at the same place: a flood of checks renders nothing. */
static void a_page_is_rendered_once_for_a_generation(void **state)
{
    struct site_view *v = *state;
    struct health *h = health_create(v);
    struct http_request r = {.method = HTTP_GET, .path = "/healthz"};
    struct http_answer first = {0};
    struct http_answer again = {0};

    health_on_request(h, &r, &first);
    text_cut(v->node, sizeof(v->node), "other"); /* not announced, so not seen */
    health_on_request(h, &r, &again);
    assert_ptr_equal(first.body, again.body);
    assert_null(strstr(again.body, "other"));
    site_view_changed(v);
    assert_int_equal(ask(h, "/healthz", "", "\"node\":\"other\""), 200);
    health_destroy(h);
}

static int check_galera(struct health_cluster_check *check, const char *text)
{
    struct http_request r = {.method = HTTP_OPTIONS, .path = "/"};
    struct http_answer a = {0};

    health_on_cluster_check(check, &r, &a);
    assert_non_null(strstr(a.body, text));
    return a.status;
}

static void the_cluster_check_is_of_the_local_member(void **state)
{
    struct site_view *v = *state;
    struct health_cluster_check check = {.view = v, .service = "db"};
    struct view_member *member = &v->services[1].members[0];

    assert_int_equal(check_galera(&check, "No member of db is on this node"), 503);
    member->is_here = true;
    assert_int_equal(check_galera(&check, "d1 is ready"), 200);
    member->verdict = VERDICT_AVOID;
    assert_int_equal(check_galera(&check, "d1 is avoid"), 200);
    member->verdict = VERDICT_NOT_READY;
    assert_int_equal(check_galera(&check, "d1 is not ready: say"), 503);
    member->verdict = VERDICT_READY;
    v->is_drained = true;
    assert_int_equal(check_galera(&check, "drained"), 503);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_node_serves_by_its_own_members, make_site, free_site),
        cmocka_unit_test_setup_teardown(what_all_nodes_miss_is_told_and_does_not_count, make_site,
                                        free_site),
        cmocka_unit_test_setup_teardown(a_drained_node_and_a_drained_member, make_site, free_site),
        cmocka_unit_test_setup_teardown(a_node_that_does_not_know_yet, make_site, free_site),
        cmocka_unit_test_setup_teardown(unknown_names_and_paths, make_site, free_site),
        cmocka_unit_test_setup_teardown(a_page_is_rendered_once_for_a_generation, make_site,
                                        free_site),
        cmocka_unit_test_setup_teardown(the_cluster_check_is_of_the_local_member, make_site,
                                        free_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
