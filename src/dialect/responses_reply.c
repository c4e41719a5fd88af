/* OpenAI Responses: complete answers, and the objects that streams share. */
#include "responses_private.h"

#include "base64.h"

/* What comes from a backend, in bytes: the id of an answer, the sentence of
 * an error. */
enum { ID_MAX = 128, MESSAGE_MAX = 16 * 1024 };

/* --- items -------------------------------------------------------------- */

struct str responses_arguments(const struct chat_call *call)
{
    return call->arguments.len == 0 && !call->is_custom ? STR("{}")
                                                        : call->arguments;
}

bool responses_is_search(const struct chat_call *call)
{
    return str_eq(call->name, RESPONSES_SEARCH);
}

static struct str item_prefix(const struct responses_item *item)
{
    switch (item->kind) {
    case RESPONSES_REASONING:
        return STR("rs_");
    case RESPONSES_CALL:
        return item->call.is_custom               ? STR("ctc_")
               : responses_is_search(&item->call) ? STR("tsc_")
                                                  : STR("fc_");
    default:
        return STR("msg_");
    }
}

void responses_put_item_id(struct json_out *out, struct str key,
                           const struct responses_item *item)
{
    json_key(out, key);
    json_put_raw(out, STR("\""));
    buf_put(out->buf, item_prefix(item));
    json_escape(out->buf, str_clip(item->id, ID_MAX));
    buf_put_char(out->buf, '_');
    buf_put_u64(out->buf, item->index);
    buf_put_char(out->buf, '"');
}

static void put_annotations(struct json_out *out,
                            const struct responses_item *item)
{
    size_t end = item->text_at + str_code_points(item->text);
    const struct chat_answer *answer = item->cited;

    json_key(out, STR("annotations"));
    json_open(out, '[');
    for (unsigned i = 0; answer != NULL && i < answer->citation_count; i++) {
        const struct chat_citation *citation = &answer->citations[i];

        if (citation->start < item->text_at || citation->end > end)
            continue;
        json_open(out, '{');
        json_member_str(out, STR("type"), STR("url_citation"));
        json_member_str(out, STR("url"), citation->url);
        json_member_str(out, STR("title"), citation->title);
        json_member_i64(out, STR("start_index"),
                        (int64_t)(citation->start - item->text_at));
        json_member_i64(out, STR("end_index"),
                        (int64_t)(citation->end - item->text_at));
        json_close(out, '}');
    }
    json_close(out, ']');
}

void responses_put_text_part(struct json_out *out,
                             const struct responses_item *item)
{
    struct str text = item->is_open ? STR("") : item->text;

    json_open(out, '{');
    switch (item->kind) {
    case RESPONSES_REFUSAL:
        json_member_str(out, STR("type"), STR("refusal"));
        json_member_str(out, STR("refusal"), text);
        break;
    case RESPONSES_REASONING:
        json_member_str(out, STR("type"), STR("summary_text"));
        json_member_str(out, STR("text"), text);
        break;
    default:
        json_member_str(out, STR("type"), STR("output_text"));
        json_member_str(out, STR("text"), text);
        put_annotations(out, item);
        break;
    }
    json_close(out, '}');
}

/* A list of the one part, or of none. */
static void put_parts(struct json_out *out, struct str key,
                      const struct responses_item *item)
{
    json_key(out, key);
    json_open(out, '[');
    if (!item->is_open &&
        (item->kind != RESPONSES_REASONING || item->text.len > 0))
        responses_put_text_part(out, item);
    json_close(out, ']');
}

static bool is_signed(const struct chat_block *block)
{
    return block->kind == CHAT_BLOCK_REDACTED
               ? block->text.len > 0
               : block->signature.len > 0 &&
                     !str_eq(block->signature, CHAT_UNSIGNED);
}

/* "ant1." and the block as Anthropic gave it out, in Base64: unsealed again
 * when it comes back. */
