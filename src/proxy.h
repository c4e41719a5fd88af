/* Which way out: a proxy that opens tunnels by CONNECT (RFC 9110, 9.3.6), as
 * HTTPS_PROXY, HTTP_PROXY and NO_PROXY name it, in either case of letters.
 * What a name in NO_PROXY covers is not standardised; this follows curl(1) and
 * adds networks, "10.0.0.0/8", as most others do. */
#ifndef WEIR_PROXY_H
#define WEIR_PROXY_H

#include "arena.h"
#include "endpoint.h"
#include "secret.h"

struct proxy {
    char host[ENDPOINT_HOST_MAX]; /* for DNS */
    unsigned port;
    /* "user:password" in Base64, for Proxy-Authorization; may be empty */
    struct secret credentials;
};

/* "http://[user:password@]host[:port]", also without the scheme; the port is
 * 80 if none is given, as with other URLs.  NULL when it is none. */
struct proxy *proxy_parse(struct arena *arena, struct str url);

/* Are requests to the endpoint exempt from proxies, by a list as NO_PROXY has
 * it? */
bool proxy_is_exempt(const struct endpoint *endpoint, struct str list);

/* Is it this machine?  The environment's proxies are not for it. */
bool proxy_is_loopback(const struct endpoint *endpoint);

/* The text of an environment variable in lower or else in upper case; empty
 * when there is none.  `name` is told: the one that was found. */
struct str proxy_environment(const char *lower, const char *upper,
                             const char **name);

bool proxy_equal(const struct proxy *a, const struct proxy *b);

#endif
