/* vLLM: from scripts to answers: what both ways share, and the answer in one
 * piece. */
#include "as_vllm.h"
#include "brain.h"
#include "clock.h"
#include "spell.h"

enum { WHOLE_MAX = 64 * 1024 * 1024 };

/* --- pieces that both ways share ---------------------------------------- */

static struct str finish_reason(const struct vllm_answer *answer,
                                const struct script *script)
{
    if (answer->finish.ptr != NULL)
        return answer->finish;
    if (script->end == SCRIPT_LENGTH)
        return STR("length");
    /* with a named choice vLLM says "stop", although there is a call */
    if (script->end == SCRIPT_CALLS && !answer->is_choice_named)
        return STR("tool_calls");
    return STR("stop");
}

void as_vllm_put_finish(struct json_out *out, const struct vllm_answer *answer,
                        const struct script *script)
{
    json_member_str(out, STR("finish_reason"), finish_reason(answer, script));
    json_key(out, STR("stop_reason"));
    if (script->end == SCRIPT_STOP_TEXT)
        json_put_str(out, script->stop);
    else if (script->end == SCRIPT_STOP_TOKEN)
        json_put_u64(out, script->stop_token);
    else
        json_put_null(out);
}

void as_vllm_put_usage(struct json_out *out, const struct visit *visit,
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

/* Calls are numbered by themselves. */
unsigned as_vllm_call_number(const struct script *script, unsigned block)
{
    unsigned number = 0;

    for (unsigned i = 0; i < block; i++)
        number += script->blocks[i].kind == SCRIPT_CALL;
    return number;
}

struct str as_vllm_call_id(const struct visit *visit, const struct voice *voice,
                           unsigned block)
{
    const struct vllm_answer *answer = visit->answer;
    uint64_t seed = answer->seed + voice->index * SCRIPT_MAX_BLOCKS + block;

    if (answer->has_odd_ids)
        return arena_printf(visit->arena, "functions.%.*s:%u",
                            STR_ARG(voice->script->blocks[block].name),
                            as_vllm_call_number(voice->script, block));
    return arena_printf(visit->arena, "chatcmpl-tool-%.*s",
                        STR_ARG(spell_hex(visit->arena, spell_mix(seed), 32)));
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
        json_member_str(out, STR("id"), as_vllm_call_id(visit, voice, i));
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

/* The texts of the blocks of that kind; ptr NULL when there is none. */
static struct str text_of(struct arena *arena, const struct script *script,
                          enum script_kind kind)
{
    struct str all = {NULL, 0};

    for (unsigned i = 0; i < script->block_count; i++) {
        struct str text = script->blocks[i].text;

        if (script->blocks[i].kind != kind)
            continue;
        if (all.len == 0)
            all = text.ptr == NULL ? STR("") : text;
        else
            all = arena_printf(arena, "%.*s%.*s", STR_ARG(all), STR_ARG(text));
    }
    return all;
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
    const struct vllm_answer *answer = visit->answer;
    struct str content = text_of(visit->arena, voice->script, SCRIPT_TEXT);
    struct str thought = text_of(visit->arena, voice->script, SCRIPT_THINKING);

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
    put_text_or_null(out, answer->reasoning_key, thought);
    json_close(out, '}');
}

static void put_text(struct json_out *out, const struct visit *visit,
                     const struct voice *voice)
{
    const struct vllm_answer *answer = visit->answer;

    json_key(out, STR("text"));
    json_put_raw(out, STR("\""));
    if (answer->echoes)
        json_escape(out->buf, prompt_question(
                                  visit->arena,
                                  &answer->prompts[voice->index / answer->n]));
    json_escape(out->buf, text_of(visit->arena, voice->script, SCRIPT_TEXT));
    buf_put_char(out->buf, '"');
}

static void put_choice(struct json_out *out, const struct visit *visit,
                       const struct voice *voice)
{
    const struct vllm_answer *answer = visit->answer;

    json_open(out, '{');
    json_member_i64(out, STR("index"), voice->index);
    if (answer->is_chat)
        put_message(out, visit, voice);
    else
        put_text(out, visit, voice);
    put_null(out, STR("logprobs"));
    as_vllm_put_finish(out, answer, voice->script);
    put_null(out, STR("token_ids"));
    if (!answer->is_chat)
        put_null(out, STR("prompt_logprobs"));
    json_close(out, '}');
}

void as_vllm_whole(struct visit *visit)
{
    const struct vllm_answer *answer = visit->answer;
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
    as_vllm_put_usage(&out, visit, visit_spoken(visit));
    put_null(&out, STR("prompt_logprobs"));
    put_null(&out, STR("prompt_token_ids"));
    put_null(&out, STR("kv_transfer_params"));
    json_close(&out, '}');
    page_field(&visit->page, STR("server"), STR("uvicorn"));
    page_json(&visit->page, 200, buf_str(&body));
    buf_fini(&body);
}

/* --- the way here ------------------------------------------------------- */

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

static void take_faults(const struct fault *fault, struct script *script)
{
    script->is_interleaved = fault->is_set[FAULT_INTERLEAVE];
    if (!fault->is_set[FAULT_STOP_TOKEN])
        return;
    script->end = SCRIPT_STOP_TOKEN;
    script->stop_token = fault->value[FAULT_STOP_TOKEN];
}

void as_vllm_generate(struct visit *visit, struct prompt *prompts,
                      unsigned count, struct vllm_answer *answer)
{
    struct script *scripts = ARENA_ARRAY(visit->arena, struct script, count);

    answer->created = clock_wall_s();
    answer->prompts = prompts;
    answer->finish = fault_word(&visit->fault, FAULT_FINISH);
    answer->has_odd_ids = visit->fault.is_set[FAULT_ODD_IDS];
    answer->reasoning_key = visit->fault.is_set[FAULT_REASONING_CONTENT]
                                ? STR("reasoning_content")
                                : STR("reasoning");
    answer->seed = prompt_hash(&prompts[0]) ^ spell_mix(visit->serial);
    answer->prefix = event_prefix(visit, answer);
    visit->answer = answer;
    visit->manner =
        answer->is_chat ? &as_vllm_chat_manner : &as_vllm_text_manner;
    visit->voices =
        ARENA_ARRAY(visit->arena, struct voice, (size_t)count * answer->n);
    for (unsigned i = 0; i < count; i++) {
        struct prefix_use use;

        brain_answer(visit->arena, &prompts[i], &visit->fault, &scripts[i]);
        take_faults(&visit->fault, &scripts[i]);
        prefix_use_all(visit->stand->cache, &prompts[i], &use);
        visit->prompt_tokens += use.read + use.rest;
        visit->cached_tokens += use.read;
        for (unsigned k = 0; k < answer->n; k++, visit->voice_count++)
            voice_init(&visit->voices[visit->voice_count], &scripts[i],
                       visit->voice_count);
    }
    visit_generate(visit);
}
