/* config_value: the types of options. */
#include "config_value.h"

#include "catalog.h"
#include "log.h"
#include "testing.h"

struct value_case {
    const char *text;
    int64_t number;
};

static bool parse(enum config_type type, const char *text, int64_t *number)
{
    struct str item = str_of(text);
    struct config_value value = {
        .text = item, .items = &item, .item_count = item.len > 0};
    bool ok = config_value_parse(type, &value);

    *number = value.number;
    return ok;
}

static void assert_type(enum config_type type, const struct value_case *good,
                        size_t good_count, const char *const *bad,
                        size_t bad_count)
{
    int64_t number;

    for (size_t i = 0; i < good_count; i++) {
        if (!parse(type, good[i].text, &number))
            fail_msg("refused: \"%s\"", good[i].text);
        if (number != good[i].number)
            fail_msg("\"%s\" is %lld", good[i].text, (long long)number);
    }
    for (size_t i = 0; i < bad_count; i++)
        if (parse(type, bad[i], &number))
            fail_msg("taken: \"%s\"", bad[i]);
}

#define assert_values(type, good, bad)                             \
    assert_type(CONFIG_TYPE_##type, (good), COUNT_OF(good), (bad), \
                COUNT_OF(bad))

static void counts_are_whole_numbers(void **state)
{
    static const struct value_case good[] = {
        {"0", 0}, {"1000", 1000}, {"9223372036854775807", INT64_MAX}};
    static const char *const bad[] = {
        "",     "-1",  "1.5", "1e3", "1 000",
        "0x10", "ten", " 1",  "1k",  "9223372036854775808"};

    (void)state;
    assert_values(COUNT, good, bad);
}

static void ports_and_workers_have_bounds(void **state)
{
    static const struct value_case ports[] = {
        {"0", 0}, {"80", 80}, {"65535", 65535}};
    static const char *const no_ports[] = {"65536", "-1", "http", ""};
    static const struct value_case workers[] = {
        {"auto", 0}, {"AUTO", 0}, {"1", 1}, {"256", 256}};
    static const char *const no_workers[] = {"0", "257", "-1", "", "many"};

    (void)state;
    assert_values(PORT, ports, no_ports);
    assert_values(WORKERS, workers, no_workers);
}

static void sizes_have_units(void **state)
{
    static const struct value_case good[] = {
        {"0", 0},
        {"1048576", 1048576},
        {"10B", 10},
        {"1KiB", 1024},
        {"32MiB", 32 << 20},
        {"1GiB", 1 << 30},
        {"2 MiB", 2 << 20},
        {"1KB", 1000},
        {"1MB", 1000000},
        {"3GB", 3000000000},
        {"100GiB", INT64_C(100) << 30},
    };
    static const char *const bad[] = {"",      "MiB",   "1.5MiB",
                                      "-1MiB", "1TiB",  "1 M",
                                      "1mib",  "1MiBs", "99999999999999GiB"};

    (void)state;
    assert_values(BYTES, good, bad);
}

static void durations_need_their_unit(void **state)
{
    static const struct value_case good[] = {
        {"0", 0},        {"500ms", 500},     {"2s", 2000},
        {"5m", 300000},  {"1h", 3600000},    {"0s", 0},
        {"10 s", 10000}, {"48h", 172800000}, {"90d", INT64_C(7776000000)},
    };
    static const char *const bad[] = {
        "",   "5",  "ms",   "1.5s", "-1s",
        "1D", "1S", "1min", "s1",   "99999999999999h"};

    (void)state;
    assert_values(DURATION, good, bad);
}

static void seconds_may_stand_without_their_unit(void **state)
{
    static const struct value_case good[] = {
        {"0", 0}, {"5", 5000}, {"5s", 5000}, {"500ms", 500}, {"2m", 120000}};
    static const char *const bad[] = {"",     "-5",    "2.5",
                                      "five", "5 s x", "99999999999"};

    (void)state;
    assert_values(SECONDS, good, bad);
}

