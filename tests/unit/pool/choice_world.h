#ifndef CHOICE_WORLD_H
#define CHOICE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pool/master_choice.h"

/* A site as the choice sees it, and the words to tell stories of it. Each word is judged at once.
 */

enum { SILENT_MS = 3000, HOLD_MS = 5000 };

struct world {
    struct master_choice c;
    msec_t now;
};

/* The address of a server that is called by a letter. */
struct addr server(char name);
/* Nothing was heard yet. */
void world_begin(struct world *w, size_t monitors);
bool judge(struct world *w);
void pass(struct world *w, msec_t ms);
/* A monitor answers; '-' is that it knows no master. */
void say(struct world *w, size_t monitor, char name, uint64_t epoch);
void all_say(struct world *w, char name, uint64_t epoch);
void role(struct world *w, char name, enum choice_role role);
void selected(struct world *w, size_t monitor, char of, char replica);
void aborted(struct world *w, size_t monitor);
/* Is its ROLE wanted? */
bool is_asked(const struct world *w, char name);
bool is_urgent(const struct world *w, char name);
/* Asserts what the route is; '-' is no master. */
void expect(const struct world *w, enum choice_state state, char name, uint64_t generation);
/* A is the master at epoch 1, and all three monitors say so. */
void world_of_a(struct world *w);

#endif
