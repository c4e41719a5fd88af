/* vLLM: plain completions, embeddings, and the tokenizer's own endpoints. */
#include <math.h>

#include "as_vllm.h"
#include "clock.h"
#include "spell.h"
#include "tokenizer.h"

enum {
    USUAL_MAX_TOKENS = 16,
    USUAL_DIMENSIONS = 384,
    MAX_DIMENSIONS = 4096,
    MAX_INPUTS = 2048,
    BODY_MAX = 64 * 1024 * 1024,
};

/* --- texts and token numbers -------------------------------------------- */

/* The text of an array of token numbers; '?' for those that are none. */
static struct str text_of_numbers(struct arena *arena, yyjson_val *numbers)
{
    size_t room = yyjson_arr_size(numbers) * TOKENIZER_MAX_BYTES;
    char *text = arena_alloc(arena, room + 1);
    size_t len = 0;

    json_each_item (item, numbers) {
        uint64_t number = 0;
        size_t n = 0;

        if (str_to_u64(json_number_text(item), &number))
            n = tokenizer_bytes(number, text + len);
        if (n == 0)
            text[len + n++] = '?';
        len += n;
    }
    return arena_copy_utf8(arena, (struct str){text, len});
}

/* A string, strings, numbers or arrays of numbers, as OpenAI has it.  False
 * when it is none of these, or too many. */
static bool read_texts(struct arena *arena, yyjson_val *value, size_t most,
                       struct str texts[], size_t *count)
{
    *count = 0;
    if (yyjson_is_str(value)) {
        texts[(*count)++] = json_text(value);
        return true;
    }
    if (json_is_number(yyjson_arr_get_first(value))) {
        texts[(*count)++] = text_of_numbers(arena, value);
        return true;
    }
    json_each_item (item, value) {
        if (*count == most)
            return false;
        if (yyjson_is_str(item))
            texts[(*count)++] = json_text(item);
        else if (yyjson_is_arr(item))
            texts[(*count)++] = text_of_numbers(arena, item);
        else
            return false;
    }
    return *count > 0;
}

/* --- plain completions -------------------------------------------------- */

static void fill_prompt(struct visit *visit, const struct prompt *traits,
                        struct str text, struct prompt *prompt)
{
    *prompt = *traits;
    prompt->messages = ARENA_NEW(visit->arena, struct prompt_message);
    prompt->message_count = 1;
    prompt->messages->role = PROMPT_USER;
    prompt->messages->parts = ARENA_NEW(visit->arena, struct prompt_part);
    prompt->messages->part_count = 1;
    prompt->messages->parts->text = text;
}

void as_vllm_completions(struct visit *visit)
{
    struct vllm_answer *answer = ARENA_NEW(visit->arena, struct vllm_answer);
    struct prompt *prompts =
        ARENA_ARRAY(visit->arena, struct prompt, VLLM_MAX_PROMPTS);
    struct prompt traits = {0};
    struct str texts[VLLM_MAX_PROMPTS];
    yyjson_val *root = NULL;
    size_t count;

    if (!as_vllm_read_body(visit, &root) ||
        !as_vllm_read_sampling(visit, root, &traits, answer))
        return;
    if (!read_texts(visit->arena, json_get(root, STR("prompt")),
                    VLLM_MAX_PROMPTS, texts, &count)) {
        (void)as_vllm_fail(
            visit, 400,
            "Either prompt or prompt_embeds must be provided and "
            "non-empty.");
        return;
    }
    if (traits.max_tokens == 0)
        traits.max_tokens = USUAL_MAX_TOKENS;
    answer->model = traits.model = as_vllm_model(visit, root);
    answer->echoes = json_is_true(json_get(root, STR("echo")));
    for (size_t i = 0; i < count; i++) {
        fill_prompt(visit, &traits, texts[i], &prompts[i]);
        if (!stand_takes_directive(visit, &prompts[i]) ||
            !as_vllm_check_length(visit, &prompts[i]))
            return;
    }
    answer->id = as_vllm_id(visit, "cmpl-");
    as_vllm_generate(visit, prompts, (unsigned)count, answer);
}

