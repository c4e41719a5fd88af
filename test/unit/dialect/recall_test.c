/* dialect/recall: what a Claude thought comes back to the same message, and
 * to no other. */
#include "dialect/recall.h"

#include "asked.h"
#include "written.h"

/* --- answers ----------------------------------------------------------------
 */

#define THOUGHT(words, sign)                                  \
    {                                                         \
        .kind = CHAT_BLOCK_THINKING, .text = STR_INIT(words), \
        .signature = STR_INIT(sign)                           \
    }
#define REDACTED(secret)                                      \
    {                                                         \
        .kind = CHAT_BLOCK_REDACTED, .text = STR_INIT(secret) \
    }
#define SAID(words)                                      \
    {                                                    \
        .kind = CHAT_BLOCK_TEXT, .text = STR_INIT(words) \
    }
#define CALLED(key)                        \
    {                                      \
        .kind = CHAT_BLOCK_CALL, .call = { \
            .id = STR_INIT(key),           \
            .name = STR_INIT("f"),         \
            .arguments = STR_INIT("{}")    \
        }                                  \
    }

static struct arena arena;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static struct str noted(struct chat_block *blocks, unsigned count)
{
    struct chat_answer answer = {.blocks = blocks, .block_count = count};
    struct recall recall;
    struct str note;

    recall_init(&recall, &arena);
    recall_answer(&recall, &answer);
    note = recall_note(&recall);
    recall_fini(&recall);
    return note;
}

static void tell(struct recall *recall, const struct chat_block *block)
{
    struct chat_event event = {.kind = CHAT_EVENT_BLOCK, .block = *block};

    if (block->kind == CHAT_BLOCK_CALL) {
        event.kind = CHAT_EVENT_CALL;
        event.call = block->call;
    } else if (block->kind == CHAT_BLOCK_TEXT) {
        event.kind = CHAT_EVENT_TEXT;
    }
    if (block->kind != CHAT_BLOCK_TEXT) {
        recall_event(recall, &event);
        return;
    }
    /* a stream says it letter by letter */
    for (size_t i = 0; i < block->text.len; i++) {
        event.text = str_slice(block->text, i, i + 1);
        recall_event(recall, &event);
    }
}

static struct str noted_streamed(struct chat_block *blocks, unsigned count)
{
    struct recall recall;
    struct str note;

    recall_init(&recall, &arena);
    for (unsigned i = 0; i < count; i++)
        tell(&recall, &blocks[i]);
    note = recall_note(&recall);
    recall_fini(&recall);
    return note;
}

/* --- messages ----------------------------------------------------------------
 */

/* The second message of the request, with the note applied, as Anthropic gets
 * it; "" when the note is of another message. */
static struct str applied(struct str note, const char *message)
{
    static const char frame[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},%s,"
        "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"1\"},"
        "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"2\"}]}";
    struct request_style style = options_for("claude-opus-4-8");
    struct json_doc doc;
    struct json_error trouble;
    struct request_notes notes;
    struct chat_error error;
    struct chat chat;
    struct buf out;
    struct buf text;
    struct json_out json = json_out_to(&text);
    struct str copy;

    assert_true(openai_read_request(
        &arena, arena_printf(&arena, frame, message), &chat, &error));
    if (!recall_apply(&arena, &chat, &chat.messages[1], note))
        return STR("");
    buf_init(&out, 1 << 20);
    buf_init(&text, 1 << 20);
    assert_true(
        anthropic_write_request(&arena, &chat, &style, &out, &notes, &error));
    assert_true(json_read(&arena, buf_str(&out), &doc, &trouble));
    json_put_val(
        &json, json_get(yyjson_arr_get(json_get(doc.root, STR("messages")), 1),
                        STR("content")));
    copy = arena_copy(&arena, buf_str(&text));
    buf_fini(&out);
    buf_fini(&text);
    return copy;
}

#define ASSISTANT(content, calls)                                            \
    "{\"role\":\"assistant\",\"content\":" content ",\"tool_calls\":[" calls \
    "]}"
#define TWO_CALLS CALL("c1", "f") "," CALL("c2", "f")
#define THINKS(words, sign)                                                   \
    "{\"type\":\"thinking\",\"thinking\":\"" words "\",\"signature\":\"" sign \
    "\"}"

static struct chat_block interleaved[] = {
    THOUGHT("first", "s1"), SAID("Let me"), REDACTED("zzz"),
    SAID(" see."),          CALLED("c1"),   THOUGHT("then", "s2"),
    CALLED("c2"),
};

static const char interleaved_again[] = "[" THINKS("first", "s1") "," TEXT(
    "Let me") ","
              "{\"type\":\"redacted_thinking\",\"data\":\"zzz\"}," TEXT(
                  " see.") "," USED("c1",
                                    "f") "," THINKS("then",
                                                    "s2") "," USED("c2",
                                                                   "f") "]";

static void thinking_comes_back_to_its_places(void **state)
{
    (void)state;
    assert_str(applied(noted(interleaved, COUNT_OF(interleaved)),
                       ASSISTANT("\"Let me see.\"", TWO_CALLS)),
               interleaved_again);
}

static void a_stream_is_noted_like_an_answer(void **state)
{
    struct str whole = noted(interleaved, COUNT_OF(interleaved));

    (void)state;
    assert_true(whole.len > 0);
    assert_true(
        str_eq(noted_streamed(interleaved, COUNT_OF(interleaved)), whole));
}

