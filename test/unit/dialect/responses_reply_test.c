/* Complete answers of the Responses API. */
#include "../testing.h"
#include "dialect/responses.h"

static const struct answer_style style = {
    .model = STR_INIT("smart"),
    .created = 1790000000,
    .shows_reasoning = true,
    .is_stored = true,
    .echo = STR_INIT("\"tools\":[]"),
};

struct written {
    struct arena arena;
    struct buf text;
    yyjson_val *root;
};

static void write_with(struct written *w, const struct answer_style *how,
                       const struct chat_answer *answer)
{
    struct json_error trouble;
    struct json_doc doc;

    arena_init(&w->arena);
    buf_init(&w->text, 1 << 20);
    responses_write_answer(how, answer, &w->text);
    assert_false(buf_failed(&w->text));
    if (!json_read(&w->arena, buf_str(&w->text), &doc, &trouble))
        fail_msg("no JSON: %.*s", STR_ARG(buf_str(&w->text)));
    w->root = doc.root;
}

static void written_fini(struct written *w)
{
    buf_fini(&w->text);
    arena_clear(&w->arena);
}

/* The answer of these blocks has this output, and this status. */
static void assert_output(const struct answer_style *how,
                          struct chat_answer answer, const char *output,
                          const char *status)
{
    struct json_out out;
    struct written w;
    struct buf text;

    answer.id = STR("1");
    write_with(&w, how, &answer);
    buf_init(&text, 1 << 20);
    out = json_out_to(&text);
    json_put_val(&out, json_get(w.root, STR("output")));
    assert_str(buf_str(&text), output);
    assert_str(json_get_text(w.root, STR("status")), status);
    buf_fini(&text);
    written_fini(&w);
}

static struct chat_block text_block(const char *text)
{
    return (struct chat_block){.kind = CHAT_BLOCK_TEXT, .text = str_of(text)};
}

#define MESSAGE(id, status, text)                                       \
    "{\"type\":\"message\",\"id\":\"" id "\",\"status\":\"" status      \
    "\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\"," \
    "\"text\":\"" text "\",\"annotations\":[]}]}"

static void the_frame_of_the_object(void **state)
{
    struct chat_answer answer = {
        .id = STR("1"),
        .usage = {.is_known = true,
                  .input = 10,
                  .cache_read = 4,
                  .cache_write = 3,
                  .output = 5,
                  .reasoning = 2,
                  .has_reasoning = true,
                  .service_tier = STR_INIT("priority")}};
    struct written w;

    (void)state;
    write_with(&w, &style, &answer);
    assert_str(
        buf_str(&w.text),
        "{\"id\":\"resp_1\",\"object\":\"response\",\"created_at\":1790000000,"
        "\"status\":\"completed\",\"error\":null,\"incomplete_details\":null,"
        "\"model\":\"smart\",\"output\":[],\"usage\":{\"input_tokens\":10,"
        "\"input_tokens_details\":{\"cached_tokens\":4,"
        "\"cache_write_tokens\":3},\"output_tokens\":5,"
        "\"output_tokens_details\":{\"reasoning_tokens\":2},"
        "\"total_tokens\":15},\"service_tier\":\"priority\",\"store\":true,"
        "\"tools\":[]}");
    written_fini(&w);
}

static void neighbouring_texts_are_one_message(void **state)
{
    struct chat_block blocks[] = {
        text_block("a"),
        text_block("b"),
        {.kind = CHAT_BLOCK_CALL,
         .call = {.id = STR_INIT("c1"), .name = STR_INIT("f")}},
        text_block(""),
        text_block("c"),
    };

    (void)state;
    assert_output(&style,
                  (struct chat_answer){.blocks = blocks, .block_count = 5},
                  "[" MESSAGE("msg_1_0", "completed",
                              "ab") ","
                                    "{\"type\":\"function_call\",\"id\":\"fc_1_"
                                    "1\",\"call_id\":\"c1\","
                                    "\"name\":\"f\",\"arguments\":\"{}\","
                                    "\"status\":\"completed\"}," MESSAGE(
                                        "msg_1_2", "completed", "c") "]",
                  "completed");
}

static void calls_of_every_kind(void **state)
{
    struct chat_block blocks[] = {
        {.kind = CHAT_BLOCK_CALL,
         .call = {.id = STR_INIT("c1"),
                  .name = STR_INIT("agents\x1fopen"),
                  .arguments = STR_INIT("{\"a\":1}")}},
        {.kind = CHAT_BLOCK_CALL,
         .call = {.id = STR_INIT("c2"),
                  .name = STR_INIT("patch"),
                  .arguments = STR_INIT("***"),
                  .is_custom = true}},
    };

    (void)state;
    assert_output(
        &style, (struct chat_answer){.blocks = blocks, .block_count = 2},
        "[{\"type\":\"function_call\",\"id\":\"fc_1_0\",\"call_id\":\"c1\","
        "\"name\":\"open\",\"namespace\":\"agents\","
        "\"arguments\":\"{\\\"a\\\":1}\",\"status\":\"completed\"},"
        "{\"type\":\"custom_tool_call\",\"id\":\"ctc_1_1\",\"call_id\":\"c2\","
        "\"name\":\"patch\",\"input\":\"***\",\"status\":\"completed\"}]",
        "completed");
}

