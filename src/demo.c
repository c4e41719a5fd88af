#include "demo.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "catalog.h"
#include "check.h"
#include "clock.h"
#include "config.h"
#include "forward/attempt.h"
#include "forward/order.h"
#include "gateway.h"
#include "log.h"
#include "report.h"
#include "sim.h"
#include "sse.h"
#include "telemetry.h"

enum {
    ANSWER_MAX = 4 << 20,
    LONG_LINES = 43, /* of 100 characters: 1,075 estimated tokens */
    CALL_MS = 20000,
    COLD_S = 2,
    SETTLED_MS = 50,
    NOTED_MS = 1200, /* then the ledger has it */
    PATH_SIZE = 64,
};

/* What the stand-in's GPU would cost for an hour: an L4 of a cloud, rented. */
#define GPU_PRICE "0.80"

/* A 1 x 1 pixel. */
#define PIXEL                                                                  \
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADU" \
    "lEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

#define TOOLS                                                        \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"      \
    "\"get_weather\",\"description\":\"Current weather of a city\"," \
    "\"parameters\":{\"type\":\"object\",\"properties\":{\"city\":"  \
    "{\"type\":\"string\"}},\"required\":[\"city\"]}}}]"

#define ASK(text) "\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}]"

/* What is sent, and what the table calls it. */
static const struct scene {
    const char *shown;
    const char *path;   /* NULL: Chat Completions */
    const char *policy; /* X-Router-Policy, or NULL */
    const char *body;   /* NULL: the long prompt */
    bool needs_cold;    /* the local stand-in is made cold first */
} scenes[] = {
    {"auto: Say hello", NULL, NULL, "{" ASK("Say hello") "}", false},
    {"auto: 4,300 characters", NULL, NULL, NULL, false},
    {"local, streamed: count to 5", NULL, NULL,
     "{\"model\":\"local\",\"stream\":true," ASK("Count from 1 to 5") "}",
     false},
    {"cloud, streamed: a plan", NULL, NULL,
     "{\"model\":\"cloud\",\"stream\":true," ASK(
         "Outline a plan to move a service to Kubernetes") "}",
     false},
    {"claude-haiku-4-5: sentiment", NULL, NULL,
     "{\"model\":\"claude-haiku-4-5\"," ASK(
         "Classify the sentiment: I love this") "}",
     false},
    {"local: a tool call", NULL, NULL,
     "{\"model\":\"local\"," TOOLS "," ASK("What is the weather in Paris?") "}",
     false},
    {"cloud: a tool call, streamed", NULL, NULL,
     "{\"model\":\"cloud\",\"stream\":true," TOOLS
     "," ASK("What is the weather in Paris?") "}",
     false},
    {"cloud: an image", NULL, NULL,
     "{\"model\":\"cloud\",\"messages\":[{\"role\":\"user\",\"content\":["
     "{\"type\":\"text\",\"text\":\"What is in this image?\"},"
     "{\"type\":\"image_url\",\"image_url\":{\"url\":\"" PIXEL "\"}}]}]}",
     false},
    {"Messages: local, streamed", "/v1/messages", NULL,
     "{\"model\":\"local\",\"max_tokens\":100,\"stream\":true," ASK(
         "Count from 1 to 5") "}",
     false},
    {"Responses: cloud", "/v1/responses", NULL,
     "{\"model\":\"cloud\",\"input\":\"Say hello\"}", false},
    {"local while its GPU is cold", NULL, NULL,
     "{\"model\":\"local\"," ASK("Say hello") "}", true},
    {"the same, pinned local-only", NULL, "local-only",
     "{\"model\":\"local\"," ASK("Say hello") "}", true},
};

/* --- calls --------------------------------------------------------------- */

struct client {
    uv_loop_t loop;
    struct wire_loop wire_loop;
    struct deadlines deadlines;
    struct pool pool;
    struct catalog *catalog; /* the router, and the stand-in's controls */
};

