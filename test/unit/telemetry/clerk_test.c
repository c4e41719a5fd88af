/* telemetry/clerk: what the workers hand over arrives, in order, or is
 * counted; and the end. */
#include "telemetry/clerk.h"

#include <limits.h>
#include <uv.h>

#include "../capture.h"
#include "../testing.h"
#include "clock.h"
#include "log.h"

enum { LINES = 3, PLACES = 16384, PATIENCE_MS = 60000 };

/* --- an exporter that looks ---------------------------------------------- */

struct looker {
    struct exporter exporter;
    uv_mutex_t gate; /* take() waits until it is open */
    _Atomic unsigned taken, ticks, flushes, closed;
    unsigned flushes_wanted;
    unsigned next[LINES]; /* the number that each line's next one has */
    bool is_out_of_order, is_late;
};

static struct looker lookers[2];

static struct looker *looker_of(struct exporter *exporter)
{
    return (struct looker *)(void *)exporter;
}

/* A record's `tries` is its line, its `status` its number there. */
static void take(struct exporter *exporter, const struct record *record)
{
    struct looker *looker = looker_of(exporter);

    uv_mutex_lock(&looker->gate);
    uv_mutex_unlock(&looker->gate);
    if (looker->next[record->tries]++ != (unsigned)record->status ||
        !str_eq(record->model, STR("a model")))
        looker->is_out_of_order = true;
    if (looker->flushes > 0 || looker->closed > 0)
        looker->is_late = true;
    looker->taken++;
}

static uint64_t tick(struct exporter *exporter, uint64_t now_ms)
{
    (void)now_ms;
    looker_of(exporter)->ticks++;
    return UINT64_MAX;
}

static bool flush(struct exporter *exporter, uint64_t now_ms)
{
    struct looker *looker = looker_of(exporter);

    (void)now_ms;
    return ++looker->flushes >= looker->flushes_wanted;
}

static void close_looker(struct exporter *exporter)
{
    looker_of(exporter)->closed++;
}

static const struct exporter_verbs verbs = {take, tick, flush, close_looker};
/* of one that has no use for records */
static const struct exporter_verbs idle_verbs = {NULL, tick, flush,
                                                 close_looker};

static struct clerk *clerk;

static int begin(void **state)
{
    struct exporter *exporters[COUNT_OF(lookers)];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lookers); i++) {
        lookers[i] = (struct looker){.exporter.verbs = &verbs};
        assert_int_equal(uv_mutex_init(&lookers[i].gate), 0);
        exporters[i] = &lookers[i].exporter;
    }
    clerk = clerk_start(LINES, NULL, exporters, COUNT_OF(lookers));
    assert_non_null(clerk);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lookers); i++)
        uv_mutex_destroy(&lookers[i].gate);
    capture_drop();
    return 0;
}

static void hand_over(unsigned line, int number)
{
    struct record record = {
        .model = STR("a model"),
        .tries = line,
        .status = number,
    };

    clerk_take(clerk, line, &record);
}

static void wait_until_taken(unsigned count)
{
    uint64_t until_ms = clock_ms() + PATIENCE_MS;

    while (lookers[0].taken < count || lookers[1].taken < count) {
        assert_true(clock_ms() < until_ms);
        uv_sleep(1);
    }
}

/* --- tests ---------------------------------------------------------------- */

static void write_line(void *arg)
{
    unsigned line = (unsigned)(uintptr_t)arg;

    for (int i = 0; i < 20000; i++) {
        while (clerk_queued(clerk) > PLACES / 2)
            uv_sleep(1);
        hand_over(line, i);
    }
}

static void each_line_arrives_in_order_at_every_exporter(void **state)
{
    uv_thread_t threads[LINES];
    size_t places;

    (void)state;
    for (uintptr_t i = 0; i < LINES; i++)
        assert_int_equal(uv_thread_create(&threads[i], write_line, (void *)i),
                         0);
    for (unsigned i = 0; i < LINES; i++)
        uv_thread_join(&threads[i]);
    assert_in_range(clerk_peak(clerk, &places), 1, PLACES);
    assert_int_equal(places, PLACES);
    clerk_stop(clerk, 1000);
    for (size_t i = 0; i < COUNT_OF(lookers); i++) {
        assert_int_equal(lookers[i].taken, LINES * 20000);
        assert_false(lookers[i].is_out_of_order);
        assert_false(lookers[i].is_late);
        assert_int_equal(
            figures_get(&lookers[i].exporter.figures.dropped[DROP_QUEUE_FULL]),
            0);
    }
}

/* The clerk stands still with one in its hands. */
static void a_full_line_is_counted_and_said(void **state)
{
    const struct figures *figures[CLERK_EXPORTERS_MAX];
    size_t places;
    struct str said;

    (void)state;
    capture_begin(0);
    uv_mutex_lock(&lookers[0].gate);
    for (int i = 0; i < PLACES; i++)
        hand_over(1, i);
    assert_int_equal(clerk_queued(clerk), PLACES);
    assert_int_equal(clerk_peak(clerk, &places), PLACES);
    for (int i = 0; i < 77; i++)
        hand_over(1, PLACES);
    /* another line is not full */
    hand_over(2, 0);
    assert_int_equal(clerk_queued(clerk), PLACES + 1);
    uv_mutex_unlock(&lookers[0].gate);
    wait_until_taken(PLACES + 1);
    /* and this one has room again */
    hand_over(1, PLACES);
    wait_until_taken(PLACES + 2);
    assert_int_equal(clerk_figures(clerk, figures), 2);
    assert_ptr_equal(figures[1], &lookers[1].exporter.figures);
    clerk_stop(clerk, 1000);
    said = capture_end();
    for (size_t i = 0; i < COUNT_OF(lookers); i++) {
        assert_int_equal(
            figures_get(&lookers[i].exporter.figures.dropped[DROP_QUEUE_FULL]),
            77);
        assert_false(lookers[i].is_out_of_order);
    }
    assert_has(said, "records were dropped");
    assert_has(said, "77 found no place");
}

