/* dialect/anthropic_door_messages: blocks become parts, results messages. */
#include "asked_messages.h"

#define PNG                                                         \
    "\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\"," \
    "\"data\":\"iVBORw0KGgo=\"}"

static void strings_and_lists_of_text(void **state)
{
    struct asked asked;
    const struct chat_message *m;

    (void)state;
    asked_good(&asked, STR(ASKED_MESSAGES(USER("\"abc\"") "," SAYS(
                           "[" TEXT("d") "," TEXT("") "]") "," USER("[]"))));
    m = asked.chat.messages;
    assert_int_equal(asked.chat.message_count, 3);
    assert_true(m[0].content_is_string);
    assert_str(m[0].parts[0].text, "abc");
    assert_int_equal(m[1].role, CHAT_ASSISTANT);
    assert_false(m[1].content_is_string);
    assert_int_equal(m[1].part_count, 2);
    assert_int_equal(m[1].parts[1].index, 1);
    assert_int_equal(m[2].index, 2);
    assert_int_equal(m[2].part_count, 0);
    assert_int_equal(asked.chat.characters, 4);
    asked_fini(&asked);
}

static void pictures_and_documents(void **state)
{
    struct asked asked;
    const struct chat_part *p;

    (void)state;
    asked_good(
        &asked,
        STR(ASKED_BLOCKS(
            "{\"type\":\"image\"," PNG
            ",\"cache_control\":{\"type\":\"ephemeral\"}},"
            "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":"
            "\"https://a/b\"}},"
            "{\"type\":\"image\",\"source\":{\"type\":\"file\",\"file_id\":"
            "\"file_1\"}},"
            "{\"type\":\"document\",\"title\":\"t.pdf\",\"source\":{\"type\":"
            "\"base64\",\"media_type\":\"application/pdf\",\"data\":\"JVBE\"}},"
            "{\"type\":\"document\",\"title\":null,\"source\":{\"type\":"
            "\"text\",\"media_type\":\"text/plain\",\"data\":\"plain\"}},"
            "{\"type\":\"document\",\"source\":{\"type\":\"content\","
            "\"content\":\"c\"},\"context\":\"why\"}")));
    p = asked.chat.messages[0].parts;
    assert_int_equal(asked.chat.messages[0].part_count, 6);
    assert_int_equal(p[0].kind, CHAT_IMAGE);
    assert_str(p[0].media_type, "image/png");
    assert_str(p[0].data, "iVBORw0KGgo=");
    assert_non_null(p[0].cache);
    assert_str(p[1].url, "https://a/b");
    assert_null(p[1].cache);
    assert_str(p[2].file_id, "file_1");
    assert_int_equal(p[3].kind, CHAT_FILE);
    assert_str(p[3].file_name, "t.pdf");
    assert_str(p[3].media_type, "application/pdf");
    assert_str(p[3].data, "JVBE");
    assert_int_equal(p[4].kind, CHAT_FILE);
    assert_str(p[4].text, "plain");
    assert_int_equal(p[4].file_name.len, 0);
    assert_int_equal(p[5].kind, CHAT_OTHER);
    assert_str(p[5].text, "document");
    assert_int_equal(asked.chat.image_count, 3);
    assert_int_equal(asked.chat.file_count, 1); /* text is no file to a model */
    assert_str(asked_others(&asked), "messages[].content[].source.content");
    asked_fini(&asked);
}

static void what_was_thought_and_called_keeps_its_order(void **state)
{
    static const enum chat_part_kind kinds[] = {
        CHAT_THINKING, CHAT_TEXT, CHAT_CALL, CHAT_THINKING, CHAT_CALL};
    struct asked asked;
    const struct chat_message *m;

    (void)state;
    asked_good(
        &asked,
        STR(ASKED_MESSAGES(SAYS(
            "[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":"
            "\"EqQB\"}," TEXT("a") "," CALL(
                "x",
                "{ \"n\" : 1.50, \"a\":\"\\u00fc\" }") ","
                                                       "{\"type\":\"redacted_"
                                                       "thinking\",\"data\":"
                                                       "\"Em\"}," CALL(
                                                           "y", "{}") "]"))));
    m = &asked.chat.messages[0];
    assert_int_equal(m->part_count, COUNT_OF(kinds));
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        assert_int_equal(m->parts[i].kind, kinds[i]);
    assert_non_null(m->parts[0].block);
    assert_non_null(m->parts[3].block);
    assert_int_equal(m->call_count, 2);
    assert_int_equal(m->parts[4].call, 1);
    assert_str(m->calls[0].id, "x");
    assert_str(m->calls[0].name, "f");
    assert_str(m->calls[0].arguments, "{\"n\":1.50,\"a\":\"\xc3\xbc\"}");
    assert_str(m->calls[1].arguments, "{}");
    assert_false(m->calls[0].is_custom);
    assert_false(asked.chat.has_unsigned_thinking);
    asked_fini(&asked);
}

