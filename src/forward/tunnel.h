/* What is said to a proxy, and heard from it, before the way through it is
 * open: CONNECT (RFC 9110, 9.3.6). */
#ifndef WEIR_TUNNEL_H
#define WEIR_TUNNEL_H

#include "buf.h"
#include "proxy.h"

enum {
    TUNNEL_ANSWER_MAX = 16 * 1024,
    TUNNEL_WHY_MAX = 128,
};

enum tunnel_state {
    TUNNEL_WAITS, /* the answer is not complete */
    TUNNEL_OPEN,
    TUNNEL_REFUSED, /* `why` tells */
};

/* Asks the proxy for a way to the endpoint. */
void tunnel_ask(const struct proxy *proxy, const struct endpoint *endpoint,
                struct buf *out);

/* Looks at what the proxy has answered so far. */
enum tunnel_state tunnel_hear(struct str answer, char why[TUNNEL_WHY_MAX]);

#endif
