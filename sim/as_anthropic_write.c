/* Anthropic: from scripts to answers, in one piece or as a stream. */
#include "as_anthropic.h"
#include "brain.h"
#include "spell.h"
#include "sse.h"

enum { WHOLE_MAX = 64 * 1024 * 1024 };

static const struct anthropic_answer *answer_of(const struct visit *visit)
{
    return visit->answer;
}

/* --- pieces that both ways share ---------------------------------------- */

static void put_null(struct json_out *out, struct str key)
{
    json_key(out, key);
    json_put_null(out);
}

static struct str stop_reason(const struct visit *visit)
{
    static const struct str reasons[] = {
        [SCRIPT_STOP] = STR_INIT("end_turn"),
        [SCRIPT_LENGTH] = STR_INIT("max_tokens"),
        [SCRIPT_STOP_TEXT] = STR_INIT("stop_sequence"),
        [SCRIPT_STOP_TOKEN] = STR_INIT("end_turn"),
        [SCRIPT_CALLS] = STR_INIT("tool_use"),
        [SCRIPT_REFUSAL] = STR_INIT("refusal"),
    };
    enum script_end end = visit->voices[0].script->end;
    struct str wanted = fault_word(&visit->fault, FAULT_STOP_REASON);

    if (wanted.ptr != NULL)
        return wanted;
    if (end == SCRIPT_LENGTH && answer_of(visit)->is_near_window)
        return STR("model_context_window_exceeded");
    return reasons[end];
}

/* "category=none": nothing is said about why. */
static void put_refusal(struct json_out *out, struct str category)
{
    bool is_silent = str_eq(category, STR("none"));

    json_open(out, '{');
    json_member_str(out, STR("type"), STR("refusal"));
    if (is_silent) {
        put_null(out, STR("category"));
        put_null(out, STR("explanation"));
    } else {
        json_member_str(out, STR("category"),
                        category.ptr == NULL ? STR("general_harms") : category);
        json_member_str(out, STR("explanation"),
                        STR("This refusal was asked for (simulated)."));
    }
    json_close(out, '}');
}

static void put_stop(struct json_out *out, const struct visit *visit)
{
    const struct script *script = visit->voices[0].script;
    struct str reason = stop_reason(visit);
    bool has_text = script->end == SCRIPT_STOP_TEXT;

    json_member_str(out, STR("stop_reason"), reason);
    json_key(out, STR("stop_sequence"));
    if (str_eq(reason, STR("stop_sequence")))
        json_put_str(out, has_text ? script->stop : answer_of(visit)->stop);
    else
        json_put_null(out);
    json_key(out, STR("stop_details"));
    if (str_eq(reason, STR("refusal")))
        put_refusal(out, fault_word(&visit->fault, FAULT_CATEGORY));
    else
        json_put_null(out);
}

static void put_input_usage(struct json_out *out, const struct prefix_use *use)
{
    json_member_i64(out, STR("input_tokens"), (int64_t)use->rest);
    json_member_i64(out, STR("cache_creation_input_tokens"),
                    (int64_t)(use->written_5m + use->written_1h));
    json_member_i64(out, STR("cache_read_input_tokens"), (int64_t)use->read);
}

static void put_output_details(struct json_out *out, size_t thinking_tokens)
{
    json_key(out, STR("output_tokens_details"));
    if (thinking_tokens == 0) {
        json_put_null(out);
        return;
    }
    json_open(out, '{');
    json_member_i64(out, STR("thinking_tokens"), (int64_t)thinking_tokens);
    json_close(out, '}');
}

