/* Plain completions and embeddings: text or tokens in, no messages.  They go
 * to OpenAI-compatible backends only, as they came; what the choice must know
 * is read here.
 *
 * Facts: the API reference of `POST /v1/completions` and `/v1/embeddings`.
 * Their texts stand in the common form as those of one user, so that rules
 * look at them as at any other. */
#include "field.h"
#include "openai.h"

/* `prompt` and `input`: a text, texts, the tokens of a text, or of several. */
static bool add_input(struct field_reader *r, struct str path,
                      yyjson_val *value, struct chat_message *message)
{
    struct chat *chat = r->chat;

    if (yyjson_is_str(value)) {
        struct chat_part *part = &message->parts[message->part_count];

        part->index = message->part_count++;
        part->text = json_text(value);
        chat->characters += str_code_points(part->text);
        return true;
    }
    if (json_is_number(value)) {
        chat->characters += 4; /* a token, as the choice counts them */
        return true;
    }
    if (!yyjson_is_arr(value))
        return field_wrong_type(r, path, "a string or an array", value);
    json_each_item (token, value) {
        if (!json_is_number(token))
            return field_wrong_type(r, path, "token numbers", token);
        chat->characters += 4;
    }
    return true;
}

static bool read_input(struct field_reader *r, struct str name,
                       yyjson_val *value)
{
    struct chat *chat = r->chat;
    struct chat_message *message = ARENA_NEW(r->arena, struct chat_message);
    unsigned index = 0;

    message->role = CHAT_USER;
    message->parts =
        ARENA_ARRAY(r->arena, struct chat_part, yyjson_arr_size(value) + 1);
    chat->messages = message;
    chat->message_count = 1;
    if (!yyjson_is_arr(value))
        return yyjson_is_str(value)
                   ? add_input(r, name, value, message)
                   : field_wrong_type(r, name, "a string or an array", value);
    json_each_item (item, value) {
        struct str path =
            yyjson_is_str(item) || json_is_number(item)
                ? name
                : arena_printf(r->arena, "%.*s[%u]", STR_ARG(name), index);

        if (!add_input(r, path, item, message))
            return false;
        index++;
    }
    return true;
}

static bool read_prompt(struct field_reader *r, yyjson_val *value)
{
    return read_input(r, STR("prompt"), value);
}

static bool read_texts(struct field_reader *r, yyjson_val *value)
{
    return read_input(r, STR("input"), value);
}

static bool read_max_tokens(struct field_reader *r, yyjson_val *value)
{
    if (!json_to_i64(value, &r->chat->max_tokens))
        return field_wrong_type(r, STR("max_tokens"), "a whole number", value);
    r->chat->has_max_tokens = true;
    r->chat->max_tokens_name = STR("max_tokens");
    return true;
}

/* For the account alone: what the backend says to another type counts. */
static bool take_user(struct field_reader *r, yyjson_val *value)
{
    r->chat->user = json_text(value);
    return true;
}

/* What nothing is said about passes. */
static bool read_plain(struct arena *arena, struct str body, struct chat *chat,
                       struct chat_error *error, const struct field *fields,
                       size_t count, const struct chat_words *words)
{
    struct field_reader reader = {arena, chat, error};

    *chat = (struct chat){.body = body, .words = words};
    return field_read_body(&reader, fields, count) &&
           (chat->messages != NULL || field_missing(&reader, words->messages));
}

/* --- completions -------------------------------------------------------- */

static bool read_completion(struct arena *arena, struct str body,
                            struct chat *chat, struct chat_error *error)
{
    static const struct field fields[] = {
        {STR_INIT("model"), field_model},
        {STR_INIT("prompt"), read_prompt},
        {STR_INIT("stream"), field_stream},
        {STR_INIT("stream_options"), field_stream_options},
        {STR_INIT("max_tokens"), read_max_tokens},
        {STR_INIT("user"), take_user},
        {STR_INIT("metadata"), field_metadata},
    };

    static const struct chat_words words = {.messages = STR_INIT("prompt")};

    return read_plain(arena, body, chat, error, fields, COUNT_OF(fields),
                      &words);
}

const struct format format_completions = {
    .name = STR_INIT("completions"),
    .path = STR_INIT("/v1/completions"),
    .with_openai = &format_completions,
    .has_stream_options = true,
    .read_request = read_completion,
    .read_error = openai_read_error,
    .error_status = chat_error_status,
    .write_error = openai_write_any_error,
    .relay_read = openai_relay_plain,
    .relay_gather = openai_relay_gather,
    .said = {STR_INIT("prompt")},
    .read_stream_error = openai_read_stream_error,
    .write_stream_error = openai_write_stream_error,
    .goodbye = STR_INIT("data: [DONE]\n\n"),
    .done = STR_INIT("[DONE]"),
    .keep_alive = STR_INIT(": keep-alive\n\n"),
};

/* --- embeddings --------------------------------------------------------- */

static bool read_embedding(struct arena *arena, struct str body,
                           struct chat *chat, struct chat_error *error)
{
    static const struct field fields[] = {
        {STR_INIT("model"), field_model},
        {STR_INIT("input"), read_texts},
        {STR_INIT("user"), take_user},
        {STR_INIT("metadata"), field_metadata},
    };

    static const struct chat_words words = {.messages = STR_INIT("input")};

    return read_plain(arena, body, chat, error, fields, COUNT_OF(fields),
                      &words);
}

static bool relay_embedding(struct arena *arena, struct str json,
                            struct relay_facts *facts)
{
    struct json_doc doc;
    struct json_error ignored;

    facts->is_error = false;
    facts->model_at = facts->model_len = 0;
    if (!json_read(arena, json, &doc, &ignored) || !yyjson_is_obj(doc.root))
        return false;
    facts->root = doc.root;
    json_each_member (key, value, doc.root) {
        struct str name = json_text(key);

        if (str_eq(name, STR("data")))
            facts->has_token = yyjson_arr_size(value) > 0;
        else if (str_eq(name, STR("model")) && yyjson_is_str(value) &&
                 facts->model_len == 0)
            json_member_place(&doc, json, key, &facts->model_at,
                              &facts->model_len);
        else if (str_eq(name, STR("usage")))
            openai_read_usage(value, &facts->usage);
        else if (str_eq(name, STR("error")))
            facts->is_error = !yyjson_is_null(value);
    }
    return true;
}

const struct format format_embeddings = {
    .name = STR_INIT("embeddings"),
    .path = STR_INIT("/v1/embeddings"),
    .with_openai = &format_embeddings,
    .never_streams = true,
    .read_request = read_embedding,
    .read_error = openai_read_error,
    .error_status = chat_error_status,
    .write_error = openai_write_any_error,
    .relay_read = relay_embedding,
    .said = {STR_INIT("input")},
};
