/* telemetry/langfuse: when batches leave, and what answers mean.  The outbox
 * is this test's own: it keeps what it is given. */
#include "telemetry/langfuse.h"

#include <stdlib.h>

#include "../capture.h"
#include "../testing.h"
#include "gzip.h"
#include "langfuse_given.h"
#include "log.h"
#include "telemetry/langfuse_wire.h"

enum { BATCHES_MAX = 8 };

/* --- the outbox ---------------------------------------------------------- */

static struct {
    struct outbox_courier courier;
    char kind[64];
    struct buf batches[BATCHES_MAX];
    unsigned items[BATCHES_MAX];
    unsigned count;
    bool is_closed;
} box;

struct outbox *outbox_open(struct fetcher *fetcher, struct str kind,
                           const struct outbox_limits *limits,
                           const struct outbox_courier *courier,
                           struct figures *figures, struct buf *why)
{
    (void)fetcher;
    (void)limits;
    (void)figures;
    if (why->max == 1) /* as this test asks for */
        return NULL;
    box.courier = *courier;
    memcpy(box.kind, kind.ptr, kind.len);
    return (struct outbox *)(void *)&box;
}

void outbox_put(struct outbox *outbox, struct buf *batch, unsigned items)
{
    size_t max = batch->max;

    (void)outbox;
    assert_true(box.count < BATCHES_MAX);
    box.items[box.count] = items;
    box.batches[box.count++] = *batch;
    buf_init(batch, max);
}

uint64_t outbox_tick(struct outbox *outbox, uint64_t now_ms)
{
    (void)outbox;
    (void)now_ms;
    return UINT64_MAX;
}

bool outbox_flush(struct outbox *outbox, uint64_t now_ms)
{
    (void)outbox;
    (void)now_ms;
    return true;
}

void outbox_close(struct outbox *outbox)
{
    (void)outbox;
    box.is_closed = true;
}

/* --- what is tested ------------------------------------------------------ */

static struct exporter *exporter;
static struct langfuse_settings settings;
static struct outbox_limits limits;
static struct buf why, rest;

static int begin(void **state)
{
    (void)state;
    memset(&box, 0, sizeof(box));
    settings = (struct langfuse_settings){
        .is_on = true,
        .base_url = STR("http://127.0.0.1:3000/lf"),
        .public_key = {STR("pk-lf-1")},
        .secret_key = {STR("sk-lf-1")},
        .share = CONFIG_SHARE_ALL,
        .timeout_ms = 7000,
        .flush_ms = 5000,
        .flush_at = 3,
    };
    buf_init(&why, 1000);
    buf_init(&rest, 1 << 20);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    if (exporter != NULL)
        exporter->verbs->close(exporter);
    exporter = NULL;
    for (unsigned i = 0; i < box.count; i++)
        buf_fini(&box.batches[i]);
    buf_fini(&why);
    buf_fini(&rest);
    capture_drop();
    return 0;
}

static void open_it(void)
{
    exporter = langfuse_open(&settings, NULL, &limits, &why);
    assert_non_null(exporter);
}

static void take(unsigned count)
{
    struct record record = langfuse_given_record();

    while (count-- > 0)
        exporter->verbs->take(exporter, &record);
}

static struct str batch(unsigned i)
{
    assert_true(i < box.count);
    return buf_str(&box.batches[i]);
}

static uint64_t dropped(enum drop_cause cause)
{
    return figures_get(&exporter->figures.dropped[cause]);
}

static void a_full_batch_leaves_at_once(void **state)
{
    (void)state;
    open_it();
    take(2);
    assert_int_equal(box.count, 0);
    take(3);
    assert_int_equal(box.count, 1);
    assert_int_equal(box.items[0], 3);
    assert_true(str_starts(batch(0), langfuse_otel.head));
    assert_true(str_ends(batch(0), langfuse_otel.tail));
    assert_int_equal(figures_get(&exporter->figures.taken), 5);
    assert_string_equal(box.kind, "langfuse-otel.json");
}

