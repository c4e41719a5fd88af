/* What a record is in Langfuse's words, the same for both of its interfaces.
 *
 * Its usage is summed up over the kinds, so each token is in one of them
 * alone: `input` is what no cache had to do with, `output` what was no
 * reasoning (https://langfuse.com/docs/observability/features/
 * token-and-cost-tracking).  A cost that is given is taken as it is, and
 * nothing is guessed beside it. */
#ifndef WEIR_LANGFUSE_FACTS_H
#define WEIR_LANGFUSE_FACTS_H

#include "record.h"
#include "telemetry/langfuse_text.h"

/* What its own libraries take of a user, a session or a tag.  A longer one is
 * left out: a part of it would be somebody else's. */
enum { LANGFUSE_NAME_MAX = 200 };

/* A request that becomes a generation: one that a model was asked with.  What
 * was turned away at the door, for want of a key, is none: strangers could
 * fill a project, which is paid by what it holds. */
bool langfuse_is_generation(const struct record *record);

/* The name of the generation and of a trace that begins with it. */
struct str langfuse_name(const struct record *record);
/* Who served it; the one that was asked for when nobody did. */
struct str langfuse_model(const struct record *record);
/* ERROR; WARNING when the caller left, or another backend answered than the
 * one that should have; empty: nothing to say. */
struct str langfuse_level(const struct record *record);
/* Why, as the inside of a JSON string. */
void langfuse_put_message(struct buf *out, const struct record *record);
/* The caller's name for its user or session; empty when it cannot be one. */
struct str langfuse_person(struct str name);

enum { LANGFUSE_PAIRS_MAX = 32, LANGFUSE_TAGS_MAX = 32 };

/* What the caller's metadata say. */
struct langfuse_told {
    struct {
        struct str key, value;
    } pairs[LANGFUSE_PAIRS_MAX];
    unsigned pair_count;
    struct str tags[LANGFUSE_TAGS_MAX];
    unsigned tag_count;
};

/* Strings stand in the arena. */
void langfuse_read_told(struct arena *arena, struct str metadata,
                        struct langfuse_told *told);

/* --- JSON objects -------------------------------------------------------- */

bool langfuse_has_parameters(const struct record *record);
void langfuse_put_parameters(struct buf *out, const struct record *record,
                             enum langfuse_place place);
void langfuse_put_usage(struct buf *out, const struct record *record,
                        enum langfuse_place place);
void langfuse_put_cost(struct buf *out, const struct record *record,
                       enum langfuse_place place);
/* The routing facts, whose keys begin with "router_", and what the caller has
 * told.  `without_content`: input and output were too large. */
void langfuse_put_metadata(struct buf *out, const struct record *record,
                           const struct langfuse_told *told,
                           bool without_content, enum langfuse_place place);

#endif
