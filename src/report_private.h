/* What the files of the report share: report.c (the command line),
 * report_read.c (the sums), report_print.c (the table) and
 * report_export.c (CSV and JSON).  Nobody else
 * includes this, but the test. */
#ifndef WEIR_REPORT_PRIVATE_H
#define WEIR_REPORT_PRIVATE_H

#include "arena.h"
#include "buf.h"
#include "strmap.h"

enum report_by { BY_TIER, BY_MODEL, BY_KEY, BY_HOUR, BY_REASON, REPORT_BYS };
enum report_format { REPORT_TABLE, REPORT_CSV, REPORT_JSON, REPORT_FORMATS };

/* "tier" and so on; "table" and so on. */
extern const struct str report_by_names[REPORT_BYS];
extern const struct str report_format_names[REPORT_FORMATS];

/* Durations in microseconds, sorted once they are complete. */
struct report_times {
    uint64_t *us; /* owned */
    size_t count, cap;
};

struct report_group {
    struct str name;
    int64_t requests, errors, client_errors, cancelled;
    int64_t input, cache_read, cache_write, output; /* tokens */
    int64_t unpriced, without_cloud_cost;           /* requests */
    int64_t cost, cloud_cost;                       /* nano-dollars */
    struct report_times latency, first_token; /* of those that went well */
};

/* The servers of a local backend that are paid by the hour. */
struct report_gpu {
    struct str backend;
    int64_t up_us;
    bool has_price;
    int64_t cost;   /* nano-dollars, for all of the time that has a price */
    int64_t shared; /* of these, what requests bear */
    int64_t tokens; /* that they read and wrote */
};

struct report_cause {
    struct str name;
    int64_t requests;
    int64_t to_cloud; /* of these, ended there though wanted local */
};

enum { REPORT_GPUS_MAX = 64 };

struct report {
    struct arena arena;
    struct str path;
    int64_t from_us, to_us; /* since 1970; `to` is not among them */
    enum report_by by;
    struct report_group *groups, all;
    size_t group_count, group_cap;
    struct strmap group_at;
    struct report_gpu gpus[REPORT_GPUS_MAX];
    unsigned gpu_count;
    struct report_cause *causes;
    size_t cause_count, cause_cap;
    struct strmap cause_at;
    int64_t wanted_local;
    /* nano-dollars */
    int64_t cloud_bill;  /* of what the cloud answered */
    int64_t local_bill;  /* of local models with a price for tokens */
    int64_t gpu_cost;    /* of servers by the hour, idle or not */
    int64_t saved;       /* what all in the cloud would cost, without these */
    bool is_gpu_unknown; /* local servers were up that have no price */
};

/* Reads the ledger; path, from_us, to_us and by are set.  False with a sentence
 * in `why` when it cannot be read.  report_fini() in both cases. */
MUST_USE bool report_read(struct report *report, struct buf *why);
void report_fini(struct report *report);

/* The p-th percentile by nearest rank: the smallest of them that p of a hundred
 * do not exceed.  0 of none. */
uint64_t report_percentile(const struct report_times *times, unsigned p);
/* Nano-dollars for a million tokens; 0 when there are none. */
int64_t report_per_million(int64_t cost, int64_t tokens);

void report_print(const struct report *report, enum report_format format,
                  struct buf *out);

/* Of the last: CSV and JSON. */
void report_print_csv(const struct report *report, struct buf *out);
void report_print_json(const struct report *report, struct buf *out);
/* "2026-11-26T12:00:00Z" */
void report_put_time(struct buf *out, int64_t us);

#endif
