/* Anthropic Messages: from the common form to a request that the API takes.
 *
 * Its rules are stricter than OpenAI's: no blank text, user and assistant in
 * turn, every tool call answered in the very next message, results before all
 * else, ids unique and of plain characters, no field that a model does not
 * know.  So the messages are first sorted into turns, then written.
 *
 *   messages ──▶ turns (merged, results beside their calls) ──▶ JSON
 */
#include "anthropic_private.h"
#include "schema.h"

enum { CACHE_BREAKPOINTS = 4 };

static void drop(struct anthropic_writer *w, struct str field)
{
    request_notes_drop(w->notes, w->arena, field);
}

/* --- what the model takes ----------------------------------------------- */

static bool decide_max_tokens(struct anthropic_writer *w)
{
    const struct chat *chat = w->chat;
    int64_t most = w->style->traits->max_output_tokens;

    w->max_tokens =
        chat->has_max_tokens ? chat->max_tokens : w->style->default_max_tokens;
    if (w->max_tokens < 1)
        return chat_refuse(
            w->error, w->arena, ERR_BAD_VALUE, chat->max_tokens_name,
            "%.*s: expected at least 1, got %lld",
            STR_ARG(chat->max_tokens_name), (long long)w->max_tokens);
    if (most > 0 && w->max_tokens > most)
        w->max_tokens = most;
    return true;
}

static bool is_tool_allowed(const struct anthropic_writer *w, struct str name)
{
    return w->chat->allowed_tools == NULL ||
           strmap_find(&w->allowed, name) != NULL;
}

/* The tools that go along: all of them, or those on the caller's list. */
static void decide_tools(struct anthropic_writer *w)
{
    strmap_init(&w->allowed, w->arena);
    for (unsigned i = 0; i < w->chat->allowed_count; i++)
        ++*strmap_at(&w->allowed, w->chat->allowed_tools[i]);
    for (unsigned i = 0; i < w->chat->tool_count; i++)
        w->tool_count += is_tool_allowed(w, w->chat->tools[i].name);
}

static void decide_choice(struct anthropic_writer *w)
{
    enum chat_choice choice = w->chat->choice;
    bool wants = w->tool_count > 0 && (choice == CHAT_CHOICE_REQUIRED ||
                                       choice == CHAT_CHOICE_NAMED);

    w->is_choice_forced = wants && w->style->traits->takes_forced_choice;
    w->is_choice_degraded = wants && !w->is_choice_forced;
}

/* Manual thinking is refused when a tool turn at the end lacks its thinking
 * block. */
static bool last_calls_lack_thinking(const struct anthropic_writer *w)
{
    for (size_t i = w->turn_count; i > 0; i--) {
        const struct anthropic_turn *turn = &w->turns[i - 1];

        if (turn->is_assistant)
            return turn->call_count > 0 &&
                   (turn->piece_count == 0 ||
                    w->pieces[turn->first_piece].thinking == NULL);
    }
    return false;
}

static int effort_for(enum chat_effort asked, unsigned known)
{
    int effort;

    switch (asked) {
    case CHAT_EFFORT_MEDIUM:
        effort = CLAUDE_EFFORT_MEDIUM;
        break;
    case CHAT_EFFORT_HIGH:
        effort = CLAUDE_EFFORT_HIGH;
        break;
    case CHAT_EFFORT_XHIGH:
        effort = CLAUDE_EFFORT_XHIGH;
        break;
    case CHAT_EFFORT_MAX:
        effort = CLAUDE_EFFORT_MAX;
        break;
    default:
        effort = CLAUDE_EFFORT_LOW;
        break;
    }
    while (effort >= 0 && (known >> effort & 1) == 0)
        effort--; /* the next lower one that the model has, or none */
    return effort;
}

