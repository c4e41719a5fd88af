#include "answer.h"

void answer_init(struct answer *answer, bool is_translated,
                 const struct openai_style *style, const struct names *names,
                 size_t max_event)
{
    struct json_out out;

    *answer = (struct answer){
        .is_translated = is_translated,
        .style = *style,
    };
    arena_init(&answer->kept);
    buf_init(&answer->quoted_model, SIZE_MAX / 2);
    out = json_out_to(&answer->quoted_model);
    json_put_str(&out, style->model);
    sse_decoder_init(&answer->sse, max_event);
    anthropic_stream_init(&answer->reader, names);
    openai_stream_init(&answer->writer, style);
}

void answer_fini(struct answer *answer)
{
    sse_decoder_fini(&answer->sse);
    anthropic_stream_fini(&answer->reader);
    openai_stream_fini(&answer->writer);
    buf_fini(&answer->quoted_model);
    arena_clear(&answer->kept);
}

static void fail(struct answer *answer, enum error error)
{
    answer->status = ANSWER_FAILED;
    answer->error = (struct chat_error){.error = error};
}

/* --- both ends speak the same ------------------------------------------- */

static void relay_one(struct answer *answer, struct arena *scratch,
                      struct str data)
{
    struct relay_facts facts;

    if (!relay_read(scratch, data, &facts)) {
        fail(answer, ERR_BAD_ANSWER);
        return;
    }
    if (facts.is_error) {
        answer->status = ANSWER_FAILED;
        openai_read_stream_error(&answer->kept, facts.root, &answer->error);
        return;
    }
    relay_chunk(data, &facts, buf_str(&answer->quoted_model), answer->out);
    answer->has_token = answer->has_token || facts.has_token;
    if (facts.finish != CHAT_FINISH_UNSET)
        answer->finish = facts.finish;
    if (facts.usage.is_known)
        answer->usage = facts.usage;
}

static void relay_event(struct answer *answer, struct str data)
{
    struct arena scratch;

    if (str_starts(data, STR("[DONE]"))) {
        if (!answer->has_token && answer->finish == CHAT_FINISH_UNSET) {
            fail(answer, ERR_BAD_ANSWER); /* an empty success is none */
            return;
        }
        sse_put(answer->out, STR("[DONE]"));
        answer->status = ANSWER_ENDED;
        return;
    }
    if (str_is_blank(data))
        return;
    arena_init(&scratch);
    relay_one(answer, &scratch, data);
    arena_clear(&scratch);
}

/* --- translated --------------------------------------------------------- */

static void on_event(void *ctx, const struct chat_event *event)
{
    struct answer *answer = ctx;

    switch (event->kind) {
    case CHAT_EVENT_TEXT:
    case CHAT_EVENT_THINKING:
    case CHAT_EVENT_CALL:
        answer->has_token = true;
        break;
    case CHAT_EVENT_END:
        answer->finish = event->finish;
        answer->usage = event->usage;
        answer->status = ANSWER_ENDED;
        break;
    case CHAT_EVENT_ERROR:
        /* the strings live only as long as the event */
        answer->status = ANSWER_FAILED;
        answer->error = event->error;
        if (event->error.message.ptr != NULL)
            answer->error.message =
                arena_copy(&answer->kept, event->error.message);
        return; /* whether it is sent is not ours to say */
    default:
        break;
    }
    openai_write_event(&answer->writer, event, answer->out);
}

static void translate_event(struct answer *answer, struct str data)
{
    struct chat_listener listener = {on_event, answer};

    if (!str_is_blank(data) &&
        !anthropic_read_event(&answer->reader, data, &listener))
        fail(answer, ERR_BAD_ANSWER);
}

static void take_event(struct answer *answer, struct str data)
{
    if (answer->is_translated)
        translate_event(answer, data);
    else
        relay_event(answer, data);
}

/* --- streams ------------------------------------------------------------ */

enum answer_status answer_feed(struct answer *answer, struct str bytes,
                               struct buf *out)
{
    struct sse_event event;

    answer->out = out;
    while (answer->status == ANSWER_GOES_ON &&
           sse_next(&answer->sse, &bytes, &event))
        take_event(answer, event.data);
    if (answer->status == ANSWER_GOES_ON && sse_failed(&answer->sse))
        fail(answer, ERR_ANSWER_TOO_LARGE);
    answer->out = NULL;
    return answer->status;
}

static bool is_whole(struct str data)
{
    struct arena scratch;
    struct json_doc doc;
    struct json_error ignored;
    bool ok;

    arena_init(&scratch);
    ok = json_read(&scratch, data, &doc, &ignored);
    arena_clear(&scratch);
    return ok || str_starts(data, STR("[DONE]"));
}

enum answer_status answer_close(struct answer *answer, struct buf *out)
{
    struct chat_listener listener = {on_event, answer};
    struct sse_event event;

    if (answer->status != ANSWER_GOES_ON)
        return answer->status;
    answer->out = out;
    if (sse_finish(&answer->sse, &event) && is_whole(event.data))
        take_event(answer, event.data);
    if (answer->status != ANSWER_GOES_ON) {
        answer->out = NULL;
        return answer->status;
    }
    if (answer->is_translated) {
        if (!anthropic_stream_close(&answer->reader, &listener))
            fail(answer, ERR_TRUNCATED);
    } else if (answer->finish != CHAT_FINISH_UNSET) {
        /* the answer is complete; some clients insist on the last word */
        sse_put(out, STR("[DONE]"));
        answer->status = ANSWER_ENDED;
    } else {
        fail(answer, ERR_TRUNCATED);
    }
    answer->out = NULL;
    return answer->status;
}

/* --- complete answers --------------------------------------------------- */

static unsigned relay_whole(struct answer *answer, struct arena *arena,
                            struct str body, struct str pieces[RELAY_PIECES])
{
    struct relay_facts facts;

    if (!relay_read(arena, body, &facts) || facts.is_error)
        return 0;
    if (!facts.has_token && facts.finish == CHAT_FINISH_UNSET)
        return 0; /* an empty success is none */
    answer->has_token = facts.has_token;
    answer->finish = facts.finish;
    answer->usage = facts.usage;
    return relay_answer(arena, body, &facts, answer->style.model, pieces);
}

static unsigned translate_whole(struct answer *answer, struct arena *arena,
                                struct str body, const struct names *names,
                                struct str pieces[RELAY_PIECES])
{
    struct chat_answer parsed;
    struct buf text;

    if (!anthropic_read_answer(arena, body, names, &parsed))
        return 0;
    answer->has_token = parsed.block_count > 0;
    answer->finish = parsed.finish;
    answer->usage = parsed.usage;
    buf_init(&text, SIZE_MAX / 2);
    openai_write_answer(&answer->style, &parsed, &text);
    if (buf_failed(&text)) {
        buf_fini(&text);
        fail(answer, ERR_MEMORY_BUDGET);
        return 0;
    }
    pieces[0] = arena_copy(arena, buf_str(&text));
    buf_fini(&text);
    return 1;
}

unsigned answer_whole(struct answer *answer, struct arena *arena,
                      struct str body, const struct names *names,
                      struct str pieces[RELAY_PIECES])
{
    return answer->is_translated
               ? translate_whole(answer, arena, body, names, pieces)
               : relay_whole(answer, arena, body, pieces);
}
