/* OpenAI Chat Completions of a backend: streamed answers in.
 *
 *   chunk: choices[0].delta {role, reasoning, content, tool_calls}, usage …
 *   chunk: choices[0].finish_reason, often with the last piece of content
 *   chunk: no choices, usage
 *   [DONE]
 *
 * Chunks may hold fragments of several tool calls, mixed; the common form has
 * one call after the other.  So the first call is told as it comes, the others
 * and what is said after it are held until the end. */
#include "openai_backend_private.h"

enum { CALLS_MAX = 1024 };

/* All that is held, in bytes. */
static const size_t held_max = 16 * 1024 * 1024;

struct call {
    int64_t index; /* the backend's, or NO_INDEX */
    struct str id;
    struct str name;
    struct buf arguments; /* not told yet */
    bool is_custom;
    bool is_told;
};

enum { NO_INDEX = -1, LEGACY_INDEX = -2 };

struct openai_chunks {
    struct arena *arena;
    const struct names *names;
    struct str id;
    bool has_started;
    bool has_ended;
    bool is_thinking; /* the last word was that */
    bool is_saying;
    bool has_token;
    bool has_text;
    bool has_reason;
    struct str reason;
    struct str stop_sequence;
    struct chat_usage usage;

    struct call *calls;
    unsigned call_count, call_cap;
    struct buf blank; /* white space that waits for company */
    struct buf late_thinking, late_text;
    struct buf refusal;
    size_t held;
    bool is_broken; /* too much to hold */
};

struct openai_chunks *openai_chunks_open(struct arena *arena,
                                         const struct names *names)
{
    struct openai_chunks *chunks = ARENA_NEW(arena, struct openai_chunks);

    chunks->arena = arena;
    chunks->names = names;
    buf_init(&chunks->blank, held_max);
    buf_init(&chunks->late_thinking, held_max);
    buf_init(&chunks->late_text, held_max);
    buf_init(&chunks->refusal, held_max);
    return chunks;
}

void openai_chunks_close(struct openai_chunks *chunks)
{
    for (unsigned i = 0; i < chunks->call_count; i++)
        buf_fini(&chunks->calls[i].arguments);
    buf_fini(&chunks->blank);
    buf_fini(&chunks->late_thinking);
    buf_fini(&chunks->late_text);
    buf_fini(&chunks->refusal);
}

/* --- what is held ------------------------------------------------------- */

static bool may_hold(struct openai_chunks *chunks, size_t bytes)
{
    if (bytes > held_max - chunks->held)
        chunks->is_broken = true;
    else
        chunks->held += bytes;
    return !chunks->is_broken;
}

static void hold(struct openai_chunks *chunks, struct buf *in, struct str text)
{
    if (!may_hold(chunks, text.len))
        return;
    buf_put(in, text);
    chunks->is_broken = buf_failed(in);
}

static struct str keep(struct openai_chunks *chunks, struct str text)
{
    return text.len > 0 && may_hold(chunks, text.len)
               ? arena_copy(chunks->arena, text)
               : STR("");
}

/* --- telling ------------------------------------------------------------ */

static void tell(const struct chat_listener *listener,
                 const struct chat_event *event)
{
    listener->on_event(listener->ctx, event);
}

static void tell_text(const struct chat_listener *listener,
                      enum chat_event_kind kind, struct str text)
{
    tell(listener, &(struct chat_event){.kind = kind, .text = text});
}

static void start(struct openai_chunks *chunks, yyjson_val *root,
                  const struct chat_listener *listener)
{
    struct str given = json_get_text(root, STR("id"));

    if (chunks->has_started)
        return;
    chunks->has_started = true;
    chunks->id = keep(chunks, openai_bare_id(given));
    tell(listener, &(struct chat_event){
                       .kind = CHAT_EVENT_START,
                       .id = chunks->id,
                       .given_id = given,
                       .usage = chunks->usage,
                   });
}

static void stop_thinking(struct openai_chunks *chunks,
                          const struct chat_listener *listener)
{
    if (!chunks->is_thinking)
        return;
    chunks->is_thinking = false;
    tell(listener, &(struct chat_event){
                       .kind = CHAT_EVENT_BLOCK,
                       .block.kind = CHAT_BLOCK_THINKING,
                   });
}

