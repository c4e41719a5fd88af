/* telemetry/exposition: both texts, byte for byte as in test/golden/exposition.
 */
#include "telemetry/exposition.h"

#include <stdio.h>
#include <stdlib.h>

#include "../testing.h"

static void tell_all(const struct metrics_visitor *visitor)
{
    const struct str requests[] = {STR("cloud"), STR("a \"b\"\\\n"),
                                   STR("fallback:503"), STR("200"), STR("ok")};
    const struct str cost[] = {STR("cloud"), STR("claude-opus-4-8"),
                               STR("token")};
    const struct str local[] = {STR("local")};
    const struct str tried[] = {STR("chat"), STR("anthropic"),
                                STR("claude-opus-4-8"), STR("")};
    const struct str version[] = {STR("1.2.3")};
    struct metrics_histogram_view first = {
        .sum = 13579246, .count = 6, .buckets = {0, 1, [8] = 3, [14] = 2}};
    struct metrics_histogram_view none = {0};

    memcpy(first.exemplars[8].trace_id, "0af7651916cd43dd8448eb211c80319c", 32);
    memcpy(first.exemplars[8].span_id, "b7ad6b7169203331", 16);
    first.exemplars[8].value = 3500000;
    first.exemplars[8].is_set = true;
    metrics_tell_family(visitor, FAMILY_REQUESTS);
    metrics_tell(visitor, FAMILY_REQUESTS, requests, UINT64_MAX);
    metrics_tell_family(visitor, FAMILY_FIRST_TOKEN);
    visitor->on_histogram(visitor->ctx, metrics_family(FAMILY_FIRST_TOKEN),
                          local, &first);
    metrics_tell_family(visitor, FAMILY_GENAI_DURATION);
    visitor->on_histogram(visitor->ctx, metrics_family(FAMILY_GENAI_DURATION),
                          tried, &none);
    metrics_tell_family(visitor, FAMILY_COST);
    metrics_tell(visitor, FAMILY_COST, cost, 12000000034);
    metrics_tell_family(visitor, FAMILY_FALLBACKS);
    metrics_tell_one(visitor, FAMILY_OPEN_FDS, 17);
    metrics_tell_one(visitor, FAMILY_START_TIME, 1795655460478800);
    metrics_tell_family(visitor, FAMILY_BUILD);
    metrics_tell(visitor, FAMILY_BUILD, version, 1);
}

static void check_golden(enum exposition_format format, const char *path)
{
    char *expected = calloc(1, 1 << 20);
    FILE *file = fopen(path, "rb");
    struct exposition exposition;
    struct metrics_visitor visitor;
    struct buf out;

    buf_init(&out, 1 << 20);
    visitor = exposition_begin(&exposition, format, &out);
    tell_all(&visitor);
    exposition_end(&exposition);
    buf_put_char(&out, '\0');
    assert_non_null(expected);
    assert_non_null(file);
    assert_true(fread(expected, 1, (1 << 20) - 1, file) > 0);
    (void)fclose(file);
    assert_string_equal(out.ptr, expected);
    free(expected);
    buf_fini(&out);
}

static void text_is_as_in_its_golden_file(void **state)
{
    (void)state;
    check_golden(EXPOSITION_TEXT, GOLDEN_DIR "/exposition/text.txt");
}

static void openmetrics_is_as_in_its_golden_file(void **state)
{
    (void)state;
    check_golden(EXPOSITION_OPENMETRICS,
                 GOLDEN_DIR "/exposition/openmetrics.txt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_as_in_its_golden_file),
        cmocka_unit_test(openmetrics_is_as_in_its_golden_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
