/* A receiver in the place of lib/fetch: a transfer begins, and the test
 * answers it when it likes.  Linked with --wrap (test/CMakeLists.txt). */
#ifndef WEIR_TEST_RECEIVER_H
#define WEIR_TEST_RECEIVER_H

#include "fetch.h"

struct receiver {
    bool is_busy;    /* a transfer waits for its answer */
    struct buf body; /* of the transfer, or of the last one */
    unsigned begun;  /* transfers, ever */
    unsigned cancelled;
    struct str url; /* of the last; borrowed */
};

extern struct receiver receiver;

/* Forgets all. */
void receiver_reset(void);
/* Answers the transfer under way. */
void receiver_answer(int status, const char *body);
void receiver_fail(enum fetch_error error, const char *detail);

#endif
