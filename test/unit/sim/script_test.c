/* What is going to be said, and in which order. */
#include "../testing.h"

#include "../../../sim/script.h"
#include "../../../sim/tokenizer.h"

static struct arena arena;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

/* "0:one 1:two": the blocks' numbers and pieces, "(" where one opens, ")"
 * where it closes, "!" at the last. */
static struct str spoken(const struct script *script)
{
    struct str all = STR("");
    struct voice voice;
    struct beat beat;

    voice_init(&voice, script, 0);
    while (voice_next(&voice, &beat))
        all = arena_printf(&arena, "%.*s%s%u:%.*s%s%s ", STR_ARG(all),
                           beat.opens ? "(" : "", beat.number,
                           STR_ARG(beat.piece), beat.closes ? ")" : "",
                           beat.is_last ? "!" : "");
    return str_trim(all);
}

static void blocks_are_said_one_after_the_other(void **state)
{
    struct script script = {0};

    (void)state;
    assert_str(spoken(&script), "");
    script_add(&script, SCRIPT_TEXT, STR(""), STR("a b"));
    script_add(&script, SCRIPT_CALL, STR("f"), STR(""));
    script_add(&script, SCRIPT_CALL, STR("g"), STR("{}"));
    assert_str(spoken(&script), "(0:a 0: b) (1:) (2:{ 2:})!");
}

static void interleaved_calls_take_turns(void **state)
{
    struct script script = {.is_interleaved = true};

    (void)state;
    script_add(&script, SCRIPT_TEXT, STR(""), STR("a b"));
    script_add(&script, SCRIPT_CALL, STR("f"), STR("{1}"));
    script_add(&script, SCRIPT_CALL, STR("g"), STR("{}"));
    script_add(&script, SCRIPT_TEXT, STR(""), STR("c"));
    assert_str(spoken(&script), "(0:a 0: b) (1:{ (2:{ 1:1 2:}) 1:}) (3:c)!");
    script_insert(&script, 1,
                  (struct script_block){.kind = SCRIPT_CALL, .text = STR("")});
    assert_str(spoken(&script),
               "(0:a 0: b) (1:) (2:{ (3:{ 2:1 3:}) 2:}) (4:c)!");
}

static void a_stop_token_ends_the_answer_before_it(void **state)
{
    uint64_t numbers[] = {tokenizer_number(STR("x")),
                          tokenizer_number(STR(" b"))};
    struct prompt prompt = {.stop_tokens = numbers, .stop_token_count = 2};
    struct script script = {0};

    (void)state;
    script_add(&script, SCRIPT_THINKING, STR(""), STR("a b"));
    script_add(&script, SCRIPT_TEXT, STR(""), STR("a b c"));
    script_add(&script, SCRIPT_TEXT, STR(""), STR("d"));
    script_trim(&arena, &script, &prompt);
    assert_int_equal(script.block_count, 2);
    assert_str(script.blocks[1].text, "a");
    assert_int_equal(script.end, SCRIPT_STOP_TOKEN);
    assert_int_equal(script.stop_token, numbers[1]);
}

static void there_is_an_end_to_inserting(void **state)
{
    struct script script = {0};

    (void)state;
    for (unsigned i = 0; i < SCRIPT_MAX_BLOCKS + 2; i++)
        script_insert(&script, 0, (struct script_block){.text = STR("a")});
    assert_int_equal(script.block_count, SCRIPT_MAX_BLOCKS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_said_one_after_the_other),
        cmocka_unit_test(interleaved_calls_take_turns),
        cmocka_unit_test(a_stop_token_ends_the_answer_before_it),
        cmocka_unit_test(there_is_an_end_to_inserting),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