struct call {
    bool is_done;
    enum error error;
    int status;
    char backend[16], model[40], reason[48];
    char trace[TRACE_ID_LEN + 1];
    struct buf body;
    bool is_stream;
    uint64_t began_us, first_us, ended_us;
};

static void keep(char *out, size_t size, struct str value)
{
    (void)snprintf(out, size, "%.*s", STR_ARG(str_clip(value, size - 1)));
}

static void on_head(void *ctx, const struct answer_head *head)
{
    struct call *call = ctx;

    call->status = head->status;
    call->is_stream = str_starts(head_find(head->head, STR("content-type")),
                                 STR("text/event-stream"));
    keep(call->backend, sizeof(call->backend),
         head_find(head->head, STR("x-router-backend")));
    keep(call->model, sizeof(call->model),
         head_find(head->head, STR("x-router-model")));
    keep(call->reason, sizeof(call->reason),
         head_find(head->head, STR("x-router-reason")));
    keep(call->trace, sizeof(call->trace),
         str_slice(head_find(head->head, STR("traceparent")), 3,
                   3 + TRACE_ID_LEN));
}

static void on_body(void *ctx, struct str bytes)
{
    struct call *call = ctx;

    if (call->first_us == 0)
        call->first_us = clock_us();
    buf_put(&call->body, bytes);
}

static void on_end(void *ctx)
{
    struct call *call = ctx;

    call->is_done = true;
    call->ended_us = clock_us();
}

static void on_fail(void *ctx, enum error error, const char *detail)
{
    struct call *call = ctx;

    (void)detail;
    call->error = error;
    on_end(call);
}

static const struct attempt_events events = {on_head, on_body, on_end, on_fail};

/* Posts and waits for the whole answer. */
static void post(struct client *client, const struct backend *backend,
                 struct str path, struct str body, const char *policy,
                 struct call *call)
{
    struct order order = {
        .method = STR("POST"), .path = path, .body_len = body.len};
    struct attempt_order attempt = {
        .replica = &backend->replicas[0],
        .allowed = TIER_ANY,
        .piece_count = 2,
        .connect_ms = CALL_MS,
        .first_byte_ms = CALL_MS,
        .idle_ms = CALL_MS,
    };
    struct buf head;

    *call = (struct call){.began_us = clock_us()};
    buf_init(&call->body, ANSWER_MAX);
    buf_init(&head, 64 * 1024);
    order_write(&order, attempt.replica, STR("2023-06-01"), &head);
    if (policy != NULL) {
        head.len -= 2; /* before the empty line */
        buf_printf(&head, "X-Router-Policy: %s\r\n\r\n", policy);
    }
    attempt.pieces[0] = buf_str(&head);
    attempt.pieces[1] = body;
    uv_update_time(&client->loop);
    check(attempt_open(&client->pool, &attempt, &events, call) != NULL);
    while (!call->is_done)
        uv_run(&client->loop, UV_RUN_ONCE);
    buf_fini(&head);
}

/* The client's catalog: the router as its local backend, the controls of the
 * vLLM stand-in (through the other one's port) as its cloud. */
static struct catalog *client_catalog(unsigned router, unsigned sim)
{
    struct config config;
    struct catalog *catalog;
    char url[64];

    check(config_load(&config, NULL)); /* the router's has been read so */
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", router);
    config_override(&config, CONFIG_ROOT_LOCAL_URL, str_of(url));
    config_override(&config, CONFIG_ROOT_LOCAL_MODEL, STR("demo"));
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", sim);
    config_override(&config, CONFIG_ROOT_CLOUD_URL, str_of(url));
    config_override(&config, CONFIG_ROOT_CLOUD_KEY, STR("demo"));
    catalog = catalog_new(&config);
    config_fini(&config);
    check(catalog != NULL);
    return catalog;
}

