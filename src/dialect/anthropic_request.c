/* Anthropic Messages: from the common form to a request that the API takes.
 *
 * Its rules are stricter than OpenAI's: no blank text, user and assistant in
 * turn, every tool call answered in the very next message, results before all
 * else, ids unique and of plain characters, no field that a model does not
 * know.  So the messages are first sorted into turns, then written.
 *
 *   messages ──▶ turns (merged, results beside their calls) ──▶ JSON
 */
#include "anthropic.h"

#include "base64.h"
#include "check.h"
#include "schema.h"
#include "strmap.h"

enum { CACHE_BREAKPOINTS = 4 };

/* --- turns ------------------------------------------------------------------
 */

/* One content block that is no tool call and no tool result. */
struct piece {
    struct str text;              /* when part and thinking are NULL */
    const struct chat_part *part; /* an image or a file, or a text's cache */
    yyjson_val *thinking;         /* a signed block, passed as it is */
    unsigned message;             /* its message, for error paths */
};

struct call {
    const struct chat_call *call;
    struct str id;
    const struct chat_message *result; /* NULL: none was given */
    size_t next_same;                  /* 1 + the next call with this id */
};

struct turn {
    bool is_assistant;
    bool has_results; /* a result for one of its calls has been seen */
    size_t first_piece, piece_count;
    size_t first_call, call_count;
};

struct writer {
    struct arena *arena;
    const struct chat *chat;
    const struct anthropic_options *options;
    struct anthropic_notes *notes;
    struct chat_error *error;
    struct json_out out;

    struct piece *system;
    size_t system_count;
    struct piece *pieces;
    size_t piece_count;
    struct call *calls;
    size_t call_count;
    struct turn *turns;
    size_t turn_count;
    struct strmap ids;         /* tool_use ids in use */
    struct strmap next_result; /* of the latest assistant turn: id → 1 + the
                                  call that the next result belongs to */
    struct strmap last_call;   /* id → 1 + the last call with it */

    size_t skip_breakpoints; /* cache breakpoints above the limit */
    int64_t max_tokens;
    bool is_choice_forced;
    bool is_choice_degraded;
    enum { THINK_SILENT, THINK_ADAPTIVE, THINK_MANUAL, THINK_OFF } thinking;
    int64_t thinking_budget;
    int effort; /* enum claude_effort, or -1 */
};

static void drop(struct writer *w, struct str field)
{
    w->notes->dropped[w->notes->dropped_count++] = field;
}

static struct str content_path(struct writer *w, unsigned message,
                               unsigned part)
{
    return arena_printf(w->arena, "messages[%u].content[%u]", message, part);
}

static bool refuse_part(struct writer *w, unsigned message,
                        const struct chat_part *part, const char *why)
{
    struct str path = content_path(w, message, part->index);

    return chat_refuse(w->error, w->arena, ERR_UNSUPPORTED_CONTENT, path,
                       "%.*s: %s", STR_ARG(path), why);
}

static struct turn *last_turn(struct writer *w)
{
    return w->turn_count == 0 ? NULL : &w->turns[w->turn_count - 1];
}

static struct turn *turn_add(struct writer *w, bool is_assistant)
{
    struct turn *turn = &w->turns[w->turn_count++];

    *turn = (struct turn){
        .is_assistant = is_assistant,
        .first_piece = w->piece_count,
        .first_call = w->call_count,
    };
    return turn;
}

static struct piece *piece_add(struct writer *w, struct turn *turn,
                               unsigned message)
{
    struct piece *piece = &w->pieces[w->piece_count++];

    *piece = (struct piece){.message = message};
    turn->piece_count++;
    return piece;
}

static bool is_part_blank(const struct chat_part *part)
{
    return (part->kind == CHAT_TEXT || part->kind == CHAT_REFUSAL) &&
           str_is_blank(part->text);
}

static void take_parts(struct writer *w, struct turn *turn,
                       const struct chat_message *message)
{
    for (unsigned i = 0; i < message->part_count; i++) {
        const struct chat_part *part = &message->parts[i];
        struct piece *piece;

        if (is_part_blank(part))
            continue;
        piece = piece_add(w, turn, message->index);
        piece->part = part;
        if (part->kind == CHAT_TEXT || part->kind == CHAT_REFUSAL)
            piece->text = part->text;
    }
}

