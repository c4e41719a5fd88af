/* What a backend answers in its format, for a caller of each: in one piece or
 * as a stream that is cut anywhere.  What goes out is the same whatever the
 * cuts, is JSON, says something or ends in an error, and what is noted of it
 * and what is gathered is the same, too. */
#include "check.h"
#include "dialect/oracle.h"
#include "fuzz.h"

static const struct pair {
    const struct format *from;
    const struct format *to;
} pairs[] = {
    {&format_chat, &format_chat},
    {&format_chat, &format_messages},
    {&format_chat, &format_responses},
    {&format_messages, &format_chat},
    {&format_messages, &format_messages},
    {&format_messages, &format_responses},
    {&format_completions, &format_completions},
    /* these have no streams */
    {&format_tokenize, &format_count},
    {&format_count, &format_count},
    {&format_embeddings, &format_embeddings},
};

static bool is_relayed(const struct pair *pair)
{
    return pair->from == pair->to;
}

/* --- notes ------------------------------------------------------------------
 */

/* A note is JSON, and is of the message that was said: applied to what it
 * is not of, it changes nothing. */
static void check_note(struct str note)
{
    struct chat_message message = {.role = CHAT_ASSISTANT};
    struct chat chat = {0};
    struct arena arena;

    if (note.len == 0)
        return;
    oracle_check_json(note, false);
    arena_init(&arena);
    check(!recall_apply(&arena, &chat, &message, note));
    check(message.parts == NULL && message.part_count == 0);
    arena_clear(&arena);
}

/* --- what is gathered -------------------------------------------------------
 */

/* Any bound will do; some are met. */
static size_t bound_of(struct str bytes)
{
    return bytes.len > 0 && bytes.ptr[0] % 3 == 0 ? bytes.len / 4 : OUT_MAX;
}

static void check_gathered(struct gather *gather, struct buf *out)
{
    struct str text = gather_result(gather);

    check(text.len <= gather->max);
    if (text.len > 0)
        oracle_check_json(text, false);
    else
        check(!gather->has_begun || gather->is_clipped);
    buf_put(out, text);
}

/* --- streams ----------------------------------------------------------------
 */

static enum answer_status run(const struct pair *pair, struct str bytes,
                              unsigned seed, struct buf *out, struct buf *note)
{
    enum answer_status status = ANSWER_GOES_ON;
    struct gather gather;
    struct answer answer;
    struct recall recall;
    struct arena memory;

    arena_init(&memory);
    recall_init(&recall, &memory);
    answer_init(&answer, &memory, pair->from, pair->to, &oracle_style,
                oracle_names(), EVENT_MAX);
    if (!is_relayed(pair))
        answer.recall = &recall;
    gather_init(&gather, &memory, bound_of(bytes));
    answer.gather = &gather;
    while (bytes.len > 0 && status == ANSWER_GOES_ON) {
        size_t step = oracle_step(&seed);

        status = answer_feed(&answer, str_slice(bytes, 0, step), out);
        bytes = str_slice(bytes, step, bytes.len);
    }
    status = answer_close(&answer, out);
    check(status == ANSWER_ENDED || status == ANSWER_FAILED);
    if (status == ANSWER_FAILED)
        answer_fail(&answer, &answer.error, out);
    else
        check(answer.has_token || answer.finish != CHAT_FINISH_UNSET);
    check(!buf_failed(out));
    buf_put(note, recall_note(&recall));
    check_note(buf_str(note));
    check_gathered(&gather, note);
    gather_fini(&gather);
    answer_fini(&answer);
    recall_fini(&recall);
    arena_clear(&memory);
    return status;
}

static bool is_type(yyjson_val *root, const char *key, const char *type)
{
    return yyjson_equals_str(yyjson_obj_get(root, key), type);
}

static bool is_last(const struct pair *pair, const struct sse_event *event)
{
    if (pair->to == &format_messages) {
        /* names that pass may be any */
        yyjson_doc *doc = oracle_parse(event->data, is_relayed(pair));
        yyjson_val *root = yyjson_doc_get_root(doc);
        bool is_over = is_type(root, "type", "message_stop") ||
                       is_type(root, "type", "error");

        yyjson_doc_free(doc);
        return is_over;
    }
    if (pair->to == &format_responses)
        return str_eq(event->name, STR("response.completed")) ||
               str_eq(event->name, STR("response.incomplete")) ||
               str_eq(event->name, STR("response.failed"));
    return str_starts(event->data, STR("[DONE]"));
}

