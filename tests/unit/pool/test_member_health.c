#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "base/text.h"
#include "pool/member_health.h"

/* A member and its clock: a probe each EVERY_MS. Evidence is a letter: R ready, A avoid, N not
 * ready, U unreachable, T a timeout, ? none could be made. */
enum { EVERY_MS = 200 };

struct patient {
    struct member_health h;
    msec_t now;
};

static struct evidence evidence_of(char letter)
{
    struct evidence evidence = {.took_ms = 1};

    evidence.verdict = letter == 'R'   ? VERDICT_READY
                       : letter == 'A' ? VERDICT_AVOID
                       : letter == 'N' ? VERDICT_NOT_READY
                       : letter == '?' ? VERDICT_UNKNOWN
                                       : VERDICT_UNREACHABLE;
    evidence.is_timeout = letter == 'T';
    (void)snprintf(evidence.reason, sizeof(evidence.reason), "because of %c", letter);
    return evidence;
}

static char letter_of(enum verdict verdict)
{
    return "?RANU"[verdict];
}

static struct health_rules rules(uint32_t rise, uint32_t fall, uint32_t timeout_fall)
{
    return (struct health_rules){
        .rise = rise, .fall = fall, .timeout_fall = timeout_fall, .is_undamped = true};
}

static void begin(struct patient *p, struct health_rules r)
{
    member_health_init(&p->h, &r);
    p->now = 1000;
}

static bool probe(struct patient *p, char letter)
{
    struct evidence evidence = evidence_of(letter);

    p->now += EVERY_MS;
    return member_health_told(&p->h, &evidence, p->now);
}

/* The verdicts that stand after each probe must be those of the second word. */
static void expect_story(struct patient *p, const char *probes, const char *verdicts)
{
    char before = letter_of(p->h.verdict);

    assert_int_equal(strlen(probes), strlen(verdicts));
    for (size_t i = 0; probes[i] != '\0'; i++) {
        bool has_changed = probe(p, probes[i]);
        if (letter_of(p->h.verdict) != verdicts[i]) {
            fail_msg("%s, probe %zu (%c): %c stands, not %c", probes, i + 1, probes[i],
                     letter_of(p->h.verdict), verdicts[i]);
        }
        assert_int_equal(has_changed, before != verdicts[i]);
        if (has_changed) {
            assert_int_equal(p->h.since_ms, p->now);
        }
        before = verdicts[i];
    }
}

static void test_the_first_probe_decides(void **state)
{
    struct patient p;
    const char *letters = "RANUT";

    (void)state;
    for (size_t i = 0; letters[i] != '\0'; i++) {
        begin(&p, rules(3, 3, 3));
        assert_int_equal(p.h.verdict, VERDICT_UNKNOWN);
        assert_string_equal(p.h.reason, "not probed yet");
        assert_true(probe(&p, letters[i]));
        assert_int_equal(p.h.verdict, evidence_of(letters[i]).verdict);
        assert_string_equal(p.h.reason, evidence_of(letters[i]).reason);
        assert_int_equal(p.h.since_ms, p.now);
        assert_int_equal(p.h.in_row, 1);
    }
}

static void test_probes_are_counted_in_a_row(void **state)
{
    struct patient p;

    (void)state;
    begin(&p, rules(2, 3, 3));
    expect_story(&p, "RNNRNNUNRRN", "RRRRRRUUURR");
    begin(&p, rules(1, 1, 2)); /* a database: its own word counts at once */
    expect_story(&p, "RNRUAR", "RNRUAR");
    begin(&p, health_rules_observed());
    expect_story(&p, "RUUURR", "RRRUUR");
}

static void test_what_stands_keeps_its_reason(void **state)
{
    struct patient p;

    (void)state;
    begin(&p, rules(2, 2, 2));
    expect_story(&p, "RN", "RR");
    assert_string_equal(p.h.reason, "because of R"); /* one N has not taken it down */
    assert_string_equal(p.h.last.reason, "because of N");
    assert_int_equal(p.h.in_row, 1);
    expect_story(&p, "N", "N");
    assert_string_equal(p.h.reason, "because of N");
    assert_int_equal(p.h.in_row, 2);
    struct evidence other = evidence_of('N');
    text_cut(other.reason, sizeof(other.reason), "another reason");
    assert_false(member_health_told(&p.h, &other, p.now));
    assert_string_equal(p.h.reason, "another reason"); /* the newest that bears it out */
    assert_int_equal(p.h.in_row, 3);
}

