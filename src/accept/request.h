/* One request as it stands at the door: head, body and the way back.
 *
 * It is made by its client and lent to the handler from on_request (or
 * on_refused) until the handler calls finish() or abort() of its sink, which
 * it does exactly once.  The caller may leave meanwhile: then on_gone comes,
 * and the sink swallows what is written. */
#ifndef WEIR_REQUEST_H
#define WEIR_REQUEST_H

#include "arena.h"
#include "head.h"
#include "sink.h"

struct client;

struct request {
    struct sink sink;
    struct client *client; /* NULL when the caller has left */
    struct arena arena;    /* cleared when the request is done */
    struct head head;
    struct str method;
    struct str path;  /* of the target, without the query */
    struct str query; /* behind the "?", may be empty */
    char *body;       /* malloc; NULL when there is none */
    size_t body_len;
    size_t body_cap;
    _Atomic size_t *memory_used; /* the budget that the body is counted in */
    bool is_read;                /* it counts for its bytes alone */
    char peer[48];               /* see request_peer() */
    bool is_http_1_0;
    bool keeps_alive;  /* the caller wants the connection to stay */
    bool is_complete;  /* the whole body has come */
    uint64_t began_us; /* when its first byte came, clock_us() */
    void *owner;       /* the handler's */
};

struct str request_body(const struct request *request);
/* The body has been read: what was made of it is gone, and only its bytes
 * count in the budget from now on. */
void request_settle_body(struct request *request);
/* Gives the body's memory back, when it is not needed any more. */
void request_drop_body(struct request *request);
/* The caller's address, "192.0.2.1", "unix" or "-"; lives as long as the
 * request. */
struct str request_peer(struct request *request);

#endif
