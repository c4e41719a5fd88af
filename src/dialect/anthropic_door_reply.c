/* Anthropic Messages at the door: complete answers out, and what streams say
 * in the same words. */
#include "anthropic_door.h"

/* What comes from a backend, in bytes. */
enum { ID_MAX = 128 };

/* --- shared with streams ------------------------------------------------ */

static bool is_sequence(enum chat_finish finish, bool has_calls,
                        struct str stop_sequence)
{
    return finish != CHAT_FINISH_LENGTH &&
           finish != CHAT_FINISH_CONTENT_FILTER && !has_calls &&
           stop_sequence.ptr != NULL;
}

/* Some servers say "stop" with a call: that there is one decides. */
static struct str stop_reason(enum chat_finish finish, bool has_calls,
                              struct str stop_sequence)
{
    if (finish == CHAT_FINISH_CONTENT_FILTER)
        return STR("refusal");
    if (finish == CHAT_FINISH_LENGTH)
        return STR("max_tokens");
    if (has_calls)
        return STR("tool_use");
    return is_sequence(finish, has_calls, stop_sequence) ? STR("stop_sequence")
                                                         : STR("end_turn");
}

static void put_null(struct json_out *out, struct str key)
{
    json_key(out, key);
    json_put_null(out);
}

void anthropic_put_stop(struct json_out *out, enum chat_finish finish,
                        bool has_calls, struct str stop_sequence,
                        struct str refusal)
{
    json_member_str(out, STR("stop_reason"),
                    stop_reason(finish, has_calls, stop_sequence));
    json_key(out, STR("stop_sequence"));
    if (is_sequence(finish, has_calls, stop_sequence))
        json_put_str(out, stop_sequence);
    else
        json_put_null(out);
    json_key(out, STR("stop_details"));
    if (finish != CHAT_FINISH_CONTENT_FILTER) {
        json_put_null(out);
        return;
    }
    json_open(out, '{');
    json_member_str(out, STR("type"), STR("refusal"));
    put_null(out, STR("category"));
    json_key(out, STR("explanation"));
    if (refusal.len > 0)
        json_put_str(out, refusal);
    else
        json_put_null(out);
    json_close(out, '}');
}

/* Anthropic counts cached tokens apart, the common form inside `input`. */
void anthropic_put_counts(struct json_out *out, const struct chat_usage *usage)
{
    int64_t input = usage->input - usage->cache_read - usage->cache_write;

    json_member_i64(out, STR("input_tokens"), input > 0 ? input : 0);
    json_member_i64(out, STR("output_tokens"), usage->output);
    json_member_i64(out, STR("cache_creation_input_tokens"),
                    usage->cache_write);
    json_member_i64(out, STR("cache_read_input_tokens"), usage->cache_read);
    json_key(out, STR("output_tokens_details"));
    if (usage->has_reasoning) {
        json_open(out, '{');
        json_member_i64(out, STR("thinking_tokens"), usage->reasoning);
        json_close(out, '}');
    } else {
        json_put_null(out);
    }
    put_null(out, STR("server_tool_use"));
}

void anthropic_put_usage(struct json_out *out, const struct chat_usage *usage)
{
    json_key(out, STR("usage"));
    json_open(out, '{');
    anthropic_put_counts(out, usage);
    json_key(out, STR("cache_creation"));
    if (usage->cache_write > 0) {
        json_open(out, '{');
        json_member_i64(out, STR("ephemeral_5m_input_tokens"),
                        usage->cache_write - usage->cache_write_1h);
        json_member_i64(out, STR("ephemeral_1h_input_tokens"),
                        usage->cache_write_1h);
        json_close(out, '}');
    } else {
        json_put_null(out);
    }
    json_member_str(out, STR("service_tier"),
                    str_eq(usage->service_tier, STR("priority"))
                        ? STR("priority")
                        : STR("standard"));
    put_null(out, STR("inference_geo"));
    put_null(out, STR("speed"));
    json_close(out, '}');
}

void anthropic_put_head(struct json_out *out, struct str id, struct str model)
{
    json_key(out, STR("id"));
    json_put_raw(out, STR("\"msg_"));
    json_escape(out->buf, str_clip(id, ID_MAX));
    buf_put_char(out->buf, '"');
    json_member_str(out, STR("type"), STR("message"));
    json_member_str(out, STR("role"), STR("assistant"));
    json_member_str(out, STR("model"), model);
}