static void test_timeouts_have_their_own_count(void **state)
{
    struct patient p;

    (void)state;
    begin(&p, rules(1, 1, 3));
    expect_story(&p, "RTTRTTT", "RRRRRRU");
    begin(&p, rules(1, 1, 3));
    expect_story(&p, "RTN", "RRN");
    begin(&p, rules(1, 3, 1));
    expect_story(&p, "RNNT", "RRRU");
    begin(&p, rules(1, 3, 4)); /* a mixture takes no longer than the longer of them */
    expect_story(&p, "RTNTN", "RRRRN");
    begin(&p, rules(1, 1, 2)); /* a slow answer does not make a donor of it, nor unmake it */
    expect_story(&p, "ATRTA", "AARRA");
}

static void test_avoid_stands_between(void **state)
{
    struct patient p;

    (void)state;
    begin(&p, rules(2, 3, 3));
    /* Not READY three times, but only twice not serving: it still serves. */
    expect_story(&p, "RANN", "RRRA");
    expect_story(&p, "N", "N");
    expect_story(&p, "AR", "NA"); /* served twice, READY once */
    expect_story(&p, "R", "R");
    expect_story(&p, "AARAAA", "RRRRRA");
    expect_story(&p, "RAR", "AAA");
    expect_story(&p, "R", "R");
}

static void test_from_one_way_of_being_down_to_the_other(void **state)
{
    struct patient p;

    (void)state;
    begin(&p, rules(1, 1, 3));
    expect_story(&p, "NTTNTTTN", "NNNNNNUN");
}

static void test_a_probe_that_could_not_be_made(void **state)
{
    struct patient p;

    (void)state;
    begin(&p, rules(1, 2, 2));
    expect_story(&p, "?", "?");
    assert_string_equal(p.h.reason, "because of ?");
    expect_story(&p, "RN?N", "RRRN");
    assert_int_equal(p.h.in_row, 2);
}

static void test_slow_start(void **state)
{
    struct patient p;
    struct health_rules r = rules(1, 1, 1);

    (void)state;
    r.slow_start_ms = 10000;
    begin(&p, r);
    expect_story(&p, "R", "R");
    assert_int_equal(member_health_permille(&p.h, p.now), 1000); /* it was never seen down */
    expect_story(&p, "NR", "NR");
    assert_int_equal(member_health_permille(&p.h, p.now), 100);
    assert_int_equal(member_health_permille(&p.h, p.now + 1000), 190);
    assert_int_equal(member_health_permille(&p.h, p.now + 5000), 550);
    assert_int_equal(member_health_permille(&p.h, p.now + 9999), 999);
    assert_int_equal(member_health_permille(&p.h, p.now + 10000), 1000);
    assert_int_equal(member_health_permille(&p.h, p.now - 5000), 100); /* a clock read before */
    expect_story(&p, "AR", "AR"); /* it went on serving: no new start */
    assert_int_equal(member_health_permille(&p.h, p.now + 5000 - 2 * EVERY_MS), 550);

    p.now += 20000;
    assert_int_equal(member_health_permille(&p.h, p.now), 1000);
    assert_true(member_health_drain(&p.h, true, p.now));
    assert_true(member_health_drain(&p.h, false, p.now));
    assert_int_equal(member_health_permille(&p.h, p.now), 100); /* back from maintenance */

    r.slow_start_ms = 0;
    member_health_set_rules(&p.h, &r);
    assert_int_equal(member_health_permille(&p.h, p.now), 1000);
    assert_int_equal(p.h.verdict, VERDICT_READY);
}

static void test_a_drain_is_no_verdict(void **state)
{
    struct patient p;

    (void)state;
    begin(&p, rules(1, 1, 1));
    expect_story(&p, "R", "R");
    msec_t since = p.h.since_ms;
    assert_false(member_health_drain(&p.h, false, p.now));
    assert_true(member_health_drain(&p.h, true, p.now + 5));
    assert_false(member_health_drain(&p.h, true, p.now + 6));
    assert_int_equal(p.h.drained_since_ms, p.now + 5);
    assert_int_equal(p.h.verdict, VERDICT_READY);
    assert_int_equal(p.h.since_ms, since);
    expect_story(&p, "NR", "NR"); /* it is probed all the same */
    assert_true(p.h.is_drained);
}

