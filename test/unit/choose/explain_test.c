/* choose/explain: a decision in words. */
#include "choose/explain.h"

#include "../given.h"
#include "../testing.h"
#include "dialect/openai.h"

enum { NOW = 5000 };

static struct arena arena;
static struct catalog *catalog;
static struct buf out;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    buf_init(&out, 1 << 16);
    catalog = given_catalog(
        "backends:\n"
        "  - {name: gpu, tier: local, url: [http://a.test, http://b.test],\n"
        "     models: [{name: small, upstream: org/small}]}\n"
        "  - {name: vendor, tier: cloud, url: 'http://c.test',\n"
        "     default_model: claude-haiku-4-5}\n");
    return 0;
}

static int finish(void **state)
{
    (void)state;
    catalog_unref(catalog);
    buf_fini(&out);
    arena_clear(&arena);
    return 0;
}

static void explain_for(const char *model)
{
    struct chat chat;
    struct chat_error error;
    struct choice choice;
    struct rule_facts facts = {
        .chat = &chat, .prompt_tokens = 7, .max_tokens = 512};

    assert_true(openai_read_request(
        &arena,
        arena_printf(
            &arena, "{\"model\":%s,\"messages\":[{\"role\":\"user\"}]}", model),
        &chat, &error));
    assert_true(choose(&arena, catalog, &facts, &choice, &error));
    buf_clear(&out);
    explain(&arena, &facts, &choice, NOW, &out);
}

static void every_target_is_told_with_its_replicas(void **state)
{
    (void)state;
    atomic_store(&catalog->backends[0].replicas[0].state, HEALTH_COLD);
    atomic_store(&catalog->backends[0].replicas[1].in_flight, 3);
    explain_for("\"auto\"");
    assert_str(
        buf_str(&out),
        "{\"requested\":\"auto\",\"backend\":\"local\",\"target\":\"gpu\","
        "\"model\":\"org/small\",\"reason\":\"rule:short\",\"policy\":null,"
        "\"estimated_prompt_tokens\":7,\"max_tokens\":512,\"targets\":["
        "{\"backend\":\"local\",\"target\":\"gpu\",\"model\":\"org/small\","
        "\"reason\":\"rule:short\",\"ready\":true,\"replicas\":["
        "{\"replica\":0,\"state\":\"cold\",\"usable\":false,\"in_flight\":0},"
        "{\"replica\":1,\"state\":\"unknown\",\"usable\":true,\"in_flight\":"
        "3}]},"
        "{\"backend\":\"cloud\",\"target\":\"vendor\",\"model\":"
        "\"claude-haiku-4-5\",\"reason\":\"fallback\",\"ready\":true,"
        "\"replicas\":[{\"replica\":0,\"state\":\"unknown\",\"usable\":true,"
        "\"in_flight\":0}]}],\"passed_over\":[]}");
}

static void what_is_not_ready_is_passed_over(void **state)
{
    (void)state;
    atomic_store(&catalog->backends[0].replicas[0].state, HEALTH_COLD);
    atomic_store(&catalog->backends[0].replicas[1].state, HEALTH_COLD);
    explain_for("null");
    assert_has(buf_str(&out), "{\"requested\":\"auto\",\"backend\":\"cloud\","
                              "\"target\":\"vendor\",\"model\":"
                              "\"claude-haiku-4-5\",\"reason\":"
                              "\"fallback:cold\"");
    assert_has(buf_str(&out), "\"ready\":false");
    /* none of them: the first */
    atomic_store(&catalog->backends[1].replicas[0].state, HEALTH_RESTING);
    atomic_store(&catalog->backends[1].replicas[0].rests_until_ms, NOW + 1);
    explain_for("null");
    assert_has(buf_str(&out), "\"backend\":\"local\",\"target\":\"gpu\"");
    atomic_store(&catalog->backends[1].replicas[0].rests_until_ms, NOW);
    explain_for("null");
    assert_has(buf_str(&out), "\"reason\":\"fallback:cold\"");
}

static void names_are_escaped(void **state)
{
    (void)state;
    explain_for("\"claude-\\\"x\\n\"");
    assert_has(buf_str(&out), "\"requested\":\"claude-\\\"x\\n\"");
    assert_has(buf_str(&out), "\"model\":\"claude-\\\"x\\n\"");
    assert_has(buf_str(&out), "\"reason\":\"explicit\"");
}

#define with_catalog(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_catalog(every_target_is_told_with_its_replicas),
        with_catalog(what_is_not_ready_is_passed_over),
        with_catalog(names_are_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
