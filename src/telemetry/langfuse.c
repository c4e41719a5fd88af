#include "langfuse.h"

#include <stdlib.h>

#include "base64.h"
#include "check.h"
#include "gzip.h"
#include "langfuse_wire.h"
#include "log.h"
#include "telemetry/retry.h"
#include "telemetry/sampler.h"

enum {
    ANSWER_MAX = 8 << 20,  /* of 207: each event may have its own error */
    BATCH_MAX = 4 << 20,   /* above what any of the interfaces closes at */
    SLOW_RETRY_MS = 60000, /* while somebody must mend something */
    HEADERS_MAX = 4,
};

struct langfuse {
    struct exporter exporter; /* the first member */
    const struct langfuse_wire *wire;
    struct outbox *outbox;
    struct gzip *gzip;  /* NULL: nothing is compressed */
    struct arena arena; /* for one generation, or one answer */
    struct sampler sampler;
    uint64_t timeout_ms, flush_ms;
    unsigned flush_at;
    struct buf texts; /* owns url, authorization and labels */
    struct str url, authorization;
    struct langfuse_labels labels;
    struct fetch_header headers[HEADERS_MAX];
    struct langfuse_told told;
    struct buf event; /* the newest generation */
    struct buf batch; /* empty: none has begun */
    unsigned count;   /* generations in it */
    uint64_t due_ms;  /* when it leaves; 0: not known yet */
    bool has_complained;
};

static struct langfuse *from(struct exporter *exporter)
{
    return (struct langfuse *)(void *)exporter;
}

/* --- one generation ------------------------------------------------------ */

/* Closes the batch and hands it over. */
static void send_batch(struct langfuse *langfuse)
{
    struct buf packed;

    if (langfuse->count == 0)
        return;
    buf_put(&langfuse->batch, langfuse->wire->tail);
    if (langfuse->gzip != NULL) {
        buf_init(&packed, BATCH_MAX);
        if (gzip_pack(langfuse->gzip, buf_str(&langfuse->batch), &packed)) {
            outbox_put(langfuse->outbox, &packed, langfuse->count);
            buf_clear(&langfuse->batch);
        } else {
            outbox_put(langfuse->outbox, &langfuse->batch, langfuse->count);
        }
        buf_fini(&packed);
    } else {
        outbox_put(langfuse->outbox, &langfuse->batch, langfuse->count);
    }
    langfuse->count = 0;
    langfuse->due_ms = 0;
}

/* With its content if that is not too much. */
static bool write_event(struct langfuse *langfuse, const struct record *record)
{
    langfuse_read_told(&langfuse->arena, record->metadata, &langfuse->told);
    for (unsigned i = 0; i < 2; i++) {
        buf_clear(&langfuse->event);
        langfuse->wire->put(&langfuse->event, &langfuse->labels, record,
                            &langfuse->told, i > 0);
        if (!buf_failed(&langfuse->event))
            return true;
    }
    return false;
}

static void take(struct exporter *exporter, const struct record *record)
{
    struct langfuse *langfuse = from(exporter);
    const struct langfuse_wire *wire = langfuse->wire;
    struct buf *batch = &langfuse->batch;

    if (!langfuse_is_generation(record) ||
        !sampler_takes(&langfuse->sampler, record->trace_id))
        return;
    figures_add(&exporter->figures.taken, 1);
    if (!write_event(langfuse, record)) {
        figures_add(&exporter->figures.dropped[DROP_TOO_LARGE], 1);
    } else {
        if (batch->len + 1 + langfuse->event.len + wire->tail.len >
            wire->batch_bytes)
            send_batch(langfuse);
        buf_put(batch, langfuse->count == 0 ? wire->head : STR(","));
        buf_put(batch, buf_str(&langfuse->event));
        langfuse->count++;
        if (langfuse->count >= langfuse->flush_at)
            send_batch(langfuse);
    }
    if (langfuse->arena.used > 0)
        arena_clear(&langfuse->arena);
}

static uint64_t tick(struct exporter *exporter, uint64_t now_ms)
{
    struct langfuse *langfuse = from(exporter);
    uint64_t next;

    if (langfuse->count > 0 && langfuse->due_ms == 0)
        langfuse->due_ms = now_ms + langfuse->flush_ms;
    if (langfuse->count > 0 && now_ms >= langfuse->due_ms)
        send_batch(langfuse);
    next = outbox_tick(langfuse->outbox, now_ms);
    return langfuse->count > 0 && langfuse->due_ms < next ? langfuse->due_ms
                                                          : next;
}

