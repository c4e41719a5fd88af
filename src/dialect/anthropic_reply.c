/* Anthropic Messages: complete answers and errors in. */
#include "anthropic_reply.h"

#include "check.h"

/* --- numbers and words that answers and streams share ------------------- */

/* Later numbers replace earlier ones, since they are cumulative; but some
 * servers send zeros first. */
static void take_count(yyjson_val *usage, struct str key, int64_t *count)
{
    int64_t n = json_get_i64(usage, key);

    if (n > 0)
        *count = n;
}

void anthropic_take_counts(yyjson_val *usage, struct anthropic_counts *counts)
{
    yyjson_val *details = json_get(usage, STR("output_tokens_details"));
    yyjson_val *written = json_get(usage, STR("cache_creation"));
    struct str tier = json_get_text(usage, STR("service_tier"));

    if (!yyjson_is_obj(usage))
        return;
    counts->is_known = true;
    take_count(usage, STR("input_tokens"), &counts->input);
    take_count(usage, STR("output_tokens"), &counts->output);
    take_count(usage, STR("cache_read_input_tokens"), &counts->cache_read);
    take_count(usage, STR("cache_creation_input_tokens"), &counts->cache_write);
    take_count(written, STR("ephemeral_1h_input_tokens"),
               &counts->cache_write_1h);
    if (details != NULL) {
        counts->has_thinking = true;
        take_count(details, STR("thinking_tokens"), &counts->thinking);
    }
    if (tier.len > 0)
        counts->service_tier =
            str_eq(tier, STR("priority")) ? STR("priority") : STR("default");
}

/* Anthropic counts cached tokens apart, the common form inside `input`. */
struct chat_usage anthropic_usage(const struct anthropic_counts *counts)
{
    return (struct chat_usage){
        .is_known = counts->is_known,
        .input = counts->input + counts->cache_read + counts->cache_write,
        .cache_read = counts->cache_read,
        .cache_write = counts->cache_write,
        .cache_write_1h = counts->cache_write_1h,
        .output = counts->output,
        .has_reasoning = counts->has_thinking,
        .reasoning = counts->thinking,
        .service_tier = counts->service_tier,
    };
}

enum chat_finish anthropic_finish(struct str stop_reason, bool has_calls)
{
    if (str_eq(stop_reason, STR("max_tokens")) ||
        str_eq(stop_reason, STR("model_context_window_exceeded")))
        return CHAT_FINISH_LENGTH;
    if (str_eq(stop_reason, STR("refusal")))
        return CHAT_FINISH_CONTENT_FILTER;
    if (str_eq(stop_reason, STR("tool_use")) || has_calls)
        return CHAT_FINISH_TOOL_CALLS;
    return CHAT_FINISH_STOP;
}

struct str anthropic_bare_id(struct str id)
{
    return str_starts(id, STR("msg_")) ? str_slice(id, 4, id.len) : id;
}

void anthropic_put_input(struct buf *out, yyjson_val *input, bool is_custom)
{
    yyjson_val *text = json_get(input, STR("input"));
    struct json_out json = json_out_to(out);

    if (is_custom && yyjson_is_str(text))
        buf_put(out, json_text(text));
    else if (input == NULL)
        buf_put(out, STR("{}"));
    else
        json_put_val(&json, input);
}

/* --- a complete answer -------------------------------------------------- */

static struct str input_text(struct arena *arena, yyjson_val *input,
                             bool is_custom)
{
    struct buf text;
    struct str copy;

    buf_init(&text, SIZE_MAX / 2);
    anthropic_put_input(&text, input, is_custom);
    copy = arena_copy(arena, buf_str(&text));
    buf_fini(&text);
    return copy;
}

static void read_call(struct arena *arena, yyjson_val *value,
                      const struct names *names, struct chat_call *call)
{
    const struct names_tool *tool;

    call->id = json_get_text(value, STR("id"));
    call->name = json_get_text(value, STR("name"));
    tool = names_find(names, call->name);
    if (tool != NULL) {
        call->name = tool->original;
        call->is_custom = tool->is_custom;
    }
    call->arguments =
        input_text(arena, json_get(value, STR("input")), call->is_custom);
}