/* All counters, as they are known at the beginning or in the end. */
static void put_usage(struct json_out *out, const struct visit *visit,
                      bool is_final)
{
    size_t spoken = is_final ? visit_spoken(visit) : 1;
    const struct prefix_use *use = &answer_of(visit)->use;
    const struct script *script = visit->voices[0].script;

    json_key(out, STR("usage"));
    json_open(out, '{');
    put_input_usage(out, use);
    json_key(out, STR("cache_creation"));
    json_open(out, '{');
    json_member_i64(out, STR("ephemeral_5m_input_tokens"),
                    (int64_t)use->written_5m);
    json_member_i64(out, STR("ephemeral_1h_input_tokens"),
                    (int64_t)use->written_1h);
    json_close(out, '}');
    json_member_i64(out, STR("output_tokens"), (int64_t)spoken);
    put_output_details(out, is_final ? script->thinking_tokens : 0);
    if (is_final)
        as_anthropic_put_searches(out, script);
    else
        put_null(out, STR("server_tool_use"));
    json_member_str(out, STR("service_tier"), STR("standard"));
    put_null(out, STR("inference_geo"));
    put_null(out, STR("speed"));
    json_close(out, '}');
}

static struct str call_id(const struct visit *visit, unsigned block)
{
    uint64_t seed = answer_of(visit)->seed + block;

    return arena_printf(
        visit->arena, "toolu_01%.*s",
        STR_ARG(spell_letters(visit->arena, spell_mix(seed), 22)));
}

/* Of a search, and of what it has found. */
static struct str search_id(const struct visit *visit)
{
    return arena_printf(
        visit->arena, "srvtoolu_01%.*s",
        STR_ARG(spell_letters(visit->arena, spell_mix(answer_of(visit)->seed),
                              22)));
}

/* Thinking that the limit has cut has none. */
static struct str signature(const struct visit *visit,
                            const struct script_block *block)
{
    return block->is_cut
               ? STR("")
               : as_anthropic_sign(visit->arena, answer_of(visit)->signer,
                                   block->text);
}

static void put_citations(struct json_out *out,
                          const struct script_block *block)
{
    json_key(out, STR("citations"));
    if (!block->is_cited) {
        json_put_null(out);
        return;
    }
    json_open(out, '[');
    as_anthropic_put_citation(out, block);
    json_close(out, ']');
}

/* What a message begins with, up to its content. */
static void open_message(struct json_out *out, const struct visit *visit)
{
    const struct anthropic_answer *answer = answer_of(visit);

    json_open(out, '{');
    json_member_str(out, STR("id"), answer->id);
    json_member_str(out, STR("type"), STR("message"));
    json_member_str(out, STR("role"), STR("assistant"));
    json_member_str(out, STR("model"), answer->model);
    json_key(out, STR("content"));
    json_open(out, '[');
}

/* The block as it stands in an answer; `empty` when its inside comes later. */
static void put_block(struct json_out *out, const struct visit *visit,
                      unsigned number, bool empty)
{
    const struct script_block *block = &visit->voices[0].script->blocks[number];
    struct str text = empty ? STR("") : block->text;

    json_open(out, '{');
    switch (block->kind) {
    case SCRIPT_TEXT:
        json_member_str(out, STR("type"), STR("text"));
        json_member_str(out, STR("text"), text);
        if (!empty)
            put_citations(out, block);
        break;
    case SCRIPT_THINKING:
        if (answer_of(visit)->hides_thinking)
            text = STR("");
        json_member_str(out, STR("type"), STR("thinking"));
        json_member_str(out, STR("thinking"), text);
        json_member_str(out, STR("signature"),
                        empty ? STR("") : signature(visit, block));
        break;
    case SCRIPT_REDACTED:
        json_member_str(out, STR("type"), STR("redacted_thinking"));
        json_member_str(out, STR("data"), block->text);
        break;
    case SCRIPT_CALL:
        json_member_str(out, STR("type"), STR("tool_use"));
        json_member_str(out, STR("id"), call_id(visit, number));
        json_member_str(out, STR("name"), block->name);
        json_key(out, STR("input"));
        json_put_raw(out, empty || block->is_cut ? STR("{}") : text);
        json_key(out, STR("caller"));
        json_put_raw(out, STR("{\"type\":\"direct\"}"));
        break;
    case SCRIPT_SEARCH:
        as_anthropic_put_search(out, search_id(visit), block, empty);
        break;
    case SCRIPT_FOUND:
        as_anthropic_put_found(out, search_id(visit), block);
        break;
    }
    json_close(out, '}');
}

