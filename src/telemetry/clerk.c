#include "clerk.h"

#include <stdlib.h>
#include <uv.h>

#include "check.h"
#include "clock.h"
#include "log.h"

enum {
    PLACES = 16384,       /* of a line; a power of two */
    BYTES_MAX = 64 << 20, /* of all records that wait */
    LOOK_MS = 50,         /* how long the clerk sleeps at most */
    SAY_MS = 10000,       /* between two complaints */
};

/* One writer (its worker) and one reader (the clerk).  The two ends stand on
 * cache lines of their own. */
struct line {
    _Alignas(64) _Atomic size_t head; /* the next one to be taken */
    _Alignas(64) _Atomic size_t tail; /* the next free place */
    size_t peak; /* the most that ever waited; the writer's */
    _Atomic size_t peak_seen;
    struct record *places[PLACES];
};

struct clerk {
    uv_thread_t thread;
    struct fetcher *fetcher;
    struct exporter *exporters[CLERK_EXPORTERS_MAX];
    unsigned exporter_count;
    struct exporter *takers[CLERK_EXPORTERS_MAX]; /* of records */
    unsigned taker_count;
    unsigned line_count;
    struct line *lines;
    _Atomic size_t bytes;
    _Atomic uint64_t lost; /* records that found no place */
    uint64_t lost_counted, lost_said, next_say_ms;
    _Atomic bool asked_to_stop;
    uint64_t flush_ms;
};

/* --- the writers' end ---------------------------------------------------- */

void clerk_take(struct clerk *clerk, unsigned line_index,
                const struct record *record)
{
    struct line *line = &clerk->lines[line_index];
    size_t tail = atomic_load_explicit(&line->tail, memory_order_relaxed);
    size_t waiting =
        tail - atomic_load_explicit(&line->head, memory_order_acquire);
    struct record *copy;

    if (clerk->taker_count == 0)
        return;
    if (waiting >= PLACES ||
        atomic_load_explicit(&clerk->bytes, memory_order_relaxed) >=
            BYTES_MAX) {
        atomic_fetch_add(&clerk->lost, 1);
        return;
    }
    copy = record_copy(record);
    atomic_fetch_add_explicit(&clerk->bytes, copy->size, memory_order_relaxed);
    line->places[tail % PLACES] = copy;
    atomic_store_explicit(&line->tail, tail + 1, memory_order_release);
    if (waiting + 1 > line->peak) {
        line->peak = waiting + 1;
        atomic_store_explicit(&line->peak_seen, line->peak,
                              memory_order_relaxed);
    }
}

/* --- the clerk ----------------------------------------------------------- */

static void take_line(struct clerk *clerk, struct line *line)
{
    size_t head = atomic_load_explicit(&line->head, memory_order_relaxed);
    size_t tail = atomic_load_explicit(&line->tail, memory_order_acquire);

    for (; head != tail; head++) {
        struct record *record = line->places[head % PLACES];

        for (unsigned i = 0; i < clerk->taker_count; i++)
            clerk->takers[i]->verbs->take(clerk->takers[i], record);
        atomic_fetch_sub_explicit(&clerk->bytes, record->size,
                                  memory_order_relaxed);
        record_free(record);
        /* at once: the writer may be waiting for places */
        atomic_store_explicit(&line->head, head + 1, memory_order_release);
    }
}

static void take_all(struct clerk *clerk)
{
    for (unsigned i = 0; i < clerk->line_count; i++)
        take_line(clerk, &clerk->lines[i]);
}

/* What found no place is lost to all who take records: counted at once, said
 * now and then. */
static void count_lost(struct clerk *clerk, uint64_t now_ms)
{
    uint64_t lost = atomic_load(&clerk->lost);

    for (unsigned i = 0; i < clerk->taker_count; i++)
        figures_add(&clerk->takers[i]->figures.dropped[DROP_QUEUE_FULL],
                    lost - clerk->lost_counted);
    clerk->lost_counted = lost;
    if (lost == clerk->lost_said || now_ms < clerk->next_say_ms)
        return;
    log_say(LOG_WARN, "records were dropped",
            "%llu found no place in the clerk's queue",
            (unsigned long long)(lost - clerk->lost_said));
    clerk->lost_said = lost;
    clerk->next_say_ms = now_ms + SAY_MS;
}

static uint64_t tick_all(struct clerk *clerk, uint64_t now_ms)
{
    uint64_t next = now_ms + LOOK_MS;

    for (unsigned i = 0; i < clerk->exporter_count; i++) {
        uint64_t due =
            clerk->exporters[i]->verbs->tick(clerk->exporters[i], now_ms);

        next = due < next ? due : next;
    }
    return next;
}