static void shares_go_from_nothing_to_all(void **state)
{
    static const struct value_case good[] = {
        {"0", 0},           {"0.0", 0},
        {"1", 1000000000},  {"1.0", 1000000000},
        {"0.05", 50000000}, {".5", 500000000},
        {"1.", 1000000000}, {"0.0000000019", 1}};
    static const char *const bad[] = {"",    ".",    "-0.1",       "1.1",
                                      "2",   "5%",   "0,5",        "1e-2",
                                      "NaN", "0.5.", "1.000000001"};

    (void)state;
    assert_values(SHARE, good, bad);
}

static void bools_have_four_words_each(void **state)
{
    static const struct value_case good[] = {
        {"true", 1},  {"yes", 1}, {"on", 1},  {"1", 1}, {"TRUE", 1},
        {"false", 0}, {"no", 0},  {"off", 0}, {"0", 0}, {"Off", 0}};
    static const char *const bad[] = {"", "2", "y", "truely", "null"};

    (void)state;
    assert_values(BOOL, good, bad);
}

static void words_are_known_or_not(void **state)
{
    static const struct value_case tiers[] = {{"local", TIER_LOCAL},
                                              {"Cloud", TIER_CLOUD}};
    static const struct value_case dialects[] = {
        {"openai", DIALECT_OPENAI}, {"anthropic", DIALECT_ANTHROPIC}};
    static const struct value_case policies[] = {{"local-only", TIER_LOCAL},
                                                 {"cloud-only", TIER_CLOUD}};
    static const struct value_case fallbacks[] = {
        {"never", CONFIG_FALLBACK_NEVER},
        {"auto", CONFIG_FALLBACK_AUTO},
        {"always", CONFIG_FALLBACK_ALWAYS}};
    static const struct value_case reasonings[] = {{"none", 0},
                                                   {"reasoning_content", 1}};
    static const struct value_case levels[] = {
        {"error", LOG_ERROR}, {"WARN", LOG_WARN}, {"debug", LOG_DEBUG}};
    static const struct value_case formats[] = {{"logfmt", LOG_LOGFMT},
                                                {"json", LOG_JSON}};
    static const char *const bad[] = {"", "other", "locally", "local only",
                                      "json5"};

    (void)state;
    assert_values(TIER, tiers, bad);
    assert_values(DIALECT, dialects, bad);
    assert_values(POLICY, policies, bad);
    assert_values(FALLBACK, fallbacks, bad);
    assert_values(REASONING, reasonings, bad);
    assert_values(LOG_LEVEL, levels, bad);
    assert_values(LOG_FORMAT, formats, bad);
}

static void services_are_a_list_of_words(void **state)
{
    static const struct value_case good[] = {
        {"chat", 1 << SERVICE_CHAT},
        {"embeddings", 1 << SERVICE_EMBEDDINGS},
        {"chat, completions", 1 << SERVICE_CHAT | 1 << SERVICE_COMPLETIONS},
        {"Chat,chat", 1 << SERVICE_CHAT}};
    static const char *const bad[] = {"", "speech", "chat, speech", ",",
                                      "chat completions"};

    (void)state;
    assert_values(SERVES, good, bad);
    assert_true(config_type_is_list(CONFIG_TYPE_SERVES));
    assert_false(config_type_is_list(CONFIG_TYPE_TEXT));
}

static void permissions_are_octal(void **state)
{
    static const struct value_case good[] = {
        {"0660", 0660}, {"600", 0600}, {"0777", 0777}};
    static const char *const bad[] = {"",     "66",    "0680", "rw-rw----",
                                      "1777", "00660", "0o660"};

    (void)state;
    assert_values(MODE, good, bad);
}

