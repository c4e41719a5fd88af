/* What the dialects' fuzzers share: how answers are written, which tools
 * were asked for, and what good output is. */
#ifndef WEIR_FUZZ_ORACLE_H
#define WEIR_FUZZ_ORACLE_H

#include <yyjson.h>

#include "dialect/answer.h"

enum { OUT_MAX = 64 << 20, EVENT_MAX = 1 << 20 };

extern const struct answer_style oracle_style;
/* The models that are shipped. */
const struct claude_models *oracle_models(void);
const struct names *oracle_names(void);

/* Valid JSON, on a reader without bounds of ours; to be freed.  Relayed text
 * may have halves of surrogate pairs, as it came. */
yyjson_doc *oracle_parse(struct str text, bool is_relayed);
void oracle_check_json(struct str text, bool is_relayed);
/* {"error":{…}} with a message. */
void oracle_check_error(const struct chat_error *error);

/* The length of the next piece: 1 to 32 bytes, or all there is where the seed
 * is 0. */
size_t oracle_step(unsigned *seed);

/* The request for every kind of model of Anthropic's: refused with a 400, or
 * written so that none of the API's own rules is broken. */
void oracle_write_anthropic(struct arena *arena, const struct chat *chat);
/* The same for an OpenAI-compatible server. */
void oracle_write_chat(struct arena *arena, const struct chat *chat);

/* A complete answer, relayed or translated; whatever comes in, what goes out
 * is a completion that says something. */
void oracle_whole(struct str body, bool is_translated);
/* A stream, whole and cut at places that follow from `seed`: the same bytes
 * and the same end. */
void oracle_stream(struct str bytes, bool is_translated, unsigned seed);

#endif