static void read_citations(struct arena *arena, yyjson_val *list, size_t start,
                           size_t end, struct chat_answer *answer)
{
    struct chat_citation *grown;
    size_t n = yyjson_arr_size(list);

    if (n == 0)
        return;
    grown =
        ARENA_ARRAY(arena, struct chat_citation, answer->citation_count + n);
    if (answer->citation_count > 0)
        memcpy(grown, answer->citations,
               answer->citation_count * sizeof(*grown));
    answer->citations = grown;
    json_each_item (item, list) {
        if (str_eq(json_get_text(item, STR("type")),
                   STR("web_search_result_location")))
            grown[answer->citation_count++] = (struct chat_citation){
                .url = json_get_text(item, STR("url")),
                .title = json_get_text(item, STR("title")),
                .start = start,
                .end = end,
            };
    }
}

/* False for a block that has no place in the common form. */
static bool read_block(struct arena *arena, yyjson_val *value,
                       const struct names *names, struct chat_block *block)
{
    struct str type = json_get_text(value, STR("type"));

    if (str_eq(type, STR("text"))) {
        block->kind = CHAT_BLOCK_TEXT;
        block->text = json_get_text(value, STR("text"));
    } else if (str_eq(type, STR("thinking"))) {
        block->kind = CHAT_BLOCK_THINKING;
        block->text = json_get_text(value, STR("thinking"));
        block->signature = json_get_text(value, STR("signature"));
    } else if (str_eq(type, STR("redacted_thinking"))) {
        block->kind = CHAT_BLOCK_REDACTED;
        block->text = json_get_text(value, STR("data"));
    } else if (str_eq(type, STR("tool_use"))) {
        block->kind = CHAT_BLOCK_CALL;
        read_call(arena, value, names, &block->call);
    } else {
        return false;
    }
    return true;
}

bool anthropic_read_answer(struct arena *arena, struct str body,
                           const struct names *names,
                           struct chat_answer *answer)
{
    struct json_doc doc;
    struct json_error ignored;
    struct anthropic_counts counts = {0};
    yyjson_val *content;
    size_t points = 0; /* characters of text so far */
    bool has_calls = false;
    struct str reason;

    *answer = (struct chat_answer){0};
    if (!json_read(arena, body, &doc, &ignored))
        return false;
    content = json_get(doc.root, STR("content"));
    if (!str_eq(json_get_text(doc.root, STR("type")), STR("message")) ||
        !yyjson_is_arr(content))
        return false;
    answer->given_id = json_get_text(doc.root, STR("id"));
    answer->id = anthropic_bare_id(answer->given_id);
    answer->blocks =
        ARENA_ARRAY(arena, struct chat_block, yyjson_arr_size(content) + 1);
    json_each_item (item, content) {
        struct chat_block *block = &answer->blocks[answer->block_count];

        if (!read_block(arena, item, names, block))
            continue;
        answer->block_count++;
        has_calls = has_calls || block->kind == CHAT_BLOCK_CALL;
        if (block->kind == CHAT_BLOCK_TEXT) {
            size_t end = points + str_code_points(block->text);

            read_citations(arena, json_get(item, STR("citations")), points, end,
                           answer);
            points = end;
        }
    }
    reason = json_get_text(doc.root, STR("stop_reason"));
    if (answer->block_count == 0 && reason.len == 0)
        return false; /* an empty success is none */
    answer->finish = anthropic_finish(reason, has_calls);
    answer->stop_sequence = json_get_text(doc.root, STR("stop_sequence"));
    if (answer->finish == CHAT_FINISH_CONTENT_FILTER)
        answer->refusal = json_get_text(json_get(doc.root, STR("stop_details")),
                                        STR("explanation"));
    anthropic_take_counts(json_get(doc.root, STR("usage")), &counts);
    answer->usage = anthropic_usage(&counts);
    return true;
}

/* --- errors ------------------------------------------------------------- */

static bool is_spend_limit(yyjson_val *error)
{
    static const struct str codes[] = {
        STR_INIT("enforced_spend_limit_reached"),
        STR_INIT("contract_spend_limit_reached"),
        STR_INIT("ramp_limit_exceeded"),
    };
    struct str code =
        json_get_text(json_get(error, STR("details")), STR("error_code"));

    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (str_eq(code, codes[i]))
            return true;
    return false;
}

static void no_quota(struct chat_error *error)
{
    error->error = ERR_BACKEND_BUSY;
    error->status = 429;
    error->type = STR("insufficient_quota");
    error->code = STR("insufficient_quota");
    error->never_retry = true;
    error->retry_after_s = 0;
    error->is_final = true;
}

