/* dialect/openai_backend_messages: messages for vLLM (rules R2 to R5 and
 * V4). */
#include "posted.h"

static void system_texts_become_one_at_the_front(void **state)
{
    (void)state;
    assert_member(
        ASK_MESSAGES(
            "{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":"
            "\"x-anthropic-billing-header: a=1\"},{\"type\":\"text\",\"text\":"
            "\"A \\\"q\\\"\"},{\"type\":\"text\",\"text\":\" \\n\"}]},"
            "{\"role\":\"user\",\"content\":\"x\"},"
            "{\"role\":\"developer\",\"content\":\"B\"}"),
        "messages",
        "[{\"role\":\"system\",\"content\":\"A \\\"q\\\"\\n\\nB\"},"
        "{\"role\":\"user\",\"content\":\"x\"}]");
    assert_member(ASK_MESSAGES("{\"role\":\"system\",\"content\":\" \"},"
                               "{\"role\":\"user\",\"content\":\"x\"}"),
                  "messages", "[{\"role\":\"user\",\"content\":\"x\"}]");
}

static void a_system_message_holds_text_only(void **state)
{
    struct posted p;

    (void)state;
    asked_good(&p.asked,
               ASK_MESSAGES("{\"role\":\"system\",\"content\":[{\"type\":"
                            "\"image_url\",\"image_url\":{\"url\":"
                            "\"https://a.b/c\"}}]}"));
    assert_refused(&p, ERR_UNSUPPORTED_CONTENT, "messages[0].content[0]",
                   "text only");
}

static void one_text_is_a_string_and_more_are_parts(void **state)
{
    (void)state;
    assert_member(
        ASK_MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"text\","
                     "\"text\":\"a\"}]}"),
        "messages", "[{\"role\":\"user\",\"content\":\"a\"}]");
    assert_member(
        ASK_MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"text\","
                     "\"text\":\"a\"},{\"type\":\"image_url\",\"image_url\":"
                     "{\"url\":\"https://a.b/c.png\"}}]},"
                     "{\"role\":\"user\",\"content\":[]}"),
        "messages",
        "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
        "{\"type\":\"image_url\",\"image_url\":{\"url\":"
        "\"https://a.b/c.png\"}}]}]");
}

static void data_is_put_into_a_url_again(void **state)
{
    struct chat_part *part;
    struct posted p;

    (void)state;
    part = part_add(messages_of(&p, "u"), CHAT_IMAGE, "");
    part->media_type = STR("image/png");
    part->data = STR("iVBO");
    part->detail = STR("low");
    assert_messages(&p,
                    "[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
                    "\"image_url\":{\"url\":\"data:image/png;base64,iVBO\","
                    "\"detail\":\"low\"}}]}]");
}

static void what_is_no_image_is_refused_by_its_path(void **state)
{
    static const char *const urls[] = {"data:application/pdf;base64,JVBE",
                                       "file:///etc/passwd", "", "ftp://a.b"};
    struct posted p;
    struct chat_part *part;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct chat_message *message = messages_of(&p, "au") + 1;

        (void)part_add(message, CHAT_TEXT, "a");
        part_add(message, CHAT_IMAGE, "")->url = str_of(urls[i]);
        assert_refused(&p, ERR_UNSUPPORTED_CONTENT, "messages[1].content[1]",
                       "image");
    }
    part = part_add(messages_of(&p, "u"), CHAT_IMAGE, "");
    part->media_type = STR("application/pdf");
    part->data = STR("JVBE");
    assert_refused(&p, ERR_UNSUPPORTED_CONTENT, "messages[0].content[0]",
                   "image");
}

static void text_files_become_text(void **state)
{
    struct chat_message *message;
    struct posted p;

    (void)state;
    message = messages_of(&p, "u");
    (void)part_add(message, CHAT_FILE, "plain");
    part_add(message, CHAT_FILE, "")->url = STR("data:text/plain;base64,aGk=");
    assert_messages(&p, "[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
                        "\"text\":\"plain\"},{\"type\":\"text\",\"text\":"
                        "\"hi\"}]}]");
}

