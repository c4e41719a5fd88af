#include "access.h"

#include "log.h"

enum { SHOWN = 128 };

static void log_text(struct log_line *line, const char *key, struct str value)
{
    if (value.len > 0)
        log_str(line, key, str_clip(value, SHOWN));
}

static void log_since(struct log_line *line, const char *key,
                      const struct record *record, uint64_t us)
{
    if (us >= record->began_us && us > 0)
        log_ms(line, key, us - record->began_us);
}

static void log_chat(struct log_line *line, const struct record *record)
{
    log_text(line, "model", record->model);
    if (record->tier != TIER_NONE)
        log_str(line, "backend", tier_name(record->tier));
    log_text(line, "target", record->backend);
    log_text(line, "served", record->served_model);
    log_text(line, "reason", record->reason);
    log_bool(line, "stream", record->is_stream);
    log_i64(line, "tries", record->tries);
    if (record->dropped_count > 0)
        log_i64(line, "dropped", record->dropped_count);
    if (record->was_held)
        log_bool(line, "held", true);
    log_i64(line, "tokens_estimated", record->prompt_tokens_estimated);
    if (record->usage.is_known) {
        log_i64(line, "tokens_in", record->usage.input);
        log_i64(line, "tokens_cached", record->usage.cache_read);
        log_i64(line, "tokens_out", record->usage.output);
    }
    log_text(line, "finish", finish_name(record->finish));
    log_since(line, "first_byte_ms", record, record->first_byte_us);
    log_since(line, "first_token_ms", record, record->first_token_us);
}

void access_log(const struct record *record)
{
    struct log_line line;

    if (!log_enabled(LOG_INFO))
        return;
    log_begin(&line, LOG_INFO, "request");
    log_str(&line, "id", record->id);
    log_text(&line, "trace", record->trace_id);
    log_text(&line, "caller", record->peer);
    log_text(&line, "key", record->key);
    log_text(&line, "method", record->method);
    log_text(&line, "path", record->path);
    log_i64(&line, "status", record->status);
    if (record->is_chat)
        log_chat(&line, record);
    log_i64(&line, "bytes_in", (int64_t)record->bytes_in);
    log_i64(&line, "bytes_out", (int64_t)record->bytes_out);
    log_since(&line, "total_ms", record, record->ended_us);
    if (record->error != OK) {
        log_str(&line, "error", error_name(record->error));
        log_text(&line, "detail", record->detail);
    }
    log_end(&line);
}
