/* choose: numbers at the end of their range, and names at the end of their
 * room. */
#include "choose/choose.h"

#include "../given.h"
#include "../testing.h"
#include "dialect/openai.h"

#define BACKENDS                                                        \
    "backends:\n"                                                       \
    "  - {name: gpu, tier: local, url: http://127.0.0.1:1, models: "    \
    "[{name: small, context_window: 4096}]}\n"                          \
    "  - {name: vendor, tier: cloud, url: http://127.0.0.1:2, models: " \
    "[{name: claude-sonnet-4-6}]}\n"

static struct str reason_for(struct arena *arena, const char *yaml,
                             const char *model, int64_t prompt, int64_t answer)
{
    struct catalog *catalog = given_catalog(yaml);
    struct chat chat;
    struct chat_error error;
    struct choice choice;
    struct rule_facts facts = {
        .chat = &chat, .prompt_tokens = prompt, .max_tokens = answer};
    struct str reason;

    assert_true(openai_read_request(
        arena,
        arena_printf(arena,
                     "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\"}]}",
                     model),
        &chat, &error));
    assert_true(choose(arena, catalog, &facts, &choice, &error));
    reason = arena_copy(arena, choice.reason);
    catalog_unref(catalog);
    return reason;
}

static void a_huge_max_tokens_does_not_fit(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena);
    assert_str(reason_for(&arena, BACKENDS, "small", 10, INT64_MAX),
               "fit:context");
    arena_clear(&arena);
}

static void a_threshold_without_end_means_always_local(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena);
    assert_str(reason_for(&arena,
                          BACKENDS
                          "routing: {local_tokens: 9223372036854775807, "
                          "local_max_tokens: 9223372036854775807}\n",
                          "auto", 10, 10),
               "rule:short");
    arena_clear(&arena);
}

static void only_whole_names_are_listed(void **state)
{
    struct buf yaml;
    struct arena arena;
    struct catalog *catalog;

    (void)state;
    arena_init(&arena);
    buf_init(&yaml, 1 << 16);
    buf_put(&yaml, STR("backends:\n  - {name: a, tier: local, url: "
                       "'http://127.0.0.1:1', models: ["));
    for (unsigned i = 0; i < 100; i++)
        buf_printf(&yaml, "{name: model-%u}, ", i);
    buf_printf(&yaml, "]}\n");
    buf_put_char(&yaml, '\0');
    catalog = given_catalog(yaml.ptr);
    for (size_t max = 280; max < 340; max++) {
        struct str rest =
            choose_known_names(&arena, catalog, SERVICE_CHAT, max);
        struct str name;

        assert_true(rest.len <= max);
        assert_false(str_ends(rest, STR(" ")));
        while (str_split(&rest, ',', &name)) {
            name = str_trim(name);
            if (!str_eq(name, STR("auto")) && !str_eq(name, STR("local")) &&
                !str_eq(name, STR("...")))
                assert_non_null(catalog_find_model(catalog, name));
        }
    }
    catalog_unref(catalog);
    buf_fini(&yaml);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_huge_max_tokens_does_not_fit),
        cmocka_unit_test(a_threshold_without_end_means_always_local),
        cmocka_unit_test(only_whole_names_are_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
