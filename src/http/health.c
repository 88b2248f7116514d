#include "http/health.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "http/health_judge.h"

enum { HEALTH_TEXT_MAX = 512 /* above every text of the view */ };

/* An answer as it was rendered for one generation; 0 is none yet. */
struct health_page {
    uint64_t generation;
    int status;
    struct buf body;
};

struct health {
    const struct site_view *view;
    struct health_page node;
    struct health_page strict;
    struct health_page ready;
    struct health_page unknown; /* of no such service */
    struct health_page services[VIEW_SERVICES_MAX];
};

/* ---- JSON ---- */

static void health_put(json_t *object, const char *name, json_t *value)
{
    /* takes the reference also when it fails, which is running out of memory */
    if (value == NULL || json_object_set_new_nocheck(object, name, value) != 0) {
        assert_fail(__FILE__, __LINE__, __func__, "out of memory");
    }
}

static void health_add(json_t *array, json_t *value)
{
    if (value == NULL || json_array_append_new(array, value) != 0) {
        assert_fail(__FILE__, __LINE__, __func__, "out of memory");
    }
}

/* What members say of themselves may be any bytes; JSON takes UTF-8 only. */
static json_t *health_text(const char *text)
{
    char clean[HEALTH_TEXT_MAX];
    size_t whole = strlen(text);
    size_t len = whole < sizeof(clean) ? whole : sizeof(clean) - 1;

    for (size_t i = 0; i < len; i++) {
        clean[i] = '?';
        if (text[i] >= 0x20 && text[i] < 0x7f) {
            clean[i] = text[i];
        }
    }
    clean[len] = '\0';
    return json_string(clean);
}

static json_t *health_member(const struct view_service *service, const struct view_member *member)
{
    json_t *j = json_object();

    health_put(j, "name", health_text(member->name));
    health_put(j, "address", health_text(member->address));
    health_put(j, "verdict", health_text(verdict_text(member->verdict)));
    health_put(j, "reason", health_text(member->reason));
    health_put(j, "since_unix_ms", json_integer(member->since_unix_ms));
    health_put(j, "is_drained", json_boolean(member->is_drained));
    health_put(j, "is_here", json_boolean(member->is_here));
    if (service->has_one_writer) {
        health_put(j, "is_writer", json_boolean(member->is_writer));
    }
    return j;
}

static json_t *health_endpoint(const struct view_endpoint *endpoint)
{
    json_t *j = json_object();

    health_put(j, "address", health_text(endpoint->address));
    health_put(j, "serves", json_boolean(endpoint->serves));
    health_put(j, "is_own_fault", json_boolean(endpoint->is_own_fault));
    health_put(j, "reason", health_text(endpoint->reason));
    return j;
}

static json_t *health_service(const struct site_view *view, const struct view_service *service)
{
    struct health_judgement judged = health_judge_service(view, service);
    const struct view_endpoint *endpoint = &service->endpoint;
    json_t *members = json_array();
    json_t *j = json_object();

    health_put(j, "name", health_text(service->name));
    health_put(j, "kind", health_text(service->kind));
    health_put(j, "ok", json_boolean(judged.is_fine));
    health_put(j, "reason", health_text(judged.reason));
    health_put(j, "is_shared", json_boolean(service->is_shared));
    health_put(j, "counts", json_boolean(health_counts(service, false)));
    health_put(j, "endpoint", endpoint->is_here ? health_endpoint(endpoint) : json_null());
    for (size_t i = 0; i < service->members_count; i++) {
        health_add(members, health_member(service, &service->members[i]));
    }
    health_put(j, "members", members);
    return j;
}

static json_t *health_head(const struct site_view *view, const struct health_judgement *judged)
{
    json_t *j = json_object();

    health_put(j, "ok", json_boolean(judged->is_fine));
    health_put(j, "reason", health_text(judged->reason));
    health_put(j, "node", health_text(view->node));
    health_put(j, "generation", json_integer((json_int_t)view->generation));
    return j;
}

static json_t *health_names(const struct site_view *view)
{
    json_t *names = json_array();

    for (size_t i = 0; i < view->services_count; i++) {
        health_add(names, health_text(view->services[i].name));
    }
    return names;
}

/* ---- pages ---- */

static void health_render(struct health_page *page, const struct site_view *view, int status,
                          json_t *j)
{
    char *text = json_dumps(j, JSON_COMPACT);

    ASSERT(text != NULL); /* all texts were made ASCII */
    buf_clear(&page->body);
    buf_append_text(&page->body, text);
    buf_append_text(&page->body, "\n");
    page->status = status;
    page->generation = view->generation;
    free(text);
    json_decref(j);
}

/* Before the writer has written for the first time nothing may be kept. */
static bool health_is_fresh(const struct health_page *page, const struct site_view *view)
{
    return page->generation == view->generation && view->generation > 0;
}

