/* What one run of the load generator came to. */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { FIGURES_PIDS = 8 };

struct figures {
    uint32_t *latencies_us;
    size_t count, cap;
    uint64_t errors; /* from the very beginning: none is forgiven */
    const char *first_error;
    pid_t pids[FIGURES_PIDS];
    unsigned pid_count;
    uint64_t began_us, ended_us;
    double cpu_us; /* of the watched processes, within the window */
    bool is_open;
};

/* Also counts the processor time of this process, all its threads. */
void figures_watch(struct figures *figures, pid_t pid);
void figures_begin(struct figures *figures);
void figures_end(struct figures *figures);
/* Outside the window it is ignored. */
void figures_add(struct figures *figures, uint64_t latency_us);
void figures_fail(struct figures *figures, const char *why);
void figures_print(struct figures *figures, uint64_t answers, uint64_t frames);

#endif
