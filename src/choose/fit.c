#include "fit.h"

#include "check.h"
#include "config_value.h"

static const struct misfit_row {
    struct str name;
    enum error error;
    struct str param; /* the field that is to blame, if all call it so */
} rows[MISFITS] = {
    [MISFIT_CONTEXT] = {STR_INIT("context"), ERR_CONTEXT_LENGTH, STR_INIT("")},
    [MISFIT_OUTPUT] = {STR_INIT("output"), ERR_UNSUPPORTED_VALUE, STR_INIT("")},
    [MISFIT_IMAGES] = {STR_INIT("images"), ERR_UNSUPPORTED_CONTENT,
                       STR_INIT("")},
    [MISFIT_TOOLS] = {STR_INIT("tools"), ERR_UNSUPPORTED_VALUE,
                      STR_INIT("tools")},
    [MISFIT_STRUCTURED] = {STR_INIT("structured"), ERR_UNSUPPORTED_VALUE,
                           STR_INIT("")},
    [MISFIT_THINKING] = {STR_INIT("thinking"), ERR_UNSUPPORTED_VALUE,
                         STR_INIT("")},
    [MISFIT_SERVER_TOOLS] = {STR_INIT("server_tools"), ERR_UNSUPPORTED_VALUE,
                             STR_INIT("tools")},
};

/* The longest text that the model reads in one piece. */
static int64_t prompt_of(const struct rule_facts *facts)
{
    return facts->service == SERVICE_CHAT ? facts->prompt_tokens
                                          : facts->longest_tokens;
}

/* Of what the answer may have, when that counts. */
static int64_t answer_of(const struct rule_facts *facts)
{
    return facts->service == SERVICE_EMBEDDINGS ? 0 : facts->max_tokens;
}

static bool exceeds_context(const struct model *model,
                            const struct rule_facts *facts, bool is_last_resort)
{
    int64_t prompt = prompt_of(facts);

    if (model->context_window == 0 ||
        (facts->service != SERVICE_CHAT && prompt == 0))
        return false;
    /* max_tokens is the caller's: no sum that could overflow */
    return prompt > model->context_window ||
           (!is_last_resort &&
            answer_of(facts) > model->context_window - prompt);
}

static bool exceeds_output(const struct model *model,
                           const struct rule_facts *facts)
{
    return model->max_output > 0 && facts->chat->has_max_tokens &&
           facts->service != SERVICE_EMBEDDINGS &&
           facts->chat->max_tokens > model->max_output;
}

static bool thinks(const struct chat *chat)
{
    return chat->effort == CHAT_EFFORT_UNSET ? chat->wants_thinking
                                             : chat->effort != CHAT_EFFORT_NONE;
}

/* Does the request count on a built-in tool? */
static bool needs_server_tool(const struct chat *chat)
{
    if (chat->choice != CHAT_CHOICE_NAMED)
        return chat->tool_count == 0;
    for (unsigned i = 0; i < chat->tool_count; i++)
        if (str_eq(chat->tools[i].name, chat->choice_name))
            return false;
    return true;
}

bool fit_drops_server_tools(const struct settings *settings,
                            const struct chat *chat)
{
    switch (settings->builtin_tools) {
    case CONFIG_BUILTIN_DROP:
        return true;
    case CONFIG_BUILTIN_AUTO:
        return !needs_server_tool(chat);
    default:
        return false;
    }
}

enum misfit fit_check(const struct model *model, const struct rule_facts *facts,
                      bool is_last_resort)
{
    const struct chat *chat = facts->chat;
    const struct backend *backend = model->backend;
    bool is_local = backend->tier == TIER_LOCAL;

    if (is_local && exceeds_context(model, facts, is_last_resort))
        return MISFIT_CONTEXT;
    if (is_local && exceeds_output(model, facts))
        return MISFIT_OUTPUT;
    if (!model->takes_images && chat->image_count + chat->file_count > 0)
        return MISFIT_IMAGES;
    if (!model->takes_tools && chat->tool_count > 0)
        return MISFIT_TOOLS;
    if (!model->takes_structured && chat->format == CHAT_FORMAT_JSON_SCHEMA)
        return MISFIT_STRUCTURED;
    if (!model->takes_thinking && thinks(chat))
        return MISFIT_THINKING;
    if (is_local && chat->server_tools_exist && chat->server_tool_count > 0 &&
        !(is_last_resort &&
          fit_drops_server_tools(&backend->catalog->settings, chat)))
        return MISFIT_SERVER_TOOLS;
    return MISFIT_NONE;
}

