/* Fit: can a model take a request at all?  By what the configuration and the
 * list of Claude's models say of it; who is well comes in later. */
#ifndef WEIR_FIT_H
#define WEIR_FIT_H

#include "choose/rule.h"

enum misfit {
    MISFIT_NONE,
    MISFIT_CONTEXT, /* prompt and answer exceed the context window */
    MISFIT_OUTPUT,  /* more max_tokens than it can write */
    MISFIT_IMAGES,  /* images or files */
    MISFIT_TOOLS,
    MISFIT_STRUCTURED,   /* an answer in the shape of a schema */
    MISFIT_THINKING,     /* a reasoning effort */
    MISFIT_SERVER_TOOLS, /* tools that a vendor's server runs */
    MISFITS,
};

/* Why the model cannot serve the request.  The sizes that a cloud model has
 * are its vendor's business: it counts exactly, and max_tokens is cut to what
 * it can write.
 *
 * `is_last_resort`: nobody else may take the request, so it is refused only
 * for what is beyond doubt.  The prompt's length is an estimate: then the
 * prompt alone must exceed the window.  And built-in tools are no hindrance
 * where the setting drops them. */
enum misfit fit_check(const struct model *model, const struct rule_facts *facts,
                      bool is_last_resort);

/* May the request go without its built-in tools to who has none? */
bool fit_drops_server_tools(const struct settings *settings,
                            const struct chat *chat);

/* "context", "output", …: fit:NAME in X-Router-Reason. */
struct str fit_name(enum misfit cause);
/* One sentence: what was asked, and what the model can do. */
struct str fit_explain(struct arena *arena, const struct model *model,
                       const struct rule_facts *facts, enum misfit cause);
/* Sets *error, which names the field; returns false. */
bool fit_refuse(struct chat_error *error, struct arena *arena,
                const struct model *model, const struct rule_facts *facts,
                enum misfit cause);

#endif
