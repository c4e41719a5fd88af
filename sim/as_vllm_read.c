/* vLLM: from the JSON of a request to a prompt. */
#include "as_vllm.h"
#include "base64.h"

/* --- parts of messages -------------------------------------------------- */

static bool read_image(struct visit *visit, struct str url,
                       struct prompt_part *part)
{
    struct data_url data;

    part->kind = PROMPT_MEDIA;
    if (str_starts(url, STR("https://")) || str_starts(url, STR("http://"))) {
        part->media_type = STR("image/");
        part->name = url;
        return true;
    }
    if (!data_url_parse(url, &data))
        return as_vllm_fail(visit, 400,
                            "The URL must be either a HTTP, data or file URL.");
    part->media_type = data.media_type;
    part->size = prompt_decoded_size(data.data);
    part->bytes = prompt_front(visit->arena, data.data);
    return true;
}

static bool read_audio(struct visit *visit, yyjson_val *audio,
                       struct prompt_part *part)
{
    struct str data = json_get_text(audio, STR("data"));

    if (!base64_is_valid(data))
        return as_vllm_fail(visit, 400, "input_audio: the data is not Base64.");
    part->kind = PROMPT_MEDIA;
    part->media_type =
        arena_printf(visit->arena, "audio/%.*s",
                     STR_ARG(json_get_text(audio, STR("format"))));
    part->size = prompt_decoded_size(data);
    return true;
}

static bool read_part(struct visit *visit, yyjson_val *value,
                      struct prompt_part *part)
{
    struct str type = json_get_text(value, STR("type"));
    yyjson_val *text = json_get(value, STR("text"));

    if (yyjson_is_str(value)) {
        part->text = json_text(value);
        return true;
    }
    if (str_eq(type, STR("text")) || str_eq(type, STR("refusal"))) {
        if (str_eq(type, STR("refusal")))
            text = json_get(value, STR("refusal"));
        if (!yyjson_is_str(text))
            return as_vllm_fail(visit, 400,
                                "[{'type': 'string_type', 'loc': ('body', "
                                "'messages', 'content', 'text'), 'msg': 'Input "
                                "should be a valid string'}]");
        part->text = json_text(text);
        return true;
    }
    if (str_eq(type, STR("image_url")) || str_eq(type, STR("video_url")) ||
        str_eq(type, STR("audio_url")))
        return read_image(
            visit, json_get_text(json_get(value, type), STR("url")), part);
    if (str_eq(type, STR("input_audio")))
        return read_audio(visit, json_get(value, type), part);
    return as_vllm_fail(visit, 400, "Unknown part type: %.*s",
                        STR_ARG(str_clip(type, 80)));
}

/* --- messages ----------------------------------------------------------- */

/* vLLM gives the arguments to the chat template as an object. */
static bool check_arguments(struct visit *visit, struct str arguments)
{
    struct json_error trouble;
    struct json_doc doc;

    if (str_is_blank(arguments) ||
        json_read(visit->arena, arguments, &doc, &trouble))
        return true;
    return as_vllm_fail(visit, 400,
                        "Expecting value: line %zu column %zu (char %zu)",
                        trouble.line, trouble.column, trouble.offset);
}

static bool read_calls(struct visit *visit, yyjson_val *calls,
                       struct prompt_message *message)
{
    json_each_item (call, calls) {
        yyjson_val *function = json_get(call, STR("function"));
        struct prompt_part *part = &message->parts[message->part_count++];

        part->kind = PROMPT_CALL;
        part->id = json_get_text(call, STR("id"));
        part->name = json_get_text(function, STR("name"));
        part->text = json_get_text(function, STR("arguments"));
        if (part->name.len == 0)
            return as_vllm_fail(
                visit, 400,
                "[{'type': 'missing', 'loc': ('body', 'messages', "
                "'tool_calls', 'function', 'name'), 'msg': "
                "'Field required'}]");
        if (!check_arguments(visit, part->text))
            return false;
    }
    return true;
}

static bool read_content(struct visit *visit, yyjson_val *content,
                         struct prompt_message *message)
{
    if (yyjson_is_str(content)) {
        message->parts[message->part_count++].text = json_text(content);
        return true;
    }
    if (content != NULL && !yyjson_is_arr(content))
        return as_vllm_fail(
            visit, 400,
            "[{'type': 'string_type', 'loc': ('body', 'messages', "
            "'content'), 'msg': 'Input should be a valid "
            "string'}]");
    json_each_item (item, content) {
        if (!read_part(visit, item, &message->parts[message->part_count++]))
            return false;
    }
    return true;
}