/* --- streams ------------------------------------------------------------ */

static struct json_out open_event(struct visit *visit, const char *type)
{
    struct buf *buf = &visit->page.out;
    struct json_out out = json_out_to(buf);

    buf_printf(buf, "event: %s\ndata: ", type);
    json_open(&out, '{');
    json_member_str(&out, STR("type"), str_of(type));
    return out;
}

static void close_event(struct visit *visit, struct json_out *out)
{
    json_close(out, '}');
    buf_put(&visit->page.out, STR("\n\n"));
}

static void begin(struct visit *visit)
{
    struct json_out out;

    page_field(&visit->page, STR("cache-control"), STR("no-cache"));
    page_begin(&visit->page, 200, STR("text/event-stream; charset=utf-8"));
    out = open_event(visit, "message_start");
    json_key(&out, STR("message"));
    open_message(&out, visit);
    json_close(&out, ']');
    put_null(&out, STR("stop_reason"));
    put_null(&out, STR("stop_sequence"));
    put_null(&out, STR("stop_details"));
    put_usage(&out, visit, false);
    json_close(&out, '}');
    close_event(visit, &out);
    page_flush(&visit->page);
}

static void put_block_start(struct visit *visit, unsigned number)
{
    struct json_out out = open_event(visit, "content_block_start");

    json_member_i64(&out, STR("index"), number);
    json_key(&out, STR("content_block"));
    put_block(&out, visit, number, true);
    close_event(visit, &out);
    if (number > 0)
        return;
    out = open_event(visit, "ping");
    close_event(visit, &out);
}

static void put_delta(struct visit *visit, unsigned number, struct str type,
                      struct str key, struct str piece)
{
    struct json_out out = open_event(visit, "content_block_delta");

    json_member_i64(&out, STR("index"), number);
    json_key(&out, STR("delta"));
    json_open(&out, '{');
    json_member_str(&out, STR("type"), type);
    json_member_str(&out, key, piece);
    json_close(&out, '}');
    close_event(visit, &out);
}

static void put_call_piece(struct visit *visit, const struct beat *beat)
{
    if (beat->opens)
        put_delta(visit, beat->number, STR("input_json_delta"),
                  STR("partial_json"), STR(""));
    /* a call without arguments has the empty piece alone */
    if (!str_eq(beat->block->text, STR("{}")))
        put_delta(visit, beat->number, STR("input_json_delta"),
                  STR("partial_json"), beat->piece);
}

static void put_thinking_piece(struct visit *visit, const struct beat *beat)
{
    if (!answer_of(visit)->hides_thinking)
        put_delta(visit, beat->number, STR("thinking_delta"), STR("thinking"),
                  beat->piece);
    if (beat->closes && !beat->block->is_cut)
        put_delta(visit, beat->number, STR("signature_delta"), STR("signature"),
                  signature(visit, beat->block));
}

static void put_text_piece(struct visit *visit, const struct beat *beat)
{
    struct json_out out;

    if (beat->piece.len > 0)
        put_delta(visit, beat->number, STR("text_delta"), STR("text"),
                  beat->piece);
    if (!beat->closes || !beat->block->is_cited)
        return;
    out = open_event(visit, "content_block_delta");
    json_member_i64(&out, STR("index"), beat->number);
    json_key(&out, STR("delta"));
    json_open(&out, '{');
    json_member_str(&out, STR("type"), STR("citations_delta"));
    json_key(&out, STR("citation"));
    as_anthropic_put_citation(&out, beat->block);
    json_close(&out, '}');
    close_event(visit, &out);
}

