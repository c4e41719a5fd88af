#include "worker.h"

#include <stdlib.h>
#include <unistd.h>

#include "admit/key.h"
#include "check.h"
#include "clock.h"
#include "drill.h"
#include "exchange.h"
#include "log.h"
#include "web/pages.h"

enum { SCRATCH_MAX = 1 << 30 };

/* --- where a request goes ----------------------------------------------- */

enum place {
    PLACE_MODEL_CALL, /* a backend is asked, in the format of the path */
    PLACE_ROUTE,
    PLACE_MODELS,
    PLACE_MODEL,
    PLACE_RESPONSE,
    PLACE_HEALTH,
    PLACE_READY,
    PLACE_METRICS,
    PLACE_DRILL,
};

enum {
    METHOD_GET = 1,
    METHOD_POST = 2,
    METHOD_DELETE = 4
}; /* GET is HEAD, too */

/* What a caller has to show. */
enum guard {
    NOBODY, /* nothing */
    KEY,    /* a key, if keys are configured at all */
    TOKEN,  /* the operators' token */
};

static const struct route {
    struct str path;
    enum place place;
    unsigned methods; /* bits of METHOD_… */
    bool is_prefix;   /* the rest of the path is an argument */
    enum guard guard;
    const struct format *format; /* NULL: an API of OpenAI's, or none */
} routes[] = {
    {STR_INIT("/v1/chat/completions"), PLACE_MODEL_CALL, METHOD_POST, false,
     KEY, &format_chat},
    {STR_INIT("/v1/messages"), PLACE_MODEL_CALL, METHOD_POST, false, KEY,
     &format_messages},
    {STR_INIT("/v1/messages/count_tokens"), PLACE_MODEL_CALL, METHOD_POST,
     false, KEY, &format_count},
    {STR_INIT("/v1/responses"), PLACE_MODEL_CALL, METHOD_POST, false, KEY,
     &format_responses},
    {STR_INIT("/v1/completions"), PLACE_MODEL_CALL, METHOD_POST, false, KEY,
     &format_completions},
    {STR_INIT("/v1/embeddings"), PLACE_MODEL_CALL, METHOD_POST, false, KEY,
     &format_embeddings},
    {STR_INIT("/v1/responses/"), PLACE_RESPONSE, METHOD_GET | METHOD_DELETE,
     true, KEY, NULL},
    {STR_INIT("/v1/route"), PLACE_ROUTE, METHOD_POST, false, KEY, &format_chat},
    {STR_INIT("/v1/models"), PLACE_MODELS, METHOD_GET, false, KEY, NULL},
    {STR_INIT("/v1/models/"), PLACE_MODEL, METHOD_GET, true, KEY, NULL},
    {STR_INIT("/health"), PLACE_HEALTH, METHOD_GET, false, NOBODY, NULL},
    {STR_INIT("/ready"), PLACE_READY, METHOD_GET, false, NOBODY, NULL},
    {STR_INIT("/metrics"), PLACE_METRICS, METHOD_GET, false, NOBODY, NULL},
    {STR_INIT("/admin/drill"), PLACE_DRILL, METHOD_GET | METHOD_POST, false,
     TOKEN, NULL},
};

static const struct route *route_find(struct str path)
{
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        const struct route *route = &routes[i];

        if (route->is_prefix
                ? str_starts(path, route->path) && path.len > route->path.len
                : str_eq(path, route->path))
            return route;
    }
    return NULL;
}

/* In which words a request is answered, even if it has no place here. */
static const struct format *format_of(const struct request *request)
{
    const struct route *route = route_find(request->path);

    if (route != NULL && route->format != NULL)
        return route->format;
    /* only Anthropic's clients say which version they speak */
    return str_starts(request->path, STR("/v1/messages/")) ||
                   head_find(&request->head, STR("anthropic-version")).ptr !=
                       NULL
               ? &format_messages
               : &format_chat;
}

/* What /v1/route is asked about: ?format=NAME, chat if nothing is said; NULL
 * when there is no such format. */
static const struct format *routed_format(const struct request *request)
{
    struct str begin = STR("format=");
    struct str name = str_slice(request->query, begin.len, request->query.len);

    if (request->query.len == 0)
        return &format_chat;
    for (size_t i = 0; i < COUNT_OF(routes); i++)
        if (routes[i].place == PLACE_MODEL_CALL &&
            str_starts(request->query, begin) &&
            str_eq(name, routes[i].format->name))
            return routes[i].format;
    return NULL;
}