static bool read_role(struct visit *visit, struct str role,
                      enum prompt_role *out)
{
    static const struct {
        struct str name;
        enum prompt_role role;
    } roles[] = {
        {STR_INIT("system"), PROMPT_SYSTEM},
        {STR_INIT("developer"), PROMPT_SYSTEM},
        {STR_INIT("user"), PROMPT_USER},
        {STR_INIT("assistant"), PROMPT_ASSISTANT},
        {STR_INIT("tool"), PROMPT_TOOL},
        {STR_INIT("function"), PROMPT_TOOL},
    };

    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        if (str_eq(roles[i].name, role)) {
            *out = roles[i].role;
            return true;
        }
    }
    return as_vllm_fail(visit, 400, "Unexpected message role.");
}

static bool read_message(struct visit *visit, yyjson_val *value,
                         struct prompt_message *message)
{
    yyjson_val *content = json_get(value, STR("content"));
    yyjson_val *calls = json_get(value, STR("tool_calls"));
    struct str thought = json_get_text(value, STR("reasoning"));

    if (!read_role(visit, json_get_text(value, STR("role")), &message->role))
        return false;
    message->parts =
        ARENA_ARRAY(visit->arena, struct prompt_part,
                    yyjson_arr_size(content) + yyjson_arr_size(calls) + 2);
    if (thought.len == 0)
        thought = json_get_text(value, STR("reasoning_content"));
    if (thought.len > 0) {
        message->parts[message->part_count].kind = PROMPT_THINKING;
        message->parts[message->part_count++].text = thought;
    }
    if (!read_content(visit, content, message) ||
        !read_calls(visit, calls, message))
        return false;
    for (unsigned i = 0; i < message->part_count; i++) {
        struct prompt_part *part = &message->parts[i];

        if (message->role == PROMPT_TOOL && part->kind == PROMPT_TEXT) {
            part->kind = PROMPT_RESULT;
            part->id = json_get_text(value, STR("tool_call_id"));
            part->name = json_get_text(value, STR("name"));
        }
    }
    return true;
}

/* --- tools -------------------------------------------------------------- */

static bool read_tools(struct visit *visit, yyjson_val *tools,
                       struct prompt *prompt)
{
    prompt->tools =
        ARENA_ARRAY(visit->arena, struct prompt_tool, yyjson_arr_size(tools));
    json_each_item (item, tools) {
        yyjson_val *function = json_get(item, STR("function"));
        struct prompt_tool *tool = &prompt->tools[prompt->tool_count++];

        tool->name = json_get_text(function, STR("name"));
        tool->description = json_get_text(function, STR("description"));
        tool->schema = json_get(function, STR("parameters"));
        if (!str_eq(json_get_text(item, STR("type")), STR("function")) ||
            tool->name.len == 0)
            return as_vllm_fail(visit, 400,
                                "[{'type': 'missing', 'loc': ('body', 'tools', "
                                "%u, 'function', 'name'), 'msg': 'Field "
                                "required'}]",
                                prompt->tool_count - 1);
        if (tool->schema != NULL && !yyjson_is_obj(tool->schema))
            return as_vllm_fail(
                visit, 400,
                "[{'type': 'dict_type', 'loc': ('body', 'tools', "
                "%u, 'function', 'parameters'), 'msg': 'Input "
                "should be a valid dictionary'}]",
                prompt->tool_count - 1);
    }
    return true;
}

static bool read_named_choice(struct visit *visit, yyjson_val *choice,
                              struct prompt *prompt)
{
    struct str name =
        json_get_text(json_get(choice, STR("function")), STR("name"));

    if (!str_eq(json_get_text(choice, STR("type")), STR("function")) ||
        name.len == 0)
        return as_vllm_fail(
            visit, 400,
            "Incorrectly formatted `tool_choice`. Should be like "
            "`{\"type\": \"function\", \"function\": {\"name\": "
            "\"my_function\"}}`");
    for (unsigned i = 0; i < prompt->tool_count; i++) {
        if (str_eq(prompt->tools[i].name, name)) {
            prompt->choice = PROMPT_CHOICE_NAMED;
            prompt->choice_name = name;
            return true;
        }
    }
    return as_vllm_fail(
        visit, 400,
        "The tool specified in `tool_choice` does not match any "
        "of the specified `tools`");
}

static bool read_choice(struct visit *visit, yyjson_val *choice,
                        struct prompt *prompt)
{
    struct str word = json_text(choice);

    if (choice == NULL)
        return true;
    if (str_eq(word, STR("none"))) {
        prompt->choice = PROMPT_CHOICE_NONE;
        return true;
    }
    if (prompt->tool_count == 0)
        return as_vllm_fail(visit, 400,
                            "When using `tool_choice`, `tools` must be set.");
    if (str_eq(word, STR("auto")))
        return true;
    if (str_eq(word, STR("required"))) {
        prompt->choice = PROMPT_CHOICE_REQUIRED;
        return true;
    }
    if (word.len > 0)
        return as_vllm_fail(visit, 400,
                            "Invalid value for `tool_choice`: %.*s! Only named "
                            "tools, \"none\", \"auto\" or \"required\" are "
                            "supported.",
                            STR_ARG(str_clip(word, 80)));
    return read_named_choice(visit, choice, prompt);
}

