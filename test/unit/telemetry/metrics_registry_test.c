/* telemetry/metrics, metrics_names, metrics_walk: series come and grow, within
 * bounds, and are read while they do. */
#include <stdio.h>
#include <uv.h>

#include "../given.h"
#include "../testing.h"
#include "telemetry/metrics_count.h"
#include "telemetry/metrics_walk.h"

static struct metrics_names *names;
static struct metrics shards[4];

static int begin(void **state)
{
    (void)state;
    names = metrics_names_new();
    for (unsigned i = 0; i < COUNT_OF(shards); i++)
        metrics_init(&shards[i], names);
    for (unsigned i = 0; i < COUNT_OF(shards); i++)
        shards[i].has_spans = true;
    return 0;
}

static int finish(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT_OF(shards); i++)
        metrics_fini(&shards[i]);
    metrics_names_free(names);
    return 0;
}

/* What a walk finds. */
struct seen {
    enum family family;
    unsigned series, exemplars;
    uint64_t total;
    struct metrics_histogram_view last;
};

static void on_family(void *ctx, const struct metrics_family *family)
{
    (void)ctx;
    (void)family;
}

static void on_sample(void *ctx, const struct metrics_family *family,
                      const struct str values[], uint64_t n)
{
    struct seen *seen = ctx;

    (void)values;
    if (family != metrics_family(seen->family))
        return;
    seen->series++;
    seen->total += n;
}

static void on_histogram(void *ctx, const struct metrics_family *family,
                         const struct str values[],
                         const struct metrics_histogram_view *histogram)
{
    struct seen *seen = ctx;

    on_sample(ctx, family, values, histogram->count);
    if (family != metrics_family(seen->family))
        return;
    seen->last = *histogram;
    /* one exemplar says the same five times: whoever tears it shows */
    for (unsigned i = 0; i <= family->edges->count; i++) {
        const struct metrics_exemplar_view *e = &histogram->exemplars[i];

        if (!e->is_set)
            continue;
        seen->exemplars++;
        for (unsigned k = 0; k < TRACE_ID_LEN; k++)
            assert_int_equal(e->trace_id[k], e->trace_id[0]);
        for (unsigned k = 0; k < TRACE_SPAN_LEN; k++)
            assert_int_equal(e->span_id[k], e->trace_id[0]);
        assert_true(e->value % 16 ==
                    (uint64_t)(e->trace_id[0] - 'a')); /* see write_all() */
        assert_true(i == 0 || e->value > family->edges->at[i - 1]);
        assert_true(i == family->edges->count ||
                    e->value <= family->edges->at[i]);
    }
}

/* By the numbers of its labels. */
static void add(struct metrics *shard, enum family family,
                const unsigned values[])
{
    metrics_add(shard, metrics_pack(family, values), 1);
}

static void observe(struct metrics *shard, enum family family,
                    const unsigned values[], uint64_t value,
                    const struct record *record, uint64_t at_us)
{
    metrics_observe(shard, metrics_pack(family, values), value, record, at_us);
}

static struct seen walk(unsigned shard_count, enum family family)
{
    const struct metrics *const all[] = {&shards[0], &shards[1], &shards[2],
                                         &shards[3]};
    struct seen seen = {.family = family};
    const struct metrics_visitor visitor = {on_family, on_sample, on_histogram,
                                            &seen};

    metrics_walk(all, shard_count, &visitor);
    return seen;
}

/* --- names --------------------------------------------------------------- */

static void a_name_has_its_number_for_good(void **state)
{
    unsigned alice, bob;

    (void)state;
    metrics_names_add(names, NAMES_TARGET, STR("alice"));
    metrics_names_add(names, NAMES_TARGET, STR("bob"));
    alice = metrics_names_find(names, NAMES_TARGET, STR("alice"));
    bob = metrics_names_find(names, NAMES_TARGET, STR("bob"));
    assert_true(alice >= NAME_FIRST && bob >= NAME_FIRST && alice != bob);
    metrics_names_add(names, NAMES_TARGET, STR("alice"));
    metrics_names_alias(names, NAMES_TARGET, STR("robert"), STR("bob"));
    assert_int_equal(metrics_names_find(names, NAMES_TARGET, STR("alice")),
                     alice);
    assert_int_equal(metrics_names_find(names, NAMES_TARGET, STR("robert")),
                     bob);
    assert_str(metrics_names_get(names, NAMES_TARGET, bob), "bob");
    assert_int_equal(metrics_names_find(names, NAMES_MODEL, STR("bob")),
                     NAME_OTHER);
    assert_int_equal(metrics_names_find(names, NAMES_TARGET, STR("")),
                     NAME_NONE);
}