static bool has_parts(const struct chat_message *message)
{
    for (unsigned i = 0; i < message->part_count; i++)
        if (!is_part_blank(&message->parts[i]))
            return true;
    return false;
}

/* Text blocks of a system message; they stand before all turns. */
static bool sort_system(struct writer *w, const struct chat_message *message)
{
    for (unsigned i = 0; i < message->part_count; i++) {
        const struct chat_part *part = &message->parts[i];

        if (part->kind != CHAT_TEXT)
            return refuse_part(w, message->index, part,
                               "a system message can hold text only");
        if (str_is_blank(part->text))
            continue;
        w->system[w->system_count++] = (struct piece){
            .text = part->text, .part = part, .message = message->index};
    }
    return true;
}

static void sort_user(struct writer *w, const struct chat_message *message)
{
    struct turn *turn = last_turn(w);

    if (!has_parts(message))
        return;
    if (turn == NULL || turn->is_assistant)
        turn = turn_add(w, false);
    take_parts(w, turn, message);
}

/* An id that no earlier call has. */
static struct str unique_id(struct writer *w, const struct chat_call *call,
                            unsigned message, unsigned k)
{
    struct str base = call->id.len > 0
                          ? names_token(w->arena, call->id)
                          : arena_printf(w->arena, "call_m%u_%u", message, k);
    size_t n = ++*strmap_at(&w->ids, base);
    struct str id = base;

    while (n > 1) {
        size_t *taken;

        id = arena_printf(w->arena, "%.*s_%zu", STR_ARG(base), n);
        taken = strmap_at(&w->ids, id);
        if ((*taken)++ == 0)
            break;
        n = ++*strmap_at(&w->ids, base);
    }
    return id;
}

static void take_calls(struct writer *w, struct turn *turn,
                       const struct chat_message *message)
{
    for (unsigned k = 0; k < message->call_count; k++) {
        const struct chat_call *call = &message->calls[k];
        size_t at = w->call_count++;
        size_t *last = strmap_at(&w->last_call, call->id);

        w->calls[at] = (struct call){
            .call = call, .id = unique_id(w, call, message->index, k)};
        if (*last == 0)
            *strmap_at(&w->next_result, call->id) = at + 1;
        else
            w->calls[*last - 1].next_same = at + 1;
        *last = at + 1;
        turn->call_count++;
    }
}

/* Thinking that Claude signed goes back unchanged; what another model thought
 * would be refused. */
static bool is_signed(yyjson_val *block)
{
    struct str type = json_get_text(block, STR("type"));
    struct str signature = json_get_text(block, STR("signature"));

    return str_eq(type, STR("redacted_thinking")) ||
           (str_eq(type, STR("thinking")) && signature.len > 0 &&
            !str_eq(signature, STR("router-unsigned")));
}

static void take_thinking(struct writer *w, struct turn *turn,
                          const struct chat_message *message)
{
    json_each_item (block, message->thinking) {
        if (is_signed(block))
            piece_add(w, turn, message->index)->thinking = block;
    }
}

static bool has_thinking(const struct chat_message *message)
{
    json_each_item (block, message->thinking) {
        if (is_signed(block))
            return true;
    }
    return false;
}

static void sort_assistant(struct writer *w, const struct chat_message *message)
{
    struct turn *turn = last_turn(w);
    bool says_refusal = !has_parts(message) && !str_is_blank(message->refusal);

    if (!has_parts(message) && !says_refusal && message->call_count == 0 &&
        !has_thinking(message))
        return;
    if (turn == NULL || !turn->is_assistant || turn->has_results) {
        turn = turn_add(w, true);
        strmap_init(&w->next_result, w->arena);
        strmap_init(&w->last_call, w->arena);
    }
    take_thinking(w, turn, message);
    take_parts(w, turn, message);
    if (says_refusal)
        piece_add(w, turn, message->index)->text = message->refusal;
    take_calls(w, turn, message);
}

