/* The backends of the stage: each does, connection by connection and request
 * by request, what the script has planned for its tier, and answers well
 * when nothing is planned.  They look at what they are sent: a whole request
 * and no byte more, nothing of the caller's head, and nothing that is pinned
 * to the other tier. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../lenient.h"
#include "stage.h"

enum { VISITS = 64, PLANS = 32, REQUEST_MAX = 8 << 20, ANSWER_MAX = 1 << 20 };

enum deed {
    ANSWER_SIZED,
    ANSWER_CHUNKED,
    ANSWER_TO_THE_END,
    ANSWER_INTERIM, /* 103 first */
    ANSWER_CUT,
    ANSWER_STALLED,
    ANSWER_EXTRA, /* bytes behind its end */
    ANSWER_SHORT, /* fewer bytes than it said */
    ANSWER_LONG,  /* more */
    ANSWER_EARLY, /* before the request has come */
    ANSWER_STATUS,
    ANSWER_BODY, /* a good head, a body from the script */
    ANSWER_RAW,  /* all from the script */
    CLOSE,
    SILENT,
    REFUSE,
    NEVER,
    POOR,
    DEEDS,
};

struct plan {
    enum deed deed;
    size_t step; /* bytes a turn */
    unsigned argument;
    struct str bytes;
};

struct plans {
    struct plan all[PLANS];
    unsigned first, count;
};

struct visit {
    int fd; /* -1: free */
    bool is_far;
    bool has_ended; /* the router's side is closed */
    bool is_answering, is_stalled, closes_after;
    struct plan plan;
    struct buf in, out;
    size_t sent;
    size_t stall_at; /* SIZE_MAX: nowhere */
};

static struct visit visits[VISITS];
static struct plans plans[2]; /* near, far */
static const struct script *script_of_run;
static const int statuses[] = {200, 201, 204, 304, 400, 401, 404, 408, 409,
                               413, 422, 429, 500, 502, 503, 529, 599, 999};

/* --- plans -------------------------------------------------------------- */

void backends_begin(const struct script *script)
{
    script_of_run = script;
    memset(plans, 0, sizeof(plans));
    for (unsigned i = 0; i < VISITS; i++)
        visits[i].fd = -1;
}

void backends_plan(struct script *script, bool is_far)
{
    struct plans *to = &plans[is_far];
    unsigned how = script_byte(script);
    struct plan plan = {
        .deed = (enum deed)(how % DEEDS),
        .step = how < 64 ? SIZE_MAX : 1 + how % 61,
        .argument = script_byte(script),
    };

    if (plan.deed == ANSWER_STATUS || plan.deed == ANSWER_BODY ||
        plan.deed == ANSWER_RAW || plan.deed == ANSWER_EXTRA)
        plan.bytes = script_bytes(script, 4096);
    if (to->count < PLANS)
        to->all[to->count++] = plan;
}

static bool is_for_dialing(enum deed deed)
{
    return deed == REFUSE || deed == NEVER || deed == POOR;
}

static struct plan next_plan(bool is_far)
{
    struct plans *from = &plans[is_far];
    struct plan plan = {.deed = ANSWER_SIZED, .step = SIZE_MAX};

    while (from->first < from->count) {
        plan = from->all[from->first++];
        if (!is_for_dialing(plan.deed))
            return plan;
        plan = (struct plan){.deed = ANSWER_SIZED, .step = SIZE_MAX};
    }
    return plan;
}

enum dial backends_dial(unsigned which, int *fd)
{
    struct plans *from = &plans[which == BACKEND_FAR];
    int ends[2];

    check(which < BACKENDS);
    if (from->first < from->count &&
        is_for_dialing(from->all[from->first].deed)) {
        enum deed deed = from->all[from->first++].deed;

        return deed == REFUSE  ? DIAL_REFUSED
               : deed == NEVER ? DIAL_NEVER
                               : DIAL_POOR;
    }
    for (unsigned i = 0; i < VISITS; i++) {
        if (visits[i].fd >= 0)
            continue;
        net_pair(ends);
        visits[i] = (struct visit){.fd = ends[0],
                                   .is_far = which == BACKEND_FAR,
                                   .stall_at = SIZE_MAX};
        buf_init(&visits[i].in, REQUEST_MAX);
        buf_init(&visits[i].out, ANSWER_MAX);
        *fd = ends[1];
        return DIAL_OK;
    }
    return DIAL_REFUSED;
}