static int64_t budget_for(enum chat_effort asked, int64_t max_tokens)
{
    int64_t budget;

    switch (asked) {
    case CHAT_EFFORT_MINIMAL:
        budget = 1024;
        break;
    case CHAT_EFFORT_LOW:
        budget = 2048;
        break;
    case CHAT_EFFORT_MEDIUM:
        budget = 8192;
        break;
    default:
        budget = 16384;
        break;
    }
    return budget < max_tokens / 2 ? budget : max_tokens / 2;
}

static void decide_thinking(struct anthropic_writer *w)
{
    const struct claude_model *traits = w->style->traits;
    enum chat_effort asked = w->chat->effort;

    w->effort = -1;
    if (asked == CHAT_EFFORT_UNSET)
        return;
    if (asked == CHAT_EFFORT_NONE) {
        if (traits->thinking_off == CLAUDE_OFF_NEVER)
            w->effort = effort_for(CHAT_EFFORT_LOW, traits->efforts);
        else if (traits->thinking_off != CLAUDE_OFF_DEFAULT)
            w->thinking = THINK_OFF;
        return;
    }
    w->effort = effort_for(asked, traits->efforts);
    if (traits->takes_adaptive) {
        w->thinking = THINK_ADAPTIVE;
    } else if (traits->takes_manual && !w->is_choice_forced &&
               !last_calls_lack_thinking(w)) {
        w->thinking_budget = budget_for(asked, w->max_tokens);
        if (w->thinking_budget >= 1024)
            w->thinking = THINK_MANUAL;
    }
    if (w->effort < 0 && w->thinking == THINK_SILENT)
        drop(w, w->chat->words->effort);
}

/* --- the other members -------------------------------------------------- */

static void put_system(struct anthropic_writer *w)
{
    bool json_object = w->chat->format == CHAT_FORMAT_JSON_OBJECT;

    if (w->system_count == 0 && !w->is_choice_degraded && !json_object)
        return;
    json_key(&w->out, STR("system"));
    json_open(&w->out, '[');
    for (size_t i = 0; i < w->system_count; i++)
        anthropic_put_text(w, w->system[i].text, w->system[i].part->cache);
    if (w->is_choice_degraded && w->chat->choice == CHAT_CHOICE_NAMED) {
        struct str name = names_token(w->arena, w->chat->choice_name);

        anthropic_put_text(w,
                           arena_printf(w->arena,
                                        "Call the tool \"%.*s\" in this turn.",
                                        STR_ARG(name)),
                           NULL);
    } else if (w->is_choice_degraded) {
        anthropic_put_text(
            w,
            STR("Call at least one of the provided tools in this "
                "turn."),
            NULL);
    }
    if (json_object)
        anthropic_put_text(
            w,
            STR("Respond with a single valid JSON object and nothing "
                "else."),
            NULL);
    json_close(&w->out, ']');
}

static void put_tool(struct anthropic_writer *w, const struct chat_tool *tool)
{
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("name"), names_token(w->arena, tool->name));
    if (tool->description.len > 0)
        json_member_str(&w->out, STR("description"), tool->description);
    json_key(&w->out, STR("input_schema"));
    if (tool->is_custom)
        json_put_raw(&w->out, STR("{\"type\":\"object\",\"properties\":{"
                                  "\"input\":{\"type\":\"string\"}},"
                                  "\"required\":[\"input\"]}"));
    else
        schema_put_tool(&w->out, w->arena, tool->schema, tool->is_strict);
    if (tool->is_strict && !tool->is_custom) {
        json_key(&w->out, STR("strict"));
        json_put_bool(&w->out, true);
    }
    anthropic_put_cache(w, tool->cache);
    json_close(&w->out, '}');
}

/* Calls in the history need their tools: each name once, without arguments. */
static void put_tools_of_history(struct anthropic_writer *w)
{
    struct strmap seen;

    strmap_init(&seen, w->arena);
    json_key(&w->out, STR("tools"));
    json_open(&w->out, '[');
    for (size_t i = 0; i < w->call_count; i++) {
        struct chat_tool tool = {.name = w->calls[i].call->name};

        if ((*strmap_at(&seen, tool.name))++ == 0)
            put_tool(w, &tool);
    }
    json_close(&w->out, ']');
    json_key(&w->out, STR("tool_choice"));
    json_put_raw(&w->out, STR("{\"type\":\"none\"}"));
}