static void a_text_in_several_parts_is_the_same_text(void **state)
{
    (void)state;
    assert_str(
        applied(noted(interleaved, COUNT_OF(interleaved)),
                ASSISTANT("[" TEXT("Let ") "," TEXT("me see") "," TEXT(".") "]",
                          TWO_CALLS)),
        interleaved_again);
}

static void a_breakpoint_of_the_callers_stays(void **state)
{
    (void)state;
    assert_has(applied(noted(interleaved, COUNT_OF(interleaved)),
                       ASSISTANT("[{\"type\":\"text\",\"text\":\"Let me see.\","
                                 "\"cache_control\":{\"type\":\"ephemeral\"}}]",
                                 TWO_CALLS)),
               "\"cache_control\":{\"type\":\"ephemeral\"}");
}

static void calls_alone_are_enough(void **state)
{
    struct chat_block blocks[] = {THOUGHT("", "s"), CALLED("c1"), CALLED("c2")};
    struct str note = noted(blocks, COUNT_OF(blocks));

    (void)state;
    assert_str(applied(note, ASSISTANT("null", TWO_CALLS)),
               "[" THINKS("", "s") "," USED("c1", "f") "," USED("c2", "f") "]");
    assert_has(applied(note, ASSISTANT("\"\"", TWO_CALLS)), "\"s\"");
}

/* thinking_blocks come before all else: their format has no places. */
static void thinking_that_the_caller_kept_gets_its_places_back(void **state)
{
    (void)state;
    assert_str(
        applied(
            noted(interleaved, COUNT_OF(interleaved)),
            "{\"role\":\"assistant\",\"content\":\"Let me see.\","
            "\"tool_calls\":[" TWO_CALLS "],\"thinking_blocks\":[" THINKS(
                "first", "s1") ",{\"type\":\"redacted_thinking\","
                               "\"data\":\"zzz\"}," THINKS("then", "s2") "]}"),
        interleaved_again);
}

static void another_message_gets_nothing(void **state)
{
    static const char *const others[] = {
        /* edited, cut, more */
        ASSISTANT("\"Let me see!\"", TWO_CALLS),
        ASSISTANT("\"Let me\"", TWO_CALLS),
        ASSISTANT("\"Let me see. And\"", TWO_CALLS),
        ASSISTANT("null", TWO_CALLS),
        /* other calls, fewer, more, in another order */
        ASSISTANT("\"Let me see.\"", CALL("c1", "f") "," CALL("c3", "f")),
        ASSISTANT("\"Let me see.\"", CALL("c1", "f")),
        ASSISTANT("\"Let me see.\"", TWO_CALLS "," CALL("c3", "f")),
        ASSISTANT("\"Let me see.\"", CALL("c2", "f") "," CALL("c1", "f")),
        /* no text */
        ASSISTANT("[{\"type\":\"refusal\",\"refusal\":\"Let me see.\"}]",
                  TWO_CALLS),
    };
    struct str note = noted(interleaved, COUNT_OF(interleaved));

    (void)state;
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_str(applied(note, others[i]), "");
}

static void what_is_no_note_changes_nothing(void **state)
{
    static const struct str notes[] = {
        STR_INIT(""),
        STR_INIT("{"),
        STR_INIT("[]"),
        STR_INIT("{\"hash\":1}"),
        STR_INIT("{\"hash\":\"cbf29ce484222325\",\"blocks\":[]}"),
        STR_INIT("{\"hash\":\"cbf29ce484222325\",\"blocks\":[{\"text\":9}]}"),
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(notes); i++)
        assert_str(applied(notes[i], ASSISTANT("null", TWO_CALLS)), "");
}

static void nothing_is_noted_without_signed_thinking_before_a_call(void **state)
{
    struct chat_block unsigned_thought[] = {THOUGHT("x", ""), CALLED("c1")};
    struct chat_block no_call[] = {THOUGHT("x", "s"), SAID("y")};
    struct chat_block no_thought[] = {SAID("y"), CALLED("c1")};
    struct chat_block too_late[] = {CALLED("c1"), THOUGHT("x", "s")};

    (void)state;
    assert_int_equal(noted(unsigned_thought, 2).len, 0);
    assert_int_equal(noted(no_call, 2).len, 0);
    assert_int_equal(noted(no_thought, 2).len, 0);
    assert_int_equal(noted(too_late, 2).len, 0);
    assert_int_equal(noted(NULL, 0).len, 0);
}

static void thinking_without_end_is_not_noted(void **state)
{
    struct chat_block blocks[] = {THOUGHT("", "s"), CALLED("c1")};
    struct recall recall;
    char *text = arena_alloc(&arena, 1 << 20);

    (void)state;
    memset(text, 'x', 1 << 20);
    blocks[0].text = (struct str){text, 1 << 20};
    recall_init(&recall, &arena);
    for (unsigned i = 0; i < 9; i++)
        tell(&recall, &blocks[0]);
    tell(&recall, &blocks[1]);
    assert_int_equal(recall_note(&recall).len, 0);
    recall_fini(&recall);
}

#define with_arena(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_arena(thinking_comes_back_to_its_places),
        with_arena(a_stream_is_noted_like_an_answer),
        with_arena(a_text_in_several_parts_is_the_same_text),
        with_arena(a_breakpoint_of_the_callers_stays),
        with_arena(calls_alone_are_enough),
        with_arena(thinking_that_the_caller_kept_gets_its_places_back),
        with_arena(another_message_gets_nothing),
        with_arena(what_is_no_note_changes_nothing),
        with_arena(nothing_is_noted_without_signed_thinking_before_a_call),
        with_arena(thinking_without_end_is_not_noted),
    };

    return cmocka_run_group_tests(tests, models_read, models_drop);
}
