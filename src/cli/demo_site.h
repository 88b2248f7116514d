#ifndef CLI_DEMO_SITE_H
#define CLI_DEMO_SITE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/assert.h"
#include "base/err.h"
#include "base/msec.h"
#include "cli/demo_janitor.h"
#include "loop/loop.h"

/*
 * The processes of the demo: three redis-servers, three monitors and a router, their directory and
 * their ports.
 */
enum {
    DEMO_REDIS = 3,
    DEMO_MONITORS = 3,
    DEMO_QUORUM = 2,
    DEMO_PROCESSES = DEMO_REDIS + DEMO_MONITORS + 1, /* the router is the last */
    DEMO_NAME_MAX = 16,
    DEMO_PATH_MAX = 512, /* of a file in the directory */
};

#define DEMO_MASTER_NAME "mymaster"

struct demo_site;

struct demo_process {
    struct demo_site *site;
    char name[DEMO_NAME_MAX]; /* "redis-1", "monitor-3", "router" */
    struct addr at;
    struct child *child; /* NULL: does not run */
    bool is_paused;
    bool is_killed; /* by us: its end is no news */
};

struct demo_site_plan {
    msec_t down_after_ms;
    const char *monitors; /* NULL: holdfast itself */
    bool has_router;
    msec_t hold_ms; /* how long a request waits in the router for a master */
};

struct demo_site {
    struct loop *loop;
    struct demo_site_plan plan;
    char dir[DEMO_PATH_MAX / 2];
    char self[PATH_MAX];
    char redis_server[PATH_MAX];
    char sentinel[PATH_MAX]; /* "" is holdfast itself */
    struct demo_janitor janitor;
    struct demo_process processes[DEMO_PROCESSES]; /* redis first, then the monitors */
    size_t count;                                  /* of them: without the router one less */
    bool is_ending;

    /* A process ended that we did not kill. text is for people and lives only during the call. */
    void (*on_death)(void *ctx, const char *text);
    void *ctx;
};

/* Finds the programs, makes the directory with its janitor, and chooses the ports. Nothing runs
 * yet. *site must be zeroed; demo_site_finish() is due also after a failure. */
bool demo_site_prepare(struct demo_site *site, const struct demo_site_plan *plan,
                       struct err *err) MUST_CHECK;

struct demo_process *demo_site_redis(struct demo_site *site, size_t i);
struct demo_process *demo_site_monitor(struct demo_site *site, size_t i);
struct demo_process *demo_site_router(struct demo_site *site);                    /* or NULL */
struct demo_process *demo_site_at(struct demo_site *site, const struct addr *at); /* or NULL */

/* The router's control socket. */
void demo_site_control_path(const struct demo_site *site, char path[DEMO_PATH_MAX]);

/* Writes the configuration when there is none yet, and starts the process. */
bool demo_site_start(struct demo_process *process, struct err *err) MUST_CHECK;
void demo_site_kill(struct demo_process *process);   /* SIGKILL */
void demo_site_pause(struct demo_process *process);  /* SIGSTOP */
void demo_site_resume(struct demo_process *process); /* SIGCONT */

/* Kills all. demo_site_is_empty() is true some turns later. */
void demo_site_end(struct demo_site *site);
bool demo_site_is_empty(const struct demo_site *site);

/* The directory goes. No process may run any more. */
void demo_site_finish(struct demo_site *site);

#endif