static void answer_route(struct worker *worker, struct request *request)
{
    const struct format *format = routed_format(request);

    if (format == NULL)
        exchange_refuse(worker, request, &format_chat, ERR_BAD_VALUE,
                        "the query: expected format=chat, responses, messages, "
                        "completions or embeddings");
    else
        exchange_begin(worker, request, format, true);
}

static unsigned method_of(struct str method)
{
    if (str_eq(method, STR("POST")))
        return METHOD_POST;
    if (str_eq(method, STR("DELETE")))
        return METHOD_DELETE;
    return str_eq(method, STR("GET")) || str_eq(method, STR("HEAD"))
               ? METHOD_GET
               : 0;
}

static const char *use_of(const struct route *route)
{
    static const char *const uses[] = {
        [METHOD_GET] = "use GET",
        [METHOD_POST] = "use POST",
        [METHOD_GET | METHOD_POST] = "use GET or POST",
        [METHOD_GET | METHOD_DELETE] = "use GET or DELETE",
    };

    return uses[route->methods];
}

/* --- the door's events -------------------------------------------------- */

/* Before the body: who may not come in must not send 32 MB either. */
static enum error on_head(void *ctx, struct request *request)
{
    struct worker *worker = ctx;
    const struct route *route = route_find(request->path);
    const struct api_key *key;

    if (route != NULL && route->guard == KEY &&
        !key_check(worker->catalog, &request->head, &key))
        return ERR_UNAUTHORIZED;
    if (route != NULL && route->guard == TOKEN)
        return drill_admit(worker->catalog, &request->head);
    return OK;
}

static void refuse_path(struct worker *worker, struct request *request)
{
    struct str method = request->method;
    struct str path = str_clip(request->path, 100);
    struct str detail = arena_copy_utf8(
        &request->arena, arena_printf(&request->arena, "%.*s %.*s",
                                      STR_ARG(method), STR_ARG(path)));

    exchange_refuse(worker, request, format_of(request), ERR_NO_SUCH_PATH,
                    detail.ptr);
}

/* What is stored belongs to a key, and is there for no other. */
static void answer_response(struct worker *worker, struct request *request,
                            struct str id, struct reply *reply)
{
    const struct settings *settings = &worker->catalog->settings;
    struct store_limits limits = {settings->store_bytes,
                                  settings->store_ttl_ms};
    struct store *store = worker->host->store;
    struct str owner = {NULL, 0};
    const struct api_key *key;

    if (key_check(worker->catalog, &request->head, &key) && key != NULL)
        owner = key->name;
    if (method_of(request->method) == METHOD_DELETE)
        page_forget_response(reply, &request->arena, store, owner, id);
    else
        page_response(reply, &request->arena, store, &limits, owner, id,
                      clock_ms());
}

static void tell_metrics(void *ctx, const struct metrics_visitor *visitor)
{
    struct worker *worker = ctx;

    worker->host->tell_metrics(worker->host->ctx, visitor);
    page_tell_backends(worker->catalog, visitor);
}

static void answer_page(struct worker *worker, struct request *request,
                        const struct route *route)
{
    struct reply reply;

    reply_init(&reply, &request->sink);
    reply.is_http_1_0 = request->is_http_1_0;
    reply.keeps_alive = request->keeps_alive;
    reply.is_head_method = str_eq(request->method, STR("HEAD"));
    switch (route->place) {
    case PLACE_MODELS:
        page_models(&reply, &request->head, worker->catalog);
        break;
    case PLACE_MODEL:
        page_model(
            &reply, &request->arena, &request->head, worker->catalog,
            str_slice(request->path, route->path.len, request->path.len));
        break;
    case PLACE_RESPONSE:
        answer_response(
            worker, request,
            str_slice(request->path, route->path.len, request->path.len),
            &reply);
        break;
    case PLACE_DRILL:
        drill_answer(worker, request, &reply);
        break;
    case PLACE_READY:
        page_ready(&reply, worker->host->is_draining(worker->host->ctx));
        break;
    case PLACE_METRICS:
        page_metrics(&reply, &request->head, tell_metrics, worker);
        break;
    default:
        page_health(&reply);
        break;
    }
    reply_close(&reply);
}

