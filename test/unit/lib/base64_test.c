/* lib/base64: RFC 4648 with padding, and data URLs. */
#include "base64.h"

#include "../testing.h"

static void the_vectors_of_rfc_4648_decode(void **state)
{
    static const struct {
        const char *coded;
        const char *plain;
    } cases[] = {
        {"Zg==", "f"},
        {"Zm8=", "fo"},
        {"Zm9v", "foo"},
        {"Zm9vYg==", "foob"},
        {"Zm9vYmE=", "fooba"},
        {"Zm9vYmFy", "foobar"},
        {"++//", "\xFB\xEF\xFF"},
    };
    struct arena arena;

    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str coded = str_of(cases[i].coded);
        struct str plain;

        assert_true(base64_is_valid(coded));
        plain = base64_decode(&arena, coded);
        assert_str(plain, cases[i].plain);
        assert_int_equal(plain.ptr[plain.len], '\0');
    }
    arena_clear(&arena);
}

static void what_is_no_base64_is_refused(void **state)
{
    static const char *const bad[] = {
        "",       "Z",    "Zg",       "Zg=",      "=",
        "====",   "Z===", "Zg=a",     "Z=g=",     "Zm 8",
        "Zm9v\n", "Zm-_", "Zg==Zg==", "Zm9v*m9v", "Zm9\xC3",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(base64_is_valid(str_of(bad[i])));
    assert_false(base64_is_valid((struct str){NULL, 0}));
}

static void the_front_alone_can_be_decoded(void **state)
{
    unsigned char front[4] = {0};

    (void)state;
    assert_int_equal(base64_decode_front(STR("iVBORw0KGgo="), front, 4), 4);
    assert_memory_equal(front, "\x89PNG", 4);
    assert_int_equal(base64_decode_front(STR("Zg=="), front, 4), 1);
    assert_int_equal(base64_decode_front(STR("Zm9v"), front, 0), 0);
}

/* Every length and every byte value, against a coder of the test's own. */
static void all_bytes_come_back(void **state)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
                                   "qrstuvwxyz0123456789+/";
    unsigned char plain[256];
    char coded[4 * sizeof(plain)];
    struct arena arena;

    (void)state;
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (unsigned char)(i * 167 % 256);
    arena_init(&arena);
    for (size_t len = 1; len <= sizeof(plain); len++) {
        size_t n = 0;
        struct str back;

        for (size_t i = 0; i < len; i += 3) {
            unsigned bits = (unsigned)plain[i] << 16;

            bits |= i + 1 < len ? (unsigned)plain[i + 1] << 8 : 0;
            bits |= i + 2 < len ? (unsigned)plain[i + 2] : 0;
            coded[n++] = alphabet[bits >> 18];
            coded[n++] = alphabet[bits >> 12 & 63];
            coded[n++] = i + 1 < len ? alphabet[bits >> 6 & 63] : '=';
            coded[n++] = i + 2 < len ? alphabet[bits & 63] : '=';
        }
        assert_true(base64_is_valid((struct str){coded, n}));
        back = base64_decode(&arena, (struct str){coded, n});
        assert_int_equal(back.len, len);
        assert_memory_equal(back.ptr, plain, len);
    }
    arena_clear(&arena);
}

static void a_data_url_tells_its_type_and_its_data(void **state)
{
    static const struct {
        const char *url;
        const char *type;
        const char *data;
    } cases[] = {
        {"data:image/png;base64,iVBORw0KGgo=", "image/png", "iVBORw0KGgo="},
        {"data:text/plain;charset=utf-8;base64,Zm9v", "text/plain", "Zm9v"},
        {"DATA:image/jpg;BASE64,Zm9v", "image/jpg", "Zm9v"},
        {"data: image/gif ;base64,Zm9v", "image/gif", "Zm9v"},
        {"data:;base64,Zm9v", "", "Zm9v"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct data_url url;

        assert_true(data_url_parse(str_of(cases[i].url), &url));
        assert_str(url.media_type, cases[i].type);
        assert_str(url.data, cases[i].data);
    }
}

static void other_urls_are_no_data_urls(void **state)
{
    static const char *const bad[] = {
        "",
        "data:",
        "https://example.org/a.png",
        "data:image/png,plain",
        "data:image/png;base64",
        "data:image/png;base64,",
        "data:image/png;base64,not base64",
        "data:image/png;base64;Zm9v",
        "data:base64,Zm9v",
        "data:image/png;base64x,Zm9v",
        "data,Zm9v",
    };
    struct data_url url;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(data_url_parse(str_of(bad[i]), &url));
}

static void what_is_encoded_is_decoded_again(void **state)
{
    static const struct {
        struct str bytes;
        const char *text;
    } cases[] = {
        /* RFC 4648, 10 */
        {STR_INIT(""), ""},
        {STR_INIT("f"), "Zg=="},
        {STR_INIT("fo"), "Zm8="},
        {STR_INIT("foo"), "Zm9v"},
        {STR_INIT("foob"), "Zm9vYg=="},
        {STR_INIT("foobar"), "Zm9vYmFy"},
        {STR_INIT("\xff\xfe\x00\xfb"), "//4A+w=="},
    };
    struct arena arena;

    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf text;

        buf_init(&text, 64);
        base64_encode(&text, cases[i].bytes);
        assert_str(buf_str(&text), cases[i].text);
        if (text.len > 0) {
            assert_true(base64_is_valid(buf_str(&text)));
            assert_true(
                str_eq(base64_decode(&arena, buf_str(&text)), cases[i].bytes));
        }
        buf_fini(&text);
    }
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_4648_decode),
        cmocka_unit_test(what_is_no_base64_is_refused),
        cmocka_unit_test(the_front_alone_can_be_decoded),
        cmocka_unit_test(all_bytes_come_back),
        cmocka_unit_test(a_data_url_tells_its_type_and_its_data),
        cmocka_unit_test(other_urls_are_no_data_urls),
        cmocka_unit_test(what_is_encoded_is_decoded_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
