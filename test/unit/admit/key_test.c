/* admit/key: who is calling. */
#include "admit/key.h"

#include "../given.h"
#include "../testing.h"

static struct catalog *guarded, *unlocked;

static int begin(void **state)
{
    (void)state;
    guarded = given_catalog("keys:\n"
                            "  - {name: one, secret: sk-one}\n"
                            "  - {name: two, secret: sk-two, policy: "
                            "local-only}\n");
    unlocked = given_catalog(NULL);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    catalog_unref(guarded);
    catalog_unref(unlocked);
    return 0;
}

/* The name of the key that is found for these two headers (NULL: not sent),
 * "-" for none. */
static const char *found(const struct catalog *catalog, const char *api_key,
                         const char *authorization)
{
    const struct api_key *key = NULL;
    struct head head;
    bool ok;

    head_init(&head);
    if (authorization != NULL) {
        head_add_name(&head, STR("Authorization"));
        head_end_name(&head);
        head_add_value(&head, str_of(authorization));
    }
    if (api_key != NULL) {
        head_add_name(&head, STR("X-Api-Key"));
        head_end_name(&head);
        head_add_value(&head, str_of(api_key));
    }
    head_complete(&head);
    ok = key_check(catalog, &head, &key);
    head_fini(&head);
    if (!ok) {
        assert_null(key);
        return "refused";
    }
    return key == NULL ? "-" : key->name.ptr;
}

static void a_known_key_names_its_owner(void **state)
{
    (void)state;
    assert_string_equal(found(guarded, NULL, "Bearer sk-one"), "one");
    assert_string_equal(found(guarded, NULL, "bearer  sk-two "), "two");
    assert_string_equal(found(guarded, "sk-one", NULL), "one");
    assert_string_equal(found(guarded, " sk-two ", NULL), "two");
}

static void x_api_key_wins_over_authorization(void **state)
{
    (void)state;
    assert_string_equal(found(guarded, "sk-one", "Bearer sk-two"), "one");
    assert_string_equal(found(guarded, "wrong", "Bearer sk-two"), "refused");
}

static void everything_else_is_refused(void **state)
{
    static const char *const wrong[] = {"",
                                        "Bearer",
                                        "Bearer ",
                                        "Bearer sk-on",
                                        "sk-one",
                                        "Basic sk-one",
                                        "Bearer sk-one2",
                                        "Bearer SK-ONE",
                                        "Bearersk-one",
                                        "Bearer sk-one sk-two"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_string_equal(found(guarded, NULL, wrong[i]), "refused");
    assert_string_equal(found(guarded, NULL, NULL), "refused");
    assert_string_equal(found(guarded, "", NULL), "refused");
}

static void without_keys_everybody_may_call(void **state)
{
    (void)state;
    assert_string_equal(found(unlocked, NULL, NULL), "-");
    assert_string_equal(found(unlocked, NULL, "Bearer anything"), "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_key_names_its_owner),
        cmocka_unit_test(x_api_key_wins_over_authorization),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(without_keys_everybody_may_call),
    };

    return cmocka_run_group_tests(tests, begin, finish);
}
