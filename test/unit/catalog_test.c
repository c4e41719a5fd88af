/* catalog: what a configuration means, and whether its parts fit together. */
#include "catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config_value.h"
#include "given.h"
#include "testing.h"

#define LOCAL                                                        \
    "  - {name: gpu, tier: local, url: http://127.0.0.1:1, models: " \
    "[{name: small}]}\n"
#define CLOUD                                                               \
    "  - {name: vendor, tier: cloud, url: http://127.0.0.1:2, api_key: k, " \
    "models: [{name: claude-haiku-4-5}]}\n"

static struct buf problems;

static int begin(void **state)
{
    (void)state;
    given_clean_environment();
    buf_init(&problems, 1 << 16);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    given_clean_environment();
    buf_fini(&problems);
    return 0;
}

static void assert_bad(const char *yaml, const char *says)
{
    given_bad_catalog(yaml, &problems);
    assert_has(buf_str(&problems), says);
}

static void the_short_form_makes_two_backends(void **state)
{
    struct catalog *catalog = given_catalog(
        "local: {url: 'http://127.0.0.1:8000/v1, http://127.0.0.1:8001',\n"
        "        model: qwen2.5-7b, context_window: 4096, max_output: 1024,\n"
        "        api_key: k}\n"
        "cloud: {api_key: sk, url: 'http://127.0.0.1:9000'}\n");
    const struct backend *local = catalog->local;
    const struct backend *cloud = catalog->cloud;

    (void)state;
    assert_int_equal(catalog->backend_count, 2);
    assert_str(local->name, "vllm");
    assert_int_equal(local->tier, TIER_LOCAL);
    assert_int_equal(local->dialect, DIALECT_OPENAI);
    assert_str(local->health_path, "/health");
    assert_str(local->key.bytes, "k");
    assert_int_equal(local->replica_count, 2);
    assert_int_equal(local->replicas[1].endpoint.port, 8001);
    assert_int_equal(local->replicas[1].index, 1);
    assert_ptr_equal(local->replicas[1].backend, local);
    assert_int_equal(atomic_load(&local->replicas[0].state), HEALTH_UNKNOWN);
    assert_str(local->default_model->name, "qwen2.5-7b");
    assert_true(local->default_model->context_window == 4096);
    assert_true(local->default_model->max_output == 1024);
    assert_null(local->tls);
    assert_str(cloud->name, "anthropic");
    assert_int_equal(cloud->dialect, DIALECT_ANTHROPIC);
    assert_int_equal(cloud->health_path.len, 0);
    assert_str(cloud->default_model->name, "claude-sonnet-4-6");
    assert_int_equal(cloud->replicas[0].index, 2);
    assert_int_equal(catalog->replica_count, 3);
    assert_int_equal(catalog->key_count, 0);
    assert_int_equal(catalog->rule_count, 3);
    assert_true(catalog->claude.count > 0);
    catalog_unref(catalog);
}

static void one_tier_alone_is_enough(void **state)
{
    struct catalog *catalog =
        given_catalog("local: {url: 'http://127.0.0.1:1', model: m}\n");

    (void)state;
    assert_non_null(catalog->local);
    assert_null(catalog->cloud); /* without a key there is none */
    catalog_unref(catalog);
    catalog = given_catalog("cloud: {api_key: sk}\n");
    assert_null(catalog->local);
    assert_non_null(catalog->cloud);
    assert_non_null(catalog->cloud->tls);
    assert_string_equal(catalog->cloud->replicas[0].endpoint.host,
                        "api.anthropic.com");
    catalog_unref(catalog);
    assert_bad("local: {url: 'http://127.0.0.1:1'}\n",
               "local.model (LOCAL_MODEL) is not set: expected the name of "
               "the model");
}

