/* vLLM: from scripts to answers, in one piece or as a stream. */
#include "as_vllm.h"
#include "brain.h"
#include "clock.h"
#include "spell.h"

enum { WHOLE_MAX = 64 * 1024 * 1024 };

static const struct vllm_answer *answer_of(const struct visit *visit)
{
    return visit->answer;
}

/* --- pieces that both ways share ---------------------------------------- */

static struct str finish_reason(const struct vllm_answer *answer,
                                const struct script *script)
{
    if (script->end == SCRIPT_LENGTH)
        return STR("length");
    /* with a named choice vLLM says "stop", although there is a call */
    if (script->end == SCRIPT_CALLS && !answer->is_choice_named)
        return STR("tool_calls");
    return STR("stop");
}

static void put_finish(struct json_out *out, const struct vllm_answer *answer,
                       const struct script *script)
{
    json_member_str(out, STR("finish_reason"), finish_reason(answer, script));
    json_key(out, STR("stop_reason"));
    if (script->end == SCRIPT_STOP_TEXT)
        json_put_str(out, script->stop);
    else
        json_put_null(out);
}

static void put_usage(struct json_out *out, const struct visit *visit,
                      size_t spoken)
{
    size_t thought = 0;

    for (unsigned i = 0; i < visit->voice_count; i++)
        thought += visit->voices[i].script->thinking_tokens;
    if (thought > spoken)
        thought = spoken;
    json_key(out, STR("usage"));
    json_open(out, '{');
    json_member_i64(out, STR("prompt_tokens"), (int64_t)visit->prompt_tokens);
    json_member_i64(out, STR("total_tokens"),
                    (int64_t)(visit->prompt_tokens + spoken));
    json_member_i64(out, STR("completion_tokens"), (int64_t)spoken);
    json_key(out, STR("prompt_tokens_details"));
    json_open(out, '{');
    json_member_i64(out, STR("cached_tokens"), (int64_t)visit->cached_tokens);
    json_close(out, '}');
    if (thought > 0) {
        json_key(out, STR("completion_tokens_details"));
        json_open(out, '{');
        json_member_i64(out, STR("reasoning_tokens"), (int64_t)thought);
        json_close(out, '}');
    }
    json_close(out, '}');
}

static struct str call_id(const struct visit *visit, unsigned voice,
                          unsigned block)
{
    uint64_t seed = answer_of(visit)->seed + voice * SCRIPT_MAX_BLOCKS + block;

    return arena_printf(visit->arena, "chatcmpl-tool-%.*s",
                        STR_ARG(spell_hex(visit->arena, spell_mix(seed), 32)));
}

/* Calls are numbered by themselves. */
static unsigned call_number(const struct script *script, unsigned block)
{
    unsigned number = 0;

    for (unsigned i = 0; i < block; i++)
        number += script->blocks[i].kind == SCRIPT_CALL;
    return number;
}

