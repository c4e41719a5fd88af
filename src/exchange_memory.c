/* What outlives a request: stored responses, with which the next one of their
 * conversation can go on, and what a Claude thought before its tool calls.
 * Both belong to the caller's key, and are known to nobody else. */
#include "clock.h"
#include "exchange_private.h"

/* Turns of one conversation that are read again. */
enum { TURNS_MAX = 1000 };

/* What a stored response is tagged with: the tiers that policies left to it,
 * and whether nobody may keep what was said. */
enum { TAG_REFUSES_CONTENT = TIER_ANY + 1 };

static struct store *store_of(const struct exchange *x)
{
    return x->worker->host->store;
}

static struct store_limits limits_of(const struct exchange *x)
{
    const struct settings *settings = exchange_settings(x);

    return (struct store_limits){settings->store_bytes, settings->store_ttl_ms};
}

static struct str key_of(struct exchange *x, const char *kind, struct str id)
{
    return store_key(x->arena, kind, x->record.key, id);
}

/* The response is ours, and begins with its id. */
static struct str id_of(struct arena *arena, struct str response)
{
    struct str begin = STR("{\"id\":\"");
    struct str rest = str_slice(response, begin.len, response.len);
    struct str id;
    struct json_doc doc;
    struct json_error ignored;

    if (str_starts(response, begin) && str_split(&rest, '"', &id) &&
        !str_contains(id, STR("\\")))
        return id;
    return json_read(arena, response, &doc, &ignored)
               ? json_get_text(doc.root, STR("id"))
               : STR("");
}

/* --- a conversation goes on --------------------------------------------- */

static bool refuse_earlier(struct exchange *x)
{
    struct str id = str_clip(x->chat.previous_id, 80);

    if (exchange_settings(x)->store_bytes == 0)
        return chat_refuse(
            &x->error, &x->work, ERR_UNSUPPORTED_PARAMETER,
            STR("previous_response_id"),
            "previous_response_id: this server stores no responses; send the "
            "whole conversation as input instead");
    return chat_refuse(&x->error, &x->work, ERR_NO_SUCH_RESPONSE,
                       STR("previous_response_id"),
                       "previous_response_id: no response with the id "
                       "\"%.*s\" is stored (any more)",
                       STR_ARG(id));
}

/* The stored response of that id, or NULL.  What its policy allowed holds for
 * what goes on with it, which may quote it, and so does a refusal to have its
 * content kept. */
static struct store_entry *take_response(struct exchange *x, struct str id,
                                         const struct store_limits *limits)
{
    struct store_entry *entry;

    if (limits->max_bytes == 0)
        return NULL;
    entry =
        store_take(store_of(x), key_of(x, "response", id), clock_ms(), limits);
    if (entry != NULL) {
        unsigned so_far = x->is_confined ? x->confined : TIER_ANY;

        x->confined = (enum tier)(so_far & entry->tag);
        x->is_confined = true;
        x->goes_on_refused =
            x->goes_on_refused || (entry->tag & TAG_REFUSES_CONTENT) != 0;
    }
    return entry;
}

/* The responses that items are taken from, by reference: those that are still
 * there and are not too much, copied. */
static void find_references(struct exchange *x,
                            const struct store_limits *limits)
{
    struct chat *chat = &x->chat;
    size_t left = exchange_settings(x)->body_bytes;

    chat->known = ARENA_ARRAY(&x->work, struct str, chat->reference_count);
    for (unsigned i = 0; i < chat->reference_count; i++) {
        struct store_entry *entry =
            take_response(x, chat->references[i], limits);

        if (entry == NULL)
            continue;
        if (entry->texts[1].len <= left) {
            left -= entry->texts[1].len;
            chat->known[chat->known_count++] =
                arena_copy(&x->work, entry->texts[1]);
        }
        store_unref(entry);
    }
}

/* The turns behind previous_response_id; false with x->error set. */
static bool find_turns(struct exchange *x, const struct store_limits *limits,
                       struct str **texts, size_t *count)
{
    const struct store_entry *turn;
    size_t turns;