static void client_open(struct client *client, unsigned router, unsigned sim)
{
    client->catalog = client_catalog(router, sim);
    check(uv_loop_init(&client->loop) == 0);
    wire_loop_init(&client->loop, &client->wire_loop);
    deadlines_open(&client->deadlines, &client->loop);
    pool_init(&client->pool, &client->loop, &client->deadlines,
              client->catalog);
}

static void client_close(struct client *client)
{
    pool_close(&client->pool);
    deadlines_close(&client->deadlines);
    uv_run(&client->loop, UV_RUN_DEFAULT);
    pool_fini(&client->pool);
    check(uv_loop_close(&client->loop) == 0);
    wire_loop_fini(&client->wire_loop);
    catalog_unref(client->catalog);
}

/* --- the table -------------------------------------------------------------
 */

static void print_ms(uint64_t from_us, uint64_t to_us)
{
    if (to_us < from_us || to_us == 0)
        printf("  %11s", "-");
    else
        printf("  %8.1f ms", (double)(to_us - from_us) / 1000);
}

static void print_row(const struct scene *scene, const struct call *call)
{
    char decision[64];

    if (call->status == 200)
        (void)snprintf(decision, sizeof(decision), "%s %s", call->backend,
                       call->model);
    else
        (void)snprintf(decision, sizeof(decision), "%d %s", call->status,
                       call->error != OK ? error_name(call->error).ptr
                                         : "Retry-After");
    printf("%-30s %-31s %-16s", scene->shown, decision, call->reason);
    print_ms(call->began_us, call->first_us);
    print_ms(call->began_us, call->ended_us);
    putchar('\n');
    fflush(stdout);
}

/* About 1,075 tokens by the router's estimate. */
static void make_long_body(struct buf *out)
{
    buf_put(out, STR("{\"max_tokens\":2000,\"messages\":[{\"role\":\"user\","
                     "\"content\":\""));
    for (int i = 0; i < LONG_LINES; i++)
        buf_put(out, STR("Summarize: the weir keeps what the basin below can "
                         "hold, and lets the rest spill over the crest, ok. "));
    buf_put(out, STR("\"}]}"));
}

static void make_cold(struct client *client)
{
    struct call call;
    struct buf body;

    buf_init(&body, 256);
    buf_printf(&body, "{\"fault\":\"cold\",\"seconds\":%d}", COLD_S);
    post(client, client->catalog->cloud, STR("/sim/fault?target=vllm"),
         buf_str(&body), NULL, &call);
    buf_fini(&body);
    buf_fini(&call.body);
}

/* Returns the trace of the last request. */
static void play(struct client *client, char trace[TRACE_ID_LEN + 1])
{

    printf("\n%-30s %-31s %-16s  %11s  %11s\n", "prompt", "decision", "reason",
           "first token", "total");
    for (size_t i = 0; i < COUNT_OF(scenes); i++) {
        const struct scene *scene = &scenes[i];
        struct buf body;
        struct call call;

        buf_init(&body, 64 * 1024);
        if (scene->body == NULL)
            make_long_body(&body);
        else
            buf_put(&body, str_of(scene->body));
        if (scene->needs_cold)
            make_cold(client);
        post(client, client->catalog->local,
             scene->path == NULL ? STR("/v1/chat/completions")
                                 : str_of(scene->path),
             buf_str(&body), scene->policy, &call);
        print_row(scene, &call);
        keep(trace, TRACE_ID_LEN + 1, str_of(call.trace));
        buf_fini(&call.body);
        buf_fini(&body);
    }
}

static void print_hint(unsigned port)
{
    printf("\nTry it:\n"
           "  curl -N http://127.0.0.1:%u/v1/chat/completions "
           "-H 'content-type: application/json' \\\n"
           "    -d '{\"model\":\"auto\",\"stream\":true,\"messages\":"
           "[{\"role\":\"user\",\"content\":\"Count to 5\"}]}'\n"
           "or point any OpenAI SDK at http://127.0.0.1:%u/v1, any Anthropic "
           "SDK at http://127.0.0.1:%u.\nThe models behind it are simulated: "
           "no GPU, no key, no cost.\n"
           "Serving until Ctrl-C.\n",
           port, port, port);
    fflush(stdout);
}