static bool sort_result(struct writer *w, const struct chat_message *message)
{
    size_t *next = strmap_find(&w->next_result, message->call_id);
    struct turn *turn = NULL;
    size_t at;

    for (size_t i = w->turn_count; i > 0 && turn == NULL; i--)
        if (w->turns[i - 1].is_assistant)
            turn = &w->turns[i - 1];
    if (message->is_function && turn != NULL && turn->call_count > 0) {
        at = turn->first_call + turn->call_count - 1;
    } else if (message->is_function || next == NULL || turn == NULL) {
        struct str path =
            message->is_function
                ? arena_printf(w->arena, "messages[%u]", message->index)
                : arena_printf(w->arena, "messages[%u].tool_call_id",
                               message->index);
        struct str id = str_clip(message->call_id, 80);

        return chat_refuse(w->error, w->arena, ERR_BAD_VALUE, path,
                           "%.*s: no tool call with the id \"%.*s\" in the "
                           "assistant message before",
                           STR_ARG(path), STR_ARG(id));
    } else {
        at = *next - 1;
        if (w->calls[at].next_same != 0)
            *next = w->calls[at].next_same;
    }
    w->calls[at].result = message;
    turn->has_results = true;
    return true;
}

static bool sort_messages(struct writer *w)
{
    const struct chat *chat = w->chat;
    size_t parts = 0;
    size_t calls = 0;

    for (unsigned i = 0; i < chat->message_count; i++) {
        const struct chat_message *message = &chat->messages[i];

        parts += message->part_count + yyjson_arr_size(message->thinking) + 1;
        calls += message->call_count;
    }
    w->system = ARENA_ARRAY(w->arena, struct piece, parts);
    w->pieces = ARENA_ARRAY(w->arena, struct piece, parts);
    w->calls = ARENA_ARRAY(w->arena, struct call, calls);
    w->turns = ARENA_ARRAY(w->arena, struct turn, chat->message_count + 1);
    strmap_init(&w->ids, w->arena);
    strmap_init(&w->next_result, w->arena);
    strmap_init(&w->last_call, w->arena);
    for (unsigned i = 0; i < chat->message_count; i++) {
        const struct chat_message *message = &chat->messages[i];
        bool ok = true;

        switch (message->role) {
        case CHAT_SYSTEM:
            ok = sort_system(w, message);
            break;
        case CHAT_USER:
            sort_user(w, message);
            break;
        case CHAT_ASSISTANT:
            sort_assistant(w, message);
            break;
        case CHAT_TOOL:
            ok = sort_result(w, message);
            break;
        }
        if (!ok)
            return false;
    }
    if (w->turn_count == 0 && w->system_count > 0) {
        /* nothing but a system text: its last block is what is asked */
        struct turn *turn = turn_add(w, false);

        *piece_add(w, turn, 0) = w->system[--w->system_count];
    }
    if (w->turn_count == 0)
        return chat_refuse(w->error, w->arena, ERR_BAD_VALUE, STR("messages"),
                           "messages: all of them are blank");
    return true;
}

/* --- what the model takes ---------------------------------------------------
 */

static bool decide_max_tokens(struct writer *w)
{
    const struct chat *chat = w->chat;
    int64_t most = w->options->traits->max_output_tokens;

    w->max_tokens = chat->has_max_tokens ? chat->max_tokens
                                         : w->options->default_max_tokens;
    if (w->max_tokens < 1)
        return chat_refuse(
            w->error, w->arena, ERR_BAD_VALUE, chat->max_tokens_name,
            "%.*s: expected at least 1, got %lld",
            STR_ARG(chat->max_tokens_name), (long long)w->max_tokens);
    if (most > 0 && w->max_tokens > most)
        w->max_tokens = most;
    return true;
}

static bool is_tool_allowed(const struct chat *chat,
                            const struct strmap *allowed, struct str name)
{
    return chat->allowed_tools == NULL || strmap_find(allowed, name) != NULL;
}

static void decide_choice(struct writer *w)
{
    enum chat_choice choice = w->chat->choice;
    bool wants = w->chat->tool_count > 0 && (choice == CHAT_CHOICE_REQUIRED ||
                                             choice == CHAT_CHOICE_NAMED);

    w->is_choice_forced = wants && w->options->traits->takes_forced_choice;
    w->is_choice_degraded = wants && !w->is_choice_forced;
}

