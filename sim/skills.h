/* The small things a stand-in can answer in plain words, in a table: the
 * first one that fits the question answers it. */
#ifndef WEIR_SIM_SKILLS_H
#define WEIR_SIM_SKILLS_H

#include "buf.h"
#include "clues.h"
#include "prompt.h"

struct skill_task {
    struct arena *arena;
    const struct prompt *prompt;
    struct clues clues; /* of the question */
};

/* Answers `question` in the arena.  Never empty.  *is_echo tells that no
 * skill fitted and the answer only says what was asked. */
struct str skills_answer(struct arena *arena, const struct prompt *prompt,
                         struct str question, bool *is_echo);

/* One skill each: true when it has put an answer. */
bool skill_classify(const struct skill_task *task, struct buf *out);
bool skill_summarise(const struct skill_task *task, struct buf *out);
bool skill_plan(const struct skill_task *task, struct buf *out);
bool skill_tell(const struct skill_task *task, struct buf *out);
bool skill_describe(const struct skill_task *task, struct buf *out);

/* "positive", "negative" or "neutral". */
struct str skill_sentiment(const struct clues *clues);

#endif
