/* dialect/fields: every row of the table does what it says. */
#include "dialect/fields.h"

#include "dialect/anthropic_door.h"
#include "dialect/format.h"
#include "dialect/openai_private.h"
#include "dialect/responses_private.h"

#include "../testing.h"

enum { OPENAI, CLAUDE, ENDS };

/* What a row says, with the piece of the outgoing request that shows it. */
static const struct claim {
    enum fields_format format;
    const char *path;
    const char *sample;
    struct {
        enum fields_fate fate;
        const char *json;
    } ends[ENDS];
} claims[] = {
#define PASSES              \
    {                       \
        FIELDS_PASSES, NULL \
    }
#define BECOMES(json, words) \
    {                        \
        FIELDS_BECOMES, json \
    }
#define LOOSENS(json, words) \
    {                        \
        FIELDS_LOOSENS, json \
    }
#define IMPLIED(words)       \
    {                        \
        FIELDS_IMPLIED, NULL \
    }
#define ROUTER(words)       \
    {                       \
        FIELDS_ROUTER, NULL \
    }
#define DROPS(words)       \
    {                      \
        FIELDS_DROPS, NULL \
    }
#define REFUSES(words)       \
    {                        \
        FIELDS_REFUSES, NULL \
    }
#define FIELD(format, path, sample, ...) \
    {FIELDS_##format, path, sample, {__VA_ARGS__}},
#include "dialect/fields.def"
#undef FIELD
};

static const struct {
    const struct format *format;
    const char *base; /* the least request */
} formats[FIELDS_FORMATS] = {
    [FIELDS_CHAT] = {&format_chat,
                     "'model':'claude-opus-4-6',"
                     "'messages':[{'role':'user','content':'Hi'}]"},
    [FIELDS_MESSAGES] = {&format_messages,
                         "'model':'claude-opus-4-6','max_tokens':64,"
                         "'messages':[{'role':'user','content':'Hi'}]"},
    [FIELDS_RESPONSES] = {&format_responses,
                          "'model':'claude-opus-4-6','input':'Hi'"},
};

static struct arena arena;
static struct claude_models models;

/* ' is ", and ` is the same inside a string. */
static struct str unquoted(const char *text)
{
    struct buf out;
    struct str copy;

    buf_init(&out, 1 << 16);
    for (; *text != '\0'; text++) {
        if (*text == '`')
            buf_put(&out, STR("\\\""));
        else
            buf_put_char(&out, *text == '\'' ? '"' : *text);
    }
    copy = arena_copy(&arena, buf_str(&out));
    buf_fini(&out);
    return copy;
}

static yyjson_val *parsed(struct str text)
{
    struct json_doc doc;
    struct json_error error;

    if (!json_read(&arena, text, &doc, &error))
        fail_msg("%s: %.*s", error.says, STR_ARG(text));
    return doc.root;
}

/* --- requests with and without the field --------------------------------- */

static void put_without(struct json_out *out, yyjson_val *value,
                        struct str path);

static void put_items(struct json_out *out, yyjson_val *list, struct str path)
{
    size_t left = yyjson_arr_size(list);

    json_open(out, '[');
    json_each_item (item, list) {
        left--;
        if (!str_eq(json_get_text(item, STR("type")), path) &&
            (left > 0 || !str_eq(path, STR("*"))))
            put_without(out, item, path);
    }
    json_close(out, ']');
}

static void put_without(struct json_out *out, yyjson_val *value,
                        struct str path)
{
    struct str rest = path;
    struct str name;
    bool is_list;

    if (!str_split(&rest, '.', &name)) {
        name = path;
        rest = STR("");
    }
    is_list = str_ends(name, STR("[]"));
    if (is_list)
        name.len -= 2;
    if (!yyjson_is_obj(value)) {
        json_put_val(out, value);
        return;
    }
    json_open(out, '{');
    json_each_member (key, member, value) {
        bool is_it = str_eq(json_text(key), name);

        if (is_it && rest.len == 0 && !is_list)
            continue;
        json_key_any(out, json_text(key));
        if (!is_it)
            json_put_val(out, member);
        else if (yyjson_is_arr(member))
            put_items(out, member, rest);
        else
            put_without(out, member, rest);
    }
    json_close(out, '}');
}

/* The base with the sample's members in place of its own. */
static struct str request_of(const struct claim *claim, bool has_field)
{
    struct str sample =
        unquoted(arena_printf(&arena, "{%s}", claim->sample).ptr);
    struct str base =
        unquoted(arena_printf(&arena, "{%s}", formats[claim->format].base).ptr);
    yyjson_val *members = parsed(sample);
    yyjson_val *root = parsed(base);
    struct buf text;
    struct json_out out = json_out_to(&text);
    struct str whole;

    buf_init(&text, 1 << 16);
    json_open(&out, '{');
    json_each_member (key, value, root) {
        if (json_get(members, json_text(key)) != NULL)
            continue;
        json_key_any(&out, json_text(key));
        json_put_val(&out, value);
    }
    json_each_member (key, value, members) {
        json_key_any(&out, json_text(key));
        json_put_val(&out, value);
    }
    json_close(&out, '}');
    whole = arena_copy(&arena, buf_str(&text));
    if (!has_field) {
        buf_clear(&text);
        out = json_out_to(&text);
        put_without(&out, parsed(whole), str_of(claim->path));
        whole = arena_copy(&arena, buf_str(&text));
    }
    buf_fini(&text);
    return whole;
}

/* --- what becomes of a request -------------------------------------------- */

struct result {
    bool ok;
    struct str out;
    struct request_notes notes;
    struct chat_error error;
};

static struct result translate(const struct claim *claim, unsigned end,
                               bool has_field)
{
    const struct format *from = formats[claim->format].format;
    const struct format *to =
        end == CLAUDE ? from->with_anthropic : from->with_openai;
    struct str body = request_of(claim, has_field);
    struct request_style style = {
        .model = STR("up"),
        .default_max_tokens = 4096,
        .shows_reasoning = true,
    };
    struct result result = {.ok = false};
    struct chat *chat = ARENA_NEW(&arena, struct chat);
    struct buf out;

    buf_init(&out, 1 << 16);
    result.ok = from->read_request(&arena, body, chat, &result.error);
    if (result.ok) {
        style.traits = claude_find(&models, chat->model);
        if (style.traits == NULL)
            style.traits = &claude_unknown;
        result.ok = to->write_request(&arena, chat, &style, &out, &result.notes,
                                      &result.error);
    }
    result.out = arena_copy(&arena, buf_str(&out));
    buf_fini(&out);
    return result;
}

/* Was this very row named? */
static bool is_named(const struct claim *claim, const struct result *result)
{
    struct str format = formats[claim->format].format->name;

    for (unsigned i = 0; i < result->notes.dropped_count; i++)
        if (fields_slot(format, result->notes.dropped[i]) ==
            (unsigned)(claim - claims))
            return true;
    return false;
}

/* messages[0].content[1] without what is in the brackets */
static struct str without_indexes(struct str path)
{
    struct buf text;
    struct str copy;
    bool is_inside = false;

    buf_init(&text, 4096);
    for (size_t i = 0; i < path.len; i++) {
        is_inside = is_inside && path.ptr[i] != ']';
        if (!is_inside)
            buf_put_char(&text, path.ptr[i]);
        is_inside = is_inside || path.ptr[i] == '[';
    }
    copy = arena_copy(&arena, buf_str(&text));
    buf_fini(&text);
    return copy;
}

static const char *refusal(const struct claim *claim, const struct result *with)
{
    struct str path = str_of(claim->path);
    struct str param = without_indexes(with->error.param);

    if (with->ok)
        return "was not refused";
    if (param.len == 0 || !str_starts(path, param))
        return "is refused for another field";
    return NULL;
}

/* What is wrong with the claim; NULL: nothing. */
static const char *judge(const struct claim *claim, unsigned end)
{
    enum fields_fate fate = claim->ends[end].fate;
    struct result with = translate(claim, end, true);
    struct result without = translate(claim, end, false);
    struct str piece;

    if (fate == FIELDS_REFUSES)
        return refusal(claim, &with);
    if (!with.ok)
        return chat_error_message(&with.error).ptr;
    if (is_named(claim, &with) !=
        (fate == FIELDS_DROPS || fate == FIELDS_LOOSENS))
        return fate == FIELDS_DROPS ? "is not named" : "is named";
    if (without.ok && is_named(claim, &without))
        return "is named where it is absent";
    if (fate == FIELDS_BECOMES || fate == FIELDS_LOOSENS) {
        piece = unquoted(claim->ends[end].json);
        if (!str_contains(with.out, piece))
            return "is not in the request as said";
        return without.ok && str_contains(without.out, piece)
                   ? "is in the request where it is absent"
                   : NULL;
    }
    /* a built-in tool is none without its type */
    return !without.ok || str_eq(with.out, without.out) ? NULL
                                                        : "leaves a trace";
}

static int begin(void **state)
{
    struct str why;

    (void)state;
    arena_init(&arena);
    assert_true(claude_models_read(
        &arena, (struct str){claude_default_data, claude_default_data_len},
        &models, &why));
    return 0;
}

static int finish(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static void every_row_is_true(void **state)
{
    unsigned wrong = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(claims); i++) {
        const struct claim *claim = &claims[i];

        for (unsigned end = 0; end < ENDS; end++) {
            const char *says = NULL;

            if (claim->ends[end].fate != FIELDS_PASSES)
                says = judge(claim, end);
            if (says == NULL)
                continue;
            wrong++;
            print_error("%.*s: %s to %s: %s\n  %.*s\n  %.*s\n  %.*s\n",
                        STR_ARG(formats[claim->format].format->name),
                        claim->path, end == CLAUDE ? "Claude" : "OpenAI", says,
                        STR_ARG(request_of(claim, true)),
                        STR_ARG(translate(claim, end, true).out),
                        STR_ARG(translate(claim, end, false).out));
        }
    }
    assert_int_equal(wrong, 0);
}

/* The same format at both ends: everything but the model's name passes, and
 * that is what the rows say. */
static void rows_pass_where_the_formats_are_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(claims); i++) {
        const struct format *format = formats[claims[i].format].format;

        assert_int_equal(claims[i].ends[OPENAI].fate == FIELDS_PASSES,
                         format->with_openai == format);
        assert_int_equal(claims[i].ends[CLAUDE].fate == FIELDS_PASSES,
                         format->with_anthropic == format);
    }
}

