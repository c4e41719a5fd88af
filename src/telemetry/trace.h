/* W3C Trace Context: https://www.w3.org/TR/trace-context/ */
#ifndef WEIR_TRACE_H
#define WEIR_TRACE_H

#include "str.h"

enum { TRACE_PARENT_LEN = 55, TRACE_ID_LEN = 32, TRACE_SPAN_LEN = 16 };

/* The context that goes out: the caller's trace if it sent a valid one, a new
 * one else; with a span of our own. */
struct trace {
    char parent[TRACE_PARENT_LEN + 1]; /* a traceparent header's value */
};

void trace_begin(struct trace *trace, struct str incoming);
struct str trace_id(const struct trace *trace);

/* `len` hexadecimal digits of randomness, without a NUL. */
void trace_random_hex(char *out, size_t len);

#endif
