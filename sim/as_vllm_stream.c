/* vLLM: from scripts to streams. */
#include "as_vllm.h"

static const struct vllm_answer *answer_of(const struct visit *visit)
{
    return visit->answer;
}

/* --- events ------------------------------------------------------------- */

static void begin(struct visit *visit)
{
    page_field(&visit->page, STR("server"), STR("uvicorn"));
    page_begin(&visit->page, 200, STR("text/event-stream; charset=utf-8"));
}

static void open_event(struct visit *visit, unsigned index)
{
    struct buf *out = &visit->page.out;

    buf_put(out, STR("data: "));
    buf_put(out, answer_of(visit)->prefix);
    buf_put_u64(out, index);
}

/* From behind the delta to the end of the event; `script` when it is the
 * choice's last. */
static void close_event(struct visit *visit, const struct voice *voice,
                        const struct script *script)
{
    struct buf *buf = &visit->page.out;
    struct json_out out = {.buf = buf, .comma = true};

    json_key(&out, STR("logprobs"));
    json_put_null(&out);
    if (script != NULL) {
        as_vllm_put_finish(&out, answer_of(visit), script);
    } else {
        json_key(&out, STR("finish_reason"));
        json_put_null(&out);
    }
    buf_put(buf, STR("}]"));
    if (answer_of(visit)->continuous_usage)
        as_vllm_put_usage(&out, visit, voice->spoken);
    buf_put(buf, STR("}\n\n"));
}

static void put_delta_text(struct visit *visit, const struct voice *voice,
                           struct str key, struct str piece,
                           const struct script *last)
{
    struct buf *buf = &visit->page.out;

    open_event(visit, voice->index);
    buf_put(buf, STR(",\"delta\":{\""));
    buf_put(buf, key);
    buf_put(buf, STR("\":\""));
    json_escape(buf, piece);
    buf_put(buf, STR("\"}"));
    close_event(visit, voice, last);
}

static void put_role(struct visit *visit, const struct voice *voice)
{
    open_event(visit, voice->index);
    buf_put(&visit->page.out,
            STR(",\"delta\":{\"role\":\"assistant\",\"content\":\"\"}"));
    close_event(visit, voice, NULL);
}

static void put_call_piece(struct visit *visit, const struct voice *voice,
                           const struct beat *beat, bool has_name,
                           bool has_piece, const struct script *last)
{
    struct buf *buf = &visit->page.out;
    struct json_out out = json_out_to(buf);

    open_event(visit, voice->index);
    buf_put(buf, STR(",\"delta\":{\"tool_calls\":["));
    json_open(&out, '{');
    json_member_i64(&out, STR("index"),
                    as_vllm_call_number(voice->script, beat->number));
    if (has_name) {
        json_member_str(&out, STR("id"),
                        as_vllm_call_id(visit, voice, beat->number));
        json_member_str(&out, STR("type"), STR("function"));
    }
    json_key(&out, STR("function"));
    json_open(&out, '{');
    if (has_name)
        json_member_str(&out, STR("name"), beat->block->name);
    if (has_piece)
        json_member_str(&out, STR("arguments"), beat->piece);
    json_close(&out, '}');
    json_close(&out, '}');
    buf_put(buf, STR("]}"));
    close_event(visit, voice, last);
}

/* A named call begins with name and arguments in one event, the others with
 * the name alone. */
static void put_call(struct visit *visit, const struct voice *voice,
                     const struct beat *beat, const struct script *last)
{
    bool is_joined = beat->opens && answer_of(visit)->is_choice_named;

    if (beat->opens && !is_joined)
        put_call_piece(visit, voice, beat, true, false, NULL);
    put_call_piece(visit, voice, beat, is_joined, true, last);
}