/* --- the whole
 * ---------------------------------------------------------------- */

/* What is known of the router once it runs. */
struct demo {
    /* how much the log says once the table has been shown */
    enum log_level level;
    enum log_format format;
    char folder[32]; /* of a ledger for this run alone; empty: none was made */
    char ledger[PATH_SIZE];
};

/* One of its own, which goes with it, whatever the environment says: made-up
 * requests and their costs have no place among real ones. */
static void choose_ledger(struct config *config, struct demo *demo)
{
    (void)snprintf(demo->folder, sizeof(demo->folder), "/tmp/weir-demo-XXXXXX");
    if (mkdtemp(demo->folder) == NULL)
        demo->folder[0] = '\0';
    else
        (void)snprintf(demo->ledger, sizeof(demo->ledger), "%s/ledger.db",
                       demo->folder);
    config_override(config, CONFIG_ROOT_LEDGER_PATH, str_of(demo->ledger));
}

static void drop_ledger(const struct demo *demo)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-lock"};
    char path[PATH_SIZE + 8];

    if (demo->folder[0] == '\0')
        return;
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", demo->ledger, endings[i]);
        (void)unlink(path);
    }
    (void)rmdir(demo->folder);
}

/* The router's configuration: the environment's, on the stand-ins. */
static struct catalog *router_catalog(const struct sim *sim, struct demo *demo,
                                      struct clerk **clerk)
{
    struct config config;
    struct buf why;
    struct catalog *catalog = NULL;
    char url[64];
    bool is_fine = config_load(&config, NULL);

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", sim_vllm_port(sim));
    config_override(&config, CONFIG_ROOT_LOCAL_URL, str_of(url));
    config_override(&config, CONFIG_ROOT_LOCAL_MODEL, STR("qwen2.5-7b"));
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u",
                   sim_anthropic_port(sim));
    config_override(&config, CONFIG_ROOT_CLOUD_URL, str_of(url));
    config_override(&config, CONFIG_ROOT_CLOUD_KEY, STR("simulated"));
    if (!config_is_set(&config.root, CONFIG_ROOT_LOCAL_PRICE))
        config_override(&config, CONFIG_ROOT_LOCAL_PRICE, STR(GPU_PRICE));
    choose_ledger(&config, demo);
    if (config_get(&config.root, CONFIG_ROOT_LISTEN_HOST)->source ==
        CONFIG_DEFAULT)
        config_override(&config, CONFIG_ROOT_LISTEN_HOST, STR("127.0.0.1"));
    if (is_fine && config.problem_count == 0)
        catalog = catalog_new(&config);
    if (catalog == NULL)
        fprintf(stderr, "weir: %.*s", STR_ARG(buf_str(&config.problems)));
    demo->level =
        (enum log_level)config_number(&config.root, CONFIG_ROOT_LOG_LEVEL);
    demo->format =
        (enum log_format)config_number(&config.root, CONFIG_ROOT_LOG_FORMAT);
    buf_init(&why, 1024);
    if (catalog != NULL &&
        !telemetry_start(&config, catalog->settings.workers, clerk, &why)) {
        fprintf(stderr, "weir: cannot export telemetry: %.*s\n",
                STR_ARG(buf_str(&why)));
        catalog_unref(catalog);
        catalog = NULL;
    }
    buf_fini(&why);
    config_fini(&config);
    return catalog;
}

static struct gateway *start_router(const struct sim *sim, struct demo *demo)
{
    struct clerk *clerk = NULL;
    struct catalog *catalog = router_catalog(sim, demo, &clerk);
    struct gateway *gateway;
    struct buf why;