static void tell_call(struct openai_chunks *chunks, unsigned i,
                      const struct chat_listener *listener)
{
    struct call *call = &chunks->calls[i];

    if (call->is_told)
        return;
    call->is_told = true;
    if (call->id.len == 0)
        call->id = openai_call_id(chunks->arena, chunks->id, i);
    tell(listener, &(struct chat_event){
                       .kind = CHAT_EVENT_CALL,
                       .index = i,
                       .call.id = call->id,
                       .call.name = call->name,
                       .call.is_custom = call->is_custom,
                   });
}

static void tell_arguments(struct openai_chunks *chunks, unsigned i,
                           struct str text,
                           const struct chat_listener *listener)
{
    if (text.len > 0)
        tell(listener, &(struct chat_event){
                           .kind = CHAT_EVENT_ARGUMENTS,
                           .index = i,
                           .call.is_custom = chunks->calls[i].is_custom,
                           .text = text,
                       });
}

/* --- what was thought and said ------------------------------------------ */

static void take_thinking(struct openai_chunks *chunks, struct str text,
                          const struct chat_listener *listener)
{
    if (text.len == 0)
        return;
    chunks->has_token = true;
    if (chunks->call_count > 0) {
        hold(chunks, &chunks->late_thinking, text);
        return;
    }
    chunks->is_thinking = true;
    chunks->is_saying = false;
    tell_text(listener, CHAT_EVENT_THINKING, text);
}

/* White space alone is none of the answer yet: templates leave it around what
 * was thought and before calls. */
static void take_text(struct openai_chunks *chunks, struct str text,
                      const struct chat_listener *listener)
{
    if (text.len == 0)
        return;
    if (chunks->call_count > 0) {
        hold(chunks, &chunks->late_text, text);
        return;
    }
    if (!chunks->is_saying) {
        if (str_is_blank(text)) {
            hold(chunks, &chunks->blank, text);
            return;
        }
        stop_thinking(chunks, listener);
        chunks->is_saying = true;
        chunks->has_token = chunks->has_text = true;
        if (chunks->blank.len > 0) {
            hold(chunks, &chunks->blank, text);
            tell_text(listener, CHAT_EVENT_TEXT, buf_str(&chunks->blank));
            chunks->held -= chunks->blank.len;
            buf_clear(&chunks->blank);
            return;
        }
    }
    tell_text(listener, CHAT_EVENT_TEXT, text);
}

/* --- tool calls --------------------------------------------------------- */

static struct call *call_add(struct openai_chunks *chunks, int64_t index)
{
    struct call *call;

    if (chunks->call_count == CALLS_MAX) {
        chunks->is_broken = true;
        return NULL;
    }
    if (chunks->call_count == chunks->call_cap) {
        unsigned cap = chunks->call_cap == 0 ? 4 : chunks->call_cap * 2;
        struct call *grown = ARENA_ARRAY(chunks->arena, struct call, cap);

        if (chunks->call_count > 0)
            memcpy(grown, chunks->calls, chunks->call_count * sizeof(*grown));
        chunks->calls = grown;
        chunks->call_cap = cap;
    }
    call = &chunks->calls[chunks->call_count++];
    call->index = index;
    buf_init(&call->arguments, held_max);
    return call;
}

/* The call that a fragment belongs to, by its index; by its id where a server
 * leaves the index out, and then one without either goes on with the last. */
static struct call *call_of(struct openai_chunks *chunks, int64_t index,
                            struct str id, bool has_name)
{
    for (unsigned i = chunks->call_count; i > 0; i--) {
        struct call *call = &chunks->calls[i - 1];

        if (index != NO_INDEX ? call->index == index
            : id.len > 0      ? str_eq(call->id, id)
                              : !has_name)
            return call;
    }
    return call_add(chunks, index);
}

static void take_name(struct openai_chunks *chunks, struct call *call,
                      struct str name, bool is_custom)
{
    const struct names_tool *tool;

    if (call->name.len > 0 || name.len == 0)
        return; /* some servers repeat it */
    tool = names_find(chunks->names, name);
    call->name = keep(chunks, tool == NULL ? name : tool->original);
    call->is_custom = is_custom || (tool != NULL && tool->is_custom);
}

/* The first call goes out as it comes, as soon as its name is known; the text
 * of a custom tool stands inside its arguments and must be whole. */
