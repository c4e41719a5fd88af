/* choose/health: how each replica is doing. */
#include "choose/health.h"

#include "../capture.h"
#include "../given.h"
#include "../testing.h"
#include "log.h"

enum { NOW = 100000, REST = 2000 };

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
}

/* Every state, every event. */
static void the_state_follows_the_table(void **state)
{
    static const enum health_state expected[HEALTH_STATES][HEALTH_EVENTS] = {
        [HEALTH_UNKNOWN] = {HEALTH_WARM, HEALTH_COLD, HEALTH_WARM, HEALTH_COLD},
        [HEALTH_COLD] = {HEALTH_WARM, HEALTH_COLD, HEALTH_WARM, HEALTH_COLD},
        [HEALTH_WARM] = {HEALTH_WARM, HEALTH_COLD, HEALTH_WARM, HEALTH_COLD},
        [HEALTH_RESTING] = {HEALTH_WARM, HEALTH_COLD, HEALTH_WARM, HEALTH_COLD},
    };
    struct replica *replica = &probed->replicas[0];

    (void)state;
    for (int from = 0; from < HEALTH_STATES; from++) {
        for (int event = 0; event < HEALTH_EVENTS; event++) {
            enum health_state was = HEALTH_STATES;
            enum health_state want = expected[from][event];
            bool changed;

            set_state(replica, (enum health_state)from);
            changed =
                health_note(replica, (enum health_event)event, NOW, REST, &was);
            assert_int_equal(health_state(replica), want);
            assert_int_equal(changed, (int)want != from);
            if (changed)
                assert_int_equal(was, from);
        }
    }
}

static void one_without_a_probe_rests_and_comes_back_by_itself(void **state)
{
    struct replica *replica = &unprobed->replicas[0];
    enum health_state was;

    (void)state;
    assert_true(health_note(replica, HEALTH_TRY_FAILED, NOW, REST, &was));
    assert_int_equal(was, HEALTH_UNKNOWN);
    assert_int_equal(health_state(replica), HEALTH_RESTING);
    assert_false(health_is_usable(replica, NOW));
    assert_false(health_is_usable(replica, NOW + REST - 1));
    assert_true(health_is_usable(replica, NOW + REST));
    /* a relapse makes the rest longer, and is no change */
    assert_false(
        health_note(replica, HEALTH_TRY_FAILED, NOW + REST, REST, &was));
    assert_false(health_is_usable(replica, NOW + 2 * REST - 1));
    assert_true(health_is_usable(replica, NOW + 2 * REST));
    assert_true(health_note(replica, HEALTH_TRY_OK, NOW, REST, &was));
    assert_int_equal(was, HEALTH_RESTING);
    assert_true(health_is_usable(replica, NOW));
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
    const struct replica *replica =
        health_pick(probed, NOW, turn, anyhow, skip);

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

static void the_unusable_come_last_or_not_at_all(void **state)
{
    (void)state;
    load(9, 0, 0);
    set_state(&probed->replicas[1], HEALTH_COLD);
    set_state(&probed->replicas[2], HEALTH_COLD);
    assert_int_equal(picked(0, false, NULL), 0);
    assert_int_equal(picked(1, true, NULL), 0);
    set_state(&probed->replicas[0], HEALTH_COLD);
    assert_int_equal(picked(0, false, NULL), -1);
    assert_int_equal(picked(2, true, NULL), 2);
}

static void the_one_just_tried_is_left_out_if_there_is_another(void **state)
{
    (void)state;
    load(0, 1, 2);
    assert_int_equal(picked(0, false, &probed->replicas[0]), 1);
    set_state(&probed->replicas[1], HEALTH_COLD);
    set_state(&probed->replicas[2], HEALTH_COLD);
    assert_int_equal(picked(0, false, &probed->replicas[0]), 0);
    /* even an unusable one is fresher than the one that failed */
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
    assert_str(health_state_name(HEALTH_RESTING), "resting");
}

#define with_catalog(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_catalog(the_state_follows_the_table),
        with_catalog(one_without_a_probe_rests_and_comes_back_by_itself),
        with_catalog(only_the_cold_are_not_usable),
        with_catalog(the_least_busy_is_picked_and_equals_take_turns),
        with_catalog(the_unusable_come_last_or_not_at_all),
        with_catalog(the_one_just_tried_is_left_out_if_there_is_another),
        with_catalog(a_change_is_logged_with_its_reason),
        with_catalog(every_state_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
