/* The list of Claude models in the binary, for the golden tests. */
#ifndef WEIR_GOLDEN_MODELS_H
#define WEIR_GOLDEN_MODELS_H

#include "../testing.h"
#include "dialect/claude.h"

static struct claude_models models;
static struct arena models_arena;

static int read_models(void **state)
{
    struct str why = {NULL, 0};

    (void)state;
    arena_init(&models_arena);
    assert_true(claude_models_read(
        &models_arena,
        (struct str){claude_default_data, claude_default_data_len}, &models,
        &why));
    return 0;
}

static int drop_models(void **state)
{
    (void)state;
    arena_clear(&models_arena);
    return 0;
}

#endif
