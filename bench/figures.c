#include "figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "check.h"
#include "clock.h"

void figures_watch(struct figures *figures, pid_t pid)
{
    check(figures->pid_count < FIGURES_PIDS);
    figures->pids[figures->pid_count++] = pid;
}

/* What /proc/PID/stat tells as utime and stime together, in nanoseconds and
 * not in ticks of 10 ms. */
static double cpu_us(const struct figures *figures)
{
    double sum = 0;

    for (unsigned i = 0; i < figures->pid_count; i++) {
        struct timespec used;
        clockid_t clock;

        check(clock_getcpuclockid(figures->pids[i], &clock) == 0);
        check(clock_gettime(clock, &used) == 0);
        sum += (double)used.tv_sec * 1e6 + (double)used.tv_nsec / 1e3;
    }
    return sum;
}

void figures_begin(struct figures *figures)
{
    figures->count = 0;
    figures->is_open = true;
    figures->began_us = clock_us();
    figures->cpu_us = -cpu_us(figures);
}

void figures_end(struct figures *figures)
{
    figures->ended_us = clock_us();
    figures->cpu_us += cpu_us(figures);
}

void figures_add(struct figures *figures, uint64_t latency_us)
{
    if (!figures->is_open)
        return;
    if (figures->count == figures->cap) {
        figures->cap = figures->cap == 0 ? 1 << 16 : figures->cap * 2;
        figures->latencies_us =
            realloc(figures->latencies_us,
                    figures->cap * sizeof(*figures->latencies_us));
        check(figures->latencies_us != NULL);
    }
    figures->latencies_us[figures->count++] =
        latency_us > UINT32_MAX ? UINT32_MAX : (uint32_t)latency_us;
}

void figures_fail(struct figures *figures, const char *why)
{
    if (figures->errors++ == 0)
        figures->first_error = why;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static unsigned quantile(const struct figures *figures, double q)
{
    return figures->count == 0
               ? 0
               : figures
                     ->latencies_us[(size_t)(q * (double)(figures->count - 1))];
}

void figures_print(struct figures *figures, uint64_t answers, uint64_t frames)
{
    if (figures->count > 0)
        qsort(figures->latencies_us, figures->count,
              sizeof(*figures->latencies_us), compare);
    (void)printf("{\"answers\":%llu,\"frames\":%llu,\"errors\":%llu,"
                 "\"first_error\":\"%s\",\"seconds\":%.4f,\"cpu_us\":%.0f,"
                 "\"p50_us\":%u,\"p99_us\":%u}\n",
                 (unsigned long long)answers, (unsigned long long)frames,
                 (unsigned long long)figures->errors,
                 figures->first_error == NULL ? "" : figures->first_error,
                 (double)(figures->ended_us - figures->began_us) / 1e6,
                 figures->cpu_us, quantile(figures, 0.5),
                 quantile(figures, 0.99));
}