    if (x->chat.previous_id.len == 0)
        return true;
    x->earlier = take_response(x, x->chat.previous_id, limits);
    if (x->earlier == NULL)
        return refuse_earlier(x);
    turns = x->earlier->turns;
    if (turns > TURNS_MAX ||
        x->earlier->chain_size > exchange_settings(x)->body_bytes)
        return chat_refuse(&x->error, &x->work, ERR_BODY_TOO_LARGE,
                           STR("previous_response_id"),
                           "The conversation behind previous_response_id has "
                           "%zu turns of %zu bytes, which is too much.",
                           turns, x->earlier->chain_size);
    *count = 2 * turns;
    *texts = ARENA_ARRAY(&x->work, struct str, 2 * turns);
    turn = x->earlier;
    for (size_t i = turns; i > 0; i--, turn = turn->parent) {
        (*texts)[2 * i - 2] = turn->texts[0];
        (*texts)[2 * i - 1] = turn->texts[1];
    }
    return true;
}

bool exchange_read_earlier(struct exchange *x)
{
    struct store_limits limits = limits_of(x);
    struct str *texts = NULL;
    size_t count = 0;

    if (x->format->read_history == NULL ||
        (x->chat.previous_id.len == 0 && x->chat.reference_count == 0))
        return true;
    if (!find_turns(x, &limits, &texts, &count))
        return false;
    find_references(x, &limits);
    return x->format->read_history(&x->work, texts, count, &x->chat, &x->error);
}

/* --- what a Claude thought ----------------------------------------------- */

static void recall_message(struct exchange *x, struct chat_message *message)
{
    struct store_limits limits = limits_of(x);
    struct store_entry *entry;

    if (message->role != CHAT_ASSISTANT || message->call_count == 0)
        return;
    entry = store_take(store_of(x), key_of(x, "call", message->calls[0].id),
                       clock_ms(), &limits);
    if (entry == NULL)
        return;
    /* what one model has signed means nothing to another */
    if (str_eq(entry->texts[1], exchange_target(x)->upstream))
        (void)recall_apply(&x->work, &x->chat, message,
                           arena_copy(&x->work, entry->texts[0]));
    store_unref(entry);
}

void exchange_recall(struct exchange *x)
{
    if (exchange_settings(x)->store_bytes == 0 ||
        exchange_target(x)->backend->dialect != DIALECT_ANTHROPIC)
        return;
    for (unsigned i = 0; i < x->chat.message_count; i++)
        recall_message(x, &x->chat.messages[i]);
}

void exchange_note(struct exchange *x)
{
    if (exchange_settings(x)->store_bytes == 0 ||
        exchange_target(x)->backend->dialect != DIALECT_ANTHROPIC ||
        exchange_target_format(x) == x->format)
        return;
    recall_init(&x->recall, x->arena);
    x->answer.recall = &x->recall;
}

/* --- at the end ---------------------------------------------------------- */

bool exchange_is_stored(const struct exchange *x)
{
    return x->chat.is_stored && x->format->read_history != NULL &&
           exchange_settings(x)->store_bytes > 0;
}

void exchange_remember(struct exchange *x, struct str result)
{
    struct store_limits limits = limits_of(x);
    unsigned tag = (unsigned)x->choice.allowed |
                   (x->refuses_content ? TAG_REFUSES_CONTENT : 0U);

    if (result.ptr == NULL)
        result = answer_result(&x->answer);
    if (result.len > 0 && exchange_is_stored(x)) {
        struct str texts[STORE_TEXTS] = {x->chat.items, result};
        struct str id = id_of(x->arena, result);

        if (id.len > 0)
            (void)store_put(store_of(x), key_of(x, "response", id), texts, tag,
                            x->earlier, clock_ms(), &limits);
    }
    if (x->answer.recall != NULL) {
        struct str texts[STORE_TEXTS] = {recall_note(&x->recall),
                                         exchange_target(x)->upstream};

        if (texts[0].len > 0)
            (void)store_put(store_of(x), key_of(x, "call", x->recall.first_id),
                            texts, 0, NULL, clock_ms(), &limits);
    }
}