/* --- embeddings --------------------------------------------------------- */

/* The sum of one direction for each token, made as long as 1: texts that
 * share words are near each other. */
static void embed(struct str text, size_t dimensions, float vector[])
{
    struct str token;
    double length = 0;

    for (size_t i = 0; i < dimensions; i++)
        vector[i] = i == 0 ? 1e-3F : 0;
    while (tokenizer_next(&text, &token)) {
        uint64_t seed = str_fnv1a64(str_trim(token));

        for (size_t i = 0; i < dimensions; i++) {
            uint64_t bits = spell_mix(seed + i) >> 40;

            vector[i] += (float)bits / (float)(1 << 23) - 1;
        }
    }
    for (size_t i = 0; i < dimensions; i++)
        length += (double)vector[i] * (double)vector[i];
    length = sqrt(length);
    for (size_t i = 0; i < dimensions; i++)
        vector[i] = (float)((double)vector[i] / length);
}

static void put_floats(struct json_out *out, const float vector[],
                       size_t dimensions)
{
    json_open(out, '[');
    for (size_t i = 0; i < dimensions; i++) {
        if (i > 0)
            buf_put_char(out->buf, ',');
        buf_printf(out->buf, "%.9g", (double)vector[i]);
    }
    json_close(out, ']');
}

/* Little-endian, on whatever machine this runs. */
static void put_base64(struct json_out *out, struct arena *arena,
                       const float vector[], size_t dimensions)
{
    char *bytes = arena_alloc(arena, dimensions * 4);

    for (size_t i = 0; i < dimensions; i++) {
        uint32_t bits;

        memcpy(&bits, &vector[i], sizeof(bits));
        for (size_t k = 0; k < 4; k++)
            bytes[i * 4 + k] = (char)(unsigned char)(bits >> (8 * k) & 255);
    }
    json_put_raw(out, STR("\""));
    spell_base64(out->buf, (struct str){bytes, dimensions * 4});
    buf_put_char(out->buf, '"');
}

static void put_embedding(struct json_out *out, struct visit *visit,
                          size_t index, struct str text, size_t dimensions,
                          bool is_base64)
{
    float *vector = ARENA_ARRAY(visit->arena, float, dimensions);

    embed(text, dimensions, vector);
    json_open(out, '{');
    json_member_i64(out, STR("index"), (int64_t)index);
    json_member_str(out, STR("object"), STR("embedding"));
    json_key(out, STR("embedding"));
    if (is_base64)
        put_base64(out, visit->arena, vector, dimensions);
    else
        put_floats(out, vector, dimensions);
    json_close(out, '}');
}

static bool read_dimensions(struct visit *visit, yyjson_val *value, size_t *out)
{
    int64_t dimensions = USUAL_DIMENSIONS;

    if (value != NULL && (!json_to_i64(value, &dimensions) || dimensions < 1 ||
                          dimensions > MAX_DIMENSIONS))
        return as_vllm_fail(visit, 400, "dimensions must be from 1 to %d.",
                            MAX_DIMENSIONS);
    *out = (size_t)dimensions;
    return true;
}

static void put_embedding_usage(struct json_out *out, size_t tokens)
{
    json_key(out, STR("usage"));
    json_open(out, '{');
    json_member_i64(out, STR("prompt_tokens"), (int64_t)tokens);
    json_member_i64(out, STR("total_tokens"), (int64_t)tokens);
    json_member_i64(out, STR("completion_tokens"), 0);
    json_key(out, STR("prompt_tokens_details"));
    json_put_null(out);
    json_close(out, '}');
}

