/* What the router knows while it serves: backends, models, rules, keys and
 * settings.  Read-only once made, and counted: an exchange keeps the catalog
 * that it began with.  Only the replicas' health and load change, by
 * atomics. */
#ifndef WEIR_CATALOG_H
#define WEIR_CATALOG_H

#include <stdatomic.h>
#include <uv.h>

#include "arena.h"
#include "config.h"
#include "dialect/claude.h"
#include "endpoint.h"
#include "list.h"
#include "proxy.h"
#include "regex.h"
#include "secret.h"
#include "tls.h"

/* Bits, so that a policy is a set of tiers. */
enum tier {
    TIER_NONE = 0,
    TIER_LOCAL = 1,
    TIER_CLOUD = 2,
    TIER_ANY = TIER_LOCAL | TIER_CLOUD,
};

enum dialect { DIALECT_OPENAI, DIALECT_ANTHROPIC };

/* What a model can be asked for. */
enum service {
    SERVICE_CHAT,
    SERVICE_COMPLETIONS,
    SERVICE_EMBEDDINGS,
    SERVICES,
};

/* How a replica is doing; the moves between them are in choose/health.c. */
enum health_state {
    HEALTH_UNKNOWN, /* nobody has asked yet: it is tried like a ready one */
    HEALTH_COLD,    /* nothing answers: a probe must say that it is back */
    HEALTH_WARMING, /* probes answer again, but not yet often enough */
    HEALTH_WARM,
    HEALTH_RESTING, /* it answered badly: last resort, until a trial is due */
    HEALTH_RAMPING, /* it is back, and gets a growing share */
    HEALTH_STATES,
};

struct backend;
struct catalog;

/* Who waits for a place at a backend: see choose/queue.h. */
struct queue {
    uv_mutex_t lock;
    struct list waiters; /* struct waiter, the longest first */
    _Atomic unsigned length;
    const struct settings *settings;
};

/* One server of a backend. */
struct replica {
    const struct backend *backend;
    struct endpoint endpoint;
    const struct proxy *proxy; /* on the way to it; NULL: none */
    unsigned index;            /* counts all replicas of the catalog */

    _Atomic int state;               /* enum health_state */
    _Atomic uint64_t rests_until_ms; /* RESTING: then a trial is due */
    _Atomic bool is_on_trial;        /* RESTING: the trial is under way */
    _Atomic uint64_t ramp_began_ms;  /* RAMPING */
    _Atomic unsigned ramp_sum;       /* RAMPING: thousandths handed out */
    _Atomic unsigned probes_ok;      /* in a row, since it was cold */
    _Atomic unsigned relapses;       /* since it was warm: rests get longer */
    _Atomic uint64_t moves[HEALTH_STATES]; /* how often it came into each */
    _Atomic uint64_t drill_until_ms;       /* on clock_ms(); see drill.h */
    _Atomic uint64_t drill_met;            /* requests that met a drill */
    _Atomic unsigned in_flight;            /* tries under way, by all workers */
};

struct backend {
    struct catalog *catalog; /* that it stands in; not counted */
    struct str name;
    enum tier tier;
    enum dialect dialect;
    struct secret key;
    struct str health_path;  /* empty: it is not probed */
    struct str ca_file;      /* empty: the system's authorities */
    bool takes_trace;        /* it is told the trace that a try belongs to */
    bool asks_usage;         /* it is asked for the usage of its streams */
    struct tls_context *tls; /* NULL when no replica needs it */
    struct replica *replicas;
    unsigned replica_count;
    unsigned max_in_flight; /* of each replica */
    struct queue *queue;
    const struct model *default_model; /* serves chat, if one of them does */
    bool has_hour_price;
    int64_t hour_price; /* of each replica, micro-dollars for an hour */
};

struct model {
    struct str name;     /* what callers say */
    struct str upstream; /* what the backend says */
    const struct backend *backend;
    int64_t context_window; /* tokens; 0 = unknown */
    int64_t max_output;     /* the same */
    bool takes_images;
    bool takes_tools;
    bool takes_structured; /* an answer in the shape of a JSON schema */
    bool takes_thinking;
    unsigned serves;             /* bits 1 << enum service */
    struct claude_tariff tariff; /* not known: see the backend's hour_price */
};

