#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "check.h"
#include "clock.h"

enum {
    RING_SIZE = 256 * 1024,
    MAX_RINGS = 256, /* threads that ever log; later ones write at once */
    NAP_MS = 10,
};

/* Written by one thread, read by the writer. */
struct ring {
    _Atomic size_t head; /* next byte to write */
    _Atomic size_t tail; /* next byte to read */
    _Atomic uint64_t dropped;
    uint64_t said; /* how many of those the writer has reported */
    char *bytes;
};

static struct {
    _Atomic int level;
    _Atomic int format;
    _Atomic bool running;
    _Atomic bool stop;
    _Atomic bool awake; /* the writer will look at the rings again */
    _Atomic unsigned ring_count;
    _Atomic(struct ring *) rings[MAX_RINGS];
    uv_thread_t writer;
    uv_sem_t wake;
} logger = {.level = LOG_INFO};

static _Thread_local struct ring *own_ring;

static const struct str level_names[] = {
    [LOG_ERROR] = STR_INIT("error"),
    [LOG_WARN] = STR_INIT("warn"),
    [LOG_INFO] = STR_INIT("info"),
    [LOG_DEBUG] = STR_INIT("debug"),
};

bool log_level_from(struct str name, enum log_level *out)
{
    for (size_t i = 0; i < COUNT_OF(level_names); i++) {
        if (str_eq_nocase(name, level_names[i])) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_setup(enum log_level level, enum log_format format)
{
    atomic_store(&logger.level, (int)level);
    atomic_store(&logger.format, (int)format);
}

bool log_enabled(enum log_level level)
{
    return (int)level <=
           atomic_load_explicit(&logger.level, memory_order_relaxed);
}

/* --- the way out -------------------------------------------------------- */

static void write_all(const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDERR_FILENO, bytes, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            /* somebody made our standard error non-blocking */
            struct timespec nap = {.tv_nsec = NAP_MS * 1000000L};

            nanosleep(&nap, NULL);
            continue;
        }
        if (n <= 0)
            return; /* nobody is left to read */
        bytes += n;
        len -= (size_t)n;
    }
}

static bool ring_drain(struct ring *ring)
{
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    size_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint64_t dropped = atomic_load(&ring->dropped);
    bool any = tail != head;

    while (tail != head) {
        size_t at = tail % RING_SIZE;
        size_t len = head - tail;

        if (len > RING_SIZE - at)
            len = RING_SIZE - at;
        write_all(ring->bytes + at, len);
        tail += len;
        atomic_store_explicit(&ring->tail, tail, memory_order_release);
    }
    if (dropped != ring->said) {
        char line[128];
        int len = snprintf(line, sizeof(line),
                           atomic_load(&logger.format) == LOG_JSON
                               ? "{\"level\":\"warn\",\"msg\":\"log lines "
                                 "dropped\",\"count\":%llu}\n"
                               : "level=warn msg=\"log lines dropped\" "
                                 "count=%llu\n",
                           (unsigned long long)(dropped - ring->said));

        ring->said = dropped;
        if (len > 0)
            write_all(line, (size_t)len);
    }
    return any;
}

static bool drain_all(void)
{
    unsigned count = atomic_load(&logger.ring_count);
    bool any = false;

    for (unsigned i = 0; i < count && i < MAX_RINGS; i++) {
        struct ring *ring = atomic_load(&logger.rings[i]);

        if (ring != NULL && ring_drain(ring))
            any = true;
    }
    return any;
}

static void writer_main(void *unused)
{
    (void)unused;
    while (!atomic_load(&logger.stop)) {
        uv_sem_wait(&logger.wake);
        for (;;) {
            struct timespec nap = {.tv_nsec = NAP_MS * 1000000L};

            /* lines that come from now on wake us again, if this was all */
            atomic_store(&logger.awake, false);
            if (!drain_all())
                break;
            atomic_store(&logger.awake, true);
            nanosleep(&nap, NULL);
        }
    }
    drain_all();
}

void log_start(void)
{
    if (atomic_load(&logger.running))
        return;
    atomic_store(&logger.stop, false);
    atomic_store(&logger.awake, false);
    check(uv_sem_init(&logger.wake, 0) == 0);
    check(uv_thread_create(&logger.writer, writer_main, NULL) == 0);
    atomic_store(&logger.running, true);
}

void log_stop(void)
{
    if (!atomic_exchange(&logger.running, false))
        return;
    atomic_store(&logger.stop, true);
    uv_sem_post(&logger.wake);
    uv_thread_join(&logger.writer);
    uv_sem_destroy(&logger.wake);
}

/* The rings stay for as long as the process: they are few and found again
 * only through the list, where the sanitizers see them too. */
static struct ring *ring_of_thread(void)
{
    unsigned slot;

    if (own_ring != NULL)
        return own_ring;
    slot = atomic_fetch_add(&logger.ring_count, 1);
    if (slot >= MAX_RINGS)
        return NULL;
    own_ring = must_calloc(1, sizeof(*own_ring));
    own_ring->bytes = must_alloc(RING_SIZE);
    atomic_store(&logger.rings[slot], own_ring);
    return own_ring;
}

