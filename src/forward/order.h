/* The head of a request to a backend: what its kind of server asks for. */
#ifndef WEIR_ORDER_H
#define WEIR_ORDER_H

#include "buf.h"
#include "catalog.h"

struct order {
    struct str method;
    struct str path;  /* behind the path of the base URL */
    struct str query; /* empty: none */
    size_t body_len;
    bool wants_stream;
    struct str request_id; /* empty: none */
    /* W3C Trace Context; empty: none */
    struct str traceparent, tracestate;
    /* A caller's who speaks Anthropic's format himself; empty: none. */
    struct str anthropic_version;
    struct str anthropic_beta;
};

/* Appends request line and headers, with the backend's key.  None of the
 * caller's headers goes along but those above: they are not made for the
 * backend.  `anthropic_version` is for orders that name none. */
void order_write(const struct order *order, const struct replica *replica,
                 struct str anthropic_version, struct buf *out);

#endif
