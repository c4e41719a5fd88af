#include "langfuse_given.h"

struct record langfuse_given_record(void)
{
    return (struct record){
        .id = STR("req_1"),
        .trace_id = STR("4bf92f3577b34da6a3ce929d0e0e4736"),
        .span_id = STR("00f067aa0ba902b7"),
        .operation = OPERATION_CHAT,
        .model = STR("auto"),
        .is_chat = true,
        .status = 200,
        .began_us = 1000000,
        .first_token_us = 1500000,
        .ended_us = 3500000,
        .ended_wall_us = 1795654925500000,
        .outcome = OUTCOME_OK,
    };
}

struct record langfuse_given_full(void)
{
    static struct record_try tries[2];
    struct record record = langfuse_given_record();

    tries[0].backend = STR("gpu");
    tries[1].backend = STR("vendor");
    record.parent_span_id = STR("b7ad6b7169203331");
    record.key = STR("team");
    record.format = STR("chat");
    record.is_stream = true;
    record.is_pinned = true;
    record.was_held = true;
    record.prompt_tokens_estimated = 1200;
    record.params = (struct record_params){.has_max_tokens = true,
                                           .max_tokens = 100,
                                           .temperature = STR("0.70"),
                                           .top_p = STR("1e-1"),
                                           .top_k = STR("5"),
                                           .n = 2,
                                           .stop_count = 3,
                                           .wants_json = true};
    record.user = STR("u\"1");
    record.session = STR("s-1");
    record.metadata = STR("{\"tags\":\"a, b\",\"team\":\"red\"}");
    record.tier = TIER_CLOUD;
    record.backend = STR("vendor");
    record.served_model = STR("claude-haiku-4-5");
    record.reason = STR("fallback:connect");
    record.rule = STR("short");
    record.tries = 2;
    record.tries_made = tries;
    record.tries_kept = 2;
    record.dropped_count = 1;
    record.usage = (struct chat_usage){.is_known = true,
                                       .input = 1000,
                                       .cache_read = 600,
                                       .cache_write = 300,
                                       .cache_write_1h = 50,
                                       .output = 40,
                                       .has_reasoning = true,
                                       .reasoning = 15,
                                       .service_tier = STR("standard")};
    record.finish = CHAT_FINISH_STOP;
    record.answer_id = STR("msg_1");
    record.input = STR("[{\"role\":\"user\",\"content\":\"h\\u00e9\"}]");
    record.output = STR("{\"content\":\"ok\"}");
    record.is_clipped = true;
    record.is_priced = true;
    record.cost = 1234500;
    record.has_cloud_cost = true;
    record.cloud_cost = 2000000000;
    return record;
}
