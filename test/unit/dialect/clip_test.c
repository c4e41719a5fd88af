/* dialect/clip: JSON of at most so many bytes. */
#include "dialect/clip.h"

#include "../testing.h"

static bool is_json(struct str text)
{
    yyjson_doc *doc = yyjson_read(text.ptr, text.len, 0);
    bool is = doc != NULL;

    yyjson_doc_free(doc);
    return is;
}

/* Some of everything; false when there was no room for the first bracket. */
static bool write(struct clip *clip, struct buf *buf, size_t max)
{
    clip_init(clip, buf, max);
    if (!clip_open(clip, '{'))
        return false;
    clip_member(clip, STR("a\"\x01"), STR("b\xC3\xA4\xE2\x82\xAC\x02\"\\c"));
    if (clip_key(clip, STR("list")) && clip_open(clip, '[')) {
        clip_raw(clip, STR("-1.50e+300"));
        clip_str(clip, STR(""));
        clip_str(clip, STR("x"));
        if (clip_open(clip, '{')) {
            if (clip_key(clip, STR("k")))
                clip_raw(clip, STR("123456789012345678901234567890"));
            clip_close(clip, '}');
        }
        if (clip_open(clip, '[')) {
            clip_raw(clip, STR("true"));
            clip_close(clip, ']');
        }
        clip_close(clip, ']');
    }
    clip_member(clip, STR("z"), STR("end"));
    clip_close(clip, '}');
    return true;
}

static void it_is_json_and_short_enough_whatever_the_bound(void **state)
{
    struct clip clip;
    struct buf buf;
    struct str whole;
    size_t full = 0;

    (void)state;
    for (size_t max = 0; max < 400; max++) {
        buf_init(&buf, max);
        if (write(&clip, &buf, max)) {
            whole = buf_str(&buf);
            assert_false(buf_failed(&buf));
            if (!is_json(whole))
                fail_msg("%zu: %.*s", max, STR_ARG(whole));
            if (clip.is_clipped)
                assert_int_equal(full, 0); /* more room never loses more */
            else
                full = whole.len;
        } else {
            assert_true(clip.is_clipped && buf.len == 0 && max < CLIP_MIN);
        }
        buf_fini(&buf);
    }
    assert_true(full > 100);
    buf_init(&buf, 400);
    assert_true(write(&clip, &buf, 400));
    assert_str(buf_str(&buf),
               "{\"a\\\"\\u0001\":\"b\xC3\xA4\xE2\x82\xAC\\u0002\\\"\\\\c\","
               "\"list\":[-1.50e+300,\"\",\"x\",{\"k\":"
               "123456789012345678901234567890},[true]],\"z\":\"end\"}");
    buf_fini(&buf);
}

static void a_long_string_fills_the_room(void **state)
{
    char text[2000];
    struct clip clip;
    struct buf buf;

    (void)state;
    memset(text, 'x', sizeof(text));
    buf_init(&buf, 1000);
    clip_init(&clip, &buf, 1000);
    assert_true(clip_open(&clip, '{'));
    clip_member(&clip, STR("t"), (struct str){text, sizeof(text)});
    clip_member(&clip, STR("u"), STR("v"));
    clip_close(&clip, '}');
    assert_true(clip.is_clipped);
    assert_true(buf.len <= 1000 && buf.len > 980);
    assert_true(is_json(buf_str(&buf)));
    assert_lacks(buf_str(&buf), "\"u\"");
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_json_and_short_enough_whatever_the_bound),
        cmocka_unit_test(a_long_string_fills_the_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
