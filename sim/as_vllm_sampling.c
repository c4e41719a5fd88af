/* vLLM: how the answer is to be drawn: lengths, stops, sampling, streams. */
#include <stdlib.h>

#include "as_vllm.h"

static bool check_range(struct visit *visit, yyjson_val *root, const char *key,
                        double least, double most)
{
    yyjson_val *value = json_get(root, str_of(key));
    double number;

    if (value == NULL)
        return true;
    if (!json_is_number(value))
        return as_vllm_fail(visit, 400,
                            "[{'type': 'float_type', 'loc': ('body', '%s'), "
                            "'msg': 'Input should be a valid number'}]",
                            key);
    number =
        strtod(arena_copy(visit->arena, json_number_text(value)).ptr, NULL);
    if (number < least || number > most)
        return as_vllm_fail(visit, 400, "%s must be in [%g, %g], got %g.", key,
                            least, most, number);
    return true;
}

static bool read_count(struct visit *visit, yyjson_val *root, const char *key,
                       int64_t least, int64_t *out)
{
    yyjson_val *value = json_get(root, str_of(key));

    if (value == NULL)
        return true;
    if (!json_to_i64(value, out))
        return as_vllm_fail(
            visit, 400,
            "[{'type': 'int_type', 'loc': ('body', '%s'), 'msg': "
            "'Input should be a valid integer'}]",
            key);
    if (*out < least)
        return as_vllm_fail(visit, 400, "%s must be at least %lld, got %lld.",
                            key, (long long)least, (long long)*out);
    return true;
}

static bool read_stops(struct visit *visit, yyjson_val *stop,
                       struct prompt *prompt)
{
    prompt->stops =
        ARENA_ARRAY(visit->arena, struct str, yyjson_arr_size(stop) + 1);
    if (yyjson_is_str(stop))
        prompt->stops[prompt->stop_count++] = json_text(stop);
    json_each_item (item, stop) {
        if (!yyjson_is_str(item))
            return as_vllm_fail(visit, 400,
                                "[{'type': 'string_type', 'loc': ('body', "
                                "'stop'), 'msg': 'Input should be a valid "
                                "string'}]");
        prompt->stops[prompt->stop_count++] = json_text(item);
    }
    for (unsigned i = 0; i < prompt->stop_count; i++)
        if (prompt->stops[i].len == 0)
            return as_vllm_fail(visit, 400,
                                "stop cannot contain an empty "
                                "string.");
    return true;
}

static bool read_stop_tokens(struct visit *visit, yyjson_val *tokens,
                             struct prompt *prompt)
{
    prompt->stop_tokens =
        ARENA_ARRAY(visit->arena, uint64_t, yyjson_arr_size(tokens));
    json_each_item (item, tokens) {
        if (!str_to_u64(json_number_text(item),
                        &prompt->stop_tokens[prompt->stop_token_count++]))
            return as_vllm_fail(visit, 400,
                                "[{'type': 'int_type', 'loc': ('body', "
                                "'stop_token_ids'), 'msg': 'Input should be a "
                                "valid integer'}]");
    }
    return true;
}

static bool read_stream(struct visit *visit, yyjson_val *root,
                        struct vllm_answer *answer)
{
    yyjson_val *options = json_get(root, STR("stream_options"));

    visit->is_stream = json_is_true(json_get(root, STR("stream")));
    if (options != NULL && !visit->is_stream)
        return as_vllm_fail(visit, 400,
                            "[{'type': 'value_error', 'loc': ('body',), 'msg': "
                            "'Value error, Stream options can only be defined "
                            "when `stream=True`.'}]");
    answer->include_usage =
        json_is_true(json_get(options, STR("include_usage")));
    answer->continuous_usage =
        answer->include_usage &&
        json_is_true(json_get(options, STR("continuous_usage_stats")));
    return true;
}

static bool read_lengths(struct visit *visit, yyjson_val *root,
                         struct prompt *prompt, struct vllm_answer *answer)
{
    int64_t most = 0;
    int64_t least = 0;
    int64_t n = 1;
    int64_t priority = 0;

    if (!read_count(visit, root, "max_tokens", 1, &most) ||
        !read_count(visit, root, "max_completion_tokens", 1, &most) ||
        !read_count(visit, root, "min_tokens", 0, &least) ||
        !read_count(visit, root, "n", 1, &n) ||
        !read_count(visit, root, "priority", INT64_MIN, &priority))
        return false;
    if (n > VLLM_MAX_N)
        return as_vllm_fail(visit, 400, "n must be at most %d, got %lld.",
                            VLLM_MAX_N, (long long)n);
    if (priority != 0)
        return as_vllm_fail(visit, 400,
                            "Got priority %lld but priority scheduling is not "
                            "enabled.",
                            (long long)priority);
    if (most > 0 && least > most)
        return as_vllm_fail(visit, 400,
                            "min_tokens must be less than or equal to "
                            "max_tokens=%lld, got %lld.",
                            (long long)most, (long long)least);
    answer->n = (unsigned)n;
    visit->max_tokens = prompt->max_tokens = (size_t)most;
    prompt->min_tokens = (size_t)least;
    if (json_is_true(json_get(root, STR("ignore_eos"))))
        prompt->min_tokens = (size_t)most;
    return true;
}

bool as_vllm_read_sampling(struct visit *visit, yyjson_val *root,
                           struct prompt *prompt, struct vllm_answer *answer)
{
    prompt->keeps_stop =
        json_is_true(json_get(root, STR("include_stop_str_in_output")));
    return check_range(visit, root, "temperature", 0, 2) &&
           check_range(visit, root, "top_p", 1e-9, 1) &&
           check_range(visit, root, "min_p", 0, 1) &&
           check_range(visit, root, "presence_penalty", -2, 2) &&
           check_range(visit, root, "frequency_penalty", -2, 2) &&
           read_stops(visit, json_get(root, STR("stop")), prompt) &&
           read_stop_tokens(visit, json_get(root, STR("stop_token_ids")),
                            prompt) &&
           read_stream(visit, root, answer) &&
           read_lengths(visit, root, prompt, answer);
}

bool as_vllm_check_length(struct visit *visit, struct prompt *prompt)
{
    size_t context = visit->stand->options->max_model_len;
    size_t tokens = prompt_tokens(prompt);

    if (tokens >= context)
        return as_vllm_fail(
            visit, 400,
            "This model's maximum context length is %zu tokens. "
            "However, your request has %zu input tokens. Please "
            "reduce the length of the input messages.",
            context, tokens);
    if (prompt->max_tokens > context - tokens)
        return as_vllm_fail(
            visit, 400,
            "'max_tokens' or 'max_completion_tokens' is too "
            "large: %zu. This model's maximum context length is "
            "%zu tokens and your request has %zu input tokens "
            "(%zu > %zu - %zu).",
            prompt->max_tokens, context, tokens, prompt->max_tokens, context,
            tokens);
    if (prompt->max_tokens == 0)
        prompt->max_tokens = context - tokens;
    if (prompt->min_tokens > prompt->max_tokens)
        prompt->min_tokens = prompt->max_tokens;
    return true;
}
