/* The items of a Responses request, and those that are remembered. */
#include <stdio.h>

#include "responses_asked.h"

#define USER(text) "{\"role\":\"user\",\"content\":\"" text "\"}"
#define SAID(text)                                                \
    "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{" \
    "\"type\":\"output_text\",\"text\":\"" text "\"}]}"
#define CALL(id, name)                                                    \
    "{\"type\":\"function_call\",\"call_id\":\"" id "\",\"name\":\"" name \
    "\",\"arguments\":\"{}\"}"
#define OUTPUT(id, text)                                   \
    "{\"type\":\"function_call_output\",\"call_id\":\"" id \
    "\",\"output\":\"" text "\"}"
#define THOUGHT(more) "{\"type\":\"reasoning\",\"id\":\"rs_1\"," more "}"
#define REFER(id) "{\"type\":\"item_reference\",\"id\":\"" id "\"}"

/* The messages in short: "u:x a:(thinking)text[call] t:id=text". */
static struct str outline(struct asked *asked)
{
    struct str all = STR("");

    for (unsigned i = 0; i < asked->chat.message_count; i++) {
        const struct chat_message *message = &asked->chat.messages[i];

        all = arena_printf(&asked->arena, "%.*s%s%c:%.*s%s", STR_ARG(all),
                           i > 0 ? " " : "", "suat"[message->role],
                           STR_ARG(message->call_id),
                           message -> role == CHAT_TOOL ? "=" : "");
        for (unsigned k = 0; k < message->part_count; k++) {
            const struct chat_part *part = &message->parts[k];
            struct str text = part->kind == CHAT_CALL
                                  ? message->calls[part->call].name
                                  : part->text;
            static const char *const marks[] = {
                [CHAT_TEXT] = "  ", [CHAT_REFUSAL] = "!!",  [CHAT_IMAGE] = "<>",
                [CHAT_FILE] = "{}", [CHAT_THINKING] = "()", [CHAT_CALL] = "[]",
                [CHAT_OTHER] = "??"};
            const char *mark = marks[part->kind];

            all = mark[0] == ' ' ? arena_printf(&asked->arena, "%.*s%.*s",
                                                STR_ARG(all), STR_ARG(text))
                                 : arena_printf(&asked->arena, "%.*s%c%.*s%c",
                                                STR_ARG(all), mark[0],
                                                STR_ARG(text), mark[1]);
        }
    }
    return all;
}

/* What was said before these. */
static bool remember(struct asked *asked, const char *const *texts,
                     size_t count)
{
    struct str turns[4];

    for (size_t i = 0; i < count; i++)
        turns[i] = str_of(texts[i]);
    return responses_read_history(&asked->arena, turns, count, &asked->chat,
                                  &asked->error);
}

static void assert_outline(const char *body, const char *expected)
{
    struct asked asked;

    asked_good(&asked, body);
    assert_str(outline(&asked), expected);
    asked_fini(&asked);
}

static void roles_of_messages(void **state)
{
    (void)state;
    assert_outline(
        ASK_ITEMS("{\"role\":\"system\",\"content\":\"S\"},"
                  "{\"type\":\"message\",\"role\":\"developer\",\"content\":[{"
                  "\"type\":\"input_text\",\"text\":\"D\"}]}," USER(
                      "U") ","
                           "{\"role\":\"assistant\",\"content\":\"A\"}"),
        "s:S s:D u:U a:A");
}

