#include "explain.h"

#include <stdio.h>

#include "choose/health.h"

static void put_policy(struct json_out *out, enum tier allowed)
{
    json_key(out, STR("policy"));
    if (allowed == TIER_ANY)
        json_put_null(out);
    else
        json_put_str(out, allowed == TIER_LOCAL ? STR("local-only")
                                                : STR("cloud-only"));
}

static void put_replicas(struct json_out *out, const struct backend *backend,
                         uint64_t now_ms)
{
    json_key(out, STR("replicas"));
    json_open(out, '[');
    for (unsigned i = 0; i < backend->replica_count; i++) {
        const struct replica *replica = &backend->replicas[i];

        json_open(out, '{');
        json_member_i64(out, STR("replica"), (int64_t)i);
        json_member_str(out, STR("state"),
                        health_state_name(health_state(replica)));
        json_key(out, STR("usable"));
        json_put_bool(out, health_is_usable(replica, now_ms));
        json_member_i64(out, STR("in_flight"),
                        (int64_t)atomic_load(&replica->in_flight));
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void put_targets(struct json_out *out, const struct choice *choice,
                        uint64_t now_ms)
{
    json_key(out, STR("targets"));
    json_open(out, '[');
    for (unsigned i = 0; i < choice->target_count; i++) {
        const struct target *target = &choice->targets[i];

        json_open(out, '{');
        json_member_str(out, STR("backend"), tier_name(target->backend->tier));
        json_member_str(out, STR("target"), target->backend->name);
        json_member_str(out, STR("model"), target->upstream);
        json_member_str(out, STR("reason"),
                        i == 0 ? choice->reason : STR("fallback"));
        json_key(out, STR("ready"));
        json_put_bool(out, health_has_usable(target->backend, now_ms));
        put_replicas(out, target->backend, now_ms);
        json_close(out, '}');
    }
    json_close(out, ']');
}

/* Which local models could not take it, and why. */
static void put_passed(struct arena *arena, struct json_out *out,
                       const struct rule_facts *facts,
                       const struct choice *choice)
{
    json_key(out, STR("passed_over"));
    json_open(out, '[');
    for (unsigned i = 0; i < choice->passed_count; i++) {
        const struct passed *passed = &choice->passed[i];

        json_open(out, '{');
        json_member_str(out, STR("target"), passed->model->backend->name);
        json_member_str(out, STR("model"), passed->model->name);
        json_member_str(out, STR("cause"), fit_name(passed->cause));
        json_member_str(
            out, STR("says"),
            fit_explain(arena, passed->model, facts, passed->cause));
        json_close(out, '}');
    }
    json_close(out, ']');
}

/* Where it would go now: the first target that is ready. */
static unsigned present_target(const struct choice *choice, uint64_t now_ms)
{
    for (unsigned i = 0; i < choice->target_count; i++)
        if (health_has_usable(choice->targets[i].backend, now_ms))
            return i;
    return 0;
}

static void put_fallback(struct json_out *out, const struct backend *backend)
{
    char text[64];
    struct str why = health_why_not(backend);
    int n = snprintf(text, sizeof(text), "fallback:%.*s", STR_ARG(why));

    json_put_str(out, (struct str){text, (size_t)n});
}

void explain(struct arena *arena, const struct rule_facts *facts,
             const struct choice *choice, uint64_t now_ms, struct buf *buf)
{
    unsigned now = present_target(choice, now_ms);
    const struct target *target = &choice->targets[now];
    struct json_out out = json_out_to(buf);

    json_open(&out, '{');
    json_member_str(&out, STR("requested"),
                    facts->chat->model.len > 0 ? facts->chat->model
                                               : STR("auto"));
    json_member_str(&out, STR("backend"), tier_name(target->backend->tier));
    json_member_str(&out, STR("target"), target->backend->name);
    json_member_str(&out, STR("model"), target->upstream);
    json_key(&out, STR("reason"));
    if (now == 0)
        json_put_str(&out, choice->reason);
    else
        put_fallback(&out, choice->targets[0].backend);
    put_policy(&out, choice->allowed);
    json_member_i64(&out, STR("estimated_prompt_tokens"),
                    choice->prompt_tokens);
    json_member_i64(&out, STR("max_tokens"), choice->max_tokens);
    put_targets(&out, choice, now_ms);
    put_passed(arena, &out, facts, choice);
    json_close(&out, '}');
}
