/* choose/health: how each replica is doing. */
#include "choose/health.h"

#include "../capture.h"
#include "../given.h"
#include "../testing.h"
#include "log.h"

enum { NOW = 1000000, REST = 2000, RAMP = 10000 };

static struct catalog *catalog;
static const struct backend *probed, *unprobed;

static int begin(void **state)
{
    (void)state;
    catalog =
        given_catalog("backends:\n"
                      "  - name: gpu\n"
                      "    tier: local\n"
                      "    url: [http://a.test, http://b.test, http://c.test]\n"
                      "    models: [{name: m}]\n"
                      "  - name: vendor\n"
                      "    tier: cloud\n"
                      "    url: [http://d.test]\n"
                      "    default_model: claude-haiku-4-5\n");
    probed = &catalog->backends[0];
    unprobed = &catalog->backends[1];
    return 0;
}

static int finish(void **state)
{
    (void)state;
    catalog_unref(catalog);
    return 0;
}

static void set_state(struct replica *replica, enum health_state state)
{
    atomic_store(&replica->state, (int)state);
    atomic_store(&replica->rests_until_ms, 0);
    atomic_store(&replica->ramp_began_ms, 0);
    atomic_store(&replica->is_on_trial, false);
    atomic_store(&replica->probes_ok, 0);
    atomic_store(&replica->relapses, 0);
}

static struct settings settings = {
    .rest_ms = REST,
    .ramp_ms = RAMP,
    .probe_successes = 1,
};

static bool note(struct replica *replica, enum health_event event, uint64_t now)
{
    enum health_state was;

    return health_note(replica, event, now, &settings, 0, &was);
}

/* Every state, every event, conditions met. */
static void the_state_follows_the_table(void **state)
{
    static const enum health_state expected[HEALTH_STATES][HEALTH_EVENTS] = {
        [HEALTH_UNKNOWN] = {HEALTH_WARM, HEALTH_COLD, HEALTH_WARM, HEALTH_COLD,
                            HEALTH_RESTING, HEALTH_RESTING},
        [HEALTH_COLD] = {HEALTH_RAMPING, HEALTH_COLD, HEALTH_COLD, HEALTH_COLD,
                         HEALTH_COLD, HEALTH_COLD},
        [HEALTH_WARMING] = {HEALTH_RAMPING, HEALTH_COLD, HEALTH_WARMING,
                            HEALTH_COLD, HEALTH_COLD, HEALTH_WARMING},
        [HEALTH_WARM] = {HEALTH_WARM, HEALTH_COLD, HEALTH_WARM, HEALTH_COLD,
                         HEALTH_RESTING, HEALTH_RESTING},
        [HEALTH_RESTING] = {HEALTH_RAMPING, HEALTH_COLD, HEALTH_RAMPING,
                            HEALTH_COLD, HEALTH_RESTING, HEALTH_RESTING},
        [HEALTH_RAMPING] = {HEALTH_WARM, HEALTH_COLD, HEALTH_WARM, HEALTH_COLD,
                            HEALTH_RESTING, HEALTH_RESTING},
    };
    struct replica *replica = &probed->replicas[0];

    (void)state;
    for (int from = 0; from < HEALTH_STATES; from++) {
        for (int event = 0; event < HEALTH_EVENTS; event++) {
            enum health_state was = HEALTH_STATES;
            enum health_state want = expected[from][event];
            uint64_t moves = atomic_load(&replica->moves[want]);
            bool changed;

            set_state(replica, (enum health_state)from);
            if (from == HEALTH_RESTING) {
                atomic_store(&replica->is_on_trial, true);
                atomic_store(&replica->relapses, 1);
            }
            changed = health_note(replica, (enum health_event)event, NOW,
                                  &settings, 0, &was);
            if (health_state(replica) != want)
                fail_msg("from %d by %d to %d, not to %d", from, event,
                         health_state(replica), want);
            assert_int_equal(changed, (int)want != from);
            assert_int_equal(atomic_load(&replica->moves[want]) - moves,
                             changed);
            if (changed)
                assert_int_equal(was, from);
        }
    }
}