static void whatever_a_reader_understands_has_a_row(void **state)
{
    const struct {
        const char *format;
        const struct field *fields;
        size_t count;
    } readers[] = {
        {"chat", openai_fields, openai_field_count},
        {"messages", anthropic_fields, anthropic_field_count},
        {"responses", responses_fields, responses_field_count},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(readers); i++)
        for (size_t k = 0; k < readers[i].count; k++) {
            struct str name = readers[i].fields[k].name;
            unsigned slot = fields_slot(str_of(readers[i].format), name);

            if (slot >= FIELDS_ROWS)
                print_error("%s: %.*s has no row\n", readers[i].format,
                            STR_ARG(name));
            assert_true(slot < FIELDS_ROWS);
        }
}

static void no_path_is_there_twice(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FIELDS_ROWS; i++)
        assert_int_equal(
            fields_slot(fields_slot_format(i), fields_rows[i].path), i);
}

/* --- counting ------------------------------------------------------------- */

static void what_has_no_row_is_counted_by_its_format(void **state)
{
    unsigned other = fields_slot(STR("messages"), STR("x_odd"));

    (void)state;
    assert_true(other >= FIELDS_ROWS && other < FIELDS_SLOTS);
    assert_str(fields_slot_path(other), "other");
    assert_str(fields_slot_format(other), "messages");
    assert_int_equal(fields_slot(STR("messages"), STR("y")), other);
    assert_int_equal(fields_slot(STR("embeddings"), STR("x")), FIELDS_SLOTS);
}

