#include "settle.h"

#include "check.h"
#include "clock.h"

void settle(struct record *record, uint64_t now_us)
{
    check(record->ended_us == 0);
    record->ended_us = now_us;
    record->ended_wall_us = clock_wall_us();
    if (record->error == ERR_CALLER_LEFT)
        record->outcome = OUTCOME_CANCELLED;
    else if (record->error == OK && record->status < 400)
        record->outcome = OUTCOME_OK;
    else if (record->status >= 400 && record->status < 500)
        record->outcome = OUTCOME_CLIENT_ERROR;
    else
        record->outcome = OUTCOME_ERROR;
}