static void one_that_was_cold_must_answer_often_enough(void **state)
{
    struct replica *replica = &probed->replicas[0];

    (void)state;
    set_state(replica, HEALTH_COLD);
    settings.probe_successes = 3;
    assert_true(note(replica, HEALTH_PROBE_OK, NOW));
    assert_int_equal(health_state(replica), HEALTH_WARMING);
    assert_false(health_is_usable(replica, NOW));
    assert_false(note(replica, HEALTH_PROBE_OK, NOW));
    /* not in a row */
    assert_true(note(replica, HEALTH_PROBE_FAILED, NOW));
    assert_true(note(replica, HEALTH_PROBE_OK, NOW));
    assert_false(note(replica, HEALTH_PROBE_OK, NOW));
    assert_true(note(replica, HEALTH_PROBE_OK, NOW));
    assert_int_equal(health_state(replica), HEALTH_RAMPING);
    settings.probe_successes = 1;
}

static unsigned taken_of(struct replica *replica, unsigned requests,
                         uint64_t now)
{
    struct health_wish wish = {.settings = &settings, .now_ms = now};
    unsigned n = 0;
    bool is_full;

    for (unsigned i = 0; i < requests; i++)
        n += health_pick(replica->backend, &wish, &is_full) == replica;
    return n;
}

static void the_share_of_one_that_is_back_grows(void **state)
{
    struct replica *replica = &unprobed->replicas[0];

    (void)state;
    set_state(replica, HEALTH_RAMPING);
    atomic_store(&replica->ramp_began_ms, NOW);
    assert_int_equal(taken_of(replica, 1000, NOW), 100);
    assert_int_equal(taken_of(replica, 1000, NOW + RAMP / 2), 550);
    assert_int_equal(taken_of(replica, 1000, NOW + RAMP), 1000);
    /* it is warm again when the ramp is over, and not before */
    assert_false(note(replica, HEALTH_TRY_OK, NOW + RAMP - 1));
    assert_true(note(replica, HEALTH_TRY_OK, NOW + RAMP));
    assert_int_equal(health_state(replica), HEALTH_WARM);
    /* without a ramp it is so at once */
    set_state(replica, HEALTH_RESTING);
    atomic_store(&replica->is_on_trial, true);
    settings.ramp_ms = 0;
    assert_true(note(replica, HEALTH_TRY_OK, NOW));
    assert_int_equal(health_state(replica), HEALTH_WARM);
    settings.ramp_ms = RAMP;
}

static void a_rest_ends_with_the_trial_of_one_request(void **state)
{
    struct replica *replica = &unprobed->replicas[0];

    (void)state;
    set_state(replica, HEALTH_WARM);
    assert_true(note(replica, HEALTH_TRY_FAILED, NOW));
    assert_int_equal(health_state(replica), HEALTH_RESTING);
    assert_false(health_is_usable(replica, NOW + REST - 1));
    assert_int_equal(taken_of(replica, 10, NOW + REST - 1), 0);
    assert_int_equal(taken_of(replica, 10, NOW + REST), 1);
    /* it fails: the next rest is twice as long */
    assert_false(note(replica, HEALTH_TRY_FAILED, NOW + REST));
    assert_int_equal(taken_of(replica, 10, NOW + 3 * REST - 1), 0);
    assert_int_equal(taken_of(replica, 10, NOW + 3 * REST), 1);
    /* it succeeds: the ramp begins */
    assert_true(note(replica, HEALTH_TRY_OK, NOW + 3 * REST));
    assert_int_equal(health_state(replica), HEALTH_RAMPING);
    /* and so does a probe, when the time has come */
    set_state(replica, HEALTH_RESTING);
    atomic_store(&replica->rests_until_ms, NOW + 5);
    assert_false(note(replica, HEALTH_PROBE_OK, NOW + 4));
    assert_true(note(replica, HEALTH_PROBE_OK, NOW + 5));
    /* a trial that never tells does not block the next one */
    set_state(replica, HEALTH_RESTING);
    assert_int_equal(taken_of(replica, 10, NOW), 1);
    assert_int_equal(taken_of(replica, 10, NOW + REST - 1), 0);
    assert_int_equal(taken_of(replica, 10, NOW + REST), 1);
}

static void rests_have_a_bound(void **state)
{
    struct replica *replica = &unprobed->replicas[0];
    uint64_t now = NOW;

    (void)state;
    set_state(replica, HEALTH_WARM);
    for (int i = 0; i < 12; i++) {
        (void)note(replica, HEALTH_TRY_FAILED, now);
        assert_true(atomic_load(&replica->rests_until_ms) <= now + 60000);
        now = atomic_load(&replica->rests_until_ms);
        assert_int_equal(taken_of(replica, 1, now), 1);
    }
    assert_true(atomic_load(&replica->rests_until_ms) >= now);
}

