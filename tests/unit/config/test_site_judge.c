/* Mistakes of meaning: each file is well formed, and would not do what its writer thinks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config/site.h"

struct judged {
    const char *text;
    enum site_severity severity;
    int line;
    const char *says; /* what is wrong */
};

#define NODES "site: s\nnodes: {a: 10.0.0.1, b: 10.0.0.2, c: 10.0.0.3, d: 10.0.0.4}\n"
#define ZONES                                                                                      \
    "site: s\nnodes: {a: {address: 10.0.0.1, zone: x}, b: {address: 10.0.0.2, zone: x}, "          \
    "c: {address: 10.0.0.3, zone: x}, d: {address: 10.0.0.4, zone: y}, "                           \
    "e: {address: 10.0.0.5, zone: z}}\n"
#define CACHE(more)    "services: {cache: {kind: redis, members: [a, b, c], " more "}}\n"
#define ENDPOINT(more) CACHE("endpoint: {" more "}")
#define DB(more)       "services: {db: {kind: galera, members: [a, b, c], " more "}}\n"
#define PROBE          "probe: {password_file: /etc/p}, "
#define WEB(more)      "services: {web: {kind: http, members: [a, b], " more "}}\n"

static const struct judged judged[] = {
    /* monitors and quorums */
    {NODES "monitors: [a, b]\n" CACHE(""), SITE_ERROR, 3, "a quorum of two"},
    {NODES "monitors: [a, b, c, d]\n" CACHE(""), SITE_WARNING, 3, "bear no more losses than 3"},
    {NODES "monitors: a\n" CACHE(""), SITE_WARNING, 3, "without its node nothing fails over"},
    {NODES "monitors: [a, b, z]\n" CACHE(""), SITE_ERROR, 3, "there is no node z"},
    {NODES "monitors: [a, b, c, c]\n" CACHE(""), SITE_ERROR, 3, "is named twice"},
    {NODES "monitors: [a, b, d]\n" CACHE(""), SITE_WARNING, 3, "d votes and holds no data, c "},
    {NODES CACHE("quorum: 4"), SITE_ERROR, 3, "is never reached"},
    {NODES CACHE("quorum: 3"), SITE_ERROR, 3, "the loss of one makes it unreachable"},
    {"site: s\nnodes: {a: 10.0.0.1, b: 10.0.0.2}\nservices: {r: {kind: redis, members: [a, b]}}\n",
     SITE_WARNING, 3, "without its node nothing fails over"},
    {ZONES "services: {r: {kind: redis, members: [a, b, d]}}\n", SITE_WARNING, 3,
     "most monitors are in zone x"},
    /* members */
    {ZONES DB(PROBE), SITE_WARNING, 3, "all its members are in zone x"},
    {"site: s\nnodes: {a: {address: 10.0.0.1, zone: x}, b: 10.0.0.2}\n" WEB(""), SITE_WARNING, 2,
     "b has no zone"},
    {"site: s\nnodes: {a: 10.0.0.1, b: 10.0.0.1}\n" WEB(""), SITE_ERROR, 2, "has the address of a"},
    {"site: s\nnodes: {a: 10.0.0.1, b: 127.0.0.1}\n" WEB(""), SITE_ERROR, 2, "cannot reach it"},
    {NODES "services: {w: {kind: http, members: [a, z]}}\n", SITE_ERROR, 3, "there is no node z"},
    {NODES "services: {w: {kind: http, members: {a: {}, x: {node: a}}}}\n", SITE_ERROR, 3,
     "the same server as a"},
    {NODES "services: {w: {kind: http, members: {a: {}, x: {node: b, address: h}}}}\n", SITE_ERROR,
     3, "both a node and an address"},
    {NODES "services: {w: {kind: http, members: [a]}}\n", SITE_WARNING, 3, "one member"},
    {NODES "services: {w: {kind: http, members: {a: {role: standby}, b: {role: standby}}}}\n",
     SITE_ERROR, 3, "no member is active"},
    {NODES "services: {m: {kind: mysql, " PROBE "members: [a, b]}}\n", SITE_ERROR, 3,
     "2 active members"},
    {NODES "services: {g: {kind: galera, " PROBE "members: [a, b]}}\n", SITE_WARNING, 3,
     "two Galera nodes"},
    {NODES "services: {g: {kind: galera, " PROBE
           "members: {a: {priority: 0}, b: {priority: 0}, c: {priority: 0}}}}\n",
     SITE_ERROR, 3, "no member may ever be the master"},
    /* probes */
    {NODES DB(""), SITE_WARNING, 3, "without a password"},
    {NODES WEB("probe: {path: healthz}"), SITE_ERROR, 3, "does not begin with /"},
    {NODES WEB("probe: {method: HEAD, body: ok}"), SITE_ERROR, 3, "the answer to HEAD has none"},
    /* endpoints */
    {NODES ENDPOINT("listen: 127.0.0.1:1, nodes: [a, z]"), SITE_ERROR, 3, "there is no node z"},
    {NODES ENDPOINT("listen: 0.0.0.0:1"), SITE_ERROR, 3, "clients give no password"},
    {NODES ENDPOINT("listen: node:1"), SITE_ERROR, 3, "clients give no password"},
    {NODES ENDPOINT("listen: node:1, client_auth: own"), SITE_ERROR, 3, "needs the password"},
    {NODES ENDPOINT("listen: 127.0.0.1:1, client_password_file: /etc/p"), SITE_ERROR, 3,
     "is used with client_auth: own only"},
    {NODES ENDPOINT("listen: 127.0.0.1:1, when_down: miss"), SITE_ERROR, 3, "\"lost\""},
    {NODES CACHE("use: sessions, endpoint: {listen: 127.0.0.1:1, when_down: miss}"), SITE_ERROR, 3,
     "keeps sessions in it"},
    {NODES ENDPOINT("listen: 127.0.0.1:1, clients: 10, strangers: 20"), SITE_ERROR, 3,
     "more than clients"},
    /* two on one address */
    {NODES ENDPOINT("listen: node:6379, open: yes"), SITE_ERROR, 3, "port 6379 of node a"},
    {NODES CACHE("endpoint: 127.0.0.1:1, read_endpoint: 127.0.0.1:1"), SITE_ERROR, 3,
     "by the endpoint of cache and by the read endpoint of cache"},
    {NODES ENDPOINT("listen: 127.0.0.1:9180") "health: 0.0.0.0:9180\n", SITE_ERROR, 4,
     "by the endpoint of cache and by health"},
    {NODES ENDPOINT("listen: '0.0.0.0:9180', open: yes") "health: 127.0.0.1:9180\n", SITE_ERROR, 4,
     "by the endpoint of cache and by health"},
    {NODES ENDPOINT("listen: [unix:/run/a, unix:/run/a]"), SITE_ERROR, 3, "unix:/run/a of node a"},
    {NODES "monitors: {nodes: [a, b, c], port: 6379}\n" CACHE(""), SITE_ERROR, 4,
     "by the monitor and by a member of cache"},
    {NODES WEB("") "haproxy: {nodes: z}\n", SITE_ERROR, 4, "there is no node z"},
    /* TLS */
    {NODES WEB("") "tls: {cert_file: /etc/c}\n", SITE_ERROR, 4, "go together"},
    {NODES WEB("") "tls: yes\n", SITE_ERROR, 4, "needs a certificate"},
    {NODES WEB("") "tls: {cert_file: /etc/c, key_file: /tmp/k}\n", SITE_WARNING, 4,
     "no place for a secret"},
};