static bool flush(struct exporter *exporter, uint64_t now_ms)
{
    struct langfuse *langfuse = from(exporter);

    send_batch(langfuse);
    return outbox_flush(langfuse->outbox, now_ms);
}

static void close_exporter(struct exporter *exporter)
{
    struct langfuse *langfuse = from(exporter);

    send_batch(langfuse);
    outbox_close(langfuse->outbox);
    gzip_free(langfuse->gzip);
    arena_clear(&langfuse->arena);
    secret_wipe(buf_str(&langfuse->texts));
    buf_fini(&langfuse->texts);
    buf_fini(&langfuse->event);
    buf_fini(&langfuse->batch);
    free(langfuse);
}

/* --- on the way ---------------------------------------------------------- */

static void address(void *ctx, struct str body, struct fetch_order *order)
{
    struct langfuse *langfuse = ctx;
    struct fetch_header *headers = langfuse->headers;
    unsigned n = 0;

    headers[n++] =
        (struct fetch_header){STR("Authorization"), langfuse->authorization};
    headers[n++] =
        (struct fetch_header){STR("Content-Type"), STR("application/json")};
    if (langfuse->wire == &langfuse_otel)
        headers[n++] = (struct fetch_header){
            STR("x-langfuse-ingestion-version"), STR("4")};
    /* what the spool holds may have been written with another setting */
    if (gzip_is_packed(body))
        headers[n++] =
            (struct fetch_header){STR("Content-Encoding"), STR("gzip")};
    *order = (struct fetch_order){
        .url = langfuse->url,
        .headers = headers,
        .header_count = n,
        .body = body,
        .timeout_ms = langfuse->timeout_ms,
        .max_answer = ANSWER_MAX,
    };
}

/* Said once, until it goes well again. */
static void complain(struct langfuse *langfuse, const char *format, ...)
    PRINTF_LIKE(2, 3);

static void complain(struct langfuse *langfuse, const char *format, ...)
{
    char text[512];
    va_list args;

    if (langfuse->has_complained)
        return;
    langfuse->has_complained = true;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    log_say(LOG_ERROR, "langfuse takes no generations", "%s", text);
}

static struct outbox_verdict judge_success(struct langfuse *langfuse,
                                           struct str body, struct str answer,
                                           struct buf *rest)
{
    struct langfuse_reading reading;

    langfuse->wire->read(&langfuse->arena, body, answer, &reading, rest);
    if (!reading.is_readable)
        return (struct outbox_verdict){
            .outcome = OUTBOX_RETRY,
            .why = STR("its answer cannot be understood"),
        };
    if (reading.is_too_new)
        complain(langfuse, "this server takes them by OpenTelemetry alone: set "
                           "langfuse.mode to otel");
    else if (reading.rejected == 0)
        langfuse->has_complained = false;
    if (reading.left > 0 && buf_failed(rest))
        return (struct outbox_verdict){.outcome = OUTBOX_RETRY};
    return (struct outbox_verdict){
        .outcome = reading.left > 0 ? OUTBOX_RETRY : OUTBOX_DELIVERED,
        .rejected = reading.rejected,
        .left = reading.left,
        .why = reading.why,
    };
}

/* Keys that are being changed, a URL with a typing error, a project that is
 * suspended, a server that is too old: somebody will mend it, and what was
 * told meanwhile shall be there then.  So it is kept, within the bounds of the
 * spool, and tried again slowly. */
static struct outbox_verdict judge_misfit(struct langfuse *langfuse,
                                          const struct fetch_answer *answer)
{
    uint64_t asked_ms =
        retry_asked_ms(head_find(answer->head, STR("retry-after")));
    const char *advice =
        answer->status == 401 || answer->status == 403
            ? "are the keys those of a project, and is it in use?"
        : langfuse->wire == &langfuse_otel
            ? "is langfuse.base_url right, and the server 3.22 or later? "
              "(langfuse.mode batch is for those before)"
            : "is langfuse.base_url right?";

    complain(langfuse, "it answers %d: %s They are kept and tried again",
             answer->status, advice);
    return (struct outbox_verdict){
        .outcome = OUTBOX_RETRY,
        .retry_after_ms = asked_ms > SLOW_RETRY_MS ? asked_ms : SLOW_RETRY_MS,
        .why = STR("it does not let us in"),
    };
}

static struct outbox_verdict judge(void *ctx, struct str body,
                                   const struct fetch_answer *answer,
                                   struct buf *rest)
{
    struct langfuse *langfuse = ctx;
    int status = answer->status;

