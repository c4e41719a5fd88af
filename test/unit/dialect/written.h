/* A request for a chat, written in Anthropic's dialect. */
#ifndef WEIR_WRITTEN_H
#define WEIR_WRITTEN_H

#include "asked.h"
#include "dialect/anthropic.h"

struct written {
    struct asked asked;
    struct buf out;
    struct request_notes notes;
    struct chat_error error;
    yyjson_val *root; /* of what was written; NULL when it was refused */
    bool ok;
};

/* The list of models that all tests of a file use. */
static struct claude_models models;
static struct arena models_arena;

static int models_read(void **state)
{
    struct str why = {NULL, 0};

    (void)state;
    arena_init(&models_arena);
    assert_true(claude_models_read(
        &models_arena,
        (struct str){claude_default_data, claude_default_data_len}, &models,
        &why));
    return 0;
}

static int models_drop(void **state)
{
    (void)state;
    arena_clear(&models_arena);
    return 0;
}

/* For `model`, or for one that is in no list. */
static inline struct request_style options_for(const char *model)
{
    const struct claude_model *traits = claude_find(&models, str_of(model));

    return (struct request_style){
        .model = str_of(model),
        .traits = traits == NULL ? &claude_unknown : traits,
        .default_max_tokens = 8192,
        .shows_reasoning = true,
    };
}

static inline void write_with(struct written *w, struct str body,
                              const struct request_style *options)
{
    struct json_doc doc;
    struct json_error trouble;

    *w = (struct written){.root = NULL};
    asked_good(&w->asked, body);
    buf_init(&w->out, 16 << 20);
    w->ok = anthropic_write_request(&w->asked.arena, &w->asked.chat, options,
                                    &w->out, &w->notes, &w->error);
    if (!w->ok)
        return;
    if (!json_read(&w->asked.arena, buf_str(&w->out), &doc, &trouble))
        fail_msg("not JSON: %.*s", STR_ARG(buf_str(&w->out)));
    w->root = doc.root;
}

static inline void write_for(struct written *w, const char *model,
                             struct str body)
{
    struct request_style options = options_for(model);

    write_with(w, body, &options);
    if (!w->ok) {
        struct str says = chat_error_message(&w->error);

        fail_msg("%.*s: %.*s", STR_ARG(body), STR_ARG(says));
    }
}

static inline void written_fini(struct written *w)
{
    buf_fini(&w->out);
    asked_fini(&w->asked);
}

/* The member `key` as compact JSON, "" when it is absent. */
static inline struct str member_of(struct written *w, const char *key)
{
    yyjson_val *value = yyjson_obj_get(w->root, key);
    struct buf text;
    struct json_out out = json_out_to(&text);
    struct str copy;

    if (value == NULL)
        return STR("");
    buf_init(&text, 16 << 20);
    json_put_val(&out, value);
    copy = arena_copy(&w->asked.arena, buf_str(&text));
    buf_fini(&text);
    return copy;
}

/* Writes `body` for `model`, and compares one member. */
static inline void assert_member(const char *model, struct str body,
                                 const char *key, const char *expected)
{
    struct written w;

    write_for(&w, model, body);
    if (!str_eq(member_of(&w, key), str_of(expected)))
        print_error("%s of %.*s\n", key, STR_ARG(buf_str(&w.out)));
    assert_str(member_of(&w, key), expected);
    written_fini(&w);
}

/* Writes `body` for `model`, and expects to be refused. */
static inline void assert_refused(const char *model, struct str body,
                                  enum error error, const char *param,
                                  const char *says)
{
    struct request_style options = options_for(model);
    struct written w;
    struct str got;

    write_with(&w, body, &options);
    assert_false(w.ok);
    assert_int_equal(w.error.error, error);
    got = w.error.param.ptr == NULL ? STR("") : w.error.param;
    assert_str(got, param);
    assert_has(chat_error_message(&w.error), says);
    written_fini(&w);
}

#define USER(text) "{\"role\":\"user\",\"content\":\"" text "\"}"
#define SAYS(text) "{\"role\":\"assistant\",\"content\":\"" text "\"}"
#define CALL(id, name)                                                        \
    "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name \
    "\",\"arguments\":\"{}\"}}"
#define CALLS(list) \
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" list "]}"
#define RESULT(id, text) \
    "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":\"" text "\"}"

/* As they come out. */
#define TEXT(text) "{\"type\":\"text\",\"text\":\"" text "\"}"
#define TURN(role, blocks) "{\"role\":\"" role "\",\"content\":[" blocks "]}"
#define USED(id, name)                                          \
    "{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"" name \
    "\",\"input\":{}}"
#define GAVE(id, text)                                                         \
    "{\"type\":\"tool_result\",\"tool_use_id\":\"" id "\",\"content\":\"" text \
    "\"}"
#define MISSED(id)                                               \
    "{\"type\":\"tool_result\",\"tool_use_id\":\"" id            \
    "\",\"is_error\":true,\"content\":\"No result was provided " \
    "for this tool call.\"}"

#endif
