/* The types of options: what text each takes, and what it means. */
#ifndef WEIR_CONFIG_VALUE_H
#define WEIR_CONFIG_VALUE_H

#include "config.h"

enum config_type {
    CONFIG_TYPE_TEXT,
    CONFIG_TYPE_NAME,
    CONFIG_TYPE_SECRET,
    CONFIG_TYPE_BOOL,
    CONFIG_TYPE_COUNT,
    CONFIG_TYPE_PORT,
    CONFIG_TYPE_WORKERS,
    CONFIG_TYPE_BYTES,
    CONFIG_TYPE_DURATION,
    CONFIG_TYPE_URLS,
    CONFIG_TYPE_REGEX,
    CONFIG_TYPE_HOURS,
    CONFIG_TYPE_TIER,
    CONFIG_TYPE_DIALECT,
    CONFIG_TYPE_POLICY,
    CONFIG_TYPE_FALLBACK,
    CONFIG_TYPE_REASONING,
    CONFIG_TYPE_LOG_LEVEL,
    CONFIG_TYPE_LOG_FORMAT,
    CONFIG_TYPE_MODE,
    CONFIG_TYPE_SERVES,
    CONFIG_TYPE_BUILTIN_TOOLS,
    CONFIG_TYPE_SECONDS,
    CONFIG_TYPE_SHARE,
    CONFIG_TYPE_LANGFUSE_MODE,
    CONFIG_TYPE_INCOMING_TRACE,
    CONFIG_TYPE_USD, /* its number: micro-dollars */
};

/* What the enums' numbers mean. */
enum config_builtin {
    CONFIG_BUILTIN_AUTO,
    CONFIG_BUILTIN_REFUSE,
    CONFIG_BUILTIN_DROP,
};

enum { CONFIG_SHARE_ALL = 1000000000 }; /* the number of a share of 1 */

enum config_langfuse_mode { CONFIG_LANGFUSE_OTEL, CONFIG_LANGFUSE_BATCH };

enum config_fallback {
    CONFIG_FALLBACK_NEVER,
    CONFIG_FALLBACK_AUTO,
    CONFIG_FALLBACK_ALWAYS,
};

struct config_row {
    enum config_section section;
    struct str id;
    struct str path;
    enum config_type type;
    struct str env;
    struct str otherwise;
    struct str help;
};

extern const struct config_row config_rows[CONFIG_OPTIONS];

/* May the file give a list of values? */
bool config_type_is_list(enum config_type type);

/* "a duration: 500ms, 2s, 5m", for errors and the documentation. */
const char *config_type_expects(enum config_type type);

/* Fills value->number from value->text.  False when the text is not of the
 * type. */
MUST_USE bool config_value_parse(enum config_type type,
                                 struct config_value *value);

#endif
