/* The stage on which whole exchanges are played: one worker without a
 * thread, a clock that only the script moves, wires that are socket pairs,
 * backends and callers that do what the fuzzer's bytes say. */
#ifndef WEIR_FUZZ_STAGE_H
#define WEIR_FUZZ_STAGE_H

#include <uv.h>

#include "buf.h"
#include "catalog.h"
#include "worker.h"

/* --- the script: bytes that are used up --------------------------------- */

struct script {
    struct str rest;
    /* Stands in the words of this run's requests and answers; the bytes of
     * a script cannot hold the hash of themselves. */
    char nonce[17];
};

/* 0 when it is at its end. */
unsigned script_byte(struct script *script);
/* At most `max` bytes. */
struct str script_bytes(struct script *script, size_t max);

/* --- net.c: the clock, and how a wire comes to a backend ---------------- */

enum { NET_FIRST_PORT = 1001 };

/* How long the loop's clock has run. */
uint64_t net_now_ms(void);
void net_advance(uint64_t ms);
/* Connections that were asked for come to stand, or not.  True when there
 * was one. */
bool net_pump(void);
/* Both ends, not blocking. */
void net_pair(int ends[2]);
/* Writes at most `most` bytes and takes them off; true when any went.  An
 * end without a reader swallows them. */
bool net_write(int fd, struct str *bytes, size_t most);
/* Reads all there is; true when there was something, *has_ended at the
 * end. */
bool net_read(int fd, struct buf *to, bool *has_ended);

/* --- backend.c ---------------------------------------------------------- */

enum { BACKEND_NEAR_A, BACKEND_NEAR_B, BACKEND_FAR, BACKENDS };

enum dial { DIAL_OK, DIAL_REFUSED, DIAL_NEVER, DIAL_POOR };

void backends_begin(const struct script *script);
/* What a backend of the tier will do next, read from the script. */
void backends_plan(struct script *script, bool is_far);
/* Somebody connects; *fd is his end. */
enum dial backends_dial(unsigned which, int *fd);
/* Those who had stalled go on. */
void backends_go_on(void);
bool backends_pump(void);
void backends_end(void);

/* --- caller.c ----------------------------------------------------------- */

enum { CALLERS = 3 };

void callers_begin(const struct script *script);
/* A request, read from the script, is put behind what waits to be sent. */
void callers_ask(struct script *script, unsigned who);
/* Bytes of the script as they are: from now on anything may happen to this
 * caller, but what he gets is still HTTP. */
void callers_say(struct script *script, unsigned who);
void callers_send(unsigned who, size_t most);
void callers_read(unsigned who, bool reads);
void callers_leave(unsigned who, bool half);
/* All that waits is sent, all that comes is read from now on. */
void callers_hurry(void);
bool callers_pump(struct door *door);
/* Has anybody a question that was not answered? */
bool callers_wait(void);
/* The oracles; then the connections are closed. */
void callers_end(void);

/* --- answers.c ---------------------------------------------------------- */

struct heard {
    int status;
    struct str body; /* in the arena when it was chunked */
    struct str id, tier;
    bool is_stream;
    bool closes;
    bool is_cut; /* the connection ended in the midst of it */
};

/* Takes one answer off the front of *bytes; interim ones are passed over.
 * False when there is none (left). */
bool answers_next(struct arena *arena, struct str *bytes, bool has_ended,
                  bool is_head_method, struct heard *heard);
/* What a caller asked in. */
enum words { IN_CHAT, IN_MESSAGES, IN_RESPONSES, IN_COUNT, WORDS };

/* The answer is in that format's words, and one of 200 is none of nothing. */
void answers_check(const struct heard *heard, enum words words);

#endif