static void what_waits_leaves_when_it_is_time(void **state)
{
    const struct exporter_verbs *verbs;

    (void)state;
    open_it();
    verbs = exporter->verbs;
    assert_int_equal(verbs->tick(exporter, 1000), UINT64_MAX);
    take(1);
    assert_int_equal(verbs->tick(exporter, 2000), 7000);
    take(1);
    assert_int_equal(verbs->tick(exporter, 6999), 7000);
    assert_int_equal(box.count, 0);
    assert_int_equal(verbs->tick(exporter, 7000), UINT64_MAX);
    assert_int_equal(box.count, 1);
    assert_int_equal(box.items[0], 2);
    take(1); /* has its own time */
    assert_int_equal(verbs->tick(exporter, 8000), 13000);
}

static void the_end_brings_out_what_is_there(void **state)
{
    (void)state;
    open_it();
    take(1);
    assert_true(exporter->verbs->flush(exporter, 0));
    assert_int_equal(box.count, 1);
    take(1);
    exporter->verbs->close(exporter);
    exporter = NULL;
    assert_int_equal(box.count, 2);
    assert_true(box.is_closed);
}

static void what_is_no_generation_is_not_taken(void **state)
{
    struct record record = langfuse_given_record();

    (void)state;
    settings.flush_at = 1;
    open_it();
    record.is_chat = false;
    exporter->verbs->take(exporter, &record);
    record.is_chat = true;
    record.operation = OPERATION_COUNT;
    exporter->verbs->take(exporter, &record);
    assert_int_equal(box.count, 0);
    assert_int_equal(figures_get(&exporter->figures.taken), 0);
}

