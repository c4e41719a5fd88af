#include "drill.h"

#include <stdlib.h>

#include "admit/key.h"
#include "check.h"
#include "choose/health.h"
#include "clock.h"
#include "json.h"
#include "log.h"
#include "reply/failure.h"

enum { SECONDS_MAX = 3600, PAGE_MAX = 256 * 1024 };

/* One that has begun and is to be told of at its end. */
struct drill {
    struct list link; /* in worker->drills */
    struct deadline over;
    struct catalog *catalog;
    struct replica *replica;
    uint64_t until_ms;
    uint64_t seconds;
};

enum error drill_admit(const struct catalog *catalog, const struct head *head)
{
    struct secret token = catalog->settings.admin_token;

    if (!secret_is_set(token))
        return ERR_NO_SUCH_PATH;
    if (!str_eq_secret(key_bearer(head), token.bytes))
        return ERR_UNAUTHORIZED;
    return OK;
}

/* --- the drill ---------------------------------------------------------- */

static void say(const struct replica *replica, const char *what,
                uint64_t seconds)
{
    const struct backend *backend = replica->backend;
    struct log_line line;

    log_begin(&line, LOG_WARN, what);
    log_str(&line, "backend", backend->name);
    log_i64(&line, "replica", replica - backend->replicas);
    log_i64(&line, "seconds", (int64_t)seconds);
    log_i64(&line, "requests_met", (int64_t)atomic_load(&replica->drill_met));
    log_end(&line);
}

static void forget(struct drill *drill)
{
    deadline_clear(&drill->over);
    list_remove(&drill->link);
    catalog_unref(drill->catalog);
    free(drill);
}

static void on_over(struct deadline *deadline)
{
    struct drill *drill = list_entry(deadline, struct drill, over);

    /* it may have been ended before, or another has taken its place */
    if (atomic_load(&drill->replica->drill_until_ms) == drill->until_ms)
        say(drill->replica, "drill over", drill->seconds);
    forget(drill);
}

static void begin(struct worker *worker, struct replica *replica,
                  uint64_t seconds)
{
    struct drill *drill = must_calloc(1, sizeof(*drill));
    uint64_t now = clock_ms();
    enum health_event event = replica->backend->health_path.len > 0
                                  ? HEALTH_PROBE_FAILED
                                  : HEALTH_TRY_GONE;
    enum health_state was;

    drill->catalog = catalog_ref(worker->catalog);
    drill->replica = replica;
    drill->seconds = seconds;
    drill->until_ms = now + seconds * 1000;
    list_push_back(&worker->drills, &drill->link);
    deadline_init(&drill->over, on_over);
    deadline_set(&worker->deadlines, &drill->over, seconds * 1000);
    atomic_store(&replica->drill_met, 0);
    atomic_store(&replica->drill_until_ms, drill->until_ms);
    say(replica, "drill begins", seconds);
    if (health_note(replica, event, now, &worker->catalog->settings, 0, &was)) {
        health_log(replica, was, STR("drill"));
        worker->host->on_health(worker->host->ctx);
    }
}

static void end(struct replica *replica)
{
    if (!health_is_drilled(replica))
        return;
    atomic_store(&replica->drill_until_ms, clock_ms());
    say(replica, "drill ended", 0);
}

void drill_close(struct worker *worker)
{
    list_each_safe (link, &worker->drills) {
        forget(list_entry(link, struct drill, link));
    }
}

/* --- the endpoint ------------------------------------------------------- */

struct order {
    const struct backend *backend;
    int64_t replica; /* -1: all */
    int64_t seconds;
};

/* A number from 0 to `most`. */
static bool read_number(yyjson_val *value, int64_t most, int64_t *out)
{
    return json_to_i64(value, out) && *out >= 0 && *out <= most;
}

static bool read_order(struct worker *worker, struct request *request,
                       struct order *order, struct chat_error *error)
{
    struct arena *arena = &request->arena;
    struct json_doc doc;
    struct json_error trouble;
    yyjson_val *value;
    struct str name;

    if (!json_read(arena, request_body(request), &doc, &trouble) ||
        !yyjson_is_obj(doc.root))
        return chat_refuse(error, arena, ERR_BAD_JSON, (struct str){NULL, 0},
                           "expected a JSON object with target and seconds");
    name = json_get_text(doc.root, STR("target"));
    order->backend = catalog_find_backend(worker->catalog, name);
    if (order->backend == NULL)
        return chat_refuse(error, arena, ERR_BAD_VALUE, STR("target"),
                           "target: expected the name of a backend");
    order->replica = -1;
    value = json_get(doc.root, STR("replica"));
    if (value != NULL &&
        !read_number(value, (int64_t)order->backend->replica_count - 1,
                     &order->replica))
        return chat_refuse(error, arena, ERR_BAD_VALUE, STR("replica"),
                           "replica: expected a number from 0 to %u",
                           order->backend->replica_count - 1);
    value = json_get(doc.root, STR("seconds"));
    if (value == NULL || !read_number(value, SECONDS_MAX, &order->seconds))
        return chat_refuse(error, arena, ERR_BAD_VALUE, STR("seconds"),
                           "seconds: expected a number from 0 to %d",
                           SECONDS_MAX);
    return true;
}

static void carry_out(struct worker *worker, const struct order *order)
{
    for (unsigned i = 0; i < order->backend->replica_count; i++) {
        struct replica *replica = &order->backend->replicas[i];

        if (order->replica >= 0 && order->replica != (int64_t)i)
            continue;
        if (order->seconds == 0)
            end(replica);
        else
            begin(worker, replica, (uint64_t)order->seconds);
    }
}

static void put_replica(struct json_out *out, const struct replica *replica)
{
    uint64_t until = atomic_load(&replica->drill_until_ms);

    json_open(out, '{');
    json_member_str(out, STR("target"), replica->backend->name);
    json_member_i64(out, STR("replica"), replica - replica->backend->replicas);
    json_member_str(out, STR("state"),
                    health_state_name(health_state(replica)));
    json_member_i64(out, STR("seconds_left"),
                    (int64_t)((until - clock_ms() + 999) / 1000));
    json_member_i64(out, STR("requests_met"),
                    (int64_t)atomic_load(&replica->drill_met));
    json_close(out, '}');
}

static void put_page(const struct catalog *catalog, struct reply *reply)
{
    struct buf page;
    struct json_out out = json_out_to(&page);
    struct str text;

    buf_init(&page, PAGE_MAX);
    json_open(&out, '{');
    json_key(&out, STR("drills"));
    json_open(&out, '[');
    for (unsigned i = 0; i < catalog->backend_count; i++)
        for (unsigned k = 0; k < catalog->backends[i].replica_count; k++)
            if (health_is_drilled(&catalog->backends[i].replicas[k]))
                put_replica(&out, &catalog->backends[i].replicas[k]);
    json_close(&out, ']');
    json_close(&out, '}');
    text = buf_str(&page);
    reply_whole(reply, 200, STR("application/json"), &text, 1);
    buf_fini(&page);
}

void drill_answer(struct worker *worker, struct request *request,
                  struct reply *reply)
{
    struct chat_error error;
    struct order order;

    if (str_eq(request->method, STR("POST"))) {
        if (!read_order(worker, request, &order, &error)) {
            failure_reply(reply, &format_chat, STR(""), &error);
            return;
        }
        carry_out(worker, &order);
    }
    put_page(worker->catalog, reply);
}