/* Manual thinking is refused when a tool turn at the end lacks its thinking
 * block. */
static bool last_calls_lack_thinking(const struct writer *w)
{
    for (size_t i = w->turn_count; i > 0; i--) {
        const struct turn *turn = &w->turns[i - 1];

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

static void decide_thinking(struct writer *w)
{
    const struct claude_model *traits = w->options->traits;
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
        drop(w, STR("reasoning_effort"));
}

/* --- blocks
 * ------------------------------------------------------------------- */

/* {"cache_control":…}, unless the limit of breakpoints says no: the last ones
 * cover the most. */
static void put_cache(struct writer *w, yyjson_val *cache)
{
    if (cache == NULL)
        return;
    if (w->skip_breakpoints > 0) {
        w->skip_breakpoints--;
        return;
    }
    json_key(&w->out, STR("cache_control"));
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("type"), STR("ephemeral"));
    if (str_eq(json_get_text(cache, STR("ttl")), STR("1h")))
        json_member_str(&w->out, STR("ttl"), STR("1h"));
    json_close(&w->out, '}');
}

static void put_text(struct writer *w, struct str text, yyjson_val *cache)
{
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("type"), STR("text"));
    json_member_str(&w->out, STR("text"), text);
    put_cache(w, cache);
    json_close(&w->out, '}');
}

/* The type that the bytes have, whatever was declared; empty when they are
 * none of the four. */
static struct str sniff_image(struct str data)
{
    unsigned char b[12] = {0};

    (void)base64_decode_front(data, b, sizeof(b));
    if (memcmp(b, "\x89PNG", 4) == 0)
        return STR("image/png");
    if (memcmp(b, "\xFF\xD8\xFF", 3) == 0)
        return STR("image/jpeg");
    if (memcmp(b, "GIF8", 4) == 0)
        return STR("image/gif");
    if (memcmp(b, "RIFF", 4) == 0 && memcmp(b + 8, "WEBP", 4) == 0)
        return STR("image/webp");
    return STR("");
}

static struct str image_type(const struct data_url *url)
{
    static const struct str taken[] = {
        STR_INIT("image/jpeg"), STR_INIT("image/png"), STR_INIT("image/gif"),
        STR_INIT("image/webp")};
    struct str type = sniff_image(url->data);

    if (type.len > 0)
        return type;
    if (str_eq_nocase(url->media_type, STR("image/jpg")))
        return taken[0];
    for (size_t i = 0; i < COUNT_OF(taken); i++)
        if (str_eq_nocase(url->media_type, taken[i]))
            return taken[i];
    return STR("");
}

static void put_source(struct writer *w, struct str type, struct str media_type,
                       struct str data)
{
    json_key(&w->out, STR("source"));
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("type"), type);
    if (media_type.len > 0)
        json_member_str(&w->out, STR("media_type"), media_type);
    json_member_str(&w->out,
                    str_eq(type, STR("url")) ? STR("url") : STR("data"), data);
    json_close(&w->out, '}');
}

static void put_document(struct writer *w, struct str title, struct str type,
                         struct str media_type, struct str data,
                         yyjson_val *cache)
{
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("type"), STR("document"));
    if (title.len > 0)
        json_member_str(&w->out, STR("title"), title);
    put_source(w, type, media_type, data);
    put_cache(w, cache);
    json_close(&w->out, '}');
}

static bool put_image(struct writer *w, const struct chat_part *part,
                      unsigned message)
{
    struct data_url url;
    struct str type;

    if (str_starts(part->url, STR("https://"))) {
        json_open(&w->out, '{');
        json_member_str(&w->out, STR("type"), STR("image"));
        put_source(w, STR("url"), STR(""), part->url);
        put_cache(w, part->cache);
        json_close(&w->out, '}');
        return true;
    }
    if (str_starts(part->url, STR("http://")))
        return refuse_part(w, message, part,
                           "an image URL must begin with https:// or data:");
    if (!data_url_parse(part->url, &url))
        return refuse_part(w, message, part,
                           "expected an https URL or data:<type>;base64,<data> "
                           "with valid Base64");
    if (str_eq_nocase(url.media_type, STR("application/pdf"))) {
        put_document(w, STR(""), STR("base64"), STR("application/pdf"),
                     url.data, part->cache);
        return true;
    }
    type = image_type(&url);
    if (type.len == 0)
        return refuse_part(w, message, part,
                           "an image must be of type image/jpeg, image/png, "
                           "image/gif or image/webp");
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("type"), STR("image"));
    put_source(w, STR("base64"), type, url.data);
    put_cache(w, part->cache);
    json_close(&w->out, '}');
    return true;
}

