/* The account of an exchange, as it goes on.
 *
 * Tries are noted always: the counters need them.  What only an exporter
 * reads is noted when there is one.  Strings are borrowed from the catalog
 * and from the request's arena; those of the parsed request, which goes
 * earlier, are copied. */
#include "check.h"
#include "choose/content.h"
#include "clock.h"
#include "exchange_private.h"
#include "settle/price.h"

enum {
    USER_MAX = 256,      /* bytes */
    SESSION_MAX = 200,   /* the same */
    METADATA_MAX = 4096, /* the same */
};

static bool is_read(const struct exchange *x)
{
    return x->worker->host->clerk != NULL;
}

/* The array with room for one more behind `count` items.  Few exchanges have
 * many tries and events. */
static void *make_room(struct exchange *x, void *items, unsigned count,
                       size_t size)
{
    void *grown = items;

    if ((count & (count - 1)) != 0)
        return items; /* what it has is a power of two */
    grown = arena_alloc(x->arena, (count == 0 ? 1 : 2 * count) * size);
    if (count > 0)
        memcpy(grown, items, count * size);
    return grown;
}

/* --- the request -------------------------------------------------------- */

enum operation exchange_operation(const struct format *format)
{
    if (format == &format_count)
        return OPERATION_COUNT;
    if (format == &format_completions)
        return OPERATION_COMPLETION;
    return format == &format_embeddings ? OPERATION_EMBEDDINGS : OPERATION_CHAT;
}

static struct str copy(struct exchange *x, struct str text)
{
    return text.len > 0 ? arena_copy(x->arena, text) : STR("");
}

static void note_params(struct exchange *x)
{
    const struct chat *chat = &x->chat;

    x->record.params = (struct record_params){
        .has_max_tokens = chat->has_max_tokens,
        .max_tokens = chat->max_tokens,
        .temperature = copy(x, chat->temperature),
        .top_p = copy(x, chat->top_p),
        .top_k = copy(x, chat->top_k),
        .n = chat->has_n ? chat->n : 0,
        .stop_count = chat->stop_count,
        .wants_json = chat->format != CHAT_FORMAT_TEXT,
    };
}

/* Whole or not at all: a part of it would be no JSON. */
static struct str metadata_text(struct exchange *x)
{
    struct str text = STR("");
    struct json_out out;
    struct buf buf;

    if (!yyjson_is_obj(x->chat.metadata))
        return text;
    buf_init(&buf, METADATA_MAX);
    out = json_out_to(&buf);
    json_put_val(&out, x->chat.metadata);
    if (!buf_failed(&buf))
        text = arena_copy(x->arena, buf_str(&buf));
    buf_fini(&buf);
    return text;
}

static bool is_session(struct str name)
{
    if (name.len == 0 || name.len > SESSION_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] < ' ' || name.ptr[i] > '~')
            return false;
    return true;
}

static struct str session(struct exchange *x)
{
    struct str header = head_find(&x->request->head, STR("x-session-id"));
    struct str member;

    if (is_session(header))
        return header;
    member = json_get_text(x->chat.metadata, STR("session_id"));
    return is_session(member) ? arena_copy(x->arena, member) : STR("");
}

void exchange_record_request(struct exchange *x)
{
    struct record *record = &x->record;
    const struct chat *chat = &x->chat;

    record->is_pinned = x->choice.is_pinned;
    record->max_tokens = x->facts.max_tokens;
    record->rule = x->choice.rule;
    if (!is_read(x))
        return;
    note_params(x);
    record->user = copy(
        x, str_clip(chat->user.len > 0 ? chat->user : chat->safety_identifier,
                    USER_MAX));
    record->session = session(x);
    record->metadata = metadata_text(x);
}

/* --- content ------------------------------------------------------------ */

void exchange_record_input(struct exchange *x)
{
    const struct settings *settings = exchange_settings(x);
    struct record *record = &x->record;

    /* what goes on with it must know, though nothing is kept today */
    if (is_read(x) && exchange_is_stored(x))
        x->refuses_content = content_is_refused(x->catalog, &x->facts);
    if (!settings->captures_content || !is_read(x) || x->is_route_only ||
        x->format->said[0].len == 0 ||
        !content_is_allowed(x->catalog, &x->facts, x->choice.allowed))
        return;
    x->keeps_content = true;
    record->input =
        gather_request(x->arena, x->format, &x->chat, settings->content_bytes,
                       &record->is_clipped);
}