static void put_choice(struct anthropic_writer *w)
{
    enum chat_choice choice = w->chat->choice;
    bool serial = w->chat->is_serial && choice != CHAT_CHOICE_NONE;

    if (choice == CHAT_CHOICE_UNSET && !serial)
        return;
    json_key(&w->out, STR("tool_choice"));
    json_open(&w->out, '{');
    if (choice == CHAT_CHOICE_NONE) {
        json_member_str(&w->out, STR("type"), STR("none"));
    } else if (!w->is_choice_forced) {
        json_member_str(&w->out, STR("type"), STR("auto"));
    } else if (choice == CHAT_CHOICE_NAMED) {
        json_member_str(&w->out, STR("type"), STR("tool"));
        json_member_str(&w->out, STR("name"),
                        names_token(w->arena, w->chat->choice_name));
    } else {
        json_member_str(&w->out, STR("type"), STR("any"));
    }
    if (serial) {
        json_key(&w->out, STR("disable_parallel_tool_use"));
        json_put_bool(&w->out, true);
    }
    json_close(&w->out, '}');
}

static void put_tools(struct anthropic_writer *w)
{
    const struct chat *chat = w->chat;

    if (w->tool_count == 0) {
        if (chat->choice == CHAT_CHOICE_REQUIRED ||
            chat->choice == CHAT_CHOICE_NAMED)
            drop(w, STR("tool_choice"));
        if (w->call_count > 0)
            put_tools_of_history(w);
        return;
    }
    json_key(&w->out, STR("tools"));
    json_open(&w->out, '[');
    for (unsigned i = 0; i < chat->tool_count; i++)
        if (is_tool_allowed(w, chat->tools[i].name))
            put_tool(w, &chat->tools[i]);
    json_close(&w->out, ']');
    put_choice(w);
}

static void put_thinking(struct anthropic_writer *w)
{
    if (w->thinking == THINK_SILENT)
        return;
    json_key(&w->out, STR("thinking"));
    json_open(&w->out, '{');
    if (w->thinking == THINK_ADAPTIVE) {
        json_member_str(&w->out, STR("type"), STR("adaptive"));
        if (w->style->traits->hides_thinking && w->style->shows_reasoning)
            json_member_str(&w->out, STR("display"), STR("summarized"));
    } else if (w->thinking == THINK_MANUAL) {
        json_member_str(&w->out, STR("type"), STR("enabled"));
        json_member_i64(&w->out, STR("budget_tokens"), w->thinking_budget);
    } else {
        json_member_str(&w->out, STR("type"),
                        w->style->traits->thinking_off ==
                                CLAUDE_OFF_BETWEEN_TOOLS
                            ? STR("between_tools")
                            : STR("disabled"));
    }
    json_close(&w->out, '}');
}

static void put_output_config(struct anthropic_writer *w)
{
    static const struct str efforts[CLAUDE_EFFORTS] = {
        STR_INIT("low"), STR_INIT("medium"), STR_INIT("high"),
        STR_INIT("xhigh"), STR_INIT("max")};
    bool has_schema = w->chat->format == CHAT_FORMAT_JSON_SCHEMA &&
                      w->chat->format_schema != NULL;

    if (w->chat->format_about.len > 0)
        drop(w, w->chat->words->format_about);
    if (w->effort < 0 && !has_schema)
        return;
    json_key(&w->out, STR("output_config"));
    json_open(&w->out, '{');
    if (w->effort >= 0)
        json_member_str(&w->out, STR("effort"), efforts[w->effort]);
    if (has_schema) {
        json_key(&w->out, STR("format"));
        json_open(&w->out, '{');
        json_member_str(&w->out, STR("type"), STR("json_schema"));
        json_key(&w->out, STR("schema"));
        schema_put_strict(&w->out, w->chat->format_schema);
        json_close(&w->out, '}');
    }
    json_close(&w->out, '}');
}