static void a_list_of_backends_replaces_the_short_form(void **state)
{
    struct catalog *catalog = given_catalog(
        "local: {url: 'http://127.0.0.1:9', model: unused}\n"
        "backends:\n"
        "  - name: edge\n"
        "    tier: local\n"
        "    url: [http://127.0.0.1:1, http://127.0.0.1:2]\n"
        "    default_model: large\n"
        "    health_path: none\n"
        "    models:\n"
        "      - {name: small, upstream: org/small, images: false}\n"
        "      - {name: large, context_window: 100, tools: false}\n"
        "  - name: other\n"
        "    tier: cloud\n"
        "    dialect: openai\n"
        "    url: http://127.0.0.1:3\n"
        "    models: [{name: gpt}]\n"
        "  - {name: vendor, tier: cloud, url: 'http://127.0.0.1:4',\n"
        "     default_model: claude-opus-5-5}\n");
    const struct model *model = catalog_find_model(catalog, STR("small"));

    (void)state;
    assert_int_equal(catalog->backend_count, 3);
    assert_ptr_equal(catalog->local, &catalog->backends[0]);
    assert_ptr_equal(catalog->cloud, &catalog->backends[1]);
    assert_null(catalog_find_model(catalog, STR("unused")));
    assert_str(model->upstream, "org/small");
    assert_false(model->takes_images);
    assert_true(model->takes_tools);
    assert_str(catalog->backends[0].default_model->name, "large");
    assert_str(catalog->backends[0].default_model->upstream, "large");
    assert_int_equal(catalog->backends[0].health_path.len, 0);
    assert_int_equal(catalog->backends[1].dialect, DIALECT_OPENAI);
    assert_int_equal(catalog->backends[1].health_path.len, 0);
    /* a default that is in no list of models is one more model */
    assert_str(catalog->backends[2].default_model->name, "claude-opus-5-5");
    assert_int_equal(catalog->model_count, 4);
    assert_int_equal(catalog->replica_count, 4);
    catalog_unref(catalog);
}

static void models_know_what_they_take(void **state)
{
    struct catalog *catalog = given_catalog(
        "backends:\n" CLOUD "  - name: edge\n"
        "    tier: local\n"
        "    url: http://127.0.0.1:3\n"
        "    models:\n"
        "      - {name: plain}\n"
        "      - {name: odd, max_output: 7, structured_output: no,\n"
        "         thinking: no, serves: 'completions,embeddings'}\n"
        "  - {name: more, tier: cloud, url: 'http://127.0.0.1:4', models:\n"
        "     [{name: claude-opus-5-5, context_window: 9, max_output: 8}]}\n");
    const struct model *model = catalog_find_model(catalog, STR("plain"));

    (void)state;
    assert_true(model->context_window == 0 && model->max_output == 0);
    assert_true(model->takes_structured && model->takes_thinking);
    assert_true(model_serves(model, SERVICE_CHAT));
    assert_true(model_serves(model, SERVICE_COMPLETIONS));
    assert_false(model_serves(model, SERVICE_EMBEDDINGS));
    model = catalog_find_model(catalog, STR("odd"));
    assert_true(model->max_output == 7);
    assert_false(model->takes_structured || model->takes_thinking);
    assert_int_equal(model->serves,
                     1u << SERVICE_COMPLETIONS | 1u << SERVICE_EMBEDDINGS);
    /* Claude's limits need not be said, but may */
    model = catalog_find_model(catalog, STR("claude-haiku-4-5"));
    assert_true(model->context_window == 200000);
    assert_true(model->max_output == 64000);
    assert_int_equal(model->serves, 1u << SERVICE_CHAT);
    model = catalog_find_model(catalog, STR("claude-opus-5-5"));
    assert_true(model->context_window == 9 && model->max_output == 8);
    catalog_unref(catalog);
}