static const struct health_page *health_node_page(struct health *h, bool is_strict)
{
    const struct site_view *view = h->view;
    struct health_page *page = is_strict ? &h->strict : &h->node;

    if (!health_is_fresh(page, view)) {
        struct health_judgement judged = health_judge_node(view, is_strict);
        json_t *j = health_head(view, &judged);
        json_t *services = json_array();
        health_put(j, "is_strict", json_boolean(is_strict));
        health_put(j, "is_drained", json_boolean(view->is_drained));
        health_put(j, "has_majority", json_boolean(view->has_majority));
        for (size_t i = 0; i < view->services_count; i++) {
            health_add(services, health_service(view, &view->services[i]));
        }
        health_put(j, "services", services);
        health_render(page, view, judged.is_fine ? 200 : 503, j);
    }
    return page;
}

static const struct health_page *health_ready_page(struct health *h)
{
    if (!health_is_fresh(&h->ready, h->view)) {
        struct health_judgement judged = health_judge_ready(h->view);
        json_t *j = health_head(h->view, &judged);
        health_put(j, "is_started", json_boolean(h->view->is_started));
        health_put(j, "is_known", json_boolean(h->view->is_known));
        health_render(&h->ready, h->view, judged.is_fine ? 200 : 503, j);
    }
    return &h->ready;
}

/* The name that was asked for stays out of it: the page is the same for all. */
static const struct health_page *health_unknown_page(struct health *h)
{
    if (!health_is_fresh(&h->unknown, h->view)) {
        struct health_judgement judged = {.reason = "no such service on this site"};
        json_t *j = health_head(h->view, &judged);
        health_put(j, "services", health_names(h->view));
        health_render(&h->unknown, h->view, 404, j);
    }
    return &h->unknown;
}

static const struct health_page *health_service_page(struct health *h, const char *name)
{
    const struct view_service *service = site_view_service(h->view, name);

    if (service == NULL) {
        return health_unknown_page(h);
    }
    struct health_page *page = &h->services[service - h->view->services];
    if (!health_is_fresh(page, h->view)) {
        struct health_judgement judged = health_judge_service(h->view, service);
        json_t *j = health_head(h->view, &judged);
        health_put(j, "service", health_service(h->view, service));
        health_render(page, h->view, judged.is_fine ? 200 : 503, j);
    }
    return page;
}

/* ---- the face ---- */

struct health *health_create(const struct site_view *view)
{
    struct health *h = memory_zeroed(sizeof(*h));

    h->view = view;
    return h;
}

void health_destroy(struct health *h)
{
    if (h == NULL) {
        return;
    }
    buf_finish(&h->node.body);
    buf_finish(&h->strict.body);
    buf_finish(&h->ready.body);
    buf_finish(&h->unknown.body);
    for (size_t i = 0; i < VIEW_SERVICES_MAX; i++) {
        buf_finish(&h->services[i].body);
    }
    free(h);
}

void health_on_request(void *ctx, const struct http_request *request, struct http_answer *answer)
{
    static const char elsewhere[] = "here are /healthz, /healthz?strict, /healthz/SERVICE, "
                                    "/readyz\n";
    static const char prefix[] = "/healthz/";
    struct health *h = ctx;
    const struct health_page *page = NULL;

    if (strcmp(request->path, "/healthz") == 0 || strcmp(request->path, prefix) == 0) {
        page = health_node_page(h, http_request_has(request, "strict"));
    } else if (strcmp(request->path, "/readyz") == 0) {
        page = health_ready_page(h);
    } else if (strncmp(request->path, prefix, sizeof(prefix) - 1) == 0) {
        page = health_service_page(h, request->path + sizeof(prefix) - 1);
    } else {
        *answer = (struct http_answer){.status = 404,
                                       .type = "text/plain",
                                       .body = elsewhere,
                                       .body_len = sizeof(elsewhere) - 1};
        return;
    }
    *answer = (struct http_answer){.status = page->status,
                                   .type = "application/json",
                                   .body = buf_data(&page->body),
                                   .body_len = page->body.len};
}

/* ---- the cluster check ---- */

static const struct view_member *health_local_member(const struct site_view *view,
                                                     const char *service_name)
{
    const struct view_service *service = site_view_service(view, service_name);

    for (size_t i = 0; service != NULL && i < service->members_count; i++) {
        if (service->members[i].is_here) {
            return &service->members[i];
        }
    }
    return NULL;
}

void health_on_cluster_check(void *ctx, const struct http_request *request,
                             struct http_answer *answer)
{
    struct health_cluster_check *check = ctx;
    const struct view_member *member = health_local_member(check->view, check->service);
    int status = 503;

    (void)request; /* the script that it stands for never read it */
    if (member == NULL) {
        (void)snprintf(check->text, sizeof(check->text), "No member of %s is on this node.\r\n",
                       check->service);
    } else if (check->view->is_drained || member->is_drained) {
        (void)snprintf(check->text, sizeof(check->text),
                       "Galera node %s is drained by the operator.\r\n", member->name);
    } else if (verdict_serves(member->verdict)) {
        status = 200;
        (void)snprintf(check->text, sizeof(check->text), "Galera node %s is %s.\r\n", member->name,
                       verdict_text(member->verdict));
    } else {
        (void)snprintf(check->text, sizeof(check->text), "Galera node %s is %s: %s\r\n",
                       member->name, verdict_text(member->verdict), member->reason);
    }
    *answer = (struct http_answer){.status = status,
                                   .type = "text/plain",
                                   .body = check->text,
                                   .body_len = strlen(check->text)};
}