static void speak(struct visit *visit, const struct voice *voice,
                  const struct beat *beat)
{
    struct json_out out;

    (void)voice;
    if (beat->opens)
        put_block_start(visit, beat->number);
    switch (beat->block->kind) {
    case SCRIPT_TEXT:
        put_text_piece(visit, beat);
        break;
    case SCRIPT_THINKING:
        put_thinking_piece(visit, beat);
        break;
    case SCRIPT_CALL:
    case SCRIPT_SEARCH:
        put_call_piece(visit, beat);
        break;
    case SCRIPT_REDACTED:
    case SCRIPT_FOUND:
        break; /* all of it was in the start */
    }
    if (!beat->closes)
        return;
    out = open_event(visit, "content_block_stop");
    json_member_i64(&out, STR("index"), beat->number);
    close_event(visit, &out);
}

static void end(struct visit *visit)
{
    struct json_out out;

    out = open_event(visit, "message_delta");
    json_key(&out, STR("delta"));
    json_open(&out, '{');
    put_stop(&out, visit);
    put_null(&out, STR("container"));
    json_close(&out, '}');
    json_key(&out, STR("usage"));
    json_open(&out, '{');
    put_input_usage(&out, &answer_of(visit)->use);
    json_member_i64(&out, STR("output_tokens"), (int64_t)visit_spoken(visit));
    put_output_details(&out, visit->voices[0].script->thinking_tokens);
    as_anthropic_put_searches(&out, visit->voices[0].script);
    json_close(&out, '}');
    close_event(visit, &out);
    if (visit->fault.is_set[FAULT_NO_END]) {
        page_end(&visit->page);
        return;
    }
    out = open_event(visit, "message_stop");
    close_event(visit, &out);
    page_end(&visit->page);
}

static void broken(struct visit *visit)
{
    struct json_out out = open_event(visit, "error");

    json_key(&out, STR("error"));
    json_open(&out, '{');
    json_member_str(&out, STR("type"), STR("overloaded_error"));
    json_member_str(&out, STR("message"), STR("Overloaded"));
    json_close(&out, '}');
    close_event(visit, &out);
    page_end(&visit->page);
    if (visit->page.verdict == PAGE_DONE)
        visit->page.verdict = PAGE_CLOSE;
}

/* --- in one piece ------------------------------------------------------- */

static void whole(struct visit *visit)
{
    const struct script *script = visit->voices[0].script;
    struct buf body;
    struct json_out out = json_out_to(&body);

    buf_init(&body, WHOLE_MAX);
    open_message(&out, visit);
    for (unsigned i = 0; i < script->block_count; i++)
        put_block(&out, visit, i, false);
    json_close(&out, ']');
    put_stop(&out, visit);
    put_null(&out, STR("container"));
    put_null(&out, STR("diagnostics"));
    put_usage(&out, visit, true);
    json_close(&out, '}');
    page_json(&visit->page, 200, buf_str(&body));
    buf_fini(&body);
}

/* --- the way here ------------------------------------------------------- */

static const struct manner manner = {
    .begin = begin,
    .beat = speak,
    .end = end,
    .broken = broken,
    .whole = whole,
    .garbage = STR_INIT("event: content_block_delta\n"
                        "data: {\"type\": this is not JSON\n\n"),
};

void as_anthropic_generate(struct visit *visit, struct prompt *prompt,
                           struct anthropic_answer *answer)
{
    struct script *script = ARENA_NEW(visit->arena, struct script);
    const struct prefix_use *use = &answer->use;

    answer->seed = prompt_hash(prompt) ^ spell_mix(visit->serial);
    visit->answer = answer;
    visit->manner = &manner;
    brain_answer(visit->arena, prompt, &visit->fault, script);
    visit->voices = ARENA_NEW(visit->arena, struct voice);
    visit->voice_count = 1;
    voice_init(visit->voices, script, 0);
    visit->cached_tokens = use->read;
    visit->prompt_tokens =
        use->read + use->written_5m + use->written_1h + use->rest;
    visit_generate(visit);
}
