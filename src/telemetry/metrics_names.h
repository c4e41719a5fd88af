/* The names that may become label values: those of the configuration and of
 * our own tables, and no other.
 *
 * Every name has a number, for good.  One thread at a time adds; any thread
 * reads meanwhile. */
#ifndef WEIR_METRICS_NAMES_H
#define WEIR_METRICS_NAMES_H

#include "catalog.h"

enum name_set {
    NAMES_TARGET, /* backends */
    NAMES_MODEL,  /* as backends call them */
    NAMES_RULE,
    NAMES_CAUSE, /* behind fit:, fallback: and spill:, service: */
    NAME_SETS,
};

/* In every set.  A name that is not there, or for which there was no room, is
 * "other". */
enum { NAME_OTHER, NAME_NONE, NAME_FIRST };

struct metrics_names;

struct metrics_names *metrics_names_new(void);
void metrics_names_free(struct metrics_names *names);

/* Gives the name a number, unless it has one. */
void metrics_names_add(struct metrics_names *names, enum name_set set,
                       struct str name);
/* `alias` has the number of `name`, which must be there. */
void metrics_names_alias(struct metrics_names *names, enum name_set set,
                         struct str alias, struct str name);
/* All that a catalog can name. */
void metrics_names_follow(struct metrics_names *names,
                          const struct catalog *catalog);

/* NAME_NONE when `name` is empty, NAME_OTHER when it is unknown. */
unsigned metrics_names_find(const struct metrics_names *names,
                            enum name_set set, struct str name);
/* The name of that number, which find() has given. */
struct str metrics_names_get(const struct metrics_names *names,
                             enum name_set set, unsigned number);

#endif
