#include "config_value.h"

#include "catalog.h"
#include "log.h"
#include "regex.h"
#include "telemetry/trace.h"

const struct config_row config_rows[CONFIG_OPTIONS] = {
#define OPTION(section, id, path, type, env, otherwise, help)           \
    [CONFIG_##section##_##id] = {CONFIG_##section, STR_INIT(#id),       \
                                 STR_INIT(path),   CONFIG_TYPE_##type,  \
                                 STR_INIT(env),    STR_INIT(otherwise), \
                                 STR_INIT(help)},
#include "config.def"
#undef OPTION
};

/* The words of the enums, each with its number. */
struct word {
    struct str text;
    int64_t number;
};

static const struct word bools[] = {
    {STR_INIT("true"), 1}, {STR_INIT("yes"), 1},   {STR_INIT("on"), 1},
    {STR_INIT("1"), 1},    {STR_INIT("false"), 0}, {STR_INIT("no"), 0},
    {STR_INIT("off"), 0},  {STR_INIT("0"), 0},     {{NULL, 0}, 0},
};
static const struct word tiers[] = {
    {STR_INIT("local"), TIER_LOCAL},
    {STR_INIT("cloud"), TIER_CLOUD},
    {{NULL, 0}, 0},
};
static const struct word dialects[] = {
    {STR_INIT("openai"), DIALECT_OPENAI},
    {STR_INIT("anthropic"), DIALECT_ANTHROPIC},
    {{NULL, 0}, 0},
};
static const struct word policies[] = {
    {STR_INIT("local-only"), TIER_LOCAL},
    {STR_INIT("cloud-only"), TIER_CLOUD},
    {{NULL, 0}, 0},
};
static const struct word fallbacks[] = {
    {STR_INIT("never"), CONFIG_FALLBACK_NEVER},
    {STR_INIT("auto"), CONFIG_FALLBACK_AUTO},
    {STR_INIT("always"), CONFIG_FALLBACK_ALWAYS},
    {{NULL, 0}, 0},
};
static const struct word reasonings[] = {
    {STR_INIT("none"), 0},
    {STR_INIT("reasoning_content"), 1},
    {{NULL, 0}, 0},
};
static const struct word log_levels[] = {
    {STR_INIT("error"), LOG_ERROR},
    {STR_INIT("warn"), LOG_WARN},
    {STR_INIT("info"), LOG_INFO},
    {STR_INIT("debug"), LOG_DEBUG},
    {{NULL, 0}, 0},
};
static const struct word log_formats[] = {
    {STR_INIT("logfmt"), LOG_LOGFMT},
    {STR_INIT("json"), LOG_JSON},
    {{NULL, 0}, 0},
};
static const struct word services[] = {
    {STR_INIT("chat"), 1 << SERVICE_CHAT},
    {STR_INIT("completions"), 1 << SERVICE_COMPLETIONS},
    {STR_INIT("embeddings"), 1 << SERVICE_EMBEDDINGS},
    {{NULL, 0}, 0},
};
static const struct word builtin_tools[] = {
    {STR_INIT("auto"), CONFIG_BUILTIN_AUTO},
    {STR_INIT("refuse"), CONFIG_BUILTIN_REFUSE},
    {STR_INIT("drop"), CONFIG_BUILTIN_DROP},
    {{NULL, 0}, 0},
};
static const struct word langfuse_modes[] = {
    {STR_INIT("otel"), CONFIG_LANGFUSE_OTEL},
    {STR_INIT("batch"), CONFIG_LANGFUSE_BATCH},
    {{NULL, 0}, 0},
};
static const struct word incoming_traces[] = {
    {STR_INIT("continue"), TRACE_CONTINUE},
    {STR_INIT("resample"), TRACE_RESAMPLE},
    {STR_INIT("restart"), TRACE_RESTART},
    {{NULL, 0}, 0},
};
/* What numbers may end in. */
static const struct word byte_units[] = {
    {STR_INIT("KiB"), 1024},
    {STR_INIT("MiB"), 1024 * 1024},
    {STR_INIT("GiB"), 1 << 30},
    {STR_INIT("KB"), 1000},
    {STR_INIT("MB"), 1000 * 1000},
    {STR_INIT("GB"), 1000 * 1000 * 1000},
    {STR_INIT("B"), 1},
    {{NULL, 0}, 0},
};
static const struct word time_units[] = {
    {STR_INIT("ms"), 1},
    {STR_INIT("s"), 1000},
    {STR_INIT("m"), 60 * 1000},
    {STR_INIT("h"), 60 * 60 * 1000},
    {STR_INIT("d"), 24 * 60 * 60 * 1000},
    {{NULL, 0}, 0},
};

static bool one_of(const struct word *words, struct config_value *value)
{
    for (; words->text.ptr != NULL; words++) {
        if (str_eq_nocase(value->text, words->text)) {
            value->number = words->number;
            return true;
        }
    }
    return false;
}

