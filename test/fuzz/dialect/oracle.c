#include "oracle.h"

#include "check.h"
#include "dialect/anthropic.h"
#include "dialect/openai.h"
#include "lenient.h"

const struct answer_style oracle_style = {
    .model = STR_INIT("the \"model\""),
    .created = 1790000000,
    .shows_reasoning = true,
    .shows_thinking = true,
    .include_usage = true,
};

const struct claude_models *oracle_models(void)
{
    static struct arena arena;
    static struct claude_models models;
    struct str why = {NULL, 0};

    if (models.count == 0) {
        arena_init(&arena);
        check(claude_models_read(
            &arena, (struct str){claude_default_data, claude_default_data_len},
            &models, &why));
    }
    return &models;
}

const struct names *oracle_names(void)
{
    static struct names_tool tools[] = {
        {.original = STR_INIT("mcp.read"), .token = STR_INIT("f")},
        {.original = STR_INIT("patch"),
         .token = STR_INIT("p"),
         .is_custom = true},
    };
    static const struct names names = {tools, COUNT_OF(tools)};

    return &names;
}

/* --- JSON --------------------------------------------------------------- */

yyjson_doc *oracle_parse(struct str text, bool is_relayed)
{
    yyjson_doc *doc =
        is_relayed ? lenient_read(text) : yyjson_read(text.ptr, text.len, 0);

    check(doc != NULL);
    return doc;
}

void oracle_check_json(struct str text, bool is_relayed)
{
    yyjson_doc_free(oracle_parse(text, is_relayed));
}

void oracle_check_error(const struct chat_error *error)
{
    struct buf out;
    yyjson_doc *doc;
    yyjson_val *root;

    check(chat_error_status(error) >= 400 && chat_error_status(error) < 600);
    check(chat_error_message(error).len > 0);
    buf_init(&out, OUT_MAX);
    openai_write_error(error, &out);
    check(!buf_failed(&out));
    doc = oracle_parse(buf_str(&out), false);
    root = yyjson_obj_get(yyjson_doc_get_root(doc), "error");
    check(yyjson_get_len(yyjson_obj_get(root, "message")) > 0);
    check(yyjson_is_str(yyjson_obj_get(root, "type")));
    yyjson_doc_free(doc);
    buf_fini(&out);
}

/* --- complete answers --------------------------------------------------- */

static void check_completion(struct str text, bool is_translated)
{
    yyjson_doc *doc = oracle_parse(text, !is_translated);
    yyjson_val *root = yyjson_doc_get_root(doc);

    check(lenient_says(root));
    if (is_translated)
        check(yyjson_equals_strn(yyjson_obj_get(root, "model"),
                                 oracle_style.model.ptr,
                                 oracle_style.model.len));
    yyjson_doc_free(doc);
}

void oracle_whole(struct str body, bool is_translated)
{
    struct str pieces[RELAY_PIECES];
    struct answer answer;
    struct arena memory;
    struct arena arena;
    struct buf out;
    unsigned n;

    arena_init(&arena);
    arena_init(&memory);
    answer_init(&answer, &memory,
                is_translated ? &format_messages : &format_chat, &format_chat,
                &oracle_style, oracle_names(), EVENT_MAX);
    n = answer_whole(&answer, &arena, body, oracle_names(), pieces);
    if (n > 0) {
        buf_init(&out, OUT_MAX);
        for (unsigned i = 0; i < n; i++)
            buf_put(&out, pieces[i]);
        check_completion(buf_str(&out), is_translated);
        buf_fini(&out);
    }
    answer_fini(&answer);
    arena_clear(&memory);
    arena_clear(&arena);
}

/* --- streams ------------------------------------------------------------ */

size_t oracle_step(unsigned *seed)
{
    if (*seed == 0)
        return SIZE_MAX / 2;
    *seed = *seed * 1103515245u + 12345u;
    return 1 + (*seed >> 16) % 32;
}

static enum answer_status run_stream(struct str bytes, bool is_translated,
                                     bool hides_usage, unsigned seed,
                                     struct buf *out)
{
    struct answer_style style = oracle_style;
    enum answer_status status = ANSWER_GOES_ON;
    struct answer answer;
    struct arena memory;

    style.hides_usage = hides_usage;
    arena_init(&memory);
    answer_init(&answer, &memory,
                is_translated ? &format_messages : &format_chat, &format_chat,
                &style, oracle_names(), EVENT_MAX);
    while (bytes.len > 0 && status == ANSWER_GOES_ON) {
        size_t step = oracle_step(&seed);

        status = answer_feed(&answer, str_slice(bytes, 0, step), out);
        bytes = str_slice(bytes, step, bytes.len);
    }
    status = answer_close(&answer, out);
    check(status != ANSWER_GOES_ON);
    if (status == ANSWER_FAILED)
        openai_write_stream_error(&answer.error, out);
    answer_fini(&answer);
    arena_clear(&memory);
    return status;
}

/* Frames of JSON, of which one says something if all went well, and [DONE]
 * as the last and only there. */
