/* dialect/anthropic_request: parts become blocks (rules Q7 to Q11, Q21, Q25).
 */
#include "written.h"

#define MODEL "claude-sonnet-4-6"
/* One user message of these parts. */
#define PARTS(list) ASK_MESSAGES("{\"role\":\"user\",\"content\":[" list "]}")
#define IMAGE(url) \
    "{\"type\":\"image_url\",\"image_url\":{\"url\":\"" url "\"}}"
#define FILE_OF(members) "{\"type\":\"file\",\"file\":{" members "}}"
#define CACHED(text)                      \
    "{\"type\":\"text\",\"text\":\"" text \
    "\",\"prompt_cache_breakpoint\":{\"type\":\"ephemeral\"}}"
#define MARKED(text)                      \
    "{\"type\":\"text\",\"text\":\"" text \
    "\",\"cache_control\":{\"type\":\"ephemeral\"}}"

static void assert_blocks(struct str body, const char *blocks)
{
    struct written w;
    struct str messages;

    write_for(&w, MODEL, body);
    messages = member_of(&w, "messages");
    /* [{"role":"user","content":[ … ]}] */
    assert_str(str_slice(messages, 27, messages.len - 3), blocks);
    written_fini(&w);
}

static void an_images_type_is_what_its_bytes_say(void **state)
{
    static const struct {
        const char *url;
        const char *type;
        const char *data;
    } cases[] = {
        /* 89 50 4E 47 …, FF D8 FF …, GIF8…, RIFF….WEBP */
        {"data:image/png;base64,iVBORw0KGgo=", "image/png", "iVBORw0KGgo="},
        {"data:image/png;base64,/9j/4AAQ", "image/jpeg", "/9j/4AAQ"},
        {"data:image/jpeg;base64,R0lGODlh", "image/gif", "R0lGODlh"},
        {"data:image/png;base64,UklGRgAAAABXRUJQ", "image/webp",
         "UklGRgAAAABXRUJQ"},
        {"data:text/html;base64,iVBORw0KGgo=", "image/png", "iVBORw0KGgo="},
        /* bytes that say nothing: the declared one */
        {"data:image/jpg;base64,AAAA", "image/jpeg", "AAAA"},
        {"data:IMAGE/WebP;x=y;base64,AAAA", "image/webp", "AAAA"},
        {"data:image/gif;base64,AA==", "image/gif", "AA=="},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena;
        struct str body;
        struct str want;

        arena_init(&arena);
        body = arena_printf(&arena,
                            "{\"messages\":[{\"role\":\"user\",\"content\":"
                            "[{\"type\":\"image_url\",\"image_url\":{\"url\":"
                            "\"%s\",\"detail\":\"low\"}}]}]}",
                            cases[i].url);
        want = arena_printf(&arena,
                            "{\"type\":\"image\",\"source\":{\"type\":"
                            "\"base64\",\"media_type\":\"%s\",\"data\":\"%s\"}"
                            "}",
                            cases[i].type, cases[i].data);
        assert_blocks(body, want.ptr);
        arena_clear(&arena);
    }
}

static void an_https_image_is_passed_by_its_url(void **state)
{
    (void)state;
    assert_blocks(PARTS(IMAGE("https://a.test/b.png?c=d")),
                  "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":"
                  "\"https://a.test/b.png?c=d\"}}");
}

