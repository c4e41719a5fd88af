/* What the tests of lib/fetch share: a fetcher, what it was answered, and a
 * server of plain sockets that does what the test says.  All on one thread:
 * whoever waits lets the fetcher work. */
#ifndef WEIR_FETCH_GIVEN_H
#define WEIR_FETCH_GIVEN_H

#include "../testing.h"
#include "buf.h"
#include "fetch.h"

struct given_fetch {
    struct fetcher *fetcher;
    struct fetch *fetch;
    /* the answer, copied */
    unsigned answers;
    enum fetch_error error;
    int status;
    struct buf detail, body;
    struct buf head, trailers; /* "name: value\n" for each */
    /* the server */
    int listener; /* -1: none */
    unsigned port;
    int fd;         /* the connection; -1: none */
    struct buf got; /* what it was sent */
};

extern struct given_fetch given;

int given_begin(void **state);
int given_end(void **state);

/* An order to the server: POST of `body`, answers up to 64 KiB, ten
 * seconds. */
struct fetch_order given_order(const char *body);
/* "http://127.0.0.1:PORT/v1/x"; good until the next call. */
struct str given_url(const char *scheme, const char *host);
void given_fetch(const struct fetch_order *order);

/* Lets the fetcher work for a moment; fails after a long time. */
void given_turn(void);
#define given_until(condition) \
    do {                       \
        given_be_patient();    \
        while (!(condition))   \
            given_turn();      \
    } while (0)
void given_be_patient(void);

/* The server: takes the next connection, reads until `needle` is there, says
 * something, hangs up. */
void given_accept(void);
/* Somebody waits to be accepted; the connection has brought `needle`. */
bool given_is_called(void);
bool given_has_got(const char *needle);
void given_read_until(const char *needle);
void given_say(struct str bytes);
void given_hang_up(void);
/* All of it: one request with that body is answered so. */
void given_serve(const char *body, const char *answer);

/* Begins, and waits for the answer to what the server says, if anything. */
void given_fetch_answer(const struct fetch_order *order);

#endif
