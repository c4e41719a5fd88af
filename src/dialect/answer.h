/* An answer on its way from a backend to the caller: the backend's bytes in,
 * the caller's bytes out, and what must be known of it.
 *
 * Where both speak the same dialect the bytes pass (relay.h); otherwise they
 * go through the common form. */
#ifndef WEIR_ANSWER_H
#define WEIR_ANSWER_H

#include "dialect/anthropic.h"
#include "dialect/openai.h"
#include "dialect/relay.h"
#include "sse.h"

enum answer_status {
    ANSWER_GOES_ON,
    ANSWER_ENDED,  /* the last frame for the caller has been written; there
                      was a token, or at least a reason why there is none */
    ANSWER_FAILED, /* `error` says why; nothing more comes */
};

struct answer {
    bool is_translated; /* from Anthropic's dialect */
    struct openai_style style;
    struct buf quoted_model; /* as a JSON string; few bytes for a long time */
    struct sse_decoder sse;
    struct anthropic_stream reader;
    struct openai_stream writer;
    struct arena kept; /* for the error */
    struct buf *out;   /* while bytes are being read */
    enum answer_status status;

    /* what is known so far */
    bool has_token; /* something that a reader of the answer would see */
    enum chat_finish finish;
    struct chat_usage usage;
    struct chat_error error;
};

/* `names` (for the translated ones) and the strings of `style` are borrowed
 * for the answer's life.  `max_event` bounds one event of the stream. */
void answer_init(struct answer *answer, bool is_translated,
                 const struct openai_style *style, const struct names *names,
                 size_t max_event);
void answer_fini(struct answer *answer);

/* A piece of a streamed answer; what it means for the caller is appended to
 * `out`. */
enum answer_status answer_feed(struct answer *answer, struct str bytes,
                               struct buf *out);
/* The backend's stream is over, in order or not. */
enum answer_status answer_close(struct answer *answer, struct buf *out);

/* A complete answer in one piece: what goes to the caller, as pieces that
 * live in `body` and the arena.  0 when it cannot be understood, or with
 * answer->error set when there is no memory for it. */
unsigned answer_whole(struct answer *answer, struct arena *arena,
                      struct str body, const struct names *names,
                      struct str pieces[RELAY_PIECES]);

#endif
