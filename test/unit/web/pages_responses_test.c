/* web/pages_responses: stored responses by their id. */
#include "../reply/sink_double.h"
#include "web/pages.h"

static const struct store_limits limits = {1 << 20, 1000};

static struct store store;
static struct arena arena;
static struct sink_double sink;
static struct reply reply;

static int begin(void **state)
{
    struct str texts[STORE_TEXTS] = {STR("[]"), STR("{\"id\":\"resp_1\"}")};

    (void)state;
    store_init(&store);
    arena_init(&arena);
    sink_double_init(&sink);
    reply_init(&reply, &sink.sink);
    assert_true(store_put(
        &store, store_key(&arena, "response", STR("alice"), STR("resp_1")),
        texts, 0, NULL, 1, &limits));
    return 0;
}

static int finish(void **state)
{
    (void)state;
    reply_close(&reply);
    sink_double_fini(&sink);
    arena_clear(&arena);
    store_fini(&store);
    return 0;
}

static struct str got(struct str owner, struct str id, uint64_t now_ms)
{
    page_response(&reply, &arena, &store, &limits, owner, id, now_ms);
    return sink_double_text(&sink);
}

static struct str forgot(struct str owner, struct str id)
{
    page_forget_response(&reply, &arena, &store, owner, id);
    return sink_double_text(&sink);
}

static void a_response_is_what_was_stored(void **state)
{
    (void)state;
    assert_true(str_ends(got(STR("alice"), STR("resp_1"), 2),
                         STR("\r\n\r\n{\"id\":\"resp_1\"}")));
    assert_int_equal(reply.status, 200);
}

static void one_that_is_not_there_is_named(void **state)
{
    struct str text = got(STR("alice"), STR("resp_2"), 2);

    (void)state;
    assert_int_equal(reply.status, 404);
    assert_has(text, "resp_2");
    assert_has(text, "\"code\":\"not_found\"");
    assert_has(text, "\"type\":\"invalid_request_error\"");
}

static void another_owner_finds_nothing(void **state)
{
    (void)state;
    (void)got(STR("bob"), STR("resp_1"), 2);
    assert_int_equal(reply.status, 404);
}

static void nor_does_who_comes_too_late(void **state)
{
    (void)state;
    (void)got(STR("alice"), STR("resp_1"), 1001);
    assert_int_equal(reply.status, 404);
}

static void another_owner_deletes_nothing(void **state)
{
    (void)state;
    (void)forgot(STR("bob"), STR("resp_1"));
    assert_int_equal(reply.status, 404);
    assert_int_equal(store.count, 1);
}

static void what_is_deleted_is_gone(void **state)
{
    (void)state;
    assert_true(str_ends(
        forgot(STR("alice"), STR("resp_1")),
        STR("{\"id\":\"resp_1\",\"object\":\"response\",\"deleted\":true}")));
    assert_int_equal(reply.status, 200);
    assert_int_equal(store.count, 0);
}

/* A path may hold any bytes; an answer is UTF-8. */
static void an_id_of_odd_bytes_breaks_no_answer(void **state)
{
    struct str text = got(STR("alice"), STR("\xFF\xC3\"\\\x01"), 2);

    (void)state;
    assert_int_equal(reply.status, 404);
    assert_true(str_is_utf8(text));
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(a_response_is_what_was_stored),
        with_store(one_that_is_not_there_is_named),
        with_store(another_owner_finds_nothing),
        with_store(nor_does_who_comes_too_late),
        with_store(another_owner_deletes_nothing),
        with_store(what_is_deleted_is_gone),
        with_store(an_id_of_odd_bytes_breaks_no_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
