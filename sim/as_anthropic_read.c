/* Anthropic: from the JSON of a request that was found right to a prompt. */
#include "as_anthropic.h"
#include "base64.h"

enum { SHORT_MINUTES = 5, LONG_MINUTES = 60 };

static unsigned minutes_of(yyjson_val *owner)
{
    yyjson_val *mark = json_get(owner, STR("cache_control"));

    if (mark == NULL)
        return 0;
    return str_eq(json_get_text(mark, STR("ttl")), STR("1h")) ? LONG_MINUTES
                                                              : SHORT_MINUTES;
}

/* --- parts -------------------------------------------------------------- */

static void read_media(struct arena *arena, yyjson_val *block,
                       struct prompt_part *part)
{
    yyjson_val *source = json_get(block, STR("source"));
    struct str data = json_get_text(source, STR("data"));

    part->kind = PROMPT_MEDIA;
    part->name = json_get_text(block, STR("title"));
    part->media_type = json_get_text(source, STR("media_type"));
    if (str_eq(json_get_text(source, STR("type")), STR("base64"))) {
        part->size = prompt_decoded_size(data);
        part->bytes = prompt_front(arena, data);
    } else if (data.len > 0) {
        part->text = data;
        part->size = data.len;
    } else if (str_eq(json_get_text(block, STR("type")), STR("image"))) {
        part->media_type = STR("image/");
        part->name = json_get_text(source, STR("url"));
    }
}

/* The texts of a tool_result, which may be one string or blocks. */
static struct str result_text(struct arena *arena, yyjson_val *content)
{
    struct str all = json_text(content);
    struct buf text;

    if (!yyjson_is_arr(content))
        return all;
    buf_init(&text, SIZE_MAX / 2);
    json_each_item (block, content) {
        struct str type = json_get_text(block, STR("type"));

        if (text.len > 0)
            buf_put_char(&text, '\n');
        if (str_eq(type, STR("text")))
            buf_put(&text, json_get_text(block, STR("text")));
        else
            buf_printf(&text, "[%.*s]", STR_ARG(type));
    }
    all = arena_copy(arena, buf_str(&text));
    buf_fini(&text);
    return all;
}

/* False for blocks that no answer depends on. */
static bool read_part(const struct anthropic_check *c, yyjson_val *block,
                      struct prompt_part *part)
{
    struct str type = json_get_text(block, STR("type"));
    struct arena *arena = c->arena;

    *part = (struct prompt_part){.cache_minutes = minutes_of(block)};
    if (str_eq(type, STR("text"))) {
        part->text = json_get_text(block, STR("text"));
    } else if (str_eq(type, STR("image")) || str_eq(type, STR("document"))) {
        read_media(arena, block, part);
    } else if (str_eq(type, STR("tool_use"))) {
        struct buf arguments;
        struct json_out out = json_out_to(&arguments);

        part->kind = PROMPT_CALL;
        part->id = json_get_text(block, STR("id"));
        part->name = json_get_text(block, STR("name"));
        buf_init(&arguments, SIZE_MAX / 2);
        json_put_val(&out, json_get(block, STR("input")));
        part->text = arena_copy(arena, buf_str(&arguments));
        buf_fini(&arguments);
    } else if (str_eq(type, STR("tool_result"))) {
        part->kind = PROMPT_RESULT;
        part->id = json_get_text(block, STR("tool_use_id"));
        part->text = result_text(arena, json_get(block, STR("content")));
        part->is_error = json_is_true(json_get(block, STR("is_error")));
    } else if (str_eq(type, STR("thinking")) &&
               as_anthropic_is_signed_by(
                   c->model->traits->id,
                   json_get_text(block, STR("signature")))) {
        /* another model's is dropped without a word */
        part->kind = PROMPT_THINKING;
        part->text = json_get_text(block, STR("thinking"));
    } else {
        return part->cache_minutes > 0;
    }
    return true;
}

/* --- messages ----------------------------------------------------------- */

static void read_content(const struct anthropic_check *c, yyjson_val *content,
                         struct prompt_message *message)
{
    message->parts =
        ARENA_ARRAY(c->arena, struct prompt_part, yyjson_arr_size(content) + 1);
    if (yyjson_is_str(content))
        message->parts[message->part_count++].text = json_text(content);
    json_each_item (block, content) {
        if (read_part(c, block, &message->parts[message->part_count]))
            message->part_count++;
    }
}

static void read_messages(const struct anthropic_check *c,
                          struct prompt *prompt)
{
    yyjson_val *messages = json_get(c->root, STR("messages"));
    yyjson_val *system = json_get(c->root, STR("system"));

    prompt->messages = ARENA_ARRAY(c->arena, struct prompt_message,
                                   yyjson_arr_size(messages) + 1);
    if (system != NULL) {
        prompt->messages[0].role = PROMPT_SYSTEM;
        read_content(c, system, &prompt->messages[prompt->message_count++]);
    }
    json_each_item (item, messages) {
        struct prompt_message *message =
            &prompt->messages[prompt->message_count++];
        struct str role = json_get_text(item, STR("role"));

        message->role = str_eq(role, STR("assistant")) ? PROMPT_ASSISTANT
                        : str_eq(role, STR("system"))  ? PROMPT_SYSTEM
                                                       : PROMPT_USER;
        read_content(c, json_get(item, STR("content")), message);
    }
}

