/* OpenAI Chat Completions for a backend: from the common form to a request
 * that vLLM takes.
 *
 * What only vendors' servers know (service tiers, who the caller's user is) is
 * left out and named; cache breakpoints are not, since vLLM caches every
 * prefix by itself. */
#include "openai_backend_private.h"
#include "strmap.h"

/* --- tools -------------------------------------------------------------- */

static void put_tool(struct openai_writer *w, const struct chat_tool *tool)
{
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("type"), STR("function"));
    json_key(&w->out, STR("function"));
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("name"), names_plain(w->arena, tool->name));
    if (tool->description.len > 0)
        json_member_str(&w->out, STR("description"), tool->description);
    if (tool->is_custom) {
        json_key(&w->out, STR("parameters"));
        json_put_raw(&w->out, STR("{\"type\":\"object\",\"properties\":{"
                                  "\"input\":{\"type\":\"string\"}},"
                                  "\"required\":[\"input\"]}"));
    } else if (tool->schema != NULL) {
        json_key(&w->out, STR("parameters"));
        json_put_val(&w->out, tool->schema);
    }
    if (tool->is_strict) {
        json_key(&w->out, STR("strict"));
        json_put_bool(&w->out, true);
    }
    json_close(&w->out, '}');
    json_close(&w->out, '}');
}

/* All of them, or those on the caller's list; no member where none is left,
 * since vLLM refuses an empty list.  Returns how many. */
static unsigned put_tools(struct openai_writer *w)
{
    const struct chat *chat = w->chat;
    struct strmap allowed;
    unsigned count = 0;

    strmap_init(&allowed, w->arena);
    for (unsigned i = 0; i < chat->allowed_count; i++)
        ++*strmap_at(&allowed, chat->allowed_tools[i]);
    for (unsigned i = 0; i < chat->tool_count; i++) {
        if (chat->allowed_tools != NULL &&
            strmap_find(&allowed, chat->tools[i].name) == NULL)
            continue;
        if (count++ == 0) {
            json_key(&w->out, STR("tools"));
            json_open(&w->out, '[');
        }
        put_tool(w, &chat->tools[i]);
    }
    if (count > 0)
        json_close(&w->out, ']');
    return count;
}

static void put_choice(struct openai_writer *w)
{
    switch (w->chat->choice) {
    case CHAT_CHOICE_UNSET:
        break;
    case CHAT_CHOICE_NONE:
        json_member_str(&w->out, STR("tool_choice"), STR("none"));
        break;
    case CHAT_CHOICE_AUTO:
        json_member_str(&w->out, STR("tool_choice"), STR("auto"));
        break;
    case CHAT_CHOICE_REQUIRED:
        json_member_str(&w->out, STR("tool_choice"), STR("required"));
        break;
    case CHAT_CHOICE_NAMED:
        json_key(&w->out, STR("tool_choice"));
        json_open(&w->out, '{');
        json_member_str(&w->out, STR("type"), STR("function"));
        json_key(&w->out, STR("function"));
        json_open(&w->out, '{');
        json_member_str(&w->out, STR("name"),
                        names_plain(w->arena, w->chat->choice_name));
        json_close(&w->out, '}');
        json_close(&w->out, '}');
        break;
    }
    if (w->chat->is_serial) {
        json_key(&w->out, STR("parallel_tool_calls"));
        json_put_bool(&w->out, false);
    }
}

/* --- the other members -------------------------------------------------- */

static void put_format(struct openai_writer *w)
{
    const struct chat *chat = w->chat;

    if (chat->format == CHAT_FORMAT_TEXT)
        return;
    json_key(&w->out, STR("response_format"));
    json_open(&w->out, '{');
    if (chat->format == CHAT_FORMAT_JSON_OBJECT ||
        chat->format_schema == NULL) {
        json_member_str(&w->out, STR("type"), STR("json_object"));
    } else {
        json_member_str(&w->out, STR("type"), STR("json_schema"));
        json_key(&w->out, STR("json_schema"));
        json_open(&w->out, '{');
        json_member_str(&w->out, STR("name"),
                        chat->format_name.len > 0 ? chat->format_name
                                                  : STR("output"));
        if (chat->format_about.len > 0)
            json_member_str(&w->out, STR("description"), chat->format_about);
        json_key(&w->out, STR("strict"));
        json_put_bool(&w->out, true);
        json_key(&w->out, STR("schema"));
        json_put_val(&w->out, chat->format_schema);
        json_close(&w->out, '}');
    }
    json_close(&w->out, '}');
}

/* The words that every version knows. */
static void put_effort(struct openai_writer *w)
{
    static const struct str names[] = {
        [CHAT_EFFORT_NONE] = STR_INIT("none"),
        [CHAT_EFFORT_MINIMAL] = STR_INIT("low"),
        [CHAT_EFFORT_LOW] = STR_INIT("low"),
        [CHAT_EFFORT_MEDIUM] = STR_INIT("medium"),
        [CHAT_EFFORT_HIGH] = STR_INIT("high"),
        [CHAT_EFFORT_XHIGH] = STR_INIT("high"),
        [CHAT_EFFORT_MAX] = STR_INIT("high"),
    };

    if (w->chat->effort != CHAT_EFFORT_UNSET)
        json_member_str(&w->out, STR("reasoning_effort"),
                        names[w->chat->effort]);
}