static bool is_utf8(struct str s)
{
    for (size_t i = 0; i < s.len;) {
        size_t len = str_utf8_length(s, i);

        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

static bool put_file(struct writer *w, const struct chat_part *part,
                     unsigned message)
{
    struct data_url url;

    if (part->url.len == 0)
        return refuse_part(w, message, part,
                           "a file must come as file_data: this model's "
                           "backend knows no file_id");
    if (!data_url_parse(part->url, &url))
        return refuse_part(w, message, part,
                           "file_data: expected data:<type>;base64,<data> with "
                           "valid Base64");
    if (str_eq_nocase(url.media_type, STR("application/pdf"))) {
        put_document(w, part->file_name, STR("base64"), STR("application/pdf"),
                     url.data, part->cache);
        return true;
    }
    if (str_eq_nocase(url.media_type, STR("text/plain"))) {
        struct str text = base64_decode(w->arena, url.data);

        if (!is_utf8(text) || str_is_blank(text))
            return refuse_part(w, message, part,
                               "a text file must hold UTF-8 text");
        put_document(w, part->file_name, STR("text"), STR("text/plain"), text,
                     part->cache);
        return true;
    }
    return refuse_part(w, message, part,
                       "a file must be of type application/pdf or text/plain");
}

static bool put_part(struct writer *w, const struct chat_part *part,
                     unsigned message)
{
    switch (part->kind) {
    case CHAT_TEXT:
    case CHAT_REFUSAL:
        put_text(w, part->text, part->cache);
        return true;
    case CHAT_IMAGE:
        return put_image(w, part, message);
    case CHAT_FILE:
        return put_file(w, part, message);
    case CHAT_OTHER:
        break;
    }
    {
        struct str kind = str_clip(part->text, 40);
        struct str path = content_path(w, message, part->index);

        return chat_refuse(w->error, w->arena, ERR_UNSUPPORTED_CONTENT, path,
                           "%.*s: the model's backend cannot take content of "
                           "type \"%.*s\"",
                           STR_ARG(path), STR_ARG(kind));
    }
}

static bool put_piece(struct writer *w, const struct piece *piece)
{
    if (piece->thinking != NULL) {
        json_put_val(&w->out, piece->thinking);
        return true;
    }
    if (piece->part == NULL) {
        put_text(w, piece->text, NULL);
        return true;
    }
    if (piece->text.len > 0) {
        put_text(w, piece->text, piece->part->cache);
        return true;
    }
    return put_part(w, piece->part, piece->message);
}

/* An object whatever the model wrote: one bad call must not make the whole
 * conversation unusable. */
static void put_input(struct writer *w, const struct chat_call *call)
{
    struct json_doc doc;
    struct json_error ignored;

    json_key(&w->out, STR("input"));
    if (!call->is_custom) {
        if (str_is_blank(call->arguments) ||
            str_eq(str_trim(call->arguments), STR("null"))) {
            json_put_raw(&w->out, STR("{}"));
            return;
        }
        if (json_read(w->arena, call->arguments, &doc, &ignored) &&
            yyjson_is_obj(doc.root)) {
            json_put_val(&w->out, doc.root);
            return;
        }
    }
    json_open(&w->out, '{');
    json_member_str(&w->out,
                    call->is_custom ? STR("input") : STR("__raw_arguments"),
                    call->arguments);
    json_close(&w->out, '}');
}

static void put_call(struct writer *w, const struct call *call)
{
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("type"), STR("tool_use"));
    json_member_str(&w->out, STR("id"), call->id);
    json_member_str(&w->out, STR("name"),
                    names_token(w->arena, call->call->name));
    put_input(w, call->call);
    json_close(&w->out, '}');
}

/* A breakpoint inside a result counts for the whole of it. */
static yyjson_val *cache_of_result(const struct chat_message *message)
{
    for (unsigned i = 0; i < message->part_count; i++)
        if (message->parts[i].cache != NULL &&
            !is_part_blank(&message->parts[i]))
            return message->parts[i].cache;
    return NULL;
}

static bool put_result_content(struct writer *w,
                               const struct chat_message *message)
{
    if (!has_parts(message))
        return true; /* an empty result has no content at all */
    json_key(&w->out, STR("content"));
    if (message->content_is_string) {
        json_put_str(&w->out, message->parts[0].text);
        return true;
    }
    json_open(&w->out, '[');
    for (unsigned i = 0; i < message->part_count; i++) {
        const struct chat_part *part = &message->parts[i];
        struct chat_part bare;

        if (is_part_blank(part))
            continue;
        if (part->kind == CHAT_FILE)
            return refuse_part(w, message->index, part,
                               "a tool result can hold text and images only");
        bare = *part;
        bare.cache = NULL;
        if (!put_part(w, &bare, message->index))
            return false;
    }
    json_close(&w->out, ']');
    put_cache(w, cache_of_result(message));
    return true;
}

static bool put_result(struct writer *w, const struct call *call)
{
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("type"), STR("tool_result"));
    json_member_str(&w->out, STR("tool_use_id"), call->id);
    if (call->result == NULL) {
        json_key(&w->out, STR("is_error"));
        json_put_bool(&w->out, true);
        json_member_str(&w->out, STR("content"),
                        STR("No result was provided for this tool call."));
    } else if (!put_result_content(w, call->result)) {
        return false;
    }
    json_close(&w->out, '}');
    return true;
}