/* Down and up, once: two changes. */
static void flap(struct patient *p)
{
    (void)probe(p, 'N');
    assert_int_equal(p->h.verdict, VERDICT_NOT_READY); /* damping never hides that it is down */
    (void)probe(p, 'R');
}

static void test_who_flaps_comes_after_the_others(void **state)
{
    struct patient p;
    struct health_rules r = {.rise = 1, .fall = 1, .timeout_fall = 1, .flap_max = 4};

    (void)state;
    begin(&p, r);
    expect_story(&p, "R", "R");
    flap(&p);
    flap(&p);
    assert_int_equal(p.h.verdict, VERDICT_READY); /* 4 changes are not more than 4 */
    flap(&p);
    assert_int_equal(p.h.verdict, VERDICT_AVOID);
    assert_true(p.h.is_damped);
    assert_non_null(strstr(p.h.reason, "more than 4 times within a minute"));
    assert_non_null(strstr(p.h.reason, "because of R"));

    msec_t last_change = p.now;
    while (p.h.verdict == VERDICT_AVOID) {
        assert_true(p.now - last_change <= HEALTH_FLAP_WINDOW_MS);
        (void)probe(&p, 'R');
    }
    assert_int_equal(p.h.verdict, VERDICT_READY);
    assert_false(p.h.is_damped);
    assert_string_equal(p.h.reason, "because of R");
    assert_true(p.now - last_change > HEALTH_FLAP_WINDOW_MS - 2000);
}

static void test_five_changes_in_more_than_a_minute_are_no_flapping(void **state)
{
    struct patient p;
    struct health_rules r = {.rise = 1, .fall = 1, .timeout_fall = 1, .flap_max = 4};

    (void)state;
    begin(&p, r);
    (void)probe(&p, 'R');
    for (int i = 0; i < 50; i++) {
        p.now += HEALTH_FLAP_WINDOW_MS / 2 - EVERY_MS;
        (void)probe(&p, i % 2 == 0 ? 'N' : 'R');
        assert_false(p.h.is_damped);
    }
    r.is_undamped = true;
    begin(&p, r);
    (void)probe(&p, 'R');
    for (int i = 0; i < 50; i++) {
        flap(&p);
        assert_int_equal(p.h.verdict, VERDICT_READY);
    }
}

/* ---- against a model that looks at the whole history each time ---- */

enum { HISTORY_MAX = 400 };

struct model {
    struct health_rules r;
    char letters[HISTORY_MAX];
    size_t count;
    char counted;
    bool is_damped;
    msec_t changes[HISTORY_MAX];
    size_t changes_count;
};

/* How many of the newest probes are of these letters; those of `passed` neither count nor end. */
static size_t model_tail(const struct model *m, const char *letters, const char *passed)
{
    size_t found = 0;

    for (size_t i = m->count; i-- > 0;) {
        if (strchr(letters, m->letters[i]) != NULL) {
            found++;
        } else if (strchr(passed, m->letters[i]) == NULL) {
            break;
        }
    }
    return found;
}

static char model_counted(const struct model *m)
{
    char last = m->letters[m->count - 1];
    char as_verdict = last == 'T' ? 'U' : last;
    size_t most = m->r.fall > m->r.timeout_fall ? m->r.fall : m->r.timeout_fall;

    if (m->counted == '?') {
        return as_verdict;
    }
    if (m->counted == 'R' || m->counted == 'A') {
        if (model_tail(m, "NU", "T") >= m->r.fall ||
            model_tail(m, "T", "NU") >= m->r.timeout_fall || model_tail(m, "NUT", "") >= most) {
            return as_verdict;
        }
        if (m->counted == 'R') {
            return model_tail(m, "ANU", "T") >= m->r.fall ? 'A' : 'R';
        }
        return model_tail(m, "R", "") >= m->r.rise ? 'R' : 'A';
    }
    if (model_tail(m, "R", "") >= m->r.rise) {
        return 'R';
    }
    if (model_tail(m, "RA", "") >= m->r.rise) {
        return 'A';
    }
    if (last == 'R' || last == 'A') {
        return m->counted;
    }
    size_t row = as_verdict == 'N' ? model_tail(m, "N", "") : model_tail(m, "UT", "");
    return row >= (last == 'T' ? m->r.timeout_fall : m->r.fall) ? as_verdict : m->counted;
}