static void stragglers_prove_nothing(void **state)
{
    struct replica *replica = &unprobed->replicas[0];
    uint64_t until;

    (void)state;
    set_state(replica, HEALTH_WARM);
    (void)note(replica, HEALTH_TRY_FAILED, NOW);
    until = atomic_load(&replica->rests_until_ms);
    /* begun before it failed */
    assert_false(note(replica, HEALTH_TRY_OK, NOW + 1));
    for (int i = 0; i < 50; i++)
        assert_false(note(replica, HEALTH_TRY_FAILED, NOW + 1));
    assert_int_equal(health_state(replica), HEALTH_RESTING);
    assert_true(atomic_load(&replica->rests_until_ms) == until);
    assert_int_equal(atomic_load(&replica->relapses), 1);
}

static void who_asks_for_a_rest_gets_it(void **state)
{
    struct replica *replica = &probed->replicas[0];
    enum health_state was;

    (void)state;
    set_state(replica, HEALTH_WARM);
    assert_true(
        health_note(replica, HEALTH_TRY_BUSY, NOW, &settings, 17000, &was));
    assert_int_equal(health_state(replica), HEALTH_RESTING);
    assert_false(health_is_usable(replica, NOW + 16999));
    assert_true(health_is_usable(replica, NOW + 17000));
    /* a probe knows nothing of rate limits */
    assert_false(note(replica, HEALTH_PROBE_OK, NOW + 1));
    /* who has only asked for a rest has nothing to prove */
    assert_int_equal(taken_of(replica, 1, NOW + 17000), 1);
    assert_true(note(replica, HEALTH_TRY_OK, NOW + 17001));
    assert_int_equal(health_state(replica), HEALTH_WARM);
    /* no longer than ten minutes, whatever it says */
    (void)health_note(replica, HEALTH_TRY_BUSY, NOW, &settings,
                      UINT64_C(1000) * 86400, &was);
    assert_true(health_is_usable(replica, NOW + 600 * 1000));
    (void)health_note(replica, HEALTH_TRY_BUSY, NOW, &settings, 0, &was);
    assert_true(health_is_usable(replica, NOW + REST));
}

static void one_without_a_probe_rests_where_another_is_cold(void **state)
{
    struct replica *replica = &unprobed->replicas[0];

    (void)state;
    assert_true(note(replica, HEALTH_TRY_GONE, NOW));
    assert_int_equal(health_state(replica), HEALTH_RESTING);
    assert_true(health_has_any(unprobed));
    assert_str(health_why_not(unprobed), "resting");
    set_state(&probed->replicas[0], HEALTH_COLD);
    set_state(&probed->replicas[1], HEALTH_COLD);
    set_state(&probed->replicas[2], HEALTH_WARMING);
    assert_false(health_has_any(probed));
    assert_str(health_why_not(probed), "cold");
    set_state(&probed->replicas[1], HEALTH_RAMPING);
    assert_true(health_has_any(probed));
    assert_str(health_why_not(probed), "ramping");
}

static void only_the_cold_are_not_usable(void **state)
{
    struct replica *replica = &probed->replicas[0];

    (void)state;
    set_state(replica, HEALTH_UNKNOWN);
    assert_true(health_is_usable(replica, NOW));
    set_state(replica, HEALTH_WARM);
    assert_true(health_is_usable(replica, NOW));
    set_state(replica, HEALTH_COLD);
    assert_false(health_is_usable(replica, NOW));
    assert_true(health_has_usable(probed, NOW));
    set_state(&probed->replicas[1], HEALTH_COLD);
    set_state(&probed->replicas[2], HEALTH_COLD);
    assert_false(health_has_usable(probed, NOW));
    set_state(&probed->replicas[2], HEALTH_WARM);
    assert_true(health_has_usable(probed, NOW));
}

static long picked(unsigned turn, bool anyhow, const struct replica *skip)
{
    struct health_wish wish = {
        .settings = &settings,
        .now_ms = NOW,
        .turn = turn,
        .anyhow = anyhow,
        .skip = skip,
    };
    bool is_full;
    const struct replica *replica = health_pick(probed, &wish, &is_full);

    assert_false(is_full);

    return replica == NULL ? -1 : (long)(replica - probed->replicas);
}

