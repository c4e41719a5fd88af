/* An answer on its way from a backend to the caller: the backend's bytes in,
 * the caller's bytes out, and what must be known of it.
 *
 * Where both speak the same format the bytes pass (relay.h); otherwise they
 * go through the common form. */
#ifndef WEIR_ANSWER_H
#define WEIR_ANSWER_H

#include "format.h"
#include "gather.h"
#include "recall.h"
#include "relay.h"
#include "sse.h"

enum answer_status {
    ANSWER_GOES_ON,
    ANSWER_ENDED,  /* the last frame for the caller has been written; there
                      was a token, or at least a reason why there is none */
    ANSWER_FAILED, /* `error` says why; nothing more comes */
};

struct answer {
    const struct format *from; /* the backend's */
    const struct format *to;   /* the caller's */
    struct answer_style style;
    struct str quoted_model; /* as a JSON string */
    struct sse_decoder sse;
    void *reader, *writer; /* NULL where the bytes pass */
    struct relay_facts facts;
    struct recall *recall; /* notes what is said; NULL: nobody does */
    struct gather *gather; /* the same, to be looked at later */
    struct arena kept;     /* for the error, and for the id */
    bool seeks_id;         /* somebody wants to know it */
    struct buf *out;       /* while bytes are being read */
    enum answer_status status;

    /* what is known so far */
    bool has_token; /* something that a reader of the answer would see */
    enum chat_finish finish;
    struct chat_usage usage;
    struct str id; /* that the backend gave it, if seeks_id was set */
    struct chat_error error;
};

/* `arena`, `names` and the strings of `style` are borrowed for the answer's
 * life.  `max_event` bounds one event of the stream. */
void answer_init(struct answer *answer, struct arena *arena,
                 const struct format *from, const struct format *to,
                 const struct answer_style *style, const struct names *names,
                 size_t max_event);
void answer_fini(struct answer *answer);

/* A piece of a streamed answer; what it means for the caller is appended to
 * `out`. */
enum answer_status answer_feed(struct answer *answer, struct str bytes,
                               struct buf *out);
/* The backend's stream is over, in order or not. */
enum answer_status answer_close(struct answer *answer, struct buf *out);
/* The text of the complete answer that a stream amounted to, for formats that
 * keep it; ptr NULL: none. */
struct str answer_result(const struct answer *answer);
/* The last words of a stream that has begun: `error`, in place of an end. */
void answer_fail(struct answer *answer, const struct chat_error *error,
                 struct buf *out);

/* A complete answer in one piece: what goes to the caller, as pieces that
 * live in `body` and the arena.  0 when it cannot be understood, or with
 * answer->error set when there is more to say. */
unsigned answer_whole(struct answer *answer, struct arena *arena,
                      struct str body, const struct names *names,
                      struct str pieces[RELAY_PIECES]);

#endif