static void hours_are_two_times_of_day(void **state)
{
    static const struct value_case good[] = {
        {"22:00-06:00", (22 * 60) * 10000 + 6 * 60},
        {"00:00-24:00", 24 * 60},
        {"09:30 - 17:45", (9 * 60 + 30) * 10000 + 17 * 60 + 45},
    };
    static const char *const bad[] = {"",
                                      "22:00",
                                      "22-06",
                                      "9:00-10:00",
                                      "25:00-26:00",
                                      "24:01-24:02",
                                      "10:60-11:00",
                                      "22:00-06:00-07:00",
                                      "a:bc-de:fg",
                                      "-10:00"};

    (void)state;
    assert_values(HOURS, good, bad);
}

static void names_are_printable_ascii(void **state)
{
    static const struct value_case good[] = {
        {"qwen2.5-7b", 0}, {"Qwen/Qwen2.5-7B-Instruct", 0}, {"a:b@c", 0}};
    static const char *const bad[] = {"",     "a b",      "a\"b", "a\\b",
                                      "a\nb", "\xC3\xA4", "a\x7F"};
    char name[130];
    int64_t number;

    (void)state;
    assert_values(NAME, good, bad);
    memset(name, 'x', sizeof(name));
    name[129] = '\0';
    assert_false(parse(CONFIG_TYPE_NAME, name, &number));
    name[128] = '\0';
    assert_true(parse(CONFIG_TYPE_NAME, name, &number));
}

static void patterns_and_urls_are_tried(void **state)
{
    static const struct value_case patterns[] = {{"(?i)sql|select", 0},
                                                 {"", 0}};
    static const char *const no_patterns[] = {"(", "[a", "*"};
    static const struct value_case urls[] = {{"http://127.0.0.1:8000/v1", 0},
                                             {"https://a.test", 0}};
    static const char *const no_urls[] = {"", "a.test", "ftp://a.test",
                                          "http://", "https://a b"};

    (void)state;
    assert_values(REGEX, patterns, no_patterns);
    assert_values(URLS, urls, no_urls);
}

static void every_row_has_what_the_manual_needs(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CONFIG_OPTIONS; i++) {
        const struct config_row *row = &config_rows[i];
        int64_t number;

        assert_true(row->path.len > 0);
        assert_true(row->help.len > 10);
        assert_true(str_ends(row->help, STR(".")) ||
                    str_ends(row->help, STR("?")));
        assert_true(strlen(config_type_expects(row->type)) > 0);
        /* a default is of its own type; only the root has an environment */
        if (row->otherwise.len > 0)
            assert_true(parse(row->type, row->otherwise.ptr, &number));
        if (row->section != CONFIG_ROOT)
            assert_int_equal(row->env.len, 0);
        for (unsigned k = 0; k < i; k++) {
            assert_false(config_rows[k].section == row->section &&
                         str_eq(config_rows[k].path, row->path));
            assert_false(row->env.len > 0 &&
                         str_eq(config_rows[k].env, row->env));
        }
    }
}

static void amounts_are_exact(void **state)
{
    static const struct value_case good[] = {
        {"0", 0},          {"3", 3000000},
        {"0.0375", 37500}, {"12.50", 12500000},
        {"0.000001", 1},   {"1000000", 1000000000000},
    };
    static const char *const bad[] = {"",    "-1",  "1e3", "0.0000001", "$3",
                                      "1,5", ".5",  "+1",  "1000001",   "1.2.3",
                                      "3 ",  "1.x", "nan", "USD"};

    (void)state;
    assert_values(USD, good, bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_whole_numbers),
        cmocka_unit_test(ports_and_workers_have_bounds),
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(durations_need_their_unit),
        cmocka_unit_test(seconds_may_stand_without_their_unit),
        cmocka_unit_test(shares_go_from_nothing_to_all),
        cmocka_unit_test(amounts_are_exact),
        cmocka_unit_test(bools_have_four_words_each),
        cmocka_unit_test(words_are_known_or_not),
        cmocka_unit_test(services_are_a_list_of_words),
        cmocka_unit_test(permissions_are_octal),
        cmocka_unit_test(hours_are_two_times_of_day),
        cmocka_unit_test(names_are_printable_ascii),
        cmocka_unit_test(patterns_and_urls_are_tried),
        cmocka_unit_test(every_row_has_what_the_manual_needs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
