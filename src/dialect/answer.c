#include "answer.h"

static bool passes(const struct answer *answer)
{
    return answer->from == answer->to;
}

void answer_init(struct answer *answer, struct arena *arena,
                 const struct format *from, const struct format *to,
                 const struct answer_style *style, const struct names *names,
                 size_t max_event)
{
    *answer = (struct answer){.from = from, .to = to, .style = *style};
    arena_init(&answer->kept);
    answer->facts.seeks_usage = style->hides_usage;
    answer->quoted_model = json_quote(arena, style->model);
    sse_decoder_init(&answer->sse, max_event);
    if (passes(answer) || to->never_streams)
        return;
    answer->reader = from->reader_open(arena, names);
    answer->writer = to->writer_open(arena, &answer->style);
}

void answer_fini(struct answer *answer)
{
    sse_decoder_fini(&answer->sse);
    if (answer->reader != NULL)
        answer->from->reader_close(answer->reader);
    if (answer->writer != NULL)
        answer->to->writer_close(answer->writer);
    arena_clear(&answer->kept);
}

static void fail(struct answer *answer, enum error error)
{
    answer->status = ANSWER_FAILED;
    answer->error = (struct chat_error){.error = error};
}

static void note_id(struct answer *answer, struct str id)
{
    enum { ID_MAX = 128 };

    if (answer->seeks_id)
        answer->id = arena_copy(&answer->kept, str_clip(id, ID_MAX));
    answer->seeks_id = false; /* it comes first, or not at all */
}

/* --- both ends speak the same ------------------------------------------- */

/* Anthropic's streams have it one floor down. */
static void note_relayed_id(struct answer *answer)
{
    yyjson_val *root = answer->facts.root;
    struct str id;

    if (!answer->seeks_id)
        return;
    id = json_get_text(root, STR("id"));
    note_id(answer, id.len > 0 ? id
                               : json_get_text(json_get(root, STR("message")),
                                               STR("id")));
}

static bool is_empty(const struct relay_facts *facts)
{
    return !facts->has_token && facts->finish == CHAT_FINISH_UNSET;
}

static void take_facts(struct answer *answer)
{
    if (answer->gather != NULL && answer->from->relay_gather != NULL)
        answer->from->relay_gather(answer->gather, answer->facts.root);
    answer->has_token = answer->facts.has_token;
    answer->finish = answer->facts.finish;
    answer->usage = answer->facts.usage;
}

/* The event's name, which may be missing where the format wants one. */
static struct str event_name(const struct answer *answer, struct str name)
{
    if (!answer->to->names_events)
        return (struct str){NULL, 0};
    return name.len > 0 ? name : json_get_text(answer->facts.root, STR("type"));
}

static void relay_one(struct answer *answer, struct arena *scratch,
                      const struct sse_event *event)
{
    struct relay_facts *facts = &answer->facts;

    if (!answer->from->relay_read(scratch, event->data, facts)) {
        fail(answer, ERR_BAD_ANSWER);
        return;
    }
    if (facts->is_error) {
        answer->status = ANSWER_FAILED;
        answer->from->read_stream_error(&answer->kept, facts->root,
                                        &answer->error);
        return;
    }
    if (facts->is_last && is_empty(facts)) {
        fail(answer, ERR_BAD_ANSWER); /* an empty success is none */
        return;
    }
    note_relayed_id(answer);
    take_facts(answer);
    if (!answer->style.hides_usage || !facts->is_usage)
        relay_chunk(event_name(answer, event->name), event->data, facts,
                    answer->quoted_model, answer->out);
    if (facts->is_last)
        answer->status = ANSWER_ENDED;
}

static bool is_done(const struct answer *answer, struct str data)
{
    return answer->from->done.len > 0 && str_starts(data, answer->from->done);
}

static void relay_event(struct answer *answer, const struct sse_event *event)
{
    struct arena scratch;

    if (is_done(answer, event->data)) {
        if (is_empty(&answer->facts)) {
            fail(answer, ERR_BAD_ANSWER); /* an empty success is none */
            return;
        }
        buf_put(answer->out, answer->to->goodbye);
        answer->status = ANSWER_ENDED;
        return;
    }
    if (str_is_blank(event->data))
        return;
    arena_init(&scratch);
    relay_one(answer, &scratch, event);
    arena_clear(&scratch);
}

/* --- translated --------------------------------------------------------- */

