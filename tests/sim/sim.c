/*
 * The simulator's command line. Seeds run in forked workers, so that an assert of the core is one
 * failed seed and not the end of the run; one seed with its story runs in this process.
 */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "sim/chaos.h"
#include "sim/scenario.h"
#include "sim/world.h"

enum {
    JOBS_MAX = 64,
    FAILURES_SHOWN_MAX = 10, /* more of them rarely tell more */
    TAIL_BYTES = 6000,       /* of a failing seed's story */
    SCENARIOS_MAX = 256,
    FRESH_PAGES_BYTES = 1 << 20,
};

struct options {
    uint64_t seeds;
    uint64_t from;
    bool has_seed;
    uint64_t seed;
    bool trace;
    bool twice;
    bool expect_failure;
    int mutation;
    unsigned jobs;
    const char *scenarios[SCENARIOS_MAX];
    size_t scenarios_count;
};

/* What a worker tells; shared memory. */
struct worker {
    pid_t pid;
    volatile uint64_t current;
    volatile uint64_t next;
    volatile uint64_t passed;
    volatile uint64_t failed;
    volatile uint64_t steps;
    volatile uint64_t failovers;
    volatile uint64_t elections;
    volatile msec_t settle_ms;
    volatile uint64_t settle_seed;
};

static const char *const mutation_names[MUTATION_COUNT] = {
    [MUTATION_NONE] = "none",
    [MUTATION_VOTE_TWICE] = "vote-twice",
    [MUTATION_VOTE_UNSAVED] = "vote-unsaved",
    [MUTATION_EPOCH_BACK] = "epoch-back",
    [MUTATION_MINORITY] = "minority",
    [MUTATION_NO_QUORUM] = "no-quorum",
    [MUTATION_LOWEST_OFFSET] = "lowest-offset",
    [MUTATION_SAME_EPOCH_CONFIG] = "same-epoch-config",
    [MUTATION_NO_RETRY] = "no-retry",
    [MUTATION_NO_DEMOTION] = "no-demotion",
};

/* ---------------------------------------------------------------- one seed */

static bool sim_play(const struct options *o, uint64_t seed, FILE *story, uint64_t *hash,
                     char why[WORLD_WHY_MAX], struct worker *worker)
{
    struct world_config config = {.mutation = o->mutation};

    chaos_config(seed, &config);
    struct world *w = world_create(&config);

    world_start(w, story, hash != NULL);
    bool ok = chaos_run(w);

    (void)snprintf(why, WORLD_WHY_MAX, "%s", w->why);
    if (hash != NULL) {
        *hash = w->story_hash;
    }
    if (worker != NULL) {
        worker->steps += w->stats.steps;
        worker->failovers += w->stats.failovers;
        worker->elections += w->stats.elections;
        if (worker->settle_ms < w->stats.settle_ms) {
            worker->settle_ms = w->stats.settle_ms;
            worker->settle_seed = seed;
        }
    }
    if (story != NULL) {
        (void)fprintf(
            story,
            "%llu events, %llu steps, %llu elections, %llu promotions, %llu writes, %llu refused\n",
            (unsigned long long)w->stats.events, (unsigned long long)w->stats.steps,
            (unsigned long long)w->stats.elections, (unsigned long long)w->stats.failovers,
            (unsigned long long)w->stats.writes, (unsigned long long)w->stats.writes_failed);
    }
    world_destroy(w);
    return ok;
}

static bool sim_play_twice(const struct options *o, uint64_t seed, char why[WORLD_WHY_MAX],
                           struct worker *worker)
{
    uint64_t first = 0;
    uint64_t second = 0;
    bool ok = sim_play(o, seed, NULL, &first, why, worker);

    (void)sim_play(o, seed, NULL, &second, why, NULL);
    if (ok && first != second) {
        (void)snprintf(why, WORLD_WHY_MAX, "two runs of one seed told two stories");
        return false;
    }
    return ok;
}

static void sim_print_command(const struct options *o, uint64_t seed)
{
    (void)printf("    replay: build/sim --seed %llu --trace%s%s\n", (unsigned long long)seed,
                 o->mutation == MUTATION_NONE ? "" : " --mutation ",
                 o->mutation == MUTATION_NONE ? "" : mutation_names[o->mutation]);
}

/* The end of the story of a seed that failed. */
static void sim_print_tail(const struct options *o, uint64_t seed)
{
    char *text = NULL;
    size_t len = 0;
    FILE *story = open_memstream(&text, &len);
    char why[WORLD_WHY_MAX];

    if (story == NULL) {
        return;
    }
    (void)sim_play(o, seed, story, NULL, why, NULL);
    (void)fclose(story);
    const char *from = len > TAIL_BYTES ? strchr(text + len - TAIL_BYTES, '\n') : text;

    (void)printf("    ...%s\n", from == NULL ? "" : from);
    free(text);
}

