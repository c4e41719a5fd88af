/* A configuration given as text, read as the program reads its file: with
 * none of the variables of the environment set, but those that a test sets.
 */
#ifndef WEIR_GIVEN_H
#define WEIR_GIVEN_H

#include "catalog.h"
#include "config.h"

/* Unsets every variable that an option has. */
void given_clean_environment(void);

/* A file with this text; its name is put into `path`. */
void given_file(struct str text, char path[64]);

/* Reads `yaml` (NULL: no file).  True when nothing is wrong.  The file is
 * gone afterwards; config_fini() is the caller's. */
bool given_config(struct config *config, const char *yaml);

/* The catalog of a configuration that must be right. */
struct catalog *given_catalog(const char *yaml);

/* A catalog must not come of it: what is wrong, in the caller's buffer. */
void given_bad_catalog(const char *yaml, struct buf *problems);

#endif