static void beat_chat(struct visit *visit, const struct voice *voice,
                      const struct beat *beat)
{
    const struct script *last = beat->is_last ? voice->script : NULL;

    if (beat->opens && beat->number == 0)
        put_role(visit, voice);
    switch (beat->block->kind) {
    case SCRIPT_TEXT:
        put_delta_text(visit, voice, STR("content"), beat->piece, last);
        break;
    case SCRIPT_CALL:
        put_call(visit, voice, beat, last);
        break;
    case SCRIPT_THINKING:
        if (!answer_of(visit)->hides_reasoning) {
            put_delta_text(visit, voice, answer_of(visit)->reasoning_key,
                           beat->piece, last);
            break;
        }
        /* fall through */
    case SCRIPT_REDACTED:
    case SCRIPT_SEARCH:
    case SCRIPT_FOUND:
        if (last != NULL)
            put_delta_text(visit, voice, STR("content"), STR(""), last);
        break;
    }
}

static void beat_text(struct visit *visit, const struct voice *voice,
                      const struct beat *beat)
{
    struct buf *buf = &visit->page.out;
    struct str piece = beat->piece;

    if (beat->block->kind != SCRIPT_TEXT)
        piece = STR("");
    open_event(visit, voice->index);
    buf_put(buf, STR(",\"text\":\""));
    if (beat->opens && answer_of(visit)->echoes)
        json_escape(buf,
                    prompt_question(
                        visit->arena,
                        &answer_of(visit)
                             ->prompts[voice->index / answer_of(visit)->n]));
    json_escape(buf, piece);
    buf_put(buf, STR("\""));
    close_event(visit, voice, beat->is_last ? voice->script : NULL);
}

static void put_done(struct visit *visit)
{
    if (!visit->fault.is_set[FAULT_NO_END])
        buf_put(&visit->page.out, STR("data: [DONE]\n\n"));
    page_end(&visit->page);
}

/* A script without content ends in an event of its own. */
static void end_silent(struct visit *visit, const struct voice *voice)
{
    if (voice->script->block_count > 0)
        return;
    if (answer_of(visit)->is_chat) {
        put_role(visit, voice);
        put_delta_text(visit, voice, STR("content"), STR(""), voice->script);
        return;
    }
    open_event(visit, voice->index);
    buf_put(&visit->page.out, STR(",\"text\":\"\""));
    close_event(visit, voice, voice->script);
}

static void end(struct visit *visit)
{
    const struct vllm_answer *answer = answer_of(visit);
    struct buf *buf = &visit->page.out;
    struct json_out out = {.buf = buf, .comma = true};
    struct str head = answer->prefix;
    size_t at;

    for (unsigned i = 0; i < visit->voice_count; i++)
        end_silent(visit, &visit->voices[i]);
    if (answer->include_usage && str_find(head, STR("[{\"index\""), &at)) {
        buf_put(buf, STR("data: "));
        buf_put(buf, str_slice(head, 0, at));
        buf_put(buf, STR("[]"));
        as_vllm_put_usage(&out, visit, visit_spoken(visit));
        buf_put(buf, STR("}\n\n"));
    }
    put_done(visit);
}

static void broken(struct visit *visit)
{
    buf_put(&visit->page.out,
            STR("data: {\"error\":{\"message\":\"EngineCore encountered an "
                "issue.\",\"type\":\"InternalServerError\",\"param\":null,"
                "\"code\":500}}\n\n"));
    put_done(visit);
}

/* --- the two manners ---------------------------------------------------- */

const struct manner as_vllm_chat_manner = {
    .begin = begin,
    .beat = beat_chat,
    .end = end,
    .broken = broken,
    .whole = as_vllm_whole,
    .garbage = STR_INIT("data: {\"id\": this is not JSON\n\n"),
};

const struct manner as_vllm_text_manner = {
    .begin = begin,
    .beat = beat_text,
    .end = end,
    .broken = broken,
    .whole = as_vllm_whole,
    .garbage = STR_INIT("data: {\"id\": this is not JSON\n\n"),
};
