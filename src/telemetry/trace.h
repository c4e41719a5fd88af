/* W3C Trace Context, level 2: https://www.w3.org/TR/trace-context-2/ */
#ifndef WEIR_TRACE_H
#define WEIR_TRACE_H

#include "arena.h"
#include "head.h"
#include "str.h"
#include "telemetry/sampler.h"

enum { TRACE_PARENT_LEN = 55, TRACE_ID_LEN = 32, TRACE_SPAN_LEN = 16 };

/* Bits of trace-flags; no others go out. */
enum { TRACE_SAMPLED = 1, TRACE_RANDOM = 2 };

/* What a caller's valid context counts for. */
enum trace_trust {
    TRACE_CONTINUE, /* all it says */
    TRACE_RESAMPLE, /* its ids, and not whether it is recorded */
    TRACE_RESTART,  /* nothing: a new trace begins, with a link to it */
};

/* The place of a request in its trace, and what goes out of it.  Ids are in
 * lower-case hexadecimal. */
struct trace {
    char id[TRACE_ID_LEN];
    char span_id[TRACE_SPAN_LEN]; /* of our server span */
    unsigned flags;               /* as they go out */
    bool is_sampled;              /* our spans are recorded */
    bool is_passive;              /* a caller's context goes on as it came */
    bool is_silent;               /* none goes out */
    struct str parent_id;         /* the caller's span; empty: none */
    struct str state;             /* tracestate for who comes next, or empty */
    /* that a new trace was begun beside; empty: none */
    struct str link_id, link_span_id;
    unsigned link_flags;
};

/* Reads the context that came along; without a valid one a trace begins here.
 * Strings are borrowed from `head` and `arena`. */
void trace_begin(struct trace *trace, const struct head *head,
                 struct arena *arena, const struct sampler *sampler,
                 enum trace_trust trust);
/* Borrows from the trace. */
struct str trace_id(const struct trace *trace);

/* A traceparent header's value that names the span. */
void trace_parent(const struct trace *trace, const char span_id[TRACE_SPAN_LEN],
                  char out[TRACE_PARENT_LEN]);
/* What a request of ours bears that is recorded as this span, written to
 * `out`; empty: nothing. */
struct str trace_parent_of_try(const struct trace *trace,
                               const char span_id[TRACE_SPAN_LEN],
                               char out[TRACE_PARENT_LEN]);

/* `len` hexadecimal digits of randomness, without a NUL. */
void trace_random_hex(char *out, size_t len);

#endif