/* The request's own mark stands behind everything. */
static void mark_end(const struct anthropic_check *c, struct prompt *prompt)
{
    unsigned minutes = minutes_of(c->root);
    struct prompt_message *last = &prompt->messages[prompt->message_count - 1];

    if (minutes > 0 && last->part_count > 0)
        last->parts[last->part_count - 1].cache_minutes = minutes;
}

/* --- tools -------------------------------------------------------------- */

/* Anthropic's own tools that the caller runs, by the beginning of their
 * dated type.  Their schemas are known without being sent. */
static const struct {
    struct str type;
    struct str schema;
} own_tools[] = {
    {STR_INIT("bash_"),
     STR_INIT("{\"type\":\"object\",\"properties\":{\"command\":"
              "{\"type\":\"string\"}},\"required\":[\"command\"]}")},
    {STR_INIT("text_editor_"),
     STR_INIT("{\"type\":\"object\",\"properties\":{\"command\":{\"enum\":"
              "[\"view\"]},\"path\":{\"type\":\"string\"}},\"required\":"
              "[\"command\",\"path\"]}")},
};

static yyjson_val *schema_of(struct arena *arena, yyjson_val *tool)
{
    struct str type = json_get_text(tool, STR("type"));
    struct json_error trouble;
    struct json_doc doc;

    for (size_t i = 0; i < COUNT_OF(own_tools); i++)
        if (str_starts(type, own_tools[i].type) &&
            json_read(arena, own_tools[i].schema, &doc, &trouble))
            return doc.root;
    return json_get(tool, STR("input_schema"));
}

static void read_tools(const struct anthropic_check *c, struct prompt *prompt)
{
    yyjson_val *tools = json_get(c->root, STR("tools"));

    prompt->tools =
        ARENA_ARRAY(c->arena, struct prompt_tool, yyjson_arr_size(tools));
    json_each_item (item, tools) {
        struct prompt_tool *tool = &prompt->tools[prompt->tool_count];

        if (str_starts(json_get_text(item, STR("type")), STR("web_search_")))
            prompt->can_search = true;
        tool->schema = schema_of(c->arena, item);
        if (tool->schema == NULL)
            continue; /* the server's own, or not known here */
        tool->name = json_get_text(item, STR("name"));
        tool->description = json_get_text(item, STR("description"));
        tool->cache_minutes = minutes_of(item);
        prompt->tool_count++;
    }
}

static void read_choice(const struct anthropic_check *c, struct prompt *prompt)
{
    yyjson_val *choice = json_get(c->root, STR("tool_choice"));
    struct str type = json_get_text(choice, STR("type"));

    prompt->is_serial =
        json_is_true(json_get(choice, STR("disable_parallel_tool_use")));
    prompt->announces_calls = true;
    if (str_eq(type, STR("any"))) {
        prompt->choice = PROMPT_CHOICE_REQUIRED;
    } else if (str_eq(type, STR("none"))) {
        prompt->choice = PROMPT_CHOICE_NONE;
    } else if (str_eq(type, STR("tool"))) {
        prompt->choice = PROMPT_CHOICE_NAMED;
        prompt->choice_name = json_get_text(choice, STR("name"));
    }
}

/* --- the rest ----------------------------------------------------------- */

static bool follows_result(const struct prompt *prompt)
{
    for (unsigned i = prompt_tail(prompt); i < prompt->message_count; i++)
        if (prompt->messages[i].part_count > 0 &&
            prompt->messages[i].parts[0].kind == PROMPT_RESULT)
            return true;
    return false;
}

static void read_thinking(const struct anthropic_check *c,
                          struct prompt *prompt,
                          struct anthropic_answer *answer)
{
    yyjson_val *thinking = json_get(c->root, STR("thinking"));
    struct str display = json_get_text(thinking, STR("display"));
    struct str effort =
        json_get_text(json_get(c->root, STR("output_config")), STR("effort"));

    prompt->wants_thinking = c->thinks;
    if (str_eq(json_get_text(thinking, STR("type")), STR("between_tools")))
        prompt->wants_thinking = follows_result(prompt);
    if (as_anthropic_is_listed(STR("high|xhigh|max"), effort))
        prompt->thinking_effort = 2;
    answer->hides_thinking = c->model->traits->hides_thinking;
    if (display.len > 0)
        answer->hides_thinking = str_eq(display, STR("omitted"));
}

static void read_stops(const struct anthropic_check *c, struct prompt *prompt)
{
    yyjson_val *stops = json_get(c->root, STR("stop_sequences"));

    prompt->stops = ARENA_ARRAY(c->arena, struct str, yyjson_arr_size(stops));
    json_each_item (stop, stops) {
        prompt->stops[prompt->stop_count++] = json_text(stop);
    }
}

void as_anthropic_read(const struct anthropic_check *c, struct prompt *prompt,
                       struct anthropic_answer *answer)
{
    yyjson_val *format =
        json_get(json_get(c->root, STR("output_config")), STR("format"));

    *prompt = (struct prompt){.model = json_get_text(c->root, STR("model"))};
    answer->model = prompt->model;
    answer->signer = c->model->traits->id;
    read_messages(c, prompt);
    mark_end(c, prompt);
    read_tools(c, prompt);
    read_choice(c, prompt);
    read_thinking(c, prompt, answer);
    read_stops(c, prompt);
    answer->stop = prompt->stop_count > 0 ? prompt->stops[0] : STR("###");
    prompt->max_tokens = (size_t)json_get_i64(c->root, STR("max_tokens"));
    if (format != NULL) {
        prompt->format = PROMPT_JSON_SCHEMA;
        prompt->schema = json_get(format, STR("schema"));
    }
}
