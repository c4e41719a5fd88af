/* lib/log: one event, one line, through a pipe. */
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "../capture.h"
#include "../testing.h"
#include "json.h"

static int forget(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_LOGFMT);
    capture_drop();
    return 0;
}

/* The line without its time, which is checked here. */
static struct str after_time(struct str line)
{
    struct str time = str_slice(line, 5, 5 + 24);

    assert_true(str_starts(line, STR("time=20")));
    assert_int_equal(time.ptr[10], 'T');
    assert_int_equal(time.ptr[23], 'Z');
    assert_int_equal(line.ptr[29], ' ');
    return str_slice(line, 30, line.len);
}

static void write_one(struct str value)
{
    struct log_line line;

    log_begin(&line, LOG_INFO, "two words");
    log_str(&line, "plain", STR("a/b:c-d"));
    log_str(&line, "value", value);
    log_i64(&line, "number", -5);
    log_bool(&line, "yes", true);
    log_ms(&line, "took", 1234567);
    log_end(&line);
}

static struct str written(enum log_format format, struct str value)
{
    log_setup(LOG_INFO, format);
    capture_begin(0);
    write_one(value);
    return capture_end();
}

static void logfmt_has_every_field_in_its_order(void **state)
{
    (void)state;
    assert_str(after_time(written(LOG_LOGFMT, STR("x"))),
               "level=info msg=\"two words\" plain=a/b:c-d value=x number=-5 "
               "yes=true took=1234.567\n");
}

static void logfmt_quotes_what_would_break_the_line(void **state)
{
    static const struct {
        struct str value;
        const char *shown;
    } cases[] = {
        {STR_INIT(""), "value=\"\" "},
        {STR_INIT("a b"), "value=\"a b\" "},
        {STR_INIT("a=b"), "value=\"a=b\" "},
        {STR_INIT("a\"b"), "value=\"a\\\"b\" "},
        {STR_INIT("a\\b"), "value=\"a\\\\b\" "},
        {STR_INIT("a\nlevel=error msg=forged"),
         "value=\"a\\nlevel=error msg=forged\" "},
        {STR_INIT("a\r\0b"), "value=\"a\\u000d\\u0000b\" "},
        {STR_INIT("\x1B[31mred"), "value=\"\\u001b[31mred\" "},
        {STR_INIT("\x7F"), "value=\"\\u007f\" "},
        {STR_INIT("\xC3\xA4"), "value=\"\xC3\xA4\" "},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str line = written(LOG_LOGFMT, cases[i].value);
        size_t end;

        assert_has(line, cases[i].shown);
        assert_true(str_find(line, STR("\n"), &end));
        assert_int_equal(end, line.len - 1);
    }
}

static void json_is_json_whatever_the_value(void **state)
{
    static const struct str values[] = {
        STR_INIT(""),         STR_INIT("a b"),   STR_INIT("a\"b\\c"),
        STR_INIT("a\nb\r\t"), STR_INIT("\0"),    STR_INIT("\x1B[0m\x7F"),
        STR_INIT("\xC3\xA4"), STR_INIT("},{\""),
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct str line = written(LOG_JSON, values[i]);
        struct arena arena;
        struct json_doc doc;
        struct json_error error;

        arena_init(&arena);
        assert_int_equal(line.ptr[line.len - 1], '\n');
        assert_true(json_read(&arena, line, &doc, &error));
        assert_str(json_get_text(doc.root, STR("level")), "info");
        assert_str(json_get_text(doc.root, STR("msg")), "two words");
        assert_true(str_eq(json_get_text(doc.root, STR("value")), values[i]));
        assert_true(json_get_i64(doc.root, STR("number")) == -5);
        assert_true(json_is_true(json_get(doc.root, STR("yes"))));
        assert_str(json_number_text(json_get(doc.root, STR("took"))),
                   "1234.567");
        arena_clear(&arena);
    }
}

/* Around the bound: the field is there whole or not at all, the line ends as
 * it must, and never is it longer than it may. */
static void a_field_that_does_not_fit_is_left_out_whole(void **state)
{
    static char big[LOG_LINE_MAX + 100];

    (void)state;
    memset(big, 'x', sizeof(big));
    for (int format = LOG_LOGFMT; format <= LOG_JSON; format++) {
        bool seen_whole = false;
        bool seen_without = false;

        for (size_t len = LOG_LINE_MAX - 200; len < sizeof(big); len++) {
            struct str value = {big, len};
            struct str line = written((enum log_format)format, value);
            struct arena arena;
            struct json_doc doc;
            struct json_error error;
            bool is_whole = str_contains(line, value);

            assert_true(line.len <= LOG_LINE_MAX);
            assert_int_equal(line.ptr[line.len - 1], '\n');
            assert_true(is_whole || !str_contains(line, STR("xxx")));
            assert_has(line, "two words");
            seen_whole = seen_whole || is_whole;
            seen_without = seen_without || !is_whole;
            if (format != LOG_JSON)
                continue;
            arena_init(&arena);
            assert_true(json_read(&arena, line, &doc, &error));
            arena_clear(&arena);
        }
        assert_true(seen_whole && seen_without);
    }
}

