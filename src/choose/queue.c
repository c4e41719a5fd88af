#include "queue.h"

#include "clock.h"

unsigned queue_length(const struct backend *backend)
{
    return atomic_load(&backend->queue->length);
}

/* --- places ------------------------------------------------------------- */

/* Others may take the last place between the look and the grip: then look
 * again. */
static struct replica *grip(const struct backend *backend,
                            const struct health_wish *wish, bool *is_full)
{
    enum { LOOKS = 8 };

    for (int i = 0; i < LOOKS; i++) {
        struct replica *replica = health_pick(backend, wish, is_full);

        if (replica == NULL)
            return NULL;
        if (atomic_fetch_add(&replica->in_flight, 1) < backend->max_in_flight)
            return replica;
        atomic_fetch_sub(&replica->in_flight, 1);
    }
    *is_full = true;
    return NULL;
}

struct replica *queue_take(const struct backend *backend,
                           const struct health_wish *wish, bool *is_full)
{
    *is_full = false;
    if (queue_length(backend) > 0 && health_has_usable(backend, wish->now_ms)) {
        *is_full = true; /* the others were here before */
        return NULL;
    }
    return grip(backend, wish, is_full);
}

void queue_release(struct replica *replica)
{
    atomic_fetch_sub(&replica->in_flight, 1);
    if (queue_length(replica->backend) > 0)
        queue_serve(replica->backend);
}

/* --- the queue ---------------------------------------------------------- */

static void take_out(struct queue *queue, struct waiter *waiter)
{
    list_remove(&waiter->link);
    waiter->is_waiting = false;
    atomic_fetch_sub(&queue->length, 1);
}

static bool serve_first(const struct backend *backend)
{
    struct queue *queue = backend->queue;
    struct waiter *first = list_entry(queue->waiters.next, struct waiter, link);
    struct health_wish wish = {
        .settings = queue->settings,
        .now_ms = clock_ms(),
        .anyhow = first->anyhow,
    };
    bool ignored;
    struct replica *replica = grip(backend, &wish, &ignored);

    if (replica == NULL)
        return false;
    take_out(queue, first);
    atomic_store(&first->place, replica);
    first->on_place(first);
    return true;
}

void queue_serve(const struct backend *backend)
{
    struct queue *queue = backend->queue;

    uv_mutex_lock(&queue->lock);
    while (!list_empty(&queue->waiters) && serve_first(backend))
        ;
    uv_mutex_unlock(&queue->lock);
}

bool queue_join(const struct backend *backend, struct waiter *waiter,
                bool anyhow, void (*on_place)(struct waiter *waiter))
{
    struct queue *queue = backend->queue;
    bool has_room;

    waiter->anyhow = anyhow;
    waiter->on_place = on_place;
    atomic_store(&waiter->place, NULL);
    uv_mutex_lock(&queue->lock);
    has_room = queue_length(backend) < queue->settings->queue_size;
    if (has_room) {
        atomic_fetch_add(&queue->length, 1);
        list_push_back(&queue->waiters, &waiter->link);
        waiter->is_waiting = true;
    }
    uv_mutex_unlock(&queue->lock);
    /* a place that became free a moment ago had nobody to go to */
    if (has_room)
        queue_serve(backend);
    return has_room;
}

struct replica *queue_given(struct waiter *waiter)
{
    return atomic_exchange(&waiter->place, NULL);
}

void queue_leave(const struct backend *backend, struct waiter *waiter)
{
    struct queue *queue = backend->queue;
    struct replica *place;

    uv_mutex_lock(&queue->lock);
    if (waiter->is_waiting)
        take_out(queue, waiter);
    uv_mutex_unlock(&queue->lock);
    place = queue_given(waiter);
    if (place != NULL)
        queue_release(place);
}