bool as_vllm_read_messages(struct visit *visit, yyjson_val *root,
                           struct prompt *prompt)
{
    yyjson_val *messages = json_get(root, STR("messages"));
    yyjson_val *tools = json_get(root, STR("tools"));

    prompt->model = as_vllm_model(visit, root);
    if (!yyjson_is_arr(messages))
        return as_vllm_fail(visit, 400,
                            "[{'type': 'missing', 'loc': ('body', 'messages'), "
                            "'msg': 'Field required'}]");
    if (tools != NULL && yyjson_arr_size(tools) == 0)
        return as_vllm_fail(
            visit, 400,
            "[{'type': 'value_error', 'loc': ('body',), 'msg': "
            "'Value error, `tools` must not be an empty array. "
            "Either provide at least one tool or omit the field "
            "entirely.'}]");
    prompt->messages = ARENA_ARRAY(visit->arena, struct prompt_message,
                                   yyjson_arr_size(messages));
    json_each_item (item, messages) {
        if (!read_message(visit, item,
                          &prompt->messages[prompt->message_count++]))
            return false;
    }
    if (prompt->message_count == 0)
        return as_vllm_fail(visit, 400, "messages: at least one is needed.");
    return read_tools(visit, tools, prompt) &&
           read_choice(visit, json_get(root, STR("tool_choice")), prompt);
}

/* --- formats and thinking ----------------------------------------------- */

static bool read_format(struct visit *visit, yyjson_val *format,
                        struct prompt *prompt)
{
    struct str type = json_get_text(format, STR("type"));

    if (format == NULL || str_eq(type, STR("text")))
        return true;
    if (str_eq(type, STR("json_object"))) {
        prompt->format = PROMPT_JSON_OBJECT;
        return true;
    }
    if (!str_eq(type, STR("json_schema")))
        return as_vllm_fail(visit, 400,
                            "[{'type': 'literal_error', 'loc': ('body', "
                            "'response_format', 'type'), 'msg': \"Input should "
                            "be 'text', 'json_object', 'json_schema' or "
                            "'structural_tag'\"}]");
    prompt->format = PROMPT_JSON_SCHEMA;
    prompt->schema =
        json_get(json_get(format, STR("json_schema")), STR("schema"));
    if (prompt->schema == NULL)
        prompt->format = PROMPT_JSON_OBJECT;
    return true;
}

static void read_structured(struct visit *visit, yyjson_val *structured,
                            struct prompt *prompt)
{
    yyjson_val *words = json_get(structured, STR("choice"));
    yyjson_val *schema = json_get(structured, STR("json"));

    prompt->words =
        ARENA_ARRAY(visit->arena, struct str, yyjson_arr_size(words));
    json_each_item (word, words) {
        prompt->words[prompt->word_count++] = json_text(word);
    }
    if (yyjson_is_obj(schema)) {
        prompt->format = PROMPT_JSON_SCHEMA;
        prompt->schema = schema;
    }
}

static void read_thinking(yyjson_val *root, struct prompt *prompt,
                          struct vllm_answer *answer)
{
    yyjson_val *effort = json_get(root, STR("reasoning_effort"));
    yyjson_val *template = json_get(root, STR("chat_template_kwargs"));
    yyjson_val *switched = json_get(template, STR("enable_thinking"));
    yyjson_val *included = json_get(root, STR("include_reasoning"));

    prompt->wants_thinking =
        effort != NULL && !str_eq(json_text(effort), STR("none"));
    if (switched != NULL)
        prompt->wants_thinking = json_is_true(switched);
    if (str_eq(json_text(effort), STR("high")) ||
        str_eq(json_text(effort), STR("xhigh")) ||
        str_eq(json_text(effort), STR("max")))
        prompt->thinking_effort = 2;
    answer->hides_reasoning = included != NULL && !json_is_true(included);
}

bool as_vllm_read_chat(struct visit *visit, yyjson_val *root,
                       struct prompt *prompt, struct vllm_answer *answer)
{
    yyjson_val *parallel = json_get(root, STR("parallel_tool_calls"));

    if (!as_vllm_read_messages(visit, root, prompt) ||
        !as_vllm_read_sampling(visit, root, prompt, answer) ||
        !read_format(visit, json_get(root, STR("response_format")), prompt))
        return false;
    read_structured(visit, json_get(root, STR("structured_outputs")), prompt);
    read_thinking(root, prompt, answer);
    prompt->is_serial = parallel != NULL && !json_is_true(parallel);
    answer->is_choice_named = prompt->choice == PROMPT_CHOICE_NAMED;
    return true;
}
