/* dialect/anthropic_door_reply: complete answers. */
#include "../testing.h"
#include "dialect/anthropic_door.h"

static const struct answer_style shown = {.model = STR_INIT("auto"),
                                          .shows_reasoning = true};
static const struct answer_style hidden = {.model = STR_INIT("auto")};

static struct buf out;
static struct arena arena;

static int begin(void **state)
{
    (void)state;
    buf_init(&out, 1 << 20);
    arena_init(&arena);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    buf_fini(&out);
    arena_clear(&arena);
    return 0;
}

/* The member of what was written, as compact JSON. */
static struct str written(const char *key)
{
    struct json_doc doc;
    struct json_error ignored;
    struct buf text;
    struct json_out json = json_out_to(&text);
    struct str copy;

    assert_true(json_read(&arena, buf_str(&out), &doc, &ignored));
    buf_init(&text, 1 << 20);
    json_put_val(&json, yyjson_obj_get(doc.root, key));
    copy = arena_copy(&arena, buf_str(&text));
    buf_fini(&text);
    return copy;
}

static void write(const struct answer_style *style,
                  const struct chat_answer *answer)
{
    buf_clear(&out);
    anthropic_write_answer(style, answer, &out);
}

#define HEAD                                                         \
    "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\"," \
    "\"model\":\"auto\",\"content\":"

static void an_answer_has_all_the_keys_of_the_clients_types(void **state)
{
    struct chat_block blocks[] = {
        {.kind = CHAT_BLOCK_TEXT, .text = STR("a \"b\"")}};
    struct chat_answer answer = {
        .id = STR("1"),
        .blocks = blocks,
        .block_count = 1,
        .finish = CHAT_FINISH_STOP,
        .usage = {.is_known = true,
                  .input = 1110,
                  .cache_read = 1000,
                  .cache_write = 100,
                  .cache_write_1h = 40,
                  .output = 5,
                  .has_reasoning = true,
                  .reasoning = 2,
                  .service_tier = STR("priority")},
    };

    (void)state;
    write(&shown, &answer);
    assert_str(
        buf_str(&out),
        HEAD "[{\"type\":\"text\",\"text\":\"a \\\"b\\\"\",\"citations\":"
             "null}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,"
             "\"stop_details\":null,\"container\":null,\"diagnostics\":null,"
             "\"usage\":{\"input_tokens\":10,\"output_tokens\":5,"
             "\"cache_creation_input_tokens\":100,"
             "\"cache_read_input_tokens\":1000,\"output_tokens_details\":"
             "{\"thinking_tokens\":2},\"server_tool_use\":null,"
             "\"cache_creation\":{\"ephemeral_5m_input_tokens\":60,"
             "\"ephemeral_1h_input_tokens\":40},\"service_tier\":\"priority\","
             "\"inference_geo\":null,\"speed\":null}}");
}

static void blank_text_is_left_out_beside_calls_only(void **state)
{
    struct chat_block blocks[] = {
        {.kind = CHAT_BLOCK_TEXT, .text = STR("\n\n")},
        {.kind = CHAT_BLOCK_TEXT, .text = STR("")},
        {.kind = CHAT_BLOCK_CALL,
         .call = {.id = STR("a.b"), .name = STR("f"), .arguments = STR("")}},
    };
    struct chat_answer answer = {.blocks = blocks, .block_count = 2};

    (void)state;
    write(&shown, &answer);
    assert_str(written("content"), "[{\"type\":\"text\",\"text\":\"\\n\\n\","
                                   "\"citations\":null}]");
    answer.block_count = 3;
    write(&shown, &answer);
    assert_str(written("content"),
               "[{\"type\":\"tool_use\",\"id\":\"a_b_108bf50c\",\"name\":\"f\","
               "\"input\":{},\"caller\":{\"type\":\"direct\"}}]");
}

static void a_call_without_an_id_gets_one_of_plain_characters(void **state)
{
    struct chat_block blocks[] = {
        {.kind = CHAT_BLOCK_CALL, .call.name = STR("f")},
        {.kind = CHAT_BLOCK_CALL,
         .call = {.name = STR("g"),
                  .arguments = STR("*** patch"),
                  .is_custom = true}},
    };
    struct chat_answer answer = {
        .id = STR("x/1"), .blocks = blocks, .block_count = 2};

    (void)state;
    write(&shown, &answer);
    assert_has(buf_str(&out), "\"id\":\"msg_x/1\"");
    assert_has(buf_str(&out), "\"id\":\"call_x_1_0_");
    assert_has(buf_str(&out), "\"id\":\"call_x_1_1_");
    assert_has(buf_str(&out), "\"input\":{\"input\":\"*** patch\"}");
}

static void thinking_is_shown_hidden_or_must_go_back(void **state)
{
    struct chat_block blocks[] = {
        {.kind = CHAT_BLOCK_THINKING, .text = STR("mine")},
        {.kind = CHAT_BLOCK_THINKING,
         .text = STR("marked"),
         .signature = STR("router-unsigned")},
        {.kind = CHAT_BLOCK_THINKING, .text = STR("")},
        {.kind = CHAT_BLOCK_THINKING,
         .text = STR(""),
         .signature = STR("EqQB")},
        {.kind = CHAT_BLOCK_REDACTED, .text = STR("Em")},
    };
    struct chat_answer answer = {.blocks = blocks,
                                 .block_count = COUNT_OF(blocks)};

    (void)state;
#define SIGNED                                                          \
    "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"EqQB\"}," \
    "{\"type\":\"redacted_thinking\",\"data\":\"Em\"}]"
    write(&shown, &answer);
    assert_str(written("content"),
               "[{\"type\":\"thinking\",\"thinking\":\"mine\",\"signature\":"
               "\"router-unsigned\"},{\"type\":\"thinking\",\"thinking\":"
               "\"marked\",\"signature\":\"router-unsigned\"}," SIGNED);
    write(&hidden, &answer);
    assert_str(written("content"), "[" SIGNED);
}