static void check_frames(struct str text, bool is_translated, bool is_fine)
{
    struct sse_decoder decoder;
    struct sse_event event;
    bool is_done = false, is_answered = false;

    sse_decoder_init(&decoder, OUT_MAX);
    while (sse_next(&decoder, &text, &event)) {
        yyjson_doc *doc;

        check(!is_done);
        is_done = str_starts(event.data, STR("[DONE]"));
        if (is_done)
            continue;
        doc = oracle_parse(event.data, !is_translated);
        is_answered = is_answered || lenient_says(yyjson_doc_get_root(doc));
        yyjson_doc_free(doc);
    }
    check(is_done && text.len == 0);
    check(is_answered || !is_fine);
    check(!sse_finish(&decoder, &event));
    sse_decoder_fini(&decoder);
}

/* The same whatever the cuts. */
static enum answer_status check_cuts(struct str bytes, bool is_translated,
                                     bool hides_usage, unsigned seed,
                                     struct buf *whole)
{
    enum answer_status status =
        run_stream(bytes, is_translated, hides_usage, 0, whole);
    struct buf cut;

    buf_init(&cut, OUT_MAX);
    check_frames(buf_str(whole), is_translated, status == ANSWER_ENDED);
    for (unsigned i = 1; i <= 3; i++) {
        buf_clear(&cut);
        check(run_stream(bytes, is_translated, hides_usage, seed * 3 + i,
                         &cut) == status);
        check(str_eq(buf_str(whole), buf_str(&cut)));
    }
    buf_fini(&cut);
    return status;
}

static struct str compact(struct arena *arena, struct str data)
{
    yyjson_doc *doc = oracle_parse(data, true);
    size_t len;
    char *json = yyjson_write(doc, 0, &len);
    struct str text;

    check(json != NULL);
    text = arena_copy(arena, (struct str){json, len});
    free(json);
    yyjson_doc_free(doc);
    return text;
}

/* Compact, without the first `usage`; empty where there is nothing else. */
static struct str without_usage(struct arena *arena, struct str data)
{
    yyjson_doc *doc = oracle_parse(data, true);
    yyjson_mut_doc *copy = yyjson_doc_mut_copy(doc, NULL);
    yyjson_mut_val *root = yyjson_mut_doc_get_root(copy);
    yyjson_mut_obj_iter members;
    yyjson_mut_val *key;
    bool is_usage = false, is_empty = false, is_found = false;
    struct str text = STR("");
    size_t len;
    char *json;

    yyjson_mut_obj_iter_init(root, &members);
    while ((key = yyjson_mut_obj_iter_next(&members)) != NULL) {
        yyjson_mut_val *value = yyjson_mut_obj_iter_get_val(key);

        /* of a member that is there twice the last one says what it is */
        if (yyjson_mut_equals_str(key, "choices"))
            is_empty =
                yyjson_mut_is_arr(value) && yyjson_mut_arr_size(value) == 0;
        if (!yyjson_mut_equals_str(key, "usage"))
            continue;
        is_usage = yyjson_mut_is_obj(value);
        if (!is_found)
            yyjson_mut_obj_iter_remove(&members);
        is_found = true;
    }
    json = yyjson_mut_write(copy, 0, &len);
    check(json != NULL);
    if (!is_usage || !is_empty)
        text = arena_copy(arena, (struct str){json, len});
    free(json);
    yyjson_mut_doc_free(copy);
    yyjson_doc_free(doc);
    return text;
}

static struct str next_frame(struct arena *arena, struct sse_decoder *decoder,
                             struct str *text, bool is_hidden)
{
    struct sse_event event;
    struct str data = STR("");

    while (data.len == 0 && sse_next(decoder, text, &event)) {
        if (str_starts(event.data, STR("[DONE]")))
            data = STR("[DONE]");
        else if (!is_hidden)
            data = without_usage(arena, event.data);
        else
            data = compact(arena, event.data);
    }
    return data;
}

/* A caller who has not asked sees all but the usage. */
static void check_hidden(struct str shown, struct str hidden)
{
    struct sse_decoder decoders[2];
    struct arena arena;
    struct str frame;

    arena_init(&arena);
    sse_decoder_init(&decoders[0], OUT_MAX);
    sse_decoder_init(&decoders[1], OUT_MAX);
    do {
        frame = next_frame(&arena, &decoders[0], &shown, false);
        check(str_eq(frame, next_frame(&arena, &decoders[1], &hidden, true)));
    } while (frame.len > 0);
    sse_decoder_fini(&decoders[0]);
    sse_decoder_fini(&decoders[1]);
    arena_clear(&arena);
}

void oracle_stream(struct str bytes, bool is_translated, unsigned seed)
{
    struct buf shown, hidden;
    enum answer_status status;

    buf_init(&shown, OUT_MAX);
    buf_init(&hidden, OUT_MAX);
    status = check_cuts(bytes, is_translated, false, seed, &shown);
    if (!is_translated) {
        check(check_cuts(bytes, false, true, seed, &hidden) == status);
        check_hidden(buf_str(&shown), buf_str(&hidden));
    }
    buf_fini(&shown);
    buf_fini(&hidden);
}