/* --- streams ------------------------------------------------------------ */

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
    struct json_out out = {buf, true};

    json_key(&out, STR("logprobs"));
    json_put_null(&out);
    if (script != NULL) {
        put_finish(&out, answer_of(visit), script);
    } else {
        json_key(&out, STR("finish_reason"));
        json_put_null(&out);
    }
    buf_put(buf, STR("}]"));
    if (answer_of(visit)->continuous_usage)
        put_usage(&out, visit, voice->spoken);
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
                    call_number(voice->script, beat->number));
    if (has_name) {
        json_member_str(&out, STR("id"),
                        call_id(visit, voice->index, beat->number));
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
            put_delta_text(visit, voice, STR("reasoning"), beat->piece, last);
            break;
        }
        /* fall through */
    case SCRIPT_REDACTED:
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
    struct json_out out = {buf, true};
    struct str head = answer->prefix;
    size_t at;

    for (unsigned i = 0; i < visit->voice_count; i++)
        end_silent(visit, &visit->voices[i]);
    if (answer->include_usage && str_find(head, STR("[{\"index\""), &at)) {
        buf_put(buf, STR("data: "));
        buf_put(buf, str_slice(head, 0, at));
        buf_put(buf, STR("[]"));
        put_usage(&out, visit, visit_spoken(visit));
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

/* --- in one piece ------------------------------------------------------- */

static void put_calls(struct json_out *out, const struct visit *visit,
                      const struct voice *voice)
{
    const struct script *script = voice->script;

    json_key(out, STR("tool_calls"));
    json_open(out, '[');
    for (unsigned i = 0; i < script->block_count; i++) {
        const struct script_block *block = &script->blocks[i];

        if (block->kind != SCRIPT_CALL)
            continue;
        json_open(out, '{');
        json_member_str(out, STR("id"), call_id(visit, voice->index, i));
        json_member_str(out, STR("type"), STR("function"));
        json_key(out, STR("function"));
        json_open(out, '{');
        json_member_str(out, STR("name"), block->name);
        json_member_str(out, STR("arguments"), block->text);
        json_close(out, '}');
        json_close(out, '}');
    }
    json_close(out, ']');
}

/* The text of the first block of that kind; ptr NULL when there is none. */
static struct str text_of(const struct script *script, enum script_kind kind)
{
    for (unsigned i = 0; i < script->block_count; i++)
        if (script->blocks[i].kind == kind)
            return script->blocks[i].text.ptr == NULL ? STR("")
                                                      : script->blocks[i].text;
    return (struct str){NULL, 0};
}

static void put_text_or_null(struct json_out *out, struct str key,
                             struct str text)
{
    json_key(out, key);
    if (text.ptr == NULL)
        json_put_null(out);
    else
        json_put_str(out, text);
}

static void put_null(struct json_out *out, struct str key)
{
    json_key(out, key);
    json_put_null(out);
}

static void put_message(struct json_out *out, const struct visit *visit,
                        const struct voice *voice)
{
    const struct vllm_answer *answer = answer_of(visit);
    struct str content = text_of(voice->script, SCRIPT_TEXT);
    struct str thought = text_of(voice->script, SCRIPT_THINKING);

    /* a call alone has null for content, but "" when it was forced */
    if (content.ptr == NULL &&
        (answer->is_choice_named || voice->script->end != SCRIPT_CALLS))
        content = STR("");
    if (answer->hides_reasoning)
        thought = (struct str){NULL, 0};
    json_key(out, STR("message"));
    json_open(out, '{');
    json_member_str(out, STR("role"), STR("assistant"));
    put_text_or_null(out, STR("content"), content);
    put_null(out, STR("refusal"));
    put_null(out, STR("annotations"));
    put_null(out, STR("audio"));
    put_null(out, STR("function_call"));
    put_calls(out, visit, voice);
    put_text_or_null(out, STR("reasoning"), thought);
    json_close(out, '}');
}

static void put_text(struct json_out *out, const struct visit *visit,
                     const struct voice *voice)
{
    const struct vllm_answer *answer = answer_of(visit);

    json_key(out, STR("text"));
    json_put_raw(out, STR("\""));
    if (answer->echoes)
        json_escape(out->buf, prompt_question(
                                  visit->arena,
                                  &answer->prompts[voice->index / answer->n]));
    json_escape(out->buf, text_of(voice->script, SCRIPT_TEXT));
    buf_put_char(out->buf, '"');
}

static void put_choice(struct json_out *out, const struct visit *visit,
                       const struct voice *voice)
{
    const struct vllm_answer *answer = answer_of(visit);

    json_open(out, '{');
    json_member_i64(out, STR("index"), voice->index);
    if (answer->is_chat)
        put_message(out, visit, voice);
    else
        put_text(out, visit, voice);
    put_null(out, STR("logprobs"));
    put_finish(out, answer, voice->script);
    put_null(out, STR("token_ids"));
    if (!answer->is_chat)
        put_null(out, STR("prompt_logprobs"));
    json_close(out, '}');
}

static void whole(struct visit *visit)
{
    const struct vllm_answer *answer = answer_of(visit);
    struct buf body;
    struct json_out out = json_out_to(&body);

    buf_init(&body, WHOLE_MAX);
    json_open(&out, '{');
    json_member_str(&out, STR("id"), answer->id);
    json_member_str(&out, STR("object"),
                    answer->is_chat ? STR("chat.completion")
                                    : STR("text_completion"));
    json_member_i64(&out, STR("created"), answer->created);
    json_member_str(&out, STR("model"), answer->model);
    json_key(&out, STR("choices"));
    json_open(&out, '[');
    for (unsigned i = 0; i < visit->voice_count; i++)
        put_choice(&out, visit, &visit->voices[i]);
    json_close(&out, ']');
    put_null(&out, STR("service_tier"));
    put_null(&out, STR("system_fingerprint"));
    put_usage(&out, visit, visit_spoken(visit));
    put_null(&out, STR("prompt_logprobs"));
    put_null(&out, STR("prompt_token_ids"));
    put_null(&out, STR("kv_transfer_params"));
    json_close(&out, '}');
    page_field(&visit->page, STR("server"), STR("uvicorn"));
    page_json(&visit->page, 200, buf_str(&body));
    buf_fini(&body);
}

/* --- the way here ------------------------------------------------------- */

static const struct manner chat_manner = {
    .begin = begin,
    .beat = beat_chat,
    .end = end,
    .broken = broken,
    .whole = whole,
    .garbage = STR_INIT("data: {\"id\": this is not JSON\n\n"),
};

static const struct manner text_manner = {
    .begin = begin,
    .beat = beat_text,
    .end = end,
    .broken = broken,
    .whole = whole,
    .garbage = STR_INIT("data: {\"id\": this is not JSON\n\n"),
};

/* {"id":…,"object":…,"created":…,"model":…,"choices":[{"index": */
static struct str event_prefix(struct visit *visit,
                               const struct vllm_answer *answer)
{
    struct buf buf;
    struct json_out out = json_out_to(&buf);
    struct str prefix;

    buf_init(&buf, WHOLE_MAX);
    json_open(&out, '{');
    json_member_str(&out, STR("id"), answer->id);
    json_member_str(&out, STR("object"),
                    answer->is_chat ? STR("chat.completion.chunk")
                                    : STR("text_completion"));
    json_member_i64(&out, STR("created"), answer->created);
    json_member_str(&out, STR("model"), answer->model);
    buf_put(&buf, STR(",\"choices\":[{\"index\":"));
    prefix = arena_copy(visit->arena, buf_str(&buf));
    buf_fini(&buf);
    return prefix;
}

void as_vllm_generate(struct visit *visit, struct prompt *prompts,
                      unsigned count, struct vllm_answer *answer)
{
    struct script *scripts = ARENA_ARRAY(visit->arena, struct script, count);

    answer->created = clock_wall_s();
    answer->model = str_of(visit->stand->options->model);
    answer->prompts = prompts;
    answer->seed = prompt_hash(&prompts[0]) ^ spell_mix(visit->serial);
    answer->prefix = event_prefix(visit, answer);
    visit->answer = answer;
    visit->manner = answer->is_chat ? &chat_manner : &text_manner;
    visit->voices =
        ARENA_ARRAY(visit->arena, struct voice, (size_t)count * answer->n);
    for (unsigned i = 0; i < count; i++) {
        struct prefix_use use;

        brain_answer(visit->arena, &prompts[i], &visit->fault, &scripts[i]);
        prefix_use_all(visit->stand->cache, &prompts[i], &use);
        visit->prompt_tokens += use.read + use.rest;
        visit->cached_tokens += use.read;
        for (unsigned k = 0; k < answer->n; k++, visit->voice_count++)
            voice_init(&visit->voices[visit->voice_count], &scripts[i],
                       visit->voice_count);
    }
    visit_generate(visit);
}