/* `value` times ten to the power of the digits. */
static double scaled(double value, struct str exponent)
{
    bool negative = str_starts(exponent, STR("-"));
    uint64_t n = 0;

    if (negative || str_starts(exponent, STR("+")))
        exponent = str_slice(exponent, 1, exponent.len);
    if (!str_to_u64(exponent, &n) || n > 400)
        n = 400; /* as good as endless, either way */
    for (; n > 0; n--)
        value = negative ? value / 10 : value * 10;
    return value;
}

/* Above 1, as far as a double can tell. */
static bool is_above_one(struct str number)
{
    double value = 0;
    double scale = 1;
    bool fraction = false;

    if (number.len == 0 || number.ptr[0] == '-')
        return false;
    for (size_t i = 0; i < number.len; i++) {
        char c = number.ptr[i];

        if (c == 'e' || c == 'E')
            return scaled(value, str_slice(number, i + 1, number.len)) > 1;
        if (c == '.') {
            fraction = true;
            continue;
        }
        if (fraction)
            scale /= 10;
        value = fraction ? value + scale * (c - '0') : value * 10 + (c - '0');
    }
    return value > 1;
}

static void put_sampling(struct anthropic_writer *w)
{
    const struct chat *chat = w->chat;

    if (!w->style->traits->takes_sampling || w->style->is_2026_10_21 ||
        w->thinking == THINK_ADAPTIVE || w->thinking == THINK_MANUAL) {
        if (chat->temperature.len > 0)
            drop(w, STR("temperature"));
        if (chat->top_p.len > 0)
            drop(w, STR("top_p"));
        if (chat->top_k.len > 0)
            drop(w, STR("top_k"));
        return;
    }
    if (chat->temperature.len > 0) {
        json_key(&w->out, STR("temperature"));
        json_put_raw(&w->out, is_above_one(chat->temperature)
                                  ? STR("1")
                                  : chat->temperature);
        if (chat->top_p.len > 0)
            drop(w, STR("top_p")); /* both together are refused */
    } else if (chat->top_p.len > 0) {
        json_key(&w->out, STR("top_p"));
        json_put_raw(&w->out, chat->top_p);
    }
    if (chat->top_k.len > 0) {
        json_key(&w->out, STR("top_k"));
        json_put_raw(&w->out, chat->top_k);
    }
}

static void put_stops(struct anthropic_writer *w)
{
    const struct chat *chat = w->chat;
    bool any = false;

    for (unsigned i = 0; i < chat->stop_count; i++) {
        if (str_is_blank(chat->stops[i]))
            continue; /* a 400 there */
        if (!any) {
            json_key(&w->out, STR("stop_sequences"));
            json_open(&w->out, '[');
            any = true;
        }
        json_put_str(&w->out, chat->stops[i]);
    }
    if (any)
        json_close(&w->out, ']');
    else if (chat->stop_count > 0)
        drop(w, w->chat->words->stops);
}

/* A mail address or a telephone number: personal data is not wanted there. */
static bool looks_personal(struct str user)
{
    size_t digits = 0;

    if (memchr(user.ptr, '@', user.len) != NULL)
        return true;
    for (size_t i = 0; i < user.len; i++) {
        if (user.ptr[i] >= '0' && user.ptr[i] <= '9')
            digits++;
        else if (strchr("+()[].- ", user.ptr[i]) == NULL)
            return false;
    }
    return user.len >= 7 && digits > 0;
}

/* There is one place for the two names of whom it is for. */
static void put_user(struct anthropic_writer *w)
{
    bool is_safety = w->chat->safety_identifier.len > 0;
    struct str user = is_safety ? w->chat->safety_identifier : w->chat->user;

    if (user.len == 0)
        return;
    if (w->chat->user.len > 0 && !str_eq(user, w->chat->user))
        drop(w, w->chat->words->user);
    if (looks_personal(user)) {
        drop(w, is_safety ? STR("safety_identifier") : w->chat->words->user);
        return;
    }
    json_key(&w->out, STR("metadata"));
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("user_id"), user);
    json_close(&w->out, '}');
}