static void put_number(struct openai_writer *w, struct str key,
                       struct str number)
{
    if (number.len == 0)
        return;
    json_key(&w->out, key);
    json_put_raw(&w->out, number);
}

static void put_stops(struct openai_writer *w)
{
    if (w->chat->stop_count == 0)
        return;
    json_key(&w->out, STR("stop"));
    json_open(&w->out, '[');
    for (unsigned i = 0; i < w->chat->stop_count; i++)
        json_put_str(&w->out, w->chat->stops[i]);
    json_close(&w->out, ']');
}

static void put_stream(struct openai_writer *w,
                       const struct request_style *style)
{
    if (!w->chat->is_stream)
        return;
    json_key(&w->out, STR("stream"));
    json_put_bool(&w->out, true);
    if (style->without_usage)
        return;
    json_key(&w->out, STR("stream_options"));
    json_put_raw(&w->out, w->chat->words->starts_with_usage
                              ? STR("{\"include_usage\":true,"
                                    "\"continuous_usage_stats\":true}")
                              : STR("{\"include_usage\":true}"));
}

static bool user_has_a_place(const struct chat *chat)
{
    return str_eq(chat->words->user, STR("user"));
}

static void note_dropped(struct openai_writer *w, unsigned tool_count)
{
    const struct chat *chat = w->chat;
    struct request_notes *notes = w->notes;

    if (chat->service_tier.len > 0)
        request_notes_drop(notes, w->arena, STR("service_tier"));
    if (chat->safety_identifier.len > 0)
        request_notes_drop(notes, w->arena, STR("safety_identifier"));
    if (chat->user.len > 0 && !user_has_a_place(chat))
        request_notes_drop(notes, w->arena, chat->words->user);
    if (chat->server_tool_count > 0)
        request_notes_drop(notes, w->arena, STR("tools[].type"));
    if (tool_count == 0 && (chat->choice == CHAT_CHOICE_REQUIRED ||
                            chat->choice == CHAT_CHOICE_NAMED))
        request_notes_drop(notes, w->arena, STR("tool_choice"));
}

/* --- the whole ---------------------------------------------------------- */

static bool refuse_unsupported(struct openai_writer *w)
{
    const struct chat *chat = w->chat;

    if (chat->has_n && chat->n != 1)
        return chat_refuse(w->error, w->arena, ERR_UNSUPPORTED_VALUE, STR("n"),
                           "n: there is one answer per request, got %lld",
                           (long long)chat->n);
    if (chat->wants_audio)
        return chat_refuse(w->error, w->arena, ERR_UNSUPPORTED_VALUE,
                           STR("modalities"),
                           "modalities: this model answers in text only");
    return true;
}

static bool put_request(struct openai_writer *w,
                        const struct request_style *style)
{
    const struct chat *chat = w->chat;
    unsigned tool_count;

    if (!refuse_unsupported(w))
        return false;
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("model"), style->model);
    if (chat->has_max_tokens)
        json_member_i64(&w->out, STR("max_tokens"), chat->max_tokens);
    if (!openai_put_messages(w))
        return false;
    tool_count = put_tools(w);
    if (tool_count > 0)
        put_choice(w);
    put_format(w);
    put_effort(w);
    put_number(w, STR("temperature"), chat->temperature);
    put_number(w, STR("top_p"), chat->top_p);
    put_number(w, STR("top_k"), chat->top_k);
    put_stops(w);
    if (chat->user.len > 0 && user_has_a_place(chat))
        json_member_str(&w->out, STR("user"), chat->user);
    put_stream(w, style);
    json_close(&w->out, '}');
    note_dropped(w, tool_count);
    return true;
}

static bool writer_fini(struct openai_writer *w, bool ok)
{
    bool failed = buf_failed(w->out.buf) || buf_failed(&w->text);

    buf_fini(&w->text);
    if (ok && failed)
        *w->error = (struct chat_error){.error = ERR_MEMORY_BUDGET};
    return ok && !failed;
}

bool openai_write_request(struct arena *arena, const struct chat *chat,
                          const struct request_style *style, struct buf *out,
                          struct request_notes *notes, struct chat_error *error)
{
    struct openai_writer w = {
        .arena = arena,
        .chat = chat,
        .error = error,
        .notes = notes,
        .out = json_out_from(out, &chat->doc),
    };

    buf_init(&w.text, SIZE_MAX / 2);
    request_notes_init(notes, arena, chat);
    names_of_custom_tools(arena, chat, &notes->names);
    return writer_fini(&w, put_request(&w, style));
}

bool openai_write_prompt(struct arena *arena, const struct chat *chat,
                         struct json_out *out, struct chat_error *error)
{
    struct request_notes ignored;
    struct openai_writer w = {
        .arena = arena,
        .chat = chat,
        .error = error,
        .notes = &ignored,
        .out = *out,
    };
    bool ok;

    request_notes_init(&ignored, arena, chat);
    buf_init(&w.text, SIZE_MAX / 2);
    ok = openai_put_messages(&w);
    if (ok)
        (void)put_tools(&w);
    *out = w.out;
    return writer_fini(&w, ok);
}