static void a_share_is_chosen_by_the_trace(void **state)
{
    static const struct {
        const char *trace;
        int64_t least; /* billionths from which on it is taken */
    } cases[] = {
        {"000000000000000000ffffffffffffff", 1},
        {"00000000000000000080000000000000", CONFIG_SHARE_ALL / 2},
        {"ffffffffffffffffff00000000000000", CONFIG_SHARE_ALL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (int64_t off = -1; off <= 0; off++) {
            struct record record = langfuse_given_record();

            settings.share = cases[i].least + off;
            settings.flush_at = 100;
            open_it();
            record.trace_id = str_of(cases[i].trace);
            exporter->verbs->take(exporter, &record);
            assert_int_equal(figures_get(&exporter->figures.taken), off + 1);
            exporter->verbs->close(exporter);
            exporter = NULL;
        }
    }
}

static void too_much_content_is_left_behind(void **state)
{
    struct record record = langfuse_given_record();
    size_t size = 2 * LANGFUSE_EVENT_BYTES;
    char *text = malloc(size);

    (void)state;
    settings.flush_at = 1;
    open_it();
    memset(text, 'x', size);
    text[0] = text[size - 1] = '"';
    record.input = (struct str){text, size};
    exporter->verbs->take(exporter, &record);
    assert_has(batch(0), "router_content_dropped");
    assert_true(batch(0).len < 5000);
    /* nothing else can be that large; if it is, it is counted */
    record.input = STR("");
    record.trace_id = (struct str){text, size};
    exporter->verbs->take(exporter, &record);
    assert_int_equal(box.count, 1);
    assert_int_equal(dropped(DROP_TOO_LARGE), 1);
    free(text);
}

static void a_batch_has_a_size(void **state)
{
    struct record record = langfuse_given_record();
    size_t size = LANGFUSE_EVENT_BYTES / 3;
    char *text = malloc(size);

    (void)state;
    settings.flush_at = 100;
    open_it();
    memset(text, 'x', size);
    text[0] = text[size - 1] = '"';
    record.output = (struct str){text, size};
    for (unsigned i = 0; i < 5; i++)
        exporter->verbs->take(exporter, &record);
    assert_int_equal(box.count, 2);
    assert_int_equal(box.items[0], 2);
    assert_int_equal(box.items[1], 2);
    assert_true(batch(0).len <= langfuse_otel.batch_bytes);
    free(text);
}

static void it_is_packed_unless_told_otherwise(void **state)
{
    (void)state;
    settings.is_zipped = true;
    open_it();
    take(6);
    assert_int_equal(box.count, 2);
    assert_true(gzip_is_packed(batch(0)));
    assert_true(batch(0).len < 1000);
    exporter->verbs->close(exporter);
    exporter = NULL;
    /* the other interface takes none */
    settings.mode = CONFIG_LANGFUSE_BATCH;
    open_it();
    take(3);
    assert_true(str_starts(batch(2), STR("{\"batch\":[")));
    assert_string_equal(box.kind, "langfuse-batch.json");
}

/* --- on the way ---------------------------------------------------------- */

static struct str header(const struct fetch_order *order, const char *name)
{
    for (unsigned i = 0; i < order->header_count; i++)
        if (str_eq(order->headers[i].name, str_of(name)))
            return order->headers[i].value;
    return STR("");
}

static void the_way_is_marked(void **state)
{
    struct fetch_order order = {0};

    (void)state;
    open_it();
    box.courier.address(box.courier.ctx, STR("{}"), &order);
    assert_str(order.url, "http://127.0.0.1:3000/lf/api/public/otel/v1/traces");
    assert_str(header(&order, "Authorization"), "Basic cGstbGYtMTpzay1sZi0x");
    assert_str(header(&order, "Content-Type"), "application/json");
    assert_str(header(&order, "x-langfuse-ingestion-version"), "4");
    assert_str(header(&order, "Content-Encoding"), "");
    assert_str(order.body, "{}");
    assert_int_equal(order.timeout_ms, 7000);
    box.courier.address(box.courier.ctx, STR("\x1f\x8b"), &order);
    assert_str(header(&order, "Content-Encoding"), "gzip");
}

static void the_other_way_is_marked(void **state)
{
    struct fetch_order order = {0};

    (void)state;
    settings.mode = CONFIG_LANGFUSE_BATCH;
    open_it();
    box.courier.address(box.courier.ctx, STR("{}"), &order);
    assert_str(order.url, "http://127.0.0.1:3000/lf/api/public/ingestion");
    assert_str(header(&order, "x-langfuse-ingestion-version"), "");
    assert_str(header(&order, "Authorization"), "Basic cGstbGYtMTpzay1sZi0x");
}

/* The verdict on a status alone, with a Retry-After. */
static struct outbox_verdict judge(int status, enum fetch_error error,
                                   const char *body, const char *retry_after)
{
    struct fetch_answer answer = {.status = status,
                                  .error = error,
                                  .detail = "broken",
                                  .body = str_of(body)};
    struct outbox_verdict verdict;
    struct head head;

    head_init(&head);
    if (retry_after != NULL) {
        head_add_name(&head, STR("Retry-After"));
        head_end_name(&head);
        head_add_value(&head, str_of(retry_after));
    }
    head_complete(&head);
    answer.head = &head;
    buf_clear(&rest);
    verdict = box.courier.judge(
        box.courier.ctx,
        STR("{\"batch\":[{\"id\":\"a-trace\"},{\"id\":\"a-generation\"},"
            "{\"id\":\"b-trace\"},{\"id\":\"b-generation\"}]}"),
        &answer, &rest);
    head_fini(&head);
    return verdict;
}

static void each_status_has_its_meaning(void **state)
{
    static const struct {
        int status;
        enum outbox_outcome outcome;
        const char *retry_after;
        uint64_t wait_ms;
    } cases[] = {
        {200, OUTBOX_DELIVERED, NULL, 0},      {400, OUTBOX_REJECTED, NULL, 0},
        {413, OUTBOX_TOO_LARGE, NULL, 0},      {415, OUTBOX_REJECTED, NULL, 0},
        {422, OUTBOX_REJECTED, NULL, 0},       {408, OUTBOX_RETRY, NULL, 0},
        {429, OUTBOX_RETRY, NULL, 0},          {429, OUTBOX_RETRY, "7", 7000},
        {429, OUTBOX_RETRY, "999999", 600000}, {500, OUTBOX_RETRY, NULL, 0},
        {503, OUTBOX_RETRY, "2", 2000},        {301, OUTBOX_RETRY, NULL, 60000},
        {401, OUTBOX_RETRY, NULL, 60000},      {403, OUTBOX_RETRY, "90", 90000},
        {404, OUTBOX_RETRY, NULL, 60000},      {405, OUTBOX_RETRY, NULL, 60000},
    };

    (void)state;
    capture_begin(0);
    open_it();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct outbox_verdict verdict =
            judge(cases[i].status, FETCH_OK, "", cases[i].retry_after);

        if (verdict.outcome != cases[i].outcome ||
            verdict.retry_after_ms != cases[i].wait_ms)
            fail_msg("%d: %d after %llu ms", cases[i].status,
                     (int)verdict.outcome,
                     (unsigned long long)verdict.retry_after_ms);
    }
    (void)capture_end();
}

