/* lib/gzip */
#include "gzip.h"

#include <stdlib.h>
#include <zlib.h>

#include "testing.h"

/* What gunzip makes of it. */
static size_t unpack(struct str packed, char *out, size_t room)
{
    z_stream stream = {0};

    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    memcpy(&stream.next_in, &packed.ptr, sizeof(packed.ptr));
    stream.avail_in = (unsigned)packed.len;
    stream.next_out = (unsigned char *)out;
    stream.avail_out = (unsigned)room;
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.avail_in, 0);
    assert_int_equal(inflateEnd(&stream), Z_OK);
    return room - stream.avail_out;
}

static void what_is_packed_comes_out_the_same(void **state)
{
    enum { SIZE = 300000 };
    static const size_t sizes[] = {0, 1, 100, 65536, SIZE};
    char *bytes = malloc(SIZE);
    char *again = malloc(SIZE + 1);
    struct gzip *gzip = gzip_new();
    struct buf packed;

    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)(i % 7 == 0 ? i * i >> 3 : 'a' + i % 5);
    buf_init(&packed, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct str in = {bytes, sizes[i]};

        buf_clear(&packed);
        buf_put(&packed, STR("before"));
        assert_true(gzip_pack(gzip, in, &packed));
        assert_true(gzip_is_packed(
            str_slice(buf_str(&packed), strlen("before"), packed.len)));
        assert_int_equal(
            unpack(str_slice(buf_str(&packed), strlen("before"), packed.len),
                   again, SIZE + 1),
            sizes[i]);
        assert_memory_equal(again, bytes, sizes[i]);
    }
    assert_true(packed.len < SIZE / 2);
    buf_fini(&packed);
    gzip_free(gzip);
    free(bytes);
    free(again);
}

static void what_does_not_fit_is_not_begun(void **state)
{
    struct gzip *gzip = gzip_new();
    struct buf packed;

    (void)state;
    buf_init(&packed, 8);
    assert_false(gzip_pack(gzip, STR("too much for eight bytes"), &packed));
    assert_true(buf_failed(&packed));
    buf_fini(&packed);
    gzip_free(gzip);
    gzip_free(NULL);
}

static void plain_json_is_not_packed(void **state)
{
    (void)state;
    assert_false(gzip_is_packed(STR("{\"batch\":[]}")));
    assert_false(gzip_is_packed(STR("\x1f")));
    assert_false(gzip_is_packed(STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_comes_out_the_same),
        cmocka_unit_test(what_does_not_fit_is_not_begun),
        cmocka_unit_test(plain_json_is_not_packed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