static void nap(struct clerk *clerk, uint64_t until_ms)
{
    uint64_t now_ms = clock_ms();
    unsigned ms = until_ms > now_ms ? (unsigned)(until_ms - now_ms) : 0;

    if (clerk->fetcher != NULL) {
        fetch_wait(clerk->fetcher, ms);
        fetch_work(clerk->fetcher);
    } else if (ms > 0) {
        uv_sleep(ms);
    }
}

static bool flush_all(struct clerk *clerk, uint64_t now_ms)
{
    bool is_done = true;

    for (unsigned i = 0; i < clerk->exporter_count; i++)
        is_done =
            clerk->exporters[i]->verbs->flush(clerk->exporters[i], now_ms) &&
            is_done;
    return is_done;
}

static void clerk_main(void *arg)
{
    struct clerk *clerk = arg;
    uint64_t until_ms;

    while (!atomic_load(&clerk->asked_to_stop)) {
        uint64_t now_ms = clock_ms();

        take_all(clerk);
        count_lost(clerk, now_ms);
        nap(clerk, tick_all(clerk, now_ms));
    }
    take_all(clerk);
    count_lost(clerk, UINT64_MAX);
    until_ms = clock_ms() + clerk->flush_ms;
    while (!flush_all(clerk, clock_ms()) && clock_ms() < until_ms)
        nap(clerk, tick_all(clerk, clock_ms()));
    for (unsigned i = 0; i < clerk->exporter_count; i++)
        clerk->exporters[i]->verbs->close(clerk->exporters[i]);
}

/* --- for the owner ------------------------------------------------------- */

struct clerk *clerk_start(unsigned line_count, struct fetcher *fetcher,
                          struct exporter *const exporters[],
                          unsigned exporter_count)
{
    struct clerk *clerk = must_calloc(1, sizeof(*clerk));

    check(exporter_count <= CLERK_EXPORTERS_MAX);
    clerk->fetcher = fetcher;
    clerk->exporter_count = exporter_count;
    for (unsigned i = 0; i < exporter_count; i++) {
        clerk->exporters[i] = exporters[i];
        if (exporters[i]->verbs->take != NULL)
            clerk->takers[clerk->taker_count++] = exporters[i];
    }
    clerk->line_count = line_count;
    clerk->lines = aligned_alloc(64, line_count * sizeof(*clerk->lines));
    if (clerk->lines == NULL)
        out_of_memory();
    for (unsigned i = 0; i < line_count; i++) {
        /* not the places: a line that is never full takes few pages */
        atomic_init(&clerk->lines[i].head, 0);
        atomic_init(&clerk->lines[i].tail, 0);
        atomic_init(&clerk->lines[i].peak_seen, 0);
        clerk->lines[i].peak = 0;
    }
    check(uv_thread_create(&clerk->thread, clerk_main, clerk) == 0);
    return clerk;
}

void clerk_stop(struct clerk *clerk, uint64_t flush_ms)
{
    clerk->flush_ms = flush_ms;
    atomic_store(&clerk->asked_to_stop, true);
    if (clerk->fetcher != NULL)
        fetch_wake(clerk->fetcher);
    uv_thread_join(&clerk->thread);
    if (clerk->fetcher != NULL)
        fetch_close(clerk->fetcher);
    free(clerk->lines);
    free(clerk);
}

unsigned clerk_figures(const struct clerk *clerk,
                       const struct figures *out[CLERK_EXPORTERS_MAX])
{
    for (unsigned i = 0; i < clerk->exporter_count; i++)
        out[i] = &clerk->exporters[i]->figures;
    return clerk->exporter_count;
}

bool clerk_has_spans(const struct clerk *clerk)
{
    bool has_spans = false;

    for (unsigned i = 0; i < clerk->exporter_count; i++)
        has_spans = has_spans || clerk->exporters[i]->has_spans;
    return has_spans;
}

size_t clerk_queued(const struct clerk *clerk)
{
    size_t n = 0;

    for (unsigned i = 0; i < clerk->line_count; i++)
        n += atomic_load_explicit(&clerk->lines[i].tail, memory_order_relaxed) -
             atomic_load_explicit(&clerk->lines[i].head, memory_order_relaxed);
    return n;
}

size_t clerk_peak(const struct clerk *clerk, size_t *places)
{
    size_t peak = 0;

    for (unsigned i = 0; i < clerk->line_count; i++) {
        size_t here = atomic_load_explicit(&clerk->lines[i].peak_seen,
                                           memory_order_relaxed);

        peak = here > peak ? here : peak;
    }
    *places = PLACES;
    return peak;
}