static void test_each_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(judged); i++) {
        struct site site = {0};
        struct site_findings findings = {0};
        const struct judged *row = &judged[i];
        bool is_right = site_parse(row->text, strlen(row->text), &site, &findings);
        bool is_found = findings.count == 1 && findings.items[0].at.line == row->line &&
                        findings.items[0].severity == row->severity &&
                        findings.items[0].remedy != NULL &&
                        strstr(findings.items[0].what, row->says) != NULL;
        for (size_t j = 0; j < findings.count && !is_found; j++) {
            print_error("%d:%d: %s\n", findings.items[j].at.line, findings.items[j].at.column,
                        findings.items[j].what);
        }
        if (!is_found) {
            print_error("row %zu: wanted line %d: %s; in\n%s", i, row->line, row->says, row->text);
        }
        assert_true(is_found);
        assert_int_equal(is_right, row->severity == SITE_WARNING);
        site_findings_finish(&findings);
        if (is_right) {
            site_finish(&site);
        }
    }
}

/* What looks like one of the above, and is right. */
static void test_what_is_right_is_not_found(void **state)
{
    static const char *const texts[] = {
        NODES ENDPOINT("listen: node:1, client_auth: own, client_password_file: /etc/p"),
        NODES ENDPOINT("listen: node:1, client_auth: pass"),
        NODES ENDPOINT("listen: '0.0.0.0:1', open: yes"),
        NODES ENDPOINT("listen: 127.0.0.1:6379"),
        NODES CACHE("use: cache, endpoint: {listen: 127.0.0.1:1, when_down: miss}"),
        NODES CACHE("quorum: 2"),
        NODES ENDPOINT("listen: 127.0.0.1:1, clients: 10"),
        NODES "monitors: [a, b, c]\n" CACHE(""),
        NODES "services: {m: {kind: mysql, " PROBE "members: {a: {}, b: {role: standby}}}}\n",
        NODES "services: {m: {kind: mysql, " PROBE "members: {x: {address: db.example.net}}}}\n",
        NODES CACHE("endpoint: {listen: 127.0.0.1:1, nodes: a}") "health: {listen: 127.0.0.1:2}\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct site site = {0};
        struct site_findings findings = {0};
        bool is_right = site_parse(texts[i], strlen(texts[i]), &site, &findings);
        if (findings.count > 0) {
            fail_msg("%s\n%s", findings.items[0].what, texts[i]);
        }
        assert_true(is_right);
        site_findings_finish(&findings);
        site_finish(&site);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_is_found),
        cmocka_unit_test(test_what_is_right_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
