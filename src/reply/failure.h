/* The one door for bad news: an error in the caller's own format. */
#ifndef WEIR_FAILURE_H
#define WEIR_FAILURE_H

#include "dialect/format.h"
#include "reply/reply.h"

/* Answers with the error, before anything was sent.  `id` is the request's. */
void failure_reply(struct reply *reply, const struct format *format,
                   struct str id, const struct chat_error *error);

#endif