static bool sim_run_one(const struct options *o, uint64_t seed, struct worker *worker,
                        uint64_t failed_before)
{
    char why[WORLD_WHY_MAX];
    bool ok = o->twice ? sim_play_twice(o, seed, why, worker)
                       : sim_play(o, seed, NULL, NULL, why, worker);

    if (!ok && failed_before < FAILURES_SHOWN_MAX && !o->expect_failure) {
        (void)printf("seed %llu failed: %s\n", (unsigned long long)seed, why);
        sim_print_command(o, seed);
        if (failed_before == 0) {
            sim_print_tail(o, seed);
        }
        (void)fflush(stdout);
    } else if (!ok && failed_before == 0) {
        (void)printf("seed %llu: %s\n", (unsigned long long)seed, why);
        (void)fflush(stdout);
    }
    return ok;
}

/* ---------------------------------------------------------------- many seeds */

static void sim_work(const struct options *o, struct worker *worker, unsigned stride)
{
    while (worker->next < o->from + o->seeds) {
        uint64_t seed = worker->next;

        worker->current = seed;
        worker->next = seed + stride;
        if (sim_run_one(o, seed, worker, worker->failed)) {
            worker->passed++;
        } else {
            worker->failed++;
            if (o->expect_failure) {
                return;
            }
        }
    }
}

static void sim_spawn(const struct options *o, struct worker *worker, unsigned stride)
{
    (void)fflush(stdout);
    pid_t pid = fork();

    if (pid < 0) {
        perror("sim: fork");
        exit(2);
    }
    if (pid == 0) {
        sim_work(o, worker, stride);
        (void)fflush(stdout);
        _exit(0);
    }
    worker->pid = pid;
}

/* A worker ended. True when it has to go on with its next seed. */
static bool sim_ended(const struct options *o, struct worker *worker, int status)
{
    worker->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return false;
    }
    (void)printf("seed %llu failed: the process died (%s %d): an assert, or a sanitizer's finding, "
                 "see above\n",
                 (unsigned long long)worker->current, WIFSIGNALED(status) ? "signal" : "status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    sim_print_command(o, worker->current);
    worker->failed++;
    return worker->next < o->from + o->seeds && worker->failed < FAILURES_SHOWN_MAX &&
           !o->expect_failure;
}

static void sim_show_progress(const struct worker *workers, unsigned jobs, uint64_t seeds)
{
    uint64_t done = 0;

    for (unsigned i = 0; i < jobs; i++) {
        done += workers[i].passed + workers[i].failed;
    }
    (void)printf("\r%llu of %llu seeds", (unsigned long long)done, (unsigned long long)seeds);
    (void)fflush(stdout);
}

static void sim_wait(const struct options *o, struct worker *workers, unsigned jobs)
{
    bool is_terminal = isatty(STDOUT_FILENO) != 0;
    unsigned running = jobs;

    while (running > 0) {
        int status = 0;
        pid_t pid = waitpid(-1, &status, is_terminal ? WNOHANG : 0);

        if (pid == 0) {
            sim_show_progress(workers, jobs, o->seeds);
            (void)poll(NULL, 0, 200);
            continue;
        }
        if (pid < 0) {
            if (errno == EINTR) {
                continue;
            }
            break;
        }
        for (unsigned i = 0; i < jobs; i++) {
            if (workers[i].pid != pid) {
                continue;
            }
            if (sim_ended(o, &workers[i], status)) {
                sim_spawn(o, &workers[i], jobs);
            } else {
                running--;
            }
        }
    }
    if (is_terminal) {
        (void)printf("\r                                \r");
    }
}

static int sim_summary(const struct options *o, uint64_t passed, uint64_t failed)
{
    (void)printf("%llu passed, %llu failed\n", (unsigned long long)passed,
                 (unsigned long long)failed);
    if (o->expect_failure) {
        (void)printf("mutation %s: %s\n", mutation_names[o->mutation],
                     failed > 0 ? "caught, as it must be"
                                : "NOT CAUGHT: the checker misses a broken rule");
        return failed > 0 ? 0 : 1;
    }
    return failed > 0 ? 1 : 0;
}

