/* The configuration: what the file and the environment say, value by value,
 * each with its origin.  What it means is the catalog's business.
 *
 * The environment wins over the file, the file over the default.  In the file
 * ${VAR} and ${VAR:-otherwise} are replaced in every value, and a secret may
 * be given as file:/path. */
#ifndef WEIR_CONFIG_H
#define WEIR_CONFIG_H

#include "arena.h"
#include "buf.h"
#include "secret.h"
#include "str.h"

enum config_section {
    CONFIG_ROOT,
    CONFIG_BACKEND,
    CONFIG_MODEL,
    CONFIG_RULE,
    CONFIG_KEY,
    CONFIG_SECTIONS,
};

/* One for each row of config.def: CONFIG_ROOT_LISTEN_HOST, … */
enum config_option {
#define OPTION(section, id, path, type, env, otherwise, help) \
    CONFIG_##section##_##id,
#include "config.def"
#undef OPTION
    CONFIG_OPTIONS
};

enum config_source {
    CONFIG_UNSET,
    CONFIG_DEFAULT,
    CONFIG_FILE,
    CONFIG_ENV,
    CONFIG_ARGUMENT,
};

struct config_value {
    enum config_source source;
    unsigned line;   /* in the file, from 1 */
    struct str text; /* as written, references resolved; secrets: empty */
    int64_t number;  /* counts, bytes, milliseconds, enums and bools */
    struct secret secret;
    struct str *items; /* of a list */
    unsigned item_count;
};

/* One mapping of the file: the root, a backend, a model, a rule or a key. */
struct config_node {
    enum config_section section;
    struct str path; /* "backends[0].models[1]"; empty for the root */
    unsigned line;
    struct config_value *values; /* one for each option of the section */
    struct config_node *models;  /* of a backend */
    unsigned model_count;
};

struct config {
    struct arena arena;
    struct str file; /* its name; empty when there is none */
    struct config_node root;
    struct config_node *backends, *rules, *keys;
    unsigned backend_count, rule_count, key_count;
    struct buf problems; /* one line each */
    unsigned problem_count;
};

/* Reads `file` (NULL: none) and the environment.  True when nothing is wrong;
 * otherwise `problems` tells, one line each: file, line, option, what was
 * read, what was expected.  config_fini() in both cases. */
MUST_USE bool config_load(struct config *config, const char *file);
void config_fini(struct config *config);

const struct config_value *config_get(const struct config_node *node,
                                      enum config_option option);
bool config_is_set(const struct config_node *node, enum config_option option);
struct str config_text(const struct config_node *node,
                       enum config_option option);
int64_t config_number(const struct config_node *node,
                      enum config_option option);

/* Where it stands in the file: "listen.port". */
struct str config_path(enum config_option option);

/* Adds a problem with a value that was read: "weir.yaml:7: …". */
void config_complain(struct config *config, const struct config_node *node,
                     enum config_option option, const char *format, ...)
    PRINTF_LIKE(4, 5);
/* The same for a node as a whole. */
void config_complain_node(struct config *config, const struct config_node *node,
                          const char *format, ...) PRINTF_LIKE(3, 4);

/* Sets a value as the command line does; wins over everything. */
void config_override(struct config *config, enum config_option option,
                     struct str text);

/* `weir check`: every value that is in force, with its origin.  Secrets are
 * hidden. */
void config_show(const struct config *config, struct buf *out);
/* The manual page weir.yaml(5), for man(7). */
void config_manual(struct buf *out);
/* docs/config.md. */
void config_document(struct buf *out);

#endif
