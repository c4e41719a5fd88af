/* lib/log: a line in JSON is JSON, whatever the bytes. */
#include "log.h"

#include "../capture.h"
#include "../testing.h"
#include "json.h"

static void bytes_that_are_no_utf8_do_not_break_the_line(void **state)
{
    static const struct str values[] = {
        STR_INIT("\xFF"), STR_INIT("a\xC3"), STR_INIT("\xED\xA0\x80"),
        STR_INIT("\xC0\xAF"), STR_INIT("ok \xC3\xA4")};

    (void)state;
    log_setup(LOG_INFO, LOG_JSON);
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct arena arena;
        struct json_doc doc;
        struct json_error error;
        struct log_line line;
        struct str text;

        capture_begin(0);
        log_begin(&line, LOG_INFO, "message");
        log_str(&line, "value", values[i]);
        log_end(&line);
        text = capture_end();
        arena_init(&arena);
        assert_true(json_read(&arena, text, &doc, &error));
        arena_clear(&arena);
    }
    capture_drop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_that_are_no_utf8_do_not_break_the_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
