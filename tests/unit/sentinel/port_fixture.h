#ifndef TESTS_PORT_FIXTURE_H
#define TESTS_PORT_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "sentinel/sentinel.h"

/*
 * A port on a real loop, with a real core behind it whose disk is instant (or held by the test) and
 * whose links lead nowhere. The test is the client: it writes bytes and turns the loop until the
 * reply is there.
 */
enum { FIXTURE_NOTES_MAX = 64, FIXTURE_LIMIT_MS = 5000 };

struct fixture {
    struct loop *loop;
    struct sentinel *port;
    struct sentinel_conf conf;
    void *block;
    struct failover *core;
    struct action_list actions;
    struct buf hello; /* what PUBLISH brought, each with a line end */
    struct buf notes; /* "event payload\n" */
    uint32_t changes;
    char changed_master[MASTER_NAME_MAX];
    bool shutdown_asked;
    bool hold_disk; /* PERSISTED does not come until fixture_disk() */
    bool disk_fails;
    bool refuse_answers;         /* submit() is never answered */
    const char *removed_at_note; /* a file that goes when SET or CONFIG SET tells something */
    uint64_t disk_seq;
    struct loop_timer *stop;
};

/* conf lines, as in sentinel.conf; port and bind are set.
 * Fails the test when the port cannot open. */
void fixture_open(struct fixture *f, const char *conf);
bool fixture_try(struct fixture *f, const char *conf, struct err *err);
void fixture_close(struct fixture *f);

void fixture_turn(struct fixture *f); /* one turn of the loop, about a millisecond */
void fixture_step(struct fixture *f, const struct event *event);
void fixture_disk(struct fixture *f); /* what was asked to be saved is on disk now */

/* A connected socket. */
int fixture_connect(struct fixture *f);

void fixture_send(struct fixture *f, int fd, const char *bytes, size_t len);
void fixture_ask(struct fixture *f, int fd, const char *line); /* one inline command */

/* The next bytes from fd are exactly these. */
void fixture_expect(struct fixture *f, int fd, const char *bytes);

/* Sends the line and expects the reply. */
void fixture_say(struct fixture *f, int fd, const char *line, const char *reply);

/* What fd says until it is silent for some turns; *out must be zeroed. False when it was closed. */
bool fixture_hear(struct fixture *f, int fd, struct buf *out);

/* fd is closed by the port, after whatever it says; then fd is closed here too. */
void fixture_expect_closed(struct fixture *f, int fd);
void fixture_expect_silence(struct fixture *f, int fd);

#endif