static void on_request(void *ctx, struct request *request)
{
    struct worker *worker = ctx;
    const struct route *route = route_find(request->path);

    if (route == NULL)
        refuse_path(worker, request);
    else if ((route->methods & method_of(request->method)) == 0)
        exchange_refuse(worker, request, format_of(request), ERR_METHOD,
                        use_of(route));
    else if (route->place == PLACE_MODEL_CALL)
        exchange_begin(worker, request, route->format, false);
    else if (route->place == PLACE_ROUTE)
        answer_route(worker, request);
    else
        answer_page(worker, request, route);
}

static void on_refused(void *ctx, struct request *request, enum error error,
                       const char *detail)
{
    exchange_refuse(ctx, request, format_of(request), error, detail);
}

static void on_drain(void *ctx, struct request *request)
{
    (void)ctx;
    if (request->owner != NULL)
        exchange_on_drain(request);
}

static void on_gone(void *ctx, struct request *request)
{
    (void)ctx;
    exchange_on_gone(request);
}

/* --- the thread --------------------------------------------------------- */

/* The port speaks TLS if it has a certificate, a Unix socket never does. */
static struct tls *tls_for(const struct worker *worker, uv_os_sock_t fd)
{
    struct tls_context *context = worker->catalog->settings.tls;
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);

    if (context == NULL)
        return NULL;
    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
        address.ss_family == AF_UNIX)
        return NULL;
    return tls_server_new(context);
}

static void take_inbox(struct worker *worker)
{
    uv_os_sock_t *fds;
    unsigned count;

    uv_mutex_lock(&worker->inbox_lock);
    fds = worker->inbox;
    count = worker->inbox_count;
    worker->inbox = NULL;
    worker->inbox_count = worker->inbox_cap = 0;
    uv_mutex_unlock(&worker->inbox_lock);
    for (unsigned i = 0; i < count; i++)
        door_admit(&worker->door, fds[i], tls_for(worker, fds[i]));
    free(fds);
}

static struct accept_limits limits_of(const struct worker *worker)
{
    const struct settings *settings = &worker->catalog->settings;

    return (struct accept_limits){
        .max_body_bytes = settings->body_bytes,
        .head_ms = settings->head_ms,
        .body_ms = settings->body_ms,
        .idle_ms = settings->keep_alive_ms,
        .write_ms = settings->write_ms,
        .memory_budget = settings->memory_bytes,
        .memory_used = worker->memory_used,
    };
}

/* Requests under way keep the catalog that they began with. */
static void follow(struct worker *worker)
{
    struct accept_limits limits;
    struct catalog *next;

    uv_mutex_lock(&worker->inbox_lock);
    next = worker->next;
    worker->next = NULL;
    uv_mutex_unlock(&worker->inbox_lock);
    if (next == NULL)
        return;
    catalog_unref(worker->catalog);
    worker->catalog = next;
    metrics_follow(&worker->metrics, next);
    limits = limits_of(worker);
    door_set_limits(&worker->door, &limits);
    pool_follow(&worker->pool, next);
    worker->host->on_followed(worker->host->ctx);
}

static void begin_stop(struct worker *worker)
{
    worker->is_stopping = true;
    exchange_cut_all(worker);
    door_cut(&worker->door);
    pool_close(&worker->pool);
    drill_close(worker);
}

/* All handles but our own are closed: nothing is left to wait for. */
static void close_if_done(struct worker *worker)
{
    if (!worker->is_stopping || !list_empty(&worker->exchanges) ||
        !pool_is_empty(&worker->pool) ||
        uv_is_closing((uv_handle_t *)&worker->wake))
        return;
    uv_close((uv_handle_t *)&worker->wake, NULL);
    deadlines_close(&worker->deadlines);
    wire_loop_gather_close(&worker->loop);
}

static void on_wake(uv_async_t *wake)
{
    struct worker *worker = wake->data;

    follow(worker);
    take_inbox(worker);
    if (atomic_load(&worker->asked_to_drain))
        door_drain(&worker->door);
    if (atomic_load(&worker->asked_to_close) && !worker->has_closed) {
        worker->has_closed = true;
        door_close_idle(&worker->door);
    }
    if (atomic_load(&worker->asked_to_stop) && !worker->is_stopping)
        begin_stop(worker);
    exchange_wake_parked(worker);
    close_if_done(worker);
    if (worker->is_stopping && !uv_is_closing((uv_handle_t *)wake)) {
        /* jobs on the thread pool, closing handles: look again */
        uv_async_send(wake);
    }
}