static void other_images_are_refused_with_their_path(void **state)
{
    static const struct {
        struct str body;
        const char *says;
    } cases[] = {
        {STR_INIT("http://a.test/b.png"), "https:// or data:"},
        {STR_INIT("ftp://a.test/b.png"), "https URL or data:"},
        {STR_INIT(""), "https URL or data:"},
        {STR_INIT("data:image/png;base64,!!!!"), "valid Base64"},
        {STR_INIT("data:image/png,abc"), "valid Base64"},
        {STR_INIT("data:image/svg+xml;base64,AAAA"), "image/webp"},
        {STR_INIT("data:;base64,AAAA"), "image/webp"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena;
        struct str body;

        arena_init(&arena);
        body = arena_printf(&arena,
                            "{\"messages\":[{\"role\":\"user\",\"content\":"
                            "[{\"type\":\"text\",\"text\":\"x\"},{\"type\":"
                            "\"image_url\",\"image_url\":{\"url\":\"%.*s\"}}]}]"
                            "}",
                            STR_ARG(cases[i].body));
        assert_refused(MODEL, body, ERR_UNSUPPORTED_CONTENT,
                       "messages[0].content[1]", cases[i].says);
        arena_clear(&arena);
    }
}

static void files_become_documents(void **state)
{
    (void)state;
    assert_blocks(
        PARTS(FILE_OF("\"filename\":\"a.pdf\",\"file_data\":"
                      "\"data:application/pdf;base64,JVBERi0=\"")),
        "{\"type\":\"document\",\"title\":\"a.pdf\",\"source\":{\"type\":"
        "\"base64\",\"media_type\":\"application/pdf\",\"data\":"
        "\"JVBERi0=\"}}");
    /* no name, no title */
    assert_blocks(PARTS(FILE_OF("\"file_data\":"
                                "\"data:application/pdf;base64,JVBERi0=\"")),
                  "{\"type\":\"document\",\"source\":{\"type\":\"base64\","
                  "\"media_type\":\"application/pdf\",\"data\":\"JVBERi0=\"}}");
    /* aGkg4oKs is "hi €" */
    assert_blocks(
        PARTS(FILE_OF("\"filename\":\"a.txt\",\"file_data\":"
                      "\"data:text/plain;charset=utf-8;base64,aGkg4oKs\"")),
        "{\"type\":\"document\",\"title\":\"a.txt\",\"source\":{\"type\":"
        "\"text\",\"media_type\":\"text/plain\",\"data\":\"hi "
        "\xE2\x82\xAC\"}}");
    /* a PDF in an image_url is a document as well */
    assert_blocks(PARTS(IMAGE("data:application/pdf;base64,JVBERi0=")),
                  "{\"type\":\"document\",\"source\":{\"type\":\"base64\","
                  "\"media_type\":\"application/pdf\",\"data\":\"JVBERi0=\"}}");
}

static void other_files_are_refused(void **state)
{
    (void)state;
    assert_refused(MODEL, PARTS(FILE_OF("\"file_id\":\"f-1\"")),
                   ERR_UNSUPPORTED_CONTENT, "messages[0].content[0]",
                   "file_id");
    assert_refused(MODEL, PARTS(FILE_OF("\"file_data\":\"JVBERi0=\"")),
                   ERR_UNSUPPORTED_CONTENT, "messages[0].content[0]",
                   "valid Base64");
    assert_refused(
        MODEL, PARTS(FILE_OF("\"file_data\":\"data:text/csv;base64,YQ==\"")),
        ERR_UNSUPPORTED_CONTENT, "messages[0].content[0]",
        "application/pdf or text/plain");
    /* /w== is the byte FF */
    assert_refused(
        MODEL, PARTS(FILE_OF("\"file_data\":\"data:text/plain;base64,/w==\"")),
        ERR_UNSUPPORTED_CONTENT, "messages[0].content[0]", "UTF-8");
    assert_refused(MODEL,
                   PARTS("{\"type\":\"input_audio\",\"input_audio\":"
                         "{\"data\":\"\",\"format\":\"wav\"}}"),
                   ERR_UNSUPPORTED_CONTENT, "messages[0].content[0]",
                   "\"input_audio\"");
}

static void results_keep_strings_and_lists_apart(void **state)
{
#define ASKED USER("q") "," CALLS(CALL("a", "f"))
#define BEFORE \
    "[" TURN("user", TEXT("q")) "," TURN("assistant", USED("a", "f")) ","
#define GIVES(content) \
    ",{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":" content "}"
#define OUT(content)                                                    \
    BEFORE "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\"," \
           "\"tool_use_id\":\"a\"" content "}]}]"

    (void)state;
    assert_member(MODEL, ASK_MESSAGES(ASKED GIVES("\" 1 \"")), "messages",
                  OUT(",\"content\":\" 1 \""));
    assert_member(MODEL, ASK_MESSAGES(ASKED GIVES("\"\"")), "messages",
                  OUT(""));
    assert_member(MODEL, ASK_MESSAGES(ASKED GIVES("null")), "messages",
                  OUT(""));
    assert_member(
        MODEL,
        ASK_MESSAGES(ASKED GIVES(
            "[{\"type\":\"text\",\"text\":\" \"},{\"type\":"
            "\"text\",\"text\":\"1\"}," IMAGE("https://a.test/b") "]")),
        "messages",
        OUT(",\"content\":[" TEXT(
            "1") ",{\"type\":\"image\",\"source\":{\"type\":\"url\","
                 "\"url\":\"https://a.test/b\"}}]"));
    assert_refused(
        MODEL,
        ASK_MESSAGES(ASKED GIVES("[" FILE_OF(
            "\"file_data\":\"data:application/pdf;base64,JVBERi0=\"") "]")),
        ERR_UNSUPPORTED_CONTENT, "messages[2].content[0]",
        "text and images only");
}