/* 64 MiB is what all that waits may take. */
static void large_records_take_no_more_than_their_share(void **state)
{
    static char large[10 << 20];
    struct record record = {
        .model = STR("a model"),
        .output = {large, sizeof(large)},
    };

    (void)state;
    uv_mutex_lock(&lookers[0].gate);
    for (int i = 0; i < 12; i++) {
        record.status = i;
        clerk_take(clerk, 0, &record);
    }
    assert_int_equal(clerk_queued(clerk), 7);
    uv_mutex_unlock(&lookers[0].gate);
    wait_until_taken(7);
    record.status = 7;
    clerk_take(clerk, 0, &record);
    wait_until_taken(8);
    log_setup(LOG_ERROR, LOG_LOGFMT);
    clerk_stop(clerk, 1000);
    log_setup(LOG_INFO, LOG_LOGFMT);
    assert_false(lookers[0].is_out_of_order);
    assert_int_equal(
        figures_get(&lookers[0].exporter.figures.dropped[DROP_QUEUE_FULL]), 5);
}

static void a_stop_brings_everything_out(void **state)
{
    (void)state;
    uv_mutex_lock(&lookers[0].gate);
    for (int i = 0; i < 1000; i++)
        hand_over(0, i);
    lookers[0].flushes_wanted = 5;
    uv_mutex_unlock(&lookers[0].gate);
    clerk_stop(clerk, PATIENCE_MS);
    for (size_t i = 0; i < COUNT_OF(lookers); i++) {
        assert_int_equal(lookers[i].taken, 1000);
        assert_false(lookers[i].is_late);
        assert_int_equal(lookers[i].closed, 1);
        /* all are asked as long as one is not done, and tick beside */
        assert_int_equal(lookers[i].flushes, 5);
        assert_true(lookers[i].ticks >= 4);
    }
}

static void a_stop_does_not_wait_for_ever(void **state)
{
    uint64_t began_ms = clock_ms();

    (void)state;
    lookers[1].flushes_wanted = UINT_MAX;
    clerk_stop(clerk, 200);
    assert_in_range(clock_ms() - began_ms, 200, 20000);
    assert_int_equal(lookers[0].closed, 1);
    assert_int_equal(lookers[1].closed, 1);
}

static void exporters_tick_without_records(void **state)
{
    uint64_t until_ms = clock_ms() + PATIENCE_MS;

    (void)state;
    while (lookers[0].ticks < 3 || lookers[1].ticks < 3) {
        assert_true(clock_ms() < until_ms);
        uv_sleep(1);
    }
    clerk_stop(clerk, 0);
    assert_int_equal(lookers[0].taken, 0);
}

/* What finds no place is lost to those alone who take records. */
static void who_takes_no_records_loses_none(void **state)
{
    struct exporter *exporters[] = {&lookers[0].exporter, &lookers[1].exporter};

    (void)state;
    clerk_stop(clerk, 0);
    lookers[1].exporter.verbs = &idle_verbs;
    lookers[0].exporter.has_spans = true;
    clerk = clerk_start(LINES, NULL, exporters, 2);
    assert_true(clerk_has_spans(clerk));
    log_setup(LOG_ERROR, LOG_LOGFMT);
    uv_mutex_lock(&lookers[0].gate);
    for (int i = 0; i < PLACES + 3; i++)
        hand_over(0, i);
    uv_mutex_unlock(&lookers[0].gate);
    clerk_stop(clerk, 0);
    log_setup(LOG_INFO, LOG_LOGFMT);
    assert_int_equal(lookers[0].taken, PLACES);
    assert_int_equal(
        figures_get(&lookers[0].exporter.figures.dropped[DROP_QUEUE_FULL]), 3);
    assert_int_equal(lookers[1].taken, 0);
    assert_int_equal(
        figures_get(&lookers[1].exporter.figures.dropped[DROP_QUEUE_FULL]), 0);
}

static void without_takers_no_record_is_kept(void **state)
{
    struct exporter *exporters[] = {&lookers[0].exporter, &lookers[1].exporter};

    (void)state;
    clerk_stop(clerk, 0);
    lookers[1].exporter.verbs = &idle_verbs;
    clerk = clerk_start(LINES, NULL, exporters + 1, 1);
    assert_false(clerk_has_spans(clerk));
    hand_over(0, 0);
    assert_int_equal(clerk_queued(clerk), 0);
    clerk_stop(clerk, 0);
    assert_int_equal(lookers[1].closed, 2);
}

#define TEST(name)                    \
    {                                 \
#name, name, begin, end, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_line_arrives_in_order_at_every_exporter),
        TEST(a_full_line_is_counted_and_said),
        TEST(large_records_take_no_more_than_their_share),
        TEST(a_stop_brings_everything_out),
        TEST(a_stop_does_not_wait_for_ever),
        TEST(exporters_tick_without_records),
        TEST(who_takes_no_records_loses_none),
        TEST(without_takers_no_record_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
