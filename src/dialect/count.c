/* How long is a prompt?  Anthropic's count_tokens at the door and with
 * Anthropic; vLLM's /tokenize, which takes the messages of a chat, with an
 * OpenAI-compatible backend.
 *
 * Facts: Anthropic's API reference of `POST /v1/messages/count_tokens`; vLLM's
 * tokenizer API. */
#include "anthropic_door.h"
#include "openai_backend.h"

/* --- count_tokens ------------------------------------------------------- */

static void put_count(int64_t tokens, struct buf *buf)
{
    struct json_out out = json_out_to(buf);

    json_open(&out, '{');
    json_member_i64(&out, STR("input_tokens"), tokens);
    json_close(&out, '}');
}

static void write_count(const struct answer_style *style,
                        const struct chat_answer *answer, struct buf *out)
{
    (void)style;
    put_count(answer->usage.input, out);
}

static bool relay_count(struct arena *arena, struct str json,
                        struct relay_facts *facts)
{
    struct json_doc doc;
    struct json_error ignored;

    if (!json_read(arena, json, &doc, &ignored) || !yyjson_is_obj(doc.root))
        return false;
    facts->root = doc.root;
    facts->has_token = json_is_number(json_get(doc.root, STR("input_tokens")));
    return facts->has_token;
}

const struct format format_count = {
    .name = STR_INIT("count_tokens"),
    .path = STR_INIT("/v1/messages/count_tokens"),
    .with_openai = &format_tokenize,
    .with_anthropic = &format_count,
    .never_streams = true,
    .has_anthropic_headers = true,
    .read_request = anthropic_read_count,
    .write_answer = write_count,
    .write_estimate = put_count,
    .read_error = anthropic_read_error,
    .error_status = anthropic_error_status,
    .error_retry_s = anthropic_error_retry_s,
    .write_error = anthropic_write_error,
    .relay_read = relay_count,
    .must_rewrite = anthropic_must_rewrite,
    .rewrite = anthropic_rewrite,
};

/* --- tokenize ------------------------------------------------------------ */

static bool write_tokenize(struct arena *arena, const struct chat *chat,
                           const struct request_style *style, struct buf *buf,
                           struct request_notes *notes,
                           struct chat_error *error)
{
    struct json_out out = json_out_to(buf);

    *notes = (struct request_notes){0};
    json_open(&out, '{');
    json_member_str(&out, STR("model"), style->model);
    if (!openai_write_prompt(arena, chat, &out, error))
        return false;
    /* what a chat's prompt has at its end */
    json_key(&out, STR("add_generation_prompt"));
    json_put_bool(&out, true);
    json_close(&out, '}');
    return true;
}

static bool read_tokenize(struct arena *arena, struct str body,
                          const struct names *names, struct chat_answer *answer,
                          struct chat_error *error)
{
    struct json_doc doc;
    struct json_error ignored;

    (void)names;
    (void)error;
    *answer = (struct chat_answer){0};
    return json_read(arena, body, &doc, &ignored) &&
           json_to_i64(json_get(doc.root, STR("count")), &answer->usage.input);
}

const struct format format_tokenize = {
    .name = STR_INIT("tokenize"),
    .path = STR_INIT("/tokenize"),
    .never_streams = true,
    .write_request = write_tokenize,
    .read_answer = read_tokenize,
    .read_error = openai_read_error,
};