static void hang_up(struct visit *visit)
{
    close(visit->fd);
    visit->fd = -1;
    buf_fini(&visit->in);
    buf_fini(&visit->out);
}

/* --- what it is sent ---------------------------------------------------- */

/* The request's whole length, 0 while its head is not complete. */
static size_t request_length(struct str in)
{
    size_t end, at;
    uint64_t length;
    struct str rest, digits;

    if (!str_find(in, STR("\r\n\r\n"), &end))
        return 0;
    check(str_find(in, STR("\r\nContent-Length: "), &at) && at < end);
    rest = str_slice(in, at + 18, end + 2);
    check(str_split(&rest, '\r', &digits));
    check(str_to_u64(digits, &length));
    return end + 4 + (size_t)length;
}

/* Is he asked how many tokens there are? */
static bool is_count(struct str request)
{
    return str_starts(request, STR("POST /v1/messages/count_tokens ")) ||
           str_starts(request, STR("POST /tokenize "));
}

static bool is_for(const struct visit *visit, struct str request)
{
    if (visit->is_far)
        return str_starts(request, STR("POST /v1/messages HTTP/1.1\r\n")) ||
               str_starts(request, STR("POST /v1/messages/count_tokens "
                                       "HTTP/1.1\r\n"));
    return str_starts(request, STR("POST /v1/chat/completions HTTP/1.1\r\n")) ||
           str_starts(request, STR("POST /tokenize HTTP/1.1\r\n"));
}

static void check_request(const struct visit *visit, struct str request)
{
    char other[64];
    size_t end;
    struct str body;
    yyjson_doc *doc;

    check(is_for(visit, request));
    check(!str_contains(request, STR("caller-secret")));
    check(str_find(request, STR("\r\n\r\n"), &end));
    check(!str_contains(str_slice(request, 0, end), STR("x-evil")));
    body = str_slice(request, end + 4, request.len);
    doc = lenient_read(body);
    check(yyjson_is_obj(yyjson_doc_get_root(doc)));
    check(yyjson_is_str(yyjson_obj_get(yyjson_doc_get_root(doc), "model")));
    yyjson_doc_free(doc);
    (void)snprintf(other, sizeof(other), "PIN-%s-%s",
                   visit->is_far ? "near" : "far", script_of_run->nonce);
    check(!str_contains(body, str_of(other)));
}

/* --- what it answers ---------------------------------------------------- */

/* Says again what the request said about itself. */
static void put_echo(const struct visit *visit, struct buf *out)
{
    struct str rest = buf_str(&visit->in);
    struct str who = {NULL, 0};
    char mark[32];
    size_t at;

    (void)snprintf(mark, sizeof(mark), "ASK-%s-", script_of_run->nonce);
    /* the last one: those before it are earlier turns */
    while (str_find(rest, str_of(mark), &at)) {
        rest = str_slice(rest, at + strlen(mark), rest.len);
        who = str_slice(rest, 0, 3);
    }
    if (who.len == 0) {
        buf_put(out, STR("hello"));
        return;
    }
    buf_printf(out, "ECHO-%s-", script_of_run->nonce);
    buf_put(out, who);
}

static void put_near(const struct visit *visit, bool is_stream, struct buf *out)
{
    buf_printf(out,
               "%s{\"id\":\"chatcmpl-1\",\"object\":\"chat\",\"created\":1,"
               "\"model\":\"small\",\"choices\":[{\"index\":0,\"%s\":{"
               "\"role\":\"assistant\",\"content\":\"",
               is_stream ? "data: " : "", is_stream ? "delta" : "message");
    put_echo(visit, out);
    if (!is_stream) {
        buf_put(out, STR("\"},\"finish_reason\":\"stop\"}],\"usage\":{"
                         "\"prompt_tokens\":1,\"completion_tokens\":1}}"));
        return;
    }
    buf_put(out, STR("\"},\"finish_reason\":null}]}\n\n"
                     "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,"
                     "\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
                     "data: [DONE]\n\n"));
}

