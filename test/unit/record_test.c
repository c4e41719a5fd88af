/* record: a copy for another thread has nothing of the original's memory. */
#include "record.h"

#include <stdlib.h>

#include "testing.h"

/* All strings that a record has of its own. */
static const struct {
    const char *name;
    size_t at;
} texts[] = {
#define TEXT(member)                             \
    {                                            \
#member, offsetof(struct record, member) \
    }
    TEXT(id),
    TEXT(trace_id),
    TEXT(peer),
    TEXT(method),
    TEXT(path),
    TEXT(format),
    TEXT(key),
    TEXT(model),
    TEXT(params.temperature),
    TEXT(params.top_p),
    TEXT(params.top_k),
    TEXT(span_id),
    TEXT(parent_span_id),
    TEXT(trace_state),
    TEXT(user),
    TEXT(session),
    TEXT(metadata),
    TEXT(backend),
    TEXT(served_model),
    TEXT(reason),
    TEXT(rule),
    TEXT(detail),
    TEXT(usage.service_tier),
    TEXT(answer_id),
    TEXT(input),
    TEXT(output),
#undef TEXT
};

static struct str *text_of(struct record *record, size_t i)
{
    return (struct str *)(void *)((char *)record + texts[i].at);
}

/* Memory of the original: each string is a piece of it, of its own bytes. */
static char memory[4096];
static size_t used;

static struct str piece(const char *text)
{
    size_t len = strlen(text);
    struct str at = {memory + used, len};

    assert_true(used + len < sizeof(memory));
    memcpy(memory + used, text, len);
    used += len;
    return at;
}

static struct record_try tries[2];
static struct record_event events[2];
static uint16_t dropped[3];

static void fill(struct record *record)
{
    *record = (struct record){
        .status = 207,
        .cost = -5,
        .ended_wall_us = 1234567,
        .usage = {.is_known = true, .input = 11},
    };
    used = 0;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        *text_of(record, i) = piece(texts[i].name);
    for (unsigned i = 0; i < 2; i++) {
        tries[i] = (struct record_try){
            .backend = piece(i == 0 ? "backend 0" : "backend 1"),
            .model = piece(i == 0 ? "model 0" : "model 1"),
            .host = piece(i == 0 ? "host 0" : "host 1"),
            .port = 8000 + i,
            .began_us = UINT64_MAX - i,
        };
        memcpy(tries[i].span_id,
               i == 0 ? "0123456789abcdef" : "fedcba9876543210",
               TRACE_SPAN_LEN);
        events[i] = (struct record_event){
            .kind = i == 0 ? RECORD_RETRY : RECORD_SPILL,
            .cause = piece(i == 0 ? "cause 0" : "cause 1"),
            .backend = piece(i == 0 ? "to 0" : "to 1"),
            .at_us = 77 + i,
        };
    }
    for (unsigned i = 0; i < 3; i++)
        dropped[i] = (uint16_t)(300 + i);
    record->tries_made = tries;
    record->tries_kept = 2;
    record->events = events;
    record->event_count = 2;
    record->dropped = dropped;
    record->dropped_count = 3;
}

/* What the original's owner does with its memory next. */
static void overwrite(struct record *record)
{
    memset(memory, 'X', sizeof(memory));
    memset(tries, 0x55, sizeof(tries));
    memset(events, 0x55, sizeof(events));
    memset(dropped, 0x55, sizeof(dropped));
    memset(record, 0x55, sizeof(*record));
}

static void a_copy_has_all_of_the_original(void **state)
{
    struct record record;
    struct record *copy;

    (void)state;
    fill(&record);
    copy = record_copy(&record);
    overwrite(&record);
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_str(*text_of(copy, i), texts[i].name);
    assert_int_equal(copy->status, 207);
    assert_int_equal(copy->cost, -5);
    assert_int_equal(copy->ended_wall_us, 1234567);
    assert_int_equal(copy->usage.input, 11);
    assert_int_equal(copy->tries_kept, 2);
    assert_str(copy->tries_made[0].backend, "backend 0");
    assert_str(copy->tries_made[0].model, "model 0");
    assert_str(copy->tries_made[0].host, "host 0");
    assert_str(copy->tries_made[1].backend, "backend 1");
    assert_str(copy->tries_made[1].model, "model 1");
    assert_str(copy->tries_made[1].host, "host 1");
    assert_int_equal(copy->tries_made[1].port, 8001);
    assert_true(copy->tries_made[1].began_us == UINT64_MAX - 1);
    assert_memory_equal(copy->tries_made[1].span_id, "fedcba9876543210", 16);
    assert_int_equal(copy->event_count, 2);
    assert_int_equal(copy->events[1].kind, RECORD_SPILL);
    assert_str(copy->events[0].cause, "cause 0");
    assert_str(copy->events[0].backend, "to 0");
    assert_str(copy->events[1].cause, "cause 1");
    assert_str(copy->events[1].backend, "to 1");
    assert_int_equal(copy->events[1].at_us, 78);
    assert_int_equal(copy->dropped_count, 3);
    assert_int_equal(copy->dropped[2], 302);
    record_free(copy);
}

/* Whatever is added to the struct: no word of a copy is an address of the
 * original's memory. */
static void a_copy_points_nowhere_into_the_original(void **state)
{
    struct record record;
    struct record *copy;

    (void)state;
    fill(&record);
    copy = record_copy(&record);
    for (size_t at = 0; at + sizeof(uintptr_t) <= copy->size;
         at += sizeof(uintptr_t)) {
        uintptr_t word;

        memcpy(&word, (char *)copy + at, sizeof(word));
        assert_false(word >= (uintptr_t)memory &&
                     word <= (uintptr_t)(memory + sizeof(memory)));
        assert_false(word >= (uintptr_t)tries && word < (uintptr_t)(tries + 2));
        assert_false(word >= (uintptr_t)events &&
                     word < (uintptr_t)(events + 2));
    }
    record_free(copy);
}

static void an_empty_record_is_copied_too(void **state)
{
    struct record record = {0};
    struct record *copy = record_copy(&record);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(text_of(copy, i)->len, 0);
    assert_int_equal(copy->size, sizeof(record));
    record_free(copy);
}

static void a_copy_knows_its_size(void **state)
{
    struct record record = {.output = STR("12345")};
    struct record *copy = record_copy(&record);
    struct record *again = record_copy(copy);

    (void)state;
    assert_int_equal(copy->size, sizeof(record) + 5);
    assert_int_equal(again->size, copy->size);
    assert_ptr_not_equal(again->output.ptr, copy->output.ptr);
    record_free(copy);
    assert_str(again->output, "12345");
    record_free(again);
}

/* ended_us and ended_wall_us are the same moment. */
static void moments_become_wall_time(void **state)
{
    struct record record = {.ended_us = 5000000, .ended_wall_us = 1700000005};

    (void)state;
    assert_int_equal(record_wall_ns(&record, 5000000), 1700000005000);
    assert_int_equal(record_wall_ns(&record, 4999999), 1700000004000);
    assert_int_equal(record_wall_ns(&record, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_has_all_of_the_original),
        cmocka_unit_test(a_copy_points_nowhere_into_the_original),
        cmocka_unit_test(an_empty_record_is_copied_too),
        cmocka_unit_test(a_copy_knows_its_size),
        cmocka_unit_test(moments_become_wall_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
