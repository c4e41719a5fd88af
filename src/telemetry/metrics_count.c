#include "metrics_count.h"

/* --- what a label says of the request ------------------------------------ */

/* A Claude may have a date at its end, or a vendor before its name. */
static unsigned model_of(struct metrics *metrics, struct str name,
                         enum tier tier, const struct claude_models *claude)
{
    unsigned number = metrics_name(metrics, NAMES_MODEL, name, tier);
    const struct claude_model *known;

    if (number != NAME_OTHER)
        return number;
    known = claude_find(claude, name);
    return known == NULL
               ? NAME_OTHER
               : metrics_names_find(metrics->names, NAMES_MODEL, known->id);
}

static unsigned provider_of(enum tier tier, enum dialect dialect)
{
    if (dialect == DIALECT_ANTHROPIC)
        return METRICS_ANTHROPIC;
    return tier == TIER_LOCAL ? METRICS_VLLM : METRICS_OPENAI;
}

static unsigned basis_of(bool is_hourly)
{
    return is_hourly ? METRICS_BY_HOUR : METRICS_BY_TOKEN;
}

static unsigned wanted_by(const struct record *record)
{
    if (record->tier == TIER_CLOUD)
        return METRICS_BY_CLOUD;
    /* also when a try was what found it out */
    if (record->tier != TIER_LOCAL || record->error == ERR_NOT_READY ||
        record->error == ERR_SATURATED)
        return METRICS_BY_NOBODY;
    return record->was_held ? METRICS_BY_HELD : METRICS_BY_LOCAL;
}

/* --- a settled exchange -------------------------------------------------- */

/* A hostile backend's count may be anything. */
static uint64_t natural(int64_t n)
{
    return n > 0 ? (uint64_t)n : 0;
}

static void count_request(struct metrics *metrics, const struct record *record)
{
    enum tier tier = record->tier;
    unsigned target = tier == TIER_NONE ? NAME_NONE
                                        : metrics_name(metrics, NAMES_TARGET,
                                                       record->backend, tier);
    struct str reason = tier == TIER_NONE ? STR("") : record->reason;

    metrics_add(metrics,
                METRICS_KEY(REQUESTS) | METRICS_AT(TIER, tier) |
                    METRICS_AT(TARGET, target) |
                    METRICS_AT(REASON, metrics_reason(metrics->names, reason)) |
                    METRICS_AT(STATUS, metrics_status(record->status)) |
                    METRICS_AT(OUTCOME, record->outcome),
                1);
    if (record->wants_local)
        metrics_add(
            metrics,
            METRICS_KEY(WANTED) |
                METRICS_AT(WANTED, metrics_name(metrics, NAMES_TARGET,
                                                record->wanted, TIER_LOCAL)) |
                METRICS_AT(SERVED, wanted_by(record)),
            1);
    for (unsigned i = 0; i < record->dropped_count; i++)
        if (record->dropped[i] < FIELDS_SLOTS)
            metrics_add(metrics,
                        METRICS_KEY(DROPPED) |
                            METRICS_AT(FORMAT, record->dropped[i]) |
                            METRICS_AT(FIELD, record->dropped[i]),
                        1);
}

/* The router's own: without what the caller took to send the request, what it
 * waited for a place, and what the backends took.  Of a stream, which goes on
 * as it comes, only what came before. */
static bool own_time(const struct record *record, uint64_t *own_us)
{
    uint64_t away_us = record->waited_us;

    if (record->tries_kept == 0 || record->received_us == 0)
        return false;
    if (away_us == 0)
        away_us = record->tries_made[0].began_us;
    if (away_us < record->received_us)
        return false;
    *own_us = away_us - record->received_us;
    if (record->answered_us != 0 && record->ended_us > record->answered_us)
        *own_us += record->ended_us - record->answered_us;
    return true;
}