static void only_who_serves_chat_stands_for_a_tier(void **state)
{
    static const char embedder[] =
        "backends:\n"
        "  - {name: vectors, tier: local, url: 'http://127.0.0.1:3',\n"
        "     models: [{name: embed, serves: [embeddings]}]}\n";
    struct catalog *catalog = given_catalog(embedder);
    char yaml[1024];

    (void)state;
    assert_null(catalog->local);
    assert_str(catalog->backends[0].default_model->name, "embed");
    catalog_unref(catalog);
    (void)snprintf(
        yaml, sizeof(yaml), "%s%s", embedder,
        "  - {name: both, tier: local, url: 'http://127.0.0.1:4',\n"
        "     models: [{name: e, serves: embeddings}, {name: c}]}\n");
    catalog = given_catalog(yaml);
    assert_str(catalog->local->name, "both");
    assert_str(catalog->local->default_model->name, "c");
    catalog_unref(catalog);
    assert_bad("backends:\n"
               "  - {name: both, tier: local, url: 'http://127.0.0.1:4',\n"
               "     default_model: e,\n"
               "     models: [{name: e, serves: embeddings}, {name: c}]}\n",
               "default_model: read \"e\", expected the name of a model that "
               "serves chat");
    assert_bad("backends:\n"
               "  - {name: v, tier: cloud, url: 'http://127.0.0.1:4',\n"
               "     models: [{name: claude-x, serves: [chat, "
               "completions]}]}\n",
               "serves: read \"chat, completions\", expected chat alone");
    assert_bad("backends:\n"
               "  - {name: v, tier: local, url: 'http://127.0.0.1:4',\n"
               "     models: [{name: m, serves: [chat, speech]}]}\n",
               "serves: read \"chat, speech\", expected a list of chat, "
               "completions and embeddings");
}

static void backends_are_checked_against_one_another(void **state)
{
    (void)state;
    assert_bad("backends:\n  - {name: a}\n",
               ":2: backends[0]: expected at least name, tier and url");
    assert_bad("backends:\n" LOCAL LOCAL,
               ":3: backends[1].name: read \"gpu\", expected a name that no "
               "other backend has");
    assert_bad("backends:\n  - {name: a, tier: local, url: 'http://b'}\n",
               ":2: backends[0]: models: expected at least one model");
    assert_bad("backends:\n  - {name: a, tier: local, url: 'http://b', "
               "models: [{}]}\n",
               "backends[0].models[0]: name: expected a name");
    assert_bad("backends:\n" LOCAL
               "  - {name: b, tier: local, url: 'http://b', models: [{name: "
               "small}]}\n",
               "backends[1].models[0].name: read \"small\", expected a name "
               "that no other model has");
    assert_bad("backends:\n  - {name: a, tier: local, url: 'http://b', "
               "models: [{name: auto}]}\n",
               "read \"auto\", expected another name than auto, local, cloud "
               "and claude");
    assert_bad("backends:\n  - {name: a, tier: local, url: 'http://b', "
               "models: [{name: m}], default_model: n}\n",
               "default_model: read \"n\", expected the name of one of its "
               "models");
    assert_bad("backends:\n" LOCAL
               "  - {name: b, tier: local, url: 'http://b', default_model: "
               "small, models: [{name: m}]}\n",
               "expected the name of one of its models");
    assert_bad("backends:\n  - {name: a, tier: local, url: 'http://b', "
               "models: [{name: m}], health_path: health}\n",
               "health_path: read \"health\", expected a path that begins "
               "with /");
    assert_bad("backends:\n  - {name: a, tier: local, url: 'https://b', "
               "models: [{name: m}], ca_file: /no/such.pem}\n",
               "ca_file: read \"/no/such.pem\", expected a PEM file");
}