static void what_the_assistant_says_is_one_turn_in_order(void **state)
{
    (void)state;
    assert_outline(
        ASK_ITEMS(USER("go") "," THOUGHT(
            "\"summary\":[{\"type\":\"summary_text\","
            "\"text\":\"h\"},"
            "{\"type\":\"summary_text\",\"text\":\"m\"}"
            "]") "," CALL("1",
                          "f") "," SAID("so") "," THOUGHT("\"summary"
                                                          "\":[],"
                                                          "\"content"
                                                          "\":[{"
                                                          "\"type\":"
                                                          "\"reasoni"
                                                          "ng_"
                                                          "text\","
                                                          "\"text\":"
                                                          "\"raw\"}"
                                                          "]") ","
                                                               "{\"t"
                                                               "ype"
                                                               "\":"
                                                               "\"cu"
                                                               "stom"
                                                               "_too"
                                                               "l_"
                                                               "call"
                                                               "\","
                                                               "\"ca"
                                                               "ll_"
                                                               "id\""
                                                               ":\"2"
                                                               "\","
                                                               "\"na"
                                                               "me\""
                                                               ":\"p"
                                                               "\","
                                                               "\"in"
                                                               "put"
                                                               "\":"
                                                               "\"**"
                                                               "*\"}"
                                                               "," OUTPUT(
                                                                   "1",
                                                                   "r1") ","
                                                                         "{\"ty"
                                                                         "pe\":"
                                                                         "\"cus"
                                                                         "tom_"
                                                                         "tool_"
                                                                         "call_"
                                                                         "outpu"
                                                                         "t\","
                                                                         "\"cal"
                                                                         "l_"
                                                                         "id\":"
                                                                         "\"2\""
                                                                         ","
                                                                         "\"out"
                                                                         "put\""
                                                                         ":[{"
                                                                         "\"typ"
                                                                         "e\":"
                                                                         "\"inp"
                                                                         "ut_"
                                                                         "text"
                                                                         "\","
                                                                         "\"tex"
                                                                         "t\":"
                                                                         "\"r2"
                                                                         "\"},"
                                                                         "{\"ty"
                                                                         "pe\":"
                                                                         "\"inp"
                                                                         "ut_"
                                                                         "image"
                                                                         "\","
                                                                         "\"ima"
                                                                         "ge_"
                                                                         "url\""
                                                                         ":\"da"
                                                                         "ta:"
                                                                         "x\"}]"
                                                                         "}"
                                                                         "," SAID(
                                                                             "d"
                                                                             "o"
                                                                             "n"
                                                                             "e")),
        "u:go a:(h\n\nm)[f]so(raw)[p] t:1=r1 t:2=r2<> a:done");
}

static void calls_of_both_kinds(void **state)
{
    struct asked asked;
    const struct chat_message *turn;

    (void)state;
    asked_good(&asked,
               ASK_ITEMS("{\"type\":\"function_call\",\"call_id\":\"1\","
                         "\"namespace\":\"n\",\"name\":\"f\","
                         "\"arguments\":{\"a\":1.50}},"
                         "{\"type\":\"custom_tool_call\",\"call_id\":\"2\","
                         "\"name\":\"p\",\"input\":\"{\"}"));
    turn = &asked.chat.messages[0];
    assert_int_equal(turn->call_count, 2);
    assert_str(turn->calls[0].id, "1");
    assert_str(turn->calls[0].name, "n\x1f"
                                    "f");
    assert_str(turn->calls[0].arguments, "{\"a\":1.50}");
    assert_false(turn->calls[0].is_custom);
    assert_str(turn->calls[1].arguments, "{");
    assert_true(turn->calls[1].is_custom);
    asked_fini(&asked);
}

static void parts_of_messages(void **state)
{
    struct asked asked;
    const struct chat_part *parts;

    (void)state;
    asked_good(
        &asked,
        ASK_ITEMS("{\"role\":\"user\",\"content\":["
                  "{\"type\":\"input_image\",\"image_url\":\"https://a/b\","
                  "\"detail\":\"low\"},"
                  "{\"type\":\"input_image\",\"image_url\":{\"url\":\"u\"}},"
                  "{\"type\":\"input_image\",\"file_id\":\"file_1\"},"
                  "{\"type\":\"input_file\",\"filename\":\"a.pdf\","
                  "\"file_data\":\"data:application/pdf;base64,AAAA\"},"
                  "{\"type\":\"input_file\",\"file_url\":\"https://c\"},"
                  "{\"type\":\"input_audio\"},"
                  "{\"type\":\"refusal\",\"refusal\":\"no\"}]}"));
    parts = asked.chat.messages[0].parts;
    assert_int_equal(asked.chat.messages[0].part_count, 7);
    assert_str(parts[0].url, "https://a/b");
    assert_str(parts[0].detail, "low");
    assert_str(parts[1].url, "u");
    assert_str(parts[2].file_id, "file_1");
    assert_str(parts[3].file_name, "a.pdf");
    assert_str(parts[3].url, "data:application/pdf;base64,AAAA");
    assert_str(parts[4].url, "https://c");
    assert_int_equal(parts[5].kind, CHAT_OTHER);
    assert_str(parts[5].text, "input_audio");
    assert_int_equal(parts[6].kind, CHAT_REFUSAL);
    assert_int_equal(parts[6].index, 6);
    assert_int_equal(asked.chat.image_count, 3);
    assert_int_equal(asked.chat.file_count, 2);
    asked_fini(&asked);
}

/* {"type":"thinking","thinking":"t","signature":"S"} */
#define SEALED \
    "ant1."    \
    "eyJ0eXBlIjoidGhpbmtpbmciLCJ0aGlua2luZyI6InQiLCJzaWduYXR1cmUiOiJTIn0="
