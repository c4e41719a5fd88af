#include "field.h"

#include "check.h"

/* --- errors that name the field ----------------------------------------- */

bool field_wrong_type(struct field_reader *r, struct str path,
                      const char *expected, yyjson_val *got)
{
    if (yyjson_is_str(got)) {
        struct str shown = str_clip(json_text(got), 40);

        return chat_refuse(r->error, r->arena, ERR_BAD_FIELD, path,
                           "%.*s: expected %s, got the string \"%.*s\"",
                           STR_ARG(path), expected, STR_ARG(shown));
    }
    if (json_is_number(got)) {
        struct str shown = str_clip(json_number_text(got), 40);

        return chat_refuse(r->error, r->arena, ERR_BAD_FIELD, path,
                           "%.*s: expected %s, got the number %.*s",
                           STR_ARG(path), expected, STR_ARG(shown));
    }
    return chat_refuse(r->error, r->arena, ERR_BAD_FIELD, path,
                       "%.*s: expected %s, got %s", STR_ARG(path), expected,
                       json_type_name(got));
}

bool field_missing(struct field_reader *r, struct str path)
{
    return chat_refuse(r->error, r->arena, ERR_MISSING_FIELD, path,
                       "%.*s: this field is required", STR_ARG(path));
}

bool field_unknown_value(struct field_reader *r, struct str path,
                         const char *expected, struct str got)
{
    struct str shown = str_clip(got, 40);

    return chat_refuse(r->error, r->arena, ERR_BAD_VALUE, path,
                       "%.*s: expected %s, got \"%.*s\"", STR_ARG(path),
                       expected, STR_ARG(shown));
}

bool field_get_text(yyjson_val *object, struct str key, struct str *out)
{
    yyjson_val *value = json_get(object, key);

    *out = json_text(value);
    return value == NULL || yyjson_is_str(value);
}

bool field_take_text(struct field_reader *r, yyjson_val *object, struct str key,
                     struct str path, struct str *out)
{
    if (field_get_text(object, key, out))
        return true;
    return field_wrong_type(
        r, arena_printf(r->arena, "%.*s.%.*s", STR_ARG(path), STR_ARG(key)),
        "a string", json_get(object, key));
}

/* --- what has no effect ------------------------------------------------- */

void field_note(struct field_reader *r, struct str prefix, struct str name)
{
    struct chat *chat = r->chat;

    for (unsigned i = 0; i < chat->other_count; i++) {
        struct str other = chat->others[i];

        if (other.len == prefix.len + name.len && str_starts(other, prefix) &&
            str_ends(other, name))
            return; /* without a copy of the name each time */
    }
    chat_other(chat, r->arena, arena_join(r->arena, prefix, name));
}

void field_note_members(struct field_reader *r, yyjson_val *object,
                        struct str prefix, const struct str *known,
                        size_t count)
{
    json_each_member (key, value, object) {
        struct str name = json_text(key);
        size_t i = 0;

        while (i < count && !str_eq(name, known[i]))
            i++;
        if (i < count || yyjson_is_null(value))
            continue;
        if (!yyjson_is_arr(value) || yyjson_arr_size(value) > 0)
            field_note(r, prefix, name);
    }
}

/* --- fields that formats share ------------------------------------------- */

bool field_text(struct field_reader *r, yyjson_val *value, const char *name,
                struct str *out)
{
    if (!yyjson_is_str(value))
        return field_wrong_type(r, str_of(name), "a string", value);
    *out = json_text(value);
    return true;
}

bool field_number(struct field_reader *r, yyjson_val *value, const char *name,
                  struct str *out)
{
    if (!json_is_number(value))
        return field_wrong_type(r, str_of(name), "a number", value);
    *out = json_number_text(value);
    return true;
}

/* Bytes; it comes back in headers. */
enum { MODEL_MAX = 256 };

bool field_model(struct field_reader *r, yyjson_val *value)
{
    if (!field_text(r, value, "model", &r->chat->model))
        return false;
    if (r->chat->model.len > MODEL_MAX)
        return chat_refuse(r->error, r->arena, ERR_BAD_VALUE, STR("model"),
                           "model: expected at most %d bytes, got %zu",
                           MODEL_MAX, r->chat->model.len);
    return true;
}

bool field_stream(struct field_reader *r, yyjson_val *value)
{
    if (!yyjson_is_bool(value))
        return field_wrong_type(r, STR("stream"), "true or false", value);
    r->chat->is_stream = json_is_true(value);
    return true;
}

bool field_describe_grammar(struct field_reader *r, yyjson_val *grammar,
                            struct chat_tool *tool)
{
    struct str syntax = json_get_text(grammar, STR("syntax"));
    struct str definition = json_get_text(grammar, STR("definition"));

    if (definition.len == 0)
        return false;
    tool->description = arena_printf(
        r->arena, "%.*s%sThe input must follow this %.*s grammar:\n%.*s",
        STR_ARG(tool->description), tool->description.len > 0 ? "\n\n" : "",
        STR_ARG(syntax), STR_ARG(definition));
    return true;
}

void field_note_obfuscation(struct field_reader *r, yyjson_val *options)
{
    if (json_is_true(json_get(options, STR("include_obfuscation"))))
        chat_other(r->chat, r->arena,
                   STR("stream_options.include_obfuscation"));
}