static void levels_above_the_one_set_are_silent(void **state)
{
    struct str text;

    (void)state;
    log_setup(LOG_WARN, LOG_LOGFMT);
    capture_begin(0);
    log_say(LOG_ERROR, "one", "%d", 1);
    log_say(LOG_WARN, "two", "%s", "x");
    log_say(LOG_INFO, "three", "%d", 3);
    write_one(STR("four"));
    text = capture_end();
    assert_has(text, "level=error msg=one detail=1\n");
    assert_has(text, "level=warn msg=two detail=x\n");
    assert_lacks(text, "three");
    assert_lacks(text, "four");
    assert_true(log_enabled(LOG_WARN));
    assert_false(log_enabled(LOG_INFO));
}

static void levels_are_read_from_their_names(void **state)
{
    enum log_level level;

    (void)state;
    assert_true(log_level_from(STR("DEBUG"), &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_true(log_level_from(STR("error"), &level));
    assert_int_equal(level, LOG_ERROR);
    assert_false(log_level_from(STR("loud"), &level));
    assert_false(log_level_from(STR(""), &level));
}

static void stopping_brings_everything_out(void **state)
{
    struct str text;

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        capture_begin(0);
        log_start();
        log_start(); /* a second time is harmless */
        for (int i = 0; i < 100; i++)
            log_say(LOG_INFO, "line", "n%d.", i);
        log_stop();
        log_stop();
        log_say(LOG_INFO, "line", "after");
        text = capture_end();
        for (int i = 0; i < 100; i++) {
            char want[16];

            (void)snprintf(want, sizeof(want), "n%d.", i);
            assert_has(text, want);
        }
        assert_has(text, "after");
    }
}

enum { THREADS = 4, LINES = 6000 };

static void burst(void *number)
{
    const unsigned *thread = number;

    for (unsigned i = 0; i < LINES; i++) {
        struct log_line line;

        log_begin(&line, LOG_INFO, "burst");
        log_i64(&line, "thread", *thread);
        log_i64(&line, "n", i);
        log_str(&line, "padding",
                STR("0123456789012345678901234567890123456789"));
        log_end(&line);
    }
}

/* The number behind `key` in the line. */
static unsigned long number_of(struct str line, const char *key)
{
    struct str digits;
    size_t at;
    uint64_t n = 0;
    size_t len = 0;

    assert_true(str_find(line, str_of(key), &at));
    digits = str_slice(line, at + strlen(key), line.len);
    while (len < digits.len && digits.ptr[len] >= '0' && digits.ptr[len] <= '9')
        len++;
    assert_true(str_to_u64(str_slice(digits, 0, len), &n));
    return n;
}

/* A burst of four threads into a pipe whose reader comes `delay` late:
 * every line comes out whole and in its thread's order, or is counted. */
static unsigned long lost_in_burst(unsigned delay)
{
    static unsigned numbers[THREADS] = {0, 1, 2, 3};
    unsigned long next[THREADS] = {0};
    unsigned long lost = 0;
    unsigned long seen = 0;
    uv_thread_t threads[THREADS];
    struct str text;
    struct str line;

    capture_begin(delay);
    log_start();
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_create(&threads[i], burst, &numbers[i]), 0);
    for (unsigned i = 0; i < THREADS; i++)
        uv_thread_join(&threads[i]);
    log_stop();
    text = capture_end();
    while (str_split(&text, '\n', &line)) {
        unsigned long thread;

        if (str_contains(line, STR("log lines dropped"))) {
            lost += number_of(line, "count=");
            continue;
        }
        assert_true(str_ends(line, STR("0123456789")));
        thread = number_of(line, "thread=");
        assert_in_range(thread, 0, THREADS - 1);
        assert_true(number_of(line, " n=") >= next[thread]);
        next[thread] = number_of(line, " n=") + 1;
        seen++;
    }
    assert_int_equal(seen + lost, (unsigned long)THREADS * LINES);
    return lost;
}

static void a_burst_of_threads_is_written_or_its_loss_is_told(void **state)
{
    (void)state;
    (void)lost_in_burst(0);
    /* the rings hold less than what comes while nobody reads */
    assert_true(lost_in_burst(700) > 0);
}

#define logs(test) cmocka_unit_test_teardown(test, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        logs(logfmt_has_every_field_in_its_order),
        logs(logfmt_quotes_what_would_break_the_line),
        logs(json_is_json_whatever_the_value),
        logs(a_field_that_does_not_fit_is_left_out_whole),
        logs(levels_above_the_one_set_are_silent),
        logs(levels_are_read_from_their_names),
        logs(stopping_brings_everything_out),
        logs(a_burst_of_threads_is_written_or_its_loss_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