static void thinking_without_a_signature_is_known_by_it(void **state)
{
    static const char *const rests[] = {"", ",\"signature\":\"\"",
                                        ",\"signature\":null",
                                        ",\"signature\":\"router-unsigned\""};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rests); i++) {
        struct asked asked;
        struct arena arena;

        arena_init(&arena);
        asked_good(&asked,
                   arena_printf(&arena,
                                "{\"max_tokens\":9,\"messages\":[{\"role\":"
                                "\"assistant\",\"content\":[{\"type\":"
                                "\"thinking\",\"thinking\":\"hm\"%s}]}]}",
                                rests[i]));
        assert_true(asked.chat.has_unsigned_thinking);
        assert_null(asked.chat.messages[0].parts[0].block);
        assert_str(asked.chat.messages[0].parts[0].text, "hm");
        asked_fini(&asked);
        arena_clear(&arena);
    }
}

static void results_come_first_and_then_the_rest(void **state)
{
    struct asked asked;
    const struct chat_message *m;

    (void)state;
    asked_good(
        &asked,
        STR(ASKED_MESSAGES(
            SAYS("[" CALL("a", "{}") "," CALL("b", "{}") "," CALL("c", "{}") "]") "," USER(
                "[" TEXT("t") "," RESULT(
                    "b",
                    ",\"is_error\":true,\"content\":\"no\","
                    "\"cache_control\":{\"type\":"
                    "\"ephemeral\"}") ","
                                      "{\"type\":\"image\"," PNG "}," RESULT(
                                          "a",
                                          ",\"cont"
                                          "ent\":"
                                          "[" TEXT(
                                              "1") ",{\"type\":\"image\"," PNG
                                                   "},{\"type\":\"tool_"
                                                   "reference\"}"
                                                   "]") "," RESULT("c",
                                                                   "") "]") "," USER("[" RESULT("a",
                                                                                                ",\"content\":[]") "]"))));
    m = asked.chat.messages;
    assert_int_equal(asked.chat.message_count, 6);
    assert_int_equal(m[1].role, CHAT_TOOL);
    assert_str(m[1].call_id, "b");
    assert_true(m[1].is_error);
    assert_true(m[1].content_is_string);
    assert_non_null(m[1].parts[0].cache);
    assert_int_equal(m[1].parts[0].index, 1);
    assert_str(m[2].call_id, "a");
    assert_false(m[2].is_error);
    assert_int_equal(m[2].part_count, 3);
    assert_int_equal(m[2].parts[1].kind, CHAT_IMAGE);
    assert_int_equal(m[2].parts[1].index, 3); /* the block it stands in */
    assert_int_equal(m[2].parts[2].kind, CHAT_OTHER);
    assert_int_equal(m[3].part_count, 0);
    assert_int_equal(m[4].role, CHAT_USER);
    assert_int_equal(m[4].part_count, 2);
    assert_str(m[4].parts[0].text, "t");
    assert_int_equal(m[4].parts[1].kind, CHAT_IMAGE);
    for (size_t i = 1; i <= 4; i++)
        assert_int_equal(m[i].index, 1);
    assert_int_equal(m[5].role, CHAT_TOOL); /* and no message of nothing */
    assert_int_equal(m[5].index, 2);
    assert_int_equal(asked.chat.image_count, 2);
    asked_fini(&asked);
}

static void the_system_prompt_comes_first(void **state)
{
    struct asked asked;
    const struct chat_message *m;

    (void)state;
    asked_good(
        &asked,
        STR("{\"max_tokens\":1,\"messages\":[" USER(
            "\"a\"") ",{"
                     "\"role\":\"system\",\"content\":\"late\"}],\"system\":"
                     "[" TEXT("x-anthropic-billing-header: cch=1;") "," TEXT(
                         "one") ",{\"type\":\"text\",\"text\":\"two\","
                                "\"cache_control\":{\"type\":\"ephemeral\"}}]"
                                "}"));
    m = asked.chat.messages;
    assert_int_equal(asked.chat.message_count, 3);
    assert_int_equal(m[0].role, CHAT_SYSTEM);
    assert_int_equal(m[0].part_count, 2);
    assert_str(m[0].parts[0].text, "one");
    assert_null(m[0].parts[0].cache);
    assert_int_equal(m[0].parts[0].index, 1);
    assert_non_null(m[0].parts[1].cache);
    assert_int_equal(m[2].role, CHAT_SYSTEM);
    assert_int_equal(m[2].index, 1);
    /* the line that is left out is not counted, either */
    assert_int_equal(asked.chat.characters, 3 + 3 + 1 + 4);
    asked_fini(&asked);
}