static void take_arguments(struct openai_chunks *chunks, struct call *call,
                           yyjson_val *value,
                           const struct chat_listener *listener)
{
    bool is_live = call == chunks->calls && call->name.len > 0;
    struct str piece = json_text(value);

    if (is_live)
        tell_call(chunks, 0, listener);
    is_live = is_live && !call->is_custom;
    if (is_live && call->arguments.len == 0 && yyjson_is_str(value)) {
        tell_arguments(chunks, 0, piece, listener);
        return;
    }
    if (value != NULL && !yyjson_is_str(value)) {
        struct json_out out = json_out_to(&call->arguments);
        size_t before = call->arguments.len;

        json_put_val(&out, value); /* not by the book: the object itself */
        if (!may_hold(chunks, call->arguments.len - before) ||
            buf_failed(&call->arguments))
            chunks->is_broken = true;
    } else {
        hold(chunks, &call->arguments, piece);
    }
    if (is_live) {
        tell_arguments(chunks, 0, buf_str(&call->arguments), listener);
        chunks->held -= call->arguments.len;
        buf_clear(&call->arguments);
    }
}

static void take_call(struct openai_chunks *chunks, int64_t index,
                      struct str id, yyjson_val *function, bool is_custom,
                      const struct chat_listener *listener)
{
    struct str name = json_get_text(function, STR("name"));
    struct call *call = call_of(chunks, index, id, name.len > 0);

    if (call == NULL)
        return;
    stop_thinking(chunks, listener);
    chunks->is_saying = false;
    chunks->has_token = true;
    if (call->id.len == 0)
        call->id = keep(chunks, id);
    take_name(chunks, call, name, is_custom);
    take_arguments(
        chunks, call,
        json_get(function, is_custom ? STR("input") : STR("arguments")),
        listener);
}

static void take_calls(struct openai_chunks *chunks, yyjson_val *delta,
                       const struct chat_listener *listener)
{
    yyjson_val *legacy = json_get(delta, STR("function_call"));

    json_each_item (item, json_get(delta, STR("tool_calls"))) {
        yyjson_val *custom = json_get(item, STR("custom"));
        int64_t index;

        if (!json_to_i64(json_get(item, STR("index")), &index) || index < 0)
            index = NO_INDEX;
        take_call(chunks, index, json_get_text(item, STR("id")),
                  custom != NULL ? custom : json_get(item, STR("function")),
                  custom != NULL, listener);
    }
    if (legacy != NULL)
        take_call(chunks, LEGACY_INDEX, STR(""), legacy, false, listener);
}

/* --- the end ------------------------------------------------------------ */

static void tell_rest(struct openai_chunks *chunks,
                      const struct chat_listener *listener)
{
    stop_thinking(chunks, listener);
    for (unsigned i = 0; i < chunks->call_count; i++) {
        struct call *call = &chunks->calls[i];
        struct str text = buf_str(&call->arguments);
        struct arena arena;

        arena_init(&arena);
        tell_call(chunks, i, listener);
        if (call->is_custom)
            text = openai_custom_text(&arena, text);
        tell_arguments(chunks, i, text, listener);
        arena_clear(&arena);
    }
    if (!str_is_blank(buf_str(&chunks->late_thinking))) {
        chunks->is_thinking = true;
        tell_text(listener, CHAT_EVENT_THINKING,
                  buf_str(&chunks->late_thinking));
        stop_thinking(chunks, listener);
    }
    if (!str_is_blank(buf_str(&chunks->late_text)))
        tell_text(listener, CHAT_EVENT_TEXT, buf_str(&chunks->late_text));
}

static void finish(struct openai_chunks *chunks,
                   const struct chat_listener *listener)
{
    enum chat_finish finish =
        openai_finish_of(chunks->reason, chunks->call_count > 0,
                         chunks->refusal.len > 0 && !chunks->has_text);

    chunks->has_ended = true;
    tell_rest(chunks, listener);
    tell(listener, &(struct chat_event){
                       .kind = CHAT_EVENT_END,
                       .finish = finish,
                       .stop_sequence = finish == CHAT_FINISH_STOP
                                            ? chunks->stop_sequence
                                            : (struct str){NULL, 0},
                       .refusal = buf_str(&chunks->refusal),
                       .usage = chunks->usage,
                   });
}