static bool ring_put(struct ring *ring, const char *bytes, size_t len)
{
    size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    size_t at = head % RING_SIZE;
    size_t first = len;

    if (len > RING_SIZE - (head - tail))
        return false;
    if (first > RING_SIZE - at)
        first = RING_SIZE - at;
    memcpy(ring->bytes + at, bytes, first);
    memcpy(ring->bytes, bytes + first, len - first);
    atomic_store_explicit(&ring->head, head + len, memory_order_release);
    return true;
}

static void line_out(const char *bytes, size_t len)
{
    struct ring *ring = atomic_load(&logger.running) ? ring_of_thread() : NULL;

    if (ring == NULL) {
        write_all(bytes, len);
        return;
    }
    if (!ring_put(ring, bytes, len))
        atomic_fetch_add(&ring->dropped, 1);
    if (!atomic_exchange(&logger.awake, true))
        uv_sem_post(&logger.wake);
}

/* --- one line ----------------------------------------------------------- */

/* Room is kept for the closing brace and the line feed. */
static void add(struct log_line *line, struct str s)
{
    if (line->is_full || s.len > LOG_LINE_MAX - 2 - line->len) {
        line->is_full = true;
        return;
    }
    if (s.len > 0)
        memcpy(line->text + line->len, s.ptr, s.len);
    line->len += s.len;
}

static bool is_json(void)
{
    return atomic_load_explicit(&logger.format, memory_order_relaxed) ==
           LOG_JSON;
}

static void add_escaped(struct log_line *line, struct str s)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

        if (c == '"' || c == '\\') {
            add(line, (struct str){(char[]){'\\', (char)c}, 2});
        } else if (c == '\n') {
            add(line, STR("\\n"));
        } else if (c < 0x20 || c == 0x7F) {
            add(line, (struct str){escape, 6});
        } else if (c >= 0x80) {
            size_t len = str_utf8_length(s, i);

            add(line, len == 0 ? STR("\\ufffd") : (struct str){&s.ptr[i], len});
            i += len == 0 ? 0 : len - 1;
        } else {
            add(line, (struct str){(const char *)&s.ptr[i], 1});
        }
    }
}

static bool needs_quotes(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7F)
            return true;
    }
    return s.len == 0;
}

/* Where a field begins, so that one that does not fit can be taken back. */
static size_t key_put(struct log_line *line, const char *key)
{
    size_t start = line->len;

    if (is_json()) {
        add(line, line->len > 1 ? STR(",\"") : STR("\""));
        add(line, str_of(key));
        add(line, STR("\":"));
    } else {
        if (line->len > 0)
            add(line, STR(" "));
        add(line, str_of(key));
        add(line, STR("="));
    }
    return start;
}

static void field_done(struct log_line *line, size_t start, bool was_full)
{
    if (line->is_full && !was_full)
        line->len = start;
}

void log_str(struct log_line *line, const char *key, struct str value)
{
    bool was_full = line->is_full;
    size_t start = key_put(line, key);

    if (is_json() || needs_quotes(value)) {
        add(line, STR("\""));
        add_escaped(line, value);
        add(line, STR("\""));
    } else {
        add(line, value);
    }
    field_done(line, start, was_full);
}

static void bare(struct log_line *line, const char *key, struct str value)
{
    bool was_full = line->is_full;
    size_t start = key_put(line, key);

    add(line, value);
    field_done(line, start, was_full);
}

void log_i64(struct log_line *line, const char *key, int64_t value)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%lld", (long long)value);

    bare(line, key, (struct str){digits, (size_t)len});
}

void log_bool(struct log_line *line, const char *key, bool value)
{
    bare(line, key, value ? STR("true") : STR("false"));
}

void log_ms(struct log_line *line, const char *key, uint64_t us)
{
    char digits[32];
    int len = snprintf(digits, sizeof(digits), "%llu.%03u",
                       (unsigned long long)(us / 1000), (unsigned)(us % 1000));

    bare(line, key, (struct str){digits, (size_t)len});
}

void log_begin(struct log_line *line, enum log_level level, const char *message)
{
    char now[CLOCK_RFC3339_SIZE];

    line->level = level;
    line->len = 0;
    line->is_full = false;
    if (is_json())
        add(line, STR("{"));
    clock_rfc3339(clock_wall_ms(), now);
    log_str(line, "time", str_of(now));
    log_str(line, "level", level_names[level]);
    log_str(line, "msg", str_of(message));
}

void log_end(struct log_line *line)
{
    if (!log_enabled(line->level))
        return;
    if (is_json())
        line->text[line->len++] = '}';
    line->text[line->len++] = '\n';
    line_out(line->text, line->len);
}

void log_say(enum log_level level, const char *message, const char *format, ...)
{
    struct log_line line;
    char detail[1024];
    va_list args;

    if (!log_enabled(level))
        return;
    va_start(args, format);
    (void)vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    log_begin(&line, level, message);
    log_str(&line, "detail", str_of(detail));
    log_end(&line);
}
