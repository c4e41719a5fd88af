/* store: what is remembered, for how long, and how much. */
#include "store.h"

#include <stdlib.h>

#include "testing.h"

static const struct store_limits plenty = {1 << 20, 1000};

static struct store store;
static struct arena arena;

static int begin(void **state)
{
    (void)state;
    store_init(&store);
    arena_init(&arena);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    store_fini(&store); /* checks that no byte is left */
    arena_clear(&arena);
    return 0;
}

static struct str key_of(const char *id)
{
    return store_key(&arena, "response", STR("alice"), str_of(id));
}

static bool put(const char *id, struct str text, struct store_entry *parent,
                uint64_t now_ms, const struct store_limits *limits)
{
    struct str texts[STORE_TEXTS] = {text, STR("second")};

    return store_put(&store, key_of(id), texts, 7, parent, now_ms, limits);
}

static bool has(const char *id, uint64_t now_ms,
                const struct store_limits *limits)
{
    struct store_entry *entry = store_take(&store, key_of(id), now_ms, limits);
    bool is_there = entry != NULL;

    store_unref(entry);
    return is_there;
}

/* `len` bytes that nobody looks at. */
static struct str filled(size_t len)
{
    char *text = arena_alloc(&arena, len);

    memset(text, 'x', len);
    return (struct str){text, len};
}

static void what_was_put_comes_back(void **state)
{
    struct store_entry *entry;

    (void)state;
    assert_true(put("a", STR("first"), NULL, 1, &plenty));
    entry = store_take(&store, key_of("a"), 2, &plenty);
    assert_non_null(entry);
    assert_str(entry->texts[0], "first");
    assert_str(entry->texts[1], "second");
    assert_int_equal(entry->tag, 7);
    assert_null(entry->parent);
    store_unref(entry);
    assert_false(has("b", 2, &plenty));
}

static void the_same_key_again_takes_its_place(void **state)
{
    struct store_entry *entry;
    size_t bytes;

    (void)state;
    assert_true(put("a", STR("old"), NULL, 1, &plenty));
    bytes = atomic_load(&store.bytes);
    assert_true(put("a", STR("new"), NULL, 2, &plenty));
    assert_true(atomic_load(&store.bytes) == bytes);
    assert_int_equal(store.count, 1);
    entry = store_take(&store, key_of("a"), 3, &plenty);
    assert_str(entry->texts[0], "new");
    store_unref(entry);
}

static void what_is_an_owners_is_nobody_elses(void **state)
{
    struct str texts[STORE_TEXTS] = {STR("hers"), STR("")};
    struct str hers = store_key(&arena, "response", STR("alice"), STR("a"));
    struct str others[] = {
        store_key(&arena, "response", STR("bob"), STR("a")),
        store_key(&arena, "response", (struct str){NULL, 0}, STR("a")),
        store_key(&arena, "call", STR("alice"), STR("a")),
        /* an id may hold anything, and still be no other's */
        store_key(&arena, "response", (struct str){NULL, 0}, STR("alice\na")),
    };

    (void)state;
    assert_true(store_put(&store, hers, texts, 0, NULL, 1, &plenty));
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        assert_null(store_take(&store, others[i], 1, &plenty));
        assert_false(store_remove(&store, others[i]));
    }
    assert_true(store_remove(&store, hers));
    assert_false(store_remove(&store, hers));
    assert_null(store_take(&store, hers, 1, &plenty));
}

static void what_is_too_old_is_forgotten(void **state)
{
    (void)state;
    assert_true(put("a", STR("x"), NULL, 100, &plenty));
    assert_true(put("b", STR("x"), NULL, 600, &plenty));
    assert_true(has("a", 1099, &plenty));
    assert_false(has("a", 1100, &plenty));
    assert_true(has("b", 1100, &plenty));
    assert_int_equal(store.count, 1);
}

/* Threads read their clocks before they come in, and not in that order. */
static void what_is_younger_than_now_is_not_too_old(void **state)
{
    (void)state;
    assert_true(put("a", STR("x"), NULL, 101, &plenty));
    assert_true(has("a", 100, &plenty));
    assert_true(put("b", STR("x"), NULL, 100, &plenty));
    assert_true(has("a", 100, &plenty));
    assert_true(has("b", 100, &plenty));
}

static void the_oldest_make_room(void **state)
{
    struct store_limits limits = {8000, 1000};

    (void)state;
    assert_true(put("a", filled(1900), NULL, 1, &limits));
    assert_true(put("b", filled(1900), NULL, 2, &limits));
    assert_true(put("c", filled(1900), NULL, 3, &limits));
    assert_true(has("a", 3, &limits));
    assert_true(put("d", filled(1900), NULL, 4, &limits));
    assert_false(has("a", 4, &limits));
    assert_true(has("b", 4, &limits) && has("c", 4, &limits) &&
                has("d", 4, &limits));
    assert_true(atomic_load(&store.bytes) <= limits.max_bytes);
    /* a smaller store after a reload */
    limits.max_bytes = 4000;
    assert_false(has("c", 5, &limits));
    assert_true(has("d", 5, &limits));
}

