/* lib/protobuf: bytes as the encoding guide has them. */
#include "protobuf.h"

#include "../testing.h"

static struct buf out;

static int setup(void **state)
{
    (void)state;
    buf_init(&out, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&out);
    return 0;
}

static void assert_bytes(const char *expected, size_t len)
{
    assert_false(buf_failed(&out));
    assert_int_equal(out.len, len);
    assert_memory_equal(out.ptr, expected, len);
}

static void numbers_are_written_as_the_guide_shows(void **state)
{
    (void)state;
    protobuf_u64(&out, 1, 150);
    protobuf_bytes(&out, 2, STR("testing"));
    protobuf_fixed32(&out, 16, 0x01020304);
    protobuf_fixed64(&out, 7, 1);
    protobuf_double(&out, 4, 1.0);
    protobuf_u64(&out, 3, UINT64_MAX);
    assert_bytes("\x08\x96\x01"
                 "\x12\x07testing"
                 "\x85\x01\x04\x03\x02\x01"
                 "\x39\x01\0\0\0\0\0\0\0"
                 "\x21\0\0\0\0\0\0\xf0\x3f"
                 "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                 3 + 9 + 6 + 9 + 9 + 11);
}

static void a_message_has_the_shortest_length(void **state)
{
    static const size_t lengths[] = {0, 1, 127, 128, 16383, 16384, 70000};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        size_t len = lengths[i];
        struct protobuf_field field;
        struct str rest;
        size_t outer;
        size_t inner;

        buf_clear(&out);
        outer = protobuf_open(&out, 1);
        inner = protobuf_open(&out, 2);
        for (size_t k = 0; k < len; k++)
            buf_put_char(&out, (char)(k % 251));
        protobuf_close(&out, inner);
        protobuf_close(&out, outer);
        rest = buf_str(&out);
        assert_true(protobuf_next(&rest, &field));
        assert_int_equal(rest.len, 0);
        assert_int_equal(field.number, 1);
        assert_int_equal(out.len, 1 + protobuf_varint_len(field.bytes.len) +
                                      field.bytes.len);
        rest = field.bytes;
        assert_true(protobuf_next(&rest, &field));
        assert_int_equal(field.bytes.len, len);
        for (size_t k = 0; k < len; k++)
            assert_int_equal(field.bytes.ptr[k], (char)(k % 251));
    }
}

static void a_ceiling_is_kept(void **state)
{
    struct buf small;
    size_t at;

    (void)state;
    buf_init(&small, 130);
    at = protobuf_open(&small, 1);
    for (int i = 0; i < 200; i++)
        buf_put_char(&small, 'x');
    protobuf_close(&small, at);
    assert_true(buf_failed(&small));
    buf_fini(&small);
}

static void what_is_no_field_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        {"\x08", 1},                                          /* no value */
        {"\x12\x05hell", 6},                                  /* cut short */
        {"\x0b", 1},                                          /* a group */
        {"\x00\x01", 2},                                      /* number 0 */
        {"\x39\x01\0\0", 4},                                  /* half of 64 */
        {"\x85\x01\x01", 3},                                  /* part of 32 */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11}, /* 65 bits */
        {"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, /* endless */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct str rest = {bad[i].bytes, bad[i].len};
        struct protobuf_field field;

        assert_false(protobuf_next(&rest, &field));
        assert_int_equal(rest.len, bad[i].len);
    }
}

static void fields_come_one_by_one(void **state)
{
    struct protobuf_field field;
    struct str rest;

    (void)state;
    protobuf_u64(&out, 1, 14);
    protobuf_bytes(&out, 2, STR("gone"));
    protobuf_fixed64(&out, 3, 0x0102030405060708);
    rest = buf_str(&out);
    assert_true(protobuf_next(&rest, &field));
    assert_int_equal(field.number, 1);
    assert_int_equal(field.type, PROTOBUF_VARINT);
    assert_int_equal(field.value, 14);
    assert_true(protobuf_next(&rest, &field));
    assert_str(field.bytes, "gone");
    assert_true(protobuf_next(&rest, &field));
    assert_true(field.value == 0x0102030405060708);
    assert_false(protobuf_next(&rest, &field));
    assert_int_equal(rest.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers_are_written_as_the_guide_shows,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_message_has_the_shortest_length,
                                        setup, teardown),
        cmocka_unit_test(a_ceiling_is_kept),
        cmocka_unit_test(what_is_no_field_is_refused),
        cmocka_unit_test_setup_teardown(fields_come_one_by_one, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
