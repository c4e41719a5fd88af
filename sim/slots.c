#include "slots.h"

void slots_init(struct slots *slots, unsigned most_running,
                unsigned most_waiting)
{
    *slots = (struct slots){.most_running = most_running,
                            .most_waiting = most_waiting};
    list_init(&slots->queue);
}

void slots_seat_init(struct slots_seat *seat)
{
    list_init(&seat->link);
    seat->place = SLOTS_NONE;
}

enum slots_place slots_enter(struct slots *slots, struct slots_seat *seat)
{
    /* nobody overtakes those who wait */
    if (slots->running < slots->most_running && slots->waiting == 0) {
        slots->running++;
        seat->place = SLOTS_RUNNING;
    } else if (slots->waiting < slots->most_waiting) {
        slots->waiting++;
        list_push_back(&slots->queue, &seat->link);
        seat->place = SLOTS_WAITING;
    }
    return seat->place;
}

void slots_leave(struct slots *slots, struct slots_seat *seat)
{
    if (seat->place == SLOTS_RUNNING)
        slots->running--;
    else if (seat->place == SLOTS_WAITING)
        slots->waiting--;
    list_remove(&seat->link);
    seat->place = SLOTS_NONE;
}

struct slots_seat *slots_next(struct slots *slots)
{
    struct slots_seat *seat;

    if (slots->waiting == 0 || slots->running >= slots->most_running)
        return NULL;
    seat = list_entry(slots->queue.next, struct slots_seat, link);
    list_remove(&seat->link);
    slots->waiting--;
    slots->running++;
    seat->place = SLOTS_RUNNING;
    return seat;
}