static void names_beyond_the_bound_are_other(void **state)
{
    char name[32];
    unsigned known = 0;

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        struct str s = {
            name, (size_t)snprintf(name, sizeof(name), "a-backend-%u", i)};

        metrics_names_add(names, NAMES_TARGET, s);
        metrics_names_alias(names, NAMES_TARGET, s, STR("a-backend-0"));
        if (metrics_names_find(names, NAMES_TARGET, s) >= NAME_FIRST)
            known++;
    }
    /* 254 names, and aliases as long as there was room */
    assert_int_equal(known, 4096 - 2);
    for (unsigned i = NAME_FIRST; i < 256; i++)
        assert_true(metrics_names_get(names, NAMES_TARGET, i).len > 0);
}

/* --- series -------------------------------------------------------------- */

static void series_have_a_bound_and_sums_stay_exact(void **state)
{
    unsigned n = 0;

    (void)state;
    /* whatever may stand in the labels, in two shards */
    for (unsigned target = 0; target < 256; target++)
        for (unsigned reason = 0; reason < 64; reason++) {
            const unsigned values[] = {TIER_CLOUD, target, reason,
                                       metrics_status(400 + (int)reason),
                                       reason % OUTCOMES};

            add(&shards[n++ % 2], FAMILY_REQUESTS, values);
        }
    assert_true(walk(2, FAMILY_REQUESTS).total == n);
    assert_true(walk(2, FAMILY_REQUESTS).series <= 2 * (1024 + 64));
    assert_true(walk(2, FAMILY_REQUESTS).series >= 1024);
}

static void every_family_can_be_flooded(void **state)
{
    (void)state;
    for (unsigned f = 0; f < FAMILIES; f++) {
        const struct metrics_family *row = metrics_family((enum family)f);
        uint64_t n = 0;

        if (row->cap == 0)
            continue;
        for (unsigned i = 0; i < 20000; i++) {
            unsigned values[METRICS_LABELS_MAX] = {0};

            /* as large as the worker may make them */
            for (unsigned k = 0; row->labels[k] != LABEL_END; k++)
                switch (row->labels[k]) {
                case LABEL_STATUS:
                    values[k] = metrics_status((int)(i * 7 % 1000));
                    break;
                case LABEL_FORMAT:
                case LABEL_FIELD:
                    values[k] = i % FIELDS_SLOTS;
                    break;
                case LABEL_ERROR_TYPE:
                    values[k] = i % ERROR_COUNT;
                    break;
                case LABEL_TIER:
                case LABEL_PROVIDER:
                case LABEL_RESULT:
                    values[k] = i % 3;
                    break;
                case LABEL_TOKENS:
                    values[k] = i % 5;
                    break;
                case LABEL_STREAM:
                case LABEL_TOKEN_TYPE:
                    values[k] = i % 2;
                    break;
                case LABEL_REASON:
                    values[k] = i % (9u << 9);
                    break;
                case LABEL_CAUSE:
                    values[k] = i % 128;
                    break;
                case LABEL_MODEL:
                case LABEL_ASKED:
                    values[k] = i % 1024;
                    break;
                case LABEL_TARGET:
                case LABEL_FROM:
                case LABEL_TO:
                    values[k] = i * 3 % 256;
                    break;
                default:
                    values[k] = i / 5 % 4;
                    break;
                }
            if (row->kind == METRICS_COUNTER)
                add(&shards[0], (enum family)f, values);
            else
                observe(&shards[0], (enum family)f, values, i, NULL, 0);
            n++;
        }
        assert_true(shards[0].used[f] <= row->cap + 64);
    }
    assert_true(atomic_load(&shards[0].counter_count) < 4096);
}

