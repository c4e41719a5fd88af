/* What the tests of the spool share: a spool of kind "t.pb" in a folder of its
 * own, with room for five small files, that keeps them for a second. */
#ifndef WEIR_SPOOL_GIVEN_H
#define WEIR_SPOOL_GIVEN_H

#include "../scratch.h"
#include "../testing.h"
#include "telemetry/spool.h"
#include "telemetry/spool_head.h"
#include "wall.h"

enum { MAX_BYTES = 5 * SPOOL_BLOCK, MAX_AGE_MS = 1000 };

struct given_spool {
    char dir[64];
    struct figures figures;
    struct trouble trouble;
    struct spool *spool;
};

extern struct given_spool given;

/* cmocka's set-up and tear-down. */
int given_begin(void **state);
int given_end(void **state);

/* Opens it with that room; its figures begin anew. */
void given_open(size_t max_bytes);
void given_reopen(void);
/* A batch of one item for each letter. */
void given_put(uint64_t seq, const char *body);

#define assert_figure(name, n) \
    assert_int_equal(figures_get(&given.figures.name), (n))
/* The oldest is that one; it is removed. */
#define assert_first(seq, body) \
    assert_first_at((seq), (body), __FILE__, __LINE__)
void assert_first_at(uint64_t seq, const char *body, const char *file,
                     int line);
/* Nothing is left. */
void assert_none(void);
/* The files that end so, sorted, one a line. */
void assert_files(const char *ending, const char *expected);

#endif