    if (catalog == NULL)
        return NULL;
    buf_init(&why, 1024);
    gateway = gateway_start(catalog, clerk, &(struct gateway_sockets){0}, &why);
    if (gateway == NULL)
        fprintf(stderr,
                "weir: cannot listen on %.*s (PORT=0 takes a free one)\n",
                STR_ARG(buf_str(&why)));
    buf_fini(&why);
    return gateway;
}

/* In one line, before the report goes into it. */
static void print_cost(const struct demo *demo)
{
    static const char sums[] =
        "SELECT count(*), printf('%.6f', total(cost) / 1e9), "
        "printf('%.6f', total(cloud_cost) / 1e9) FROM requests";
    struct sqlite3 *db = NULL;
    struct sqlite3_stmt *statement = NULL;

    if (sqlite3_open_v2(demo->ledger, &db, SQLITE_OPEN_READONLY, NULL) ==
            SQLITE_OK &&
        sqlite3_prepare_v2(db, sums, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        printf("Cost of %d requests: %s USD; all of them in the cloud: %s "
               "USD\n",
               sqlite3_column_int(statement, 0),
               (const char *)sqlite3_column_text(statement, 1),
               (const char *)sqlite3_column_text(statement, 2));
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

/* What was noted of the requests: the clerk writes it down within a second. */
static void print_notes(struct demo *demo, const char *trace)
{
    char *words[] = {"report", "--ledger", demo->ledger, NULL};

    printf("\nTrace of the last request: %s\n"
           "(the same in its traceparent header, the log, the ledger and in "
           "OTLP, if there is a collector)\n",
           trace);
    fflush(stdout);
    if (demo->ledger[0] == '\0')
        return;
    uv_sleep(NOTED_MS);
    print_cost(demo);
    printf("\n$ weir report\n");
    fflush(stdout);
    (void)report_main(3, words);
}

static void show(const struct sim *sim, struct demo *demo,
                 struct gateway *gateway)
{
    struct client *client = must_calloc(1, sizeof(*client));
    char trace[TRACE_ID_LEN + 1] = "";

    printf("weir " WEIR_VERSION " on http://127.0.0.1:%u, in front of two "
           "stand-ins:\n"
           "  local  vLLM       http://127.0.0.1:%u\n"
           "  cloud  Anthropic  http://127.0.0.1:%u\n",
           gateway_port(gateway), sim_vllm_port(sim), sim_anthropic_port(sim));
    client_open(client, gateway_port(gateway), sim_anthropic_port(sim));
    play(client, trace);
    client_close(client);
    free(client);
    print_notes(demo, trace);
    print_hint(gateway_port(gateway));
}

int demo_main(void)
{
    struct sim_options options = sim_options_usual();
    struct sim *sim;
    struct gateway *gateway;
    struct demo demo = {0};
    const char *why = "";
    sigset_t signals;
    int signal = 0;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    options.vllm_port = options.anthropic_port = 0;
    options.model = "qwen2.5-7b";
    if (!sim_start(&sim, &options, &why)) {
        fprintf(stderr, "weir: the stand-ins cannot start: %s\n", why);
        return EXIT_FAILURE;
    }
    log_setup(LOG_ERROR, LOG_LOGFMT); /* the table first */
    log_start();
    gateway = start_router(sim, &demo);
    if (gateway != NULL) {
        show(sim, &demo, gateway);
        uv_sleep(SETTLED_MS); /* the last request's log line is not news */
        log_setup(demo.level, demo.format);
        sigwait(&signals, &signal);
        gateway_stop(gateway);
        gateway_stop(gateway); /* a demo has nothing worth waiting for */
        gateway_join(gateway);
    }
    sim_stop(sim);
    log_stop();
    drop_ledger(&demo);
    return gateway == NULL ? EXIT_FAILURE : EXIT_SUCCESS;
}