static void put_sealed(struct json_out *out, const struct chat_block *block)
{
    struct buf text;
    struct json_out inner = json_out_to(&text);

    buf_init(&text, SIZE_MAX / 2);
    json_open(&inner, '{');
    if (block->kind == CHAT_BLOCK_REDACTED) {
        json_member_str(&inner, STR("type"), STR("redacted_thinking"));
        json_member_str(&inner, STR("data"), block->text);
    } else {
        json_member_str(&inner, STR("type"), STR("thinking"));
        json_member_str(&inner, STR("thinking"), block->text);
        json_member_str(&inner, STR("signature"), block->signature);
    }
    json_close(&inner, '}');
    json_key(out, STR("encrypted_content"));
    json_put_raw(out, STR("\"ant1."));
    base64_encode(out->buf, buf_str(&text));
    buf_put_char(out->buf, '"');
    if (buf_failed(&text))
        out->buf->failed = true;
    buf_fini(&text);
}

static void put_status(struct json_out *out, const struct responses_item *item)
{
    json_member_str(out, STR("status"),
                    item->is_open  ? STR("in_progress")
                    : item->is_cut ? STR("incomplete")
                                   : STR("completed"));
}

struct str responses_inner_name(struct str full, struct str *space)
{
    static const char mark = NAMES_SPACE_MARK;
    size_t at;

    *space = (struct str){NULL, 0};
    if (!str_find(full, (struct str){&mark, 1}, &at))
        return full;
    *space = str_slice(full, 0, at);
    return str_slice(full, at + 1, full.len);
}

/* An object, and not its text. */
static void put_search(struct json_out *out, const struct responses_item *item)
{
    struct json_error ignored;
    struct json_doc doc;
    struct arena arena;

    arena_init(&arena);
    json_member_str(out, STR("call_id"), item->call.id);
    json_member_str(out, STR("execution"), STR("client"));
    json_key(out, STR("arguments"));
    if (!item->is_open &&
        json_read(&arena, item->call.arguments, &doc, &ignored) &&
        yyjson_is_obj(doc.root))
        json_put_val(out, doc.root);
    else
        json_put_raw(out, STR("{}"));
    put_status(out, item);
    arena_clear(&arena);
}

static void put_call(struct json_out *out, const struct responses_item *item)
{
    const struct chat_call *call = &item->call;
    struct str space;

    json_member_str(out, STR("call_id"), call->id);
    json_member_str(out, STR("name"), responses_inner_name(call->name, &space));
    if (space.len > 0)
        json_member_str(out, STR("namespace"), space);
    json_member_str(out, call->is_custom ? STR("input") : STR("arguments"),
                    item->is_open ? STR("") : responses_arguments(call));
    put_status(out, item);
}

static struct str item_type(const struct responses_item *item)
{
    if (item->kind == RESPONSES_REASONING)
        return STR("reasoning");
    if (item->kind != RESPONSES_CALL)
        return STR("message");
    if (responses_is_search(&item->call))
        return STR("tool_search_call");
    return item->call.is_custom ? STR("custom_tool_call")
                                : STR("function_call");
}

void responses_put_item(struct json_out *out, const struct responses_item *item)
{
    json_open(out, '{');
    json_member_str(out, STR("type"), item_type(item));
    responses_put_item_id(out, STR("id"), item);
    switch (item->kind) {
    case RESPONSES_REASONING:
        put_parts(out, STR("summary"), item);
        if (item->block != NULL && is_signed(item->block))
            put_sealed(out, item->block);
        break;
    case RESPONSES_CALL:
        if (responses_is_search(&item->call))
            put_search(out, item);
        else
            put_call(out, item);
        break;
    default:
        put_status(out, item);
        json_member_str(out, STR("role"), STR("assistant"));
        put_parts(out, STR("content"), item);
        break;
    }
    json_close(out, '}');
}

/* --- the object --------------------------------------------------------- */

struct str responses_status(enum chat_finish finish)
{
    return finish == CHAT_FINISH_LENGTH || finish == CHAT_FINISH_CONTENT_FILTER
               ? STR("incomplete")
               : STR("completed");
}