static void time_request(struct metrics *metrics, const struct record *record)
{
    uint64_t tier = METRICS_AT(TIER, record->tier);
    uint64_t own_us;

    metrics_observe(
        metrics,
        METRICS_KEY(DURATION) | tier | METRICS_AT(STREAM, record->is_stream),
        record->ended_us - record->began_us, record, record->ended_us);
    if (record->is_stream && record->first_token_us >= record->began_us &&
        record->first_token_us > 0)
        metrics_observe(metrics, METRICS_KEY(FIRST_TOKEN) | tier,
                        record->first_token_us - record->began_us, record,
                        record->ended_us);
    if (own_time(record, &own_us))
        metrics_observe(metrics, METRICS_KEY(OVERHEAD), own_us, NULL, 0);
}

static void count_tokens(struct metrics *metrics, const struct record *record,
                         uint64_t model)
{
    const struct chat_usage *usage = &record->usage;
    const int64_t counts[] = {
        [METRICS_INPUT] = usage->input,
        [METRICS_OUTPUT] = usage->output,
        [METRICS_CACHE_READ] = usage->cache_read,
        [METRICS_CACHE_WRITE] = usage->cache_write,
        [METRICS_REASONING] = usage->has_reasoning ? usage->reasoning : 0,
    };

    for (unsigned type = 0; type < COUNT_OF(counts); type++)
        if (counts[type] > 0)
            metrics_add(metrics,
                        METRICS_KEY(TOKENS) | model | METRICS_AT(TOKENS, type),
                        natural(counts[type]));
}

static void count_money(struct metrics *metrics, const struct record *record,
                        uint64_t model)
{
    if (record->is_priced)
        metrics_add(metrics,
                    METRICS_KEY(COST) | model |
                        METRICS_AT(BASIS, basis_of(record->is_hourly)),
                    natural(record->cost));
    else if (record->operation != OPERATION_COUNT &&
             (record->usage.is_known || record->outcome == OUTCOME_OK))
        metrics_add(metrics, METRICS_KEY(UNPRICED) | model, 1);
    if (record->has_cloud_cost)
        metrics_add(metrics, METRICS_KEY(CLOUD_COST) | model,
                    natural(record->cloud_cost));
}

/* --- in the words of the GenAI conventions ------------------------------- */

static void count_genai_try(struct metrics *metrics,
                            const struct record *record,
                            const struct record_try *try, uint64_t asked)
{
    if (try->ended_us >= try->began_us && try->began_us > 0)
        metrics_observe(metrics,
                        METRICS_KEY(GENAI_DURATION) | asked |
                            METRICS_AT(ERROR_TYPE, try->error),
                        try->ended_us - try->began_us, NULL, 0);
    if (record->is_stream && try->first_token_us >= try->began_us &&
        try->first_token_us > 0)
        metrics_observe(metrics, METRICS_KEY(GENAI_FIRST) | asked,
                        try->first_token_us - try->began_us, NULL, 0);
}

static void count_genai(struct metrics *metrics, const struct record *record,
                        const struct claude_models *claude)
{
    uint64_t asked = 0;

    /* the conventions have no word for counting */
    if (record->operation == OPERATION_COUNT || record->tries_kept == 0)
        return;
    for (unsigned i = 0; i < record->tries_kept; i++) {
        const struct record_try *try = &record->tries_made[i];

        asked =
            METRICS_AT(OPERATION, record->operation) |
            METRICS_AT(PROVIDER, provider_of(try->tier, try->dialect)) |
            METRICS_AT(ASKED, model_of(metrics, try->model, try->tier, claude));
        count_genai_try(metrics, record, try, asked);
    }
    if (!record->usage.is_known)
        return;
    asked |= METRICS_KEY(GENAI_TOKENS);
    metrics_observe(metrics, asked | METRICS_AT(TOKEN_TYPE, METRICS_INPUT),
                    natural(record->usage.input), NULL, 0);
    metrics_observe(metrics, asked | METRICS_AT(TOKEN_TYPE, METRICS_OUTPUT),
                    natural(record->usage.output), NULL, 0);
}