/* A list of words: all their bits together. */
static bool some_of(const struct word *words, struct config_value *value)
{
    struct config_value item = {0};
    struct str rest = value->text;

    value->number = 0;
    while (str_split(&rest, ',', &item.text)) {
        item.text = str_trim(item.text);
        if (!one_of(words, &item))
            return false;
        value->number |= item.number;
    }
    return value->number != 0;
}

/* A whole number, with one of the units behind it or alone. */
static bool measured(const struct word *units, bool unit_needed,
                     struct config_value *value)
{
    enum { MOST = INT32_MAX };
    struct str text = value->text;
    int64_t factor = 0;
    uint64_t n;

    for (; units->text.ptr != NULL; units++) {
        if (str_ends(text, units->text)) {
            factor = units->number;
            text = str_trim(str_slice(text, 0, text.len - units->text.len));
            break;
        }
    }
    if (!str_to_u64(text, &n))
        return false;
    if (factor == 0) {
        if (unit_needed && n != 0)
            return false; /* 3 what? */
        factor = 1;
    }
    if (n > (uint64_t)MOST * 1000 / (uint64_t)factor)
        return false;
    value->number = (int64_t)n * factor;
    return true;
}

/* A duration whose number may stand alone, as the variables of Langfuse's own
 * libraries have it: "5". */
static bool seconds(struct config_value *value)
{
    uint64_t n;

    if (!str_to_u64(value->text, &n))
        return measured(time_units, true, value);
    if (n > INT32_MAX)
        return false;
    value->number = (int64_t)n * 1000;
    return true;
}

/* 0 to 1, in billionths. */
static bool share(struct config_value *value)
{
    struct str rest = value->text;
    struct str whole;
    uint64_t n;
    int64_t unit = CONFIG_SHARE_ALL;

    if (!str_split(&rest, '.', &whole) ||
        (whole.len > 0 && !str_to_u64(whole, &n)))
        return false;
    if (whole.len == 0)
        n = 0;
    if (n > 1 || (whole.len == 0 && rest.len == 0))
        return false;
    value->number = (int64_t)n * unit;
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.ptr[i] < '0' || rest.ptr[i] > '9')
            return false;
        unit /= 10;
        value->number += unit * (rest.ptr[i] - '0');
    }
    return value->number <= CONFIG_SHARE_ALL;
}

static bool count(struct config_value *value, uint64_t least, uint64_t most)
{
    uint64_t n;

    if (!str_to_u64(value->text, &n) || n < least || n > most)
        return false;
    value->number = (int64_t)n;
    return true;
}

/* Octal, as chmod(1) takes it. */
static bool mode(struct config_value *value)
{
    struct str text = value->text;

    value->number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '7')
            return false;
        value->number = value->number * 8 + (text.ptr[i] - '0');
    }
    return text.len >= 3 && text.len <= 4 && value->number <= 0777;
}

/* Header and log values, and parts of paths. */
static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (c <= ' ' || c == '"' || c == '\\' || c >= 0x7F)
            return false;
    }
    return s.len > 0 && s.len <= 128;
}

static bool is_regex(struct str pattern)
{
    struct regex *regex = regex_new(pattern);

    regex_free(regex);
    return regex != NULL;
}

static bool clock_time(struct str text, int64_t *minutes)
{
    struct str hour;
    uint64_t h, m;

    if (!str_split(&text, ':', &hour) || hour.len != 2 || text.len != 2 ||
        !str_to_u64(hour, &h) || !str_to_u64(text, &m) || h > 24 || m > 59)
        return false;
    *minutes = (int64_t)(h * 60 + m);
    return *minutes <= 24 * 60;
}

/* Both ends in one number: from * 10000 + to, in minutes. */
static bool hours(struct config_value *value)
{
    struct str rest = value->text;
    struct str from_text;
    int64_t from, to;

    if (!str_split(&rest, '-', &from_text) ||
        !clock_time(str_trim(from_text), &from) ||
        !clock_time(str_trim(rest), &to))
        return false;
    value->number = from * 10000 + to;
    return true;
}