static void a_system_prompt_of_nothing_is_no_message(void **state)
{
    static const struct str bodies[] = {
        STR_INIT(ASKED("\"system\":[]")),
        STR_INIT(ASKED("\"system\":\"x-anthropic-billing-header: a\"")),
        STR_INIT(
            ASKED("\"system\":[" TEXT("x-anthropic-billing-header: a") "]")),
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct asked asked;

        asked_good(&asked, bodies[i]);
        assert_int_equal(asked.chat.message_count, 1);
        assert_int_equal(asked.chat.messages[0].role, CHAT_USER);
        assert_str(asked.chat.messages[0].parts[0].text, "x");
        asked_fini(&asked);
    }
}

static void blocks_that_only_anthropic_knows_are_kept_and_noted(void **state)
{
    struct asked asked;

    (void)state;
    asked_good(&asked,
               STR(ASKED_MESSAGES(USER("[{\"type\":\"search_result\","
                                       "\"source\":\"s\"},{\"type\":"
                                       "\"container_upload\",\"file_id\":\"f\"}"
                                       "]") "," SAYS("[{\"type\":\"server_tool_"
                                                     "use\",\"id\":\"s\"},{"
                                                     "\"type\":"
                                                     "\"web_search_tool_"
                                                     "result\"}]"))));
    assert_int_equal(asked.chat.messages[0].parts[0].kind, CHAT_OTHER);
    assert_str(asked.chat.messages[0].parts[1].text, "container_upload");
    assert_str(asked.chat.messages[1].parts[0].text, "server_tool_use");
    assert_str(asked_others(&asked),
               "messages[].content[].search_result "
               "messages[].content[].container_upload "
               "messages[].content[].server_tool_use "
               "messages[].content[].web_search_tool_result");
    asked_fini(&asked);
}

static void members_of_blocks_that_get_lost_are_noted(void **state)
{
    struct asked asked;

    (void)state;
    asked_good(
        &asked,
        STR("{\"max_tokens\":1,\"system\":[{\"type\":\"text\",\"text\":\"s\","
            "\"citations\":[{}]}],\"messages\":[{\"role\":\"assistant\","
            "\"id\":\"msg_1\",\"content\":[{\"type\":\"text\",\"text\":\"a\","
            "\"citations\":null},{\"type\":\"tool_use\",\"id\":\"x\",\"name\":"
            "\"f\",\"input\":{},\"caller\":{\"type\":\"direct\"}},{\"type\":"
            "\"tool_use\",\"id\":\"y\",\"name\":\"f\",\"input\":{},"
            "\"caller\":{\"type\":\"code_execution_20250825\"}}]}," USER(
                "[{\"type\":\"document\",\"source\":{\"type\":\"url\","
                "\"url\":\"u\"},\"citations\":{\"enabled\":true},"
                "\"context\":\"c\"},{\"type\":\"tool_result\","
                "\"tool_use_id\":\"x\",\"odd\":1,\"content\":[{\"type\":"
                "\"text\",\"text\":\"t\",\"citations\":[{}]}]}]") "]}"));
    assert_str(asked_others(&asked),
               "system[].citations messages[].id messages[].content[].caller "
               "messages[].content[].content[].citations "
               "messages[].content[].odd messages[].content[].citations "
               "messages[].content[].context");
    asked_fini(&asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_and_lists_of_text),
        cmocka_unit_test(pictures_and_documents),
        cmocka_unit_test(what_was_thought_and_called_keeps_its_order),
        cmocka_unit_test(thinking_without_a_signature_is_known_by_it),
        cmocka_unit_test(results_come_first_and_then_the_rest),
        cmocka_unit_test(the_system_prompt_comes_first),
        cmocka_unit_test(a_system_prompt_of_nothing_is_no_message),
        cmocka_unit_test(blocks_that_only_anthropic_knows_are_kept_and_noted),
        cmocka_unit_test(members_of_blocks_that_get_lost_are_noted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
