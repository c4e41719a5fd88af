/* What the files of the choice share: choose.c and choose_refuse.c (who can go
 * nowhere).  Nobody else includes this. */
#ifndef WEIR_CHOOSE_PRIVATE_H
#define WEIR_CHOOSE_PRIVATE_H

#include "choose/choose.h"

struct chooser {
    struct arena *arena;
    const struct catalog *catalog;
    const struct rule_facts *facts;
    struct choice *choice;
    struct chat_error *error;
    struct str name; /* as it was asked for; "auto" for none */
    bool is_auto;
    bool is_certain; /* one model was named, by the caller or by a rule */
    bool *guards;    /* for each rule: it has a policy, and matches */
};

/* All set the error; they return false.
 *
 * There is no model of that name. */
bool choose_refuse_unknown(const struct chooser *c);
/* The model is there, but not for this.  `model` NULL: a Claude. */
bool choose_refuse_service(const struct chooser *c, const struct model *model);
/* The policy forbids the tier that the name belongs to, */
bool choose_refuse_conflict(const struct chooser *c, enum tier tier);
/* or leaves one that has nobody. */
bool choose_refuse_pinned(const struct chooser *c);
/* Is there anybody for this service at all?  False with the error set. */
bool choose_is_served(const struct chooser *c);

#endif
