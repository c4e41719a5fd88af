/* Tokens: whole characters, numbers that can be turned back. */
#include "../testing.h"

#include "../../../sim/tokenizer.h"

/* The tokens of `text` with '|' between them. */
static void expect(const char *text, const char *expected)
{
    struct str rest = str_of(text);
    struct str token;
    char all[256];
    size_t len = 0;

    while (tokenizer_next(&rest, &token)) {
        if (len > 0)
            all[len++] = '|';
        memcpy(all + len, token.ptr, token.len);
        len += token.len;
    }
    assert_str(((struct str){all, len}), expected);
}

static void words_keep_the_space_before_them(void **state)
{
    (void)state;
    expect("", "");
    expect("Hello world", "Hello| world");
    expect("Berlin, please.", "Berlin|,| pleas|e|.");
    expect("a  b\n\n c", "a| | b|\n\n| c");
    expect("{\"city\":1}", "{|\"|city|\"|:|1|}");
}

static void no_character_is_cut(void **state)
{
    (void)state;
    expect("\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4",
           "\xC3\xA4\xC3\xA4\xC3\xA4|\xC3\xA4");
    expect("ab\xF0\x9F\x98\x80\xF0\x9F\x98\x80",
           "ab\xF0\x9F\x98\x80|\xF0\x9F\x98\x80");
    expect("abcde\xE2\x82\xAC", "abcde|\xE2\x82\xAC");
}

static void numbers_can_be_turned_back(void **state)
{
    struct str rest = STR("What's the weather in M\xC3\xBCnchen?\n");
    struct str token;
    char bytes[TOKENIZER_MAX_BYTES];

    (void)state;
    while (tokenizer_next(&rest, &token)) {
        uint64_t number = tokenizer_number(token);

        assert_true(number < (uint64_t)1 << 51);
        assert_int_equal(tokenizer_bytes(number, bytes), token.len);
        assert_memory_equal(bytes, token.ptr, token.len);
    }
    assert_int_equal(tokenizer_bytes(7, bytes), 0);
    assert_int_equal(tokenizer_bytes(UINT64_MAX, bytes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_keep_the_space_before_them),
        cmocka_unit_test(no_character_is_cut),
        cmocka_unit_test(numbers_can_be_turned_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