static int sim_seeds(const struct options *o)
{
    struct worker *workers = mmap(NULL, sizeof(*workers) * JOBS_MAX, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t passed = 0;
    uint64_t failed = 0;
    uint64_t steps = 0;
    uint64_t failovers = 0;
    uint64_t elections = 0;
    const struct worker *slowest = workers;

    if (workers == MAP_FAILED) {
        perror("sim: mmap");
        return 2;
    }
    for (unsigned i = 0; i < o->jobs; i++) {
        workers[i].next = o->from + i;
        sim_spawn(o, &workers[i], o->jobs);
    }
    sim_wait(o, workers, o->jobs);
    for (unsigned i = 0; i < o->jobs; i++) {
        passed += workers[i].passed;
        failed += workers[i].failed;
        steps += workers[i].steps;
        failovers += workers[i].failovers;
        elections += workers[i].elections;
        slowest = workers[i].settle_ms > slowest->settle_ms ? &workers[i] : slowest;
    }
    (void)printf("%llu steps, %llu elections, %llu promotions; the longest to settle was seed %llu "
                 "with %lld ms\n",
                 (unsigned long long)steps, (unsigned long long)elections,
                 (unsigned long long)failovers, (unsigned long long)slowest->settle_seed,
                 (long long)slowest->settle_ms);
    (void)munmap(workers, sizeof(*workers) * JOBS_MAX);
    return sim_summary(o, passed, failed);
}

static int sim_one(const struct options *o)
{
    char why[WORLD_WHY_MAX];
    bool ok = sim_play(o, o->seed, o->trace ? stdout : NULL, NULL, why, NULL);

    if (!ok) {
        (void)printf("seed %llu failed: %s\n", (unsigned long long)o->seed, why);
        sim_print_command(o, o->seed);
    }
    return sim_summary(o, ok, !ok);
}

static int sim_scenarios(const struct options *o)
{
    uint64_t failed = 0;

    for (size_t i = 0; i < o->scenarios_count; i++) {
        struct scenario_options how = {.seed = o->has_seed ? o->seed : 0,
                                       .mutation = o->mutation,
                                       .story = o->trace ? stdout : NULL};
        struct err err;

        if (!scenario_play(o->scenarios[i], &how, &err)) {
            (void)printf("%s\n", err.text);
            failed++;
        }
    }
    return sim_summary(o, o->scenarios_count - failed, failed);
}

/* ---------------------------------------------------------------- the call */

static int sim_usage(const char *wrong)
{
    (void)fprintf(stderr,
                  "sim: %s\n"
                  "usage: sim --seeds N [--from S] [--jobs J] [--twice] [--mutation NAME "
                  "[--expect-failure]]\n"
                  "       sim --seed S [--trace] [--mutation NAME]\n"
                  "       sim --scenario FILE... [--seed S] [--trace] [--mutation NAME]\n"
                  "--twice: run each seed twice and compare the stories\n",
                  wrong);
    return 2;
}

static bool sim_number(const char *text, uint64_t *value)
{
    return text != NULL && text_to_u64(text, strlen(text), value);
}

static bool sim_mutation(const char *text, int *mutation)
{
    for (int i = 0; text != NULL && i < MUTATION_COUNT; i++) {
        if (strcmp(mutation_names[i], text) == 0) {
            *mutation = i;
            return true;
        }
    }
    return false;
}

/* Returns how many words it took, 0 when it is wrong. */
static int sim_option(struct options *o, int left, char **argv)
{
    const char *value = left > 1 ? argv[1] : NULL;
    uint64_t number = 0;

    if (strcmp(argv[0], "--trace") == 0) {
        o->trace = true;
        return 1;
    }
    if (strcmp(argv[0], "--twice") == 0) {
        o->twice = true;
        return 1;
    }
    if (strcmp(argv[0], "--expect-failure") == 0) {
        o->expect_failure = true;
        return 1;
    }
    if (strcmp(argv[0], "--mutation") == 0) {
        return sim_mutation(value, &o->mutation) ? 2 : 0;
    }
    if (strcmp(argv[0], "--scenario") == 0) {
        int taken = 1;

        while (taken < left && argv[taken][0] != '-' && o->scenarios_count < SCENARIOS_MAX) {
            o->scenarios[o->scenarios_count++] = argv[taken++];
        }
        return taken > 1 ? taken : 0;
    }
    if (!sim_number(value, &number)) {
        return 0;
    }
    if (strcmp(argv[0], "--seeds") == 0) {
        o->seeds = number;
    } else if (strcmp(argv[0], "--from") == 0) {
        o->from = number;
    } else if (strcmp(argv[0], "--seed") == 0) {
        o->seed = number;
        o->has_seed = true;
    } else if (strcmp(argv[0], "--jobs") == 0 && number >= 1 && number <= JOBS_MAX) {
        o->jobs = (unsigned)number;
    } else {
        return 0;
    }
    return 2;
}

int main(int argc, char **argv)
{
    static struct options o = {.from = 1, .jobs = 1};

    /* A core is megabytes that are hardly touched: fresh pages are cheaper than clearing old ones.
     */
    (void)mallopt(M_MMAP_THRESHOLD, FRESH_PAGES_BYTES);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    o.jobs = processors < 1 ? 1 : processors > JOBS_MAX ? JOBS_MAX : (unsigned)processors;
    for (int i = 1; i < argc;) {
        int taken = sim_option(&o, argc - i, argv + i);

        if (taken == 0) {
            return sim_usage(argv[i]);
        }
        i += taken;
    }
    if (o.scenarios_count > 0) {
        return sim_scenarios(&o);
    }
    if (o.has_seed) {
        return sim_one(&o);
    }
    return o.seeds > 0 ? sim_seeds(&o) : sim_usage("say --seeds, --seed or --scenario");
}
