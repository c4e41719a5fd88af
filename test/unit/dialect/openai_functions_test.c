/* dialect/openai_request: `tools` and `functions`, in either order. */
#include "../dialect/asked.h"

static void tools_win_over_functions_that_come_first(void **state)
{
    struct asked asked;

    (void)state;
    asked_good(&asked,
               ASK("\"functions\":[{\"name\":\"g\"},{\"name\":\"h\"}],"
                   "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
                   "\"f\"}}]"));
    assert_int_equal(asked.chat.tool_count, 1);
    assert_str(asked.chat.tools[0].name, "f");
    asked_fini(&asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tools_win_over_functions_that_come_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