static void other_files_are_refused(void **state)
{
    struct posted p;
    struct chat_part *part;

    (void)state;
    part_add(messages_of(&p, "u"), CHAT_FILE, "")->file_id = STR("file-1");
    assert_refused(&p, ERR_UNSUPPORTED_CONTENT, "messages[0].content[0]",
                   "knows no file_id");
    part = part_add(messages_of(&p, "u"), CHAT_FILE, "");
    part->media_type = STR("application/pdf");
    part->data = STR("JVBE");
    assert_refused(&p, ERR_UNSUPPORTED_CONTENT, "messages[0].content[0]",
                   "plain text");
    part = part_add(messages_of(&p, "u"), CHAT_FILE, "");
    part->media_type = STR("text/plain");
    part->data = STR("/w==");
    assert_refused(&p, ERR_UNSUPPORTED_CONTENT, "messages[0].content[0]",
                   "UTF-8");
    part = part_add(messages_of(&p, "u"), CHAT_FILE, "");
    part->media_type = STR("text/plain");
    part->data = STR("no Base64");
    assert_refused(&p, ERR_UNSUPPORTED_CONTENT, "messages[0].content[0]",
                   "plain text");
    (void)part_add(messages_of(&p, "u"), CHAT_OTHER, "input_audio");
    assert_refused(&p, ERR_UNSUPPORTED_CONTENT, "messages[0].content[0]",
                   "input_audio");
    (void)part_add(messages_of(&p, "a"), CHAT_IMAGE, "");
    assert_refused(&p, ERR_UNSUPPORTED_CONTENT, "messages[0].content[0]",
                   "image");
}

static void results_come_before_what_the_user_says(void **state)
{
    struct chat_message *m;
    struct posted p;

    (void)state;
    m = messages_of(&p, "autst");
    (void)part_add(&m[0], CHAT_TEXT, "go");
    (void)part_add(&m[1], CHAT_TEXT, "next?");
    m[2].call_id = STR("t1");
    (void)part_add(&m[2], CHAT_TEXT, "a");
    (void)part_add(&m[2], CHAT_TEXT, "b");
    (void)part_add(&m[3], CHAT_TEXT, "S");
    m[4].call_id = STR("t2");
    assert_messages(
        &p, "[{\"role\":\"system\",\"content\":\"S\"},"
            "{\"role\":\"assistant\",\"content\":\"go\"},"
            "{\"role\":\"tool\",\"tool_call_id\":\"t1\",\"content\":\"a\\nb\"},"
            "{\"role\":\"tool\",\"tool_call_id\":\"t2\",\"content\":\"\"},"
            "{\"role\":\"user\",\"content\":\"next?\"}]");
}

static void who_says_nothing_does_not_come_between(void **state)
{
    struct chat_message *m;
    struct posted p;

    (void)state;
    m = messages_of(&p, "uat");
    (void)part_add(&m[0], CHAT_TEXT, "next?");
    (void)part_add(&m[1], CHAT_TEXT, " ");
    m[2].call_id = STR("t");
    assert_messages(&p, "[{\"role\":\"tool\",\"tool_call_id\":\"t\","
                        "\"content\":\"\"},"
                        "{\"role\":\"user\",\"content\":\"next?\"}]");
}

static void images_of_results_are_shown_by_the_user(void **state)
{
    static const char with_text[] =
        "[{\"role\":\"assistant\",\"content\":\"go\"},"
        "{\"role\":\"tool\",\"tool_call_id\":\"t\",\"content\":\"a\"},"
        "{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
        "\"image_url\":{\"url\":\"https://a.b/c\"}},{\"type\":\"text\","
        "\"text\":\"see\"}]}]";
    static const char alone[] =
        "[{\"role\":\"tool\",\"tool_call_id\":\"t\",\"content\":\"\"},"
        "{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
        "\"image_url\":{\"url\":\"https://a.b/c\"}}]},"
        "{\"role\":\"assistant\",\"content\":\"ok\"}]";
    struct chat_message *m;
    struct posted p;

    (void)state;
    m = messages_of(&p, "atu");
    (void)part_add(&m[0], CHAT_TEXT, "go");
    m[1].call_id = STR("t");
    part_add(&m[1], CHAT_IMAGE, "")->url = STR("https://a.b/c");
    (void)part_add(&m[1], CHAT_TEXT, "a");
    (void)part_add(&m[2], CHAT_TEXT, "see");
    assert_messages(&p, with_text);
    m = messages_of(&p, "ta");
    m[0].call_id = STR("t");
    part_add(&m[0], CHAT_IMAGE, "")->url = STR("https://a.b/c");
    (void)part_add(&m[1], CHAT_TEXT, "ok");
    assert_messages(&p, alone);
    m = messages_of(&p, "t");
    part_add(&m[0], CHAT_IMAGE, "")->url = STR("file:///x");
    assert_refused(&p, ERR_UNSUPPORTED_CONTENT, "messages[0].content[0]",
                   "image");
}