static void a_quarter_is_the_most_for_one(void **state)
{
    struct store_limits limits = {8000, 1000};
    struct store_limits none = {0, 1000};

    (void)state;
    assert_true(put("a", filled(1000), NULL, 1, &limits));
    assert_false(put("b", filled(2001), NULL, 1, &limits));
    assert_false(put("b", filled(4000), NULL, 1, &limits));
    assert_true(has("a", 1, &limits)); /* nothing had to go for it */
    assert_false(put("c", STR("x"), NULL, 1, &none));
}

static void a_turn_keeps_the_ones_before_it(void **state)
{
    struct store_entry *first;
    struct store_entry *second;

    (void)state;
    assert_true(put("a", STR("one"), NULL, 1, &plenty));
    first = store_take(&store, key_of("a"), 1, &plenty);
    assert_true(put("b", STR("two"), first, 600, &plenty));
    store_unref(first);
    /* as the start of a conversation it is gone, but not from that one */
    assert_false(has("a", 1100, &plenty));
    second = store_take(&store, key_of("b"), 1100, &plenty);
    assert_non_null(second->parent);
    assert_str(second->parent->texts[0], "one");
    /* and it is read for as long as somebody holds it */
    assert_true(store_remove(&store, key_of("b")));
    assert_str(second->parent->texts[0], "one");
    assert_true(atomic_load(&store.bytes) > 0);
    store_unref(second);
    assert_true(atomic_load(&store.bytes) == 0);
}

static void two_may_go_on_with_the_same_turn(void **state)
{
    struct store_entry *first;

    (void)state;
    assert_true(put("a", STR("one"), NULL, 1, &plenty));
    first = store_take(&store, key_of("a"), 1, &plenty);
    assert_true(put("b", STR("two"), first, 1, &plenty));
    assert_true(put("c", STR("three"), first, 1, &plenty));
    store_unref(first);
    assert_true(store_remove(&store, key_of("a")));
    assert_true(store_remove(&store, key_of("b")));
    first = store_take(&store, key_of("c"), 1, &plenty);
    assert_str(first->parent->texts[0], "one");
    store_unref(first);
}

/* What a conversation keeps alive counts, too, or it could grow for ever. */
static void a_conversation_is_never_larger_than_the_store(void **state)
{
    struct store_limits limits = {8000, 1000};
    struct store_entry *last = NULL;
    unsigned turns = 0;

    (void)state;
    while (turns < 100 && put("turn", filled(1500), last, 1, &limits)) {
        store_unref(last);
        last = store_take(&store, key_of("turn"), 1, &limits);
        assert_non_null(last);
        assert_true(atomic_load(&store.bytes) <= limits.max_bytes);
        turns++;
    }
    assert_int_equal(turns, 4);
    assert_true(has("turn", 1, &limits)); /* the last one that had room */
    store_unref(last);
}

static void a_long_conversation_goes_without_recursion(void **state)
{
    struct store_limits limits = {256 << 20, 1000};
    struct store_entry *last = NULL;

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        assert_true(put("turn", STR("x"), last, 1, &limits));
        store_unref(last);
        last = store_take(&store, key_of("turn"), 1, &limits);
    }
    assert_int_equal(store.count, 1);
    store_unref(last);
    assert_true(store_remove(&store, key_of("turn")));
    assert_true(atomic_load(&store.bytes) == 0);
}

/* --- threads -------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 3000, KEYS = 8 };

/* Talks, forgets and goes on with what others have said. */
static void talk(void *number)
{
    static const struct store_limits limits = {20000, 50};
    unsigned seed = *(unsigned *)number;
    struct arena own;

    arena_init(&own);
    for (unsigned i = 0; i < ROUNDS; i++) {
        char id[2] = {0};
        struct str texts[STORE_TEXTS] = {STR("a turn of some length"), {0}};
        struct store_entry *entry;
        struct str key;

        seed = seed * 1103515245u + 12345u;
        id[0] = (char)('a' + (seed >> 16) % KEYS);
        key = store_key(&own, "response", STR("all"), str_of(id));
        texts[1] = key;
        entry = store_take(&store, key, i, &limits);
        if (entry != NULL && !str_eq(entry->texts[1], key))
            abort();
        for (const struct store_entry *at = entry; at != NULL; at = at->parent)
            if (!str_eq(at->texts[0], texts[0]))
                abort();
        if ((seed >> 20) % 8 == 0)
            (void)store_remove(&store, key);
        else
            (void)store_put(&store, key, texts, 0, entry, i, &limits);
        store_unref(entry);
    }
    arena_clear(&own);
}

static void any_thread_may_use_it(void **state)
{
    uv_thread_t threads[THREADS];
    unsigned numbers[THREADS];

    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i + 1;
        assert_int_equal(uv_thread_create(&threads[i], talk, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_join(&threads[i]), 0);
    assert_true(store.count <= KEYS);
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(what_was_put_comes_back),
        with_store(the_same_key_again_takes_its_place),
        with_store(what_is_an_owners_is_nobody_elses),
        with_store(what_is_too_old_is_forgotten),
        with_store(what_is_younger_than_now_is_not_too_old),
        with_store(the_oldest_make_room),
        with_store(a_quarter_is_the_most_for_one),
        with_store(a_turn_keeps_the_ones_before_it),
        with_store(two_may_go_on_with_the_same_turn),
        with_store(a_conversation_is_never_larger_than_the_store),
        with_store(a_long_conversation_goes_without_recursion),
        with_store(any_thread_may_use_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