struct str fit_name(enum misfit cause)
{
    return rows[cause].name;
}

static struct str explain_context(struct arena *arena,
                                  const struct model *model,
                                  const struct rule_facts *facts)
{
    long long prompt = (long long)prompt_of(facts);
    long long answer = (long long)answer_of(facts);
    long long window = (long long)model->context_window;

    if (prompt > window)
        return arena_printf(arena,
                            "The maximum context length of the model \"%.*s\" "
                            "is %lld tokens, and the prompt has about %lld "
                            "(estimated).",
                            STR_ARG(model->name), window, prompt);
    return arena_printf(arena,
                        "The maximum context length of the model \"%.*s\" is "
                        "%lld tokens, and the prompt has about %lld "
                        "(estimated), the answer up to %lld.",
                        STR_ARG(model->name), window, prompt, answer);
}

struct str fit_explain(struct arena *arena, const struct model *model,
                       const struct rule_facts *facts, enum misfit cause)
{
    const struct chat *chat = facts->chat;
    struct str tool = str_clip(chat->server_tool, 80);

    switch (cause) {
    case MISFIT_CONTEXT:
        return explain_context(arena, model, facts);
    case MISFIT_OUTPUT:
        return arena_printf(arena,
                            "The model \"%.*s\" writes at most %lld tokens, "
                            "and the request asks for %lld.",
                            STR_ARG(model->name), (long long)model->max_output,
                            (long long)chat->max_tokens);
    case MISFIT_IMAGES:
        return arena_printf(arena,
                            "The model \"%.*s\" takes no images and no files, "
                            "and the request has %u.",
                            STR_ARG(model->name),
                            chat->image_count + chat->file_count);
    case MISFIT_TOOLS:
        return arena_printf(arena,
                            "The model \"%.*s\" takes no tools, and the "
                            "request has %u.",
                            STR_ARG(model->name), chat->tool_count);
    case MISFIT_STRUCTURED:
        return arena_printf(arena,
                            "The model \"%.*s\" does not answer in the shape "
                            "of a JSON schema.",
                            STR_ARG(model->name));
    case MISFIT_THINKING:
        return arena_printf(arena,
                            "The model \"%.*s\" takes no reasoning effort but "
                            "none.",
                            STR_ARG(model->name));
    case MISFIT_SERVER_TOOLS:
        return arena_printf(arena,
                            "The tool \"%.*s\" is run by its vendor's servers, "
                            "and the model \"%.*s\" has none of these.",
                            STR_ARG(tool), STR_ARG(model->name));
    default:
        check(false);
        return STR("");
    }
}

/* In the caller's own words. */
static struct str param_of(const struct chat *chat, enum misfit cause)
{
    switch (cause) {
    case MISFIT_CONTEXT:
    case MISFIT_IMAGES:
        return chat->words->messages;
    case MISFIT_OUTPUT:
        return chat->max_tokens_name;
    case MISFIT_STRUCTURED:
        return chat->words->format;
    case MISFIT_THINKING:
        return chat->words->effort;
    default:
        return rows[cause].param;
    }
}

bool fit_refuse(struct chat_error *error, struct arena *arena,
                const struct model *model, const struct rule_facts *facts,
                enum misfit cause)
{
    const struct misfit_row *row = &rows[cause];
    struct str says = fit_explain(arena, model, facts, cause);
    struct str param = param_of(facts->chat, cause);

    return chat_refuse(error, arena, row->error, param, "%.*s", STR_ARG(says));
}