void anthropic_put_tail(struct json_out *out)
{
    put_null(out, STR("container"));
    put_null(out, STR("diagnostics"));
}

void anthropic_put_call_head(struct json_out *out, const struct chat_call *call,
                             struct str answer_id, unsigned index)
{
    struct arena arena;
    struct str id = call->id;

    arena_init(&arena);
    if (id.len == 0) {
        answer_id = str_clip(answer_id, ID_MAX);
        id = arena_printf(&arena, "call_%.*s_%u", STR_ARG(answer_id), index);
    }
    json_member_str(out, STR("type"), STR("tool_use"));
    json_member_str(out, STR("id"), names_token(&arena, id));
    json_member_str(out, STR("name"), call->name);
    arena_clear(&arena);
}

bool anthropic_shows(const struct answer_style *style,
                     const struct chat_block *block)
{
    bool is_signed =
        block->signature.len > 0 && !str_eq(block->signature, CHAT_UNSIGNED);

    if (block->kind == CHAT_BLOCK_REDACTED || is_signed)
        return true; /* the caller must send it back */
    return style->shows_reasoning && block->text.len > 0;
}

void anthropic_put_thinking(struct json_out *out,
                            const struct chat_block *block)
{
    json_open(out, '{');
    if (block->kind == CHAT_BLOCK_REDACTED) {
        json_member_str(out, STR("type"), STR("redacted_thinking"));
        json_member_str(out, STR("data"), block->text);
    } else {
        json_member_str(out, STR("type"), STR("thinking"));
        json_member_str(out, STR("thinking"), block->text);
        json_member_str(out, STR("signature"),
                        block->signature.len > 0 ? block->signature
                                                 : CHAT_UNSIGNED);
    }
    json_close(out, '}');
}

/* --- a complete answer -------------------------------------------------- */

static bool has_calls(const struct chat_answer *answer)
{
    for (unsigned i = 0; i < answer->block_count; i++)
        if (answer->blocks[i].kind == CHAT_BLOCK_CALL)
            return true;
    return false;
}

static void put_call(struct json_out *out, const struct chat_answer *answer,
                     const struct chat_call *call, unsigned index)
{
    struct arena arena;

    arena_init(&arena);
    json_open(out, '{');
    anthropic_put_call_head(out, call, answer->id, index);
    json_key(out, STR("input"));
    anthropic_put_call_input(out, &arena, call);
    json_key(out, STR("caller"));
    json_put_raw(out, STR("{\"type\":\"direct\"}"));
    json_close(out, '}');
    arena_clear(&arena);
}

static void put_text(struct json_out *out, struct str text)
{
    json_open(out, '{');
    json_member_str(out, STR("type"), STR("text"));
    json_member_str(out, STR("text"), text);
    put_null(out, STR("citations"));
    json_close(out, '}');
}

/* Blank text beside calls is what some models put between their thoughts and
 * their calls; Anthropic would not take it back. */
static void put_content(struct json_out *out, const struct answer_style *style,
                        const struct chat_answer *answer)
{
    bool calls = has_calls(answer);
    unsigned index = 0;

    json_key(out, STR("content"));
    json_open(out, '[');
    for (unsigned i = 0; i < answer->block_count; i++) {
        const struct chat_block *block = &answer->blocks[i];

        switch (block->kind) {
        case CHAT_BLOCK_TEXT:
            if (block->text.len > 0 && !(calls && str_is_blank(block->text)))
                put_text(out, block->text);
            break;
        case CHAT_BLOCK_THINKING:
        case CHAT_BLOCK_REDACTED:
            if (anthropic_shows(style, block))
                anthropic_put_thinking(out, block);
            break;
        case CHAT_BLOCK_CALL:
            put_call(out, answer, &block->call, index++);
            break;
        }
    }
    json_close(out, ']');
}

void anthropic_write_answer(const struct answer_style *style,
                            const struct chat_answer *answer, struct buf *buf)
{
    struct json_out out = json_out_to(buf);

    json_open(&out, '{');
    anthropic_put_head(&out, answer->id, style->model);
    put_content(&out, style, answer);
    anthropic_put_stop(&out, answer->finish, has_calls(answer),
                       answer->stop_sequence, answer->refusal);
    anthropic_put_tail(&out);
    anthropic_put_usage(&out, &answer->usage);
    json_close(&out, '}');
}