static void a_failed_result_says_so(void **state)
{
    static const char *const texts[][2] = {{"", "Error"},
                                           {"not found", "Error: not found"},
                                           {"ERROR 7", "ERROR 7"},
                                           {"err", "Error: err"}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct posted p;
        struct chat_message *m = messages_of(&p, "t");
        struct str expected = arena_printf(
            &p.asked.arena,
            "[{\"role\":\"tool\",\"tool_call_id\":\"t\",\"content\":\"%s\"}]",
            texts[i][1]);

        m->call_id = STR("t");
        m->is_error = true;
        if (texts[i][0][0] != '\0')
            (void)part_add(m, CHAT_TEXT, texts[i][0]);
        assert_messages(&p, expected.ptr);
    }
}

static void results_take_text_files_and_nothing_else(void **state)
{
    struct chat_message *m;
    struct posted p;

    (void)state;
    m = messages_of(&p, "t");
    (void)part_add(m, CHAT_FILE, "from a file");
    assert_messages(&p, "[{\"role\":\"tool\",\"tool_call_id\":\"\",\"content\":"
                        "\"from a file\"}]");
    (void)part_add(messages_of(&p, "t"), CHAT_OTHER, "search_result");
    assert_refused(&p, ERR_UNSUPPORTED_CONTENT, "messages[0].content[0]",
                   "search_result");
}

static void an_assistant_keeps_what_it_thought_said_and_called(void **state)
{
    struct chat_message *m;
    struct posted p;

    (void)state;
    m = messages_of(&p, "a");
    (void)part_add(m, CHAT_THINKING, "plan");
    (void)part_add(m, CHAT_TEXT, "Run");
    (void)part_add(m, CHAT_TEXT, "ning.");
    m->calls = ARENA_ARRAY(&p.asked.arena, struct chat_call, 1);
    m->call_count = 1;
    m->calls[0].id = STR("functions.f:0");
    m->calls[0].name = STR("f");
    m->calls[0].arguments = STR(" {\"c\" : 1.50}");
    assert_messages(
        &p, "[{\"role\":\"assistant\",\"content\":\"Running.\","
            "\"reasoning_content\":\"plan\",\"tool_calls\":[{\"id\":"
            "\"functions.f:0\",\"type\":\"function\",\"function\":{\"name\":"
            "\"f\",\"arguments\":\"{\\\"c\\\":1.50}\"}}]}]");
}