/* --- messages ----------------------------------------------------------------
 */

static void message_open(struct writer *w, bool is_assistant)
{
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("role"),
                    is_assistant ? STR("assistant") : STR("user"));
    json_key(&w->out, STR("content"));
    json_open(&w->out, '[');
}

static void message_close(struct writer *w)
{
    json_close(&w->out, ']');
    json_close(&w->out, '}');
}

static bool put_pieces(struct writer *w, const struct turn *turn)
{
    for (size_t i = 0; i < turn->piece_count; i++)
        if (!put_piece(w, &w->pieces[turn->first_piece + i]))
            return false;
    return true;
}

static bool put_results(struct writer *w, const struct turn *turn)
{
    for (size_t i = 0; i < turn->call_count; i++)
        if (!put_result(w, &w->calls[turn->first_call + i]))
            return false;
    return true;
}

static void put_user_text(struct writer *w, struct str text)
{
    message_open(w, false);
    put_text(w, text, NULL);
    message_close(w);
}

/* The last message is the assistant's: the model is to go on with it.  Where
 * that is possible its text must not end in white space. */
static bool ends_in_prefill(struct writer *w)
{
    const struct turn *last = &w->turns[w->turn_count - 1];
    struct piece *piece;

    if (!last->is_assistant || last->call_count > 0 ||
        !w->options->traits->takes_prefill ||
        w->chat->format == CHAT_FORMAT_JSON_SCHEMA ||
        w->thinking == THINK_MANUAL || last->piece_count == 0)
        return false;
    piece = &w->pieces[last->first_piece + last->piece_count - 1];
    while (piece->text.len > 0 &&
           str_is_blank(
               str_slice(piece->text, piece->text.len - 1, piece->text.len)))
        piece->text.len--;
    return true;
}