/* Model names, reasons and statuses as a caller and a hostile backend choose
 * them. */
static void strangers_words_make_no_series(void **state)
{
    struct claude_models none = {0};
    char word[64];
    unsigned series;

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        struct str s = {
            word, (size_t)snprintf(word, sizeof(word), "x-%u\"\n\\{}", i)};
        struct record_try tried = {.tier = TIER_CLOUD,
                                   .dialect = DIALECT_ANTHROPIC,
                                   .model = s,
                                   .status = (int)i,
                                   .began_us = 1,
                                   .ended_us = i + 2};
        struct record record = {
            .is_chat = true,
            .tier = TIER_CLOUD,
            .backend = s,
            .served_model = s,
            .model = s,
            .key = s,
            .path = s,
            .reason = s,
            .status = (int)(i % 1200) - 100,
            .outcome = OUTCOME_ERROR,
            .tries_made = &tried,
            .tries_kept = 1,
            .usage = {.is_known = true, .input = i, .output = 1},
        };

        metrics_count(&shards[i % 4], &record, &none);
    }
    series = walk(4, FAMILY_REQUESTS).series;
    assert_true(walk(4, FAMILY_REQUESTS).total == 20000);
    assert_true(series > 20 && series < 40); /* the statuses */
    assert_int_equal(walk(4, FAMILY_TOKENS).series, 2);
    assert_int_equal(walk(4, FAMILY_GENAI_DURATION).series, 1);
}

static void a_bucket_takes_what_is_not_above_its_edge(void **state)
{
    const struct metrics_family *row = metrics_family(FAMILY_DURATION);
    const unsigned values[] = {TIER_LOCAL, 0};
    struct seen seen;

    (void)state;
    for (unsigned i = 0; i < row->edges->count; i++) {
        observe(&shards[0], FAMILY_DURATION, values, row->edges->at[i], NULL,
                0);
        observe(&shards[1], FAMILY_DURATION, values, row->edges->at[i] + 1,
                NULL, 0);
    }
    observe(&shards[0], FAMILY_DURATION, values, 0, NULL, 0);
    observe(&shards[0], FAMILY_DURATION, values, UINT32_MAX, NULL, 0);
    seen = walk(2, FAMILY_DURATION);
    assert_int_equal(seen.series, 1);
    assert_int_equal(seen.last.buckets[0], 2); /* 0 and the edge */
    for (unsigned i = 1; i < row->edges->count; i++)
        assert_int_equal(seen.last.buckets[i], 2);
    assert_int_equal(seen.last.buckets[row->edges->count], 2);
}

/* What `le` says is what is compared with. */
static void edges_are_spelled_as_they_are(void **state)
{
    static const double units[] = {1, 0, 0, 0, 0, 0, 1e6};

    (void)state;
    for (unsigned f = 0; f < FAMILIES; f++) {
        const struct metrics_family *row = metrics_family((enum family)f);

        if (row->edges == NULL)
            continue;
        for (unsigned i = 0; i < row->edges->count; i++) {
            double said =
                strtod(row->edges->spelled[i], NULL) * units[row->decimals];

            assert_true(said > (double)row->edges->at[i] - 0.001 &&
                        said < (double)row->edges->at[i] + 0.001);
            assert_true(i == 0 || row->edges->at[i] > row->edges->at[i - 1]);
        }
    }
}

/* --- threads ------------------------------------------------------------- */

enum { ROUNDS = 20000 };

static void write_all(void *arg)
{
    struct metrics *shard = arg;
    char id[TRACE_ID_LEN];
    struct record record = {.is_sampled = true,
                            .trace_id = {id, TRACE_ID_LEN},
                            .span_id = {id, TRACE_SPAN_LEN}};

    for (unsigned i = 0; i < ROUNDS; i++) {
        const unsigned values[] = {TIER_LOCAL, 0};
        const unsigned many[] = {i / 100 % 200, i % 200, 1};

        memset(id, 'a' + (int)(i * 977 % 16), sizeof(id));
        observe(shard, FAMILY_DURATION, values, i * 977, &record, i);
        add(shard, FAMILY_FALLBACKS, many);
    }
}

