#include "fetch.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "list.h"

enum {
    IDLE_CONNECTIONS = 4,
    CONNECT_MS = 5000,
    TOTAL_MS = 10000,       /* if the order says nothing */
    OLDEST_CURL = 0x075500, /* 7.85.0 */
    CURL_8 = 0x080000,
};

/* What is used of libcurl, by the names of its symbols. */
struct curl_api {
    CURLcode (*global_init)(long flags);
    curl_version_info_data *(*version_info)(CURLversion age);
    CURL *(*easy_init)(void);
    void (*easy_cleanup)(CURL *easy);
    CURLcode (*easy_setopt)(CURL *easy, CURLoption option, ...);
    CURLcode (*easy_getinfo)(CURL *easy, CURLINFO info, ...);
    const char *(*easy_strerror)(CURLcode code);
    struct curl_slist *(*slist_append)(struct curl_slist *list,
                                       const char *text);
    void (*slist_free_all)(struct curl_slist *list);
    CURLM *(*multi_init)(void);
    CURLMcode (*multi_cleanup)(CURLM *multi);
    CURLMcode (*multi_setopt)(CURLM *multi, CURLMoption option, ...);
    CURLMcode (*multi_add_handle)(CURLM *multi, CURL *easy);
    CURLMcode (*multi_remove_handle)(CURLM *multi, CURL *easy);
    CURLMcode (*multi_perform)(CURLM *multi, int *running);
    CURLMcode (*multi_poll)(CURLM *multi, struct curl_waitfd *extra,
                            unsigned count, int timeout_ms, int *ready);
    CURLMcode (*multi_wakeup)(CURLM *multi);
    CURLMsg *(*multi_info_read)(CURLM *multi, int *left);
};

static struct curl_api api;
static void *library;
static unsigned version; /* of it */

static const struct {
    const char *name;
    size_t at;
} symbols[] = {
    {"curl_global_init", offsetof(struct curl_api, global_init)},
    {"curl_version_info", offsetof(struct curl_api, version_info)},
    {"curl_easy_init", offsetof(struct curl_api, easy_init)},
    {"curl_easy_cleanup", offsetof(struct curl_api, easy_cleanup)},
    {"curl_easy_setopt", offsetof(struct curl_api, easy_setopt)},
    {"curl_easy_getinfo", offsetof(struct curl_api, easy_getinfo)},
    {"curl_easy_strerror", offsetof(struct curl_api, easy_strerror)},
    {"curl_slist_append", offsetof(struct curl_api, slist_append)},
    {"curl_slist_free_all", offsetof(struct curl_api, slist_free_all)},
    {"curl_multi_init", offsetof(struct curl_api, multi_init)},
    {"curl_multi_cleanup", offsetof(struct curl_api, multi_cleanup)},
    {"curl_multi_setopt", offsetof(struct curl_api, multi_setopt)},
    {"curl_multi_add_handle", offsetof(struct curl_api, multi_add_handle)},
    {"curl_multi_remove_handle",
     offsetof(struct curl_api, multi_remove_handle)},
    {"curl_multi_perform", offsetof(struct curl_api, multi_perform)},
    {"curl_multi_poll", offsetof(struct curl_api, multi_poll)},
    {"curl_multi_wakeup", offsetof(struct curl_api, multi_wakeup)},
    {"curl_multi_info_read", offsetof(struct curl_api, multi_info_read)},
};

struct fetcher {
    CURLM *multi;
    struct list fetches;
};

struct fetch {
    struct list link; /* in fetcher->fetches */
    struct fetcher *fetcher;
    CURL *easy;
    struct curl_slist *headers;
    struct head head, trailers;
    bool speaks_http2;
    bool is_past_head; /* what comes now are trailers */
    struct buf body;
    const char *too_large; /* what is, if anything */
    char why[CURL_ERROR_SIZE];
    void (*on_answer)(void *ctx, const struct fetch_answer *answer);
    void *ctx;
};

/* --- the library --------------------------------------------------------- */

static bool find_symbols(struct buf *why)
{
    for (size_t i = 0; i < COUNT_OF(symbols); i++) {
        void *symbol = dlsym(library, symbols[i].name);

        if (symbol == NULL) {
            buf_printf(why, "libcurl.so.4 has no %s (7.85 or later is needed)",
                       symbols[i].name);
            return false;
        }
        /* POSIX lets a pointer to an object hold a function's address */
        memcpy((char *)&api + symbols[i].at, &symbol, sizeof(symbol));
    }
    return true;
}