static void load(unsigned a, unsigned b, unsigned c)
{
    atomic_store(&probed->replicas[0].in_flight, a);
    atomic_store(&probed->replicas[1].in_flight, b);
    atomic_store(&probed->replicas[2].in_flight, c);
}

static void the_least_busy_is_picked_and_equals_take_turns(void **state)
{
    (void)state;
    load(2, 1, 3);
    for (unsigned turn = 0; turn < 5; turn++)
        assert_int_equal(picked(turn, false, NULL), 1);
    load(1, 1, 1);
    assert_int_equal(picked(0, false, NULL), 0);
    assert_int_equal(picked(1, false, NULL), 1);
    assert_int_equal(picked(2, false, NULL), 2);
    assert_int_equal(picked(3, false, NULL), 0);
    load(0, 5, 0);
    assert_int_equal(picked(1, false, NULL), 2);
}

static void rest(struct replica *replica)
{
    set_state(replica, HEALTH_RESTING);
    atomic_store(&replica->rests_until_ms, NOW + REST);
}

static void the_unusable_come_last_or_not_at_all(void **state)
{
    (void)state;
    load(9, 0, 0);
    set_state(&probed->replicas[1], HEALTH_COLD);
    rest(&probed->replicas[2]);
    assert_int_equal(picked(0, false, NULL), 0);
    assert_int_equal(picked(1, true, NULL), 0);
    set_state(&probed->replicas[0], HEALTH_COLD);
    assert_int_equal(picked(0, false, NULL), -1);
    assert_int_equal(picked(2, true, NULL), 2);
    set_state(&probed->replicas[2], HEALTH_WARMING);
    assert_int_equal(picked(2, true, NULL), -1);
}

static void the_one_just_tried_is_left_out_if_there_is_another(void **state)
{
    (void)state;
    load(0, 1, 2);
    assert_int_equal(picked(0, false, &probed->replicas[0]), 1);
    rest(&probed->replicas[1]);
    rest(&probed->replicas[2]);
    assert_int_equal(picked(0, false, &probed->replicas[0]), 0);
    /* even one that rests is fresher than the one that failed */
    assert_int_equal(picked(0, true, &probed->replicas[0]), 1);
}

static void a_change_is_logged_with_its_reason(void **state)
{
    struct replica *replica = &probed->replicas[2];
    struct str line;

    (void)state;
    log_setup(LOG_INFO, LOG_LOGFMT);
    set_state(replica, HEALTH_COLD);
    capture_begin(0);
    health_log(replica, HEALTH_WARM, STR("connect refused"));
    line = capture_end();
    assert_has(line, "level=warn msg=\"backend state\" backend=gpu replica=2 "
                     "from=warm to=cold why=\"connect refused\"\n");
    set_state(replica, HEALTH_WARM);
    capture_begin(0);
    health_log(replica, HEALTH_COLD, STR("probe"));
    line = capture_end();
    assert_has(line, "level=info");
    assert_has(line, "from=cold to=warm why=probe\n");
    capture_drop();
}

static void every_state_has_a_name(void **state)
{
    (void)state;
    assert_str(health_state_name(HEALTH_UNKNOWN), "unknown");
    assert_str(health_state_name(HEALTH_COLD), "cold");
    assert_str(health_state_name(HEALTH_WARM), "warm");
    assert_str(health_state_name(HEALTH_WARMING), "warming");
    assert_str(health_state_name(HEALTH_RESTING), "resting");
    assert_str(health_state_name(HEALTH_RAMPING), "ramping");
}

#define with_catalog(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_catalog(the_state_follows_the_table),
        with_catalog(one_that_was_cold_must_answer_often_enough),
        with_catalog(the_share_of_one_that_is_back_grows),
        with_catalog(a_rest_ends_with_the_trial_of_one_request),
        with_catalog(rests_have_a_bound),
        with_catalog(stragglers_prove_nothing),
        with_catalog(who_asks_for_a_rest_gets_it),
        with_catalog(one_without_a_probe_rests_where_another_is_cold),
        with_catalog(only_the_cold_are_not_usable),
        with_catalog(the_least_busy_is_picked_and_equals_take_turns),
        with_catalog(the_unusable_come_last_or_not_at_all),
        with_catalog(the_one_just_tried_is_left_out_if_there_is_another),
        with_catalog(a_change_is_logged_with_its_reason),
        with_catalog(every_state_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
