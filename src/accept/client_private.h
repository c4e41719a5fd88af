/* What the files of a connection share: client.c (its life, and the way
 * back), client_parse.c (from bytes to a request) and request.c (what a request
 * holds).  Nobody else includes this. */
#ifndef WEIR_CLIENT_PRIVATE_H
#define WEIR_CLIENT_PRIVATE_H

#include <llhttp.h>

#include "client.h"

enum client_state {
    CLIENT_IDLE,      /* between two requests */
    CLIENT_HEAD,      /* the head is coming */
    CLIENT_BODY,      /* the body is coming */
    CLIENT_ANSWERING, /* the handler has the request */
    CLIENT_LINGERING, /* all is said; what still comes is thrown away */
};

struct client {
    struct wire wire;
    struct list link; /* in door->clients */
    struct door *door;
    struct deadline deadline;
    enum client_state state;
    llhttp_t parser;
    struct request *request; /* the present or, idle, the next one */
    struct buf pending;      /* bytes behind the present request */
    enum error trouble;      /* found in a callback of the parser */
    size_t body_max;         /* of the present request */
    char peer[48];           /* its address; empty: not asked for yet */
    unsigned spaces;         /* in the request line, so far */
    unsigned version_at;     /* behind the second of them */
    bool is_line_read;       /* the request line is complete */
    uint64_t written;        /* bytes of answers, all together */
    uint64_t taken;          /* of these, when we last looked */
    bool closes;             /* no further request on this connection */
    bool is_feeding;         /* inside feed(): do not enter it again */
};

/* --- client.c ----------------------------------------------------------- */

/* The way back: what the sink of each request does. */
extern const struct sink_ops client_sink_ops;

/* --- client_parse.c ----------------------------------------------------- */

/* Ready for the first byte of a request. */
void client_begin_parsing(struct client *client);
/* Has the request line, as far as it has come, the one right form? */
bool client_is_line_fine(struct client *client, struct str bytes);

/* --- request.c ---------------------------------------------------------- */

struct request *request_new(struct client *client);
/* Ready for the next one on the same connection. */
void request_reset(struct request *request);
void request_free(struct request *request);
/* Room in the budget of all bodies for so many bytes more; request_drop_body()
 * gives it back. */
MUST_USE bool request_take_budget(struct client *client, size_t bytes);

#endif
