/* What label values are called, and how few they are. */
#include <string.h>

#include "metrics.h"

/* --- status -------------------------------------------------------------- */

#define STATUSES(X) \
    X(200)          \
    X(400)          \
    X(401)          \
    X(402)          \
    X(403)          \
    X(404)          \
    X(405)          \
    X(408)          \
    X(409)          \
    X(411)          \
    X(413)          \
    X(415)          \
    X(417)          \
    X(422)          \
    X(424)          \
    X(425)          \
    X(429) X(431) X(499) X(500) X(501) X(502) X(503) X(504) X(505) X(507) X(529)

enum {
    CLASS_OTHER,
    CLASS_2XX,
    CLASS_3XX,
    CLASS_4XX,
    CLASS_5XX,
#define X(status) STATUS_##status,
    STATUSES(X)
#undef X
        STATUS_COUNT,
};

static const char status_words[STATUS_COUNT][6] = {[CLASS_OTHER] = "other",
                                                   [CLASS_2XX] = "2xx",
                                                   [CLASS_3XX] = "3xx",
                                                   [CLASS_4XX] = "4xx",
                                                   [CLASS_5XX] = "5xx",
#define X(status) [STATUS_##status] = #status,
                                                   STATUSES(X)
#undef X
};

unsigned metrics_status(int status)
{
    static const unsigned char known[600] = {
#define X(status) [status] = STATUS_##status,
        STATUSES(X)
#undef X
    };

    if (status < 200 || status >= 600)
        return CLASS_OTHER;
    return known[status] != 0 ? known[status]
                              : CLASS_2XX + (unsigned)(status - 200) / 100;
}

unsigned metrics_status_class(unsigned number)
{
    const char *word = status_words[number];

    return number <= CLASS_5XX ? number : CLASS_2XX + (unsigned)(word[0] - '2');
}

/* --- reason -------------------------------------------------------------- */

/* The kind above, what stands behind its colon below. */
enum { TAIL_BITS = 9, TAIL_MASK = (1 << TAIL_BITS) - 1 };

enum reason_kind {
    REASON_OTHER = METRICS_REASON_OTHER,
    REASON_NONE,
    REASON_EXPLICIT,
    REASON_PIN,
    REASON_RULE, /* from here on with something behind the colon */
    REASON_SERVICE,
    REASON_FIT,
    REASON_FALLBACK,
    REASON_SPILL,
    REASONS,
};

static const struct str reason_words[REASONS] = {
    [REASON_OTHER] = STR_INIT("other"),
    [REASON_NONE] = STR_INIT("none"),
    [REASON_EXPLICIT] = STR_INIT("explicit"),
    [REASON_PIN] = STR_INIT("pin"),
    [REASON_RULE] = STR_INIT("rule"),
    [REASON_SERVICE] = STR_INIT("service"),
    [REASON_FIT] = STR_INIT("fit"),
    [REASON_FALLBACK] = STR_INIT("fallback"),
    [REASON_SPILL] = STR_INIT("spill"),
};

unsigned metrics_cause(const struct metrics_names *names, struct str cause)
{
    unsigned number = metrics_names_find(names, NAMES_CAUSE, cause);
    const char *c = cause.ptr;

    /* an unusual status */
    if (number == NAME_OTHER && cause.len == 3 && c[1] >= '0' && c[1] <= '9')
        number = metrics_names_find(names, NAMES_CAUSE,
                                    c[0] == '4' ? STR("4xx") : STR("5xx"));
    return number;
}

unsigned metrics_reason(const struct metrics_names *names, struct str reason)
{
    struct str tail = reason, head;
    unsigned kind = REASON_NONE;

    if (!str_split(&tail, ':', &head))
        return REASON_NONE << TAIL_BITS;
    while (kind < REASONS && !str_eq(reason_words[kind], head))
        kind++;
    if (kind == REASONS)
        return METRICS_REASON_OTHER;
    if (kind < REASON_RULE)
        return kind << TAIL_BITS;
    return kind << TAIL_BITS |
           (kind == REASON_RULE ? metrics_names_find(names, NAMES_RULE, tail)
                                : metrics_cause(names, tail));
}