/* --- for the exchange ---------------------------------------------------- */

void metrics_count(struct metrics *metrics, const struct record *record,
                   const struct claude_models *claude)
{
    enum tier tier = record->tier;
    uint64_t model;

    if (!record->is_chat)
        return;
    count_request(metrics, record);
    time_request(metrics, record);
    count_genai(metrics, record, claude);
    if (tier == TIER_NONE)
        return;
    model = METRICS_AT(TIER, tier) |
            METRICS_AT(MODEL,
                       model_of(metrics, record->served_model, tier, claude));
    if (record->usage.is_known)
        count_tokens(metrics, record, model);
    count_money(metrics, record, model);
}

void metrics_count_try(struct metrics *metrics, const struct backend *backend,
                       enum try_result result)
{
    metrics_add(
        metrics,
        METRICS_KEY(TRIES) | METRICS_AT(TIER, backend->tier) |
            METRICS_AT(TARGET, metrics_name(metrics, NAMES_TARGET,
                                            backend->name, backend->tier)) |
            METRICS_AT(RESULT, result),
        1);
}

void metrics_count_fallback(struct metrics *metrics, const struct backend *from,
                            const struct backend *to, struct str cause)
{
    const struct metrics_names *names = metrics->names;

    metrics_add(
        metrics,
        METRICS_KEY(FALLBACKS) |
            METRICS_AT(FROM,
                       metrics_names_find(names, NAMES_TARGET, from->name)) |
            METRICS_AT(TO, metrics_names_find(names, NAMES_TARGET, to->name)) |
            METRICS_AT(CAUSE, metrics_cause(names, cause)),
        1);
}

void metrics_count_piece(struct metrics *metrics, const struct record *record,
                         uint64_t gap_us, uint64_t at_us)
{
    metrics_observe(metrics,
                    METRICS_KEY(INTER_TOKEN) | METRICS_AT(TIER, record->tier),
                    gap_us, record, at_us);
}

/* --- what is likely to come ---------------------------------------------- */