static void the_first_reason_that_fits_is_the_stop_reason(void **state)
{
    static const struct {
        enum chat_finish finish;
        bool calls, sequence;
        const char *reason;
    } cases[] = {
        {CHAT_FINISH_STOP, false, false, "\"end_turn\""},
        {CHAT_FINISH_UNSET, false, false, "\"end_turn\""},
        {CHAT_FINISH_STOP, false, true, "\"stop_sequence\""},
        {CHAT_FINISH_STOP, true, true, "\"tool_use\""},
        {CHAT_FINISH_TOOL_CALLS, true, false, "\"tool_use\""},
        {CHAT_FINISH_TOOL_CALLS, false, false, "\"end_turn\""},
        {CHAT_FINISH_LENGTH, true, true, "\"max_tokens\""},
        {CHAT_FINISH_CONTENT_FILTER, true, true, "\"refusal\""},
    };
    struct chat_block block = {.kind = CHAT_BLOCK_CALL};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool told = strcmp(cases[i].reason, "\"stop_sequence\"") == 0;
        struct chat_answer answer = {
            .blocks = &block,
            .block_count = cases[i].calls,
            .finish = cases[i].finish,
            .stop_sequence =
                cases[i].sequence ? STR("END") : (struct str){NULL, 0},
        };

        write(&shown, &answer);
        assert_str(written("stop_reason"), cases[i].reason);
        assert_str(written("stop_sequence"), told ? "\"END\"" : "null");
    }
}

static void a_refusal_says_why_if_it_is_known(void **state)
{
    struct chat_answer answer = {.finish = CHAT_FINISH_CONTENT_FILTER,
                                 .refusal = STR("No.")};

    (void)state;
    write(&shown, &answer);
    assert_str(written("stop_details"), "{\"type\":\"refusal\",\"category\":"
                                        "null,\"explanation\":\"No.\"}");
    answer.refusal = (struct str){NULL, 0};
    write(&shown, &answer);
    assert_str(written("stop_details"), "{\"type\":\"refusal\",\"category\":"
                                        "null,\"explanation\":null}");
    assert_str(written("content"), "[]");
}

/* Some servers count more tokens of a cache than of the prompt. */
static void no_count_is_below_zero(void **state)
{
    struct chat_answer answer = {.usage = {.input = 3, .cache_read = 5}};

    (void)state;
    write(&shown, &answer);
    assert_has(buf_str(&out), "\"input_tokens\":0,");
    assert_has(buf_str(&out), "\"cache_read_input_tokens\":5,");
    assert_has(buf_str(&out), "\"cache_creation\":null");
    assert_has(buf_str(&out), "\"service_tier\":\"standard\"");
}

static void an_answer_of_anthropics_comes_back_as_it_was(void **state)
{
    static const struct str document = STR_INIT(
        HEAD
        "[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"EqQB\"},"
        "{\"type\":\"text\",\"text\":\"a\",\"citations\":null},"
        "{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\",\"input\":"
        "{\"n\":12345678901234567890,\"m\":1.50},\"caller\":{\"type\":"
        "\"direct\"}},{\"type\":\"redacted_thinking\",\"data\":\"Em\"},"
        "{\"type\":\"tool_use\",\"id\":\"toolu_2\",\"name\":\"g\",\"input\":{},"
        "\"caller\":{\"type\":\"direct\"}}],\"stop_reason\":\"tool_use\","
        "\"stop_sequence\":null,\"stop_details\":null,\"container\":null,"
        "\"diagnostics\":null,\"usage\":{\"input_tokens\":20,"
        "\"output_tokens\":9,\"cache_creation_input_tokens\":30,"
        "\"cache_read_input_tokens\":7,\"output_tokens_details\":"
        "{\"thinking_tokens\":4},\"server_tool_use\":null,\"cache_creation\":"
        "{\"ephemeral_5m_input_tokens\":10,\"ephemeral_1h_input_tokens\":20},"
        "\"service_tier\":\"standard\",\"inference_geo\":null,\"speed\":null"
        "}}");
    struct names names = {0};
    struct chat_answer answer;

    (void)state;
    assert_true(anthropic_read_answer(&arena, document, &names, &answer));
    write(&hidden, &answer);
    assert_str(buf_str(&out), document.ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_all_the_keys_of_the_clients_types),
        cmocka_unit_test(blank_text_is_left_out_beside_calls_only),
        cmocka_unit_test(a_call_without_an_id_gets_one_of_plain_characters),
        cmocka_unit_test(thinking_is_shown_hidden_or_must_go_back),
        cmocka_unit_test(the_first_reason_that_fits_is_the_stop_reason),
        cmocka_unit_test(a_refusal_says_why_if_it_is_known),
        cmocka_unit_test(no_count_is_below_zero),
        cmocka_unit_test(an_answer_of_anthropics_comes_back_as_it_was),
    };

    return cmocka_run_group_tests(tests, begin, finish);
}
