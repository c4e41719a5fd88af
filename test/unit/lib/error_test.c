/* lib/error.def: what each row promises to the reply, the fallback and the
 * caller. */
#include "error.h"

#include "../testing.h"

static void names_are_unique_and_fit_into_a_header(void **state)
{
    (void)state;
    assert_str(error_name(OK), "ok");
    for (int i = OK + 1; i < ERROR_COUNT; i++) {
        struct str name = error_name((enum error)i);

        assert_true(name.len > 0);
        for (size_t k = 0; k < name.len; k++)
            assert_true((name.ptr[k] >= 'a' && name.ptr[k] <= 'z') ||
                        name.ptr[k] == '_');
        for (int k = OK; k < i; k++)
            assert_false(str_eq(name, error_name((enum error)k)));
    }
}

static void every_status_is_an_error(void **state)
{
    (void)state;
    for (int i = OK + 1; i < ERROR_COUNT; i++) {
        int status = error_row((enum error)i)->status;

        assert_in_range(status, 400, 599);
    }
}

/* The official SDKs make classes of the type; a caller must not be told that
 * a failure of the router is his. */
static void the_type_agrees_with_the_status(void **state)
{
    (void)state;
    for (int i = OK + 1; i < ERROR_COUNT; i++) {
        const struct error_row *row = error_row((enum error)i);
        const char *type = row->status >= 500   ? "server_error"
                           : row->status == 429 ? "rate_limit_error"
                                                : "invalid_request_error";

        assert_str(row->type, type);
    }
}

static void what_the_caller_did_is_never_tried_elsewhere(void **state)
{
    (void)state;
    for (int i = OK + 1; i < ERROR_COUNT; i++) {
        const struct error_row *row = error_row((enum error)i);

        if (str_eq(row->type, STR("invalid_request_error"))) {
            assert_false(row->tries_next);
            assert_false(row->blames_target);
        }
    }
}

static void a_blamed_target_is_left_for_the_next(void **state)
{
    (void)state;
    for (int i = OK + 1; i < ERROR_COUNT; i++) {
        const struct error_row *row = error_row((enum error)i);

        if (row->blames_target)
            assert_true(row->tries_next);
    }
    /* busy is no illness, and a total that is used up leaves no time */
    assert_true(error_row(ERR_BACKEND_BUSY)->tries_next);
    assert_false(error_row(ERR_BACKEND_BUSY)->blames_target);
    assert_false(error_row(ERR_TOTAL_TIMEOUT)->tries_next);
    /* a pin fails closed */
    assert_false(error_row(ERR_TIER_FORBIDDEN)->tries_next);
    assert_false(error_row(ERR_POLICY_CONFLICT)->tries_next);
    assert_false(error_row(ERR_BAD_POLICY)->tries_next);
}

static void every_row_says_a_sentence(void **state)
{
    (void)state;
    for (int i = OK + 1; i < ERROR_COUNT; i++) {
        struct str says = error_row((enum error)i)->says;

        assert_true(says.len > 10);
        assert_true(str_ends(says, STR(".")));
        assert_true(says.ptr[0] >= 'A' && says.ptr[0] <= 'Z');
    }
}

static void the_rows_that_callers_rely_on(void **state)
{
    static const struct {
        enum error error;
        int status;
        const char *code;
    } rows[] = {
        {ERR_BAD_HTTP, 400, "bad_http"},
        {ERR_HEAD_TOO_LARGE, 431, "head_too_large"},
        {ERR_BODY_TOO_LARGE, 413, "request_too_large"},
        {ERR_REQUEST_TIMEOUT, 408, "request_timeout"},
        {ERR_EXPECTATION, 417, "expectation_failed"},
        {ERR_UNAUTHORIZED, 401, "invalid_api_key"},
        {ERR_NO_SUCH_PATH, 404, "unknown_url"},
        {ERR_METHOD, 405, "method_not_allowed"},
        {ERR_NO_SUCH_MODEL, 404, "model_not_found"},
        {ERR_NOT_READY, 503, "backend_not_ready"},
        {ERR_CONNECT, 502, "upstream_unreachable"},
        {ERR_CONNECT_TIMEOUT, 504, "upstream_timeout"},
        {ERR_TRUNCATED, 502, "upstream_stream_truncated"},
        {ERR_BACKEND_BUSY, 429, "rate_limit_exceeded"},
        {ERR_BACKEND_AUTH, 502, "upstream_auth_error"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(error_row(rows[i].error)->status, rows[i].status);
        assert_str(error_row(rows[i].error)->code, rows[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_unique_and_fit_into_a_header),
        cmocka_unit_test(every_status_is_an_error),
        cmocka_unit_test(the_type_agrees_with_the_status),
        cmocka_unit_test(what_the_caller_did_is_never_tried_elsewhere),
        cmocka_unit_test(a_blamed_target_is_left_for_the_next),
        cmocka_unit_test(every_row_says_a_sentence),
        cmocka_unit_test(the_rows_that_callers_rely_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