static void put_service_tier(struct anthropic_writer *w)
{
    struct str tier = w->chat->service_tier;

    if (tier.len == 0)
        return;
    json_member_str(&w->out, STR("service_tier"),
                    str_eq(tier, STR("default")) || str_eq(tier, STR("flex"))
                        ? STR("standard_only")
                        : STR("auto"));
}

static bool refuse_unsupported(struct anthropic_writer *w)
{
    const struct chat *chat = w->chat;

    if (chat->has_n && chat->n != 1)
        return chat_refuse(w->error, w->arena, ERR_UNSUPPORTED_VALUE, STR("n"),
                           "n: this model gives one answer per request, got "
                           "%lld",
                           (long long)chat->n);
    if (chat->wants_audio)
        return chat_refuse(w->error, w->arena, ERR_UNSUPPORTED_VALUE,
                           STR("modalities"),
                           "modalities: this model answers in text only");
    return true;
}

static size_t count_breakpoints(const struct anthropic_writer *w)
{
    const struct chat *chat = w->chat;
    size_t n = 0;

    for (unsigned i = 0; i < chat->tool_count; i++)
        n += chat->tools[i].cache != NULL &&
             is_tool_allowed(w, chat->tools[i].name);
    for (unsigned i = 0; i < chat->message_count; i++) {
        const struct chat_message *message = &chat->messages[i];

        if (message->role == CHAT_TOOL) {
            n += anthropic_result_cache(message) != NULL;
            continue;
        }
        for (unsigned k = 0; k < message->part_count; k++)
            n += message->parts[k].cache != NULL &&
                 !anthropic_is_blank(&message->parts[k]);
    }
    return n;
}

bool anthropic_write_request(struct arena *arena, const struct chat *chat,
                             const struct request_style *style, struct buf *buf,
                             struct request_notes *notes,
                             struct chat_error *error)
{
    struct anthropic_writer writer = {
        .arena = arena,
        .chat = chat,
        .style = style,
        .notes = notes,
        .error = error,
        .out = json_out_from(buf, &chat->doc),
    };
    struct anthropic_writer *w = &writer;
    size_t breakpoints;

    request_notes_init(notes, arena, chat);
    names_of_tools(arena, chat, &notes->names);
    if (!refuse_unsupported(w) || !decide_max_tokens(w) ||
        !anthropic_sort_messages(w))
        return false;
    decide_tools(w);
    decide_choice(w);
    decide_thinking(w);
    breakpoints = count_breakpoints(w);
    if (breakpoints > CACHE_BREAKPOINTS)
        w->skip_breakpoints = breakpoints - CACHE_BREAKPOINTS;

    json_open(&w->out, '{');
    json_member_str(&w->out, STR("model"), style->model);
    json_member_i64(&w->out, STR("max_tokens"), w->max_tokens);
    /* Tools, system, messages: the order of the prompt, so that the cache
     * breakpoints are counted in theirs. */
    put_tools(w);
    put_system(w);
    if (!anthropic_put_messages(w))
        return false;
    put_thinking(w);
    put_output_config(w);
    put_sampling(w);
    put_stops(w);
    put_user(w);
    put_service_tier(w);
    if (style->caches_prompt && breakpoints == 0) {
        json_key(&w->out, STR("cache_control"));
        json_put_raw(&w->out, STR("{\"type\":\"ephemeral\"}"));
    }
    if (chat->is_stream) {
        json_key(&w->out, STR("stream"));
        json_put_bool(&w->out, true);
    }
    json_close(&w->out, '}');
    if (buf_failed(buf)) {
        *error = (struct chat_error){.error = ERR_MEMORY_BUDGET};
        return false;
    }
    return true;
}
