#ifndef LOOP_WORLD_H
#define LOOP_WORLD_H

/* What every test of this room needs: cmocka, waiting with a deadline, a directory,
 * certificates. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/loop.h"

enum { WORLD_DEADLINE_MS = 10000 /* generous: sanitizers on a busy machine */ };

typedef bool (*world_condition)(void *ctx);

/* A loop, or the test fails. */
struct loop *world_loop(void);

/* Runs the loop until the condition holds; fails the test when it never does. */
void world_wait(struct loop *loop, world_condition holds, void *ctx);
void world_wait_flag(struct loop *loop, const bool *flag);
void world_turns(struct loop *loop, int count); /* exactly so many more timer turns */

/* A directory below /tmp, gone with world_remove_dir(). */
void world_make_dir(char dir[64]);
void world_remove_dir(const char *dir);
void world_path(char path[128], const char *dir, const char *name);
size_t world_read_file(const char *path, char *to, size_t size);

/* Writes ca.pem, server.pem, server.key, client.pem, client.key (signed by ca), locked.key
 * (server.key under the password "sesame"), other.pem, other.key (self-signed). */
void world_make_certificates(const char *dir);

#endif
