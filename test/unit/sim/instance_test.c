/* JSON from schemas: each keyword is kept. */
#include "../testing.h"

#include "../../../sim/instance.h"
#include "../../../sim/specimen.h"

/* Both with ' for ". */
static void expect(const char *question, const char *answer, const char *schema,
                   const char *expected)
{
    struct instance_source source;
    struct json_error trouble;
    struct json_doc doc;
    struct arena arena;
    struct buf out;
    char *spelled;
    struct str text;

    arena_init(&arena);
    text = arena_copy(&arena, str_of(schema));
    spelled = arena_alloc(&arena, text.len);
    for (size_t i = 0; i < text.len; i++)
        spelled[i] = text.ptr[i] == '\'' ? '"' : text.ptr[i];
    if (!json_read(&arena, (struct str){spelled, text.len}, &doc, &trouble))
        fail_msg("not JSON: %s", schema);
    instance_source_init(&source, &arena, str_of(question));
    source.answer = str_of(answer);
    buf_init(&out, 1 << 20);
    instance_write(&source, doc.root, &out);
    for (size_t i = 0; i < out.len; i++)
        if (out.ptr[i] == '"')
            out.ptr[i] = '\'';
    if (expected != NULL)
        assert_str(buf_str(&out), expected);
    buf_fini(&out);
    arena_clear(&arena);
}

static void numbers_stay_within_their_bounds(void **state)
{
    (void)state;
    expect("x", "", "{'type':'integer'}", "1");
    expect("x", "", "{'type':'integer','minimum':5}", "5");
    expect("x", "", "{'type':'integer','maximum':-3}", "-3");
    expect("x", "", "{'type':'integer','exclusiveMinimum':10}", "11");
    expect("x", "", "{'type':'integer','minimum':5,'multipleOf':3}", "6");
    expect("x", "",
           "{'type':'number','exclusiveMinimum':0,'exclusiveMaximum':1}",
           "0.5");
    expect("take 7 of them", "", "{'type':'integer'}", "7");
    expect("take 7 of them", "", "{'type':'integer','maximum':4}", "4");
}

static void texts_have_their_length_form_and_pattern(void **state)
{
    (void)state;
    expect("hello", NULL, "{'type':'string','maxLength':2}", "'he'");
    expect("hi", NULL, "{'type':'string','minLength':5}", "'hi...'");
    expect("x", NULL, "{'type':'string','format':'date'}", "'2026-01-01'");
    expect("mail bob@x.org", NULL, "{'type':'string','format':'email'}",
           "'bob@x.org'");
    expect("x", NULL, "{'type':'string','pattern':'^[A-Z]{3}-[0-9]{2}$'}",
           "'AAA-11'");
    expect("x", NULL, "{'type':'string','pattern':'^(red|green)+$'}", "'red'");
}

static void constants_and_choices_are_taken(void **state)
{
    (void)state;
    expect("x", "", "{'const':42}", "42");
    expect("x", "", "{'enum':['a','b']}", "'a'");
    expect("take b please", "", "{'enum':['a','b']}", "'b'");
    expect("x", "", "{'type':['null','boolean']}", "true");
    expect("x", "", "{'anyOf':[{'type':'null'},{'type':'integer'}]}", "1");
    expect("x", "", "{'type':'null'}", "null");
}

static void arrays_have_their_size(void **state)
{
    (void)state;
    expect("x", "", "{'type':'array','items':{'type':'integer'}}", "[1]");
    expect("x", "",
           "{'type':'array','items':{'type':'integer'},'minItems':2,"
           "'uniqueItems':true}",
           "[1,2]");
    expect("x", "",
           "{'type':'array','items':{'pattern':'^a[0-9]+$'},'minItems':2,"
           "'uniqueItems':true}",
           "['a1','a11']");
    expect("x", "", "{'type':'array','items':{},'maxItems':0}", "[]");
    expect("x", "",
           "{'type':'array','prefixItems':[{'type':'integer'},"
           "{'type':'boolean'}]}",
           "[1,true]");
}

static void arguments_have_the_needed_and_the_spoken_of(void **state)
{
    static const char *const schema =
        "{'type':'object','properties':{'city':{'type':'string'},"
        "'unit':{'enum':['c','f']},'days':{'type':'integer'}},"
        "'required':['city']}";

    (void)state;
    expect("weather in Rome", NULL, schema, "{'city':'Rome'}");
    expect("weather in Rome for 3 days in f", NULL, schema,
           "{'city':'Rome','unit':'f','days':3}");
}

static void a_flight_goes_from_one_place_to_the_other(void **state)
{
    (void)state;
    expect("Book a flight from Berlin to Paris on 2026-12-24 for 2 people",
           NULL,
           "{'type':'object','properties':{'origin':{'type':'string'},"
           "'destination':{'type':'string'},'date':{'type':'string'},"
           "'passengers':{'type':'integer'}},'required':['origin',"
           "'destination','date','passengers']}",
           "{'origin':'Berlin','destination':'Paris','date':'2026-12-24',"
           "'passengers':2}");
}

static void references_are_followed_and_recursion_ends(void **state)
{
    (void)state;
    expect("x", "", "{'$ref':'#/$defs/a','$defs':{'a':{'type':'boolean'}}}",
           "true");
    expect("x", "",
           "{'allOf':[{'type':'object','properties':{'a':"
           "{'type':'integer'}}},{'properties':{'b':{'const':2}}}]}",
           "{'a':1,'b':2}");
    /* these only have to end */
    expect("x", "", "{'$ref':'#'}", NULL);
    expect("x", "",
           "{'type':'object','properties':{'a':{'$ref':'#'},'b':{'$ref':'#'},"
           "'c':{'$ref':'#'}},'required':['a','b','c']}",
           NULL);
}

static void expect_specimen(const char *pattern, size_t least,
                            const char *expected)
{
    struct buf out;

    buf_init(&out, 1 << 16);
    specimen_put(str_of(pattern), least, &out);
    assert_str(buf_str(&out), expected);
    buf_fini(&out);
}

static void a_specimen_fits_its_pattern(void **state)
{
    (void)state;
    expect_specimen("^a+b?$", 0, "a");
    expect_specimen("^[a-z]+$", 4, "aaaa");
    expect_specimen("\\d{3}-\\w\\.", 0, "111-a.");
    expect_specimen("(?:ab){2}", 0, "abab");
    expect_specimen("(x|y)\\1", 0, "xx");
    expect_specimen("[^a-z]", 0, "A");
    expect_specimen("#[0-9a-fA-F]{6}", 0, "#aaaaaa");
    expect_specimen("(?=.*d)a", 0, "a");
}

static void a_malicious_pattern_ends_soon(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 16);
    specimen_put(STR("((((((((()){999}){999}){999}){999}){999}){999}){999})"),
                 0, &out);
    specimen_put(STR("((((((((((((((((((((((((((((((((((((("), 0, &out);
    specimen_put(STR("\\"), 0, &out);
    specimen_put(STR("[\\"), 0, &out);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_stay_within_their_bounds),
        cmocka_unit_test(texts_have_their_length_form_and_pattern),
        cmocka_unit_test(constants_and_choices_are_taken),
        cmocka_unit_test(arrays_have_their_size),
        cmocka_unit_test(arguments_have_the_needed_and_the_spoken_of),
        cmocka_unit_test(a_flight_goes_from_one_place_to_the_other),
        cmocka_unit_test(references_are_followed_and_recursion_ends),
        cmocka_unit_test(a_specimen_fits_its_pattern),
        cmocka_unit_test(a_malicious_pattern_ends_soon),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