#define MESSAGE                                                     \
    "\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\"," \
    "\"model\":\"claude\",\"usage\":{\"input_tokens\":1,"           \
    "\"output_tokens\":1}"

static void put_far(const struct visit *visit, bool is_stream, struct buf *out)
{
    if (!is_stream) {
        buf_put(out, STR("{" MESSAGE ",\"stop_reason\":\"end_turn\","
                         "\"content\":[{\"type\":\"text\",\"text\":\""));
        put_echo(visit, out);
        buf_put(out, STR("\"}]}"));
        return;
    }
    buf_put(out, STR("event: message_start\ndata: {\"type\":\"message_start\","
                     "\"message\":{" MESSAGE ",\"content\":[]}}\n\n"
                     "event: content_block_start\n"
                     "data: {\"type\":\"content_block_start\",\"index\":0,"
                     "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
                     "event: content_block_delta\n"
                     "data: {\"type\":\"content_block_delta\",\"index\":0,"
                     "\"delta\":{\"type\":\"text_delta\",\"text\":\""));
    put_echo(visit, out);
    buf_put(out, STR("\"}}\n\nevent: content_block_stop\n"
                     "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
                     "event: message_delta\ndata: {\"type\":\"message_delta\","
                     "\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{"
                     "\"output_tokens\":2}}\n\n"
                     "event: message_stop\n"
                     "data: {\"type\":\"message_stop\"}\n\n"));
}

static void put_head(int status, bool is_stream, struct buf *out)
{
    buf_printf(out,
               "HTTP/1.1 %d X\r\nRetry-After: 1\r\nX-Evil: 1\r\n"
               "Content-Type: %s\r\n",
               status, is_stream ? "text/event-stream" : "application/json");
}

static void put_sized(int status, bool is_stream, struct str body, int lie,
                      struct buf *out)
{
    put_head(status, is_stream, out);
    buf_printf(out, "Content-Length: %zu\r\n\r\n", body.len + (size_t)lie);
    buf_put(out, body);
}

static void put_chunked(bool is_stream, struct str body, struct buf *out)
{
    put_head(200, is_stream, out);
    buf_put(out, STR("Transfer-Encoding: chunked\r\n\r\n"));
    while (body.len > 0) {
        struct str piece = str_slice(body, 0, 97);

        buf_printf(out, "%zx\r\n%.*s\r\n", piece.len, STR_ARG(piece));
        body = str_slice(body, piece.len, body.len);
    }
    buf_put(out, STR("0\r\n\r\n"));
}

/* The bytes of the answer that is planned. */
static void write_answer(struct visit *visit, bool is_stream, struct str body)
{
    const struct plan *plan = &visit->plan;
    struct buf *out = &visit->out;

    switch (plan->deed) {
    case ANSWER_CHUNKED:
        put_chunked(is_stream, body, out);
        break;
    case ANSWER_TO_THE_END:
        put_head(200, is_stream, out);
        buf_put(out, STR("\r\n"));
        buf_put(out, body);
        visit->closes_after = true;
        break;
    case ANSWER_INTERIM:
        buf_put(out, STR("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"));
        put_sized(200, is_stream, body, 0, out);
        break;
    case ANSWER_EXTRA:
        put_sized(200, is_stream, body, 0, out);
        buf_put(out, plan->bytes);
        break;
    case ANSWER_SHORT:
        put_sized(200, is_stream, body, 1 + (int)plan->argument, out);
        visit->closes_after = plan->argument % 2 == 0;
        break;
    case ANSWER_LONG:
        put_sized(200, is_stream, body, -1 - (int)(plan->argument % 32), out);
        break;
    case ANSWER_STATUS:
        put_sized(statuses[plan->argument % COUNT_OF(statuses)], false,
                  plan->bytes, 0, out);
        break;
    case ANSWER_BODY:
        put_sized(200, is_stream, plan->bytes, 0, out);
        break;
    case ANSWER_RAW:
        buf_put(out, plan->bytes);
        visit->closes_after = plan->argument % 2 == 0;
        break;
    default:
        put_sized(200, is_stream, body, 0, out);
        break;
    }
}

