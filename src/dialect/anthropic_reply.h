/* What the readers of Anthropic's answers and streams share; nobody else
 * includes this. */
#ifndef WEIR_ANTHROPIC_REPLY_H
#define WEIR_ANTHROPIC_REPLY_H

#include "anthropic.h"

/* Takes the numbers of a `usage` object; NULL changes nothing. */
void anthropic_take_counts(yyjson_val *usage, struct anthropic_counts *counts);
struct chat_usage anthropic_usage(const struct anthropic_counts *counts);

enum chat_finish anthropic_finish(struct str stop_reason, bool has_calls);
/* Without "msg_". */
struct str anthropic_bare_id(struct str id);

/* A tool's input as the text that OpenAI's `arguments` (or a custom tool's
 * `input`) bears. */
void anthropic_put_input(struct buf *out, yyjson_val *input, bool is_custom);

#endif
