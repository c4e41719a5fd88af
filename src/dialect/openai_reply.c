/* OpenAI Chat Completions: answers, stream chunks and errors. */
#include "openai.h"

/* Longer than any answer that is collected. */
static const size_t prefix_max = 64 * 1024;

/* What comes from a backend, in bytes: the id of an answer, the words and the
 * sentence of an error. */
enum { ID_MAX = 128, WORD_MAX = 256, MESSAGE_MAX = 16 * 1024 };

static struct str finish_name(enum chat_finish finish)
{
    switch (finish) {
    case CHAT_FINISH_LENGTH:
        return STR("length");
    case CHAT_FINISH_TOOL_CALLS:
        return STR("tool_calls");
    case CHAT_FINISH_CONTENT_FILTER:
        return STR("content_filter");
    default:
        return STR("stop");
    }
}

static void put_usage(struct json_out *out, const struct chat_usage *usage)
{
    json_key(out, STR("usage"));
    json_open(out, '{');
    json_member_i64(out, STR("prompt_tokens"), usage->input);
    json_member_i64(out, STR("completion_tokens"), usage->output);
    json_member_i64(out, STR("total_tokens"), usage->input + usage->output);
    json_key(out, STR("prompt_tokens_details"));
    json_open(out, '{');
    json_member_i64(out, STR("cached_tokens"), usage->cache_read);
    json_member_i64(out, STR("cache_write_tokens"), usage->cache_write);
    json_close(out, '}');
    if (usage->has_reasoning) {
        json_key(out, STR("completion_tokens_details"));
        json_open(out, '{');
        json_member_i64(out, STR("reasoning_tokens"), usage->reasoning);
        json_close(out, '}');
    }
    json_close(out, '}');
}

static void put_thinking_block(struct json_out *out,
                               const struct chat_block *block)
{
    json_open(out, '{');
    if (block->kind == CHAT_BLOCK_REDACTED) {
        json_member_str(out, STR("type"), STR("redacted_thinking"));
        json_member_str(out, STR("data"), block->text);
    } else {
        json_member_str(out, STR("type"), STR("thinking"));
        json_member_str(out, STR("thinking"), block->text);
        json_member_str(out, STR("signature"), block->signature);
    }
    json_close(out, '}');
}

static void put_call_body(struct json_out *out, const struct chat_call *call,
                          bool with_name)
{
    json_key(out, call->is_custom ? STR("custom") : STR("function"));
    json_open(out, '{');
    if (with_name)
        json_member_str(out, STR("name"), call->name);
    json_member_str(out, call->is_custom ? STR("input") : STR("arguments"),
                    call->arguments);
    json_close(out, '}');
}

static void put_call_head(struct json_out *out, const struct chat_call *call)
{
    json_member_str(out, STR("id"), call->id);
    json_member_str(out, STR("type"),
                    call->is_custom ? STR("custom") : STR("function"));
}

/* --- a complete answer -------------------------------------------------- */

static unsigned count_blocks(const struct chat_answer *answer,
                             enum chat_block_kind kind)
{
    unsigned n = 0;

    for (unsigned i = 0; i < answer->block_count; i++)
        n += answer->blocks[i].kind == kind;
    return n;
}

/* The texts of all blocks of a kind, joined without a separator: citations
 * split sentences into blocks. */
static void put_joined(struct json_out *out, struct str key,
                       const struct chat_answer *answer,
                       enum chat_block_kind kind)
{
    json_key(out, key);
    json_put_raw(out, STR("\""));
    for (unsigned i = 0; i < answer->block_count; i++)
        if (answer->blocks[i].kind == kind)
            json_escape(out->buf, answer->blocks[i].text);
    buf_put_char(out->buf, '"');
}

static bool has_text(const struct chat_answer *answer,
                     enum chat_block_kind kind)
{
    for (unsigned i = 0; i < answer->block_count; i++)
        if (answer->blocks[i].kind == kind && answer->blocks[i].text.len > 0)
            return true;
    return false;
}