const char *config_type_expects(enum config_type type)
{
    switch (type) {
    case CONFIG_TYPE_TEXT:
        return "text";
    case CONFIG_TYPE_NAME:
        return "a name: printable ASCII without spaces, quotes and "
               "backslashes, at most 128 characters";
    case CONFIG_TYPE_SECRET:
        return "a secret: ${VARIABLE}, file:/path or the text itself";
    case CONFIG_TYPE_BOOL:
        return "true or false";
    case CONFIG_TYPE_COUNT:
        return "a whole number from 0 on";
    case CONFIG_TYPE_PORT:
        return "a port: 0 to 65535";
    case CONFIG_TYPE_WORKERS:
        return "auto, or a whole number from 1 to 256";
    case CONFIG_TYPE_BYTES:
        return "a size: 1048576, 512KiB, 32MiB";
    case CONFIG_TYPE_DURATION:
        return "a duration: 500ms, 2s, 5m, 1h, 90d; 0 switches it off";
    case CONFIG_TYPE_URLS:
        return "http://host[:port][/path] or https://…, or a list of them";
    case CONFIG_TYPE_REGEX:
        return "a Perl-compatible regular expression";
    case CONFIG_TYPE_HOURS:
        return "two times of day: 22:00-06:00";
    case CONFIG_TYPE_TIER:
        return "local or cloud";
    case CONFIG_TYPE_DIALECT:
        return "openai or anthropic";
    case CONFIG_TYPE_POLICY:
        return "local-only or cloud-only";
    case CONFIG_TYPE_FALLBACK:
        return "auto, always or never";
    case CONFIG_TYPE_REASONING:
        return "reasoning_content or none";
    case CONFIG_TYPE_LOG_LEVEL:
        return "error, warn, info or debug";
    case CONFIG_TYPE_LOG_FORMAT:
        return "logfmt or json";
    case CONFIG_TYPE_MODE:
        return "the permissions of a file: 0600, 0660, 0666";
    case CONFIG_TYPE_SERVES:
        return "a list of chat, completions and embeddings";
    case CONFIG_TYPE_BUILTIN_TOOLS:
        return "auto, refuse or drop";
    case CONFIG_TYPE_SECONDS:
        return "a duration: 500ms, 5s, 1m; a number alone means seconds";
    case CONFIG_TYPE_SHARE:
        return "a share: 0 to 1, such as 0.05";
    case CONFIG_TYPE_LANGFUSE_MODE:
        return "otel or batch";
    case CONFIG_TYPE_INCOMING_TRACE:
        return "continue, resample or restart";
    case CONFIG_TYPE_USD:
        return "an amount in USD: 3, 0.0375; at most six decimal places";
    }
    return "";
}

bool config_type_is_list(enum config_type type)
{
    return type == CONFIG_TYPE_URLS || type == CONFIG_TYPE_SERVES;
}

static bool are_urls(const struct config_value *value)
{
    struct endpoint ignored;

    for (unsigned i = 0; i < value->item_count; i++)
        if (!endpoint_parse(value->items[i], &ignored))
            return false;
    return value->item_count > 0;
}

bool config_value_parse(enum config_type type, struct config_value *value)
{
    switch (type) {
    case CONFIG_TYPE_TEXT:
    case CONFIG_TYPE_SECRET:
        return true;
    case CONFIG_TYPE_NAME:
        return is_name(value->text);
    case CONFIG_TYPE_BOOL:
        return one_of(bools, value);
    case CONFIG_TYPE_COUNT:
        return count(value, 0, INT64_MAX);
    case CONFIG_TYPE_PORT:
        return count(value, 0, 65535);
    case CONFIG_TYPE_WORKERS:
        value->number = 0;
        return str_eq_nocase(value->text, STR("auto")) || count(value, 1, 256);
    case CONFIG_TYPE_BYTES:
        return measured(byte_units, false, value);
    case CONFIG_TYPE_DURATION:
        return measured(time_units, true, value);
    case CONFIG_TYPE_URLS:
        return are_urls(value);
    case CONFIG_TYPE_REGEX:
        return is_regex(value->text);
    case CONFIG_TYPE_HOURS:
        return hours(value);
    case CONFIG_TYPE_TIER:
        return one_of(tiers, value);
    case CONFIG_TYPE_DIALECT:
        return one_of(dialects, value);
    case CONFIG_TYPE_POLICY:
        return one_of(policies, value);
    case CONFIG_TYPE_FALLBACK:
        return one_of(fallbacks, value);
    case CONFIG_TYPE_REASONING:
        return one_of(reasonings, value);
    case CONFIG_TYPE_LOG_LEVEL:
        return one_of(log_levels, value);
    case CONFIG_TYPE_LOG_FORMAT:
        return one_of(log_formats, value);
    case CONFIG_TYPE_MODE:
        return mode(value);
    case CONFIG_TYPE_SERVES:
        return some_of(services, value);
    case CONFIG_TYPE_BUILTIN_TOOLS:
        return one_of(builtin_tools, value);
    case CONFIG_TYPE_SECONDS:
        return seconds(value);
    case CONFIG_TYPE_SHARE:
        return share(value);
    case CONFIG_TYPE_LANGFUSE_MODE:
        return one_of(langfuse_modes, value);
    case CONFIG_TYPE_INCOMING_TRACE:
        return one_of(incoming_traces, value);
    case CONFIG_TYPE_USD:
        return claude_read_usd(value->text, &value->number);
    }
    return false;
}
