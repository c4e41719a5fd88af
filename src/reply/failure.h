/* The one door for bad news: an error in the caller's own dialect, as an
 * answer of its own or as the last words of a stream. */
#ifndef WEIR_FAILURE_H
#define WEIR_FAILURE_H

#include "reply/reply.h"

/* Answers with the error, or ends the stream that has begun with it.  Ends
 * the reply in both cases. */
void failure_reply(struct reply *reply, const struct chat_error *error);

#endif