static void arguments_are_objects_whatever_the_model_wrote(void **state)
{
    static const char *const arguments[][2] = {
        {"", "{}"},
        {" \n", "{}"},
        {" null ", "{}"},
        {"{\"a\": ", "{\\\"__raw_arguments\\\":\\\"{\\\\\\\"a\\\\\\\": \\\"}"},
        {"[1,2]", "{\\\"__raw_arguments\\\":\\\"[1,2]\\\"}"},
        {"custom", "{\\\"input\\\":\\\"custom\\\"}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(arguments); i++) {
        struct posted p;
        struct chat_message *m = messages_of(&p, "a");
        struct str expected = arena_printf(
            &p.asked.arena,
            "[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{"
            "\"id\":\"i\",\"type\":\"function\",\"function\":{\"name\":\"f\","
            "\"arguments\":\"%s\"}}]}]",
            arguments[i][1]);

        m->calls = ARENA_ARRAY(&p.asked.arena, struct chat_call, 1);
        m->call_count = 1;
        m->calls[0].id = STR("i");
        m->calls[0].name = STR("f");
        m->calls[0].arguments = str_of(arguments[i][0]);
        m->calls[0].is_custom = str_eq(m->calls[0].arguments, STR("custom"));
        assert_messages(&p, expected.ptr);
    }
}

static void an_assistant_that_said_nothing_is_left_out(void **state)
{
    struct chat_message *m;
    struct posted p;

    (void)state;
    m = messages_of(&p, "aaa");
    (void)part_add(&m[0], CHAT_TEXT, " ");
    (void)part_add(&m[0], CHAT_THINKING, "");
    (void)part_add(&m[1], CHAT_THINKING, "hm");
    m[2].refusal = STR("No.");
    assert_messages(&p, "[{\"role\":\"assistant\",\"content\":null,"
                        "\"reasoning_content\":\"hm\"},"
                        "{\"role\":\"assistant\",\"content\":\"No.\"}]");
}

static void a_functions_result_belongs_to_the_call_before(void **state)
{
    (void)state;
    assert_member(
        ASK_MESSAGES("{\"role\":\"assistant\",\"content\":null,"
                     "\"function_call\":{\"name\":\"f\",\"arguments\":\"\"}},"
                     "{\"role\":\"function\",\"name\":\"f\",\"content\":"
                     "\"1\"}"),
        "messages",
        "[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":"
        "\"call_fn_0\",\"type\":\"function\",\"function\":{\"name\":\"f\","
        "\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":"
        "\"call_fn_0\",\"content\":\"1\"}]");
    assert_member(
        ASK_MESSAGES("{\"role\":\"function\",\"name\":\"f\",\"content\":"
                     "\"1\"}"),
        "messages",
        "[{\"role\":\"tool\",\"tool_call_id\":\"\",\"content\":\"1\"}]");
}

/* What is written is read again, and written the same. */
static void what_is_written_is_its_own_normal_form(void **state)
{
    static const char document[] =
        "{\"model\":\"up/stream\",\"max_tokens\":9,\"messages\":["
        "{\"role\":\"system\",\"content\":\"S\"},"
        "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"é\"},"
        "{\"type\":\"image_url\",\"image_url\":{\"url\":"
        "\"data:image/png;base64,iVBO\",\"detail\":\"high\"}}]},"
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":["
        "{\"id\":\"a:0\",\"type\":\"function\",\"function\":{\"name\":\"f.x\","
        "\"arguments\":\"{\\\"n\\\":12345678901234567890}\"}},"
        "{\"id\":\"a:1\",\"type\":\"function\",\"function\":{\"name\":\"f.x\","
        "\"arguments\":\"{}\"}}]},"
        "{\"role\":\"tool\",\"tool_call_id\":\"a:1\",\"content\":\"2\"},"
        "{\"role\":\"tool\",\"tool_call_id\":\"a:0\",\"content\":\"1\"},"
        "{\"role\":\"user\",\"content\":\"and?\"}],"
        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f.x\","
        "\"description\":\"d\",\"parameters\":{\"type\":\"object\"},"
        "\"strict\":true}}],\"tool_choice\":\"required\","
        "\"parallel_tool_calls\":false,\"response_format\":{\"type\":"
        "\"json_schema\",\"json_schema\":{\"name\":\"output\",\"strict\":true,"
        "\"schema\":{\"type\":\"object\"}}},\"reasoning_effort\":\"medium\","
        "\"temperature\":0.10,\"top_p\":0.9,\"top_k\":4,\"stop\":[\"X\"],"
        "\"user\":\"u\",\"stream\":true,\"stream_options\":{"
        "\"include_usage\":true}}";
    struct posted p;

    (void)state;
    asked_good(&p.asked, STR(document));
    posted_write(&p);
    assert_str(buf_str(&p.out), document);
    posted_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(system_texts_become_one_at_the_front),
        cmocka_unit_test(a_system_message_holds_text_only),
        cmocka_unit_test(one_text_is_a_string_and_more_are_parts),
        cmocka_unit_test(data_is_put_into_a_url_again),
        cmocka_unit_test(what_is_no_image_is_refused_by_its_path),
        cmocka_unit_test(text_files_become_text),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(results_come_before_what_the_user_says),
        cmocka_unit_test(who_says_nothing_does_not_come_between),
        cmocka_unit_test(images_of_results_are_shown_by_the_user),
        cmocka_unit_test(a_failed_result_says_so),
        cmocka_unit_test(results_take_text_files_and_nothing_else),
        cmocka_unit_test(an_assistant_keeps_what_it_thought_said_and_called),
        cmocka_unit_test(arguments_are_objects_whatever_the_model_wrote),
        cmocka_unit_test(an_assistant_that_said_nothing_is_left_out),
        cmocka_unit_test(a_functions_result_belongs_to_the_call_before),
        cmocka_unit_test(what_is_written_is_its_own_normal_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