static void a_star_takes_what_has_no_row_of_its_own(void **state)
{
    (void)state;
    assert_str(fields_slot_path(
                   fields_slot(STR("responses"), STR("include.file_search"))),
               "include.*");
    assert_str(
        fields_slot_path(fields_slot(STR("responses"), STR("tools[].mcp"))),
        "tools[].*");
    assert_str(
        fields_slot_path(fields_slot(STR("responses"), STR("tools[].async"))),
        "tools[].async");
}

/* --- the document --------------------------------------------------------- */

static void the_document_has_a_line_for_each_row(void **state)
{
    struct buf out;
    size_t lines = 0;

    (void)state;
    buf_init(&out, 1 << 20);
    fields_document(&out);
    for (size_t i = 0; i < out.len; i++)
        lines += out.ptr[i] == '\n';
    /* a title, an empty line, two of the head, and an empty one between */
    assert_int_equal(lines, FIELDS_ROWS + FIELDS_FORMATS * 5 - 1);
    assert_has(buf_str(&out), "| `seed` | passes | **dropped**: no counterpart "
                              "|\n");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_true),
        cmocka_unit_test(rows_pass_where_the_formats_are_the_same),
        cmocka_unit_test(whatever_a_reader_understands_has_a_row),
        cmocka_unit_test(no_path_is_there_twice),
        cmocka_unit_test(what_has_no_row_is_counted_by_its_format),
        cmocka_unit_test(a_star_takes_what_has_no_row_of_its_own),
        cmocka_unit_test(the_document_has_a_line_for_each_row),
    };

    return cmocka_run_group_tests(tests, begin, finish);
}