static void shards_add_up_while_they_are_written(void **state)
{
    uv_thread_t threads[COUNT_OF(shards)];
    uint64_t before = 0;
    struct seen seen;

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(shards); i++)
        assert_int_equal(uv_thread_create(&threads[i], write_all, &shards[i]),
                         0);
    for (unsigned i = 0; i < 100; i++) {
        char name[32];

        seen = walk(COUNT_OF(shards), FAMILY_DURATION);
        assert_true(seen.total >= before);
        before = seen.total;
        /* names come while others are looked for */
        metrics_names_add(
            names, NAMES_MODEL,
            (struct str){name, (size_t)snprintf(name, sizeof(name), "m%u", i)});
    }
    for (unsigned i = 0; i < COUNT_OF(shards); i++)
        uv_thread_join(&threads[i]);
    seen = walk(COUNT_OF(shards), FAMILY_DURATION);
    assert_true(seen.total == (uint64_t)ROUNDS * COUNT_OF(shards));
    assert_true(seen.last.sum ==
                (uint64_t)977 * ROUNDS * (ROUNDS - 1) / 2 * COUNT_OF(shards));
    assert_true(seen.exemplars >= 9);
    assert_true(walk(COUNT_OF(shards), FAMILY_FALLBACKS).total ==
                (uint64_t)ROUNDS * COUNT_OF(shards));
}

static void only_a_sampled_request_is_an_exemplar(void **state)
{
    const unsigned values[] = {TIER_LOCAL, 0};
    struct record record = {.trace_id =
                                STR_INIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
                            .span_id = STR_INIT("aaaaaaaaaaaaaaaa")};

    (void)state;
    observe(&shards[0], FAMILY_DURATION, values, 16, &record, 1);
    assert_int_equal(walk(1, FAMILY_DURATION).exemplars, 0);
    record.is_sampled = true;
    observe(&shards[0], FAMILY_DURATION, values, 32, &record, 2);
    assert_int_equal(walk(1, FAMILY_DURATION).exemplars, 1);
    /* of two shards the newer one */
    observe(&shards[1], FAMILY_DURATION, values, 48, &record, 9);
    assert_int_equal(walk(2, FAMILY_DURATION).last.exemplars[0].value, 48);
    observe(&shards[0], FAMILY_OVERHEAD, values, 16, &record, 3);
    assert_int_equal(walk(1, FAMILY_OVERHEAD).exemplars, 0);
}

/* Ours when it is exported, or else the caller's. */
static void an_exemplar_names_a_span_that_can_be_found(void **state)
{
    const unsigned values[] = {TIER_LOCAL, 0};
    struct record record = {.is_sampled = true,
                            .trace_id =
                                STR_INIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
                            .span_id = STR_INIT("bbbbbbbbbbbbbbbb")};

    (void)state;
    shards[0].has_spans = false;
    observe(&shards[0], FAMILY_DURATION, values, 16, &record, 1);
    assert_int_equal(walk(1, FAMILY_DURATION).exemplars, 0);
    record.parent_span_id = STR("aaaaaaaaaaaaaaaa");
    observe(&shards[0], FAMILY_DURATION, values, 32, &record, 2);
    /* of "a"s alone, as on_histogram() wants it */
    assert_int_equal(walk(1, FAMILY_DURATION).exemplars, 1);
    record.is_sampled = false;
    observe(&shards[0], FAMILY_DURATION, values, 48, &record, 3);
    assert_int_equal(walk(1, FAMILY_DURATION).last.exemplars[0].value, 32);
}

#define with_shards(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_shards(a_name_has_its_number_for_good),
        with_shards(names_beyond_the_bound_are_other),
        with_shards(series_have_a_bound_and_sums_stay_exact),
        with_shards(every_family_can_be_flooded),
        with_shards(strangers_words_make_no_series),
        with_shards(a_bucket_takes_what_is_not_above_its_edge),
        with_shards(edges_are_spelled_as_they_are),
        with_shards(shards_add_up_while_they_are_written),
        with_shards(only_a_sampled_request_is_an_exemplar),
        with_shards(an_exemplar_names_a_span_that_can_be_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