void as_vllm_embeddings(struct visit *visit)
{
    struct str *texts = ARENA_ARRAY(visit->arena, struct str, MAX_INPUTS);
    struct buf body;
    struct json_out out = json_out_to(&body);
    struct str format;
    yyjson_val *root = NULL;
    size_t dimensions = USUAL_DIMENSIONS;
    size_t count;
    size_t tokens = 0;

    if (!as_vllm_read_body(visit, &root) ||
        !read_dimensions(visit, json_get(root, STR("dimensions")), &dimensions))
        return;
    format = json_get_text(root, STR("encoding_format"));
    if (!read_texts(visit->arena, json_get(root, STR("input")), MAX_INPUTS,
                    texts, &count)) {
        (void)as_vllm_fail(visit, 400,
                           "input: expected a text, texts or token "
                           "ids.");
        return;
    }
    buf_init(&body, BODY_MAX);
    json_open(&out, '{');
    json_member_str(&out, STR("id"), as_vllm_id(visit, "embd-"));
    json_member_str(&out, STR("object"), STR("list"));
    json_member_i64(&out, STR("created"), clock_wall_s());
    json_member_str(&out, STR("model"), as_vllm_model(visit, root));
    json_key(&out, STR("data"));
    json_open(&out, '[');
    for (size_t i = 0; i < count; i++) {
        put_embedding(&out, visit, i, texts[i], dimensions,
                      str_eq(format, STR("base64")));
        tokens += tokenizer_count(texts[i]);
    }
    json_close(&out, ']');
    put_embedding_usage(&out, tokens);
    json_close(&out, '}');
    page_field(&visit->page, STR("server"), STR("uvicorn"));
    page_json(&visit->page, 200, buf_str(&body));
    buf_fini(&body);
}

/* --- the tokenizer ------------------------------------------------------ */

static void put_numbers(struct json_out *out, struct str text, size_t *count)
{
    struct str token;

    while (tokenizer_next(&text, &token)) {
        json_put_u64(out, tokenizer_number(token));
        ++*count;
    }
}

/* What a chat template adds has numbers too: those of a line feed. */
static void put_frame(struct json_out *out, size_t tokens, size_t *count)
{
    for (; *count < tokens; ++*count)
        json_put_u64(out, tokenizer_number(STR("\n")));
}

static void put_prompt_numbers(struct json_out *out,
                               const struct prompt *prompt, size_t *count)
{
    for (unsigned i = 0; i < prompt->message_count; i++) {
        const struct prompt_message *message = &prompt->messages[i];

        for (unsigned k = 0; k < message->part_count; k++)
            put_numbers(out, message->parts[k].text, count);
    }
    put_frame(out, prompt_tokens(prompt), count);
}

void as_vllm_tokenize(struct visit *visit)
{
    struct json_out out = json_out_to(&visit->page.out);
    struct prompt prompt = {0};
    yyjson_val *root = NULL;
    yyjson_val *text;
    size_t count = 0;

    if (!as_vllm_read_body(visit, &root))
        return;
    text = json_get(root, STR("prompt"));
    if (text == NULL && !as_vllm_read_messages(visit, root, &prompt))
        return;
    json_open(&out, '{');
    json_key(&out, STR("tokens"));
    json_open(&out, '[');
    if (text != NULL)
        put_numbers(&out, json_text(text), &count);
    else
        put_prompt_numbers(&out, &prompt, &count);
    json_close(&out, ']');
    json_member_i64(&out, STR("count"), (int64_t)count);
    json_member_i64(&out, STR("max_model_len"),
                    visit->stand->options->max_model_len);
    json_key(&out, STR("token_strs"));
    json_put_null(&out);
    json_close(&out, '}');
    page_json(&visit->page, 200, buf_str(&visit->page.out));
}

void as_vllm_detokenize(struct visit *visit)
{
    struct json_out out = json_out_to(&visit->page.out);
    yyjson_val *root = NULL;
    yyjson_val *tokens;

    if (!as_vllm_read_body(visit, &root))
        return;
    tokens = json_get(root, STR("tokens"));
    if (!yyjson_is_arr(tokens)) {
        (void)as_vllm_fail(visit, 400,
                           "[{'type': 'missing', 'loc': ('body', 'tokens'), "
                           "'msg': 'Field required'}]");
        return;
    }
    json_open(&out, '{');
    json_member_str(&out, STR("prompt"), text_of_numbers(visit->arena, tokens));
    json_close(&out, '}');
    page_json(&visit->page, 200, buf_str(&visit->page.out));
}