static void rules_are_read_and_the_thresholds_come_last(void **state)
{
    struct catalog *catalog =
        given_catalog("backends:\n" LOCAL CLOUD
                      "routing: {local_tokens: 10, local_max_tokens: 20}\n"
                      "keys: [{name: team, secret: s}]\n"
                      "rules:\n"
                      "  - name: all\n"
                      "    when:\n"
                      "      min_prompt_tokens: 1\n"
                      "      max_prompt_tokens: 2\n"
                      "      min_max_tokens: 3\n"
                      "      max_max_tokens: 4\n"
                      "      tools: yes\n"
                      "      images: no\n"
                      "      header: 'X-Team :  a:b '\n"
                      "      key: team\n"
                      "      text: 'sel.ct'\n"
                      "      tool: '^Bash$'\n"
                      "      model: 'claude-*'\n"
                      "      hours: 22:00-06:30\n"
                      "    use: claude-haiku-4-5\n"
                      "    policy: cloud-only\n"
                      "    content: no\n"
                      "  - {name: bare, use: local}\n");
    const struct rule *rule = &catalog->rules[0];

    (void)state;
    assert_int_equal(catalog->rule_count, 5);
    assert_str(rule->name, "all");
    assert_true(rule->has_min_tokens && rule->min_tokens == 1);
    assert_true(rule->has_max_tokens && rule->max_tokens == 2);
    assert_true(rule->has_min_answer && rule->min_answer == 3);
    assert_true(rule->has_max_answer && rule->max_answer == 4);
    assert_int_equal(rule->tools, 1);
    assert_int_equal(rule->images, 0);
    assert_str(rule->header_name, "X-Team");
    assert_str(rule->header_value, "a:b");
    assert_str(rule->key, "team");
    assert_non_null(rule->text);
    assert_int_equal(regex_match(rule->tool, STR("Bash")), REGEX_YES);
    assert_str(rule->model, "claude-*");
    assert_int_equal(rule->from_minute, 22 * 60);
    assert_int_equal(rule->to_minute, 6 * 60 + 30);
    assert_str(rule->use_model->name, "claude-haiku-4-5");
    assert_int_equal(rule->use_tier, TIER_NONE);
    assert_int_equal(rule->policy, TIER_CLOUD);
    assert_true(rule->forbids_content);
    rule = &catalog->rules[1];
    assert_int_equal(rule->tools, -1);
    assert_int_equal(rule->images, -1);
    assert_false(rule->has_min_tokens || rule->has_max_answer);
    assert_int_equal(rule->header_name.len, 0);
    assert_null(rule->text);
    assert_null(rule->tool);
    assert_int_equal(rule->model.len, 0);
    assert_int_equal(rule->from_minute, rule->to_minute);
    assert_int_equal(rule->use_tier, TIER_LOCAL);
    assert_int_equal(rule->policy, TIER_NONE);
    assert_false(rule->forbids_content);
    assert_str(catalog->rules[2].name, "long-prompt");
    assert_true(catalog->rules[2].min_tokens == 11);
    assert_str(catalog->rules[3].name, "long-answer");
    assert_true(catalog->rules[3].min_answer == 21);
    assert_str(catalog->rules[4].name, "short");
    assert_int_equal(catalog->rules[4].use_tier, TIER_LOCAL);
    catalog_unref(catalog);
}

static void rules_are_checked_against_the_rest(void **state)
{
    (void)state;
    assert_bad("backends:\n" LOCAL "rules:\n  - {use: local}\n",
               "rules[0]: name: expected a name");
    assert_bad("backends:\n" LOCAL "rules:\n  - {name: r}\n",
               "rules[0]: use: expected local, cloud or a model's name");
    assert_bad("backends:\n" LOCAL "rules:\n  - {name: r, use: large}\n",
               ":4: rules[0].use: read \"large\", expected local, cloud or "
               "the name of a model");
    assert_bad("backends:\n" LOCAL
               "rules:\n  - {name: r, use: small, policy: cloud-only}\n",
               "rules[0].policy: read \"cloud-only\", expected a policy that "
               "allows what the rule uses");
    assert_bad("backends:\n" LOCAL
               "rules:\n  - {name: r, use: cloud, policy: local-only}\n",
               "expected a policy that allows what the rule uses");
    assert_bad("backends:\n" LOCAL
               "rules:\n  - {name: r, use: local, when: {key: team}}\n",
               "rules[0].when.key: read \"team\", expected the name of a key");
}

