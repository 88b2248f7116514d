/* SIGKILL at random moments of a process that saves without pause: the file is always whole, and
 * never older than what was reported. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/prng.h"
#include "store/store.h"

enum { ROUNDS = 150, DELAY_US_MAX = 20000, MASTERS_MAX = 40 };

struct saver {
    struct loop *loop;
    struct store *store;
    uint64_t seq;
    int pipe;
};

static char dir[64];
static char path[128];

/* An image whose epoch is its seq and whose size changes. */
static void saver_save(struct saver *s)
{
    struct master_state master = {.name = "m", .addr = {.ip = "10.0.0.1", .port = 6379}};
    struct buf body = {0};
    struct buf image = {0};

    s->seq++;
    state_wire_begin(&body, "0123456789012345678901234567890123456789", s->seq);
    for (uint64_t i = 0; i < s->seq % MASTERS_MAX; i++) {
        state_wire_master(&body, &master);
    }
    state_wire_seal(&body, &image);
    store_save(s->store, s->seq, buf_data(&image), image.len);
    buf_finish(&body);
    buf_finish(&image);
}

static void saver_on_saved(void *ctx, uint64_t seq, bool ok, const char *why)
{
    struct saver *s = ctx;

    (void)why;
    if (!ok || write(s->pipe, &seq, sizeof(seq)) != sizeof(seq)) {
        _exit(3);
    }
    saver_save(s);
}

static _Noreturn void saver_run(uint64_t seq, int pipe)
{
    struct err err;
    struct saver s = {.seq = seq, .pipe = pipe};

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        _exit(4);
    }
    s.loop = loop_create(&err);
    s.store = store_create(s.loop, path, saver_on_saved, &s);
    saver_save(&s);
    saver_save(&s);
    loop_run(s.loop);
    _exit(5);
}

/* The seq the file holds, which must be whole. */
static uint64_t read_seq(int round)
{
    struct buf text = {0};
    struct state_image image = {0};
    struct err err = {0};
    bool exists = false;

    assert_true(store_read(path, &text, &exists, &err));
    if (!exists) {
        return 0;
    }
    if (!state_wire_decode(buf_data(&text), text.len, &image, &err)) {
        fail_msg("round %d: %s", round, err.text);
    }
    uint64_t seq = image.current_epoch;
    assert_int_equal(image.masters_count, seq % MASTERS_MAX);
    state_wire_finish(&image);
    buf_finish(&text);
    return seq;
}

static uint64_t reported(int fd)
{
    uint64_t last = 0;
    uint64_t seq = 0;

    while (read(fd, &seq, sizeof(seq)) == sizeof(seq)) {
        last = seq;
    }
    return last;
}

static void test_kills(void **state)
{
    struct prng prng;
    uint64_t seq = 0;
    uint64_t kills_in_work = 0;

    (void)state;
    prng_init(&prng, 42);
    for (int round = 0; round < ROUNDS; round++) {
        int fds[2];
        int status = 0;
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            saver_run(seq, fds[1]);
        }
        assert_int_equal(close(fds[1]), 0);
        struct pollfd first = {.fd = fds[0], .events = POLLIN};
        assert_int_equal(poll(&first, 1, 10000), 1); /* it works, then chance says when it ends */
        struct timespec wait = {.tv_nsec = (long)prng_below(&prng, DELAY_US_MAX) * 1000};
        (void)nanosleep(&wait, NULL);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        uint64_t told = reported(fds[0]);
        uint64_t held = read_seq(round);
        assert_true(held >= told);
        assert_true(held >= seq);
        kills_in_work += held > told;
        seq = held;
        assert_int_equal(close(fds[0]), 0);
    }
    assert_true(seq > ROUNDS);
    print_message("%" PRIu64 " images, %" PRIu64 " kills between disk and report\n", seq,
                  kills_in_work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kills)};
    char temp[160];

    (void)snprintf(dir, sizeof(dir), "/tmp/holdfast-store-XXXXXX");
    if (mkdtemp(dir) == NULL) {
        return 1;
    }
    (void)snprintf(path, sizeof(path), "%s/state", dir);
    (void)snprintf(temp, sizeof(temp), "%s/.state.holdfast-new", dir);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    (void)unlink(temp);
    (void)rmdir(dir);
    return failed;
}