static void worker_main(void *arg)
{
    struct worker *worker = arg;

    arena_spare_open();
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    pool_fini(&worker->pool);
    check(uv_loop_close(&worker->loop) == 0);
    wire_loop_fini(&worker->wire_loop);
    buf_fini(&worker->scratch);
    catalog_unref(worker->catalog);
    arena_spare_close();
}

void worker_start(struct worker *worker, unsigned index,
                  struct catalog *catalog, _Atomic size_t *memory_used,
                  const struct worker_host *host)
{
    struct accept_limits limits;

    *worker = (struct worker){
        .catalog = catalog_ref(catalog),
        .host = host,
        .index = index,
        .memory_used = memory_used,
        .handler = {on_head, on_request, on_refused, on_drain, on_gone, NULL},
    };
    worker->handler.ctx = worker;
    metrics_init(&worker->metrics, host->names);
    worker->metrics.has_spans =
        host->clerk != NULL && clerk_has_spans(host->clerk);
    metrics_follow(&worker->metrics, catalog);
    check(uv_loop_init(&worker->loop) == 0);
    wire_loop_init(&worker->loop, &worker->wire_loop);
    wire_loop_gather_open(&worker->loop);
    deadlines_open(&worker->deadlines, &worker->loop);
    limits = limits_of(worker);
    door_init(&worker->door, &worker->loop, &worker->deadlines,
              &worker->handler, &limits);
    pool_init(&worker->pool, &worker->loop, &worker->deadlines, catalog);
    list_init(&worker->exchanges);
    list_init(&worker->parked);
    list_init(&worker->drills);
    buf_init(&worker->scratch, SCRATCH_MAX);
    check(uv_mutex_init(&worker->inbox_lock) == 0);
    check(uv_async_init(&worker->loop, &worker->wake, on_wake) == 0);
    worker->wake.data = worker;
    check(uv_thread_create(&worker->thread, worker_main, worker) == 0);
}

void worker_give(struct worker *worker, uv_os_sock_t fd)
{
    /* it counts from here on, and never twice: a limit is looked at next */
    door_expect(&worker->door);
    uv_mutex_lock(&worker->inbox_lock);
    if (worker->inbox_count == worker->inbox_cap) {
        unsigned cap = worker->inbox_cap == 0 ? 16 : worker->inbox_cap * 2;
        uv_os_sock_t *grown = realloc(worker->inbox, cap * sizeof(*grown));

        if (grown == NULL)
            out_of_memory();
        worker->inbox = grown;
        worker->inbox_cap = cap;
    }
    worker->inbox[worker->inbox_count++] = fd;
    uv_mutex_unlock(&worker->inbox_lock);
    uv_async_send(&worker->wake);
}

unsigned worker_load(const struct worker *worker)
{
    return atomic_load(&worker->door.client_count);
}

void worker_look(struct worker *worker)
{
    uv_async_send(&worker->wake);
}

void worker_follow(struct worker *worker, struct catalog *catalog)
{
    uv_mutex_lock(&worker->inbox_lock);
    check(worker->next == NULL);
    worker->next = catalog_ref(catalog);
    uv_mutex_unlock(&worker->inbox_lock);
    uv_async_send(&worker->wake);
}

void worker_drain(struct worker *worker)
{
    atomic_store(&worker->asked_to_drain, true);
    uv_async_send(&worker->wake);
}

void worker_close_idle(struct worker *worker)
{
    atomic_store(&worker->asked_to_close, true);
    uv_async_send(&worker->wake);
}

void worker_stop(struct worker *worker)
{
    atomic_store(&worker->asked_to_stop, true);
    uv_async_send(&worker->wake);
}

void worker_join(struct worker *worker)
{
    uv_thread_join(&worker->thread);
    for (unsigned i = 0; i < worker->inbox_count; i++)
        close(worker->inbox[i]);
    free(worker->inbox);
    uv_mutex_destroy(&worker->inbox_lock);
}