static bool is_fit(struct buf *why)
{
    const curl_version_info_data *info = api.version_info(CURLVERSION_NOW);

    version = info->version_num;
    if (version < OLDEST_CURL) {
        buf_printf(why, "libcurl %s is too old: 7.85 or later is needed",
                   info->version);
        return false;
    }
    if (api.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        return true;
    buf_printf(why, "libcurl cannot be initialized");
    return false;
}

static bool load(struct buf *why)
{
    if (library != NULL)
        return true;
    library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        buf_printf(why, "libcurl is needed to send telemetry: %s", dlerror());
        return false;
    }
    if (find_symbols(why) && is_fit(why))
        return true;
    dlclose(library);
    library = NULL;
    return false;
}

struct fetcher *fetch_open(struct buf *why)
{
    struct fetcher *fetcher;

    if (!load(why))
        return NULL;
    fetcher = must_calloc(1, sizeof(*fetcher));
    fetcher->multi = api.multi_init();
    if (fetcher->multi == NULL)
        out_of_memory();
    (void)api.multi_setopt(fetcher->multi, CURLMOPT_MAXCONNECTS,
                           (long)IDLE_CONNECTIONS);
    list_init(&fetcher->fetches);
    return fetcher;
}

static void fetch_free(struct fetch *fetch)
{
    (void)api.multi_remove_handle(fetch->fetcher->multi, fetch->easy);
    api.easy_cleanup(fetch->easy);
    api.slist_free_all(fetch->headers);
    list_remove(&fetch->link);
    head_fini(&fetch->head);
    head_fini(&fetch->trailers);
    buf_fini(&fetch->body);
    free(fetch);
}

void fetch_close(struct fetcher *fetcher)
{
    list_each_safe (link, &fetcher->fetches)
        fetch_free(list_entry(link, struct fetch, link));
    (void)api.multi_cleanup(fetcher->multi);
    free(fetcher);
}

/* --- one transfer -------------------------------------------------------- */

/* Its type is libcurl's. */
/* NOLINTNEXTLINE(readability-non-const-parameter) */
static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct fetch *fetch = ctx;

    buf_put(&fetch->body, (struct str){bytes, size * count});
    if (!buf_failed(&fetch->body))
        return size * count;
    fetch->too_large = "the answer is larger than it may be";
    return 0;
}

static void add_field(struct head *head, struct str line)
{
    struct str name;

    if (!str_split(&line, ':', &name))
        return;
    head_add_name(head, name);
    head_end_name(head);
    head_add_value(head, str_trim(line));
}

/* A line of the head, or of the trailers.  An interim answer (RFC 9110, 15.2)
 * is one head more, and begins as each does with its status line: the last
 * one counts. */
/* NOLINTNEXTLINE(readability-non-const-parameter) */
static size_t on_header(char *bytes, size_t size, size_t count, void *ctx)
{
    struct fetch *fetch = ctx;
    struct str line = {bytes, size * count};
    struct str field = str_trim(line);
    struct head *head = fetch->is_past_head ? &fetch->trailers : &fetch->head;

    if (str_starts(line, STR("HTTP/"))) {
        head_clear(&fetch->head);
        head_clear(&fetch->trailers);
        fetch->is_past_head = false;
    } else if (field.len == 0) {
        fetch->is_past_head = true;
    } else {
        add_field(head, field);
    }
    if (!head->is_too_large)
        return line.len;
    fetch->too_large = "the head of the answer is larger than it may be";
    return 0;
}

static enum fetch_error error_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return FETCH_OK;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
        return FETCH_UNREACHABLE;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return FETCH_CLOSED;
    case CURLE_OPERATION_TIMEDOUT:
        return FETCH_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CIPHER:
        return FETCH_TLS;
    default:
        return FETCH_BROKEN;
    }
}

/* curl keeps a copy. */
static void set_text(CURL *easy, CURLoption option, struct str text)
{
    char *copy = must_calloc(1, text.len + 1);

    memcpy(copy, text.ptr, text.len);
    (void)api.easy_setopt(easy, option, copy);
    free(copy);
}