static char model_told(struct model *m, char letter, msec_t now)
{
    bool was_serving = m->counted == 'R' || m->counted == 'A';
    bool is_first = m->counted == '?';
    size_t recent = 0;

    m->letters[m->count++] = letter;
    m->counted = model_counted(m);
    if (!is_first && was_serving != (m->counted == 'R' || m->counted == 'A')) {
        m->changes[m->changes_count++] = now;
    }
    for (size_t i = 0; i < m->changes_count; i++) {
        recent += now - m->changes[i] < HEALTH_FLAP_WINDOW_MS;
    }
    if (m->counted != 'R' || letter == 'R') {
        m->is_damped = m->counted == 'R' && recent > m->r.flap_max && !m->r.is_undamped;
    }
    return m->is_damped ? 'A' : m->counted;
}

static void random_story(uint64_t seed, uint64_t *changes, uint64_t *damped)
{
    struct prng chance;
    struct patient p;
    struct model m = {.counted = '?'};

    prng_init(&chance, seed);
    m.r = (struct health_rules){
        .rise = 1 + (uint32_t)prng_below(&chance, 4),
        .fall = 1 + (uint32_t)prng_below(&chance, 4),
        .timeout_fall = 1 + (uint32_t)prng_below(&chance, 4),
        .flap_max = 1 + (uint32_t)prng_below(&chance, HEALTH_FLAP_MAX),
        .is_undamped = prng_below(&chance, 4) == 0,
    };
    begin(&p, m.r);
    char letter = 'R';
    for (size_t i = 0; i < HISTORY_MAX; i++) {
        if (prng_below(&chance, 2) == 0) { /* half of them are as the one before: rows come up */
            letter = "RRANUT"[prng_below(&chance, 6)];
        }
        p.now += (msec_t)prng_below(&chance, 3000);
        bool has_changed = probe(&p, letter);
        char expected = model_told(&m, letter, p.now);
        if (letter_of(p.h.verdict) != expected) {
            fail_msg("HEALTH_SEED=%llu, probe %zu (%c): %c stands, the model says %c",
                     (unsigned long long)seed, i, letter, letter_of(p.h.verdict), expected);
        }
        assert_int_equal(p.h.is_damped, m.is_damped);
        *changes += has_changed;
        *damped += p.h.is_damped;
    }
}

static void test_random_stories(void **state)
{
    const char *text = getenv("HEALTH_SEED");
    uint64_t first = text != NULL ? strtoull(text, NULL, 10) : 1;
    uint64_t changes = 0;
    uint64_t damped = 0;

    (void)state;
    for (uint64_t seed = first; seed < first + 500; seed++) {
        random_story(seed, &changes, &damped);
    }
    print_message("%llu changes, %llu probes damped; replay with HEALTH_SEED=%llu\n",
                  (unsigned long long)changes, (unsigned long long)damped,
                  (unsigned long long)first);
    assert_true(changes > 5000);
    assert_true(damped > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_probe_decides),
        cmocka_unit_test(test_probes_are_counted_in_a_row),
        cmocka_unit_test(test_what_stands_keeps_its_reason),
        cmocka_unit_test(test_timeouts_have_their_own_count),
        cmocka_unit_test(test_avoid_stands_between),
        cmocka_unit_test(test_from_one_way_of_being_down_to_the_other),
        cmocka_unit_test(test_a_probe_that_could_not_be_made),
        cmocka_unit_test(test_slow_start),
        cmocka_unit_test(test_a_drain_is_no_verdict),
        cmocka_unit_test(test_who_flaps_comes_after_the_others),
        cmocka_unit_test(test_five_changes_in_more_than_a_minute_are_no_flapping),
        cmocka_unit_test(test_random_stories),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