static void thinking_is_shown_sealed_or_neither(void **state)
{
    struct chat_block blocks[] = {
        {.kind = CHAT_BLOCK_THINKING,
         .text = STR_INIT("t"),
         .signature = STR_INIT("S")},
        {.kind = CHAT_BLOCK_REDACTED, .text = STR_INIT("D")},
        {.kind = CHAT_BLOCK_THINKING,
         .text = STR_INIT("u"),
         .signature = STR_INIT("router-unsigned")},
    };
    struct chat_answer answer = {.blocks = blocks, .block_count = 3};
    struct answer_style how = style;

    (void)state;
    assert_output(&how, answer,
                  "[{\"type\":\"reasoning\",\"id\":\"rs_1_0\",\"summary\":[{"
                  "\"type\":\"summary_text\",\"text\":\"t\"}]},"
                  "{\"type\":\"reasoning\",\"id\":\"rs_1_1\",\"summary\":[]},"
                  "{\"type\":\"reasoning\",\"id\":\"rs_1_2\",\"summary\":[{"
                  "\"type\":\"summary_text\",\"text\":\"u\"}]}]",
                  "completed");
    how.shows_reasoning = false;
    how.wants_encrypted = true;
    assert_output(
        &how, answer,
        "[{\"type\":\"reasoning\",\"id\":\"rs_1_0\",\"summary\":[],"
        "\"encrypted_content\":\"ant1.eyJ0eXBlIjoidGhpbmtpbmciLCJ0aGlua2luZyI6"
        "InQiLCJzaWduYXR1cmUiOiJTIn0=\"},"
        "{\"type\":\"reasoning\",\"id\":\"rs_1_1\",\"summary\":[],"
        "\"encrypted_content\":\"ant1.eyJ0eXBlIjoicmVkYWN0ZWRfdGhpbmtpbmciLCJk"
        "YXRhIjoiRCJ9\"},"
        "{\"type\":\"reasoning\",\"id\":\"rs_1_2\",\"summary\":[]}]",
        "completed");
}

static void the_last_item_of_a_cut_answer_is_cut(void **state)
{
    struct chat_block blocks[] = {
        text_block("a"),
        {.kind = CHAT_BLOCK_CALL,
         .call = {.id = STR_INIT("c1"),
                  .name = STR_INIT("f"),
                  .arguments = STR_INIT("{")}},
    };

    (void)state;
    assert_output(&style,
                  (struct chat_answer){.blocks = blocks,
                                       .block_count = 2,
                                       .finish = CHAT_FINISH_LENGTH},
                  "[" MESSAGE("msg_1_0", "completed",
                              "a") ","
                                   "{\"type\":\"function_call\",\"id\":\"fc_1_"
                                   "1\",\"call_id\":\"c1\","
                                   "\"name\":\"f\",\"arguments\":\"{\","
                                   "\"status\":\"incomplete\"}]",
                  "incomplete");
    assert_output(&style,
                  (struct chat_answer){.blocks = blocks,
                                       .block_count = 1,
                                       .finish = CHAT_FINISH_CONTENT_FILTER},
                  "[" MESSAGE("msg_1_0", "incomplete", "a") "]", "incomplete");
}

#define REFUSAL(id, status)                                         \
    "{\"type\":\"message\",\"id\":\"" id "\",\"status\":\"" status  \
    "\",\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\"," \
    "\"refusal\":\"No.\"}]}"

static void a_refusal_is_a_message_of_its_own(void **state)
{
    struct chat_block block = text_block("a");
    struct chat_answer answer = {
        .blocks = &block, .block_count = 1, .refusal = STR_INIT("No.")};

    (void)state;
    assert_output(&style, answer,
                  "[" MESSAGE("msg_1_0", "completed",
                              "a") "," REFUSAL("msg_1_1", "completed") "]",
                  "completed");
    answer.finish = CHAT_FINISH_CONTENT_FILTER;
    assert_output(&style, answer,
                  "[" MESSAGE("msg_1_0", "completed",
                              "a") "," REFUSAL("msg_1_1", "incomplete") "]",
                  "incomplete");
}

static void citations_stand_with_their_message(void **state)
{
    struct chat_block blocks[] = {
        text_block("äb"),
        {.kind = CHAT_BLOCK_THINKING},
        text_block("cd"),
    };
    struct chat_citation citations[] = {
        {STR_INIT("https://a"), STR_INIT("A"), 0, 2},
        {STR_INIT("https://c"), STR_INIT("C"), 3, 4},
    };
    struct chat_answer answer = {.id = STR_INIT("1"),
                                 .blocks = blocks,
                                 .block_count = 3,
                                 .citations = citations,
                                 .citation_count = 2};
    struct written w;

    (void)state;
    write_with(&w, &style, &answer);
    assert_has(buf_str(&w.text),
               "\"text\":\"äb\",\"annotations\":[{\"type\":\"url_citation\","
               "\"url\":\"https://a\",\"title\":\"A\",\"start_index\":0,"
               "\"end_index\":2}]");
    assert_has(buf_str(&w.text),
               "\"text\":\"cd\",\"annotations\":[{\"type\":\"url_citation\","
               "\"url\":\"https://c\",\"title\":\"C\",\"start_index\":1,"
               "\"end_index\":2}]");
    written_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_frame_of_the_object),
        cmocka_unit_test(neighbouring_texts_are_one_message),
        cmocka_unit_test(calls_of_every_kind),
        cmocka_unit_test(thinking_is_shown_sealed_or_neither),
        cmocka_unit_test(the_last_item_of_a_cut_answer_is_cut),
        cmocka_unit_test(a_refusal_is_a_message_of_its_own),
        cmocka_unit_test(citations_stand_with_their_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