static void set_tls(CURL *easy, const struct fetch_tls *tls)
{
    if (tls->ca_file.len > 0) {
        set_text(easy, CURLOPT_CAINFO, tls->ca_file);
        /* or the system's would be trusted beside it */
        (void)api.easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (tls->cert_file.len > 0)
        set_text(easy, CURLOPT_SSLCERT, tls->cert_file);
    if (tls->key_file.len > 0)
        set_text(easy, CURLOPT_SSLKEY, tls->key_file);
}

static bool has_control(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' && text.ptr[i] != '\t')
            return true;
    return false;
}

/* A line break in a value would begin a header of its own. */
static void add_header(struct fetch *fetch, struct str name, struct str value)
{
    struct buf line;

    if (has_control(name) || has_control(value))
        return;
    buf_init(&line, HEAD_MAX_BYTES);
    /* curl drops a header without a value unless it ends with ';' */
    buf_printf(&line, value.len > 0 ? "%.*s: %.*s" : "%.*s;%.*s", STR_ARG(name),
               STR_ARG(value));
    buf_put_char(&line, '\0');
    if (!buf_failed(&line))
        fetch->headers = api.slist_append(fetch->headers, line.ptr);
    buf_fini(&line);
}

/* The host of http://user@host:port/path. */
static struct str host_of(struct str url)
{
    struct str authority = {NULL, 0}, host, behind;
    size_t at;

    if (str_find(url, STR("://"), &at))
        url = str_slice(url, at + 3, url.len);
    (void)str_split(&url, '/', &authority);
    behind = authority;
    if (str_split(&behind, '@', &host) && behind.len > 0)
        authority = behind;
    if (str_starts(authority, STR("[")) && str_find(authority, STR("]"), &at))
        return str_slice(authority, 1, at);
    return str_split(&authority, ':', &host) ? host : authority;
}

static bool is_loopback(struct str url)
{
    struct str host = host_of(url);

    return str_eq_nocase(host, STR("localhost")) || str_eq(host, STR("::1")) ||
           str_starts(host, STR("127."));
}

static void set_way(CURL *easy, const struct fetch_order *order)
{
    bool is_tls = str_starts(order->url, STR("https:"));
    uint64_t total_ms = order->timeout_ms > 0 ? order->timeout_ms : TOTAL_MS;

    (void)api.easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)total_ms);
    (void)api.easy_setopt(
        easy, CURLOPT_CONNECTTIMEOUT_MS,
        (long)(total_ms < CONNECT_MS ? total_ms : CONNECT_MS));
    (void)api.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* not to wait for a look-up that was given up: its thread ends alone */
    (void)api.easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    (void)api.easy_setopt(easy, CURLOPT_HTTP_VERSION,
                          (long)(!order->speaks_http2 ? CURL_HTTP_VERSION_1_1
                                 : is_tls
                                     ? CURL_HTTP_VERSION_2TLS
                                     : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE));
    /* curl below 8 fails when it goes on with a connection on which it spoke
     * HTTP/2 unasked: https://github.com/curl/curl/pull/10643 */
    if (order->speaks_http2 && !is_tls && version < CURL_8)
        (void)api.easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    if (is_loopback(order->url))
        (void)api.easy_setopt(easy, CURLOPT_PROXY, "");
    /* a proxy passes HTTP/2 on only through a tunnel */
    (void)api.easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL,
                          (long)order->speaks_http2);
    (void)api.easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (order->tls != NULL)
        set_tls(easy, order->tls);
}

static void set_order(struct fetch *fetch, const struct fetch_order *order)
{
    CURL *easy = fetch->easy;

    set_text(easy, CURLOPT_URL, order->url);
    (void)api.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    set_way(easy, order);
    (void)api.easy_setopt(easy, CURLOPT_POST, 1L);
    (void)api.easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                          (curl_off_t)order->body.len);
    (void)api.easy_setopt(easy, CURLOPT_POSTFIELDS,
                          order->body.len > 0 ? order->body.ptr : "");
    (void)api.easy_setopt(easy, CURLOPT_USERAGENT, "weir/" WEIR_VERSION);
    for (unsigned i = 0; i < order->header_count; i++)
        add_header(fetch, order->headers[i].name, order->headers[i].value);
    /* no waiting for "100 Continue": a header of blanks is left out */
    add_header(fetch, STR("Expect"), STR(" "));
    (void)api.easy_setopt(easy, CURLOPT_HTTPHEADER, fetch->headers);
    (void)api.easy_setopt(easy, CURLOPT_ERRORBUFFER, fetch->why);
    (void)api.easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)api.easy_setopt(easy, CURLOPT_WRITEDATA, fetch);
    (void)api.easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)api.easy_setopt(easy, CURLOPT_HEADERDATA, fetch);
    (void)api.easy_setopt(easy, CURLOPT_PRIVATE, fetch);
}