static void what_did_not_arrive_is_sent_again(void **state)
{
    (void)state;
    open_it();
    for (enum fetch_error error = FETCH_UNREACHABLE; error <= FETCH_BROKEN;
         error++)
        assert_int_equal(judge(0, error, "", NULL).outcome, OUTBOX_RETRY);
    assert_int_equal(judge(200, FETCH_CLOSED, "", NULL).outcome, OUTBOX_RETRY);
    /* the answer is too long to read, but it is a good one */
    assert_int_equal(judge(200, FETCH_TOO_LARGE, "", NULL).outcome,
                     OUTBOX_DELIVERED);
}

static void a_multi_status_is_read_event_by_event(void **state)
{
    struct outbox_verdict verdict;

    (void)state;
    settings.mode = CONFIG_LANGFUSE_BATCH;
    open_it();
    verdict = judge(207, FETCH_OK,
                    "{\"successes\":[],\"errors\":["
                    "{\"id\":\"a-generation\",\"status\":400,\"error\":\"x\"},"
                    "{\"id\":\"b-trace\",\"status\":500}]}",
                    NULL);
    assert_int_equal(verdict.outcome, OUTBOX_RETRY);
    assert_int_equal(verdict.rejected, 1);
    assert_int_equal(verdict.left, 1);
    assert_str(buf_str(&rest), "{\"batch\":[{\"id\":\"b-trace\"}]}");
    verdict = judge(207, FETCH_OK, "<html>", NULL);
    assert_int_equal(verdict.outcome, OUTBOX_RETRY);
    assert_int_equal(rest.len, 0);
}

static void wrong_keys_are_said_once_and_without_the_keys(void **state)
{
    struct str said;

    (void)state;
    capture_begin(0);
    open_it();
    (void)judge(401, FETCH_OK, "", NULL);
    (void)judge(401, FETCH_OK, "", NULL);
    said = capture_end();
    assert_has(said, "level=error msg=\"langfuse takes no generations\" "
                     "detail=\"it answers 401: are the keys those of a "
                     "project, and is it in use? They are kept and tried "
                     "again\"\n");
    assert_int_equal(
        memchr(said.ptr, '\n', said.len) == said.ptr + said.len - 1, true);
    assert_lacks(said, "lf-1");
    assert_lacks(said, "cGst");
    /* it goes well, and then not: said again */
    capture_begin(0);
    (void)judge(200, FETCH_OK, "{}", NULL);
    (void)judge(404, FETCH_OK, "", NULL);
    said = capture_end();
    assert_has(said, "it answers 404: is langfuse.base_url right");
}

static void a_server_that_is_too_new_is_said(void **state)
{
    struct outbox_verdict verdict;
    struct str said;

    (void)state;
    settings.mode = CONFIG_LANGFUSE_BATCH;
    capture_begin(0);
    open_it();
    verdict = judge(207, FETCH_OK,
                    "{\"errors\":[{\"id\":\"a-trace\",\"status\":400,"
                    "\"error\":\"events_only\"}]}",
                    NULL);
    said = capture_end();
    assert_int_equal(verdict.outcome, OUTBOX_DELIVERED);
    assert_int_equal(verdict.rejected, 1);
    assert_has(said, "set langfuse.mode to otel");
}

static void a_spool_that_cannot_be_used_is_told(void **state)
{
    (void)state;
    buf_fini(&why);
    buf_init(&why, 1);
    assert_null(langfuse_open(&settings, NULL, &limits, &why));
}

#define fresh(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        fresh(a_full_batch_leaves_at_once),
        fresh(what_waits_leaves_when_it_is_time),
        fresh(the_end_brings_out_what_is_there),
        fresh(what_is_no_generation_is_not_taken),
        fresh(a_share_is_chosen_by_the_trace),
        fresh(too_much_content_is_left_behind),
        fresh(a_batch_has_a_size),
        fresh(it_is_packed_unless_told_otherwise),
        fresh(the_way_is_marked),
        fresh(the_other_way_is_marked),
        fresh(each_status_has_its_meaning),
        fresh(what_did_not_arrive_is_sent_again),
        fresh(a_multi_status_is_read_event_by_event),
        fresh(wrong_keys_are_said_once_and_without_the_keys),
        fresh(a_server_that_is_too_new_is_said),
        fresh(a_spool_that_cannot_be_used_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
