#include "otel.h"

#include <stdlib.h>
#include <uv.h>

#include "log.h"
#include "telemetry/trace.h"

enum {
    PAIRS_MAX = 128, /* of headers, of resource attributes */
    UUID_DIGITS = 32,
};

static const struct str signal_names[OTEL_SIGNALS] = {
    [OTEL_TRACES] = STR_INIT("TRACES"),
    [OTEL_METRICS] = STR_INIT("METRICS"),
};

static const struct str http_paths[OTEL_SIGNALS] = {
    [OTEL_TRACES] = STR_INIT("/v1/traces"),
    [OTEL_METRICS] = STR_INIT("/v1/metrics"),
};

static const struct str grpc_paths[OTEL_SIGNALS] = {
    [OTEL_TRACES] =
        STR_INIT("/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
    [OTEL_METRICS] = STR_INIT(
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"),
};

/* The sampler's and the propagators' are read in sampler.c. */
const char *const otel_variables[] = {
    "OTEL_SDK_DISABLED",
    "OTEL_SERVICE_NAME",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_PROPAGATORS",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_TRACES_EXPORTER",
    "OTEL_METRICS_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
    "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_INSECURE",
    "OTEL_EXPORTER_OTLP_TRACES_INSECURE",
    "OTEL_EXPORTER_OTLP_METRICS_INSECURE",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_EXPORT_TIMEOUT",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_METRIC_EXPORT_INTERVAL",
    "OTEL_METRIC_EXPORT_TIMEOUT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_CONFIG_FILE",
    NULL,
};

/* --- one variable -------------------------------------------------------- */

static struct str variable(const char *name)
{
    return str_trim(str_of(getenv(name)));
}

/* Is it said what cannot be read?  Of this thread: otel_read() sets it. */
static _Thread_local bool says;

/* Never what was read: it may be a secret. */
static void warn(const char *name, const char *expected)
{
    if (says)
        log_say(LOG_WARN, "setting ignored", "environment: %s: expected %s",
                name, expected);
}

static uint64_t number(const char *name, uint64_t otherwise, uint64_t least)
{
    struct str text = variable(name);
    uint64_t n;

    if (text.len == 0)
        return otherwise;
    if (str_to_u64(text, &n) && n >= least)
        return n;
    warn(name, least > 0 ? "a whole number above 0" : "a whole number");
    return otherwise;
}

static bool is_true(struct str text)
{
    return str_eq_nocase(text, STR("true"));
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* False when a '%' has no two digits behind it, or the value is no UTF-8. */
static bool decode(struct arena *arena, struct str text, struct str *out)
{
    char *bytes = arena_alloc(arena, text.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        int high = i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
        int low = i + 2 < text.len ? hex_digit(text.ptr[i + 2]) : -1;

        if (text.ptr[i] != '%') {
            bytes[len++] = text.ptr[i];
        } else if (high < 0 || low < 0) {
            return false;
        } else {
            bytes[len++] = (char)(high * 16 + low);
            i += 2;
        }
    }
    bytes[len] = '\0';
    *out = (struct str){bytes, len};
    return str_is_utf8(*out);
}

/* key=value,key=value; one error drops all of it, as the specification says
 * of resource attributes. */
static bool read_pairs(struct arena *arena, struct str text,
                       struct otel_pair *pairs, unsigned *count)
{
    struct str pair;
    unsigned n = 0;

    while (str_split(&text, ',', &pair)) {
        struct str key;

        pair = str_trim(pair);
        if (pair.len == 0)
            continue;
        if (n == PAIRS_MAX || !str_contains(pair, STR("=")))
            return false;
        (void)str_split(&pair, '=', &key);
        key = str_trim(key);
        if (key.len == 0 || !decode(arena, key, &pairs[n].key) ||
            !decode(arena, str_trim(pair), &pairs[n].value))
            return false;
        n++;
    }
    *count = n;
    return true;
}

/* --- one signal's endpoint ----------------------------------------------- */

/* OTEL_EXPORTER_OTLP_<SIGNAL>_<what>, or without the signal. */
static struct str for_signal(struct arena *arena, enum otel_signal signal,
                             const char *what, const char **name)
{
    struct str own = arena_printf(arena, "OTEL_EXPORTER_OTLP_%.*s_%s",
                                  STR_ARG(signal_names[signal]), what);
    struct str value = variable(own.ptr);

    *name = own.ptr;
    if (value.len > 0)
        return value;
    *name = arena_printf(arena, "OTEL_EXPORTER_OTLP_%s", what).ptr;
    return variable(*name);
}

static enum otel_protocol read_protocol(struct arena *arena,
                                        enum otel_signal signal)
{
    const char *name;
    struct str text = for_signal(arena, signal, "PROTOCOL", &name);

    if (str_eq_nocase(text, STR("grpc")))
        return OTEL_GRPC;
    if (str_eq_nocase(text, STR("http/json")))
        return OTEL_HTTP_JSON;
    if (text.len > 0 && !str_eq_nocase(text, STR("http/protobuf")))
        warn(name, "grpc, http/protobuf or http/json");
    return OTEL_HTTP_PROTOBUF;
}

static bool has_scheme(struct str url)
{
    return str_starts(url, STR("http://")) || str_starts(url, STR("https://"));
}

static bool is_usable(struct str url, enum otel_protocol protocol)
{
    return has_scheme(url) || (url.len > 0 && protocol == OTEL_GRPC);
}

/* Scheme and authority of a URL, without what stands behind. */
static struct str origin(struct str url)
{
    size_t begin = str_starts(url, STR("https:")) ? 8 : 7;
    struct str rest = str_slice(url, begin, url.len);
    size_t at;

    return str_find(rest, STR("/"), &at) ? str_slice(url, 0, begin + at) : url;
}

static struct str without_slash(struct str url)
{
    while (str_ends(url, STR("/")))
        url.len--;
    return url;
}

/* gRPC: only scheme, host and port count, and a scheme may be missing. */
static struct str grpc_url(struct arena *arena, enum otel_signal signal,
                           struct str url)
{
    const char *name;

    if (url.len == 0)
        url = STR("http://localhost:4317");
    if (!has_scheme(url))
        url = arena_join(arena,
                         is_true(for_signal(arena, signal, "INSECURE", &name))
                             ? STR("http://")
                             : STR("https://"),
                         url);
    return arena_join(arena, origin(url), grpc_paths[signal]);
}

/* HTTP: a signal's own endpoint is taken as it is, the common one gets the
 * signal's path. */
static struct str http_url(struct arena *arena, enum otel_signal signal,
                           struct str url, bool is_own)
{
    if (url.len == 0)
        url = STR("http://localhost:4318");
    if (!is_own)
        return arena_join(arena, without_slash(url), http_paths[signal]);
    return origin(url).len == url.len ? arena_join(arena, url, STR("/"))
                                      : arena_copy(arena, url);
}

static struct str read_url(struct arena *arena, enum otel_signal signal,
                           enum otel_protocol protocol)
{
    const char *name;
    struct str own = arena_printf(arena, "OTEL_EXPORTER_OTLP_%.*s_ENDPOINT",
                                  STR_ARG(signal_names[signal]));
    struct str url = for_signal(arena, signal, "ENDPOINT", &name);
    bool is_own = str_eq(str_of(name), own);

    if (url.len > 0 && !is_usable(url, protocol)) {
        warn(name, "a URL that begins with http:// or https://");
        url = STR("");
        is_own = false;
    }
    return protocol == OTEL_GRPC ? grpc_url(arena, signal, url)
                                 : http_url(arena, signal, url, is_own);
}

static void read_headers(struct arena *arena, enum otel_signal signal,
                         struct otel_endpoint *endpoint)
{
    const char *name;
    struct str text = for_signal(arena, signal, "HEADERS", &name);

    endpoint->headers = ARENA_ARRAY(arena, struct otel_pair, PAIRS_MAX);
    if (!read_pairs(arena, text, endpoint->headers, &endpoint->header_count)) {
        endpoint->header_count = 0;
        warn(name, "key=value,key=value with values in percent encoding");
    }
}

static void read_compression(struct arena *arena, enum otel_signal signal,
                             struct otel_endpoint *endpoint)
{
    const char *name;
    struct str text = for_signal(arena, signal, "COMPRESSION", &name);

    endpoint->is_zipped = str_eq_nocase(text, STR("gzip"));
    if (text.len > 0 && !endpoint->is_zipped &&
        !str_eq_nocase(text, STR("none")))
        warn(name, "gzip or none");
}

static void read_endpoint(struct arena *arena, enum otel_signal signal,
                          struct otel_endpoint *endpoint)
{
    const char *name;
    struct str timeout = for_signal(arena, signal, "TIMEOUT", &name);

    endpoint->timeout_ms = 10000;
    if (timeout.len > 0)
        endpoint->timeout_ms = number(name, 10000, 1);
    endpoint->protocol = read_protocol(arena, signal);
    endpoint->url = read_url(arena, signal, endpoint->protocol);
    read_headers(arena, signal, endpoint);
    read_compression(arena, signal, endpoint);
    endpoint->tls = (struct fetch_tls){
        .ca_file = for_signal(arena, signal, "CERTIFICATE", &name),
        .cert_file = for_signal(arena, signal, "CLIENT_CERTIFICATE", &name),
        .key_file = for_signal(arena, signal, "CLIENT_KEY", &name),
    };
}

/* --- is it exported? ------------------------------------------------------ */

/* Metrics are scraped unless somebody asks for more: an endpoint alone is
 * meant for traces. */
static bool read_exports(struct arena *arena, enum otel_signal signal,
                         enum otel_protocol protocol)
{
    struct str name = arena_printf(arena, "OTEL_%.*s_EXPORTER",
                                   STR_ARG(signal_names[signal]));
    struct str text = variable(name.ptr);
    const char *endpoint;
    bool has_endpoint =
        is_usable(for_signal(arena, signal, "ENDPOINT", &endpoint), protocol);

    if (text.len == 0)
        return has_endpoint && (signal == OTEL_TRACES ||
                                str_contains(str_of(endpoint), STR("METRICS")));
    if (str_eq_nocase(text, STR("otlp")))
        return true;
    if (!str_eq_nocase(text, STR("none")))
        warn(name.ptr, "otlp or none");
    return false;
}

/* --- who we are ----------------------------------------------------------- */

static void put(struct otel *otel, struct str key, struct str value)
{
    for (unsigned i = 0; i < otel->resource_count; i++)
        if (str_eq(otel->resource[i].key, key))
            return; /* what came first counts */
    otel->resource[otel->resource_count++] = (struct otel_pair){key, value};
}

static char instance_digits[UUID_DIGITS];

/* A UUID of version 4 (RFC 9562). */
static void make_instance_digits(void)
{
    static const char variants[] = {'8', '9', 'a', 'b'};
    char *digits = instance_digits;

    trace_random_hex(digits, sizeof(instance_digits));
    digits[12] = '4';
    digits[16] = variants[hex_digit(digits[16]) & 3];
}

/* One for the process: its traces and metrics are of the same instance. */
static struct str instance_id(struct arena *arena)
{
    static uv_once_t once = UV_ONCE_INIT;
    const char *digits = instance_digits;

    uv_once(&once, make_instance_digits);
    return arena_printf(arena, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8,
                        digits + 12, digits + 16, digits + 20);
}

static void read_resource(struct arena *arena, struct otel *otel)
{
    struct otel_pair *told = ARENA_ARRAY(arena, struct otel_pair, PAIRS_MAX);
    unsigned told_count = 0;
    struct str name = variable("OTEL_SERVICE_NAME");

    if (!read_pairs(arena, variable("OTEL_RESOURCE_ATTRIBUTES"), told,
                    &told_count)) {
        told_count = 0;
        warn("OTEL_RESOURCE_ATTRIBUTES",
             "key=value,key=value with values in percent encoding");
    }
    for (unsigned i = 0; i < told_count && name.len == 0; i++)
        if (str_eq(told[i].key, STR("service.name")))
            name = told[i].value;
    otel->service_name =
        name.len > 0 ? arena_copy(arena, name) : STR("hybrid-llm-router");
    /* ours are five */
    otel->resource = ARENA_ARRAY(arena, struct otel_pair, PAIRS_MAX + 6);
    put(otel, STR("service.name"), otel->service_name);
    for (unsigned i = 0; i < told_count; i++)
        put(otel, told[i].key, told[i].value);
    put(otel, STR("service.version"), STR(WEIR_VERSION));
    put(otel, STR("service.instance.id"), instance_id(arena));
    put(otel, STR("telemetry.sdk.name"), STR("weir"));
    put(otel, STR("telemetry.sdk.language"), STR("c"));
    put(otel, STR("telemetry.sdk.version"), STR(WEIR_VERSION));
}

static void read_limits(struct otel *otel)
{
    uint64_t common =
        number("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", UINT64_MAX, 0);

    otel->attributes_max = number("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", 128, 0);
    otel->events_max = number("OTEL_SPAN_EVENT_COUNT_LIMIT", 128, 0);
    otel->links_max = number("OTEL_SPAN_LINK_COUNT_LIMIT", 128, 0);
    otel->value_max =
        number("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", common, 0);
}

static void read_batches(struct otel *otel)
{
    otel->schedule_ms = number("OTEL_BSP_SCHEDULE_DELAY", 5000, 0);
    otel->export_timeout_ms = number("OTEL_BSP_EXPORT_TIMEOUT", 30000, 1);
    otel->queue_spans = number("OTEL_BSP_MAX_QUEUE_SIZE", 2048, 1);
    otel->batch_spans = number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, 1);
    if (otel->batch_spans > otel->queue_spans) {
        warn("OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
             "at most OTEL_BSP_MAX_QUEUE_SIZE");
        otel->batch_spans = otel->queue_spans;
    }
    otel->interval_ms = number("OTEL_METRIC_EXPORT_INTERVAL", 60000, 1);
    otel->push_timeout_ms = number("OTEL_METRIC_EXPORT_TIMEOUT", 30000, 1);
}

void otel_read(struct arena *arena, bool warns, struct otel *otel)
{
    says = warns;
    *otel = (struct otel){
        .is_disabled = is_true(variable("OTEL_SDK_DISABLED")),
    };
    if (variable("OTEL_CONFIG_FILE").len > 0)
        warn("OTEL_CONFIG_FILE", "nothing: files of that kind are not "
                                 "supported, and the other variables count");
    read_batches(otel);
    read_limits(otel);
    read_resource(arena, otel);
    for (unsigned i = 0; i < OTEL_SIGNALS; i++) {
        enum otel_signal signal = (enum otel_signal)i;

        read_endpoint(arena, signal, &otel->endpoints[i]);
        otel->exports[i] =
            !otel->is_disabled &&
            read_exports(arena, signal, otel->endpoints[i].protocol);
    }
}

void otel_show(const struct otel *otel, struct buf *out)
{
    static const char *const protocols[] = {
        [OTEL_GRPC] = "grpc",
        [OTEL_HTTP_PROTOBUF] = "http/protobuf",
        [OTEL_HTTP_JSON] = "http/json",
    };
    static const char *const signals[] = {"traces", "metrics"};

    for (unsigned i = 0; i < OTEL_SIGNALS; i++) {
        const struct otel_endpoint *endpoint = &otel->endpoints[i];

        if (otel->exports[i])
            buf_printf(out, "# %s of %.*s go to %.*s by %s, %u headers\n",
                       signals[i], STR_ARG(otel->service_name),
                       STR_ARG(endpoint->url), protocols[endpoint->protocol],
                       endpoint->header_count);
    }
}
