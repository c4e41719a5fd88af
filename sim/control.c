#include "control.h"

#include "clock.h"
#include "json.h"
#include "stand.h"

enum { STATE_MAX = 64 * 1024 * 1024, SETTLE_MS = 10, SECOND_US = 1000000 };

/* --- state -------------------------------------------------------------- */

static void put_fault(struct json_out *out, struct arena *arena,
                      const struct stand *stand)
{
    const struct stand_fault *fault = &stand->fault;
    uint64_t now = clock_us();
    bool is_over = fault->until_us != 0 && fault->until_us <= now;

    json_key(out, STR("fault"));
    if (!fault->is_set || is_over) {
        json_put_null(out);
        return;
    }
    json_open(out, '{');
    json_member_str(out, STR("fault"), fault_text(arena, &fault->fault));
    if (fault->left > 0)
        json_member_i64(out, STR("left"), (int64_t)fault->left);
    if (fault->until_us > now)
        json_member_i64(out, STR("seconds_left"),
                        (int64_t)((fault->until_us - now) / SECOND_US + 1));
    json_close(out, '}');
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Lines "name:value"; of repeated names the values are joined, as HTTP has
 * it. */
static void put_headers(struct json_out *out, struct arena *arena,
                        struct str lines)
{
    struct str rest = lines;
    struct str line;

    json_open(out, '{');
    while (str_split(&rest, '\n', &line)) {
        struct str name;
        struct str again = rest;
        struct str other;
        struct str value = line;
        struct str spelled;
        char *copy;

        (void)str_split(&value, ':', &name);
        if (name.len == 0) /* it was put with an earlier one */
            continue;
        copy = arena_alloc(arena, name.len + 1);
        for (size_t i = 0; i < name.len; i++)
            copy[i] = lower(name.ptr[i]);
        spelled = (struct str){copy, name.len};
        while (str_split(&again, '\n', &other)) {
            struct str other_name;
            struct str other_value = other;

            (void)str_split(&other_value, ':', &other_name);
            if (str_eq_nocase(other_name, name))
                value = arena_printf(arena, "%.*s, %.*s", STR_ARG(value),
                                     STR_ARG(other_value));
        }
        json_key_any(out, arena_copy_utf8(arena, spelled));
        json_put_str(out, arena_copy_utf8(arena, value));
    }
    json_close(out, '}');
}

static void put_last(struct json_out *out, struct arena *arena,
                     const struct stand *stand)
{
    struct str lines = buf_str(&stand->last_head);
    struct str first;
    struct str method;

    json_key(out, STR("last"));
    if (!str_split(&lines, '\n', &first)) {
        json_put_null(out);
        return;
    }
    (void)str_split(&first, ' ', &method);
    json_open(out, '{');
    json_member_str(out, STR("method"), method);
    json_member_str(out, STR("path"), arena_copy_utf8(arena, first));
    json_key(out, STR("headers"));
    put_headers(out, arena, lines);
    json_member_str(out, STR("body"),
                    arena_copy_utf8(arena, buf_str(&stand->last_body)));
    json_key(out, STR("body_is_cut"));
    json_put_bool(out, stand->last_is_cut);
    json_close(out, '}');
}

static void put_state(struct json_out *out, struct arena *arena,
                      struct stand *stand)
{
    const struct stand_counters *counters = &stand->counters;

    json_open(out, '{');
    json_member_str(out, STR("target"), stand->kind->name);
    json_member_i64(out, STR("requests"), (int64_t)counters->requests);
    json_member_i64(out, STR("probes"), (int64_t)counters->probes);
    json_member_i64(out, STR("answered"), (int64_t)counters->answered);
    json_member_i64(out, STR("cancelled"), (int64_t)counters->cancelled);
    json_member_i64(out, STR("cut"), (int64_t)counters->cut);
    json_member_i64(out, STR("running"), stand->slots.running);
    json_member_i64(out, STR("waiting"), stand->slots.waiting);
    json_member_i64(out, STR("accepted"), (int64_t)counters->accepted);
    json_member_i64(out, STR("connections"),
                    atomic_load(&stand->door.client_count));
    json_key(out, STR("cold"));
    json_put_bool(out, stand_is_cold(stand));
    json_key(out, STR("refusing"));
    json_put_bool(out, stand->refuses_until_us != 0);
    put_fault(out, arena, stand);
    put_last(out, arena, stand);
    json_close(out, '}');
}

/* --- answers ------------------------------------------------------------ */

/* The stand-in that is meant: this one, or the one of "?target=…"; NULL when
 * there is none of that name. */
static struct stand *target_of(const struct visit *visit)
{
    struct stand *stand = visit->stand;
    struct str query = visit->request->query;
    struct str pair;

    while (str_split(&query, '&', &pair)) {
        struct str name;

        if (!str_split(&pair, '=', &name) || !str_eq(name, STR("target")))
            continue;
        if (str_eq(pair, stand->other->kind->name))
            return stand->other;
        return str_eq(pair, stand->kind->name) ? stand : NULL;
    }
    return stand;
}

static void refuse(struct visit *visit, int status, struct str why)
{
    struct json_out out = json_out_to(&visit->page.out);

    json_open(&out, '{');
    json_member_str(&out, STR("error"), why);
    json_close(&out, '}');
    page_json(&visit->page, status, buf_str(&visit->page.out));
}

static void answer_state(struct visit *visit)
{
    struct buf body;
    struct json_out out = json_out_to(&body);

    buf_init(&body, STATE_MAX);
    put_state(&out, visit->arena, target_of(visit));
    page_json(&visit->page, 200, buf_str(&body));
    buf_fini(&body);
}

static void answer_rows(struct visit *visit)
{
    struct json_out out = json_out_to(&visit->page.out);

    json_open(&out, '[');
    for (size_t i = 0; i < FAULT_KINDS; i++) {
        const struct fault_row *row = fault_row((enum fault_kind)i);

        json_open(&out, '{');
        json_member_str(&out, STR("fault"), row->name);
        if (row->field.len > 0) {
            json_member_str(&out, STR("argument"), row->field);
            json_member_i64(&out, STR("usual"), (int64_t)row->usual);
        }
        json_member_str(&out, STR("says"), str_of(row->says));
        json_close(&out, '}');
    }
    json_close(&out, ']');
    page_json(&visit->page, 200, buf_str(&visit->page.out));
}

/* --- faults ------------------------------------------------------------- */

/* A fault that has seconds of its own uses the field for itself. */
static bool takes_seconds(const struct fault *fault)
{
    return fault->is_set[FAULT_REFUSE] || fault->is_set[FAULT_CRASH] ||
           fault->is_set[FAULT_COLD];
}

static bool read_fault(struct visit *visit, yyjson_val *root,
                       struct stand_fault *fault, struct str *why)
{
    int64_t count = json_get_i64(root, STR("count"));
    int64_t seconds = json_get_i64(root, STR("seconds"));

    *fault = (struct stand_fault){0};
    *why = STR("expected an object with a member \"fault\"");
    if (!yyjson_is_obj(root) ||
        yyjson_obj_getn(root, "fault", strlen("fault")) == NULL)
        return false;
    if (json_get(root, STR("fault")) == NULL)
        return true;
    *why = STR("fault: expected null or the name of a fault");
    if (json_get_text(root, STR("fault")).len == 0)
        return false;
    if (!fault_read(visit->arena, root, &fault->fault, why))
        return false;
    fault->is_set = true;
    fault->takes_probes = json_is_true(json_get(root, STR("probes")));
    if (count > 0)
        fault->left = (uint64_t)count;
    if (takes_seconds(&fault->fault)) {
        for (size_t i = FAULT_REFUSE; i <= FAULT_COLD; i++)
            if (fault->fault.is_set[i])
                seconds = (int64_t)fault->fault.value[i];
    }
    if (seconds > 0)
        fault->until_us = clock_us() + (uint64_t)seconds * SECOND_US;
    return true;
}

static void set_fault(struct visit *visit)
{
    struct stand *target = target_of(visit);
    struct json_error trouble;
    struct stand_fault fault;
    struct json_doc doc;
    struct str why;
    bool was_refusing = target->refuses_until_us != 0;

    if (!json_read(visit->arena, request_body(visit->request), &doc,
                   &trouble)) {
        refuse(visit, 400, str_of(trouble.says));
        return;
    }
    if (!read_fault(visit, doc.root, &fault, &why)) {
        refuse(visit, 400, why);
        return;
    }
    stand_set_fault(target, &fault);
    /* sockets open and close only when the loop goes on */
    if (was_refusing || target->refuses_until_us != 0)
        visit_sleep(visit, SETTLE_MS, answer_state);
    else
        answer_state(visit);
}

static void reset(struct visit *visit)
{
    struct stand *target = target_of(visit);

    stand_clear_faults(target);
    stand_reset(target);
    visit_sleep(visit, SETTLE_MS, answer_state);
}

void control_serve(struct visit *visit)
{
    static const struct {
        struct str method;
        struct str path;
        void (*serve)(struct visit *visit);
    } routes[] = {
        {STR_INIT("GET"), STR_INIT("/sim/state"), answer_state},
        {STR_INIT("GET"), STR_INIT("/sim/fault"), answer_rows},
        {STR_INIT("POST"), STR_INIT("/sim/fault"), set_fault},
        {STR_INIT("POST"), STR_INIT("/sim/reset"), reset},
    };
    const struct request *request = visit->request;

    if (target_of(visit) == NULL) {
        refuse(visit, 400, STR("target: expected vllm or anthropic"));
        return;
    }
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (str_eq(request->method, routes[i].method) &&
            str_eq(request->path, routes[i].path)) {
            routes[i].serve(visit);
            return;
        }
    }
    refuse(visit, 404, STR("there are /sim/state, /sim/fault and /sim/reset"));
}