static struct str reason_word(const struct metrics_names *names, unsigned value,
                              char room[METRICS_WORD_MAX])
{
    unsigned kind = value >> TAIL_BITS;
    struct str word = reason_words[kind];
    struct str tail;

    if (kind < REASON_RULE)
        return word;
    tail = str_clip(
        metrics_names_get(names, kind == REASON_RULE ? NAMES_RULE : NAMES_CAUSE,
                          value & TAIL_MASK),
        METRICS_WORD_MAX - word.len - 1);
    memcpy(room, word.ptr, word.len);
    room[word.len] = ':';
    memcpy(room + word.len + 1, tail.ptr, tail.len);
    return (struct str){room, word.len + 1 + tail.len};
}

/* --- all ----------------------------------------------------------------- */

static struct str error_word(unsigned value)
{
    if (value == OK)
        return STR("");
    return value < ERROR_COUNT ? error_name((enum error)value) : STR("_OTHER");
}

struct str metrics_word(const struct metrics_names *names, enum label label,
                        unsigned value, char room[METRICS_WORD_MAX])
{
    static const struct str tokens[] = {
        [METRICS_INPUT] = STR_INIT("input"),
        [METRICS_OUTPUT] = STR_INIT("output"),
        [METRICS_CACHE_READ] = STR_INIT("cache_read"),
        [METRICS_CACHE_WRITE] = STR_INIT("cache_write"),
        [METRICS_REASONING] = STR_INIT("reasoning"),
    };
    static const struct str results[] = {
        [TRY_OK] = STR_INIT("ok"),
        [TRY_FAILED] = STR_INIT("failed"),
        [TRY_CANCELLED] = STR_INIT("cancelled"),
    };
    static const struct str providers[] = {
        [METRICS_VLLM] = STR_INIT("vllm"),
        [METRICS_OPENAI] = STR_INIT("openai"),
        [METRICS_ANTHROPIC] = STR_INIT("anthropic"),
    };
    static const struct str served[] = {
        [METRICS_BY_LOCAL] = STR_INIT("local"),
        [METRICS_BY_CLOUD] = STR_INIT("cloud"),
        [METRICS_BY_HELD] = STR_INIT("held"),
        [METRICS_BY_NOBODY] = STR_INIT("refused"),
    };
    static const struct str bases[] = {
        [METRICS_BY_TOKEN] = STR_INIT("token"),
        [METRICS_BY_HOUR] = STR_INIT("hour"),
    };

    switch (label) {
    case LABEL_TIER:
        return tier_name((enum tier)value);
    case LABEL_TARGET:
    case LABEL_WANTED:
    case LABEL_FROM:
    case LABEL_TO:
        return metrics_names_get(names, NAMES_TARGET, value);
    case LABEL_MODEL:
    case LABEL_ASKED:
        return metrics_names_get(names, NAMES_MODEL, value);
    case LABEL_CAUSE:
        return metrics_names_get(names, NAMES_CAUSE, value);
    case LABEL_REASON:
        return reason_word(names, value, room);
    case LABEL_STATUS:
        return str_of(status_words[value]);
    case LABEL_OUTCOME:
        return outcome_name((enum outcome)value);
    case LABEL_STREAM:
        return value != 0 ? STR("true") : STR("false");
    case LABEL_TOKENS:
    case LABEL_TOKEN_TYPE:
        return tokens[value];
    case LABEL_RESULT:
        return results[value];
    case LABEL_SERVED:
        return served[value];
    case LABEL_BASIS:
        return bases[value];
    case LABEL_FORMAT:
        return fields_slot_format(value);
    case LABEL_FIELD:
        return fields_slot_path(value);
    case LABEL_OPERATION:
        return operation_name((enum operation)value);
    case LABEL_PROVIDER:
        return providers[value];
    case LABEL_ERROR_TYPE:
        return error_word(value);
    default:
        return STR("");
    }
}