static bool put_messages(struct writer *w)
{
    const struct turn *before = NULL;
    const struct turn *last = &w->turns[w->turn_count - 1];
    bool prefills = ends_in_prefill(w);

    json_key(&w->out, STR("messages"));
    json_open(&w->out, '[');
    if (w->turns[0].is_assistant)
        put_user_text(w, STR("."));
    for (size_t i = 0; i < w->turn_count; i++) {
        const struct turn *turn = &w->turns[i];
        bool owes = before != NULL && before->call_count > 0;

        if (owes && turn->is_assistant) {
            message_open(w, false);
            if (!put_results(w, before))
                return false;
            message_close(w);
        }
        message_open(w, turn->is_assistant);
        if (owes && !turn->is_assistant && !put_results(w, before))
            return false;
        if (!put_pieces(w, turn))
            return false;
        for (size_t k = 0; k < turn->call_count; k++)
            put_call(w, &w->calls[turn->first_call + k]);
        message_close(w);
        before = turn;
    }
    if (last->call_count > 0) {
        message_open(w, false);
        if (!put_results(w, last))
            return false;
        message_close(w);
    } else if (last->is_assistant && !prefills) {
        put_user_text(w, STR("Continue."));
    }
    json_close(&w->out, ']');
    return true;
}

/* --- the other members
 * -------------------------------------------------------- */

static void put_system(struct writer *w)
{
    bool json_object = w->chat->format == CHAT_FORMAT_JSON_OBJECT;

    if (w->system_count == 0 && !w->is_choice_degraded && !json_object)
        return;
    json_key(&w->out, STR("system"));
    json_open(&w->out, '[');
    for (size_t i = 0; i < w->system_count; i++)
        put_text(w, w->system[i].text, w->system[i].part->cache);
    if (w->is_choice_degraded && w->chat->choice == CHAT_CHOICE_NAMED) {
        struct str name = names_token(w->arena, w->chat->choice_name);

        put_text(w,
                 arena_printf(w->arena, "Call the tool \"%.*s\" in this turn.",
                              STR_ARG(name)),
                 NULL);
    } else if (w->is_choice_degraded) {
        put_text(w,
                 STR("Call at least one of the provided tools in this "
                     "turn."),
                 NULL);
    }
    if (json_object)
        put_text(w,
                 STR("Respond with a single valid JSON object and nothing "
                     "else."),
                 NULL);
    json_close(&w->out, ']');
}

static void put_tool(struct writer *w, const struct chat_tool *tool)
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
    put_cache(w, tool->cache);
    json_close(&w->out, '}');
}

/* Calls in the history need their tools: each name once, without arguments. */
static void put_tools_of_history(struct writer *w)
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

static void put_choice(struct writer *w)
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

static void put_tools(struct writer *w)
{
    const struct chat *chat = w->chat;
    struct strmap allowed;

    if (chat->tool_count == 0) {
        if (w->call_count > 0)
            put_tools_of_history(w);
        return;
    }
    strmap_init(&allowed, w->arena);
    for (unsigned i = 0; i < chat->allowed_count; i++)
        ++*strmap_at(&allowed, chat->allowed_tools[i]);
    json_key(&w->out, STR("tools"));
    json_open(&w->out, '[');
    for (unsigned i = 0; i < chat->tool_count; i++)
        if (is_tool_allowed(chat, &allowed, chat->tools[i].name))
            put_tool(w, &chat->tools[i]);
    json_close(&w->out, ']');
    put_choice(w);
}

static void put_thinking(struct writer *w)
{
    if (w->thinking == THINK_SILENT)
        return;
    json_key(&w->out, STR("thinking"));
    json_open(&w->out, '{');
    if (w->thinking == THINK_ADAPTIVE) {
        json_member_str(&w->out, STR("type"), STR("adaptive"));
        if (w->options->traits->hides_thinking && w->options->shows_reasoning)
            json_member_str(&w->out, STR("display"), STR("summarized"));
    } else if (w->thinking == THINK_MANUAL) {
        json_member_str(&w->out, STR("type"), STR("enabled"));
        json_member_i64(&w->out, STR("budget_tokens"), w->thinking_budget);
    } else {
        json_member_str(&w->out, STR("type"),
                        w->options->traits->thinking_off ==
                                CLAUDE_OFF_BETWEEN_TOOLS
                            ? STR("between_tools")
                            : STR("disabled"));
    }
    json_close(&w->out, '}');
}

