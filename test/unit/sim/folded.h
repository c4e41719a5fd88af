/* Answers of the stand-ins folded into one line, the same for an answer in one
 * piece and for a stream: "reasoning|content|f({…}) g({})|tool_calls null". */
#ifndef WEIR_TEST_SIM_FOLDED_H
#define WEIR_TEST_SIM_FOLDED_H

#include "json.h"

/* The JSON of the answer's body; fails the test when it is none. */
yyjson_val *folded_body(struct arena *arena, struct str answer);
/* Calls `each` with every event's JSON. */
void folded_events(struct arena *arena, struct str answer,
                   void (*each)(void *ctx, yyjson_val *event), void *ctx);

/* By the rules of the two formats.  The first choice only. */
struct str folded_chat(struct arena *arena, struct str answer);
struct str folded_messages(struct arena *arena, struct str answer);

#endif
