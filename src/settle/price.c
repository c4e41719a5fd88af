#include "price.h"

enum { PICO_PER_NANO = 1000, SECONDS_PER_HOUR = 3600 };

/* Sums of products of what is not negative; the largest number is the most. */
static int64_t add_times(int64_t sum, int64_t count, int64_t rate)
{
    if (count <= 0 || rate <= 0)
        return sum;
    if (count > (INT64_MAX - sum) / rate)
        return INT64_MAX;
    return sum + count * rate;
}

/* Of what is not negative, half up. */
static int64_t divide(int64_t sum, int64_t by)
{
    return sum / by + (sum % by >= by - by / 2);
}

static int64_t at_least_0(int64_t n)
{
    return n > 0 ? n : 0;
}

/* A part of a whole can be no more than the whole, whatever a backend says. */
static int64_t part_of(int64_t part, int64_t whole)
{
    return part > whole ? whole : at_least_0(part);
}

bool price_tokens(const struct claude_tariff *tariff,
                  const struct chat_usage *usage, int64_t *cost)
{
    const struct claude_price *price = &tariff->price;
    int64_t input = at_least_0(usage->input);
    int64_t read = part_of(usage->cache_read, input);
    int64_t written = part_of(usage->cache_write, input - read);
    int64_t written_1h = part_of(usage->cache_write_1h, written);
    int64_t sum = 0;

    if (tariff->long_prompt_tokens > 0 && input > tariff->long_prompt_tokens)
        price = &tariff->long_price;
    if (!price->is_known || !usage->is_known)
        return false;
    sum = add_times(sum, input - read - written, price->input);
    sum = add_times(sum, read, price->cache_read);
    sum = add_times(sum, written - written_1h, price->cache_write_5m);
    sum = add_times(sum, written_1h, price->cache_write_1h);
    sum = add_times(sum, usage->output, price->output);
    *cost = divide(sum, PICO_PER_NANO);
    return true;
}

/* Micro-dollars for an hour times microseconds, by 3600: that many
 * pico-dollars.  The rest that is cut off there cannot change what is rounded
 * behind it, since half of the second divisor is whole. */
int64_t price_time(int64_t hour_price, uint64_t us, unsigned in_flight)
{
    int64_t n = in_flight > 0 ? in_flight : 1;
    int64_t rest = (int64_t)(us % SECONDS_PER_HOUR);
    int64_t pico = add_times(hour_price * rest / SECONDS_PER_HOUR,
                             (int64_t)(us / SECONDS_PER_HOUR), hour_price);

    return divide(pico, PICO_PER_NANO * n);
}

/* The try that answered; NULL when it was not kept. */
static const struct record_try *answering_try(const struct record *record)
{
    for (unsigned i = record->tries_kept; i-- > 0;)
        if (str_eq(record->tries_made[i].backend, record->backend))
            return &record->tries_made[i];
    return NULL;
}

static int64_t price_share(const struct record *record, int64_t hour_price)
{
    const struct record_try *try = answering_try(record);
    uint64_t began_us =
        record->chosen_us > 0 ? record->chosen_us : record->began_us;
    uint64_t ended_us = record->ended_us;

    if (try != NULL)
        began_us = try->began_us;
    if (try != NULL && try->ended_us > 0)
        ended_us = try->ended_us;
    return price_time(hour_price, ended_us > began_us ? ended_us - began_us : 0,
                      try != NULL ? try->in_flight : 1);
}

/* Has a backend done some of its work? */
static bool is_answered(const struct record *record)
{
    return record->tier != TIER_NONE && record->operation != OPERATION_COUNT &&
           (record->usage.is_known || record->first_token_us > 0 ||
            record->outcome == OUTCOME_OK);
}

void price_record(struct record *record, const struct price_terms *terms)
{
    const struct backend *backend = terms->backend;

    record->is_priced = record->has_cloud_cost = true;
    record->cost = record->cloud_cost = 0;
    if (backend == NULL || !is_answered(record))
        return;
    record->is_priced =
        terms->tariff != NULL &&
        price_tokens(terms->tariff, &record->usage, &record->cost);
    if (!record->is_priced && backend->has_hour_price) {
        record->is_priced = record->is_hourly = true;
        record->cost = price_share(record, backend->hour_price);
    }
    if (record->tier == TIER_CLOUD) {
        record->has_cloud_cost = record->is_priced;
        record->cloud_cost = record->cost;
    } else {
        record->has_cloud_cost =
            price_tokens(terms->reference, &record->usage, &record->cloud_cost);
    }
}
