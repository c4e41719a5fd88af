#include "golden.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "testing.h"

enum { PATH_MAX_LEN = 512, REPORT_MAX = 2048 };

struct difference {
    char path[PATH_MAX_LEN];
    char says[REPORT_MAX];
    bool found;
    bool is_subset; /* members that were not expected are fine */
};

struct str golden_text(struct arena *arena, yyjson_val *value)
{
    size_t len = 0;
    char *text = yyjson_val_write(value, 0, &len);
    struct str copy = arena_copy(arena, (struct str){text, len});

    free(text);
    return copy;
}

static void report(struct difference *d, const char *path, const char *says,
                   yyjson_val *got, yyjson_val *want)
{
    char *got_text = got == NULL ? NULL : yyjson_val_write(got, 0, NULL);
    char *want_text = want == NULL ? NULL : yyjson_val_write(want, 0, NULL);

    if (!d->found) {
        d->found = true;
        (void)snprintf(d->path, sizeof(d->path), "%s", path);
        (void)snprintf(d->says, sizeof(d->says),
                       "%s\n    got:  %.900s\n    want: %.900s", says,
                       got_text == NULL ? "(nothing)" : got_text,
                       want_text == NULL ? "(nothing)" : want_text);
    }
    free(got_text);
    free(want_text);
}

/* Null means something for these members. */
static bool null_counts(const char *key)
{
    static const char *const keys[] = {"content",       "refusal",
                                       "finish_reason", "stop_reason",
                                       "stop_sequence", "usage"};

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

static bool is_any_string(yyjson_val *want)
{
    return yyjson_equals_str(want, "<any-string>");
}

static const char *name_of(yyjson_val *key)
{
    const char *name = yyjson_get_str(key);

    return name == NULL ? "" : name;
}

static void compare(struct difference *d, const char *path, yyjson_val *want,
                    yyjson_val *got);

static void compare_objects(struct difference *d, const char *path,
                            yyjson_val *want, yyjson_val *got)
{
    size_t i, max;
    yyjson_val *key, *value;

    yyjson_obj_foreach(want, i, max, key, value)
    {
        const char *name = name_of(key);
        yyjson_val *other = yyjson_obj_get(got, name);
        char inner[PATH_MAX_LEN];

        (void)snprintf(inner, sizeof(inner), "%s.%s", path, name);
        if (other == NULL) {
            if (!yyjson_is_null(value) || null_counts(name))
                report(d, inner, "is missing", other, value);
        } else {
            compare(d, inner, value, other);
        }
    }
    if (d->is_subset)
        return;
    yyjson_obj_foreach(got, i, max, key, value)
    {
        const char *name = name_of(key);

        if (yyjson_obj_get(want, name) == NULL && !yyjson_is_null(value)) {
            char inner[PATH_MAX_LEN];

            (void)snprintf(inner, sizeof(inner), "%s.%s", path, name);
            report(d, inner, "is not expected", value, NULL);
        }
    }
}

static void compare_arrays(struct difference *d, const char *path,
                           yyjson_val *want, yyjson_val *got)
{
    size_t n = yyjson_arr_size(want);

    if (n != yyjson_arr_size(got)) {
        report(d, path, "has another number of elements", got, want);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        char inner[PATH_MAX_LEN];

        (void)snprintf(inner, sizeof(inner), "%s[%zu]", path, i);
        compare(d, inner, yyjson_arr_get(want, i), yyjson_arr_get(got, i));
    }
}

static void compare(struct difference *d, const char *path, yyjson_val *want,
                    yyjson_val *got)
{
    if (is_any_string(want)) {
        if (yyjson_get_len(got) == 0 || !yyjson_is_str(got))
            report(d, path, "must be a string", got, want);
    } else if (yyjson_is_obj(want) && yyjson_is_obj(got)) {
        compare_objects(d, path, want, got);
    } else if (yyjson_is_arr(want) && yyjson_is_arr(got)) {
        compare_arrays(d, path, want, got);
    } else if (yyjson_is_num(want) && yyjson_is_num(got)) {
        /* both were parsed alike: the same digits give the same bits */
        double difference = yyjson_get_num(want) - yyjson_get_num(got);

        if (difference < 0 || difference > 0)
            report(d, path, "differs", got, want);
    } else if (!yyjson_equals(want, got)) {
        report(d, path, "differs", got, want);
    }
}

static void run_file(const char *folder, const char *name,
                     void (*run)(const struct golden_case *c,
                                 struct buf *actual),
                     unsigned *failures)
{
    char path[PATH_MAX_LEN];
    struct difference difference = {.found = false};
    struct arena arena;
    struct golden_case c = {.arena = &arena};
    struct buf actual;
    yyjson_doc *doc;
    yyjson_doc *got;

    (void)snprintf(path, sizeof(path), "%s/%s/%s", GOLDEN_DIR, folder, name);
    doc = yyjson_read_file(path, 0, NULL, NULL);
    if (doc == NULL)
        print_error("%s is not readable JSON\n", path);
    assert_non_null(doc);
    arena_init(&arena);
    buf_init(&actual, 16 << 20);
    c.root = yyjson_doc_get_root(doc);
    c.context = yyjson_obj_get(c.root, "context");
    c.input = yyjson_obj_get(c.root, "input");
    c.expected = yyjson_obj_get(c.root, "expected");
    difference.is_subset =
        yyjson_equals_str(yyjson_obj_get(c.root, "compare"), "subset");
    assert_non_null(c.input);
    assert_non_null(c.expected);
    run(&c, &actual);
    got = yyjson_read(actual.ptr, actual.len, 0);
    if (got == NULL) {
        difference.found = true;
        (void)snprintf(difference.says, sizeof(difference.says),
                       "is not JSON: %.900s",
                       actual.ptr == NULL ? "" : actual.ptr);
    } else {
        compare(&difference, "$", c.expected, yyjson_doc_get_root(got));
    }
    if (difference.found) {
        ++*failures;
        print_error("%s: %s: %s %s\n", folder, name, difference.path,
                    difference.says);
    }
    yyjson_doc_free(got);
    yyjson_doc_free(doc);
    buf_fini(&actual);
    arena_clear(&arena);
}

void golden_run(const char *folder, unsigned least,
                void (*run)(const struct golden_case *c, struct buf *actual))
{
    char path[PATH_MAX_LEN];
    unsigned failures = 0;
    unsigned n = 0;
    struct dirent *entry;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "%s/%s", GOLDEN_DIR, folder);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (!str_ends(str_of(entry->d_name), STR(".json")))
            continue;
        run_file(folder, entry->d_name, run, &failures);
        n++;
    }
    closedir(dir);
    print_message("%s: %u golden cases\n", folder, n);
    assert_true(n >= least);
    assert_int_equal(failures, 0);
}