/* The caller knows the end when it comes, and nothing comes behind it. */
static void check_frames(const struct pair *pair, struct str text)
{
    struct sse_decoder decoder;
    struct sse_event event;
    bool is_over = false;

    sse_decoder_init(&decoder, OUT_MAX);
    while (sse_next(&decoder, &text, &event)) {
        check(!is_over);
        is_over = is_last(pair, &event);
        if (pair->to->names_events)
            check(event.name.len > 0);
        if (!str_starts(event.data, STR("[DONE]")))
            oracle_check_json(event.data, is_relayed(pair));
    }
    check(is_over && text.len == 0);
    check(!sse_finish(&decoder, &event));
    sse_decoder_fini(&decoder);
}

static void check_stream(const struct pair *pair, struct str bytes,
                         unsigned seed)
{
    enum answer_status status;
    struct buf whole, cut, note, cut_note;

    buf_init(&whole, OUT_MAX);
    buf_init(&cut, OUT_MAX);
    buf_init(&note, OUT_MAX);
    buf_init(&cut_note, OUT_MAX);
    status = run(pair, bytes, 0, &whole, &note);
    check_frames(pair, buf_str(&whole));
    check(run(pair, bytes, seed + 1, &cut, &cut_note) == status);
    check(str_eq(buf_str(&whole), buf_str(&cut)));
    check(str_eq(buf_str(&note), buf_str(&cut_note)));
    buf_fini(&whole);
    buf_fini(&cut);
    buf_fini(&note);
    buf_fini(&cut_note);
}

/* --- whole answers ----------------------------------------------------------
 */

static void check_written(const struct pair *pair, struct str text)
{
    yyjson_doc *doc = oracle_parse(text, is_relayed(pair));
    yyjson_val *root = yyjson_doc_get_root(doc);

    check(yyjson_is_obj(root));
    if (!is_relayed(pair) && pair->to == &format_messages)
        check(is_type(root, "type", "message") &&
              yyjson_is_str(yyjson_obj_get(root, "stop_reason")) &&
              yyjson_is_arr(yyjson_obj_get(root, "content")));
    else if (pair->to == &format_responses)
        check(is_type(root, "object", "response") &&
              yyjson_is_arr(yyjson_obj_get(root, "output")));
    else if (pair->to == &format_count)
        check(yyjson_obj_get(root, "input_tokens") != NULL);
    yyjson_doc_free(doc);
}

static void check_whole(const struct pair *pair, struct str body)
{
    struct str pieces[RELAY_PIECES];
    struct gather gather;
    struct answer answer;
    struct recall recall;
    struct arena arena;
    struct buf out;
    unsigned count;

    arena_init(&arena);
    buf_init(&out, OUT_MAX);
    recall_init(&recall, &arena);
    answer_init(&answer, &arena, pair->from, pair->to, &oracle_style,
                oracle_names(), EVENT_MAX);
    if (!is_relayed(pair))
        answer.recall = &recall;
    gather_init(&gather, &arena, bound_of(body));
    answer.gather = &gather;
    count = answer_whole(&answer, &arena, body, oracle_names(), pieces);
    for (unsigned i = 0; i < count; i++)
        buf_put(&out, pieces[i]);
    if (count > 0) {
        check_written(pair, buf_str(&out));
        check_note(recall_note(&recall));
    }
    buf_clear(&out);
    check_gathered(&gather, &out);
    gather_fini(&gather);
    answer_fini(&answer);
    recall_fini(&recall);
    buf_fini(&out);
    arena_clear(&arena);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

/* The first byte says which formats, and whether it is a stream; the second
 * one where that is cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct pair *pair;
    struct str bytes;

    if (size < 2)
        return 0;
    pair = &pairs[data[0] / 2 % COUNT_OF(pairs)];
    bytes = fuzz_input(data + 2, size - 2);
    if (data[0] % 2 == 0 || pair->to->never_streams)
        check_whole(pair, bytes);
    else
        check_stream(pair, bytes, data[1]);
    return 0;
}
