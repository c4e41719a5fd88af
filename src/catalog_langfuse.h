/* What the configuration says about Langfuse. */
#ifndef WEIR_CATALOG_LANGFUSE_H
#define WEIR_CATALOG_LANGFUSE_H

#include "config.h"
#include "config_value.h"

struct langfuse_settings {
    bool is_on;          /* both keys are set */
    struct str base_url; /* without a slash at its end */
    struct secret public_key, secret_key;
    enum config_langfuse_mode mode;
    struct str environment, release; /* empty: not said */
    int64_t share; /* of the traces; CONFIG_SHARE_ALL is all of them */
    uint64_t timeout_ms, flush_ms;
    unsigned flush_at;
    bool is_zipped;
};

/* Reads a configuration that a catalog was made of.  Borrows from it. */
void langfuse_settings_read(const struct config *config,
                            struct langfuse_settings *out);

#endif