/* A series of the family, by its labels' numbers. */
#define BEGIN(metrics, ID, ...) \
    metrics_open((metrics),     \
                 metrics_pack(FAMILY_##ID, (const unsigned[]){__VA_ARGS__}))

static void begin_backend(struct metrics *metrics,
                          const struct backend *backend)
{
    static const struct {
        int status;
        enum outcome outcome;
    } ends[] = {
        {200, OUTCOME_OK},           {400, OUTCOME_CLIENT_ERROR},
        {429, OUTCOME_CLIENT_ERROR}, {499, OUTCOME_CANCELLED},
        {502, OUTCOME_ERROR},        {503, OUTCOME_ERROR},
        {504, OUTCOME_ERROR},
    };
    unsigned target =
        metrics_names_find(metrics->names, NAMES_TARGET, backend->name);
    unsigned reason = metrics_reason(metrics->names, STR("explicit"));

    for (unsigned i = 0; i < COUNT_OF(ends); i++)
        BEGIN(metrics, REQUESTS, backend->tier, target, reason,
              metrics_status(ends[i].status), ends[i].outcome);
    for (unsigned result = TRY_OK; result <= TRY_CANCELLED; result++)
        BEGIN(metrics, TRIES, backend->tier, target, result);
    /* whoever scales on it must see the very first request */
    for (unsigned by = METRICS_BY_LOCAL;
         backend->tier == TIER_LOCAL && by <= METRICS_BY_NOBODY; by++)
        BEGIN(metrics, WANTED, target, by);
}

static void begin_tier(struct metrics *metrics, enum tier tier)
{
    BEGIN(metrics, DURATION, tier, true);
    BEGIN(metrics, DURATION, tier, false);
    BEGIN(metrics, FIRST_TOKEN, tier);
    BEGIN(metrics, INTER_TOKEN, tier);
}

static void begin_rule(struct metrics *metrics, const struct catalog *catalog,
                       const struct rule *rule)
{
    const struct backend *backend =
        rule->use_model != NULL        ? rule->use_model->backend
        : rule->use_tier == TIER_LOCAL ? catalog->local
                                       : catalog->cloud;
    char word[METRICS_WORD_MAX] = "rule:";
    struct str name = str_clip(rule->name, sizeof(word) - 5);

    if (backend == NULL)
        return;
    for (size_t i = 0; i < name.len; i++)
        word[5 + i] = name.ptr[i];
    BEGIN(metrics, REQUESTS, backend->tier,
          metrics_names_find(metrics->names, NAMES_TARGET, backend->name),
          metrics_reason(metrics->names, (struct str){word, 5 + name.len}),
          metrics_status(200), OUTCOME_OK);
}

/* The causes that come to everybody some day. */
static void begin_fallbacks(struct metrics *metrics, const struct backend *from,
                            const struct backend *to)
{
    static const struct str reasons[] = {
        STR_INIT("fallback:cold"),    STR_INIT("fallback:resting"),
        STR_INIT("fallback:connect"), STR_INIT("fallback:first_token_timeout"),
        STR_INIT("fallback:429"),     STR_INIT("fallback:500"),
        STR_INIT("fallback:503"),     STR_INIT("fallback:529"),
        STR_INIT("spill:full"),
    };
    const struct metrics_names *names = metrics->names;
    unsigned source, target;

    if (from == NULL || to == NULL)
        return;
    source = metrics_names_find(names, NAMES_TARGET, from->name);
    target = metrics_names_find(names, NAMES_TARGET, to->name);
    for (unsigned i = 0; i < COUNT_OF(reasons); i++) {
        struct str cause = reasons[i], kind;

        BEGIN(metrics, REQUESTS, to->tier, target,
              metrics_reason(names, reasons[i]), metrics_status(200),
              OUTCOME_OK);
        (void)str_split(&cause, ':', &kind);
        BEGIN(metrics, FALLBACKS, source, target, metrics_cause(names, cause));
    }
}

static void begin_model(struct metrics *metrics, const struct model *model)
{
    unsigned tier = model->backend->tier;
    unsigned number =
        metrics_names_find(metrics->names, NAMES_MODEL, model->upstream);

    for (unsigned type = METRICS_INPUT; type <= METRICS_REASONING; type++)
        BEGIN(metrics, TOKENS, tier, number, type);
    BEGIN(metrics, COST, tier, number,
          basis_of(!model->tariff.price.is_known &&
                   model->backend->has_hour_price));
    BEGIN(metrics, CLOUD_COST, tier, number);
    BEGIN(metrics, UNPRICED, tier, number);
}

void metrics_follow(struct metrics *metrics, const struct catalog *catalog)
{
    static const int refusals[] = {400, 401, 404, 503};
    unsigned none = metrics_reason(metrics->names, STR(""));

    for (unsigned i = 0; i < COUNT_OF(refusals); i++)
        BEGIN(metrics, REQUESTS, TIER_NONE, NAME_NONE, none,
              metrics_status(refusals[i]),
              refusals[i] < 500 ? OUTCOME_CLIENT_ERROR : OUTCOME_ERROR);
    metrics_open(metrics, METRICS_KEY(OVERHEAD));
    for (unsigned i = 0; i < catalog->backend_count; i++) {
        begin_tier(metrics, catalog->backends[i].tier);
        begin_backend(metrics, &catalog->backends[i]);
    }
    for (unsigned i = 0; i < catalog->rule_count; i++)
        begin_rule(metrics, catalog, &catalog->rules[i]);
    for (unsigned i = 0; i < catalog->model_count; i++)
        begin_model(metrics, &catalog->models[i]);
    begin_fallbacks(metrics, catalog->local, catalog->cloud);
    begin_fallbacks(metrics, catalog->cloud, catalog->local);
}
