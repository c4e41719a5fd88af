/* settle: the account of an exchange is closed. */
#include "settle/settle.h"

#include "../testing.h"

static enum outcome outcome_of(enum error error, int status)
{
    struct record record = {.error = error, .status = status};

    settle(&record, 77);
    assert_int_equal(record.ended_us, 77);
    return record.outcome;
}

static void the_outcome_follows_from_error_and_status(void **state)
{
    (void)state;
    assert_int_equal(outcome_of(OK, 200), OUTCOME_OK);
    assert_int_equal(outcome_of(OK, 304), OUTCOME_OK);
    assert_int_equal(outcome_of(OK, 404), OUTCOME_CLIENT_ERROR);
    assert_int_equal(outcome_of(ERR_BAD_JSON, 400), OUTCOME_CLIENT_ERROR);
    assert_int_equal(outcome_of(ERR_BACKEND_BUSY, 429), OUTCOME_CLIENT_ERROR);
    assert_int_equal(outcome_of(ERR_NOT_READY, 503), OUTCOME_ERROR);
    assert_int_equal(outcome_of(OK, 500), OUTCOME_ERROR);
    /* a stream that failed behind its 200 is no success */
    assert_int_equal(outcome_of(ERR_TRUNCATED, 200), OUTCOME_ERROR);
    /* whoever left, left */
    assert_int_equal(outcome_of(ERR_CALLER_LEFT, 200), OUTCOME_CANCELLED);
    assert_int_equal(outcome_of(ERR_CALLER_LEFT, 499), OUTCOME_CANCELLED);
    assert_int_equal(outcome_of(ERR_CALLER_LEFT, 0), OUTCOME_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_outcome_follows_from_error_and_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
