/* The Claude models that the stand-in of the Anthropic API knows: the data
 * file's traits, and those that only the API itself needs. */
#ifndef WEIR_SIM_ROSTER_H
#define WEIR_SIM_ROSTER_H

#include "dialect/claude.h"

struct roster_model {
    const struct claude_model *traits;
    struct str name; /* "Claude Opus 5.5 (simulated)" */
    bool thinks_by_default;
    bool takes_system_inside; /* role "system" among the messages */
};

struct roster {
    struct arena arena;
    struct claude_models claude;
    struct roster_model *models;
    unsigned count;
};

/* Reads what stands in the binary. */
void roster_init(struct roster *roster);
void roster_fini(struct roster *roster);
/* The model of that id, alias or dated id; NULL when it is unknown. */
const struct roster_model *roster_find(const struct roster *roster,
                                       struct str name);

#endif