static void fail(struct openai_chunks *chunks, const struct chat_error *error,
                 const struct chat_listener *listener)
{
    chunks->has_ended = true;
    tell(listener,
         &(struct chat_event){.kind = CHAT_EVENT_ERROR, .error = *error});
}

/* --- chunks ------------------------------------------------------------- */

static void take_reason(struct openai_chunks *chunks, yyjson_val *choice,
                        const struct chat_listener *listener)
{
    struct str reason = json_get_text(choice, STR("finish_reason"));
    struct chat_error error;

    if (reason.len == 0 || chunks->has_reason)
        return;
    if (openai_is_failure(reason, ERR_STREAM_ERROR, &error)) {
        fail(chunks, &error, listener);
        return;
    }
    chunks->has_reason = true;
    chunks->reason = keep(chunks, reason);
    /* a number is the token that ended it: no sequence of the caller's */
    if (yyjson_is_str(json_get(choice, STR("stop_reason"))))
        chunks->stop_sequence =
            keep(chunks, json_get_text(choice, STR("stop_reason")));
}

static void take_delta(struct openai_chunks *chunks, struct arena *arena,
                       yyjson_val *delta, const struct chat_listener *listener)
{
    yyjson_val *content = json_get(delta, STR("content"));
    struct str text = openai_text_of(arena, content);

    if (content != NULL && yyjson_obj_size(delta) == 1) { /* nearly always */
        take_text(chunks, text, listener);
        return;
    }
    take_thinking(chunks, openai_reasoning_of(delta), listener);
    take_text(chunks, text, listener);
    take_calls(chunks, delta, listener);
    hold(chunks, &chunks->refusal, json_get_text(delta, STR("refusal")));
}

static void take_choice(struct openai_chunks *chunks, struct arena *arena,
                        yyjson_val *choice,
                        const struct chat_listener *listener)
{
    if (json_get_i64(choice, STR("index")) != 0)
        return; /* one answer was asked for */
    take_delta(chunks, arena, json_get(choice, STR("delta")), listener);
    take_reason(chunks, choice, listener);
}

static bool take_chunk(struct openai_chunks *chunks, struct arena *arena,
                       yyjson_val *root, const struct chat_listener *listener)
{
    yyjson_val *choices = NULL, *usage = NULL;
    bool is_error = false;

    json_each_member (key, value, root) {
        struct str name = json_text(key);

        if (str_eq(name, STR("choices")))
            choices = value;
        else if (str_eq(name, STR("usage")))
            usage = value;
        else if (str_eq(name, STR("error")))
            is_error = !yyjson_is_null(value);
    }
    if (is_error) {
        struct chat_error error;

        openai_read_stream_error(arena, root, &error);
        fail(chunks, &error, listener);
        return true;
    }
    if (!yyjson_is_arr(choices))
        return false;
    openai_read_usage(usage, &chunks->usage);
    start(chunks, root, listener);
    json_each_item (choice, choices) {
        if (!chunks->has_ended && !chunks->is_broken)
            take_choice(chunks, arena, choice, listener);
    }
    if (chunks->is_broken)
        return false;
    if (chunks->has_reason && yyjson_is_obj(usage) &&
        yyjson_arr_size(choices) == 0)
        finish(chunks, listener);
    return true;
}

/* Some servers give no reason; but an empty success is none. */
static bool take_done(struct openai_chunks *chunks,
                      const struct chat_listener *listener)
{
    if (!chunks->has_reason && !chunks->has_token && chunks->refusal.len == 0)
        return false;
    finish(chunks, listener);
    return true;
}

bool openai_chunks_read(struct openai_chunks *chunks, struct str data,
                        const struct chat_listener *listener)
{
    struct arena arena;
    struct json_doc doc;
    struct json_error ignored;
    bool ok;

    if (chunks->has_ended)
        return true;
    if (str_starts(data, STR("[DONE]")))
        return take_done(chunks, listener);
    arena_init(&arena);
    ok = json_read(&arena, data, &doc, &ignored) && yyjson_is_obj(doc.root) &&
         take_chunk(chunks, &arena, doc.root, listener);
    arena_clear(&arena);
    return ok;
}

bool openai_chunks_end(struct openai_chunks *chunks,
                       const struct chat_listener *listener)
{
    if (!chunks->has_ended && chunks->has_reason)
        finish(chunks, listener);
    return chunks->has_ended;
}