static void put_output_config(struct writer *w)
{
    static const struct str efforts[CLAUDE_EFFORTS] = {
        STR_INIT("low"), STR_INIT("medium"), STR_INIT("high"),
        STR_INIT("xhigh"), STR_INIT("max")};
    bool has_schema = w->chat->format == CHAT_FORMAT_JSON_SCHEMA &&
                      w->chat->format_schema != NULL;

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

/* Above 1 by its spelling: what follows the sign is not "0…" and not "1" with
 * zeros, or it has an exponent that a plain comparison cannot judge. */
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
            return !(i + 1 < number.len && number.ptr[i + 1] == '-') &&
                   value > 0;
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

static void put_sampling(struct writer *w)
{
    const struct chat *chat = w->chat;

    if (!w->options->traits->takes_sampling || w->options->is_2026_10_21 ||
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

static void put_stops(struct writer *w)
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
        drop(w, STR("stop"));
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

static void put_user(struct writer *w)
{
    bool is_safety = w->chat->safety_identifier.len > 0;
    struct str user = is_safety ? w->chat->safety_identifier : w->chat->user;

    if (user.len == 0)
        return;
    if (looks_personal(user)) {
        drop(w, is_safety ? STR("safety_identifier") : STR("user"));
        return;
    }
    json_key(&w->out, STR("metadata"));
    json_open(&w->out, '{');
    json_member_str(&w->out, STR("user_id"), user);
    json_close(&w->out, '}');
}

static void put_service_tier(struct writer *w)
{
    struct str tier = w->chat->service_tier;

    if (tier.len == 0)
        return;
    json_member_str(&w->out, STR("service_tier"),
                    str_eq(tier, STR("default")) || str_eq(tier, STR("flex"))
                        ? STR("standard_only")
                        : STR("auto"));
}

static bool refuse_unsupported(struct writer *w)
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

static size_t count_breakpoints(const struct chat *chat)
{
    size_t n = 0;

    for (unsigned i = 0; i < chat->tool_count; i++)
        n += chat->tools[i].cache != NULL;
    for (unsigned i = 0; i < chat->message_count; i++) {
        const struct chat_message *message = &chat->messages[i];

        if (message->role == CHAT_TOOL) {
            n += cache_of_result(message) != NULL;
            continue;
        }
        for (unsigned k = 0; k < message->part_count; k++)
            n += message->parts[k].cache != NULL &&
                 !is_part_blank(&message->parts[k]);
    }
    return n;
}

bool anthropic_write_request(struct arena *arena, const struct chat *chat,
                             const struct anthropic_options *options,
                             struct buf *buf, struct anthropic_notes *notes,
                             struct chat_error *error)
{
    struct writer writer = {
        .arena = arena,
        .chat = chat,
        .options = options,
        .notes = notes,
        .error = error,
        .out = json_out_to(buf),
    };
    struct writer *w = &writer;
    size_t breakpoints = count_breakpoints(chat);

    *notes = (struct anthropic_notes){0};
    notes->dropped = ARENA_ARRAY(arena, struct str, chat->other_count + 8);
    names_of_tools(arena, chat, &notes->names);
    if (!refuse_unsupported(w) || !decide_max_tokens(w) || !sort_messages(w))
        return false;
    decide_choice(w);
    decide_thinking(w);
    if (breakpoints > CACHE_BREAKPOINTS)
        w->skip_breakpoints = breakpoints - CACHE_BREAKPOINTS;

    json_open(&w->out, '{');
    json_member_str(&w->out, STR("model"), options->model);
    json_member_i64(&w->out, STR("max_tokens"), w->max_tokens);
    /* Tools, system, messages: the order of the prompt, so that the cache
     * breakpoints are counted in theirs. */
    put_tools(w);
    put_system(w);
    if (!put_messages(w))
        return false;
    put_thinking(w);
    put_output_config(w);
    put_sampling(w);
    put_stops(w);
    put_user(w);
    put_service_tier(w);
    if (options->caches_prompt && breakpoints == 0) {
        json_key(&w->out, STR("cache_control"));
        json_put_raw(&w->out, STR("{\"type\":\"ephemeral\"}"));
    }
    if (chat->is_stream) {
        json_key(&w->out, STR("stream"));
        json_put_bool(&w->out, true);
    }
    json_close(&w->out, '}');
    for (unsigned i = 0; i < chat->other_count; i++)
        drop(w, chat->others[i]);
    return true;
}
