#include "record.h"

#include <stdlib.h>

#include "check.h"

uint64_t record_wall_ns(const struct record *record, uint64_t at_us)
{
    if (at_us == 0)
        return 0;
    return ((uint64_t)record->ended_wall_us - record->ended_us + at_us) * 1000;
}

struct str record_tier(const struct record *record)
{
    return record->tier == TIER_NONE ? STR("none") : tier_name(record->tier);
}

struct str operation_name(enum operation operation)
{
    static const struct str names[OPERATIONS] = {
        [OPERATION_CHAT] = STR_INIT("chat"),
        [OPERATION_COMPLETION] = STR_INIT("text_completion"),
        [OPERATION_EMBEDDINGS] = STR_INIT("embeddings"),
        [OPERATION_COUNT] = STR_INIT("count_tokens"),
    };

    return names[operation];
}

struct str outcome_name(enum outcome outcome)
{
    static const struct str names[OUTCOMES] = {
        [OUTCOME_OK] = STR_INIT("ok"),
        [OUTCOME_CLIENT_ERROR] = STR_INIT("client_error"),
        [OUTCOME_ERROR] = STR_INIT("error"),
        [OUTCOME_CANCELLED] = STR_INIT("cancelled"),
    };

    return names[outcome];
}

struct str finish_name(enum chat_finish finish)
{
    switch (finish) {
    case CHAT_FINISH_STOP:
        return STR("stop");
    case CHAT_FINISH_LENGTH:
        return STR("length");
    case CHAT_FINISH_TOOL_CALLS:
        return STR("tool_calls");
    case CHAT_FINISH_CONTENT_FILTER:
        return STR("content_filter");
    default:
        return STR("");
    }
}

/* --- a copy for another thread ------------------------------------------- */

/* All strings of a record, but for those of its tries and events. */
static const size_t texts[] = {
    offsetof(struct record, id),
    offsetof(struct record, trace_id),
    offsetof(struct record, peer),
    offsetof(struct record, method),
    offsetof(struct record, path),
    offsetof(struct record, format),
    offsetof(struct record, key),
    offsetof(struct record, model),
    offsetof(struct record, params.temperature),
    offsetof(struct record, params.top_p),
    offsetof(struct record, params.top_k),
    offsetof(struct record, span_id),
    offsetof(struct record, parent_span_id),
    offsetof(struct record, trace_state),
    offsetof(struct record, link_trace_id),
    offsetof(struct record, link_span_id),
    offsetof(struct record, user),
    offsetof(struct record, session),
    offsetof(struct record, metadata),
    offsetof(struct record, wanted),
    offsetof(struct record, backend),
    offsetof(struct record, served_model),
    offsetof(struct record, reason),
    offsetof(struct record, rule),
    offsetof(struct record, detail),
    offsetof(struct record, usage.service_tier),
    offsetof(struct record, answer_id),
    offsetof(struct record, input),
    offsetof(struct record, output),
};

static struct str *text_at(struct record *record, size_t i)
{
    return (struct str *)(void *)((char *)record + texts[i]);
}

/* Where the next string goes; all come behind the structs. */
static void move_text(struct str *text, char **next)
{
    if (text->len > 0)
        memcpy(*next, text->ptr, text->len);
    text->ptr = *next;
    *next += text->len;
}

static void *move_array(const void *items, size_t size, char **next)
{
    void *moved = *next;

    if (size > 0)
        memcpy(moved, items, size);
    *next += size;
    return moved;
}

static size_t size_of_texts(const struct record *record)
{
    size_t size = 0;

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        size += ((const struct str *)(const void *)((const char *)record +
                                                    texts[i]))
                    ->len;
    for (unsigned i = 0; i < record->tries_kept; i++)
        size += record->tries_made[i].backend.len +
                record->tries_made[i].model.len +
                record->tries_made[i].host.len;
    for (unsigned i = 0; i < record->event_count; i++)
        size += record->events[i].cause.len + record->events[i].backend.len;
    return size;
}

struct record *record_copy(const struct record *record)
{
    size_t tries = record->tries_kept * sizeof(*record->tries_made);
    size_t events = record->event_count * sizeof(*record->events);
    size_t dropped = record->dropped_count * sizeof(*record->dropped);
    size_t whole =
        sizeof(*record) + tries + events + dropped + size_of_texts(record);
    struct record *copy = must_alloc(whole);
    char *next = (char *)(copy + 1);

    *copy = *record;
    /* the most strictly aligned first */
    copy->tries_made = move_array(record->tries_made, tries, &next);
    copy->events = move_array(record->events, events, &next);
    copy->dropped = move_array(record->dropped, dropped, &next);
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        move_text(text_at(copy, i), &next);
    for (unsigned i = 0; i < copy->tries_kept; i++) {
        move_text(&copy->tries_made[i].backend, &next);
        move_text(&copy->tries_made[i].model, &next);
        move_text(&copy->tries_made[i].host, &next);
    }
    for (unsigned i = 0; i < copy->event_count; i++) {
        move_text(&copy->events[i].cause, &next);
        move_text(&copy->events[i].backend, &next);
    }
    check(next == (char *)copy + whole);
    copy->size = whole;
    return copy;
}

void record_free(struct record *copy)
{
    free(copy);
}
