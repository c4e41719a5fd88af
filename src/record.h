/* The account of one exchange: what was asked, what became of it, and what it
 * took.  Filled in on the way, closed in settle, read by the access log and
 * the counters. */
#ifndef WEIR_RECORD_H
#define WEIR_RECORD_H

#include "catalog.h"
#include "dialect/chat.h"
#include "dialect/fields.h"

enum outcome {
    OUTCOME_OK,
    OUTCOME_CLIENT_ERROR,
    OUTCOME_ERROR,
    OUTCOME_CANCELLED, /* the caller left */
    OUTCOMES,
};

struct record {
    /* the request */
    struct str id;
    struct str trace_id;
    struct str peer;
    struct str method, path;
    struct str key;   /* its name, empty when none was needed */
    struct str model; /* as asked for; "auto" when none was */
    bool is_chat;     /* a request that needed a backend */
    bool is_stream;
    bool wants_local; /* the policy wanted it local */
    bool was_held;    /* it waited for a backend to become ready */
    int64_t prompt_tokens_estimated;
    size_t bytes_in;

    /* who answered, if anybody */
    enum tier tier;
    struct str backend, served_model;
    struct str reason;
    unsigned tries;
    /* what it could not take: slots of dialect/fields.h */
    uint16_t *dropped;
    unsigned dropped_count;

    /* the answer */
    int status;
    enum error error;  /* OK when all went well */
    struct str detail; /* of the error, for the log only */
    size_t bytes_out;
    struct chat_usage usage;
    enum chat_finish finish;

    /* microseconds of clock_us(); 0 = it never came to that */
    uint64_t began_us, first_byte_us, first_token_us, ended_us;

    enum outcome outcome; /* see settle() */
};

#endif
