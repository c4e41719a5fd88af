#include "fault.h"

#include "buf.h"

enum { HOUR_S = 3600, HOUR_MS = HOUR_S * 1000, MOST = 1000000000 };

/* the argument is a number, or there is none */
#define NO_WORDS \
    {            \
        NULL, 0  \
    }

static const struct fault_row rows[FAULT_KINDS] = {
    [FAULT_REFUSE] = {STR_INIT("refuse"), STR_INIT("seconds"), HOUR_S, HOUR_S,
                      "connections are refused", NO_WORDS},
    [FAULT_CRASH] = {STR_INIT("crash"), STR_INIT("seconds"), HOUR_S, HOUR_S,
                     "all connections are cut, new ones are refused", NO_WORDS},
    [FAULT_COLD] = {STR_INIT("cold"), STR_INIT("seconds"), HOUR_S, HOUR_S,
                    "everything is answered with 503", NO_WORDS},
    [FAULT_LATE] = {STR_INIT("late"), STR_INIT("ms"), 1000, HOUR_MS,
                    "time before the head of the answer", NO_WORDS},
    [FAULT_SLOW] = {STR_INIT("slow"), STR_INIT("ms"), 1000, HOUR_MS,
                    "time before the first token", NO_WORDS},
    [FAULT_STALL] = {STR_INIT("stall"), STR_INIT("tokens"), 0, MOST,
                     "silence after that many tokens", NO_WORDS},
    [FAULT_CUT] = {STR_INIT("cut"), STR_INIT("bytes"), 0, MOST,
                   "reset after that many bytes of body", NO_WORDS},
    [FAULT_END] = {STR_INIT("end"), STR_INIT("bytes"), 0, MOST,
                   "closed after that many bytes of body", NO_WORDS},
    [FAULT_GARBAGE] = {STR_INIT("garbage"), STR_INIT("kind"), GARBAGE_HTTP, 1,
                       "\"http\" or \"json\": what should be it is not",
                       STR_INIT("http|json")},
    [FAULT_SPLIT] = {STR_INIT("split"), STR_INIT("size"), 1, MOST,
                     "that many bytes at a time", NO_WORDS},
    [FAULT_STATUS] = {STR_INIT("status"), STR_INIT("status"), 500, 599,
                      "an error with that status", NO_WORDS},
    [FAULT_RETRY_AFTER] = {STR_INIT("retry-after"), STR_INIT("retry_after"), 1,
                           MOST, "the header of that name, in seconds",
                           NO_WORDS},
    [FAULT_ERROR] = {STR_INIT("error"), STR_INIT("tokens"), 0, MOST,
                     "an error in the stream after that many tokens", NO_WORDS},
    [FAULT_EMPTY] = {STR_INIT("empty"), STR_INIT(""), 0, 0,
                     "status 200 and no body", NO_WORDS},
    [FAULT_NEVER] = {STR_INIT("never"), STR_INIT(""), 0, 0, "no answer",
                     NO_WORDS},
    [FAULT_NO_END] = {STR_INIT("no-end"), STR_INIT(""), 0, 0,
                      "no [DONE], no message_stop", NO_WORDS},
    [FAULT_CLOSE] = {STR_INIT("close"), STR_INIT(""), 0, 0,
                     "closed after the answer, without saying so before",
                     NO_WORDS},
    [FAULT_REFUSAL] = {STR_INIT("refusal"), STR_INIT("tokens"), 0, MOST,
                       "a refusal after that many tokens", NO_WORDS},
    [FAULT_REDACTED] = {STR_INIT("redacted"), STR_INIT(""), 0, 0,
                        "a block of redacted thinking", NO_WORDS},
    [FAULT_SILENT] = {STR_INIT("silent"), STR_INIT(""), 0, 0,
                      "an answer without content", NO_WORDS},
    [FAULT_TOKENS] = {STR_INIT("tokens"), STR_INIT("tokens"), 100, 1000000,
                      "an answer of that many tokens at least", NO_WORDS},
    [FAULT_THINK] = {STR_INIT("think"), STR_INIT("blocks"), 1, 4,
                     "up to 4 blocks of thinking", NO_WORDS},
    [FAULT_CALLS] = {STR_INIT("calls"), STR_INIT("calls"), 1, 8,
                     "up to 8 calls of the tools that are offered", NO_WORDS},
    [FAULT_SEARCH] = {STR_INIT("search"), STR_INIT(""), 0, 0,
                      "a search of the web", NO_WORDS},
    [FAULT_FINISH] = {STR_INIT("finish"), STR_INIT("reason"), 0, 0,
                      "a finish_reason of vLLM's",
                      STR_INIT("abort|error|stop|length|tool_calls|"
                               "content_filter")},
    [FAULT_STOP_TOKEN] = {STR_INIT("stop-token"), STR_INIT("token"), 151643,
                          MOST, "a token's number as stop_reason", NO_WORDS},
    [FAULT_INTERLEAVE] = {STR_INIT("interleave"), STR_INIT(""), 0, 0,
                          "calls whose fragments take turns", NO_WORDS},
    [FAULT_REASONING_CONTENT] = {STR_INIT("reasoning-content"), STR_INIT(""), 0,
                                 0, "thinking under its older name", NO_WORDS},
    [FAULT_ODD_IDS] = {STR_INIT("odd-ids"), STR_INIT(""), 0, 0,
                       "calls with ids like functions.f:0", NO_WORDS},
    [FAULT_STOP_REASON] = {STR_INIT("stop-reason"), STR_INIT("stop_reason"), 0,
                           0, "a stop_reason of Anthropic's",
                           STR_INIT("pause_turn|model_context_window_exceeded|"
                                    "end_turn|max_tokens|stop_sequence|"
                                    "tool_use|refusal")},
    [FAULT_CATEGORY] = {STR_INIT("category"), STR_INIT("category"), 0, 0,
                        "a category of refusals, or none",
                        STR_INIT("none|cyber|bio|frontier_llm|"
                                 "reasoning_extraction|general_harms")},
};