static void classify(struct chat_error *error, int status, yyjson_val *inner)
{
    error->status = status;
    switch (status) {
    case 401:
    case 403:
        /* The router's own key: the caller would take it for his. */
        error->error = ERR_BACKEND_AUTH;
        error->status = 502;
        error->never_retry = true;
        return;
    case 402:
        no_quota(error);
        error->is_unpaid = true;
        return;
    case 404:
        error->error = ERR_BACKEND_REFUSED;
        error->code = STR("model_not_found");
        error->param = STR("model");
        return;
    case 413:
        error->error = ERR_BACKEND_REFUSED;
        error->code = STR("request_too_large");
        return;
    case 429:
        error->error = ERR_BACKEND_BUSY;
        if (is_spend_limit(inner))
            no_quota(error);
        return;
    case 529:
        error->error = ERR_BACKEND_STATUS;
        error->status = 503;
        error->code = STR("overloaded");
        return;
    default:
        error->error = status >= 500 ? ERR_BACKEND_STATUS : ERR_BACKEND_REFUSED;
        /* a redirect or 999, say: nothing that a caller can use */
        if (status < 400 || status > 599)
            *error = (struct chat_error){.error = ERR_BAD_ANSWER};
        return;
    }
}

/* More words than these are no detail. */
enum { DETAILS_MAX = 4096 };

/* What programs read of an error, as JSON. */
static struct str read_details(struct arena *arena, yyjson_val *inner)
{
    yyjson_val *details = json_get(inner, STR("details"));
    struct buf text;
    struct json_out out = json_out_to(&text);
    struct str copy = {NULL, 0};

    if (!yyjson_is_obj(details))
        return copy;
    buf_init(&text, DETAILS_MAX);
    json_put_val(&out, details);
    if (!buf_failed(&text))
        copy = arena_copy(arena, buf_str(&text));
    buf_fini(&text);
    return copy;
}

void anthropic_read_error(struct arena *arena, const struct backend_head *head,
                          struct str body, struct chat_error *error)
{
    struct json_doc doc = {0};
    struct json_error ignored;
    yyjson_val *inner = NULL;
    struct str message;

    *error = (struct chat_error){0};
    if (json_read(arena, body, &doc, &ignored))
        inner = json_get(doc.root, STR("error"));
    if (head->status == 429)
        error->retry_after_s = backend_retry_after_s(head);
    if (head->status == 503 || head->status == 529)
        error->retry_after_s = backend_retry_after_s(head);
    if (head->status == 529 && error->retry_after_s == 0)
        error->retry_after_s = 5;
    classify(error, head->status, inner);
    error->upstream_id = arena_copy_utf8(arena, head->request_id);
    message = json_get_text(inner, STR("message"));
    if (message.len == 0 || error->error == ERR_BACKEND_AUTH ||
        error->error == ERR_BAD_ANSWER)
        return;
    error->message = arena_copy(arena, str_clip(message, 4000));
    error->details = read_details(arena, inner);
    if (head->status == 400 && str_contains(message, STR("prompt is too long")))
        error->code = STR("context_length_exceeded");
}

void anthropic_read_stream_error(struct arena *arena, yyjson_val *event,
                                 struct chat_error *error)
{
    static const struct {
        struct str type;
        int status;
    } types[] = {
        {STR_INIT("overloaded_error"), 529},
        {STR_INIT("rate_limit_error"), 429},
        {STR_INIT("timeout_error"), 504},
        {STR_INIT("invalid_request_error"), 400},
        {STR_INIT("authentication_error"), 401},
        {STR_INIT("permission_error"), 403},
        {STR_INIT("billing_error"), 402},
        {STR_INIT("not_found_error"), 404},
        {STR_INIT("request_too_large"), 413},
    };
    yyjson_val *inner = json_get(event, STR("error"));
    struct str type = json_get_text(inner, STR("type"));
    struct str message = json_get_text(inner, STR("message"));
    int status = 500;

    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (str_eq(type, types[i].type))
            status = types[i].status;
    *error = (struct chat_error){0};
    classify(error, status, inner);
    if (error->error == ERR_BACKEND_STATUS)
        error->error = ERR_STREAM_ERROR;
    if (message.len == 0 || error->error == ERR_BACKEND_AUTH)
        return;
    error->message = arena_copy(arena, str_clip(message, 4000));
    error->details = read_details(arena, inner);
}