struct fetch *
fetch_begin(struct fetcher *fetcher, const struct fetch_order *order,
            void (*on_answer)(void *ctx, const struct fetch_answer *answer),
            void *ctx)
{
    struct fetch *fetch = must_calloc(1, sizeof(*fetch));

    fetch->fetcher = fetcher;
    fetch->on_answer = on_answer;
    fetch->ctx = ctx;
    fetch->speaks_http2 = order->speaks_http2;
    head_init(&fetch->head);
    head_init(&fetch->trailers);
    buf_init(&fetch->body, order->max_answer);
    fetch->easy = api.easy_init();
    if (fetch->easy == NULL)
        out_of_memory();
    set_order(fetch, order);
    list_push_back(&fetcher->fetches, &fetch->link);
    (void)api.multi_add_handle(fetcher->multi, fetch->easy);
    return fetch;
}

void fetch_cancel(struct fetch *fetch)
{
    fetch_free(fetch);
}

static long info_of(struct fetch *fetch, CURLINFO info)
{
    long n = 0;

    (void)api.easy_getinfo(fetch->easy, info, &n);
    return n;
}

/* A server of HTTP/1.1 that is spoken to in HTTP/2 hangs up, or answers what
 * curl has no word for. */
static void suspect_http1(struct fetch *fetch)
{
    size_t len = strlen(fetch->why);

    (void)snprintf(fetch->why + len, sizeof(fetch->why) - len,
                   " (does the server speak HTTP/2 there?)");
}

/* How it ended, and in what words. */
static void judge(struct fetch *fetch, CURLcode code,
                  struct fetch_answer *answer)
{
    answer->error = error_of(code);
    if (fetch->why[0] == '\0')
        (void)snprintf(fetch->why, sizeof(fetch->why), "%s",
                       api.easy_strerror(code));
    answer->detail = fetch->why;
    if (fetch->too_large != NULL) {
        answer->error = FETCH_TOO_LARGE;
        answer->detail = fetch->too_large;
    } else if (fetch->speaks_http2 && code == CURLE_OK &&
               info_of(fetch, CURLINFO_HTTP_VERSION) < CURL_HTTP_VERSION_2_0) {
        answer->error = FETCH_BROKEN;
        answer->detail = "the server does not speak HTTP/2";
    } else if (fetch->speaks_http2 && answer->status == 0 &&
               answer->error == FETCH_CLOSED) {
        suspect_http1(fetch);
    }
}

static void finish(struct fetch *fetch, CURLcode code)
{
    struct fetch_answer answer = {
        .status = (int)info_of(fetch, CURLINFO_RESPONSE_CODE),
        .head = &fetch->head,
        .trailers = &fetch->trailers,
    };

    judge(fetch, code, &answer);
    head_complete(&fetch->head);
    head_complete(&fetch->trailers);
    answer.body = buf_str(&fetch->body);
    fetch->on_answer(fetch->ctx, &answer);
    fetch_free(fetch);
}

void fetch_work(struct fetcher *fetcher)
{
    CURLMsg *message;
    int running;
    int left;

    (void)api.multi_perform(fetcher->multi, &running);
    while ((message = api.multi_info_read(fetcher->multi, &left)) != NULL) {
        CURLcode code = message->data.result;
        char *owner = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        (void)api.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
        finish((struct fetch *)(void *)owner, code);
    }
}

void fetch_wait(struct fetcher *fetcher, unsigned timeout_ms)
{
    (void)api.multi_poll(fetcher->multi, NULL, 0, (int)timeout_ms, NULL);
}

void fetch_wake(struct fetcher *fetcher)
{
    (void)api.multi_wakeup(fetcher->multi);
}