/* Of a name that is there twice servers take the last. */
static yyjson_val *place_usage(struct chat *chat, yyjson_val *options)
{
    yyjson_val *usage = NULL;

    json_each_member (key, value, options) {
        if (!str_eq(json_text(key), STR("include_usage")))
            continue;
        usage = value;
        json_member_place(&chat->doc, chat->body, key, &chat->usage_at,
                          &chat->usage_len);
    }
    return yyjson_is_null(usage) ? NULL : usage;
}

bool field_stream_options(struct field_reader *r, yyjson_val *value)
{
    static const struct str known[] = {STR_INIT("include_usage"),
                                       STR_INIT("include_obfuscation")};
    yyjson_val *usage;

    if (!yyjson_is_obj(value))
        return field_wrong_type(r, STR("stream_options"), "an object", value);
    field_note_obfuscation(r, value);
    FIELD_NOTE_OTHERS(r, value, "stream_options.", known);
    r->chat->has_stream_options = yyjson_obj_size(value) > 0;
    usage = place_usage(r->chat, value);
    if (usage != NULL && !yyjson_is_bool(usage))
        return field_wrong_type(r, STR("stream_options.include_usage"),
                                "true or false", usage);
    r->chat->include_usage = json_is_true(usage);
    return true;
}

bool field_temperature(struct field_reader *r, yyjson_val *value)
{
    return field_number(r, value, "temperature", &r->chat->temperature);
}

bool field_top_p(struct field_reader *r, yyjson_val *value)
{
    return field_number(r, value, "top_p", &r->chat->top_p);
}

bool field_top_k(struct field_reader *r, yyjson_val *value)
{
    return field_number(r, value, "top_k", &r->chat->top_k);
}

bool field_user(struct field_reader *r, yyjson_val *value)
{
    return field_text(r, value, "user", &r->chat->user);
}

bool field_safety_identifier(struct field_reader *r, yyjson_val *value)
{
    return field_text(r, value, "safety_identifier",
                      &r->chat->safety_identifier);
}

bool field_metadata(struct field_reader *r, yyjson_val *value)
{
    r->chat->metadata = value;
    return true;
}

bool field_service_tier(struct field_reader *r, yyjson_val *value)
{
    return field_text(r, value, "service_tier", &r->chat->service_tier);
}

/* --- the top level ------------------------------------------------------ */

static bool read_member(struct field_reader *r, const struct field *fields,
                        size_t count, yyjson_val *key, yyjson_val *value,
                        uint32_t *seen)
{
    struct chat *chat = r->chat;
    struct str name = json_text(key);

    for (size_t i = 0; i < count; i++) {
        if (!str_eq(name, fields[i].name))
            continue;
        /* Parsers differ in which one they take: what the router judged must
         * be what the model gets. */
        if ((*seen >> i & 1) != 0)
            return chat_refuse(r->error, r->arena, ERR_BAD_VALUE, name,
                               "%.*s: this field is there twice",
                               STR_ARG(name));
        *seen |= UINT32_C(1) << i;
        if (fields[i].read == field_model)
            json_member_place(&chat->doc, chat->body, key, &chat->model_at,
                              &chat->model_len);
        if (fields[i].read == field_stream_options)
            json_member_place(&chat->doc, chat->body, key, &chat->options_at,
                              &chat->options_len);
        return yyjson_is_null(value) || fields[i].read(r, value);
    }
    if (!yyjson_is_null(value))
        chat_other(chat, r->arena, name);
    return true;
}

static bool refuse_json(struct field_reader *r,
                        const struct json_error *trouble)
{
    if (trouble->fault == JSON_NO_MEMORY) {
        *r->error = (struct chat_error){.error = ERR_MEMORY_BUDGET};
        return false;
    }
    return chat_refuse(
        r->error, r->arena,
        trouble->fault == JSON_SYNTAX ? ERR_BAD_JSON : ERR_TOO_COMPLEX,
        (struct str){NULL, 0},
        "The request body is not usable JSON: %s at line %zu, column %zu "
        "(byte %zu).",
        trouble->says, trouble->line, trouble->column, trouble->offset);
}

bool field_read_body(struct field_reader *r, const struct field *fields,
                     size_t count)
{
    struct chat *chat = r->chat;
    struct json_error trouble;
    uint32_t seen = 0; /* one bit for each of them */

    check(count <= FIELDS_MAX);
    if (str_is_blank(chat->body))
        return chat_refuse(r->error, r->arena, ERR_BAD_JSON,
                           (struct str){NULL, 0},
                           "The request has no body; expected a JSON object.");
    if (!json_read(r->arena, chat->body, &chat->doc, &trouble))
        return refuse_json(r, &trouble);
    if (!yyjson_is_obj(chat->doc.root))
        return chat_refuse(r->error, r->arena, ERR_BAD_FIELD,
                           (struct str){NULL, 0},
                           "The request body must be a JSON object, got %s.",
                           json_type_name(chat->doc.root));
    json_each_member (key, value, chat->doc.root) {
        if (!read_member(r, fields, count, key, value, &seen))
            return false;
    }
    return true;
}
