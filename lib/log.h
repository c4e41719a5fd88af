/* One event, one line, in logfmt or JSON, on standard error.
 *
 * A thread puts its lines into a ring of its own and one writer thread brings
 * them out, so that a slow terminal or a full pipe never slows a request.
 * What does not fit into a ring is counted, and the writer says so.  Before
 * log_start() and after log_stop() lines are written at once.
 *
 * Prompts, answers and keys never go into a line. */
#ifndef WEIR_LOG_H
#define WEIR_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

enum { LOG_LINE_MAX = 2048 };

struct log_line {
    enum log_level level;
    size_t len;
    bool is_full; /* a field did not fit: it was left out */
    char text[LOG_LINE_MAX];
};

/* Sets what is written and how; may be called again. */
void log_setup(enum log_level level, enum log_format format);
/* Starts and stops the writer thread.  log_stop() brings everything out. */
void log_start(void);
void log_stop(void);

bool log_enabled(enum log_level level);

/* A line: begin, any fields, end.  `message` and the keys are literals of
 * ours; values may hold anything and are escaped. */
void log_begin(struct log_line *line, enum log_level level,
               const char *message);
void log_str(struct log_line *line, const char *key, struct str value);
void log_i64(struct log_line *line, const char *key, int64_t value);
void log_bool(struct log_line *line, const char *key, bool value);
/* Microseconds, shown as milliseconds with three places. */
void log_ms(struct log_line *line, const char *key, uint64_t us);
void log_end(struct log_line *line);

/* A line with one text field, "detail". */
void log_say(enum log_level level, const char *message, const char *format, ...)
    PRINTF_LIKE(3, 4);

bool log_level_from(struct str name, enum log_level *out);

#endif
