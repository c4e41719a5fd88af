/* An HTTP client for what is sent beside the requests: telemetry.  It stands
 * on libcurl, which is loaded at the first fetch_open(): a router that exports
 * nothing neither waits for it nor holds its pages.
 *
 * One fetcher belongs to one thread.  Nothing blocks but fetch_wait(). */
#ifndef WEIR_FETCH_H
#define WEIR_FETCH_H

#include "buf.h"
#include "head.h"

/* How a transfer ended, if there is no whole answer. */
enum fetch_error {
    FETCH_OK,
    FETCH_UNREACHABLE, /* not resolved, refused, reset */
    FETCH_CLOSED,      /* without a whole answer */
    FETCH_TIMEOUT,
    FETCH_TLS,       /* certificate or handshake */
    FETCH_TOO_LARGE, /* the answer is */
    FETCH_BROKEN,    /* anything else: not HTTP, … */
};

struct fetch_header {
    struct str name, value;
};

/* TLS of a receiver; files in PEM, empty: the system's authorities, and no
 * certificate of our own. */
struct fetch_tls {
    struct str ca_file, cert_file, key_file;
};

struct fetch_order {
    struct str url; /* http: or https: */
    const struct fetch_header *headers;
    unsigned header_count;
    struct str body;      /* POSTed; borrowed until the answer */
    bool speaks_http2;    /* from the first byte on if http:, else by ALPN */
    bool ignores_proxies; /* for loopback */
    const struct fetch_tls *tls; /* borrowed for the fetcher's life */
    uint64_t timeout_ms;
    size_t max_answer; /* bytes of its body */
};

struct fetch_answer {
    enum fetch_error error;
    const char *detail; /* of the error */
    int status;         /* 0: none came */
    struct str body;
    /* Fields of the head, and of what came behind the body. */
    const struct head *head, *trailers;
};

struct fetcher;
/* One transfer under way. */
struct fetch;

/* NULL with a sentence in `why` when libcurl is not here. */
struct fetcher *fetch_open(struct buf *why);
/* Cancels what is under way; their owners hear nothing. */
void fetch_close(struct fetcher *fetcher);

/* Begins; `on_answer` is called once, from fetch_work(), with an answer that
 * is valid until it returns. */
struct fetch *
fetch_begin(struct fetcher *fetcher, const struct fetch_order *order,
            void (*on_answer)(void *ctx, const struct fetch_answer *answer),
            void *ctx);
void fetch_cancel(struct fetch *fetch);

/* Moves what can be moved. */
void fetch_work(struct fetcher *fetcher);
/* Waits for a socket or for `timeout_ms`, or until fetch_wake(), which may be
 * called from any thread. */
void fetch_wait(struct fetcher *fetcher, unsigned timeout_ms);
void fetch_wake(struct fetcher *fetcher);

#endif
