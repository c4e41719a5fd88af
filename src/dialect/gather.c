#include "gather.h"

#include "clip.h"

enum { NAME_MAX_LEN = 256 }; /* bytes, of a call's id and of its name */

void gather_init(struct gather *gather, struct arena *arena, size_t max)
{
    *gather = (struct gather){
        .arena = arena, .max = max, .left = max, .thoughts_left = max / 2};
    for (size_t i = 0; i < GATHER_KINDS; i++)
        buf_init(&gather->texts[i], max);
}

void gather_fini(struct gather *gather)
{
    for (size_t i = 0; i < GATHER_KINDS; i++)
        buf_fini(&gather->texts[i]);
    for (unsigned i = 0; i < gather->call_count; i++)
        buf_fini(&gather->calls[i].arguments);
    gather->call_count = 0;
}

void gather_begin(struct gather *gather)
{
    gather->has_begun = true;
}

/* A text that was cut gets nothing more: it would have a hole.  What is
 * thought must not take the room of what is said. */
static void put(struct gather *gather, struct buf *buf, struct str text,
                bool is_thought)
{
    size_t *left = is_thought && gather->thoughts_left < gather->left
                       ? &gather->thoughts_left
                       : &gather->left;
    struct str piece = str_clip(text, *left);

    gather->has_begun = true;
    buf_put(buf, piece);
    gather->left -= piece.len;
    if (is_thought)
        gather->thoughts_left -= piece.len;
    if (piece.len < text.len) {
        gather->is_clipped = true;
        *left = 0;
    }
}

void gather_text(struct gather *gather, enum gather_kind kind, struct str text)
{
    if (text.len == 0)
        return;
    gather->has_thought = gather->has_thought || kind == GATHER_REASONING;
    put(gather, &gather->texts[kind], text, kind == GATHER_REASONING);
}

/* --- calls --------------------------------------------------------------- */

static struct gather_call *find_call(struct gather *gather, int64_t key)
{
    for (unsigned i = gather->call_count; i > 0; i--)
        if (gather->calls[i - 1].key == key)
            return &gather->calls[i - 1];
    return NULL;
}

static struct gather_call *add_call(struct gather *gather, int64_t key)
{
    struct gather_call *call;

    if (gather->call_count == GATHER_CALLS_MAX || gather->left == 0) {
        gather->is_clipped = true;
        return NULL;
    }
    if (gather->call_count == gather->call_cap) {
        unsigned cap = gather->call_cap == 0 ? 4 : gather->call_cap * 2;
        struct gather_call *grown =
            ARENA_ARRAY(gather->arena, struct gather_call, cap);

        if (gather->call_count > 0)
            memcpy(grown, gather->calls, gather->call_count * sizeof(*grown));
        gather->calls = grown;
        gather->call_cap = cap;
    }
    call = &gather->calls[gather->call_count++];
    *call = (struct gather_call){.key = key};
    buf_init(&call->arguments, gather->max);
    gather->has_begun = true;
    return call;
}

static void name(struct gather *gather, struct str *to, struct str text)
{
    if (to->len == 0 && text.len > 0)
        *to = arena_copy(gather->arena, str_clip(text, NAME_MAX_LEN));
}

void gather_call(struct gather *gather, int64_t key,
                 const struct chat_call *told)
{
    struct gather_call *call = find_call(gather, key);

    if (call == NULL)
        call = add_call(gather, key);
    if (call == NULL)
        return;
    name(gather, &call->id, told->id);
    name(gather, &call->name, told->name);
    call->is_custom = call->is_custom || told->is_custom;
}

void gather_arguments(struct gather *gather, int64_t key, struct str text)
{
    struct gather_call *call = find_call(gather, key);

    if (call != NULL && text.len > 0)
        put(gather, &call->arguments, text, false);
}

void gather_input(struct gather *gather, int64_t key, yyjson_val *input)
{
    struct json_out out;
    struct buf text;

    buf_init(&text, gather->left);
    out = json_out_to(&text);
    json_put_val(&out, input);
    gather_arguments(gather, key, buf_str(&text));
    if (buf_failed(&text)) {
        gather->is_clipped = true;
        gather->left = 0;
    }
    buf_fini(&text);
}

/* --- the common form ------------------------------------------------------ */