void exchange_record_output(struct exchange *x)
{
    struct record *record = &x->record;

    if (x->gather == NULL)
        return;
    record->output = gather_result(x->gather);
    record->is_clipped = record->is_clipped || x->gather->is_clipped;
}

/* --- tries -------------------------------------------------------------- */

void exchange_record_try(struct exchange *x, struct str span_id)
{
    const struct target *target = exchange_target(x);
    const struct replica *replica = x->replica;
    struct record *record = &x->record;
    struct record_try *try;

    record->tries++;
    x->try = NULL;
    if (record->tries_kept == RECORD_TRIES_MAX)
        return;
    record->tries_made = make_room(x, record->tries_made, record->tries_kept,
                                   sizeof(*record->tries_made));
    try = &record->tries_made[record->tries_kept++];
    *try = (struct record_try){
        .tier = target->backend->tier,
        .dialect = target->backend->dialect,
        .backend = target->backend->name,
        .model = target->upstream,
        .host = str_of(replica->endpoint.host),
        .port = replica->endpoint.port,
        .in_flight =
            atomic_load_explicit(&replica->in_flight, memory_order_relaxed),
        .began_us = clock_us(),
    };
    check(span_id.len == sizeof(try->span_id));
    memcpy(try->span_id, span_id.ptr, sizeof(try->span_id));
    x->try = try;
}

void exchange_record_head(struct exchange *x, int status)
{
    uint64_t now = clock_us();

    if (x->record.first_byte_us == 0)
        x->record.first_byte_us = now;
    if (x->try == NULL)
        return;
    x->try->first_byte_us = now;
    x->try->status = status;
}

void exchange_record_token(struct exchange *x)
{
    x->record.first_token_us = clock_us();
    if (x->try != NULL)
        x->try->first_token_us = x->record.first_token_us;
    if (x->chat.is_stream)
        exchange_record_event(x, RECORD_FIRST_TOKEN, STR(""),
                              exchange_target(x)->backend);
}

void exchange_record_try_end(struct exchange *x, enum error error,
                             uint64_t now_us)
{
    if (x->try == NULL)
        return;
    x->try->error = error;
    x->try->ended_us = now_us;
    x->try = NULL;
}

/* --- events ------------------------------------------------------------- */

void exchange_record_event(struct exchange *x, enum record_event_kind kind,
                           struct str cause, const struct backend *backend)
{
    struct record *record = &x->record;

    if (!is_read(x) || record->event_count == RECORD_EVENTS_MAX)
        return;
    record->events = make_room(x, record->events, record->event_count,
                               sizeof(*record->events));
    record->events[record->event_count++] = (struct record_event){
        .kind = kind,
        .at_us =
            kind == RECORD_FIRST_TOKEN ? x->record.first_token_us : clock_us(),
        .cause = cause,
        .backend = backend->name,
    };
}

void exchange_record_move(struct exchange *x)
{
    const struct backend *backend = exchange_target(x)->backend;
    bool is_first = x->record.tries == 0;

    if (is_first && x->target == 0)
        return;
    if (!is_first && x->asked == backend)
        exchange_record_event(x, RECORD_RETRY, x->cause, backend);
    else if (str_eq(x->cause, STR("full")))
        exchange_record_event(x, RECORD_SPILL, x->cause, backend);
    else
        exchange_record_event(x, RECORD_FALLBACK, x->cause, backend);
}

/* By what the target costs that was tried last. */
void exchange_record_price(struct exchange *x)
{
    struct price_terms terms = {.reference = &x->catalog->reference};

    if (x->record.tier != TIER_NONE && x->target < x->choice.target_count) {
        const struct target *target = exchange_target(x);

        terms.backend = target->backend;
        if (target->model != NULL)
            terms.tariff = &target->model->tariff;
        else if (target->claude != NULL)
            terms.tariff = &target->claude->tariff;
    }
    price_record(&x->record, &terms);
}
