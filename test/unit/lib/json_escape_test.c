/* lib/json: half an escape is no half of a surrogate pair. */
#include "json.h"

#include "../testing.h"

static void a_cut_escape_is_not_mended_into_another_document(void **state)
{
    static const char *const bad[] = {
        "[\"\\ud8\",\"]",      /* would become ["\ufffd"] */
        "{\"\\ud8\":\"}\":1}", /* would eat a quote and a colon */
        "[\"\\udczz\"]",
        "[\"\\ud8 x\"]",
    };
    struct arena arena;

    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct json_doc doc;
        struct json_error error;

        if (json_read(&arena, str_of(bad[i]), &doc, &error))
            fail_msg("taken: %s", bad[i]);
    }
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_escape_is_not_mended_into_another_document),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