/* Of a block that was told piece by piece the pieces are here already. */
static void end_thought(struct gather *gather, const struct chat_block *block)
{
    if (block->kind == CHAT_BLOCK_THINKING && !gather->has_thought)
        gather_text(gather, GATHER_REASONING, block->text);
    gather->has_thought = false;
}

void gather_event(struct gather *gather, const struct chat_event *event)
{
    switch (event->kind) {
    case CHAT_EVENT_START:
        gather_begin(gather);
        break;
    case CHAT_EVENT_TEXT:
        gather_text(gather, GATHER_CONTENT, event->text);
        break;
    case CHAT_EVENT_THINKING:
        gather_text(gather, GATHER_REASONING, event->text);
        break;
    case CHAT_EVENT_BLOCK:
        end_thought(gather, &event->block);
        break;
    case CHAT_EVENT_CALL:
        gather_call(gather, event->index, &event->call);
        break;
    case CHAT_EVENT_ARGUMENTS:
        gather_arguments(gather, event->index, event->text);
        break;
    case CHAT_EVENT_END:
        gather_text(gather, GATHER_REFUSAL, event->refusal);
        break;
    case CHAT_EVENT_ERROR:
        break;
    }
}

void gather_answer(struct gather *gather, const struct chat_answer *answer)
{
    gather_begin(gather);
    for (unsigned i = 0; i < answer->block_count; i++) {
        const struct chat_block *block = &answer->blocks[i];

        switch (block->kind) {
        case CHAT_BLOCK_TEXT:
            gather_text(gather, GATHER_CONTENT, block->text);
            break;
        case CHAT_BLOCK_THINKING:
            gather_text(gather, GATHER_REASONING, block->text);
            break;
        case CHAT_BLOCK_CALL:
            gather_call(gather, i, &block->call);
            gather_arguments(gather, i, block->call.arguments);
            break;
        case CHAT_BLOCK_REDACTED:
            break;
        }
    }
    gather_text(gather, GATHER_REFUSAL, answer->refusal);
}

/* --- the result ----------------------------------------------------------- */

static void put_call(struct clip *clip, const struct gather_call *call)
{
    struct str inside = call->is_custom ? STR("custom") : STR("function");
    struct str arguments = buf_str(&call->arguments);

    if (!clip_open(clip, '{'))
        return;
    clip_member(clip, STR("id"), call->id);
    clip_member(clip, STR("type"), inside);
    if (clip_key(clip, inside) && clip_open(clip, '{')) {
        clip_member(clip, STR("name"), call->name);
        if (call->is_custom)
            clip_member(clip, STR("input"), arguments);
        else
            clip_member(clip, STR("arguments"),
                        arguments.len > 0 ? arguments : STR("{}"));
        clip_close(clip, '}');
    }
    clip_close(clip, '}');
}

static void put_calls(struct clip *clip, const struct gather *gather)
{
    if (gather->call_count == 0 || !clip_key(clip, STR("tool_calls")) ||
        !clip_open(clip, '['))
        return;
    for (unsigned i = 0; i < gather->call_count; i++)
        put_call(clip, &gather->calls[i]);
    clip_close(clip, ']');
}

static void put_text(struct clip *clip, struct str key, const struct buf *text)
{
    if (text->len > 0)
        clip_member(clip, key, buf_str(text));
}

struct str gather_result(struct gather *gather)
{
    struct str result = STR("");
    struct clip clip;
    struct buf text;

    if (!gather->has_begun)
        return result;
    buf_init(&text, gather->max);
    clip_init(&clip, &text, gather->max);
    if (clip_open(&clip, '{')) {
        clip_member(&clip, STR("role"), STR("assistant"));
        clip_member(&clip, STR("content"),
                    buf_str(&gather->texts[GATHER_CONTENT]));
        put_calls(&clip, gather);
        put_text(&clip, STR("refusal"), &gather->texts[GATHER_REFUSAL]);
        put_text(&clip, STR("reasoning_content"),
                 &gather->texts[GATHER_REASONING]);
        clip_close(&clip, '}');
        if (!buf_failed(&text))
            result = arena_copy(gather->arena, buf_str(&text));
    }
    gather->is_clipped = gather->is_clipped || clip.is_clipped;
    buf_fini(&text);
    return result;
}
