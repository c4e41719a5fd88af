#include "retry.h"

#include "clock.h"
#include "dialect/format.h"

void retry_init(struct retry *retry, uint64_t first_ms, uint64_t last_ms)
{
    *retry = (struct retry){
        .first_ms = first_ms,
        .last_ms = last_ms,
        .seed = clock_us(),
    };
}

/* Between the half and the whole of what doubles with each failure: receivers
 * that come back are not met by all who wait for them at once. */
static uint64_t back_off_ms(struct retry *retry)
{
    uint64_t ms = retry->first_ms;

    for (unsigned i = 1; i < retry->failures && ms < retry->last_ms; i++)
        ms *= 2;
    if (ms > retry->last_ms)
        ms = retry->last_ms;
    /* Knuth's linear congruential generator; its upper bits */
    retry->seed = retry->seed * 6364136223846793005U + 1442695040888963407U;
    return ms / 2 + (retry->seed >> 33) % (ms - ms / 2 + 1);
}

static uint64_t heeded(uint64_t asked_ms)
{
    return asked_ms < RETRY_ASKED_MAX_MS ? asked_ms : RETRY_ASKED_MAX_MS;
}

uint64_t retry_asked_ms(struct str retry_after)
{
    struct backend_head head = {.retry_after = retry_after};

    return heeded(backend_retry_after_s(&head) * UINT64_C(1000));
}

void retry_failed(struct retry *retry, uint64_t asked_ms)
{
    retry->failures++;
    retry->is_asked = asked_ms > 0;
    if (!retry->is_asked)
        retry->pause_ms = back_off_ms(retry);
    else
        retry->pause_ms = heeded(asked_ms);
    retry->is_new = true;
}

void retry_succeeded(struct retry *retry)
{
    retry->failures = 0;
    retry->is_asked = false;
    retry->is_new = false;
    retry->due_ms = 0;
}

void retry_hurry(struct retry *retry)
{
    if (retry->is_asked)
        return;
    retry->is_new = false;
    retry->due_ms = 0;
}

uint64_t retry_due(struct retry *retry, uint64_t now_ms)
{
    if (retry->is_new)
        retry->due_ms = now_ms + retry->pause_ms;
    retry->is_new = false;
    return retry->due_ms;
}
