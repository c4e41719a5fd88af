/* choose/queue: places at a backend, first come first served. */
#include "choose/queue.h"

#include <uv.h>

#include "../given.h"
#include "../testing.h"
#include "clock.h"

static struct catalog *catalog;
static const struct backend *backend;
static _Atomic unsigned woken;

static int begin(void **state)
{
    (void)state;
    catalog = given_catalog("limits: {in_flight: 2, queue: 3}\n"
                            "backends:\n"
                            "  - name: gpu\n"
                            "    tier: local\n"
                            "    url: [http://a.test, http://b.test]\n"
                            "    models: [{name: m}]\n"
                            "  - name: other\n"
                            "    tier: local\n"
                            "    in_flight: 7\n"
                            "    url: http://c.test\n"
                            "    models: [{name: n}]\n");
    backend = &catalog->backends[0];
    woken = 0;
    return 0;
}

static int finish(void **state)
{
    (void)state;
    assert_int_equal(queue_length(backend), 0);
    catalog_unref(catalog);
    return 0;
}

static struct replica *take(bool *is_full)
{
    struct health_wish wish = {.settings = &catalog->settings,
                               .now_ms = clock_ms()};

    return queue_take(backend, &wish, is_full);
}

static void fill(void)
{
    bool is_full;

    for (int i = 0; i < 4; i++)
        assert_non_null(take(&is_full));
}

static unsigned in_flight(unsigned replica)
{
    return atomic_load(&backend->replicas[replica].in_flight);
}

static void empty(void)
{
    while (in_flight(0) > 0)
        queue_release(&backend->replicas[0]);
    while (in_flight(1) > 0)
        queue_release(&backend->replicas[1]);
}

static void wake(struct waiter *waiter)
{
    (void)waiter;
    woken++;
}

static void places_have_a_bound(void **state)
{
    bool is_full;

    (void)state;
    assert_int_equal(backend->max_in_flight, 2);
    assert_int_equal(catalog->backends[1].max_in_flight, 7);
    fill();
    assert_int_equal(in_flight(0), 2);
    assert_int_equal(in_flight(1), 2);
    assert_null(take(&is_full));
    assert_true(is_full);
    queue_release(&backend->replicas[1]);
    assert_ptr_equal(take(&is_full), &backend->replicas[1]);
    empty();
}

static void a_backend_that_is_not_there_is_not_full(void **state)
{
    bool is_full;

    (void)state;
    atomic_store(&backend->replicas[0].state, HEALTH_COLD);
    atomic_store(&backend->replicas[1].state, HEALTH_COLD);
    assert_null(take(&is_full));
    assert_false(is_full);
    /* one is cold, the other full */
    atomic_store(&backend->replicas[0].state, HEALTH_WARM);
    assert_non_null(take(&is_full));
    assert_non_null(take(&is_full));
    assert_null(take(&is_full));
    assert_true(is_full);
    empty();
}

static void a_free_place_goes_to_who_waits_longest(void **state)
{
    struct waiter a = {0};
    struct waiter b = {0};
    bool is_full;

    (void)state;
    fill();
    assert_true(queue_join(backend, &a, false, wake));
    assert_true(queue_join(backend, &b, false, wake));
    assert_int_equal(queue_length(backend), 2);
    assert_int_equal(woken, 0);
    queue_release(&backend->replicas[1]);
    assert_int_equal(woken, 1);
    /* nobody passes by who came later */
    assert_null(take(&is_full));
    assert_true(is_full);
    assert_null(queue_given(&b));
    assert_ptr_equal(queue_given(&a), &backend->replicas[1]);
    assert_null(queue_given(&a));
    queue_release(&backend->replicas[0]);
    assert_ptr_equal(queue_given(&b), &backend->replicas[0]);
    assert_int_equal(in_flight(0) + in_flight(1), 4);
    queue_leave(backend, &a);
    queue_leave(backend, &b);
    empty();
}

static void who_leaves_gives_up_place_and_turn(void **state)
{
    struct waiter a = {0};
    struct waiter b = {0};
    struct waiter c = {0};

    (void)state;
    fill();
    assert_true(queue_join(backend, &a, false, wake));
    assert_true(queue_join(backend, &b, false, wake));
    assert_true(queue_join(backend, &c, false, wake));
    queue_leave(backend, &a);
    assert_int_equal(queue_length(backend), 2);
    queue_release(&backend->replicas[0]);
    /* b has it and leaves without a look: it goes on to c */
    queue_leave(backend, &b);
    assert_ptr_equal(queue_given(&c), &backend->replicas[0]);
    assert_int_equal(in_flight(0), 2);
    queue_leave(backend, &c);
    queue_leave(backend, &c);
    empty();
}

static void the_queue_has_a_bound(void **state)
{
    struct waiter waiters[4] = {0};

    (void)state;
    fill();
    for (int i = 0; i < 3; i++)
        assert_true(queue_join(backend, &waiters[i], false, wake));
    assert_false(queue_join(backend, &waiters[3], false, wake));
    assert_int_equal(queue_length(backend), 3);
    for (int i = 0; i < 4; i++)
        queue_leave(backend, &waiters[i]);
    empty();
}

static void one_that_is_back_serves_those_who_wait(void **state)
{
    struct waiter a = {0};
    bool is_full;

    (void)state;
    atomic_store(&backend->replicas[1].state, HEALTH_COLD);
    assert_non_null(take(&is_full));
    assert_non_null(take(&is_full));
    assert_true(queue_join(backend, &a, false, wake));
    queue_serve(backend);
    assert_int_equal(woken, 0);
    atomic_store(&backend->replicas[1].state, HEALTH_WARM);
    queue_serve(backend);
    assert_int_equal(woken, 1);
    assert_ptr_equal(queue_given(&a), &backend->replicas[1]);
    empty();
}

/* --- many threads ----------------------------------------------------------
 */

enum { THREADS = 4, ROUNDS = 3000 };

static _Atomic unsigned most;

static void hustle(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct waiter waiter = {0};
        bool is_full;
        struct replica *place = take(&is_full);
        unsigned now;

        if (place == NULL && queue_join(backend, &waiter, false, wake)) {
            for (int k = 0; k < 1000 && place == NULL; k++)
                place = queue_given(&waiter);
            if (place == NULL)
                queue_leave(backend, &waiter);
        }
        if (place == NULL)
            continue;
        now = atomic_load(&place->in_flight);
        if (now > atomic_load(&most))
            atomic_store(&most, now);
        queue_release(place);
    }
}

static void threads_never_lose_or_double_a_place(void **state)
{
    uv_thread_t threads[THREADS];

    (void)state;
    atomic_store(&most, 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_create(&threads[i], hustle, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        uv_thread_join(&threads[i]);
    assert_int_equal(in_flight(0), 0);
    assert_int_equal(in_flight(1), 0);
    assert_true(atomic_load(&most) > 0);
}

#define with_catalog(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_catalog(places_have_a_bound),
        with_catalog(a_backend_that_is_not_there_is_not_full),
        with_catalog(a_free_place_goes_to_who_waits_longest),
        with_catalog(who_leaves_gives_up_place_and_turn),
        with_catalog(the_queue_has_a_bound),
        with_catalog(one_that_is_back_serves_those_who_wait),
        with_catalog(threads_never_lose_or_double_a_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
