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
    FETCH_UNREACHABLE, /* not resolved, refused */
    FETCH_CLOSED,      /* or reset, without a whole answer */
    FETCH_TIMEOUT,
    FETCH_TLS,       /* certificate or handshake */
    FETCH_TOO_LARGE, /* the answer is, or its head */
    FETCH_BROKEN,    /* anything else: not HTTP, not HTTP/2, … */
};

struct fetch_header {
    struct str name, value;
};

/* TLS of a receiver; files in PEM.  Without a ca_file the system's authorities
 * are trusted, with one only its own. */
struct fetch_tls {
    struct str ca_file, cert_file, key_file;
};

struct fetch_order {
    struct str url;                     /* http: or https: */
    const struct fetch_header *headers; /* none with control characters */
    unsigned header_count;
    struct str body;   /* POSTed; borrowed until the answer */
    bool speaks_http2; /* from the first byte on if http:, else by ALPN */
    const struct fetch_tls *tls; /* borrowed until it has begun */
    uint64_t timeout_ms;         /* of all; 0: ten seconds */
    size_t max_answer;           /* bytes of its body */
};

struct fetch_answer {
    enum fetch_error error;
    const char *detail; /* of the error, a sentence or so */
    int status;         /* 0: none came */
    struct str body;
    /* Fields of the head, and of what came behind the body.  An answer that is
     * a head alone has all of them there: a gRPC server that refuses at once
     * answers so ("Trailers-Only"). */
    const struct head *head, *trailers;
};

struct fetcher;
/* One transfer under way. */
struct fetch;

/* NULL with a sentence in `why` when libcurl is not here.  The process must
 * ignore SIGPIPE. */
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