const struct fault_row *fault_row(enum fault_kind kind)
{
    return &rows[kind];
}

static bool find(struct str name, enum fault_kind *kind)
{
    for (size_t i = 0; i < FAULT_KINDS; i++) {
        if (str_eq_nocase(rows[i].name, name)) {
            *kind = (enum fault_kind)i;
            return true;
        }
    }
    return false;
}

static bool place_of(struct str words, struct str word, uint64_t *place)
{
    struct str one;

    for (*place = 0; str_split(&words, '|', &one); ++*place)
        if (str_eq(one, word))
            return true;
    return false;
}

static struct str word_at(struct str words, uint64_t place)
{
    struct str word = {NULL, 0};

    while (str_split(&words, '|', &word))
        if (place-- == 0)
            return word;
    return (struct str){NULL, 0};
}

struct str fault_word(const struct fault *fault, enum fault_kind kind)
{
    if (!fault->is_set[kind])
        return (struct str){NULL, 0};
    return word_at(rows[kind].words, fault->value[kind]);
}

static bool read_argument(const struct fault_row *row, struct str argument,
                          uint64_t *value)
{
    *value = row->usual;
    if (argument.ptr == NULL)
        return true;
    if (row->words.len > 0)
        return place_of(row->words, argument, value);
    return str_to_u64(argument, value) && *value <= row->most;
}

static bool set(struct arena *arena, struct fault *fault, enum fault_kind kind,
                struct str argument, struct str *why)
{
    const struct fault_row *row = &rows[kind];
    uint64_t value;

    if (!read_argument(row, argument, &value)) {
        *why = arena_printf(arena, "%.*s: expected %s, got \"%.*s\"",
                            STR_ARG(row->name), row->says,
                            STR_ARG(str_clip(argument, 40)));
        return false;
    }
    if ((kind == FAULT_STATUS && value < 400) ||
        (kind == FAULT_SPLIT && value == 0)) {
        *why = arena_printf(arena, "%.*s: %llu is too small",
                            STR_ARG(row->name), (unsigned long long)value);
        return false;
    }
    fault->is_set[kind] = true;
    fault->value[kind] = value;
    return true;
}

bool fault_parse(struct arena *arena, struct str text, struct fault *fault,
                 struct str *why)
{
    struct fault parsed = *fault;
    struct str piece;

    while (str_split(&text, ';', &piece)) {
        enum fault_kind kind;
        struct str argument = {NULL, 0};
        struct str name = piece;
        size_t at;

        if (str_is_blank(piece))
            continue;
        if (str_find(piece, STR("="), &at)) {
            name = str_slice(piece, 0, at);
            argument = str_trim(str_slice(piece, at + 1, piece.len));
        }
        name = str_trim(name);
        if (!find(name, &kind)) {
            *why = arena_printf(arena, "there is no fault \"%.*s\"",
                                STR_ARG(str_clip(name, 40)));
            return false;
        }
        if (!set(arena, &parsed, kind, argument, why))
            return false;
    }
    *fault = parsed;
    return true;
}

/* The argument as the text that set() reads; ptr NULL when it is absent. */
static struct str argument_of(yyjson_val *object, struct str field)
{
    yyjson_val *value = field.len == 0 ? NULL : json_get(object, field);

    if (value == NULL)
        return (struct str){NULL, 0};
    return json_is_number(value) ? json_number_text(value) : json_text(value);
}

bool fault_read(struct arena *arena, yyjson_val *object, struct fault *fault,
                struct str *why)
{
    struct fault read = *fault;
    bool refuses = str_eq(json_get_text(object, STR("mode")), STR("refuse"));

    if (!fault_parse(arena, json_get_text(object, STR("fault")), &read, why))
        return false;
    for (size_t i = 0; i < FAULT_KINDS; i++) {
        struct str argument = argument_of(object, rows[i].field);

        /* retry_after goes with a status; the others need their name */
        if (argument.ptr != NULL &&
            (read.is_set[i] || i == FAULT_RETRY_AFTER) &&
            !set(arena, &read, (enum fault_kind)i, argument, why))
            return false;
    }
    if (read.is_set[FAULT_COLD] && refuses) {
        read.is_set[FAULT_COLD] = false;
        read.is_set[FAULT_REFUSE] = true;
        read.value[FAULT_REFUSE] = read.value[FAULT_COLD];
    }
    *fault = read;
    return true;
}

struct str fault_text(struct arena *arena, const struct fault *fault)
{
    struct str all = STR("");

    for (size_t i = 0; i < FAULT_KINDS; i++) {
        struct str one;

        if (!fault->is_set[i])
            continue;
        if (rows[i].words.len > 0)
            one = arena_printf(arena, "%.*s=%.*s", STR_ARG(rows[i].name),
                               STR_ARG(fault_word(fault, (enum fault_kind)i)));
        else if (rows[i].field.len == 0)
            one = rows[i].name;
        else
            one = arena_printf(arena, "%.*s=%llu", STR_ARG(rows[i].name),
                               (unsigned long long)fault->value[i]);
        all = all.len == 0 ? one
                           : arena_printf(arena, "%.*s; %.*s", STR_ARG(all),
                                          STR_ARG(one));
    }
    return all;
}

void fault_add(struct fault *fault, const struct fault *more)
{
    for (size_t i = 0; i < FAULT_KINDS; i++) {
        if (!more->is_set[i])
            continue;
        fault->is_set[i] = true;
        fault->value[i] = more->value[i];
    }
}
