/* What the parts of reading a configuration share: config.c, which knows the
 * values, and config_file.c, which reads them from a file.  Nobody else's. */
#ifndef WEIR_CONFIG_READ_H
#define WEIR_CONFIG_READ_H

#include "config.h"

/* A problem, with the file's name and line; line 0: of no line. */
void config_complain_line(struct config *config, unsigned line,
                          const char *format, ...) PRINTF_LIKE(3, 4);
/* The option's path from the root, as people write it: "backends[0].url". */
struct str config_full_path(struct arena *arena, const struct config_node *node,
                            struct str path);
/* Where the option's value is kept in a node of its section. */
struct config_value *config_value_of(const struct config_node *node,
                                     enum config_option option);
/* Turns a value's text into its meaning; complains when it has none. */
void config_settle(struct config *config, const struct config_node *node,
                   enum config_option option);
/* An empty node: all of its values are the defaults. */
void config_node_init(struct config *config, struct config_node *node,
                      enum config_section section, struct str path,
                      unsigned line);
/* Reads the file into the root; what is wrong with it becomes problems. */
void config_read_file(struct config *config, const char *name);

#endif