static void arguments_are_always_an_object(void **state)
{
    static const struct {
        const char *arguments;
        const char *input;
    } cases[] = {
        {"\"\"", "{}"},
        {"\"  \"", "{}"},
        {"\"null\"", "{}"},
        {"null", "{}"},
        {"\"{ \\\"a\\\" : 1.50 }\"", "{\"a\":1.50}"},
        {"\"{\\\"a\\\": \"", "{\"__raw_arguments\":\"{\\\"a\\\": \"}"},
        {"\"[1,2]\"", "{\"__raw_arguments\":\"[1,2]\"}"},
        {"\"\\\"x\\\"\"", "{\"__raw_arguments\":\"\\\"x\\\"\"}"},
        {"\"12345678901234567890\"",
         "{\"__raw_arguments\":\"12345678901234567890\"}"},
        {"\"{\\\"n\\\":12345678901234567890}\"",
         "{\"n\":12345678901234567890}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena;
        struct str body;
        struct str want;
        struct written w;

        arena_init(&arena);
        body = arena_printf(&arena,
                            "{\"messages\":[" USER(
                                "q") ",{\"role\":\"assistant\",\"tool_calls\":"
                                     "[{\"id\":\"a\",\"type\":\"function\","
                                     "\"function\":{\"name\":\"f\","
                                     "\"arguments\":%s}}]}]}",
                            cases[i].arguments);
        want = arena_printf(&arena, "\"name\":\"f\",\"input\":%s}]}",
                            cases[i].input);
        write_for(&w, MODEL, body);
        assert_has(member_of(&w, "messages"), want.ptr);
        written_fini(&w);
        arena_clear(&arena);
    }
}

static void custom_calls_and_tools_wrap_their_text(void **state)
{
    static const struct str body = STR_INIT("{\"messages\":[" USER(
        "q") ",{\"role\":\"assistant\",\"tool_calls\":"
             "[{\"id\":\"a\",\"type\":\"custom\",\"custom\":{\"name\":\"p\","
             "\"input\":\"{\\\"not\\\": parsed\"}}]}],\"tools\":[{\"type\":"
             "\"custom\",\"custom\":{\"name\":\"p\",\"description\":\"D\","
             "\"format\":{\"type\":\"grammar\"}}}]}");

    (void)state;
    assert_member(MODEL, body, "tools",
                  "[{\"name\":\"p\",\"description\":\"D\",\"input_schema\":"
                  "{\"type\":\"object\",\"properties\":{\"input\":{\"type\":"
                  "\"string\"}},\"required\":[\"input\"]}}]");
    assert_member(MODEL, body, "messages",
                  "[" TURN("user", TEXT("q")) "," TURN(
                      "assistant",
                      "{\"type\":\"tool_use\",\"id\":\"a\",\"name\":"
                      "\"p\",\"input\":{\"input\":\"{\\\"not\\\": "
                      "parsed\"}}") "," TURN("user", MISSED("a")) "]");
}

static void blocks_of_an_assistant_have_their_order(void **state)
{
    (void)state;
    assert_member(
        MODEL,
        ASK_MESSAGES(USER(
            "q") ",{\"role\":\"assistant\",\"content\":[{"
                 "\"type\":\"text\",\"text\":\"t\"},{\"type\":"
                 "\"refusal\",\"refusal\":\"r\"}],"
                 "\"reasoning_content\":\"unsigned\","
                 "\"tool_calls\":[" CALL(
                     "a", "f") "],"
                               "\"thinking_blocks\":[{\"type\":\"thinking\","
                               "\"thinking\":\"hm\",\"signature\":\"S\"},"
                               "{\"type\":\"thinking\",\"thinking\":\"x\","
                               "\"signature\":\"router-unsigned\"},"
                               "{\"type\":\"thinking\",\"thinking\":\"x\"},"
                               "{\"type\":\"redacted_thinking\",\"data\":"
                               "\"D\"}]}," RESULT("a", "1")),
        "messages",
        "[" TURN("user", TEXT("q")) "," TURN(
            "assistant",
            "{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"S\"},"
            "{\"type\":\"redacted_thinking\",\"data\":\"D\"}," TEXT(
                "t") "," TEXT("r") "," USED("a", "f")) "," TURN("user",
                                                                GAVE("a",
                                                                     "1")) "]");
    /* `refusal` counts when there is nothing else */
    assert_member(
        MODEL,
        ASK_MESSAGES(USER("q") ",{\"role\":\"assistant\",\"content\":null,"
                               "\"refusal\":\"no\"}," USER("why")),
        "messages",
        "[" TURN("user", TEXT("q")) "," TURN("assistant", TEXT("no")) "," TURN(
            "user", TEXT("why")) "]");
}

/* --- cache breakpoints ------------------------------------------------------
 */

static void a_breakpoint_becomes_a_cache_control(void **state)
{
    (void)state;
    assert_blocks(PARTS(CACHED("a") ",{\"type\":\"text\",\"text\":\"b\","
                                    "\"cache_control\":{\"type\":"
                                    "\"ephemeral\",\"ttl\":\"1h\"}}"),
                  MARKED("a") ",{\"type\":\"text\",\"text\":\"b\","
                              "\"cache_control\":{\"type\":\"ephemeral\","
                              "\"ttl\":\"1h\"}}");
    /* one on a blank part goes with it */
    assert_blocks(PARTS(CACHED(" ") ",{\"type\":\"text\",\"text\":\"b\"}"),
                  TEXT("b"));
}

static void only_the_last_four_breakpoints_are_kept(void **state)
{
    static const struct str body = STR_INIT(
        "{\"messages\":[{\"role\":\"system\",\"content\":"
        "[" CACHED(
            "s") "]},{\"role\":\"user\",\"content\":"
                 "[" CACHED("a") "," CACHED("b") "," CACHED("c") "]}," SAYS(
                     "x") ",{\"role\":"
                          "\"user\","
                          "\"content\":"
                          "[" CACHED("d") "]}],\"tools\":[{\"type\":"
                                          "\"function\",\"cache_control\":"
                                          "{\"type\":\"ephemeral\"},"
                                          "\"function\":{\"name\":\"f\"}}]}");

    (void)state;
    /* tools, system and the first user text are the ones before the last
     * four */
    assert_member(MODEL, body, "tools",
                  "[{\"name\":\"f\",\"input_schema\":{\"type\":\"object\","
                  "\"properties\":{}}}]");
    assert_member(MODEL, body, "system", "[" TEXT("s") "]");
    assert_member(
        MODEL, body, "messages",
        "[" TURN("user", MARKED("a") "," MARKED("b") "," MARKED("c")) "," TURN(
            "assistant", TEXT("x")) "," TURN("user", MARKED("d")) "]");
}

static void a_breakpoint_in_a_result_counts_for_the_whole_result(void **state)
{
    (void)state;
    assert_member(
        MODEL, ASK_MESSAGES(ASKED GIVES("[" CACHED("1") "," CACHED("2") "]")),
        "messages",
        OUT(",\"content\":[" TEXT("1") "," TEXT(
            "2") "],\"cache_control\":{\"type\":\"ephemeral\"}"));
}

static void the_option_sets_one_only_where_there_is_none(void **state)
{
    struct request_style options = options_for(MODEL);
    struct written w;

    (void)state;
    options.caches_prompt = true;
    write_with(&w, ASK_MESSAGES(USER("a")), &options);
    assert_str(member_of(&w, "cache_control"), "{\"type\":\"ephemeral\"}");
    written_fini(&w);
    write_with(&w, PARTS(CACHED("a")), &options);
    assert_str(member_of(&w, "cache_control"), "");
    written_fini(&w);
    options.caches_prompt = false;
    write_with(&w, ASK_MESSAGES(USER("a")), &options);
    assert_str(member_of(&w, "cache_control"), "");
    written_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_images_type_is_what_its_bytes_say),
        cmocka_unit_test(an_https_image_is_passed_by_its_url),
        cmocka_unit_test(other_images_are_refused_with_their_path),
        cmocka_unit_test(files_become_documents),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(results_keep_strings_and_lists_apart),
        cmocka_unit_test(arguments_are_always_an_object),
        cmocka_unit_test(custom_calls_and_tools_wrap_their_text),
        cmocka_unit_test(blocks_of_an_assistant_have_their_order),
        cmocka_unit_test(a_breakpoint_becomes_a_cache_control),
        cmocka_unit_test(only_the_last_four_breakpoints_are_kept),
        cmocka_unit_test(a_breakpoint_in_a_result_counts_for_the_whole_result),
        cmocka_unit_test(the_option_sets_one_only_where_there_is_none),
    };

    return cmocka_run_group_tests(tests, models_read, models_drop);
}