static void put_annotations(struct json_out *out,
                            const struct chat_answer *answer)
{
    json_key(out, STR("annotations"));
    json_open(out, '[');
    for (unsigned i = 0; i < answer->citation_count; i++) {
        const struct chat_citation *citation = &answer->citations[i];

        json_open(out, '{');
        json_member_str(out, STR("type"), STR("url_citation"));
        json_key(out, STR("url_citation"));
        json_open(out, '{');
        json_member_str(out, STR("url"), citation->url);
        json_member_str(out, STR("title"), citation->title);
        json_member_i64(out, STR("start_index"), (int64_t)citation->start);
        json_member_i64(out, STR("end_index"), (int64_t)citation->end);
        json_close(out, '}');
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void put_message(struct json_out *out, const struct answer_style *style,
                        const struct chat_answer *answer)
{
    unsigned calls = count_blocks(answer, CHAT_BLOCK_CALL);
    bool refused = answer->finish == CHAT_FINISH_CONTENT_FILTER;

    json_open(out, '{');
    json_member_str(out, STR("role"), STR("assistant"));
    if (has_text(answer, CHAT_BLOCK_TEXT) || (calls == 0 && !refused)) {
        put_joined(out, STR("content"), answer, CHAT_BLOCK_TEXT);
    } else {
        json_key(out, STR("content"));
        json_put_null(out);
    }
    json_key(out, STR("refusal"));
    if (answer->refusal.len > 0)
        json_put_str(out, answer->refusal);
    else
        json_put_null(out);
    if (style->shows_reasoning && has_text(answer, CHAT_BLOCK_THINKING))
        put_joined(out, STR("reasoning_content"), answer, CHAT_BLOCK_THINKING);
    if (style->shows_thinking &&
        (count_blocks(answer, CHAT_BLOCK_THINKING) +
             count_blocks(answer, CHAT_BLOCK_REDACTED) >
         0)) {
        json_key(out, STR("thinking_blocks"));
        json_open(out, '[');
        for (unsigned i = 0; i < answer->block_count; i++)
            if (answer->blocks[i].kind == CHAT_BLOCK_THINKING ||
                answer->blocks[i].kind == CHAT_BLOCK_REDACTED)
                put_thinking_block(out, &answer->blocks[i]);
        json_close(out, ']');
    }
    if (calls > 0) {
        json_key(out, STR("tool_calls"));
        json_open(out, '[');
        for (unsigned i = 0; i < answer->block_count; i++) {
            const struct chat_block *block = &answer->blocks[i];

            if (block->kind != CHAT_BLOCK_CALL)
                continue;
            json_open(out, '{');
            put_call_head(out, &block->call);
            put_call_body(out, &block->call, true);
            json_close(out, '}');
        }
        json_close(out, ']');
    }
    if (answer->citation_count > 0)
        put_annotations(out, answer);
    json_close(out, '}');
}

static void put_id(struct json_out *out, struct str id)
{
    json_key(out, STR("id"));
    json_put_raw(out, STR("\"chatcmpl-"));
    json_escape(out->buf, str_clip(id, ID_MAX));
    buf_put_char(out->buf, '"');
}

void openai_write_answer(const struct answer_style *style,
                         const struct chat_answer *answer, struct buf *buf)
{
    struct json_out out = json_out_to(buf);

    json_open(&out, '{');
    put_id(&out, answer->id);
    json_member_str(&out, STR("object"), STR("chat.completion"));
    json_member_i64(&out, STR("created"), style->created);
    json_member_str(&out, STR("model"), style->model);
    json_key(&out, STR("choices"));
    json_open(&out, '[');
    json_open(&out, '{');
    json_member_i64(&out, STR("index"), 0);
    json_key(&out, STR("message"));
    put_message(&out, style, answer);
    json_key(&out, STR("logprobs"));
    json_put_null(&out);
    json_member_str(&out, STR("finish_reason"), finish_name(answer->finish));
    json_close(&out, '}');
    json_close(&out, ']');
    if (answer->usage.is_known)
        put_usage(&out, &answer->usage);
    if (answer->usage.service_tier.len > 0)
        json_member_str(&out, STR("service_tier"), answer->usage.service_tier);
    json_close(&out, '}');
}

/* --- a streamed answer -------------------------------------------------- */

void openai_stream_init(struct openai_stream *stream,
                        const struct answer_style *style)
{
    *stream = (struct openai_stream){.style = *style};
    buf_init(&stream->prefix, prefix_max);
}

void openai_stream_fini(struct openai_stream *stream)
{
    buf_fini(&stream->prefix);
}

/* `{"id":…,"object":…,"created":…,"model":…,"choices":[` is the same in all
 * chunks of a stream. */
static void make_prefix(struct openai_stream *stream, struct str id)
{
    struct json_out out = json_out_to(&stream->prefix);

    buf_clear(&stream->prefix);
    buf_put(&stream->prefix, STR("data: "));
    json_open(&out, '{');
    put_id(&out, id);
    json_member_str(&out, STR("object"), STR("chat.completion.chunk"));
    json_member_i64(&out, STR("created"), stream->style.created);
    json_member_str(&out, STR("model"), stream->style.model);
    json_key(&out, STR("choices"));
    buf_put_char(&stream->prefix, '[');
}

/* Begins a chunk; the delta's members follow. */
static struct json_out chunk_open(struct openai_stream *stream, struct buf *buf)
{
    if (stream->prefix.len == 0)
        make_prefix(stream, (struct str){NULL, 0});
    buf_put(buf, buf_str(&stream->prefix));
    buf_put(buf, STR("{\"index\":0,\"delta\":{"));
    return json_out_to(buf);
}

static void chunk_close(struct openai_stream *stream, struct str finish,
                        struct buf *buf)
{
    buf_put(buf, STR("},\"finish_reason\":"));
    if (finish.len == 0) {
        buf_put(buf, STR("null"));
    } else {
        buf_put_char(buf, '"');
        buf_put(buf, finish);
        buf_put_char(buf, '"');
    }
    buf_put(buf, stream->style.include_usage ? STR("}],\"usage\":null}\n\n")
                                             : STR("}]}\n\n"));
}

static void write_text(struct openai_stream *stream, struct str key,
                       struct str text, struct buf *buf)
{
    struct json_out out;

    if (text.len == 0)
        return;
    out = chunk_open(stream, buf);
    json_member_str(&out, key, text);
    chunk_close(stream, (struct str){NULL, 0}, buf);
}

static void write_call(struct openai_stream *stream,
                       const struct chat_event *event, struct buf *buf)
{
    bool begins = event->kind == CHAT_EVENT_CALL;
    struct chat_call call = event->call;
    struct json_out out;

    call.arguments = event->text;
    if (!begins && call.arguments.len == 0)
        return;
    out = chunk_open(stream, buf);
    json_key(&out, STR("tool_calls"));
    json_open(&out, '[');
    json_open(&out, '{');
    json_member_i64(&out, STR("index"), event->index);
    if (begins)
        put_call_head(&out, &call);
    put_call_body(&out, &call, begins);
    json_close(&out, '}');
    json_close(&out, ']');
    chunk_close(stream, (struct str){NULL, 0}, buf);
}

static void write_end(struct openai_stream *stream,
                      const struct chat_event *event, struct buf *buf)
{
    if (event->refusal.len > 0)
        write_text(stream, STR("refusal"), event->refusal, buf);
    (void)chunk_open(stream, buf);
    chunk_close(stream, finish_name(event->finish), buf);
    if (stream->style.include_usage && event->usage.is_known) {
        struct json_out out = json_out_to(buf);

        buf_put(buf, buf_str(&stream->prefix));
        buf_put_char(buf, ']');
        out.comma = true;
        put_usage(&out, &event->usage);
        buf_put(buf, STR("}\n\n"));
    }
    buf_put(buf, STR("data: [DONE]\n\n"));
    stream->has_ended = true;
}

void openai_write_event(struct openai_stream *stream,
                        const struct chat_event *event, struct buf *buf)
{
    if (stream->has_ended)
        return;
    switch (event->kind) {
    case CHAT_EVENT_START: {
        struct json_out out;

        make_prefix(stream, event->id);
        out = chunk_open(stream, buf);
        json_member_str(&out, STR("role"), STR("assistant"));
        json_member_str(&out, STR("content"), STR(""));
        chunk_close(stream, (struct str){NULL, 0}, buf);
        break;
    }
    case CHAT_EVENT_TEXT:
        write_text(stream, STR("content"), event->text, buf);
        break;
    case CHAT_EVENT_THINKING:
        if (stream->style.shows_reasoning)
            write_text(stream, STR("reasoning_content"), event->text, buf);
        break;
    case CHAT_EVENT_BLOCK:
        if (stream->style.shows_thinking) {
            struct json_out out = chunk_open(stream, buf);

            json_key(&out, STR("thinking_blocks"));
            json_open(&out, '[');
            put_thinking_block(&out, &event->block);
            json_close(&out, ']');
            chunk_close(stream, (struct str){NULL, 0}, buf);
        }
        break;
    case CHAT_EVENT_CALL:
    case CHAT_EVENT_ARGUMENTS:
        write_call(stream, event, buf);
        break;
    case CHAT_EVENT_END:
        write_end(stream, event, buf);
        break;
    case CHAT_EVENT_ERROR:
        openai_write_stream_error(&event->error, buf);
        stream->has_ended = true;
        break;
    }
}

/* --- errors out --------------------------------------------------------- */

void openai_write_error(const struct chat_error *error, struct buf *buf)
{
    struct json_out out = json_out_to(buf);
    struct str code = chat_error_code(error);

    json_open(&out, '{');
    json_key(&out, STR("error"));
    json_open(&out, '{');
    json_member_str(&out, STR("message"),
                    str_clip(chat_error_message(error), MESSAGE_MAX));
    json_member_str(&out, STR("type"),
                    str_clip(chat_error_type(error), WORD_MAX));
    json_key(&out, STR("param"));
    if (error->param.len > 0)
        json_put_str(&out, str_clip(error->param, WORD_MAX));
    else
        json_put_null(&out);
    json_key(&out, STR("code"));
    if (code.len > 0)
        json_put_str(&out, str_clip(code, WORD_MAX));
    else
        json_put_null(&out);
    json_close(&out, '}');
    json_close(&out, '}');
}

void openai_write_any_error(const struct chat_error *error, struct str id,
                            struct buf *buf)
{
    (void)id;
    openai_write_error(error, buf);
}

void openai_write_stream_error(const struct chat_error *error, struct buf *buf)
{
    buf_put(buf, STR("data: "));
    openai_write_error(error, buf);
    buf_put(buf, STR("\n\ndata: [DONE]\n\n"));
}

/* --- errors in ---------------------------------------------------------- */

unsigned backend_retry_after_s(const struct backend_head *head)
{
    uint64_t seconds;

    if (!str_to_u64(str_trim(head->retry_after), &seconds))
        return 0;
    return seconds > 86400 ? 86400 : (unsigned)seconds;
}

/* FastAPI: {"detail":"…"} or {"detail":[{"loc":[…],"msg":"…"}]}. */
static struct str detail_of(struct arena *arena, yyjson_val *root)
{
    yyjson_val *detail = json_get(root, STR("detail"));
    struct buf joined;
    struct str text;

    if (!yyjson_is_arr(detail))
        return json_text(detail);
    buf_init(&joined, 4096);
    json_each_item (item, detail) {
        if (joined.len > 0)
            buf_put(&joined, STR("; "));
        buf_put(&joined, str_clip(json_get_text(item, STR("msg")), 500));
    }
    text = arena_copy_utf8(arena, buf_str(&joined));
    buf_fini(&joined);
    return text;
}

static struct str message_in(struct arena *arena, yyjson_val *root)
{
    yyjson_val *error = json_get(root, STR("error"));
    struct str message = json_get_text(error, STR("message"));

    if (message.len == 0)
        message = json_text(error);
    if (message.len == 0)
        message = json_get_text(root, STR("message"));
    if (message.len == 0)
        message = detail_of(arena, root);
    return arena_copy(arena, str_clip(message, 4000));
}

static void classify(struct chat_error *error, int status)
{
    error->status = status;
    switch (status) {
    case 401:
    case 403:
        /* The router's own key: the caller would take it for his. */
        error->error = ERR_BACKEND_AUTH;
        error->status = 502;
        error->never_retry = true;
        break;
    case 404:
        error->error = ERR_BACKEND_REFUSED;
        error->code = STR("model_not_found");
        break;
    case 413:
        error->error = ERR_BACKEND_REFUSED;
        error->code = STR("request_too_large");
        break;
    case 429:
        error->error = ERR_BACKEND_BUSY;
        break;
    default:
        error->error = status >= 500 ? ERR_BACKEND_STATUS : ERR_BACKEND_REFUSED;
        /* a redirect or 999, say: nothing that a caller can use */
        if (status < 400 || status > 599)
            *error = (struct chat_error){.error = ERR_BAD_ANSWER};
        break;
    }
}

void openai_read_error(struct arena *arena, const struct backend_head *head,
                       struct str body, struct chat_error *error)
{
    struct json_doc doc = {0};
    struct json_error trouble;
    struct str message = {NULL, 0};
    yyjson_val *inner;

    *error = (struct chat_error){0};
    classify(error, head->status);
    error->upstream_id = arena_copy_utf8(arena, head->request_id);
    if (head->status == 429 || head->status == 503)
        error->retry_after_s = backend_retry_after_s(head);
    if (!json_read(arena, body, &doc, &trouble))
        return;
    message = message_in(arena, doc.root);
    if (message.len == 0 || error->error == ERR_BACKEND_AUTH ||
        error->error == ERR_BAD_ANSWER)
        return;
    error->message = message;
    if (error->error != ERR_BACKEND_REFUSED)
        return;
    inner = json_get(doc.root, STR("error"));
    error->param = arena_copy(arena, json_get_text(inner, STR("param")));
    if (str_contains(message, STR("maximum context length")))
        error->code = STR("context_length_exceeded");
    else if (json_get_text(inner, STR("code")).len > 0)
        error->code = arena_copy(arena, json_get_text(inner, STR("code")));
}

void openai_read_stream_error(struct arena *arena, yyjson_val *frame,
                              struct chat_error *error)
{
    int64_t status = json_get_i64(json_get(frame, STR("error")), STR("code"));
    struct str message = message_in(arena, frame);

    *error = (struct chat_error){.error = ERR_STREAM_ERROR};
    if (status == 401 || status == 403) {
        /* its words may hold a part of the router's key */
        classify(error, (int)status);
        return;
    }
    if (status == 429) {
        error->error = ERR_BACKEND_BUSY;
    } else if (status == 503) {
        error->status = 503;
        error->code = STR("overloaded");
    } else if (status >= 400 && status < 500 && status != 408) {
        /* the request's fault: no other backend would like it better */
        error->error = ERR_BACKEND_REFUSED;
        error->status = (int)status;
    }
    if (message.len > 0)
        error->message = message;
}