static void put_usage(struct json_out *out, const struct chat_usage *usage)
{
    json_key(out, STR("usage"));
    if (usage == NULL || !usage->is_known) {
        json_put_null(out);
        return;
    }
    json_open(out, '{');
    json_member_i64(out, STR("input_tokens"), usage->input);
    json_key(out, STR("input_tokens_details"));
    json_open(out, '{');
    json_member_i64(out, STR("cached_tokens"), usage->cache_read);
    json_member_i64(out, STR("cache_write_tokens"), usage->cache_write);
    json_close(out, '}');
    json_member_i64(out, STR("output_tokens"), usage->output);
    json_key(out, STR("output_tokens_details"));
    json_open(out, '{');
    json_member_i64(out, STR("reasoning_tokens"), usage->reasoning);
    json_close(out, '}');
    json_member_i64(out, STR("total_tokens"), usage->input + usage->output);
    json_close(out, '}');
}

/* The codes that clients know; they repeat the request or not by them. */
static struct str error_code(const struct chat_error *error)
{
    static const struct str known[] = {
        STR_INIT("context_length_exceeded"), STR_INIT("insufficient_quota"),
        STR_INIT("rate_limit_exceeded"), STR_INIT("invalid_prompt")};
    struct str code = chat_error_code(error);
    int status = chat_error_status(error);

    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (str_eq(code, known[i]))
            return known[i];
    if (status == 429)
        return STR("rate_limit_exceeded");
    return status >= 400 && status < 500 ? STR("invalid_prompt")
                                         : STR("server_error");
}

static void put_error(struct json_out *out, const struct chat_error *error)
{
    json_key(out, STR("error"));
    if (error == NULL) {
        json_put_null(out);
        return;
    }
    json_open(out, '{');
    json_member_str(out, STR("code"), error_code(error));
    json_key(out, STR("message"));
    json_put_raw(out, STR("\""));
    json_escape(out->buf, str_clip(chat_error_message(error), MESSAGE_MAX));
    if (error->retry_after_s > 0) /* read there by clients */
        buf_printf(out->buf, " Please try again in %us.", error->retry_after_s);
    buf_put_char(out->buf, '"');
    json_close(out, '}');
}

static void put_incomplete(struct json_out *out, enum chat_finish finish)
{
    json_key(out, STR("incomplete_details"));
    if (finish != CHAT_FINISH_LENGTH && finish != CHAT_FINISH_CONTENT_FILTER) {
        json_put_null(out);
        return;
    }
    json_open(out, '{');
    json_member_str(out, STR("reason"),
                    finish == CHAT_FINISH_LENGTH ? STR("max_output_tokens")
                                                 : STR("content_filter"));
    json_close(out, '}');
}

void responses_put_object(struct json_out *out,
                          const struct answer_style *style,
                          const struct responses_object *object)
{
    json_open(out, '{');
    json_key(out, STR("id"));
    json_put_raw(out, STR("\"resp_"));
    json_escape(out->buf, str_clip(object->id, ID_MAX));
    buf_put_char(out->buf, '"');
    json_member_str(out, STR("object"), STR("response"));
    json_member_i64(out, STR("created_at"), style->created);
    json_member_str(out, STR("status"), object->status);
    put_error(out, object->error);
    put_incomplete(out, object->finish);
    json_member_str(out, STR("model"), style->model);
    json_key(out, STR("output"));
    json_put_raw(out, STR("["));
    buf_put(out->buf, object->output);
    buf_put_char(out->buf, ']');
    put_usage(out, object->usage);
    if (object->usage != NULL && object->usage->service_tier.len > 0)
        json_member_str(out, STR("service_tier"), object->usage->service_tier);
    json_key(out, STR("store"));
    json_put_bool(out, style->is_stored);
    if (style->echo.len > 0) {
        buf_put_char(out->buf, ',');
        buf_put(out->buf, style->echo);
    }
    json_close(out, '}');
}

/* --- a complete answer -------------------------------------------------- */

struct writer {
    const struct answer_style *style;
    const struct chat_answer *answer;
    struct json_out out; /* the items */
    unsigned count;
    size_t points; /* characters of the answer's text so far */
};

static struct responses_item item_of(struct writer *w, enum responses_kind kind,
                                     struct str text)
{
    return (struct responses_item){
        .kind = kind, .id = w->answer->id, .index = w->count++, .text = text};
}

