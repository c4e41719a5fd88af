/* Which text a member of a JSON object is to have: by its name, its format
 * and what stands in the question. */
#ifndef WEIR_SIM_INSTANCE_TEXT_H
#define WEIR_SIM_INSTANCE_TEXT_H

#include "instance.h"

/* The text for `key`; *is_obvious tells whether the question has it, or
 * whether it is made up.  `nth_place` is for the next member that wants a
 * place, and is counted on. */
struct str instance_text(const struct instance_source *source, struct str key,
                         size_t *nth_place, bool *is_obvious);
/* The text for a "format"; ptr NULL when it is none that we know. */
struct str instance_format(const struct instance_source *source,
                           struct str format);
/* Several texts for a list of that name; how many. */
size_t instance_texts(const struct instance_source *source, struct str key,
                      struct str texts[], size_t most);
/* "departureCity" → "departure city" */
struct str instance_words(struct arena *arena, struct str key);

#endif
