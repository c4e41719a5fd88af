/* Where a backend is reached: a base URL in its parts. */
#ifndef WEIR_ENDPOINT_H
#define WEIR_ENDPOINT_H

#include "str.h"

enum { ENDPOINT_HOST_MAX = 256 };

struct endpoint {
    struct str url; /* as it was written */
    bool is_tls;
    char host[ENDPOINT_HOST_MAX]; /* without brackets; for DNS and TLS */
    unsigned port;
    struct str authority; /* for the Host header: as in the URL */
    struct str path;      /* put before "/v1/…"; no slash at its end, and
                             without a "/v1" that the URL ended in */
};

/* "http://host[:port][/path]" or "https://…" (RFC 3986); no user, no query.
 * The result borrows from `url`.  False when it is none. */
MUST_USE bool endpoint_parse(struct str url, struct endpoint *out);

#endif
