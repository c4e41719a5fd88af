/* The prompt caches: what was seen before is read, and the sum stays. */
#include "../testing.h"

#include "../../../sim/prefix.h"

static struct prefix_cache cache;

static int empty_cache(void **state)
{
    (void)state;
    memset(&cache, 0, sizeof(cache));
    return 0;
}

struct talk {
    struct prompt_part parts[4];
    struct prompt_message messages[4];
    struct prompt prompt;
};

/* One message with one part for each text. */
static struct prompt *talk(struct talk *t, const char *const texts[],
                           unsigned count)
{
    *t = (struct talk){0};
    for (unsigned i = 0; i < count; i++) {
        t->parts[i].text = str_of(texts[i]);
        t->messages[i] = (struct prompt_message){
            i % 2 == 0 ? PROMPT_USER : PROMPT_ASSISTANT, &t->parts[i], 1};
    }
    t->prompt = (struct prompt){
        .model = STR("m"), .messages = t->messages, .message_count = count};
    return &t->prompt;
}

static size_t sum(const struct prefix_use *use)
{
    return use->read + use->written_5m + use->written_1h + use->rest;
}

static const char *const texts[] = {"a long beginning of some words", "yes",
                                    "and now?", "more"};

static void without_a_mark_nothing_is_kept(void **state)
{
    struct prefix_use use;
    struct talk t;

    (void)state;
    for (int i = 0; i < 2; i++) {
        prefix_use_marked(&cache, talk(&t, texts, 1), 0, &use);
        assert_int_equal(use.read + use.written_5m + use.written_1h, 0);
        assert_int_equal(use.rest, prompt_tokens(&t.prompt));
    }
}

static void a_marked_beginning_is_written_then_read(void **state)
{
    struct prefix_use first;
    struct prefix_use second;
    struct talk t;

    (void)state;
    (void)talk(&t, texts, 1);
    t.parts[0].cache_minutes = 5;
    prefix_use_marked(&cache, &t.prompt, 0, &first);
    assert_int_equal(first.read, 0);
    assert_true(first.written_5m > 0);
    assert_int_equal(sum(&first), prompt_tokens(&t.prompt));
    /* the conversation goes on, and the mark moves with it */
    (void)talk(&t, texts, 3);
    t.parts[2].cache_minutes = 60;
    prefix_use_marked(&cache, &t.prompt, 1000, &second);
    assert_int_equal(second.read, first.written_5m);
    assert_int_equal(second.written_5m, 0);
    assert_true(second.written_1h > 0);
    assert_int_equal(sum(&second), prompt_tokens(&t.prompt));
}

static void what_was_kept_is_forgotten_in_time(void **state)
{
    struct prefix_use use;
    struct talk t;

    (void)state;
    (void)talk(&t, texts, 1);
    t.parts[0].cache_minutes = 5;
    prefix_use_marked(&cache, &t.prompt, 0, &use);
    prefix_use_marked(&cache, &t.prompt, 4 * 60 * 1000, &use);
    assert_true(use.read > 0);
    prefix_use_marked(&cache, &t.prompt, 10 * 60 * 1000, &use);
    assert_int_equal(use.read, 0);
}

static void another_text_or_model_is_not_the_same(void **state)
{
    static const char *const others[] = {"another beginning"};
    struct prefix_use use;
    struct talk t;

    (void)state;
    (void)talk(&t, texts, 1);
    t.parts[0].cache_minutes = 5;
    prefix_use_marked(&cache, &t.prompt, 0, &use);
    t.prompt.model = STR("n");
    prefix_use_marked(&cache, &t.prompt, 0, &use);
    assert_int_equal(use.read, 0);
    (void)talk(&t, others, 1);
    t.parts[0].cache_minutes = 5;
    prefix_use_marked(&cache, &t.prompt, 0, &use);
    assert_int_equal(use.read, 0);
}

static void everything_is_kept_in_whole_blocks(void **state)
{
    static const char *const longer[] = {
        ("one two three four five six seven eight nine ten eleven twelve "
         "thirteen fourteen fifteen sixteen seventeen eighteen"),
        "yes", "and now?"};
    struct prefix_use use;
    struct talk t;

    (void)state;
    prefix_use_all(&cache, talk(&t, longer, 1), &use);
    assert_int_equal(use.read, 0);
    prefix_use_all(&cache, talk(&t, longer, 3), &use);
    assert_true(use.read > 0);
    assert_int_equal(use.read % 16, 0);
    assert_int_equal(sum(&use), prompt_tokens(&t.prompt));
    /* the last token is always computed */
    prefix_use_all(&cache, &t.prompt, &use);
    assert_true(use.rest > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_a_mark_nothing_is_kept, empty_cache),
        cmocka_unit_test_setup(a_marked_beginning_is_written_then_read,
                               empty_cache),
        cmocka_unit_test_setup(what_was_kept_is_forgotten_in_time, empty_cache),
        cmocka_unit_test_setup(another_text_or_model_is_not_the_same,
                               empty_cache),
        cmocka_unit_test_setup(everything_is_kept_in_whole_blocks, empty_cache),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
