/* A libuv loop for one test, with what the wires and deadlines of lib need,
 * and plain sockets for the other end of a connection.
 *
 * Nothing here waits for longer than LOOP_PATIENCE_MS: then the test fails. */
#ifndef WEIR_LOOP_H
#define WEIR_LOOP_H

#include <uv.h>

#include "buf.h"
#include "deadline.h"
#include "wire.h"

enum { LOOP_PATIENCE_MS = 20000 };

struct loop {
    uv_loop_t uv;
    struct wire_loop wires;
    struct deadlines deadlines;
    uv_timer_t tick; /* so that no turn takes longer than a moment */
    uint64_t patience_until;
};

void loop_open(struct loop *loop);
/* All handles but the loop's own must be closed, or closing. */
void loop_close(struct loop *loop);
/* One turn: waits for something to happen, for 2 ms at most. */
void loop_turn(struct loop *loop);
void loop_run_ms(struct loop *loop, uint64_t ms);
/* A new test of patience; loop_until() begins one. */
void loop_be_patient(struct loop *loop);

#define loop_until(loop, condition) \
    do {                            \
        loop_be_patient(loop);      \
        while (!(condition)) {      \
            loop_turn(loop);        \
        }                           \
    } while (0)

/* --- plain sockets on 127.0.0.1 ------------------------------------------- */

/* A listening socket on a free port. */
int socket_listen(unsigned *port);
/* A port on which nobody listens. */
unsigned socket_dead_port(void);
/* The next caller; waits for one. */
int socket_accept(struct loop *loop, int listener);
/* Is somebody there who was not accepted? */
bool socket_has_caller(int listener);
/* Two ends of one connection, both non-blocking. */
void socket_pair(int ends[2]);
/* Closes so that the other end sees a reset. */
void socket_reset(int fd);

/* Writes all of it, turning the loop while the socket is full. */
void socket_write(struct loop *loop, int fd, struct str bytes);
void socket_say(struct loop *loop, int fd, const char *text);
/* Appends what has come; false when the other end has closed. */
bool socket_read(int fd, struct buf *to);
/* Reads until the end, or until `to` contains `needle`. */
void socket_read_to_end(struct loop *loop, int fd, struct buf *to);
void socket_read_until(struct loop *loop, int fd, struct buf *to,
                       const char *needle);

#endif
