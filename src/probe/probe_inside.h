#ifndef PROBE_PROBE_INSIDE_H
#define PROBE_PROBE_INSIDE_H

/* What the files of this room share. Nobody outside includes it. */

#include "base/prng.h"
#include "probe/probe.h"

/* What a kind is made of. */
struct probe_ops {
    /* The kind's own object, or NULL and *err. The plan is not read after it returned. */
    void *(*create)(struct probe *p, const struct probe_plan *plan, struct err *err);
    void (*destroy)(void *kind);

    /* Begins one. It ends with probe_finish(), perhaps inside. */
    void (*start)(void *kind);

    /* Gives the one under way up, without probe_finish(): it is late. */
    void (*cancel)(void *kind);

    /* What the member was waited for: "the connection", "the login". While one is under way. */
    const char *(*waits_for)(const void *kind);
};

extern const struct probe_ops probe_sql_ops;
extern const struct probe_ops probe_http_ops;
extern const struct probe_ops probe_tcp_ops;

struct probe {
    struct loop *loop;
    const struct probe_ops *ops;
    void *kind;
    struct addr address;
    msec_t every_ms;
    msec_t timeout_ms;
    int jitter_percent;
    probe_call on_evidence;
    void *ctx;

    struct prng chance;
    struct loop_timer *begin_timer;
    struct loop_timer *late_timer;
    bool is_running;
    msec_t began_ms;
    msec_t early_ms; /* the last one that began before its time */
    msec_t pause_ms; /* longer than every_ms while a login fails */
    struct probe_snapshot snapshot;
};

/* The probe under way ended; evidence->took_ms is filled in here. The last thing a kind does: p may
 * be gone. */
void probe_finish(struct probe *p, const struct evidence *evidence);

/* As probe_finish(), with a reason. */
void probe_conclude(struct probe *p, enum verdict verdict, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Something happened while none is under way: begins one now, at most once in every_ms. */
void probe_early(struct probe *p);

/* The next one may wait longer than every_ms: doubled by each call, up to max_ms. probe_calm() is
 * the end of it. */
void probe_pause(struct probe *p, msec_t max_ms);
void probe_calm(struct probe *p);

#endif