    arena_clear(&langfuse->arena);
    if (status >= 200 && status < 300 && answer->error == FETCH_OK)
        return judge_success(langfuse, body, answer->body, rest);
    /* it was taken, whatever was said about it */
    if (status >= 200 && status < 300 && answer->error == FETCH_TOO_LARGE)
        return (struct outbox_verdict){.outcome = OUTBOX_DELIVERED};
    if (answer->error != FETCH_OK)
        return (struct outbox_verdict){.outcome = OUTBOX_RETRY,
                                       .why = str_of(answer->detail)};
    if ((status >= 300 && status < 400) || status == 401 || status == 403 ||
        status == 404 || status == 405)
        return judge_misfit(langfuse, answer);
    if (status == 408 || status == 429 || status >= 500)
        return (struct outbox_verdict){
            .outcome = OUTBOX_RETRY,
            .retry_after_ms =
                retry_asked_ms(head_find(answer->head, STR("retry-after"))),
            .why = STR("it asks to wait"),
        };
    return (struct outbox_verdict){
        .outcome = status == 413 ? OUTBOX_TOO_LARGE : OUTBOX_REJECTED,
        .why = str_clip(answer->body, 200),
    };
}

/* --- the beginning ------------------------------------------------------- */

/* Room that never moves. */
static struct str keep(struct buf *texts, struct str text)
{
    struct str kept = {texts->ptr + texts->len, text.len};

    buf_put(texts, text);
    return kept;
}

/* As traces are sampled: who is in a small share is in every larger one. */
static struct sampler sampler_of(int64_t share)
{
    const uint64_t all = UINT64_C(1) << 56;
    uint64_t without = (uint64_t)(CONFIG_SHARE_ALL - share);

    return (struct sampler){
        .root = SAMPLER_RATIO,
        .threshold = all / CONFIG_SHARE_ALL * without +
                     all % CONFIG_SHARE_ALL * without / CONFIG_SHARE_ALL,
    };
}

static void keep_texts(struct langfuse *langfuse,
                       const struct langfuse_settings *settings)
{
    struct buf *texts = &langfuse->texts;
    struct buf secret;
    size_t at;

    buf_init(texts, 64 * 1024);
    buf_init(&secret, 64 * 1024);
    buf_put(&secret, settings->public_key.bytes);
    buf_put_char(&secret, ':');
    buf_put(&secret, settings->secret_key.bytes);
    (void)buf_reserve(texts, settings->base_url.len + 2 * secret.len +
                                 settings->environment.len +
                                 settings->release.len + 256);
    langfuse->labels.environment = keep(texts, settings->environment);
    langfuse->labels.release = keep(texts, settings->release);
    langfuse->url = keep(texts, settings->base_url);
    langfuse->url.len += keep(texts, langfuse->wire->path).len;
    at = texts->len;
    buf_put(texts, STR("Basic "));
    base64_encode(texts, buf_str(&secret));
    langfuse->authorization = str_slice(buf_str(texts), at, texts->len);
    secret_wipe(buf_str(&secret));
    buf_fini(&secret);
}

struct exporter *langfuse_open(const struct langfuse_settings *settings,
                               struct fetcher *fetcher,
                               const struct outbox_limits *limits,
                               struct buf *why)
{
    static const struct exporter_verbs verbs = {take, tick, flush,
                                                close_exporter};
    struct langfuse *langfuse = must_calloc(1, sizeof(*langfuse));
    const struct outbox_courier courier = {address, judge, langfuse};

    langfuse->exporter.verbs = &verbs;
    langfuse->exporter.figures.name = STR("langfuse");
    langfuse->exporter.figures.items = STR("generations");
    langfuse->wire = settings->mode == CONFIG_LANGFUSE_OTEL ? &langfuse_otel
                                                            : &langfuse_batch;
    langfuse->sampler = sampler_of(settings->share);
    langfuse->timeout_ms = settings->timeout_ms;
    langfuse->flush_ms = settings->flush_ms;
    langfuse->flush_at = settings->flush_at;
    if (settings->is_zipped && langfuse->wire->takes_gzip)
        langfuse->gzip = gzip_new();
    arena_init(&langfuse->arena);
    buf_init(&langfuse->event, LANGFUSE_EVENT_BYTES);
    buf_init(&langfuse->batch, BATCH_MAX);
    keep_texts(langfuse, settings);
    langfuse->outbox = outbox_open(fetcher, langfuse->wire->kind, limits,
                                   &courier, &langfuse->exporter.figures, why);
    if (langfuse->outbox != NULL)
        return &langfuse->exporter;
    gzip_free(langfuse->gzip);
    secret_wipe(buf_str(&langfuse->texts));
    buf_fini(&langfuse->texts);
    free(langfuse);
    return NULL;
}