/* {"type":"redacted_thinking","data":"D"} */
#define REDACTED "ant1.eyJ0eXBlIjoicmVkYWN0ZWRfdGhpbmtpbmciLCJkYXRhIjoiRCJ9"
/* {"type":"text","text":"t"} */
#define NO_THINKING "ant1.eyJ0eXBlIjoidGV4dCIsInRleHQiOiJ0In0="

static void sealed_thinking_is_a_signed_block_again(void **state)
{
    static const struct {
        const char *sealed;
        const char *type; /* of the block; NULL: none */
    } cases[] = {
        {SEALED, "thinking"},        {REDACTED, "redacted_thinking"},
        {NO_THINKING, NULL},         {"ant1.###", NULL},
        {"ant1.e30=", NULL},         {"gAAAAABo", NULL},
        {"ant2.eyJ0eXBlIjoi", NULL}, {"ant1.", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct chat_part *part;
        struct asked asked;
        char body[512];

        (void)snprintf(body, sizeof(body),
                       "{\"input\":[{\"type\":\"reasoning\",\"summary\":[{"
                       "\"text\":\"sum\"}],\"content\":null,"
                       "\"encrypted_content\":\"%s\"}]}",
                       cases[i].sealed);
        asked_good(&asked, body);
        part = &asked.chat.messages[0].parts[0];
        assert_int_equal(part->kind, CHAT_THINKING);
        if (cases[i].type == NULL) {
            assert_null(part->block);
            assert_str(part->text, "sum");
        } else {
            assert_str(json_get_text(part->block, STR("type")), cases[i].type);
        }
        assert_false(asked.chat.has_unsigned_thinking);
        asked_fini(&asked);
    }
}

#define SEARCH(more) \
    "{\"type\":\"tool_search_call\",\"arguments\":{\"q\":1}," more "}"
#define FOUND(more)                                                    \
    "{\"type\":\"tool_search_output\",\"tools\":[{\"type\":"           \
    "\"namespace\",\"name\":\"n\",\"tools\":[{\"type\":\"function\","  \
    "\"name\":\"f\",\"defer_loading\":true}]},{\"type\":\"function\"," \
    "\"name\":\"g\"}]," more "}"

static void what_a_search_has_found_is_a_tool(void **state)
{
    struct asked asked;
    size_t characters;

    (void)state;
    asked_good(
        &asked,
        "{\"tools\":[{\"type\":\"function\",\"name\":\"g\"}],"
        "\"previous_response_id\":\"r\",\"input\":[" USER("x") "," SEARCH(
            "\"ca"
            "ll_"
            "id\""
            ":\"1"
            "\"") "," FOUND("\"call_id\":\"1\"") "," SEARCH("\"call_"
                                                            "id\":"
                                                            "\"2\"") "," FOUND("\"c"
                                                                               "all"
                                                                               "_id"
                                                                               "\":"
                                                                               "\"2"
                                                                               "\"") "]}");
    assert_str(outline(&asked),
               "u:x a:[tool_search\x1f] t:1=Found: n_f_173abee4 "
               "a:[tool_search\x1f] t:2=Nothing else was found.");
    assert_str(asked.chat.messages[1].calls[0].arguments, "{\"q\":1}");
    assert_int_equal(asked.chat.tool_count, 2);
    assert_str(asked.chat.tools[0].name, "g");
    assert_str(asked.chat.tools[1].name, "n\x1f"
                                         "f");
    /* read again, they are the same */
    characters = asked.chat.characters;
    assert_true(remember(&asked, NULL, 0));
    assert_int_equal(asked.chat.tool_count, 2);
    assert_int_equal(asked.chat.characters, characters);
    asked_fini(&asked);

    /* what a server has searched is none of ours */
    asked_good(&asked, ASK_ITEMS(USER("x") "," SEARCH(
                           "\"call_id\":null") "," FOUND("\"call_id\":null")));
    assert_str(outline(&asked), "u:x");
    assert_str(asked_others(&asked),
               "input[].tool_search_call input[].tool_search_output");
    asked_fini(&asked);
    assert_asked_bad(ASK_ITEMS("{\"type\":\"tool_search_output\","
                               "\"call_id\":\"1\"}"),
                     ERR_BAD_FIELD, "input[0].tools", "an array");
    assert_asked_bad(ASK_ITEMS("{\"type\":\"tool_search_output\","
                               "\"call_id\":\"1\",\"tools\":[7]}"),
                     ERR_BAD_FIELD, "input[0].tools[0]", "an object");
}

static void items_without_a_place_are_named(void **state)
{
    struct asked asked;

    (void)state;
    /* and the turn goes on around them */
    asked_good(&asked, ASK_ITEMS(SAID("a") ",{\"type\":\"web_search_call\","
                                           "\"id\":\"ws_1\"}," CALL("1", "f")));
    assert_str(outline(&asked), "a:a[f]");
    assert_str(asked_others(&asked), "input[].web_search_call");
    asked_fini(&asked);
}

static void bad_items_are_refused_by_their_path(void **state)
{
    (void)state;
    assert_asked_bad(ASK_ITEMS(USER("x") ",7"), ERR_BAD_FIELD, "input[1]",
                     "an object");
    assert_asked_bad(ASK_ITEMS("{}"), ERR_MISSING_FIELD, "input[0].type",
                     "required");
    assert_asked_bad(ASK_ITEMS("{\"type\":\"message\",\"content\":\"x\"}"),
                     ERR_MISSING_FIELD, "input[0].role", "required");
    assert_asked_bad(ASK_ITEMS("{\"role\":\"critic\",\"content\":\"x\"}"),
                     ERR_BAD_VALUE, "input[0].role", "\"critic\"");
    assert_asked_bad(ASK_ITEMS("{\"role\":\"user\"}"), ERR_MISSING_FIELD,
                     "input[0].content", "required");
    assert_asked_bad(ASK_ITEMS("{\"role\":\"user\",\"content\":3}"),
                     ERR_BAD_FIELD, "input[0].content", "a string or an array");
    assert_asked_bad(ASK_ITEMS("{\"role\":\"user\",\"content\":[3]}"),
                     ERR_BAD_FIELD, "input[0].content[0]", "an object");
    assert_asked_bad(ASK_ITEMS("{\"role\":\"user\",\"content\":[{}]}"),
                     ERR_MISSING_FIELD, "input[0].content[0].type", "required");
    assert_asked_bad(
        ASK_ITEMS(USER("x") ",{\"role\":\"user\",\"content\":[{\"type\":"
                            "\"input_text\",\"text\":\"a\"},{\"type\":"
                            "\"input_text\",\"text\":5}]}"),
        ERR_BAD_FIELD, "input[1].content[1].text", "the number 5");
    assert_asked_bad(ASK_ITEMS("{\"role\":\"user\",\"content\":[{\"type\":"
                               "\"input_image\"}]}"),
                     ERR_MISSING_FIELD, "input[0].content[0].image_url",
                     "required");
    assert_asked_bad(ASK_ITEMS("{\"role\":\"user\",\"content\":[{\"type\":"
                               "\"input_file\",\"file_data\":1}]}"),
                     ERR_BAD_FIELD, "input[0].content[0].file_data",
                     "a string");
    assert_asked_bad(ASK_ITEMS("{\"type\":\"function_call\",\"name\":\"f\"}"),
                     ERR_MISSING_FIELD, "input[0].call_id", "required");
    assert_asked_bad(ASK_ITEMS("{\"type\":\"function_call\","
                               "\"call_id\":\"1\"}"),
                     ERR_MISSING_FIELD, "input[0].name", "required");
    assert_asked_bad(ASK_ITEMS("{\"type\":\"function_call\",\"name\":\"f\","
                               "\"call_id\":\"1\",\"arguments\":1}"),
                     ERR_BAD_FIELD, "input[0].arguments", "a string");
    assert_asked_bad(ASK_ITEMS("{\"type\":\"function_call_output\","
                               "\"output\":\"x\"}"),
                     ERR_MISSING_FIELD, "input[0].call_id", "required");
    assert_asked_bad(ASK_ITEMS("{\"type\":\"function_call_output\","
                               "\"call_id\":\"1\"}"),
                     ERR_MISSING_FIELD, "input[0].output", "required");
    assert_asked_bad(ASK_ITEMS(REFER("")), ERR_MISSING_FIELD, "input[0].id",
                     "required");
}

/* --- what is remembered ------------------------------------------------- */

static void earlier_turns_come_between(void **state)
{
    static const char *const texts[] = {
        "\"first\"",
        "{\"object\":\"response\",\"output\":[" CALL("1", "f") "]}",
        "[" OUTPUT("1", "r") "]",
        "[" SAID("end") "]",
    };
    struct asked asked;
    size_t characters;

    (void)state;
    asked_good(&asked,
               "{\"instructions\":\"I\",\"previous_response_id\":\"resp_1\","
               "\"tools\":[{\"type\":\"function\",\"name\":\"fff\"}],"
               "\"input\":[" USER("now") "]}");
    characters = asked.chat.characters;
    assert_true(remember(&asked, texts, COUNT_OF(texts)));
    assert_str(outline(&asked), "s:I u:first a:[f] t:1=r a:end u:now");
    assert_int_equal(asked.chat.characters, characters + strlen("first") +
                                                strlen("f{}") + strlen("r") +
                                                strlen("end"));
    /* once more is the same */
    characters = asked.chat.characters;
    assert_true(remember(&asked, texts, COUNT_OF(texts)));
    assert_int_equal(asked.chat.characters, characters);
    asked_fini(&asked);
}

static void a_past_without_anything_new(void **state)
{
    static const char *const texts[] = {"\"first\"", "[" SAID("end") "]"};
    struct asked asked;

    (void)state;
    asked_good(&asked, "{\"previous_response_id\":\"resp_1\",\"input\":[]}");
    assert_true(remember(&asked, texts, COUNT_OF(texts)));
    assert_str(outline(&asked), "u:first a:end");
    assert_false(remember(&asked, NULL, 0));
    assert_int_equal(asked.error.error, ERR_BAD_VALUE);
    assert_str(asked.error.param, "input");
    asked_fini(&asked);
}

static void references_lead_to_stored_items(void **state)
{
    struct str known[] = {
        STR_INIT("{\"output\":[{\"type\":\"reasoning\",\"id\":\"rs_a_0\","
                 "\"summary\":[{\"text\":\"hm\"}]},{\"type\":\"message\","
                 "\"id\":\"msg_a_1\",\"role\":\"assistant\",\"content\":[{"
                 "\"type\":\"output_text\",\"text\":\"said\"}]}]}")};
    struct json_doc doc;
    struct asked asked, twice;

    (void)state;
    asked_good(&twice,
               ASK_ITEMS(USER("x") "," REFER("msg_a_1") "," REFER("msg_a_1")));
    asked_good(&asked,
               ASK_ITEMS(USER("x") "," REFER("rs_a_0") "," REFER(
                   "msg_a_1") "," CALL("1", "f") "," REFER("rs_b_c_12")));
    doc = asked.chat.doc;
    assert_int_equal(asked.chat.reference_count, 2);
    assert_str(asked.chat.references[0], "resp_a");
    assert_str(asked.chat.references[1], "resp_b_c");
    asked.chat.known = known;
    asked.chat.known_count = 1;
    assert_true(remember(&asked, NULL, 0));
    assert_str(outline(&asked), "u:x a:(hm)said[f]");
    /* what was thought and is forgotten is named, no more */
    assert_str(asked_others(&asked), "input[].item_reference");
    /* each comes once */
    asked.chat.known_count = 1;
    asked.chat.doc = twice.chat.doc;
    assert_false(remember(&asked, NULL, 0));
    assert_str(asked.error.param, "input[2].id");
    asked.chat.doc = doc;
    /* but what was said is missed */
    asked.chat.known_count = 0;
    assert_false(remember(&asked, NULL, 0));
    assert_int_equal(asked.error.error, ERR_UNSUPPORTED_PARAMETER);
    assert_str(asked.error.param, "input[2].id");
    assert_has(chat_error_message(&asked.error), "msg_a_1");
    asked_fini(&asked);
    asked_fini(&twice);
}

static void references_that_are_none_of_ours(void **state)
{
    struct asked asked;

    (void)state;
    asked_good(&asked, ASK_ITEMS(USER("x") "," REFER("rs_1")));
    assert_int_equal(asked.chat.reference_count, 0);
    assert_str(outline(&asked), "u:x");
    assert_str(asked_others(&asked), "input[].item_reference");
    asked_fini(&asked);
    assert_asked_bad(ASK_ITEMS(USER("x") "," REFER("msg_1")),
                     ERR_UNSUPPORTED_PARAMETER, "input[1].id", "msg_1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_of_messages),
        cmocka_unit_test(what_the_assistant_says_is_one_turn_in_order),
        cmocka_unit_test(calls_of_both_kinds),
        cmocka_unit_test(parts_of_messages),
        cmocka_unit_test(sealed_thinking_is_a_signed_block_again),
        cmocka_unit_test(what_a_search_has_found_is_a_tool),
        cmocka_unit_test(items_without_a_place_are_named),
        cmocka_unit_test(bad_items_are_refused_by_their_path),
        cmocka_unit_test(earlier_turns_come_between),
        cmocka_unit_test(a_past_without_anything_new),
        cmocka_unit_test(references_lead_to_stored_items),
        cmocka_unit_test(references_that_are_none_of_ours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