struct rule {
    struct str name;
    bool has_min_tokens, has_max_tokens, has_min_answer, has_max_answer;
    int64_t min_tokens, max_tokens; /* of the prompt, estimated */
    int64_t min_answer, max_answer; /* max_tokens */
    int tools, images;              /* -1: either way, else 0 or 1 */
    struct str header_name, header_value;
    struct str key;
    struct str model;           /* a pattern; empty: only auto is decided */
    struct regex *tool;         /* NULL: any */
    struct regex *text;         /* the same */
    int from_minute, to_minute; /* of the day; equal: any time */
    enum tier use_tier;         /* TIER_NONE: use_model */
    const struct model *use_model;
    enum tier policy; /* TIER_NONE: no pin */
    bool forbids_content;
};

struct api_key {
    struct str name;
    unsigned char digest[32]; /* SHA-256 of the secret */
    enum tier policy;         /* TIER_NONE: no pin */
    bool forbids_content;     /* what is said is for nobody to keep */
};

struct settings {
    struct str host;
    unsigned port;
    struct str unix_path; /* empty: no Unix socket */
    unsigned unix_mode;
    struct tls_context *tls; /* of the port; NULL: plain */
    unsigned workers;        /* at least 1 */
    int64_t assumed_max_tokens;
    int cloud_fallback; /* enum config_fallback */
    int64_t default_max_tokens;
    bool shows_reasoning;
    bool shows_thinking;
    bool caches_prompt;
    bool is_strict;        /* refuses what would be left out */
    int builtin_tools;     /* enum config_builtin */
    int incoming_trace;    /* enum trace_trust */
    bool captures_content; /* see choose/content.h */
    size_t content_bytes;  /* of what is asked, and of what is answered */
    size_t store_bytes;    /* of answers that are remembered; 0: none */
    uint64_t store_ttl_ms;
    struct str anthropic_version;
    bool is_anthropic_2026_10_21;
    uint64_t connect_ms, tls_ms, first_byte_ms, first_token_ms, idle_ms,
        total_ms;
    uint64_t hold_ms, retry_after_ms, head_ms, body_ms, keep_alive_ms;
    uint64_t pool_idle_ms, drain_ms, drain_delay_ms, comment_ms, write_ms;
    uint64_t probe_interval_ms, probe_cold_ms, probe_timeout_ms;
    uint64_t rest_ms, ramp_ms;
    unsigned probe_successes; /* at least 1 */
    size_t body_bytes, answer_bytes, memory_bytes;
    unsigned pool_size;
    struct secret admin_token; /* not set: there is no admin side */
    unsigned max_in_flight, queue_size;
    uint64_t queue_ms;
    uint64_t connections; /* of callers; 0: by the descriptors there are */
};

struct catalog {
    _Atomic unsigned references;
    struct arena arena;
    struct settings settings;
    struct backend *backends;
    unsigned backend_count;
    unsigned replica_count;
    struct model *models;
    unsigned model_count;
    struct rule *rules; /* those of the file, then the thresholds */
    unsigned rule_count;
    struct api_key *keys;
    unsigned key_count;
    struct claude_models claude;
    struct claude_tariff reference; /* what the cloud would cost */
    /* the first of each tier that serves chat, or NULL */
    const struct backend *local;
    const struct backend *cloud;
};

/* Does it listen on a port? */
static inline bool settings_has_port(const struct settings *settings)
{
    return !str_eq(settings->host, STR("none"));
}

/* Makes a catalog of a configuration, with one reference.  NULL when its
 * parts do not fit together: then the configuration's `problems` say why. */
struct catalog *catalog_new(struct config *config);
struct catalog *catalog_ref(struct catalog *catalog);
/* The last one frees it, from any thread. */
void catalog_unref(struct catalog *catalog);

const struct backend *catalog_find_backend(const struct catalog *catalog,
                                           struct str name);
/* The model that callers call so; NULL when there is none. */
const struct model *catalog_find_model(const struct catalog *catalog,
                                       struct str name);
struct str tier_name(enum tier tier);
struct str service_name(enum service service);

static inline bool model_serves(const struct model *model, enum service service)
{
    return (model->serves >> service & 1) != 0;
}

#endif