/* Neighbouring blocks of text are one message: citations split sentences into
 * blocks.  Returns the first block behind them. */
static unsigned put_texts(struct writer *w, unsigned i, bool is_cut)
{
    const struct chat_answer *answer = w->answer;
    struct responses_item item;
    struct buf joined;

    buf_init(&joined, SIZE_MAX / 2);
    for (; i < answer->block_count && answer->blocks[i].kind == CHAT_BLOCK_TEXT;
         i++)
        buf_put(&joined, answer->blocks[i].text);
    if (joined.len > 0) {
        item = item_of(w, RESPONSES_MESSAGE, buf_str(&joined));
        item.is_cut = is_cut && i == answer->block_count;
        item.cited = answer;
        item.text_at = w->points;
        responses_put_item(&w->out, &item);
        w->points += str_code_points(item.text);
    }
    if (buf_failed(&joined))
        w->out.buf->failed = true;
    buf_fini(&joined);
    return i;
}

static void put_block(struct writer *w, const struct chat_block *block,
                      bool is_cut)
{
    struct responses_item item;

    if (block->kind == CHAT_BLOCK_CALL) {
        item = item_of(w, RESPONSES_CALL, STR(""));
        item.call = block->call;
        item.is_cut = is_cut;
    } else {
        item = item_of(w, RESPONSES_REASONING, STR(""));
        if (block->kind == CHAT_BLOCK_THINKING && w->style->shows_reasoning)
            item.text = block->text;
        if (w->style->wants_encrypted)
            item.block = block;
    }
    responses_put_item(&w->out, &item);
}

static void put_output(struct writer *w)
{
    const struct chat_answer *answer = w->answer;
    bool ends_cut = str_eq(responses_status(answer->finish), STR("incomplete"));
    bool is_refused = answer->refusal.len > 0;

    for (unsigned i = 0; i < answer->block_count;) {
        const struct chat_block *block = &answer->blocks[i];

        if (block->kind == CHAT_BLOCK_TEXT) {
            i = put_texts(w, i, ends_cut && !is_refused);
        } else {
            i++;
            put_block(w, block,
                      ends_cut && !is_refused && i == answer->block_count);
        }
    }
    if (is_refused) {
        struct responses_item item =
            item_of(w, RESPONSES_REFUSAL, answer->refusal);

        item.is_cut = ends_cut;
        responses_put_item(&w->out, &item);
    }
}

void responses_write_answer(const struct answer_style *style,
                            const struct chat_answer *answer, struct buf *buf)
{
    struct json_out out = json_out_to(buf);
    struct buf items;
    struct writer writer = {
        .style = style, .answer = answer, .out = json_out_to(&items)};
    struct responses_object object = {.id = answer->id,
                                      .status =
                                          responses_status(answer->finish),
                                      .finish = answer->finish,
                                      .usage = &answer->usage};

    buf_init(&items, SIZE_MAX / 2);
    put_output(&writer);
    object.output = buf_str(&items);
    responses_put_object(&out, style, &object);
    if (buf_failed(&items))
        buf->failed = true;
    buf_fini(&items);
}

struct str responses_id_of_item(struct arena *arena, struct str item_id)
{
    static const struct str prefixes[] = {STR_INIT("rs_"), STR_INIT("msg_"),
                                          STR_INIT("fc_"), STR_INIT("ctc_"),
                                          STR_INIT("tsc_")};
    size_t end = item_id.len;

    while (end > 0 && item_id.ptr[end - 1] >= '0' &&
           item_id.ptr[end - 1] <= '9')
        end--;
    if (end == item_id.len || end == 0 || item_id.ptr[end - 1] != '_')
        return (struct str){NULL, 0};
    for (size_t i = 0; i < COUNT_OF(prefixes); i++)
        if (str_starts(item_id, prefixes[i]) && prefixes[i].len < end - 1)
            return arena_join(arena, STR("resp_"),
                              str_slice(item_id, prefixes[i].len, end - 1));
    return (struct str){NULL, 0};
}