static void begin_answer(struct visit *visit)
{
    bool is_stream =
        str_contains(buf_str(&visit->in), STR("Accept: text/event-stream"));
    struct plan *plan = &visit->plan;
    struct buf body;

    if (plan->deed == CLOSE) {
        hang_up(visit);
        return;
    }
    visit->is_answering = true;
    if (plan->deed == SILENT)
        return;
    buf_init(&body, ANSWER_MAX);
    if (is_count(buf_str(&visit->in)))
        buf_put(&body, visit->is_far ? STR("{\"input_tokens\":7}")
                                     : STR("{\"count\":7}"));
    else if (visit->is_far)
        put_far(visit, is_stream, &body);
    else
        put_near(visit, is_stream, &body);
    write_answer(visit, is_stream, buf_str(&body));
    buf_fini(&body);
    check(!buf_failed(&visit->out));
    if (plan->deed == ANSWER_CUT) {
        visit->out.len = visit->out.len * plan->argument / 256;
        visit->closes_after = true;
    }
    if (plan->deed == ANSWER_STALLED)
        visit->stall_at = visit->out.len * plan->argument / 256;
}

/* --- its turn ----------------------------------------------------------- */

static void take_request(struct visit *visit)
{
    size_t need = request_length(buf_str(&visit->in));

    if (visit->plan.deed != ANSWER_EARLY && (need == 0 || visit->in.len < need))
        return;
    if (need > 0 && visit->in.len >= need) {
        /* nothing is sent ahead of an answer */
        check(visit->in.len == need);
        check_request(visit, buf_str(&visit->in));
    }
    begin_answer(visit);
}

static void finish_answer(struct visit *visit)
{
    if (visit->closes_after || visit->plan.deed == ANSWER_EARLY) {
        hang_up(visit);
        return;
    }
    buf_clear(&visit->in);
    buf_clear(&visit->out);
    visit->sent = 0;
    visit->stall_at = SIZE_MAX;
    visit->is_answering = false;
}

static bool send_some(struct visit *visit)
{
    size_t end =
        visit->out.len < visit->stall_at ? visit->out.len : visit->stall_at;
    struct str rest = str_slice(buf_str(&visit->out), visit->sent, end);
    size_t before = rest.len;
    bool any = net_write(visit->fd, &rest, visit->plan.step);

    visit->sent += before - rest.len;
    if (visit->sent == visit->out.len && visit->plan.deed != SILENT)
        finish_answer(visit);
    return any;
}

/* May his answer be complete for the router, and not for him? */
static bool is_lying(enum deed deed)
{
    return deed == ANSWER_LONG || deed == ANSWER_EXTRA || deed == ANSWER_RAW ||
           deed == ANSWER_STATUS;
}

static bool pump(struct visit *visit)
{
    bool was_answering = visit->is_answering;
    size_t had = visit->in.len;
    bool any = net_read(visit->fd, &visit->in, &visit->has_ended);

    if (visit->has_ended) {
        hang_up(visit);
        return true;
    }
    if (was_answering && visit->plan.deed != ANSWER_EARLY &&
        visit->in.len != had) {
        /* who says more than he announced is asked again meanwhile */
        check(is_lying(visit->plan.deed));
        hang_up(visit);
        return true;
    }
    if (!visit->is_answering && visit->in.len > 0) {
        if (had == 0)
            visit->plan = next_plan(visit->is_far);
        take_request(visit);
    }
    if (visit->fd >= 0 && visit->is_answering)
        any = send_some(visit) || any;
    return any;
}

bool backends_pump(void)
{
    bool any = false;

    for (unsigned i = 0; i < VISITS; i++)
        if (visits[i].fd >= 0 && pump(&visits[i]))
            any = true;
    return any;
}

void backends_go_on(void)
{
    for (unsigned i = 0; i < VISITS; i++)
        visits[i].stall_at = SIZE_MAX;
}

void backends_end(void)
{
    for (unsigned i = 0; i < VISITS; i++)
        check(visits[i].fd < 0);
}