static void on_event(void *ctx, const struct chat_event *event)
{
    struct answer *answer = ctx;
    struct chat_event named;

    switch (event->kind) {
    case CHAT_EVENT_START:
        note_id(answer, event->given_id);
        if (event->id.len == 0) {
            named = *event;
            named.id = answer->style.id;
            event = &named;
        }
        break;
    case CHAT_EVENT_TEXT:
    case CHAT_EVENT_THINKING:
    case CHAT_EVENT_CALL:
        answer->has_token = true;
        break;
    case CHAT_EVENT_END:
        if (!answer->has_token && event->finish == CHAT_FINISH_UNSET) {
            fail(answer, ERR_BAD_ANSWER); /* an empty success is none */
            return;
        }
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
    if (answer->recall != NULL)
        recall_event(answer->recall, event);
    if (answer->gather != NULL)
        gather_event(answer->gather, event);
    answer->to->write_event(answer->writer, event, answer->out);
}

static void translate_event(struct answer *answer, struct str data)
{
    struct chat_listener listener = {on_event, answer};

    if (!str_is_blank(data) &&
        !answer->from->read_event(answer->reader, data, &listener))
        fail(answer, ERR_BAD_ANSWER);
}

static void take_event(struct answer *answer, const struct sse_event *event)
{
    if (passes(answer))
        relay_event(answer, event);
    else
        translate_event(answer, event->data);
}

/* --- streams ------------------------------------------------------------ */

enum answer_status answer_feed(struct answer *answer, struct str bytes,
                               struct buf *out)
{
    struct sse_event event;

    answer->out = out;
    while (answer->status == ANSWER_GOES_ON &&
           sse_next(&answer->sse, &bytes, &event))
        take_event(answer, &event);
    if (answer->status == ANSWER_GOES_ON && sse_failed(&answer->sse))
        fail(answer, ERR_ANSWER_TOO_LARGE);
    answer->out = NULL;
    return answer->status;
}

static bool is_whole(const struct answer *answer, struct str data)
{
    struct arena scratch;
    struct json_doc doc;
    struct json_error ignored;
    bool ok;

    arena_init(&scratch);
    ok = json_read(&scratch, data, &doc, &ignored);
    arena_clear(&scratch);
    return ok || is_done(answer, data);
}

static void end_early(struct answer *answer)
{
    struct chat_listener listener = {on_event, answer};

    if (!passes(answer)) {
        if (!answer->from->read_end(answer->reader, &listener))
            fail(answer, ERR_TRUNCATED);
    } else if (answer->finish != CHAT_FINISH_UNSET) {
        /* the answer is complete; some clients insist on the last word */
        buf_put(answer->out, answer->to->goodbye);
        answer->status = ANSWER_ENDED;
    } else {
        fail(answer, ERR_TRUNCATED);
    }
}

enum answer_status answer_close(struct answer *answer, struct buf *out)
{
    struct sse_event event;

    if (answer->status != ANSWER_GOES_ON)
        return answer->status;
    answer->out = out;
    if (sse_finish(&answer->sse, &event) && is_whole(answer, event.data))
        take_event(answer, &event);
    if (answer->status == ANSWER_GOES_ON)
        end_early(answer);
    answer->out = NULL;
    return answer->status;
}

struct str answer_result(const struct answer *answer)
{
    if (answer->writer == NULL || answer->to->writer_result == NULL)
        return (struct str){NULL, 0};
    return answer->to->writer_result(answer->writer);
}

void answer_fail(struct answer *answer, const struct chat_error *error,
                 struct buf *out)
{
    struct chat_event event = {.kind = CHAT_EVENT_ERROR, .error = *error};

    if (answer->writer != NULL)
        answer->to->write_event(answer->writer, &event, out);
    else
        answer->to->write_stream_error(error, out);
}

/* --- complete answers --------------------------------------------------- */

static unsigned relay_whole(struct answer *answer, struct arena *arena,
                            struct str body, struct str pieces[RELAY_PIECES])
{
    struct relay_facts *facts = &answer->facts;

    if (!answer->from->relay_read(arena, body, facts) || facts->is_error ||
        is_empty(facts))
        return 0;
    note_relayed_id(answer);
    take_facts(answer);
    return relay_answer(arena, body, facts, answer->style.model, pieces);
}

/* About what is written around a text. */
enum { FRAME_BYTES = 1024 };

static unsigned translate_whole(struct answer *answer, struct arena *arena,
                                struct str body, const struct names *names,
                                struct str pieces[RELAY_PIECES])
{
    struct chat_answer parsed;
    struct buf text;

    if (!answer->from->read_answer(arena, body, names, &parsed, &answer->error))
        return 0;
    note_id(answer, parsed.given_id);
    if (parsed.id.len == 0)
        parsed.id = answer->style.id;
    answer->has_token = parsed.block_count > 0;
    answer->finish = parsed.finish;
    answer->usage = parsed.usage;
    if (answer->recall != NULL)
        recall_answer(answer->recall, &parsed);
    if (answer->gather != NULL)
        gather_answer(answer->gather, &parsed);
    buf_init(&text, SIZE_MAX / 2);
    (void)buf_reserve(&text, body.len + answer->style.echo.len + FRAME_BYTES);
    answer->to->write_answer(&answer->style, &parsed, &text);
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
    return passes(answer) ? relay_whole(answer, arena, body, pieces)
                          : translate_whole(answer, arena, body, names, pieces);
}