static void keys_are_kept_as_digests(void **state)
{
    /* SHA-256 of "abc", FIPS 180-2 */
    static const unsigned char digest[32] = {
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
        0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
        0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    struct catalog *catalog =
        given_catalog("backends:\n" LOCAL "keys:\n"
                      "  - {name: a, secret: abc, policy: local-only}\n"
                      "  - {name: b, secret: def}\n");

    (void)state;
    assert_int_equal(catalog->key_count, 2);
    assert_memory_equal(catalog->keys[0].digest, digest, 32);
    assert_int_equal(catalog->keys[0].policy, TIER_LOCAL);
    assert_int_equal(catalog->keys[1].policy, TIER_NONE);
    catalog_unref(catalog);
    assert_bad("backends:\n" LOCAL "keys: [{name: a}]\n",
               "keys[0]: expected a name and a secret");
    assert_bad("backends:\n" LOCAL "keys: [{secret: a}]\n",
               "keys[0]: expected a name and a secret");
}

static void settings_are_taken_over(void **state)
{
    struct catalog *catalog = given_catalog(
        "listen: {host: 127.0.0.1, port: 0}\n"
        "workers: 3\n"
        "routing: {assumed_max_tokens: 99, cloud_falls_back: never}\n"
        "translation: {default_max_tokens: 5, reasoning_output: none,\n"
        "  thinking_blocks: true, prompt_cache: true, strict: yes,\n"
        "  builtin_tools: drop,\n"
        "  anthropic_version: '2026-10-21'}\n"
        "timeouts: {connect: 1ms, first_byte: 2ms, first_token: 3ms,\n"
        "  idle: 4ms, total: 5ms, hold: 6ms, retry_after: 7ms, head: 8ms,\n"
        "  body: 9ms, keep_alive: 10ms, pool_idle: 11ms, drain: 12ms,\n"
        "  comment: 13ms}\n"
        "probe: {interval: 14ms, cold_interval: 15ms, timeout: 16ms,\n"
        "  rest: 17ms}\n"
        "limits: {body: 18, answer: 19, memory: 20, pool: 21}\n"
        "responses: {store_bytes: 22, store_ttl: 23ms}\n");
    const struct settings *s = &catalog->settings;

    (void)state;
    assert_str(s->host, "127.0.0.1");
    assert_int_equal(s->port, 0);
    assert_int_equal(s->workers, 3);
    assert_true(s->assumed_max_tokens == 99);
    assert_true(s->default_max_tokens == 5);
    assert_false(s->shows_reasoning);
    assert_true(s->shows_thinking && s->caches_prompt);
    assert_true(s->is_anthropic_2026_10_21);
    assert_int_equal(s->connect_ms, 1);
    assert_int_equal(s->first_byte_ms, 2);
    assert_int_equal(s->first_token_ms, 3);
    assert_int_equal(s->idle_ms, 4);
    assert_int_equal(s->total_ms, 5);
    assert_int_equal(s->hold_ms, 6);
    assert_int_equal(s->retry_after_ms, 7);
    assert_int_equal(s->head_ms, 8);
    assert_int_equal(s->body_ms, 9);
    assert_int_equal(s->keep_alive_ms, 10);
    assert_int_equal(s->pool_idle_ms, 11);
    assert_int_equal(s->drain_ms, 12);
    assert_int_equal(s->comment_ms, 13);
    assert_int_equal(s->probe_interval_ms, 14);
    assert_int_equal(s->probe_cold_ms, 15);
    assert_int_equal(s->probe_timeout_ms, 16);
    assert_int_equal(s->rest_ms, 17);
    assert_int_equal(s->body_bytes, 18);
    assert_int_equal(s->answer_bytes, 19);
    assert_int_equal(s->memory_bytes, 20);
    assert_int_equal(s->pool_size, 21);
    assert_true(s->is_strict && s->builtin_tools == CONFIG_BUILTIN_DROP);
    assert_int_equal(s->store_bytes, 22);
    assert_int_equal(s->store_ttl_ms, 23);
    catalog_unref(catalog);

    catalog = given_catalog("translation: {anthropic_version: 2023-06-01}\n");
    assert_false(catalog->settings.is_anthropic_2026_10_21);
    assert_true(catalog->settings.workers >= 1); /* auto */
    assert_false(catalog->settings.is_strict);
    assert_int_equal(catalog->settings.builtin_tools, CONFIG_BUILTIN_AUTO);
    assert_int_equal(catalog->settings.store_bytes, 64 << 20);
    assert_int_equal(catalog->settings.store_ttl_ms, 3600 * 1000);
    catalog_unref(catalog);
    catalog = given_catalog("responses: {store_bytes: 0}\n");
    assert_int_equal(catalog->settings.store_bytes, 0); /* switched off */
    catalog_unref(catalog);
    assert_bad("responses: {store_ttl: 0}\n",
               "responses.store_ttl: read \"0\", expected more than 0");
    catalog = given_catalog("telemetry: {content_bytes: 1MiB}\n");
    assert_int_equal(catalog->settings.content_bytes, 1 << 20);
    catalog_unref(catalog);
    assert_bad("telemetry: {content_bytes: 1048577}\n",
               "telemetry.content_bytes: read \"1048577\", expected at most "
               "1MiB");
    assert_bad("translation: {builtin_tools: keep}\n",
               "read \"keep\", expected auto, refuse or drop");
    catalog = given_catalog("translation: {anthropic_version: 2027-01-01}\n");
    assert_true(catalog->settings.is_anthropic_2026_10_21);
    catalog_unref(catalog);
    assert_bad("translation: {default_max_tokens: 0}\n",
               "read \"0\", expected at least 1");
}

static void the_list_of_claude_models_can_be_replaced(void **state)
{
    struct catalog *catalog;
    char path[64];
    char yaml[128];

    (void)state;
    given_file(STR("{\"models\":[{\"id\":\"claude-mine\",\"thinking_off\":"
                   "\"default\"}]}"),
               path);
    (void)snprintf(yaml, sizeof(yaml), "claude_models_file: %s\n", path);
    catalog = given_catalog(yaml);
    unlink(path);
    assert_int_equal(catalog->claude.count, 1);
    assert_non_null(claude_find(&catalog->claude, STR("claude-mine")));
    catalog_unref(catalog);

    given_file(STR("{\"models\":[{\"id\":\"m\"}]}"), path);
    (void)snprintf(yaml, sizeof(yaml), "claude_models_file: %s\n", path);
    assert_bad(yaml, "expected a list of models: model \"m\": thinking_off");
    unlink(path);
    assert_bad("claude_models_file: /no/such.json\n",
               "expected a file that can be read");
}

static void it_lives_as_long_as_somebody_needs_it(void **state)
{
    struct catalog *catalog = given_catalog("backends:\n" LOCAL);
    struct catalog *other = catalog_ref(catalog);

    (void)state;
    assert_ptr_equal(other, catalog);
    catalog_unref(catalog);
    assert_str(other->local->name, "gpu");
    catalog_unref(other);
}

#define with_problems(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_problems(the_short_form_makes_two_backends),
        with_problems(one_tier_alone_is_enough),
        with_problems(a_list_of_backends_replaces_the_short_form),
        with_problems(models_know_what_they_take),
        with_problems(only_who_serves_chat_stands_for_a_tier),
        with_problems(backends_are_checked_against_one_another),
        with_problems(rules_are_read_and_the_thresholds_come_last),
        with_problems(rules_are_checked_against_the_rest),
        with_problems(keys_are_kept_as_digests),
        with_problems(settings_are_taken_over),
        with_problems(the_list_of_claude_models_can_be_replaced),
        with_problems(it_lives_as_long_as_somebody_needs_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
